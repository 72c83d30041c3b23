/*
 * "Fading" asks for both: a fall to under half, and one that chance would bring in less than one
 * page of twenty. Visits are compared, not views: the views of one visit come together.
 *
 * "Ignored" asks the same of links: even the upper end of what the true rate may be lies under half
 * of what is usual for links of that kind. A menu is in view all the time and rarely opened, so a
 * kind is only compared with itself.
 *
 * A change goes both ways, so its test is two-sided: twice the smaller tail. The interval of the
 * ratio comes from Wilson's one of the share of visits that fell into this window.
 */
#include "judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "binomial.h"

#define FADING_CHANCE 0.05
#define FADING_SHARE  0.5
#define IGNORED_SHARE 0.5
#define CHANGE_CHANCE 0.05

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

static bool is_ignored(const struct page_evidence *e)
{
    return e->seen > 0 && e->usual > 0 &&
           binomial_wilson(e->opened, e->seen).high < IGNORED_SHARE * e->usual;
}

enum page_verdict judge_page(const struct page_evidence *e)
{
    bool known = e->listed || e->linked || e->offered;
    if (e->not_found > 0) return PAGE_BROKEN;
    if (e->views > 0 && e->catalogue_whole && !e->listed) return PAGE_ORPHAN;
    if (is_ignored(e)) return PAGE_IGNORED;
    if (fades(e)) return PAGE_FADING;
    if (e->used > 0) return PAGE_USED;
    if (e->views == 0 && known && e->graph_known && !e->offered) return PAGE_UNDISCOVERED;
    if (e->views > 0) return PAGE_UNPROVEN;
    return known ? PAGE_UNVISITED : PAGE_NONE;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double judge_usual(double *rates, size_t n)
{
    if (n < USUAL_PAGES_MIN) return -1;
    qsort(rates, n, sizeof *rates, by_size);
    return n % 2 == 1 ? rates[n / 2] : (rates[n / 2 - 1] + rates[n / 2]) / 2;
}

static const char *const names[PAGE_VERDICTS] = {"broken", "orphan",       "ignored",  "fading",
                                                 "used",   "undiscovered", "unproven", "unvisited"};

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

/* ---- change ---- */

static double two_sided(uint64_t now, uint64_t before, const struct page_evidence *e)
{
    double fallen = binomial_fallen(now, e->window, before, e->window_before);
    double risen = binomial_fallen(before, e->window_before, now, e->window);
    return fmin(1, 2 * fmin(fallen, risen));
}

static double odds(double share)
{
    return share < 1 ? share / (1 - share) : INFINITY;
}

struct page_change judge_change(const struct page_evidence *e)
{
    uint64_t n = e->visits + e->visits_before;
    if (n == 0 || e->window <= 0 || e->window_before <= 0)
        return (struct page_change){CHANGE_NONE, 1, 1, 0, INFINITY, false};
    double days = e->window_before / e->window;
    struct share_interval share = binomial_wilson(e->visits, n);
    struct page_change c = {
        .chance = two_sided(e->visits, e->visits_before, e),
        .ratio = odds((double)e->visits / (double)n) * days,
        .low = odds(share.low) * days,
        .high = odds(share.high) * days,
        .can_tell = two_sided(0, n, e) < CHANGE_CHANCE || two_sided(n, 0, e) < CHANGE_CHANCE,
    };
    c.change = c.chance >= CHANGE_CHANCE ? CHANGE_NONE : c.ratio < 1 ? CHANGE_FELL : CHANGE_ROSE;
    return c;
}

const char *change_name(enum change c)
{
    static const char *const words[CHANGES] = {"fell", "rose", "steady"};
    return words[c];
}
