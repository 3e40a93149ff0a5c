/*
 * The running daemon: configuration, storage, upstream and server started in
 * that order on the main thread, which then waits for signals and takes all
 * of it down again in the opposite order.
 *
 *   SIGHUP           read the configuration again; a bad one is refused
 *   SIGTERM, SIGINT  stop accepting, finish what is in flight, leave; a
 *                    second one ends the process at once
 */
#ifndef SERVER_DAEMON_H
#define SERVER_DAEMON_H

#include "config/config.h"

#define DAEMON_CONFIG "/etc/larder/larder.json"

/*
 * The configuration to start with.  "path" NULL means DAEMON_CONFIG, or the
 * built-in defaults when that file is absent.  *out is the caller's.
 */
enum err daemon_config(const char *path, struct config **out,
    struct why *) MUST_CHECK;

/* Run until told to end: the exit status. */
int daemon_run(const char *path);

#endif
