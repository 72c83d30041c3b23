/*
 * A person's score of a topic is the sum over the pages it opened; pages that it never saw are
 * ranked by these scores. What cannot be recommended is left out: pages that answer 404, and those
 * that neither a sitemap nor a link nor a visit of the last weeks knows any more.
 *
 * Ways to a page are looked for only on pages that the person opened: those it was offered from.
 */
#include "portrait.h"

#include <stdlib.h>

#include "ask.h"
#include "bytes.h"

static int no_memory(struct buf *err)
{
    buf_printf(err, "out of memory");
    return -1;
}

/* ---- pages ---- */

static void judge(const struct portrait *p, struct portrait_page *page)
{
    double rate;
    page->rung = profile_rung(page->own);
    page->ignored = profile_ignores(page->own);
    if (page->ignored != IGNORED_PASSED_BY || page->site == NULL) return;
    page->has_chance = site_pages_rate(p->site, page->site->kind, &rate);
    page->chance = lift_chance(rate, page->own->passed);
}

static int by_interest(const void *a, const void *b)
{
    const struct portrait_page *x = a, *y = b;
    if (x->interest != y->interest) return x->interest > y->interest ? -1 : 1;
    if (x->rung != y->rung) return x->rung > y->rung ? -1 : 1;
    if (x->own->engaged_ms != y->own->engaged_ms)
        return x->own->engaged_ms > y->own->engaged_ms ? -1 : 1;
    if (x->own->views != y->own->views) return x->own->views > y->own->views ? -1 : 1;
    return (x->own->page > y->own->page) - (x->own->page < y->own->page);
}

static uint32_t evidence(const struct portrait_page *page)
{
    return page->ignored == IGNORED_PASSED_BY ? page->own->passed : page->own->tried;
}

static int by_evidence(const void *a, const void *b)
{
    const struct portrait_page *x = *(const struct portrait_page *const *)a,
                               *y = *(const struct portrait_page *const *)b;
    if (evidence(x) != evidence(y)) return evidence(x) > evidence(y) ? -1 : 1;
    return (x->own->page > y->own->page) - (x->own->page < y->own->page);
}

static bool add_ignored(struct portrait *p)
{
    p->ignored = calloc(p->pages_n + 1, sizeof(*p->ignored));
    if (p->ignored == NULL) return false;
    for (uint32_t i = 0; i < p->pages_n; i++) {
        if (p->pages[i].ignored != NOT_IGNORED) p->ignored[p->ignored_n++] = &p->pages[i];
    }
    qsort(p->ignored, p->ignored_n, sizeof(*p->ignored), by_evidence);
    return true;
}

static bool add_pages(struct portrait *p)
{
    const struct profile *profile = &p->profile;
    p->pages = calloc(profile->pages_n + 1, sizeof *p->pages);
    if (p->pages == NULL) return false;
    for (uint32_t i = 0; i < profile->pages_n; i++) {
        struct portrait_page *page = &p->pages[p->pages_n++];
        page->own = &profile->pages[i];
        page->site = site_pages_find(p->site, page->own->page);
        page->interest = profile_interest(profile, page->own, p->now_ms);
        p->interest += page->interest;
        judge(p, page);
    }
    qsort(p->pages, p->pages_n, sizeof *p->pages, by_interest);
    return add_ignored(p);
}

/* ---- interests ---- */

static void add_visits(struct portrait_interest *interest, const struct portrait_page *page,
                       int64_t score)
{
    uint32_t i = 0;
    interest->own.score += score;
    interest->visits += page->own->tried + page->own->used;
    interest->pages++;
    while (i < PORTRAIT_TOP && interest->top[i] != NULL)
        i++;
    if (i < PORTRAIT_TOP) interest->top[i] = page; /* pages come by falling interest */
}

static int by_score(const void *a, const void *b)
{
    const struct portrait_interest *x = a, *y = b;
    if (x->own.score != y->own.score) return x->own.score > y->own.score ? -1 : 1;
    return str_order(x->topic, y->topic);
}

