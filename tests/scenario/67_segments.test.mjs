// Persons by class, and what those of each class did with each group of pages: random traffic through
// the real programs, counted again from the model's profiles. Then the reader who wants to know
// what few persons did: small figures are nowhere in any bytes, and do not follow from the others.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { Clock } from '../faults/clock.mjs'
import { classOf, expect, rungOf, whyIgnored } from '../model/model.mjs'
import { eventually } from './eventually.mjs'
import { run } from './process.mjs'
import { AGENT, ORIGIN, program, scenario } from './world.mjs'

const SEED = 20260311
const MIN = 60_000
const DAY_MS = 24 * 60 * MIN
const SLOT_MS = 45 * MIN // each visit a session of its own
const SLOTS = 90
const PERSONS = 320
const EPOCHS = [70, 40, 0] // days ago: when persons came
const LEAST = 5
const CLASSES = ['new', 'loyal', 'returning', 'fading', 'lost']
const RUNGS = ['seen', 'tried', 'used', 'returned']
const FIGURES = [...RUNGS, 'ignoring']
const KINDS = { pageview: 'pv', pulse: 'pu', seen: 'sn' }
// Pages of groups, from those that everybody sees to those that hardly anybody does.
const PATHS = [
  ['/', 1], ['/blog/one', 0.5], ['/blog/two', 0.4], ['/blog/three', 0.1], ['/docs/start', 0.3], ['/docs/end', 0.2],
  ['/about', 0.15], ['/prices', 0.1], ['/jobs/cook', 0.06], ['/jobs/clerk', 0.05], ['/press', 0.03], ['/legal', 0.02], ['/rare/a/b', 0.015],
]
const SECRET = '5e91e47a'.repeat(8)
const EXPIRY = Math.floor(Date.now() / 1000) + 7200
const SITES = { shop: { origins: ORIGIN, time_zone: 'UTC', spread: 4, secret: SECRET }, quiet: { origins: 'https://quiet.example' } }

function randomOf(seed) {
  const next = () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (n) => Math.floor(next() * n)
  return { next, below, id: () => (BigInt(below(2 ** 31)) << 31n) + BigInt(1 + below(2 ** 30)) }
}

// ---- traffic

// Who comes more than once may be a customer, with a new browser for the last time. To the model it is one visitor.
const signature = (customer) => `${EXPIRY}.` + createHmac('sha256', SECRET).update(`shop\n${customer}\n${EXPIRY}`).digest('hex')
const browserOf = ({ id, customer }, epoch) => (customer && epoch === 0 ? id + 1n : id).toString(36)
const signed = ({ customer }) => (customer ? { i: customer, j: signature(customer) } : {})

// A pageview, its links that came into view, and the time spent: {at, fields, model} of each hit.
function viewOf(random, person, epoch, at, path) {
  const id = random.id()
  const hit = (kind, n, ms, fields, model) => ({
    at: at + ms, begun: at,
    fields: { s: 'shop', k: KINDS[kind], u: ORIGIN + path, p: id.toString(36), n, c: 1, v: browserOf(person, epoch), ...signed(person), ...fields },
    model: {
      kind, site: 'shop', at: at + ms, day: Math.floor(at / DAY_MS), visitor: String(person.id), consented: true, pageview: String(id),
      number: n, page: 'shop.example' + path, channel: kind === 'pageview' ? 1 : 0, device: 1, browser: 1, os: 3, ...model,
    },
  })
  const hits = [hit('pageview', 0, 0, {}, {})]
  const links = PATHS.filter(([, weight]) => random.next() < weight * 0.3).map(([link]) => link).filter((link) => link !== path)
  if (links.length > 0) hits.push(hit('seen', 1, 1000, { l: links }, { links: links.map((link) => 'shop.example' + link) }))
  const engaged = random.next() < person.patience ? 12_000 : 1000 + random.below(8000)
  hits.push(hit('pulse', 2, 14_000, { e: engaged }, { engaged }))
  return hits
}

