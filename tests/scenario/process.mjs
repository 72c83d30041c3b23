// One real process under test: started, waited for, stopped, killed; always by its own pid. What it
// says goes to a file, which must be free of sanitizer findings in the end.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { eventually } from './eventually.mjs'

const FINDING = /ERROR: \w*Sanitizer|WARNING: ThreadSanitizer|runtime error:|detected memory leaks|Assertion .* failed/

export class Process {
  constructor({ name, command, args, log, ready }) {
    Object.assign(this, { name, command, args, log, ready })
    this.exits = [] // [code, signal] of each run
  }

  get running() {
    return this.child !== undefined
  }

  async start() {
    const fd = openSync(this.log, 'a')
    const env = {
      ...process.env,
      ASAN_OPTIONS: 'detect_leaks=1:abort_on_error=0:exitcode=99',
      UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1:exitcode=99',
    }
    const child = spawn(this.command, this.args, { stdio: ['ignore', fd, fd], env })
    closeSync(fd)
    this.child = child
    this.exited = new Promise((resolve) => {
      child.once('error', (error) => resolve([error.message, null]))
      child.once('exit', (code, signal) => resolve([code, signal]))
    }).then((exit) => {
      this.child = undefined
      this.exits.push(exit)
      return exit
    })
    await eventually(`${this.name} is ready`, async () => {
      if (!this.running) throw Object.assign(new Error(`${this.name} ended at its start: ${this.exits.at(-1)}\n${this.tail()}`), { final: true })
      return this.ready()
    })
  }

  async kill9() {
    this.child?.kill('SIGKILL')
    return this.exited
  }

  // Asks it to stop; the exit code is what it says about itself.
  async stop(withinMs) {
    if (!this.running) return this.exits.at(-1)
    this.child.kill('SIGTERM')
    await eventually(`${this.name} has stopped`, () => !this.running, withinMs)
    return this.exited
  }

  signal(signal) {
    this.child.kill(signal)
  }

  said() {
    try {
      return readFileSync(this.log, 'utf8')
    } catch {
      return ''
    }
  }

  tail(lines = 40) {
    return `--- ${this.name}, last lines of its log\n${this.said().split('\n').slice(-lines).join('\n')}`
  }

  findings() {
    const said = this.said()
    const at = said.search(FINDING)
    return at < 0 ? [] : [`${this.name}: ${said.slice(at, at + 3000)}`]
  }
}

// Runs a program to its end: {code, out, err}.
export async function run(command, args, timeoutMs = 600_000) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (err += text))
  const [code, signal] = await once(child, 'close')
  return { code: code ?? signal, out, err }
}
