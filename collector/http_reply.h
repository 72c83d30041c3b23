/* http_reply.h - a reply as bytes. Pure. */
#ifndef SENTIER_HTTP_REPLY_H
#define SENTIER_HTTP_REPLY_H

#include "buf.h"

enum http_reply_how {
    HTTP_REPLY_NO_BODY = 1,    /* HEAD: the length, but not the body */
    HTTP_REPLY_CLOSE = 2,      /* Connection: close */
    HTTP_REPLY_KEEP_ALIVE = 4, /* Connection: keep-alive, as HTTP/1.0 wants it said */
};

/* Appends to out. False: no memory. headers: "Name: value\r\n..." */
bool http_reply_format(struct buf *out, int status, struct str headers, struct str body,
                       unsigned how);

#endif
