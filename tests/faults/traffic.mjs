// Visitors with pages of their own: each hit is numbered, so that what was counted can be named.
// They send as the tracker does: a hit that was not answered with 2xx is sent again, with the same
// pageview and number; and the log says what was answered.

import { eventually } from '../scenario/eventually.mjs'
import { AGENT, ORIGIN } from '../scenario/world.mjs'

const TABS = 8
const PAGES_PER_VISITOR = 12
const EVENTS_MAX = 900
const AGAIN_MS = 60
const BROWSER = { 'User-Agent': AGENT, 'Accept-Language': 'en' }

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

export class Traffic {
  #stopping = false
  #pages = 0
  #events = 0
  #lastAddress = 0

  constructor(stack, random) {
    Object.assign(this, { stack, random, hits: [], visitors: [], answers: { taken: 0, refused: 0, broken: 0 } })
  }

  start() {
    this.tabs = Array.from({ length: TABS }, () => this.#tab(this.random.child()))
    this.failed = Promise.all(this.tabs).then(() => {}, (error) => (this.error = error))
  }

  // Each tab ends its visit.
  async stop() {
    this.#stopping = true
    await this.failed
    if (this.error) throw this.error
  }

  until(n) {
    return eventually(`${n} hits were acknowledged`, () => this.error || this.acknowledged >= n, 120_000)
  }

  get acknowledged() {
    return this.hits.reduce((n, hit) => n + hit.acknowledged, 0)
  }

  async #tab(random) {
    while (!this.#stopping) {
      const visitor = this.#newVisitor(random)
      for (let n = random.int(1, PAGES_PER_VISITOR); n > 0 && !this.#stopping; n--) {
        await this.#view(visitor, random)
        await pause(random.int(0, 30))
      }
    }
  }

  #newVisitor(random) {
    const n = ++this.#lastAddress
    const visitor = { address: `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`, id: random.chance(0.5) ? random.id() : undefined, pages: [] }
    this.visitors.push(visitor)
    return visitor
  }

  #hit(kind, more) {
    const hit = { kind, acknowledged: false, sent: 0, ...more }
    this.hits.push(hit)
    return hit
  }

  async #view(visitor, random) {
    const page = `/h/n${++this.#pages}x`
    visitor.pages.push(page)
    const way = random.next()
    const begun = Date.now()
    if (way < 0.15) {
      await this.#pixel([this.#hit('view', { page, fields: {} })], { visitor, begun, tries: 1 })
      return
    }
    const p = random.id()
    const view = this.#hit('view', { page, search: random.chance(0.2) ? `?q=Red+${random.int(1, 3)}` : '', fields: { p, n: 0 } })
    if (way < 0.3) {
      await this.#pixel([view], { visitor, begun, tries: random.int(1, 40) })
      return
    }
    await this.#beacons(this.#queue(page, p, view, random), { visitor, begun }, random)
  }

  // What a pageview says, in the order of its numbers.
  #queue(page, p, view, random) {
    const queue = [view]
    let engaged = 0
    if (random.chance(0.3)) queue.push(this.#hit('seen', { page, fields: { k: 'sn', p, n: 9, l: `*control-${random.int(1, 3)}` } }))
    for (let n = 1; n <= random.int(0, 3); n++) {
      if (random.chance(0.3) && this.#events < EVENTS_MAX) {
        queue.push(this.#hit('event', { page, name: `event-${++this.#events}`, fields: { k: 'ev', p, n, m: `event-${this.#events}` + (random.chance(0.5) ? `?way=${random.int(1, 3)}&size=s` : ''), ...(random.chance(0.3) && { q: 1 }) } }))
      } else {
        engaged += random.int(100, 5000)
        queue.push(this.#hit('pulse', { page, engaged, fields: { k: 'pu', p, n, e: engaged, ...(random.chance(0.2) && { E: random.int(1, 9) }) } }))
      }
    }
    return queue
  }

  async #beacons(queue, context, random) {
    while (queue.length > 0) {
      const batch = queue.splice(0, random.int(1, 3))
      const tries = random.chance(0.1) ? 1 : 40
      const taken = await this.#send(batch, context, tries, (hits) => this.#post(hits, context))
      if (!taken) return // without its pageview the rest would wait for ever
      if (random.chance(0.05)) await this.#send(batch, context, 1, (hits) => this.#post(hits, context))
      await pause(random.int(0, 20))
    }
  }

  #pixel(hits, context) {
    return this.#send(hits, context, context.tries, ([hit]) => this.#get(hit, context))
  }

  #fields(hit, { visitor, begun }) {
    const age = Date.now() - begun
    const person = visitor.id ? { c: 1, v: visitor.id } : {}
    return new URLSearchParams({ s: 'shop', u: ORIGIN + hit.page + (hit.search ?? ''), a: age, b: age, ...person, ...hit.fields })
  }

  #get(hit, context) {
    const headers = { ...BROWSER, 'X-Forwarded-For': context.visitor.address }
    return { path: '/p.gif?' + this.#fields(hit, context), headers }
  }

  #post(hits, context) {
    const headers = { ...BROWSER, 'X-Forwarded-For': context.visitor.address, 'Content-Type': 'text/plain;charset=UTF-8', Origin: ORIGIN }
    return { path: '/b', method: 'POST', headers, body: hits.map((hit) => this.#fields(hit, context)).join('\n') }
  }

  // True when it was answered with 2xx.
  async #send(hits, context, tries, request) {
    for (; tries > 0; tries--) {
      const status = await this.#try(hits, request(hits))
      if (status === 200 || status === 204) {
        for (const hit of hits) hit.acknowledged = true
        return true
      }
      if (this.#stopping && tries > 2) tries = 2
      await pause(AGAIN_MS)
    }
    return false
  }

  // The status; 0: nobody knows whether it arrived.
  async #try(hits, request) {
    const { port } = this.random.pick(this.stack.collectors)
    for (const hit of hits) hit.sent++
    try {
      const { status, body } = await this.stack.world.request({ port, ...request })
      if (status === 503) this.answers.refused++
      else if (status === 204 || (status === 200 && request.method === undefined)) this.answers.taken++
      else throw new Error(`answer ${status}: ${body}`)
      return status
    } catch (error) {
      if (!error.code && !/no answer/.test(error.message)) throw error
      this.answers.broken++
      return 0
    }
  }
}
