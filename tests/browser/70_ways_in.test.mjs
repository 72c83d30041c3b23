// The ways into a page beside the one line: modules, the npm package, and the examples as they are.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { buildModules } from '../../pixel/modules.mjs'
import { newPage, withChromium } from './chromium.mjs'
import { startSink } from './sink.mjs'

const script = (path) => `<script async src="${path}"></script>`

let sink
before(async () => {
  sink = await startSink()
  for (const { path, bytes } of await buildModules()) sink.scripts['/' + path] = bytes
})
after(() => sink.close())

function browserTest(name, body) {
  test(name, { timeout: 120_000 }, async () => {
    sink.clear()
    sink.pages = {}
    await withChromium(async (browser) => {
      const page = await newPage(browser)
      await body(page, browser)
      assert.deepEqual(page.faults, [], 'nothing is thrown into the page')
    })
  })
}

// What was called, where no tracker came.
const called = (page) => page.evaluate(() => (window.sentier?.q ?? []).map((call) => [...call]))

browserTest('Core Web Vitals: each once, in steps whose ends are the borders of the ratings', async (page, browser) => {
  sink.pages['/vitals'] = { head: script('/vitals.js'), body: '<h1>Large</h1><button onclick="for (const t = Date.now(); Date.now() < t + 250;);">slow</button>' }
  await page.goto(sink.url + '/vitals')
  await page.click('button')
  await page.waitForFunction(() => window.sentier?.q?.some(([, name]) => name === 'LCP'))
  for (const round of [1, 2]) {
    const other = await browser.newPage() // in front of it: now CLS and INP are known
    await page.waitForFunction(() => document.hidden)
    if (round === 1) await page.waitForFunction(() => sentier.q.length === 5)
    await other.close()
    await page.bringToFront()
    await page.click('button')
  }
  const calls = await called(page)
  assert.deepEqual(calls.map(([call, name]) => call + ' ' + name).sort(), ['CLS', 'FCP', 'INP', 'LCP', 'TTFB'].map((name) => 'passive ' + name))
  const of = Object.fromEntries(calls.map(([, name, props]) => [name, props]))
  assert.deepEqual(of.CLS, { rating: 'good', value: 0 })
  assert.equal(of.INP.rating, 'needs-improvement')
  assert.ok(of.INP.value >= 250 && of.INP.value <= 500 && of.INP.value % 50 === 0, JSON.stringify(of.INP))
  for (const name of ['FCP', 'LCP', 'TTFB']) assert.equal(of[name].value % 100, 0, name)
})

browserTest('gzip: the function that the tracker is told of makes what gunzip reads', async (page) => {
  sink.pages['/gzip'] = { head: script('/gzip.js') }
  await page.goto(sink.url + '/gzip')
  await page.waitForFunction(() => window.sentier?.q?.length)
  const text = 's=shop&k=pv&u=%2F\n'.repeat(300) + 'naïve ☕'
  const packed = await page.evaluate(async (text) => {
    const [name, gzip] = sentier.q[0]
    const blob = await gzip(text)
    return [name, blob.type, [...new Uint8Array(await blob.arrayBuffer())]]
  }, text)
  assert.deepEqual(packed.slice(0, 2), ['gzip', ''], 'no type: a request with it needs no preflight')
  assert.equal(gunzipSync(Buffer.from(packed[2])).toString(), text)
  assert.ok(packed[2].length < 300, packed[2].length)
})
