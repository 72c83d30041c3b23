// Waits for a condition, never for a time: asks again until it holds, or its deadline has passed.

// A long wait is asked about less often: asking takes from what is waited for.
const AGAIN_MS = { least: 10, most: 50, share: 0.05 }
const again = (waited) => Math.min(Math.max(AGAIN_MS.least, AGAIN_MS.share * waited), AGAIN_MS.most)

// The first truthy answer of `ask`. An error counts as "not yet", unless it is marked `final`; at
// the deadline what was seen last is said.
export async function eventually(what, ask, withinMs = 120_000) {
  const began = Date.now()
  let last
  for (;;) {
    try {
      last = await ask()
      if (last) return last
    } catch (error) {
      if (error.final) throw error
      last = error
    }
    const waited = Date.now() - began
    if (waited > withinMs) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last)
      throw new Error(`waited ${withinMs} ms in vain: ${what}${seen ? `; last: ${seen}` : ''}`)
    }
    await new Promise((resolve) => setTimeout(resolve, again(waited)))
  }
}
