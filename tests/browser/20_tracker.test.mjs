// The tracker in a real browser: what it sends, when, and what it never does.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { newPage, withChromium } from './chromium.mjs'
import { startSink } from './sink.mjs'

const STUB = `<script>window.sentier=window.sentier||function(){(sentier.q=sentier.q||[]).push(arguments)}</script>`
const SCRIPT = `<script async src="/s.js" data-site="shop"></script>`

let sink
before(async () => (sink = await startSink()))
after(() => sink.close())

// A fresh browser for each: storage and caches are part of what is tested.
function trackerTest(name, body, flags) {
  test(name, { timeout: 120_000 }, async () => {
    sink.clear()
    Object.assign(sink, { answer: () => 204, pages: {}, cors: true })
    await withChromium(async (browser) => {
      const page = await newPage(browser)
      await body(page, browser)
      assert.deepEqual(page.faults, [], 'nothing is thrown into the page')
    }, flags)
  })
}

trackerTest('a pageview says what the wire format says, and stores nothing', async (page) => {
  await page.goto(sink.url + '/one?utm_source=x#part')
  const [hit] = await sink.waitFor('a pageview', () => sink.of('pv').length && sink.of('pv'))
  assert.deepEqual(Object.keys(hit).sort(), ['a', 'b', 'k', 'n', 'p', 's', 'u', 'x'])
  assert.equal(hit.s, 'shop')
  assert.equal(hit.n, '0')
  assert.equal(hit.x, '200')
  assert.equal(hit.u, sink.url + '/one?utm_source=x')
  assert.match(hit.p, /^[0-9a-z]{12}$/)
  assert.ok(+hit.a >= 0 && +hit.a < 5000 && +hit.b >= +hit.a)
  const kept = await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie])
  assert.deepEqual(kept, [0, 0, ''])
  const globals = await page.evaluate(() => {
    const frame = document.body.appendChild(document.createElement('iframe'))
    return Object.keys(window).filter((key) => !(key in frame.contentWindow) && key !== '0')
  })
  assert.deepEqual(globals, ['sentier'])
})

trackerTest('a route change is a pageview, whose referrer is the page before', async (page) => {
  await page.goto(sink.url + '/one')
  await sink.waitFor('the load', () => sink.of('pv').length === 1)
  await page.evaluate(() => {
    history.replaceState({}, '', '/one?filter=1')
    history.pushState({}, '', '/one#part')
    history.pushState({}, '', '/two')
  })
  await sink.waitFor('the route', () => sink.of('pv').length === 2)
  await page.evaluate(() => history.back())
  await sink.waitFor('the way back', () => sink.of('pv').length === 3)
  const [one, two, back] = sink.of('pv')
  assert.deepEqual([two.u, two.r, two.x], [sink.url + '/two', sink.url + '/one', undefined])
  assert.equal(back.r, sink.url + '/two')
  assert.equal(new Set([one.p, two.p, back.p]).size, 3)
})

trackerTest('with data-hash the fragment is a page', async (page) => {
  sink.pages['/app'] = { head: `<script async src="/s.js" data-site="shop" data-hash></script>` }
  await page.goto(sink.url + '/app#/a')
  await sink.waitFor('the load', () => sink.of('pv').length === 1)
  await page.evaluate(() => (location.hash = '#/b'))
  await sink.waitFor('the hash route', () => sink.of('pv').length === 2)
  assert.deepEqual(sink.of('pv').map(({ u }) => u), [sink.url + '/app#/a', sink.url + '/app#/b'])
})

trackerTest('engaged time and depth rise, and are told when the page is left', async (page) => {
  await page.goto(sink.url + '/long')
  await page.mouse.move(50, 50)
  await page.evaluate(() => scrollTo(0, 1200))
  const pulse = await sink.waitFor('the pulse of 5 s', () => sink.of('pu')[0])
  const [view] = sink.of('pv')
  assert.equal(pulse.p, view.p)
  assert.equal(pulse.n, '1')
  assert.ok(+pulse.e >= 5000 && +pulse.e < 6500, pulse.e)
  assert.ok(+pulse.d >= 45 && +pulse.d <= 55, pulse.d)
  assert.ok(+pulse.b >= +pulse.e)
  await page.evaluate(() => scrollTo(0, 4000))
  await page.goto(sink.url + '/next')
  const last = await sink.waitFor('the pulse of leaving', () => sink.of('pu').find(({ p, n }) => p === view.p && +n > 1))
  assert.ok(+last.e > +pulse.e)
  assert.equal(last.d, '100')
})