static bool opened(const struct profile_page *page)
{
    return page->views > 0;
}

/* Of all topics of the site, by their numbers. */
static int64_t sum_topics(const struct portrait *p, struct portrait_interest *of)
{
    int64_t all = 0;
    for (uint32_t i = 0; i < p->pages_n; i++) {
        const struct site_page *page = p->pages[i].site;
        if (page == NULL || !opened(p->pages[i].own)) continue;
        const struct page_topic *topics = site_page_topics(p->site, page);
        for (uint32_t k = 0; k < page->topics_n; k++) {
            int64_t score = topic_score(p->pages[i].interest, topics[k].weight);
            add_visits(&of[topics[k].topic], &p->pages[i], score);
            all += score;
        }
    }
    return all;
}

/* of: scratch, for all topics of the site. */
static bool add_interests(struct portrait *p, struct portrait_interest *of)
{
    int64_t all = sum_topics(p, of);
    uint32_t n = 0;
    for (uint32_t t = 0; t < topics_count(p->site->topics); t++) {
        if (of[t].own.score == 0) continue;
        of[n] = of[t];
        of[n].topic = topics_name(p->site->topics, t);
        of[n].own.all = all;
        of[n].site = p->site->mix[t];
        of[n].lift = lift_of(of[n].own, of[n].site);
        n++;
    }
    if (n > 0) qsort(of, n, sizeof *of, by_score);
    p->interests_n = n < PORTRAIT_INTERESTS_MAX ? n : PORTRAIT_INTERESTS_MAX;
    p->approximate = p->approximate || p->interests_n < n || topics_cut(p->site->topics);
    p->interests = calloc(p->interests_n + 1, sizeof *of);
    if (p->interests == NULL) return false;
    memcpy(p->interests, of, p->interests_n * sizeof *of);
    return true;
}

/* ---- what it would like ---- */

static bool known_to(const struct portrait *p, const struct site_page *page)
{
    const struct profile_page *own = profile_page(&p->profile, page->id);
    return own != NULL && (opened(own) || own->seen > 0);
}

static bool is_there(const struct site_page *page)
{
    return page->not_found == 0 && (page->listed || page->links.n > 0 || page->views > 0);
}

/* scores: the person's, of all topics of the site. */
static struct portrait_wish wish_of(const struct portrait *p, const struct site_page *page,
                                    const struct portrait_interest *scores)
{
    struct portrait_wish wish = {.page = page};
    const struct page_topic *topics = site_page_topics(p->site, page);
    int64_t most = 0;
    for (uint32_t k = 0; k < page->topics_n; k++) {
        int64_t score = topic_score(scores[topics[k].topic].own.score, topics[k].weight);
        wish.match += score;
        if (score <= most) continue;
        most = score;
        wish.topic = topics_name(p->site->topics, topics[k].topic);
    }
    return wish;
}

static int by_match(const void *a, const void *b)
{
    const struct portrait_wish *x = a, *y = b;
    if (x->match != y->match) return x->match > y->match ? -1 : 1;
    if (x->page->interest != y->page->interest)
        return x->page->interest > y->page->interest ? -1 : 1;
    int order = str_order(x->page->name, y->page->name);
    return order != 0 ? order : (x->page->id > y->page->id) - (x->page->id < y->page->id);
}

static void find_ways(const struct portrait *p, struct portrait_wish *wish)
{
    for (size_t i = 0; i < wish->page->links.n; i++) {
        const struct profile_page *own = profile_page(&p->profile, wish->page->links.edges[i].from);
        if (own == NULL || !opened(own)) continue;
        const struct site_page *from = site_pages_find(p->site, own->page);
        if (from == NULL) continue;
        if (wish->ways_n < PORTRAIT_TOP) wish->ways[wish->ways_n] = from;
        wish->ways_n++;
    }
}

