// A log of many days, each with a view of many pages, goes through the import and the aggregator. Then
// every packed day is taken apart into the hash that it was while it was open, in the same Redis, and
// what Redis uses is looked at before and after.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { inflateSync } from 'node:zlib'
import { AGENT, World, eventually, options, run } from './bench.mjs'
import { program } from '../scenario/world.mjs'
import { redisCalls } from '../scenario/redis.mjs'

const given = options(
  { days: 100, pages: 5000, target: 3 },
  `usage: tests/bench/days [--days 100] [--pages 5000] [--target 3]

  --target    exits 1 when the hashes take less than so many times the memory of the packed days`
)
const DAY_MS = 24 * 3600 * 1000
const PARTITIONS = 64
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

const logTime = (at) => {
  const [date, time] = new Date(at).toISOString().split('T')
  const [year, month, day] = date.split('-')
  return `${day}/${MONTHS[month - 1]}/${year}:${time.slice(0, 8)} +0000`
}

// Few pages are seen often, most of them once or twice a day.
async function writeLog(path) {
  const out = createWriteStream(path)
  const first = Date.parse('2025-01-01T06:00:00Z')
  let lines = 0
  for (let day = 0; day < given.days; day++) {
    const text = []
    for (let page = 0; page < given.pages; page++) {
      const views = 1 + Math.floor(50 / (page + 1)) + ((page * 31 + day * 17) % 7 === 0 ? 1 : 0)
      for (let view = 0; view < views; view++) {
        const n = text.length
        const at = logTime(first + day * DAY_MS + n * 5000)
        text.push(`203.${n % 200}.113.${(n * 7 + day) % 250} - - [${at}] "GET /products/item-${page}x HTTP/1.1" 200 512 "-" "${AGENT}"\n`)
      }
    }
    lines += text.length
    if (!out.write(text.join(''))) await once(out, 'drain')
  }
  out.end()
  await once(out, 'close')
  return lines
}

const folded = async () => {
  const commands = Array.from({ length: PARTITIONS }, (_, n) => ['HGET', `{p${n}}:commit`, 'folded'])
  return (await redisCalls(world.socket, commands)).map(Number).reduce((a, b) => a + b, 0)
}

async function usedMemory() {
  const info = await world.redisCall('INFO', 'memory')
  return Number(info.match(/used_memory:(\d+)/)[1])
}

function* rowsOf(packed) {
  const bytes = Buffer.from(packed, 'latin1')
  const varint = (from, at) => {
    let n = 0
    for (let shift = 0; ; shift += 7) {
      n += (from[at] & 0x7f) * 2 ** shift
      if (from[at++] < 0x80) return [n, at]
    }
  }
  const [length, begin] = varint(bytes, 1)
  const rows = inflateSync(bytes.subarray(begin))
  assert.equal(rows.length, length)
  for (let at = 0; at < rows.length; ) {
    const pair = []
    for (let i = 0; i < 2; i++) {
      const [n, from] = varint(rows, at)
      pair.push(rows.subarray(from, (at = from + n)))
    }
    yield pair
  }
}

// Every packed day as the hash it was.
async function unpack(months) {
  let [days, rows, bytes] = [0, 0, 0]
  for (const month of months) {
    const all = await world.redisCall('HGETALL', month)
    for (let i = 0; i < all.length; i += 2) {
      const pairs = [...rowsOf(all[i + 1])]
      const key = month.replace(':month:', ':day:') + all[i]
      for (let from = 0; from < pairs.length; from += 1000) await world.redisCall('HSET', key, ...pairs.slice(from, from + 1000).flat())
      days++
      rows += pairs.length
      bytes += all[i + 1].length
    }
  }
  return { days, rows, bytes }
}

const number = (n) => Math.round(n).toLocaleString('en')
const world = await World.lay({ sites: { shop: { origins: 'https://shop.example' } }, collector: { stream_max: '8G' } })
let reached = false
try {
  const log = join(world.top, 'access.log')
  const lines = await writeLog(log)
  await world.redis.start()
  await world.aggregator.start()
  const { code, err } = await run(program('sentier-import'), ['--site', 'shop', '--conf', world.conf, '--quiet', log], 600_000)
  assert.equal(code, 0, err)
  await eventually('all lines are folded', async () => (await folded()) === lines, 600_000)
  await world.aggregator.stop()
  console.log(`${number(lines)} lines: ${given.days} days of ${number(given.pages)} pages`)

  const months = await world.redisCall('KEYS', '{p*}:month:shop:*')
  const drop = async (keys) => {
    for (const key of keys) await world.redisCall('DEL', key)
  }
  await drop(await world.redisCall('KEYS', '{p*}:day:shop:*')) // those that are open
  const packed = await usedMemory()
  const { days, rows, bytes } = await unpack(months)
  await drop(months)
  const hashes = await usedMemory()
  await drop(await world.redisCall('KEYS', '{p*}:day:shop:*'))
  const nothing = await usedMemory()
  const [asHashes, asPacked] = [hashes - nothing, packed - nothing]
  const ratio = asHashes / asPacked
  const mib = (n) => (n / 2 ** 20).toFixed(1)
  console.log(`${days} packed days, ${number(rows)} rows in ${number(bytes)} bytes`)
  console.log(`used_memory of them: ${mib(asHashes)} MiB as hashes (${(asHashes / rows).toFixed(1)} bytes a row), ${mib(asPacked)} MiB packed (${(asPacked / rows).toFixed(1)} bytes a row)`)
  reached = ratio >= given.target
  console.log(`${ratio.toFixed(2)} times less; ${reached ? 'reached' : 'MISSED'} the target of ${given.target}`)
} finally {
  const problems = await world.end()
  for (const problem of problems) console.error(problem)
}
process.exitCode = reached ? 0 : 1
