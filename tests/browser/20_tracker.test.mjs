// The tracker in a real browser: what it sends, when, and what it never does.

import assert from 'node:assert/strict'
import { newPage } from './chromium.mjs'
import { sink, trackerTest } from './tracker.mjs'

const STUB = `<script>window.sentier=window.sentier||function(){(sentier.q=sentier.q||[]).push(arguments)}</script>`
// A route shows something, or nobody would know it from the one before.
const route = (page, method, to) =>
  page.evaluate((how, where) => {
    history[how]({}, '', where)
    document.body.textContent = where
  }, method, to)
// A register of a pageview as told so far.
const told = (p, name) => Math.max(0, ...sink.hits.filter((hit) => hit.p === p).map((hit) => +hit[name] || 0))
const nameOf = ({ m }) => m?.split('?')[0] // properties come behind it
const SCRIPT = `<script async src="/s.js" data-site="shop"></script>`

trackerTest('a pageview says what the wire format says, and stores nothing', async (page) => {
  await page.goto(sink.url + '/one?utm_source=x#part')
  const [hit] = await sink.waitFor('a pageview', () => sink.of('pv').length && sink.of('pv'))
  assert.deepEqual(Object.keys(hit).filter((one) => one !== 'e').sort(), ['a', 'b', 'k', 'p', 's', 'u', 'x'])
  assert.equal(hit.s, 'shop')
  assert.equal(hit.x, '200')
  assert.equal(hit.u, sink.url + '/one?utm_source=x')
  assert.match(hit.p, /^[0-9a-z]{9,12}$/)
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
  await route(page, 'replaceState', '/one?filter=1')
  await route(page, 'pushState', '/one#part')
  await route(page, 'pushState', '/two')
  await sink.waitFor('the route', () => sink.of('pv').length === 2)
  await page.evaluate(() => {
    addEventListener('popstate', () => { document.body.textContent = location.pathname })
    history.back()
  })
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
  await page.evaluate(() => { location.hash = document.body.textContent = '#/b' })
  await sink.waitFor('the hash route', () => sink.of('pv').length === 2)
  assert.deepEqual(sink.of('pv').map(({ u }) => u), [sink.url + '/app#/a', sink.url + '/app#/b'])
})

trackerTest('engaged time and depth rise, and are told when the page is left', async (page) => {
  await page.goto(sink.url + '/long')
  const view = await sink.waitFor('the load', () => sink.of('pv')[0])
  await page.mouse.move(50, 50)
  await page.evaluate(() => scrollTo(0, 1200))
  const engaged = await sink.waitFor('the pulse of 5 s', () => told(view.p, 'e') >= 5000 && told(view.p, 'e'))
  assert.ok(engaged < 6500, engaged)
  assert.ok(told(view.p, 'd') >= 45 && told(view.p, 'd') <= 55, told(view.p, 'd'))
  await page.evaluate(() => scrollTo(0, 4000))
  await page.goto(sink.url + '/next')
  await sink.waitFor('the pulse of leaving', () => told(view.p, 'd') === 100)
  assert.ok(told(view.p, 'e') > engaged)
  assert.ok(sink.hits.every(({ b = 0, e = 0 }) => +b >= +e))
})

trackerTest('nobody looks, nothing rises', async (page, browser) => {
  await page.goto(sink.url + '/watched')
  const view = await sink.waitFor('the load', () => sink.of('pv')[0])
  await page.mouse.move(5, 5)
  const other = await browser.newPage() // in front of it
  await other.goto('about:blank')
  await sink.waitFor('the pulse of being hidden', () => told(view.p, 'e') > 0)
  const before = told(view.p, 'e')
  const second = await newPage(browser)
  await second.goto(sink.url + '/clock')
  await second.mouse.move(5, 5)
  await sink.waitFor('5 s engaged elsewhere', () => sink.hits.some(({ u, e }) => u?.endsWith('/clock') && +e >= 5000))
  await second.close()
  await page.bringToFront()
  await page.goto(sink.url + '/away')
  await sink.waitFor('the load after', () => sink.of('pv').some(({ u }) => u.endsWith('/away')))
  assert.ok(told(view.p, 'e') - before < 2000, `${before} -> ${told(view.p, 'e')} ms while 5 s went by`)
})

