/*
 * A year of virtual time: Intel publishes recoveries, promotes and retires
 * numbers, signs the rest anew; four rules watch.  All the year clients ask
 * for sets of every kind, TCB info or identity first, without a pause, the
 * house's restarts in the middle of promotions included, and each set is held
 * against the rule: its number, its end, its mark.
 *
 * Day by day (pcs-upstream 2: what is not retired is signed when asked):
 *
 *     0  17 is standard          120  18 becomes standard: 17 is retired
 *    30  18 is published         150  19 is published
 *                                240  19 becomes standard: 18 is retired
 *                                300  20 is published
 *
 *   default, lag 60     17 to day 90, 18 to day 210, 19 to day 360, then 20
 *   listener, early     each from the day it is published
 *   FMSPC H, pin 17,    17; its last signature is of day 119 and lasts to 149;
 *     hold, 20 days     held, marked, to 169; then the lowest signed, 18, and
 *                       19 when that is retired
 *   FMSPC A, pin 17,    17 to a day before its end, day 148; then 18, then 19
 *     advance
 */
#include "config/base/clock.h"
#include "config/base/must.h"
#include "tests/kit/baseline.h"

#include <check.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY    86400

#define PLAIN  "00606A000000"
#define TDX    "90C06F000000"
#define H_PIN  "00806F050000"
#define A_PIN  "00906ED50000"

#define CANARY "0.0.0.0:0"

static struct house h;
static int canary_port;
static time_t start;

static struct house_opts opts = {
	.listen =
	    "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\",\"admin\"]}"
	    ",{\"address\":\"" CANARY "\",\"serve\":[\"pccs\"],"
	    "\"allow_clear\":true,\"baseline\":{\"follow\":\"early\"}}]",
	.upstream = "\"rate_per_minute\":0",
	.members = "\"baseline\":{\"lag_days\":60,\"hold_max_s\":1728000,"
		   "\"fmspc\":[{\"fmspc\":\"" H_PIN "\",\"pin\":17},"
		   "{\"fmspc\":\"" A_PIN "\",\"pin\":17,"
		   "\"on_retire\":\"advance\"}]}"
};

/* --- what the rules say ------------------------------------------------ */

struct rule {
	struct {
		int day;
		unsigned number; /* from that day on; 0: no more */
	} step[5];
	int held_from, held_to; /* past its end and marked; 0: never */
};

static const struct rule lag = { .step = { { 0, 17 }, { 90, 18 }, { 210, 19 },
				     { 360, 20 } } };
static const struct rule early = { .step = { { 0, 17 }, { 30, 18 }, { 150, 19 },
				       { 300, 20 } } };
static const struct rule hold = { .step = { { 0, 17 }, { 169, 18 },
				      { 240, 19 } },
	.held_from = 149,
	.held_to = 169 };
static const struct rule advance = { .step = { { 0, 17 }, { 148, 18 },
					 { 240, 19 } } };

static const struct scope {
	const struct rule *rule;
	bool canary;
	enum tee tee;
	const char *fmspc;
} scopes[] = {
	{ &lag, false, TEE_SGX, PLAIN },
	{ &hold, false, TEE_SGX, H_PIN },
	{ &advance, false, TEE_SGX, A_PIN },
	{ &lag, false, TEE_TDX, TDX },
	{ &lag, false, TEE_SGX, TDX },
	{ &early, true, TEE_SGX, PLAIN },
	{ &early, true, TEE_TDX, TDX },
};
#define SCOPES (sizeof(scopes) / sizeof(scopes[0]))

/* The highest number that a client of the scope has been given. */
static atomic_uint reached[SCOPES];

static int
today(void)
{
	return (int)((clock_now() - start) / DAY);
}

/* A day on which a rule changes its mind may be either side of it. */
static bool
near(int day, int edge)
{
	return day >= edge - 1 && day <= edge + 1;
}

/* Of this number, or near an edge of that on its other side. */
static bool
named(const struct rule *r, int day, unsigned number)
{
	int i;

	for (i = 0; i < 5 && r->step[i].number != 0; i++) {
		if (r->step[i].number != number)
			continue;
		if (day < r->step[i].day - (i > 0))
			return false;
		return i == 4 || r->step[i + 1].number == 0 ||
		       day <= r->step[i + 1].day + 1;
	}
	return false;
}

static bool
on_an_edge(const struct rule *r, int day)
{
	int i;

	for (i = 1; i < 5 && r->step[i].number != 0; i++)
		if (near(day, r->step[i].day))
			return true;
	return false;
}

static bool
may_be_held(const struct rule *r, int day)
{
	return r->held_from != 0 && day >= r->held_from - 1 &&
	       day <= r->held_to + 1;
}

static bool
must_be_held(const struct rule *r, int day)
{
	return may_be_held(r, day) && !near(day, r->held_from) &&
	       !near(day, r->held_to);
}

/* --- clients without a pause ------------------------------------------ */

#define CLIENTS 6
#define SETS    6 /* for each look of the planner */

static atomic_bool ended;
static atomic_uint sets, wrong;
/* Held for reading while a set is under way: the clock does not jump and the
 * house does not go inside one. */
