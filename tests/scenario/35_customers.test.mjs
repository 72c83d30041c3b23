// Customers who share browsers, sign in and out, and forget to; with programs that are killed. The
// same traffic goes to three sites: spread over one partition, spread over 64, and with nobody
// signed in. A naive model says whose each page is: no customer may hold another's.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { run } from './process.mjs'
import { eventually } from './eventually.mjs'
import { AGENT, newId, program, scenario } from './world.mjs'

const SEED = Number(process.env.SEED || 7)
const SECRET = 'd00dfeed'.repeat(8)
const HOUR = 3600_000
const SITES = { one: { secret: SECRET }, many: { secret: SECRET, spread: 64 }, bare: {} }
const EXPIRY = Math.floor(Date.now() / 1000) + 7200

// mulberry32
function randomOf(seed) {
  let a = seed >>> 0
  const next = () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const below = (n) => Math.floor(next() * n)
  return { below, chance: (p) => next() < p, pick: (list) => list[below(list.length)] }
}

const token = (site, id) => `${EXPIRY}.` + createHmac('sha256', SECRET).update(`${site}\n${id}\n${EXPIRY}`).digest('hex')

// What one browser does in 70 hours: pageviews, each with the customers who sign hits of it.
function browse(random, visitor, customers, now) {
  const views = []
  const alone = [] // signatures without a pageview
  let at = now - 70 * HOUR + random.below(6 * HOUR)
  let who = null
  while (at < now - HOUR / 2) {
    if (random.chance(0.25)) who = random.chance(0.4) ? null : random.pick(customers)
    if (who && random.chance(0.05)) alone.push({ visitor, at: at - 7_000, who })
    const signers = who && random.chance(0.9) ? [who] : []
    if (random.chance(0.04)) signers.push(random.pick(customers)) // somebody else on the open page
    const label = signers.length === 0 ? 'open' : [...new Set(signers)].sort().join('+')
    views.push({ visitor, at, id: newId(), path: `/${label}/${random.below(3)}`, signers, first: random.chance(0.7) })
    at += random.chance(0.8) ? 20_000 + random.below(15 * 60_000) : random.below(14 * HOUR) + 31 * 60_000
  }
  return { views, alone }
}

// Lines of one beacon: {kind, at, who} for each site.
function hitsOf(view) {
  const { visitor, at, id, path, signers, first } = view
  const hits = [{ k: 'pv', n: 0, at, who: first ? signers[0] : undefined }]
  signers.forEach((who, i) => hits.push({ k: i % 2 ? 'pu' : 'id', n: i + 1, at: at + (i + 1) * 3000, who }))
  return hits.map((hit) => ({ ...hit, visitor, p: id, b: at, path }))
}

function linesOf(hit, now) {
  return Object.keys(SITES).flatMap((site) => {
    if (site === 'bare' && hit.k === 'id') return []
    const line = { s: site, k: hit.k, c: 1, v: hit.visitor, a: now - hit.at, b: now - (hit.b ?? hit.at) }
    if (hit.p) Object.assign(line, { p: hit.p, n: hit.n })
    if (hit.k !== 'id') line.u = `https://shop.example${hit.path}`
    if (hit.who && site !== 'bare') Object.assign(line, { i: hit.who, j: token(site, hit.who) })
    return [line]
  })
}

const beacon = (world, lines) => {
  const body = lines.map((line) => '' + new URLSearchParams(line)).join('\n')
  return world.request({ path: '/b', method: 'POST', headers: { 'User-Agent': AGENT, 'Accept-Language': 'en' }, body })
}

// ---- the model

function model(browsers) {
  const persons = new Map()
  const person = (id) => persons.get(id) ?? persons.set(id, { views: 0, sessions: 0, pages: new Map(), visitors: new Set() }).get(id)
  for (const { visitor, views, alone } of browsers) {
    const signed = [...views.flatMap((v) => hitsOf(v)), ...alone].filter((hit) => hit.who).map((hit) => [hit.at, hit.who])
    const link = signed.sort((a, b) => a[0] - b[0])[0]
    for (const [, who] of signed) person(who).visitors.add(visitor)
    const ownerOf = (v) => {
      const who = [...new Set(v.signers)]
      if (who.length > 1) return null
      if (who.length === 1) return who[0]
      if (!link) return visitor
      return v.at <= link[0] ? link[1] : null
    }
    let session = 0
    let before = null // of the visitor
    const lastOf = new Map() // per owner: {session, at}
    for (const view of [...views].sort((a, b) => a.at - b.at)) {
      if (before && (view.at - before.at > 30 * 60_000 || view.at - before.first >= 24 * HOUR)) before = null
      if (!before) session++
      before = { at: view.at, first: before?.first ?? view.at }
      const owner = ownerOf(view)
      if (owner === null) continue
      const one = person(owner)
      const last = lastOf.get(owner)
      if (!last || last.session !== session || view.at - last.at > 30 * 60_000) one.sessions++
      lastOf.set(owner, { session, at: view.at })
      one.views++
      one.pages.set('shop.example' + view.path, (one.pages.get('shop.example' + view.path) ?? 0) + 1)
    }
  }
  return new Map([...persons].filter(([, one]) => one.views > 0))
}

// ---- asking

async function report(world, ...args) {
  const { code, out, err } = await run(program('sentier-report'), [...args, '--conf', world.conf, '--format', 'json', '--limit', '0'])
  assert.equal(code, 0, `${args}: ${err}`)
  return JSON.parse(out)
}

async function personsOf(world, site) {
  const { customers } = await report(world, 'customers', '--site', site)
  const persons = new Map()
  for (const one of customers) {
    const profile = await report(world, 'profile', '--site', site, one.id)
    assert.equal(profile.views, one.views)
    persons.set(one.id, profile)
  }
  return persons
}

