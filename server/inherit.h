/*
 * Listening sockets that the service manager opened before it started us:
 * sd_listen_fds(3), without the library.  Main thread.  Private to server/.
 */
#ifndef SERVER_INHERIT_H
#define SERVER_INHERIT_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * The inherited socket that listens at this very address, close-on-exec and
 * non-blocking from now on, or -1.  It stays open for as long as the process
 * lives, so that a reload may leave an address and come back to it.
 */
int inherit_find(const struct sockaddr *);

/*
 * The next one from *fd on (0: the first) that inherit_find() never gave, as a
 * text to be looked for in unit and settings: its address, or what it is
 * instead of a listening socket.  False: there are no more.
 */
bool inherit_unused(int *fd, char *text, size_t len);

#endif
