/*
 * A customer's record in each partition names its visitors there; each of these keeps apart what is
 * this customer's. Put together in the order of their ids the parts give the same profile however
 * the site is spread.
 */
#include "person.h"

#include <stdlib.h>

#include "ask.h"
#include "bytes.h"
#include "customer.h"
#include "expiry.h"
#include "share.h"

void person_fini(struct person_whole *p)
{
    profile_fini(&p->profile);
    free(p->visitors);
    free(p->customer);
    *p = (struct person_whole){.person = {.id = 0}};
}

struct str person_name(const struct person *p, char room[ID_TEXT_BYTES])
{
    if (p->customer.n > 0) return p->customer;
    id_format(p->id, room);
    return str_of(room);
}

static int push_field(const struct range_source *s, struct key key, uint64_t id, struct buf *err)
{
    char field[8];
    store_le64(field, id);
    return ask_push(s->redis, err,
                    ARGV(STR("HGET"), key_str(&key), (struct str){field, sizeof field}));
}

static struct str text_of(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_STRING) return STR("");
    return (struct str){reply->str, reply->len};
}

/* Records. */

static bool take_record(struct person_whole *p, unsigned part, const struct customer *c)
{
    unsigned n = p->person.visitors_n;
    struct person_visitor *grown = realloc(p->visitors, (n + c->visitors_n) * sizeof *grown);
    if (grown == NULL) return false;
    p->visitors = grown;
    for (unsigned i = 0; i < c->visitors_n; i++)
        grown[n + i] = (struct person_visitor){c->visitors[i], part};
    p->person.visitors_n = n + c->visitors_n;
    if (c->approximate) p->profile.approximate = true;
    if (p->customer == NULL) p->customer = strndup(c->id.p, c->id.n);
    p->person.customer = str_of(p->customer);
    return p->customer != NULL;
}

