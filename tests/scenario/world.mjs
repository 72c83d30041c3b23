// A whole Sentier for one test: its own data directory, a real Redis, collector and aggregator on
// free loopback ports, all stopped by their pids when the test ends. The programs are taken from
// $SENTIER_BUILD (default build/debug), so the same tests run on every kind of build.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually } from './eventually.mjs'
import { Process, run } from './process.mjs'
import { redisCalls } from './redis.mjs'

const TOP = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const BUILD = resolve(TOP, process.env.SENTIER_BUILD || 'build/debug')
const PARTITIONS = 64

export const program = (name) => join(BUILD, name)

export const AGENT = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36'
export const ORIGIN = 'https://shop.example'

// Below the ports that the kernel gives to outgoing connections. tests/run gives each of those that run
// at a time some of its own, for a port that is only found free can be taken before it is used.
const [FIRST_PORT, LAST_PORT] = (process.env.SENTIER_PORTS ?? '10240-20239').split('-').map(Number)
export const somePort = (step = 1) => FIRST_PORT + step * Math.floor((Math.random() * (LAST_PORT + 1 - FIRST_PORT)) / step)

// Never one twice in a process.
const given = new Set()
export async function freePort() {
  for (;;) {
    const port = somePort()
    if (given.has(port)) continue
    given.add(port)
    const server = createServer()
    const free = await new Promise((done) => {
      server.once('error', () => done(false))
      server.listen(port, '127.0.0.1', () => done(true))
    })
    if (!free) continue
    await new Promise((done) => server.close(done))
    return port
  }
}

const section = (name, options) =>
  `[${name}]\n${Object.entries(options).map(([key, value]) => `${key} = ${value}\n`).join('')}\n`

// A test with a world of its own. options: { sites: {NAME: {...}}, collector: {...},
// aggregator: {...}, start: false }
export function scenario(name, options, body) {
  test(name, async (t) => {
    const world = await World.lay(options)
    let failure
    try {
      if (options.start !== false) await world.startAll()
      await body(world, t)
    } catch (error) {
      failure = error
      for (const one of world.processes) console.error(one.tail())
    }
    const problems = await world.end()
    if (failure) throw failure
    assert.deepEqual(problems, [], 'every process ends clean')
  })
}

// Fields of a hit, a list as one field several times.
const pairsOf = (line) => Object.entries(line).flatMap(([name, value]) => [value].flat().map((one) => [name, one]))

export class World {
  static async lay(options) {
    const world = new World()
    await world.#layOut(options)
    return world
  }

