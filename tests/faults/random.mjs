// Chance from a seed: the same seed makes the same choices.

export class Random {
  #state

  constructor(seed) {
    this.#state = seed >>> 0
  }

  // 0 <= x < 1 (mulberry32)
  next() {
    let t = (this.#state = (this.#state + 0x6d2b79f5) >>> 0)
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  // from .. to, both included
  int(from, to) {
    return from + Math.floor(this.next() * (to - from + 1))
  }

  chance(p) {
    return this.next() < p
  }

  pick(list) {
    return list[this.int(0, list.length - 1)]
  }

  // n different ones
  some(list, n) {
    const rest = [...list]
    return Array.from({ length: Math.min(n, rest.length) }, () => rest.splice(this.int(0, rest.length - 1), 1)[0])
  }

  // A source of its own, so that what one part draws does not shift the others.
  child() {
    return new Random(this.int(0, 2 ** 32 - 1))
  }

  // 64 bits, base36, never 0
  id() {
    const half = () => BigInt(this.int(0, 2 ** 32 - 1))
    return (((half() << 32n) | half()) | 1n).toString(36)
  }
}
