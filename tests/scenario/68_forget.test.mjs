// Who asks to be forgotten is found nowhere: not in a key or value, not in journal or archive, not in
// Redis' own file once that is rewritten. Killed in the middle, every file is the old or the new one,
// and the next run finishes. Others lose nothing, the ledger balances, a rebuild brings nobody back,
// and neither does what was on its way.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { eventually } from './eventually.mjs'
import { run } from './process.mjs'
import { redisCalls } from './redis.mjs'
import { newId, ORIGIN, page, program, scenario, view } from './world.mjs'

const SENTIER = resolve(dirname(fileURLToPath(import.meta.url)), '../../deploy/sentier')
process.env.SENTIER_BUILD = dirname(program('sentier-forget'))
const MINUTE_MS = 60_000
const OPTIONS = {
  start: false,
  sites: { shop: { origins: ORIGIN, spread: 4 }, blog: { origins: 'https://blog.example' } },
  collector: { journal_segment: '64k' },
}

async function startWithArchive(world, more = {}) {
  world.archive = join(world.top, 'archive')
  Object.assign(world.options.collector, { archive: world.archive, ...more })
  world.writeConf()
  await world.startAll()
  await world.redisCall('CONFIG', 'SET', 'rdbcompression', 'no') // what it writes can be searched
}

// ---- people

const person = () => {
  const id = newId()
  return { id, own: `/only-${newId()}`, base: { c: 1, v: id } }
}

// Some visits of theirs, told some time later; how many hits.
async function visits(world, who, n, { age = 2 * MINUTE_MS, headers } = {}) {
  for (let i = 0; i < n; i++) {
    const p = newId()
    const base = { ...who.base, p, a: age, b: age }
    const lines = [
      view(i % 2 ? who.own : `/a${i % 5}x`, base),
      { s: 'shop', k: 'pu', u: ORIGIN + who.own, ...base, n: 1, e: 20_000, a: Math.max(age - 20_000, 0) },
      { s: 'shop', k: 'ev', u: ORIGIN + who.own, ...base, n: 2, m: 'signup' },
    ]
    assert.equal((await world.beacon(lines, headers)).status, 204)
  }
  return 3 * n
}

const bytesOf = (id) => {
  let n = 0n
  for (const c of id) n = n * 36n + BigInt(parseInt(c, 36))
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(n)
  return bytes
}

// ---- looking for them

// What goes while the rest is looked at is not there.
function unlessGone(look, gone) {
  try {
    return look()
  } catch (error) {
    if (error.code === 'ENOENT') return gone
    throw error
  }
}

function files(dir) {
  return unlessGone(() => readdirSync(dir, { withFileTypes: true }), []).flatMap((entry) => {
    const path = join(dir, entry.name)
    return entry.isDirectory() ? files(path) : entry.isFile() ? [path] : []
  })
}

const contents = (path) => unlessGone(() => (path.endsWith('.gz') ? gunzipSync(readFileSync(path)) : readFileSync(path)), Buffer.alloc(0))

const filesWith = (world, needle, kind = /./) =>
  files(world.top)
    .map((path) => relative(world.top, path))
    .filter((name) => kind.test(name) && contents(join(world.top, name)).includes(needle))

// Its id as bytes and as text, in every file there is.
const traces = (world, who) => [bytesOf(who.id), who.id].flatMap((needle) => filesWith(world, needle, /^(?!.*\.(conf|log)$)/))

async function profile(world, who) {
  const { code, out } = await run(SENTIER, ['profile', who.id, '--site', 'shop', '--data', world.data, '--conf', world.conf, '--format', 'json'])
  // The site's newest hit may have been one of somebody else.
  return code === 0 ? { ...JSON.parse(out), as_of_ms: undefined } : null
}

async function forget(world, who, ...more) {
  const args = ['forget', '--site', 'shop', who.id, '--data', world.data, '--conf', world.conf, ...more]
  const did = await run(SENTIER, args)
  assert.equal(did.code, 0, did.out + did.err)
  return did.out
}

async function exported(world, who) {
  const { code, out, err } = await run(SENTIER, ['export', '--site', 'shop', who.id, '--data', world.data, '--conf', world.conf])
  assert.equal(code, 0, out + err)
  return JSON.parse(out)
}

const rebuilt = async (world) => {
  const { code, out, err } = await run(program('sentier-rebuild'), ['--conf', world.conf, '--quiet'])
  assert.equal(code, 0, out + err)
}

