/*
 * Files whose content matters while we run, the keys and certificates of TLS:
 * have they changed?  By stat(2), which follows the links that Kubernetes and
 * ACME clients swap, and sees files on every kind of file system.  One thread.
 * Private to server/.
 */
#ifndef SERVER_WATCH_H
#define SERVER_WATCH_H

#include "config/config.h"

struct watch;

/* Remember how the files of this configuration are now. */
struct watch *watch_new(const struct config *);
void watch_free(struct watch *); /* NULL is fine */
/* Some file is not as it was at the last call, or at the first. */
bool watch_changed(struct watch *);

#endif
