// The four forms of `redis =`, each with a user and a password, against real servers; and what the
// sentinels may do to the programs.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Standalone } from '../faults/stack.mjs'
import { Cluster } from '../faults/stack_cluster.mjs'
import { Sentinel } from '../faults/stack_sentinel.mjs'
import { eventually } from './eventually.mjs'
import { run } from './process.mjs'
import { page, program, view } from './world.mjs'

// Who does not say who he is may look, and be a replica or a sentinel, but run no script of ours.
const SECRET = 'paths worn by feet'
const ACL = [
  '--user', 'default', 'on', 'nopass', '~*', '&*', '+@all', '-eval', '-evalsha', '-xread',
  '--user', 'sentier', 'on', '>' + SECRET, '~*', '&*', '+@all',
]

const FORMS = {
  'unix:/path': [Standalone, {}, /^unix:/],
  'host:port': [Standalone, { tcp: true }, /^127\.0\.0\.1:/],
  'sentinel://': [Sentinel, {}, /^sentinel:/],
  'cluster://': [Cluster, {}, /^cluster:/],
}

async function withStack(Kind, plan, body) {
  const stack = await Kind.start(plan)
  let failure
  try {
    await body(stack)
  } catch (error) {
    failure = error
    for (const one of stack.world.processes) console.error(one.tail(15))
  }
  const problems = await stack.end()
  if (failure) throw failure
  assert.deepEqual(problems, [], 'every process ends clean')
}

async function send({ world }, prefix, n) {
  for (let k = 0; k < n; k++) assert.equal((await world.beacon([view(`/${prefix}${k}`)])).status, 204)
}

const settled = (stack, n) =>
  eventually(`${n} hits are counted`, async () => {
    const figures = await stack.figures()
    if (figures.settled && figures.folded === n) return true
    throw new Error(JSON.stringify(figures))
  })

const report = async ({ collectors }, ...more) => run(program('sentier-report'), ['report', 'pages', '--site', 'shop', '--last', '2d', '--format', 'json', '--conf', collectors[0].conf, ...more])

for (const [form, [Kind, plan, is]] of Object.entries(FORMS)) {
  test(`redis = ${form}, with user and password`, async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'sentier-secret-'))
    t.after(() => rmSync(dir, { recursive: true }))
    const secret = join(dir, 'password')
    writeFileSync(secret, SECRET + '\n', { mode: 0o600 })
    await withStack(Kind, { ...plan, servers: ACL, redis: { user: 'sentier', password_file: secret } }, async (stack) => {
      assert.match(stack.address, is)
      await send(stack, 'a', 30)
      await settled(stack, 30)
      const { code, out, err } = await report(stack)
      assert.equal(code, 0, err)
      for (let k = 0; k < 30; k++) assert.equal(page(JSON.parse(out), `/a${k}`)?.views, 1)

      // A wrong password: hits are taken, and wait.
      const [collector] = stack.collectors
      await stack.stop(collector)
      writeFileSync(secret, 'wrong\n')
      await stack.revive(collector)
      await send(stack, 'b', 5)
      await eventually('they are pending', async () => (await stack.world.stats()).ledger.pending === 5)
      const refused = await report(stack)
      assert.notEqual(refused.code, 0)
      assert.match(refused.err, /WRONGPASS|password/)
      await stack.stop(collector)
      writeFileSync(secret, SECRET)
      await stack.revive(collector)
      await settled(stack, 35)
    })
  })
}

test('sentinels: the first of the list is gone, a name they do not know, and a new master', async () => {
  await withStack(Sentinel, {}, async (stack) => {
    await stack.sentinels[0].kill9()
    for (const one of [...stack.collectors, ...stack.aggregators]) {
      await stack.stop(one)
      await stack.revive(one)
    }
    await send(stack, 'a', 20)
    await settled(stack, 20)

    const stranger = await report(stack, '--redis', stack.address.replace('sentier@', 'stranger@'))
    assert.notEqual(stranger.code, 0)
    assert.match(stranger.err, /stranger/)

    const [master] = await stack.masters()
    const replicas = await stack.replicasOf(master)
    await master.kill9()
    await send(stack, 'b', 20)
    await stack.promoted(replicas)
    await settled(stack, 40)
    assert.equal((await report(stack)).code, 0)
  })
})
