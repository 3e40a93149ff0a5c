/*
 * Trails: all of a set has one number, in whatever order its parts are asked
 * for, and a source gets one set after the other.
 */
#include "server/trail.h"

#include "config/base/must.h"
#include "tests/kit/run.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOW INT64_C(1800000000000)

static struct trail *t;
static int64_t now; /* ms */

static uint64_t
name(const char *peer)
{
	return trail_name(t, peer, 0, TEE_SGX, false);
}

/* --- asking ----------------------------------------------------------- */

#define TCB 't'
#define QE  'q'
#define QVE 'v'

static struct trail_ask
question(const char *peer, char kind, uint32_t number)
{
	return (struct trail_ask){ .name = name(peer),
		.kind = kind == TCB  ? TRAIL_TCB
			: kind == QE ? TRAIL_QE
				     : TRAIL_QVE,
		.number = number,
		.wait = true,
		.now_ms = now };
}

/* What it is given while the rule says "number"; 0: it has to wait. */
static uint32_t
ask(const char *peer, char kind, uint32_t number)
{
	struct trail_ask q = question(peer, kind, number);
	uint32_t got = 0;

	return trail_ask(t, &q, &got) == TRAIL_WAITS ? 0 : got;
}

/* The same, having waited long enough. */
static uint32_t
insist(const char *peer, char kind, uint32_t number)
{
	struct trail_ask q = question(peer, kind, number);
	uint32_t got = 0;

	q.wait = false;
	ck_assert_int_ne(trail_ask(t, &q, &got), TRAIL_WAITS);
	return got;
}

/* A set in this order, all of it of the rule's number. */
static void
expect_set(const char *peer, const char *order, uint32_t number)
{
	for (; *order != '\0'; order++)
		ck_assert_msg(ask(peer, *order, number) == number,
		    "%s: %c of %u", peer, *order, number);
}

/* The rule changes behind the first request, and the set goes on. */
static void
expect_straddled(const char *peer, const char *order, uint32_t from,
    uint32_t to)
{
	uint32_t got;

	ck_assert_uint_eq(ask(peer, order[0], from), from);
	for (order++; *order != '\0'; order++) {
		got = ask(peer, *order, to);
		ck_assert_msg(got == from, "%s: %c is of %u, not %u", peer,
		    *order, got, from);
	}
}

/* --- orders ----------------------------------------------------------- */

static const char *const orders[] = { "tq", "qt", "tqv", "tvq", "qtv", "qvt",
	"vtq", "vqt" };
#define ORDERS (int)(sizeof(orders) / sizeof(orders[0]))

START_TEST(test_a_set_is_whole_in_any_order)
{
	const char *order = orders[_i];
	int i;

	/* Without a pause it stays so, whatever the rule does. */
	for (i = 0; i < 5; i++) {
		now += TRAIL_OPEN_MS; /* nobody is waited for */
		expect_straddled(order, order, 17, 18);
		now += TRAIL_OPEN_MS;
		expect_straddled(order, order, 18, 17);
		now += TRAIL_OPEN_MS;
		expect_set(order, order, 17);
	}
	/* Others have their own. */
	ck_assert_uint_eq(ask("b", QE, 19), 19);
}
END_TEST

START_TEST(test_a_set_goes_on_for_a_minute)
{
	const char *order = orders[_i];

	ck_assert_uint_eq(ask("a", order[0], 17), 17);
	now += TRAIL_MS;
	ck_assert_uint_eq(ask("a", order[1], 18), 17);
	now = NOW + 1000000;
	ck_assert_uint_eq(ask("a", order[0], 17), 17);
	now += TRAIL_MS + 1;
	ck_assert_uint_eq(ask("a", order[1], 18), 18);
	ck_assert_uint_eq(trail_number(t, name("a"), now), 18);
	ck_assert_uint_eq(trail_number(t, name("a"), now + TRAIL_MS + 1), 0);
	/* A clock that went back for long says nothing. */
	ck_assert_uint_eq(trail_number(t, name("a"), now - TRAIL_MS), 18);
	ck_assert_uint_eq(trail_number(t, name("a"), now - TRAIL_MS - 1), 0);
}
END_TEST

/* --- one set after the other ------------------------------------------ */

