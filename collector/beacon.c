/*
 * A body that begins with '{' or '[' (a byte order mark and white space apart) is JSON: one hit, an
 * array of hits, or {"hits": [...]}. Anything else is a pile of pixels, a query string per line.
 * Both end as the same struct of strings, so that there is one place that checks a hit, and it does
 * not know which way the hit came.
 *
 * Names of fields that nobody knows are passed over: newer trackers may talk to older collectors.
 * What is not passed over: a field whose escape is cut off, the same JSON key twice (jansson
 * refuses), a JSON value that is no text, number or boolean. An event's properties are an object of
 * such values in JSON alone; in a line they stand behind its name (property.h). Of a field that
 * stands twice in a line the last one counts, but for lists (in JSON: a text, or an array of
 * texts), of which all count. A line or object without any known field is no hit.
 */
#include "beacon.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "query.h"

enum { NUMBER_TEXT_BYTES = 32 };
enum row {
#define FIELD(letter, text, name) ROW_##name,
    HIT_FIELDS(FIELD)
#undef FIELD
#define LIST(letter, text, name, part) ROW_##name,
        HIT_LISTS(LIST)
#undef LIST
            FIELD_COUNT
};

/* One row per field: short and long name, offset. */
static const struct field_name {
    const char *letter, *name;
    size_t offset;
    char part; /* of a list: what parts its values in one text */
} field_names[FIELD_COUNT] = {
#define FIELD(letter, text, name) {text, #name, offsetof(struct fields, name), 0},
    HIT_FIELDS(FIELD)
#undef FIELD
#define LIST(letter, text, name, part) {text, #name, offsetof(struct fields, name), part},
        HIT_LISTS(LIST)
#undef LIST
};

/* Index into field_names + 1 by letter: the hot path. */
static const unsigned char rows[128] = {
#define FIELD(letter, text, name) [letter] = ROW_##name + 1,
    HIT_FIELDS(FIELD)
#undef FIELD
#define LIST(letter, text, name, part) [letter] = ROW_##name + 1,
        HIT_LISTS(LIST)
#undef LIST
};

static const struct field_name *find_field(struct str name)
{
    if (name.n == 1) {
        unsigned char row = rows[name.p[0] & 127];
        return row == 0 || name.p[0] < 0 ? NULL : &field_names[row - 1];
    }
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (str_eq(str_of(field_names[i].name), name)) return &field_names[i];
    }
    return NULL;
}

static void clear(struct fields *f)
{
    memset(f, 0, offsetof(struct fields, links)); /* lists stand behind the others */
#define LIST(letter, text, name, part) f->name.n = f->name.given = 0;
    HIT_LISTS(LIST)
#undef LIST
    f->properties.n = f->properties.given = 0;
}

static void set_field(struct fields *f, const struct field_name *name, struct str value)
{
    void *at = (char *)f + name->offset;
    if (name->part == 0) {
        *(struct str *)at = value;
        return;
    }
    struct field_list *list = at;
    do {
        struct str one = str_upto(value, str_find(value, name->part));
        value = str_from(value, one.n + 1);
        if (list->n < sizeof list->at / sizeof list->at[0]) list->at[list->n++] = one;
        list->given++;
    } while (value.n > 0);
}

enum verdict beacon_line(struct str line, char *scratch, size_t scratch_bytes, struct fields *out,
                         const char **field)
{
    struct query_pair pair;
    struct query q = query_of(line, scratch, scratch_bytes);
    bool any = false;

    clear(out);
    *field = NULL;
    while (query_next(&q, &pair)) {
        const struct field_name *name = find_field(pair.name);
        if (name == NULL) continue;
        if (pair.bad_escape) {
            *field = name->letter;
            return V_BAD_QUERY;
        }
        set_field(out, name, pair.value);
        if (pair.value.n > 0) any = true;
    }
    return any ? V_COUNTED : V_BAD_QUERY;
}

/* What the hits of one body share. */
struct pile {
    unsigned max_hits, hits, line;
    char *scratch;
    size_t scratch_bytes;
    beacon_hit *on_hit;
    void *arg;
};

/* Past the limit? Then that is its verdict, and nobody looks at it. */
static bool over_limit(struct pile *p)
{
    if (p->hits++ < p->max_hits) return false;
    p->on_hit(p->arg, p->line, V_TOO_MANY, NULL, NULL);
    return true;
}

static void read_lines(struct pile *p, struct str body)
{
    while (body.n > 0) {
        struct str line = str_upto(body, str_find(body, '\n'));
        body = str_from(body, line.n + 1);
        p->line++;
        if (line.n > 0 && line.p[line.n - 1] == '\r') line.n--;
        if (line.n == 0 || over_limit(p)) continue;

        struct fields fields;
        const char *field;
        enum verdict v = beacon_line(line, p->scratch, p->scratch_bytes, &fields, &field);
        p->on_hit(p->arg, p->line, v, v == V_COUNTED ? &fields : NULL, field);
    }
    if (p->hits == 0) p->on_hit(p->arg, 1, V_BAD_QUERY, NULL, NULL);
}

