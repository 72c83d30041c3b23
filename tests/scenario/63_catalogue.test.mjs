// The catalogue: what sitemaps name is stored once, replaced only by a run that read everything, in the
// ledger, archive and rebuild like hits, and never counted as one.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { eventually } from './eventually.mjs'
import { run } from './process.mjs'
import { redisCalls } from './redis.mjs'
import { AGENT, program, scenario, view } from './world.mjs'

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
  const did = await run(program('sentier-sitemap'), ['--site', 'shop', '--conf', world.conf, '--format', 'json', ...[sources].flat()])
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
  await world.settled({ received: 1 + 3001 + 1002 }) // what ends a list is a record, too
  const did = await run(SENTIER, ['rebuild', '--data', world.data, '--conf', world.conf])
  assert.equal(did.code, 0, did.out + did.err)
  const after = await catalogue(world)
  assert.deepEqual(after, { head: before.head, pages: before.pages })
})

// ---- verdicts

const verdicts = (world, ...more) => report(world, 'verdicts', ...more)

async function report(world, list, ...more) {
  const args = ['report', list, '--conf', world.conf, '--site', 'shop', '--redis', `unix:${world.socket}`, '--format', 'json', ...more]
  const { code, out, err } = await run(program('sentier-report'), args)
  assert.equal(code, 0, err)
  return more.includes('table') || more.includes('csv') ? out : JSON.parse(out)
}

async function pages(world, from, to) {
  const { code, out, err } = await run(program('sentier-report'), ['report', 'pages', '--conf', world.conf, '--site', 'shop', '--redis', `unix:${world.socket}`, '--format', 'json', '--from', from, '--to', to])
  assert.equal(code, 0, err)
  return new Map(JSON.parse(out).pages.map((one) => [one.page, one]))
}

// What is published is, after a while, what the command says.
const published = (world) => eventually('the published verdicts are those of the command', async () => {
  const [document, report] = [await world.document('verdicts'), await verdicts(world)]
  assert.deepEqual({ ...document, folded_at_ms: 0 }, { ...report, folded_at_ms: 0 })
  return document
})

const byVerdict = (report) => {
  const groups = {}
  for (const { page, verdict } of report.pages) (groups[verdict] ??= []).push(page.slice(page.indexOf('/')))
  for (const group of Object.values(groups)) group.sort()
  return groups
}

scenario('each page has one verdict, and its evidence', {}, async (world) => {
  const listed = ['/used', '/clicked', '/tried', '/gone', '/robots-only', '/never', '/twice']
  await stored(world, file(world, 'all.xml', urlset(...listed)))
  assert.deepEqual(byVerdict(await verdicts(world)), { unvisited: [...listed].sort() }, 'nobody came yet')
  const used = view('/used')
  const clicked = view('/clicked')
  const [one, two] = [view('/twice'), view('/twice')]
  await world.beacon([used, { ...used, k: 'pu', n: 1, e: 10_000 }, clicked, { ...clicked, k: 'ev', m: 'signup', n: 1 }, view('/tried')])
  await world.beacon([one, { ...one, k: 'pu', n: 1, e: 6000 }, two, { ...two, k: 'pu', n: 1, e: 4000 }, view('/gone', { x: 404 }), view('/orphan')])
  await world.beacon([view('/robots-only', { w: 1 }), view('/no-page-of-humans', { w: 1 })])
  await world.settled({ received: 8 + 5 + 6 + 2 })
  const report = await verdicts(world)
  assert.deepEqual(byVerdict(report), {
    broken: ['/gone'], orphan: ['/orphan'], unproven: ['/tried'], unvisited: ['/never', '/robots-only'], used: ['/clicked', '/twice', '/used'],
  })
  assert.deepEqual(report.verdicts, { broken: 1, orphan: 1, ignored: 0, fading: 0, used: 3, undiscovered: 0, unproven: 1, unvisited: 2 })
  const of = (path) => report.pages.find(({ page }) => page === 'shop.example' + path)
  assert.deepEqual([of('/twice').views, of('/twice').visits, of('/twice').used], [2, 1, 1], '6 s and 4 s of one visit')
  assert.deepEqual([of('/robots-only').views, of('/robots-only').bot_views], [0, 1])
  assert.equal(of('/orphan').sitemap, null)
  assert.equal(of('/never').sitemap.listed, true)
  assert.equal(report.before, null)
  await published(world)

  const only = await verdicts(world, '--verdict', 'unvisited')
  assert.deepEqual(byVerdict(only), { unvisited: ['/never', '/robots-only'] })
  const table = await verdicts(world, '--format', 'table')
  assert.match(table, /1 broken, 1 orphan, 0 ignored, 0 fading, 3 used, 0 undiscovered, 1 unproven, 2 unvisited/)
  assert.match(table, /^verdicts of shop \(shop\.example\), .*\n(.*\n)*\/never\s+unvisited/)
  const csv = (await verdicts(world, '--format', 'csv')).trim().split(/\r?\n/)
  assert.equal(csv.length, 1 + report.pages.length)
  assert.match(csv[0], /^page,verdict,views,visits,visits_before,chance,used,used_low,used_high,seen,seen_opened,opened_low,opened_high,kind,linked_from,not_found,bot_views,last_listed$/)

  await stored(world, file(world, 'less.xml', urlset('/tried')))
  const after = await verdicts(world)
  assert.deepEqual(byVerdict(after).orphan, ['/clicked', '/orphan', '/twice', '/used'])
  assert.equal(byVerdict(after).unvisited, undefined, 'what no sitemap names any more and nobody visits is gone')
  assert.equal(after.pages.find(({ page }) => page.endsWith('/used')).sitemap.listed, false)
  await published(world) // a sitemap changes verdicts as hits do
  const wrong = await run(program('sentier-report'), ['report', 'verdicts', '--verdict', 'unloved', '--site', 'shop', '--conf', world.conf])
  assert.equal(wrong.code, 2)
  assert.match(wrong.err, /--verdict unloved: must be broken, orphan, ignored, .* or unvisited/)
})