START_TEST(test_a_second_number_waits_for_the_rest_of_the_first)
{
	const char *order = orders[_i], *p;

	/* Two sets are open at once, then the rule moves. */
	expect_set("a", order, 17);
	ck_assert_uint_eq(ask("a", order[0], 17), 17);
	ck_assert_uint_eq(ask("a", order[0], 17), 17);
	for (p = order + 1; *p != '\0'; p++) {
		ck_assert_uint_eq(ask("a", order[0], 18), 0);
		ck_assert_uint_eq(ask("a", *p, 18), 17);
		ck_assert_uint_eq(ask("a", order[0], 18), 0);
		ck_assert_uint_eq(ask("a", *p, 18), 17);
	}
	/* Not for a QvE identity that never came, more than once. */
	if (strchr(order, QVE) == NULL)
		ck_assert_uint_eq(insist("a", order[0], 18), 18);
	else
		ck_assert_uint_eq(ask("a", order[0], 18), 18);
	ck_assert_uint_eq(ask("a", order[1], 17), 18);
}
END_TEST

START_TEST(test_nobody_waits_for_ever)
{
	const char *order = orders[_i];

	ck_assert_uint_eq(ask("a", order[0], 17), 17);
	now += TRAIL_QVE_MS - 1;
	ck_assert_uint_eq(ask("a", order[0], 18), 0);
	now += TRAIL_OPEN_MS - TRAIL_QVE_MS;
	ck_assert_uint_eq(ask("a", order[0], 18), 0);
	now++;
	ck_assert_uint_eq(ask("a", order[0], 18), 18);
	ck_assert_uint_eq(ask("a", order[0], 17), 0);
	ck_assert_uint_eq(insist("a", order[0], 17), 17);
	ck_assert_uint_eq(ask("a", order[1], 18), 17);
}
END_TEST

/* Who goes on with the number that is open lets the other have his turn. */
START_TEST(test_in_turn)
{
	expect_set("a", "tqv", 17);
	ck_assert_uint_eq(ask("a", TCB, 17), 17);
	ck_assert_uint_eq(ask("a", TCB, 18), 0);
	ck_assert_uint_eq(ask("a", TCB, 17), 0);
	ck_assert_uint_eq(ask("a", TCB, 19), 0);
	ck_assert_uint_eq(ask("a", QE, 17), 17);
	ck_assert_uint_eq(ask("a", QVE, 17), 17);
	/* The set is over: it is 18's turn and not 17's. */
	ck_assert_uint_eq(ask("a", TCB, 17), 0);
	ck_assert_uint_eq(ask("a", TCB, 18), 18);
	ck_assert_uint_eq(ask("a", TCB, 19), 0);
	ck_assert_uint_eq(ask("a", QE, 17), 18);
	ck_assert_uint_eq(ask("a", QVE, 17), 18);
	ck_assert_uint_eq(ask("a", TCB, 19), 19);
	/* Whoever waited and is gone holds nobody for long. */
	ck_assert_uint_eq(ask("a", TCB, 17), 0);
	ck_assert_uint_eq(ask("a", QE, 17), 19);
	ck_assert_uint_eq(ask("a", TCB, 19), 0);
	now += TRAIL_OPEN_MS;
	ck_assert_uint_eq(ask("a", TCB, 19), 19);
	ck_assert_uint_eq(ask("a", TCB, 17), 0);
	ck_assert_uint_eq(ask("a", TCB, 19), 0);
	ck_assert_uint_eq(insist("a", TCB, 19), 19);
	ck_assert_uint_eq(ask("a", TCB, 19), 19);
}
END_TEST

/* The rule went back while it waited: there is nothing to wait for. */
START_TEST(test_a_turn_that_nobody_wants)
{
	struct trail_ask q;
	uint32_t got;

	ck_assert_uint_eq(ask("a", TCB, 17), 17);
	ck_assert_uint_eq(ask("a", TCB, 18), 0);
	ck_assert_uint_eq(ask("a", TCB, 17), 0);
	q = question("a", TCB, 17);
	q.turn = 18;
	ck_assert_int_eq(trail_ask(t, &q, &got), TRAIL_OPENS);
	ck_assert_uint_eq(ask("a", TCB, 17), 17);
	/* It is another's. */
	ck_assert_uint_eq(ask("a", TCB, 19), 0);
	ck_assert_int_eq(trail_ask(t, &q, &got), TRAIL_WAITS);
	/* One that is not kept is nobody's. */
	ck_assert_uint_eq(ask("b", TCB, 17), 17);
	ck_assert_uint_eq(ask("b", TCB, 65536), 65536);
	ck_assert_uint_eq(ask("b", TCB, 17), 17);
}
END_TEST

