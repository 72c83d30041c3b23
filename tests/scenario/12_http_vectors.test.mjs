// Two public suites of requests, over TCP: what is wrong is refused and the connection closed, what
// is whole is answered, what is unfinished is waited for and let go; nothing becomes a hit, and the
// collector goes on. Where we judge otherwise than a suite, tests/unit/http_vectors.h says why.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './process.mjs'
import { scenario } from './world.mjs'

const TOP = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const SUITES = resolve(TOP, '../shared/suites')
const AT_A_TIME = 24

const rows = (path) => readFileSync(join(SUITES, path), 'utf8').trim().split('\n').slice(1).map((line) => line.split('\t'))

const suites = [
  {
    name: 'http-llhttp',
    evhttp: 'llhttp',
    list: 'llhttp_deviations',
    // Bytes behind a last request (error 5) are thrown away unread: that is the answer and no error.
    vector: ([file, , , , outcome, code, , , messages]) => ({
      file,
      requests: outcome === 'error' && code !== '5' ? undefined : Number(messages),
      end: { error: code === '5' ? 'CLOSED' : 'BAD', complete: 'ANSWERED', 'upgrade/pause': 'UPGRADE' }[outcome] ?? 'PARTIAL',
    }),
  },
  {
    name: 'http-picohttpparser',
    evhttp: 'pico',
    list: 'pico_deviations',
    vector: ([file, expected]) => ({
      file,
      requests: { accept: 1, reject: undefined, incomplete: 0 }[expected],
      end: { accept: 'ANSWERED', reject: 'BAD', incomplete: 'PARTIAL' }[expected],
    }),
  },
]

// The rows of a list of the C header, as the compiler reads them.
async function deviations(list) {
  const { code, out, err } = await run('cc', ['-E', '-P', join(TOP, 'tests/unit/http_vectors.h')])
  assert.equal(code, 0, err)
  const body = out.split(`${list}[] = {`)[1].split('};')[0]
  const found = [...body.matchAll(/\{\s*"(\d+)", (\d+), ([A-Z]+), (\d+),/g)]
  assert.ok(found.length > 0, list)
  return found.map(([, number, requests, end, status]) => ({ number, requests: Number(requests), end, status: Number(status) }))
}

// The suites' requests mostly have no Host, which HTTP/1.1 demands: it is put in, or undefined.
function withHost(bytes) {
  const text = bytes.toString('latin1')
  if (/host:/i.test(text) || !text.includes(' HTTP/1.1\r\n')) return
  return Buffer.from(text.replaceAll(' HTTP/1.1\r\n', ' HTTP/1.1\r\nHost: h\r\n'), 'latin1')
}

// What came back until the collector closed: how many requests were answered, and how it ended.
function outcomeOf(answer) {
  const heads = [...answer.matchAll(/HTTP\/1\.1 (\d{3}) [^\r]*\r\n(.*?)\r\n\r\n/gs)].filter(([, status]) => status !== '100')
  const statuses = heads.map(([, status]) => Number(status))
  const last = statuses.at(-1)
  const closes = heads.length > 0 && /^Connection: close$/m.test(heads.at(-1)[2].replaceAll('\r', ''))
  const handled = statuses.filter((status) => [200, 204, 404, 405].includes(status)).length
  assert.ok(handled === statuses.length || (handled === statuses.length - 1 && closes), `answers ${statuses}`)
  const end = handled < statuses.length ? (last === 408 ? 'PARTIAL' : 'BAD') : closes ? 'CLOSED' : 'CLEAN'
  return { requests: handled, end, status: last, statuses }
}

function agrees(want, got) {
  switch (want.end) {
    case 'BAD': return got.end === 'BAD' && (want.status === undefined || (want.status === got.status && want.requests === got.requests))
    case 'ANSWERED': return got.end !== 'BAD' && got.requests === want.requests
    case 'UPGRADE': return got.requests >= want.requests // and goes on in HTTP: there is nothing to change to
    default: return got.end === want.end && got.requests === want.requests
  }
}

async function alive(world) {
  const answer = await world.raw('GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
  assert.match(answer, /^HTTP\/1\.1 200 /)
}

async function tryVector(world, suite, row, listed) {
  const vector = suite.vector(row)
  const bytes = readFileSync(join(SUITES, suite.name, 'vectors', vector.file))
  const hosted = withHost(bytes)
  const want = listed.find(({ number }) => vector.file.startsWith(number)) ?? vector
  const got = outcomeOf(await world.raw(hosted ?? bytes))
  await alive(world)
  assert.ok(agrees(want, got), `${suite.name} ${vector.file}: wanted ${JSON.stringify(want)}, got ${JSON.stringify(got)}`)
  if (hosted) {
    const bare = outcomeOf(await world.raw(bytes))
    await alive(world)
    const old = bytes.includes(' HTTP/1.0\r\n')
    if (!old) assert.ok(bare.requests === 0 && ['BAD', 'PARTIAL'].includes(bare.end), `${vector.file} without Host: ${JSON.stringify(bare)}`)
    if (!old && got.requests > 0) assert.equal(bare.status, 400, `${vector.file} without Host`)
  }
  return { file: vector.file, right: agrees(vector, got), vector }
}

// The answers that libevent's evhttp gave to the same vectors, as far as they were recorded.
function evhttpIsRight({ end, requests }, answer) {
  const statuses = [...answer.matchAll(/\d{3}/g)].map(Number)
  const handled = statuses.filter((status) => status < 400).length
  const refused = statuses.some((status) => status >= 400)
  if (end === 'BAD') return refused
  if (end === 'PARTIAL' || end === 'CLOSED') return !refused && handled === requests
  return !refused && handled >= requests
}

function compare(suite, results) {
  const baseline = new Map(rows('evhttp-2.1.12-baseline.tsv').filter(([name]) => name === suite.evhttp).map(([, file, , answer]) => [file, answer]))
  const both = results.filter(({ file }) => baseline.has(file))
  const wrong = both.filter(({ file, vector }) => !evhttpIsRight(vector, baseline.get(file)))
  const ours = both.filter(({ right }) => !right)
  console.log(`${suite.name}: of ${both.length} vectors evhttp 2.1.12 answers ${wrong.length} otherwise than the suite says, we ${ours.length}, each with its reason`)
}

const timeouts = { head_timeout_ms: 500, body_timeout_ms: 500, idle_timeout_ms: 500 }
for (const suite of suites) {
  if (!existsSync(join(SUITES, suite.name, 'index.tsv'))) {
    console.log(`skipped ${suite.name}: ../shared/suites is not there`)
    continue
  }
  scenario(`${suite.name}: each vector is answered as it says, or as our list of deviations does`, { collector: timeouts }, async (world) => {
    const listed = await deviations(suite.list)
    const vectors = rows(`${suite.name}/index.tsv`)
    const results = []
    for (let at = 0; at < vectors.length; at += AT_A_TIME)
      results.push(...(await Promise.all(vectors.slice(at, at + AT_A_TIME).map((row) => tryVector(world, suite, row, listed)))))
    assert.equal(results.length, vectors.length)
    for (const { number } of listed) assert.ok(results.some(({ file, right }) => file.startsWith(number) && !right), `${number} is no deviation any more`)
    const { ledger, hits } = await world.stats()
    assert.equal(ledger.received, 0)
    assert.ok(Object.values(hits).every((count) => count === 0), JSON.stringify(hits))
    compare(suite, results)
  })
}
