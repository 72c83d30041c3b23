// The optional modules: scripts of their own beside the tracker, for those who want them.

import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const MODULES = ['vitals', 'gzip']

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
  return { path: name + '.js', type: 'text/javascript; charset=utf-8', bytes: Buffer.from(result.outputFiles[0].text.trimEnd()) }
}

// [{ path: 'vitals.js', type, bytes }]
export const buildModules = () => Promise.all(MODULES.map(buildModule))
