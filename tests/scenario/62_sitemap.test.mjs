// Sitemaps over real HTTP: what a site's server may do - indexes, gzip, robots.txt, ETags, redirects,
// endless and stalled answers - and what `sentier sitemap check` makes of it. Every URL has one fate.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { program } from './world.mjs'

const FINDING = /ERROR: \w*Sanitizer|runtime error:|detected memory leaks|Assertion .* failed/
const FATES = ['pages', 'same_page', 'other_site', 'malformed', 'over_limit']

const urlset = (...urls) => `<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">${urls.map((url) => `<url><loc>${url}</loc></url>`).join('')}</urlset>`
const index = (...urls) => `<sitemapindex>${urls.map((url) => `<sitemap><loc>${url}</loc></sitemap>`).join('')}</sitemapindex>`

// A site: paths -> a body, or what is done with (request, response). It notes each request.
class Site {
  static async start(t, { origins } = {}) {
    const site = new Site()
    site.top = mkdtempSync(join(tmpdir(), 'sentier-sitemap-'))
    site.paths = {}
    site.requests = []
    site.server = createServer((request, response) => site.#answer(request, response))
    site.server.listen(0, '127.0.0.1')
    await once(site.server, 'listening')
    site.origin = `http://127.0.0.1:${site.server.address().port}`
    site.conf = join(site.top, 'sentier.conf')
    writeFileSync(site.conf, `[site shop]\norigins = ${origins ?? site.origin}\n[site open]\n`)
    t.after(async () => {
      site.server.closeAllConnections()
      await new Promise((done) => site.server.close(done))
      rmSync(site.top, { recursive: true })
    })
    return site
  }

  #answer(request, response) {
    this.requests.push({ path: request.url, headers: request.headers })
    const what = this.paths[request.url]
    if (typeof what === 'function') return what(request, response)
    if (what === undefined) return response.writeHead(404).end('no')
    response.end(what)
  }

  asked() {
    return this.requests.map(({ path }) => path)
  }

  url(path) {
    return this.origin + path
  }

  file(name, text) {
    const path = join(this.top, name)
    writeFileSync(path, text)
    return path
  }

  async run(sources, { site = 'shop', more = [], input, format = 'json' } = {}) {
    const args = ['check', '--site', site, '--conf', this.conf, '--format', format, ...more, ...[sources].flat()]
    const env = { ...process.env, NO_PROXY: '*', no_proxy: '*', ASAN_OPTIONS: 'detect_leaks=1:exitcode=99', UBSAN_OPTIONS: 'halt_on_error=1:exitcode=99' }
    const child = spawn(program('sentier-sitemap'), args, { stdio: ['pipe', 'pipe', 'pipe'], env, timeout: 120_000 })
    const got = { out: '', err: '' }
    child.stdout.setEncoding('utf8').on('data', (text) => (got.out += text))
    child.stderr.setEncoding('utf8').on('data', (text) => (got.err += text))
    child.stdin.on('error', () => {}) // it may have enough before the end
    child.stdin.end(input ?? '')
    const [code, signal] = await once(child, 'close')
    assert.doesNotMatch(got.err, FINDING)
    return { ...got, code: code ?? signal }
  }

  // The answer as JSON, its account checked. code: how it must end.
  async check(sources, { code = 0, ...options } = {}) {
    const did = await this.run(sources, options)
    assert.equal(did.code, code, did.out + did.err)
    const answer = JSON.parse(did.out)
    const sum = FATES.map((fate) => answer.account[fate].count).reduce((a, b) => a + b)
    assert.equal(sum, answer.account.urls, 'every URL has one fate')
    assert.equal(answer.pages.length, answer.account.pages.count)
    return { ...answer, err: did.err, paths: answer.pages.map(({ page }) => page.slice(page.indexOf('/'))) }
  }

  // A body with an ETag of its own, and a 304 for whoever has it.
  tagged(body, headers = {}) {
    return (request, response) => {
      const etag = `"${createHash('sha256').update(body).digest('base64url')}"`
      if (request.headers['if-none-match'] === etag) return response.writeHead(304, { etag }).end()
      response.writeHead(200, { etag, ...headers }).end(body)
    }
  }
}

