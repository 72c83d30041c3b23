// What the page says of itself, and small words that all the others use. The files of the tracker
// share one scope, as the bytes that are shipped do: build.mjs puts them together.

declare const SCRIPT: { dataset: { [option: string]: string | undefined }; src: string } // our own element
declare const DEBUG: boolean // the build that explains itself
declare const GZIP: boolean // the build that compresses

type Fields = { [field: string]: unknown }

const options = SCRIPT.dataset

// Beside the script, wherever that was loaded from: a page served under another host needs no more.
const endpoint = new URL(options.endpoint || 'b', SCRIPT.src)

const hash = 'hash' in options

// Mostly needed as text; made so, since browsers keep 48 kB once they make text of such numbers
// otherwise. It reckons all the same, but for +.
const now = () => Date.now().toFixed() as any

// About 11 digits of base36: 52 bits.
const random = () => Math.random().toString(36).slice(2)

// A guest never throws into the page: whatever fails in here, fails in here.
const attempt =
  (work: (...args: any[]) => any) =>
  (...args: any[]) => {
    try {
      return work(...args)
    } catch (error) {
      if (DEBUG) say('failed', error)
    }
  }

const later = (work: () => void, ms: number) => setTimeout(attempt(work), ms) as any as number

// Only what is one function may listen anew: a browser adds each but once.
const on = (events: string, work: (event: any) => any, once?: any) =>
  events.split(' ').map((event) => addEventListener(event, work, { capture: true, once }))

// Without the fragment, unless that is part of a page. A URL has no blank: that splits nothing.
const clean = (url: string) => url.split(hash ? ' ' : '#')[0].slice(0, 2e3)

// What must change for a route change to be one: a filter written into the query is no other page.
const path = () => location.pathname + (hash && location.hash)

const meta = (name: string) => (document.querySelector(`[name="${name}"],[property="${name}"]`) as HTMLMetaElement)?.content

const say = (...words: unknown[]) => DEBUG && console.info('%csentier', 'color:#2a7', ...words)
