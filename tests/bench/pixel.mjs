// CPU per pixel hit: nginx answers `empty_gif` and forgets it; Sentier answers, journals the hit and
// puts it into Redis. Both get the same load from wrk, in turn, as often as --rounds says; what
// counts is the median of the rounds' ratios, because a machine has moods. The time is user and
// system time of the processes that serve, until everything is in Redis, and nothing may be lost.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ORIGIN, Process, World, childrenOf, cpuSeconds, eventually, freePort, load, median, options } from './bench.mjs'

const HELP = `tests/bench/pixel [--rounds 5] [--seconds 5] [--connections 64] [--threads 2] [--workers 2] [--sites 1] [--aggregator]
  --workers     threads of the collector, and processes of nginx
  --sites       the hits are spread over as many sites (each has a partition of its own)
  --aggregator  runs the aggregator too, and adds its time; waits until all hits are folded
$SENTIER_BUILD names the build, build/release by default.`
const given = options({ rounds: 5, seconds: 5, connections: 64, threads: 2, workers: 2, sites: 1, aggregator: false }, HELP)

async function startNginx(dir) {
  const port = await freePort()
  const conf = join(dir, 'nginx.conf')
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((one) => `${one}_temp_path ${dir}/temp;`)
  mkdirSync(join(dir, 'temp'))
  writeFileSync(conf, `
    daemon off; pid ${dir}/nginx.pid; error_log stderr error; worker_processes ${given.workers};
    events { worker_connections 4096; }
    http {
      access_log off; keepalive_timeout 60s; keepalive_requests 1000000000; ${temp.join(' ')}
      server { listen 127.0.0.1:${port} reuseport; location = /p.gif { empty_gif; } }
    }`)
  const ready = async () => (await fetch(`http://127.0.0.1:${port}/p.gif`)).ok
  const nginx = new Process({ name: 'nginx', command: 'nginx', args: ['-p', dir, '-c', conf, '-e', 'stderr'], log: join(dir, 'nginx.log'), ready })
  await nginx.start()
  return { port, nginx }
}

const cpu = (pids) => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0)

async function nginxRound(dir, { port, nginx }) {
  const workers = childrenOf(nginx.child.pid)
  assert.equal(workers.length, given.workers)
  const before = cpu(workers)
  const did = await load(dir, port, given)
  assert.equal(did.ok, did.requests)
  return { ...did, cpu: cpu(workers) - before }
}

async function shippedInto(world) {
  let sum = 0
  for (let n = 0; n < world.options.redis.partitions; n++) sum += Number(await world.redisCall('HGET', `{p${n}}:meta`, 'shipped'))
  return sum
}

// Every answer is a hit in Redis. wrk leaves at its time: up to one answer per connection it did
// not wait for.
async function allStored(world, did) {
  await eventually('the collector has shipped all', async () => {
    const { ledger } = await world.stats()
    return ledger.pending === 0 && ledger.received >= did.ok
  }, 120_000)
  if (given.aggregator) await world.settled({ received: did.ok, withinMs: 600_000 })
  const { ledger, hits } = await world.stats()
  const unread = ledger.received - did.ok
  assert.ok(unread >= 0 && unread <= given.connections, `${did.ok} answers, ${ledger.received} received`)
  assert.equal(hits.taken, ledger.received)
  return ledger.received
}

async function sentierRound() {
  const sites = Object.fromEntries(Array.from({ length: given.sites }, (_, i) => [`shop${i}`, { origins: ORIGIN }]))
  const world = await World.lay({ sites, collector: { workers: given.workers, stream_max: '16G' } })
  world.redis.args.push('--hash-max-listpack-value', '512', '--auto-aof-rewrite-percentage', '0')
  if (!given.aggregator) world.processes = world.processes.filter((one) => one !== world.aggregator)
  try {
    await world.startAll()
    const spent = () => world.processes.map((one) => cpuSeconds(one.child.pid))
    const before = spent()
    const did = await load(world.top, world.port, given)
    assert.equal(did.ok, did.requests)
    const hits = await allStored(world, did)
    const [redis, collector, aggregator] = spent().map((seconds, i) => seconds - before[i])
    assert.equal(await shippedInto(world), hits)
    return { ...did, hits, redis, collector, aggregator, cpu: redis + collector }
  } finally {
    assert.deepEqual(await world.end(), [])
  }
}

const us = (seconds, hits) => ((seconds / hits) * 1e6).toFixed(2).padStart(6)

function print(round, a, b) {
  const per = (seconds) => us(seconds, b.hits)
  console.log(
    `${String(round).padStart(5)}  ${String(a.requests).padStart(8)} ${a.cpu.toFixed(2).padStart(6)} s ${us(a.cpu, a.requests)} µs` +
    `   ${String(b.hits).padStart(8)} ${b.cpu.toFixed(2).padStart(6)} s ${per(b.cpu)} µs =${per(b.collector)} +${per(b.redis)}` +
    `   ${(b.cpu / b.hits / (a.cpu / a.requests)).toFixed(3)}` + (given.aggregator ? `   aggregator ${per(b.aggregator)} µs` : '')
  )
}

const dir = mkdtempSync(join(tmpdir(), 'sentier-bench-'))
let nginx
try {
  nginx = await startNginx(dir)
  console.log(`${given.rounds} rounds of ${given.seconds} s, ${given.connections} connections, ${given.workers} workers, ${given.sites} site(s)`)
  console.log('round     nginx     CPU  per hit    sentier      CPU   per hit = collector + Redis   sentier / nginx')
  const rounds = []
  for (let round = 1; round <= given.rounds; round++) {
    const a = await nginxRound(dir, nginx)
    const b = await sentierRound()
    print(round, a, b)
    rounds.push({ a: a.cpu / a.requests, b: b.cpu / b.hits, all: (b.cpu + (b.aggregator ?? 0)) / b.hits })
  }
  const ratio = (of) => median(rounds.map((r) => r[of] / r.a)).toFixed(3)
  console.log(`median: nginx ${us(median(rounds.map((r) => r.a)), 1)} µs, collector + Redis ${us(median(rounds.map((r) => r.b)), 1)} µs a hit, ratio ${ratio('b')}`)
  if (given.aggregator) console.log(`with the aggregator: ${us(median(rounds.map((r) => r.all)), 1)} µs a hit, ratio ${ratio('all')}`)
} finally {
  await nginx?.nginx.stop()
  rmSync(dir, { recursive: true, force: true })
}
