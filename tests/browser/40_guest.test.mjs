// The tracker as a guest in pages that are strict, old, or odd: in three real browsers each of them
// is counted, none sees an error that is not its own, and none is changed.

import assert from 'node:assert/strict'
import { stage } from './stage.mjs'

const deny = (name) => `Object.defineProperty(window, '${name}', { get() { throw new DOMException('denied', 'SecurityError') } });`
const CONSENT = `window.sentier = function () { (sentier.q = sentier.q || []).push(arguments) }; sentier('consent', 'consented');`

// PATH -> a page, and what it says went wrong: nothing, unless the page itself is at fault.
const PAGES = {
  '/plain': {},
  '/frozen': { before: `for (const one of [Object, Array, Function, String, Promise]) Object.freeze(one.prototype)` },
  '/extended': { before: `Object.prototype.each = Array.prototype.each = function () {}; Array.prototype.toJSON = function () { return 'mine' };` + CONSENT },
  '/no-storage': { before: deny('localStorage') + deny('sessionStorage') + CONSENT },
  '/full-storage': { before: `Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') };` + CONSENT },
  '/no-cookies': { before: `Object.defineProperty(document, 'cookie', { get() { throw 1 }, set() { throw 1 } })` },
  '/sandbox': { headers: { 'Content-Security-Policy': 'sandbox allow-scripts' }, before: CONSENT },
  '/no-observer': { before: `delete window.IntersectionObserver` },
  '/no-beacon': { before: `Navigator.prototype.sendBeacon = undefined` },
  '/beacon-throws': { before: `navigator.sendBeacon = () => { throw new TypeError('no') }` },
  '/fetch-throws': { before: `window.fetch = () => { throw new TypeError('no') }` },
  '/fetch-nothing': { before: `window.fetch = () => {}` },
  '/no-fetch': { before: `window.fetch = undefined` },
  '/history': { before: `for (const one of ['pushState', 'replaceState']) Object.defineProperty(history, one, { value: history[one], writable: false })` },
  '/named': { body: '<div id="sentier">an element of this name is a global</div>' },
  '/stub': { before: `window.sentier = window.sentier || function () { (sentier.q = sentier.q || []).push(arguments) }; sentier('event', 'early'); sentier('nonsense'); sentier()` },
  '/throws': { body: `<script>throw new Error('mine')</script><script>Promise.reject('mine too')</script>`, faults: 2 },
  '/frames': { body: '<iframe src="/framed"></iframe><iframe sandbox srcdoc="strange"></iframe>' },
  '/framed': { headers: { 'X-Frame-Options': 'SAMEORIGIN' }, visit: false },
  '/links': { body: Array.from({ length: 10_000 }, (_, i) => `<a href="/link/${i}" data-n="${i}">link ${i}</a> `).join('') + '<form name="f"><input name="i" value="v"></form>' },
}

// Nothing but the tracker's own host: scripts of the page itself go by nonce.
const strict = (collector) => ({
  nonce: 'n0nce',
  before: CONSENT,
  headers: {
    'Content-Security-Policy':
      `default-src 'none'; script-src 'nonce-n0nce' ${collector}; connect-src ${collector}; img-src data:; require-trusted-types-for 'script'; trusted-types 'none'`,
  },
})

// The document as it is against the document as it was sent.
const unchanged = async () => {
  const sent = new DOMParser().parseFromString(await (await fetch(location.href)).text(), 'text/html')
  return sent.documentElement.outerHTML === document.documentElement.outerHTML
}

const ownGlobals = () => {
  const frame = document.createElement('iframe')
  document.body.append(frame)
  const own = Object.getOwnPropertyNames(window).filter((key) => !(key in frame.contentWindow) && isNaN(key))
  frame.remove()
  return own
}

const guest = {
  site: { origins: '' },
  pages: (site) => ({ ...PAGES, '/strict': strict(site.collector) }),
  async play({ page, site, become, report }) {
    const wrong = {}
    let before = 0
    const look = async (path, expected = 0) => {
      const faults = await page.faults()
      if (faults.length - before !== expected) wrong[path] = faults.slice(before)
      before = faults.length
    }
    for (const path of Object.keys(site.pages).filter((one) => site.pages[one].visit !== false)) {
      await page.goto(site.url + path)
      await page.evaluate(() => { for (const name of ['event', 'goal', 'purchase', '', undefined]) sentier(name, { toString() { throw 1 } }) })
        .catch((error) => { wrong[`calls on ${path}`] = error.message })
      await look(path, site.pages[path].faults)
    }
    await page.goto(site.url + '/links')
    assert.equal(await page.evaluate(unchanged), true, 'the document is as it was sent')
    assert.deepEqual(await page.evaluate(ownGlobals), ['sentier'])
    await page.goto(site.url + '/plain')
    await look('the leaving')
    const views = async () => {
      const { pages, ledger } = await report()
      return { ...Object.fromEntries(pages.filter((one) => one.views > 0).map((one) => [one.page.replace(site.host, ''), one.views])), refused: Object.keys(ledger.verdicts).filter((one) => one !== 'counted'), wrong }
    }
    await become('each page is counted', views, { ...Object.fromEntries(Object.keys(site.pages).map((path) => [path, 1])), '/plain': 2, '/links': 2, refused: [], wrong: {} })
  },
}

// A collector that will not have hits of this origin says so where the browser can read it: it is
// told each hit once.
const stranger = {
  site: { origins: 'https://elsewhere.example' },
  pages: { '/': {} },
  async play({ page, site, become, report }) {
    const refused = async () => [(await report()).ledger.verdicts.bad_origin]
    await page.goto(site.url + '/')
    await page.front()
    await become('the pageview, refused', refused, [1])
    await page.evaluate(() => sentier('event', 'later'))
    await become('the event, and nothing else', refused, [2])
  },
}

await stage('pages that are strict, old or odd are counted, and not disturbed', { guest, stranger })
