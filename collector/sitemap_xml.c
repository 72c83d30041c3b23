/*
 * The XML half, over expat. As real crawlers are, lenient about namespaces: names count without
 * their prefix, only what belongs to the protocol itself must have the prefix of its entry, so that
 * <image:loc> is no <loc>. A table says which path below an entry is which field; text of elements
 * inside such a field belongs to it.
 *
 * Not lenient about what costs: a document type with declarations (there are the entity bombs) is
 * refused unread, nothing external is ever opened, the depth is bounded, a tag that does not end is
 * refused before expat has to buffer it, and expat's own memory is bounded: it remembers each name
 * that it has seen, which made 600 MB out of 50. Its allocators are told nothing about who asks, so
 * the parser at work stands in a variable of the thread.
 */
#include <assert.h>
#include <expat.h>
#include <stddef.h>
#include <stdlib.h>

#include "sitemap_core.h"

enum { PATH_BYTES = 64 /* longer ones match no rule */, NOT_CAPTURING = -1 };

struct sitemap_xml {
    struct sitemap *s;
    XML_Parser expat;
    uint64_t fed;
    size_t allocated; /* by expat */
    int depth;
    char path[PATH_BYTES]; /* names below the root, "channel/item" */
    size_t path_n;
    unsigned lost;   /* deepest elements that the path has no room for */
    int entry_depth; /* 0: not within an entry */
    size_t entry_path_n;
    char prefix[PATH_BYTES]; /* of the entry's own name, with its ':' */
    size_t prefix_n;
    int capturing; /* a field, or NOT_CAPTURING */
    int capture_depth;
};

#define KIND(k) (1u << (k))

static const struct {
    const char *root, *entry;
    enum sitemap_kind kind;
    int depth_max; /* of an entry; the root has 1 */
} roots[] = {
    {"urlset", "url", SITEMAP_URLSET, 2}, {"sitemapindex", "sitemap", SITEMAP_INDEX, 2},
    {"rss", "item", SITEMAP_RSS, 3},      {"RDF", "item", SITEMAP_RSS, 2},
    {"feed", "entry", SITEMAP_ATOM, 2},
};

static const struct rule {
    unsigned kinds;
    const char *path; /* below the entry; with '/' in front: below the root, outside of entries */
    bool own;         /* only with the entry's prefix */
    enum sitemap_field field;
} rules[] = {
    {KIND(SITEMAP_URLSET) | KIND(SITEMAP_INDEX), "loc", true, FIELD_URL},
    {KIND(SITEMAP_URLSET) | KIND(SITEMAP_INDEX), "lastmod", true, FIELD_MODIFIED},
    {KIND(SITEMAP_URLSET), "news/title", false, FIELD_TITLE},
    {KIND(SITEMAP_URLSET), "news/publication_date", false, FIELD_PUBLISHED},
    {KIND(SITEMAP_URLSET), "news/publication/language", false, FIELD_LANGUAGE},
    {KIND(SITEMAP_RSS), "link", true, FIELD_URL},
    {KIND(SITEMAP_RSS), "guid", true, FIELD_GUID},
    {KIND(SITEMAP_RSS), "title", true, FIELD_TITLE},
    {KIND(SITEMAP_RSS), "pubDate", true, FIELD_PUBLISHED},
    {KIND(SITEMAP_RSS), "date", false, FIELD_PUBLISHED},
    {KIND(SITEMAP_RSS), "updated", false, FIELD_MODIFIED},
    {KIND(SITEMAP_RSS), "language", false, FIELD_LANGUAGE},
    {KIND(SITEMAP_RSS), "/channel/language", false, FIELD_SITE_LANGUAGE},
    {KIND(SITEMAP_ATOM), "title", true, FIELD_TITLE},
    {KIND(SITEMAP_ATOM), "published", true, FIELD_PUBLISHED},
    {KIND(SITEMAP_ATOM), "updated", true, FIELD_MODIFIED},
};

static struct str local_name(struct str name)
{
    size_t colon = str_find(name, ':');
    return colon == name.n ? name : str_from(name, colon + 1);
}

static bool refused(struct sitemap_xml *x)
{
    return x->s->error.n > 0;
}

static void stop(struct sitemap_xml *x)
{
    XML_StopParser(x->expat, XML_FALSE);
}

/* ---- where we are ---- */

static void push(struct sitemap_xml *x, struct str name)
{
    size_t slash = x->path_n > 0;
    if (x->lost > 0 || x->path_n + slash + name.n > PATH_BYTES) {
        x->lost++;
        return;
    }
    if (slash) x->path[x->path_n++] = '/';
    memcpy(x->path + x->path_n, name.p, name.n);
    x->path_n += name.n;
}

static void pop(struct sitemap_xml *x)
{
    if (x->lost > 0) {
        x->lost--;
        return;
    }
    while (x->path_n > 0 && x->path[x->path_n - 1] != '/')
        x->path_n--;
    if (x->path_n > 0) x->path_n--;
}

