// Random traffic through the real collector, stream and aggregator, which is killed on the way: every
// figure of the reports must be what the model counts straight from the definitions.
//
// Hits tell how long ago they happened, so the model knows their times but for the milliseconds that
// a request takes. Times lie on a grid that keeps those from mattering: pageviews stand whole slots of
// 4 minutes apart, never near midnight, and what follows them comes within the minute.

import assert from 'node:assert/strict'
import { eventually } from './eventually.mjs'
import { run } from './process.mjs'
import { COLUMN, VERDICT, classOf, expect, interestOf, linkGraph, persons, rungOf, stepName, whyIgnored } from '../model/model.mjs'
import { TOPICS, aboutOf, compareTopics, compareWithTopics, topicWorld } from './topics.mjs'
import { AGENT, program, scenario } from './world.mjs'

const SEED = 20260131
const DAY_MS = 24 * 3600 * 1000
const SLOT_MS = 4 * 60 * 1000
const SLOTS = 1050 // 70 hours; later than 72 would be late
// Few who meet on the same pages all the time; and 500 customers among 200 pages.
const DENSE = { visitors: 60, pages: 12, cookieless: true }
const WIDE = { visitors: 550, pages: 200, cookieless: false }
const REPORTS_AT_ONCE = 4
const BAD_KIND = 9
const OPTED_OUT = 3
const PHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1'
const AGENTS = [{ text: AGENT, device: 1, browser: 1, os: 3 }, { text: PHONE, device: 2, browser: 3, os: 5 }]
const SITES = {
  shop: { origins: 'https://shop.example', time_zone: 'UTC', topics: TOPICS, search_params: 'q' },
  blog: { origins: 'https://blog.example', time_zone: 'Asia/Tokyo', spread: 4, topics: TOPICS, search_params: 'suche q' },
}
const OFFSET_MS = { shop: 0, blog: 9 * 3600 * 1000 } // no summer time in either zone
const KINDS = { pageview: 'pv', pulse: 'pu', outbound: 'ol', download: 'dl', event: 'ev', seen: 'sn', links: 'ln', click: 'ck', control: 'ct', purchase: 'pc', meta: 'mt' }
const SEARCHES = [['?q=Red%20%20Shoes', 'red shoes'], ['?page=2&q=red+shoes', 'red shoes'], ['?q=Me@mail.example', '(email)'], ['?q=', ''], ['?x=red', '']]
const DIRECT = 1
const REFERRAL = 15

function randomOf(seed) {
  const next = () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (n) => Math.floor(next() * n)
  const shuffle = (list) => {
    for (let i = list.length - 1; i > 0; i--) {
      const j = below(i + 1)
      ;[list[i], list[j]] = [list[j], list[i]]
    }
    return list
  }
  return { below, chance: (p) => next() < p, id: () => (BigInt(below(2 ** 31)) << 31n) + BigInt(1 + below(2 ** 30)), shuffle }
}

const dayOf = (site, at) => Math.floor((at + OFFSET_MS[site]) / DAY_MS)
const dateOf = (day) => new Date(day * DAY_MS).toISOString().slice(0, 10)

// One hit: what is sent (times as moments), and what the model is told.
function makeHit(who, view, kind, at, more) {
  const { site, agent } = who
  const fields = { s: site, k: KINDS[kind], u: `https://${site}.example${view.path}${view.query}`, ...more.fields }
  if (view.id) fields.p = view.id.toString(36)
  if (who.consented) Object.assign(fields, { c: 1, v: who.id.toString(36) })
  if (who.bot) fields.w = 1
  const first = kind === 'pageview'
  if (first && view.referred) fields.r = 'https://news.example/story'
  if (first && view.notFound) fields.x = 404
  const model = {
    kind, site, at, day: dayOf(site, view.at), visitor: String(who.id), consented: who.consented,
    pageview: String(view.id ?? 0), page: `${site}.example${view.path}`, status: first && view.notFound ? 404 : 0,
    channel: !first ? 0 : view.referred ? REFERRAL : DIRECT, source: first && view.referred ? 'news.example' : '', ...(first && { name: view.term }),
    device: agent.device, browser: agent.browser, os: agent.os, bot: who.bot ? 'webdriver' : '', ...more.model,
  }
  return { who, at, begun: view.at, fields, model }
}

