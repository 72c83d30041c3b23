// CRC-32 as in zlib, which this version of node does not offer.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1
  return n
})

export function crc32(bytes, before = 0) {
  let crc = ~before
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8)
  return ~crc >>> 0
}