static bool add_wishes(struct portrait *p, const struct portrait_interest *scores)
{
    const struct site_pages *site = p->site;
    size_t n = 0;
    p->wishes = calloc(site->n + 1, sizeof *p->wishes);
    if (p->wishes == NULL) return false;
    for (size_t i = 0; i < site->n; i++) {
        if (!is_there(&site->all[i]) || known_to(p, &site->all[i])) continue;
        p->wishes[n] = wish_of(p, &site->all[i], scores);
        n += p->wishes[n].match > 0;
    }
    if (n > 0) qsort(p->wishes, n, sizeof *p->wishes, by_match);
    p->wishes_all = n;
    p->wishes_n = n < PORTRAIT_WISHES_MAX ? (uint32_t)n : PORTRAIT_WISHES_MAX;
    for (uint32_t i = 0; i < p->wishes_n; i++)
        find_ways(p, &p->wishes[i]);
    return true;
}

/* ---- all of it ---- */

static int by_sessions(const void *a, const void *b)
{
    const struct profile_mark *x = a, *y = b;
    if (x->key >> 16 != y->key >> 16) return x->key >> 16 < y->key >> 16 ? -1 : 1;
    if (x->sessions != y->sessions) return x->sessions > y->sessions ? -1 : 1;
    return (x->key > y->key) - (x->key < y->key);
}

static bool paint(struct portrait *p)
{
    struct profile *profile = &p->profile;
    size_t topics = topics_count(p->site->topics);
    struct portrait_interest *of = calloc(topics + 1, sizeof *of);
    struct portrait_interest *scores = calloc(topics + 1, sizeof *of);
    int64_t own_ms = profile->recent.newest_ms;
    p->now_ms = p->site->now_ms > own_ms ? p->site->now_ms : own_ms;
    p->approximate = profile->approximate || profile->recent.approximate || p->site->graph.partial;
    if (profile->marks_n > 0)
        qsort(profile->marks, profile->marks_n, sizeof *profile->marks, by_sessions);
    bool ok = of != NULL && scores != NULL && add_pages(p);
    if (ok) {
        sum_topics(p, scores);
        ok = add_interests(p, of) && add_wishes(p, scores);
    }
    free(of);
    free(scores);
    return ok;
}

bool portrait_make(const struct site_view *v, const struct site_pages *site, struct str id,
                   struct profile *take, struct portrait *out)
{
    *out = (struct portrait){.profile = *take, .view = v, .site = site};
    *take = (struct profile){.views = 0};
    memcpy(out->id, id.p, id.n < PORTRAIT_ID_MAX_BYTES ? id.n : PORTRAIT_ID_MAX_BYTES);
    if (paint(out)) return true;
    portrait_fini(out);
    return false;
}

int portrait_read(const struct site_view *v, const struct site_pages *site, struct str id,
                  struct portrait *out, struct buf *err)
{
    struct person_whole who = {.customer = NULL};
    char room[ID_TEXT_BYTES];
    int result = person_read(&v->source, id, &who, err);
    if (result > 0 && !portrait_make(v, site, person_name(&who.person, room), &who.profile, out))
        result = no_memory(err);
    if (result > 0) {
        out->customer = who.person.customer.n > 0;
        out->visitors = who.visitors;
        out->visitors_n = who.person.visitors_n;
        who.visitors = NULL;
    }
    person_fini(&who);
    return result;
}

void portrait_fini(struct portrait *p)
{
    profile_fini(&p->profile);
    free(p->visitors);
    free(p->pages);
    free(p->ignored);
    free(p->interests);
    free(p->wishes);
    *p = (struct portrait){.pages_n = 0};
}

struct str portrait_name(const struct portrait_page *page, char room[TEXT_PAGE_BYTES])
{
    return page->site != NULL ? page->site->name : text_unnamed_page(page->own->page, room);
}

const char *ignored_why_name(enum ignored_why why)
{
    static const char *const names[] = {
        [NOT_IGNORED] = "", [IGNORED_PASSED_BY] = "passed by", [IGNORED_LEFT] = "left"};
    return names[why];
}