// A pageview and what follows it.
function makeView(random, who, at) {
  const pixel = random.chance(0.1)
  const [query, term] = random.chance(0.3) ? SEARCHES[random.below(SEARCHES.length)] : ['', '']
  const view = {
    at, id: pixel ? undefined : random.id(), path: `/p/n${random.below(who.pages)}x`,
    referred: random.chance(0.3), notFound: random.chance(0.05), query, term,
  }
  const hits = [makeHit(who, view, 'pageview', at, { fields: { n: 0 }, model: { number: 0 } })]
  if (pixel) return hits
  let engaged = 0
  for (let n = 1, last = random.below(5); n <= last; n++) {
    engaged += 1000 * random.below(15)
    const e = Math.min(engaged, n * 15_000)
    const d = random.below(101)
    const [E, errors] = random.chance(0.2) ? [random.below(1500), true] : []
    hits.push(makeHit(who, view, 'pulse', at + n * 10_000, { fields: { n, e, d, ...(errors && { E }) }, model: { number: n, engaged: e, depth: d, errors: E ?? 0 } }))
  }
  if (random.chance(0.2)) {
    const order = `A-${random.below(2)}` // of a few: they come again
    const [kind, fields, model] = [
      ['outbound', { t: 'https://other.example/x' }, { target: 'other.example/x' }],
      ['download', { t: `https://${who.site}.example/a.pdf` }, { target: `${who.site}.example/a.pdf` }],
      ['event', { m: 'signup' }, { name: 'signup', interaction: true }],
      ['event', { m: 'signup?plan=Pro%20%26%20more&size=2', g: 1 }, { name: 'signup', goal: true, interaction: true, properties: { plan: 'Pro & more', size: '2' } }],
      ['event', { m: 'signup', properties: { plan: 'free', size: 2, trial: true } }, { name: 'signup', interaction: true, properties: { plan: 'free', size: '2', trial: 'true' } }],
      ['event', { m: 'played', q: 1 }, { name: 'played' }],
      ['control', { m: 'menu' }, { name: 'menu' }],
      ['purchase', { V: 1999, C: 'EUR' }, { currency: 'EUR', value: 1999 }],
      ['purchase', { V: 1999, C: 'EUR', O: order }, { currency: 'EUR', value: 1999, order }],
    ][random.below(9)]
    hits.push(makeHit(who, view, kind, at + 55_000, { fields: { n: 9, ...fields }, model: { number: 9, ...model } }))
  }
  return [...hits, ...(random.chance(0.3) ? makeMeta(who, view) : []), ...makeEvidence(random, who, view)]
}

function makeMeta(who, view) {
  const about = aboutOf(view.path)
  if (about === undefined) return []
  const y = about.topics.map(([topic, weight]) => `${weight}:${topic}`)
  const fields = { n: 18, T: `Page ${view.path}`, ...(about.section && { S: about.section }), ...(y.length > 0 && { y }) }
  return [makeHit(who, view, 'meta', view.at + 18_000, { fields, model: { number: 18, about } })]
}

