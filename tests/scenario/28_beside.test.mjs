// Collectors and imports beside each other: what one has, the other knows in time, and nobody waits
// for somebody who ships.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from './eventually.mjs'
import { program, scenario, view } from './world.mjs'

// The same browser at two collectors, which have salts of their own when they meet.
scenario('a new collector knows the salts before its first hit', {}, async (world) => {
  assert.equal((await world.beacon([view('/first')])).status, 204)
  const second = await world.collectorBeside('second')
  await second.start()
  const salts = [world.salts, world.salts + '-second'].map((file) => readFileSync(file, 'utf8'))
  assert.equal(salts[0], salts[1], 'the very first hit is under the same salt')
  const body = '' + new URLSearchParams(view('/second'))
  const headers = { 'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36', 'Accept-Language': 'en', Origin: 'https://shop.example' }
  assert.equal((await world.request({ port: second.port, path: '/b', method: 'POST', headers, body })).status, 204)
  await eventually('both are counted', async () => (await world.report()).totals.views === 2)
  assert.equal((await world.report()).totals.daily_visitors, 1)
})

const LINES = 20_000
const logLine = (n) => `192.0.2.${n % 250} - - [01/Jun/2026:10:${String(Math.floor(n / 400) % 60).padStart(2, '0')}:00 +0000] "GET /log/n${n}x HTTP/1.1" 200 100 "-" "Mozilla/5.0 (X11; Linux x86_64) Chrome/126.0.0.0"\n`

// The import cannot let go by itself: it is stopped with the lock in its hands.
scenario('a collector that starts while an import ships serves at once', { start: false, collector: { workers: 1, stream_max: '1M' } }, async (world) => {
  await world.redis.start()
  const log = join(world.top, 'access.log')
  writeFileSync(log, Array.from({ length: LINES }, (_, n) => logLine(n)).join(''))
  const args = ['--conf', world.conf, '--site', 'shop', log]
  const importing = spawn(program('sentier-import'), args, { stdio: 'ignore' })
  const ended = new Promise((done) => importing.once('exit', (code) => done(code)))
  try {
    const streamed = async () => Number(await world.redisCall('EVAL', "local n = 0 for i = 0, 63 do n = n + (tonumber(redis.call('HGET', '{p' .. i .. '}:meta', 'shipped') or '0')) end return n", '0'))
    await eventually('the import ships', async () => (await streamed()) > 0)
    importing.kill('SIGSTOP')
    await world.collector.start()
    const shipped = await streamed()
    assert.equal((await world.beacon([view('/live')])).status, 204)
    await eventually('the hit waits on disk', async () => {
      const { ledger, shipper } = await world.stats()
      return ledger.received === LINES + 1 && ledger.pending > 0 && shipper.batches === 0
    })
    assert.equal(await streamed(), shipped)
    assert.match(world.collector.said(), /ship\.wait/)
    importing.kill('SIGCONT')
    await world.aggregator.start()
    assert.equal(await ended, 0)
    await world.settled({ received: LINES + 1 })
  } finally {
    importing.kill('SIGKILL')
  }
})
