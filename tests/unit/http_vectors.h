/*
 * http_vectors.h - where the collector judges a request of the public suites otherwise than the
 * suite does, and why. Every other vector is answered as the suite says.
 *
 * Read so: a suite's "complete" is that many whole requests and no error. "Data after Connection:
 * close" is no error here: those bytes are thrown away unread, which is what the suite is after.
 * "upgrade/pause" hands the connection to another protocol; there is none here, so the request is
 * answered as it is (Upgrade is ignored, CONNECT answered and closed). A request of HTTP/1.1
 * without Host, as most of llhttp's are, is refused with 400; for the judgement of the rest one is
 * put in. Of llhttp's lenient modes there is none: their vectors are judged by the strict rules.
 */
#ifndef SENTIER_TEST_HTTP_VECTORS_H
#define SENTIER_TEST_HTTP_VECTORS_H

/* How a stream of requests ends. */
enum end { CLEAN, PARTIAL, CLOSED, BAD };

struct deviation {
    const char *number; /* of the vector: how its file name begins */
    unsigned requests;
    enum end end;
    int status; /* of BAD */
    const char *why;
};

#define LENIENT(number, requests, status, why)                                                     \
    {                                                                                              \
        number, requests, BAD, status, "lenient mode: " why                                        \
    }
#define OTHER_PROTOCOL(number)                                                                     \
    {                                                                                              \
        number, 0, BAD, 400, "ICE and RTSP are other protocols, HTTP/0.9 another grammar"          \
    }
#define TWO_CODINGS(number)                                                                        \
    {                                                                                              \
        number, 0, BAD, 400, "deflate would have to be undone: only a lone chunked is understood"  \
    }

static const struct deviation llhttp_deviations[] = {
    LENIENT("013", 0, 400, "a folded line"),
    LENIENT("015", 0, 400, "a folded line"),
    LENIENT("017", 0, 400, "a blank before the colon"),
    LENIENT("028", 0, 400, "a blank before the colon"),
    LENIENT("029", 0, 400, "Content-Length with Transfer-Encoding"),
    {"037", 0, PARTIAL, 0, "the suite leaves out the bodies; here the length counts"},
    LENIENT("039", 0, 400, "CR without LF"),
    {"046", 1, CLOSED, 0, "unknown methods are for the handler, which answers 405"},
    LENIENT("050", 0, 400, "CR without LF"),
    {"056", 1, CLEAN, 0, "unknown methods are for the handler, which answers 405"},
    LENIENT("064", 0, 400, "LF without CR"),
    LENIENT("066", 0, 400, "a blank before a name"),
    LENIENT("067", 0, 400, "a control byte in a value"),
    LENIENT("072", 0, 400, "a control byte in a value"),
    LENIENT("073", 1, 400, "a control byte in a value"),
    LENIENT("075", 0, 400, "CR without LF"),
    LENIENT("076", 0, 505, "HTTP/5.6"),
    OTHER_PROTOCOL("088"),
    OTHER_PROTOCOL("089"),
    OTHER_PROTOCOL("090"),
    OTHER_PROTOCOL("116"),
    LENIENT("117", 0, 400, "a folded line"),
    LENIENT("120", 0, 400, "CR without LF"),
    LENIENT("124", 0, 400, "a folded line"),
    LENIENT("138", 0, 400, "Content-Length with Transfer-Encoding"),
    LENIENT("142", 0, 400, "chunked is not the last coding"),
    LENIENT("143", 0, 400, "chunked is not the last coding"),
    TWO_CODINGS("144"),
    TWO_CODINGS("145"),
    LENIENT("151", 0, 400, "CR without LF"),
    LENIENT("153", 0, 400, "no CRLF behind a chunk"),
    LENIENT("155", 0, 400, "a blank behind a chunk size"),
};

static const struct deviation pico_deviations[] = {
    {"05", 0, BAD, 400, "RFC 9112 5.2: a folded line is refused"},
    {"30", 0, BAD, 400, "a target is ASCII (RFC 3986); llhttp's 162 demands the refusal"},
    {"34", 0, BAD, 400, "RFC 9112 3: one blank between the words; others may read it otherwise"},
};

#endif
