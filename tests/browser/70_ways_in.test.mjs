// The ways into a page beside the one line: modules, the npm package, and the examples as they are.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { buildTracker } from '../../pixel/tracker.mjs'
import { buildModules } from '../../pixel/modules.mjs'
import { bundle, example, installPackage, runOnServer, typeErrors } from './apps.mjs'
import { newPage, withChromium } from './chromium.mjs'
import { startSink } from './sink.mjs'

const script = (path) => `<script async src="${path}"></script>`

let sink, installed
before(async () => {
  sink = await startSink()
  installed = await installPackage()
  for (const { path, bytes } of await buildModules()) sink.scripts['/' + path] = bytes
})
after(() => (installed.close(), sink.close()))

// All in one browser; storage and caches are of each test's own.
const inBrowser = []
const browserTest = (name, body) => inBrowser.push([name, body])

test('in a browser', { timeout: 280_000 }, (t) =>
  withChromium(async (browser) => {
    for (const [name, body] of inBrowser)
      await t.test(name, async () => {
        sink.clear()
        sink.pages = {}
        const context = await browser.createBrowserContext()
        const tabs = { newPage: () => context.newPage(), userAgent: () => browser.userAgent() }
        const page = await newPage(tabs)
        await body(page, tabs)
        assert.deepEqual(page.faults, [], 'nothing is thrown into the page')
        await context.close()
      })
  }))

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
  assert.deepEqual(calls.map(([call, name]) => call + ' ' + name).sort(), ['CLS', 'FCP', 'INP', 'LCP', 'TTFB'].map((name) => 'event ' + name))
  const of = Object.fromEntries(calls.map(([, name, props]) => [name, props]))
  assert.deepEqual(of.CLS, { rating: 'good', value: 0, passive: 1 })
  assert.equal(of.INP.rating, 'needs-improvement')
  assert.ok(of.INP.value >= 250 && of.INP.value <= 500 && of.INP.value % 50 === 0, JSON.stringify(of.INP))
  for (const name of ['FCP', 'LCP', 'TTFB']) assert.equal(of[name].value % 100, 0, name)
})

for (const order of [['/s.js', '/vitals.js'], ['/vitals.js', '/gzip.js']])
  browserTest(`modules and the tracker, loaded as ${order.join(' ')}`, async (page, browser) => {
    const head = order.map((path) => `<script defer src="${path}" data-site="shop"></script>`).join('')
    sink.pages['/with'] = { head, body: '<h1>Large</h1>' }
    await page.goto(sink.url + '/with')
    await sink.waitFor('what is known at load', () => ['FCP', 'TTFB'].every((name) => sink.of('ev').some(({ m }) => m.startsWith(name + '?'))))
    await page.click('h1')
    await page.close() // nothing but a beacon is left to say the rest
    await sink.waitFor('what is known at the end', () => ['CLS', 'LCP'].every((name) => sink.of('ev').some(({ m }) => m.startsWith(name + '?'))))
    const vitals = sink.of('ev')
    assert.equal(vitals.length, new Set(vitals.map(({ m }) => m.split('?')[0])).size, 'each once')
    assert.deepEqual(Object.fromEntries(new URLSearchParams(vitals.find(({ m }) => m.startsWith('CLS')).m.split('?')[1])), { rating: 'good', value: '0', passive: '1' })
  })

browserTest('the compressing tracker packs large piles, and no small ones', async (page) => {
  sink.pages['/packed'] = { head: `<script async src="/gzip.js" data-site="shop"></script>` }
  await page.goto(sink.url + '/packed')
  await sink.waitFor('the load', () => sink.of('pv').length)
  await page.evaluate(() => {
    for (let i = 0; i < 40; i++) sentier('event', 'one of many', { text: 'naïve ☕'.repeat(10), i })
  })
  await sink.waitFor('all of them', () => sink.of('ev').length === 40)
  const sizes = sink.requests.map(({ packed, hits }) => [packed, hits.length])
  assert.equal(sizes[0][0], false, 'one hit')
  assert.ok(sizes.some(([packed, hits]) => packed && hits > 5), JSON.stringify(sizes))
  assert.equal(sink.of('ev')[39].m, 'one of many?text=' + encodeURIComponent('naïve ☕'.repeat(10)).replaceAll('%20', '+') + '&i=39')
})

