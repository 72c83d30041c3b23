// The stack under test: collectors, aggregators and the Redis behind them. A fault asks it for the
// parts and puts them back. What all have in common is Stack; what only one kind of Redis can do is a
// method of its own class: Standalone here, stack_sentinel.mjs, stack_cluster.mjs.

import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, cpSync, existsSync, ftruncateSync, openSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../scenario/eventually.mjs'
import { redisCalls } from '../scenario/redis.mjs'
import { freePort, World } from '../scenario/world.mjs'
import { Relay } from './relay.mjs'

const PARTITIONS = 64
const SPREAD = 8
const DAYS_KEPT = 36500 // what is imported is years old, and compared by the day
const LENGTHS_EVERY_MS = 50

export class Stack {
  // plan: { collector, aggregator, relay, tmpfs (bytes), aggregators, redis: options of [redis], servers:
  // arguments of each redis-server, tcp }
  static async start(plan) {
    const stack = new this()
    try {
      await stack.#start(plan)
    } catch (error) {
      await stack.end()
      throw error
    }
    return stack
  }

  async #start(plan) {
    const sites = { shop: { origins: 'https://shop.example', spread: SPREAD, search_params: 'q' } }
    const world = await World.lay({ sites, collector: { workers: 2, ...plan.collector }, aggregator: { days_kept: DAYS_KEPT, ...plan.aggregator } })
    Object.assign(this, { world, top: world.top, servers: [], problems: [], mounts: [], old: [] })
    world.options.collector.data = join(this.top, 'journals')
    if (plan.tmpfs) this.mount(world.options.collector.data, plan.tmpfs)
    Object.assign(world.options.redis, plan.redis, { redis: await this.startRedis(plan) })
    world.writeConf()
    this.collectors = [Object.assign(world.collector, { port: world.port, admin: world.admin, data: world.options.collector.data, conf: world.conf })]
    this.aggregators = [world.aggregator]
    for (let n = 1; n < (plan.aggregators ?? 1); n++) this.aggregators.push(await world.aggregatorBeside(`aggregator${n}`))
    for (const one of [...this.aggregators, ...this.collectors]) await one.start()
  }

  // A file system of its own: how a disk is full without filling this one.
  mount(dir, bytes) {
    execFileSync('mkdir', ['-p', dir])
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', dir])
    this.mounts.push(dir)
  }

  // Starts what has died, as an operator's supervisor does: until it stays. A refusal is a finding.
  async revive(one) {
    let refused = 0
    await eventually(`${one.name} starts`, async () => {
      if (one.running) return true
      try {
        await one.start()
      } catch (error) {
        if (refused++ === 0) this.problems.push(`start: ${error.message.split('\n--- ')[0]} ${one.tail(3).split('\n').slice(1).join(' | ')}`)
      }
      return one.running
    })
  }

  async stop(one) {
    const exit = await one.stop()
    if (exit[0] !== 0) this.problems.push(`stop: ${one.name} ended with ${exit}`)
  }

  async collectorBeside(name, more) {
    const one = await this.world.collectorBeside(name, more)
    this.collectors.push(one)
    return one
  }

  call(...args) {
    return this.calls([args]).then(([reply]) => reply)
  }

  // Of a kind of Redis: startRedis(plan) -> `redis =`; calls(commands) -> replies; servers.

  // From then on the partitions of the site exist, and what Redis forgets is never all of one.
  async born() {
    const births = () => this.calls(Array.from({ length: PARTITIONS }, (_, n) => ['HEXISTS', `{p${n}}:meta`, 'birth']))
    await eventually('all partitions of the site are born', async () => (await births()).filter(Boolean).length === SPREAD)
  }

  // ---- what became of it

  async #redisSums() {
    const keys = Array.from({ length: PARTITIONS }, (_, n) => [['HGET', `{p${n}}:meta`, 'shipped'], ['HGET', `{p${n}}:commit`, 'folded'], ['HGET', `{p${n}}:commit`, 'v:0']])
    const values = (await this.calls(keys.flat())).map(Number)
    const sum = (k) => values.filter((_, i) => i % 3 === k).reduce((a, b) => a + b, 0)
    const behind = Array.from({ length: PARTITIONS }, (_, n) => n).filter((n) => values[3 * n] !== values[3 * n + 1])
    return { shipped: sum(0), folded: sum(1), taken: sum(2), behind }
  }

  // Where all hits are; settled when nothing waits anywhere.
  async figures() {
    const all = await Promise.all(this.collectors.map((one) => this.world.stats(one.admin)))
    const sum = (part, name) => all.reduce((total, one) => total + one[part][name], 0)
    const redis = await this.#redisSums()
    const waiting = sum('shipper', 'gap_partitions') + sum('shipper', 'birth_partitions')
    const figures = { received: sum('ledger', 'received'), pending: sum('ledger', 'pending'), waiting, skipped: sum('shipper', 'skipped'), damaged: sum('shipper', 'damaged_bytes'), gaps: sum('shipper', 'gaps'), forcedOut: sum('shipper', 'forced_out'), ...redis }
    const settled = figures.pending === 0 && waiting === 0 && redis.shipped === redis.folded && all.every((one) => one.shipper.redis_up)
    return { ...figures, settled }
  }

  async acceptGaps() {
    for (const one of this.collectors) await this.world.request({ port: one.admin, path: '/accept-gaps', method: 'POST' })
  }

  // What a report needs to know of a Redis; an emptied one is told by itself.
  nameDataSet() {
    return eventually('an emptied Redis is told the data set', async () => (await this.call('EXISTS', 'sentier:dataset')) === 1)
  }

  // Data directories, and copies that were put aside: every journal there has been.
  get journals() {
    return [...this.collectors.map((one) => one.data), ...this.old]
  }

  // Ends everything; problems that were found on the way and at the end.
  async end(keep) {
    if (keep && this.top) cpSync(this.top, keep, { recursive: true, filter: (path) => !statSync(path).isSocket() })
    const world = this.world
    if (!world) return []
    for (const one of [...world.processes].reverse()) if (one.running && !this.servers.includes(one)) await this.stop(one).catch((error) => this.problems.push(error.message))
    for (const dir of this.mounts) execFileSync('umount', ['-l', dir])
    await this.relay?.stop()
    return [...this.problems, ...(await world.end())]
  }
}

