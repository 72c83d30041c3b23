// Who somebody is must not be found again: planted addresses, agents, e-mail addresses, cookies,
// tokens and the salts of the day are looked for in every file that a running Sentier leaves.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { AGENT, ORIGIN, newId, page, scenario, view } from './world.mjs'

const CUSTOMER = 'planted-customer-4711'
const SECRET = '5ec2e700'.repeat(8)
const IPV4 = '203.0.113.77'
const IPV6 = '2001:db8:dead:beef:77:1234:5678:9abc'
const PLANTED = {
  address: IPV4,
  'address of six': IPV6,
  'address, bytes': Buffer.from('00000000000000000000ffffcb00714d', 'hex'),
  'address of six, bytes': Buffer.from('20010db8deadbeef0077123456789abc', 'hex'),
  agent: 'PlantedAgent/7.31',
  'the rest of the agent': 'AppleWebKit/537.36',
  'e-mail': 'planted.person@mail.example',
  'e-mail, its name': 'planted.person',
  'e-mail, escaped': 'planted.person%40mail.example',
  cookie: 'plantedcookie99',
  'token in a query': 'plantedtoken42',
  fragment: 'plantedfragment17',
  language: 'x-planted-language',
  'id that nobody signed': 'planted-unsigned-id',
}

function files(dir) {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name)
    return entry.isDirectory() ? files(path) : entry.isFile() ? [path] : []
  })
}

const filesWith = (top, needle) =>
  files(top).filter((path) => readFileSync(path).includes(needle)).map((path) => relative(top, path))

const token = (id) => {
  const expiry = Math.floor(Date.now() / 1000) + 600
  return `${expiry}.` + createHmac('sha256', SECRET).update(`shop\n${id}\n${expiry}`).digest('hex')
}

async function sendPlanted(world) {
  const tail = '?mail=planted.person@mail.example&token=plantedtoken42#plantedfragment17'
  const url = ORIGIN + '/account/planted.person@mail.example/findable-page' + tail
  const escaped = ORIGIN + '/account/planted.person%40mail.example/findable-page' + tail
  const answers = []
  for (const address of [IPV4, IPV6, `10.1.2.3, ${IPV4}`]) {
    const headers = {
      'X-Forwarded-For': address,
      'User-Agent': AGENT + ' PlantedAgent/7.31',
      'Accept-Language': 'x-planted-language',
      Cookie: 'sid=plantedcookie99',
      Referer: url,
    }
    const id = newId()
    answers.push(
      await world.beacon([
        view('', { p: id, u: url, r: url }),
        { s: 'shop', k: 'ol', p: id, n: 1, u: escaped, t: 'https://other.example/planted.person@mail.example/out' + tail, a: 0, b: 0 },
        { s: 'shop', k: 'dl', p: id, n: 2, u: escaped, t: escaped, a: 0, b: 0 },
      ], headers),
      await world.pixel({ s: 'shop', u: escaped, r: escaped }, headers),
      await world.pixel({ s: 'shop' }, headers),
      await world.post(JSON.stringify({ site: 'shop', url: escaped, pageview: newId(), number: 0, visitor: 'abc', consent: 1 }), headers),
      await world.beacon([view('/signed', { c: 1, v: 'abc', i: CUSTOMER, j: token(CUSTOMER) })], headers),
      await world.beacon([view('/unsigned', { c: 1, v: 'abc', i: 'planted-unsigned-id', j: token(CUSTOMER) })], headers),
      await world.beacon([{ s: 'shop', k: 'id', v: 'abc', i: 'planted-unsigned-id', j: token('planted-unsigned-id') }], headers),
      await world.pixel({ s: 'shop', u: escaped, c: 1, v: 'abc', i: 'planted-unsigned-id', j: token('planted-unsigned-id') }, headers),
      // Refused and unreadable ones must leave nothing either.
      await world.beacon([{ ...view(''), u: url, e: 'planted.person@mail.example' }], headers),
      await world.beacon([{ ...view(''), s: 'planted.person@mail.example', u: url }], headers),
      await world.post('planted.person@mail.example plantedtoken42', headers),
      await world.request({ path: '/planted.person@mail.example?plantedtoken42', headers })
    )
  }
  await world.raw(`GET /p.gif?s=shop&u=plantedtoken42 HTTP/9.9\r\nUser-Agent: PlantedAgent/7.31\r\nCookie: plantedcookie99\r\n\r\n`)
  return answers
}

const sites = { shop: { origins: ORIGIN, secret: SECRET } }
scenario('nothing planted is found in journal, Redis files or logs', { sites }, async (world) => {
  const answers = await sendPlanted(world)
  assert.equal(answers.filter(({ status }) => status === 200 || status === 204).length, 18)
  await world.settled({ received: 39 })
  for (const key of await world.redisCall('KEYS', '*')) assert.ok(!key.includes(CUSTOMER), key)
  await world.redisCall('CONFIG', 'SET', 'rdbcompression', 'no')
  await world.redisCall('SAVE')
  await world.aggregator.stop()
  await world.collector.stop()
  await world.redis.stop()

  const seen = files(world.top).map((path) => relative(world.top, path))
  for (const kind of [/journal\/.*\.seg$/, /appendonlydir\/.*\.aof$/, /dump\.rdb$/, /collector\.log$/, /aggregator\.log$/])
    assert.ok(seen.some((path) => kind.test(path) && statSync(join(world.top, path)).size > 0), `${kind} is among ${seen}`)
  // What may be found is found, so what is not found is not there.
  const control = filesWith(world.top, 'findable-page')
  assert.ok(control.some((path) => /\.seg$/.test(path)) && control.some((path) => /\.aof$/.test(path)) && control.some((path) => /\.rdb$/.test(path)), `${control}`)

  // The id of a customer that the site signed: in records and values, in nothing that tells of them.
  const named = filesWith(world.top, CUSTOMER)
  assert.ok(named.some((path) => /\.seg$/.test(path)) && named.every((path) => /\.(seg|aof|rdb)$/.test(path)), `${named}`)
  assert.deepEqual(filesWith(world.top, SECRET), ['sentier.conf'])

  const salts = readFileSync(world.salts, 'utf8').match(/[0-9a-f]{64}/g)
  assert.ok(salts.length >= 1)
  const needles = { ...PLANTED }
  salts.forEach((hex, i) => Object.assign(needles, { [`salt ${i}`]: hex, [`salt ${i}, bytes`]: Buffer.from(hex, 'hex') }))
  for (const [what, needle] of Object.entries(needles)) assert.deepEqual(filesWith(world.top, needle), [], what)
})

scenario('the page of a masked address is still one page', {}, async (world) => {
  for (const name of ['one.person', 'other.person']) await world.beacon([view(`/user/${name}@mail.example/orders`)])
  await world.settled({ received: 2 })
  const { pages } = await world.report()
  assert.equal(pages.length, 1, JSON.stringify(pages))
  assert.equal(pages[0].views, 2)
  assert.equal(page({ pages }, '/user/one.person@mail.example/orders'), undefined)
})
