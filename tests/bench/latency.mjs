// How old is the truth? Each hit goes to a page of its own, and the summary in Redis is asked again
// and again until it shows that page. The stages between are those of the whole stream (shipped,
// folded): hits of one site arrive in order, so the n-th hit is there when the count says n.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { redisCalls } from '../scenario/redis.mjs'
import { ORIGIN, World, eventually, options, percentile, view } from './bench.mjs'

const HELP = `tests/bench/latency [--hits 1000] [--min 20] [--max 50] [--poll 3] [--limit 1000]
  --min --max  ms from one hit to the next, evenly spread
  --poll       ms between two looks at the summary; a figure is too great by up to that
  --limit      exit 1 when the 99th percentile is over this many ms
$SENTIER_BUILD names the build, build/release by default.`
const given = options({ hits: 1000, min: 20, max: 50, poll: 3, limit: 1000 }, HELP)
assert.ok(given.hits <= 1000, 'a summary in Redis holds 1000 pages')

const world = await World.lay({ sites: { shop: { origins: ORIGIN } }, collector: { workers: 2 } })
const sent = []
const stages = { answered: [], shipped: [], folded: [], visible: [] }

const pageOf = (n) => `/page-${n}-x`

async function send() {
  for (let n = 0; n < given.hits; n++) {
    const started = performance.now()
    sent.push(started)
    const { status } = await world.pixel(view(pageOf(n)))
    assert.equal(status, 200)
    stages.answered[n] = performance.now() - started
    const gap = given.min + ((n * 7919) % 101) / 100 * (given.max - given.min)
    await sleep(Math.max(0, gap - stages.answered[n]))
  }
}

async function partitionOfSite() {
  for (let n = 0; n < world.options.redis.partitions; n++) {
    if (await world.redisCall('EXISTS', `{p${n}}:meta`)) return n
  }
}

function note(stage, count, now) {
  for (let n = stages[stage].length; n < Math.min(count, sent.length); n++) stages[stage][n] = now - sent[n]
}

async function watch(first) {
  const n = await partitionOfSite()
  const asks = [['HGET', `{p${n}}:meta`, 'shipped'], ['HGET', `{p${n}}:commit`, 'folded'], ['GET', 'sentier:v1:summary:shop:today']]
  let before
  let seen = 0
  const deadline = performance.now() + given.hits * given.max + 60_000
  while (seen < given.hits) {
    const [shipped, folded, summary] = await redisCalls(world.socket, asks)
    const now = performance.now()
    note('shipped', Number(shipped) - first, now)
    note('folded', Number(folded) - first, now)
    if (summary !== before) {
      for (const { page } of JSON.parse(summary).pages) {
        const at = Number(page.match(/\/page-(\d+)-x$/)?.[1] ?? -1)
        if (at < 0 || stages.visible[at] !== undefined) continue
        stages.visible[at] = now - sent[at]
        seen++
      }
      before = summary
    }
    assert.ok(now < deadline, `${given.hits - seen} hits never became visible`)
    await sleep(given.poll)
  }
}

try {
  await world.startAll()
  await world.pixel(view('/zzz')) // behind all others by name: it may fall off the list
  await eventually('the first hit is in the summary', async () => (await world.summary())?.totals.views === 1)
  await Promise.all([send(), watch(1)])
  console.log(`${given.hits} hits, one each ${given.min} to ${given.max} ms; ms from sending`)
  console.log('stage         p50     p90     p99     max')
  const figures = (values) => [0.5, 0.9, 0.99, 1].map((p) => percentile(values, p).toFixed(0).padStart(8)).join('')
  for (const [stage, values] of Object.entries(stages)) console.log(stage.padEnd(9) + figures(values))
  const p99 = percentile(stages.visible, 0.99)
  if (p99 > given.limit) {
    console.log(`the 99th percentile is over ${given.limit} ms`)
    process.exitCode = 1
  }
} finally {
  const problems = await world.end()
  assert.deepEqual(problems, [])
}
