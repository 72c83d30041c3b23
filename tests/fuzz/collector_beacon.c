/* Bodies: each hit is told once, in order, and nothing of one that is refused. */
#include <stdint.h>
#include <stdlib.h>

#include "beacon.h"

static void check(bool ok)
{
    if (!ok) abort();
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
    check(line > c->last_line && (field == NULL || field[1] == '\0'));
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
