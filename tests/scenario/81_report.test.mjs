// What people and programs get to see of one small site: tables that fit a terminal, documents that
// are the same for every terminal, and errors that say what to do.

import assert from 'node:assert/strict'
import { run } from './process.mjs'
import { ORIGIN, newId, program, scenario, view } from './world.mjs'

const SITES = { shop: { origins: ORIGIN, spread: 4, search_params: 'q' }, two: { origins: 'https://one.example https://other.example', search_params: 's q' }, club: { origins: ORIGIN } }
const LONG = '/garden/furniture/chairs/folding-chair-x'

function report(args, env = {}) {
  const assigned = Object.entries({ SENTIER_CONF: '', COLUMNS: '80', ...env }).map(([name, value]) => `${name}=${value}`)
  return run('env', ['-C', '/', ...assigned, program('sentier-report'), ...args])
}

const HOUR = 3600_000
const MEMBER = newId()

// One person in three sessions: /left was left each time, /home used once, /news in every session.
async function fillClub(world) {
  const look = (path, ago, engaged) => {
    const hit = { ...view(path, { p: newId(), c: 1, v: MEMBER }), s: 'club', a: ago, b: ago }
    return engaged === 0 ? [hit] : [hit, { ...hit, k: 'pu', n: 1, e: engaged, a: ago - engaged }]
  }
  for (const ago of [50 * HOUR, 30 * HOUR, 10 * HOUR])
    await world.beacon([...look('/left', ago, 3000), ...look('/news', ago - 60_000, 70_000)])
  await world.beacon([...look('/home', 10 * HOUR - 300_000, 10_000), ...look('/once', 10 * HOUR - 400_000, 0)])
  return 15
}

async function fill(world) {
  for (let i = 0; i < 20; i++) {
    const id = newId()
    const hit = view(i % 4 ? LONG : '/a', { p: id, c: 1, v: newId(), r: 'https://news.example/' })
    await world.beacon([hit, { ...hit, k: 'pu', n: 1, e: 61_000, E: i % 4 ? 0 : 5 }, { ...hit, k: 'ev', n: 2, m: i % 4 ? 'signup?plan=free' : 'signup?plan=Pro%20%2B&trial' }])
    await world.beacon([view('/gone', { x: 404 })], { 'X-Forwarded-For': `198.51.100.${i}` })
  }
  await world.beacon([view('/a', { w: 1 })])
  for (const host of ['one', 'other'])
    await world.beacon([{ ...view(''), s: 'two', u: `https://${host}.example/x` }], { Origin: `https://${host}.example` })
  await world.settled({ received: 83 + (await fillClub(world)) })
}

const widest = (text) => Math.max(...text.split('\n').map((line) => [...line].length))

