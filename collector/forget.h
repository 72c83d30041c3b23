/*
 * forget.h - erases a person: out of Redis by a record in the stream, out of the files of this
 * machine by rewriting them. Blocking. What it did, it may do again: a run that was interrupted is
 * finished by the next.
 */
#ifndef SENTIER_FORGET_H
#define SENTIER_FORGET_H

#include "forget_files.h"
#include "options.h"
#include "redis_now.h"
#include "site.h"

enum forget_log { FORGET_LOG_NONE, FORGET_LOG_REWRITTEN, FORGET_LOG_UNDER_WAY, FORGET_LOG_REFUSED };

struct forget_receipt {
    bool customer;       /* the id is a customer's; else a visitor's */
    unsigned visitors;   /* that were forgotten */
    unsigned shared;     /* of the customer's that another one uses, too: they were not */
    unsigned records;    /* of customers that a visitor was taken out of */
    bool more;           /* it had more visitors than are known by name */
    int64_t at_ms;       /* everything up to this moment is forgotten */
    unsigned profiles;   /* that were there */
    bool came_again;     /* later than that: there is a new one */
    unsigned partitions; /* that were told */
    struct forget_files journal, archive;
    bool has_archive;
    enum forget_log log; /* Redis' append-only file */
};

struct forget_opts {
    const struct collector_conf *conf;
    const struct redis_conf *redis;
    const struct site *site;
    const char *id;                            /* a customer's, else in base36 a visitor's */
    void (*tell)(void *arg, const char *what); /* often; what it waits for */
    void *arg;
};

/* 0; -1 with a message: not all of it was done, and it is to be run again. */
int forget_person(const struct forget_opts *o, struct forget_receipt *out, struct buf *err);

#endif