  async #layOut({ sites = { shop: { origins: ORIGIN } }, collector = {}, aggregator = {} }) {
    this.top = mkdtempSync(join(tmpdir(), 'sentier-world-'))
    this.data = join(this.top, 'data')
    this.salts = join(mkdtempSync('/dev/shm/sentier-world-'), 'salts')
    mkdirSync(this.data)
    this.socket = join(this.data, 'redis.sock')
    this.conf = join(this.top, 'sentier.conf')
    this.sites = sites
    const [port, admin, aggregatorAdmin] = [await freePort(), await freePort(), await freePort()]
    Object.assign(this, { port, admin, aggregatorAdmin })
    this.options = {
      collector: {
        listen: `127.0.0.1:${port}`, admin: `127.0.0.1:${admin}`, data: this.data, workers: 2,
        salt_file: this.salts, journal_reserve: 0, ...collector,
      },
      aggregator: { admin: `127.0.0.1:${aggregatorAdmin}`, name: 'world', ...aggregator },
      redis: { redis: `unix:${this.socket}`, partitions: PARTITIONS },
    }
    this.writeConf()
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 32 })
    this.redis = this.#redis()
    this.collector = this.#program('sentier-collector', port, '/healthz')
    this.aggregator = this.#program('sentier-aggregator', aggregatorAdmin, '/stats')
    this.processes = [this.redis, this.collector, this.aggregator]
  }

  writeConf(file = this.conf, options = this.options) {
    const sites = Object.entries(this.sites).map(([name, site]) => section(`site ${name}`, site))
    const programs = Object.entries(options).map(([name, values]) => section(name, values))
    writeFileSync(file, [...programs, ...sites].join(''))
  }

  #redis() {
    const args = [
      '--port', '0', '--unixsocket', this.socket, '--dir', this.data, '--save', '', '--appendonly', 'yes',
      '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction',
    ]
    const ready = async () => (await redisCalls(this.socket, [['PING']]))[0] === 'PONG'
    return new Process({ name: 'redis-server', command: 'redis-server', args, log: join(this.top, 'redis.log'), ready })
  }

  #program(name, port, path, { conf = this.conf, log = `${name}.log` } = {}) {
    // It may be up and say that it cannot store.
    const ready = async () => [200, 503].includes((await this.request({ port, path })).status)
    return new Process({ name, command: program(name), args: ['--conf', conf], log: join(this.top, log), ready })
  }

  async startAll() {
    for (const one of this.processes) await one.start()
  }

  // Another collector for the same Redis, with a data directory of its own unless `more` says so.
  async collectorBeside(name, more = {}) {
    const [port, admin] = [await freePort(), await freePort()]
    const data = join(this.top, name)
    const conf = join(this.top, `${name}.conf`)
    const own = { listen: `127.0.0.1:${port}`, admin: `127.0.0.1:${admin}`, data, salt_file: this.salts + '-' + name, ...more }
    this.writeConf(conf, { ...this.options, collector: { ...this.options.collector, ...own } })
    const one = this.#program('sentier-collector', port, '/healthz', { conf, log: `${name}.log` })
    this.processes.push(one)
    return Object.assign(one, { port, admin, data: own.data, conf })
  }

  // Another aggregator for the same Redis.
  async aggregatorBeside(name, more = {}) {
    const admin = await freePort()
    const conf = join(this.top, `${name}.conf`)
    this.writeConf(conf, { ...this.options, aggregator: { ...this.options.aggregator, admin: `127.0.0.1:${admin}`, name, ...more } })
    const one = this.#program('sentier-aggregator', admin, '/stats', { conf, log: `${name}.log` })
    this.processes.push(one)
    return Object.assign(one, { admin, conf })
  }

  // ---- requests

  // {status, headers, body}; body is a Buffer.
  request({ port = this.port, path, method = 'GET', headers = {}, body }) {
    return new Promise((resolve, reject) => {
      const req = http.request({ host: '127.0.0.1', port, path, method, headers, agent: this.agent, timeout: 60_000 })
      req.on('timeout', () => req.destroy(new Error(`no answer: ${method} ${path.slice(0, 80)}`)))
      req.on('error', reject)
      req.on('response', (res) => {
        const chunks = []
        res.on('data', (chunk) => chunks.push(chunk))
        res.on('error', reject)
        res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(chunks) }))
      })
      req.end(body)
    })
  }

  pixel(fields, headers = {}) {
    const path = '/p.gif?' + new URLSearchParams(fields)
    return this.request({ path, headers: { 'User-Agent': AGENT, 'Accept-Language': 'en', ...headers } })
  }

  // lines: objects of fields, or strings as they are.
  beacon(lines, headers = {}, path = '/b') {
    const body = lines.map((line) => (typeof line === 'string' ? line : '' + new URLSearchParams(pairsOf(line)))).join('\n')
    return this.post(body, headers, path)
  }

  post(body, headers = {}, path = '/b') {
    const browser = { 'User-Agent': AGENT, 'Accept-Language': 'en', 'Content-Type': 'text/plain;charset=UTF-8', Origin: ORIGIN }
    return this.request({ path, method: 'POST', headers: { ...browser, ...headers }, body })
  }

  // Bytes as they are; what comes back until the other side closes, or `enough` says so.
  raw(bytes, enough = () => false) {
    return new Promise((resolve, reject) => {
      const socket = connect(this.port, '127.0.0.1')
      let answer = ''
      socket.setTimeout(20_000, () => socket.destroy(new Error(`no end of the answer: ${JSON.stringify(answer)}`)))
      socket.on('connect', () => socket.write(bytes))
      socket.on('error', reject)
      socket.on('data', (chunk) => {
        answer += chunk.toString('latin1')
        if (enough(answer)) socket.end()
      })
      socket.on('close', () => resolve(answer))
    })
  }

  // ---- what became of it

  async stats(port = this.admin) {
    return JSON.parse((await this.request({ port, path: '/stats' })).body)
  }

  redisCall(...args) {
    return redisCalls(this.socket, [args]).then(([reply]) => reply)
  }

  // Weight that ever went into the streams, and that was folded out of them.
  async #streams() {
    const keys = Array.from({ length: PARTITIONS }, (_, n) => [['HGET', `{p${n}}:meta`, 'shipped'], ['HGET', `{p${n}}:commit`, 'folded']])
    const replies = (await redisCalls(this.socket, keys.flat())).map(Number)
    const sum = (parity) => replies.filter((_, i) => i % 2 === parity).reduce((a, b) => a + b, 0)
    return { shipped: sum(0), folded: sum(1) }
  }

  // Waits until nothing is pending anywhere: all `received` hits are in the journals, what is in
  // them is in Redis, and what is in Redis is folded.
  async settled({ received, withinMs }) {
    assert.ok(received > 0, 'what was acknowledged may not be in the figures yet: say how much that is')
    return eventually(
      `settled with ${received} received`,
      async () => {
        const { ledger } = await this.stats()
        const { shipped, folded } = await this.#streams()
        if (ledger.received >= received && ledger.pending === 0 && shipped === ledger.received && folded === shipped) return ledger
        throw new Error(JSON.stringify({ ...ledger, streams: { shipped, folded } }))
      },
      withinMs
    )
  }

  // The published document, as any program would read it; null before there is one.
  async summary(site = 'shop', range = 'today') {
    const json = await this.redisCall('GET', `sentier:v1:summary:${site}:${range}`)
    return json && JSON.parse(Buffer.from(json, 'latin1'))
  }

  async document(name, site = 'shop') {
    const json = await this.redisCall('GET', `sentier:v1:${name}:${site}`)
    return json && JSON.parse(Buffer.from(json, 'latin1'))
  }

  // The same, computed by the command line.
  async report(site = 'shop', ...more) {
    const args = ['report', 'pages', '--conf', this.conf, '--site', site, '--last', '2d', '--format', 'json', '--redis', `unix:${this.socket}`, ...more]
    const { code, out, err } = await run(program('sentier-report'), args)
    assert.equal(code, 0, `sentier-report: ${err}`)
    return JSON.parse(out)
  }

  // ---- the end

  // Stops everything; what was wrong with how it ended, or with what it said.
  async end() {
    const problems = []
    for (const one of [...this.processes].reverse()) {
      if (!one.running) continue
      try {
        const exit = await one.stop()
        if (exit[0] !== 0) problems.push(`${one.name} ended with ${exit}`)
      } catch (error) {
        problems.push(error.message)
        await one.kill9()
      }
    }
    this.agent.destroy()
    problems.push(...this.processes.flatMap((one) => one.findings()))
    rmSync(this.top, { recursive: true, force: true })
    rmSync(dirname(this.salts), { recursive: true, force: true })
    return problems
  }
}

// A pageview as the tracker would tell it.
export const newId = () => randomBytes(8).readBigUInt64LE().toString(36)
export const view = (path, more = {}) => ({ s: 'shop', k: 'pv', u: ORIGIN + path, p: newId(), n: 0, a: 0, b: 0, ...more })

export const page = (report, path) => report.pages.find((one) => one.page === 'shop.example' + path)
