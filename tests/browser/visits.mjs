// Visits out of a seed, made in several real browsers at once. Each browser has a screen of its own, for the focus of a
// screen is one window's; so each looks at one page at a time, and all of them count.

import { setTimeout as pause } from 'node:timers/promises'
import { Random } from '../faults/random.mjs'
import { eventually } from '../scenario/eventually.mjs'
import { Screen } from './screen.mjs'
import { Truth, watchTab } from './watched.mjs'
import { Wire } from './wire.mjs'

// ---- the plan

const AWAY = ['tab', 'window', 'off', 'deaf']

function page(random, maySayLater) {
  const steps = [{ do: 'look', ms: random.int(400, 3000) }]
  for (let more = random.int(0, 2); more > 0; more--) {
    const what = random.pick(['look', 'scroll', 'scroll', ...AWAY, 'tab', 'window'])
    steps.push({ do: what, ms: random.int(500, 2500) })
    if (AWAY.includes(what)) steps.push({ do: 'look', ms: random.int(400, 1500) })
  }
  if (maySayLater && random.chance(0.3)) steps.push({ do: 'cut', ms: random.int(2000, 3000) })
  return steps
}

function visit(random, number) {
  const consented = number % 2 === 1
  const told = { number, consented }
  const look = (ms) => ({ do: 'look', ms })
  if (number % 10 === 3) return { ...told, pages: [[look(number % 50 === 43 ? 16_500 : random.int(2000, 8000))]], end: 'kill' }
  if (number % 20 === 7) {
    const rest = { do: 'idle', ms: random.int(31_500, 33_500) }
    return { ...told, pages: [[{ do: 'scroll', ms: random.int(500, 3500) }, rest, { do: 'scroll', ms: 800 }]], end: 'close' }
  }
  const count = random.pick([1, 1, 2, 3])
  // What is left while nothing gets through waits for the next page, in the browser of who agreed to that.
  const pages = Array.from({ length: count }, (_, i) => page(random, consented && i + 1 < count))
  return { ...told, pages, end: random.pick(['close', 'away', 'link']) }
}

const weight = ({ pages }) => pages.flat().reduce((sum, { ms }) => sum + ms, 1000 + 300 * pages.length)

// A list of visits for each browser, about as long as the others'. In every other one the person has agreed to be known.
function plan(seed, count, browsers) {
  const random = new Random(seed)
  const lanes = Array.from({ length: browsers }, (_, i) => ({ consented: i % 2 === 1, visits: [], ms: 0 }))
  const visits = Array.from({ length: count }, (_, number) => visit(random, number))
  for (const one of visits.sort((a, b) => weight(b) - weight(a))) {
    const lane = lanes.filter(({ consented }) => consented === one.consented).reduce((a, b) => (b.ms < a.ms ? b : a))
    lane.visits.push(one)
    lane.ms += weight(one)
  }
  return lanes
}

// ---- the site; the tracker comes from it too, so that hits alone meet a network that fails

export const visitPage = (path, { endpoint, consent, next = '/' }) => {
  const attributes = `data-site="shop" data-endpoint="${endpoint}" data-consent="${consent}"`
  const script = endpoint ? `<script async src="/s.js" ${attributes}></script>` : ''
  return `<!doctype html><title>visit</title><link rel="icon" href="data:,">${script}
    <body style="height:5000px"><p><button id="control" data-sentier="control">do</button> <a id="next" href="${next.replaceAll('&', '&amp;')}">on</a></p></body>`
}

// ---- one browser, and what is done in it

class Lane {
  truths = []

  constructor({ consented, visits }, host) {
    Object.assign(this, { consented, visits, host })
  }

  async run(collectorPort) {
    this.wire = new Wire()
    await this.wire.start(collectorPort)
    this.screen = await Screen.open()
    for (const one of this.visits) await this.#visit(one)
    // A browser that finds itself without any network keeps the last hits of a page for the next one.
    if (this.consented) await (await this.#tab()).goto(`${this.host.url}/last?${this.#query()}`)
  }

  async close() {
    await this.screen?.close()
    await this.wire.stop()
  }

  async #launch() {
    const browser = await this.screen.launch()
    this.control = await browser.target().createCDPSession()
    this.window = (await this.control.send('Target.createTarget', { url: 'about:blank', newWindow: true })).targetId
    this.other = await browser.newPage()
  }

