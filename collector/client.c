/*
 * Anyone can send X-Forwarded-For, so only the hops that our own proxies appended are worth
 * something: from the right, as long as the hop before it is a trusted network. A hop that is no
 * address ends the walk at the last one that was.
 */
#include "client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

struct network {
    unsigned char address[ADDRESS_BYTES];
    unsigned bits;
};

struct proxies {
    size_t n;
    struct network all[];
};

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

bool address_parse(struct str text, unsigned char out[ADDRESS_BYTES])
{
    char c[INET6_ADDRSTRLEN + 1];
    if (text.n == 0 || text.n >= sizeof c) return false;
    memcpy(c, text.p, text.n);
    c[text.n] = '\0';
    memcpy(out, mapped, sizeof mapped);
    return inet_pton(AF_INET, c, out + sizeof mapped) == 1 || inet_pton(AF_INET6, c, out) == 1;
}

static bool network_parse(const char *text, struct network *out)
{
    struct str s = str_of(text), address = str_upto(s, str_find(s, '/'));
    if (!address_parse(address, out->address)) return false;
    bool v4 = str_find(address, ':') == address.n;
    unsigned full = v4 ? 32 : 128;
    out->bits = full;
    if (address.n < s.n) {
        const char *digits = text + address.n + 1;
        char *end;
        unsigned long bits = strtoul(digits, &end, 10); /* it would take blanks and signs too */
        if (digits[0] < '0' || digits[0] > '9' || *end != '\0' || bits > full) return false;
        out->bits = (unsigned)bits;
    }
    if (v4) out->bits += 96;
    return true;
}

struct proxies *proxies_new(char **list, const char **bad)
{
    size_t n = 0;
    *bad = NULL;
    while (list != NULL && list[n] != NULL)
        n++;
    struct proxies *p = malloc(sizeof *p + n * sizeof *p->all);
    if (p == NULL) return NULL;
    for (p->n = 0; p->n < n; p->n++) {
        if (network_parse(list[p->n], &p->all[p->n])) continue;
        *bad = list[p->n];
        free(p);
        return NULL;
    }
    return p;
}

void proxies_free(struct proxies *p)
{
    free(p);
}

static bool inside(const struct network *net, const unsigned char address[ADDRESS_BYTES])
{
    unsigned bytes = net->bits / 8, rest = net->bits % 8;
    if (memcmp(net->address, address, bytes) != 0) return false;
    return rest == 0 || (net->address[bytes] ^ address[bytes]) >> (8 - rest) == 0;
}

static bool trusted(const struct proxies *p, const unsigned char address[ADDRESS_BYTES])
{
    for (size_t i = 0; i < p->n; i++) {
        if (inside(&p->all[i], address)) return true;
    }
    return false;
}

static void from_peer(const struct sockaddr_storage *peer, unsigned char out[ADDRESS_BYTES])
{
    memset(out, 0, ADDRESS_BYTES);
    if (peer->ss_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)peer)->sin6_addr, ADDRESS_BYTES);
    } else if (peer->ss_family == AF_INET) {
        memcpy(out, mapped, sizeof mapped);
        memcpy(out + sizeof mapped, &((const struct sockaddr_in *)peer)->sin_addr, 4);
    }
}

/* A hop may carry a port: "1.2.3.4:567", "[::1]:567". */
static struct str without_port(struct str hop)
{
    if (hop.n > 0 && hop.p[0] == '[') {
        return str_upto(str_from(hop, 1), str_find(str_from(hop, 1), ']'));
    }
    size_t colon = str_find(hop, ':');
    bool one = colon < hop.n && str_find(str_from(hop, colon + 1), ':') == hop.n - colon - 1;
    return one ? str_upto(hop, colon) : hop;
}

/* Cuts the last hop off *list. */
static struct str last_hop(struct str *list)
{
    size_t start = list->n;
    while (start > 0 && list->p[start - 1] != ',')
        start--;
    struct str hop = str_trim(str_from(*list, start));
    list->n = start == 0 ? 0 : start - 1;
    return hop;
}

void client_address(const struct proxies *p, const struct sockaddr_storage *peer,
                    struct str forwarded_for, unsigned char out[ADDRESS_BYTES])
{
    unsigned char hop[ADDRESS_BYTES];
    from_peer(peer, out);
    for (int i = 0; i < FORWARDED_HOPS_MAX && forwarded_for.n > 0 && trusted(p, out); i++) {
        if (!address_parse(without_port(last_hop(&forwarded_for)), hop)) return;
        memcpy(out, hop, sizeof hop);
    }
}

bool client_is_proxy(const struct proxies *p, const struct sockaddr_storage *peer)
{
    unsigned char address[ADDRESS_BYTES];
    from_peer(peer, address);
    return trusted(p, address);
}
