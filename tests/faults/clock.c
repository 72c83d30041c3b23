/*
 * Preloaded into a program it moves that program's wall clock by as many seconds as the file says
 * that CLOCK_STEP_FILE names (a number of 64 bits, mapped, so that a step is seen at once and by
 * all threads). Clocks that only run forward are not touched, nor is that of anybody else. Files
 * that are dated "now" get the moved time, as they would on a machine with a wrong clock.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *step;

__attribute__((constructor)) static void map_step(void)
{
    const char *file = getenv("CLOCK_STEP_FILE");
    int fd = file == NULL ? -1 : open(file, O_RDONLY | O_CLOEXEC);
    void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *step, PROT_READ, MAP_SHARED, fd, 0);
    if (fd >= 0) close(fd);
    if (p != MAP_FAILED) step = p;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
    int result = (int)syscall(SYS_clock_gettime, id, ts);
    bool wall = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE || id == CLOCK_TAI;
    if (result == 0 && wall && step != NULL) ts->tv_sec += *step;
    return result;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec ts;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &ts) != 0) return -1;
    *tv = (struct timeval){ts.tv_sec, ts.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *out)
{
    struct timespec ts;
    if (clock_gettime(CLOCK_REALTIME, &ts) != 0) return (time_t)-1;
    if (out != NULL) *out = ts.tv_sec;
    return ts.tv_sec;
}

int utimensat(int dir_fd, const char *path, const struct timespec times[2], int flags)
{
    struct timespec now[2];
    if (times == NULL) {
        clock_gettime(CLOCK_REALTIME, &now[0]);
        now[1] = now[0];
        times = now;
    }
    return (int)syscall(SYS_utimensat, dir_fd, path, times, flags);
}