static pthread_rwlock_t still;
/* Sets they may ask for, given out by the hour, and those they have. */
static sem_t more, done;

static const char *
member(const struct edge_reply *r, const char *name)
{
	const char *p = r->status == 200 ? strstr(r->body, name) : NULL;

	return p == NULL ? "" : p + strlen(name);
}

/* The number of one document, which has not ended unless it may be held and is
 * marked; 0: something is wrong with it. */
static unsigned
ask_one(const struct scope *s, const char *from, const char *tail)
{
	int fd = edge_open_from(from, s->canary ? canary_port : h.port);
	struct edge_reply r = { 0 };
	unsigned number = 0;
	time_t ends_at = 0;
	char text[200];
	bool marked, past;

	snprintf(text, sizeof(text),
	    "GET /%s/certification/v4/%s HTTP/1.1\r\nHost: h\r\n"
	    "Connection: close\r\n\r\n",
	    tee_name(s->tee), tail);
	edge_send(fd, text);
	edge_read(fd, &r, false);
	close(fd);
	marked = has_header(&r, "Warning");
	if (time_read(span_of(member(&r, "\"nextUpdate\":\""), 20), &ends_at) ==
	    ERR_OK)
		number = (unsigned)strtoul(member(&r,
					       "\"tcbEvaluationDataNumber\":"),
		    NULL, 10);
	past = ends_at <= clock_now();
	if (number == 0 || marked != past ||
	    (past && !may_be_held(s->rule, today())) ||
	    (!past && must_be_held(s->rule, today()))) {
		fprintf(stderr,
		    "day %d: %s: %s %s: %d, of %u, %s, ends %lds from now\n",
		    today(), from, s->fmspc, tail, r.status, number,
		    marked ? "marked" : "not marked",
		    (long)(ends_at - clock_now()));
		number = 0;
	}
	edge_reply_free(&r);
	return number;
}

/*
 * TCB info, the identity of the quoting enclave and, for who has QvE verify,
 * its identity, in the order of "tqv".  How many, at "got".
 */
static size_t
ask_set(const struct scope *s, const char *from, const char *order,
    unsigned got[3])
{
	struct scope qve = *s; /* QvE is SGX's, whatever it verifies */
	char tail[64];
	size_t i;

	qve.tee = TEE_SGX;
	for (i = 0; order[i] != '\0'; i++) {
		if (order[i] == 't')
			snprintf(tail, sizeof(tail),
			    "tcb?fmspc=%s&update=standard", s->fmspc);
		else
			snprintf(tail, sizeof(tail),
			    "%s/identity?update=standard",
			    order[i] == 'q' ? "qe" : "qve");
		got[i] = ask_one(order[i] == 'v' ? &qve : s, from, tail);
	}
	return i;
}

/* Of one number, the one that the rule names; never back from what any client
 * of the scope had when it began.  That number; 0: it is not so. */
static unsigned
one_set(size_t scope, const char *from, const char *order)
{
	const struct scope *s = &scopes[scope];
	unsigned had = atomic_load(&reached[scope]), got[3] = { 0 };
	size_t i, n = ask_set(s, from, order, got);
	bool good =
	    got[0] != 0 && got[0] >= had && named(s->rule, today(), got[0]);

	for (i = 1; i < n; i++)
		good = good && got[i] == got[0];
	atomic_fetch_add(&sets, 1);
	while (good && had < got[0] &&
	       !atomic_compare_exchange_weak(&reached[scope], &had, got[0]))
		;
	if (good)
		return got[0];
	atomic_fetch_add(&wrong, 1);
	fprintf(stderr, "day %d: %s: %s %s%s, %s: %u, %u, %u\n", today(), from,
	    tee_name(s->tee), s->fmspc, s->canary ? ", canary" : "", order,
	    got[0], got[1], n == 3 ? got[2] : 0);
	return 0;
}

/*
 * Half of them have QvE verify and addresses of their own: one asks for TCB
 * infos first, two for identities, and have one for each scope, since an
 * identity does not say for which FMSPC it is wanted.  The others share one
 * address, each with another scope in hand.
 */
static void *
client(void *arg)
{
	static const char *const orders[] = { "tqv", "qtv", "qvt" };
	unsigned me = (unsigned)(uintptr_t)arg, k = me / 2;
	bool own = me % 2 == 0;
	const char *order = own ? orders[me / 2 % 3] : "tq";
	char from[20];

	for (;;) {
		must(sem_wait(&more) == 0);
		if (atomic_load(&ended))
			break;
		k = (k + 1) % SCOPES;
		snprintf(from, sizeof(from), "127.0.%u.%u",
		    order[0] == 't' ? 0 : 1 + k, own ? 2 + me : 1);
		pthread_rwlock_rdlock(&still);
		one_set(k, from, order);
		pthread_rwlock_unlock(&still);
		must(sem_post(&done) == 0);
	}
	return NULL;
}

static pthread_t clients[CLIENTS];

