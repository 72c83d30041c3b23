/*
 * Sessions and their visits are those of the sums. The session's day decides the week, as it
 * decides all other figures of a session; its first pageview of the page decides how fresh the
 * visit is.
 */
#include "visit.h"

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
    return (struct visit){
        .page = v->page, .day = v->day, .opened = v->opened, .used = visit_used(v)};
}

static struct weight weight_of(const struct page_visit *v)
{
    uint32_t weight = interest_weight(v->engaged_ms, v->depth, v->flags & VISIT_INTERACTION,
                                      v->flags & VISIT_GOAL);
    return (struct weight){
        .page = v->page,
        .year = interest_year(v->at_ms),
        .amount = interest_amount(weight, v->at_ms),
    };
}

void visits_make(struct visits *x, const struct sums *s)
{
    x->stays_n = s->sessions_n;
    for (uint32_t i = 0; i < s->sessions_n; i++)
        x->stays[i] = stay_of(&s->sessions[i]);
    x->pages_n = x->weights_n = s->visits_n;
    for (uint32_t i = 0; i < s->visits_n; i++) {
        x->pages[i] = visit_of(&s->visits[i]);
        x->weights[i] = weight_of(&s->visits[i]);
    }
}
