// Redis goes away for minutes at full load, and comes back. No pixel may be refused, the collector's
// memory stays flat, what came meanwhile waits in the journals and is caught up. Four phases:
//
//   full load        Redis is up: the live rate, and memory as it should be
//   Redis is away    the same load; stopped and started again, or only frozen (--how)
//   catch-up + load  Redis is back, a tenth of the live rate goes on, until half of the backlog is folded
//   catch-up alone   no load any more, until nothing is pending
//
// The catch-up rate is what is folded a second, from the moment Redis answers again. Everything
// runs on this machine, wrk too. Samples of each second go to OUT.csv, their plot to OUT.svg.

import assert from 'node:assert/strict'
import { readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { redisCalls } from '../scenario/redis.mjs'
import { ORIGIN, World, cpuSeconds, eventually, median, options } from './bench.mjs'
import { plot } from './plot.mjs'
import { Traffic } from './traffic.mjs'

const HELP = `tests/bench/outage [--minutes 5] [--rate N|full] [--how sigterm|sigstop] [--warm 30] [--sites 16]
    [--connections 64] [--threads 2] [--workers 2] [--stream 64M] [--out outage]
  --minutes  Redis is away
  --rate     hits a second, or as many as are answered
  --how      sigterm: Redis is stopped and started again; sigstop: it only stands still
  --warm     seconds of load before
  --sites    the hits are spread over as many sites (each has a partition of its own)
  --stream   stream_max: what may wait in Redis per partition; more waits on disk
  --out      writes OUT.csv and OUT.svg
$SENTIER_BUILD names the build, build/release by default. Ends with 1 when an aim is missed.`
const given = options(
  { minutes: 5, rate: 'full', how: 'sigterm', warm: 30, sites: 16, connections: 64, threads: 2, workers: 2, stream: '64M', out: 'outage' },
  HELP
)
assert.ok(['sigterm', 'sigstop'].includes(given.how), HELP)
const rate = given.rate === 'full' ? 0 : Number(given.rate)
assert.ok(rate >= 0, HELP)

const DISK_LEAST = 10 * 2 ** 30
const GROWTH_AIM = 16 // MiB
const RATIO_AIM = 3
const CATCH_UP_MAX_MS = 3600_000

const number = (n) => Math.round(n).toLocaleString('en')
const mib = (kib) => (kib / 1024).toFixed(1)

// ---- samples

class Samples {
  rows = []
  #cpu = {}
  #streams = { shipped: 0, folded: 0 }

  constructor(world) {
    Object.assign(this, { world, started: performance.now() })
  }

  // Weight that ever went into the streams, and what was folded out of them; as last known while
  // Redis is away.
  async #streamsNow() {
    if (this.redisAway) return this.#streams
    const asks = Array.from({ length: this.world.options.redis.partitions }, (_, n) => [['HGET', `{p${n}}:meta`, 'shipped'], ['HGET', `{p${n}}:commit`, 'folded']])
    try {
      const replies = (await redisCalls(this.world.socket, asks.flat())).map(Number)
      const sum = (parity) => replies.filter((_, i) => i % 2 === parity).reduce((a, b) => a + b, 0)
      this.#streams = { shipped: sum(0), folded: sum(1) }
    } catch (error) {
      if (!/LOADING|ECONNREFUSED|ENOENT|closed/.test(error.message)) throw error
    }
    return this.#streams
  }

  // Share of one core since the sample before, in %.
  #share(name, pid, now) {
    const before = this.#cpu[name]
    if (!pid) return 0
    const spent = cpuSeconds(pid)
    this.#cpu[name] = { spent, now, pid }
    return before?.pid === pid ? Math.round(((spent - before.spent) / (now - before.now)) * 100_000) : 0
  }

  async take() {
    const { world } = this
    const { ledger, shipper } = await world.stats()
    const { shipped, folded } = await this.#streamsNow()
    const now = performance.now()
    const pids = { collector: world.collector.child?.pid, redis: world.redis.child?.pid, aggregator: world.aggregator.child?.pid, wrk: this.wrk }
    const cpu = Object.entries(pids).map(([name, pid]) => [`${name}_cpu_percent`, this.#share(name, pid, now)])
    const disk = statfsSync(world.data)
    const row = {
      seconds: Number(((now - this.started) / 1000).toFixed(2)), phase: this.phase,
      received: ledger.received, shipped, folded, pending: ledger.received - folded,
      journal_bytes: shipper.segment_bytes, collector_rss_kib: residentKib(pids.collector),
      redis_rss_kib: residentKib(pids.redis), aggregator_rss_kib: residentKib(pids.aggregator), ...Object.fromEntries(cpu),
    }
    this.rows.push(row)
    if (disk.bavail * disk.bsize < DISK_LEAST) throw new Error('less than 10 GiB of disk are free: given up')
    return row
  }

  // A sample each second until `done` says so of one.
  async until(done, everyMs = 1000) {
    for (let next = performance.now(); ; ) {
      const row = await this.take()
      if (done(row)) return row
      next = Math.max(next + everyMs, performance.now())
      await sleep(next - performance.now())
    }
  }

  forSeconds(seconds) {
    const end = performance.now() + seconds * 1000
    return this.until(() => performance.now() >= end)
  }

  of(phase) {
    return this.rows.filter((row) => row.phase === phase)
  }

  // What `field` grew by a second, from the first sample of a phase to the first one after it.
  rate(phase, field) {
    const first = this.rows.findIndex((row) => row.phase === phase)
    const after = this.rows.findIndex((row, i) => i > first && row.phase !== phase)
    const [a, b] = [this.rows[first], this.rows.at(after)]
    return (b[field] - a[field]) / (b.seconds - a.seconds)
  }
}

function residentKib(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/status`, 'latin1').match(/^VmRSS:\s+(\d+)/m)[1])
  } catch {
    return 0 // it is not running
  }
}

// ---- the phases

const FULL = 'full load'
const AWAY = 'Redis is away'
const LOADED = 'catch-up + load'
const ALONE = 'catch-up alone'

async function takeRedisAway(samples, world) {
  samples.redisAway = true
  if (given.how === 'sigstop') world.redis.signal('SIGSTOP')
  else await world.redis.stop()
}

async function bringRedisBack(samples, world) {
  if (given.how === 'sigstop') world.redis.signal('SIGCONT')
  else await world.redis.start()
  await eventually('Redis answers', async () => (await redisCalls(world.socket, [['PING']]))[0] === 'PONG', 120_000)
  samples.redisAway = false
}

const loadOf = (world, more) => Traffic.start(world.top, world.port, { ...given, ...more })

async function run(world, samples) {
  const before = (await world.stats()).ledger.received
  samples.phase = FULL
  const full = loadOf(world, { rate })
  samples.wrk = full.child.pid
  await samples.forSeconds(given.warm)
  const live = samples.rate(FULL, 'received')
  samples.phase = AWAY
  await takeRedisAway(samples, world)
  await samples.forSeconds(given.minutes * 60)
  const answers = [await full.stop()]
  const back = performance.now()
  const tenth = loadOf(world, { rate: live / 10 })
  samples.wrk = tenth.child.pid
  await bringRedisBack(samples, world)
  const answered = performance.now()
  samples.phase = LOADED
  const { pending } = await samples.take()
  const late = () => assert.ok(performance.now() - back < CATCH_UP_MAX_MS, 'it never caught up')
  await samples.until((row) => late() || row.pending < pending / 2)
  samples.wrk = undefined
  answers.push(await tenth.stop())
  samples.phase = ALONE
  await samples.until((row) => late() || row.pending === 0)
  const settled = performance.now()
  samples.phase = 'end'
  await samples.take()
  const ledger = await world.settled({ received: before + answers[0].ok + answers[1].ok })
  return { live, answers, ledger, pending, toPing: answered - back, toZero: settled - answered }
}

// ---- what it says

function figuresOf(samples, did) {
  const resident = (rows) => rows.map((row) => row.collector_rss_kib)
  const before = median(resident(samples.of(FULL).slice(-5)))
  const after = resident([...samples.of(LOADED), ...samples.of(ALONE), ...samples.of('end')])
  const during = Math.max(...resident(samples.of(AWAY)))
  const ratio = (phase) => samples.rate(phase, 'folded') / did.live
  return {
    before, during, after: after.at(-1), growth: (Math.max(during, ...after) - before) / 1024,
    refused: did.answers.reduce((sum, one) => sum + one.refused + one.broken, 0),
    hits: did.answers.reduce((sum, one) => sum + one.ok, 0), ratio: { loaded: ratio(LOADED), alone: ratio(ALONE) },
  }
}

function shares(samples, phase) {
  const rows = samples.of(phase).slice(1)
  const mean = (name) => rows.reduce((sum, row) => sum + row[`${name}_cpu_percent`], 0) / (rows.length || 1)
  return ['collector', 'redis', 'aggregator', 'wrk'].map((name) => mean(name).toFixed(0).padStart(10) + ' %').join('')
}

function report(samples, did, f) {
  console.log('phase           received/s  shipped/s   folded/s   collector       Redis  aggregator         wrk   (of one core)')
  for (const phase of [FULL, AWAY, LOADED, ALONE]) {
    const rates = ['received', 'shipped', 'folded'].map((field) => number(samples.rate(phase, field)).padStart(10)).join(' ')
    console.log(`${phase.padEnd(15)} ${rates}${shares(samples, phase)}`)
  }
  const journal = Math.max(...samples.rows.map((row) => row.journal_bytes))
  console.log(`answered 200: ${number(f.hits)}; refused or broken: ${f.refused}; in the ledger ${number(did.ledger.received)}, all folded`)
  console.log(`collector's RSS: ${mib(f.before)} MiB before, at most ${mib(f.during)} MiB while Redis was away, ${mib(f.after)} MiB at the end: growth at most ${f.growth.toFixed(1)} MiB`)
  console.log(`journals: at most ${mib(journal / 1024)} MiB on disk; pending at most ${number(Math.max(...samples.rows.map((row) => row.pending)))}`)
  console.log(`Redis answered ${(did.toPing / 1000).toFixed(1)} s after it was called back; ${number(did.pending)} pending then, 0 after ${(did.toZero / 1000).toFixed(1)} s more`)
  console.log(`catch-up / live rate (${number(did.live)} hits/s): ${f.ratio.loaded.toFixed(2)} beside a tenth of the load, ${f.ratio.alone.toFixed(2)} alone`)
}

function draw(samples, did, f) {
  const line = (field, scale) => samples.rows.map((row) => [row.seconds, row[field] / scale])
  const whole = samples.rows.filter((row, i) => i === 0 || row.seconds - samples.rows[i - 1].seconds > 0.5)
  const speed = (field) => whole.slice(1).map((row, i) => [row.seconds, (row[field] - whole[i][field]) / (row.seconds - whole[i].seconds) / 1000])
  const bands = [FULL, AWAY, LOADED, ALONE].map((name) => {
    const from = samples.rows.findIndex((row) => row.phase === name)
    const to = samples.rows.findIndex((row, i) => i > from && row.phase !== name)
    return { name, from: samples.rows[from].seconds, to: samples.rows[to].seconds }
  })
  return plot({
    title: `Redis away for ${given.minutes} min (${given.how}) under ${given.rate === 'full' ? 'full load' : `${given.rate} hits/s`}`,
    notes: [
      `${number(f.hits)} hits answered 200, ${f.refused} refused; live ${number(did.live)} hits/s; catch-up ${f.ratio.loaded.toFixed(2)}× that beside a tenth of the load, ${f.ratio.alone.toFixed(2)}× alone`,
      `collector's RSS grew by at most ${f.growth.toFixed(1)} MiB; nothing pending ${(did.toZero / 1000).toFixed(0)} s after Redis was back`,
    ],
    unit: 'seconds', bands,
    panels: [
      { unit: 'pending hits, millions', series: [{ name: 'pending: answered, not yet folded', points: line('pending', 1e6) }] },
      { unit: 'resident memory, MiB', series: [{ name: "collector's RSS", points: line('collector_rss_kib', 1024) }] },
      { unit: 'thousand hits a second', series: ['received', 'shipped', 'folded'].map((name) => ({ name, points: speed(name) })) },
    ],
  })
}

function save(samples) {
  const names = Object.keys(samples.rows[0])
  writeFileSync(`${given.out}.csv`, [names, ...samples.rows.map((row) => names.map((name) => row[name]))].map((row) => row.join(',') + '\n').join(''))
}

const sites = Object.fromEntries(Array.from({ length: given.sites }, (_, i) => [`shop${i}`, { origins: ORIGIN }]))
const world = await World.lay({ sites, collector: { workers: given.workers, stream_max: given.stream } })
world.redis.args.push('--hash-max-listpack-value', '512')
const samples = new Samples(world)
try {
  await world.startAll()
  const did = await run(world, samples)
  const f = figuresOf(samples, did)
  report(samples, did, f)
  writeFileSync(`${given.out}.svg`, draw(samples, did, f))
  const unread = did.ledger.received - f.hits
  assert.ok(unread >= 0 && unread <= 2 * given.connections, `${f.hits} answers, ${did.ledger.received} received`)
  assert.equal(f.refused, 0, 'no pixel is refused')
  const missed = [f.growth >= GROWTH_AIM && `memory grew by ${GROWTH_AIM} MiB or more`, f.ratio.alone < RATIO_AIM && `catch-up is less than ${RATIO_AIM} times the live rate`]
  for (const one of missed.filter(Boolean)) console.log(`MISSED: ${one}`)
  if (missed.some(Boolean)) process.exitCode = 1
} finally {
  if (samples.rows.length > 0) save(samples)
  samples.redisAway && world.redis.running && world.redis.signal('SIGCONT')
  assert.deepEqual(await world.end(), [])
}
