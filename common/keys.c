/*
 * Key names are formatted into fixed arrays: the longest site name and date always fit, and the
 * names are asserted to. The partition of a hit is arithmetic on two hashes and nothing else, so
 * that every program, and every version of them, finds the same one.
 */
#include "keys.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "clock.h"
#include "hash.h"
#include "hit.h"

_Static_assert(KEY_MAX_BYTES > HIT_SITE_MAX_BYTES + 64, "site keys must fit");

static const char next_generation[] = "next:";
static const char *generation = ""; /* that this process uses */

void keys_use_next(void)
{
    generation = next_generation;
}

__attribute__((format(printf, 1, 2))) static struct key make(const char *fmt, ...)
{
    struct key k;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(k.p, sizeof k.p, fmt, ap);
    va_end(ap);
    assert(n > 0 && (size_t)n < sizeof k.p);
    k.n = (size_t)n;
    return k;
}

unsigned key_partition(struct str site, uint64_t visitor, unsigned spread, unsigned partitions)
{
    assert(partitions > 0 && partitions <= PARTITIONS_MAX);
    uint64_t shift = spread > 1 ? hash64_of_u64(visitor) % spread : 0;
    return (unsigned)((hash64(site) % partitions + shift) % partitions);
}

unsigned key_home(struct str site, unsigned partitions)
{
    return key_partition(site, 0, 1, partitions);
}

unsigned key_bucket(uint64_t visitor)
{
    return (unsigned)(hash64_of_u64(visitor) >> (64 - BUCKET_BITS));
}

struct key key_stream(unsigned partition)
{
    return make("{p%u}:%sstream", partition, generation);
}

struct key key_seen(unsigned partition)
{
    return make("{p%u}:%sseen", partition, generation);
}

struct key key_meta(unsigned partition)
{
    return make("{p%u}:%smeta", partition, generation);
}

struct key key_lease(unsigned partition)
{
    return make("{p%u}:%slease", partition, generation);
}

struct key key_commit(unsigned partition)
{
    return make("{p%u}:%scommit", partition, generation);
}

struct key key_sites(unsigned partition)
{
    return make("{p%u}:%ssites", partition, generation);
}

struct key key_pages(unsigned partition, struct str site)
{
    return make("{p%u}:%spages:%.*s", partition, generation, STR_ARG(site));
}

struct key key_links(unsigned partition, struct str site)
{
    return make("{p%u}:%slinks:%.*s", partition, generation, STR_ARG(site));
}

struct key key_about(unsigned partition, struct str site)
{
    return make("{p%u}:%sabout:%.*s", partition, generation, STR_ARG(site));
}

struct key key_catalogue(unsigned partition, struct str site)
{
    return make("{p%u}:%scatalogue:%.*s", partition, generation, STR_ARG(site));
}

struct key key_customers(unsigned partition, struct str site)
{
    return make("{p%u}:%scustomers:%.*s", partition, generation, STR_ARG(site));
}

struct key key_day(unsigned partition, struct str site, uint32_t day)
{
    return make("{p%u}:%sday:%.*s:%08u", partition, generation, STR_ARG(site),
                day_to_yyyymmdd(day));
}

struct key key_mix(unsigned partition, struct str site)
{
    return make("{p%u}:%smix:%.*s", partition, generation, STR_ARG(site));
}

struct key key_live(unsigned partition, struct str site)
{
    return make("{p%u}:%slive:%.*s", partition, generation, STR_ARG(site));
}

struct key key_month(unsigned partition, struct str site, uint32_t day, struct day_field *field)
{
    uint32_t date = day_to_yyyymmdd(day);
    *field = (struct day_field){{(char)('0' + date / 10 % 10), (char)('0' + date % 10), '\0'}};
    return make("{p%u}:%smonth:%.*s:%06u", partition, generation, STR_ARG(site), date / 100);
}

struct key key_months(unsigned partition, struct str site)
{
    return make("{p%u}:%smonths:%.*s", partition, generation, STR_ARG(site));
}

struct month_field key_month_field(uint32_t month)
{
    struct month_field field;
    snprintf(field.text, sizeof field.text, "%06u", (month / 12 * 100 + month % 12 + 1) % 1000000);
    return field;
}

struct key key_visitors(unsigned partition, struct str site, uint32_t day)
{
    return make("{p%u}:%svisitors:%.*s:%08u", partition, generation, STR_ARG(site),
                day_to_yyyymmdd(day));
}

struct key key_profiles(unsigned partition, struct str site, unsigned bucket)
{
    return make("{p%u}:%sprofiles:%.*s:%03x", partition, generation, STR_ARG(site), bucket);
}

struct key key_forgotten(unsigned partition, struct str site)
{
    return make("{p%u}:%sforgotten:%.*s", partition, generation, STR_ARG(site));
}

bool key_split(struct str key, struct key_parts *out)
{
    size_t at = 2;
    uint64_t n = 0;
    if (!str_starts(key, STR("{p"))) return false;
    for (; at < key.n && key.p[at] >= '0' && key.p[at] <= '9' && n < PARTITIONS_MAX; at++)
        n = 10 * n + (uint64_t)(key.p[at] - '0');
    if (at == 2 || n >= PARTITIONS_MAX || !str_starts(str_from(key, at), STR("}:"))) return false;
    out->partition = (unsigned)n;
    out->name = str_from(key, at + 2);
    out->next = str_starts(out->name, str_of(next_generation));
    if (out->next) out->name = str_from(out->name, sizeof next_generation - 1);
    return true;
}

struct key key_of(unsigned partition, bool next, struct str name)
{
    return make("{p%u}:%s%.*s", partition, next ? next_generation : "", STR_ARG(name));
}

struct key key_aggregators(void)
{
    return generation[0] == '\0' ? make("sentier:aggregators") : make("sentier:aggregators:next");
}

struct key key_rebuild(void)
{
    return make("sentier:rebuild");
}

struct key key_dataset(void)
{
    return make("sentier:dataset");
}

struct key key_imports(struct str site)
{
    return make("sentier:imports:%.*s", STR_ARG(site));
}

struct key key_summary(struct str site, struct str range)
{
    return make("sentier:v1:summary:%.*s:%.*s", STR_ARG(site), STR_ARG(range));
}

struct key key_profile_requests(void)
{
    return make("sentier:v1:profiles");
}

struct key key_profile_answer(struct str token)
{
    return make("sentier:v1:profile:%.*s", STR_ARG(token));
}

struct key key_document(struct str name, struct str site)
{
    return make("sentier:v1:%.*s:%.*s", STR_ARG(name), STR_ARG(site));
}

void id_format(uint64_t id, char out[ID_TEXT_BYTES])
{
    char digits[ID_TEXT_BYTES];
    int n = 0;
    do {
        digits[n++] = "0123456789abcdefghijklmnopqrstuvwxyz"[id % 36];
        id /= 36;
    } while (id > 0);
    for (int i = 0; i < n; i++)
        out[i] = digits[n - 1 - i];
    out[n] = '\0';
}

bool id_parse(struct str text, uint64_t *id)
{
    while (text.n > 1 && text.p[0] == '0')
        text = str_from(text, 1);
    if (text.n == 0 || text.n >= ID_TEXT_BYTES) return false;
    uint64_t v = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'z')
            digit = (unsigned)(c - 'a') + 10;
        else
            return false;
        if (__builtin_mul_overflow(v, 36, &v) || __builtin_add_overflow(v, digit, &v)) return false;
    }
    *id = v;
    return true;
}
