// Access logs: every line has one fate and one alone, however often, in whatever state and by
// whatever way the file comes, and whatever is killed meanwhile.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import { eventually } from './eventually.mjs'
import { run } from './process.mjs'
import { redisCalls } from './redis.mjs'
import { AGENT, program, scenario, view } from './world.mjs'

const PARTITIONS = 64
const BOT = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)'
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

const two = (n) => String(n).padStart(2, '0')
function logTime(at) {
  const d = new Date(at)
  return `${two(d.getUTCDate())}/${MONTHS[d.getUTCMonth()]}/${d.getUTCFullYear()}:${d.toISOString().slice(11, 19)} +0000`
}

// A line of the combined format. at: ms, or text like 2024-03-01T10:00:00.
function line({ ip = '203.0.113.7', at = '2024-03-01T10:00:00', path = '/', status = 200, agent = AGENT, method = 'GET', host = '', from = '-' }) {
  const time = logTime(typeof at === 'number' ? at : Date.parse(at + 'Z'))
  return `${host && host + ' '}${ip} - - [${time}] "${method} ${path} HTTP/1.1" ${status} 512 "${from}" "${agent}"`
}
const file = (world, name, lines, { end = '\n' } = {}) => {
  const path = join(world.top, name)
  writeFileSync(path, typeof lines === 'string' ? lines : lines.join('\n') + end)
  return path
}

// Visits of `people` addresses, a page each, second by second.
const visits = (n, { day = '2024-03-01', people = 10, from = 0, ...more } = {}) =>
  Array.from({ length: n }, (_, i) =>
    line({ at: Date.parse(day + 'T08:00:00Z') + (from + i) * 1000, ip: `203.0.113.${(from + i) % people}`, path: `/page/${(from + i) % 7}`, ...more })
  )

const importer = (world, files, { site = 'shop', more = [] } = {}) => [
  program('sentier-import'), ['--site', site, '--conf', world.conf, ...more, ...[files].flat()],
]
const importing = (world, files, options) => run(...importer(world, files, options))

async function imported(world, files, options) {
  const did = await importing(world, files, options)
  assert.equal(did.code, 0, did.out + did.err)
  return did.out
}

async function refused(world, files, message, options) {
  const did = await importing(world, files, options)
  assert.notEqual(did.code, 0, did.out)
  assert.match(did.err, message)
  return did
}

// Everything in the streams is folded.
function folded(world, weight) {
  return eventually(`${weight} lines are folded`, async () => {
    const commands = Array.from({ length: PARTITIONS }, (_, n) => ['HGET', `{p${n}}:commit`, 'folded'])
    const sum = (await redisCalls(world.socket, commands)).map(Number).reduce((a, b) => a + b, 0)
    if (sum === weight) return true
    throw new Error(`folded ${sum}`)
  })
}

async function report(world, from, to = from, { site = 'shop', list = 'pages' } = {}) {
  const args = ['report', list, '--site', site, '--from', from, '--to', to, '--format', 'json', '--redis', `unix:${world.socket}`]
  const { code, out, err } = await run(program('sentier-report'), args)
  assert.equal(code, 0, err)
  return JSON.parse(out)
}

const hitsOf = (report) => report.totals.views + report.totals.bot_views
const path = (row) => row.page.slice(row.page.indexOf('/'))
const pagesOf = (report) => Object.fromEntries(report.pages.map((row) => [path(row), row.views + row.bot_views]).filter(([, n]) => n > 0))

async function startWithoutCollector(world) {
  await world.redis.start()
  await world.aggregator.start()
}

// All that Redis holds but the leases and the register of aggregators, which are renewed all the time.
// What is published says when it was made, and is made again when a minute or a day begins.
async function everything(world) {
  const keys = (await world.redisCall('KEYS', '*')).filter((key) => !/:lease$|^sentier:aggregators$|^sentier:v1:/.test(key)).sort()
  const values = await redisCalls(world.socket, keys.map((key) => ['DUMP', key]))
  return Object.fromEntries(keys.map((key, i) => [key, values[i]]))
}

