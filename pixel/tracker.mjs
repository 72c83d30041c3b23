// The tracker, from its sources to the bytes that a page loads. Its files share one scope; of their
// declarations the order is free, and so are the letters that stand for them, and brotli cares:
// LAYOUT, NAME=LETTER in that order, is what came out smallest when `node pixel/tracker.mjs SECONDS`
// tried. Names that are not in it follow, as they stand, with letters that are left.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants } from 'node:zlib'
import { transform } from 'esbuild'
import uglify from 'uglify-js'

export const SIZE_MAX_BYTES = 2048 // brotli: what a visitor of a page pays

const FILES = ['page', 'identity', 'delivery', 'pageview', 'links', 'start']

const LAYOUT = 'path=M off=re attempt=v grant=F say explain options=f who=Z begin=G random=L endpoint=Q flushIn=D clean=w beatTimer=X measure=i since=h signal=t inside=Y until=B active=m failures=g current=te next=P counted=e fresh=E beat=U errors=r keep=b visitor=c begun=O out=I meta=_ call=a read=J flush=W waiting=$ early=N depth=k write=S id=l ident=u number=T seen=H become=z now=A page=s engaged=o timer=j send=y stale=q click pulse=V io=ie on=d reported=n view=ne queue=p look=C calls=ee later=x hash=K told=R'.split(' ').map((one) => one.split('='))

// What must stand before what uses it at once.
const BEFORE = { active: ['attempt'], endpoint: ['options'], hash: ['options'], read: ['attempt'], write: ['attempt'], io: ['attempt'], call: ['attempt'] }

export const brotli = (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } })
export const brotliSize = (bytes) => brotli(bytes).length

const nameOf = (statement) => statement.match(/^(?:const|let) (\w+)/)?.[1]

// [statement]: of all files, as JavaScript.
async function statements({ element = 'document.currentScript', debug = false, gzip = false }) {
  const source = FILES.map((name) => readFileSync(fileURLToPath(new URL(`src/${name}.ts`, import.meta.url)), 'utf8')).join('\n')
  const define = { SCRIPT: element, DEBUG: String(debug), GZIP: String(gzip) }
  const { code } = await transform(source, { loader: 'ts', target: 'es2021', define, tsconfigRaw: {} })
  const found = []
  for (const line of code.trim().split('\n'))
    if (/^(const|let|if)\b/.test(line)) found.push(line)
    else found[found.length - 1] += '\n' + line
  return found
}

function arranged(found, layout) {
  const place = (statement) => {
    const at = layout.findIndex(([name]) => name === nameOf(statement))
    return at < 0 ? layout.length : at
  }
  return [...found].sort((a, b) => place(a) - place(b))
}

// A guest does not even fail aloud.
function packed(found, layout) {
  const compress = { passes: 2, unsafe: true, unsafe_comps: true, comparisons: false, hoist_props: false }
  const letters = Object.fromEntries(layout.filter(([, letter]) => letter).map(([name, letter]) => ['$' + name, letter]))
  const { code, error } = uglify.minify(found.join('\n'), { toplevel: true, compress, nameCache: { vars: { props: letters } } })
  if (error) throw error
  return Buffer.from(`try{${code.replace(/;$/, '')}}catch{}`)
}

// variant: { debug, gzip } as in the sources; element: the name of the script's own element, or of
// { dataset, src }; before: a statement that makes it.
export const buildTracker = async (variant = {}) => packed([variant.before || '', ...arranged(await statements(variant), LAYOUT)], LAYOUT)

const isSound = (found) =>
  found.every((one, i) => (BEFORE[nameOf(one)] || []).every((name) => found.findIndex((other) => nameOf(other) === name) < i)) && found.at(-1).startsWith('if')

const LETTERS = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ$_']

// Tries orders and letters, always going on from the smallest.
async function search(seconds) {
  const found = await statements({})
  let best = arranged(found, LAYOUT).map(nameOf).filter(Boolean).map((name) => LAYOUT.find(([one]) => one === name) ?? [name])
  let size = Infinity, seed = Date.now() & 0x7fffffff
  const below = (n) => ((seed = (seed * 1103515245 + 12345) & 0x7fffffff) >> 8) % n
  const moved = (layout) => {
    const [one] = layout.splice(below(layout.length), 1)
    layout.splice(below(layout.length + 1), 0, one)
  }
  const renamed = (layout) => {
    const one = below(layout.length), letter = LETTERS[below(LETTERS.length)], other = layout.findIndex(([, its]) => its === letter)
    if (other >= 0) layout[other] = [layout[other][0], layout[one][1]]
    layout[one] = [layout[one][0], letter]
  }
  for (const end = Date.now() + seconds * 1e3; Date.now() < end; ) {
    const tried = [...best]
    for (let moves = size < Infinity && 1 + below(2); moves > 0; moves--) (below(5) < 2 ? moved : renamed)(tried)
    const statements = arranged(found, tried)
    if (!isSound(statements)) continue
    const now = brotliSize(packed(statements, tried))
    if (now < size) console.log(now, tried.map((one) => one.filter(Boolean).join('=')).join(' '))
    if (now <= size) [best, size] = [tried, now]
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await search(+process.argv[2])