// One Redis on a unix socket, or with `tcp` also on a port; a relay before it when the plan says so.
export class Standalone extends Stack {
  async startRedis(plan) {
    const { redis, socket } = this.world
    this.redis = redis
    this.servers = [redis]
    redis.args.push('--enable-debug-command', 'yes', '--loading-process-events-interval-bytes', '1024', '--auto-aof-rewrite-percentage', '0')
    const port = plan.tcp && (await freePort())
    if (port) redis.args.push('--bind', '127.0.0.1', '--port', String(port))
    redis.args.push(...(plan.servers ?? []))
    this.address = port ? `127.0.0.1:${port}` : `unix:${socket}`
    await redis.start()
    this.#follow()
    if (!plan.relay) return this.address
    this.relay = new Relay(join(this.top, 'relay.sock'), socket)
    await this.relay.start()
    return `unix:${this.relay.from}`
  }

  calls(commands) {
    return redisCalls(this.world.socket, commands)
  }

  async born() {
    await super.born()
    this.lengths = []
    return this.remembered()
  }

  async end(keep) {
    clearInterval(this.following)
    return super.end(keep)
  }

  get #aofDir() {
    return join(this.world.data, 'appendonlydir')
  }

  #aof() {
    const file = existsSync(this.#aofDir) && readdirSync(this.#aofDir).find((name) => name.endsWith('.incr.aof'))
    return file ? join(this.#aofDir, file) : undefined
  }

  // How long the append-only file was, and when.
  #follow() {
    this.lengths = []
    this.following = setInterval(() => {
      const file = this.#aof()
      if (!file || !this.redis.running) return
      this.lengths.push({ at: Date.now(), bytes: statSync(file).size })
      if (this.lengths.length > 2000) this.lengths.shift()
    }, LENGTHS_EVERY_MS)
  }

  // Redis dies and loses up to `ms` of what it had acknowledged, at a byte that `pick` names.
  loseTail(ms, pick) {
    const since = this.lengths.find(({ at }) => at >= Date.now() - ms)?.bytes ?? this.remembered()
    return this.loseSince(since, pick)
  }

  // A point in time of Redis's memory, for loseSince.
  remembered() {
    return statSync(this.#aof()).size
  }

  async loseSince(since, pick) {
    await this.redis.kill9()
    const file = this.#aof()
    const bytes = statSync(file).size
    const keep = pick(Math.min(since, bytes), bytes)
    const fd = openSync(file, 'r+')
    ftruncateSync(fd, keep)
    closeSync(fd)
    this.#repair(file)
    this.lengths = []
    await this.revive(this.redis)
    return bytes - keep
  }

  // Redis 7.0 that finds its file cut inside a command of a MULTI leaves the MULTI open in it, and
  // runs that half together with what follows at its next start. Whoever starts Redis has to repair
  // the file first.
  #repair(file) {
    const { status, stdout } = spawnSync('sh', ['-c', 'echo y | redis-check-aof --fix "$0"', file], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`redis-check-aof: ${stdout}`)
  }

  async loseAll() {
    await this.redis.kill9()
    rmSync(this.#aofDir, { recursive: true, force: true })
    this.lengths = []
    await this.revive(this.redis)
  }
}
