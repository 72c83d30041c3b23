// Verdicts of pages from what browsers tell: links told, links in view, pages opened, on two days. What
// each page's verdict must be is computed here from the story itself, the plainest way.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from './eventually.mjs'
import { run } from './process.mjs'
import { ORIGIN, newId, program, scenario } from './world.mjs'

const DAY_MS = 24 * 3600 * 1000
const MIN = 60_000
const ORDER = ['broken', 'orphan', 'ignored', 'fading', 'used', 'undiscovered', 'unproven', 'unvisited']
const VISITORS = 130
const Z = 1.959963984540054 // of 95 %, both sides
const MENU = ['/n1', '/n2', '/n3', '/n4', '/n5', '/n6']
const SHELF = ['/c1', '/c2', '/c3', '/c4', '/c5', '/c6', '/c7', '/c8']
const LISTED = ['/', ...MENU, ...SHELF, '/gone', '/fading', '/used', '/tried', '/offered', '/hidden', '/attic', '/late']

function randomOf(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

// ---- the story: sessions of views, [{day, views: [{path, links, seen, engaged, acts, status}]}]; day 0 is the one before

const linksOf = (path, day) => [...MENU, ...(path === '/' ? [...SHELF, '/offered', day === 0 ? '/removed' : '/late'] : []), ...(path === '/attic' ? ['/attic/box'] : [])]

function tell() {
  const random = randomOf(20260204)
  const below = (n) => Math.floor(random() * n)
  const chance = (p) => random() < p
  const unseen = new Set(['/offered', '/removed'])
  const view = (path, day, more = {}) => {
    const links = linksOf(path, day)
    const seen = links.filter((link) => !unseen.has(link) && chance(link === '/late' ? 0.05 : 0.85))
    return { path, links, seen, engaged: below(25_000), acts: chance(0.2), status: 200, ...more }
  }
  const sessions = []
  for (const day of [0, 1]) {
    for (let i = 0; i < VISITORS; i++) {
      const views = [view('/', day)]
      if (chance(0.1)) views.unshift(view(SHELF[below(4)], day)) // came by another way, then saw links to where it was
      for (const path of SHELF) if (chance({ '/c7': 0.02, '/c8': 0 }[path] ?? 0.22)) views.push(view(path, day))
      for (const path of MENU) if (chance(path === '/n6' ? 0 : 0.1)) views.push(view(path, day))
      if (chance(0.15)) views.push(view('/', day))
      sessions.push({ day, views })
    }
    const alone = (n, path, more) => Array.from({ length: n }, () => sessions.push({ day, views: [view(path, day, { seen: [], ...more })] }))
    alone(12, '/c7', { engaged: 20_000 }) // found by search: used, though nobody follows its link
    alone(day === 0 ? 30 : 4, '/fading')
    alone(6, '/used', { engaged: 11_000 })
    alone(5, '/tried', { engaged: 9000, acts: false })
    alone(3, '/orphan')
    alone(2, '/gone', { status: 404 })
    if (day === 0) alone(2, '/attic')
  }
  return sessions
}

// Noon of a day two days and one day ago, so that no midnight is near.
async function send(world, sessions, noon) {
  const beacons = sessions.map(({ day, views }) => {
    const visitor = newId()
    const start = noon + day * DAY_MS
    const now = Date.now()
    const hits = views.flatMap(({ path, links, seen, engaged, acts, status }, i) => {
      const begun = now - (start + i * 2 * MIN)
      const base = { s: 'shop', u: ORIGIN + path, p: newId(), c: 1, v: visitor, b: begun }
      return [
        { ...base, k: 'pv', n: 0, a: begun, ...(status === 404 ? { x: 404 } : {}) }, { ...base, k: 'ln', n: 1, a: begun - 500, l: links },
        ...(seen.length > 0 ? [{ ...base, k: 'sn', n: 2, a: begun - 2000, l: seen }] : []),
        { ...base, k: 'pu', n: 3, a: begun - MIN, e: engaged }, ...(acts ? [{ ...base, k: 'ev', n: 4, a: begun - 3000, m: 'liked' }] : []),
      ]
    })
    return hits
  })
  let received = 0
  for (let i = 0; i < beacons.length; i += 16)
    await Promise.all(beacons.slice(i, i + 16).map(async (hits) => {
      for (let k = 0; k < hits.length; k += 32) assert.equal((await world.beacon(hits.slice(k, k + 32))).status, 204)
      received += hits.length
    }))
  // Bots see everything, and nothing of it counts.
  const bot = { s: 'shop', u: ORIGIN + '/hidden', p: newId(), a: 0, b: 0, w: 1 }
  assert.equal((await world.beacon([{ ...bot, k: 'pv', n: 0 }, { ...bot, k: 'ln', n: 1, l: ['/hidden', '/trap'] }])).status, 204)
  await world.settled({ received: LISTED.length + 1 + received + 2 })
}

// ---- what must come of it

// Most that the true share may be: the largest p of which k of n is no more than Z deviations away.
function atMost(k, n) {
  if (n === 0) return 1
  let [low, high] = [k / n, 1]
  for (let i = 0; i < 200; i++) {
    const p = (low + high) / 2
    if (n * (p - k / n) ** 2 <= Z * Z * p * (1 - p)) low = p
    else high = p
  }
  return low
}
const atLeast = (k, n) => 1 - atMost(n - k, n)

function coins(k, n) {
  let [sum, one] = [0n, 1n]
  for (let i = 0; i <= k; i++) {
    sum += one
    one = (one * BigInt(n - i)) / BigInt(i + 1)
  }
  return Number((sum * 10n ** 30n) / 2n ** BigInt(n)) / 1e30
}

const middle = (list) => {
  const [sorted, half] = [[...list].sort((a, b) => a - b), list.length / 2]
  return list.length % 2 === 1 ? sorted[Math.floor(half)] : (sorted[half - 1] + sorted[half]) / 2
}

function expected(sessions) {
  const pages = new Map()
  const of = (path) => pages.get(path) ?? pages.set(path, { views: 0, visits: 0, used: 0, visits_before: 0, not_found: 0, seen: 0, seen_opened: 0, from: new Set(), told: 0 }).get(path)
  const last = new Map() // page -> [day it told its links last, that day's links]
  for (const { day, views } of sessions) {
    for (const { path, links } of views) if (!(last.get(path)?.[0] > day)) last.set(path, [day, links])
    const opened = new Set(views.map(({ path }) => path))
    for (const path of opened) {
      const own = views.filter((one) => one.path === path)
      if (day === 0) {
        of(path).visits_before++
        continue
      }
      of(path).visits++
      of(path).views += own.length
      of(path).not_found += own.filter(({ status }) => status === 404).length
      if (own.some(({ acts }) => acts) || own.reduce((sum, { engaged }) => sum + engaged, 0) >= 10_000) of(path).used++
    }
    if (day === 0) continue
    const shown = new Set(views.flatMap(({ seen }, i) => seen.filter((link) => !views.slice(0, i + 1).some(({ path }) => path === link))))
    for (const path of shown) {
      of(path).seen++
      if (opened.has(path)) of(path).seen_opened++
    }
  }
  for (const [from, [day, links]] of last) {
    for (const link of links) {
      of(link).from.add(from)
      if (day === 1) of(link).told++
    }
  }
  for (const path of LISTED) of(path)
  const tellers = [...last.values()].filter(([day]) => day === 1).length
  for (const page of pages.values()) page.kind = 2 * page.told > tellers ? 'navigation' : page.from.size > 0 || page.seen > 0 ? 'content' : null
  const usual = {}
  for (const kind of ['navigation', 'content']) {
    const rates = [...pages.values()].filter((page) => page.kind === kind && page.seen > 0).map(({ seen, seen_opened }) => seen_opened / seen)
    usual[kind] = { pages: rates.length, rate: rates.length < 5 ? null : middle(rates) }
  }
  for (const [path, page] of pages) page.verdict = verdictOf(path, page, pages, usual)
  for (const [path, { verdict }] of pages) if (verdict === undefined) pages.delete(path)
  return { pages, usual, tellers }
}

function verdictOf(path, page, pages, usual) {
  const { views, visits, visits_before, not_found, used, seen, seen_opened, from, kind } = page
  const listed = LISTED.includes(path)
  if (not_found > 0) return 'broken'
  if (views > 0 && !listed) return 'orphan'
  if (seen > 0 && usual[kind].rate !== null && atMost(seen_opened, seen) < usual[kind].rate / 2) return 'ignored'
  if (2 * visits < visits_before && coins(visits, visits + visits_before) < 0.05) return 'fading'
  if (used > 0) return 'used'
  if (views > 0) return 'unproven'
  if (!listed && from.size === 0 && seen === 0) return undefined
  return seen > 0 || [...from].some((one) => pages.get(one).views > 0) ? 'unvisited' : 'undiscovered'
}

// ---- the check

const near = (a, b) => Math.abs(a - b) < 1e-9

function compare(report, { pages, usual, tellers }) {
  const path = ({ page }) => page.slice('shop.example'.length)
  assert.deepEqual(report.pages.map(path).sort(), [...pages.keys()].sort())
  assert.equal(report.pages_with_links, tellers)
  assert.equal(report.links_approximate, false)
  for (const kind of ['navigation', 'content']) {
    assert.equal(report.usual[kind].pages, usual[kind].pages)
    assert.ok(near(report.usual[kind].rate, usual[kind].rate), kind)
  }
  const counts = Object.fromEntries(ORDER.map((name) => [name, 0]))
  for (const one of report.pages) {
    const want = pages.get(path(one))
    counts[want.verdict]++
    const figures = ({ verdict, kind, views, visits, used, visits_before, not_found, seen, seen_opened }) =>
      ({ verdict, kind, views, visits, used, visits_before, not_found, seen, seen_opened })
    assert.deepEqual({ ...figures(one), linked_from: one.linked_from }, { ...figures(want), linked_from: want.from.size }, path(one))
    assert.ok(near(one.used_low, atLeast(one.used, one.visits)) && near(one.used_high, atMost(one.used, one.visits)), path(one))
    assert.ok(near(one.opened_low, atLeast(one.seen_opened, one.seen)) && near(one.opened_high, atMost(one.seen_opened, one.seen)), path(one))
    if (one.visits + one.visits_before > 0) assert.ok(near(one.chance, coins(one.visits, one.visits + one.visits_before)), path(one))
  }
  assert.deepEqual(report.verdicts, counts)
  assert.deepEqual(Object.keys(report.verdicts), ORDER)
  const places = report.pages.map(({ verdict }) => ORDER.indexOf(verdict))
  assert.deepEqual(places, [...places].sort((a, b) => a - b))
}

const verdicts = (world, ...more) => report(world, 'verdicts', ...more)

async function report(world, list, ...more) {
  const { code, out, err } = await run(program('sentier-report'), ['report', list, '--conf', world.conf, '--site', 'shop', ...more])
  assert.equal(code, 0, err)
  return more.includes('--format') && !more.includes('json') ? out : JSON.parse(out)
}

scenario('every verdict, from what browsers tell', { sites: { shop: { origins: ORIGIN, spread: 4 } } }, async (world) => {
  const sitemap = join(world.top, 'sitemap.xml')
  writeFileSync(sitemap, `<urlset>${LISTED.map((path) => `<url><loc>${ORIGIN}${path}</loc></url>`).join('')}</urlset>`)
  const stored = await run(program('sentier-sitemap'), ['--site', 'shop', '--conf', world.conf, sitemap])
  assert.equal(stored.code, 0, stored.err)

  const sessions = tell()
  const noon = Math.floor(Date.now() / DAY_MS) * DAY_MS - 1.5 * DAY_MS
  await send(world, sessions, noon)
  const day = new Date(noon + DAY_MS).toISOString().slice(0, 10)
  const range = ['--from', day, '--to', day]
  const judged = await verdicts(world, ...range, '--format', 'json')
  const want = expected(sessions)
  compare(judged, want)
  const of = (verdict) => judged.pages.filter((one) => one.verdict === verdict).map(({ page }) => page.slice('shop.example'.length)).sort()
  assert.deepEqual(of('ignored'), ['/c7', '/c8', '/n6'])
  assert.deepEqual(of('undiscovered'), ['/attic', '/attic/box', '/hidden'])
  assert.deepEqual([of('broken'), of('orphan'), of('fading'), of('unproven'), of('unvisited')], [['/gone'], ['/orphan'], ['/fading'], ['/tried'], ['/late', '/offered']])
  for (const path of ['/', '/c1', '/n1', '/used']) assert.ok(of('used').includes(path), path)

  const summary = await report(world, 'pages', ...range, '--format', 'json')
  const trials = (pages) => pages.filter(({ seen }) => seen > 0).map(({ page, seen, seen_opened }) => [page, seen, seen_opened]).sort()
  assert.deepEqual(trials(summary.pages), trials(judged.pages))
  for (const name of ['seen', 'seen_opened']) assert.equal(summary.totals[name], judged.pages.reduce((sum, one) => sum + one[name], 0))

  const only = await verdicts(world, ...range, '--verdict', 'ignored', '--format', 'json')
  assert.deepEqual(only.pages, judged.pages.filter(({ verdict }) => verdict === 'ignored'))
  const csv = (await verdicts(world, ...range, '--format', 'csv')).trim().split(/\r?\n/).map((row) => row.split(','))
  assert.equal(csv.length, 1 + judged.pages.length)
  const field = (row, name) => row[csv[0].indexOf(name)]
  csv.slice(1).forEach((row, i) => {
    const one = judged.pages[i]
    for (const name of ['page', 'verdict', 'views', 'visits', 'seen', 'seen_opened', 'linked_from']) assert.equal(field(row, name), String(one[name]))
    for (const name of ['used_low', 'used_high', 'opened_low', 'opened_high']) assert.equal(field(row, name), one[name].toFixed(4))
    assert.equal(field(row, 'kind'), one.kind ?? '')
  })
  const table = await verdicts(world, ...range, '--format', 'table')
  assert.match(table, /\n\/c8\s+ignored /)
  assert.match(table, new RegExp(`Usual of content links: ${(100 * want.usual.content.rate).toFixed(1)}% \\(median of ${want.usual.content.pages} pages\\)`))

  await eventually('the published verdicts are those of the command', async () => {
    const document = await world.document('verdicts')
    const now = await verdicts(world, '--format', 'json')
    assert.deepEqual({ ...document, folded_at_ms: 0 }, { ...now, folded_at_ms: 0 })
    return document
  })
})
