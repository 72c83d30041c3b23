// Rounds of tests/chaos with fixed seeds as a test: every promise holds through a mixture of faults.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chaos } from './chaos.mjs'

// As many rounds as faults: it is the turn of each one once.
export function mixture(redis, seed, pool) {
  test(`acknowledged hits are counted exactly once through a mixture of faults: ${redis}`, async () => {
    const { rounds, sent, broken } = await chaos(['--redis', redis, '--rounds', String(pool.length), '--seed', String(seed), '--pool', pool.join(',')])
    assert.equal(rounds, pool.length)
    assert.ok(sent > 200 * rounds, `${sent} sent`)
    assert.equal(broken, 0, 'rounds that broke a promise')
  })
}