const verified = async (world) => {
  const all = files(world.top).filter((path) => /\/[0-9a-f-]+\.seg(\.gz)?$/.test(path))
  const { code, out, err } = await run(program('sentier-journal'), ['verify', ...all])
  assert.equal(code, 0, out + err)
}

// All segments closed so far go into the archive.
async function archived(world) {
  await world.collector.stop()
  await world.collector.start()
  await eventually('the archive holds what was written before', async () => {
    const { shipper } = await world.stats()
    return readdirSync(world.archive).some((name) => name.endsWith('.gz')) && shipper.segments <= 2
  })
}

scenario('a person is found nowhere, and never again', OPTIONS, async (world) => {
  await startWithArchive(world, { journal_keep: 0 })
  const [anna, ben] = [person(), person()]
  let sent = (await visits(world, anna, 30)) + (await visits(world, ben, 30))
  await world.settled({ received: sent })
  await archived(world)
  sent += (await visits(world, anna, 5)) + (await visits(world, ben, 5))
  // A crawler with the same id has a state of its own.
  sent += await visits(world, anna, 1, { headers: { 'User-Agent': 'Googlebot/2.1 (+http://www.google.com/bot.html)' } })
  await world.settled({ received: sent })

  // Where it will not be found, it is now.
  await world.redisCall('BGREWRITEAOF')
  await eventually('the log is rewritten', async () => (await world.redisCall('INFO', 'persistence')).includes('aof_rewrite_in_progress:0'))
  for (const kind of [/^archive\/.*\.gz$/, /journal\/.*\.seg$/, /appendonlydir\//])
    assert.notDeepEqual(filesWith(world, bytesOf(anna.id), kind), [], `${kind}`)
  assert.notEqual(await profile(world, anna), null)
  const bens = await profile(world, ben)
  const before = await world.report()

  // All that is held of her, and of nobody else, each hit once.
  const all = await exported(world, anna)
  assert.deepEqual({ ...all.profile, as_of_ms: undefined }, await profile(world, anna))
  assert.equal(all.held.pageviews.length, 35)
  assert.deepEqual([...new Set(all.held.pageviews.map((one) => one.page))].sort(), ['/a0x', '/a1x', '/a2x', '/a3x', '/a4x', anna.own].map((path) => 'shop.example' + path).sort())
  assert.ok(all.held.pageviews.every((one) => one.engaged_ms === 20_000 && one.interaction && one.device === 'desktop'))
  assert.equal(all.hits.length, 3 * 36)
  assert.ok(all.hits.every((hit) => hit.visitor === anna.id && hit.site === 'shop'))
  assert.equal(new Set(all.hits.map((hit) => `${hit.pageview} ${hit.number}`)).size, 3 * 36)

  const receipt = JSON.parse(await forget(world, anna, '--format', 'json'))
  sent += 2 // the word, and one that pushes it out of the stream
  assert.equal(receipt.profiles, 1)
  assert.equal(receipt.journal.hits + receipt.archive.hits, 3 * 36, JSON.stringify(receipt))
  assert.ok(receipt.archive.rewritten > 0 && receipt.journal.rewritten > 0)
  assert.equal(receipt.redis_log, 'rewritten')
  assert.deepEqual(traces(world, anna), [])
  assert.notDeepEqual(traces(world, ben), [])
  // Redis frees what has been taken out of a stream by nodes of 4 KiB: the record behind the word fills one.
  assert.ok(files(join(world.data, 'journal')).some((path) => path.endsWith('.seg') && readFileSync(path).includes(Buffer.alloc(4000))))
  await verified(world)
  const nothing = await exported(world, anna)
  assert.deepEqual([nothing.profile, nothing.held.pageviews, nothing.held.waiting, nothing.hits], [null, [], [], []])
  assert.equal((await exported(world, ben)).hits.length, 3 * 35)

  // What was counted stays counted, and others are as they were.
  assert.equal(await profile(world, anna), null)
  assert.deepEqual(await profile(world, ben), bens)
  const after = await world.report()
  assert.deepEqual(after.totals, before.totals)
  assert.deepEqual(after.ledger, before.ledger, 'the word is no hit of the site')
  await world.settled({ received: sent })

  // A second time there is nothing left to do.
  const again = JSON.parse(await forget(world, anna, '--format', 'json'))
  sent += 2
  assert.deepEqual([again.profiles, again.archive.hits, again.journal.hits], [0, 0, 0], JSON.stringify(again))
  assert.match(await forget(world, anna), /^forgotten: visitor .*\n[^]*0 profiles[^]*stays\n/)
  sent += 2

  // What was under way comes too late: it happened before.
  sent += await visits(world, anna, 2, { age: 30 * MINUTE_MS })
  await world.settled({ received: sent })
  assert.equal(await profile(world, anna), null)
  assert.equal((await world.report()).ledger.verdicts.forgotten, 6)
  assert.equal(page(await world.report(), anna.own).views, page(before, anna.own).views)

  // Nothing brings it back, though the journal has what came last.
  assert.notDeepEqual(filesWith(world, bytesOf(anna.id), /journal\/.*\.seg$/), [])
  await rebuilt(world)
  const ledger = await world.settled({ received: sent })
  assert.equal(ledger.pending, 0)
  assert.equal(await profile(world, anna), null)
  assert.deepEqual(await profile(world, ben), bens)
  const now = await world.report()
  assert.equal(now.ledger.received, sent - 6, 'all but six words')
  assert.equal(page(now, anna.own), undefined, 'a rebuild folds no hit of hers, so no counter has them any more')
  assert.equal(page(now, ben.own).views, page(before, ben.own).views)
  assert.equal(await world.redisCall('HLEN', '{p0}:next:forgotten:shop'), 0)
  sent += await visits(world, anna, 1, { age: 30 * MINUTE_MS })
  await world.settled({ received: sent })
  assert.equal(await profile(world, anna), null, 'marks outlive a rebuild')

  // Nor does the archive get it.
  await archived(world)
  assert.deepEqual(filesWith(world, bytesOf(anna.id), /^archive\//), [])
  await verified(world)

  // Who comes again, later, begins anew.
  sent += await visits(world, anna, 1, { age: 0 })
  await world.settled({ received: sent })
  assert.equal((await profile(world, anna)).views, 1)
})

// Begins to forget and is killed when `when` says so, or after it is done.
async function killed(world, who, when) {
  const child = spawn(program('sentier-forget'), ['--conf', world.conf, '--site', 'shop', who.id], { stdio: 'ignore' })
  const ended = once(child, 'close')
  for (let over = false; !over; ) {
    over = child.exitCode !== null || when()
    await new Promise((done) => setImmediate(done))
  }
  child.kill('SIGKILL')
  return (await ended)[1] === 'SIGKILL'
}

scenario('killed in the middle, every file is whole, and the next run finishes', OPTIONS, async (world) => {
  await startWithArchive(world, { journal_keep: 0, workers: 1 })
  const [anna, ben] = [person(), person()]
  let sent = 0
  for (let round = 0; round < 6; round++) {
    sent += (await visits(world, anna, 20)) + (await visits(world, ben, 20))
    await world.settled({ received: sent })
    if (round === 2) Object.assign(world.options.collector, { journal_keep: 3600 }) // the rest stays in the journal
    if (round === 2) world.writeConf()
    await world.collector.stop()
    await world.collector.start()
  }
  await world.settled({ received: sent })
  const bens = await profile(world, ben)
  const weights = async () => {
    const all = files(world.top).filter((path) => /\/[0-9a-f-]+\.seg(\.gz)?$/.test(path))
    const { out } = await run(program('sentier-journal'), ['verify', ...all])
    return [...out.matchAll(/([0-9a-f]{32}-[0-9a-f]{16})\.seg(?:\.gz)?: ok +records (\d+) +weight (\d+)/g)].map((match) => match.slice(1).join(' ')).sort()
  }
  const before = await weights()
  const withAnna = () => filesWith(world, bytesOf(anna.id), /\/[0-9a-f-]+\.seg(\.gz)?$/).length
  const many = withAnna()
  assert.ok(many >= 6, `${many} files with her hits`)

  let kills = 0
  const making = () => [join(world.data, 'journal'), world.archive].some((dir) => readdirSync(dir).some((name) => name.startsWith('.forget.')))
  for (let round = 0; round < 8; round++) {
    const left = withAnna()
    const until = round % 4 === 0 ? making : round % 4 === 1 ? () => withAnna() < left : round % 4 === 2 ? () => withAnna() < left / 2 : () => readdirSync(join(world.data, 'journal')).includes('.forgetting')
    if (await killed(world, anna, until)) kills++
    await verified(world)
    const now = await weights()
    for (const one of before) assert.ok(now.includes(one), `${one} is as heavy as before`)
    if (round === 0) await eventually('its lock is forgotten', async () => !(await world.redisCall('EXISTS', 'sentier:rebuild')), 40_000)
    await world.redisCall('DEL', 'sentier:rebuild') // nor need the others wait for that
    if (round % 4 === 2) {
      // Whoever ships meanwhile reads on.
      sent += await visits(world, ben, 3)
    }
  }
  assert.ok(kills >= 4, `${kills} kills came in its middle`)
  await forget(world, anna)
  assert.deepEqual(traces(world, anna), [])
  assert.equal(making(), false, 'nothing is left of the killed ones')
  await verified(world)
  const ledger = await world.settled({ received: sent })
  assert.equal(ledger.pending, 0)
  assert.ok((await profile(world, ben)).views > bens.views)
  await rebuilt(world)
  const report = await world.report()
  assert.ok(report.ledger.received < ledger.received && report.ledger.received >= sent, 'all but the words')
  assert.equal(report.ledger.verdicts.forgotten, 3 * 120)
  assert.equal(await profile(world, anna), null)
})

scenario('what it says when it cannot', OPTIONS, async (world) => {
  await startWithArchive(world)
  const anna = person()
  const sent = await visits(world, anna, 2)
  await world.settled({ received: sent })
  const said = async (...args) => {
    const { code, err } = await run(SENTIER, ['forget', ...args, '--data', world.data, '--conf', world.conf])
    return `${code} ${err}`
  }
  assert.match(await said('--site', 'shop', 'not an id'), /^2 .*no customer that is known, and no id of a visitor/)
  assert.match(await said('--site', 'nowhere', anna.id), /^2 .*nowhere/)
  assert.match(await said('--site', 'shop'), /^2 sentier forget --site/)
  const asked = (...args) => run(SENTIER, ['export', ...args, '--data', world.data, '--conf', world.conf])
  assert.match((await asked('--site', 'shop')).err, /whose\? sentier export/)
  assert.deepEqual(JSON.parse((await asked('--site', 'shop', 'not an id')).out).hits, [])
  assert.equal((await asked('--site', 'nowhere', anna.id)).code, 2)
  // Somebody of another site keeps what is his.
  await world.redisCall('SET', 'sentier:rebuild', 'x', 'PX', '60000')
  assert.match(await said('--site', 'shop', anna.id), /^2 .*another rebuild is running/)
  await world.redisCall('DEL', 'sentier:rebuild')
  assert.match(await said('--site', 'blog', anna.id), /^0/)
  assert.notEqual(await profile(world, anna), null)
  await world.redis.stop()
  assert.match(await said('--site', 'shop', anna.id), /^2 /)
  await world.redis.start()
})

scenario('marks go when nothing can come any more', OPTIONS, async (world) => {
  await startWithArchive(world)
  const anna = person()
  let sent = await visits(world, anna, 1)
  await world.settled({ received: sent })
  await forget(world, anna)
  sent += 2
  const marks = async () => {
    const found = await redisCalls(world.socket, Array.from({ length: 64 }, (_, n) => ['HLEN', `{p${n}}:forgotten:shop`]))
    return found.reduce((a, b) => a + b, 0)
  }
  assert.equal(await marks(), 2, 'her mark, and the newest moment')
  for (let i = 0; i < 40; i++) sent += await visits(world, person(), 1)
  await world.settled({ received: sent })
  assert.equal(await marks(), 2)
  // Not to wait for three days, the moment is moved back by more than that.
  const [key] = (await world.redisCall('KEYS', '{p*}:forgotten:shop'))
  const varint = (n) => (n < 128n ? [Number(n)] : [Number(n & 127n) | 128, ...varint(n >> 7n)])
  const old = Buffer.from([1, ...varint(BigInt(Date.now() - 73 * 60 * MINUTE_MS))])
  await redisCalls(world.socket, [['HSET', key, '#', old]])
  await world.aggregator.stop()
  await world.aggregator.start()
  for (let i = 0; i < 40; i++) sent += await visits(world, person(), 1)
  await world.settled({ received: sent })
  assert.equal(await marks(), 0)
})

// ---- customers

const SECRET = 'a secret of the site'
const signed = (id) => {
  const expiry = Math.floor(Date.now() / 1000) + 3600
  return { i: id, j: `${expiry}.${createHmac('sha256', SECRET).update(`shop\n${id}\n${expiry}`).digest('hex')}` }
}

scenario('a customer is forgotten with all browsers, and others stay', { ...OPTIONS, sites: { shop: { origins: ORIGIN, spread: 4, secret: SECRET } } }, async (world) => {
  await startWithArchive(world)
  const browsers = Array.from({ length: 5 }, person)
  const [phone, desk, both, bens, unsigned] = browsers
  let sent = 0
  const seen = async (who, customer, n) => {
    sent += await visits(world, { ...who, base: { ...who.base, ...(customer ? signed(customer) : {}) } }, n)
  }
  await seen(phone, undefined, 2) // before she signed in: hers, too
  await seen(phone, 'anna-4711', 3)
  await seen(desk, 'anna-4711', 4)
  await seen(bens, 'ben-0815', 5)
  await seen(both, 'carla-1', 2)
  await seen(both, 'dora-2', 3)
  await seen(unsigned, undefined, 1)
  await world.settled({ received: sent })
  const of = (id) => profile(world, { id })
  assert.equal((await of('anna-4711')).views, 9)
  const before = { ben: await of('ben-0815'), carla: await of('carla-1'), dora: await of('dora-2') }
  assert.notDeepEqual(filesWith(world, 'anna-4711', /journal|appendonlydir/), [])

  const held = await exported(world, { id: 'anna-4711' })
  assert.deepEqual([held.profile.views, held.held.pageviews.length, held.hits.length], [9, 9, 27])
  const carlas = await exported(world, { id: 'carla-1' })
  assert.deepEqual([carlas.held.pageviews.length, carlas.hits.length], [2, 6], 'on a shared browser what she signed alone')
  assert.ok(carlas.hits.every((hit) => hit.customer === 'carla-1'))

  const receipt = JSON.parse(await forget(world, { id: 'anna-4711' }, '--format', 'json'))
  assert.deepEqual({ customer: receipt.customer, visitors: receipt.visitors, shared: receipt.shared, profiles: receipt.profiles, hits: receipt.journal.hits }, { customer: true, visitors: 2, shared: 0, profiles: 2, hits: 27 })
  for (const who of [phone, desk]) assert.deepEqual(traces(world, who), [])
  assert.deepEqual(filesWith(world, 'anna-4711', /^(?!.*\.log$)/), [], 'nor is her id')
  assert.equal(await of('anna-4711'), null)
  assert.deepEqual({ ben: await of('ben-0815'), carla: await of('carla-1'), dora: await of('dora-2') }, before)
  await rebuilt(world)
  assert.equal(await of('anna-4711'), null)
  assert.deepEqual({ ben: await of('ben-0815'), carla: await of('carla-1'), dora: await of('dora-2') }, before)

  // She signs in again.
  const { received } = await world.settled({ received: sent })
  const again = await visits(world, { ...phone, base: { ...phone.base, ...signed('anna-4711') } }, 1, { age: 0 })
  await world.settled({ received: received + again })
  assert.equal((await of('anna-4711')).views, 1)
})

scenario('a browser that is forgotten leaves the records of its customers', { ...OPTIONS, sites: { shop: { origins: ORIGIN, spread: 4, secret: SECRET } } }, async (world) => {
  await startWithArchive(world)
  const [phone, desk, both] = Array.from({ length: 3 }, person)
  let sent = 0
  for (const [who, customer, n] of [[phone, 'anna-4711', 2], [desk, 'anna-4711', 3], [both, 'ben-0815', 1], [both, 'anna-4711', 4]])
    sent += await visits(world, { ...who, base: { ...who.base, ...signed(customer) } }, n)
  await world.settled({ received: sent })
  const records = async () => {
    const found = await redisCalls(world.socket, Array.from({ length: 64 }, (_, n) => ['HVALS', `{p${n}}:customers:shop`]))
    return found.flat().map((value) => Buffer.from(value, 'latin1'))
  }
  const named = async (id, who) => (await records()).some((value) => value.includes(id) && value.includes(bytesOf(who.id)))
  assert.ok((await named('anna-4711', desk)) && (await named('anna-4711', both)) && (await named('ben-0815', both)))

  const out = await forget(world, both)
  assert.match(out, /^forgotten: visitor .*\n[^]*1 profile\n +out of 2 customers' records\n/)
  assert.deepEqual(traces(world, both), [])
  assert.deepEqual(filesWith(world, 'ben-0815', /^(?!.*\.log$)/), [], 'he had no other browser')
  assert.equal(await profile(world, { id: 'ben-0815' }), null)
  assert.equal((await profile(world, { id: 'anna-4711' })).views, 5)

  assert.equal(JSON.parse(await forget(world, phone, '--format', 'json')).records, 1)
  assert.equal((await profile(world, { id: 'anna-4711' })).views, 3)
  await rebuilt(world)
  assert.equal(await profile(world, { id: 'ben-0815' }), null)
  assert.equal((await profile(world, { id: 'anna-4711' })).views, 3)
  assert.equal(JSON.parse(await forget(world, desk, '--format', 'json')).records, 1)
  assert.deepEqual(await records(), [])
  assert.deepEqual(filesWith(world, 'anna-4711', /^(?!.*\.log$)/), [])
})