// Most come once, some often; a part of them hardly reads. {epoch, hits} for each time.
function makePerson(random, anchor) {
  const person = { id: random.id(), patience: random.next() < 0.3 ? 0.05 : 0.5 }
  const epochs = EPOCHS.filter((days) => random.next() < (days > 0 ? 0.2 : 0.7))
  if (epochs.length > 1 && random.next() < 0.6) person.customer = `member ${person.id}`
  return epochs.map((epoch) => {
    const visits = random.next() < 0.6 ? 1 + random.below(2) : 2 + random.below(5)
    const slots = new Set(Array.from({ length: visits }, () => random.below(SLOTS)))
    const hits = [...slots].flatMap((slot) => {
      const paths = PATHS.filter(([, weight]) => random.next() < weight * 0.8).map(([path]) => path)
      return paths.flatMap((path, i) => viewOf(random, person, epoch, anchor - epoch * DAY_MS - slot * SLOT_MS + i * MIN, path))
    })
    return { epoch, hits }
  })
}

// The collector's clock tells when they come.
async function sendAll(world, epoch, hits) {
  const queue = [...hits].reverse()
  const one = async () => {
    for (let hit; (hit = queue.pop()); ) {
      const now = Date.now() - epoch * DAY_MS
      const { status } = await world.beacon([{ ...hit.fields, a: now - hit.at, b: now - hit.begun }], { 'User-Agent': AGENT })
      assert.equal(status, 204)
    }
  }
  await Promise.all(Array.from({ length: 8 }, one))
}

// ---- the same, counted from the model's profiles

const WHY = { left: 'left', passed: 'passed by' }
const ignores = (page) => whyIgnored(page) !== '-'
const groupOf = (page) => page.replace(/^[^/]*\/([^/]*).*$/, (_, first) => (first ? `/${first}/` : '/'))
const evidenceOf = (one) => Object.fromEntries(['class', 'sessions', 'why', 'passed', 'passed_days', 'tried'].map((name) => [name, one[name]]))
const none = () => Object.fromEntries(CLASSES.map((of) => [of, Object.fromEntries(FIGURES.map((figure) => [figure, 0]))]))
const sum = (list) => list.reduce((a, b) => a + b, 0)

function segmentsOf(model, today) {
  const out = { classes: Object.fromEntries(CLASSES.map((of) => [of, { persons: 0, sessions: 0 }])), groups: new Map(), ignorers: new Map() }
  for (const [key, profile] of model.profiles) {
    const of = classOf(profile.session_days, today)
    const groups = new Map()
    for (const one of profile.pages) groups.set(groupOf(one[0]), [...(groups.get(groupOf(one[0])) ?? []), one])
    out.classes[of].persons++
    out.classes[of].sessions += profile.sessions
    for (const [group, pages] of groups) {
      const figures = out.groups.get(group) ?? none()
      const rungs = pages.map(([, page]) => RUNGS.indexOf(rungOf(page)))
      figures[of][RUNGS[Math.max(...rungs)]]++
      if (Math.max(...rungs) < 2 && pages.some(([, page]) => ignores(page))) figures[of].ignoring++
      out.groups.set(group, figures)
    }
    const id = JSON.parse(key)[1]
    for (const [page, what] of profile.pages) {
      if (!ignores(what)) continue
      if (!out.ignorers.has(page)) out.ignorers.set(page, new Map())
      out.ignorers.get(page).set(id, evidenceOf({ ...what, class: of, sessions: profile.sessions, why: WHY[whyIgnored(what)] }))
    }
  }
  return out
}

// ---- what is told

async function report(world, ...args) {
  const { code, out, err } = await run('env', ['COLUMNS=100', program('sentier-report'), 'report', ...args, '--conf', world.conf, '--site', 'shop'])
  assert.equal(code, 0, err)
  return out
}

const isSmall = (n) => n > 0 && n < LEAST

// Shown is what is true, and nothing that is small. How many are hidden.
function compareFigure(shown, truth, what) {
  if (shown === null) return 1
  assert.equal(shown, truth, what)
  assert.ok(!isSmall(shown), what)
  return 0
}

function compareClasses(told, want) {
  const small = CLASSES.some((of) => isSmall(want.classes[of].persons))
  for (const of of CLASSES) {
    const { persons, sessions } = want.classes[of]
    assert.deepEqual(told.classes[of], isSmall(persons) ? { persons: null, sessions: null } : { persons, sessions }, of)
  }
  for (const total of ['persons', 'sessions'])
    assert.equal(told[total], small ? null : sum(CLASSES.map((of) => want.classes[of][total])), total)
}

