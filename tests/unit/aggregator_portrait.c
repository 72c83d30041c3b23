/*
 * A portrait of one person of a small site, put together by hand. Pages are numbered; 1 and 2 are
 * about boots (2 a little about maps, too), 3 to 5 about maps, 6 about nothing, 7 to 9 about boots.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "bytes.h"
#include "clock.h"
#include "interest.h"
#include "links.h"
#include "portrait.h"
#include "profile_document.h"
#include "sitestate.h"

enum { TODAY = 20479 /* 2026-01-26, a Monday */, PAGES = 9 };
#define NOW_MS ((int64_t)TODAY * DAY_MS + 3600 * 1000)

static char boots[] = "/boots/* boots", maps[] = "/maps/* maps", both[] = "/boots/2 40:maps";

static char *const rules[] = {boots, maps, both, NULL};
static const char *const names[PAGES] = {
    "shop.example/boots/1", "shop.example/boots/2", "shop.example/maps/3",
    "shop.example/maps/4",  "shop.example/maps/5",  "shop.example/6",
    "shop.example/boots/7", "shop.example/boots/8", "shop.example/boots/9"};

static void link_from(struct link_graph *g, uint64_t from, const uint64_t *to, unsigned n)
{
    struct links links = {0};
    struct buf value = {0};
    char field[8];
    links_told(&links, TODAY, false);
    for (unsigned i = 0; i < n; i++)
        links_add(&links, to[i], TODAY);
    store_le64(field, from);
    assert_true(links_encode(&links, &value));
    assert_true(link_graph_take(g, (struct str){field, sizeof field}, buf_str(&value)));
    buf_fini(&value);
}

/* 6 is in the menu of all; 7 is linked from 1; 8 from 3 and 4; 9 answers 404; 5 has no link. */
static void make_site(struct site_pages *site)
{
    *site = (struct site_pages){.now_ms = NOW_MS, .today = TODAY, .n = PAGES};
    site->graph = link_graph_begin(TODAY - 10, true);
    link_from(&site->graph, 1, (const uint64_t[]){6, 7}, 2);
    link_from(&site->graph, 2, (const uint64_t[]){6, 9}, 2);
    link_from(&site->graph, 3, (const uint64_t[]){6, 8}, 2);
    link_from(&site->graph, 4, (const uint64_t[]){6, 8}, 2);
    link_graph_join(&site->graph);
    site->all = calloc(PAGES, sizeof *site->all);
    for (unsigned i = 0; i < PAGES; i++) {
        struct site_page *page = &site->all[i];
        *page = (struct site_page){.id = i + 1,
                                   .name = str_of(names[i]),
                                   .interest = 1000,
                                   .listed = i + 1 == 5,
                                   .not_found = i + 1 == 9,
                                   .views = 10,
                                   .visits = 8,
                                   .used = 6};
        page->links = link_graph_to(&site->graph, page->id);
        page->kind = link_graph_kind(&site->graph, &page->links);
    }
    site->rates[LINK_NAVIGATION] = (struct link_rate){40, 10};
    assert_true(site_pages_tag(site, rules));
}

/* Weight 2, today: a score of 2. */
static int64_t weight_2(void)
{
    return interest_amount(2 * INTEREST_WEIGHT_ONE, NOW_MS);
}

static struct profile_page *add_page(struct profile *p, uint64_t id)
{
    p->pages = realloc(p->pages, (p->pages_n + 1) * sizeof *p->pages);
    p->pages[p->pages_n] = (struct profile_page){.page = id};
    return &p->pages[p->pages_n++];
}

static void open_page(struct profile *p, uint64_t id, uint32_t tried, uint32_t used)
{
    struct profile_page *page = add_page(p, id);
    page->views = tried + used;
    page->tried = tried;
    page->used = used;
    page->first_day = page->last_day = TODAY;
    page->interest[0] = used * weight_2();
}

