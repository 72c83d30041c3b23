/*
 * One thread per journal, fed through a pipe: the pipe is the queue, so there is no lock. A first
 * write after quiet posts one job; the thread lets delay_ms pass, opens the gate for the next post
 * and only then syncs, so every write is followed by a sync that began after it. A segment that is
 * handed over (take) is synced at once and closed in the order of the queue: no descriptor is
 * closed while a sync of it is under way.
 */
#include "sync_thread.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct job {
    int fd;
    bool take;
};

struct sync_thread {
    pthread_t thread;
    int in, out; /* write end of the journal, read end of the thread */
    int delay_ms;
    _Atomic bool posted; /* a sync is to come that will cover writes made now */
    _Atomic bool failed;
};

static void sync_fd(struct sync_thread *t, int fd)
{
    if (fdatasync(fd) != 0) atomic_store(&t->failed, true);
}

static void *run(void *arg)
{
    struct sync_thread *t = arg;
    struct job job;
    while (read(t->out, &job, sizeof job) == (ssize_t)sizeof job) {
        if (job.take) {
            sync_fd(t, job.fd);
            close(job.fd);
            continue;
        }
        struct pollfd more = {.fd = t->out, .events = POLLIN};
        poll(&more, 1, t->delay_ms); /* a take, or the end, cuts the wait short */
        atomic_store(&t->posted, false);
        sync_fd(t, job.fd);
    }
    return NULL;
}

/* Signals are for the threads that wait for them. */
static int start(struct sync_thread *t)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(&t->thread, NULL, run, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = err;
    return err == 0 ? 0 : -1;
}

struct sync_thread *sync_thread_new(int64_t delay_ms)
{
    struct sync_thread *t = calloc(1, sizeof *t);
    int ends[2];
    if (t == NULL) return NULL;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        free(t);
        return NULL;
    }
    *t = (struct sync_thread){.out = ends[0], .in = ends[1], .delay_ms = (int)delay_ms};
    if (start(t) == 0) return t;
    close(t->in);
    close(t->out);
    free(t);
    return NULL;
}

static void post(struct sync_thread *t, struct job job)
{
    ssize_t n = write(t->in, &job, sizeof job);
    assert(n == (ssize_t)sizeof job); /* blocking, and smaller than PIPE_BUF */
    (void)n;
}

void sync_thread_written(struct sync_thread *t, int fd)
{
    if (!atomic_exchange(&t->posted, true)) post(t, (struct job){.fd = fd});
}

void sync_thread_take(struct sync_thread *t, int fd)
{
    atomic_store(&t->posted, false); /* what was posted is for fd; the next segment posts its own */
    post(t, (struct job){.fd = fd, .take = true});
}

bool sync_thread_failed(struct sync_thread *t)
{
    return atomic_load_explicit(&t->failed, memory_order_relaxed) &&
           atomic_exchange(&t->failed, false);
}

void sync_thread_free(struct sync_thread *t)
{
    if (t == NULL) return;
    close(t->in); /* the thread works off the queue and ends */
    pthread_join(t->thread, NULL);
    close(t->out);
    free(t);
}