// ---- the README's own lines ----

const README = readFileSync(new URL('../../pixel/README.md', import.meta.url), 'utf8')
const lines = (start) => README.match(new RegExp('```\\w*\\n(' + start + '[^]*?)\\n```'))[1].replaceAll('https://stats.example', sink.url)

browserTest('under the policy of the README, with Trusted Types, nothing is refused', async (page) => {
  const hash = README.match(/'sha256-[^']+'/)[0]
  const policy = lines('script-src').replace('script-src', `script-src ${hash}`)
  sink.pages['/strict'] = {
    headers: { 'Content-Security-Policy': `default-src 'none'; style-src 'unsafe-inline'; require-trusted-types-for 'script'; ${policy}` },
    head: lines('<script>window.sentier') + lines('<script async src="[^"]+" data-site="shop"></script>') + script('/vitals.js'),
  }
  await page.evaluateOnNewDocument(() => {
    window.refused = []
    addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => refused.push(violatedDirective + ' ' + blockedURI))
  })
  await page.goto(sink.url + '/strict')
  await page.evaluate(() => sentier('event', 'told', { by: 'page' }))
  await sink.waitFor('pageview and event', () => sink.of('pv').length && sink.of('ev').some(({ m }) => m === 'told?by=page'))
  assert.deepEqual(await page.evaluate(() => refused.filter((one) => !one.endsWith(' data'))), [], 'but for the favicon')
})

browserTest('with an integrity hash, from another host, with cookies, and by a tag manager', async (page) => {
  const hash = createHash('sha384').update(await buildTracker()).digest('base64')
  const line = lines('<script async src="[^"]+" data-site="shop" integrity=').replace('sha384-…', 'sha384-' + hash)
  sink.pages['/whole'] = { head: line.replaceAll(sink.url, sink.other) }
  sink.pages['/changed'] = { head: line.replace('sha384-', 'sha384-A') }
  sink.pages['/cookies'] = { head: `<script async src="/s.js" data-site="shop" data-cookie="include"></script>` }
  sink.pages['/managed'] = { head: lines('<script>\n  var s') }
  for (const path of ['/changed', '/whole', '/cookies', '/managed']) await page.goto(sink.url + path)
  await sink.waitFor('all that may run', () => sink.of('pv').length === 3)
  assert.deepEqual(sink.of('pv').map(({ u }) => u), ['/whole', '/cookies', '/managed'].map((path) => sink.url + path))
})

// ---- the npm package ----

test('the package holds what is needed and nothing else', () => {
  assert.deepEqual(installed.files, ['LICENSE', 'README.md', 'debug.js', 'index.d.ts', 'index.js', 'package.json', 'track.js'])
})