trackerTest('nobody looks, nothing rises', async (page, browser) => {
  await page.goto(sink.url + '/watched')
  const view = await sink.waitFor('the load', () => sink.of('pv')[0])
  const other = await browser.newPage() // in front of it
  await other.goto('about:blank')
  await sink.waitFor('the pulse of being hidden', () => sink.of('pu').some(({ p }) => p === view.p))
  const before = Math.max(...sink.of('pu').map(({ e }) => +e))
  const second = await newPage(browser)
  await second.goto(sink.url + '/clock')
  await second.mouse.move(5, 5)
  const clock = await sink.waitFor('5 s engaged elsewhere', () => sink.of('pu').find(({ u }) => u.endsWith('/clock')))
  assert.ok(+clock.e >= 5000)
  await second.close()
  await page.bringToFront()
  await page.goto(sink.url + '/away')
  await sink.waitFor('the load after', () => sink.of('pv').some(({ u }) => u.endsWith('/away')))
  const most = Math.max(...sink.of('pu').filter(({ p }) => p === view.p).map(({ e }) => +e))
  assert.ok(most - before < 2000, `${before} -> ${most} ms while 5 s went by`)
})

trackerTest('clicks that lead away are told; others are not', async (page) => {
  sink.pages['/links'] = {
    body: `<a id="in" href="/in">i</a> <a id="mail" href="mailto:a@b.example">m</a> <a id="none">n</a>
      <a id="out" href="${sink.other}/out?x=1"><b id="inner">o</b></a> <a id="file" href="/files/list.PDF?v=2">f</a>
      <a id="named" href="/data" download>d</a> <a id="blank" target="_blank" href="${sink.other}/blank">b</a>
      <script>addEventListener('click', (e) => e.preventDefault())</script>`,
  }
  await page.goto(sink.url + '/links')
  for (const id of ['in', 'mail', 'none', 'inner', 'file', 'named']) await page.click('#' + id)
  await page.click('#blank', { button: 'middle' })
  await page.click('#out', { button: 'right' })
  await sink.waitFor('the middle click', () => sink.of('ol').length === 2)
  assert.deepEqual(sink.of('ol').map(({ t }) => t), [sink.other + '/out?x=1', sink.other + '/blank'])
  assert.deepEqual(sink.of('dl').map(({ t }) => t), [sink.url + '/files/list.PDF?v=2', sink.url + '/data'])
  const numbers = sink.hits.filter(({ p }) => p === sink.of('pv')[0].p).map(({ n }) => +n)
  assert.equal(new Set(numbers).size, numbers.length)
})

trackerTest('a click is told though the page is gone the next moment', async (page) => {
  sink.pages['/go'] = { body: `<a id="out" href="${sink.other}/gone">o</a>` }
  sink.pages['/gone'] = { head: '' }
  await page.goto(sink.url + '/go')
  await sink.waitFor('the load', () => sink.of('pv').length)
  await Promise.all([page.waitForNavigation(), page.click('#out')])
  const out = await sink.waitFor('the click', () => sink.of('ol')[0])
  assert.equal(out.t, sink.other + '/gone')
})

trackerTest('calls made before the tracker came are kept', async (page) => {
  sink.pages['/early'] = { head: `${STUB}<script>sentier('event','early');sentier('consent',true);sentier('nonsense');sentier()</script>${SCRIPT}` }
  await page.goto(sink.url + '/early')
  const early = await sink.waitFor('the event', () => sink.of('ev')[0])
  const [view] = sink.of('pv')
  assert.deepEqual([early.m, early.p, early.n], ['early', view.p, '1'])
  assert.equal(view.c, '1', 'consent came before the pageview began')
  await page.evaluate(() => {
    for (const name of ['naïve ☕', 'half \ud800', '', undefined, { toString() { throw 1 } }]) sentier('event', name)
  })
  const names = await sink.waitFor('both names', () => sink.of('ev').length === 3 && sink.of('ev').map(({ m }) => m))
  assert.deepEqual(names, ['early', 'naïve ☕', 'half \ufffd'])
  const burst = sink.requests.find(({ hits }) => hits.some(({ m }) => m === 'naïve ☕'))
  assert.equal(burst.hits.filter(({ k }) => k === 'ev').length, 2, 'one request for a burst')
})

