// What is known of visits beside what the report says of them: none lost, none counted twice, and how long somebody
// looked. A sample; `tests/bench/truth` makes 200.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World } from '../scenario/world.mjs'
import { startHost } from './host.mjs'
import { afterVisits, visitPage } from './visits.mjs'
import { describe, judgeAll } from './watched.mjs'

test('visits are reported as they were', { timeout: 240_000 }, async (t) => {
  const host = await startHost(visitPage)
  const world = await World.lay({ sites: { shop: { origins: host.url } } })
  try {
    await world.startAll()
    const seed = Number(process.env.SENTIER_SEED || 1)
    const { all, views } = await afterVisits(world, host, { seed, visits: 16, browsers: 6 }, (truths) => judgeAll(world, host, truths))
    t.diagnostic(all.map(describe).join('\n'))
    assert.equal(new Set(all.map(({ truth }) => truth.how)).size, 4, 'every way to leave a page')
    assert.deepEqual(all.filter((one) => one.views !== 1).map(describe), [], 'each pageview once')
    assert.equal(views, all.length, 'no others')
    const far = all.filter(({ near }) => !near)
    assert.ok(far.length <= all.length / 100, `engaged time:\n${far.map(describe).join('\n')}`)
  } finally {
    assert.deepEqual(await world.end(), [])
    await host.close()
  }
})