/* --- QvE's identity --------------------------------------------------- */

/* Nothing is known of the source: once it is waited for. */
START_TEST(test_qve_is_waited_for_once)
{
	ck_assert_uint_eq(ask("a", TCB, 17), 17);
	ck_assert_uint_eq(ask("a", QE, 17), 17);
	ck_assert_uint_eq(ask("a", TCB, 18), 0);
	ck_assert_uint_eq(ask("a", QVE, 18), 17);
	ck_assert_uint_eq(ask("a", TCB, 18), 18);
	/* It comes never. */
	expect_set("b", "tq", 17);
	ck_assert_uint_eq(ask("b", TCB, 18), 0);
	ck_assert_uint_eq(insist("b", TCB, 18), 18);
	ck_assert_uint_eq(ask("b", QE, 18), 18);
	expect_set("b", "tqtqtq", 17);
	expect_set("b", "tq", 18);
}
END_TEST

START_TEST(test_qve_that_came_is_waited_for_some_times)
{
	uint32_t from = 17, to = 18, i;

	expect_set("a", "tqv", from);
	for (i = 0; i < 4; i++) {
		expect_set("a", "tq", from);
		ck_assert_uint_eq(ask("a", TCB, to), 0);
		ck_assert_uint_eq(insist("a", TCB, to), to);
		ck_assert_uint_eq(ask("a", QE, from), to);
		from = to;
		to = 35 - from;
	}
	expect_set("a", "tq", 18);
	expect_set("a", "tq", 17);
	/* And from its next on again. */
	expect_set("a", "tqv", 17);
	expect_set("a", "tq", 17);
	ck_assert_uint_eq(ask("a", TCB, 18), 0);
}
END_TEST

/* What is missing besides says nothing of it. */
START_TEST(test_patience_is_with_qve_alone)
{
	ck_assert_uint_eq(ask("a", TCB, 17), 17);
	ck_assert_uint_eq(insist("a", TCB, 18), 18);
	ck_assert_uint_eq(ask("a", QE, 18), 18);
	ck_assert_uint_eq(ask("a", TCB, 17), 0);
	ck_assert_uint_eq(ask("a", QVE, 17), 18);
	ck_assert_uint_eq(ask("a", TCB, 17), 17);
}
END_TEST

/* For TDX it is asked for as SGX's. */
START_TEST(test_qve_goes_with_the_set_that_owes_it)
{
	uint64_t sgx = name("a"), tdx;
	struct trail_ask q = question("a", TCB, 17);
	uint32_t got;

	tdx = trail_name(t, "a", 0, TEE_TDX, false);
	ck_assert(!trail_qve_is_of(t, sgx, tdx, now));
	q.name = tdx;
	ck_assert_int_eq(trail_ask(t, &q, &got), TRAIL_OPENS);
	ck_assert(trail_qve_is_of(t, sgx, tdx, now));
	ck_assert(!trail_qve_is_of(t, sgx, tdx, now + TRAIL_MS + 1));
	expect_set("a", "tq", 17);
	ck_assert(!trail_qve_is_of(t, sgx, tdx, now));
	expect_set("a", "v", 17);
	ck_assert(trail_qve_is_of(t, sgx, tdx, now));
	/* Both do: the one that was seen last. */
	expect_set("a", "t", 17);
	q.now_ms = ++now;
	ck_assert_int_eq(trail_ask(t, &q, &got), TRAIL_OPENS);
	ck_assert(trail_qve_is_of(t, sgx, tdx, now));
	q.kind = TRAIL_QVE;
	ck_assert_int_eq(trail_ask(t, &q, &got), TRAIL_FOLLOWS);
	ck_assert_int_eq(trail_ask(t, &q, &got), TRAIL_FOLLOWS);
	ck_assert(!trail_qve_is_of(t, sgx, tdx, now));
}
END_TEST

/* --- which kind opens ------------------------------------------------- */

/* Somebody asks for an identity alone, then clients that begin with TCB infos:
 * of two at one time there is one that no set owes. */
