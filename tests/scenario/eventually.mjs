// Waits for a condition, never for a time: asks again until it holds, or its deadline has passed.

const AGAIN_MS = 10

// The first truthy answer of `ask`. An error counts as "not yet", unless it is marked `final`; at
// the deadline what was seen last is said.
export async function eventually(what, ask, withinMs = 30_000) {
  const deadline = Date.now() + withinMs
  let last
  for (;;) {
    try {
      last = await ask()
      if (last) return last
    } catch (error) {
      if (error.final) throw error
      last = error
    }
    if (Date.now() > deadline) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last)
      throw new Error(`waited ${withinMs} ms in vain: ${what}${seen ? `; last: ${seen}` : ''}`)
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
  }
}
