/*
 * salt.h - the secret of a day, without which its cookieless visitors cannot be told from noise.
 * One for each local date that exists anywhere on earth (UTC-12 to UTC+14), and the coming one. It
 * lives in memory that is never swapped and, so that a restart goes on counting the same visitors,
 * in a file on tmpfs; never on a disk, never as a value in Redis.
 *
 * One thread, the owner's, may call everything; other threads only salts_get.
 */
#ifndef SENTIER_SALT_H
#define SENTIER_SALT_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

enum {
    SALT_BYTES = 32,
    SALTS_TICK_MS = 60 * 1000,
    SALT_MESSAGE_BYTES = 1024, /* longest that is heard */
};

struct salts;

/*
 * file: "" or NULL: memory only. On a file system that is not tmpfs nothing is written either, and
 * the log says so. NULL: the file is a link, is somebody else's, or others may read it (the log
 * says which); whoever put it there may know the salts.
 */
struct salts *salts_new(const char *file, int64_t now_ms);
void salts_free(struct salts *s); /* wipes the memory, leaves the file; NULL is fine */

/* The salt of a local date (days since 1970-01-01), or NULL when there is none any more, or yet.
 * Any thread, lock-free. Use it at once: it is wiped a minute after its date has ended. */
const unsigned char *salts_get(struct salts *s, uint32_t day);

/* Each SALTS_TICK_MS: makes the coming salt, ends the dead. */
void salts_tick(struct salts *s, int64_t now_ms);

/* Another collector's salt. The older one stays, of two of one age the smaller bytes, so that all
 * end with the same whatever the order. True: it replaced ours. */
bool salts_offer(struct salts *s, uint32_t day, const unsigned char salt[SALT_BYTES],
                 int64_t born_ms);

/* What collectors tell each other: "want", or "offer" and " DAY:BORN_MS:HEX" for each salt. */
enum salts_heard { SALTS_NONSENSE, SALTS_WANTED, SALTS_KNOWN, SALTS_CHANGED };
enum salts_heard salts_hear(struct salts *s, struct str message);
bool salts_say(const struct salts *s, struct buf *out); /* appends an offer of all; wipe it after */

#endif