START_TEST(test_a_tcb_info_that_nobody_owes_opens)
{
	ck_assert_uint_eq(ask("a", QE, 17), 17);
	ck_assert_uint_eq(ask("a", TCB, 17), 17);
	ck_assert_uint_eq(ask("a", TCB, 17), 17);
	ck_assert_uint_eq(ask("a", QE, 17), 17);
	ck_assert_uint_eq(ask("a", QE, 17), 17);
	expect_straddled("a", "tq", 17, 18);
	now += TRAIL_OPEN_MS;
	expect_straddled("a", "tq", 18, 17);
}
END_TEST

/* Somebody has asked in the usual order, and now comes in another: from what no
 * set owes it is seen at once. */
START_TEST(test_another_order_behind_a_whole_set)
{
	const char *order = orders[_i];
	int i;

	expect_set("a", "tqvtqv", 17);
	for (i = 0; i < 3; i++) {
		expect_straddled("a", order, 17, 18);
		now += TRAIL_OPEN_MS;
		expect_straddled("a", order, 18, 17);
		now += TRAIL_OPEN_MS;
	}
}
END_TEST

/* The TCB info comes later than that: it may be of a set of either order. */
START_TEST(test_an_identity_once_more)
{
	expect_set("a", "tqv", 17);
	ck_assert_uint_eq(ask("a", QE, 18), 17);
	now += TRAIL_PAUSE_MS;
	ck_assert_uint_eq(ask("a", TCB, 18), 17);
	ck_assert_uint_eq(ask("a", QE, 18), 17);
	ck_assert_uint_eq(ask("a", QVE, 18), 17);
	expect_straddled("a", "tqv", 18, 17);
	now += TRAIL_OPEN_MS;
	expect_straddled("a", "tqv", 17, 18);
}
END_TEST

/* One client alone: its pauses are between its sets. */
START_TEST(test_pauses_tell_what_opens)
{
	static const char *const first[] = { "q", "v", "t", "v" };
	static const char *const order[] = { "tq", "tqv", "qt", "qt" };
	int i;

	expect_set("a", first[_i], 17);
	for (i = 0; i < 4; i++) {
		now += TRAIL_PAUSE_MS;
		expect_set("a", order[_i], 17);
	}
	now += TRAIL_PAUSE_MS + 1;
	for (i = 0; i < 3; i++) {
		expect_straddled("a", order[_i], 17, 18);
		now += TRAIL_OPEN_MS;
		expect_straddled("a", order[_i], 18, 17);
		now += TRAIL_OPEN_MS;
	}
}
END_TEST

/* A slow client is not taken for another one at once. */
START_TEST(test_one_pause_in_the_middle_tells_nothing)
{
	const char *order = orders[_i];
	int i;

	for (i = 0; i < 4; i++) {
		ck_assert_uint_eq(ask("a", order[0], 17), 17);
		now += TRAIL_PAUSE_MS;
		ck_assert_uint_eq(ask("a", order[1], 18), 17);
		if (order[2] != '\0')
			ck_assert_uint_eq(ask("a", order[2], 18), 17);
		now++;
		expect_set("a", order, 17);
	}
}
END_TEST

/* --- FMSPCs with rules of their own ----------------------------------- */

START_TEST(test_identity_first_of_an_fmspc)
{
	struct trail_ask q = question("a", QE, 17);
	char fmspc[13] = "";
	uint32_t got;

	ck_assert(!trail_fmspc(t, q.name, fmspc));
	ck_assert_int_eq(trail_ask(t, &q, &got), TRAIL_OPENS);
	ck_assert(!trail_fmspc(t, q.name, fmspc));
	/* By another rule than was thought. */
	q = question("a", TCB, 18);
	q.apart = true;
	memcpy(q.fmspc, "90C06F000000", 13);
	ck_assert_int_eq(trail_ask(t, &q, &got), TRAIL_FOLLOWS);
	ck_assert_uint_eq(got, 18);
	ck_assert(trail_fmspc(t, q.name, fmspc));
	ck_assert_str_eq(fmspc, "90C06F000000");
	/* What is left of the set goes with that. */
	ck_assert_uint_eq(ask("a", QVE, 17), 18);
	/* It is known for as long as the source. */
	now += 100 * TRAIL_MS;
	expect_set("a", "qt", 18);
	memset(fmspc, 0, sizeof(fmspc));
	ck_assert(trail_fmspc(t, q.name, fmspc));
	ck_assert_str_eq(fmspc, "90C06F000000");
	ck_assert(!trail_fmspc(t, name("b"), fmspc));
}
END_TEST