const alone = { start: false }

scenario('every line is a page, left out or unreadable, and says so', alone, async (world) => {
  await startWithoutCollector(world)
  const future = Date.now() + 10 * 86400_000
  const log = file(world, 'access.log', [
    line({ path: '/' }),
    line({ path: '/a/index.html', at: '2024-03-01T09:00:00' }), // time goes back
    line({ path: '/a/?utm_source=x', agent: BOT }),
    line({ path: '/gone', status: 404 }),
    line({ path: '/logo.png' }),
    line({ path: '/logo.png', status: 404 }),
    line({ path: '/blog/feed/' }),
    line({ path: '/form', method: 'POST' }),
    line({ path: '/old', status: 301 }),
    line({ path: '/v', host: 'shop.example:443' }),
    line({ path: '/v', host: 'another.example' }),
    line({ path: 'http://proxied.example/x' }),
    line({ path: '/leap', at: '2024-03-02T23:59:59' }).replace(':59 +', ':60 +'),
    line({ path: '/crlf' }) + '\r',
    line({ path: '/next-year', at: future }),
    '203.0.113.7 - Jo van Dam [01/Mar/2024:10:00:00 +0000] "GET /user HTTP/1.0" 200 1',
    'host.example - - [01/Mar/2024:10:00:00 +0000] "GET /named HTTP/1.0" 200 1',
    '2001:db8::1 - - [01/Mar/2024:10:00:00 +0000] "\\x16\\x03\\x01" 400 1 "-" "-"',
    '203.0.113.7 - - [01/Mar/2024:10:00:00 +0000] "-" 408 - "-" "-"',
    '203.0.113.7 - - [01/Mar/2024:10:00:00 +0000] "GET /cut HTTP/1.1" 200 5 "-" "Mozi',
    '\0\0\0\0',
    'x'.repeat(100_000),
    '',
    line({ path: '/last' }),
  ])
  const out = await imported(world, log)
  assert.match(out, /24 lines/)
  assert.match(out, /pages +10 +\(1 by bots, 1 not found\)/)
  assert.match(out, /left out +9 /)
  for (const why of ['2 an asset', '1 a feed', '1 not a GET', '1 no page was shown', '2 another host', '2 no HTTP request']) assert.ok(out.includes(why), `${why}: ${out}`)
  assert.match(out, /unreadable +5 +\(line 15, 20, 21, 22, 23\)/)
  await folded(world, 24)
  const all = await report(world, '2024-03-01', '2024-03-02')
  assert.deepEqual(pagesOf(all), { '/': 1, '/a': 2, '/gone': 1, '/v': 1, '/leap': 1, '/crlf': 1, '/user': 1, '/named': 1, '/last': 1 })
  assert.equal(hitsOf(await report(world, '2024-03-02')), 1, 'a leap second counts to its own day')
  const { ledger } = all
  assert.deepEqual([ledger.received, ledger.counted, ledger.left_out, ledger.malformed], [24, 10, 9, 5])
})

scenario('the same file again changes nothing, however it comes', alone, async (world) => {
  await startWithoutCollector(world)
  const lines = visits(3000)
  const log = file(world, 'access.log', lines)
  const packed = join(world.top, 'access.log.gz')
  const half = lines.length / 2
  const members = [lines.slice(0, half), lines.slice(half)].map((part) => gzipSync(part.join('\n') + '\n'))
  writeFileSync(packed, Buffer.concat(members))
  await imported(world, log)
  await folded(world, 3000)
  await eventually('the summaries say so', async () => {
    const all = await Promise.all(['today', '7d', '28d'].map((range) => world.summary('shop', range)))
    return all.every((one) => one && hitsOf(one) === 3000)
  })
  const before = await everything(world)
  for (const again of [log, packed, file(world, 'access.log.1', lines)])
    assert.match(await imported(world, again), /nothing new/)
  assert.match(await fromStdin(world, readFileSync(log)), /standard input: 3000 lines[^]*nothing new/)
  const after = await everything(world)
  assert.deepEqual(Object.keys(after), Object.keys(before))
  assert.deepEqual(Object.keys(before).filter((key) => before[key] !== after[key]), [], 'keys that changed')
  assert.equal(hitsOf(await report(world, '2024-03-01')), 3000)
})

