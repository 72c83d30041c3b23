// Rebuild: archive and journals, folded anew beside what is live, give the same state to the byte;
// hits that come meanwhile count once; an emptied Redis is filled; whatever interrupts it changes
// nothing; and what the archive does not hold is refused, or keeps its old counters.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually } from './eventually.mjs'
import { run } from './process.mjs'
import { redisCalls } from './redis.mjs'
import { AGENT, newId, ORIGIN, program, scenario, view } from './world.mjs'

const SENTIER = resolve(dirname(fileURLToPath(import.meta.url)), '../../deploy/sentier')
process.env.SENTIER_BUILD = dirname(program('sentier-rebuild')) // what it runs
const PARTITIONS = 64
const HOUR_MS = 3600 * 1000
const DAY_MS = 24 * HOUR_MS
const SITES = {
  shop: { origins: ORIGIN, time_zone: 'Europe/Paris', spread: 4, secret: 'rebuilt' },
  blog: { origins: 'https://blog.example', time_zone: 'UTC' },
}
// Little stays in a journal, so most is read from the archive, and segments move while it reads.
const SMALL = { workers: 2, journal_keep: 0, journal_segment: '64k' }
const OPTIONS = { start: false, sites: SITES, collector: SMALL }
// An emptied Redis is another data set, and keys of customers depend on which one it is.
const UNSIGNED = { ...OPTIONS, sites: { ...SITES, shop: { ...SITES.shop, secret: '' } } }

async function startWithArchive(world) {
  world.sent = 0
  world.archive = join(world.top, 'archive')
  world.options.collector.archive = world.archive
  world.writeConf()
  await world.startAll()
}

// ---- what Redis holds

async function keys(world, pattern = '{p*') {
  const found = new Set()
  let cursor = '0'
  do {
    const [next, some] = await world.redisCall('SCAN', cursor, 'MATCH', pattern, 'COUNT', '1000')
    some.forEach((key) => found.add(key))
    cursor = next
  } while (cursor !== '0')
  return [...found].sort()
}

// A site's state ends with its open days: day, flags, and the number of the site's hits when the day
// was touched last. Hits of two workers come in one of many orders, and a rebuild takes another one,
// so those numbers, and nothing else, may differ. They decide when an imported day closes.
function withoutTouched(bytes) {
  const numbers = []
  for (let i = 1, n = 0n, shift = 0n; i < bytes.length; i++) {
    n |= BigInt(bytes[i] & 0x7f) << shift
    shift += 7n
    if (bytes[i] & 0x80) continue
    numbers.push(n)
    ;[n, shift] = [0n, 0n]
  }
  const head = 6 // watermark, imported, first and last day, hits, number of open days
  return [bytes[0], ...numbers.map((n, i) => (i >= head && (i - head) % 3 === 2 ? 'touched' : n))].join(' ')
}

// The stream, what was seen and the lease are not state: a rebuild leaves them as they are. The id of
// the last commit is random.
async function dump(world) {
  const state = (await keys(world)).filter((key) => /^\{p\d+\}:(commit|sites|pages|links|about|catalogue|day|months?|live|mix|visitors|profiles|customers)/.test(key))
  const replies = await redisCalls(world.socket, state.map((key) => ['HGETALL', key]))
  const lines = {}
  replies.forEach((all, at) => {
    for (let i = 0; i < all.length; i += 2) {
      const name = `${state[at]} ${Buffer.from(all[i], 'latin1').toString('hex')}`
      if (state[at].endsWith(':commit') && ['id', 'offset'].includes(all[i])) continue
      const value = Buffer.from(all[i + 1], 'latin1')
      lines[name] = state[at].endsWith(':sites') ? withoutTouched(value) : value.toString('hex')
    }
  })
  return lines
}

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0)

