// Pageviews by ever new visitors, for benches that fold them: each has a pageview id of its own, and
// a visitor (an address behind a trusted proxy) comes four times, with thousands of others between,
// then never again. The load runs until it is stopped, as fast as it is answered or at a rate.

import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AGENT, BROWSER, ORIGIN } from './bench.mjs'

const REQUESTS = `
local agents = {
  '${AGENT}',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0',
}
local SLOTS, VIEWS, PAGES = 4096, 4, 500
local slots, at, round, visitors, views, started = {}, 0, 0, 0, 0, 0
local format, floor = string.format, math.floor
local escapes = function(s) return (s:gsub('[^%w%-%._~]', function(c) return format('%%%02X', c:byte()) end)) end

function setup(thread)
  thread:set('number', started)
  started = started + 1
end

function init(args)
  local sites, run, threads = tonumber(args[1]), tonumber(args[2]), tonumber(args[3])
  pause_ms = tonumber(args[4])
  prefix = format('%x', 256 + run * threads + number)
  first_visitor = (run * threads + number) * 20000000
  for i = 1, SLOTS do
    local page = '${ORIGIN}/products/' .. i * 7919 % PAGES
    wrk.headers['User-Agent'] = agents[i % #agents + 1]
    wrk.headers['Referer'] = page
    wrk.headers['X-Forwarded-For'] = '@'
    local text = wrk.format('GET', format('/p.gif?s=shop%d&k=pv&u=%s&r=%s&p=@&n=0&a=%d&b=%d',
      i % sites, escapes(page), escapes('https://www.google.com/'), i % 50, i % 50 + 3))
    local a, b, c = text:match('^([^@]*)@([^@]*)@(.*)$')
    slots[i] = {a = a, b = b, c = c}
  end
end

local function new_address()
  local n = first_visitor + visitors
  visitors = visitors + 1
  return format('%d.%d.%d.%d', 1 + floor(n / 16777216) % 126, floor(n / 65536) % 256, floor(n / 256) % 256, n % 256)
end

function request()
  at = at + 1
  if at > SLOTS then at, round = 1, round + 1 end
  local slot = slots[at]
  if not slot.address or (round + at) % VIEWS == 0 then slot.address = new_address() end
  views = views + 1
  return slot.a .. prefix .. format('%09x', views) .. slot.b .. slot.address .. slot.c
end

function paced() return floor(pause_ms + math.random()) end

function done(summary)
  io.write(format('\\n{"requests":%d,"microseconds":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\\n',
    summary.requests, summary.duration, summary.errors.connect, summary.errors.read, summary.errors.write,
    summary.errors.status, summary.errors.timeout))
end
`

let runs = 0

export class Traffic {
  // rate: hits a second, or 0 for as many as are answered.
  static start(dir, port, { connections, threads, sites, rate = 0, atMost = 3600 }) {
    const traffic = new Traffic()
    const script = join(dir, `traffic-${runs}.lua`)
    writeFileSync(script, REQUESTS + (rate > 0 ? 'delay = paced\n' : ''))
    const headers = Object.entries(BROWSER).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
    const pause = rate > 0 ? (connections / rate) * 1000 : 0
    const more = [sites, runs++, threads, pause].map(String)
    const args = [`-t${threads}`, `-c${connections}`, `-d${atMost}s`, '--timeout', '30s', ...headers, '-s', script, `http://127.0.0.1:${port}`, '--', ...more]
    traffic.child = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] })
    traffic.out = ''
    traffic.child.stdout.on('data', (text) => (traffic.out += text))
    traffic.closed = once(traffic.child, 'close')
    return traffic
  }

  // {requests, ok, refused, broken, seconds}: answers, those of 2xx, the others, and what had none
  // (but for the one per connection that is not waited for at the end).
  async stop() {
    this.child.kill('SIGINT')
    const [code] = await this.closed
    const line = this.out.split('\n').find((one) => one.startsWith('{'))
    if (code !== 0 || !line) throw new Error(`wrk ended with ${code}: ${this.out}`)
    const did = JSON.parse(line)
    const broken = did.connect + did.read + did.write + did.timeout
    return { requests: did.requests, ok: did.requests - did.status, refused: did.status, broken, seconds: did.microseconds / 1e6 }
  }
}
