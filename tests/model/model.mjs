// What the aggregator must make of a stream of hits, computed the plainest way: all hits are kept, and
// every figure is counted by loops over them, straight from the definitions. No registers, no
// differences, nothing is ever frozen. Slow, and meant to be.
//
// As a program: `node model.mjs FILE` reads hits in the order of the stream, one JSON object a line
// (without FILE: standard input), and prints one fact a line:
//   ledger VERDICT WEIGHT
//   row SITE DAY NAME COLUMN VALUE          columns as in aggregator/README.md; DAY "live": columns are minutes
//   mix SITE mix p:PAGE YEAR SUM            what the visits of persons weigh at the beginning of the year, times 4096; about equal
//   profile SITE WHO sessions days views engaged_ms first_ms newest_day
//   day SITE VISITOR DAY sessions            (of its profile, as what follows; the last 56 days)
//   class SITE VISITOR DAYS CLASS            so many days after its newest
//   mark SITE VISITOR KIND VALUE sessions
//   page SITE VISITOR PAGE views engaged_ms first_day last_day seen tried used RUNG -|passed|left     (days 0: never opened)
//   seen SITE VISITOR PAGE passed passed_days passed_from last_seen_day      (if it was seen)
//   week SITE VISITOR PAGE WEEK seen tried used opened      (the last 8 weeks)
//   interest SITE VISITOR PAGE DAYS score      so many days after its newest hit; only about equal
//   person SITE DAY VISITOR                 an active day of a consented visitor
// WHO is a visitor, or VISITOR:CUSTOMER what belongs to that customer there.
//
// A hit: kind ("pageview" "pulse" "outbound" "download" "event" "seen" "links" "meta" "click" "control" "purchase" "tally"), site, at, day, visitor (decimal text),
// consented, pageview (decimal text, "0": none), number, page, status, channel, source, country, device,
// browser, os, bot, engaged, depth, errors, target, name (of a pageview: what was searched for), interaction (of outbound, download, click, control and purchase: always), imported, verdict, n; goal and properties { KEY: VALUE } (of an event), links (seen, links: pages), controls (seen: names),
// left_out (so many more), customer (who signed it), currency, value and order (a purchase). Absent: zero or empty.
// Pageviews without id in the same millisecond are ordered by page_id (decimal text), if given.
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const MIN = 60_000
const HOUR = 60 * MIN
const ERRORS_MAX = 1000
const LATE_AFTER = 72 * HOUR
const SESSION_GAP = 30 * MIN
const SESSION_MAX = 24 * HOUR
const REGISTER_OPEN = 24 * HOUR
const ENGAGED_MAX = 30 * MIN
export const LIVE_MINUTES = 30
export const VERDICT = { counted: 0, duplicate: 1, late: 2 }
export const COLUMN = {
  views: 1, bot_views: 2, sessions: 3, exits: 4, bounces: 5, engaged_ms: 6, daily_visitors: 7, not_found: 8,
  bot_not_found: 9, outbound: 10, downloads: 11, events: 12, imported: 13, live: 14, used: 15, rows_page: 16, rows_free: 17,
  exposures: 24, clicks: 25, controls: 26, goals: 27, purchases: 28, revenue: 29, links_left_out: 30, visits: 31, verdict: 32, gap: 64,
  steps: 482, rows_step: 483, errors: 484, rows_property: 485, rows_search: 486, searches: 487, controls_in_view: 488,
  seen: 480, seen_opened: 481,
}

