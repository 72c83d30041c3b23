/*
 * A row's name holds the ids of its two pages. Their names, and the visits to the first one, stand
 * in the rows of these pages, which the same range has read.
 */
#include "transition.h"

#include <stdlib.h>

#include "bytes.h"
#include "summary.h"

enum { STEP_NAME_BYTES = 1 + 8 + 8 };

static struct range_row *page_row(const struct range *r, const struct range_row *step, size_t at)
{
    char name[9] = {'p'};
    memcpy(name + 1, step->name.p + at, 8);
    return range_find(r, (struct str){name, sizeof name});
}

static struct str label_of(const struct range_row *page, uint64_t id, char room[TEXT_PAGE_BYTES])
{
    return page != NULL && page->page.n > 0 ? page->page : text_unnamed_page(id, room);
}

void transition_of(const struct range *r, const struct range_row *row, struct transition *out)
{
    *out = (struct transition){.from = STR("(other)"), .to = STR("(other)")};
    out->count = row_get(&row->row, COL_STEPS);
    if (row->name.n != STEP_NAME_BYTES) return;
    const struct range_row *from = page_row(r, row, 1), *to = page_row(r, row, 9);
    uint64_t from_id = load_le64(row->name.p + 1), to_id = load_le64(row->name.p + 9);
    id_format(from_id, out->from_id);
    id_format(to_id, out->to_id);
    out->from = label_of(from, from_id, out->from_room);
    out->to = label_of(to, to_id, out->to_room);
    out->visits = from == NULL ? 0 : row_get(&from->row, COL_VISITS);
}

static json_t *item_of(const struct range *r, const struct range_row *row, const void *arg)
{
    struct transition t;
    (void)arg;
    transition_of(r, row, &t);
    return json_pack("{s:o, s:s, s:o, s:s, s:I, s:I, s:o}", "from", summary_text(t.from), "from_id",
                     t.from_id, "to", summary_text(t.to), "to_id", t.to_id, "count",
                     (json_int_t)t.count, "visits", (json_int_t)t.visits, "share",
                     summary_share(t.count, t.visits));
}

json_t *transition_list(const struct range *r, size_t limit, bool *cut)
{
    struct range_top top;
    if (!range_top_some(r, 't', COL_STEPS, limit, &top)) return NULL;
    *cut = top.cut;
    return summary_rows(r, &top, item_of, NULL);
}

bool transition_pages(const struct range *r, size_t limit, struct range_top *out)
{
    struct range_top steps;
    *out = (struct range_top){0};
    if (!range_top_some(r, 't', COL_STEPS, limit, &steps)) return false;
    out->rows = calloc(2 * steps.n + 1, sizeof(struct range_row *));
    for (size_t i = 0; out->rows != NULL && i < steps.n; i++) {
        const struct range_row *step = steps.rows[i];
        if (step->name.n != STEP_NAME_BYTES) continue;
        struct range_row *ends[] = {page_row(r, step, 1), page_row(r, step, 9)};
        for (int end = 0; end < 2; end++)
            if (ends[end] != NULL) out->rows[out->n++] = ends[end];
    }
    range_top_fini(&steps);
    return out->rows != NULL;
}
