// WebKitGTK by plain WebDriver: WebKitWebDriver starts a MiniBrowser, and each command is a request.

import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { eventually } from '../scenario/eventually.mjs'
import { freePort } from '../scenario/world.mjs'
import { WITH_US } from './display.mjs'
import { Page } from './page.mjs'

const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'
const BUTTONS = { left: 0, middle: 1, right: 2 }

// A pid group of its own: what the driver starts goes with it.
export async function launchWebkit({ home, env }) {
  const port = await freePort()
  const child = spawn('setpriv', [...WITH_US, 'WebKitWebDriver', `--port=${port}`], {
    detached: true, stdio: 'ignore',
    env: { ...env, HOME: home, XDG_CACHE_HOME: home, XDG_RUNTIME_DIR: home, GDK_BACKEND: 'x11', WEBKIT_DISABLE_DMABUF_RENDERER: '1', LIBGL_ALWAYS_SOFTWARE: '1' },
  })
  const ended = new Promise((done) => child.once('error', done).once('exit', done))
  const stop = () => {
    try {
      process.kill(-child.pid)
    } catch {} // it has ended
    return ended
  }
  try {
    await eventually('WebKitWebDriver is ready', () => command(port, 'GET', '/status'))
    const { sessionId } = await command(port, 'POST', '/session', { capabilities: { alwaysMatch: { browserName: 'MiniBrowser' } } })
    return new Webkit((method, path, ...rest) => command(port, method, `/session/${sessionId}${path}`, ...rest), stop)
  } catch (error) {
    await stop()
    throw error
  }
}

async function command(port, method, path, body, withinMs = 60_000) {
  const signal = AbortSignal.timeout(withinMs)
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, body: body && JSON.stringify(body), signal })
  const { value } = await answer.json()
  if (!answer.ok) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`)
  return value
}

class Webkit {
  #turn = Promise.resolve()
  #front

  constructor(command, stop) {
    Object.assign(this, { name: 'webkit', command, stop })
  }

  // A session looks at one tab at a time, so commands wait for each other.
  in(handle, method, path, ...rest) {
    const result = this.#turn.then(async () => {
      if (handle !== this.#front) await this.command('POST', '/window', { handle })
      this.#front = handle
      return this.command(method, path, ...rest)
    })
    this.#turn = result.catch(() => {})
    return result
  }

  async pages() {
    await this.#turn
    return (await this.command('GET', '/window/handles')).map((handle) => new WebkitPage(this, handle))
  }

  async frontPage() {
    return (await this.pages())[0]
  }

  // A tab behind the others; no command brings it to the front: it comes when they are closed.
  async newPage() {
    await this.#turn
    const { handle } = await this.command('POST', '/window/new', { type: 'tab' })
    return new WebkitPage(this, handle)
  }

  async close() {
    await this.#turn
    await this.command('DELETE', '').catch(() => {})
    await this.stop()
  }
}

class WebkitPage extends Page {
  constructor(browser, handle) {
    super()
    Object.assign(this, { browser, handle })
  }

  #do(method, path, ...rest) {
    return this.browser.in(this.handle, method, path, ...rest)
  }

  goto(url) {
    return this.#do('POST', '/url', { url })
  }

  #run(f, args, withinMs) {
    return this.#do('POST', '/execute/sync', { script: `return (${f})(...arguments)`, args }, withinMs)
  }

  evaluate(f, ...args) {
    return this.#run(f, args)
  }

  // A script that runs while its document goes away is never answered: soon it is asked again.
  until(what, f, ...args) {
    return eventually(what, () => this.#run(f, args, 3_000))
  }

  async #find(selector) {
    return (await this.#do('POST', '/element', { using: 'css selector', value: selector }))[ELEMENT]
  }

  async click(selector, { button = 'left' } = {}) {
    const id = await this.#find(selector)
    if (button === 'left') return this.#do('POST', `/element/${id}/click`, {})
    await this.evaluate((one) => document.querySelector(one).scrollIntoView({ block: 'center' }), selector)
    const press = { button: BUTTONS[button] }
    const move = { type: 'pointerMove', x: 0, y: 0, origin: { [ELEMENT]: id } }
    await this.#act('pointer', [move, { type: 'pointerDown', ...press }, { type: 'pointerUp', ...press }])
  }

  async type(selector, text) {
    await this.#do('POST', `/element/${await this.#find(selector)}/value`, { text })
  }

  #act(type, actions) {
    return this.#do('POST', '/actions', { actions: [{ type, id: type, actions }] })
  }

  move(x, y) {
    return this.#act('pointer', [{ type: 'pointerMove', x, y, origin: 'viewport' }])
  }

  wheel(deltaY) {
    return this.#act('wheel', [{ type: 'scroll', x: 300, y: 300, deltaX: 0, deltaY, duration: 0, origin: 'viewport' }])
  }

  front() {
    return this.evaluate(() => 0)
  }

  close() {
    return this.#do('DELETE', '/window')
  }

  async screenshot(path) {
    writeFileSync(path, Buffer.from(await this.#do('GET', '/screenshot'), 'base64'))
  }
}
