// How long somebody looked at a page, known without the tracker: a script of the test's own tells it from within the
// page, and the driver, who did it all, keeps a clock beside it.

import { eventually } from '../scenario/eventually.mjs'

const IDLE_MS = 30_000 // nobody is engaged who has done nothing for so long
const BEATS = [5000, 15_000, 45_000] // when the tracker tells it while the page goes on
const NEAR_MS = 1000

// In the page: says whether somebody looks, whenever that changes or something is done.
function watch() {
  const { tellTheTest } = globalThis
  delete globalThis.tellTheTest
  if (window !== top || !tellTheTest) return
  let begun = false
  let looking = false
  const note = (active, gone = false) => {
    const was = looking
    looking = begun && !gone && document.visibilityState === 'visible' && document.hasFocus()
    if (!active && !gone && looking === was) return
    const at = performance.timeOrigin + performance.now()
    tellTheTest(JSON.stringify({ page: location.pathname, at, looking, active: active || (looking && !was), gone }))
  }
  // No script can know of a page before it is there: the time begins when the page and the script are.
  // The time begins when the script has come: nothing can know what was before.
  document.addEventListener('load', ({ target }) => begun || (target.dataset?.site && note((begun = true))), true)
  for (const name of ['pointermove', 'pointerdown', 'keydown', 'scroll', 'touchstart']) addEventListener(name, () => note(begun), true)
  for (const name of ['focus', 'blur', 'visibilitychange']) addEventListener(name, () => note(false), true)
  addEventListener('pagehide', () => note(false, true))
  setInterval(() => note(false), 50) // focus may come without an event
}

// Every page that this tab opens tells `take` what watch() sees.
export async function watchTab(tab, take) {
  const session = await tab.createCDPSession()
  await session.send('Runtime.enable')
  await session.send('Runtime.addBinding', { name: 'tellTheTest' })
  session.on('Runtime.bindingCalled', ({ payload }) => take(JSON.parse(payload)))
  await tab.evaluateOnNewDocument(watch)
}

// Milliseconds of somebody looking who did something in the last 30 s.
function engagedMs(notes, end) {
  let ms = 0
  let until = 0
  notes.forEach((note, i) => {
    if (note.active) until = note.at + IDLE_MS
    const to = Math.min(notes[i + 1]?.at ?? end, until)
    if (note.looking) ms += Math.max(0, to - note.at)
  })
  return ms
}

const now = () => performance.timeOrigin + performance.now()

export class Truth {
  page = []
  driver = []

  constructor(path, steps) {
    Object.assign(this, { path, steps })
  }

  // What the driver has just done.
  did(looking, active = looking) {
    this.driver.push({ at: now(), looking, active })
  }

  over(how) {
    this.end ??= now()
    this.how = how
  }

  get ms() {
    return engagedMs(this.page, this.page.find(({ gone }) => gone)?.at ?? this.end)
  }

  get driverMs() {
    return engagedMs(this.driver, this.end)
  }
}

// A pageview as the report has it beside what is true: {truth, views, error, good}. A browser that was killed has told
// what was true at the last beat.
function judge(truth, { views = 0, engaged_ms = 0 } = {}) {
  const told = truth.how === 'kill' ? Math.max(0, ...BEATS.filter((beat) => beat <= truth.ms - NEAR_MS)) : truth.ms
  const near = engaged_ms >= told - NEAR_MS && engaged_ms <= truth.ms + NEAR_MS
  return { truth, views, error: engaged_ms - truth.ms, near }
}

// Of all pageviews, once all are as promised or nothing more can come; and what else stands in the report.
export async function judgeAll(world, host, truths, withinMs = 60_000) {
  let report, all
  const ask = async () => {
    report = await world.report()
    const rows = new Map(report.pages.map((row) => [row.page, row]))
    all = truths.map((truth) => judge(truth, rows.get(host.name + truth.path)))
    return all.every(({ views, near }) => views === 1 && near)
  }
  await eventually('all are as promised', ask, withinMs).catch(() => {})
  const views = report.pages.filter(({ page }) => page.startsWith(host.name + '/v/')).reduce((sum, row) => sum + row.views, 0)
  return { all, views }
}

export function describe({ truth, views, error }) {
  const did = truth.steps.map((step) => `${step.do} ${step.ms}`).join(', ')
  const [ms, driverMs, more] = [truth.ms, truth.driverMs, error].map(Math.round)
  return `${truth.path}, ${did}, ${truth.how}: ${views} views, ${ms} ms (by the driver ${driverMs}), reported ${more} more`
}
