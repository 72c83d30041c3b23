// The network between a browser and the collector, which can fail: off, nothing gets through and open
// connections break; deaf, requests arrive and the answers do not, so the browser cannot know.

import { createConnection, createServer } from 'node:net'

export class Wire {
  #state = 'on'
  #open = new Set()
  failures = 0 // connections that were refused

  async start(to) {
    this.server = createServer((client) => this.#join(client, to))
    await new Promise((done) => this.server.listen(0, '127.0.0.1', done))
    this.url = `http://127.0.0.1:${this.server.address().port}`
  }

  #join(client, to) {
    if (this.#state === 'off') {
      this.failures++
      return client.destroy()
    }
    const server = createConnection(to, '127.0.0.1')
    const end = () => {
      client.destroy()
      server.destroy()
      this.#open.delete(end)
    }
    this.#open.add(end)
    for (const side of [client, server]) side.on('error', () => {}).on('close', end)
    client.on('data', (bytes) => server.write(bytes))
    server.on('data', (bytes) => (this.#state === 'deaf' ? end() : client.write(bytes)))
  }

  turn(state) {
    this.#state = state
    if (state === 'off') for (const end of this.#open) end()
  }

  async stop() {
    this.turn('off')
    await new Promise((done) => this.server.close(done))
  }
}