/* Below the entry, or below the root. */
static struct str path(const struct sitemap_xml *x)
{
    struct str whole = {x->path, x->path_n};
    if (x->lost > 0) return STR("");
    return x->entry_depth > 0 ? str_from(whole, x->entry_path_n + 1) : whole;
}

static bool has_own_prefix(const struct sitemap_xml *x, struct str name)
{
    struct str prefix = str_upto(name, name.n - local_name(name).n);
    return str_eq(prefix, (struct str){x->prefix, x->prefix_n});
}

static const struct rule *rule_of(const struct sitemap_xml *x, struct str name)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        struct str want = str_of(rules[i].path);
        bool outside = want.p[0] == '/';
        if (outside) want = str_from(want, 1);
        if ((rules[i].kinds & KIND(x->s->kind)) && outside == (x->entry_depth == 0) &&
            str_ieq(want, path(x)) && (!rules[i].own || has_own_prefix(x, name)))
            return &rules[i];
    }
    return NULL;
}

/* ---- elements ---- */

static struct str attribute(const char **attributes, const char *name)
{
    for (; attributes[0] != NULL; attributes += 2) {
        if (strcmp(attributes[0], name) == 0) return str_of(attributes[1]);
    }
    return STR("");
}

static void begin_root(struct sitemap_xml *x, struct str name, const char **attributes)
{
    struct str local = local_name(name);
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        if (!str_ieq(local, str_of(roots[i].root))) continue;
        x->s->kind = roots[i].kind;
        sitemap_add(x->s, FIELD_SITE_LANGUAGE, attribute(attributes, "xml:lang"));
        return;
    }
    if (str_ieq(local, STR("html")))
        sitemap_refuse(x->s, "an HTML page, not a sitemap");
    else
        sitemap_refuse(x->s, "its first element is <%.*s>, which is no sitemap",
                       STR_ARG(str_upto(name, PATH_BYTES)));
    stop(x);
}

static bool begins_entry(const struct sitemap_xml *x, struct str local)
{
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        if (roots[i].kind == x->s->kind && x->depth <= roots[i].depth_max &&
            str_ieq(local, str_of(roots[i].entry)))
            return x->entry_depth == 0 && x->lost == 0;
    }
    return false;
}

static void begin_entry(struct sitemap_xml *x, struct str name, const char **attributes)
{
    size_t prefix_n = name.n - local_name(name).n;
    sitemap_clear(x->s);
    x->entry_depth = x->depth;
    x->entry_path_n = x->path_n;
    x->prefix_n = prefix_n < PATH_BYTES ? prefix_n : PATH_BYTES;
    memcpy(x->prefix, name.p, x->prefix_n);
    sitemap_add(x->s, FIELD_LANGUAGE, attribute(attributes, "xml:lang"));
}

/* Atom: of several links, the first one that leads to the page. */
static void take_link(struct sitemap_xml *x, const char **attributes)
{
    struct str rel = attribute(attributes, "rel");
    if (x->s->fields[FIELD_URL].n > 0 || (rel.n > 0 && !str_ieq(rel, STR("alternate")))) return;
    sitemap_add(x->s, FIELD_URL, attribute(attributes, "href"));
}

static void begin_field(struct sitemap_xml *x, struct str name, const char **attributes)
{
    if (x->s->kind == SITEMAP_ATOM && x->entry_depth > 0 && str_ieq(path(x), STR("link")) &&
        has_own_prefix(x, name))
        take_link(x, attributes);
    const struct rule *rule = rule_of(x, name);
    if (rule == NULL || x->s->fields[rule->field].n > 0) return; /* the first one counts */
    x->capturing = (int)rule->field;
    x->capture_depth = x->depth;
}

static void XMLCALL on_start(void *arg, const char *text, const char **attributes)
{
    struct sitemap_xml *x = arg;
    struct str name = str_of(text);
    if (refused(x)) return;
    if (++x->depth > SITEMAP_DEPTH_MAX) {
        sitemap_refuse(x->s, "elements nested more than %d deep", SITEMAP_DEPTH_MAX);
        stop(x);
    } else if (x->depth == 1) {
        begin_root(x, name, attributes);
    } else if (x->capturing == NOT_CAPTURING) {
        push(x, local_name(name));
        if (begins_entry(x, local_name(name)))
            begin_entry(x, name, attributes);
        else
            begin_field(x, name, attributes);
    }
}

static void XMLCALL on_end(void *arg, const char *name)
{
    struct sitemap_xml *x = arg;
    (void)name;
    if (refused(x)) return;
    int depth = x->depth--;
    if (x->capturing != NOT_CAPTURING && depth > x->capture_depth) return; /* never pushed */
    x->capturing = NOT_CAPTURING;
    if (depth > 1) pop(x);
    if (x->entry_depth == 0 || depth != x->entry_depth) return;
    x->entry_depth = 0;
    sitemap_emit(x->s);
    if (refused(x)) stop(x);
}

