/* import_file.h - a log file line by line, plain or gzip, with the fingerprint of its head. */
#ifndef SENTIER_IMPORT_FILE_H
#define SENTIER_IMPORT_FILE_H

#include <stdint.h>

#include "journal.h"
#include "str.h"

enum { IMPORT_HEAD_BYTES = 64 * 1024 };

struct import_file;

/* path "-": standard input. NULL: errno says why. */
struct import_file *import_file_open(const char *path);
void import_file_close(struct import_file *f); /* NULL is fine */

/* The first bytes of the uncompressed file, at most IMPORT_HEAD_BYTES. */
struct str import_file_head(const struct import_file *f);
/* Of the site and the first n bytes of the head: the producer of an import. */
void import_file_fingerprint(const struct import_file *f, struct str site, size_t n,
                             unsigned char out[PRODUCER_BYTES]);

/* 1: *line is the next one, without its line end, valid until the next call; too_long: only its
 * beginning. 0: the end. -1: the file is damaged here; *why says how. */
int import_file_line(struct import_file *f, struct str *line, bool *too_long, const char **why);
uint64_t import_file_number(const struct import_file *f); /* of the line last given, from 1 */
bool import_file_cut(const struct import_file *f);        /* it had no line end: still growing? */

double import_file_share(const struct import_file *f); /* read so far, 0..1; < 0: unknown */

#endif
