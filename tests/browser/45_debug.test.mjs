// Debug mode explains itself in the console, which the page shows here: what was sent, what became of
// it, and why something was not.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { stage } from './stage.mjs'

// The console as a part of the page; a style ("%c") stands in an argument of its own.
const SHOW = `
  const lines = []
  for (const method of ['debug', 'log', 'info', 'warn', 'error']) {
    const inner = console[method]
    console[method] = (...words) => {
      inner.apply(console, words)
      const styled = String(words[0]).startsWith('%c')
      const text = styled ? [words[0].slice(2), ...words.slice(2)] : words
      lines.push(text.map((one) => (typeof one === 'string' ? one : one instanceof Error ? one.message : JSON.stringify(one))).join(' '))
      show()
    }
  }
  const show = () => { if (document.body?.lastElementChild?.id === 'console') document.body.lastElementChild.textContent = lines.join('\\n') }
  addEventListener('load', show)`

const BODY = `<style>body { font: 15px sans-serif; margin: 24px } #console { font: 13px/1.5 monospace; white-space: pre-wrap; overflow-wrap: anywhere; background: #f4f6f4; border-left: 4px solid #2a7; padding: 12px }</style>
  <h1>Boots</h1><p><a id="boots" href="#red">Red ones</a> <button id="call" data-sentier="call back">Call me</button></p><pre id="console"></pre>`

const debug = {
  pages: { '/boots': { before: SHOW, attributes: 'data-debug', body: BODY } },
  async play({ browser, page, site, become, report }) {
    const says = (what) => page.until(`it says ${what}`, (one) => new RegExp(one).test(document.querySelector('#console').textContent), what.source)
    await page.goto(site.url + '/boots')
    await page.front()
    await says(/pageview .*\/boots cookieless for/)
    await says(/sent 1 hit: taken/)
    await page.click('#boots')
    await says(/hit ck .*boots/)
    await page.click('#call')
    await says(/hit ct .*call back/)
    await page.evaluate(() => {
      sentier('event', 'asked', { size: 42 })
      sentier('nonsense')
      sentier('optout')
      sentier('event', 'too late')
    })
    await says(/hit ev .*asked\?size=42/)
    await says(/call nonsense - there is no such call/)
    await says(/not sent: ev opted out/)
    assert.deepEqual(await page.faults(), [])
    if (process.env.SENTIER_SCREENSHOTS) await page.screenshot(join(process.env.SENTIER_SCREENSHOTS, `debug-${browser.name}.png`))
    await become('the pageview', async () => (await report()).pages.map(({ views }) => views), [1])
  },
}

await stage('debug mode says what was sent, and why something was not', { debug })