  async #tab() {
    if (!this.screen.browser) await this.#launch()
    await this.other.bringToFront()
    const tab = await this.screen.browser.newPage()
    await watchTab(tab, (note) => this.truths.find(({ path }) => path === note.page)?.page.push(note))
    return tab
  }

  #query(more) {
    return new URLSearchParams({ endpoint: this.wire.url + '/b', consent: this.consented ? 'consented' : 'cookieless', ...more })
  }

  // Pages of a visit, each with a link to the next.
  #address({ number, pages }, i) {
    const more = i + 1 < pages.length && { next: this.#address({ number, pages }, i + 1) }
    return `/v/${number}/${i}?${this.#query(more)}`
  }

  async #visit(visit) {
    const tab = await this.#tab()
    for (let i = 0; i < visit.pages.length; i++) {
      const truth = new Truth(`/v/${visit.number}/${i}`, visit.pages[i])
      const last = this.truths.at(-1)
      this.truths.push(truth)
      if (i === 0) await tab.goto(this.host.url + this.#address(visit, i), { waitUntil: 'domcontentloaded' })
      else await this.#follow(tab, last)
      truth.did(true)
      for (const step of visit.pages[i]) {
        await this.#steps[step.do](tab, truth, step.ms)
        if (step.do !== 'cut') this.wire.turn('on')
      }
    }
    await this.#ends[visit.end](tab, this.truths.at(-1))
  }

  async #follow(tab, truth) {
    await Promise.all([tab.waitForNavigation({ waitUntil: 'domcontentloaded' }), tab.click('#next')])
    truth.over('link')
  }

  async #hide(tab, truth, ms, away) {
    await away()
    truth.did(false)
    await pause(ms)
    await tab.bringToFront()
    truth.did(true)
  }

  async #cutOff(tab, truth, ms, state) {
    this.wire.turn(state)
    if (state === 'off') await tab.setOfflineMode(true)
    await this.#steps.scroll(tab, truth, ms)
    if (state === 'off') await tab.setOfflineMode(false)
  }

  #steps = {
    look: async (tab, truth, ms) => {
      await tab.mouse.move(100 + (ms % 500), 300)
      truth.did(true)
      await pause(ms)
    },
    scroll: async (tab, truth, ms) => {
      for (let left = ms; left > 0; left -= 250) {
        await tab.mouse.wheel({ deltaY: 200 })
        truth.did(true)
        await pause(Math.min(left, 250))
      }
    },
    idle: (tab, truth, ms) => pause(ms),
    tab: (tab, truth, ms) => this.#hide(tab, truth, ms, () => this.other.bringToFront()),
    window: (tab, truth, ms) => this.#hide(tab, truth, ms, () => this.control.send('Target.activateTarget', { targetId: this.window })),
    off: (tab, truth, ms) => this.#cutOff(tab, truth, ms, 'off'),
    deaf: (tab, truth, ms) => this.#cutOff(tab, truth, ms, 'deaf'),
    // Until the next page; it is known before this one is left, for something could not be told.
    cut: async (tab, truth, ms) => {
      this.wire.turn('off')
      const failed = this.wire.failures
      await tab.click('#control')
      truth.did(true)
      await eventually('a hit meets the failure', () => this.wire.failures > failed)
      return this.#steps.look(tab, truth, ms)
    },
  }

  #ends = {
    link: async (tab, truth) => {
      await this.#follow(tab, truth)
      await tab.close()
    },
    away: async (tab, truth) => {
      await tab.goto('about:blank')
      truth.over('away')
      await tab.close()
    },
    close: async (tab, truth) => {
      await tab.close()
      truth.over('close')
    },
    kill: async (tab, truth) => {
      const killed = this.screen.kill9()
      truth.over('kill')
      await killed
    },
  }
}

// Makes the visits, and calls body with what is true of each pageview; the browsers stay open until then, so that what is
// on its way arrives.
export async function afterVisits(world, host, { seed, visits, browsers }, body) {
  const lanes = plan(seed, visits, browsers).map((one) => new Lane(one, host))
  try {
    const runs = await Promise.allSettled(lanes.map((lane) => lane.run(world.port)))
    for (const { reason } of runs) if (reason) throw reason
    return await body(lanes.flatMap(({ truths }) => truths))
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()))
  }
}
