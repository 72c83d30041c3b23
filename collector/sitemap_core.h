/* sitemap_core.h - what sitemap.c and sitemap_xml.c share; nobody else includes it. */
#ifndef SENTIER_SITEMAP_CORE_H
#define SENTIER_SITEMAP_CORE_H

#include "buf.h"
#include "sitemap.h"

/* What is known of the entry being read. */
enum sitemap_field {
    FIELD_URL,
    FIELD_BARE, /* text of the entry itself: some indexes have no <loc> */
    FIELD_GUID, /* of RSS items without a link */
    FIELD_MODIFIED,
    FIELD_PUBLISHED,
    FIELD_TITLE,
    FIELD_LANGUAGE,
    ENTRY_FIELDS,
    FIELD_SITE_LANGUAGE = ENTRY_FIELDS, /* of a whole feed: it outlives the entry */
    FIELDS,
};

struct field_text {
    size_t n;
    bool cut; /* there was more than a URL may have */
    char text[SITEMAP_URL_MAX_BYTES + 1];
};

struct sitemap {
    sitemap_on_entry *on_entry;
    void *arg;
    struct gunzip *outer, *inner; /* a file that is gzip, carried as gzip */
    uint64_t in_bytes, bytes;     /* as given; unpacked */
    enum { SNIFFING, LINES, XML } state;
    char head[sizeof "<!doctype html" - 1]; /* while sniffing */
    size_t head_n;
    enum sitemap_kind kind;
    uint64_t entries;
    struct field_text fields[FIELDS];
    struct sitemap_xml *xml;
    struct buf error; /* something in it: refused */
};

bool sitemap_refuse(struct sitemap *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds to a field: leading blanks never, and not more than its room. */
void sitemap_add(struct sitemap *s, enum sitemap_field field, struct str text);
void sitemap_clear(struct sitemap *s); /* the fields of an entry */
void sitemap_emit(struct sitemap *s);  /* an entry is whole */

/* The XML half. False: refused. */
bool sitemap_xml_begin(struct sitemap *s);
bool sitemap_xml_feed(struct sitemap *s, struct str bytes);
bool sitemap_xml_end(struct sitemap *s);
void sitemap_xml_free(struct sitemap_xml *x);

#endif