scenario('reports for people and for programs', { sites: SITES }, async (world, t) => {
  await fill(world)
  const shop = ['--site', 'shop', '--conf', world.conf]

  await t.test('pages of one host stand under it, by their paths, whole', async () => {
    const { code, out, err } = await report(['report', 'pages', ...shop])
    assert.equal(code, 0, err)
    assert.match(out, /^pages of shop \(shop\.example\), /)
    assert.match(out, new RegExp(`^${LONG}  +15 `, 'm'))
    assert.doesNotMatch(out.split('\n').slice(1).join('\n'), /shop\.example/)
    for (const columns of [40, 60, 80, 200]) {
      const narrow = await report(['report', 'pages', ...shop], { COLUMNS: String(columns) })
      const table = narrow.out.split('\n').slice(2, 9).join('\n')
      assert.ok(widest(table) <= columns, `${columns} columns: ${table}`)
    }
  })

  await t.test('pages that throw errors are named, those with most first', async () => {
    const { code, out, err } = await report(['report', 'errors', ...shop])
    assert.equal(code, 0, err)
    assert.match(out, /^errors of shop \(shop\.example\), .*\n\n.*Page +Errors +Views +Per view\n/)
    assert.match(out, /^\/a +25 +5 +5\.00$/m)
    assert.doesNotMatch(out, /folding|gone/)
    const pages = await report(['report', 'pages', ...shop], { COLUMNS: '200' })
    assert.match(pages.out, / 404 +Errors +Bots$/m)
    const none = await report(['report', 'pages', '--site', 'club', '--conf', world.conf], { COLUMNS: '200' })
    assert.doesNotMatch(none.out, /Errors/)
    const csv = await report(['report', 'errors', ...shop, '--format', 'csv'])
    assert.equal(csv.out, 'page,errors,views,errors_per_view\r\nshop.example/a,25,5,5.000\r\n')
  })

  await t.test('properties of events stand beside them, with their share', async () => {
    const { p, ...alone } = view('/a')
    await world.beacon([{ ...alone, k: 'ev', m: 'play?file=a.mp4', q: 1 }])
    await world.settled({ received: 99 })
    const { code, out, err } = await report(['report', 'properties', ...shop])
    assert.equal(code, 0, err)
    assert.match(out, /^properties of shop, .*\n\nEvent +Property +Value +Count +Share\n/)
    assert.match(out, /^signup +plan +free +15 +75\.0%\nsignup +plan +Pro \+ +5 +25\.0%\nsignup +trial +5 +25\.0%\nplay +file +a\.mp4 +1 +100\.0%\n/m)
    assert.doesNotMatch(out, /Total/)
    const csv = await report(['report', 'properties', ...shop, '--event', 'play', '--format', 'csv'])
    assert.equal(csv.out, 'event,key,value,count,share,goals\r\nplay,file,a.mp4,1,1.0000,0\r\n')
    const json = JSON.parse((await report(['report', 'properties', ...shop, '--event', 'play', '--format', 'json'])).out)
    assert.deepEqual(json.properties, [{ event: 'play', key: 'file', value: 'a.mp4', count: 1, goals: 0, share: 1 }])
    const wrong = await report(['report', 'events', ...shop, '--event', 'play'])
    assert.deepEqual([wrong.code, wrong.err], [2, 'sentier: --event is for the report properties\n'])
  })

  await t.test('controls in view beside those used; what was searched for', async () => {
    const { p, ...seen } = view('/a')
    const [found, ...again] = ['Red  Shoes', 'red shoes', 'boots'].map((q) => ({ ...seen, u: `${ORIGIN}/a?q=${encodeURIComponent(q)}`, w: 1, p: newId() }))
    await world.beacon([{ ...seen, k: 'sn', l: ['*menu', '*help'] }, { ...seen, k: 'sn', l: '*menu' }, { ...seen, k: 'ct', m: 'menu' }, found])
    const human = ({ w, ...hit }) => hit
    const searches = [found, ...again].map(human).map((hit) => ({ ...hit, s: 'two', u: hit.u.replace('shop', 'one') }))
    await world.beacon(searches, { Origin: 'https://one.example' })
    await world.beacon(searches.slice(0, 1), { Origin: 'https://one.example' })
    await world.settled({ received: 107 })
    const controls = await report(['report', 'controls', ...shop])
    assert.match(controls.out, /\n\nControl +In view +Used +Share\n.*\nmenu +2 +1 +50\.0%\nhelp +1 +0 +0\.0%\n/)
    assert.match((await report(['report', 'searches', ...shop])).out, /Nothing in this range/) // a bot's is none
    const two = await report(['report', 'searches', '--site', 'two', '--conf', world.conf, '--format', 'csv'])
    assert.equal(two.out, 'term,count\r\nred shoes,2\r\nboots,1\r\n')
  })

  await t.test('pages of several hosts keep them', async () => {
    const { out } = await report(['report', 'pages', '--site', 'two', '--conf', world.conf])
    assert.match(out, /^pages of two, /)
    assert.match(out, /^one\.example\/x .*\nother\.example\/x /m)
  })

  await t.test('documents and CSV name pages in full', async () => {
    const json = JSON.parse((await report(['report', 'pages', ...shop, '--format', 'json'])).out)
    assert.deepEqual(json.pages.map((one) => one.page), ['shop.example/gone', 'shop.example' + LONG, 'shop.example/a'])
    const { out } = await report(['report', 'pages', ...shop, '--format', 'csv'])
    assert.match(out, /\r\nshop\.example\/a,/)
  })

  await t.test('without a configuration it says so, before anything else', async () => {
    const { code, out, err } = await report(['report', 'pages', '--site', 'shop'])
    assert.deepEqual([code, out], [2, ''])
    assert.match(err, /^sentier: no configuration found: name it with --conf FILE/)
  })

  await t.test('the name of a Redis is enough, however the site is spread', async () => {
    const redis = ['--redis', `unix:${world.socket}`, '--site', 'shop', '--format', 'json']
    const { code, out, err } = await report(['report', 'pages', ...redis])
    assert.equal(code, 0, err)
    assert.equal(JSON.parse(out).totals.views, 40)
    const { customers } = JSON.parse((await report(['customers', ...redis])).out)
    assert.equal(customers.length, 20)
    const profile = await report(['profile', customers[7].id, ...redis])
    assert.equal(profile.code, 0, profile.err)
    assert.equal(JSON.parse(profile.out).views, 1)
  })

  await t.test('a profile says what is used, what is ignored, and why', async () => {
    const club = ['--site', 'club', '--conf', world.conf]
    const { code, out, err } = await report(['profile', MEMBER, ...club], { COLUMNS: '100' })
    assert.equal(code, 0, err)
    assert.match(out, /^Class       returning on .*: 3 sessions in 28 days, 3 in 56$/m)
    assert.match(out, /^Sessions    3 on [23] days: 8 views, 3m 49s engaged$/m)
    assert.match(out, /^Devices     desktop 3$/m)
    const after = (heading) => out.slice(out.indexOf(`\n${heading}\n`))
    assert.match(after('USED PAGES'), /^\/news  +8\.\d\d  +returned +3 +3 +3m 30s /m)
    assert.match(after('USED PAGES'), /^\/home  +\d\.\d\d  +used +1 +1 +10s /m)
    assert.match(after('INTERESTS'), /No page has a topic yet: rules `topics =`/)
    const ignored = after('IGNORED PAGES')
    assert.match(ignored, /\n\n  \/left\n    opened in 3 visits, each time left within 10 seconds and without a click; last on /)
    assert.doesNotMatch(ignored, /once|home|news/)
    assert.match(out, /\n1 other page was seen or tried: too little to say more of it\.\n$/)
    const csv = await report(['profile', MEMBER, ...club, '--format', 'csv'])
    assert.match(csv.out, /^page,interest,interest_share,rung,used,tried,views,engaged_ms,last_day,seen,ignored\r\nshop\.example\/news,8\.\d\d\d,0\.8\d\d\d,returned,3,0,3,210000,/)
    const customers = await report(['customers', ...club], { COLUMNS: '120' })
    assert.match(customers.out, new RegExp(`^${MEMBER}  returning .* shop\\.example/news$`, 'm'))
  })

  await t.test('a ledger that does not balance says so in every form', async () => {
    const status = ['status', '--conf', world.conf, '--format']
    const good = await report([...status, 'json'])
    assert.deepEqual([good.code, JSON.parse(good.out).balanced], [0, true], good.out)
    await world.redisCall('HINCRBY', '{p0}:commit', 'v:0', '5')
    const bad = await report([...status, 'json'])
    assert.deepEqual([bad.code, JSON.parse(bad.out).balanced], [1, false])
    const table = await report([...status, 'table'])
    assert.equal(table.code, 1)
    assert.match(table.out, /^NOT BALANCED/m)
  })

  await t.test('errors clean what they repeat', async () => {
    const { code, err } = await report(['report', 'pages', '--site', 'x\x1b[31m', '--conf', world.conf])
    assert.equal(code, 2)
    assert.doesNotMatch(err.trimEnd(), /[\x00-\x1f]/)
    for (const wrong of [['report'], ['report', 'nothing'], ['report', 'pages', '--last', '0d'], ['nothing'], ['profile', 'ID?']])
      assert.equal((await report([...wrong, '--site', 'shop'])).code, 2, `${wrong}`)
  })
})
