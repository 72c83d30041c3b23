/*
 * Sessions are those of the sums; here each is looked at page by page. Whether a visit was use is
 * decided per pageview, so many short looks never add up to one. The session's day decides the
 * week, as it decides all other figures of a session.
 */
#include "visit.h"

#include <assert.h>

#include "interest.h"

static bool letter(char c)
{
    return c >= 'A' && c <= 'Z';
}

static struct stay stay_of(const struct session *s)
{
    const struct marks *m = &s->marks;
    bool known = letter(m->country[0]) && letter(m->country[1]);
    return (struct stay){
        .day = s->day,
        .channel = m->channel,
        .device = m->device,
        .country = known ? (uint32_t)m->country[0] << 8 | (uint32_t)m->country[1] : 0,
    };
}

/* The page's visit in the session whose visits begin at `from`. */
static struct visit *visit_of(struct visits *x, uint32_t from, uint64_t page, uint32_t day)
{
    for (uint32_t i = x->pages_n; i-- > from;) {
        if (x->pages[i].page == page) return &x->pages[i];
    }
    struct visit *visit = &x->pages[x->pages_n++];
    *visit = (struct visit){.page = page, .day = day};
    return visit;
}

static struct weight weight_of(const struct pageview *p)
{
    uint32_t weight = interest_weight(p->engaged_ms, p->depth, p->interaction_at_ms != 0);
    return (struct weight){
        .page = p->page,
        .year = interest_year(p->at_ms),
        .amount = interest_amount(weight, p->at_ms),
    };
}

void visits_make(struct visits *x, const struct visitor *v, const struct sums *s)
{
    assert(v->views_n <= RECENT_MAX);
    x->stays_n = x->pages_n = x->weights_n = 0;
    for (uint32_t i = 0; i < s->sessions_n; i++) {
        uint32_t end = i + 1 < s->sessions_n ? s->starts[i + 1] : v->views_n;
        uint32_t from = x->pages_n;
        x->stays[x->stays_n++] = stay_of(&s->sessions[i]);
        for (uint32_t j = s->starts[i]; j < end; j++) {
            const struct pageview *p = &v->views[j];
            if (p->flags & PV_BOT) continue;
            struct visit *visit = visit_of(x, from, p->page, s->sessions[i].day);
            visit->opened++;
            if (p->engaged_ms >= USED_ENGAGED_MS || p->interaction_at_ms != 0) visit->used = 1;
            x->weights[x->weights_n++] = weight_of(p);
        }
    }
}
