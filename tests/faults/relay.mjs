// Stands between the programs and Redis on a unix socket, and cuts connections in the middle of a
// reply: the server has done the work, and the client cannot know.

import { createConnection, createServer } from 'node:net'

export class Relay {
  #pairs = new Set()

  constructor(from, to) {
    Object.assign(this, { from, to, cuts: 0 })
  }

  async start() {
    this.server = createServer((client) => this.#join(client))
    await new Promise((done, fail) => this.server.listen(this.from, done).once('error', fail))
  }

  #join(client) {
    const server = createConnection(this.to)
    const pair = { left: Infinity, end: () => [client, server].forEach((one) => one.destroy()) }
    this.#pairs.add(pair)
    for (const one of [client, server]) one.on('error', () => {}).on('close', () => (pair.end(), this.#pairs.delete(pair)))
    client.pipe(server)
    server.on('data', (bytes) => {
      client.write(bytes.subarray(0, pair.left))
      pair.left -= bytes.length
      if (pair.left > 0) return
      this.cuts++
      server.destroy()
      client.end() // what was let through still arrives
    })
  }

  // Each connection that is open now ends when so many more bytes of replies have passed.
  cutAfter(bytes) {
    for (const pair of this.#pairs) pair.left = bytes()
  }

  async stop() {
    for (const pair of this.#pairs) pair.end()
    await new Promise((done) => this.server.close(done))
  }
}
