// What a program asked of the kernel, in order, as strace saw it.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { eventually } from '../scenario/eventually.mjs'

export const mayTrace = () => spawnSync('strace', ['-qq', '-e', 'trace=none', 'true']).status === 0

// The program is traced from its next start on, until what is returned is called. It stays our own
// child (-D); leaks cannot be looked for under a tracer.
export function traceFromNextStart(one, file, calls, stringBytes) {
  const { command, args } = one
  const how = ['-D', '-f', '-y', '--seccomp-bpf', '-s', String(stringBytes), '-o', file, '-e', `trace=${calls}`]
  one.command = 'strace'
  one.args = [...how, '-E', 'ASAN_OPTIONS=detect_leaks=0:abort_on_error=0:exitcode=99', command, ...args]
  return () => Object.assign(one, { command, args })
}

const text = (quoted) => quoted && quoted[1].replace(/\\(?:([0-7]{1,3})|(.))/g, (_, octal, char) => (octal ? String.fromCharCode(parseInt(octal, 8)) : { n: '\n', t: '\t', r: '\r', v: '\v', f: '\f' }[char] ?? char))

// `entered` and `left` are places in the one order of all threads. Cut off by a kill: no result.
function callOf(thread, name, args, result, entered, left) {
  const fd = /^(\d+)<([^>]*)>/.exec(args)
  const strings = [...args.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(text)
  return { thread, name, args, fd: fd ? Number(fd[1]) : undefined, path: fd?.[2], strings, result, entered, left }
}

const LINE = /^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$/
const UNFINISHED = ' <unfinished ...>'
const RESULT = /^(.*)\) += (-?\d+|\?)[^"]*$/s

function parse(lines) {
  const calls = []
  const open = new Map() // thread -> what it is in
  lines.forEach((line, at) => {
    const [, thread, resumed, begun, rest] = LINE.exec(line) ?? []
    if (!thread) return
    const before = resumed ? open.get(thread) : { name: begun, args: '', entered: at }
    if (!before) return
    if (rest.endsWith(UNFINISHED)) {
      open.set(thread, { ...before, args: before.args + rest.slice(0, -UNFINISHED.length) })
      return
    }
    open.delete(thread)
    const [, args, result] = RESULT.exec(before.args + rest) ?? []
    if (result === undefined) throw new Error(`strace said: ${line.slice(0, 200)}`)
    calls.push(callOf(thread, before.name, args, Number(result), before.entered, at))
  })
  for (const [thread, { name, args, entered }] of open) calls.push(callOf(thread, name, args, undefined, entered, Infinity))
  return calls.sort((a, b) => a.entered - b.entered)
}

// Of a program that has ended.
export async function readCalls(file) {
  const ended = /^(\d+) +\+\+\+ (?:exited with \d+|killed by \w+) \+\+\+$/m
  const lines = await eventually('strace has written all', () => {
    const said = existsSync(file) ? readFileSync(file, 'latin1').split('\n') : []
    const first = /^\d+/.exec(said[0])?.[0]
    return first && said.some((line) => line.startsWith(first) && ended.test(line)) && said
  })
  return parse(lines)
}