// Links that came into view, and one that was followed; to pages that may never be opened.
function makeEvidence(random, who, view) {
  const hits = []
  if (random.chance(0.5)) {
    const paths = ['/menu', ...new Set(Array.from({ length: random.below(6) }, () => `/p/n${random.below(who.pages + 3)}x`))]
    const fields = { n: 19, l: [...paths, '*menu', 'https://other.example/'] }
    hits.push(makeHit(who, view, 'links', view.at + 19_000, { fields, model: { number: 19, links: paths.map((path) => `${who.site}.example${path}`), left_out: 1 } }))
  }
  const link = () => `/p/n${random.below(who.pages + 3)}x`
  const page = (path) => `${who.site}.example${path}`
  for (let n = 20, last = n + random.below(3); n < last; n++) {
    const paths = [...new Set(Array.from({ length: 1 + random.below(4) }, link))]
    const controls = ['menu', 'Sign up'].filter(() => random.chance(0.3))
    const fields = { n, l: [...paths, ...controls.map((name) => '*' + name), paths[0] + '/#top', `https://${page(paths[0])}`, 'https://other.example/', 'mailto:x'] }
    hits.push(makeHit(who, view, 'seen', view.at + n * 1000, { fields, model: { number: n, links: paths.map(page), controls, left_out: 2 } }))
  }
  if (random.chance(0.3)) {
    const path = link()
    hits.push(makeHit(who, view, 'click', view.at + 58_000, { fields: { n: 30, t: path }, model: { number: 30, target: page(path) } }))
  }
  return hits
}

function makeVisitor(random, i, anchor, { pages, cookieless }) {
  const who = {
    site: i % 3 === 0 ? 'shop' : 'blog', consented: !cookieless || i % 2 === 0, bot: i % 15 === 7, id: random.id(),
    agent: AGENTS[random.below(2)], address: `198.18.${i >> 8}.${i & 255}`, pages,
  }
  const taken = new Set()
  const hits = []
  for (let visits = 2 + random.below(4); visits > 0; visits--) {
    let slot = random.chance(0.3) ? random.below(5) : random.below(SLOTS - 40)
    for (let views = 1 + random.below(5); views > 0; views--, slot += 1 + random.below(9)) {
      if (taken.has(slot)) continue
      taken.add(slot)
      hits.push(...makeView(random, who, anchor - slot * SLOT_MS))
    }
  }
  return hits
}

const send = (world, hit) => {
  const now = Date.now()
  const headers = { 'X-Forwarded-For': hit.who.address, 'User-Agent': hit.who.agent.text, Origin: `https://${hit.who.site}.example` }
  const line = { ...hit.fields, a: now - hit.at, b: now - hit.begun }
  return line.properties ? world.post(JSON.stringify(line), headers) : world.beacon([line], headers)
}

// All of them, many at a time, so that no order is kept.
async function sendAll(world, hits) {
  const queue = [...hits]
  const one = async () => {
    for (let hit; (hit = queue.pop()); ) assert.equal((await send(world, hit)).status, 204)
  }
  await Promise.all(Array.from({ length: 8 }, one))
}

async function sendRefused(world) {
  const told = []
  for (const site of Object.keys(SITES)) {
    const headers = { Origin: `https://${site}.example` }
    const page = { s: site, u: `https://${site}.example/x` }
    await world.beacon([{ ...page, k: 'zz' }, { ...page, k: 'zz' }, { ...page, o: 1 }], headers)
    const day = dayOf(site, Date.now())
    told.push({ kind: 'tally', site, day, verdict: BAD_KIND, n: 2 }, { kind: 'tally', site, day, verdict: OPTED_OUT, n: 1 })
  }
  return told
}

// ---- what the model says of a range

function rowsOf(model, site, from, to) {
  const rows = new Map()
  for (const [key, value] of model.rows) {
    const [of, day, name, column] = JSON.parse(key)
    if (of !== site || !(day >= from && day <= to)) continue
    if (!rows.has(name)) rows.set(name, {})
    rows.get(name)[column] = (rows.get(name)[column] ?? 0) + value
  }
  return rows
}

