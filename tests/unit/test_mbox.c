#include "config/base/mbox.h"

#include "config/base/must.h"

#include <check.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct note {
	struct msg msg;
	int number;
	int *seen;
	int *n;
	struct loop *home; /* where to go back to; NULL: stop here */
	struct loop *ran_on;
};

static void
note_run(struct msg *m)
{
	struct note *note = msg_of(m, struct note, msg);

	note->seen[(*note->n)++] = note->number;
}

START_TEST(test_messages_run_in_order_of_sending)
{
	struct loop *l = loop_new("order");
	struct note note[100];
	int seen[100], n = 0, i;

	for (i = 0; i < 100; i++) {
		note[i] = (struct note){ .number = i, .seen = seen, .n = &n };
		msg_send(l, &note[i].msg, note_run);
	}
	ck_assert_uint_eq(loop_backlog(l), 100);
	loop_stop(l);
	loop_run(l);
	ck_assert_int_eq(n, 100);
	for (i = 0; i < 100; i++)
		ck_assert_int_eq(seen[i], i);
	ck_assert_uint_eq(loop_backlog(l), 0);
	loop_free(l);
}
END_TEST

static void
back_run(struct msg *m)
{
	struct note *note = msg_of(m, struct note, msg);

	ck_assert_ptr_eq(loop_self(), note->home);
	loop_stop(note->home);
}

static void
there_run(struct msg *m)
{
	struct note *note = msg_of(m, struct note, msg);

	note->ran_on = loop_self();
	msg_send(note->home, m, back_run);
}

START_TEST(test_a_message_travels_to_another_thread_and_back)
{
	struct loop *here = loop_new("here"), *there = loop_new("there");
	struct note note = { .home = here };

	ck_assert_ptr_null(loop_self());
	loop_start(there);
	msg_send(there, &note.msg, there_run);
	loop_run(here);
	ck_assert_ptr_eq(note.ran_on, there);
	ck_assert_ptr_null(loop_self());
	loop_stop(there);
	loop_join(there);
	loop_free(there);
	loop_free(here);
}
END_TEST

#define MANY 10 /* more than one thread remembers to wake */

START_TEST(test_every_loop_is_woken_once_wakes_go)
{
	struct loop *l[MANY];
	struct note note[MANY][2];
	int seen[MANY][2], n[MANY] = { 0 }, i, k;

	for (i = 0; i < MANY; i++) {
		l[i] = loop_new("held");
		loop_start(l[i]);
	}
	wakes_hold();
	for (i = 0; i < MANY; i++) {
		for (k = 0; k < 2; k++) {
			note[i][k] = (struct note){ .number = k,
				.seen = seen[i],
				.n = &n[i] };
			msg_send(l[i], &note[i][k].msg, note_run);
		}
		loop_stop(l[i]);
	}
	wakes_go();
	/* One that was forgotten waits for ever. */
	for (i = 0; i < MANY; i++) {
		loop_join(l[i]);
		ck_assert_int_eq(n[i], 2);
		ck_assert_int_eq(seen[i][0], 0);
		ck_assert_int_eq(seen[i][1], 1);
		loop_free(l[i]);
	}
}
END_TEST

START_TEST(test_wakes_that_are_held_are_not_given)
{
	struct loop *l = loop_new("held");
	int seen[1], n = 0;
	struct note note = { .number = 7, .seen = seen, .n = &n };

	wakes_hold();
	msg_send(l, &note.msg, note_run);
	ck_assert_uint_eq(loop_backlog(l), 1);
	ck_assert_int_eq(event_base_loop(loop_base(l), EVLOOP_NONBLOCK), 0);
	ck_assert_int_eq(n, 0);
	wakes_go();
	ck_assert_int_eq(event_base_loop(loop_base(l), EVLOOP_NONBLOCK), 0);
	ck_assert_int_eq(n, 1);
	ck_assert_int_eq(seen[0], 7);
	loop_free(l);
}
END_TEST

#define SENDERS 4
#define EACH    2000

struct storm {
	struct loop *to;
	int last[SENDERS]; /* the receiver's alone */
	int n;
	struct drop {
		struct msg msg;
		struct storm *storm;
		int sender, number;
	} drop[SENDERS][EACH];
};

static void
drop_run(struct msg *m)
{
	struct drop *d = msg_of(m, struct drop, msg);
	struct storm *s = d->storm;

	ck_assert_int_eq(d->number, s->last[d->sender] + 1);
	s->last[d->sender] = d->number;
	if (++s->n == SENDERS * EACH)
		loop_stop(s->to);
}

