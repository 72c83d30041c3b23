/*
 * "Fading" asks for both: a fall to under half, and one that chance would bring in less than one
 * page of twenty. Visits are compared, not views: the views of one visit come together.
 */
#include "judge.h"

#include <string.h>

#include "binomial.h"

#define FADING_CHANCE 0.05
#define FADING_SHARE  0.5

double judge_chance(const struct page_evidence *e)
{
    return binomial_fallen(e->visits, e->window, e->visits_before, e->window_before);
}

static bool fades(const struct page_evidence *e)
{
    double now = (double)e->visits * e->window_before;
    double before = (double)e->visits_before * e->window;
    return now < FADING_SHARE * before && judge_chance(e) < FADING_CHANCE;
}

enum page_verdict judge_page(const struct page_evidence *e)
{
    if (e->not_found > 0) return PAGE_BROKEN;
    if (e->views > 0 && e->catalogue_whole && !e->listed) return PAGE_ORPHAN;
    if (fades(e)) return PAGE_FADING;
    if (e->used > 0) return PAGE_USED;
    if (e->views > 0) return PAGE_UNPROVEN;
    return e->listed ? PAGE_UNVISITED : PAGE_NONE;
}

static const char *const names[PAGE_VERDICTS] = {"broken", "orphan",   "fading",
                                                 "used",   "unproven", "unvisited"};

const char *page_verdict_name(enum page_verdict v)
{
    return v < PAGE_VERDICTS ? names[v] : "none";
}

bool page_verdict_parse(const char *text, enum page_verdict *out)
{
    for (int i = 0; i < PAGE_VERDICTS; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out = (enum page_verdict)i;
        return true;
    }
    return false;
}