trackerTest('consent gives an id from the next pageview on; withdrawing it opts out', async (page) => {
  await page.goto(sink.url + '/page-a')
  await sink.waitFor('the first', () => sink.of('pv').length === 1)
  await page.evaluate(() => sentier('consent', false)) // of nothing: nothing changes
  await page.evaluate(() => sentier('consent', true))
  await page.evaluate(() => sentier('event', 'same pageview'))
  await sink.waitFor('its event', () => sink.of('ev').length === 1)
  assert.deepEqual([sink.of('pv')[0].v, sink.of('ev')[0].v], [undefined, undefined])
  await page.goto(sink.url + '/page-b')
  await page.goto(sink.url + '/page-c')
  await sink.waitFor('two more', () => sink.of('pv').length === 3)
  const [, b, c] = sink.of('pv')
  assert.match(b.v, /^[0-9a-z]{12}$/)
  assert.deepEqual([b.c, c.c, c.v], ['1', '1', b.v])

  await page.evaluate(() => (sentier('event', 'never told'), sentier('consent', false), sentier('event', 'nor this')))
  assert.equal(await page.evaluate(() => localStorage.sentier), 'w')
  await page.goto(sink.url + '/page-d')
  const out = await sink.waitFor('one number', () => sink.hits.find(({ o }) => o))
  assert.deepEqual(out, { s: 'shop', o: '1' })
  assert.equal(sink.of('ev').length, 1)
  await page.evaluate(() => sentier('consent', true))
  await page.goto(sink.url + '/page-e')
  const again = await sink.waitFor('a new consent', () => sink.of('pv')[3])
  assert.match(again.v, /^[0-9a-z]{12}$/)
  assert.notEqual(again.v, b.v)
})

trackerTest('an id older than 13 months is replaced', async (page) => {
  await page.goto(sink.url + '/page-a')
  await page.evaluate((old) => (localStorage.sentier = 'oldid.' + old), Date.now() - 400 * 864e5)
  await page.goto(sink.url + '/page-b')
  const b = await sink.waitFor('the second', () => sink.of('pv')[1])
  assert.ok(b.v && b.v !== 'oldid')
})

trackerTest('an opt-out lasts, whatever a banner says', async (page) => {
  await page.goto(sink.url + '/page-a')
  await sink.waitFor('the first', () => sink.of('pv').length === 1)
  await page.evaluate(() => (sentier('optout'), sentier('consent', true), sentier('event', 'x')))
  await page.goto(sink.url + '/page-b')
  await page.evaluate(() => history.pushState({}, '', '/page-c'))
  await sink.waitFor('one number a pageview', () => sink.hits.filter(({ o }) => o).length === 2)
  assert.deepEqual(sink.hits.filter(({ k }) => k).map(({ k }) => k), ['pv'])
  await page.evaluate(() => sentier('optout', false))
  await page.goto(sink.url + '/page-d')
  await sink.waitFor('counted again', () => sink.of('pv').length === 2)
})

trackerTest('Global Privacy Control: one number, and a stored id goes', async (page) => {
  await page.goto(sink.url + '/page-a')
  await page.evaluate(() => sentier('consent', true))
  await page.evaluateOnNewDocument(() => Object.defineProperty(navigator, 'globalPrivacyControl', { value: true }))
  sink.clear()
  await page.goto(sink.url + '/page-b')
  await page.evaluate(() => (sentier('consent', true), sentier('event', 'x')))
  const out = await sink.waitFor('one number', () => sink.hits.find(({ o }) => o))
  assert.deepEqual(out, { s: 'shop', o: '1' })
  assert.equal(sink.of('pv').length, 0)
  assert.equal(await page.evaluate(() => localStorage.length), 0)
})

