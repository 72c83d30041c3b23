// Days that are over are packed. Logs of 500 days, in whatever order they come and whoever is killed
// meanwhile, give the counts that adding up their lines gives, for any range; and dates are those of
// the site's zone, also on the days on which its clocks change.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from './eventually.mjs'
import { run } from './process.mjs'
import { redisCalls } from './redis.mjs'
import { AGENT, program, scenario } from './world.mjs'

const PARTITIONS = 64
const OPEN_DAYS = 6 // the newest date and five before it
const DAY_MS = 24 * 3600 * 1000
const MINUTE_MS = 60 * 1000
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

const logTime = (at) => {
  const [date, time] = new Date(at).toISOString().split('T')
  const [year, month, day] = date.split('-')
  return `${day}/${MONTHS[month - 1]}/${year}:${time.slice(0, 8)} +0000`
}
const line = ({ ip, at, path }) => `${ip} - - [${logTime(at)}] "GET ${path} HTTP/1.1" 200 512 "-" "${AGENT}"`

async function imported(world, name, visits, site) {
  const file = join(world.top, name)
  writeFileSync(file, visits.map((visit) => line(visit) + '\n').join(''))
  const { code, out, err } = await run(program('sentier-import'), ['--site', site, '--conf', world.conf, file])
  assert.equal(code, 0, out + err)
}

function folded(world, weight) {
  const commands = Array.from({ length: PARTITIONS }, (_, n) => ['HGET', `{p${n}}:commit`, 'folded'])
  return eventually(`${weight} lines are folded`, async () => {
    const sum = (await redisCalls(world.socket, commands)).map(Number).reduce((a, b) => a + b, 0)
    if (sum === weight) return true
    throw new Error(`folded ${sum}`)
  }, 120_000)
}

async function report(world, site, from, to) {
  const args = ['report', 'pages', '--site', site, '--from', from, '--to', to, '--format', 'json', '--conf', world.conf, '--redis', `unix:${world.socket}`]
  const { code, out, err } = await run(program('sentier-report'), args)
  assert.equal(code, 0, err)
  return JSON.parse(out)
}

const dateIn = (zone) => {
  const format = new Intl.DateTimeFormat('en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' })
  return (at) => format.format(at)
}

// By looking at every line: views and visitors of each date, views of each page.
function count(visits, dateOf, from, to) {
  const days = new Map()
  const pages = new Map()
  for (const { ip, at, path } of visits) {
    const day = dateOf(at)
    if (day < from || day > to) continue
    if (!days.has(day)) days.set(day, { views: 0, ips: new Set() })
    days.get(day).views++
    days.get(day).ips.add(ip)
    pages.set(path, (pages.get(path) ?? 0) + 1)
  }
  return { days, pages }
}

async function check(world, site, visits, dateOf, from, to) {
  const { days, pages } = count(visits, dateOf, from, to)
  const said = await report(world, site, from, to)
  const views = [...days.values()].reduce((sum, day) => sum + day.views, 0)
  assert.equal(said.totals.views, views, `views from ${from} to ${to}`)
  assert.equal(said.ledger.counted, views)
  for (const { day, views, daily_visitors } of said.days) {
    assert.deepEqual({ views, daily_visitors }, { views: days.get(day)?.views ?? 0, daily_visitors: days.get(day)?.ips.size ?? 0 }, day)
  }
  assert.deepEqual(Object.fromEntries(said.pages.map((row) => [row.page.slice(row.page.indexOf('/')), row.views])), Object.fromEntries(pages))
}

function randomOf(seed) {
  return (n) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return Math.floor(((seed >>> 8) / 2 ** 24) * n)
  }
}

const WINDOW = { sites: { shop: { time_zone: 'Europe/Paris', spread: 2 } }, start: false, aggregator: { batch_hits: 200, days_kept: 600 } }

const first = Date.parse('2024-01-15T00:00:00Z')
function visitsOf500Days(random) {
  const visits = []
  for (let day = 0; day < 500; day++) {
    for (let n = random(12); n > 0; n--) {
      const at = first + day * DAY_MS + random(24 * 60) * MINUTE_MS
      visits.push({ ip: `203.0.113.${random(40)}`, at, path: `/page/n${random(9)}x` })
    }
  }
  return visits.sort((a, b) => a.at - b.at)
}

