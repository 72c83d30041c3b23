'use client'

// React, and Next's app router: <Sentier site="shop" endpoint="https://stats.example/b" /> once, in
// the root layout. Routers change the page by the history API, which the tracker sees by itself.

import { useEffect } from 'react'
import { init, type Options } from '@sentier/tracker'

export function Sentier(options: Options) {
  useEffect(() => init(options), [])
  return null
}