export function expect(hits) {
  const out = { ledger: new Map(), rows: new Map(), profiles: new Map(), persons: new Map(), links: [], newest: new Map() }
  const taken = takeInTime(out, hits.map(complete))
  out.links = taken.filter((h) => h.kind === 'links' && !h.bot)
  const groups = new Map()
  for (const h of taken) {
    const lasting = h.consented && !h.bot
    const key = JSON.stringify([h.site, lasting ? null : h.day, h.visitor])
    const plain = h.pageview === '0' && ((h.kind !== 'pageview' && !h.order) || h.bot)
    if (!groups.has(key) && (!plain || (lasting && h.customer)))
      groups.set(key, { site: h.site, visitor: h.visitor, lasting, hits: [], signs: [] })
    if (lasting && h.customer) groups.get(key).signs.push(h)
    if (plain) {
      verdict(out, h, VERDICT.counted)
      if (h.kind === 'pageview') addView(out, h.site, { ...h, notFound: h.status === 404 }, h.bot)
      else if (!h.bot) addClick(out, h.site, h.day, h.page, h)
      continue
    }
    groups.get(key).hits.push(h)
  }
  for (const g of groups.values()) foldGroup(out, g)
  countRows(out)
  return out
}

// Persons of the dates a..b, by looking at every one of them.
export function persons(out, site, a, b) {
  const seen = new Set()
  for (const p of out.persons.values()) if (p.site === site && p.day >= a && p.day <= b) seen.add(p.visitor)
  return seen.size
}

// The link graph of a site from a date on: told: pages that told their links; to: page -> those that link to it.
export function linkGraph(out, site, from) {
  const graph = { told: new Set(), to: new Map() }
  for (const h of out.links) {
    if (h.site !== site || h.day < from) continue
    graph.told.add(h.page)
    for (const link of h.links) graph.to.set(link, (graph.to.get(link) ?? new Set()).add(h.page))
  }
  return graph
}

function complete(h) {
  const defaults = {
    kind: 'pageview', visitor: '0', consented: false, pageview: '0', number: 0, page: '', status: 0, channel: 0,
    source: '', country: '', device: 0, browser: 0, os: 0, bot: '', engaged: 0, depth: 0, errors: 0, target: '', name: '',
    interaction: false, imported: false, verdict: 0, n: 1, page_id: '0', goal: false, links: [], controls: [], left_out: 0,
    customer: '',
  }
  return { ...defaults, ...h }
}

function add(out, site, day, name, column, amount) {
  if (amount === 0) return
  const key = JSON.stringify([site, day, name, column])
  out.rows.set(key, (out.rows.get(key) ?? 0) + amount)
}

function verdict(out, h, v) {
  const weight = h.kind === 'tally' ? h.n : 1
  out.ledger.set(v, (out.ledger.get(v) ?? 0) + weight)
  add(out, h.site, h.day, 'L', COLUMN.verdict + v, weight)
  if (v === VERDICT.counted && h.kind !== 'tally')
    add(out, h.site, h.day, 'T', h.imported ? COLUMN.imported : COLUMN.live, 1)
}

function takeInTime(out, hits) {
  const { newest } = out
  return hits.filter((h) => {
    if (h.kind === 'tally') {
      verdict(out, h, h.verdict)
      return false
    }
    if (h.imported) return true
    newest.set(h.site, Math.max(newest.get(h.site) ?? 0, h.at))
    if (h.at >= newest.get(h.site) - LATE_AFTER) return true
    verdict(out, h, VERDICT.late)
    return false
  })
}

const acts = (h) => h.interaction || ['outbound', 'download', 'click', 'control', 'purchase'].includes(h.kind)
const near = (h, at) => Math.abs(h.at - at) <= REGISTER_OPEN
const textOf = (h) => (h.kind === 'event' || h.kind === 'control' ? h.name : h.target)

// The hits of one id -> its pageviews, each with the hits that belong to it; and those left alone.
function byPageview(hits) {
  const views = []
  let firsts = hits.filter((h) => h.kind === 'pageview').sort((a, b) => a.at - b.at)
  while (firsts.length > 0) {
    const begun = firsts[0]
    views.push({ begun, at: begun.at, hits: [] })
    firsts = firsts.filter((h) => !near(h, begun.at))
  }
  const alone = []
  for (const h of hits) (views.find((v) => near(h, v.at))?.hits ?? alone).push(h)
  return { views, alone }
}

// Which of them counted: the first of each number.
function judge(out, hits) {
  const seen = new Set()
  return hits.filter((h) => {
    const repeated = seen.has(h.number)
    seen.add(h.number)
    verdict(out, h, repeated ? VERDICT.duplicate : VERDICT.counted)
    return !repeated
  })
}

