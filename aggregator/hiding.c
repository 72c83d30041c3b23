/*
 * Hidden are the figures of 1 to 4 persons, and then others, until each small one could be another
 * number without any shown figure being different. What a reader knows of a hidden one: it is at
 * least 1. What ties figures together:
 *
 *   rows     the figures of all classes add up to the row's total
 *   columns  a class' persons are those of its rungs and, never shown, the rest of it
 *   ignoring are persons who have seen or tried, no more
 *
 * Columns come first: the hidden ones of a class must not each be certain to be 1. Then rows. A
 * total stays when two or more are hidden of it, HIDING_LEAST persons or more together, and each of
 * their classes has persons in its rest: then one can give a person to another, and both rests
 * change. If need be, the smallest shown figure is hidden, too; if that does not do, the total is.
 * A small figure without a total may be one more when its class has a rest, or one less; with no
 * rest its class has a second hidden figure, which gives or takes it, its totals being hidden also.
 */
#include "hiding.h"

static const int none = -1;

/* The most persons that the class may have, for all that is shown. */
static int64_t at_most(uint64_t persons)
{
    return hiding_small(persons) ? HIDING_LEAST - 1 : (int64_t)persons;
}

bool hiding_of_classes(const uint64_t persons[CLASSES])
{
    for (int c = 0; c < CLASSES; c++) {
        if (hiding_small(persons[c])) return true;
    }
    return false;
}

/* One row; room: how many more persons each could be. */
struct line {
    const uint32_t *cells;
    int64_t room[CLASSES];
    bool *hidden, *total;
};

static int smallest_shown(const struct line *l)
{
    int found = none;
    for (int c = 0; c < CLASSES; c++) {
        if (l->hidden[c] || l->cells[c] == 0 || l->room[c] < 1) continue;
        if (found == none || l->cells[c] < l->cells[found]) found = c;
    }
    return found;
}

/* The hidden ones of a line. */
struct sum {
    int64_t n, persons;
    bool fixed; /* one of them could not be more */
};

static struct sum hidden_of(const struct line *l)
{
    struct sum s = {0};
    for (int c = 0; c < CLASSES; c++) {
        if (!l->hidden[c]) continue;
        s.n++;
        s.persons += l->cells[c];
        s.fixed = s.fixed || l->room[c] < 1;
    }
    return s;
}

static void hide_line(const struct line *l)
{
    struct sum s;
    while ((s = hidden_of(l)).n > 0) {
        if (!s.fixed && s.n >= 2 && s.persons >= HIDING_LEAST && s.persons > s.n) return;
        int next = s.fixed ? none : smallest_shown(l);
        if (next == none) {
            *l->total = true;
            return;
        }
        l->hidden[next] = true;
    }
}

void hiding_of_row(const uint32_t cells[CLASSES], const uint64_t persons[CLASSES],
                   struct hiding_row *out)
{
    *out = (struct hiding_row){0};
    struct line l = {.cells = cells, .hidden = out->cell, .total = &out->total};
    for (int c = 0; c < CLASSES; c++) {
        out->cell[c] = hiding_small(cells[c]);
        l.room[c] = at_most(persons[c]) - cells[c];
    }
    hide_line(&l);
}

/* False: the class is too small to hide it in itself. */
static bool hide_column(const uint32_t cells[FIGURES][CLASSES], int c, int64_t rest,
                        struct hiding *out)
{
    for (;;) {
        int64_t n = 0, persons = rest;
        int next = none;
        for (int f = 0; f < RUNG_FIGURES; f++) {
            if (out->cell[f][c]) {
                n++;
                persons += cells[f][c];
            } else if (cells[f][c] > 0 && (next == none || cells[f][c] < cells[next][c])) {
                next = f;
            }
        }
        if (n == 0 || persons > n) return true;
        if (next == none) return false;
        out->cell[next][c] = true;
    }
}

static void hide_row(const uint32_t cells[FIGURES][CLASSES], enum figure f,
                     const int64_t room[CLASSES], struct hiding *out)
{
    struct line l = {.cells = cells[f], .hidden = out->cell[f], .total = &out->total[f]};
    memcpy(l.room, room, sizeof l.room);
    hide_line(&l);
}

void hiding_of_group(const uint32_t cells[FIGURES][CLASSES], const uint64_t persons[CLASSES],
                     struct hiding *out)
{
    int64_t rest[CLASSES], stay[CLASSES]; /* stay: seen or tried, and not ignoring */
    *out = (struct hiding){0};
    for (int c = 0; c < CLASSES; c++) {
        rest[c] = at_most(persons[c]);
        stay[c] =
            (int64_t)cells[FIGURE_SEEN][c] + cells[FIGURE_TRIED][c] - cells[FIGURE_IGNORING][c];
        for (int f = 0; f < FIGURES; f++) {
            out->cell[f][c] = hiding_small(cells[f][c]);
            if (f < RUNG_FIGURES) rest[c] -= cells[f][c];
        }
    }
    for (int c = 0; c < CLASSES; c++) {
        if (hide_column(cells, c, rest[c], out)) continue;
        memset(out, true, sizeof *out);
        return;
    }
    for (enum figure f = 0; f < RUNG_FIGURES; f++)
        hide_row(cells, f, rest, out);
    /* Where all who stopped there ignore it, the shown number would be the least of the hidden. */
    for (int c = 0; c < CLASSES; c++) {
        bool stopped = out->cell[FIGURE_SEEN][c] || out->cell[FIGURE_TRIED][c];
        if (stopped && stay[c] < 1) out->cell[FIGURE_IGNORING][c] = true;
    }
    hide_row(cells, FIGURE_IGNORING, stay, out);
}
