/*
 * portrait.h - one person as a report shows it: what interests it, which pages it uses, which ones
 * it ignores and by what evidence, and which ones it would probably like but never saw. A profile
 * and what the site knows of its pages, put together. Pure but for portrait_read.
 */
#ifndef SENTIER_PORTRAIT_H
#define SENTIER_PORTRAIT_H

#include "keys.h"
#include "person.h"
#include "site_pages.h"
#include "text.h"

enum {
    PORTRAIT_INTERESTS_MAX = 64,
    PORTRAIT_WISHES_MAX = 100,
    PORTRAIT_TOP = 3, /* pages behind a topic, and ways to a page, that are named */
    PORTRAIT_ID_MAX_BYTES = 128,
};

struct portrait_page {
    const struct profile_page *own;
    const struct site_page *site; /* NULL: the page has no name in Redis */
    int64_t interest;             /* thousandths */
    enum rung rung;
    enum ignored_why ignored;
    bool has_chance;
    double chance; /* that an average visitor would have passed by a link of this kind as often */
};

struct portrait_interest {
    struct str topic;
    struct interest_mix own, site;
    double lift;                                   /* 0: the site has no interest in it */
    uint64_t visits;                               /* to its pages */
    uint32_t pages;                                /* that the person opened */
    const struct portrait_page *top[PORTRAIT_TOP]; /* NULL behind the last one */
};

/* A page of the site that the person neither opened nor had in view. */
struct portrait_wish {
    const struct site_page *page;
    int64_t match;                              /* sum of the person's scores of its topics */
    struct str topic;                           /* that adds most to it */
    const struct site_page *ways[PORTRAIT_TOP]; /* pages that it opened and that link there */
    uint32_t ways_n;                            /* all of them; 0: it was never offered */
};

struct portrait {
    char id[PORTRAIT_ID_MAX_BYTES + 1];
    bool customer;                   /* else a visitor on which none signed in */
    struct person_visitor *visitors; /* of a customer; owned */
    unsigned visitors_n;
    struct profile profile; /* whole; marks by kind, then by falling sessions */
    const struct site_view *view;
    const struct site_pages *site;
    int64_t now_ms;    /* no visit of the person is after it */
    int64_t interest;  /* in all pages */
    bool approximate;  /* a bound was crossed somewhere */
    size_t wishes_all; /* there are so many, of which the first are kept */

    struct portrait_page *pages;          /* greatest interest first */
    const struct portrait_page **ignored; /* of them, those with most evidence first */
    struct portrait_interest *interests;
    struct portrait_wish *wishes; /* best match first */
    uint32_t pages_n, ignored_n, interests_n, wishes_n;
};

/* take: a whole profile; gone either way. id: at most PORTRAIT_ID_MAX_BYTES. False: no memory. */
bool portrait_make(const struct site_view *v, const struct site_pages *site, struct str id,
                   struct profile *take, struct portrait *out);

/* 1: *out is the person's, and borrows from v and site; 0: nobody has that id; -1 with why in err.
 * portrait_fini after 1. */
int portrait_read(const struct site_view *v, const struct site_pages *site, struct str id,
                  struct portrait *out, struct buf *err);
void portrait_fini(struct portrait *p); /* an all-zero one is fine */

/* The page's name; where Redis has none its id, "(page 2k3)". */
struct str portrait_name(const struct portrait_page *page, char room[TEXT_PAGE_BYTES]);

const char *ignored_why_name(enum ignored_why why); /* "passed by", "left", "" */

#endif
