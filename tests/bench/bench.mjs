// What the benches share: options, order statistics, CPU time of processes, a world of release
// programs, the load.

import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { join } from 'node:path'

process.env.SENTIER_BUILD ??= 'build/release'
export const { World, AGENT, ORIGIN, freePort, newId, view } = await import('../scenario/world.mjs')
export { eventually } from '../scenario/eventually.mjs'
export { Process, run } from '../scenario/process.mjs'

// --name VALUE, or --name alone where the default is a boolean. Says what there is when asked for
// something else.
export function options(defaults, help) {
  const given = { ...defaults }
  const args = process.argv.slice(2)
  while (args.length > 0) {
    const name = args.shift().replace(/^--/, '')
    if (!(name in defaults)) {
      console.error(help)
      process.exit(2)
    }
    const read = { boolean: () => true, number: () => Number(args.shift()), string: () => args.shift() }
    given[name] = read[typeof defaults[name]]()
    if (Number.isNaN(given[name])) throw new Error(`--${name} must be a number`)
  }
  return given
}

export const percentile = (values, p) => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(p * sorted.length) - 1)]
}
export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}

const TICKS_PER_S = 100 // USER_HZ, on every Linux

// Seconds of user and system time of a process, its threads, and children that have ended.
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_S
}

export function childrenOf(pid) {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(/\s+/).filter(Boolean).map(Number)
}

// ---- the load: pageviews as browsers send them, each with its own id

const REQUESTS = `
local pages = {'/', '/products/trail-shoes-17', '/products/tents?colour=green', '/journal/2026/winter-camping', '/help/returns', '/cart'}
local agents = {
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0',
}
local escapes = function(s) return (s:gsub('[^%w%-%._~]', function(c) return string.format('%%%02X', c:byte()) end)) end
local prepared, at = {}, 0

function init(args)
  local sites = tonumber(args[1])
  for i = 1, 4096 do
    local page = 'https://shop.example' .. pages[i % #pages + 1]
    wrk.headers['User-Agent'] = agents[i % #agents + 1]
    wrk.headers['Referer'] = page
    prepared[i] = wrk.format('GET', string.format('/p.gif?s=shop%d&k=pv&u=%s&r=%s&p=%x%x&n=0&a=%d&b=%d',
      i % sites, escapes(page), escapes('https://www.google.com/'), i * 2654435761 % 4294967296, i, i % 50, i % 50 + 3))
  end
end

function request()
  at = at % #prepared + 1
  return prepared[at]
end

function done(summary)
  io.write(string.format('\\n{"requests":%d,"microseconds":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\\n',
    summary.requests, summary.duration, summary.errors.connect, summary.errors.read, summary.errors.write,
    summary.errors.status, summary.errors.timeout))
end
`

export const BROWSER = {
  Accept: 'image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8',
  'Accept-Encoding': 'gzip, deflate, br, zstd',
  'Accept-Language': 'en-GB,en;q=0.9,fr;q=0.8',
  'Sec-Fetch-Dest': 'image',
  'Sec-Fetch-Mode': 'no-cors',
  'Sec-Fetch-Site': 'cross-site',
  Connection: 'keep-alive',
}

// One run of wrk: {requests, ok, seconds}. Any error but an unread answer at the end fails it.
export async function load(dir, port, { seconds, connections, threads, sites }) {
  const script = join(dir, 'load.lua')
  writeFileSync(script, REQUESTS)
  const headers = Object.entries(BROWSER).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const args = [`-t${threads}`, `-c${connections}`, `-d${seconds}s`, ...headers, '-s', script, `http://127.0.0.1:${port}`, '--', String(sites)]
  const wrk = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: (seconds + 30) * 1000 })
  let out = ''
  wrk.stdout.on('data', (text) => (out += text))
  const [code] = await once(wrk, 'close')
  const line = out.split('\n').find((one) => one.startsWith('{'))
  if (code !== 0 || !line) throw new Error(`wrk ended with ${code}: ${out}`)
  const did = JSON.parse(line)
  if (did.connect + did.read + did.write + did.timeout > 0) throw new Error(`wrk had errors: ${line}`)
  return { requests: did.requests, ok: did.requests - did.status, seconds: did.microseconds / 1e6 }
}
