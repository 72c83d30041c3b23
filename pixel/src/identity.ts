// Who the hits are from. localStorage.sentier is all that is ever kept in a browser: its first line is
// "o" (opted out) or "ID.CREATED_MS" (consented; "ID-" when it was made at a logout), the others are
// hits that wait. Nothing is kept of who has not consented.

const signal = (navigator as any).globalPrivacyControl || (navigator as any).doNotTrack == 1

let ident = ''
let queue: string[] = []

// Other tabs write, too: it is read anew before each use. Where there is no storage, nothing outlives the page.
const read = attempt(() => ([ident, ...queue] = (localStorage.sentier || '').split('\n')))

const write = attempt(() => (ident ? (localStorage.sentier = [ident, ...queue].join('\n')) : delete localStorage.sentier))

// What waits of somebody who says no is thrown away.
const become = (next: string) => {
  ident = next
  if (!next[1]) queue = waiting = []
  write()
}

const grant = (mark?: string) => become(random() + [mark] + '.' + now())

const out = () => signal || ident == 'o'
