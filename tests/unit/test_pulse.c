/* A loop that no longer turns is noticed, and one that turns again. */
#include "config/base/mbox.h"
#include "config/base/must.h"
#include "server/pulse.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

struct block {
	struct msg msg;
	pthread_mutex_t *mu;
	atomic_bool there;
};

static void
block_run(struct msg *m)
{
	struct block *b = msg_of(m, struct block, msg);

	atomic_store(&b->there, true);
	must(pthread_mutex_lock(b->mu) == 0);
	must(pthread_mutex_unlock(b->mu) == 0);
}

/* Soon after all loops turn; Check's time-out ends a wait in vain. */
static void
expect_beat(struct pulse *p)
{
	while (!pulse_beat(p))
		sched_yield();
}

START_TEST(test_a_loop_that_stands_still_is_noticed)
{
	pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
	struct loop *loop[3];
	struct block block = { .mu = &mu };
	struct pulse *p = pulse_new();
	int i;

	for (i = 0; i < 3; i++) {
		loop[i] = loop_new("pulse");
		pulse_watch(p, loop[i]);
		loop_start(loop[i]);
	}
	/* Nothing has been asked yet. */
	ck_assert(pulse_beat(p));
	expect_beat(p);
	expect_beat(p);

	must(pthread_mutex_lock(&mu) == 0);
	msg_send(loop[1], &block.msg, block_run);
	while (!atomic_load(&block.there))
		sched_yield();
	/* What was sent before has been answered; what is sent now is not. */
	(void)pulse_beat(p);
	for (i = 0; i < 1000; i++)
		ck_assert(!pulse_beat(p));
	must(pthread_mutex_unlock(&mu) == 0);
	expect_beat(p);

	for (i = 0; i < 3; i++) {
		loop_stop(loop[i]);
		loop_join(loop[i]);
		loop_free(loop[i]);
	}
	pulse_free(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pulse");
	TCase *tc = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_a_loop_that_stands_still_is_noticed);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