const outcome = (answer, path) => answer.files.find(({ file }) => file.endsWith(path))

test('an index is followed, whatever its children are', async (t) => {
  const site = await Site.start(t)
  site.paths = {
    '/sitemap.xml': index(site.url('/a.xml'), site.url('/b.xml.gz'), site.url('/c.txt'), site.url('/feed'), site.url('/a.xml'), site.url('/sitemap.xml'), site.url('/gone.xml'), 'https://elsewhere.example/x.xml', 'file:///etc/passwd', site.url('/nested.xml')),
    '/a.xml': urlset(site.url('/'), site.url('/one/'), site.url('/one?utm_source=x'), 'https://elsewhere.example/', '/relative', site.url('/' + 'x'.repeat(2100))),
    '/b.xml.gz': Buffer.concat([gzipSync('<urlset><url><loc>' + site.url('/two')), gzipSync('</loc><lastmod>2024-03-01</lastmod></url></urlset>')]),
    '/c.txt': `\ufeff${site.url('/three')}\r\n\r\n${site.url('/two')}`,
    '/feed': (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(`<rss><channel><language>fr</language><item><link>${site.url('/four')}</link><title>Quatre &amp; "4"</title><pubDate>Fri, 01 Mar 2024 10:00:00 +0100</pubDate></item></channel></rss>`)),
    '/nested.xml': index(site.url('/never.xml')),
  }
  const got = await site.check(site.url('/sitemap.xml'), { code: 1 })
  assert.deepEqual(got.paths, ['/', '/one', '/two', '/three', '/four'])
  assert.deepEqual(FATES.map((fate) => got.account[fate].count), [5, 2, 1, 2, 0])
  assert.equal(got.account.other_site.first, 'https://elsewhere.example/')
  assert.match(got.account.malformed.why, /no absolute http or https URL/)
  assert.equal(got.pages[2].modified, '2024-03-01T00:00:00Z')
  assert.deepEqual({ ...got.pages[4], page: '' }, { page: '', published: '2024-03-01T09:00:00Z', language: 'fr', title: 'Quatre & "4"' })
  assert.match(outcome(got, '/gone.xml').why, /answers 404/)
  assert.match(outcome(got, '/nested.xml').why, /index within an index/)
  for (const left of ['/x.xml', '/etc/passwd']) assert.equal(outcome(got, left).outcome, 'left out')
  assert.deepEqual(site.asked(), ['/sitemap.xml', '/a.xml', '/b.xml.gz', '/c.txt', '/feed', '/gone.xml', '/nested.xml'], 'each once')
  assert.ok(site.requests.every(({ headers }) => headers['user-agent'].startsWith('Sentier/')))
  assert.match(got.err, /gone\.xml: the server answers 404/)

  const alone = await site.check(site.url('/sitemap.xml'), { more: ['--no-children'] })
  assert.deepEqual([alone.account.urls, alone.files.length], [0, 1])
})

test('a bare site is asked by robots.txt, else by /sitemap.xml', async (t) => {
  const site = await Site.start(t)
  site.paths = {
    '/robots.txt': `User-agent: *\nDisallow: /\nSitemap : /relative.xml\nsitemap: ${site.url('/absolute.xml')}\nsitemap: ${site.url('/absolute.xml')}\nSitemap: https://elsewhere.example/s.xml\n`,
    '/relative.xml': urlset(site.url('/r')),
    '/absolute.xml': urlset(site.url('/a')),
    '/sitemap.xml': urlset(site.url('/s')),
  }
  for (const origin of [site.origin, site.origin + '/']) {
    const got = await site.check(origin)
    assert.deepEqual(got.paths, ['/r', '/a'])
    assert.equal(outcome(got, 's.xml').outcome, 'left out')
  }
  site.paths['/robots.txt'] = 'User-agent: *\n'
  assert.deepEqual((await site.check(site.origin)).paths, ['/s'])
  delete site.paths['/robots.txt']
  assert.deepEqual((await site.check(site.origin)).paths, ['/s'])
  site.paths['/robots.txt'] = (_, response) => { // more than a robots.txt may have
    const more = () => response.writable && response.write('# '.repeat(32768) + '\n', more)
    response.write('Sitemap: /relative.xml\n', more)
  }
  assert.deepEqual((await site.check(site.origin)).paths, ['/r'])
})