const figures = (row, names) => Object.fromEntries(names.map(([name, column]) => [name, row?.[column] ?? 0]))
const NAMED = ['views', 'bot_views', 'bounces', 'engaged_ms', 'daily_visitors', 'not_found', 'bot_not_found', 'outbound', 'downloads', 'events', 'goals', 'exposures', 'clicks', 'controls', 'purchases', 'errors']
const named = (...more) => [...NAMED.map((name) => [name, COLUMN[name]]), ...more]
const TOTALS = named(['sessions', COLUMN.sessions], ['live', COLUMN.live], ['imported', COLUMN.imported], ['links_left_out', COLUMN.links_left_out], ['searches', COLUMN.searches], ['controls_in_view', COLUMN.controls_in_view])
const PAGE = named(['entries', COLUMN.sessions], ['exits', COLUMN.exits], ['visits', COLUMN.visits], ['used', COLUMN.used])
const CHANNEL = ['views', 'sessions', 'bounces', 'engaged_ms', 'daily_visitors'].map((name) => [name, COLUMN[name]])
const CLASS = ['views', 'sessions', 'daily_visitors'].map((name) => [name, COLUMN[name]])
const SOURCE = ['views', 'sessions', 'bounces'].map((name) => [name, COLUMN[name]])
const pick = (object, names) => Object.fromEntries(names.map(([name]) => [name, object?.[name] ?? 0]))

// Of each page the visits that began or ended there, and where they went on to.
function compareWays(report, rows) {
  const pages = [...rows].filter(([name]) => name.startsWith('p:')).map(([name, row]) => [name.slice(2), row])
  const visits = (page) => rows.get('p:' + page)?.[COLUMN.visits] ?? 0
  const by = (column) => pages.filter(([, row]) => row[column] > 0).map(([page, row]) => ({ page, n: row[column], visits: visits(page) }))
  const byPage = (a, b) => (a.page < b.page ? -1 : 1)
  assert.deepEqual(report.entries.map(({ page, entries, visits }) => ({ page, n: entries, visits })).sort(byPage), by(COLUMN.sessions).sort(byPage))
  assert.deepEqual(report.exits.map(({ page, exits, visits }) => ({ page, n: exits, visits })).sort(byPage), by(COLUMN.exits).sort(byPage))
  const steps = [...rows].filter(([name, row]) => name.startsWith('t:') && row[COLUMN.steps] > 0)
  assert.deepEqual(report.transitions.map(({ from, to }) => stepName([from, to])).sort(), steps.map(([name]) => name).sort())
  for (const { from, to, count, visits: of, share } of report.transitions) {
    assert.equal(count, rows.get(stepName([from, to]))[COLUMN.steps], `${from} > ${to}`)
    assert.equal(of, visits(from))
    assert.ok(share > 0 && share <= 1 && Math.abs(share - count / of) <= 1e-4)
  }
  assert.deepEqual(report.transitions.map(({ count }) => count), report.transitions.map(({ count }) => count).sort((a, b) => b - a))
}

// Pages that had any, those with most first.
function compareErrors(report, rows) {
  const want = [...rows].filter(([name, row]) => name.startsWith('p:') && row[COLUMN.errors] > 0)
  assert.deepEqual(new Map(report.errors.map((one) => ['p:' + one.page, one.errors])), new Map(want.map(([name, row]) => [name, row[COLUMN.errors]]).sort((a, b) => b[1] - a[1])))
  assert.deepEqual(report.errors.map(({ errors }) => errors), report.errors.map(({ errors }) => errors).sort((a, b) => b - a))
  for (const { page, views } of report.errors) assert.equal(views, rows.get('p:' + page)[COLUMN.views] ?? 0, page)
}

