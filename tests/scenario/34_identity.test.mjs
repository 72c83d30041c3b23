// Who signed in: what a site signs counts, whatever language it signs in, and nothing else does.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from './eventually.mjs'
import { run } from './process.mjs'
import { newId, program, scenario, view } from './world.mjs'

const SECRET = 'c0ffee00'.repeat(8)
const OLD = 'before00'.repeat(8)
const IN_AN_HOUR = Math.floor(Date.now() / 1000) + 3600
const sign = (id, { secret = SECRET, site = 'shop', expiry = IN_AN_HOUR } = {}) =>
  `${expiry}.` + createHmac('sha256', secret).update(`${site}\n${id}\n${expiry}`).digest('hex')
const sites = { shop: { origins: 'https://shop.example', secret: SECRET, secret_before: OLD }, plain: {} }

async function siteSign(world, ...args) {
  const { code, out, err } = await run(program('sentier-site'), ['sign', ...args, '--conf', world.conf])
  return { code, err, token: out.split('\n')[0], ends: out.split('\n')[1] }
}

const consented = (id, more = {}) => ({ c: 1, v: 'abc', i: id, j: sign(id), ...more })

async function customersInJournal(world) {
  const dir = join(world.data, 'journal')
  const files = readdirSync(dir).filter((name) => name.endsWith('.seg')).map((name) => join(dir, name))
  const { out } = await run(program('sentier-journal'), ['dump', ...files])
  return out.trim().split('\n').map((line) => JSON.parse(line).customer).filter(Boolean).sort()
}

scenario('what the site signed counts; anything else names nobody', { sites }, async (world) => {
  const why = ({ status, body }) => (status === 400 ? JSON.parse(body).refused.map((one) => `${one.why} ${one.field}`).join() : status)
  const identify = (more) => world.beacon([{ s: 'shop', k: 'id', ...more }])
  const token = (await siteSign(world, 'shop', 'tool')).token

  assert.equal(why(await identify(consented('anna'))), 204)
  assert.equal(why(await identify(consented('Zoë & co'))), 204)
  assert.equal(why(await identify(consented('tool', { j: token }))), 204)
  assert.equal(why(await identify(consented('old', { j: sign('old', { secret: OLD }) }))), 204)
  assert.equal((await world.post(JSON.stringify({ site: 'shop', kind: 'identify', consent: true, visitor: 'abc', customer: 'json', signature: sign('json') }))).status, 204)
  assert.equal(why(await identify(consented('x', { c: 0 }))), 'no_consent c')
  assert.equal(why(await identify(consented('x', { v: '' }))), 'no_consent v')
  assert.equal(why(await identify(consented('x', { j: sign('y') }))), 'bad_signature j')
  assert.equal(why(await identify(consented('x', { j: sign('x', { site: 'plain' }) }))), 'bad_signature j')
  assert.equal(why(await identify(consented('x', { j: sign('x', { expiry: 1700000000 }) }))), 'bad_signature j')
  assert.equal(why(await identify(consented('x', { s: 'plain', j: sign('x', { site: 'plain' }) }))), 'bad_signature j')
  assert.equal(why(await identify(consented('x'.repeat(129)))), 'bad_signature j')
  assert.equal(why(await identify({ c: 1, v: 'abc' })), 'bad_query i')

  // Pages are counted whoever says what beside them; but never by a URL that names somebody.
  assert.equal((await world.beacon([view('/a', consented('page'))])).status, 204)
  assert.equal((await world.beacon([view('/b', consented('x', { j: sign('y') }))])).status, 204)
  assert.equal((await world.beacon([view('/c', consented('x', { c: 0 }))])).status, 204)
  const pixel = await world.pixel(view('/d', consented('x')))
  assert.deepEqual([pixel.status, pixel.headers['x-sentier-refused']], [400, 'bad_query i'])
  const inUrl = await world.request({ path: '/b?' + new URLSearchParams(view('/e', consented('x'))), method: 'POST' })
  assert.equal(why(inUrl), 'bad_query i')

  await world.settled({ received: 18 })
  assert.deepEqual(await customersInJournal(world), ['Zoë & co', 'anna', 'json', 'old', 'page', 'tool'])
  assert.deepEqual((await world.stats()).identities, { none: 0, signed: 6, no_consent: 3, bad_signature: 6 })
  const { totals, ledger } = await world.report()
  assert.equal(totals.views, 3)
  assert.deepEqual([ledger.verdicts.no_consent, ledger.verdicts.bad_signature, ledger.verdicts.bad_query], [2, 4, 3])
})