function viewOf(begun, hits, judged) {
  const engaged = Math.min(ENGAGED_MAX, Math.max(...hits.map((h) => h.engaged)))
  const reports = hits.filter((h) => h.engaged > 0 && Math.min(h.engaged, ENGAGED_MAX) === engaged).map((h) => h.at)
  const actions = hits.filter(acts).map((h) => h.at)
  let last = begun.at
  if (reports.length > 0) last = Math.max(last, Math.min(...reports))
  if (actions.length > 0) last = Math.max(last, ...actions)
  const depth = Math.max(...hits.map((h) => h.depth))
  const errors = Math.min(ERRORS_MAX, Math.max(...hits.map((h) => h.errors)))
  const goal = judged.some((h) => (h.kind === 'event' && h.goal) || h.kind === 'purchase')
  const seen = new Set(judged.filter((h) => h.kind === 'seen').flatMap((h) => h.links))
  const customers = new Set(hits.map((h) => h.customer).filter(Boolean))
  return { ...begun, seen, customers, engaged, depth, errors, last, acted: actions.length > 0, goal, notFound: begun.status === 404 }
}

function foldGroup(out, g) {
  const views = []
  const orders = []
  const ids = new Map()
  for (const h of g.hits) {
    if (h.pageview === '0') {
      verdict(out, h, VERDICT.counted)
      if (h.order) orders.push({ ...h, on: h })
      else views.push(viewOf(h, [h], [h]))
    } else if (ids.has(h.pageview)) ids.get(h.pageview).push(h)
    else ids.set(h.pageview, [h])
  }
  for (const hits of ids.values()) {
    const { views: found, alone } = byPageview(hits)
    judge(out, alone)
    for (const f of found) {
      const judged = judge(out, f.hits)
      const view = viewOf(f.begun, f.hits, judged)
      views.push(view)
      for (const h of judged)
        if (!view.bot && !h.order && h.number !== f.begun.number) addClick(out, g.site, view.day, view.page, h)
      if (!view.bot) orders.push(...f.hits.filter((h) => h.order).map((h) => ({ ...h, on: view })))
    }
  }
  addOrders(out, g.site, orders)
  for (const v of views) addView(out, g.site, v, v.bot)
  const human = views.filter((v) => !v.bot).sort(inTime)
  addLive(out, g.site, human.filter((v) => !v.imported))
  const sessions = sessionsOf(human)
  for (const s of sessions) addSession(out, g.site, s)
  addDays(out, g, human, sessions)
  if (g.lasting) for (const s of sessions) addMix(out, g.site, s)
  if (g.lasting) addOwners(out, g, human, sessions)
}

// Pageviews by minute, and the visitor in the minute of its newest sign of life.
function addLive(out, site, views) {
  const count = (name, at) => {
    const minute = Math.floor(at / MIN)
    if (minute > Math.floor(out.newest.get(site) / MIN) - LIVE_MINUTES) add(out, site, 'live', name, minute, 1)
  }
  for (const v of views) count('T', v.at)
  if (views.length > 0) count('V', Math.max(...views.map((v) => v.last)))
}

const sign = (a, b) => (BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0)

function inTime(a, b) {
  return a.at - b.at || sign(a.pageview, b.pageview) || sign(a.page_id, b.page_id)
}

// Each once, at the earliest of its purchases.
function addOrders(out, site, purchases) {
  const inTurn = (a, b) => a.at - b.at || sign(a.pageview, b.pageview) || a.number - b.number || sign(a.on.page_id, b.on.page_id)
  const seen = new Set()
  for (const h of purchases.sort(inTurn)) {
    if (!seen.has(h.order)) addClick(out, site, h.on.day, h.on.page, h)
    seen.add(h.order)
  }
}

