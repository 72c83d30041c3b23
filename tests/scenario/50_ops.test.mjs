// What an operator does: stop, reload, start twice, misconfigure, run out of space.

import assert from 'node:assert/strict'
import { statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from './eventually.mjs'
import { run } from './process.mjs'
import { newId, program, scenario, view } from './world.mjs'

scenario('SIGTERM drains: what was acknowledged is in Redis when the collector has gone', {}, async (world) => {
  let acknowledged = 0
  let stopped
  for (let n = 0; n < 300; n++) {
    try {
      const { status } = await world.beacon([view(`/n${n}x`)])
      if (status === 204) acknowledged++
    } catch {
      break // it no longer listens
    }
    if (n === 150) stopped = world.collector.stop()
  }
  assert.deepEqual(await stopped, [0, null])
  assert.ok(acknowledged > 150)
  const report = await eventually('all of it is counted without the collector', async () => {
    const now = await world.report()
    return now.totals.views >= acknowledged && now
  })
  assert.equal(report.totals.views, acknowledged)
  assert.match(world.collector.said(), /collector\.stopped.* pending=0/)

  await world.aggregator.stop()
  await world.aggregator.start()
  await world.collector.start()
  await world.beacon([view('/again')])
  await world.settled({ received: acknowledged + 1 })
  assert.equal((await world.report()).totals.views, acknowledged + 1)
})

scenario('a second collector on the same data directory is refused', {}, async (world) => {
  const second = await world.collectorBeside('second', { data: world.data })
  const { code, err } = await run(program('sentier-collector'), ['--conf', second.conf])
  assert.equal(code, 2)
  assert.match(err, /in use by another collector/)
  assert.ok(err.includes(world.data))
  assert.equal((await world.beacon([view('/first')])).status, 204, 'the first one goes on')
})

scenario('SIGHUP takes up a new site, and refuses a broken file as a whole', {}, async (world) => {
  const hit = () => world.beacon([{ ...view('/'), s: 'blog', u: 'https://blog.example/new' }], { Origin: 'https://blog.example' })
  assert.equal((await hit()).status, 400)
  world.sites.blog = { origins: 'https://blog.example', time_zone: 'Europe/Paris' }
  world.writeConf()
  world.collector.signal('SIGHUP')
  world.aggregator.signal('SIGHUP')
  await eventually('the new site is taken', async () => (await hit()).status === 204)
  const summary = await eventually('and has a summary', async () => world.summary('blog'))
  assert.equal(summary.time_zone, 'Europe/Paris')

  world.sites.blog.tpyo = 1
  world.writeConf()
  world.collector.signal('SIGHUP')
  await eventually('the log says what is wrong', () => /conf\.reload.*tpyo/.test(world.collector.said()))
  assert.equal((await hit()).status, 204, 'the old configuration stays')
})

scenario('what is wrong in the configuration is named with file, line and key', { start: false }, async (world) => {
  const cases = [
    [['[collector]', 'lisen = :8080'], 2, /lisen/],
    [['[collector]', '', 'workers = many'], 3, /workers.*must be/],
    [['[collector]', 'workers = 300'], 2, /workers.*must be/],
    [['[redis]', 'partitions = 0'], 2, /partitions.*must be/],
    [['[site shop]', 'time_zone = Mars/Olympus'], 2, /time_zone.*must be/],
    [['[site shop]', 'origins = shop.example'], 2, /origins.*must be/],
    [['[site Shop!]', 'origins = https://shop.example'], 1, /site/],
    [['[colector]', 'workers = 1'], 1, /colector/],
  ]
  const file = join(world.top, 'wrong.conf')
  for (const [lines, line, what] of cases) {
    writeFileSync(file, lines.join('\n') + '\n')
    const { code, err } = await run(program('sentier-collector'), ['--conf', file])
    assert.equal(code, 2, lines.join(' / '))
    assert.match(err, what)
    const at = Number(err.split(file)[1]?.match(/^:(\d+)/)?.[1])
    // A fault of a whole section is known at its head or at its first key.
    assert.ok(at === line || (/^\[/.test(lines[line - 1]) && at === line + 1), `line ${line} in: ${err}`)
  }
  for (const name of ['sentier-collector', 'sentier-aggregator']) {
    const missing = await run(program(name), ['--conf', join(world.top, 'missing.conf')])
    assert.equal(missing.code, 2)
    assert.match(missing.err, /missing\.conf/)
    assert.equal((await run(program(name), ['--conf', world.conf, '--check-config'])).code, 0)
  }
})

const FREE_GIB = Math.floor(Number(statfsSync('/tmp').bavail) * Number(statfsSync('/tmp').bsize) / 2 ** 30)
scenario('503 takes nothing, and what is sent again then counts once', { collector: { journal_reserve: `${Math.min(1024, FREE_GIB + 64)}G` } }, async (world) => {
  const hits = Array.from({ length: 5 }, (_, i) => view(`/full${i}`, { p: newId() }))
  const refused = await eventually('the collector has seen that the disk is full', async () => {
    const answer = await world.beacon(hits)
    return answer.status === 503 && answer
  })
  assert.ok(Number(refused.headers['retry-after']) >= 1)
  assert.equal((await world.pixel({ s: 'shop', u: 'https://shop.example/p' })).status, 503)
  assert.equal((await world.request({ path: '/healthz' })).status, 503)
  world.options.collector.journal_reserve = 0
  world.writeConf()
  await world.collector.stop()
  await world.collector.start()
  assert.equal((await world.beacon(hits)).status, 204)
  const { received } = await world.settled({ received: 5 })
  const report = await world.report()
  assert.equal(report.totals.views, 5)
  assert.equal(report.ledger.counted, 5)
  assert.equal(received, report.ledger.received)
})

scenario('a client that is too slow is let go, and others are not kept waiting', { collector: { head_timeout_ms: 300, idle_timeout_ms: 300 } }, async (world) => {
  const slow = world.raw('GET /p.gif?s=shop HTTP/1.1\r\nHost: h\r\n')
  const idle = world.raw('GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n')
  assert.equal((await world.beacon([view('/quick')])).status, 204)
  assert.match(await slow, /^(HTTP\/1\.1 408 |$)/)
  assert.match(await idle, /^HTTP\/1\.1 200 /)
  await world.settled({ received: 1 })
})
