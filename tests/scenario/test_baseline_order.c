/*
 * Sets are whole in whatever order a client asks for their parts, while the
 * baseline goes forth and back between its requests, and while larderd is
 * ended and started: TCB info, the quoting enclave's identity and QvE's have
 * one number (server/trail.h).
 *
 * Clients are told apart by their addresses, 127.x.y.z; the real larderd.
 */
#include "config/base/must.h"
#include "tests/kit/baseline.h"

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLAIN "00606A000000"
#define TDX   "90C06F000000"
#define OTHER "00806F050000"

static struct house h;
static struct daemon_run larderd;

/* --- clients ---------------------------------------------------------- */

/* The order of its requests: t, q, v. */
struct client {
	enum tee tee;
	const char *fmspc, *order;
	char from[16];
};

static const struct client kinds[] = {
	{ TEE_SGX, PLAIN, "tq", "" },
	{ TEE_SGX, PLAIN, "qt", "" },
	{ TEE_SGX, PLAIN, "tqv", "" },
	{ TEE_SGX, OTHER, "qtv", "" },
	{ TEE_SGX, PLAIN, "vqt", "" },
	{ TEE_SGX, OTHER, "vtq", "" },
	{ TEE_SGX, PLAIN, "qvt", "" },
	{ TEE_SGX, PLAIN, "tvq", "" },
	{ TEE_TDX, TDX, "tq", "" },
	{ TEE_TDX, TDX, "qt", "" },
	{ TEE_TDX, TDX, "tqv", "" },
	{ TEE_TDX, TDX, "qtv", "" },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* A client of each kind; nobody else has its address. */
static void
clients_new(unsigned net, struct client c[KINDS])
{
	size_t i;

	for (i = 0; i < KINDS; i++) {
		c[i] = kinds[i];
		snprintf(c[i].from, sizeof(c[i].from), "127.1.%u.%zu", net,
		    i + 1);
	}
}

/* The number of one answer; 0: it is none. */
static unsigned
ask_from(const char *from, const char *target)
{
	static const char name[] = "\"tcbEvaluationDataNumber\":";
	int fd = edge_open_from(from, h.port);
	struct edge_reply r = { 0 };
	unsigned number = 0;
	char text[200];
	const char *p;

	snprintf(text, sizeof(text),
	    "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", target);
	edge_send(fd, text);
	edge_read(fd, &r, false);
	close(fd);
	p = r.status == 200 ? strstr(r.body, name) : NULL;
	if (p != NULL)
		number = (unsigned)strtoul(p + strlen(name), NULL, 10);
	else
		fprintf(stderr, "%s: %s: %d\n", from, target, r.status);
	edge_reply_free(&r);
	return number;
}

/* Its request number i.  QvE verifies for both; its identity is SGX's. */
static unsigned
ask_part(const struct client *c, size_t i)
{
	const char *tee = tee_name(c->order[i] == 'v' ? TEE_SGX : c->tee);
	char target[120];

	if (c->order[i] == 't')
		snprintf(target, sizeof(target),
		    "/%s/certification/v4/tcb?fmspc=%s&update=standard", tee,
		    c->fmspc);
	else
		snprintf(target, sizeof(target),
		    "/%s/certification/v4/%s/identity?update=standard", tee,
		    c->order[i] == 'q' ? "qe" : "qve");
	return ask_from(c->from, target);
}

/* What comes after the first request; the number it has to be of. */
static bool
rest_is(const struct client *c, unsigned number)
{
	bool good = number != 0;
	unsigned got[2] = { 0, 0 };
	size_t i;

	for (i = 1; c->order[i] != '\0'; i++) {
		got[i - 1] = ask_part(c, i);
		good = good && got[i - 1] == number;
	}
	if (!good)
		fprintf(stderr, "%s: %s %s %s: %u, %u, %u\n", c->from,
		    tee_name(c->tee), c->fmspc, c->order, number, got[0],
		    got[1]);
	return good;
}

/* The number of a whole set; 0: it is none. */
static unsigned
ask_set(const struct client *c)
{
	unsigned number = ask_part(c, 0);

	return rest_is(c, number) ? number : 0;
}

static void
expect_first(const struct client *c, unsigned number)
{
	size_t i;

	for (i = 0; i < KINDS; i++)
		ck_assert_uint_eq(ask_part(&c[i], 0), number);
}

static void
expect_rest(const struct client *c, unsigned number)
{
	size_t i;

	for (i = 0; i < KINDS; i++)
		ck_assert_msg(rest_is(&c[i], number), "%s: %s", c[i].from,
		    c[i].order);
}

static void
expect_sets(const struct client *c, unsigned number)
{
	size_t i;

	for (i = 0; i < KINDS; i++)
		ck_assert_uint_eq(ask_set(&c[i]), number);
}

/* --- the baseline ----------------------------------------------------- */

#define WORKERS 2 /* of a house */

/* Until whoever comes new is given this number, by any worker. */
static void
await(unsigned number)
{
	static unsigned n;
	struct client c = { .order = "tqv" };
	int i = 0;

	while (i < 8 * WORKERS) {
		c.tee = n % 2 == 0 ? TEE_SGX : TEE_TDX;
		c.fmspc = n % 2 == 0 ? PLAIN : TDX;
		snprintf(c.from, sizeof(c.from), "127.2.%u.%u", n >> 7 & 0xff,
		    1 + (n & 0x7f));
		n++;
		i = ask_part(&c, 0) == number ? i + 1 : 0;
	}
}

static void
pin(unsigned number)
{
	char body[64];

	snprintf(body, sizeof(body), "{\"number\":%u,\"reason\":\"t\"}",
	    number);
	expect_change(&h, "pin", body, 200, NULL);
}

static void
pin_fmspc(const char *fmspc, unsigned number)
{
	char body[100];

	snprintf(body, sizeof(body),
	    "{\"fmspc\":\"%s\",\"number\":%u,\"reason\":\"t\"}", fmspc, number);
	expect_change(&h, "pin", body, 200, NULL);
}

/* All of 17 and 18 is held; 17 is served. */
static void
begin(void)
{
	house_daemon(&h, NULL, &larderd);
	expect_set(&h, TEE_SGX, PLAIN, 17);
	expect_set(&h, TEE_SGX, OTHER, 17);
	expect_set(&h, TEE_SGX, TDX, 17);
	expect_set(&h, TEE_TDX, TDX, 17);
	ck_assert_uint_eq(ask_from("127.0.0.1",
			      "/sgx/certification/v4/qve/identity"),
	    17);
	sim_recovery(h.sim);
	pin(18);
	await(18);
	pin(17);
	await(17);
}

static void
end(void)
{
	ck_assert_int_eq(daemon_run_end(&larderd, SIGTERM), 0);
	sim_stop(h.sim);
	memset(&h, 0, sizeof(h));
}

/* --- one client of each kind ------------------------------------------ */

START_TEST(test_a_change_in_the_middle)
{
	struct client c[KINDS];

	begin();
	clients_new(1, c);
	expect_first(c, 17);
	pin(18);
	await(18);
	expect_rest(c, 17);
	expect_sets(c, 18);
	expect_first(c, 18);
	expect_change(&h, "rollback", "{\"reason\":\"t\"}", 200, NULL);
	await(17);
	expect_rest(c, 18);
	expect_sets(c, 17);
	end();
}
END_TEST

/* An address from which whole sets were asked for in the usual order. */
START_TEST(test_another_order_than_before)
{
	struct client c[KINDS], usual;
	size_t i;

	begin();
	clients_new(2, c);
	for (i = 0; i < KINDS; i++) {
		usual = c[i];
		usual.order = "tqv";
		ck_assert_uint_eq(ask_set(&usual), 17);
	}
	expect_first(c, 17);
	pin(18);
	await(18);
	expect_rest(c, 17);
	end();
}
END_TEST

/* --- larderd ends in the middle --------------------------------------- */

static void
restart(int sig)
{
	ck_assert_int_eq(daemon_run_end(&larderd, sig),
	    sig == SIGKILL ? 200 : 0);
	house_daemon(&h, NULL, &larderd);
}

/* Asked for, and whether it is done nobody waits to hear. */
static void
pin_and_end(unsigned number, int sig)
{
	json_t *doc = baseline_doc(&h);
	int revision =
	    (int)json_integer_value(json_object_get(doc, "revision"));
	char text[300], body[64];
	int fd = edge_open(h.port);

	json_decref(doc);
	snprintf(body, sizeof(body), "{\"number\":%u,\"reason\":\"t\"}",
	    number);
	snprintf(text, sizeof(text),
	    "POST /v1/baseline/pin HTTP/1.1\r\nHost: h\r\n"
	    "admin-token: " HOUSE_ADMIN "\r\nIf-Match: \"%d\"\r\n"
	    "Content-Length: %zu\r\n\r\n%s",
	    revision, strlen(body), body);
	edge_send(fd, text);
	restart(sig);
	close(fd);
}

START_TEST(test_a_restart_in_the_middle)
{
	static const int sigs[] = { SIGTERM, SIGKILL };
	int sig = sigs[_i];
	struct client before[KINDS], during[KINDS], after[KINDS];

	begin();
	clients_new(11, before);
	expect_first(before, 17);
	pin(18);
	await(18);
	restart(sig);
	expect_rest(before, 17);
	expect_sets(before, 18);

	clients_new(12, after);
	expect_first(after, 18);
	restart(sig);
	pin(17);
	await(17);
	expect_rest(after, 18);
	expect_sets(after, 17);

	clients_new(13, during);
	expect_first(during, 17);
	pin_and_end(18, sig);
	expect_rest(during, 17);
	pin(18);
	await(18);
	expect_sets(during, 18);
	end();
}
END_TEST

/* What is in the file is believed as far as it can be true. */
START_TEST(test_a_file_that_is_no_good)
{
	char path[100], *junk = xcalloc(1, 8192);
	struct client c[KINDS];
	struct buf was;
	FILE *f;

	begin();
	clients_new(21, c);
	expect_first(c, 17);
	ck_assert_int_eq(daemon_run_end(&larderd, SIGTERM), 0);
	snprintf(path, sizeof(path), "%s/larder.db-trail", h.dir);
	was = run_slurp(path);
	memset(junk, 0xa5, 8192);
	f = fopen(path, "w");
	must(f != NULL && fwrite(junk, 1, 8192, f) == 8192);
	must(fclose(f) == 0);
	free(junk);
	house_daemon(&h, NULL, &larderd);
	clients_new(22, c);
	expect_sets(c, 17);
	buf_free(&was);
	was = run_slurp(path);
	ck_assert_uint_gt(was.len, 8192);
	ck_assert_int_ne(was.p[0], (char)0xa5);
	buf_free(&was);
	end();
}
END_TEST

/* Two on one database do not disturb each other's marks. */
START_TEST(test_a_second_larderd)
{
	struct client c[KINDS];
	struct daemon_run second;
	char *json;
	int port;

	begin();
	json = house_json(&h, NULL);
	clients_new(31, c);
	expect_first(c, 17);
	ck_assert(daemon_run_start("second", json, &second));
	ck_assert(daemon_run_logged(&second, "event=trails-not-kept"));
	port = h.port;
	h.port = second.port[0];
	expect_sets(c, 17);
	h.port = port;
	pin(18);
	await(18);
	expect_rest(c, 17);
	ck_assert_int_eq(daemon_run_end(&second, SIGTERM), 0);
	free(json);
	end();
}
END_TEST

/* --- without a pause -------------------------------------------------- */

static atomic_bool over;
static atomic_uint wrong;

struct hammer {
	struct client c;
	unsigned number; /* of its rule; 0: either */
	atomic_uint sets;
	pthread_t thread;
};

static void *
hammer(void *arg)
{
	struct hammer *m = arg;
	unsigned got;

	while (!atomic_load(&over)) {
		got = ask_set(&m->c);
		if (got == 0 || (m->number != 0 && got != m->number))
			atomic_fetch_add(&wrong, 1);
		atomic_fetch_add(&m->sets, 1);
	}
	return NULL;
}

static void
hammers_start(struct hammer *m, size_t n)
{
	size_t i;

	atomic_store(&over, false);
	atomic_store(&wrong, 0);
	for (i = 0; i < n; i++)
		must(pthread_create(&m[i].thread, NULL, hammer, &m[i]) == 0);
}

static unsigned
hammers_least(struct hammer *m, size_t n)
{
	unsigned least = UINT32_MAX, sets;
	size_t i;

	for (i = 0; i < n; i++) {
		sets = atomic_load(&m[i].sets);
		least = sets < least ? sets : least;
	}
	return least;
}

static void
hammers_end(struct hammer *m, size_t n)
{
	unsigned all = 0;
	size_t i;

	atomic_store(&over, true);
	for (i = 0; i < n; i++) {
		must(pthread_join(m[i].thread, NULL) == 0);
		all += atomic_load(&m[i].sets);
	}
	fprintf(stderr, "%u sets, %u wrong\n", all, atomic_load(&wrong));
	ck_assert_uint_eq(atomic_load(&wrong), 0);
}

/* Whatever comes when: each client keeps its order. */
START_TEST(test_changes_without_a_pause)
{
	struct hammer m[KINDS];
	struct client c[KINDS];
	unsigned n;
	size_t i;

	begin();
	clients_new(41, c);
	memset(m, 0, sizeof(m));
	for (i = 0; i < KINDS; i++)
		m[i].c = c[i];
	hammers_start(m, KINDS);
	for (n = 0; n < 40 || hammers_least(m, KINDS) < 20; n++)
		pin(17 + n % 2);
	hammers_end(m, KINDS);
	end();
}
END_TEST

/*
 * Several verifiers behind one address, of FMSPCs with other numbers: nothing
 * tells their requests for identities apart but that the sets come one after
 * the other, QvE's identity included from the first set on.
 */
START_TEST(test_several_behind_one_address)
{
	static const char *const fmspc[] = { PLAIN, OTHER, TDX, PLAIN };
	struct hammer m[4];
	size_t i;

	begin();
	pin_fmspc(OTHER, 18);
	await(17);
	memset(m, 0, sizeof(m));
	for (i = 0; i < 4; i++) {
		m[i].c = (struct client){ .tee = TEE_SGX,
			.fmspc = fmspc[i],
			.order = "tqv",
			.from = "127.0.0.40" };
		m[i].number = i == 1 ? 18 : 17;
	}
	hammers_start(m, 4);
	while (hammers_least(m, 4) < 20)
		usleep(1000);
	hammers_end(m, 4);
	end();
}
END_TEST

/* --- who asks for the identity first ---------------------------------- */

/* An FMSPC with a number of its own: that can be known the second time. */
START_TEST(test_identity_first_of_an_fmspc_of_its_own)
{
	struct client c = { TEE_SGX, OTHER, "qt", "127.0.0.50" };
	int i;

	begin();
	pin_fmspc(OTHER, 18);
	await(17);
	ck_assert_uint_eq(ask_part(&c, 0), 17);
	ck_assert_uint_eq(ask_part(&c, 1), 18); /* its rule is kept */
	for (i = 0; i < 5; i++)
		ck_assert_uint_eq(ask_set(&c), 18);
	ck_assert_uint_eq(ask_part(&c, 0), 18);
	pin_fmspc(OTHER, 17);
	ck_assert_uint_eq(ask_part(&c, 1), 18);
	restart(SIGKILL);
	ck_assert_uint_eq(ask_set(&c), 17);
	end();
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("baseline-order");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, test_a_change_in_the_middle);
	tcase_add_test(t, test_another_order_than_before);
	tcase_add_loop_test(t, test_a_restart_in_the_middle, 0, 2);
	tcase_add_test(t, test_a_file_that_is_no_good);
	tcase_add_test(t, test_a_second_larderd);
	tcase_add_test(t, test_changes_without_a_pause);
	tcase_add_test(t, test_several_behind_one_address);
	tcase_add_test(t, test_identity_first_of_an_fmspc_of_its_own);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	/* Trails are kept beside the database. */
	unsetenv("RUNTIME_DIRECTORY");
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