static void XMLCALL on_text(void *arg, const char *text, int n)
{
    struct sitemap_xml *x = arg;
    struct str bytes = {text, (size_t)n};
    if (refused(x)) return;
    if (x->capturing != NOT_CAPTURING)
        sitemap_add(x->s, (enum sitemap_field)x->capturing, bytes);
    else if (x->entry_depth > 0 && x->depth == x->entry_depth)
        sitemap_add(x->s, FIELD_BARE, bytes);
}

static void XMLCALL on_doctype(void *arg, const char *name, const char *system_id,
                               const char *public_id, int has_declarations)
{
    struct sitemap_xml *x = arg;
    (void)name;
    (void)system_id;
    (void)public_id;
    if (has_declarations)
        sitemap_refuse(x->s, "its document type declares something (entities?), which no sitemap "
                             "needs; it was not read");
    if (refused(x)) stop(x);
}

/* ---- the parser ---- */

/* The size of a block, before it; as wide as any alignment. */
union block_head {
    size_t bytes;
    max_align_t align;
};

static _Thread_local struct sitemap_xml *at_work;

static void *resize(void *p, size_t n)
{
    union block_head *head = p == NULL ? NULL : (union block_head *)p - 1;
    size_t had = head == NULL ? 0 : head->bytes;
    if (n > SITEMAP_XML_MAX_BYTES || at_work->allocated - had + n > SITEMAP_XML_MAX_BYTES)
        return NULL;
    head = realloc(head, sizeof *head + n);
    if (head == NULL) return NULL;
    head->bytes = n;
    at_work->allocated += n - had;
    return head + 1;
}

static void *allocate(size_t n)
{
    return resize(NULL, n);
}

static void release(void *p)
{
    union block_head *head = p == NULL ? NULL : (union block_head *)p - 1;
    if (head == NULL) return;
    at_work->allocated -= head->bytes;
    free(head);
}

static const XML_Memory_Handling_Suite bounded = {allocate, resize, release};

bool sitemap_xml_begin(struct sitemap *s)
{
    struct sitemap_xml *x = s->xml = calloc(1, sizeof *x);
    if (x == NULL) return sitemap_refuse(s, "no memory");
    x->s = s;
    x->capturing = NOT_CAPTURING;
    at_work = x;
    x->expat = XML_ParserCreate_MM(NULL, &bounded, NULL);
    if (x->expat == NULL) return sitemap_refuse(s, "no memory");
    XML_SetUserData(x->expat, x);
    XML_SetElementHandler(x->expat, on_start, on_end);
    XML_SetCharacterDataHandler(x->expat, on_text);
    XML_SetStartDoctypeDeclHandler(x->expat, on_doctype);
    return true;
}

void sitemap_xml_free(struct sitemap_xml *x)
{
    if (x == NULL) return;
    at_work = x;
    if (x->expat != NULL) XML_ParserFree(x->expat);
    assert(x->allocated == 0);
    free(x);
}

static bool parse(struct sitemap *s, struct str bytes, bool last)
{
    XML_Parser expat = s->xml->expat;
    at_work = s->xml;
    enum XML_Status status = XML_Parse(expat, bytes.p, (int)bytes.n, last);
    if (s->error.n > 0) return false;
    unsigned long line = (unsigned long)XML_GetCurrentLineNumber(expat);
    enum XML_Error code = XML_GetErrorCode(expat);
    if (status != XML_STATUS_ERROR) return true;
    if (code == XML_ERROR_UNKNOWN_ENCODING)
        return sitemap_refuse(s, "its encoding is not known: a sitemap is UTF-8");
    if (code == XML_ERROR_NO_MEMORY)
        return sitemap_refuse(s, "line %lu: its XML needs more than %d MB of memory", line,
                              SITEMAP_XML_MAX_BYTES >> 20);
    return sitemap_refuse(s, "line %lu: is not XML: %s", line, XML_ErrorString(code));
}

/* bytes.n is bounded: pieces come from sitemap_feed and gunzip. */
bool sitemap_xml_feed(struct sitemap *s, struct str bytes)
{
    if (!parse(s, bytes, false)) return false;
    XML_Index done = XML_GetCurrentByteIndex(s->xml->expat);
    s->xml->fed += bytes.n;
    if (done >= 0 && s->xml->fed - (uint64_t)done > SITEMAP_TAG_MAX_BYTES)
        return sitemap_refuse(s, "line %lu: a tag, comment or declaration of more than %d kB",
                              (unsigned long)XML_GetCurrentLineNumber(s->xml->expat),
                              SITEMAP_TAG_MAX_BYTES >> 10);
    return true;
}

bool sitemap_xml_end(struct sitemap *s)
{
    return parse(s, STR(""), true);
}