test('its types know what is allowed', () => {
  const uses = (lines) => typeErrors(installed, "import * as tracker from '@sentier/tracker'\n" + lines)
  assert.equal(uses(`
    tracker.init({ site: 'shop', endpoint: 'https://stats.example/b', hash: true, consent: 'off', cookie: true, debug: true })
    tracker.event('signup', { plan: 'pro', seats: 2, trial: false }); tracker.goal('paid'); tracker.passive('film')
    tracker.purchase('A-1', 19.99, 'EUR'); tracker.consent(true); tracker.consent('off'); tracker.optout(); tracker.identify('7', '1.ab'); tracker.logout()`), '')
  const bad = ["tracker.init({ site: 'shop' })", 'tracker.event(1)', "tracker.event('a', { b: [] })", "tracker.consent('maybe')", "tracker.purchase('A-1', 19.99)"]
  const found = uses(bad.join('\n')).match(/^uses\.ts\(\d+/gm)
  assert.deepEqual(found, bad.map((_, i) => `uses.ts(${i + 2}`))
})

const ASKED = `globalThis.fetch = () => { throw new Error('asked for') }\n`
const CALLS = `import * as tracker from '@sentier/tracker'
tracker.event('early'); tracker.consent(true); tracker.init({ site: 'shop', endpoint: 'https://stats.example/b', debug: true })
tracker.event('late', { a: 1 }); tracker.optout(); tracker.identify('7', '1.ab'); tracker.logout(); tracker.purchase('A-1', 19.99, 'EUR')\n`

test('on a server it does nothing, throws nothing, and lets the process end', async () => {
  assert.equal(runOnServer(installed, `${CALLS}${ASKED}console.log(Object.keys(tracker).join(' '))`), 'consent event goal identify init logout optout passive purchase\n')
  const react = `${CALLS}${ASKED}import { Sentier } from './react/sentier'; import { renderToString } from 'react-dom/server'
    console.log(renderToString(<main><Sentier site="shop" endpoint="https://stats.example/b" />shop</main>))`
  const vue = `${CALLS}${ASKED}import { sentier } from './vue/sentier'; import { createSSRApp, h } from 'vue'; import { renderToString } from 'vue/server-renderer'
    const app = createSSRApp({ render() { this.$sentier.event('rendered'); return h('main', 'shop') } }).use(sentier, { site: 'shop', endpoint: 'https://stats.example/b' })
    console.log(await renderToString(app))`
  for (const program of [react, vue]) assert.equal(runOnServer(installed, (await bundle(installed, program, { platform: 'node' })).text), '<main>shop</main>\n')
})

test('an import that is not used leaves nothing in a bundle', async () => {
  const { bytesOf } = await bundle(installed, `import { event } from '@sentier/tracker'; console.log(1)`)
  assert.equal(bytesOf('@sentier/tracker'), 0)
})

const REACT_APP = `
import { StrictMode, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { consent, event } from '@sentier/tracker'
import { Sentier } from './react/sentier'

event('early', { of: 'react' })
function App() {
  const [path, setPath] = useState('/react')
  const go = (to) => { history.pushState({}, '', to); setPath(to) }
  return <><Sentier site="shop" endpoint={ENDPOINT} />
    <h1>{path}</h1><button id="go" onClick={() => go('/react/boots')}>boots</button>
    <button id="buy" onClick={() => event('basket', { size: 42 })}>buy</button></>
}
createRoot(document.querySelector('#app')).render(<StrictMode><App /></StrictMode>)`

const VUE_APP = `
import { createApp, h, ref } from 'vue'
import { event } from '@sentier/tracker'
import { sentier } from './vue/sentier'

event('early', { of: 'vue' })
const path = ref('/vue')
const go = (to) => { history.pushState({}, '', to); path.value = to }
createApp({ render() {
  return [h('h1', path.value), h('button', { id: 'go', onClick: () => go('/vue/boots') }), h('button', { id: 'buy', onClick: () => this.$sentier.event('basket', { size: 42 }) })]
} }).use(sentier, { site: 'shop', endpoint: ENDPOINT, debug: true }).mount('#app')`

for (const [name, app] of [['react', REACT_APP], ['vue', VUE_APP]])
  browserTest(`${name}: routes are pageviews, events belong to theirs`, async (page) => {
    const { text } = await bundle(installed, app.replace('ENDPOINT', JSON.stringify(sink.url + '/b')))
    sink.scripts['/app.js'] = text
    sink.pages['/' + name] = { head: '', body: '<div id="app"></div><script src="/app.js"></script>' }
    const said = []
    page.on('console', (message) => said.push(message.text()))
    await page.goto(sink.url + '/' + name)
    await sink.waitFor('the load, and what was called before', () => sink.of('pv').length === 1 && sink.of('ev').length === 1)
    await page.click('#go')
    await sink.waitFor('the route', () => sink.of('pv').length === 2)
    await page.click('#buy')
    await sink.waitFor('the event', () => sink.of('ev').length === 2)
    const [load, route] = sink.of('pv')
    assert.deepEqual([load.u, route.u, route.r], [sink.url + '/' + name, sink.url + `/${name}/boots`, sink.url + '/' + name])
    assert.deepEqual(sink.of('ev').map(({ m, p }) => [m, p]), [[`early?of=${name}`, load.p], ['basket?size=42', route.p]])
    assert.ok(sink.hits.every(({ s }) => s === 'shop'))
    assert.equal(said.some((line) => line.includes('pageview') && line.includes('/vue')), name === 'vue', 'the one in debug mode explains itself')
  })

// ---- consent managers ----

const TRACKER = `<script async src="/s.js" data-site="shop"></script>`
const inline = (text) => `<script>${text}</script>`
const stored = (page) => page.evaluate(() => localStorage.sentier)

// A manager as the framework describes it: it calls each listener with what holds, and again when it changes.
const TCF = `
const listeners = []
let data = { gdprApplies: true, eventStatus: 'cmpuishown', purpose: { consents: {} } }
window.__tcfapi = (command, version, callback) => { if (command === 'addEventListener' && version === 2) listeners.push(callback), callback(data, true) }
window.choose = (purposes, eventStatus = 'useractioncomplete', gdprApplies = true) => {
  data = { gdprApplies, eventStatus, purpose: { consents: Object.fromEntries(purposes.map((n) => [n, true])) } }
  listeners.forEach((told) => told(data, true))
}`

browserTest('IAB TCF: the purposes of the example give and take consent', async (page) => {
  const head = inline(TCF) + inline(example('consent/tcf.js')) + TRACKER
  for (const path of ['/page-a', '/page-b', '/page-c', '/page-d']) sink.pages[path] = { head }
  await page.goto(sink.url + '/page-a')
  await sink.waitFor('the load', () => sink.of('pv').length === 1)
  await page.evaluate(() => (choose([1, 2, 3, 4, 8]), choose([1, 8, 9], 'cmpuishown'), choose([1, 8, 9], 'tcloaded', false)))
  assert.equal(await stored(page), undefined, 'some purposes, a choice that is still open, and no GDPR give nothing')
  await page.evaluate(() => choose([1, 8, 9]))
  await page.waitForFunction(() => localStorage.sentier)
  await page.goto(sink.url + '/page-b')
  await sink.waitFor('the next', () => sink.of('pv').length === 2)
  await page.evaluate(() => choose([1, 8, 9], 'tcloaded'))
  const id = await stored(page)
  await page.evaluate(() => choose([1]))
  await page.waitForFunction(() => !localStorage.sentier)
  await page.goto(sink.url + '/page-c')
  await sink.waitFor('the one after', () => sink.of('pv').length === 3)
  const [a, b, c] = sink.of('pv')
  assert.deepEqual([a.c, a.v, b.c, c.c, c.v], [undefined, undefined, '1', undefined, undefined])
  assert.equal(b.v.split('.')[0], id.split('.')[0])
})

const GTAG = `window.dataLayer = window.dataLayer || []; function gtag() { dataLayer.push(arguments) }\n`

browserTest('Google Consent Mode: updates of analytics_storage give and take consent, whichever came first', async (page) => {
  const update = (state) => `gtag('consent', 'update', { ad_storage: 'granted', analytics_storage: '${state}' })`
  const adapter = inline(example('consent/gtag.js'))
  const first = inline(GTAG + `gtag('consent', 'default', { analytics_storage: 'denied' }); ${update('granted')}`)
  sink.pages['/page-a'] = { head: inline(GTAG + `gtag('js', new Date()); dataLayer.push({ event: 'x' }); gtag('consent', 'default', { analytics_storage: 'granted', region: ['US'] })`) + adapter + TRACKER }
  sink.pages['/page-b'] = { head: first + adapter + TRACKER }
  sink.pages['/page-c'] = { head: adapter + first + TRACKER }
  await page.goto(sink.url + '/page-a')
  await sink.waitFor('the load', () => sink.of('pv').length === 1)
  await page.evaluate(() => gtag('consent', 'update', { ad_storage: 'granted' }))
  assert.equal(await stored(page), undefined, 'a default gives nothing, and neither does another storage')
  for (const path of ['/page-b', '/page-c']) await page.goto(sink.url + path)
  await sink.waitFor('both', () => sink.of('pv').length === 3)
  const length = await page.evaluate(() => (gtag('consent', 'update', { analytics_storage: 'denied' }), dataLayer.length))
  await page.waitForFunction(() => !localStorage.sentier)
  assert.equal(length, 3, 'what others push arrives in their layer')
  await page.goto(sink.url + '/page-d')
  await sink.waitFor('the last', () => sink.of('pv').length === 4)
  const [a, b, c, d] = sink.of('pv')
  assert.deepEqual([a.c, b.c, c.c, d.c], [undefined, '1', '1', undefined])
  assert.equal(b.v, c.v)
})