// Everything that was sent is folded: also refused hits, of which the journal hears once a second.
async function settled(world, collectors = [world]) {
  await eventually('everything is folded', async () => {
    const ledgers = await Promise.all(collectors.map(async (one) => (await world.stats(one.admin)).ledger))
    const calls = Array.from({ length: PARTITIONS }, (_, p) => [['HGET', `{p${p}}:meta`, 'shipped'], ['HGET', `{p${p}}:commit`, 'folded']])
    const replies = (await redisCalls(world.socket, calls.flat())).map(Number)
    const [shipped, folded] = [0, 1].map((k) => sum(replies.filter((_, i) => i % 2 === k)))
    const received = sum(ledgers.map((one) => one.received))
    const same = received === world.sent && shipped === received && folded === received
    if (same && ledgers.every((one) => one.pending === 0)) return true
    throw new Error(JSON.stringify({ sent: world.sent, received, shipped, folded }))
  })
}

// ---- rebuilding

const command = (world, more = []) => ['--conf', world.conf, '--quiet', ...more]
const rebuild = (world, ...more) => run(program('sentier-rebuild'), command(world, more))

async function rebuilt(world, ...more) {
  const did = await rebuild(world, ...more)
  assert.equal(did.code, 0, did.out + did.err)
  assert.deepEqual(await keys(world, '*:next*'), [], 'nothing of the next generation is left')
  assert.equal(await world.redisCall('EXISTS', 'sentier:rebuild'), 0)
  return did
}

// ---- traffic

const AGENTS = [AGENT, 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)', 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1']

const EXPIRY = Math.floor(Date.now() / 1000) + 3600
const customer = (id) => ({ i: id, j: `${EXPIRY}.` + createHmac('sha256', 'rebuilt').update(`shop\n${id}\n${EXPIRY}`).digest('hex') })

function visitorOf(n) {
  const site = n % 3 ? 'shop' : 'blog'
  const id = n % 2 ? { c: 1, v: (1000000 + n).toString(36), ...(n % 6 === 1 ? customer(`customer ${n % 20}`) : {}) } : {}
  const headers = { 'User-Agent': AGENTS[n % 7 === 0 ? 1 : n % 5 === 0 ? 2 : 0], 'X-Forwarded-For': `198.51.100.${n % 250}`, Origin: SITES[site].origins }
  return { site, id, headers }
}

// A visit some days ago, told now: pageviews, pulses, clicks, and some of it twice.
function visit(n) {
  const { site, id, headers } = visitorOf(n)
  const ago = (n * 7919) % (70 * HOUR_MS)
  const p = newId()
  const base = { s: site, u: `https://${site}.example/p/n${n % 40}x`, p, b: ago, ...id }
  const lines = [
    { ...base, k: 'pv', n: 0, a: ago, ...(n % 4 ? {} : { r: 'https://news.example/story' }), ...(n % 11 ? {} : { x: 404 }) },
    { ...base, k: 'pu', n: 1, a: Math.max(ago - 5000, 0), e: 4000 + (n % 9) * 1000, d: n % 100 },
  ]
  if (n % 6 === 0) lines.push({ ...base, k: 'ol', n: 2, a: Math.max(ago - 8000, 0), t: 'https://other.example/x' })
  if (n % 8 === 0) lines.push({ ...base, k: 'ev', n: 3, a: Math.max(ago - 9000, 0), m: 'signup' })
  if (n % 3 === 1) lines.push({ ...base, k: 'ln', n: 4, a: ago, l: '/p/n1x' }, { ...base, k: 'sn', n: 5, a: ago, l: `/p/n${n % 7}x` }, { ...base, k: 'ln', n: 6, a: ago, l: `/p/n${n % 50}x` })
  if (n % 4 === 1) lines.push({ ...base, k: 'mt', n: 7, a: ago, T: `Title ${n % 13}`, y: 'topic' })
  if (n % 5 === 0) lines.push(lines[0]) // a duplicate
  if (n % 9 === 0) lines.push({ ...base, k: 'zz' }) // refused
  if (n % 10 === 0) lines.push({ ...base, o: 1 }) // opted out
  return { lines, headers }
}

