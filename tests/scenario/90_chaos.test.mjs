import { mixture } from '../faults/mixture.mjs'

mixture('standalone', 12, [
  'kill-all', 'cut-aof', 'kill-import', 'term-collector', 'zombie', 'cut-reply', 'disk-full', 'flip-segment', 'clone-journal', 'cut-aof-under-commit', 'oom', 'auth',
])