function addView(out, site, v, bot) {
  const names = bot ? ['T', 'p:' + v.page, 'r:' + bot]
    : ['T', 'p:' + v.page, 'g:' + (v.country || '??'), 'v:' + v.device, 'b:' + v.browser, 'o:' + v.os]
  for (const name of names) add(out, site, v.day, name, bot ? COLUMN.bot_views : COLUMN.views, 1)
  if (!bot && v.name) addTo(out, site, v.day, ['T', 'q:' + v.name], COLUMN.searches)
  for (const name of names.slice(0, 2)) {
    if (v.notFound) add(out, site, v.day, name, bot ? COLUMN.bot_not_found : COLUMN.not_found, 1)
    if (!bot) add(out, site, v.day, name, COLUMN.engaged_ms, v.engaged)
    if (!bot) add(out, site, v.day, name, COLUMN.errors, v.errors)
  }
}

function addTo(out, site, day, names, column, amount = 1) {
  for (const name of names) add(out, site, day, name, column, amount)
}

function addClick(out, site, day, page, h) {
  if (h.kind === 'seen' || h.kind === 'links') add(out, site, day, 'T', COLUMN.links_left_out, h.left_out)
  if (h.kind === 'seen') {
    for (const link of h.links) addTo(out, site, day, ['T', 'p:' + link], COLUMN.exposures)
    for (const name of h.controls) addTo(out, site, day, ['T', 'k:' + name], COLUMN.controls_in_view)
  } else if (h.kind === 'click') addTo(out, site, day, ['T', 'p:' + h.target], COLUMN.clicks)
  else if (h.kind === 'purchase') {
    addTo(out, site, day, ['T', 'p:' + page, 'm:' + h.currency], COLUMN.purchases)
    add(out, site, day, 'm:' + h.currency, COLUMN.revenue, h.value)
  } else addNamed(out, site, day, page, h)
}

function addNamed(out, site, day, page, h) {
  const [column, kind] = { outbound: [COLUMN.outbound, 'x'], download: [COLUMN.downloads, 'f'],
    event: [COLUMN.events, 'e'], control: [COLUMN.controls, 'k'] }[h.kind] ?? []
  if (column === undefined) return
  const names = ['T', 'p:' + page, kind + ':' + textOf(h)]
  addTo(out, site, day, names, column)
  if (h.goal) addTo(out, site, day, names, COLUMN.goals)
  for (const [key, value] of Object.entries(h.properties ?? {})) {
    const row = `a:${textOf(h)}\t${key}\t${value}`
    add(out, site, day, row, COLUMN.events, 1)
    if (h.goal) add(out, site, day, row, COLUMN.goals, 1)
  }
}

function sessionsOf(views) {
  const sessions = []
  let last = 0
  for (const v of views) {
    const now = sessions.at(-1)
    if (now === undefined || v.at - last > SESSION_GAP || v.at - now[0].at >= SESSION_MAX) {
      sessions.push([v])
      last = v.last
    } else {
      now.push(v)
      last = Math.max(last, v.last)
    }
  }
  return sessions
}

export const stepName = ([from, to]) => `t:${from}>${to}`

const markRows = (v, channel) =>
  ['T', 'c:' + channel, 'g:' + (v.country || '??'), 'v:' + v.device, 'b:' + v.browser, 'o:' + v.os]

function addSession(out, site, views) {
  const first = views[0]
  const { day, channel, source } = first
  const sources = source ? ['s:' + source] : []
  for (const name of [...markRows(first, channel), ...sources, 'p:' + first.page])
    add(out, site, day, name, COLUMN.sessions, 1)
  add(out, site, day, 'p:' + views.at(-1).page, COLUMN.exits, 1)
  if (views.length === 1 && !first.acted && first.engaged < 10_000)
    for (const name of ['T', 'c:' + channel, ...sources, 'p:' + first.page]) add(out, site, day, name, COLUMN.bounces, 1)
  for (const page of new Set(views.map((v) => v.page))) {
    const visit = views.filter((v) => v.page === page)
    add(out, site, day, 'p:' + page, COLUMN.visits, 1)
    if (isUse(visit)) add(out, site, day, 'p:' + page, COLUMN.used, 1)
  }
  const steps = views.slice(1).map((v, i) => [views[i].page, v.page]).filter(([from, to]) => from !== to)
  for (const step of new Set(steps.map(stepName))) add(out, site, day, step, COLUMN.steps, 1)
  for (const page of seenIn(views)) {
    const columns = opens(views, page) ? [COLUMN.seen, COLUMN.seen_opened] : [COLUMN.seen]
    for (const column of columns) addTo(out, site, day, ['T', 'p:' + page], column)
  }
  for (const v of views) {
    for (const name of ['c:' + channel, ...sources]) add(out, site, v.day, name, COLUMN.views, 1)
    add(out, site, v.day, 'c:' + channel, COLUMN.engaged_ms, v.engaged)
  }
}

