// What a person does on a web site, in three real browsers, and what the site knows of it then: in
// the customer's profile and in the reports. What can be one visit is one.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { eventually } from '../scenario/eventually.mjs'
import { stage } from './stage.mjs'

const SECRET = 'c0ffee00'.repeat(8)
const EXPIRY = Math.floor(Date.now() / 1000) + 3600
const sign = (site, id) => `${EXPIRY}.` + createHmac('sha256', SECRET).update(`${site}\n${id}\n${EXPIRY}`).digest('hex')

// Paths instead of pages; a list of rows as NAME -> figure, less what is zero.
const pathOf = (page) => page.slice(page.indexOf('/'))
const figures = (rows, name, figure) =>
  Object.fromEntries(rows.filter((one) => one[figure] > 0).map((one) => [one[name], one[figure]]))
const ofPages = ({ pages }, figure) => figures(pages.map((one) => ({ ...one, page: pathOf(one.page) })), 'page', figure)

// ---- a customer looks around

const HOME = ({ other }) => `
  <nav><a href="/about">About</a></nav>
  <h1>Boots for the long way</h1>
  <p id="late"><a href="/boots">Boots</a> <a href="/boots">the same once more</a></p>
  <p><a id="file" href="/files/list.PDF?v=2" download>List</a></p>
  <p><a id="mail" href="mailto:anna@shop.example">Mail</a> <a id="tel" href="tel:+4912345">Phone</a> <a id="none">Nowhere</a></p>
  <p><button id="call" data-sentier="call back">Call me</button>
     <button data-sentier-event="compare?plan=pro&amp;size=2"><b id="compare">Compare</b></button></p>
  <p><a id="blank" href="${other}/away?y=2" target="_blank">Elsewhere</a></p>
  <form name="signup" action="/thanks" method="post"><input name="mail"><input type="submit" id="send"></form>
  <div style="height:4000px"></div><a href="/deep">Deep</a>
  <script>
    setTimeout(() => { late.insertAdjacentHTML('beforeend', '<a href="/late">Late</a>') }, 200)
    for (const id of ['file', 'mail', 'tel', 'blank']) document.getElementById(id).addEventListener('click', (e) => e.preventDefault())
  </script>`

// A route shows something, or nobody would know it from the one before.
const ROUTER = `const render = () => { document.querySelector('h1').textContent = location.pathname + location.hash }
  for (const one of ['popstate', 'hashchange']) addEventListener(one, render); render()`

const META = `<title>Boots and more</title><meta property="article:section" content="Shoes"><meta name="keywords" content="boots, hiking">
  <meta property="article:published_time" content="2026-03-01T10:00:00Z"><link rel="canonical" href="/">`

function shop(site) {
  const before = `window.sentier = window.sentier || function () { (sentier.q = sentier.q || []).push(arguments) }
    sentier('consent', 'consented'); sentier('identify', 'anna', '${sign(site.name, 'anna')}')`
  return {
    '/': { before, head: META, body: HOME(site) },
    '/thanks': { before, body: '<a id="boots" href="/boots">Boots</a>' },
    '/boots': { before, body: `<a id="out" href="${site.other}/away?x=1">Elsewhere</a><h1></h1><script>${ROUTER}</script>` },
    '/search': { before },
    '/away': { attributes: null, body: 'far away' },
    '/gone': { before, status: 404, head: '<meta name="sentier:status" content="404">' },
    '/somebody': {},
    '/broken': { before, body: '<button id="break" onclick="nothing.of(this)">Break</button>' },
    '/app': { before, attributes: 'data-hash', body: `<h1></h1><script>${ROUTER}</script>` },
  }
}

async function looksAtHome({ page, site, become, report }) {
  await page.goto(site.url + '/')
  await page.front()
  await page.move(300, 300)
  await page.until('the late link', () => document.querySelector('a[href="/late"]') !== null)
  const facts = async () => {
    const now = await report()
    const { boots, about, late, deep } = Object.fromEntries(now.pages.map((one) => [pathOf(one.page).slice(1), one.exposures]))
    return { exposures: { boots, about, late, deep }, engaged: now.totals.engaged_ms >= 5000 }
  }
  await become('5 s engaged, and links in view', facts, { exposures: { boots: 1, about: 1, late: 1, deep: undefined }, engaged: true })
}

async function usesHome(page) {
  for (const id of ['#file', '#mail', '#tel', '#none', '#call', '#compare', '#blank']) await page.click(id)
  await page.evaluate(() => {
    sentier('event', 'shown', { tab: 'sizes', n: 3 })
    sentier('event', 'wish', { goal: 1 })
    sentier('event', 'purchase', { order: 'order-1', value: 19.99, currency: 'EUR' })
    sentier('event', 'purchase', { order: 'order-1', value: 19.99, currency: 'EUR' })
  })
  await page.type('[name=mail]', 'anna@shop.example')
  await page.click('#send')
  await page.at('/thanks')
}

