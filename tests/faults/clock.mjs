// A wall clock of its own for a program, from its next start on (clock.c).

import { execFileSync } from 'node:child_process'
import { closeSync, constants, existsSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const SHIM = new URL('clock.c', import.meta.url).pathname

export class Clock {
  constructor(one, top, n) {
    const shim = join(top, 'clock.so')
    this.file = join(top, `clock-${n}`)
    this.set(0)
    if (!existsSync(shim)) execFileSync('cc', ['-std=gnu11', '-D_GNU_SOURCE', '-O1', '-shared', '-fPIC', '-o', shim, SHIM])
    const env = [`LD_PRELOAD=${shim}`, `CLOCK_STEP_FILE=${this.file}`, 'ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99:verify_asan_link_order=0']
    one.args = [...env, one.command, ...one.args]
    one.command = 'env'
    this.one = one
  }

  set(seconds) {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(BigInt(seconds))
    const fd = openSync(this.file, constants.O_WRONLY | constants.O_CREAT)
    writeSync(fd, bytes)
    closeSync(fd)
  }
}