function compareProperties(report, rows) {
  const want = [...rows].filter(([name, row]) => name.startsWith('a:') && row[COLUMN.events] > 0)
  assert.deepEqual(report.properties.map(({ event, key, value }) => `a:${event}\t${key}\t${value}`).sort(), want.map(([name]) => name).sort())
  for (const { event, key, value, count, goals, share } of report.properties) {
    const row = rows.get(`a:${event}\t${key}\t${value}`)
    assert.deepEqual({ count, goals }, figures(row, [['count', COLUMN.events], ['goals', COLUMN.goals]]), key)
    assert.ok(Math.abs(share - count / rows.get('e:' + event)[COLUMN.events]) <= 1e-4, `share of ${value}`)
  }
}

const used = (row) => Object.values(row).some((value) => value !== 0)

// Who saw each page in the range, by looking at every pageview.
function pageVisitors(views, site, from, to) {
  const seen = new Map()
  for (const v of views) {
    if (v.site !== site || v.day < from || v.day > to || !v.consented || v.bot) continue
    if (!seen.has(v.page)) seen.set(v.page, new Set())
    seen.get(v.page).add(v.visitor)
  }
  return seen
}

function comparePages(report, rows, visitors) {
  const want = new Map([...rows].filter(([name, row]) => name.startsWith('p:') && used(row)))
  assert.deepEqual(report.pages.map((one) => 'p:' + one.page).sort(), [...want.keys()].sort())
  for (const one of report.pages) {
    assert.deepEqual(pick(one, PAGE), figures(want.get('p:' + one.page), PAGE), one.page)
    assert.equal(one.visitors, visitors.get(one.page)?.size ?? 0, `visitors of ${one.page}`)
    assert.equal(one.visitors_exact, true)
  }
}

function compareList(list, label, rows, kind, values, names) {
  for (const [value, name] of Object.entries(values)) {
    const one = list.find((item) => item[label] === name)
    assert.deepEqual(pick(one, names), figures(rows.get(`${kind}:${value}`), names), `${label} ${name}`)
  }
}

function compareLedger(ledger, row = {}) {
  const of = (verdict) => row[COLUMN.verdict + verdict] ?? 0
  const want = {
    counted: of(VERDICT.counted), duplicate: of(VERDICT.duplicate), late: 0, opted_out: of(OPTED_OUT), malformed: of(BAD_KIND),
  }
  assert.deepEqual(pick(ledger, Object.entries(want)), want)
  assert.equal(ledger.received, Object.values(want).reduce((a, b) => a + b, 0))
}

async function compareLinks(world, model, site, from, to) {
  const dates = ['--from', dateOf(from), '--to', dateOf(to), '--format', 'json']
  const ask = async (...more) => JSON.parse((await run(program('sentier-report'), ['report', 'links', '--conf', world.conf, '--site', site, ...dates, ...more])).out)
  const { told, to: links } = linkGraph(model, site, from)
  const rows = rowsOf(model, site, from, to)
  const report = await ask()
  assert.equal(report.pages_with_links, told.size)
  assert.equal(report.approximate, false)
  assert.deepEqual(report.links.map((one) => one.page).sort(), [...links.keys()].sort())
  for (const one of report.links) {
    const row = rows.get('p:' + one.page)
    const linked = links.get(one.page).size
    const { page, id, ...figures } = one
    assert.deepEqual(figures, {
      kind: 2 * linked > told.size ? 'navigation' : 'content', linked_from: linked,
      exposures: row?.[COLUMN.exposures] ?? 0, clicks: row?.[COLUMN.clicks] ?? 0, views: row?.[COLUMN.views] ?? 0,
    }, page)
  }
  const [first] = report.links
  const about = await ask('--page', first.page)
  assert.deepEqual(about.linked_from.map((one) => one.page).sort(), [...links.get(first.page)].sort())
  assert.deepEqual(about.page, first)
}

