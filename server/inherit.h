/*
 * Listening sockets that the service manager opened before it started us:
 * sd_listen_fds(3), without the library.  Main thread.  Private to server/.
 */
#ifndef SERVER_INHERIT_H
#define SERVER_INHERIT_H

#include <sys/socket.h>

/*
 * The inherited socket that listens at this very address, close-on-exec and
 * non-blocking from now on, or -1.  It stays open for as long as the process
 * lives, so that a reload may leave an address and come back to it.
 */
int inherit_find(const struct sockaddr *);

#endif
