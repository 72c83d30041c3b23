// The stack under test: collectors, aggregators and the Redis behind them. A fault asks it for the
// parts and puts them back; what only this kind of Redis can do is a method here, so that another
// kind of stack brings its own. This is the stand-alone one.

import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, cpSync, existsSync, ftruncateSync, openSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../scenario/eventually.mjs'
import { redisCalls } from '../scenario/redis.mjs'
import { World } from '../scenario/world.mjs'
import { Relay } from './relay.mjs'

const PARTITIONS = 64
const SPREAD = 8
const LENGTHS_EVERY_MS = 50

export class Standalone {
  // plan: { collector, aggregator, relay, tmpfs (bytes), aggregators }
  static async start(plan) {
    const stack = new Standalone()
    try {
      await stack.#start(plan)
    } catch (error) {
      await stack.end()
      throw error
    }
    return stack
  }

  async #start(plan) {
    const sites = { shop: { origins: 'https://shop.example', spread: SPREAD } }
    const world = await World.lay({ sites, collector: { workers: 2, ...plan.collector }, aggregator: plan.aggregator })
    Object.assign(this, { world, top: world.top, redis: world.redis, problems: [], mounts: [], old: [] })
    this.redis.args.push('--enable-debug-command', 'yes', '--loading-process-events-interval-bytes', '1024', '--auto-aof-rewrite-percentage', '0')
    world.options.collector.data = join(this.top, 'journals')
    if (plan.tmpfs) this.mount(world.options.collector.data, plan.tmpfs)
    if (plan.relay) {
      this.relay = new Relay(join(this.top, 'relay.sock'), world.socket)
      await this.relay.start()
      world.options.redis.redis = `unix:${this.relay.from}`
    }
    world.writeConf()
    this.collectors = [Object.assign(world.collector, { port: world.port, admin: world.admin, data: world.options.collector.data, conf: world.conf })]
    this.aggregators = [world.aggregator]
    for (let n = 1; n < (plan.aggregators ?? 1); n++) this.aggregators.push(await world.aggregatorBeside(`aggregator${n}`))
    for (const one of [this.redis, ...this.aggregators, ...this.collectors]) await one.start()
    this.#follow()
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
    }, 60_000)
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
    return this.world.redisCall(...args)
  }

  calls(commands) {
    return redisCalls(this.world.socket, commands)
  }

  // ---- what only this kind of Redis can do

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

  // From then on the partitions of the site exist, and what Redis forgets is never all of one.
  async born() {
    const births = () => this.calls(Array.from({ length: PARTITIONS }, (_, n) => ['HEXISTS', `{p${n}}:meta`, 'birth']))
    await eventually('all partitions of the site are born', async () => (await births()).filter(Boolean).length === SPREAD)
    this.lengths = []
    return this.remembered()
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

  // What a report needs to know of a Redis. Programs that run do not tell an emptied one again.
  async nameDataSet() {
    if (await this.call('EXISTS', 'sentier:dataset')) return
    this.problems.push('data set: an emptied Redis has no sentier:dataset until a program is restarted; reports refuse')
    await this.stop(this.collectors[0])
    await this.revive(this.collectors[0])
  }

  // Data directories, and copies that were put aside: every journal there has been.
  get journals() {
    return [...this.collectors.map((one) => one.data), ...this.old]
  }

  // Ends everything; problems that were found on the way and at the end.
  async end(keep) {
    clearInterval(this.following)
    if (keep && this.top) cpSync(this.top, keep, { recursive: true, filter: (path) => !statSync(path).isSocket() })
    const world = this.world
    if (!world) return []
    for (const one of [...world.processes].reverse()) if (one.running && one !== world.redis) await this.stop(one).catch((error) => this.problems.push(error.message))
    for (const dir of this.mounts) execFileSync('umount', ['-l', dir])
    await this.relay?.stop()
    return [...this.problems, ...(await world.end())]
  }
}