function gapColumn(days, day, max) {
  const before = Math.max(0, ...days.filter((d) => d < day))
  return COLUMN.gap + (before === 0 || day - before > max ? 0 : day - before)
}

function addDays(out, g, views, sessions) {
  const days = [...new Set(views.map((v) => v.day))]
  for (const day of days) {
    const first = views.find((v) => v.day === day)
    const channel = sessions.find((s) => s.includes(first))[0].channel
    const column = g.lasting ? gapColumn(days, day, 400) : COLUMN.daily_visitors
    for (const name of markRows(first, channel)) add(out, g.site, day, name, column, 1)
    if (g.lasting) out.persons.set(JSON.stringify([g.site, day, g.visitor]), { site: g.site, day, visitor: g.visitor })
  }
  for (const page of new Set(views.map((v) => v.page))) {
    const pageDays = [...new Set(views.filter((v) => v.page === page).map((v) => v.day))]
    for (const day of pageDays)
      add(out, g.site, day, 'p:' + page, g.lasting ? gapColumn(pageDays, day, 28) : COLUMN.daily_visitors, 1)
  }
}

const weekOf = (day) => Math.floor((day + 3) / 7) // Monday to Sunday
const isUse = (visit) => visit.some((v) => v.acted) || visit.reduce((ms, v) => ms + v.engaged, 0) >= 10_000

function groupBy(list, keyOf) {
  const groups = new Map()
  for (const one of list) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one])
  return groups
}

// A visit: the pageviews of a page in one session.
const visitsTo = (sessions, page) => sessions.map((s) => s.filter((v) => v.page === page)).filter((visit) => visit.length > 0)

const opens = (session, page) => session.some((v) => v.page === page)

// A trial: a link to the page was in view on a pageview that stands before its first one in the session, if it has any.
function isTrial(session, page) {
  const first = session.findIndex((v) => v.page === page)
  return (first < 0 ? session : session.slice(0, first)).some((v) => v.seen.has(page))
}
const seenIn = (session) => [...new Set(session.flatMap((v) => [...v.seen]))].filter((page) => isTrial(session, page))

// Sessions that saw or opened the page, by what was done with it.
function trials(sessions, page) {
  const opened = visitsTo(sessions, page)
  return { seen: sessions.filter((s) => isTrial(s, page)).length, tried: opened.filter((visit) => !isUse(visit)).length,
    used: opened.filter(isUse).length, opened: opened.flat().length }
}

// Trials since the page was last opened, and when it was seen.
function sightings(sessions, page) {
  const seen = sessions.filter((s) => isTrial(s, page))
  const since = sessions.slice(sessions.findLastIndex((s) => opens(s, page)) + 1).filter((s) => isTrial(s, page))
  const days = since.map((s) => s[0].day)
  return { passed: since.length, passed_days: new Set(days).size, passed_from: days[0] ?? 0, last_seen_day: seen.at(-1)?.[0].day ?? 0 }
}

export function rungOf({ tried, used }) {
  if (used > 0) return used >= 2 ? 'returned' : 'used'
  return tried > 0 ? 'tried' : 'seen'
}

export function whyIgnored({ tried, used, passed, passed_days }) {
  if (used > 0) return '-'
  if (tried >= 2) return 'left'
  return passed >= 3 && passed_days >= 2 ? 'passed' : '-'
}

