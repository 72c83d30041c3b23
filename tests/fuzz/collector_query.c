/* Query strings: decoding stays inside its scratch, borrows only what lives, and text stays text.
 */
#include <stdint.h>
#include <stdlib.h>

#include "query.h"
#include "utf8.h"

static void check(bool ok)
{
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = {(const char *)data, size};
    char *scratch = malloc(size + 1), *repaired = malloc(3 * size + 1);
    struct query q = query_of(in, scratch, size);
    struct query_pair pair;
    size_t decoded = 0, pairs = 0;

    while (query_next(&q, &pair)) {
        decoded += pair.name.n + pair.value.n;
        pairs++;
        size_t n = utf8_repair(pair.value, repaired, 3 * size);
        check(n <= 3 * pair.value.n);
        check(!utf8_is_text(pair.value) ||
              str_eq(pair.value, (struct str){repaired, n})); /* text needs no repair */
        struct str once = {repaired, n};
        char *twice = malloc(n + 1);
        check(utf8_repair(once, twice, n) == n && memcmp(twice, repaired, n) == 0);
        free(twice);
    }
    check(decoded <= size && pairs <= size);
    free(scratch);
    free(repaired);
    return 0;
}