function compareMatrix(told, want) {
  let hidden = 0
  assert.deepEqual(told.matrix.map(({ group }) => group).sort(), [...want.groups.keys()].sort())
  for (const { group, all, classes } of told.matrix) {
    const truth = want.groups.get(group)
    let here = 0
    for (const figure of FIGURES) {
      for (const of of CLASSES) here += compareFigure(classes[of][figure], truth[of][figure], `${group} ${of} ${figure}`)
      here += compareFigure(all[figure], sum(CLASSES.map((of) => truth[of][figure])), `${group} ${figure}`)
    }
    const some = CLASSES.some((of) => FIGURES.some((figure) => isSmall(truth[of][figure])))
    assert.equal(here > 0, some, `${group}: hidden is something when something is small`)
    hidden += here
  }
  return hidden
}

function compareIgnored(told, want) {
  const pages = [...want.ignorers].filter(([, persons]) => persons.size >= LEAST).map(([page]) => page)
  assert.deepEqual(told.ignored.map(({ page }) => page).sort(), pages.sort())
  for (const { page, all, classes } of told.ignored) {
    const persons = [...want.ignorers.get(page).values()]
    for (const of of CLASSES) compareFigure(classes[of], persons.filter((one) => one.class === of).length, `${page} ${of}`)
    compareFigure(all, persons.length, page)
  }
}

const idOf = (told) => (told.startsWith('member ') ? told.slice(7) : [...told].reduce((n, digit) => n * 36n + BigInt(parseInt(digit, 36)), 0n).toString())

async function compareCohort(world, want) {
  const [page, persons] = [...want.ignorers].sort((a, b) => b[1].size - a[1].size)[0]
  const told = JSON.parse(await report(world, 'ignorers', '--page', page, '--format', 'json'))
  assert.equal(told.total, persons.size)
  const evidence = Object.fromEntries(told.persons.map((one) => [idOf(one.id), evidenceOf(one)]))
  assert.deepEqual(evidence, Object.fromEntries(persons))
  assert.ok(told.persons.some(({ id }) => id.startsWith('member ')))
  const table = await report(world, 'ignorers', '--page', page, '--limit', '3')
  assert.match(table, new RegExp(`^${persons.size} persons of shop ignore ${page}`))
  assert.match(table, /3 of \d+ \(--limit N shows more\)/)
}

// ---- who wants to know more: what must each hidden figure at least and at most be?

// Narrows [least, most] of each unknown by sums (parts make the whole, a rest of 0 or more aside) until nothing moves.
function narrow(unknowns, sums) {
  for (let moved = true; moved; ) {
    moved = false
    for (const { parts, whole, exactly } of sums)
      for (const one of parts) {
        const others = parts.filter((other) => other !== one)
        const most = whole[1] - sum(others.map((other) => other[0]))
        const least = exactly ? whole[0] - sum(others.map((other) => other[1])) : -Infinity
        if (most < one[1]) [one[1], moved] = [most, true]
        if (least > one[0]) [one[0], moved] = [least, true]
      }
  }
  return unknowns
}

function attack(told, { all, classes, group }, truth) {
  const bounds = (n, least) => (n === null ? [least, 1e9] : [n, n])
  const cells = Object.fromEntries(CLASSES.map((of) => [of, Object.fromEntries(FIGURES.map((f) => [f, bounds(classes[of][f], 1)]))]))
  const personsOf = (of) => (told.classes[of].persons === null ? [1, LEAST - 1] : bounds(told.classes[of].persons))
  const sums = FIGURES.map((f) => ({ parts: CLASSES.map((of) => cells[of][f]), whole: bounds(all[f], 1), exactly: true }))
  for (const of of CLASSES) sums.push({ parts: RUNGS.map((f) => cells[of][f]), whole: personsOf(of), exactly: false })
  narrow(cells, sums)
  for (const of of CLASSES)
    for (const f of FIGURES) {
      const [least, most] = cells[of][f]
      assert.ok(least <= truth[of][f] && truth[of][f] <= most, `${group} ${of} ${f}`)
      if (isSmall(truth[of][f])) assert.notEqual(least, most, `${group} ${of} ${f} can only be ${least}`)
    }
}