function pageOfProfile(page, views, sessions, newestDay) {
  const of = views.filter((v) => v.page === page)
  const days = of.map((v) => v.day)
  const weeks = new Map()
  for (const [week, these] of groupBy(sessions, (s) => weekOf(s[0].day)))
    if (week > weekOf(newestDay) - 8 && trials(these, page).opened + trials(these, page).seen > 0) weeks.set(week, trials(these, page))
  const { seen, tried, used } = trials(sessions, page)
  return { visits: visitsTo(sessions, page), views: of.length, engaged_ms: of.reduce((n, v) => n + v.engaged, 0), first_day: of.length > 0 ? Math.min(...days) : 0,
    last_day: Math.max(0, ...days), seen, tried, used, ...sightings(sessions, page), weeks }
}

const HALF_LIFE = 30 * 24 * HOUR

const year = (at) => new Date(at).getUTCFullYear()
const weigh = (visit) => Math.log2(1 + visit.reduce((ms, v) => ms + v.engaged, 0) / 10_000) +
  (visit.some((v) => v.depth >= 75) ? 0.5 : 0) + (visit.some((v) => v.acted) ? 1 : 0) + (visit.some((v) => v.goal) ? 3 : 0)

// The interest of the site: what each visit of a person weighs, at the first moment of its year.
function addMix(out, site, views) {
  for (const [page, visit] of groupBy(views, (v) => v.page)) {
    const of = year(visit[0].at)
    add(out, site, 'mix', 'p:' + page, of, 4096 * weigh(visit) * 2 ** ((visit[0].at - Date.UTC(of, 0, 1)) / HALF_LIFE))
  }
}

// Of the visits to a page. What is older than the year before that of the newest hit is gone, being worth nothing.
export function interestOf(visits, newest, now) {
  const kept = visits.filter(([first]) => year(first.at) >= year(newest) - 1)
  return kept.reduce((sum, visit) => sum + weigh(visit) * 2 ** ((visit[0].at - now) / HALF_LIFE), 0)
}

// Of a person with sessions on these days.
export function classOf(days, today) {
  const within = (n) => days.filter((d) => d > today - n).length
  if (days.length === 0) return 'new'
  if (within(56) === 0) return 'lost'
  if (within(28) === 0) return days.length >= 2 ? 'fading' : 'lost'
  if (within(28) >= 4 || within(56) >= 8) return 'loyal'
  return Math.min(...days) > today - 28 && days.length < 3 ? 'new' : 'returning'
}

// Whose each pageview is: of the one customer who signed it; of nobody's, when two did. Unsigned ones are of the
// first who ever signed, up to that moment, and nobody's after it; of the visitor when none ever did.
function addOwners(out, g, views, sessions) {
  const newest = Math.max(...[...g.hits, ...g.signs].map((h) => h.at))
  if (g.signs.length === 0) return addProfile(out, g.site, g.visitor, views, sessions, newest)
  const link = g.signs.reduce((first, h) => (h.at < first.at ? h : first))
  const ownerOf = (v) => {
    if (v.customers.size > 0) return v.customers.size === 1 ? [...v.customers][0] : null
    return v.at <= link.at ? link.customer : null
  }
  for (const owner of new Set(views.map(ownerOf))) {
    if (owner === null) continue
    const own = views.filter((v) => ownerOf(v) === owner)
    const parts = sessions.flatMap((s) => sessionsOf(s.filter((v) => own.includes(v))))
    const signed = own.filter((v) => v.customers.size > 0)
    const last = Math.max(...signed.map((v) => v.last), owner === link.customer ? link.at : 0)
    addProfile(out, g.site, `${g.visitor}:${owner}`, own, parts, last)
  }
}

