/*
 * Each partition holds what its visitors' browsers told, so a page can stand in several of them
 * with other links and other days. Here all become one list, sorted by where the links lead: the
 * links to a page are one run of it. Of a link that stands twice the latest day stays.
 *
 * A link is gone when its page has told its links on a later day without it. One whose page was not
 * opened since is the last that is known; whoever asks for ways to a page wants it, too.
 */
#include "link_graph.h"

#include <stdlib.h>

#include "bytes.h"
#include "links.h"
#include "pack.h"

enum { ID_FIELD_BYTES = 8, PART_MAX_BYTES = 256 * 1024 * 1024 };

const char *link_kind_name(enum link_kind k)
{
    return k == LINK_NAVIGATION ? "navigation" : "content";
}

/* ---- taking ---- */

/* Room for one more; false: no memory. */
static bool room(void *array, size_t n, size_t *cap, size_t size)
{
    void **at = array;
    if (n < *cap) return true;
    size_t more = *cap == 0 ? 1024 : *cap * 2;
    void *grown = realloc(*at, more * size);
    if (grown == NULL) return false;
    *at = grown;
    *cap = more;
    return true;
}

static bool take_count(struct link_graph *g, struct str value)
{
    struct links_count count = {0};
    if (!links_count_decode(value, &count))
        g->damaged++;
    else if (count.full)
        g->partial = true;
    return true;
}

static bool take_edge(struct link_graph *g, uint64_t from, const struct link *l)
{
    if (!room(&g->edges, g->n, &g->cap, sizeof *g->edges)) return false;
    g->edges[g->n++] = (struct link_edge){l->page, from, l->day};
    return true;
}

bool link_graph_take(struct link_graph *g, struct str field, struct str value)
{
    struct links links = {0};
    if (str_eq(field, LINKS_COUNT_FIELD)) return take_count(g, value);
    if (field.n != ID_FIELD_BYTES || !links_decode(value, &links)) {
        g->damaged++;
        return true;
    }
    if (links.told_day < g->from && !g->last_known) return true;
    if (links.partial) g->partial = true;
    uint64_t from = load_le64(field.p);
    if (!room(&g->tellers, g->tellers_n, &g->tellers_cap, sizeof *g->tellers)) return false;
    g->tellers[g->tellers_n++] = (struct link_teller){from, links.told_day};
    for (uint32_t i = 0; i < links.n; i++) {
        if (links.at[i].day < g->from && !g->last_known) continue;
        if (!take_edge(g, from, &links.at[i])) return false;
    }
    return true;
}

struct link_graph link_graph_begin(uint32_t from, bool last_known)
{
    return (struct link_graph){.from = from, .last_known = last_known};
}

void link_graph_fini(struct link_graph *g)
{
    free(g->edges);
    free(g->tellers);
    *g = (struct link_graph){0};
}

/* ---- one graph ---- */

static int by_place(const void *a, const void *b)
{
    const struct link_edge *x = a, *y = b;
    if (x->to != y->to) return x->to < y->to ? -1 : 1;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    return (x->day < y->day) - (x->day > y->day); /* the latest first: it stays */
}

static int by_page(const void *a, const void *b)
{
    const struct link_teller *x = a, *y = b;
    if (x->page != y->page) return x->page < y->page ? -1 : 1;
    return (x->day < y->day) - (x->day > y->day);
}

static int by_page_alone(const void *a, const void *b)
{
    const struct link_teller *x = a, *y = b;
    return (x->page > y->page) - (x->page < y->page);
}

static void join_tellers(struct link_graph *g)
{
    size_t kept = 0;
    if (g->tellers_n > 0) qsort(g->tellers, g->tellers_n, sizeof *g->tellers, by_page);
    for (size_t i = 0; i < g->tellers_n; i++) {
        if (kept > 0 && g->tellers[kept - 1].page == g->tellers[i].page) continue;
        g->tellers[kept++] = g->tellers[i];
        if (g->tellers[i].day >= g->from) g->pages_n++;
    }
    g->tellers_n = kept;
}

static const struct link_teller *find_teller(const struct link_graph *g, uint64_t page)
{
    const struct link_teller key = {.page = page};
    if (g->tellers_n == 0) return NULL;
    return bsearch(&key, g->tellers, g->tellers_n, sizeof *g->tellers, by_page_alone);
}

static bool is_there(const struct link_graph *g, const struct link_edge *e)
{
    if (e->day >= g->from) return true;
    const struct link_teller *t = find_teller(g, e->from);
    return t != NULL && e->day >= t->day;
}

void link_graph_join(struct link_graph *g)
{
    size_t kept = 0;
    join_tellers(g);
    if (g->n > 0) qsort(g->edges, g->n, sizeof *g->edges, by_place);
    for (size_t i = 0; i < g->n; i++) {
        const struct link_edge *e = &g->edges[i];
        bool again = i > 0 && g->edges[i - 1].to == e->to && g->edges[i - 1].from == e->from;
        if (!again && is_there(g, e)) g->edges[kept++] = *e;
    }
    g->n = kept;
}

int link_graph_read(const struct range_source *s, uint32_t from, bool last_known,
                    struct link_graph *out, struct buf *err)
{
    *out = link_graph_begin(from, last_known);
    int result = 0;
    for (unsigned i = 0; i < range_parts(s) && result == 0; i++) {
        struct key key = key_links(range_part(s, i), s->site);
        struct str field, value;
        struct buf rows;
        buf_init(&rows, PART_MAX_BYTES);
        result = range_read_hash(s, &key, &rows, err);
        struct reader in = reader_of(buf_str(&rows));
        while (result == 0 && pack_next(&in, &field, &value)) {
            if (link_graph_take(out, field, value)) continue;
            buf_printf(err, "out of memory");
            result = -1;
        }
        buf_fini(&rows);
    }
    if (result == 0) link_graph_join(out);
    return result;
}

/* ---- the links to a page ---- */

struct link_run link_graph_at(const struct link_graph *g, size_t i)
{
    struct link_run run = {.edges = g->edges + i};
    for (; i < g->n && g->edges[i].to == run.edges->to; i++) {
        run.n++;
        if (g->edges[i].day >= g->from) run.linked++;
    }
    return run;
}

struct link_run link_graph_to(const struct link_graph *g, uint64_t page)
{
    size_t low = 0, high = g->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (g->edges[middle].to < page)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == g->n || g->edges[low].to != page) return (struct link_run){0};
    return link_graph_at(g, low);
}

bool link_graph_told(const struct link_graph *g, uint64_t page)
{
    return find_teller(g, page) != NULL;
}

enum link_kind link_graph_kind(const struct link_graph *g, const struct link_run *run)
{
    return 2 * run->linked > g->pages_n ? LINK_NAVIGATION : LINK_CONTENT;
}
