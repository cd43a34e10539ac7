/* Without the C library's own declaration, whose parameter is a GNU union. */
#undef _GNU_SOURCE
#define _DEFAULT_SOURCE
#include "server/front/accept4.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Several, as another thread may be quicker to take a descriptor that was just given up. */
enum { SPARES = 8 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static int spares[SPARES];
static int spare_count;

static void fill_spares(void)
{
    while (spare_count < SPARES) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return;
        spares[spare_count++] = fd;
    }
}

enum err accept4_reserve(void)
{
    pthread_mutex_lock(&lock);
    fill_spares();
    int count = spare_count;
    pthread_mutex_unlock(&lock);
    return count ? ERR_OK : ERR_SYSTEM;
}

static int system_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    return (int)syscall(SYS_accept4, fd, address, length, flags);
}

/* Turns away whoever waits. The listener is watched by edges: whoever were left waiting would be heard of
 * only when the next one comes. */
static void turn_away(int fd)
{
    pthread_mutex_lock(&lock);
    for (;;) {
        int refused = system_accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (refused >= 0)
            close(refused);
        else if ((errno == EMFILE || errno == ENFILE) && spare_count)
            close(spares[--spare_count]);
        else if (errno != EINTR && errno != ECONNABORTED)
            break;
    }
    fill_spares();
    pthread_mutex_unlock(&lock);
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    for (;;) {
        int accepted = system_accept4(fd, address, length, flags);
        if (accepted >= 0)
            return accepted;
        switch (errno) {
        case ECONNABORTED: /* that one is gone; see to the next */
        case EINTR:
            continue;
        case EMFILE:
        case ENFILE:
            turn_away(fd);
            errno = EAGAIN;
            return -1;
        case ENOMEM:
        case ENOBUFS:
            errno = EAGAIN;
            return -1;
        default:
            return -1;
        }
    }
}