trackerTest('clicks on links are told, by whatever button opens them; others are not', async (page) => {
  sink.pages['/links'] = {
    body: `<a id="in" href="/in">i</a> <a id="mail" href="mailto:a@b.example">m</a> <a id="none">n</a>
      <a id="out" href="${sink.other}/out?x=1"><b id="inner">o</b></a> <a id="file" href="/files/list.PDF?v=2">f</a>
      <a id="blank" target="_blank" href="${sink.other}/blank">b</a>
      <script>addEventListener('click', (e) => e.preventDefault())</script>`,
  }
  await page.goto(sink.url + '/links')
  for (const id of ['in', 'mail', 'none', 'inner', 'file']) await page.click('#' + id)
  await page.click('#out', { button: 'right' })
  await page.click('#blank', { button: 'middle' })
  await sink.waitFor('the middle click', () => sink.of('ck').some(({ t }) => t === sink.other + '/blank'))
  const links = [sink.url + '/in', 'mailto:a@b.example', sink.other + '/out?x=1', sink.url + '/files/list.PDF?v=2', sink.other + '/blank']
  assert.deepEqual(sink.of('ck').map(({ t }) => t), links)
  const numbers = sink.hits.filter(({ p }) => p === sink.of('pv')[0].p).map(({ n }) => n)
  assert.equal(new Set(numbers).size, numbers.length)
})

trackerTest('a click is told though the page is gone the next moment', async (page) => {
  sink.pages['/go'] = { body: `<a id="out" href="${sink.other}/gone">o</a>` }
  sink.pages['/gone'] = { head: '' }
  await page.goto(sink.url + '/go')
  await sink.waitFor('the load', () => sink.of('pv').length)
  await Promise.all([page.waitForNavigation(), page.click('#out')])
  const out = await sink.waitFor('the click', () => sink.of('ck')[0])
  assert.equal(out.t, sink.other + '/gone')
})

trackerTest('calls made before the tracker came are kept', async (page) => {
  sink.pages['/early'] = { head: `${STUB}<script>sentier('consent','consented');sentier('event','early');sentier('nonsense');sentier()</script>${SCRIPT}` }
  await page.goto(sink.url + '/early')
  const early = await sink.waitFor('the event', () => sink.of('ev')[0])
  const [view] = sink.of('pv')
  assert.deepEqual([nameOf(early), early.p], ['early', view.p])
  assert.equal(view.c, '1', 'consent came before the pageview began')
  await page.evaluate(() => {
    for (const name of ['naïve ☕', 'half \ud800', { toString() { throw 1 } }]) sentier('event', name)
  })
  const names = await sink.waitFor('both names', () => sink.of('ev').length === 3 && sink.of('ev').map(nameOf))
  assert.deepEqual(names, ['early', 'naïve ☕', 'half \ufffd'])
  const burst = sink.requests.find(({ hits }) => hits.some((hit) => nameOf(hit) === 'naïve ☕'))
  assert.equal(burst.hits.filter(({ k }) => k === 'ev').length, 2, 'one request for a burst')
})

trackerTest('consent gives an id from the next pageview on; withdrawn, the next has none', async (page) => {
  await page.goto(sink.url + '/page-a')
  await sink.waitFor('the first', () => sink.of('pv').length === 1)
  await page.evaluate(() => sentier('consent', 'cookieless')) // of nothing: nothing changes
  await page.evaluate(() => sentier('consent', 'consented'))
  await page.evaluate(() => sentier('event', 'same pageview'))
  await sink.waitFor('its event', () => sink.of('ev').length === 1)
  assert.deepEqual([sink.of('pv')[0].v, sink.of('ev')[0].v], [undefined, undefined])
  await page.goto(sink.url + '/page-b')
  await page.goto(sink.url + '/page-c')
  await sink.waitFor('two more', () => sink.of('pv').length === 3)
  const [, b, c] = sink.of('pv')
  assert.match(b.v, /^[0-9a-z]{9,12}\.\d{13}$/)
  assert.deepEqual([b.c, c.c, c.v], ['1', '1', b.v])

  await page.evaluate(() => (sentier('event', 'never told'), sentier('consent', 'cookieless'), sentier('event', 'nor this')))
  assert.equal(await page.evaluate(() => localStorage.length), 0)
  await page.goto(sink.url + '/page-d')
  const d = await sink.waitFor('a pageview of nobody', () => sink.of('pv')[3])
  assert.deepEqual([d.u, d.c, d.v], [sink.url + '/page-d', undefined, undefined])
  assert.equal(sink.of('ev').length, 1)
  await page.evaluate(() => sentier('consent', 'consented'))
  await page.goto(sink.url + '/page-e')
  const again = await sink.waitFor('a new consent', () => sink.of('pv')[4])
  assert.match(again.v, /^[0-9a-z]{9,12}\.\d{13}$/)
  assert.notEqual(again.v, b.v)
})

