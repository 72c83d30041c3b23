/* Bodies: each hit is told once, in order, and nothing of one that is refused. What its event says
 * is read, too: its name, properties, and the sum of a purchase. */
#include <stdint.h>
#include <stdlib.h>

#include "beacon.h"
#include "property.h"
#include "utf8.h"

static void check(bool ok)
{
    if (!ok) abort();
}

/* A purchase has a sum. Properties of others are bounded text, their keys rise. */
static void check_event(const struct fields *f)
{
    static struct property_room room;
    static char list[HIT_LIST_MAX_BYTES];
    struct hit hit = {.kind = HIT_EVENT};
    struct hit_property p = {0};
    const char *field = NULL;
    struct str currency;
    int64_t minor;
    unsigned n = 0;
    enum verdict v = property_read(f, &room, list, &hit, &field);

    check((v == V_COUNTED) == (field == NULL));
    if (v != V_COUNTED) return;
    if (hit.kind == HIT_PURCHASE) {
        check(hit_money(hit.list, &currency, &minor));
        return;
    }
    check(hit.name.n > 0 && utf8_is_text(hit.name));
    char before[HIT_KEY_MAX_BYTES + MASK_GROWTH_BYTES];
    struct str last = {before, 0};
    for (struct str rest = hit.list; hit_properties_next(&rest, &p); n++) {
        check(p.key.n <= sizeof before && p.value.n <= HIT_VALUE_MAX_BYTES + MASK_GROWTH_BYTES);
        check(utf8_is_text(p.key) && utf8_is_text(p.value) && str_order(last, p.key) < 0);
        memcpy(before, p.key.p, p.key.n);
        last.n = p.key.n;
    }
    check(n <= HIT_PROPERTIES_MAX && hit_properties_next(&(struct str){NULL, 0}, &p) == false);
}

struct count {
    unsigned hits, last_line;
};

static void on_hit(void *arg, unsigned line, enum verdict v, const struct fields *f,
                   const char *field)
{
    struct count *c = arg;

    check((f != NULL) == (v == V_COUNTED));
    check(v == V_COUNTED || v == V_BAD_QUERY || v == V_BAD_JSON || v == V_TOO_MANY);
    check((v == V_TOO_MANY) == (c->hits >= 4));
    check(line > c->last_line &&
          (field == NULL || field[1] == '\0' || strcmp(field, "properties") == 0));
    if (f != NULL) check_event(f);
    c->last_line = line;
    c->hits++;
    size_t total = 0;
    size_t scalars = offsetof(struct fields, links) / sizeof(struct str);
    if (f != NULL) check(f->links.n <= HIT_LINKS_MAX && f->links.n <= f->links.given);
    for (size_t i = 0; f != NULL && i < scalars + f->links.n; i++) {
        struct str s = i < scalars ? ((const struct str *)f)[i] : f->links.at[i - scalars];
        for (size_t k = 0; k < s.n; k++)
            total += (unsigned char)s.p[k]; /* every byte can be read */
    }
    static volatile size_t sink;
    sink = total;
    (void)sink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct count c = {0, 0};
    char *scratch = malloc(size + 1);

    beacon_read((struct str){(const char *)data, size}, 4, scratch, size, on_hit, &c);
    check(c.hits >= 1);
    free(scratch);
    return 0;
}
