// An access log whose lines are pages of their own, and its import, which may be killed and is
// repeated until it says that it is done.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../scenario/eventually.mjs'
import { AGENT, program } from '../scenario/world.mjs'

export const IMPORT_DAY = '2024-03-01'

export class Importing {
  constructor(stack) {
    this.stack = stack
    this.log = join(stack.top, 'access.log')
    this.hits = []
  }

  grow(lines) {
    const text = Array.from({ length: lines }, () => {
      const n = this.hits.length
      const hit = { kind: 'view', page: `/i/n${n}x`, acknowledged: false, sent: 0 }
      this.hits.push(hit)
      const time = `01/Mar/2024:${String(8 + Math.floor(n / 3600)).padStart(2, '0')}:${String(Math.floor(n / 60) % 60).padStart(2, '0')}:${String(n % 60).padStart(2, '0')} +0000`
      return `203.0.113.${n % 50} - - [${time}] "GET ${hit.page}${n % 3 ? '' : '?q=Boots'} HTTP/1.1" 200 512 "-" "${AGENT}"\n`
    })
    appendFileSync(this.log, text.join(''))
  }

  // True: it said that everything is in Redis.
  async once(killAfterMs) {
    const given = this.hits.length
    for (const hit of this.hits) hit.sent++
    const child = spawn(program('sentier-import'), ['--quiet', '--site', 'shop', '--conf', this.stack.collectors[0].conf, this.log], { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const out of [child.stdout, child.stderr]) out.on('data', (text) => (said += text))
    const kill = killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfterMs)
    const limit = setTimeout(() => child.kill('SIGKILL'), 30_000)
    const [code] = await once(child, 'close')
    clearTimeout(kill)
    clearTimeout(limit)
    this.said = said
    if (code !== 0) return false
    for (const hit of this.hits.slice(0, given)) hit.acknowledged = true
    return true
  }

  untilDone() {
    return eventually('the import is done', async () => {
      if (await this.once()) return true
      throw new Error(this.said)
    })
  }
}
