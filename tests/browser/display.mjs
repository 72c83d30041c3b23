// A screen for one browser: only a browser with windows hides a tab that is behind another. Xvfb
// picks a free number. It dies with the test, and what has windows on it dies with it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'

// The kernel kills a child whose parent is gone.
export const WITH_US = ['--pdeathsig', 'KILL', '--']

const ARGS = ['-displayfd', '3', '-nolisten', 'tcp', '-screen', '0', '1280x1024x24']

// {name, stop()}; name as in $DISPLAY.
export async function startDisplay() {
  const child = spawn('setpriv', [...WITH_US, 'Xvfb', ...ARGS], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] })
  const ended = new Promise((done) => child.once('error', done).once('exit', (code) => done(new Error(`Xvfb ended: ${code}`))))
  const [number] = await Promise.race([once(child.stdio[3], 'data'), ended.then((why) => Promise.reject(why))])
  return { name: ':' + String(number).trim(), stop: () => (child.kill(), ended) }
}
