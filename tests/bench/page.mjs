// What the tracker costs the page it is a guest in: main-thread time, the longest task, heap; under a processor four
// times slower, beside rivals' scripts on the same page, in turn. Time is the thread time that the browser's tracing
// gives to compiling and running the script and its callbacks; heap the difference to the page without a script.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { build } from 'esbuild'
import { gallery } from '../browser/gallery.mjs'
import { startHost } from '../browser/host.mjs'
import { Screen } from '../browser/screen.mjs'
import { Random } from '../faults/random.mjs'
import { median, options } from './bench.mjs'

const PLAUSIBLE = '@plausible-analytics/tracker@0.4.6'
const SETTLE_MS = 2000 // what belongs to loading
const AIMS = { load: 5, minute: 2, task: 50, heap: 200 }

const HELP = `tests/bench/page [--rounds 5] [--seconds 60] [--matomo FILE] [--busy] [--slower 4]
  --seconds  looked at, scrolled and pointed, in each round
  --slower   how many times the processor is made slower
  --busy     the pointer never rests, and the page is scrolled twice a second
  --matomo   Matomo's script; neither npm nor Debian has it
$SENTIER_TRACKER names a script to try instead of the built one.`
const given = options({ rounds: 5, seconds: 60, matomo: '', busy: false, slower: 4 }, HELP)

// ---- scripts: {name, tag, bytes}

// Installed for this run alone. undefined without a network.
async function plausible(dir) {
  try {
    execFileSync('npm', ['install', '--prefix', dir, '--no-audit', '--no-fund', '--ignore-scripts', PLAUSIBLE], { stdio: 'pipe', timeout: 60_000 })
  } catch {
    console.log(`${PLAUSIBLE} cannot be installed here: measured without it`)
    return
  }
  const contents = `import { init } from '${PLAUSIBLE.replace(/@[^@]*$/, '')}'
    init({ domain: 'shop', endpoint: location.origin + '/api', captureOnLocalhost: true,
      outboundLinks: true, fileDownloads: true, formSubmissions: true })`
  const { outputFiles } = await build({ stdin: { contents, resolveDir: dir }, bundle: true, minify: true, format: 'iife', write: false })
  return { name: 'plausible', bytes: outputFiles[0].contents, tag: '<script async src="/plausible.js"></script>' }
}

const MATOMO = [['setTrackerUrl', '/api'], ['setSiteId', '1'], ['trackPageView'], ['enableLinkTracking'], ['enableHeartBeatTimer']]
const matomo = (file) => ({
  name: 'matomo',
  bytes: readFileSync(file),
  tag: `<script>_paq = ${JSON.stringify(MATOMO)}</script><script async src="/matomo.js"></script>`,
})

async function scripts(dir) {
  const sentier = { name: 's', title: 'sentier', tag: '<script async src="/s.js" data-site="shop" data-endpoint="/api"></script>' }
  return [{ name: 'none', tag: '' }, sentier, await plausible(dir), given.matomo && matomo(given.matomo)].filter(Boolean)
}

// ---- a trace → milliseconds of the script

const RUNS = ['EvaluateScript', 'v8.compile', 'FunctionCall']
const OBSERVES = 'IntersectionObserverController::computeIntersections'

const spent = (events) => events.reduce((sum, { dur, tdur = dur }) => sum + tdur, 0) / 1000

// What the script ran, outermost calls alone; what the browser computed for its observers; the longest run.
function read(events, pid, url) {
  const main = events.filter((event) => event.ph === 'X' && event.pid === pid).sort((a, b) => a.ts - b.ts || b.dur - a.dur)
  let end = 0
  const runs = main.filter(({ name, ts, dur, args }) => RUNS.includes(name) && args.data?.url === url && ts >= end && (end = ts + dur))
  const observing = main.filter(({ name }) => name === OBSERVES)
  return { script: spent(runs), observing: spent(observing), longest: Math.max(0, ...runs.map((one) => spent([one]))) }
}