/* --- what was not given after all ------------------------------------- */

START_TEST(test_a_request_that_failed)
{
	/* The set was never opened. */
	expect_set("a", "t", 17);
	trail_undo(t, name("a"), TRAIL_TCB, TRAIL_OPENS);
	ck_assert_uint_eq(ask("a", TCB, 18), 18);
	/* The identity is still to come. */
	ck_assert_uint_eq(ask("a", QE, 18), 18);
	trail_undo(t, name("a"), TRAIL_QE, TRAIL_FOLLOWS);
	ck_assert_uint_eq(ask("a", TCB, 17), 0);
	/* So is the TCB info, whose second request opens nothing. */
	expect_set("b", "qt", 17);
	trail_undo(t, name("b"), TRAIL_TCB, TRAIL_FOLLOWS);
	ck_assert_uint_eq(ask("b", TCB, 18), 17);
	/* Of whom nothing is known there is nothing to take back. */
	trail_undo(t, name("c"), TRAIL_QE, TRAIL_FOLLOWS);
	ck_assert_uint_eq(trail_number(t, name("c"), now), 0);
}
END_TEST

START_TEST(test_another_number_than_was_named)
{
	const char *order = orders[_i];

	/* It was not known before. */
	ck_assert_uint_eq(ask("a", order[0], 0), 0);
	ck_assert_uint_eq(ask("a", order[1], 0), 0);
	trail_correct(t, name("a"), 0, 17);
	ck_assert_uint_eq(trail_number(t, name("a"), now), 17);
	/* Intel has moved on. */
	now += TRAIL_OPEN_MS;
	ck_assert_uint_eq(ask("a", order[0], 17), 17);
	trail_correct(t, name("a"), 17, 18);
	ck_assert_uint_eq(ask("a", order[1], 17), 18);
	/* The set that this was of is no longer the last. */
	trail_correct(t, name("a"), 17, 19);
	trail_correct(t, name("b"), 0, 19);
	ck_assert_uint_eq(trail_number(t, name("a"), now), 18);
	ck_assert_uint_eq(trail_number(t, name("b"), now), 0);
}
END_TEST

/* --- bounds ----------------------------------------------------------- */

START_TEST(test_who_where_and_what_for)
{
	const uint64_t names[] = { name("10.0.0.1"),
		trail_name(t, "10.0.0.2", 0, TEE_SGX, false),
		trail_name(t, "10.0.0.1", 1, TEE_SGX, false),
		trail_name(t, "10.0.0.1", 0, TEE_TDX, false),
		trail_name(t, "10.0.0.1", 0, TEE_SGX, true) };
	size_t i, n = sizeof(names) / sizeof(names[0]);
	struct trail_ask q = question("", TCB, 0);
	uint32_t got;

	for (i = 0; i < n; i++) {
		q.name = names[i];
		q.number = (uint32_t)(20 + i);
		ck_assert_int_eq(trail_ask(t, &q, &got), TRAIL_OPENS);
	}
	for (i = 0; i < n; i++)
		ck_assert_uint_eq(trail_number(t, names[i], now), 20 + i);
}
END_TEST

