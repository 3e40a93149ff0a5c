/* The wire that is a socket. */
#include "server/edge.h"

#include "config/base/must.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t
socket_recv(struct conn *c, void *p, size_t len)
{
	return recv(c->fd, p, len, 0);
}

static ssize_t
socket_sendv(struct conn *c, struct iovec *iov, int n)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = (size_t)n };

	return sendmsg(c->fd, &m, MSG_NOSIGNAL);
}

static void
readable_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	conn_event(arg, CONN_READABLE);
}

static void
writable_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	conn_event(arg, CONN_WRITABLE);
}

static void
event_switch(struct conn *c, struct event *ev, short what, event_callback_fn fn,
    bool on)
{
	if (!event_initialized(ev))
		must(event_assign(ev, loop_base(c->worker->loop), c->fd,
			 (short)(what | EV_PERSIST), fn, c) == 0);
	if (on)
		must(event_add(ev, NULL) == 0);
	else
		event_del(ev);
}

static void
socket_watch(struct conn *c, unsigned what)
{
	unsigned change = what ^ c->watching;

	if (change == 0)
		return;
	if (change & WATCH_READ)
		event_switch(c, &c->ev_read, EV_READ, readable_cb,
		    what & WATCH_READ);
	if (change & WATCH_WRITE)
		event_switch(c, &c->ev_write, EV_WRITE, writable_cb,
		    what & WATCH_WRITE);
	c->watching = what;
}

static void
socket_shut(struct conn *c)
{
	(void)shutdown(c->fd, SHUT_WR);
}

static void
socket_close(struct conn *c)
{
	socket_watch(c, 0);
	close(c->fd);
	c->fd = -1;
}

const struct wire wire_socket = {
	.recv = socket_recv,
	.sendv = socket_sendv,
	.watch = socket_watch,
	.shut = socket_shut,
	.close = socket_close,
};