static int by_id(const void *a, const void *b)
{
    const struct person_visitor *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static void order_visitors(struct person_whole *p)
{
    if (p->person.visitors_n == 0) return;
    qsort(p->visitors, p->person.visitors_n, sizeof *p->visitors, by_id);
    p->person.visitors = p->visitors;
    p->person.part = p->visitors[0].part;
    p->person.profile = &p->profile;
}

static int read_records(const struct range_source *s, struct person_whole *list, unsigned n,
                        uint64_t *damaged, struct buf *err)
{
    unsigned parts = range_parts(s), pushed = 0;
    int result = 0;
    for (; result == 0 && pushed < parts * n; pushed += result == 0) {
        struct key key = key_customers(range_part(s, pushed % parts), s->site);
        result = push_field(s, key, list[pushed / parts].person.id, err);
    }
    for (unsigned i = 0; i < pushed; i++) {
        redisReply *reply = ask_pull(s->redis, result == 0 ? err : NULL);
        struct str value = reply == NULL ? STR("") : text_of(reply);
        struct customer c;
        bool found = value.n > 0 && customer_decode(value, &c) && c.visitors_n > 0;
        if (value.n > 0 && !found) ++*damaged;
        if (reply == NULL) result = -1;
        if (result == 0 && found && !take_record(&list[i / parts], range_part(s, i % parts), &c)) {
            buf_printf(err, "out of memory");
            result = -1;
        }
        freeReplyObject(reply);
    }
    for (unsigned i = 0; i < n; i++)
        order_visitors(&list[i]);
    return result;
}

/* Profiles. */

/* False: no memory. */
static bool take_profile(struct person_whole *p, struct str value, int64_t border_ms,
                         uint64_t *damaged)
{
    struct profile one = {0};
    if (value.n == 0) return true; /* it has gone since */
    if (!profile_decode(value, &one)) {
        ++*damaged;
        return true;
    }
    bool expired = one.recent.newest_ms < border_ms;
    bool ok = expired || share_take(&one, p->person.id);
    ok = ok && (expired || profile_merge(&p->profile, &one));
    profile_fini(&one);
    return ok;
}

static int read_profiles(const struct range_source *s, struct person_whole *p, int64_t border_ms,
                         uint64_t *damaged, struct buf *err)
{
    unsigned pushed = 0;
    int result = 0;
    for (; result == 0 && pushed < p->person.visitors_n; pushed += result == 0) {
        struct person_visitor v = p->visitors[pushed];
        result = push_field(s, key_profiles(v.part, s->site, key_bucket(v.id)), v.id, err);
    }
    for (unsigned i = 0; i < pushed; i++) {
        redisReply *reply = ask_pull(s->redis, result == 0 ? err : NULL);
        if (reply == NULL) result = -1;
        if (result == 0 && !take_profile(p, text_of(reply), border_ms, damaged)) {
            buf_printf(err, "out of memory");
            result = -1;
        }
        freeReplyObject(reply);
    }
    return result;
}

int person_gather(const struct range_source *s, int64_t border_ms, struct person_whole *list,
                  unsigned n, uint64_t *damaged, struct buf *err)
{
    int result = read_records(s, list, n, damaged, err);
    for (unsigned i = 0; result == 0 && i < n; i++)
        result = read_profiles(s, &list[i], border_ms, damaged, err);
    return result;
}

/* One person. */

static int read_customer(const struct range_source *s, int64_t border_ms, uint64_t key,
                         struct person_whole *out, struct buf *err)
{
    uint64_t damaged = 0;
    out->person.id = key;
    if (person_gather(s, border_ms, out, 1, &damaged, err) < 0) return -1;
    if (damaged > 0) {
        buf_printf(err, "the stored profile is damaged");
        return -1;
    }
    return out->profile.recent.newest_ms > 0; /* else nothing is left of it but its record */
}

int person_profile(const struct range_source *s, unsigned part, uint64_t visitor,
                   struct profile *out, struct buf *err)
{
    struct key key = key_profiles(part, s->site, key_bucket(visitor));
    char field[8];
    store_le64(field, visitor);
    redisReply *reply =
        ask(s->redis, err, ARGV(STR("HGET"), key_str(&key), (struct str){field, sizeof field}));
    if (reply == NULL) return -1;
    int result = reply->type == REDIS_REPLY_STRING;
    if (result == 1 && !profile_decode(text_of(reply), out)) {
        buf_printf(err, "the stored profile is damaged");
        result = -1;
    }
    freeReplyObject(reply);
    return result;
}

/* *link: of the customer who signed in there first. */
static int read_visitor(const struct range_source *s, int64_t border_ms, unsigned part, uint64_t id,
                        struct person_whole *out, uint64_t *link, struct buf *err)
{
    struct profile *p = &out->profile;
    int found = person_profile(s, part, id, p, err);
    *link = CUSTOMER_NONE;
    if (found != 1) return found;
    if (p->recent.newest_ms < border_ms) {
        profile_fini(p);
        return 0;
    }
    *link = p->recent.link;
    if (*link != CUSTOMER_NONE) {
        profile_fini(p);
        return 1;
    }
    out->person = (struct person){.id = id, .part = part, .profile = p};
    if (share_take(p, CUSTOMER_NONE)) return 1;
    buf_printf(err, "out of memory");
    return -1;
}

static int read_any_visitor(const struct range_source *s, int64_t border_ms, uint64_t id,
                            struct person_whole *out, struct buf *err)
{
    uint64_t link = CUSTOMER_NONE;
    int found = 0;
    for (unsigned i = 0; found == 0 && i < range_parts(s); i++)
        found = read_visitor(s, border_ms, range_part(s, i), id, out, &link, err);
    return found == 1 && link != CUSTOMER_NONE ? read_customer(s, border_ms, link, out, err)
                                               : found;
}

int person_read(const struct range_source *s, struct str id, struct person_whole *out,
                struct buf *err)
{
    struct key key = key_dataset();
    uint64_t visitor;
    redisReply *reply = ask(s->redis, err, ARGV(STR("HGET"), key_str(&key), STR("id")));
    if (reply == NULL) return -1;
    uint64_t customer = customer_key(text_of(reply), s->site, id);
    freeReplyObject(reply);
    int64_t border_ms;
    if (expiry_border(s, &border_ms, err) < 0) return -1;
    int found = read_customer(s, border_ms, customer, out, err);
    if (found != 0) return found;
    person_fini(out);
    return id_parse(id, &visitor) ? read_any_visitor(s, border_ms, visitor, out, err) : 0;
}
