#include "config/base/mbox.h"

#include "config/base/must.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOOP_MAGIC  0x4c4f4f50
#define TIMER_MAGIC 0x54494d45

struct loop {
	unsigned magic;
	char name[16];
	struct event_base *base;
	struct event *wake;
	int fd; /* eventfd: written by whoever fills an empty box */

	_Atomic(struct msg *) box; /* newest first */
	atomic_size_t backlog;

	struct msg stop_msg;
	atomic_bool stop_sent;
	bool stopping; /* the loop's thread alone */

	pthread_t thread;
	bool started;
};

static _Thread_local struct loop *self;

/* --- wake-ups held back ------------------------------------------------ */

#define HELD_MAX 8

/* The loops that this thread has yet to wake. */
static _Thread_local struct {
	bool on;
	unsigned n;
	struct loop *v[HELD_MAX];
} held;

static void
loop_wake(struct loop *l)
{
	static const uint64_t one = 1;

	while (write(l->fd, &one, sizeof(one)) == -1)
		must(errno == EINTR);
}

void
wakes_hold(void)
{
	must(!held.on);
	held.on = true;
}

void
wakes_go(void)
{
	unsigned i;

	must(held.on);
	held.on = false;
	for (i = 0; i < held.n; i++)
		loop_wake(held.v[i]);
	held.n = 0;
}

/* --- the mailbox ------------------------------------------------------ */

void
msg_send(struct loop *l, struct msg *m, msg_fn run)
{
	struct msg *head = atomic_load_explicit(&l->box, memory_order_relaxed);

	m->run = run;
	atomic_fetch_add_explicit(&l->backlog, 1, memory_order_relaxed);
	do {
		m->next = head;
	} while (!atomic_compare_exchange_weak_explicit(&l->box, &head, m,
	    memory_order_acq_rel, memory_order_relaxed));
	/* m is the receiver's now.  A box that was not empty has its wake-up
	 * under way already. */
	if (head != NULL)
		return;
	if (held.on && held.n < HELD_MAX)
		held.v[held.n++] = l;
	else
		loop_wake(l);
}

size_t
loop_backlog(struct loop *l)
{
	return atomic_load_explicit(&l->backlog, memory_order_relaxed);
}

/* Everything in the box, oldest first. */
static struct msg *
box_take(struct loop *l)
{
	struct msg *m =
	    atomic_exchange_explicit(&l->box, NULL, memory_order_acq_rel);
	struct msg *list = NULL, *next;

	for (; m != NULL; m = next) {
		next = m->next;
		m->next = list;
		list = m;
	}
	return list;
}

/*
 * The eventfd is read before the box is taken: a sender that finds the box
 * empty after that writes it again, so no message waits without a wake-up.
 */
static void
box_cb(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = obj_cast(arg, LOOP_MAGIC);
	struct msg *m, *next;
	uint64_t n;
	ssize_t got = read((int)fd, &n, sizeof(n));

	(void)what;
	must(got == (ssize_t)sizeof(n) || errno == EAGAIN || errno == EINTR);
	for (m = box_take(l); m != NULL; m = next) {
		next = m->next;
		atomic_fetch_sub_explicit(&l->backlog, 1, memory_order_relaxed);
		m->run(m);
	}
	if (l->stopping)
		must(event_base_loopbreak(l->base) == 0);
}

/* --- loops ------------------------------------------------------------ */

struct loop *
loop_new(const char *name)
{
	struct loop *l = xcalloc(1, sizeof(*l));
	size_t len = strlen(name);

	must(len < sizeof(l->name));
	memcpy(l->name, name, len);
	l->magic = LOOP_MAGIC;
	l->base = event_base_new();
	must(l->base != NULL && event_base_priority_init(l->base, 2) == 0);
	l->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	must(l->fd != -1);
	l->wake = event_new(l->base, l->fd, EV_READ | EV_PERSIST, box_cb, l);
	must(l->wake != NULL && event_add(l->wake, NULL) == 0);
	return l;
}

void
loop_mail_first(struct loop *l)
{
	must(event_del(l->wake) == 0 && event_priority_set(l->wake, 0) == 0 &&
	     event_add(l->wake, NULL) == 0);
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	must(!l->started);
	event_free(l->wake);
	event_base_free(l->base);
	close(l->fd);
	l->magic = 0;
	free(l);
}

struct event_base *
loop_base(struct loop *l)
{
	return l->base;
}

struct loop *
loop_self(void)
{
	return self;
}

void
loop_run(struct loop *l)
{
	struct loop *outer = self;

	self = l;
	must(event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY) == 0);
	must(l->stopping);
	l->stopping = false;
	atomic_store(&l->stop_sent, false);
	self = outer;
}

static void *
loop_main(void *arg)
{
	struct loop *l = obj_cast(arg, LOOP_MAGIC);

	pthread_setname_np(pthread_self(), l->name);
	loop_run(l);
	return NULL;
}

/* Signals are the main thread's: the new thread takes none. */
void
loop_start(struct loop *l)
{
	sigset_t all, old;

	must(!l->started);
	sigfillset(&all);
	must(pthread_sigmask(SIG_SETMASK, &all, &old) == 0);
	must(pthread_create(&l->thread, NULL, loop_main, l) == 0);
	must(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
	l->started = true;
}

static void
loop_stop_run(struct msg *m)
{
	msg_of(m, struct loop, stop_msg)->stopping = true;
}

void
loop_stop(struct loop *l)
{
	if (!atomic_exchange(&l->stop_sent, true))
		msg_send(l, &l->stop_msg, loop_stop_run);
}

void
loop_join(struct loop *l)
{
	if (!l->started)
		return;
	must(pthread_join(l->thread, NULL) == 0);
	l->started = false;
}

/* --- timers ----------------------------------------------------------- */

struct timer {
	unsigned magic;
	struct event *ev;
	timer_fn fn;
	void *arg;
};

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct timer *t = obj_cast(arg, TIMER_MAGIC);

	(void)fd;
	(void)what;
	t->fn(t->arg);
}

struct timer *
timer_new(struct loop *l, timer_fn fn, void *arg)
{
	struct timer *t = xcalloc(1, sizeof(*t));

	t->magic = TIMER_MAGIC;
	t->fn = fn;
	t->arg = arg;
	t->ev = evtimer_new(l->base, timer_cb, t);
	must(t->ev != NULL);
	return t;
}

void
timer_set(struct timer *t, long delay_ms)
{
	struct timeval tv;

	delay_ms = delay_ms < 0 ? 0 : delay_ms;
	tv.tv_sec = delay_ms / 1000;
	tv.tv_usec = delay_ms % 1000 * 1000;
	must(evtimer_add(t->ev, &tv) == 0);
}

void
timer_clear(struct timer *t)
{
	must(evtimer_del(t->ev) == 0);
}

void
timer_free(struct timer *t)
{
	if (t == NULL)
		return;
	event_free(t->ev);
	t->magic = 0;
	free(t);
}