/* A scalar as the text it would be in a query string. False: it is none. */
static bool take_value(const json_t *value, char text[NUMBER_TEXT_BYTES], struct str *out)
{
    int n = 0;

    switch (json_typeof(value)) {
    case JSON_STRING:
        *out = (struct str){json_string_value(value), json_string_length(value)};
        return true;
    case JSON_INTEGER:
        n = snprintf(text, NUMBER_TEXT_BYTES, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL: { /* 3.0 and 1e3 are integers to whoever wrote them */
        double d = json_real_value(value);
        bool whole = d == floor(d) && fabs(d) < 9e15;
        if (whole) n = snprintf(text, NUMBER_TEXT_BYTES, "%lld", (long long)d);
        /* else as few digits as tell it from all others: 0.1 */
        for (int digits = 15; !whole && digits <= 17; digits++) {
            n = snprintf(text, NUMBER_TEXT_BYTES, "%.*g", digits, d);
            if (strtod(text, NULL) == d) break;
        }
        break;
    }
    case JSON_TRUE: n = snprintf(text, NUMBER_TEXT_BYTES, "1"); break;
    case JSON_FALSE: n = snprintf(text, NUMBER_TEXT_BYTES, "0"); break;
    case JSON_NULL: break;
    default: return false;
    }
    *out = (struct str){text, (size_t)n};
    return true;
}

/* False: neither texts nor a text. */
static bool take_texts(const json_t *value, const struct field_name *name, struct fields *out)
{
    if (json_is_string(value)) {
        set_field(out, name, (struct str){json_string_value(value), json_string_length(value)});
        return true;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!json_is_string(json_array_get(value, i))) return false;
        take_texts(json_array_get(value, i), name, out);
    }
    return json_is_array(value) || json_is_null(value);
}

static bool take_field(const json_t *value, const struct field_name *name,
                       char text[NUMBER_TEXT_BYTES], struct fields *out, bool *any)
{
    if (name->part != 0) {
        *any = *any || json_array_size(value) > 0 || json_string_length(value) > 0;
        return take_texts(value, name, out);
    }
    struct str scalar;
    if (!take_value(value, text, &scalar)) return false;
    set_field(out, name, scalar);
    *any = *any || scalar.n > 0;
    return true;
}

/* The texts of an object's numbers. */
struct numbers {
    char field[FIELD_COUNT][NUMBER_TEXT_BYTES];
    char property[HIT_PROPERTIES_MAX][NUMBER_TEXT_BYTES];
};

/* A boolean is true or false here, not 1 or 0 as in fields. False: no object of scalars. */
static bool take_properties(const json_t *object, struct numbers *numbers, struct fields *out)
{
    struct property_list *list = &out->properties;
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        struct str text = json_is_true(value) ? STR("true") : STR("false");
        if (json_is_null(value) || key[0] == '\0') continue;
        if (list->given++ == HIT_PROPERTIES_MAX) return true;
        if (!json_is_boolean(value) && !take_value(value, numbers->property[list->n], &text))
            return false;
        list->at[list->n++] = (struct hit_property){str_of(key), text};
    }
    return object == NULL || json_is_object(object) || json_is_null(object);
}

static enum verdict read_object(const json_t *object, struct fields *out, struct numbers *numbers,
                                const char **field)
{
    bool any = false;

    clear(out);
    *field = NULL;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const json_t *value = json_object_get(object, field_names[i].letter);
        if (value == NULL) value = json_object_get(object, field_names[i].name);
        if (value == NULL) continue;
        if (!take_field(value, &field_names[i], numbers->field[i], out, &any)) {
            *field = field_names[i].letter;
            return V_BAD_JSON;
        }
    }
    if (!take_properties(json_object_get(object, "properties"), numbers, out)) {
        *field = "properties";
        return V_BAD_JSON;
    }
    return any ? V_COUNTED : V_BAD_JSON;
}

static void read_element(struct pile *p, const json_t *element)
{
    struct fields fields;
    struct numbers numbers;
    const char *field = NULL;

    p->line++;
    if (over_limit(p)) return;
    enum verdict v =
        json_is_object(element) ? read_object(element, &fields, &numbers, &field) : V_BAD_JSON;
    p->on_hit(p->arg, p->line, v, v == V_COUNTED ? &fields : NULL, field);
}

static void read_json(struct pile *p, struct str body)
{
    /* A NUL is never JSON, but jansson passes over one behind a number. */
    bool has_nul = memchr(body.p, '\0', body.n) != NULL;
    json_t *root = has_nul ? NULL : json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
    const json_t *hits = json_is_object(root) ? json_object_get(root, "hits") : root;

    if (json_is_array(hits)) {
        for (size_t i = 0; i < json_array_size(hits); i++)
            read_element(p, json_array_get(hits, i));
    } else if (json_is_object(root)) {
        read_element(p, root);
    }
    json_decref(root);
    if (p->hits == 0) p->on_hit(p->arg, 1, V_BAD_JSON, NULL, NULL);
}

static bool begins_json(struct str s)
{
    size_t i = 0;

    while (i < s.n && memchr(" \t\r\n", s.p[i], 4) != NULL)
        i++;
    return i < s.n && (s.p[i] == '{' || s.p[i] == '[');
}

void beacon_read(struct str body, unsigned max_hits, char *scratch, size_t scratch_bytes,
                 beacon_hit *on_hit, void *arg)
{
    struct pile p = {max_hits, 0, 0, scratch, scratch_bytes, on_hit, arg};

    if (str_starts(body, STR("\xef\xbb\xbf"))) body = str_from(body, 3);
    if (begins_json(body))
        read_json(&p, body);
    else
        read_lines(&p, body);
}
