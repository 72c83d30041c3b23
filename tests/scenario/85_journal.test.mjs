// sentier journal: what browsers sent stands in the segments, field by field; what is damaged is
// named, and all else is still read; compressed or not makes no difference.

import assert from 'node:assert/strict'
import { readFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { run } from './process.mjs'
import { ORIGIN, newId, program, scenario, view } from './world.mjs'

const BOT = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)'
const RECORD_HEAD = 32

const journal = (...args) => run(program('sentier-journal'), args)
const segments = (world) =>
  readdirSync(join(world.data, 'journal')).filter((name) => name.endsWith('.seg')).map((name) => join(world.data, 'journal', name))

// The lines of a dump: {records, damage, torn, heads}.
async function dump(files, code = 0) {
  const did = await journal('dump', ...[].concat(files))
  assert.equal(did.code, code, did.err)
  const lines = did.out.trim().split('\n').map((line) => JSON.parse(line))
  const of = (key) => lines.filter((line) => key in line).map((line) => line[key])
  return { records: lines.filter((line) => 'seq' in line), damage: of('damage'), torn: of('torn_tail'), heads: of('segment'), err: did.err }
}

async function verify(files, code = 0) {
  const did = await journal('verify', ...[].concat(files))
  assert.equal(did.code, code, did.out + did.err)
  return did.out + did.err
}

// Offset and bytes of each record, by the format that collector/README.md describes.
function places(bytes) {
  const found = []
  for (let at = bytes.readUInt32LE(56); at < bytes.length; at += found.at(-1).bytes)
    found.push({ offset: at, bytes: RECORD_HEAD + bytes.readUInt32LE(at + 4) })
  return found
}

const file = (world, name, bytes) => {
  writeFileSync(join(world.top, name), bytes)
  return join(world.top, name)
}

// A segment of n pageviews, when everything has stopped.
async function recorded(world, n) {
  await world.collector.start()
  const lines = Array.from({ length: n }, (_, i) => view(`/page/n${i}x`))
  for (let i = 0; i < n; i += 50) assert.equal((await world.beacon(lines.slice(i, i + 50))).status, 204)
  assert.deepEqual(await world.collector.stop(), [0, null])
  const [path] = segments(world)
  return { path, bytes: readFileSync(path), sent: lines }
}

const alone = { start: false, collector: { workers: 1, ship_drain_ms: 0 } }

