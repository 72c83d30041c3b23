// Real visits: one week of www.microsoft.com, 32,710 users in 285 areas. Every visit goes through the
// real programs as a pageview with consent; how many users each area had is known beforehand.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { profilesOf, usedMemory } from './memory.mjs'
import { run } from './process.mjs'
import { program, scenario, view } from './world.mjs'

const MSWEB = resolve(dirname(fileURLToPath(import.meta.url)), '../../../shared/data/msweb')
const HITS = 64 // in a beacon
const AT_ONCE = 8

const rowsOf = (text) => text.trimEnd().split('\n').slice(1).map((line) => line.split(',').map((cell) => cell.trim()))

// [user, area] of each visit; the given number of users of each area.
function readMsweb() {
  const visits = rowsOf(gunzipSync(readFileSync(join(MSWEB, 'msweb_visits.csv.gz'))).toString()).map(([user, area]) => [Number(user), area])
  const key = Object.fromEntries(rowsOf(readFileSync(join(MSWEB, 'areas.csv'), 'utf8')).map((cells) => [cells[0], Number(cells.at(-1))]))
  return { visits, key }
}

// Ids as random as those of browsers: users must not lie side by side.
const visitorOf = (user) => BigInt.asUintN(64, BigInt(user) * 0x9e3779b97f4a7c15n).toString(36)
const hitOf = ([user, area]) => view(`/area/${area}`, { c: 1, v: visitorOf(user) })

async function sendAll(world, visits) {
  let sent = 0
  const one = async () => {
    while (sent < visits.length) {
      const some = visits.slice(sent, (sent += HITS))
      assert.equal((await world.beacon(some.map(hitOf))).status, 204)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
}

async function customers(world) {
  const args = ['customers', '--conf', world.conf, '--site', 'shop', '--limit', '0', '--format', 'json']
  const { code, out, err } = await run(program('sentier-report'), args)
  assert.equal(code, 0, err)
  return JSON.parse(out).customers
}

if (!existsSync(MSWEB)) {
  test('a week of real visits', () => console.log('# skipped a week of real visits: ../shared is not there'))
} else {
  scenario('a week of real visits: users per area as given', { start: false }, async (world, t) => {
    world.redis.args.push('--hash-max-listpack-value', '512') // as sentier up has it
    await world.startAll()
    const { visits, key } = readMsweb()
    const pagesOf = new Map()
    for (const [user] of visits) pagesOf.set(user, (pagesOf.get(user) ?? 0) + 1)
    assert.deepEqual([visits.length, pagesOf.size, Object.keys(key).length], [98_653, 32_710, 285])

    const before = await usedMemory(world)
    await sendAll(world, visits)
    await world.settled({ received: visits.length })
    const grown = (await usedMemory(world)) - before
    const { bytes, profiles } = await profilesOf(world)

    const report = await world.report()
    const users = Object.fromEntries(report.pages.map(({ page, visitors }) => [page.slice(page.lastIndexOf('/') + 1), visitors]))
    assert.deepEqual(users, key, 'users per area')
    assert.ok(report.pages.every(({ views, visitors, visitors_exact: exact }) => exact && views === visitors))
    assert.deepEqual([report.totals.views, report.totals.visitors, report.totals.visitors_exact], [98_653, 32_710, true])

    assert.equal(profiles, pagesOf.size, 'one profile each')
    const views = Object.fromEntries((await customers(world)).map((one) => [one.id, one.views]))
    assert.deepEqual(views, Object.fromEntries([...pagesOf].map(([user, pages]) => [visitorOf(user), pages])), 'areas per user')
    const each = (n) => Math.round(n / profiles)
    t.diagnostic(`used_memory grew from ${before} to ${before + grown} bytes: ${each(grown)} per profile, everything counted; the profiles themselves take ${each(bytes)}`)
  })
}
