// Short runs of tests/chaos with fixed seeds: every promise holds through a mixture of faults, on each
// kind of Redis.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chaos } from '../faults/chaos.mjs'

// seconds: no round begins after that; tests/run allows 120 for all.
const RUNS = [
  {
    redis: 'standalone', seed: 12, seconds: 35, least: 2,
    pool: ['kill-all', 'cut-aof', 'kill-import', 'term-collector', 'zombie', 'cut-reply', 'disk-full', 'flip-segment', 'clone-journal', 'cut-aof-under-commit', 'oom', 'auth'],
  },
  { redis: 'sentinel', seed: 8, seconds: 30, least: 1, pool: ['failover-behind', 'zombie-master-behind'] },
  { redis: 'cluster', seed: 8, seconds: 30, least: 1, pool: ['failover-behind', 'reshard'] },
]

for (const { redis, seed, seconds, least, pool } of RUNS) {
  test(`acknowledged hits are counted exactly once through a mixture of faults: ${redis}`, async () => {
    const { rounds, sent, broken } = await chaos(['--redis', redis, '--rounds', String(pool.length), '--seed', String(seed), '--seconds', String(seconds), '--pool', pool.join(',')])
    assert.ok(rounds >= least && sent > 200 * rounds, `${rounds} rounds, ${sent} sent`)
    assert.equal(broken, 0, 'rounds that broke a promise')
  })
}
