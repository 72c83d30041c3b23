// Three real browsers behind one small interface, each on a screen and with a profile of its own:
//
//   browser.name  frontPage()  newPage()  pages()  close()
//   page.goto(url)  at(path)  back()  front()  close()  evaluate(f, ...args)  until(what, f, ...args)
//        click(selector, {button})  type(selector, text)  move(x, y)  wheel(dy)  faults()  screenshot(path)
//
// Chromium and WebKitGTK have windows, Firefox has none; a tab behind another is hidden in all three.

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import puppeteer from 'puppeteer-core'
import { eventually } from '../scenario/eventually.mjs'
import { launchWithWindows } from './chromium.mjs'
import { startDisplay } from './display.mjs'
import { Page } from './page.mjs'
import { launchWebkit } from './webkit.mjs'

// $SENTIER_BROWSERS names some of them, to look closer at.
export const BROWSERS = (process.env.SENTIER_BROWSERS || 'chromium firefox webkit').split(' ')

const FIREFOX = ['/usr/bin/firefox-esr', '/usr/bin/firefox']

function firefoxPath() {
  const path = FIREFOX.find((one) => existsSync(one))
  if (!path) throw new Error('no Firefox: install firefox-esr')
  return path
}

const LAUNCH = {
  chromium: (place) => launchWithWindows(place).then((one) => new Driven('chromium', one)),
  firefox: ({ home, env }) =>
    puppeteer.launch({
      browser: 'firefox', executablePath: firefoxPath(), userDataDir: home, env: { ...env, HOME: home }, headless: true,
      defaultViewport: null,
    }).then((one) => new Driven('firefox', one)),
  webkit: launchWebkit,
}

// Calls body with a browser.
export async function withBrowser(name, body) {
  const home = mkdtempSync(join(tmpdir(), `sentier-${name}-`))
  const display = await startDisplay()
  let browser
  try {
    browser = await LAUNCH[name]({ home, env: { ...process.env, DISPLAY: display.name } })
    return await body(browser)
  } finally {
    await browser?.close()
    await display.stop()
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  }
}

// ---- Chromium by its own protocol, Firefox by WebDriver BiDi

class Driven {
  constructor(name, inner) {
    Object.assign(this, { name, inner })
  }

  // The tab that Firefox starts with has no focus: that is in its address bar.
  frontPage() {
    return this.newPage()
  }

  async newPage() {
    return new DrivenPage(await this.inner.newPage())
  }

  async pages() {
    return (await this.inner.pages()).map((one) => new DrivenPage(one))
  }

  close() {
    return this.inner.close()
  }
}

class DrivenPage extends Page {
  constructor(inner) {
    super()
    this.inner = inner
  }

  // After a page out of Firefox's back/forward cache the next navigation is never said to be done.
  async goto(url) {
    await this.evaluate(() => { document.before = true })
    let done = false
    const gone = this.inner.goto(url).finally(() => { done = true })
    const arrived = () => this.evaluate((one) => location.href === one && !document.before && document.readyState === 'complete', url)
    await Promise.race([gone, eventually(`at ${url}`, async () => done || arrived())])
    gone.catch(() => {}) // the browser may be closed before it
  }

  evaluate(f, ...args) {
    return this.inner.evaluate(f, ...args)
  }

  click(selector, options) {
    return this.inner.click(selector, options)
  }

  type(selector, text) {
    return this.inner.type(selector, text)
  }

  move(x, y) {
    return this.inner.mouse.move(x, y)
  }

  wheel(deltaY) {
    return this.inner.mouse.wheel({ deltaY })
  }

  front() {
    return this.inner.bringToFront()
  }

  screenshot(path) {
    return this.inner.screenshot({ path })
  }

  close() {
    return this.inner.close()
  }
}
