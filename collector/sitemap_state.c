/*
 * {"version": 1, "rules": HEX, "files": {URL: {"etag": ..., "modified": ..., "children": [...]}}}
 *
 * Two trees of it: what the file said, and what this run will say. An index carries its children,
 * since one that has not changed is not sent, and its children may have changed all the same.
 */
#include "sitemap_state.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { VERSION = 1, RULES_BYTES = 16, PATH_BYTES = 4096 };

struct sitemap_state {
    char *path;
    char rules[2 * RULES_BYTES + 1];
    json_t *old, *fresh; /* the "files" of the file, and of this run */
};

static void add(crypto_generichash_state *hash, const char *text)
{
    crypto_generichash_update(hash, (const unsigned char *)text, strlen(text) + 1);
}

static void add_list(crypto_generichash_state *hash, char **list)
{
    for (char **l = list; l != NULL && *l != NULL; l++)
        add(hash, *l);
    add(hash, "");
}

static void write_rules(const struct site *site, char out[2 * RULES_BYTES + 1])
{
    crypto_generichash_state hash;
    unsigned char bytes[RULES_BYTES];
    crypto_generichash_init(&hash, NULL, 0, sizeof bytes);
    add(&hash, site->name);
    add_list(&hash, site->origins);
    add_list(&hash, site->keep_params);
    add(&hash, site->hash_routing ? "hash" : "");
    crypto_generichash_final(&hash, bytes, sizeof bytes);
    sodium_bin2hex(out, 2 * RULES_BYTES + 1, bytes, sizeof bytes);
}

/* The "files" of the file; NULL: none that counts. */
static json_t *read_files(const struct sitemap_state *s)
{
    json_t *root = json_load_file(s->path, 0, NULL);
    json_t *files = json_object_get(root, "files");
    const char *rules = json_string_value(json_object_get(root, "rules"));
    bool ours = json_integer_value(json_object_get(root, "version")) == VERSION && rules != NULL &&
                strcmp(rules, s->rules) == 0 && json_is_object(files);
    if (ours) json_incref(files);
    json_decref(root);
    return ours ? files : NULL;
}

struct sitemap_state *sitemap_state_open(const char *path, const struct site *site)
{
    struct sitemap_state *s = calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    s->path = strdup(path);
    s->fresh = json_object();
    if (s->path == NULL || s->fresh == NULL) {
        sitemap_state_close(s);
        return NULL;
    }
    write_rules(site, s->rules);
    s->old = read_files(s);
    return s;
}

void sitemap_state_close(struct sitemap_state *s)
{
    if (s == NULL) return;
    json_decref(s->old);
    json_decref(s->fresh);
    free(s->path);
    free(s);
}

static const char *text(const json_t *file, const char *name)
{
    const char *value = json_string_value(json_object_get(file, name));
    return value == NULL ? "" : value;
}

bool sitemap_state_find(const struct sitemap_state *s, const char *url, struct sitemap_memo *out)
{
    const json_t *file = json_object_get(s->old, url);
    const json_t *children = json_object_get(file, "children");
    if (!json_is_object(file)) return false;
    *out = (struct sitemap_memo){text(file, "etag"), text(file, "modified"),
                                 json_is_array(children) ? children : NULL};
    return out->etag[0] != '\0' || out->modified[0] != '\0';
}

void sitemap_state_put(struct sitemap_state *s, const char *url, const struct sitemap_memo *memo)
{
    json_t *file = json_object();
    if (memo->etag[0] != '\0') json_object_set_new(file, "etag", json_string(memo->etag));
    if (memo->modified[0] != '\0')
        json_object_set_new(file, "modified", json_string(memo->modified));
    if (memo->children != NULL)
        json_object_set_new(file, "children", json_deep_copy(memo->children));
    json_object_set_new(s->fresh, url, file); /* what fails is read again next time */
}

void sitemap_state_keep(struct sitemap_state *s, const char *url)
{
    json_t *file = json_object_get(s->old, url);
    if (file != NULL) json_object_set(s->fresh, url, file);
}

void sitemap_state_forget(struct sitemap_state *s)
{
    json_decref(s->old);
    s->old = NULL;
    json_object_clear(s->fresh);
}

static int write_file(const char *path, const char *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) return -1;
    while (n > 0) {
        ssize_t put = write(fd, bytes, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) break;
        bytes += put;
        n -= (size_t)put;
    }
    int result = n == 0 && fsync(fd) == 0 ? 0 : -1;
    int err = errno;
    close(fd);
    errno = err;
    return result;
}

int sitemap_state_save(struct sitemap_state *s, struct buf *err)
{
    char fresh[PATH_BYTES];
    json_t *root =
        json_pack("{s:i, s:s, s:O}", "version", VERSION, "rules", s->rules, "files", s->fresh);
    char *dump = json_dumps(root, JSON_INDENT(1) | JSON_SORT_KEYS);
    int n = snprintf(fresh, sizeof fresh, "%s.new", s->path);
    errno = dump == NULL ? ENOMEM : n >= (int)sizeof fresh ? ENAMETOOLONG : 0;
    int result =
        errno != 0 || write_file(fresh, dump, strlen(dump)) < 0 || rename(fresh, s->path) < 0 ? -1
                                                                                              : 0;
    if (result < 0) buf_printf(err, "%s: %s", s->path, strerror(errno));
    free(dump);
    json_decref(root);
    return result;
}