async function goesRound(site, page) {
  await page.click('#boots')
  await page.at('/boots')
  const route = (method, to) => page.evaluate((how, where) => { history[how]({}, '', where); render() }, method, to)
  await route('pushState', '/boots/red')
  await route('replaceState', '/boots/blue?size=40')
  await route('replaceState', '/boots/blue?size=41#top')
  await page.back()
  await page.at('/boots')
  await page.evaluate(() => addEventListener('pageshow', (e) => { document.title = e.persisted }))
  await page.click('#out')
  await page.at('/away')
  await page.back()
  await page.until('out of the cache', () => document.title === 'true')
  await page.goto(site.url + '/search?q=Red++Boots&page=1')
  await page.goto(site.url + '/gone')
  await page.goto(site.url + '/app#/a')
  await page.evaluate(() => { location.hash = '#/b' })
  assert.deepEqual(await page.faults(), [])
  await page.goto(site.url + '/broken')
  await page.click('#break')
  await page.click('#break')
  await page.until('both errors', () => window.name.split('\n').filter(Boolean).length === 2)
  await page.evaluate(() => sentier('logout'))
  await page.goto(site.url + '/somebody')
}

const VIEWS = {
  '/': 1, '/thanks': 1, '/boots': 3, '/boots/red': 1, '/boots/blue': 1, '/search': 1, '/gone': 1, '/app#/a': 1, '/app#/b': 1, '/broken': 1, '/somebody': 1,
}

const visit = {
  site: { secret: SECRET, hash_routing: 'yes', search_params: 's q' },
  pages: shop,
  async play(about) {
    const { page, site, ask, become, report } = about
    const begun = Date.now()
    await looksAtHome(about)
    await usesHome(page)
    const homeMs = Date.now() - begun
    await goesRound(site, page)

    const facts = async () => {
      const now = await report()
      const { bot_views, not_found, errors, visitors, daily_visitors } = now.totals
      return {
        views: ofPages(now, 'views'), clicks: ofPages(now, 'clicks'), totals: { bot_views, not_found, errors, visitors, daily_visitors },
        outbound: now.outbound.map((one) => one.clicks), downloads: figures(now.downloads.map(({ file, clicks }) => ({ file: pathOf(file), clicks })), 'file', 'clicks'),
        controls: figures(now.controls, 'name', 'count'), events: figures(now.events, 'name', 'count'), goals: figures(now.events, 'name', 'goals'),
        properties: now.properties.map(({ event, key, value, count }) => [event, key, value, count].join()).sort(), purchases: now.purchases, searches: now.searches.map(({ term, count }) => [term, count]),
      }
    }
    await become('the whole visit in the reports', facts, {
      views: VIEWS, clicks: { '/boots': 1 }, totals: { bot_views: 0, not_found: 1, errors: 2, visitors: 2, daily_visitors: 0 },
      outbound: [2], downloads: { '/files/list.PDF': 1 },
      controls: { 'call back': 1, mailto: 1, tel: 1, signup: 1 }, events: { compare: 1, shown: 1, wish: 1 }, goals: { wish: 1 },
      properties: ['compare,plan,pro,1', 'compare,size,2,1', 'shown,n,3,1', 'shown,tab,sizes,1'],
      purchases: [{ currency: 'EUR', count: 1, revenue_minor: 1999 }], searches: [['red boots', 1]],
    })

    // What is after logout is nobody's, or somebody else's; all before it is anna's.
    const profile = await ask('profile', 'anna')
    assert.deepEqual([profile.customer, profile.visitors.length, profile.sessions], [true, 1, 1])
    const { '/somebody': _, ...ofAnna } = VIEWS
    assert.deepEqual(ofPages(profile, 'views'), ofAnna)
    const seen = ofPages(profile, 'seen')
    assert.deepEqual([seen['/boots'], seen['/about'], seen['/late'], seen['/deep']], [1, 1, 1, undefined])
    assert.deepEqual(profile.interests.map(({ topic }) => topic).sort(), ['boots', 'hiking', 'shoes'])
    const [home] = (await ask('held', 'anna')).pageviews
    assert.ok(home.engaged_ms >= 5000 && home.engaged_ms <= homeMs, `${home.engaged_ms} of ${homeMs} ms`)
    assert.ok(home.depth > 5 && home.depth < 40, `depth ${home.depth}`)
    assert.deepEqual([home.interaction, home.goal], [true, true])
  },
}

// ---- what nobody sees does not count

const SPECULATE = `<script type="speculationrules">{"prerender":[{"source":"list","urls":["/next","/never"],"eagerness":"immediate"}]}</script>`