/* It used 1 (twice) and 2, left 4 twice, and passed by 6 four times on three days. */
static struct profile make_profile(void)
{
    struct profile p = {.sessions = 4,
                        .views = 5,
                        .newest_year = interest_year(NOW_MS),
                        .newest_day = TODAY,
                        .recent.newest_ms = NOW_MS};
    open_page(&p, 1, 0, 2);
    open_page(&p, 2, 1, 1);
    open_page(&p, 4, 2, 0);
    struct profile_page *passed = add_page(&p, 6);
    passed->seen = passed->passed = 4;
    passed->passed_days = 3;
    passed->last_seen_day = TODAY;
    return p;
}

struct world {
    struct site_pages site;
    struct site_view view;
    struct portrait portrait;
};

static void make(struct world *w, struct profile *p)
{
    make_site(&w->site);
    w->view = (struct site_view){.source.site = STR("shop"), .time_zone = "UTC"};
    assert_true(portrait_make(&w->view, &w->site, STR("x1"), p, &w->portrait));
    assert_null(p->pages); /* taken */
}

static void end(struct world *w)
{
    portrait_fini(&w->portrait);
    site_pages_fini(&w->site);
}

static void near(double got, double want)
{
    if (fabs(got - want) > 1e-9) fail_msg("%.12g, not %.12g", got, want);
}

/* Scores: 1 has 4, 2 has 2. Boots: 4 + 2 = 6; maps: 40 % of 2 = 0.8; all 6.8. The site's: 5 pages
 * of boots at 1 each = 5; maps 3 + 0.4 = 3.4; all 8.4. Lifts by the definition:
 * boots ((6 + 5 * 5/8.4) / (6.8 + 5)) / (5/8.4), maps ((0.8 + 5 * 3.4/8.4) / 11.8) / (3.4/8.4). */
static void interests(void **state)
{
    struct profile p = make_profile();
    struct world w;
    (void)state;
    make(&w, &p);
    assert_int_equal(w.portrait.interests_n, 2);
    const struct portrait_interest *first = &w.portrait.interests[0],
                                   *second = &w.portrait.interests[1];
    assert_true(str_eq(first->topic, STR("boots")) && str_eq(second->topic, STR("maps")));
    assert_int_equal(first->own.score, 6000);
    assert_int_equal(second->own.score, 800);
    near(first->lift, ((6 + 5 * 5 / 8.4) / 11.8) / (5 / 8.4));
    near(second->lift, ((0.8 + 5 * 3.4 / 8.4) / 11.8) / (3.4 / 8.4));
    assert_int_equal(first->visits, 4);
    assert_int_equal(first->pages, 2);
    assert_int_equal(second->visits, 4); /* 2 and 4: the latter was opened, if not used */
    assert_int_equal(first->top[0]->own->page, 1);
    assert_int_equal(first->top[1]->own->page, 2);
    assert_null(first->top[2]);
    assert_false(w.portrait.approximate);
    end(&w);
}

/* 6 is navigation, of which 10 of 40 trials led to an opening: (1 - 1/4)^4 = 81/256. */
static void ignored(void **state)
{
    struct profile p = make_profile();
    struct world w;
    unsigned n = 0;
    (void)state;
    make(&w, &p);
    for (uint32_t i = 0; i < w.portrait.pages_n; i++) {
        const struct portrait_page *page = &w.portrait.pages[i];
        if (page->ignored == NOT_IGNORED) continue;
        n++;
        assert_int_equal(page->own->page, page->ignored == IGNORED_LEFT ? 4 : 6);
        assert_int_equal(page->has_chance, page->ignored == IGNORED_PASSED_BY);
        if (page->has_chance) near(page->chance, 81.0 / 256);
    }
    assert_int_equal(n, 2);
    end(&w);
}

/* Not 9 (404), not 6 (seen, and about nothing). Boots first: 7 was offered on 1. Then maps, of
 * which 8 is none: its path says boots. */
