// Stands between the programs and Redis on a unix socket. It cuts connections in the middle of a
// reply: the server has done the work, and the client cannot know. And it leads connections to
// another server between two commands, as a proxy does: the client does not know that either.

import { createConnection, createServer } from 'node:net'

const CRLF = '\r\n'
const TOKEN = 'every-reply-before-this'
const MARK = `*2${CRLF}$4${CRLF}ECHO${CRLF}$${TOKEN.length}${CRLF}${TOKEN}${CRLF}`
const MARKED = Buffer.from(`$${TOKEN.length}${CRLF}${TOKEN}${CRLF}`)

// The number in the line at `at`, and where the next one begins; undefined: not all there.
function line(bytes, at) {
  const end = bytes.indexOf(CRLF, at)
  return end < 0 ? undefined : [Number(bytes.toString('latin1', at + 1, end)), end + 2]
}

// Where the command that begins at `at` ends; undefined: not all there.
function commandEnd(bytes, at) {
  let found = line(bytes, at)
  for (let n = found?.[0]; found && n > 0; n--) {
    found = line(bytes, found[1])
    if (found) found[1] += found[0] + 2
  }
  return found && found[1] <= bytes.length ? found[1] : undefined
}

class Pair {
  left = Infinity // bytes of replies that still pass
  #early = Buffer.alloc(0) // of a command that is not all here
  #moving // { to, held, done }

  constructor(client, to, ended) {
    Object.assign(this, { client, ended })
    client.on('error', () => {}).on('close', () => this.end())
    client.on('data', (bytes) => this.#forward(bytes))
    this.#connect(to)
  }

  #connect(to) {
    const server = createConnection(to)
    this.server = server
    server.on('error', () => {}).on('close', () => server === this.server && this.end())
    server.on('data', (bytes) => server === this.server && this.#reply(bytes))
  }

  #forward(bytes) {
    this.#early = Buffer.concat([this.#early, bytes])
    let whole = 0
    for (let end; (end = commandEnd(this.#early, whole)) !== undefined; whole = end) {
      this.subscribed ||= /^\*\d+\r\n\$\d+\r\nP?SUBSCRIBE/i.test(this.#early.toString('latin1', whole, whole + 40))
    }
    this.server.write(this.#early.subarray(0, whole))
    this.#early = this.#early.subarray(whole)
  }

  #reply(bytes) {
    if (this.#moving) bytes = this.#untilMark(bytes)
    this.client.write(bytes.subarray(0, this.left))
    this.left -= bytes.length
    if (this.left > 0) return
    this.server.destroy()
    this.client.end() // what was let through still arrives
  }

  #untilMark(bytes) {
    const held = Buffer.concat([this.#moving.held, bytes])
    if (!held.subarray(-MARKED.length).equals(MARKED)) {
      const pass = Math.max(0, held.length - MARKED.length)
      this.#moving.held = held.subarray(pass)
      return held.subarray(0, pass)
    }
    const { to, done } = this.#moving
    this.#moving = undefined
    this.server.destroy()
    this.#connect(to)
    this.client.resume()
    done(true)
    return held.subarray(0, -MARKED.length)
  }

  // True once the server that answers is the other one.
  move(to) {
    if (this.subscribed) return this.end() // of this one the client must know
    return new Promise((done) => {
      this.#moving = { to, held: Buffer.alloc(0), done }
      this.client.pause()
      this.server.write(MARK)
    })
  }

  end() {
    this.#moving?.done(false)
    for (const one of [this.client, this.server]) one.destroy()
    this.ended(this)
  }
}

export class Relay {
  #pairs = new Set()

  constructor(from, to) {
    Object.assign(this, { from, to })
  }

  async start() {
    const ended = (pair) => this.#pairs.delete(pair)
    this.server = createServer((client) => this.#pairs.add(new Pair(client, this.to, ended)))
    await new Promise((done, fail) => this.server.listen(this.from, done).once('error', fail))
  }

  // Each connection that is open now ends when so many more bytes of replies have passed.
  cutAfter(bytes) {
    for (const pair of this.#pairs) pair.left = bytes()
  }

  // New connections lead there; those that are open, when and if they are told.
  leadTo(to) {
    this.to = to
  }

  // How many went on without a break.
  async moveOpen() {
    const moved = await Promise.all([...this.#pairs].map((pair) => pair.move(this.to)))
    return moved.filter(Boolean).length
  }

  cutOpen(some) {
    for (const pair of this.#pairs) if (some()) pair.end()
  }

  async stop() {
    this.cutOpen(() => true)
    await new Promise((done) => this.server.close(done))
  }
}