// By the middle button, as people do; MiniBrowser brings such a tab to the front, so there it is one
// that the driver opened.
async function openBehind(browser, page, selector) {
  const href = await page.evaluate((one) => document.querySelector(one).href, selector)
  if (browser.name === 'webkit') {
    const tab = await browser.newPage()
    await tab.goto(href)
    return tab
  }
  await page.click(selector, { button: 'middle' })
  return eventually('a tab behind', async () => {
    for (const one of await browser.pages()) if ((await one.evaluate(() => location.href)) === href) return one
  })
}

// Calls wait as well.
const EARLY = `window.sentier = function () { (sentier.q = sentier.q || []).push(arguments) }; sentier('event', 'early')`
const ACTIVATED = `; document.addEventListener('prerenderingchange', () => navigator.sendBeacon('/activated'))`

const behind = {
  pages: { '/front': { body: '<a id="tab" href="/behind">Behind</a>' }, '/behind': { before: EARLY }, '/start': { head: SPECULATE, body: '<a id="next" href="/next">Next</a>' }, '/next': { before: EARLY + ACTIVATED }, '/never': { before: EARLY } },
  async play({ browser, page, site, become, report }) {
    const views = async () => ofPages(await report(), 'views')
    await page.goto(site.url + '/front')
    await page.front()
    const tab = await openBehind(browser, page, '#tab')
    await tab.at('/behind')
    assert.equal(await tab.evaluate(() => document.hidden), true)
    await become('the page in front, alone', views, { '/front': 1 })
    await page.close()
    await tab.front()
    await become('the other when it is seen', views, { '/front': 1, '/behind': 1 })
    if (browser.name !== 'chromium') return tab

    await tab.goto(site.url + '/start')
    await tab.until('prerendered', () => HTMLScriptElement.supports('speculationrules'))
    await eventually('prerendered', async () => ['/next', '/never'].every((one) => site.asked.includes(one)))
    await become('nothing that is only prerendered', views, { '/front': 1, '/behind': 1, '/start': 1 })
    await tab.click('#next').catch(() => {}) // what is activated takes the place of the page that the driver knows
    await eventually('activated', async () => site.asked.includes('/activated'))
    await become('what was activated', views, { '/front': 1, '/behind': 1, '/start': 1, '/next': 1 })
    return tab
  },
}

// ---- who may be known

const privacy = {
  pages: {
    '/': {}, '/known': {}, '/again': {}, '/unknown': {}, '/off': { attributes: 'data-consent="off"' }, '/out': {}, '/back': {},
    '/gpc': { before: `Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })` },
    '/dnt': { before: `Object.defineProperty(navigator, 'doNotTrack', { value: '1' })` },
  },
  async play({ page, site, become, report }) {
    const go = async (path) => (await page.goto(site.url + path), page.until('the tracker', () => typeof sentier === 'function'))
    const tell = (...call) => page.evaluate((one) => sentier(...one), call)
    const kept = () => page.evaluate(() => [localStorage.getItem('sentier'), document.cookie, sessionStorage.length])
    const facts = async () => {
      const now = await report()
      return [ofPages(now, 'views'), now.totals.daily_visitors, now.totals.visitors, now.ledger.opted_out]
    }

    await go('/')
    await page.front()
    assert.deepEqual(await kept(), [null, '', 0], 'without consent nothing is stored')
    await become('a visitor of one day', facts, [{ '/': 1 }, 1, 0, 0])
    await tell('consent', 'consented')
    await go('/known')
    await go('/again')
    assert.match((await kept())[0], /^[0-9a-z]+\.\d+$/)
    await become('a visitor who is known', facts, [{ '/': 1, '/known': 1, '/again': 1 }, 1, 1, 0])
    await tell('consent', 'cookieless')
    await tell('event', 'never told')
    assert.equal((await kept())[0], null, 'the id is gone')
    await go('/unknown')
    await become('withdrawn', facts, [{ '/': 1, '/known': 1, '/again': 1, '/unknown': 1 }, 1, 1, 0])
    await go('/off')
    await tell('event', 'not told while off')
    await tell('consent', 'cookieless')
    await become('what was off, when told', facts, [{ '/': 1, '/known': 1, '/again': 1, '/unknown': 1, '/off': 1 }, 1, 1, 0])
    await tell('optout')
    await tell('consent', 'consented')
    await go('/out')
    await become('opted out, one line', facts, [{ '/': 1, '/known': 1, '/again': 1, '/unknown': 1, '/off': 1 }, 1, 1, 1])
    assert.equal((await kept())[0], 'o')
    await tell('optout', false)
    for (const path of ['/back', '/gpc', '/dnt']) await go(path)
    await become('GPC and DNT', facts, [{ '/': 1, '/known': 1, '/again': 1, '/unknown': 1, '/off': 1, '/back': 1 }, 1, 1, 3])
    assert.deepEqual(figures((await report()).events, 'name', 'count'), {})
  },
}

await stage('each signal is in the profile and in the reports', { visit, privacy, behind })
