// A short run of tests/chaos with a fixed seed: every promise holds through a mixture of faults.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chaos } from '../faults/chaos.mjs'

const SECONDS = 55 // no round begins after that; tests/run allows 90
const POOL = ['kill-all', 'cut-aof', 'kill-import', 'term-collector', 'zombie', 'cut-reply', 'disk-full', 'flip-segment', 'clone-journal', 'cut-aof-under-commit', 'oom', 'auth']

test('acknowledged hits are counted exactly once through a mixture of faults', async () => {
  const { rounds, sent, broken } = await chaos(['--rounds', String(POOL.length), '--seed', '12', '--seconds', String(SECONDS), '--pool', POOL.join(',')])
  assert.ok(rounds >= 4 && sent > 1000, `${rounds} rounds, ${sent} sent`)
  assert.equal(broken, 0, 'rounds that broke a promise')
})
