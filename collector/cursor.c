/*
 * Text, one line per item, so that a person can read it:
 *   gone WEIGHT
 *   PRODUCER FIRSTSEQ SHIPPED TOTAL
 * A producer's line stays until its last segment is gone and the sum in `gone` is on the disk; a
 * line without segments is therefore weight that has not been added yet. Losing the file costs
 * only the memory of deleted producers' weights: what is in Redis is asked of Redis.
 */
#include "cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"

static FILE *open_read(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    FILE *f = fdopen(fd, "r");
    if (f == NULL) close(fd);
    return f;
}

static FILE *open_write(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return NULL;
    FILE *f = fdopen(fd, "w");
    if (f == NULL) close(fd);
    return f;
}

/* Takes f. The old file stays unless all of the new one is on the disk. */
static int replace(int dir_fd, FILE *f, const char *from, const char *to)
{
    bool ok = f != NULL && fflush(f) == 0 && fdatasync(fileno(f)) == 0;
    if (f != NULL && fclose(f) != 0) ok = false;
    if (ok && renameat(dir_fd, from, dir_fd, to) == 0) return 0;
    log_error("ship.file", "name=%s err=%s", to, strerror(errno));
    return -1;
}

void cursor_load(int dir_fd, struct cursor *out)
{
    char text[128], file[64];
    struct segment_name name;
    *out = (struct cursor){.gone = 0};
    FILE *f = open_read(dir_fd, "cursor");
    if (f == NULL) return;
    while (fgets(text, sizeof text, f) != NULL) {
        struct cursor_line line;
        if (sscanf(text, "gone %" SCNu64, &out->gone) == 1) continue;
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
    FILE *f = open_write(dir_fd, "cursor.new");
    for (size_t i = 0; f != NULL && i <= c->lines; i++) {
        if (i == c->lines) {
            fprintf(f, "gone %" PRIu64 "\n", c->gone);
            break;
        }
        const struct cursor_line *l = &c->line[i];
        for (int k = 0; k < PRODUCER_BYTES; k++)
            fprintf(f, "%02x", l->producer[k]);
        fprintf(f, " %016" PRIx64 " %" PRIu64 " %" PRIu64 "\n", l->shipped_before, l->shipped,
                l->total);
    }
    return replace(dir_fd, f, "cursor.new", "cursor");
}

void cursor_fini(struct cursor *c)
{
    free(c->line);
    *c = (struct cursor){.gone = 0};
}

void births_load(int dir_fd, char (*birth)[BIRTH_TEXT_BYTES], unsigned partitions)
{
    char text[128], id[BIRTH_TEXT_BYTES];
    unsigned partition;
    FILE *f = open_read(dir_fd, "births");
    if (f == NULL) return;
    while (fgets(text, sizeof text, f) != NULL) {
        if (sscanf(text, "%u %32[0-9a-f]", &partition, id) != 2) continue;
        if (partition < partitions && strlen(id) == BIRTH_TEXT_BYTES - 1)
            memcpy(birth[partition], id, sizeof id);
    }
    fclose(f);
}

int births_save(int dir_fd, char (*const birth)[BIRTH_TEXT_BYTES], unsigned partitions)
{
    FILE *f = open_write(dir_fd, "births.new");
    for (unsigned p = 0; f != NULL && p < partitions; p++) {
        if (birth[p][0] != '\0') fprintf(f, "%u %s\n", p, birth[p]);
    }
    return replace(dir_fd, f, "births.new", "births");
}
