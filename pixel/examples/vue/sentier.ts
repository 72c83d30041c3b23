// Vue: app.use(sentier, { site: 'shop', endpoint: 'https://stats.example/b' }). Templates may say
// @click="$sentier.event('signup')". Routers change the page by the history API, which the tracker
// sees by itself.

import * as tracker from '@sentier/tracker'
import type { App } from 'vue'

export const sentier = {
  install(app: App, options: tracker.Options) {
    tracker.init(options)
    app.config.globalProperties.$sentier = tracker
  },
}