async function fromStdin(world, bytes, more = []) {
  const [command, args] = importer(world, '-', { more })
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let out = ''
  child.stdout.on('data', (text) => (out += text))
  child.stderr.on('data', (text) => (out += text))
  child.stdin.end(bytes)
  const [code] = await once(child, 'close')
  assert.equal(code, 0, out)
  return out
}

scenario('two sites may import the same file', { ...alone, sites: { shop: {}, blog: {} } }, async (world) => {
  await startWithoutCollector(world)
  const log = file(world, 'access.log', visits(500))
  await imported(world, log)
  await imported(world, log, { site: 'blog' })
  await folded(world, 1000)
  for (const site of ['shop', 'blog']) assert.equal(hitsOf(await report(world, '2024-03-01', '2024-03-01', { site })), 500)
})

// Of 25 months May 2022 is the first when the newest day is in May 2024.
scenario('what is too old for every report is told', alone, async (world) => {
  await startWithoutCollector(world)
  const months = ['2020-02-29', '2022-03-31', '2022-04-30', '2022-05-01', '2023-01-01', '2024-04-30']
  const lines = months.flatMap((day, i) => visits(i + 1, { day }))
  const asset = line({ path: '/logo.png', at: '2020-01-01T00:00:00' })
  const log = file(world, 'access.log', [asset, ...lines])
  assert.match(await imported(world, log, { more: ['--dry-run'] }), /too old +3 +\(new pages from before 2022-04-01;/)
  assert.match(await imported(world, log, { more: ['--dry-run', '--set', 'aggregator.months_kept=60'] }), /unreadable +0\n$/)
  assert.match(await imported(world, log), /too old +3 +\(new pages from before 2022-04-01;[^]*months_kept = 25\)/)
  await folded(world, lines.length + 1)
  const all = () => report(world, '2020-01-01', '2024-05-31')
  assert.deepEqual([hitsOf(await all()), (await all()).ledger.counted], [lines.length - 3, lines.length - 3])

  const newest = file(world, 'newest.log', visits(5, { day: '2024-05-01' }))
  assert.match(await imported(world, newest), /unreadable +0\n$/, 'nothing of it is')
  const between = file(world, 'between.log', visits(7, { day: '2022-04-02' }))
  assert.match(await imported(world, between, { more: ['--force'] }), /too old +7 +\(new pages from before 2022-05-01;/)
  assert.match(await imported(world, between), /nothing new/)
  await folded(world, lines.length + 1 + 5 + 7)
  assert.equal(hitsOf(await all()), lines.length - 3 - 3 + 5)
})

scenario('a file that has grown goes on where it ended', alone, async (world) => {
  await startWithoutCollector(world)
  const lines = visits(2000)
  const whole = lines.join('\n') + '\n'
  const log = file(world, 'access.log', '')
  let written = 0
  const growTo = (bytes) => {
    appendFileSync(log, whole.slice(written, bytes))
    written = bytes
  }
  assert.match(await imported(world, log), / 0 lines/)
  growTo(50) // less than a line
  assert.match(await imported(world, log), / 0 lines[^]*has no end yet/)
  const cuts = [
    [lines[0].length + 1, 1], // a head of one line
    [lines[0].length + 1 + lines[1].length, 2], // whole, but for its line end
    [lines.slice(0, 100).join('\n').length - AGENT.length - 10, 99], // before the agent: it looks like the common format
    [lines.slice(0, 300).join('\n').length - 5, 299], // inside the agent
    [whole.length, 2000], // far past the head
  ]
  for (const [bytes, count] of cuts) {
    growTo(bytes)
    assert.match(await imported(world, log), new RegExp(` ${count} lines`))
    await folded(world, count)
  }
  assert.equal((await world.redisCall('HLEN', 'sentier:imports:shop')), 1)
  const day = await report(world, '2024-03-01')
  assert.deepEqual([hitsOf(day), day.totals.bot_views], [2000, 0])
  const rotated = file(world, 'access.log.1', visits(100, { from: 2000 })) // begins where the other ended
  await imported(world, rotated)
  await folded(world, 2100)
})

scenario('what could count twice is refused', { collector: { workers: 1 } }, async (world) => {
  const lines = visits(2000)
  await imported(world, file(world, 'access.log', lines))
  await world.settled({ received: 2000 })
  const late = file(world, 'tail.log', lines.slice(100))
  await refused(world, late, /another log of 2024-03-01 to 2024-03-01[^]*--force/)
  assert.equal((await world.stats()).ledger.received, 2000)
  await imported(world, late, { more: ['--force'] })
  await world.settled({ received: 3900 })
  assert.match(await imported(world, late), /nothing new/)

  await world.beacon([view('/live')])
  await world.settled({ received: 3901 })
  const now = Date.now()
  const today = file(world, 'today.log', [line({ at: now - 1000 }), line({ at: now })])
  await refused(world, today, /already holds hits that browsers sent[^]*--force/)
  await imported(world, today, { more: ['--force'] })
  await world.settled({ received: 3903 })
  assert.deepEqual(readdirSync(join(world.data, 'journal')).filter((name) => name.startsWith('.import')), [], 'nothing is left over')
})

scenario('what is wrong is said, and nothing is imported', { ...alone, sites: { shop: {}, blog: {} } }, async (world) => {
  const log = file(world, 'access.log', visits(100))
  await refused(world, log, /cannot reach Redis at unix:/)
  await startWithoutCollector(world)
  const packed = gzipSync(readFileSync(log))
  await refused(world, log, /no \[site shpo\]; the configuration has: blog shop/, { site: 'shpo' })
  await refused(world, log, /nothing was imported[^]*No space left[^]*journal_reserve/, { more: ['--set', 'collector.journal_reserve=1T'] })
  await refused(world, join(world.top, 'nowhere.log'), /nowhere.log: No such file/)
  await refused(world, world.top, /Is a directory/)
  writeFileSync(join(world.top, 'cut.gz'), packed.subarray(0, packed.length - 20))
  await refused(world, join(world.top, 'cut.gz'), /nothing was imported: line \d+: the gzip data ends too early/)
  packed[packed.length - 8] ^= 1
  writeFileSync(join(world.top, 'damaged.gz'), packed)
  await refused(world, join(world.top, 'damaged.gz'), /nothing was imported: line \d+: .*check/)
  assert.match(await imported(world, log, { more: ['--dry-run'] }), /pages +100/)
  assert.equal(await world.redisCall('EXISTS', 'sentier:imports:shop'), 0)
  assert.deepEqual(readdirSync(join(world.data, 'journal')), [])
  const did = await importing(world, [join(world.top, 'nowhere.log'), log]) // the others are still taken
  assert.equal(did.code, 1)
  await folded(world, 100)
})

scenario('killed while it reads and while it ships, the next run makes it exact', { ...alone, collector: { stream_max: '1M' } }, async (world) => {
  await world.redis.start()
  const lines = visits(40_000)
  const log = file(world, 'access.log', lines)

  const [command, args] = importer(world, '-')
  const reading = spawn(command, args, { stdio: ['pipe', 'ignore', 'ignore'] })
  const readingEnded = once(reading, 'exit')
  reading.stdin.on('error', () => {})
  reading.stdin.write(lines.slice(0, 30_000).join('\n') + '\n')
  const journal = join(world.data, 'journal')
  await eventually('lines have been staged', () => {
    const staging = readdirSync(journal).find((name) => name.startsWith('.import-'))
    return staging && readdirSync(join(journal, staging)).some((name) => statSync(join(journal, staging, name)).size > 100_000)
  })
  await refused(world, log, /another import is running/)
  reading.kill('SIGKILL')
  await readingEnded
  assert.equal(await world.redisCall('EXISTS', 'sentier:imports:shop'), 0)

  // Nobody folds, so the stream fills up: shipping stops in the middle.
  const shipping = spawn(...importer(world, log), { stdio: ['ignore', 'ignore', 'pipe'] })
  const shippingEnded = once(shipping, 'exit')
  let said = ''
  shipping.stderr.on('data', (text) => (said += text))
  await eventually('it says what it waits for', () => said.includes('waiting for the aggregator'))
  shipping.kill('SIGKILL')
  await shippingEnded

  await world.aggregator.start()
  appendFileSync(log, visits(10, { from: 40_000 }).join('\n') + '\n')
  assert.match(await imported(world, log), /new +10\n/)
  await folded(world, 40_010)
  const { totals, ledger } = await report(world, '2024-03-01')
  assert.deepEqual([totals.views + totals.bot_views, ledger.counted, ledger.received], [40_010, 40_010, 40_010])
  assert.match(await imported(world, log), /nothing new/)
  await folded(world, 40_010)
})

// ---- a real log, beside GoAccess. Both count the same lines by other rules; each rule is a function
// here that knows neither program, and GoAccess's figures with the rules applied must be ours.

const ELASTIC = resolve(dirname(fileURLToPath(import.meta.url)), '../../../shared/data/elastic-apache-combined/apache_logs.gz')
const LINE = /^\S+ \S+ \S+ \[(\d\d)\/(\w{3})\/(\d{4}):[^\]]*\] "(\S+) (\S+) HTTP\/[\d.]+" (\d{3}) \S+ "[^"]*" "[^"]*("?)$/