async function compareRange(world, model, views, site, from, to) {
  const args = ['report', 'pages', '--conf', world.conf, '--site', site, '--from', dateOf(from), '--to', dateOf(to), '--format', 'json']
  const { code, out, err } = await run(program('sentier-report'), args)
  assert.equal(code, 0, err)
  const report = JSON.parse(out)
  const rows = rowsOf(model, site, from, to)
  assert.deepEqual(pick(report.totals, TOTALS), figures(rows.get('T'), TOTALS), 'totals')
  assert.equal(report.totals.visitors, persons(model, site, from, to), 'persons')
  compareLedger(report.ledger, rows.get('L'))
  comparePages(report, rows, pageVisitors(views, site, from, to))
  compareWays(report, rows)
  compareErrors(report, rows)
  compareProperties(report, rows)
  compareList(report.channels, 'channel', rows, 'c', { [DIRECT]: 'Direct', [REFERRAL]: 'Referral' }, CHANNEL)
  compareList(report.sources, 'source', rows, 's', { 'news.example': 'news.example' }, SOURCE)
  compareList(report.devices, 'device', rows, 'v', { 1: 'desktop', 2: 'mobile' }, CLASS)
  compareList(report.browsers, 'browser', rows, 'b', { 1: 'Chrome', 3: 'Safari' }, CLASS)
  compareList(report.outbound, 'target', rows, 'x', { 'other.example/x': 'other.example/x' }, [['clicks', COLUMN.outbound]])
  compareList(report.events, 'name', rows, 'e', { signup: 'signup', played: 'played' }, [['count', COLUMN.events], ['goals', COLUMN.goals]])
  compareList(report.controls, 'name', rows, 'k', { menu: 'menu', 'Sign up': 'Sign up' }, [['count', COLUMN.controls], ['in_view', COLUMN.controls_in_view]])
  compareList(report.searches, 'term', rows, 'q', { 'red shoes': 'red shoes', '(email)': '(email)' }, [['count', COLUMN.searches]])
  assert.ok(report.searches.every(({ term }) => ['red shoes', '(email)'].includes(term)))
  compareList(report.purchases, 'currency', rows, 'm', { EUR: 'EUR' }, [['count', COLUMN.purchases], ['revenue_minor', COLUMN.revenue]])
  return report
}

// The last 30 minutes, as the command says and as "today" does; minutes of hits are sharp, since those
// of all pageviews begin with the minute. Returns how many pageviews there were.
async function compareLive(world, model, site) {
  const ask = async (format) => {
    const { code, out, err } = await run(program('sentier-report'), ['report', 'live', '--conf', world.conf, '--site', site, '--format', format])
    assert.equal(code, 0, err)
    return out
  }
  const wanted = (name, minute) => model.rows.get(JSON.stringify([site, 'live', name, minute])) ?? 0
  const check = ({ minutes, visitors_5m, visitors_30m, views_30m }) => {
    const last = minutes.map((one) => ({ ...one, minute: one.at_ms / 60_000 }))
    assert.deepEqual(last.map(({ minute }) => minute - last[0].minute), [...Array(30).keys()])
    for (const { minute, views, last_seen } of last) assert.deepEqual([views, last_seen], [wanted('T', minute), wanted('V', minute)], `minute ${minute}`)
    const sum = (n, name) => last.slice(-n).reduce((all, { minute }) => all + wanted(name, minute), 0)
    assert.deepEqual([visitors_5m, visitors_30m, views_30m], [sum(5, 'V'), sum(30, 'V'), sum(30, 'T')])
    return views_30m
  }
  const { live } = JSON.parse(await ask('json'))
  const csv = (await ask('csv')).trim().split(/\r?\n/)
  assert.deepEqual([csv[0], csv.length], ['minute,views,last_seen', 31])
  assert.match(await ask('table'), new RegExp(`^${site}: \\d+ visitors in the last 5 minutes, \\d+ in 30; \\d+ pageviews`))
  await eventually('today shows what goes on', async () => check((await world.summary(site)).live))
  return check(live)
}

// ---- what it says of a person