function addProfile(out, site, who, views, sessions, newest) {
  const newestDay = Math.max(0, ...views.map((v) => v.day))
  const pages = new Map()
  for (const page of new Set([...views.map((v) => v.page), ...sessions.flatMap(seenIn)]))
    pages.set(page, pageOfProfile(page, views, sessions, newestDay))
  const firsts = sessions.map((s) => s[0])
  const marks = new Map()
  for (const [kind, name] of [[0, 'device'], [1, 'channel'], [2, 'country']])
    for (const [value, of] of groupBy(firsts, (v) => v[name] || '?')) marks.set(`${kind} ${value}`, of.length)
  out.profiles.set(JSON.stringify([site, who]), {
    sessions: sessions.length, days: new Set(views.map((v) => v.day)).size, views: views.length,
    engaged_ms: views.reduce((n, v) => n + v.engaged, 0), first_ms: views[0]?.at ?? 0, newest_day: newestDay,
    newest_ms: newest, session_days: firsts.map((v) => v.day), marks, pages,
  })
}

const LIMITS = Object.fromEntries([['p', COLUMN.rows_page], ['t', COLUMN.rows_step], ['a', COLUMN.rows_property], ['q', COLUMN.rows_search],
  ...[...'rsexfmk'].map((kind, i) => [kind, COLUMN.rows_free + i])])
export const isLimit = (column) => Object.values(LIMITS).includes(column)

// Rows made, per kind that is limited.
function countRows(out) {
  const made = new Set()
  for (const key of out.rows.keys()) {
    const [site, day, name] = JSON.parse(key)
    if (name[1] === ':' && name.length > 2 && name[0] in LIMITS) made.add(JSON.stringify([site, day, name]))
  }
  for (const key of made) {
    const [site, day, name] = JSON.parse(key)
    add(out, site, day, 'T', LIMITS[name[0]], 1)
  }
}

function profileLines(who, p) {
  const all = [`profile ${who} ${p.sessions} ${p.days} ${p.views} ${p.engaged_ms} ${p.first_ms} ${p.newest_day}`]
  for (const [day, of] of groupBy(p.session_days, (d) => d))
    if (day > p.newest_day - 56) all.push(`day ${who} ${day} ${of.length}`)
  for (const later of [0, 9, 27, 28, 40, 55, 56]) all.push(`class ${who} ${later} ${classOf(p.session_days, p.newest_day + later)}`)
  for (const [mark, sessions] of p.marks) all.push(`mark ${who} ${mark} ${sessions}`)
  for (const [page, q] of p.pages) {
    all.push(`page ${who} ${page} ${q.views} ${q.engaged_ms} ${q.first_day} ${q.last_day} ${q.seen} ${q.tried} ${q.used} ${rungOf(q)} ${whyIgnored(q)}`)
    if (q.seen > 0) all.push(`seen ${who} ${page} ${q.passed} ${q.passed_days} ${q.passed_from} ${q.last_seen_day}`)
    for (const later of [0, 45])
      all.push(`interest ${who} ${page} ${later} ${interestOf(q.visits, p.newest_ms, p.newest_ms + later * 24 * HOUR).toFixed(4)}`)
    for (const [week, w] of q.weeks) all.push(`week ${who} ${page} ${week} ${w.seen} ${w.tried} ${w.used} ${w.opened}`)
  }
  return all
}

export function lines(out) {
  const all = []
  for (const [v, weight] of out.ledger) all.push(`ledger ${v} ${weight}`)
  for (const [key, value] of out.rows) {
    const of = JSON.parse(key)
    const sum = of[1] === 'mix' && of[2] !== 'T'
    if (value !== 0) all.push(sum ? `mix ${of.join(' ')} ${value.toFixed(2)}` : `row ${of.join(' ')} ${value}`)
  }
  for (const [key, p] of out.profiles) {
    const who = JSON.parse(key).join(' ')
    all.push(...profileLines(who, p))
  }
  for (const p of out.persons.values()) all.push(`person ${p.site} ${p.day} ${p.visitor}`)
  return all
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const text = readFileSync(process.argv[2] ?? 0, 'utf8')
  const hits = text.split('\n').filter(Boolean).map((line) => JSON.parse(line))
  process.stdout.write(lines(expect(hits)).join('\n') + '\n')
}