test('what has not changed is not sent again, and a change is seen', async (t) => {
  const site = await Site.start(t)
  const state = join(site.top, 'state.json')
  const check = (options) => site.check(site.url('/sitemap.xml'), { more: ['--state', state], ...options })
  const outcomes = (got) => got.files.map(({ outcome }) => outcome)
  site.paths = {
    '/sitemap.xml': site.tagged(index(site.url('/a.xml'), site.url('/b.xml'))),
    '/a.xml': site.tagged(urlset(site.url('/a'))),
    '/b.xml': (request, response) => { // a server that knows no ETag
      const modified = 'Fri, 01 Mar 2024 10:00:00 GMT'
      if (request.headers['if-modified-since'] === modified) return response.writeHead(304).end()
      response.writeHead(200, { 'last-modified': modified }).end(urlset(site.url('/b')))
    },
  }
  assert.deepEqual((await check()).paths, ['/a', '/b'])
  const second = await check()
  assert.deepEqual([second.paths, outcomes(second)], [[], ['unchanged', 'unchanged', 'unchanged']])
  site.paths['/a.xml'] = site.tagged(urlset(site.url('/a'), site.url('/new')))
  const third = await check() // the index is the same, its child is not
  assert.deepEqual([third.paths, outcomes(third)], [['/a', '/new'], ['unchanged', 'read', 'unchanged']])
  const good = site.paths['/a.xml']
  site.paths['/a.xml'] = (_, response) => response.writeHead(500).end()
  assert.deepEqual(outcomes(await check({ code: 1 })), ['unchanged', 'failed', 'unchanged'])
  site.paths['/a.xml'] = good
  assert.deepEqual(outcomes(await check()), ['unchanged', 'unchanged', 'unchanged'], 'a failure forgets nothing')
  site.paths['/a.xml'] = site.tagged(urlset(site.url('/late')).slice(0, -5)) // cut off
  assert.deepEqual(outcomes(await check({ code: 1 })), ['unchanged', 'failed', 'unchanged'])
  assert.deepEqual(outcomes(await check({ code: 1 })), ['unchanged', 'failed', 'unchanged'], 'nor is half a file remembered')
  site.paths['/a.xml'] = good
  writeFileSync(site.conf, readFileSync(site.conf, 'utf8').replace('[site open]', 'keep_params = id\n[site open]'))
  assert.deepEqual((await check()).paths, ['/a', '/new', '/b'], 'other rules of what a page is')
  site.paths['/b.xml'] = (_, response) => response.writeHead(304).end()
  writeFileSync(state, 'damaged')
  const odd = await check({ code: 1 })
  assert.match(outcome(odd, '/b.xml').why, /304 to no condition/)
})

test('an index that lists too many, or nonsense, is read as far as it goes', async (t) => {
  const site = await Site.start(t)
  const children = Array.from({ length: 1200 }, (_, i) => `/${i}.txt`)
  for (const path of children) site.paths[path] = site.url('/of' + path)
  site.paths['/many'] = index(...children.map((path) => site.url(path)))
  const many = await site.check(site.url('/many'), { code: 1 })
  assert.equal(many.paths.length, 999)
  assert.equal(site.requests.length, 1000)
  assert.equal(many.files.length, 1001)
  assert.match(many.files.at(-1).why, /more than 1000 sitemaps/)
  site.paths['/odd'] = index('', site.url('/1.txt'), ' ', ...Array.from({ length: 2000 }, (_, i) => `https://elsewhere.example/${i}`))
  const odd = await site.check(site.url('/odd'))
  assert.deepEqual(odd.paths, ['/of/1.txt'])
  assert.match(outcome(odd, '/odd').why, /^2 of its entries have no URL/)
  assert.equal(odd.files.filter(({ outcome }) => outcome === 'left out').length, 1000)
})