const LOG = resolve(dirname(fileURLToPath(import.meta.url)), '../../../shared/data/elastic-apache-combined/apache_logs.gz')

// P(X <= k) of n fair coins, in whole numbers.
function coins(k, n) {
  let [sum, one] = [0n, 1n]
  for (let i = 0; i <= k; i++) {
    sum += one
    one = (one * BigInt(n - i)) / BigInt(i + 1)
  }
  return Number((sum * 10n ** 30n) / 2n ** BigInt(n)) / 1e30
}

scenario('a real log with a sitemap: every URL has a verdict, those without traffic exactly', {}, async (world, t) => {
  if (!existsSync(LOG)) return t.skip('no ../shared/data/elastic-apache-combined')
  const did = await run(program('sentier-import'), ['--site', 'shop', '--conf', world.conf, '--quiet', LOG])
  assert.equal(did.code, 0, did.err)
  const lines = gunzipSync(readFileSync(LOG)).toString('latin1').split('\n')
  const asked = lines.map((line) => /"GET (\/[\w./~-]*) HTTP\/1\.[01]" 200 /.exec(line)?.[1]).filter(Boolean)
  const never = ['/never', '/never/seen', '/presentations/of-nobody.html', '/blog/unread/']
  const source = file(world, 'site.xml', urlset(...new Set([...asked, ...never])))
  const check = await run(program('sentier-sitemap'), ['check', '--site', 'shop', '--conf', world.conf, '--format', 'json', source])
  const named = JSON.parse(check.out).pages.map(({ page }) => page)
  assert.equal((await stored(world, source)).stored, named.length)

  const range = ['2015-05-17', '2015-05-20']
  const visited = await pages(world, ...range)
  const report = await verdicts(world, '--from', range[0], '--to', range[1])
  const judged = new Map(report.pages.map((one) => [one.page, one]))
  assert.equal(judged.size, report.pages.length, 'one verdict each')
  assert.deepEqual(named.filter((page) => !judged.has(page)), [], 'every URL of the sitemap has a verdict')
  const views = (page) => visited.get(page)?.views ?? 0
  const unvisited = report.pages.filter(({ verdict }) => verdict === 'unvisited').map(({ page }) => page)
  assert.deepEqual(unvisited.sort(), named.filter((page) => views(page) === 0).sort())
  for (const page of never) assert.ok(unvisited.includes('shop.example' + page.replace(/\/$/, '')), page)
  const inSitemap = new Set(named)
  for (const { page, verdict } of report.pages) {
    const { not_found } = visited.get(page) ?? { not_found: 0 }
    const want = not_found > 0 ? 'broken' : !inSitemap.has(page) ? 'orphan' : views(page) > 0 ? 'unproven' : 'unvisited'
    assert.equal(verdict, want, page)
  }

  // Two days against the two before.
  const [before, now] = [await pages(world, '2015-05-17', '2015-05-18'), await pages(world, '2015-05-19', '2015-05-20')]
  const half = await verdicts(world, '--from', '2015-05-19', '--to', '2015-05-20')
  assert.deepEqual(half.before, { from: '2015-05-17', to: '2015-05-18' })
  const count = (map, page) => map.get(page)?.visits ?? 0
  const fading = named.filter((page) => {
    const [a, b] = [count(now, page), count(before, page)]
    return !now.get(page)?.not_found && 2 * a < b && coins(a, a + b) < 0.05
  })
  assert.deepEqual(half.pages.filter(({ page, verdict }) => verdict === 'fading' && inSitemap.has(page)).map(({ page }) => page).sort(), fading.sort())
  for (const { page, visits, visits_before, chance } of half.pages) {
    assert.deepEqual([visits, visits_before], [count(now, page), count(before, page)], page)
    if (visits + visits_before > 0) assert.ok(Math.abs(chance - coins(visits, visits + visits_before)) < 1e-9, page)
  }
  console.log(`# ${named.length} pages of the sitemap, ${unvisited.length} without traffic, ${fading.length} fading; ${JSON.stringify(report.verdicts)}`)
})