/* The oldest give way; whoever is forgotten gets no wrong number. */
START_TEST(test_many_sources)
{
	unsigned i, wrong = 0, kept = 0;
	char peer[32];
	uint32_t n;

	for (i = 0; i < 100000; i++) {
		snprintf(peer, sizeof(peer), "10.%u.%u.%u", i >> 16,
		    (i >> 8) & 255, i & 255);
		wrong += ask(peer, TCB, 17 + i % 2) != 17 + i % 2;
		wrong += ask(peer, QE, 18 - i % 2) != 17 + i % 2;
	}
	for (i = 0; i < 100000; i++) {
		snprintf(peer, sizeof(peer), "10.%u.%u.%u", i >> 16,
		    (i >> 8) & 255, i & 255);
		n = trail_number(t, name(peer), now);
		kept += n != 0;
		wrong += n != 0 && n != 17 + i % 2;
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_ge(kept, 10000);
}
END_TEST

START_TEST(test_numbers_too_large_are_not_kept)
{
	ck_assert_uint_eq(ask("a", TCB, 65536), 65536);
	ck_assert_uint_eq(trail_number(t, name("a"), now), 0);
	trail_correct(t, name("a"), 65536, 65537);
	ck_assert_uint_eq(trail_number(t, name("a"), now), 0);
	ck_assert_uint_eq(ask("a", TCB, 65535), 65535);
	ck_assert_uint_eq(ask("a", QE, 1), 65535);
}
END_TEST

START_TEST(test_counts_saturate)
{
	int i;

	for (i = 0; i < 1000; i++)
		ck_assert_uint_eq(ask("a", TCB, 17), 17);
	ck_assert_uint_eq(ask("a", TCB, 18), 0);
	for (i = 0; i < 255; i++)
		ck_assert_uint_eq(ask("a", QE, 18), 17);
	ck_assert_uint_eq(ask("a", TCB, 18), 0);
	for (i = 0; i < 255; i++)
		ck_assert_uint_eq(ask("a", QVE, 18), 17);
	ck_assert_uint_eq(ask("a", TCB, 18), 18);
	/* Nothing is owed, and nothing becomes more than all. */
	for (i = 0; i < 1000; i++)
		ck_assert_uint_eq(ask("a", QE, 17), 18);
	now += TRAIL_OPEN_MS;
	ck_assert_uint_eq(ask("a", TCB, 17), 18);
	ck_assert_uint_eq(ask("a", QE, 17), 18);
	expect_set("a", "v", 18);
	ck_assert_uint_eq(ask("a", QVE, 17), 18);
}
END_TEST

/* --- the file --------------------------------------------------------- */

static const char *path;

static void
again(void)
{
	trail_free(t);
	t = trail_new(path);
}

static void
file_begin(void)
{
	path = run_path("larder.db-trail");
	unlink(path);
	again();
}

START_TEST(test_a_file_keeps_it)
{
	struct stat st;

	file_begin();
	expect_set("a", "q", 17);
	expect_set("b", "t", 18);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0600);
	again();
	ck_assert_uint_eq(ask("a", TCB, 18), 17);
	ck_assert_uint_eq(ask("b", QE, 17), 18);
	ck_assert_uint_eq(ask("c", TCB, 17), 17);
	/* All of it is on the disk from the first moment. */
	ck_assert_int_ge(st.st_blocks * 512, st.st_size);
}
END_TEST

