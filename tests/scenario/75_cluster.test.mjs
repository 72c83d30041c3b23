// deploy/cluster-demo as somebody tries it: hits land on a real Redis Cluster, a master is killed, half of
// the slots move, and every hit is in the report once.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually } from './eventually.mjs'
import { run } from './process.mjs'
import { redisCalls } from './redis.mjs'
import { AGENT, program, somePort } from './world.mjs'

const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url))
const VISITS = 60
const SLOTS = 16384

const env = { ...process.env, SENTIER_BUILD: dirname(program('sentier-collector')), SENTIER_DATA: '', SENTIER_CONF: '' }
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

class Demo {
  // Its ports lie together; those that somebody else has are refused by the demo itself.
  static async start(dir) {
    for (;;) {
      const demo = new Demo()
      demo.base = somePort(50)
      demo.data = join(dir, String(demo.base))
      demo.out = ''
      demo.child = spawn(join(DEPLOY, 'cluster-demo'), ['--data', demo.data, '--base', String(demo.base), '--visits', String(VISITS), '--node-timeout', '4000'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
      for (const stream of [demo.child.stdout, demo.child.stderr]) stream.on('data', (text) => (demo.out += text))
      demo.ended = new Promise((resolve) => demo.child.on('exit', (...how) => resolve(how)))
      await eventually('the demo is running', () => demo.child.exitCode !== null || demo.out.includes('Ctrl-C stops'), 180_000)
      if (demo.child.exitCode === null) return demo
      if (!demo.out.includes('is in use')) throw new Error(demo.out + demo.logs())
    }
  }

  async stop() {
    if (this.child.exitCode === null) this.child.kill('SIGINT')
    return this.ended
  }

  get collectors() {
    return [this.base + 1, this.base + 2]
  }

  redis(n, ...args) {
    return redisCalls({ host: '127.0.0.1', port: this.base + 30 + n }, [args]).then(([reply]) => reply)
  }

  sentier(...args) {
    return run(join(DEPLOY, 'sentier'), [...args, '--data', this.data])
  }

  status() {
    return this.sentier('status', '--format', 'json', ...[11, 12].flatMap((n) => ['--collector', `127.0.0.1:${this.base + n}`]))
  }

  // [{ port, id, master, up }] as node n sees them.
  async nodes(n) {
    const lines = (await this.redis(n, 'CLUSTER', 'NODES')).trim().split('\n').map((line) => line.split(' '))
    return lines.map(([id, address, flags]) => ({ id, port: Number(/:(\d+)@/.exec(address)[1]), master: /master/.test(flags), up: !/fail|handshake/.test(flags) }))
  }

  logs() {
    return readdirSync(join(this.data, 'log')).filter((name) => !/create|visits/.test(name)).map((name) => `\n--- ${name}\n${readFileSync(join(this.data, 'log', name), 'utf8').split('\n').slice(-12).join('\n')}`).join('')
  }
}

// Pages of their own, one after the other, until `stop`.
class Visitor {
  constructor(ports) {
    Object.assign(this, { ports, answered: [], refused: [], stopping: false })
    this.done = this.#visit()
  }

  async #visit() {
    for (let n = 0; !this.stopping; n++) {
      const page = `/own/n${n}x`
      const url = `http://127.0.0.1:${this.ports[n % this.ports.length]}/p.gif?s=demo&u=http://demo.example${page}`
      const { status } = await fetch(url, { headers: { 'User-Agent': AGENT, 'X-Forwarded-For': `198.51.${n % 200}.7` } })
      ;(status === 200 ? this.answered : this.refused).push(page)
      await pause(5)
    }
  }

  more(n, why) {
    const until = this.answered.length + n
    return eventually(`${n} more hits ${why}`, () => this.answered.length >= until)
  }

  async stop() {
    this.stopping = true
    await this.done
  }
}

async function killMaster(demo, visitor) {
  const [pid] = /(?<=process_id:)\d+/.exec(await demo.redis(1, 'INFO', 'server'))
  process.kill(Number(pid), 'SIGKILL')
  await visitor.more(50, 'while a master is dead')
  await eventually('a replica has taken over', async () => {
    const seen = await demo.nodes(2)
    return seen.filter(({ master, up }) => master && up).length === 3
  })
  await visitor.more(50, 'after that')
  await eventually('the old master is back, as a replica', async () => {
    for (const n of [1, 2, 3, 4, 5, 6]) {
      const seen = await demo.nodes(n)
      if (seen.length !== 6 || seen.some(({ up }) => !up) || seen.filter(({ master }) => master).length !== 3) return false
    }
    return !(await demo.nodes(1)).find(({ port }) => port === demo.base + 31).master
  })
}

async function moveHalf(demo) {
  const to = (await demo.nodes(2)).find(({ master, up }) => master && up)
  const some = `127.0.0.1:${demo.base + 32}`
  const { code, out, err } = await run('redis-cli', ['--cluster', 'reshard', some, '--cluster-from', 'all', '--cluster-to', to.id, '--cluster-slots', String(SLOTS / 2), '--cluster-yes'], 300_000)
  assert.equal(code, 0, err + out.slice(-2000))
  return to
}

test('the demo of a cluster: a master dies, half of the slots move, every hit is counted once', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'sentier-demo-'))
  const demo = await Demo.start(dir)
  const visitor = new Visitor(demo.collectors)
  t.after(async () => {
    visitor.stopping = true
    await demo.stop()
    rmSync(dir, { recursive: true, force: true })
    for (const n of [1, 2]) rmSync(`/dev/shm/${demo.data.replaceAll('/', '-')}-${n}`, { force: true })
  })
  try {
    await visitor.more(50, 'at the beginning')
    await killMaster(demo, visitor)
    const moved = moveHalf(demo)
    await visitor.more(50, 'while slots move')
    await moved
    await visitor.more(50, 'when they have moved')
    await visitor.stop()
    assert.deepEqual(visitor.refused, [])

    const all = await eventually('everything is counted, and the ledger balances', async () => {
      const { code, out, err } = await demo.status()
      const status = JSON.parse(out)
      if (code === 0 && status.ledger.pending === 0 && status.ledger.received === visitor.answered.length + VISITS) return status
      throw new Error(`${code} ${err} ${out}`)
    })
    assert.equal(all.ledger.received, visitor.answered.length + VISITS)
    const { code, out, err } = await demo.sentier('report', 'pages', '--site', 'demo', '--last', '2d', '--format', 'json')
    assert.equal(code, 0, err)
    const views = new Map(JSON.parse(out).pages.map((one) => [one.page, one.views]))
    assert.deepEqual(visitor.answered.filter((page) => views.get('demo.example' + page) !== 1), [])
    assert.equal(JSON.parse(out).totals.views, visitor.answered.length + VISITS)
  } catch (error) {
    error.message += demo.out + demo.logs()
    throw error
  }
  assert.deepEqual(await demo.stop(), [0, null], demo.out)
  for (const n of [1, 2, 3, 4, 5, 6]) await assert.rejects(demo.redis(n, 'PING'), /ECONNREFUSED/)
})
