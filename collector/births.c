/*
 * Text, a line per partition: PARTITION ID MET_MS.
 *
 * Why a young birth needs no operator. Redis has a hit of ours under this birth only through an
 * append; before its acknowledgement is believed, the birth is known here, so met <= the moment
 * when a segment with that hit is found shipped (its mtime from then on). Such a segment is deleted
 * keep_ms after that moment, or earlier for want of disk, and then births_segment_goes makes every
 * birth that it could belong to old for good. So while met + keep_ms lies ahead, no segment is gone
 * that holds a hit of this birth, and a partition that forgot everything gets everything again. It
 * is enough that this holds for the hits of this directory: every collector judges by its own file
 * and ships its own hits only.
 *
 * Both times are of one clock, which may be set. Forward, both rules end sooner. Back, behind met,
 * is seen at the next look and makes the birth old; back, but not behind it, leaves met <= mtime.
 */
#include "births.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state_file.h"

bool births_init(struct births *b, int dir_fd, unsigned partitions)
{
    char text[128], id[BIRTH_TEXT_BYTES];
    unsigned partition;
    *b = (struct births){.dir_fd = dir_fd, .partitions = partitions};
    b->of = calloc(partitions, sizeof *b->of);
    if (b->of == NULL) return false;
    FILE *f = state_file_read(dir_fd, "births");
    while (f != NULL && fgets(text, sizeof text, f) != NULL) {
        int64_t met_ms = 0; /* an older program wrote none */
        if (sscanf(text, "%u %32[0-9a-f] %" SCNd64, &partition, id, &met_ms) < 2) continue;
        if (partition >= partitions || strlen(id) != BIRTH_TEXT_BYTES - 1) continue;
        memcpy(b->of[partition].id, id, sizeof id);
        b->of[partition].met_ms = met_ms;
    }
    if (f != NULL) fclose(f);
    return true;
}

void births_fini(struct births *b)
{
    free(b->of);
    b->of = NULL;
}

int births_save(struct births *b)
{
    if (!b->changed) return 0;
    FILE *f = state_file_write(b->dir_fd, "births.new");
    for (unsigned p = 0; f != NULL && p < b->partitions; p++) {
        const struct birth *one = &b->of[p];
        if (one->id[0] != '\0') fprintf(f, "%u %s %" PRId64 "\n", p, one->id, one->met_ms);
    }
    int saved = state_file_replace(b->dir_fd, f, "births.new", "births");
    if (saved == 0) b->changed = false;
    return saved;
}

void births_learn(struct births *b, unsigned partition, const char *id, int64_t now_ms)
{
    struct birth *one = &b->of[partition];
    if (strcmp(one->id, id) == 0) return;
    snprintf(one->id, sizeof one->id, "%s", id);
    one->met_ms = now_ms;
    b->changed = true;
}

void births_forget(struct births *b, unsigned partition)
{
    b->of[partition] = (struct birth){.met_ms = 0};
    b->changed = true;
}

bool births_young(const struct births *b, unsigned partition, int64_t keep_ms, int64_t now_ms)
{
    int64_t met_ms = b->of[partition].met_ms;
    return met_ms > 0 && now_ms >= met_ms && now_ms - met_ms < keep_ms;
}

static void end_youth(struct births *b, struct birth *one)
{
    if (one->met_ms == 0) return;
    one->met_ms = 0;
    b->changed = true;
}

void births_segment_goes(struct births *b, int64_t shipped_ms)
{
    for (unsigned p = 0; p < b->partitions; p++) {
        if (b->of[p].met_ms <= shipped_ms) end_youth(b, &b->of[p]);
    }
}

void births_check_clock(struct births *b, int64_t now_ms)
{
    for (unsigned p = 0; p < b->partitions; p++) {
        if (b->of[p].met_ms > now_ms) end_youth(b, &b->of[p]);
    }
}
