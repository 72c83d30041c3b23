/*
 * Text, one line per item, so that a person can read it:
 *   gone WEIGHT
 *   skipped RECORDS
 *   PRODUCER FIRSTSEQ SHIPPED TOTAL
 * A producer's line stays until its last segment is gone and the sum in `gone` is on the disk; a
 * line without segments is therefore weight that has not been added yet. Losing the file costs
 * only the memory of deleted producers' weights: what is in Redis is asked of Redis.
 */
#include "cursor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "state_file.h"

void cursor_load(int dir_fd, struct cursor *out)
{
    char text[128], file[64];
    struct segment_name name;
    *out = (struct cursor){.gone = 0};
    FILE *f = state_file_read(dir_fd, "cursor");
    if (f == NULL) return;
    while (fgets(text, sizeof text, f) != NULL) {
        struct cursor_line line;
        if (sscanf(text, "gone %" SCNu64, &out->gone) == 1) continue;
        if (sscanf(text, "skipped %" SCNu64, &out->skipped) == 1) continue;
        char producer[33];
        if (sscanf(text, "%32[0-9a-f] %" SCNx64 " %" SCNu64 " %" SCNu64, producer,
                   &line.shipped_before, &line.shipped, &line.total) != 4) {
            continue;
        }
        snprintf(file, sizeof file, "%s-%016x.seg", producer, 0);
        if (!segment_name_parse(file, &name)) continue;
        memcpy(line.producer, name.producer, PRODUCER_BYTES);
        struct cursor_line *grown = realloc(out->line, (out->lines + 1) * sizeof *grown);
        if (grown == NULL) break;
        out->line = grown;
        out->line[out->lines++] = line;
    }
    fclose(f);
}

int cursor_save(int dir_fd, const struct cursor *c)
{
    FILE *f = state_file_write(dir_fd, "cursor.new");
    for (size_t i = 0; f != NULL && i <= c->lines; i++) {
        if (i == c->lines) {
            fprintf(f, "gone %" PRIu64 "\nskipped %" PRIu64 "\n", c->gone, c->skipped);
            break;
        }
        const struct cursor_line *l = &c->line[i];
        for (int k = 0; k < PRODUCER_BYTES; k++)
            fprintf(f, "%02x", l->producer[k]);
        fprintf(f, " %016" PRIx64 " %" PRIu64 " %" PRIu64 "\n", l->shipped_before, l->shipped,
                l->total);
    }
    return state_file_replace(dir_fd, f, "cursor.new", "cursor");
}

void cursor_fini(struct cursor *c)
{
    free(c->line);
    *c = (struct cursor){.gone = 0};
}