const byName = (list, name) => Object.fromEntries(list.map((one) => [one[name], one.sessions]))
const NAMES = [['devices', 'device', ['unknown', 'desktop', 'mobile']], ['channels', 'channel', { [DIRECT]: 'Direct', [REFERRAL]: 'Referral' }]]
const WHY = { '-': '', passed: 'passed by', left: 'left' }
const dateOr = (day) => (day === 0 ? null : dateOf(day))

function wantedPage(page) {
  const weeks = [...page.weeks].sort((a, b) => b[0] - a[0])
  return {
    rung: rungOf(page), ignored: whyIgnored(page) !== '-', ignored_why: WHY[whyIgnored(page)], seen: page.seen,
    passed: page.passed, passed_days: page.passed_days, tried: page.tried, used: page.used, views: page.views,
    engaged_ms: page.engaged_ms, first_day: dateOr(page.first_day), last_day: dateOr(page.last_day), last_seen_day: dateOr(page.last_seen_day),
    weeks: weeks.map(([week, sums]) => ({ from: dateOf(week * 7 - 3), ...sums })),
  }
}

function compareMarks(profile, marks) {
  for (const [list, label, names] of NAMES) {
    const kind = NAMES.findIndex(([name]) => name === list)
    const want = [...marks].map(([mark, sessions]) => [...mark.split(' ').map(Number), sessions]).filter(([of]) => of === kind)
    assert.deepEqual(byName(profile[list], label), Object.fromEntries(want.map(([, value, n]) => [names[value], n])))
  }
  assert.deepEqual(profile.countries, [{ country: '??', sessions: profile.sessions }])
}

// Scores move with the milliseconds that a request took.
const about = (got, want, what) => assert.ok(Math.abs(got - want) <= 0.002 + want / 1000, `${what}: ${got}, not ${want}`)

function compareInterest(profile, want, now) {
  const scores = new Map([...want.pages].map(([page, { visits }]) => [page, interestOf(visits, want.newest_ms, now)]))
  const all = [...scores.values()].reduce((a, b) => a + b, 0)
  assert.ok(Math.abs(profile.as_of_ms - now) < 60_000)
  about(profile.interest, all, 'all interest')
  for (const { page, interest, interest_share } of profile.pages) {
    about(interest, scores.get(page), `interest in ${page}`)
    if (all > 0) about(interest_share, scores.get(page) / all, `share of ${page}`)
  }
  assert.deepEqual(profile.pages.map((page) => page.interest), profile.pages.map((page) => page.interest).sort((a, b) => b - a))
}

async function compareProfile(world, site, visitor, want, now, about) {
  const today = dayOf(site, now)
  const id = BigInt(visitor).toString(36)
  const { code, out, err } = await run(program('sentier-report'), ['profile', id, '--conf', world.conf, '--site', site, '--format', 'json'])
  assert.equal(code, 0, err)
  const profile = JSON.parse(out)
  const within = (n) => want.session_days.filter((day) => day > today - n).length
  const figures = {
    as_of: dateOf(today), approximate: false, class: classOf(want.session_days, today), sessions: want.sessions,
    sessions_28d: within(28), sessions_56d: within(56), days: want.days, views: want.views, engaged_ms: want.engaged_ms,
  }
  assert.deepEqual(pick(profile, Object.entries(figures)), figures, id)
  assert.ok(Math.abs(profile.first_seen_ms - want.first_ms) < 60_000, id)
  compareMarks(profile, want.marks)
  compareInterest(profile, want, now)
  compareWithTopics(profile, want, about)
  assert.deepEqual(profile.pages.map((page) => page.page).sort(), [...want.pages.keys()].sort())
  for (const { page, id: pageId, interest, interest_share, ...rest } of profile.pages)
    assert.deepEqual(rest, wantedPage(want.pages.get(page)), `${id} ${page} ${pageId}`)
  return profile
}

