// How hits get to a collector that cannot take them, or that the browser cannot reach: late, each
// once, and what has to be given up is told as a number.

import assert from 'node:assert/strict'
import { sink, trackerTest } from './tracker.mjs'

const keys = (hits) => hits.map(({ p, n }) => `${p} ${n ?? 0}`)
const twice = (list) => list.filter((one, i) => list.indexOf(one) < i)

trackerTest('what the collector could not store is sent again, older, with the same number', async (page) => {
  sink.answer = () => (sink.requests.length < 1 ? 503 : 204)
  await page.goto(sink.url + '/page-a')
  const view = await sink.waitFor('the pageview at last', () => sink.of('pv')[0])
  const [first, second] = sink.requests.map(({ hits }) => hits[0])
  assert.deepEqual([second.p, second.n, second.k], [first.p, first.n, first.k])
  assert.ok(+view.a >= 4000 && +view.b >= +view.a)
  assert.equal(await page.evaluate(() => localStorage.length), 0, 'without consent it waits in memory')
})

trackerTest('no sooner than the collector says', async (page) => {
  sink.headers = { 'Retry-After': '7', 'Access-Control-Expose-Headers': 'Retry-After' }
  sink.answer = () => (sink.requests.length < 1 ? 503 : 204)
  await page.goto(sink.url + '/page-a')
  const view = await sink.waitFor('the pageview at last', () => sink.of('pv')[0])
  assert.ok(+view.a >= 7000, view.a)
})

trackerTest('a refused hit is not sent again', async (page) => {
  sink.answer = () => 400
  await page.goto(sink.url + '/page-a')
  await sink.waitFor('the pageview', () => sink.requests.length === 1)
  await page.evaluate(() => sentier('event', 'later'))
  await sink.waitFor('the event', () => sink.requests.length === 2)
  assert.deepEqual(sink.requests.map(({ hits }) => hits.map(({ k }) => k)), [['pv'], ['ev']])
})

trackerTest('with consent what waits is sent by the next page', async (page) => {
  sink.pages = { '/page-a': CONSENTED, '/page-b': CONSENTED, '/blank': { head: '' } }
  sink.answer = () => 0 // no network
  await page.goto(sink.url + '/page-a')
  await page.evaluate(() => sentier('event', 'said offline'))
  await sink.waitFor('an attempt', () => sink.requests.length > 0)
  await untilItWaits(page)
  await page.goto(sink.url + '/blank')
  sink.answer = () => 204
  await page.goto(sink.url + '/page-b')
  await sink.waitFor('both pageviews and the event', () => sink.of('pv').length === 2 && sink.of('ev').length === 1)
  const late = sink.of('pv').find(({ u }) => u.endsWith('/page-a'))
  assert.ok(+late.a > 0 && +late.b >= +late.a)
  await page.waitForFunction(() => !localStorage.sentier.includes('\n')) // nothing waits
})

// A page that is left before it knows of the outage sends by beacon, and nothing tells what became of it.
const untilItWaits = (page) => page.waitForFunction(() => localStorage.sentier.includes('\n'))

// A queue as an earlier page left it: behind the id, a line a hit.
const seed = (page, count, name) =>
  page.evaluate((n, what, url) => {
    const at = Date.now() - 3600_000
    const hits = Array.from({ length: n }, (_, i) => `s=shop&k=ev&p=${what}${(i / 200) | 0}&n=${i % 200}&m=${what}${i}&u=${url}&A=${at}&B=${at}`)
    localStorage.sentier += '\n' + hits.join('\n')
  }, count, name, encodeURIComponent(sink.url + '/earlier'))

const CONSENTED = { head: `<script async src="/s.js" data-site="shop" data-consent="consented"></script>` }

async function withAnId(page) {
  sink.pages = { '/page-a': CONSENTED, '/blank': { head: '' } }
  await page.goto(sink.url + '/page-a')
  await page.goto(sink.url + '/blank')
  await sink.waitFor('the first', () => sink.of('pv').length === 1)
  sink.clear()
}

trackerTest('five hundred wait; how many had to go is told', async (page) => {
  await withAnId(page)
  await seed(page, 540, 'one')
  sink.answer = () => 503
  await page.goto(sink.url + '/page-a')
  await sink.waitFor('an attempt', () => sink.requests.some(({ hits }) => hits.some(({ k }) => k === 'ev')))
  await untilItWaits(page)
  await page.goto(sink.url + '/blank')
  assert.ok((await page.evaluate(() => localStorage.sentier.split('\n').length)) <= 501)
  sink.answer = () => 204
  sink.clear()
  await page.goto(sink.url + '/page-a')
  const dropped = () => sink.hits.reduce((sum, { h }) => sum + (+h || 0), 0)
  await sink.waitFor('all that is left', () => sink.of('ev').length > 480 && sink.of('pv').length > 0)
  assert.ok(dropped() >= 40, dropped())
  assert.ok(sink.of('ev').length <= 500)
  assert.ok(sink.of('ev').every(({ m }) => m !== 'one0'), 'the oldest go')
  assert.ok(sink.of('ev').some(({ m }) => m === 'one539'), 'the newest stay')
  assert.ok(Math.max(...sink.requests.map(({ hits }) => hits.length)) <= 64)
})

// Browsers do not lock their storage: tabs that open in one moment may both find what waits. The
// collector drops repeats by pageview and number, and so does sink.of.
trackerTest('what waits is counted once, whichever tabs send it', async (page, browser) => {
  await withAnId(page)
  await seed(page, 300, 'one')
  const second = await browser.newPage()
  await Promise.all([page.goto(sink.url + '/page-a'), second.goto(sink.url + '/page-a')])
  await page.bringToFront()
  await second.bringToFront()
  await sink.waitFor('all', () => sink.of('ev').length === 300)
  assert.deepEqual([...new Set(sink.hits.filter(({ k }) => k === 'ev').map(({ m }) => m))].length, 300)
  await page.close()
  await second.close()
  await sink.waitFor('both pageviews', () => sink.of('pv').length === 2)
})

trackerTest('what one tab has sent no other sends again', async (page, browser) => {
  await withAnId(page)
  await seed(page, 300, 'one')
  await page.goto(sink.url + '/page-a')
  await sink.waitFor('all', () => sink.of('ev').length === 300)
  const second = await browser.newPage()
  await second.goto(sink.url + '/page-a')
  await second.bringToFront()
  await sink.waitFor('both pageviews', () => sink.of('pv').length === 2)
  await second.close()
  assert.deepEqual(twice(keys(sink.hits.filter(({ k }) => k === 'ev'))), [])
})
