/*
 * Telling the service manager how we are: the datagrams of sd_notify(3),
 * without the library.  One thread.  Private to server/.
 */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

/*
 * Send "state" ("READY=1", lines) to $NOTIFY_SOCKET, a path or an abstract
 * name; nothing happens when there is none.
 */
void notify_send(const char *state);
/* "RELOADING=1" with the monotonic time Type=notify-reload asks for. */
void notify_reloading(void);
/* How often to send "WATCHDOG=1", in milliseconds: half of $WATCHDOG_USEC;
 * 0: no watchdog watches this process. */
long notify_watchdog_ms(void);

#endif