static void wishes(void **state)
{
    static const struct {
        uint64_t page;
        int64_t match;
        uint32_t ways;
    } want[] = {{7, 6000, 1}, {8, 6000, 1}, {3, 800, 0}, {5, 800, 0}};
    struct profile p = make_profile();
    struct world w;
    (void)state;
    make(&w, &p);
    assert_int_equal(w.portrait.wishes_n, 4);
    assert_int_equal(w.portrait.wishes_all, 4);
    for (unsigned i = 0; i < 4; i++) {
        const struct portrait_wish *wish = &w.portrait.wishes[i];
        assert_int_equal(wish->page->id, want[i].page);
        assert_int_equal(wish->match, want[i].match);
        assert_int_equal(wish->ways_n, want[i].ways);
    }
    assert_int_equal(w.portrait.wishes[0].ways[0]->id, 1);
    assert_int_equal(w.portrait.wishes[1].ways[0]->id, 4); /* 3 links there, too: never opened */
    end(&w);
}

/* What nobody links to, lists, or visits any more is not recommended. */
static void gone(void **state)
{
    struct profile p = make_profile();
    struct world w;
    (void)state;
    make_site(&w.site);
    site_pages_find(&w.site, 3)->views = 0;
    w.view = (struct site_view){.source.site = STR("shop"), .time_zone = "UTC"};
    assert_true(portrait_make(&w.view, &w.site, STR("x1"), &p, &w.portrait));
    assert_int_equal(w.portrait.wishes_n, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_not_equal(w.portrait.wishes[i].page->id, 3);
    end(&w);
}

/* Pages without a name are still pages; a person without pages has neither interests nor wishes. */
static void little(void **state)
{
    struct profile unnamed = {.views = 0}, empty = {.views = 0};
    char room[TEXT_PAGE_BYTES];
    struct world w;
    (void)state;
    open_page(&unnamed, 77, 2, 0);
    make(&w, &unnamed);
    assert_true(str_eq(portrait_name(&w.portrait.pages[0], room), STR("(page 25)")));
    assert_int_equal(w.portrait.pages[0].ignored, IGNORED_LEFT);
    end(&w);
    make(&w, &empty);
    assert_int_equal(w.portrait.interests_n + w.portrait.wishes_n + w.portrait.pages_n, 0);
    json_t *doc = profile_document(&w.portrait);
    assert_int_equal(json_array_size(json_object_get(doc, "undiscovered")), 0);
    json_decref(doc);
    end(&w);
}

/* Sixty-four topics at most, and it says so. */
static void many_topics(void **state)
{
    struct about about = {.topics_n = ABOUT_TOPICS_MAX};
    struct profile p = {.newest_year = interest_year(NOW_MS), .recent.newest_ms = NOW_MS};
    char texts[PAGES][ABOUT_TOPICS_MAX][8];
    struct buf packed[5] = {0};
    struct world w;
    (void)state;
    make_site(&w.site);
    free(w.site.mix);
    topics_free(w.site.topics);
    free(w.site.tags);
    w.site.tags = NULL;
    w.site.tags_n = w.site.tags_cap = 0;
    for (unsigned i = 0; i < 5; i++) {
        for (unsigned k = 0; k < ABOUT_TOPICS_MAX; k++) {
            int n = snprintf(texts[i][k], sizeof texts[i][k], "t%u", i * ABOUT_TOPICS_MAX + k);
            about.topics[k] = (struct about_topic){{texts[i][k], (size_t)n}, 100};
        }
        assert_true(about_pack(&about, &packed[i]));
        w.site.all[i].about = buf_str(&packed[i]);
        open_page(&p, i + 1, 0, 1);
    }
    assert_true(site_pages_tag(&w.site, NULL));
    w.view = (struct site_view){.source.site = STR("shop"), .time_zone = "UTC"};
    assert_true(portrait_make(&w.view, &w.site, STR("x1"), &p, &w.portrait));
    assert_int_equal(w.portrait.interests_n, PORTRAIT_INTERESTS_MAX);
    assert_true(w.portrait.approximate);
    end(&w);
    for (unsigned i = 0; i < 5; i++)
        buf_fini(&packed[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(interests), cmocka_unit_test(ignored),
                                       cmocka_unit_test(wishes),    cmocka_unit_test(gone),
                                       cmocka_unit_test(little),    cmocka_unit_test(many_topics)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
