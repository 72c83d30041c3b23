// The catalogue: what sitemaps name is stored once, replaced only by a run that read everything, in the
// ledger, archive and rebuild like hits, and never counted as one.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually } from './eventually.mjs'
import { run } from './process.mjs'
import { redisCalls } from './redis.mjs'
import { program, scenario, view } from './world.mjs'

const SENTIER = resolve(dirname(fileURLToPath(import.meta.url)), '../../deploy/sentier')
const PARTITIONS = 64
process.env.SENTIER_BUILD = dirname(program('sentier-sitemap'))
process.env.NO_PROXY = process.env.no_proxy = '*'

const url = (page, more = '') => `<url><loc>https://shop.example${page}</loc>${more}</url>`
const urlset = (...pages) => `<urlset>${pages.map((page) => (page.startsWith('<') ? page : url(page))).join('')}</urlset>`

// A server with an ETag per body; what was asked of it.
async function serve(t, paths) {
  const site = { paths, asked: [] }
  const server = createServer((request, response) => {
    const body = paths[request.url]
    const etag = body && `"${createHash('sha256').update(body).digest('hex')}"`
    site.asked.push(request.url)
    if (body === undefined) return response.writeHead(404).end()
    if (request.headers['if-none-match'] === etag) return response.writeHead(304, { etag }).end()
    response.writeHead(200, { etag }).end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close() && server.closeAllConnections())
  site.origin = `http://127.0.0.1:${server.address().port}`
  return site
}

async function sitemap(world, sources, { code = 0 } = {}) {
  const did = await run(program('sentier-sitemap'), ['--site', 'shop', '--conf', world.conf, '--format', 'json', ...[sources].flat()], 60_000)
  assert.equal(did.code, code, did.out + did.err)
  return JSON.parse(did.out)
}

function file(world, name, text) {
  const path = join(world.top, name)
  writeFileSync(path, text)
  return path
}

function varint(bytes, at) {
  let value = 0
  for (let scale = 1; ; scale *= 128) {
    value += (bytes[at.n] & 127) * scale
    if (bytes[at.n++] < 128) return value
  }
}

// {head, pages: path -> {first, last, modified, title, listed}} as Redis holds it.
async function catalogue(world) {
  const [key] = await world.redisCall('KEYS', '{p*}:catalogue:shop')
  const got = { head: {}, pages: {} }
  if (key === undefined) return got
  const [all, named] = await redisCalls(world.socket, [['HGETALL', key], ['HGETALL', key.replace('catalogue', 'pages')]])
  const names = new Map(Array.from({ length: named.length / 2 }, (_, i) => [named[2 * i], named[2 * i + 1]]))
  for (let i = 0; i < all.length; i += 2) {
    const value = Buffer.from(all[i + 1], 'latin1')
    const at = { n: 1 }
    if (all[i] === '#') {
      got.head = { complete: varint(value, at), named: varint(value, at), pages: varint(value, at), over: varint(value, at) }
      continue
    }
    const first = varint(value, at)
    const page = { first, last: first + varint(value, at), modified: varint(value, at) }
    varint(value, at) // its length
    page.title = value.subarray(at.n).toString('utf8')
    got.pages[names.get(all[i]).slice('shop.example'.length)] = page
  }
  for (const page of Object.values(got.pages)) page.listed = page.last >= got.head.complete
  return got
}

const listed = ({ pages }) => Object.keys(pages).filter((path) => pages[path].listed).sort()

async function folded(world) {
  await eventually('all is folded', async () => {
    const calls = Array.from({ length: PARTITIONS }, (_, n) => [['HGET', `{p${n}}:meta`, 'shipped'], ['HGET', `{p${n}}:commit`, 'folded']])
    const replies = (await redisCalls(world.socket, calls.flat())).map(Number)
    return replies.every((n, i) => i % 2 === 0 || n === replies[i - 1])
  })
}

async function stored(world, sources, options) {
  const answer = await sitemap(world, sources, options)
  await folded(world)
  return { ...answer, ...(await catalogue(world)) }
}

scenario('a run that read everything replaces the list, another one adds to it', {}, async (world, t) => {
  const site = await serve(t, { '/sitemap.xml': urlset(url('/a', '<lastmod>2024-03-01</lastmod>'), '/b/', '/c') })
  const source = site.origin + '/sitemap.xml'
  const first = await stored(world, source)
  assert.deepEqual([first.stored, first.list, listed(first)], [3, 'replaced', ['/a', '/b', '/c']])
  assert.deepEqual([first.head.named, first.head.pages, first.head.over], [3, 3, 0])
  assert.equal(first.pages['/a'].modified, Date.UTC(2024, 2, 1) / 86400000)

  const again = await stored(world, source)
  assert.deepEqual([again.stored, again.list, site.asked.length], [0, 'as it was', 2], 'one request, and nothing is stored')
  assert.deepEqual(again.pages, first.pages)

  site.paths['/sitemap.xml'] = urlset('/a', '/d')
  const changed = await stored(world, source)
  assert.deepEqual(listed(changed), ['/a', '/d'])
  assert.equal(changed.pages['/b'].last, first.head.complete, 'it is known until when /b was listed')
  assert.equal(changed.pages['/a'].first, first.head.complete)
  assert.equal(changed.pages['/a'].modified, 0, 'the latest run says nothing of it')

  const index = `<sitemapindex><sitemap><loc>${site.origin}/one.xml</loc></sitemap><sitemap><loc>${site.origin}/two.xml</loc></sitemap></sitemapindex>`
  Object.assign(site.paths, { '/index.xml': index, '/one.xml': urlset('/e') })
  const partly = await stored(world, site.origin + '/index.xml', { code: 1 })
  assert.deepEqual([partly.stored, partly.list, listed(partly)], [1, 'added to', ['/a', '/d', '/e']])

  site.paths['/two.xml'] = urlset('/f')
  const asked = site.asked.length
  const whole = await stored(world, site.origin + '/index.xml')
  assert.deepEqual([whole.stored, whole.list, listed(whole)], [2, 'replaced', ['/e', '/f']])
  assert.equal(site.asked.length - asked, 6, 'one file has changed, so all are read')

  site.paths['/none.xml'] = urlset()
  assert.equal((await stored(world, site.origin + '/none.xml')).list, 'as it was', 'an empty sitemap is rather an accident')

  const { code, out } = await run(SENTIER, ['status', '--conf', world.conf, '--format', 'json', '--data', world.data])
  assert.equal(code, 0, out)
  const stats = await world.stats(world.aggregatorAdmin)
  assert.equal(stats.verdicts.catalogue, 4 + 3 + 1 + 3)
  assert.equal(await world.redisCall('EXISTS', 'sentier:v1:summary:shop:today'), 0, 'no figures come of it')
})

scenario('without a collector the run ships itself; in the sea of hits it changes no figure', {}, async (world) => {
  const title = 'é'.repeat(100)
  const rss = `<rss><channel><item><link>https://shop.example/seen</link><title>${title}</title></item><item><link>https://shop.example/never</link></item></channel></rss>`
  await world.beacon([view('/seen'), view('/other')])
  await world.settled({ received: 2 })
  const before = await world.report()
  await world.collector.stop()
  const got = await stored(world, file(world, 'feed.xml', rss))
  assert.deepEqual(listed(got), ['/never', '/seen'])
  assert.equal(got.pages['/seen'].title, 'é'.repeat(64), 'cut between two characters')
  const after = await world.report()
  assert.deepEqual({ ...after, folded_at_ms: 0 }, { ...before, folded_at_ms: 0 })
  await world.collector.start()
  await world.settled({ received: 5 })
  assert.equal((await world.stats(world.aggregatorAdmin)).ledger.left_out, 3)
})

scenario('a rebuild makes the same catalogue', { collector: { journal_segment: '64k' } }, async (world) => {
  const many = Array.from({ length: 3000 }, (_, i) => `/page/${i}`)
  await world.beacon([view('/a')])
  await stored(world, file(world, 'many.xml', urlset(...many)))
  const before = await stored(world, file(world, 'fewer.xml', urlset(...many.slice(0, 1000), '/new')))
  assert.equal(listed(before).length, 1001)
  assert.equal(before.head.pages, 3001)
  await world.settled()
  const did = await run(SENTIER, ['rebuild', '--data', world.data, '--conf', world.conf], 120_000)
  assert.equal(did.code, 0, did.out + did.err)
  const after = await catalogue(world)
  assert.deepEqual(after, { head: before.head, pages: before.pages })
})
