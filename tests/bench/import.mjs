// Access logs on one core: `sentier import` reads a long file, journals it and ships it into a Redis
// of its own until Redis has every line; GoAccess reads the same file in the same round. Both are
// bound to one core, Redis to the others. What counts is the median of the rounds.
//
// The file is a real log repeated, each copy on days of its own (../shared), or made of visits where
// that is not there.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { AGENT, World, median, options } from './bench.mjs'
import { program } from '../scenario/world.mjs'

const HELP = `tests/bench/import [--lines 1000000] [--rounds 3] [--core 1] [--target 100000]
  --core    where the importer and GoAccess run
  --target  lines a second of wall time; fewer end with 1
$SENTIER_BUILD names the build, build/release by default.`
const given = options({ lines: 1_000_000, rounds: 3, core: Math.min(1, cpus().length - 1), target: 100_000 }, HELP)

const ELASTIC = resolve(dirname(fileURLToPath(import.meta.url)), '../../../shared/data/elastic-apache-combined/apache_logs.gz')
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const DAY_MS = 86400_000

const two = (n) => String(n).padStart(2, '0')
const date = (at) => `${two(at.getUTCDate())}/${MONTHS[at.getUTCMonth()]}/${at.getUTCFullYear()}`

// Lines in pieces: before the date, day number from 0, behind the date.
function realLines() {
  const lines = gunzipSync(readFileSync(ELASTIC)).toString('latin1').trimEnd().split('\n')
  return lines.map((line) => {
    const [, before, mday, after] = /^([^[]*\[)(\d\d)\/May\/2015(.*)$/.exec(line)
    return { before, day: Number(mday) - 17, after }
  })
}

function madeLines() {
  const kinds = ['/', '/products/tents?colour=green', '/journal/winter', '/style.css', '/logo.png', '/app.js', '/gone']
  return Array.from({ length: 10_000 }, (_, i) => {
    const time = `${two(Math.floor(i / 420) % 24)}:${two(Math.floor(i / 7) % 60)}:${two(i % 60)} +0000`
    const status = i % 7 === 6 ? 404 : 200
    return {
      before: `203.0.${(i * 7) % 113}.${(i * 31) % 251} - - [`, day: Math.floor(i / 2500),
      after: `:${time}] "GET ${kinds[i % kinds.length]} HTTP/1.1" ${status} ${i} "https://www.google.com/" "${AGENT.replace('126', 100 + (i % 40))}"`,
    }
  })
}

async function writeLog(path) {
  const real = existsSync(ELASTIC)
  if (!real) console.log('# the real log is not there: made visits instead')
  const lines = real ? realLines() : madeLines()
  const out = createWriteStream(path, 'latin1')
  for (let written = 0, copy = 0; written < given.lines; copy++) {
    const first = Date.UTC(2001, 0, 1) + copy * 4 * DAY_MS
    const days = [0, 1, 2, 3].map((day) => date(new Date(first + day * DAY_MS)))
    const part = lines.slice(0, given.lines - written)
    written += part.length
    const text = part.map((one) => one.before + days[one.day] + one.after).join('\n') + '\n'
    if (!out.write(text)) await once(out, 'drain')
  }
  out.end()
  await once(out, 'close')
}

// Runs on the core; seconds of wall, user and system time as GNU time would say them.
async function timed(command, args) {
  const script = 'TIMEFORMAT="%R %U %S"; time "$@" >/dev/null 2>"$0"'
  const errors = join(world.top, 'errors')
  const child = spawn('taskset', ['-c', given.core, 'bash', '-c', script, errors, command, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (text) => (said += text))
  const [code] = await once(child, 'close')
  assert.equal(code, 0, `${command}: ${said}${readFileSync(errors)}`)
  const [wall, user, system] = said.trim().split(/\s+/).map(Number)
  return { wall, cpu: user + system }
}

async function importRound(log) {
  await world.redisCall('FLUSHALL')
  rmSync(join(world.data, 'journal'), { recursive: true, force: true })
  const took = await timed(program('sentier-import'), ['--site', 'shop', '--conf', world.conf, '--quiet', log])
  const streams = await Promise.all(Array.from({ length: 64 }, (_, n) => world.redisCall('HGET', `{p${n}}:meta`, 'shipped')))
  assert.equal(streams.map(Number).reduce((a, b) => a + b), given.lines, 'every line is in Redis')
  return took
}

const goaccessRound = (log) =>
  timed('goaccess', [log, '--no-global-config', '--log-format=COMBINED', '--tz=UTC', '--no-progress', '-o', join(world.top, 'goaccess.json')])

const world = await World.lay({
  sites: { shop: { origins: 'http://www.semicomplete.com' } }, // lines name no host
  collector: { stream_max: '64G' }, // nobody folds here
})
const number = (n) => Math.round(n).toLocaleString('en')
let reached = false
try {
  const log = join(world.top, 'access.log')
  await writeLog(log)
  console.log(`${number(given.lines)} lines, ${number(statSync(log).size / 1e6)} MB, core ${given.core}`)
  await world.redis.start()
  const rounds = []
  for (let i = 0; i < given.rounds; i++) {
    const ours = await importRound(log)
    const theirs = await goaccessRound(log)
    rounds.push({ wall: given.lines / ours.wall, cpu: given.lines / ours.cpu, theirs: given.lines / theirs.cpu, ratio: ours.cpu / theirs.cpu })
    console.log(
      `round ${i + 1}: sentier import ${ours.wall.toFixed(2)} s, CPU ${ours.cpu.toFixed(2)} s; goaccess ${theirs.wall.toFixed(2)} s, CPU ${theirs.cpu.toFixed(2)} s`
    )
  }
  const middle = (name) => median(rounds.map((one) => one[name]))
  console.log(`sentier import, read + journal + shipped: ${number(middle('wall'))} lines/s of wall time, ${number(middle('cpu'))} lines/s of CPU time`)
  console.log(`goaccess, read + one JSON report:         ${number(middle('theirs'))} lines/s of CPU time`)
  console.log(`CPU per line, sentier import : goaccess = ${middle('ratio').toFixed(2)}`)
  reached = middle('wall') >= given.target
  console.log(`${reached ? 'reached' : 'MISSED'} the target of ${number(given.target)} lines/s`)
} finally {
  const problems = await world.end()
  for (const problem of problems) console.error(problem)
}
process.exitCode = reached ? 0 : 1