test('redirects stay within the site and end', async (t) => {
  const site = await Site.start(t)
  const other = await Site.start(t)
  const to = (location, status = 302) => (_, response) => response.writeHead(status, { location }).end('moved')
  site.paths = {
    '/1': to('/2', 301), '/2': to(site.url('/3'), 307), '/3': to('4', 308), '/4': to('/5', 303), '/5': to('/6'),
    '/6': urlset(site.url('/page')),
    '/0': to('/1'),
    '/loop': to('/loop'),
    '/out': to(other.url('/s.xml')),
    '/file': to('file:///etc/passwd'),
    '/nowhere': to(''),
    '/bad': to('http://\u00e9 b/'),
    '/endless': (_, response) => {
      const more = () => response.writable && response.write('x'.repeat(65536), more)
      response.writeHead(302, { location: '/6' })
      more()
    },
  }
  other.paths = { '/s.xml': urlset(other.url('/secret')) }
  assert.deepEqual((await site.check(site.url('/1'))).paths, ['/page'])
  assert.deepEqual((await site.check(site.url('/endless'))).paths, ['/page'])
  const reasons = { '/0': /more than 5 redirects/, '/loop': /more than 5 redirects/, '/out': /another site \(http:.*origins/, '/file': /another site/, '/nowhere': /answers 302|redirects/, '/bad': /another site|answers 302|URL/ }
  for (const [path, why] of Object.entries(reasons)) {
    const got = await site.check(site.url(path), { code: 1 })
    assert.match(outcome(got, path).why, why)
    assert.deepEqual(got.paths, [])
  }
  assert.deepEqual(other.asked(), [], 'another host is never asked')
  const open = await site.check(site.url('/out'), { site: 'open', code: 1 })
  assert.match(outcome(open, '/out').why, /another site/, 'nor for a site without origins')
})

// Each would be a GB and more, or take for ever.
test('endless, huge and stalled answers are let go', async (t) => {
  const site = await Site.start(t)
  const flood = (head, piece, headers = {}) => (_, response) => {
    const more = () => response.writable && response.write(piece, more)
    response.writeHead(200, headers)
    response.write(head, more)
  }
  const blanks = gzipSync(Buffer.alloc(16 << 20, ' '))
  site.paths = {
    '/blanks': flood('<urlset>', Buffer.alloc(1 << 20, ' ')),
    '/bomb': flood(gzipSync('<urlset>'), blanks, { 'content-encoding': 'gzip' }),
    '/comment': flood('<urlset><!--', 'x'.repeat(65536)),
    '/deep': flood('<urlset>', '<x>'.repeat(10000)),
    '/announced': (_, response) => { response.writeHead(200, { 'content-length': 1 << 30 }); response.write('<urlset>') },
    '/entities': `<!DOCTYPE urlset [${Array.from({ length: 20 }, (_, i) => `<!ENTITY e${i + 1} "&e${i};&e${i};">`).join('')}]><urlset><url><loc>&e20;</loc></url></urlset>`,
    '/html': '<!doctype html><title>Not found</title><p>Sorry',
    '/brotli': (_, response) => response.writeHead(200, { 'content-encoding': 'br' }).end('x'),
    '/part': (_, response) => response.writeHead(206).end(urlset(site.url('/p'))),
    '/short': (_, response) => { response.writeHead(200, { 'content-length': 1000 }); response.write(urlset(site.url('/s')), () => response.destroy()) },
    '/empty': '',
    '/stalled': (_, response) => response.write('<urlset>'),
    '/silent': () => {},
    '/good': urlset(site.url('/good')),
  }
  const reasons = {
    '/blanks': /more than 50 MB/, '/bomb': /more than 50 MB when unpacked/, '/comment': /comment.* of more than 64 kB/, '/deep': /more than 100 deep/,
    '/announced': /more than 50 MB/, '/entities': /document type declares/, '/html': /an HTML page/, '/brotli': /Content-Encoding br/, '/part': /answers 206/,
    '/short': /transfer closed/, '/empty': /the file is empty/,
  }
  const got = await site.check([...Object.keys(reasons), '/good'].map((path) => site.url(path)), { code: 1 })
  for (const [path, why] of Object.entries(reasons)) assert.match(outcome(got, path).why, why)
  assert.deepEqual(got.paths, ['/s', '/good'], 'what came out before stays, and the next one is read')
  const slow = await site.check(['/stalled', '/silent'].map((path) => site.url(path)), { code: 1, more: ['--timeout', '1'] })
  for (const path of ['/stalled', '/silent']) assert.match(outcome(slow, path).why, /timed out/i)
})

test('files and standard input, as table, CSV and JSON', async (t) => {
  const site = await Site.start(t, { origins: 'https://shop.example' })
  const list = site.file('list.txt', 'https://shop.example/a\nhttps://shop.example/b\nnonsense\n')
  const feed = site.file('feed', '<feed><entry><title>A "b", c\u009b31m</title><link href="https://shop.example/c"/><updated>2024-03-01T10:00:00Z</updated></entry><entry><link href="https://shop.example/a/"/><updated>soon</updated></entry></feed>')
  assert.deepEqual((await site.check([list, feed])).paths, ['/a', '/b', '/c'])
  assert.deepEqual((await site.check('-', { input: gzipSync(readFileSync(list)) })).paths, ['/a', '/b'])

  const table = await site.run([list, feed], { format: 'table' })
  assert.equal(table.code, 0, table.err)
  assert.match(table.out, /^dated +page\n +shop\.example\/a\n/)
  assert.match(table.out, /2024-03-01T10:00:00Z +shop\.example\/c +"A "b", c 31m"/)
  assert.match(table.out, /5 URLs = 3 pages \+ 1 same page twice \+ 0 other site \+ 1 malformed/)
  assert.match(table.out, /malformed +nonsense +no absolute/)
  assert.match(table.out, /1 of them with a date that is none\n +date +https:\/\/shop\.example\/a\/ +lastmod/)

  const csv = await site.run([list, feed], { format: 'csv' })
  assert.equal(csv.out, 'page,modified,published,language,title\n"shop.example/a",,,,""\n"shop.example/b",,,,""\n"shop.example/c",2024-03-01T10:00:00Z,,,"A ""b"", c 31m"\n')
  assert.match(csv.err, /5 URLs = 3 pages/)

  const offline = await site.check(site.file('index.xml', index('https://elsewhere.example/1.xml')))
  assert.equal(offline.files[1].outcome, 'left out')
  for (const [source, why] of [['nowhere.xml', /No such file/], [site.top, /Is a directory/], ['ftp://shop.example/a', /only http/], ['file:///etc/passwd', /only http/], ['http://127.0.0.1:1/', /connect/]]) {
    const got = await site.check([source, list], { code: 1 })
    assert.match(got.files[0].why, why)
    assert.deepEqual(got.paths, ['/a', '/b'], 'the others are still read')
  }
})

test('a wrong command line is said', async (t) => {
  const site = await Site.start(t)
  const list = site.file('list.txt', '')
  for (const [more, why] of [[['--format', 'xml'], /^sentier sitemap --site/], [['--timeout', '0'], /^sentier sitemap --site/], [['--no-such'], /./]]) {
    const did = await site.run(list, { more })
    assert.deepEqual([did.code, did.out], [2, ''])
    assert.match(did.err, why)
  }
  const unknown = await site.run(list, { site: 'shpo' })
  assert.equal(unknown.code, 2)
  assert.match(unknown.err, /no \[site shpo\]; the configuration has: open shop/)
  const none = await site.run([])
  assert.equal(none.code, 2)
  assert.match(none.err, /\[site shop\] has no `sitemap`/)
  writeFileSync(site.conf, `[site shop]\nsitemap = ${site.file('own.txt', site.url('/own'))}\n`)
  assert.deepEqual((await site.check([])).paths, ['/own'])
  const unsaved = await site.run(site.file('a.txt', site.url('/a')), { more: ['--state', '/nowhere/state'] })
  assert.equal(unsaved.code, 2)
  assert.match(unsaved.err, /\/nowhere\/state: No such file/)
})
