/* sync_thread.h - fdatasync beside the writer, so that a slow disk does not hold up its loop. */
#ifndef SENTIER_SYNC_THREAD_H
#define SENTIER_SYNC_THREAD_H

#include <stdbool.h>
#include <stdint.h>

struct sync_thread;

/* NULL: errno says why. */
struct sync_thread *sync_thread_new(int64_t delay_ms);
void sync_thread_free(struct sync_thread *t); /* after all that was handed over; NULL is fine */

/* fd was written to: it is synced about delay_ms from now, together with what comes until then. */
void sync_thread_written(struct sync_thread *t, int fd);

/* Syncs and closes fd; it belongs to the thread from here on. */
void sync_thread_take(struct sync_thread *t, int fd);

/* True once after a sync failed: the kernel may have dropped what was not on the disk. */
bool sync_thread_failed(struct sync_thread *t);

#endif
