/*
 * Threads, their loops and the only road between them.
 *
 * A loop is a thread's event_base with a mailbox.  msg_send() may be called
 * from any thread; the message's "run" is called on the thread that owns the
 * loop, in order of sending.  A msg is embedded in a larger struct, belongs
 * to the receiver from the moment it is sent, and usually travels back the
 * same way with another "run".
 */
#ifndef CONFIG_BASE_MBOX_H
#define CONFIG_BASE_MBOX_H

#include <stddef.h>

struct event_base;
struct loop;
struct msg;

typedef void (*msg_fn)(struct msg *);

struct msg {
	struct msg *next;
	msg_fn run;
};

/* The struct that holds this msg as its member. */
#define msg_of(ptr, type, member)                                              \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

struct loop *loop_new(const char *name); /* name: at most 15 characters */
/*
 * Take messages before all else that is ready: a snapshot that was sent before
 * a request came is there when the request is looked at.  For loops whose mail
 * answers what their sockets brought: where mail never ends, sockets and
 * timers wait for ever.  Before loop_start().
 */
void loop_mail_first(struct loop *);
struct event_base *loop_base(struct loop *);
/* The loop of the calling thread, while it runs; else NULL. */
struct loop *loop_self(void);

void loop_start(struct loop *); /* in a new thread */
void loop_run(struct loop *);   /* on the calling thread, until loop_stop */
/* Ask it to end after what is in its mailbox; any thread. */
void loop_stop(struct loop *);
void loop_join(struct loop *); /* wait for a started loop to end */
void loop_free(struct loop *); /* stopped and joined; undelivered are lost */

void msg_send(struct loop *, struct msg *, msg_fn run);
size_t loop_backlog(struct loop *); /* messages waiting, for metrics */

/*
 * Between the two, what this thread sends is in its box at once, but its
 * receiver is woken by wakes_go(): a woken thread may take the sender's core
 * before it has sent the rest.  Not to be nested; to be kept short.
 */
void wakes_hold(void);
void wakes_go(void);

/* Run fn once, after delay_ms, on the calling loop's thread. */
struct timer;
typedef void (*timer_fn)(void *arg);
struct timer *timer_new(struct loop *, timer_fn, void *arg);
void timer_set(struct timer *, long delay_ms); /* replaces the last setting */
void timer_clear(struct timer *);
void timer_free(struct timer *);

#endif