trackerTest('what the collector could not store is sent again, older, with the same number', async (page) => {
  sink.answer = () => (sink.requests.length < 1 ? 503 : 204)
  await page.goto(sink.url + '/page-a')
  const view = await sink.waitFor('the pageview at last', () => sink.of('pv')[0])
  const [first, second] = sink.requests.map(({ hits }) => hits[0])
  assert.deepEqual([second.p, second.n, second.k], [first.p, first.n, first.k])
  assert.ok(+view.a >= 4000 && +view.b >= +view.a)
})

trackerTest('an answer that may not be read is not asked for twice', async (page) => {
  sink.cors = false
  sink.pages['/foreign'] = { head: `<script async src="${sink.other}/s.js" data-site="shop"></script>` }
  await page.goto(sink.url + '/foreign')
  await page.mouse.move(9, 9)
  const all = (kind) => sink.hits.filter(({ k }) => k === kind)
  await sink.waitFor('the pageview, twice, and two pulses', () => all('pv').length === 2 && sink.of('pu').length === 2, 40_000)
  assert.equal(sink.of('pv').length, 1)
  assert.equal(all('pu').length, 2, 'each once')
})

trackerTest('a refused hit is not sent again', async (page) => {
  sink.answer = () => 400
  await page.goto(sink.url + '/page-a')
  await page.mouse.move(9, 9)
  await sink.waitFor('the pulse', () => sink.requests.some(({ hits }) => hits.some(({ k }) => k === 'pu')))
  const views = sink.requests.flatMap(({ hits }) => hits).filter(({ k }) => k === 'pv')
  assert.equal(views.length, 1)
})

trackerTest('missing pages are known: by the answer, an attribute, or a meta', async (page) => {
  sink.pages['/by-answer'] = { status: 404 }
  sink.pages['/by-attribute'] = { head: `<script async src="/s.js" data-site="shop" data-status="404"></script>` }
  sink.pages['/by-meta'] = { head: `<meta name="sentier:status" content="410">${SCRIPT}` }
  for (const path of Object.keys(sink.pages)) await page.goto(sink.url + path)
  await sink.waitFor('three', () => sink.of('pv').length === 3)
  const answers = Object.fromEntries(sink.of('pv').map(({ u, x }) => [new URL(u).pathname, x]))
  assert.deepEqual(answers, { '/by-answer': '404', '/by-attribute': '404', '/by-meta': '410' })
})

trackerTest('a page back from the cache is a pageview of its own', async (page) => {
  await page.goto(sink.url + '/page-a')
  await sink.waitFor('the first', () => sink.of('pv').length === 1)
  await page.goto(sink.url + '/page-b')
  await sink.waitFor('the second', () => sink.of('pv').length === 2)
  await page.goBack()
  await sink.waitFor('the first again', () => sink.of('pv').length === 3)
  assert.equal(sink.of('pv')[2].u, sink.url + '/page-a')
  assert.equal(new Set(sink.of('pv').map(({ p }) => p)).size, 3)
})

trackerTest('no storage, no site, twice in a page: it stays quiet', async (page) => {
  sink.pages['/sandbox'] = { headers: { 'Content-Security-Policy': 'sandbox allow-scripts' }, head: `${STUB}<script>sentier('consent',true)</script>${SCRIPT}` }
  sink.pages['/siteless'] = { head: `<script src="/s.js"></script>` }
  sink.pages['/twice'] = { head: `<script src="/s.js" data-site="shop"></script><script src="/s.js" data-site="shop"></script>` }
  await page.goto(sink.url + '/siteless')
  await page.goto(sink.url + '/twice')
  await page.goto(sink.url + '/sandbox')
  await sink.waitFor('the sandboxed one', () => sink.of('pv').some(({ u }) => u.endsWith('/sandbox')))
  assert.deepEqual(sink.of('pv').map(({ u }) => new URL(u).pathname), ['/twice', '/sandbox'])
})

trackerTest('an automated browser says so', async (page) => {
  await page.evaluateOnNewDocument(() => Object.defineProperty(navigator, 'webdriver', { value: true }))
  await page.goto(sink.url + '/page-a')
  const view = await sink.waitFor('the load', () => sink.of('pv')[0])
  assert.equal(view.w, '1')
})