const ending = ({ target }) => /\.(\w+)$/.exec(target.split('?')[0])?.[1].toLowerCase()
const LEFT_OUT = [
  ['the line ends inside a field', (line) => !line.whole],
  ['HEAD, POST, OPTIONS', (line) => line.method !== 'GET'],
  ['static in both: css, png, ico...', (line) => /^(css|png|gif|jpe?g|ico|js|swf|woff|exe|pdf|txt)$/.test(ending(line))],
  ['a file to Sentier, a page to GoAccess: jar, ttf, xml...', (line) => /^(jar|ttf|xml|svg|gz|deb|doc)$/.test(ending(line))],
  ['a feed: /x?flav=rss20', (line) => /[?&](flav|feed|format)=(rss|atom|rdf)/.test(line.target)],
  ['no page was shown: 206, 301, 403, 416, 500', (line) => !/^(200|203|304|404|410)$/.test(line.status)],
]
const byte = (hex) => String.fromCharCode(parseInt(hex, 16))
const decoded = (target) => target.replace(/%([0-9a-f]{2})/gi, (_, hex) => byte(hex))
const RENAMED = [
  ['query dropped', (target) => target.split('?')[0]],
  ['trailing slash and index file folded', (target) => target.replace(/\/+(index\.(html?|php))?\/*$/, '') || '/'],
]
// The last rule: what is no text, or would mean something else, stays escaped.
const utf8 = new TextDecoder('utf8', { fatal: true })
function written(target) {
  const escape = (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')
  const text = decoded(target).replace(/[\x00-\x20\x7f%?#\\]/g, escape)
  try {
    return utf8.decode(Buffer.from(text, 'latin1'))
  } catch {
    return text.replace(/[\x80-\xff]/g, escape)
  }
}

function readLine(text) {
  const [, mday, month, year, method, target, status, quote] = LINE.exec(text)
  const day = `${year}-${two(MONTHS.indexOf(month) + 1)}-${mday}`
  return { day, method, target, status, whole: quote === '"' }
}

const add = (map, key, n) => {
  const sum = (map.get(key) ?? 0) + n
  if (sum === 0) map.delete(key)
  else map.set(key, sum)
}

async function goaccess(world, log) {
  const out = join(world.top, 'goaccess.json')
  const { code, err } = await run('goaccess', [
    log, '--no-global-config', '--log-format=COMBINED', '--tz=UTC', '--max-items=100000', '--no-progress', '-o', out,
  ])
  assert.equal(code, 0, err)
  const json = JSON.parse(readFileSync(out, 'latin1'))
  const days = new Map(json.visitors.data.map((one) => [one.data.replace(/(....)(..)(..)/, '$1-$2-$3'), one.hits.count]))
  const urls = new Map()
  for (const panel of ['requests', 'static_requests', 'not_found']) for (const one of json[panel].data) add(urls, one.data, one.hits.count)
  const broken = new Map()
  for (const one of json.not_found.data) add(broken, one.data, one.hits.count)
  return { total: json.general.total_requests, days, urls, broken }
}

// Applies the rules to GoAccess's figures; gives how many hits each explains.
function applyRules(theirs, lines) {
  const table = new Map([...LEFT_OUT, ...RENAMED, ['stays escaped']].map(([name]) => [name, 0]))
  for (const line of lines) {
    const from = decoded(line.target).trimEnd() // as GoAccess names it
    const broken = line.status === '404'
    const rule = LEFT_OUT.find(([, holds]) => holds(line))
    add(theirs.urls, from, -1)
    if (broken) add(theirs.broken, from, -1)
    if (rule) {
      table.set(rule[0], table.get(rule[0]) + 1)
      add(theirs.days, line.day, -1)
      continue
    }
    let target = line.target
    for (const [name, rename] of RENAMED) {
      const next = rename(target)
      if (next !== target) table.set(name, table.get(name) + 1)
      target = next
    }
    const page = written(target)
    if (page !== decoded(target).trimEnd()) table.set('stays escaped', table.get('stays escaped') + 1)
    add(theirs.urls, 'page ' + page, 1)
    if (broken) add(theirs.broken, 'page ' + page, 1)
  }
  return table
}

const sorted = (map) => Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)))

if (!existsSync(ELASTIC)) {
  test('a real log, beside GoAccess', () => console.log('# skipped the real log: ../shared is not there'))
} else {
  const sites = { shop: { origins: 'http://www.semicomplete.com' } }
  scenario('a real log, beside GoAccess', { ...alone, sites }, async (world, t) => {
    await startWithoutCollector(world)
    const text = gunzipSync(readFileSync(ELASTIC))
    const log = file(world, 'apache.log', text.toString('latin1'))
    const lines = text.toString('latin1').trimEnd().split('\n').map(readLine)
    const out = await imported(world, ELASTIC)
    await folded(world, 10_000)
    assert.match(await imported(world, log), /nothing new/)

    const [from, to] = ['2015-05-17', '2015-05-20']
    const ours = await report(world, from, to)
    const { ledger } = ours
    assert.equal(ledger.received, 10_000)
    assert.equal(ledger.counted + ledger.left_out + ledger.malformed, 10_000)

    const theirs = await goaccess(world, log)
    assert.equal(theirs.total, 10_000)
    const table = applyRules(theirs, lines)
    assert.ok([...table.values()].every((hits) => hits > 0), `every rule explains something: ${JSON.stringify([...table])}`)
    t.diagnostic(`GoAccess counts ${theirs.total} hits, Sentier ${hitsOf(ours)}; left out or named otherwise, by rule:`)
    for (const [name, hits] of table) t.diagnostic(`${String(hits).padStart(5)}  ${name}`)

    const views = new Map(Object.entries(pagesOf(ours)).map(([page, n]) => ['page ' + page, n]))
    assert.deepEqual(sorted(theirs.urls), sorted(views), 'hits per URL')
    const broken = new Map()
    for (const one of ours.pages) if (one.not_found + one.bot_not_found > 0) broken.set('page ' + path(one), one.not_found + one.bot_not_found)
    assert.deepEqual(sorted(theirs.broken), sorted(broken), 'not found per URL')
    const days = new Map()
    for (const day of theirs.days.keys()) days.set(day, hitsOf(await report(world, day)))
    assert.deepEqual(sorted(theirs.days), sorted(days), 'hits per day')
    const leftOut = LEFT_OUT.reduce((sum, [name]) => sum + table.get(name), 0)
    assert.equal(hitsOf(ours) + leftOut, 10_000, 'no remainder')
    assert.match(out, new RegExp(`pages +${hitsOf(ours)} `))
  })
}