async function send(world, from, to, port = world.port) {
  const one = async (start) => {
    for (let n = start; n < to; n += 4) {
      const { lines, headers } = visit(n)
      const body = lines.map((line) => '' + new URLSearchParams(line)).join('\n')
      const answer = await world.request({ port, path: '/b', method: 'POST', headers: { 'Content-Type': 'text/plain', 'Accept-Language': 'en', ...headers }, body })
      assert.ok([200, 204].includes(answer.status), `status ${answer.status} ${answer.body} of ${body}`)
      world.sent += lines.length
    }
  }
  await Promise.all([0, 1, 2, 3].map((k) => one(from + k)))
}

// A pixel by a browser that tells nothing more, one by one.
async function pixels(world, n) {
  world.sent += n
  for (let i = 0; i < n; i++) assert.equal((await world.pixel({ s: 'shop', u: `${ORIGIN}/pixel/n${i % 5}x` })).status, 200)
}

async function importLog(world, name, lines, day) {
  const file = join(world.top, name)
  const text = Array.from({ length: lines }, (_, i) => `192.0.2.${i % 200} - - [${day}:10:${String(Math.floor(i / 60) % 60).padStart(2, '0')}:${String(i % 60).padStart(2, '0')} +0000] "GET /log/n${i % 30}x HTTP/1.1" 200 512 "-" "${AGENT}"\n`)
  writeFileSync(file, text.join(''))
  const { code, out, err } = await run(program('sentier-import'), ['--site', 'blog', '--conf', world.conf, '--quiet', file])
  assert.equal(code, 0, out + err)
  world.sent += lines
}

// Collectors come and go, one of them on another disk; a log is imported.
async function live(world) {
  const other = await world.collectorBeside('other', { archive: join(world.top, 'archive-other') })
  await other.start()
  await send(world, 0, 400)
  await settled(world, [world, other])
  await world.collector.kill9()
  await send(world, 400, 700, other.port)
  await world.collector.start()
  await Promise.all([send(world, 700, 1000), send(world, 1000, 1300, other.port), pixels(world, 30)])
  await importLog(world, 'access.log', 900, '12/Mar/2024')
  assert.deepEqual(await world.collector.stop(), [0, null])
  await world.collector.start()
  await send(world, 1300, 1500)
  await settled(world, [world, other])
  return other
}

const directories = (world, other) => ['--archive', world.archive, '--archive', join(world.top, 'archive-other'), '--journals', world.data, '--journals', other.data]

scenario('a rebuild gives the same state to the byte', OPTIONS, async (world) => {
  await startWithArchive(world)
  const other = await live(world)
  const before = await dump(world)
  const report = await world.report('shop')
  assert.equal((await keys(world, '*:customers:shop')).length, 4)
  assert.ok(Object.keys(before).length > 500, `${Object.keys(before).length} values to compare`)

  const { out } = await rebuilt(world, ...directories(world, other))
  assert.deepEqual(await dump(world), before)
  assert.match(out, /folded +\d+ hits/)
  assert.doesNotMatch(out, /kept|regained/)
  assert.equal(await world.redisCall('HGET', '{p1}:meta', 'generation') ?? '1', '1')

  // Folding goes on where it was, and the next one gives the same again.
  await send(world, 1500, 1600)
  await settled(world, [world, other])
  const after = await dump(world)
  assert.notDeepEqual(after, before)
  await rebuilt(world, ...directories(world, other))
  assert.deepEqual(await dump(world), after)
  const now = await world.report('shop')
  assert.ok(now.totals.views > report.totals.views)

  // State that cannot be read any more stops its partition; the next rebuild makes it anew.
  const sites = (await keys(world)).find((key) => key.endsWith(':sites'))
  const [site] = await world.redisCall('HKEYS', sites)
  await world.redisCall('HSET', sites, site, 'damaged')
  await world.redisCall('HSET', sites.replace('sites', 'day:shop:19700101'), 'T', 'nobody knows from where')
  await rebuilt(world, ...directories(world, other))
  assert.deepEqual(await dump(world), after)
})

