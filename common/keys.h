/*
 * keys.h - the names of all Redis keys, and which partition a hit belongs to. Each key of a
 * partition carries the hash tag {pN}, so all of them share one Redis Cluster slot. What each key
 * holds is written in common/README.md.
 *
 * A rebuild folds into the next generation, {pN}:next:... beside {pN}:..., until they are swapped.
 */
#ifndef SENTIER_KEYS_H
#define SENTIER_KEYS_H

#include <stdint.h>

#include "str.h"

enum {
    PARTITIONS_DEFAULT = 64,
    PARTITIONS_MAX = 4096,
    KEY_MAX_BYTES = 160,
    BUCKET_BITS = 12, /* profiles are packed into 4096 hashes per site and partition */
};

struct key {
    char p[KEY_MAX_BYTES];
    size_t n;
};

static inline struct str key_str(const struct key *k)
{
    return (struct str){k->p, k->n};
}

/* partition = (hash(site) + hash(visitor) mod spread) mod partitions */
unsigned key_partition(struct str site, uint64_t visitor, unsigned spread, unsigned partitions);
unsigned key_home(struct str site, unsigned partitions); /* owns the site's summaries */
unsigned key_bucket(uint64_t visitor);

/* From here on this process means {pN}:next:... by all keys of partitions, and another register of
 * aggregators. Once, at its start, before there is another thread. */
void keys_use_next(void);

struct key key_stream(unsigned partition);                 /* {pN}:stream */
struct key key_seen(unsigned partition);                   /* {pN}:seen */
struct key key_meta(unsigned partition);                   /* {pN}:meta */
struct key key_lease(unsigned partition);                  /* {pN}:lease */
struct key key_commit(unsigned partition);                 /* {pN}:commit */
struct key key_sites(unsigned partition);                  /* {pN}:sites */
struct key key_pages(unsigned partition, struct str site); /* {pN}:pages:SITE */
/* {pN}:links:SITE - the link graph that the pages of this partition's visitors told */
struct key key_links(unsigned partition, struct str site);
/* {pN}:about:SITE - what the site's pages say of themselves */
struct key key_about(unsigned partition, struct str site);
/* {pN}:customers:SITE - who signed in, and whose visitors of this partition they are */
struct key key_customers(unsigned partition, struct str site);
struct key key_day(unsigned partition, struct str site, uint32_t day); /* {pN}:day:SITE:20260131 */
struct key key_mix(unsigned partition, struct str site);               /* {pN}:mix:SITE */
struct key key_live(unsigned partition, struct str site);              /* {pN}:live:SITE */
/* {pN}:month:SITE:202601, and the day's field there: "31" */
struct day_field {
    char text[3];
};
struct key key_month(unsigned partition, struct str site, uint32_t day, struct day_field *field);
/* {pN}:months:SITE, and the field of a month (clock.h) there: "202601" */
struct month_field {
    char text[7];
};
struct key key_months(unsigned partition, struct str site);
struct month_field key_month_field(uint32_t month);
/* {pN}:visitors:SITE:20260131 - daily visitors of that local date */
struct key key_visitors(unsigned partition, struct str site, uint32_t day);
struct key key_catalogue(unsigned partition, struct str site); /* {pN}:catalogue:SITE */
/* {pN}:forgotten:SITE - marks of visitors that were forgotten lately */
struct key key_forgotten(unsigned partition, struct str site);
/* {pN}:profiles:SITE:3f2 */
struct key key_profiles(unsigned partition, struct str site, unsigned bucket);

/* Of either generation. False: no key of a partition. */
struct key_parts {
    unsigned partition;
    bool next;
    struct str name; /* what follows {pN}: or {pN}:next: - borrowed */
};
bool key_split(struct str key, struct key_parts *out);
/* {pN}:NAME, or {pN}:next:NAME, whatever this process uses. */
struct key key_of(unsigned partition, bool next, struct str name);

struct key key_aggregators(void);                          /* sentier:aggregators */
struct key key_rebuild(void);                              /* sentier:rebuild */
struct key key_dataset(void);                              /* sentier:dataset */
struct key key_imports(struct str site);                   /* sentier:imports:SITE */
struct key key_summary(struct str site, struct str range); /* sentier:v1:summary:SITE:RANGE */
struct key key_profile_requests(void);                     /* sentier:v1:profiles */
struct key key_profile_answer(struct str token);           /* sentier:v1:profile:TOKEN */
struct key key_document(struct str name, struct str site); /* sentier:v1:NAME:SITE */

/* 64-bit ids as people and browsers write them: base36, lower case, at most 13 characters behind
 * leading zeros. */
enum { ID_TEXT_BYTES = 14 };
void id_format(uint64_t id, char out[ID_TEXT_BYTES]); /* NUL-terminated */
bool id_parse(struct str text, uint64_t *id);         /* false: not base36, or over 64 bits */

#endif
