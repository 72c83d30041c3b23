/*
 * The four forms are told apart by how they begin. Whatever is refused is named, with the form that
 * it should have had: an address that is almost right must not be taken for a host of that name.
 */
#include "redis_place.h"

static bool refuse(struct buf *err, const char *what, struct str text, const char *right)
{
    buf_printf(err, "%s '%.*s': must be %s", what, (int)(text.n > 120 ? 120 : text.n), text.p,
               right);
    return false;
}

static bool read_path(struct str path, struct redis_place *out, struct buf *err)
{
    if (path.n == 0 || path.p[0] != '/')
        return refuse(err, "path of a socket", path, "absolute, as unix:/run/redis.sock");
    if (path.n >= REDIS_PATH_BYTES)
        return refuse(err, "path of a socket", path, "shorter than 108 bytes, as the kernel wants");
    out->kind = REDIS_UNIX;
    memcpy(out->path, path.p, path.n);
    out->path[path.n] = '\0';
    return true;
}

static bool read_seed(struct str text, struct redis_seed *out, struct buf *err)
{
    char address[ADDRESS_HOST_BYTES + 8];
    bool fits = text.n < sizeof address;
    memcpy(address, text.p, fits ? text.n : 0);
    address[fits ? text.n : 0] = '\0';
    /* A blank or a slash in a host is another form, mistyped. */
    bool ok = fits && strpbrk(address, "/ \t@") == NULL &&
              address_split(address, out->host, &out->port) && out->host[0] != '\0' &&
              out->port > 0;
    return ok || refuse(err, "address", text, "host:port, or [IPv6]:port, port 1 to 65535");
}

static bool read_seeds(struct str list, struct redis_place *out, struct buf *err)
{
    for (bool more = true; more;) {
        size_t end = str_find(list, ',');
        more = end < list.n;
        if (out->seeds == REDIS_SEEDS_MAX)
            return refuse(err, "list of addresses", list, "shorter: at most 16 addresses");
        if (!read_seed(str_trim(str_upto(list, end)), &out->seed[out->seeds], err)) return false;
        out->seeds++;
        list = str_from(list, end + 1);
    }
    return true;
}

static bool read_sentinels(struct str text, struct redis_place *out, struct buf *err)
{
    size_t at = str_find(text, '@');
    struct str name = str_upto(text, at);
    if (at == text.n || name.n == 0 || name.n >= REDIS_NAME_BYTES)
        return refuse(err, "sentinel://", text,
                      "name@host:port,host:port,... with the name that the sentinels give to the "
                      "master, at most 63 bytes");
    out->kind = REDIS_SENTINEL;
    memcpy(out->master, name.p, name.n);
    out->master[name.n] = '\0';
    return read_seeds(str_from(text, at + 1), out, err);
}

bool redis_place_parse(const char *text, struct redis_place *out, struct buf *err)
{
    static const char forms[] = "unix:/path, host:port, sentinel://name@host:port,host:port,... or "
                                "cluster://host:port,host:port,...";
    struct str s = str_trim(str_of(text));
    *out = (struct redis_place){.kind = REDIS_TCP};
    if (str_starts(s, STR("unix:"))) return read_path(str_from(s, 5), out, err);
    if (str_starts(s, STR("/"))) return read_path(s, out, err);
    if (str_starts(s, STR("sentinel://"))) return read_sentinels(str_from(s, 11), out, err);
    if (str_starts(s, STR("cluster://"))) {
        out->kind = REDIS_CLUSTER;
        return read_seeds(str_from(s, 10), out, err);
    }
    out->seeds = 1;
    struct buf unused = {0};
    bool ok = read_seed(s, &out->seed[0], &unused);
    buf_fini(&unused);
    return ok || refuse(err, "address", s, forms);
}
