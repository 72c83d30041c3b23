// A tracker's test: a fresh browser, for storage and caches are part of what is tested; the sink that
// keeps what arrives; and in the end no error in the page.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { newPage, withChromium } from './chromium.mjs'
import { startSink } from './sink.mjs'

export let sink
before(async () => (sink = await startSink()))
after(() => sink.close())

export function trackerTest(name, body, flags) {
  test(name, { timeout: 300_000 }, async () => {
    sink.clear()
    Object.assign(sink, { answer: () => 204, headers: {}, pages: {} })
    await withChromium(async (browser) => {
      const page = await newPage(browser)
      await body(page, browser)
      assert.deepEqual(page.faults, [], 'nothing is thrown into the page')
    }, flags)
  })
}