static void *
storm_main(void *arg)
{
	struct drop *d = arg;
	int i;

	for (i = 0; i < EACH; i++)
		msg_send(d->storm->to, &d[i].msg, drop_run);
	return NULL;
}

START_TEST(test_no_message_is_lost_or_overtaken_when_many_send)
{
	struct storm *s = xcalloc(1, sizeof(*s));
	pthread_t thread[SENDERS];
	int i, k;

	s->to = loop_new("storm");
	for (i = 0; i < SENDERS; i++) {
		s->last[i] = -1;
		for (k = 0; k < EACH; k++) {
			s->drop[i][k].storm = s;
			s->drop[i][k].sender = i;
			s->drop[i][k].number = k;
		}
	}
	for (i = 0; i < SENDERS; i++) {
		ck_assert_int_eq(pthread_create(&thread[i], NULL, storm_main,
				     s->drop[i]),
		    0);
	}
	loop_run(s->to);
	for (i = 0; i < SENDERS; i++)
		ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
	ck_assert_int_eq(s->n, SENDERS * EACH);
	loop_free(s->to);
	free(s);
}
END_TEST

START_TEST(test_a_loop_runs_again_after_a_stop)
{
	struct loop *l = loop_new("again");
	struct note note;
	int seen[2], n = 0, i;

	for (i = 0; i < 2; i++) {
		note = (struct note){ .number = i, .seen = seen, .n = &n };
		msg_send(l, &note.msg, note_run);
		loop_stop(l);
		loop_stop(l); /* a second one changes nothing */
		loop_run(l);
		ck_assert_int_eq(n, i + 1);
	}
	loop_free(l);
}
END_TEST

struct ticks {
	struct loop *loop;
	struct timer *other;
	int seen[4], n;
};

static void
tick_early(void *arg)
{
	struct ticks *t = arg;

	t->seen[t->n++] = 1;
}

static void
tick_late(void *arg)
{
	struct ticks *t = arg;

	t->seen[t->n++] = 2;
	loop_stop(t->loop);
}

static void
tick_never(void *arg)
{
	(void)arg;
	ck_abort_msg("a cleared timer fired");
}

START_TEST(test_timers_fire_once_in_order_of_their_delay)
{
	struct ticks t = { .loop = loop_new("ticks") };
	struct timer *late = timer_new(t.loop, tick_late, &t);
	struct timer *early = timer_new(t.loop, tick_early, &t);
	struct timer *never = timer_new(t.loop, tick_never, &t);

	timer_set(late, 30);
	timer_set(early, 60000);
	timer_set(early, 1); /* the last setting is the one that counts */
	timer_set(never, -5);
	timer_clear(never);
	loop_run(t.loop);
	ck_assert_int_eq(t.n, 2);
	ck_assert_int_eq(t.seen[0], 1);
	ck_assert_int_eq(t.seen[1], 2);
	timer_free(early);
	timer_free(late);
	timer_free(never);
	timer_free(NULL);
	loop_free(t.loop);
	loop_free(NULL);
}
END_TEST

/* Mail that never ends: it asks for itself until the timer has fired. */
struct flood {
	struct msg msg;
	struct loop *loop;
	bool over;
};

static void
flood_run(struct msg *m)
{
	struct flood *f = msg_of(m, struct flood, msg);

	if (f->over)
		loop_stop(f->loop);
	else
		msg_send(f->loop, m, flood_run);
}

static void
flood_end(void *arg)
{
	struct flood *f = arg;

	f->over = true;
}

START_TEST(test_timers_run_between_messages_that_never_end)
{
	struct flood f = { .loop = loop_new("flood") };
	struct timer *t = timer_new(f.loop, flood_end, &f);

	timer_set(t, 1);
	msg_send(f.loop, &f.msg, flood_run);
	loop_run(f.loop);
	ck_assert(f.over);
	timer_free(t);
	loop_free(f.loop);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("mbox");
	TCase *tc = tcase_create("mbox");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, test_messages_run_in_order_of_sending);
	tcase_add_test(tc, test_a_message_travels_to_another_thread_and_back);
	tcase_add_test(tc, test_every_loop_is_woken_once_wakes_go);
	tcase_add_test(tc, test_wakes_that_are_held_are_not_given);
	tcase_add_test(tc, test_no_message_is_lost_or_overtaken_when_many_send);
	tcase_add_test(tc, test_a_loop_runs_again_after_a_stop);
	tcase_add_test(tc, test_timers_fire_once_in_order_of_their_delay);
	tcase_add_test(tc, test_timers_run_between_messages_that_never_end);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
