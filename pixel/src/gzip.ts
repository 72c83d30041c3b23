// Large piles go compressed. The tracker asks this function, where it has been told of it; where
// the browser cannot compress it is not told, and sends as ever.

import { sentier } from './call'

const gzip = (text: string) => new Response(new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'))).blob()

if ('CompressionStream' in window) sentier('gzip', gzip)
