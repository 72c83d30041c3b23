// Topics, scores and lift, the plainest way, straight from the definitions: independent of the program
// and of its numbers.
//
// rules: [[PATTERN, [[TOPIC, WEIGHT], ...]], ...]; about: {section, topics: [[TOPIC, WEIGHT], ...]} or undefined.

const PRIOR = 5
const ALL = 100

const fold = (topic) => topic.trim().replace(/[A-Z]/g, (c) => c.toLowerCase())

function fits(pattern, page) {
  const text = pattern.startsWith('/') ? page.slice(page.indexOf('/')) : page
  const parts = pattern.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
  return new RegExp(`^${parts.join('[^]*')}$`).test(text)
}

// topic -> weight, the greatest of each.
export function topicsOf(page, rules, about) {
  const told = about ? [...about.topics, ...(about.section ? [[about.section, ALL]] : [])] : []
  const ruled = rules.filter(([pattern]) => fits(pattern, page)).flatMap(([, topics]) => topics)
  const of = new Map()
  for (const [topic, weight] of [...told, ...ruled]) of.set(fold(topic), Math.max(of.get(fold(topic)) ?? 0, weight))
  return of
}

// scores: page -> score; of: page -> its topics. topic -> score.
export function topicScores(scores, of) {
  const sums = new Map()
  for (const [page, score] of scores)
    for (const [topic, weight] of of(page)) sums.set(topic, (sums.get(topic) ?? 0) + (score * weight) / ALL)
  return sums
}

export const sumOf = (scores) => [...scores.values()].reduce((a, b) => a + b, 0)

// Both: topic -> score.
export function lift(topic, person, site) {
  const share = (site.get(topic) ?? 0) / sumOf(site)
  return (((person.get(topic) ?? 0) + PRIOR * share) / (sumOf(person) + PRIOR)) / share
}