// Views, each of its own, and some who opted out, until told to stop; how many views were taken.
// Each beacon is another visitor's: one with more views than are kept would depend on their order.
function stream(world) {
  const load = { sent: 0, stop: false }
  const one = async (network) => {
    for (let n = 0; !load.stop; n++) {
      const lines = Array.from({ length: 20 }, (_, k) => view(`/live/n${(n + k) % 50}x`))
      const from = { 'X-Forwarded-For': `203.${network}.${n >> 8}.${n & 255}` }
      assert.equal((await world.beacon([...lines, { s: 'shop', o: 1 }], from)).status, 204)
      load.sent += lines.length
      world.sent += lines.length + 1
    }
  }
  const done = Promise.all([one(1), one(2)])
  return { load, end: async () => ((load.stop = true), await done, load.sent) }
}

const ledgerOf = (report) => (({ received, counted, opted_out, duplicate, late }) => ({ received, counted, opted_out, duplicate, late }))(report.ledger)

scenario('under live load each hit counts once', OPTIONS, async (world) => {
  await startWithArchive(world)
  const { load, end } = stream(world)
  await eventually('some hits are there', () => load.sent > 4000)
  for (let round = 0; round < 2; round++) {
    const from = load.sent
    await rebuilt(world)
    await eventually('hits came meanwhile and after', () => load.sent > from + 500)
  }
  const sent = await end()
  await settled(world)
  const report = await world.report()
  assert.deepEqual(ledgerOf(report), { received: world.sent, counted: sent, opted_out: world.sent - sent, duplicate: 0, late: 0 })
  assert.equal(report.totals.views, sent)
  assert.equal(sum(report.pages.map((one) => one.views)), sent)
  await eventually('the summary says so too', async () => (await world.summary())?.totals.views === sent)
  const before = await dump(world)
  await rebuilt(world)
  assert.deepEqual(await dump(world), before)
})

// Begins a rebuild and ends it in its middle; one that was faster than the signal changed nothing
// either, so the next one is taken.
async function interrupt(world, signal, died) {
  await eventually(`${signal} came in its middle`, async () => {
    const child = spawn(program('sentier-rebuild'), command(world), { stdio: 'ignore' })
    const ended = once(child, 'close')
    await eventually('it has begun to fold', async () => (await keys(world, '*:next:day:*')).length > 0 || child.exitCode !== null)
    child.kill(signal)
    return died(...(await ended))
  })
}

scenario('ended in its middle it changes nothing, and the next one goes its way', OPTIONS, async (world) => {
  await startWithArchive(world)
  await send(world, 0, 1200)
  await settled(world)
  const before = await dump(world)

  await interrupt(world, 'SIGINT', (code) => code === 130)
  assert.deepEqual(await keys(world, '*:next*'), [], 'asked to stop it tidies up')
  assert.deepEqual(await dump(world), before)

  await interrupt(world, 'SIGKILL', (code, signal) => signal === 'SIGKILL')
  assert.notDeepEqual(await keys(world, '*:next:*'), [])
  assert.deepEqual(await dump(world), before)
  const second = await rebuild(world)
  assert.equal(second.code, 2)
  assert.match(second.err, /another rebuild is running/)
  await eventually('its aggregator died with it', async () => (await keys(world, '*:next:lease')).length === 0)
  await eventually('its lock expires', async () => !(await world.redisCall('EXISTS', 'sentier:rebuild')), 40_000)
  await rebuilt(world)
  assert.deepEqual(await dump(world), before)
  await send(world, 1200, 1300)
  await settled(world)
})