// A program that was killed is started again; what was not acknowledged is sent again. How many were.
async function deliver(world, random, hits) {
  let at = 0
  let taken = 0
  for (let failures = 0; at < hits.length; ) {
    assert.ok(failures < 100, 'hits are taken')
    const some = hits.slice(at, at + 1 + random.below(6))
    if (random.chance(0.02)) await world.aggregator.kill9().then(() => world.aggregator.start())
    const dying = random.chance(0.02)
    const now = Date.now()
    const lines = some.flatMap((hit) => linesOf(hit, now))
    const sent = beacon(world, lines).catch(() => null)
    if (dying) await world.collector.kill9().then(() => world.collector.start())
    const answer = await sent
    if (answer === null) {
      failures++
      continue
    }
    assert.equal(answer.status, 204, String(answer.body))
    at += some.length
    taken += lines.length
  }
  return taken
}

const same = (profile) => {
  const { site, id, views, sessions, days, devices, channels, countries, visitors, pages, engaged_ms } = profile
  const list = pages.map(({ page, views, tried, used, rung, first_day, last_day, weeks }) => ({ page, views, tried, used, rung, first_day, last_day, weeks }))
  return { id, views, sessions, days, devices, channels, countries, visitors, engaged_ms, pages: list.sort((a, b) => (a.page < b.page ? -1 : 1)) }
}

scenario(`customers on shared browsers, seed ${SEED}`, { sites: SITES, collector: { beacon_max_hits: 64 } }, async (world) => {
  const random = randomOf(SEED)
  const now = Date.now()
  const customers = Array.from({ length: 7 }, (_, i) => `customer-${i}`)
  const browsers = Array.from({ length: 14 }, () => newId()).map((visitor, i) => ({
    visitor,
    ...browse(random, visitor, i < 3 ? [] : customers.slice(i % 4, (i % 4) + 1 + random.below(3)), now),
  }).valueOf())
  for (const one of browsers.slice(0, 3)) one.views = one.views.filter((view) => view.signers.every(Boolean))
  const hits = browsers.flatMap(({ views, alone }) => [...views.flatMap(hitsOf), ...alone.map((one) => ({ ...one, k: 'id' }))])
  for (let i = hits.length; i > 1; ) { // any order
    const j = random.below(i--)
    ;[hits[i], hits[j]] = [hits[j], hits[i]]
  }
  await world.settled({ received: await deliver(world, random, hits) })

  const want = model(browsers)
  const [one, many, bare] = [await personsOf(world, 'one'), await personsOf(world, 'many'), await personsOf(world, 'bare')]
  assert.deepEqual([...one.keys()].sort(), [...want.keys()].sort())
  for (const [id, person] of want) {
    const profile = one.get(id)
    assert.deepEqual(Object.fromEntries(profile.pages.filter((page) => page.views > 0).map(({ page, views }) => [page, views])), Object.fromEntries(person.pages), `pages of ${id}`)
    assert.deepEqual([profile.views, profile.sessions], [person.views, person.sessions], id)
    assert.equal(profile.customer, customers.includes(id))
    for (const { page } of profile.pages) assert.ok(!customers.some((other) => other !== id && page.includes(`/${other}/`)), `${id} holds ${page}`)
    if (profile.customer) assert.deepEqual(profile.visitors, [...person.visitors].sort((a, b) => Number(parse36(a) - parse36(b))))
  }

  // However the site is spread.
  assert.deepEqual([...many.keys()].sort(), [...one.keys()].sort())
  for (const [id, profile] of one) assert.deepEqual(same(many.get(id)), same(profile), id)

  // Signing in changes no total and no unique.
  const figures = async (site) => {
    const { totals, pages, days } = await report(world, 'report', 'pages', '--site', site, '--last', '5d')
    const { live, ...others } = totals
    return { totals: others, pages: pages.sort((a, b) => (a.page < b.page ? -1 : 1)), days }
  }
  const plain = await figures('bare')
  assert.ok(plain.totals.views > 400 && plain.totals.visitors === 14, JSON.stringify(plain.totals))
  assert.deepEqual(await figures('one'), plain)
  assert.deepEqual(await figures('many'), plain)
  assert.equal(bare.size, 14)
})

const parse36 = (text) => [...text].reduce((sum, digit) => sum * 36n + BigInt(parseInt(digit, 36)), 0n)

scenario('a visitor stands for its customer, and ids of nobody for nobody', { sites: SITES }, async (world) => {
  const now = Date.now()
  const view = { visitor: 'abc', at: now - HOUR, id: newId(), path: '/a', signers: ['anna'], first: true }
  await beacon(world, hitsOf(view).flatMap((hit) => linesOf(hit, now)))
  await world.settled({ received: 5 })
  for (const site of ['one', 'many']) {
    const byVisitor = await report(world, 'profile', '--site', site, 'abc')
    assert.deepEqual(byVisitor, await report(world, 'profile', '--site', site, 'anna'))
    assert.deepEqual([byVisitor.id, byVisitor.customer, byVisitor.visitors], ['anna', true, ['abc']])
    const { code, err } = await run(program('sentier-report'), ['profile', '--site', site, 'berta', '--conf', world.conf])
    assert.deepEqual([code, /no profile of 'berta'/.test(err)], [2, true])
  }
  // Keys of customers name nobody.
  await eventually('the record is there', async () => (await world.redisCall('KEYS', '*:customers:one')).length === 1)
  const [key] = await world.redisCall('KEYS', '*:customers:one')
  const [field, value] = await world.redisCall('HGETALL', key)
  assert.ok(!field.includes('anna') && value.includes('anna'))
})