async function traced(session, body) {
  const events = []
  const take = ({ value }) => events.push(...value)
  session.on('Tracing.dataCollected', take)
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { includedCategories: ['devtools.timeline'] } })
  await body()
  const done = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve))
  await session.send('Tracing.end')
  await done
  session.off('Tracing.dataCollected', take)
  return events
}

// ---- one page, looked at for a while

// Somebody reads: every three seconds the page is scrolled and the pointer moved for half a second.
async function use(tab) {
  const end = performance.now() + given.seconds * 1000
  for (let i = 0; performance.now() < end; i++) {
    if (given.busy || i % 60 < 10) await tab.mouse.move(100 + (i % 50) * 10, 100 + (i % 30) * 15)
    if (i % (given.busy ? 10 : 60) === 0) await tab.mouse.wheel({ deltaY: 300 })
    await pause(50)
  }
}

async function heap(session) {
  for (let i = 0; i < 3; i++) await session.send('HeapProfiler.collectGarbage')
  return (await session.send('Runtime.getHeapUsage')).usedSize / 1000
}

async function measure(browser, host, { name }) {
  const tab = await browser.newPage()
  const session = await tab.createCDPSession()
  await session.send('Emulation.setCPUThrottlingRate', { rate: given.slower })
  const loading = await traced(session, async () => {
    await tab.goto(`${host.url}/${name}`, { waitUntil: 'load' })
    await pause(SETTLE_MS)
  })
  const using = await traced(session, () => use(tab))
  const { pid } = loading.find((event) => event.name === 'EvaluateScript' && event.args.data?.url === `${host.url}/${name}`)
  const [loaded, used] = [loading, using].map((events) => read(events, pid, `${host.url}/${name}.js`))
  const kilobytes = await heap(session)
  await tab.close()
  const perMinute = 60 / given.seconds
  const task = Math.max(loaded.longest, used.longest)
  return { load: loaded.script, minute: used.script * perMinute, observing: used.observing * perMinute, task, heap: kilobytes }
}

// ---- all of them

const dir = mkdtempSync(join(tmpdir(), 'sentier-page-'))
const all = await scripts(dir)
const served = Object.fromEntries(all.filter(({ bytes }) => bytes).map(({ name, bytes }) => [`/${name}.js`, bytes]))
const pageOf = (path) => gallery(new Random(1), `<script>0</script>${all.find(({ name }) => path === '/' + name)?.tag ?? ''}`)
const host = await startHost(pageOf, served)
const screen = await Screen.open()
const rounds = all.map(() => [])
try {
  const browser = await screen.launch()
  for (let round = 0; round < given.rounds; round++)
    for (const [i, script] of all.entries()) rounds[i].push(await measure(browser, host, script))
} finally {
  await screen.close()
  await host.close()
  rmSync(dir, { recursive: true, force: true })
}

const of = (i, what) => median(rounds[i].map((one) => one[what]))
const more = (i, what) => of(i, what) - of(0, what)
const row = (cells) => cells.map((one, i) => (i === 0 ? one.padEnd(10) : one.padStart(12))).join('')
const ms = (value) => `${value.toFixed(2)} ms`
console.log(`medians of ${given.rounds} rounds of ${given.seconds} s${given.busy ? ', busy' : ''}, the processor ${given.slower} times slower`)
console.log(row(['', 'load', 'minute', 'longest run', 'heap']) + '   besides, a minute, the browser for its observers')
console.log(row(['aim', ms(AIMS.load), ms(AIMS.minute), ms(AIMS.task), `${AIMS.heap} kB`]))
for (let i = 1; i < all.length; i++) {
  const times = ['load', 'minute', 'task'].map((what) => ms(of(i, what)))
  console.log(row([all[i].title ?? all[i].name, ...times, `${Math.round(more(i, 'heap'))} kB`, ms(more(i, 'observing'))]))
}
const missed = ['load', 'minute', 'task'].filter((what) => of(1, what) > AIMS[what])
if (more(1, 'heap') > AIMS.heap) missed.push('heap')
for (const what of missed) console.log(`over its aim: ${what}`)
process.exitCode = missed.length > 0 ? 1 : 0