scenario('a dump says what was sent', { start: false, sites: { shop: { origins: ORIGIN, search_params: 'q' } }, collector: { ship_drain_ms: 0 } }, async (world) => {
  await world.collector.start()
  const [read, bought, visitor] = [newId(), newId(), newId()]
  const name = 'say "no\\yes" – ünï 💡'
  const beacon = [
    view('/a/./b%20c/?utm_x=1&q=Red+Shoes', { p: read, r: 'https://www.google.com/' }),
    { s: 'shop', k: 'pu', p: read, n: 1, u: ORIGIN + '/a', e: 5000, d: 40, E: 3, a: 1000, b: 6000 },
    { s: 'shop', k: 'ev', p: read, n: 2, u: ORIGIN + '/a', m: name, a: 0, b: 6000 },
    { s: 'shop', k: 'ol', p: read, n: 3, u: ORIGIN + '/a', t: 'https://elsewhere.example/x', a: 0, b: 6000 },
    { s: 'shop', k: 'dl', p: read, n: 4, u: ORIGIN + '/a', t: ORIGIN + '/list.pdf', a: 0, b: 6000 },
    { s: 'shop', k: 'sn', p: read, n: 5, u: ORIGIN + '/a', l: ['/b/', '/c', '*menu', 'mailto:x'], a: 0, b: 6000 },
    { s: 'shop', k: 'mt', p: read, n: 10, u: ORIGIN + '/a', T: 'Shoes', S: 'Sport', L: 'en', D: '2026-01-31', t: '/b', y: ['run', '40:sport'], a: 0, b: 6000 },
    { s: 'shop', k: 'ln', p: read, n: 11, u: ORIGIN + '/a', l: '/b', z: 1, a: 0, b: 6000 },
    { s: 'shop', k: 'ck', p: read, n: 6, u: ORIGIN + '/a', t: '/b', a: 0, b: 6000 },
    { s: 'shop', k: 'ct', p: read, n: 7, u: ORIGIN + '/a', m: 'menu', a: 0, b: 6000 },
    { s: 'shop', k: 'pc', p: read, n: 8, u: ORIGIN + '/a', V: 1999, C: 'EUR', a: 0, b: 6000 },
    { s: 'shop', k: 'ev', p: read, n: 9, u: ORIGIN + '/a', m: 'won?plan=pro&size=2', g: 1, q: 1, a: 0, b: 6000 },
    view('/buy?utm_source=letter&utm_medium=email&utm_campaign=may', { p: bought, c: 1, v: visitor }),
  ]
  const before = Date.now()
  assert.equal((await world.beacon(beacon)).status, 204)
  assert.equal((await world.beacon([{ ...view('/x'), k: 'zz' }, { ...view('/x'), k: 'yy' }, { s: 'shop', o: 1 }])).status, 200)
  assert.equal((await world.pixel({ s: 'shop', u: ORIGIN + '/gone', x: 404 }, { 'User-Agent': BOT })).status, 200)
  const after = Date.now()
  assert.deepEqual(await world.collector.stop(), [0, null])

  const { records, damage, torn, heads } = await dump(segments(world))
  assert.deepEqual([damage, torn], [[], []])
  for (const head of heads) {
    assert.equal(basename(head.file), `${head.producer}-${head.first_seq.toString(16).padStart(16, '0')}.seg`)
    assert.deepEqual([head.partitions, head.import, head.weight_before], [64, false, 0])
  }

  const hits = records.filter((one) => one.kind !== 'tally')
  for (const one of hits) {
    assert.ok(one.at_ms >= before - 1000 && one.at_ms <= after, `${one.at_ms}`)
    assert.match(one.day, /^20\d\d-\d\d-\d\d$/)
    assert.ok(one.seq > 0 && one.partition >= 0 && one.partition < 64 && one.weight === 1)
  }
  const plain = (one) => {
    const { seq, partition, weight, at_ms, day, visitor: whose, ...rest } = one
    return rest
  }
  const of = (pageview) => hits.filter((one) => one.pageview === pageview).sort((a, b) => a.number - b.number)
  const same = { site: 'shop', visitor_kind: 'daily', pageview: read, device: 'desktop', browser: 'Chrome', os: 'Linux' }
  assert.deepEqual(of(read).map(plain), [
    { ...same, kind: 'pageview', number: 0, page: 'shop.example/a/b%20c', channel: 'Organic Search', source: 'Google', search: 'red shoes' },
    { ...same, kind: 'pulse', number: 1, page: 'shop.example/a', engaged_ms: 5000, depth: 40, errors: 3 },
    { ...same, kind: 'event', number: 2, page: 'shop.example/a', name, interaction: true },
    { ...same, kind: 'outbound', number: 3, page: 'shop.example/a', target: 'elsewhere.example/x', interaction: true },
    { ...same, kind: 'download', number: 4, page: 'shop.example/a', target: 'shop.example/list.pdf', interaction: true },
    { ...same, kind: 'seen', number: 5, page: 'shop.example/a', links: ['shop.example/b', 'shop.example/c'], controls: ['menu'], left_out: 1 },
    { ...same, kind: 'click', number: 6, page: 'shop.example/a', target: 'shop.example/b', interaction: true },
    { ...same, kind: 'control', number: 7, page: 'shop.example/a', name: 'menu', interaction: true },
    { ...same, kind: 'purchase', number: 8, page: 'shop.example/a', currency: 'EUR', value: 1999, interaction: true },
    { ...same, kind: 'event', number: 9, page: 'shop.example/a', name: 'won', properties: { plan: 'pro', size: '2' }, goal: true },
    { ...same, kind: 'meta', number: 10, page: 'shop.example/a', title: 'Shoes', section: 'Sport', language: 'en', canonical: 'shop.example/b', published: '2026-01-31', topics: [{ weight: 100, topic: 'run' }, { weight: 40, topic: 'sport' }] },
    { ...same, kind: 'links', number: 11, page: 'shop.example/a', links: ['shop.example/b'], more: true },
  ])
  const [letter] = of(bought)
  assert.deepEqual([letter.visitor, letter.visitor_kind, letter.channel, letter.source, letter.campaign], [visitor, 'consented', 'Email', 'letter', 'may'])
  const [gone] = hits.filter((one) => one.page === 'shop.example/gone')
  assert.deepEqual([gone.status, gone.bot !== undefined, 'pageview' in gone], [404, true, false])

  const tallies = records.filter((one) => one.kind === 'tally')
  assert.ok(tallies.every((one) => one.n === one.weight && one.site === 'shop'))
  const refused = (verdict) => tallies.filter((one) => one.verdict === verdict).reduce((sum, one) => sum + one.n, 0)
  assert.deepEqual([refused('bad_kind'), refused('opted_out')], [2, 1])
  assert.equal(records.reduce((sum, one) => sum + one.weight, 0), 17, 'everything that was received')
})

scenario('whole segments verify, and a flipped bit is named', alone, async (world) => {
  const { path, bytes, sent } = await recorded(world, 200)
  assert.match(await verify(path), /\.seg: ok {2}records 200 {2}weight 200 {2}seq 1\.\.200 {2}damaged 0 bytes {2}torn tail 0 bytes\n$/)
  const whole = await dump(path)
  assert.deepEqual(whole.records.map((one) => [one.seq, one.pageview]), sent.map((one, i) => [i + 1, one.p]))

  const at = places(bytes)
  assert.equal(at.length, 200)
  for (const [first, many] of [[0, 1], [100, 1], [60, 3], [199, 1]]) {
    const copy = Buffer.from(bytes)
    for (let i = first; i < first + many; i++) copy[at[i].offset + at[i].bytes - 5] ^= 0x10
    const place = { offset: at[first].offset, bytes: at.slice(first, first + many).reduce((sum, one) => sum + one.bytes, 0) }
    const damaged = file(world, 'damaged', copy)
    const said = await verify([path, damaged], 1)
    assert.ok(said.includes(`damaged: damaged: ${place.bytes} bytes at ${place.offset}\n`), said)
    assert.match(said, new RegExp(`damaged: DAMAGED {2}records ${200 - many} .* damaged ${place.bytes} bytes {2}torn tail 0 bytes`))
    if (first < 199) assert.match(said, new RegExp(`missing ${many} records`))
    const rest = await dump(damaged, 1)
    assert.deepEqual(rest.damage, [place])
    assert.deepEqual(rest.records, whole.records.filter((one) => one.seq <= first || one.seq > first + many))
  }
})

