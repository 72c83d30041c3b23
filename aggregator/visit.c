/*
 * Sessions and their visits are those of the sums. For a person, whether a visit was use is decided
 * per pageview, so many short looks never add up to one. The session's day decides the week, as it
 * decides all other figures of a session.
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

static struct visit visit_of(const struct page_visit *v)
{
    bool used = v->interaction || v->longest_ms >= USED_ENGAGED_MS;
    return (struct visit){.page = v->page, .day = v->day, .opened = v->opened, .used = used};
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
    x->stays_n = s->sessions_n;
    for (uint32_t i = 0; i < s->sessions_n; i++)
        x->stays[i] = stay_of(&s->sessions[i]);
    x->pages_n = s->visits_n;
    for (uint32_t i = 0; i < s->visits_n; i++)
        x->pages[i] = visit_of(&s->visits[i]);
    x->weights_n = 0;
    for (uint32_t i = 0; i < v->views_n; i++) {
        if (!(v->views[i].flags & PV_BOT)) x->weights[x->weights_n++] = weight_of(&v->views[i]);
    }
}