scenario('any range of 500 imported days is exact, whoever is killed', WINDOW, async (world) => {
  const random = randomOf(64)
  const visits = visitsOf500Days(random)
  // Dates of the older log are packed as soon as they come, and each of its batches opens them again.
  const half = visits[Math.floor(visits.length / 2)].at
  const [newer, older] = [visits.filter(({ at }) => at >= half), visits.filter(({ at }) => at < half)]

  await world.redis.start()
  await world.aggregator.start()
  await imported(world, 'new.log', newer, 'shop')
  await imported(world, 'older.log', older, 'shop')
  for (let kills = 0; kills < 3; kills++) {
    await world.aggregator.kill9()
    await world.aggregator.start()
  }
  await folded(world, visits.length)
  const dateOf = dateIn('Europe/Paris')
  for (let i = 0; i < 15; i++) {
    const a = random(500)
    const b = Math.min(499, a + random(400))
    await check(world, 'shop', visits, dateOf, dateOf(first + a * DAY_MS), dateOf(first + b * DAY_MS))
  }
  const keys = await world.redisCall('KEYS', '{p*')
  const open = (n) => keys.filter((key) => key.startsWith(`{p${n}}:day:shop:`)).length
  const parted = [...new Set(keys.filter((key) => key.includes(':month:shop:')).map((key) => Number(key.match(/\d+/)[0])))]
  assert.equal(parted.length, 2)
  for (const n of parted) assert.ok(open(n) <= OPEN_DAYS, `${open(n)} open days`)
  assert.equal(keys.filter((key) => key.startsWith(`{p${parted[0]}}:month:shop:`)).length, 17)
  console.log(`# ${visits.length} lines of 500 days, ${keys.length} keys`)
})

// The last of the 500 days is 2025-05-28 or the day after: 40 days are kept from 2025-04-01 on, and of 6 months December is the first.
const SHORT = { ...WINDOW, aggregator: { batch_hits: 150, days_kept: 40, months_kept: 6 } }

scenario('days that are kept no more are whole months, and then nothing', SHORT, async (world) => {
  const visits = visitsOf500Days(randomOf(65))
  const dateOf = dateIn('Europe/Paris')
  await world.redis.start()
  await world.aggregator.start()
  await imported(world, 'all.log', visits, 'shop')
  await world.aggregator.kill9()
  await world.aggregator.start()
  await folded(world, visits.length)
  assert.match(dateOf(visits.at(-1).at), /^2025-05-2[89]$/)

  const views = (from, to) => visits.filter(({ at }) => dateOf(at) >= from && dateOf(at) <= to).length
  const months = (said) => Object.fromEntries(said.months.map(({ month, views }) => [month, views]))
  const whole = await report(world, 'shop', '2024-12-01', '2025-05-27')
  assert.equal(whole.totals.views, views('2024-12-01', '2025-05-27'))
  assert.deepEqual([whole.whole, whole.totals.visitors_exact, whole.days_from, whole.days[0].day], [true, true, '2025-04-01', '2025-04-01'])
  assert.deepEqual(months(whole), Object.fromEntries(['2024-12', '2025-01', '2025-02', '2025-03'].map((month) => [month, views(month + '-01', month + '-31')])))

  const part = await report(world, 'shop', '2025-01-15', '2025-04-10')
  assert.equal(part.totals.views, views('2025-02-01', '2025-04-10'))
  assert.deepEqual([part.whole, part.totals.visitors_exact, part.months.length], [false, false, 2])
  assert.equal((await report(world, 'shop', '2024-10-01', '2024-11-30')).totals.views, 0, 'months that are gone')
  await check(world, 'shop', visits, dateOf, '2025-04-01', '2025-05-29')
  const keys = await world.redisCall('KEYS', '{p*}:month:shop:*')
  assert.deepEqual([...new Set(keys.map((key) => key.slice(-6)))].sort(), ['202504', '202505'])
})

// Two switches of each zone: an hour, half an hour, and one at midnight, which some dates do not have.
const SWITCHES = [
  ['Europe/Paris', '2024-03-31', '2024-10-27'],
  ['America/Sao_Paulo', '2018-02-18', '2018-11-04'],
  ['Australia/Lord_Howe', '2024-04-07', '2024-10-06'],
]
const ZONES = {
  sites: Object.fromEntries(SWITCHES.map(([time_zone], i) => [`zone${i}`, { time_zone }])),
  start: false,
}

scenario('dates are those of the zone on the days on which clocks change', ZONES, async (world) => {
  await world.redis.start()
  await world.aggregator.start()
  let weight = 0
  for (const [i, [zone, ...dates]] of SWITCHES.entries()) {
    const visits = []
    for (const date of dates) {
      const noon = Date.parse(date + 'T12:00:00Z')
      for (let at = noon - 2 * DAY_MS; at < noon + 2 * DAY_MS; at += 15 * MINUTE_MS) {
        visits.push({ ip: `203.0.113.${visits.length % 20}`, at, path: `/at/n${visits.length % 5}x` })
      }
    }
    await imported(world, `${i}.log`, visits, `zone${i}`)
    await folded(world, (weight += visits.length))
    const dateOf = dateIn(zone)
    const lengths = new Set()
    for (const date of dates) {
      const day = Date.parse(date + 'T00:00:00Z')
      const name = (n) => new Date(day + n * DAY_MS).toISOString().slice(0, 10)
      for (const n of [-1, 0, 1]) {
        await check(world, `zone${i}`, visits, dateOf, name(n), name(n))
        lengths.add(count(visits, dateOf, name(n), name(n)).days.get(name(n)).views)
      }
      await check(world, `zone${i}`, visits, dateOf, name(-1), name(1))
    }
    // Quarters of an hour: both switches are among these days.
    const change = zone.includes('Lord') ? 2 : 4
    assert.deepEqual([...lengths].sort(), [96 - change, 96, 96 + change].sort(), zone)
  }
})