scenario('a torn tail is what a crash leaves, not damage', alone, async (world) => {
  const { path, bytes } = await recorded(world, 50)
  const [last, head] = [places(bytes).at(-1), bytes.readUInt32LE(56)]
  for (const cut of [1, last.bytes - RECORD_HEAD, last.bytes - 1]) {
    const torn = file(world, 'torn', bytes.subarray(0, bytes.length - cut))
    assert.match(await verify(torn), new RegExp(`ok {2}records 49 .* torn tail ${last.bytes - cut} bytes`))
    assert.deepEqual((await dump(torn)).torn, [{ offset: last.offset, bytes: last.bytes - cut }])
  }
  const zeroed = file(world, 'zeroed', Buffer.concat([bytes, Buffer.alloc(100)]))
  assert.match(await verify(zeroed, 1), new RegExp(`damaged: 100 bytes at ${bytes.length}\n`))
  for (const cut of [head, head - 1, 64, 8, 1, 0]) {
    truncateSync(path, cut)
    assert.match(await verify(path), new RegExp(`ok {2}records 0 .* torn tail ${cut < head ? cut : 0} bytes`))
  }
})

scenario('compressed it dumps the same', alone, async (world) => {
  const { path, bytes } = await recorded(world, 200)
  const packed = gzipSync(bytes)
  const whole = await dump(path)
  const archived = file(world, basename(path) + '.gz', packed)
  const unpacked = await dump(archived)
  assert.deepEqual(unpacked, { ...whole, heads: [{ ...whole.heads[0], file: archived }] })
  assert.match(await verify(archived), /ok {2}records 200/)

  const cut = file(world, 'cut.gz', packed.subarray(0, packed.length - 1000))
  assert.match(await verify(cut, 1), /ends too early/)
  const { records } = await dump(cut, 1)
  assert.ok(records.length > 20 && records.length < 200, `${records.length}`)
  assert.deepEqual(records, whole.records.slice(0, records.length), 'what came before is read')

  const checksum = Buffer.from(packed)
  checksum[packed.length - 8] ^= 1
  assert.match(await verify(file(world, 'checksum.gz', checksum), 1), /incorrect data check/)
})

scenario('other files are refused, and the rest is still read', alone, async (world) => {
  const { path, bytes } = await recorded(world, 50)
  const refused = [
    [join(world.top, 'nowhere.seg'), /No such file/],
    [world.top, /is not a file/],
    [file(world, 'text', 'hello\n'), /is not a segment/],
    [file(world, 'empty', ''), /is not a segment/],
    [file(world, 'text.gz', gzipSync('hello\n')), /is not a segment/],
    [world.conf, /is not a segment/],
  ]
  for (const [other, why] of refused) {
    const said = await verify([other, path], 2)
    assert.match(said, why)
    assert.match(said, /ok {2}records 50/)
  }
  const head = Buffer.from(bytes)
  head[40] ^= 1 // the weight before
  assert.match(await verify(file(world, 'head', head), 1), /its head is damaged/)
  const headless = join(world.top, basename(path)) // its name says what the head does not
  for (const [at, named] of [[0, headless], [9, headless], [48, join(world.top, 'head')], [70, headless]]) {
    const copy = Buffer.from(bytes)
    copy[at] ^= 1
    writeFileSync(named, copy)
    const { records, damage } = await dump(named, 1)
    assert.deepEqual([records.length, damage], [50, [{ offset: 0, bytes: bytes.readUInt32LE(56) }]])
  }
  const renamed = file(world, `${'0'.repeat(32)}-${'0'.repeat(15)}1.seg`, bytes)
  assert.match(await verify(renamed, 1), /the name of another segment/)
  for (const args of [[], ['dump'], ['repair', path], ['verify', '--all']]) {
    const did = await journal(...args)
    assert.deepEqual([did.code, did.out], [2, ''])
    assert.match(did.err, /sentier journal verify FILE/)
  }
})

scenario('the one command has it', alone, async (world) => {
  const { path } = await recorded(world, 50)
  const sentier = fileURLToPath(new URL('../../deploy/sentier', import.meta.url))
  const command = ['-c', 'exec env SENTIER_BUILD="$0" "$@"', dirname(program('any')), sentier, 'journal', 'verify', path]
  const { code, out, err } = await run('sh', command)
  assert.equal(code, 0, err)
  assert.match(out, /ok {2}records 50/)
})