trackerTest('while it is off nothing is sent', async (page) => {
  sink.pages['/off'] = { head: `<script async src="/s.js" data-site="shop" data-consent="off"></script>` }
  await page.goto(sink.url + '/off')
  await page.mouse.move(9, 9)
  await page.goto(sink.url + '/off')
  await page.evaluate(() => sentier('consent', 'cookieless'))
  await sink.waitFor('the second', () => sink.of('pv').length)
  assert.deepEqual([sink.of('pv').length, sink.of('pv')[0].v], [1, undefined])
  assert.equal(await page.evaluate(() => localStorage.length), 0)
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
  await page.evaluate(() => (sentier('optout'), sentier('consent', 'consented'), sentier('event', 'x')))
  await page.goto(sink.url + '/page-b')
  await route(page, 'pushState', '/page-c')
  await sink.waitFor('one number a pageview', () => sink.hits.filter(({ o }) => o).length === 2)
  assert.deepEqual(sink.hits.filter(({ k }) => k).map(({ k }) => k), ['pv'])
  await page.evaluate(() => sentier('optout', false))
  await page.goto(sink.url + '/page-d')
  await sink.waitFor('counted again', () => sink.of('pv').length === 2)
})

trackerTest('Global Privacy Control: one number, and a stored id goes', async (page) => {
  await page.goto(sink.url + '/page-a')
  await page.evaluate(() => sentier('consent', 'consented'))
  await page.evaluateOnNewDocument(() => Object.defineProperty(navigator, 'globalPrivacyControl', { value: true }))
  sink.clear()
  await page.goto(sink.url + '/page-b')
  await page.evaluate(() => (sentier('consent', 'consented'), sentier('event', 'x')))
  const out = await sink.waitFor('one number', () => sink.hits.find(({ o }) => o))
  assert.deepEqual(out, { s: 'shop', o: '1' })
  assert.equal(sink.of('pv').length, 0)
  assert.equal(await page.evaluate(() => localStorage.length), 0)
})

trackerTest('missing pages are known: by the answer, or a meta', async (page) => {
  sink.pages['/by-answer'] = { status: 404 }
  sink.pages['/by-meta'] = { head: `<meta name="sentier:status" content="410">${SCRIPT}` }
  for (const path of Object.keys(sink.pages)) await page.goto(sink.url + path)
  await sink.waitFor('both', () => sink.of('pv').length === 2)
  const answers = Object.fromEntries(sink.of('pv').map(({ u, x }) => [new URL(u).pathname, x]))
  assert.deepEqual(answers, { '/by-answer': '404', '/by-meta': '410' })
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

trackerTest('no storage, or twice in a page: it stays quiet', async (page) => {
  sink.pages['/sandbox'] = { headers: { 'Content-Security-Policy': 'sandbox allow-scripts' }, head: `${STUB}<script>sentier('consent','consented')</script>${SCRIPT}` }
  sink.pages['/twice'] = { head: `<script src="/s.js" data-site="shop"></script><script src="/s.js" data-site="shop"></script>` }
  await page.goto(sink.url + '/twice')
  await page.goto(sink.url + '/sandbox')
  await sink.waitFor('the sandboxed one', () => sink.of('pv').some(({ u }) => u.endsWith('/sandbox')))
  assert.deepEqual(sink.of('pv').map(({ u }) => new URL(u).pathname), ['/twice', '/sandbox'])
})

trackerTest('an automated browser says so', async (page) => {
  await page.evaluateOnNewDocument(() => Object.defineProperty(navigator, 'webdriver', { value: true }))
  await page.goto(sink.url + '/page-a')
  const view = await sink.waitFor('the load', () => sink.of('pv')[0])
  assert.equal(view.w, 'true')
})
