// The tracker, from its sources to the bytes that a page loads. Its files share one scope; of their
// declarations the order is free, and brotli cares: ORDER is the one that came out smallest when
// `node pixel/tracker.mjs SECONDS` tried. Names that are not in it follow, as they stand.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants } from 'node:zlib'
import { transform } from 'esbuild'
import uglify from 'uglify-js'

export const SIZE_MAX_BYTES = 2048 // brotli: what a visitor of a page pays

const FILES = ['page', 'identity', 'delivery', 'pageview', 'links', 'start']

const ORDER = 'path attempt options endpoint begin engaged random inside explain id clean measure say early since signal timer reported beatTimer ident told click active page depth seen number beat failures errors keep out meta call flushIn grant read flush waiting counted write next begun fresh become now pulse hash send visitor off until who on look current view later queue calls io'.split(' ')

// What must stand before what uses it at once.
const BEFORE = { endpoint: ['options'], hash: ['options'], read: ['attempt'], write: ['attempt'], io: ['attempt'], call: ['attempt'] }

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

function arranged(found, order) {
  const place = (statement) => {
    const at = order.indexOf(nameOf(statement))
    return at < 0 ? order.length : at
  }
  return [...found].sort((a, b) => place(a) - place(b))
}

// A guest does not even fail aloud.
function packed(found) {
  const compress = { passes: 2, unsafe: true, unsafe_comps: true, comparisons: false, hoist_props: false }
  const { code, error } = uglify.minify(`try{${found.join('\n')}}catch{}`, { toplevel: true, compress })
  if (error) throw error
  return Buffer.from(code)
}

// variant: { debug, gzip } as in the sources; element: the name of the script's own element, or of
// { dataset, src }; before: a statement that makes it.
export const buildTracker = async (variant = {}) => packed([variant.before || '', ...arranged(await statements(variant), ORDER)])

const isSound = (found) =>
  found.every((one, i) => (BEFORE[nameOf(one)] || []).every((name) => found.findIndex((other) => nameOf(other) === name) < i)) && found.at(-1).startsWith('if')

// Tries orders, always going on from the smallest.
async function search(seconds) {
  let best = arranged(await statements({}), ORDER), size = brotliSize(packed(best)), seed = Date.now() & 0x7fffffff
  const below = (n) => ((seed = (seed * 1103515245 + 12345) & 0x7fffffff) >> 8) % n
  for (const end = Date.now() + seconds * 1e3; Date.now() < end; ) {
    const tried = [...best]
    for (let moves = 1 + below(3); moves > 0; moves--) {
      const [one] = tried.splice(below(tried.length - 1), 1)
      tried.splice(below(tried.length), 0, one)
    }
    if (!isSound(tried)) continue
    const now = brotliSize(packed(tried))
    if (now < size) console.log(now, tried.map(nameOf).filter(Boolean).join(' '))
    if (now <= size) [best, size] = [tried, now]
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await search(+process.argv[2])
