// `sentier up` as an operator runs it: it starts all three, refuses a second one, starts again what dies,
// stops in order, and goes on where it stopped.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually } from './eventually.mjs'
import { freePort } from './world.mjs'

const SENTIER = fileURLToPath(new URL('../../deploy/sentier', import.meta.url))

// {child, out(), ended}: ended resolves to [code, signal].
function run(...args) {
  const child = spawn(SENTIER, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, SENTIER_DATA: '', SENTIER_CONF: '' } })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (text += bytes))
  return { child, out: () => text, ended: new Promise((resolve) => child.on('exit', (...how) => resolve(how))) }
}

const alive = (pid) => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

// Pids of the programs that a `sentier up` started, by name.
function children(pid) {
  const found = {}
  for (const one of readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean)) {
    found[readFileSync(`/proc/${one}/comm`, 'utf8').trim()] = Number(one)
  }
  return found
}

async function makeWorld(t, redis = '') {
  const dir = mkdtempSync(join(tmpdir(), 'sentier-up-'))
  const [port, admin, admin2] = [await freePort(), await freePort(), await freePort()]
  mkdirSync(join(dir, 'data'))
  writeFileSync(join(dir, 'data', 'sentier.conf'),
    `[collector]\nlisten = 127.0.0.1:${port}\nadmin = 127.0.0.1:${admin}\nworkers = 2\ndemo = yes\n` +
    `salt_file = /dev/shm/${dir.replaceAll('/', '-')}\n[aggregator]\nadmin = 127.0.0.1:${admin2}\n${redis}[site demo]\n`)
  const started = []
  t.after(async () => {
    for (const one of started) {
      if (one.child.exitCode === null && one.child.signalCode === null) one.child.kill('SIGTERM')
      await one.ended
    }
    rmSync(dir, { recursive: true, force: true })
    rmSync(`/dev/shm/${dir.replaceAll('/', '-')}`, { force: true })
  })
  const data = join(dir, 'data')
  return {
    dir, data, port,
    async up() {
      const one = run('up', '--data', data)
      started.push(one)
      await eventually('up is running', () => {
        if (one.child.exitCode !== null) throw new Error(one.out())
        return one.out().includes('Ctrl-C')
      })
      return one
    },
    hit: async (path) => (await fetch(`http://127.0.0.1:${port}/p.gif?s=demo&u=http://demo.example${path}`)).status,
    async status() {
      const one = run('status', '--data', data, '--format', 'json')
      const [code] = await one.ended
      return { code, text: one.out() }
    },
  }
}

const received = (world, n) =>
  eventually(`${n} hits are counted`, async () => {
    const { code, text } = await world.status()
    const all = JSON.parse(text)
    if (code === 0 && all.ledger.received === n && all.ledger.pending === 0) return true
    throw new Error(text)
  })

test('up runs, refuses a second one, starts again what dies, stops in order, goes on', async (t) => {
  const world = await makeWorld(t)
  const first = await world.up()
  assert.match(first.out(), new RegExp(`http://127.0.0.1:${world.port}/p.gif`))
  assert.equal(await world.hit('/a'), 200)

  const second = run('up', '--data', world.data)
  assert.deepEqual((await second.ended)[0], 2)
  assert.match(second.out(), /is in use by another 'sentier up'/)

  for (const name of ['sentier-collect', 'sentier-aggrega', 'redis-server']) {
    const pid = children(first.child.pid)[name]
    assert.ok(pid, `${name} in ${JSON.stringify(children(first.child.pid))}`)
    process.kill(pid, 'SIGKILL')
    await eventually(`${name} is started again`, () => {
      const now = children(first.child.pid)[name]
      return now && now !== pid
    })
    await eventually('hits are taken again', async () => (await world.hit('/b').catch(() => 0)) === 200)
  }
  await received(world, 4)

  const pids = Object.values(children(first.child.pid))
  first.child.kill('SIGINT')
  assert.deepEqual(await first.ended, [0, null])
  for (const pid of pids) assert.ok(!alive(pid))
  const order = [...first.out().matchAll(/stopping (\w+)/g)].map(([, name]) => name)
  assert.deepEqual(order, ['collector', 'aggregator', 'redis'])

  await world.up()
  assert.equal(await world.hit('/c'), 200)
  await received(world, 5)
})

test('up uses the Redis that the configuration names, and leaves it alone', async (t) => {
  const own = await makeWorld(t)
  const socket = join(own.dir, 'redis.sock')
  const server = spawn('redis-server', ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', own.dir], { stdio: 'ignore' })
  t.after(() => server.kill('SIGTERM'))
  const world = await makeWorld(t, `[redis]\nredis = unix:${socket}\n`)
  const up = await world.up()
  assert.match(up.out(), /using Redis at unix:/)
  assert.ok(!children(up.child.pid)['redis-server'])
  assert.equal(await world.hit('/a'), 200)
  await received(world, 1)
  up.child.kill('SIGTERM')
  assert.deepEqual(await up.ended, [0, null])
  assert.ok(alive(server.pid))
})

test('a fault in the configuration ends up before anything is started', async (t) => {
  const world = await makeWorld(t, '[redis]\nnonsense = 1\n')
  const up = run('up', '--data', world.data)
  assert.deepEqual((await up.ended)[0], 2)
  assert.match(up.out(), /sentier.conf:\d+: unknown key 'nonsense'/)
})