scenario('a page fades, or rises, by more than chance, or not', {}, async (world) => {
  const line = (day, person, path) => `203.0.113.${person} - - [0${day}/Mar/2024:08:00:${String(person % 60).padStart(2, '0')} +0000] "GET ${path} HTTP/1.1" 200 9 "-" "${AGENT}"`
  const people = (day, n, path) => Array.from({ length: n }, (_, person) => line(day, person, path))
  const log = [...people(1, 40, '/fades'), ...people(1, 8, '/few'), ...people(1, 60, '/less'), ...people(1, 6, '/left'), ...people(1, 9, '/unlisted'), ...people(1, 10, '/more'), ...people(1, 20, '/same'),
    ...people(2, 5, '/fades'), ...people(2, 3, '/few'), ...people(2, 35, '/less'), ...people(2, 1, '/new'), ...people(2, 30, '/more'), ...people(2, 22, '/same')]
  const did = await run(program('sentier-import'), ['--site', 'shop', '--conf', world.conf, '--quiet', file(world, 'access.log', log.join('\n') + '\n')])
  assert.equal(did.code, 0, did.err)
  await stored(world, file(world, 'all.xml', urlset('/fades', '/few', '/less', '/left', '/new', '/more', '/same')))
  const judged = await verdicts(world, '--last', '1d')
  assert.deepEqual(judged.before, { from: '2024-03-01', to: '2024-03-01' })
  assert.deepEqual(byVerdict(judged), { fading: ['/fades', '/left', '/unlisted'], unproven: ['/few', '/less', '/more', '/new', '/same'] })
  const fades = judged.pages.find(({ page }) => page.endsWith('/fades'))
  assert.deepEqual([fades.visits, fades.visits_before], [5, 40])
  assert.ok(Math.abs(fades.chance - coins(5, 45)) < 1e-12)

  const decay = await report(world, 'decay', '--last', '1d')
  const changes = (name) => decay.pages.filter(({ change }) => change === name).map(({ page }) => page.slice(12))
  assert.deepEqual([changes('fell'), changes('rose')], [['/fades', '/less', '/unlisted', '/left'], ['/more']], 'most visits lost first')
  assert.deepEqual(changes('steady').sort(), ['/few', '/new', '/same'])
  assert.deepEqual([decay.changes, decay.can_tell, decay.by_chance_at_most], [{ fell: 4, rose: 1, steady: 3 }, 7, 7 / 20], 'one visit tells nothing')
  for (const one of decay.pages) {
    const [now, before] = [one.visits, one.visits_before]
    const chance = Math.min(1, 2 * Math.min(coins(now, now + before), coins(before, now + before)))
    assert.ok(Math.abs(one.chance - chance) < 1e-11, one.page)
    assert.equal(one.change, chance >= 0.05 ? 'steady' : now < before ? 'fell' : 'rose')
    if (before === 0) assert.deepEqual([one.ratio, one.ratio_high], [null, null])
    else assert.ok(Math.abs(one.ratio - now / before) < 1e-11 && one.ratio_low <= one.ratio && one.ratio <= one.ratio_high)
  }
  const [shown, rows] = [await report(world, 'decay', '--last', '1d', '--format', 'table'), await report(world, 'decay', '--last', '1d', '--format', 'csv')]
  assert.match(shown, /, against the 1 day before\n\n4 fell, 1 rose, 3 steady; sessions of the site: \d+, before \d+\n/)
  assert.match(shown, /\n\/fades\s+fell\s+5\s+40\s+-88%\s+-95% to -69%\s+<0\.001/)
  assert.match(shown, /Of 7 pages with visits enough to tell, up to 1 would fall or rise so by chance alone/)
  assert.match(rows, /^page,change,visits,visits_before,ratio,ratio_low,ratio_high,chance\r?\nshop\.example\/fades,fell,5,40,0\.125,/)
  const nothing = await run(program('sentier-report'), ['report', 'decay', '--site', 'shop', '--conf', world.conf, '--from', '2024-03-01', '--to', '2024-03-01'])
  assert.equal(nothing.code, 2)
  assert.match(nothing.err, /nothing is known of the days before/)
})