// Figures in the bytes themselves, whatever they are called.
function searchBytes(json, tables, csvs) {
  const figures = [...json.matchAll(/"(seen|tried|used|returned|ignoring|persons|sessions|all|new|loyal|returning|fading|lost)":\s*(\d+)/g)]
  assert.ok(figures.length > 100)
  for (const [text, , n] of figures) assert.ok(!isSmall(Number(n)), text)
  for (const table of tables) {
    const rows = table.split('\n').filter((line) => /^(\/|shop\.example|\(other\)|new|loyal|returning|fading|lost|all)/.test(line))
    const cells = rows.map((line) => line.replace(/  \S+ \S+ .*$/, '').split(/\s+/).slice(1)).flat()
    assert.ok(cells.length >= 12 && cells.every((cell) => /^(\*|[\d,]+)?$/.test(cell)), table)
    for (const cell of cells) assert.ok(!isSmall(Number(cell)), table)
  }
  for (const csv of csvs) {
    const cells = csv.trim().split('\r\n').slice(1).flatMap((line) => line.split(','))
    for (const cell of cells) assert.ok(!isSmall(Number(cell)), csv)
  }
}

// Hits in the order in which they come.
async function live(world) {
  const clock = new Clock(world.collector, world.top, 0)
  const random = randomOf(SEED)
  const anchor = Date.now() - 20 * MIN
  const visits = Array.from({ length: PERSONS }, () => makePerson(random, anchor)).flat()
  const hits = []
  clock.set((-EPOCHS[0] * DAY_MS) / 1000)
  await world.startAll()
  for (const epoch of EPOCHS) {
    const these = visits.filter((visit) => visit.epoch === epoch).flatMap((visit) => visit.hits)
    clock.set((-epoch * DAY_MS) / 1000)
    await sendAll(world, epoch, these)
    hits.push(...these)
    await world.settled({ received: hits.length })
  }
  return hits
}

scenario('segments are what persons did, and tell of no few', { sites: SITES, start: false }, async (world) => {
  const hits = await live(world)
  const model = expect(hits.map((hit) => hit.model))
  const today = Math.floor(Math.max(...hits.map((hit) => hit.at)) / DAY_MS)
  const want = segmentsOf(model, today)

  const json = await report(world, 'matrix', '--format', 'json')
  const told = JSON.parse(json)
  assert.equal(told.least, LEAST)
  assert.equal(told.approximate, false)
  compareClasses(told, want)
  const hidden = compareMatrix(told, want)
  assert.ok(hidden > 20, `${hidden} figures are hidden`)
  compareIgnored(told, want)
  for (const line of told.matrix) attack(told, line, want.groups.get(line.group))
  await compareCohort(world, want)

  const kinds = ['segments', 'matrix', 'ignorers']
  const tables = await Promise.all(kinds.map((kind) => report(world, kind)))
  const csvs = await Promise.all(kinds.map((kind) => report(world, kind, '--format', 'csv')))
  searchBytes(json, tables, csvs)

  // Made once a day and at each start; it says the same.
  await world.aggregator.stop()
  await world.aggregator.start()
  const published = await eventually('the document is there', async () => {
    const document = await world.document('segments')
    assert.deepEqual(document, told)
    return document
  })
  searchBytes(JSON.stringify(published), [], [])
  assert.ok(CLASSES.every((of) => want.classes[of].persons > 0), 'there are persons of each class')
  console.log(`# ${model.profiles.size} persons, ${hits.length} hits, ${told.matrix.length} groups, ${hidden} figures hidden`)
})

scenario('segments need persons, and no days', { sites: SITES }, async (world) => {
  await world.beacon([{ s: 'quiet', k: 'pv', u: 'https://quiet.example/', p: '1', n: 0, a: 0, b: 0 }], { Origin: 'https://quiet.example' })
  await world.settled({ received: 1 })
  const ask = (...args) => run(program('sentier-report'), ['report', ...args, '--conf', world.conf, '--site', 'quiet'])
  for (const [args, why] of [
    [['segments'], /no consented visitors/], [['matrix', '--last', '7d'], /--last, --from and --to are for other reports/],
    [['segments', '--page', 'quiet.example/'], /--page is for/], [['matrix', '--verdict', 'used'], /--verdict is for/],
  ]) {
    const { code, err } = await ask(...args)
    assert.equal(code, 2)
    assert.match(err, why)
  }
  const { code, out } = await ask('ignorers', '--page', 'quiet.example/')
  assert.equal(code, 0)
  assert.equal(out, '0 persons of quiet ignore quiet.example/ (UTC)\n')
})
