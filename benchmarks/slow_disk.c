/* A disk that takes longer to flush: each sync call waits SLOW_DISK_MS more. To be preloaded; see slow_disk.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static void wait_more(void)
{
    static long nanoseconds = -1;
    if (nanoseconds < 0) {
        const char *milliseconds = getenv("SLOW_DISK_MS");
        nanoseconds = milliseconds ? (long)(atof(milliseconds) * 1e6) : 0;
    }
    struct timespec left = {nanoseconds / 1000000000L, nanoseconds % 1000000000L};
    while (nanosleep(&left, &left) != 0) {
    }
}

#define SLOWED(name)                                \
    int name(int descriptor)                        \
    {                                               \
        static int (*unslowed)(int);                \
        if (!unslowed)                              \
            unslowed = dlsym(RTLD_NEXT, #name);     \
        wait_more();                                \
        return unslowed(descriptor);                \
    }

SLOWED(fsync)
SLOWED(fdatasync)
SLOWED(syncfs)
