/* Loaded before PostgreSQL's libraries: every sync takes as many milliseconds longer as the file says that
 * EVERGRANT_SLOW_DISK names, and leaves a byte in the one beside it. A disk cannot be interrupted, and nor can this. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void spin(void)
{
    const char *path = getenv("EVERGRANT_SLOW_DISK");
    char text[16] = "", beside[4096];
    int before = errno, file;
    struct timespec left = {0, 0};

    if (!path)
        return;
    snprintf(beside, sizeof beside, "%s.syncs", path);
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        if (read(file, text, sizeof text - 1) > 0) {
            long milliseconds = strtol(text, NULL, 10);
            left.tv_sec = milliseconds / 1000;
            left.tv_nsec = milliseconds % 1000 * 1000000L;
        }
        close(file);
    }
    while (nanosleep(&left, &left) && errno == EINTR)
        ;
    file = open(beside, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (file >= 0) {
        if (write(file, ".", 1) < 0)
            abort();
        close(file);
    }
    errno = before;
}

int fsync(int file)
{
    spin();
    return (int)syscall(SYS_fsync, file);
}

int fdatasync(int file)
{
    spin();
    return (int)syscall(SYS_fdatasync, file);
}
