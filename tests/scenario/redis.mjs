// A small client of Redis, over its unix socket or TCP: one pipeline at a time is all that a test needs.

import { createConnection } from 'node:net'

const CRLF = '\r\n'

const encode = (args) =>
  Buffer.concat([
    Buffer.from(`*${args.length}${CRLF}`),
    ...args.flatMap((arg) => {
      const bytes = Buffer.from(arg)
      return [Buffer.from(`$${bytes.length}${CRLF}`), bytes, Buffer.from(CRLF)]
    }),
  ])

// One reply from bytes at `at`: [value, end], or undefined while it is not all there. Strings are
// latin1, so that each byte is one character.
function decode(bytes, at = 0) {
  const eol = bytes.indexOf(CRLF, at)
  if (eol < 0) return
  const head = bytes.toString('latin1', at + 1, eol)
  const next = eol + 2
  switch (String.fromCharCode(bytes[at])) {
    case '+':
      return [head, next]
    case '-':
      return [new Error(head), next]
    case ':':
      return [Number(head), next]
    case '$': {
      if (head === '-1') return [null, next]
      const end = next + Number(head)
      return bytes.length < end + 2 ? undefined : [bytes.toString('latin1', next, end), end + 2]
    }
    case '*': {
      const items = []
      let end = next
      for (let n = Number(head); n > 0; n--) {
        const item = decode(bytes, end)
        if (!item) return
        items.push(item[0])
        end = item[1]
      }
      return [items, end]
    }
    default:
      throw new Error(`not a reply: ${bytes.toString('latin1', at, at + 40)}`)
  }
}

// Sends commands in one pipeline and gives their replies; an error reply throws.
export async function redisCalls(where, commands) {
  const replies = await redisReplies(where, commands)
  const failure = replies.find((reply) => reply instanceof Error)
  if (failure) throw failure
  return replies
}

// where: path of a socket, or { host, port }. An error reply is an Error among the others.
export function redisReplies(where, commands) {
  return new Promise((resolve, reject) => {
    const socket = createConnection(where)
    const replies = []
    let bytes = Buffer.alloc(0)
    socket.setTimeout(10_000, () => socket.destroy(new Error('Redis did not answer in 10 s')))
    socket.on('connect', () => commands.forEach((args) => socket.write(encode(args))))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('Redis closed the connection')))
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
      for (let reply; replies.length < commands.length && (reply = decode(bytes)); ) {
        replies.push(reply[0])
        bytes = bytes.subarray(reply[1])
      }
      if (replies.length < commands.length) return
      resolve(replies)
      socket.destroy()
    })
  })
}
