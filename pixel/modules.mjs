// Scripts of their own beside the tracker, for those who want them: optional modules, and the tracker
// as it explains itself (debug.js) or compresses what it sends (gzip.js).

import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { buildTracker } from './tracker.mjs'

const MODULES = ['vitals']

// debug.js is imported as a module, which knows no current script.
const VARIANTS = {
  debug: { debug: true, element: 'element', before: 'const element = document.querySelector("script[data-site]")' },
  gzip: { gzip: true },
}

const script = (name, bytes) => ({ path: name + '.js', type: 'text/javascript; charset=utf-8', bytes })

async function buildModule(name) {
  const result = await build({
    entryPoints: [fileURLToPath(new URL(`src/${name}.ts`, import.meta.url))],
    bundle: true,
    format: 'iife',
    minify: true,
    target: 'es2020',
    charset: 'utf8',
    legalComments: 'none',
    tsconfigRaw: {},
    banner: { js: 'try{' },
    footer: { js: '}catch(e){}' },
    write: false,
    logLevel: 'warning',
  })
  return script(name, Buffer.from(result.outputFiles[0].text.trimEnd()))
}

const buildVariant = async ([name, variant]) => script(name, await buildTracker(variant))

// [{ path: 'vitals.js', type, bytes }]
export const buildModules = () => Promise.all([...MODULES.map(buildModule), ...Object.entries(VARIANTS).map(buildVariant)])