scenario('a secret is changed while tokens of the one before are out', { sites: { shop: { secret: OLD } } }, async (world) => {
  const tell = async (id, secret) => (await world.beacon([{ s: 'shop', k: 'id', ...consented(id, { j: sign(id, { secret }) }) }])).status
  const settle = async (site, want) => {
    world.sites = { shop: site }
    world.writeConf()
    world.collector.signal('SIGHUP')
    await eventually(`old ${want[0]}, new ${want[1]}`, async () => `${[await tell('x', OLD), await tell('x', SECRET)]}` === `${want}`)
  }
  assert.deepEqual([await tell('x', OLD), await tell('x', SECRET)], [204, 400])
  await settle({ secret: SECRET, secret_before: OLD }, [204, 204])
  await settle({ secret: SECRET }, [400, 204])
  await settle({ secret_before: OLD }, [204, 400])
  await settle({}, [400, 400])
})

scenario('sentier site sign says when it ends, and why it cannot', { sites, start: false }, async (world) => {
  const { code, token, ends } = await siteSign(world, 'shop', 'anna', '--days', '30')
  const expiry = Number(token.split('.')[0])
  assert.equal(code, 0)
  assert.equal(token, sign('anna', { expiry }))
  assert.ok(Math.abs(expiry - Date.now() / 1000 - 30 * 86400) < 600)
  assert.equal(ends, `ends ${new Date(expiry * 1000).toISOString().replace('T', ' ').replace('.000Z', '')} UTC`)
  for (const [args, message] of [
    [['plain', 'anna'], /has no secret/],
    [['nobody', 'anna'], /there is no \[site nobody\]/],
    [['shop', ''], /an id has 1 to 128 bytes/],
    [['shop', 'a\nb'], /an id has 1 to 128 bytes/],
    [['shop', 'anna', '--days', '0'], /sentier site sign NAME ID/],
    [['shop'], /sentier site sign NAME ID/],
  ]) {
    const refused = await siteSign(world, ...args)
    assert.equal(refused.code, 2)
    assert.match(refused.err, message)
  }
})

// ---- the few lines of the README, in each language that this machine has

const README = readFileSync(new URL('../../deploy/README.md', import.meta.url), 'utf8')
const lines = (language) => README.match(new RegExp('```' + language + '\n(.*?)```', 's'))[1]

// The script around these lines that prints the token for its arguments.
const LANGUAGES = {
  php: { file: 'sign.php', command: ['php'], text: (code) => `<?php\n${code}\necho sentier_sign($argv[1], $argv[2], $argv[3], (int)$argv[4]);\n` },
  python: { file: 'sign.py', command: ['python3'], text: (code) => `${code}\nimport sys\nprint(sentier_sign(*sys.argv[1:4], int(sys.argv[4])))\n` },
  js: { file: 'sign.cjs', command: ['node'], text: (code) => `${code}\nconst [, , secret, site, id, expiry] = process.argv\nconsole.log(sentierSign(secret, site, id, Number(expiry)))\n` },
  ruby: { file: 'sign.rb', command: ['ruby'], text: (code) => `${code}\nputs sentier_sign(ARGV[0], ARGV[1], ARGV[2], ARGV[3].to_i)\n` },
  java: {
    file: 'Sign.java', command: ['java', '-Dfile.encoding=UTF-8', '-Dsun.jnu.encoding=UTF-8'],
    text: (code) => {
      const [, imports, body] = code.match(/^((?:import [^\n]*\n)+)(.*)$/s)
      return `${imports}public class Sign {\n${body}\npublic static void main(String[] a) throws Exception { System.out.println(sentierSign(a[0], a[1], a[2], Long.parseLong(a[3]))); }\n}\n`
    },
  },
}

const installed = (command) => {
  try {
    execFileSync('which', [command], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

for (const [language, { file, command, text }] of Object.entries(LANGUAGES)) {
  if (!installed(command[0])) {
    test(`the lines for ${language} sign as Sentier does`, { skip: `${command[0]} is not here` }, () => {})
    continue
  }
  scenario(`the lines for ${language} sign as Sentier does`, { sites, start: false }, async (world) => {
    const dir = join(world.top, 'sign')
    mkdirSync(dir)
    writeFileSync(join(dir, file), text(lines(language)))
    for (const id of ['4711', 'anna@mail.example', 'Zoë; $x "y"']) {
      const { token } = await siteSign(world, 'shop', id)
      const args = [...command.slice(1), join(dir, file), SECRET, 'shop', id, token.split('.')[0]]
      const signed = execFileSync(command[0], args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C.UTF-8' } })
      assert.equal(signed.trim(), token, id)
    }
  })
}
