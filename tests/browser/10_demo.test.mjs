// A person visits the demo site in a real browser, and the report shows what that person did.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { eventually } from '../scenario/eventually.mjs'
import { scenario } from '../scenario/world.mjs'
import { newPage, withChromium } from './chromium.mjs'

const DEMO = { collector: { demo: 'yes' }, sites: { demo: {} } }
// Nothing outside this machine is asked for: a link that leads there is clicked, and leads nowhere.
const ALONE = ['--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1']

const reported = (world, what, test) =>
  eventually(what, async () => {
    const report = await world.report('demo')
    if (test(report)) return report
    throw new Error(JSON.stringify({ ...report.totals, pages: report.pages.map(({ page, views, engaged_ms }) => [page, views, engaged_ms]) }))
  }, 60_000)

scenario('a visit to the demo is in the report', DEMO, async (world) => {
  const host = `127.0.0.1:${world.port}`
  const at = (report, path) => report.pages.find((one) => one.page === host + path) ?? {}
  await withChromium(async (browser) => {
    const page = await newPage(browser)
    const follow = (selector) => Promise.all([page.waitForNavigation(), page.click(selector)])
    await page.goto(`http://${host}/demo/`)
    if (process.env.SENTIER_SCREENSHOTS) await page.screenshot({ path: join(process.env.SENTIER_SCREENSHOTS, 'demo.png'), fullPage: true })
    await follow('a[href="/demo/boots.html"]')
    await follow('a[href="/demo/alder.html"]')
    await page.click('[data-sentier-event]')
    await page.mouse.move(200, 300)
    await page.mouse.wheel({ deltaY: 300 })
    await reported(world, '5 s engaged with the boot', (now) => at(now, '/demo/alder.html').engaged_ms >= 5000)

    await follow('nav a[href="/demo/journal.html"]')
    await page.click('a[href="/demo/journal/first-frost"]')
    await page.waitForFunction(() => document.title.startsWith('First frost'))
    await page.click('a[href="/demo/journal/night-train"]')
    await follow('nav a[href="/demo/maps.html"]')
    await follow('a[href="/demo/packing-list.txt"]')
    await page.goBack()
    await page.click('main a[href^="https://www.openstreetmap.org"]')

    const report = await reported(world, 'the whole visit', ({ totals }) => totals.outbound === 1 && totals.downloads === 1 && totals.events === 1)
    const paths = ['/demo', '/demo/boots.html', '/demo/alder.html', '/demo/journal.html', '/demo/journal/first-frost', '/demo/journal/night-train']
    for (const path of paths) assert.equal(at(report, path).views, 1, `${path} in ${JSON.stringify(report.pages)}`)
    assert.ok([1, 2].includes(at(report, '/demo/maps.html').views), 'again, when the way back is by the cache')
    assert.deepEqual([report.totals.bot_views, report.totals.sessions, report.totals.bounces], [0, 1, 0])
    assert.deepEqual([report.totals.visitors, report.totals.daily_visitors], [0, 1])
    assert.match(report.outbound[0].target, /^www\.openstreetmap\.org/)
    assert.deepEqual(report.downloads, [{ file: host + '/demo/packing-list.txt', clicks: 1 }])
    assert.deepEqual(report.events, [{ name: 'basket', count: 1, goals: 1 }])
    assert.equal(at(report, '/demo').entries, 1)
    assert.deepEqual(page.faults, [])
  }, ALONE)
})

scenario('a yes makes a person of a visitor, an opt-out nothing', DEMO, async (world) => {
  await withChromium(async (browser) => {
    const page = await newPage(browser)
    const go = (path) => page.goto(`http://127.0.0.1:${world.port}/demo/${path}`, { waitUntil: 'networkidle0' })
    await go('about.html')
    await page.click('#yes')
    await go('boots.html')
    await go('maps.html')
    await reported(world, 'one person, and the visitor before', ({ totals }) => totals.views === 3 && totals.visitors === 1 && totals.daily_visitors === 1)
    await go('about.html')
    await page.click('#out')
    await go('boots.html')
    const { totals } = await reported(world, 'one number', ({ ledger }) => ledger.opted_out === 1)
    assert.equal(totals.views, 4)
    assert.deepEqual(page.faults, [])
  }, ALONE)
})