/* A process that is killed wrote all that it gave. */
START_TEST(test_a_file_outlives_its_process)
{
	int status;
	pid_t pid;

	file_begin();
	trail_free(t);
	t = NULL;
	pid = fork();
	if (pid == 0) {
		t = trail_new(path);
		expect_set("a", "q", 17);
		abort();
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	t = trail_new(path);
	ck_assert_uint_eq(ask("a", TCB, 18), 17);
}
END_TEST

static void
spill(const struct buf *b)
{
	FILE *f = fopen(path, "w");

	must(f != NULL && fwrite(b->p, 1, b->len, f) == b->len);
	must(fclose(f) == 0);
}

/* Shorter, longer, empty, of another kind or version: made anew. */
START_TEST(test_a_file_that_does_not_fit)
{
	struct buf was, b;
	size_t i;

	file_begin();
	expect_set("a", "q", 17);
	trail_free(t);
	was = run_slurp(path);
	for (i = 0; i < 6; i++) {
		b = was;
		b.p = xmemdup(was.p, was.len);
		if (i == 0)
			b.len = 0;
		else if (i == 1)
			b.len--;
		else if (i == 2)
			b.p[0] ^= 1; /* magic */
		else if (i == 3)
			b.p[8] ^= 2; /* version */
		else if (i == 4)
			b.p[12] ^= 1; /* of a mark */
		else
			memset(b.p, 0xa5, b.len);
		spill(&b);
		free(b.p);
		t = trail_new(path);
		ck_assert_uint_eq(trail_number(t, name("a"), now), 0);
		expect_straddled("a", "qt", 18, 17);
		again();
		ck_assert_uint_eq(trail_number(t, name("a"), now), 18);
		trail_free(t);
		b = run_slurp(path);
		ck_assert_uint_eq(b.len, was.len);
		buf_free(&b);
	}
	/* The twin that fits. */
	spill(&was);
	t = trail_new(path);
	ck_assert_uint_eq(trail_number(t, name("a"), now), 17);
	buf_free(&was);
}
END_TEST

/* A mark with anything in it: it is a mark, or none, and sets are whole. */
START_TEST(test_a_mark_that_was_edited)
{
	struct buf was, b;
	uint64_t source;
	size_t i, k, size;
	char *at;

	file_begin();
	source = name("a");
	expect_set("a", "q", 17);
	trail_free(t);
	was = run_slurp(path);
	at = memmem(was.p, was.len, &source, sizeof(source));
	ck_assert_ptr_nonnull(at);
	size = (unsigned char)was.p[12];
	srandom(5);
	for (i = 0; i < 300; i++) {
		b = was;
		b.p = xmemdup(was.p, was.len);
		for (k = sizeof(source); k < size; k++)
			if (i < 256 || random() % 3 == 0)
				b.p[(size_t)(at - was.p) + k] =
				    (char)(i < 256 ? (long)i : random());
		spill(&b);
		free(b.p);
		t = trail_new(path);
		ck_assert_uint_eq(name("a"), source);
		ck_assert_uint_le(trail_number(t, source, now),
		    TRAIL_NUMBER_MAX);
		(void)insist("a", TCB, 17);
		now += TRAIL_MS + 1;
		expect_straddled("a", "qtv", 17, 18);
		expect_straddled("a", "qtv", 18, 17);
		trail_free(t);
	}
	t = NULL;
	buf_free(&was);
}
END_TEST

/* Marks of a time that has not been do not fill the table for ever. */
START_TEST(test_a_table_full_of_junk)
{
	struct buf b;
	size_t i;

	file_begin();
	trail_free(t);
	b = run_slurp(path);
	for (i = 64; i < b.len; i++)
		b.p[i] = (char)(i % 8 == 7 ? 0x7f : 0xff);
	spill(&b);
	buf_free(&b);
	t = trail_new(path);
	for (i = 0; i < 64; i++) {
		char peer[16];

		snprintf(peer, sizeof(peer), "%zu", i);
		expect_straddled(peer, i % 2 ? "qt" : "tq", 17, 18);
	}
	for (i = 0; i < 64; i++) {
		char peer[16];

		snprintf(peer, sizeof(peer), "%zu", i);
		ck_assert_uint_eq(trail_number(t, name(peer), now), 17);
	}
}
END_TEST

/* Somebody has it, it is no file, it cannot be made: memory does. */
START_TEST(test_without_a_file)
{
	static const char *const nowhere[] = { "/nonexistent/larder.db-trail",
		"/dev/null", "/tmp", NULL };
	struct trail *other;
	size_t i;

	file_begin();
	other = t;
	expect_set("a", "q", 17);
	t = trail_new(path);
	ck_assert_uint_eq(trail_number(t, name("a"), now), 0);
	expect_straddled("a", "qt", 18, 17);
	trail_free(t);
	t = other;
	ck_assert_uint_eq(trail_number(t, name("a"), now), 17);
	for (i = 0; i < 4; i++) {
		trail_free(t);
		t = trail_new(nowhere[i]);
		expect_straddled("a", "qt", 17, 18);
	}
	/* A link is not followed. */
	trail_free(t);
	unlink(path);
	must(symlink(run_path("elsewhere"), path) == 0);
	t = trail_new(path);
	expect_straddled("a", "qt", 17, 18);
	ck_assert_int_eq(access(run_path("elsewhere"), F_OK), -1);
	unlink(path);
}
END_TEST

static void
expect_path(const char *run, const char *database, const char *want)
{
	char *got;

	if (run == NULL)
		unsetenv("RUNTIME_DIRECTORY");
	else
		setenv("RUNTIME_DIRECTORY", run, 1);
	got = trail_path(database);
	unsetenv("RUNTIME_DIRECTORY");
	if (want == NULL)
		ck_assert_ptr_null(got);
	else
		ck_assert_str_eq(got, want);
	free(got);
}

START_TEST(test_where_it_is)
{
	expect_path(NULL, "sqlite:/var/lib/larder/larder.db",
	    "/var/lib/larder/larder.db-trail");
	expect_path(NULL, "sqlite:larder.db", "larder.db-trail");
	expect_path(NULL, "sqlite::memory:", NULL);
	expect_path("/run/larder", "sqlite::memory:", NULL);
	expect_path("/run/larder", "sqlite:/var/lib/larder/larder.db",
	    "/run/larder/larder.db-trail");
	expect_path("/run/larder:/run/b", "sqlite:larder.db",
	    "/run/larder/larder.db-trail");
	expect_path("", "sqlite:larder.db", "larder.db-trail");
	expect_path("run", "sqlite:larder.db", "larder.db-trail");
}
END_TEST

/* --- threads ---------------------------------------------------------- */

#define THREADS 4
#define ROUNDS  5000

/* Each has a source of its own, and all of them ask for another's. */
static void *
thread(void *arg)
{
	const char *mine = arg, *order = (*mine & 1) != 0 ? "tqv" : "qtv";
	uint32_t from, got;
	uintptr_t wrong = 0;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		from = 17 + (uint32_t)i % 2;
		if (ask(mine, order[0], from) != from)
			wrong++;
		wrong += ask(mine, order[1], 35 - from) != from;
		wrong += ask(mine, order[2], 35 - from) != from;
		got = insist("all", order[i % 3], from);
		wrong += got != 17 && got != 18;
		wrong += trail_number(t, name("all"), now) == 0;
	}
	return (void *)wrong;
}