scenario('one whose aggregator stands still gives up', OPTIONS, async (world) => {
  await startWithArchive(world)
  await send(world, 0, 1200)
  await settled(world)
  const before = await dump(world)
  const child = spawn(program('sentier-rebuild'), command(world), { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(child, 'close')
  let said = ''
  child.stderr.on('data', (text) => (said += text))
  const fold = await eventually('it has an aggregator', () => +readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8'))
  process.kill(fold, 'SIGSTOP')
  assert.equal((await ended)[0], 2)
  assert.match(said, /its aggregator has folded nothing for 60 s: \d+ of \d+ hits/)
  assert.deepEqual(await keys(world, '*:next*'), [])
  assert.deepEqual(await dump(world), before)
})

scenario('what Redis forgot comes back out of the archive', OPTIONS, async (world) => {
  const [aof, older] = [join(world.data, 'appendonlydir'), join(world.top, 'older')]
  await startWithArchive(world)
  await send(world, 0, 300)
  await settled(world)
  await world.redis.stop()
  cpSync(aof, older, { recursive: true })
  await world.redis.start()
  await send(world, 300, 1500)
  await settled(world)
  const before = await dump(world)
  await eventually('the journal keeps only what grows', async () => (await world.stats()).shipper.segments <= SMALL.workers)
  await world.redis.stop()
  rmSync(aof, { recursive: true })
  cpSync(older, aof, { recursive: true })
  await world.redis.start()
  await eventually('there is a hole', async () => (await world.stats()).shipper.gap_partitions > 0)

  const { out } = await rebuilt(world)
  assert.match(out, /regained/)
  await settled(world)
  assert.equal((await world.stats()).shipper.gap_partitions, 0)
  assert.deepEqual(await dump(world), before)
})

scenario('an emptied Redis is filled, and shipping goes on by itself', UNSIGNED, async (world) => {
  await startWithArchive(world)
  await send(world, 0, 900)
  await settled(world)
  const before = await dump(world)
  const report = await world.report()
  await world.redisCall('FLUSHALL')
  await world.collector.stop()
  await world.collector.start()
  await eventually('partitions wait', async () => (await world.stats()).shipper.birth_partitions > 0)
  await send(world, 900, 950)

  await rebuilt(world)
  await settled(world)
  await eventually('nobody waits any more', async () => (await world.stats()).shipper.birth_partitions === 0)
  const now = await world.report()
  assert.equal(now.ledger.received > report.ledger.received, true)
  const after = await dump(world)
  for (const key of Object.keys(before)) assert.ok(key in after, key)
  await rebuilt(world)
  assert.deepEqual(await dump(world), after)
})

scenario('what the archive does not hold is refused, or keeps its counters', OPTIONS, async (world) => {
  await startWithArchive(world)
  await send(world, 0, 600)
  await settled(world)
  await world.collector.stop()
  await world.collector.start()
  await send(world, 600, 700)
  await settled(world)
  const before = await dump(world)
  const gone = await eventually('a segment is in the archive alone', () => {
    const journal = readdirSync(join(world.data, 'journal'))
    return readdirSync(world.archive).find((name) => name.endsWith('.gz') && !journal.includes(name.slice(0, -3)))
  })
  rmSync(join(world.archive, gone))

  const refused = await rebuild(world)
  assert.equal(refused.code, 1, refused.out + refused.err)
  assert.match(refused.err, new RegExp(gone.slice(0, 32)), 'it names who is missing')
  assert.match(refused.err, /nothing has changed/)
  assert.deepEqual(await dump(world), before)

  const { out } = await rebuilt(world, '--incomplete')
  assert.match(out, /kept +shop: the counters of \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d, as they were/)
  const after = await dump(world)
  const days = (state) => Object.fromEntries(Object.entries(state).filter(([key]) => /:(day|months?|visitors|commit)/.test(key)))
  assert.deepEqual(days(after), days(before), 'days and ledger are the old ones')
  for (const key of Object.keys(before)) assert.ok(key in after, key)
  await send(world, 700, 750)
  await settled(world)
})

scenario('without an archive it says what it cannot do', { ...OPTIONS, collector: { workers: 1, journal_keep: 0, journal_segment: '64k' } }, async (world) => {
  world.sent = 0
  await world.startAll()
  await send(world, 0, 500)
  await settled(world)
  await world.collector.stop()
  await world.collector.start()
  await eventually('a journal file is gone', async () => (await world.stats()).shipper.segments === 0)
  const { code, err } = await run(SENTIER, ['rebuild', '--data', world.data, '--conf', world.conf, '--quiet'])
  assert.equal(code, 1, err)
  assert.match(err, /there is no archive/)
  assert.match(err, /producer [0-9a-f]{32}: (no file in \d+ partitions, Redis had it last|files before one of) /)
  assert.match(err, /\d+ hits that were counted are in no file/)
})