async function compareCustomers(world, site, profiles) {
  const { code, out, err } = await run(program('sentier-report'), ['customers', '--conf', world.conf, '--site', site, '--limit', '0', '--format', 'json'])
  assert.equal(code, 0, err)
  const fields = ['id', 'class', 'first_seen_ms', 'last_seen_ms', 'sessions', 'days', 'views', 'engaged_ms'].map((name) => [name])
  const list = (of) => of.map((one) => pick(one, fields)).sort((a, b) => (a.id < b.id ? -1 : 1))
  const { customers } = JSON.parse(out)
  assert.deepEqual(list(customers), list(profiles))
  for (const one of customers) {
    const { pages } = profiles.find(({ id }) => id === one.id)
    assert.equal(one.top_interest, pages[0].interest)
    assert.equal(pages.find(({ page }) => page === one.top_page).interest, pages[0].interest)
  }
}

async function compareProfiles(world, model, told) {
  const profiles = Object.fromEntries(Object.keys(SITES).map((site) => [site, []]))
  for (const site of Object.keys(SITES)) {
    const newest = told.reduce((at, hit) => (hit.site === site && hit.at > at ? hit.at : at), 0)
    const [from, to] = [dayOf(site, newest) - 55, dayOf(site, newest)]
    const topics = topicWorld(model, told, { site, now: newest, from, rows: rowsOf(model, site, from, to) })
    const queue = [...model.profiles].map(([key, want]) => [...JSON.parse(key), want]).filter(([of]) => of === site)
    const one = async () => {
      for (let next; (next = queue.pop()); ) profiles[site].push(await compareProfile(world, site, next[1], next[2], newest, topics))
    }
    await Promise.all(Array.from({ length: REPORTS_AT_ONCE }, one))
    await compareTopics(world, site, topics)
    await compareCustomers(world, site, profiles[site])
  }
}

async function agree(world, crowd) {
  const random = randomOf(SEED)
  const anchor = Math.floor((Date.now() - 10 * 60_000) / SLOT_MS) * SLOT_MS - SLOT_MS / 2
  const once = Array.from({ length: crowd.visitors }, (_, i) => makeVisitor(random, i, anchor, crowd)).flat()
  const hits = random.shuffle([...once, ...once.filter(() => random.chance(0.15))]) // some are sent again
  const third = Math.floor(hits.length / 3)

  await sendAll(world, hits.slice(0, third))
  await Promise.all([sendAll(world, hits.slice(third, 2 * third)), world.aggregator.kill9()])
  await Promise.all([sendAll(world, hits.slice(2 * third)), world.aggregator.start()])
  const told = [...hits.map((hit) => hit.model), ...(await sendRefused(world))]
  const received = told.reduce((sum, hit) => sum + (hit.n ?? 1), 0)
  await world.settled({ received, withinMs: 120_000 })

  const model = expect(told)
  const views = once.map((hit) => hit.model).filter((hit) => hit.kind === 'pageview')
  for (const site of Object.keys(SITES)) {
    const last = dayOf(site, Date.now())
    for (const from of [last - 4, last - 2, last - 1]) await compareLinks(world, model, site, from, last)
    for (let from = last - 4; from <= last; from++)
      for (let to = from; to <= last; to++) await compareRange(world, model, views, site, from, to)
  }
  for (const site of Object.keys(SITES)) assert.ok((await compareLive(world, model, site)) > 0, `somebody is at ${site}`)
  await compareProfiles(world, model, told)
  console.log(`# ${model.profiles.size} profiles; ${hits.length} hits of ${crowd.visitors} visitors, ${views.length} pageviews`)
  return model.profiles.size
}

scenario('reports say what the definitions say, whatever the order and whoever dies', { sites: SITES }, async (world) => {
  await agree(world, DENSE)
})

scenario('and so they do of 500 customers and 200 pages', { sites: SITES }, async (world) => {
  const profiles = await agree(world, WIDE)
  assert.ok(profiles >= 500, `${profiles} profiles`)
})