START_TEST(test_threads)
{
	static char mine[THREADS][2] = { "0", "1", "2", "3" };
	pthread_t threads[THREADS];
	void *wrong;
	int i;

	file_begin();
	for (i = 0; i < THREADS; i++)
		must(pthread_create(&threads[i], NULL, thread, mine[i]) == 0);
	for (i = 0; i < THREADS; i++) {
		must(pthread_join(threads[i], &wrong) == 0);
		ck_assert_ptr_null(wrong);
	}
}
END_TEST

static void
setup(void)
{
	t = trail_new(NULL);
	now = NOW;
}

static void
teardown(void)
{
	trail_free(t);
}

static Suite *
suite(void)
{
	Suite *s = suite_create("trail");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_a_set_is_whole_in_any_order, 0, ORDERS);
	tcase_add_loop_test(tc, test_a_set_goes_on_for_a_minute, 0, ORDERS);
	tcase_add_loop_test(tc,
	    test_a_second_number_waits_for_the_rest_of_the_first, 0, ORDERS);
	tcase_add_loop_test(tc, test_nobody_waits_for_ever, 0, ORDERS);
	tcase_add_test(tc, test_in_turn);
	tcase_add_test(tc, test_a_turn_that_nobody_wants);
	tcase_add_test(tc, test_qve_is_waited_for_once);
	tcase_add_test(tc, test_qve_that_came_is_waited_for_some_times);
	tcase_add_test(tc, test_patience_is_with_qve_alone);
	tcase_add_test(tc, test_qve_goes_with_the_set_that_owes_it);
	tcase_add_test(tc, test_a_tcb_info_that_nobody_owes_opens);
	tcase_add_loop_test(tc, test_another_order_behind_a_whole_set, 0,
	    ORDERS);
	tcase_add_test(tc, test_an_identity_once_more);
	tcase_add_loop_test(tc, test_pauses_tell_what_opens, 0, 4);
	tcase_add_loop_test(tc, test_one_pause_in_the_middle_tells_nothing, 0,
	    ORDERS);
	tcase_add_test(tc, test_identity_first_of_an_fmspc);
	tcase_add_test(tc, test_a_request_that_failed);
	tcase_add_loop_test(tc, test_another_number_than_was_named, 0, ORDERS);
	tcase_add_test(tc, test_who_where_and_what_for);
	tcase_add_test(tc, test_many_sources);
	tcase_add_test(tc, test_numbers_too_large_are_not_kept);
	tcase_add_test(tc, test_counts_saturate);
	tcase_add_test(tc, test_a_file_keeps_it);
	tcase_add_test(tc, test_a_file_outlives_its_process);
	tcase_add_test(tc, test_a_file_that_does_not_fit);
	tcase_add_test(tc, test_a_mark_that_was_edited);
	tcase_add_test(tc, test_a_table_full_of_junk);
	tcase_add_test(tc, test_without_a_file);
	tcase_add_test(tc, test_where_it_is);
	tcase_add_test(tc, test_threads);
	suite_add_tcase(s, tc);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