static void
clients_start(void)
{
	pthread_rwlockattr_t attr;
	int i;

	must(pthread_rwlockattr_init(&attr) == 0);
	must(pthread_rwlockattr_setkind_np(&attr,
		 PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0);
	must(pthread_rwlock_init(&still, &attr) == 0);
	must(sem_init(&more, 0, 0) == 0);
	must(sem_init(&done, 0, 0) == 0);
	for (i = 0; i < CLIENTS; i++)
		must(pthread_create(&clients[i], NULL, client,
			 (void *)(uintptr_t)i) == 0);
}

static void
clients_ask(int n)
{
	int k;

	for (k = 0; k < n; k++)
		must(sem_post(&more) == 0);
}

static void
clients_wait(int n)
{
	int k;

	for (k = 0; k < n; k++)
		must(sem_wait(&done) == 0);
	ck_assert_uint_eq(atomic_load(&wrong), 0);
}

static void
clients_end(void)
{
	int i;

	atomic_store(&ended, true);
	clients_ask(CLIENTS);
	for (i = 0; i < CLIENTS; i++)
		must(pthread_join(clients[i], NULL) == 0);
	fprintf(stderr, "%u sets, %u wrong\n", atomic_load(&sets),
	    atomic_load(&wrong));
	ck_assert_uint_ge(atomic_load(&sets), 365 * 4 * SETS);
	ck_assert_uint_eq(atomic_load(&wrong), 0);
}

/* --- the days --------------------------------------------------------- */

static void
intel(int day)
{
	struct sim_event e = { .at = start + (time_t)day * DAY };

	if (day == 30 || day == 150 || day == 300)
		sim_publish(h.sim, &e);
	if (day == 120)
		sim_standard(h.sim, 18);
	if (day == 240)
		sim_standard(h.sim, 19);
}

/* The number that the house says the scope has. */
static unsigned
said(json_t *doc, const struct scope *s)
{
	const char *listen = s->canary ? CANARY : NULL;
	json_t *row = NULL;

	if (!s->canary)
		row = baseline_row(doc, NULL, tee_name(s->tee), s->fmspc);
	if (row == NULL)
		row = baseline_row(doc, listen, tee_name(s->tee), NULL);
	ck_assert_ptr_nonnull(row);
	return (unsigned)json_integer_value(json_object_get(row, "number"));
}

/* Once nothing is under way, what is said is what is served: near an edge the
 * rule leaves two, and the house has to have chosen one. */
static void
expect_said(int day)
{
	json_t *doc = NULL;
	unsigned got;
	size_t i;

	for (i = 0; i < SCOPES; i++) {
		if (!on_an_edge(scopes[i].rule, day))
			continue;
		if (doc == NULL)
			doc = baseline_doc(&h);
		got = one_set(i, "127.0.0.9", "tqv");
		ck_assert_msg(got != 0 && got == said(doc, &scopes[i]),
		    "day %d: %s: %u, but it is said to be %u", day,
		    scopes[i].fmspc, got, said(doc, &scopes[i]));
	}
	json_decref(doc);
}

static bool
is_an_edge(int day)
{
	size_t i, k;

	for (i = 0; i < SCOPES; i++)
		for (k = 1; k < 5; k++)
			if (day != 0 && scopes[i].rule->step[k].day == day)
				return true;
	return false;
}

static void
up(void)
{
	canary_port = server_port(h.server, 1);
}

static void
restart(void)
{
	pthread_rwlock_wrlock(&still);
	house_restart(&h, &opts);
	up();
	pthread_rwlock_unlock(&still);
}

/* Several looks a day, as the planner has.  On a day when something changes
 * the house goes down and comes up in the middle of each. */
static void
pass_a_day(int day)
{
	int i;

	intel(day);
	for (i = 0; i < 4; i++) {
		pthread_rwlock_wrlock(&still);
		clock_offset_set(clock_offset() + DAY / 4);
		pthread_rwlock_unlock(&still);
		clients_ask(SETS);
		if (is_an_edge(day) || is_an_edge(day + 1)) {
			upstream_tick(h.upstream, NULL, NULL);
			restart();
		}
		/* What is due is asked for today, however slow the machine. */
		house_later(&h, 0);
		baseline_settle(&h);
		clients_wait(SETS);
	}
}

START_TEST(test_a_year)
{
	size_t i;
	int day;

	/* Some thousand commits: not on a disk, if it can be helped. */
	if (access("/dev/shm", W_OK) == 0)
		opts.where = "/dev/shm";
	house_start(&h, &opts);
	up();
	start = clock_now();
	for (i = 0; i < SCOPES; i++)
		ck_assert_uint_eq(one_set(i, "127.0.0.9", "tqv"), 17);
	clients_start();
	for (day = 0; day < 365; day++) {
		expect_said(day);
		pass_a_day(day);
	}
	clients_end();
	/* Every rule has gone all its way. */
	for (i = 0; i < SCOPES; i++)
		ck_assert_uint_eq(atomic_load(&reached[i]),
		    scopes[i].rule == &lag || scopes[i].rule == &early ? 20
								       : 19);
	house_stop(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("baseline-year");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 300);
	tcase_add_test(t, test_a_year);
	suite_add_tcase(s, t);
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
