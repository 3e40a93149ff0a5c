/*
 * kill -9 at random moments, again and again, while platforms register or an
 * operator imports AMD's keys: what was answered 200 is there afterwards, and
 * the database is whole.
 *
 * LARDER_KILL_ROUNDS sets how often (default 8); LARDER_KILL_SEED repeats one
 * sequence of moments.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/house.h"
#include "tests/kit/run.h"
#include "upstream/fetch.h"

#include <check.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS  4
#define MAX_ACKS 20000

static struct house h;
static struct daemon_run larderd;

/* Platforms whose registration was answered 200. */
static pthread_mutex_t acks_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t acked = PTHREAD_COND_INITIALIZER;
static unsigned long acks[MAX_ACKS];
static size_t n_acks;
static atomic_ulong next_platform;

/* --- larderd ---------------------------------------------------------- */

static void
start(const char *mode)
{
	struct house_opts o = { .mode = mode };

	house_daemon(&h, &o, &larderd);
}

/* 0: no answer, which is what a killed server gives. */
static int
ask(const char *method, const char *target, const char *token, const char *body,
    struct http_answer *a)
{
	char url[1200];
	struct http_ask q = { .method = method,
		.url = url,
		.headers = &token,
		.n_headers = 1,
		.body = span_str(body),
		.timeout_ms = PATIENCE_MS };

	*a = (struct http_answer){ 0 };
	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", larderd.port[0],
	    target);
	return http_fetch(&q, a, NULL) == ERR_OK ? a->status : 0;
}

/* --- clients ---------------------------------------------------------- */

static void
ack(unsigned long n)
{
	pthread_mutex_lock(&acks_lock);
	must(n_acks < MAX_ACKS);
	acks[n_acks++] = n;
	pthread_cond_signal(&acked);
	pthread_mutex_unlock(&acks_lock);
}

static size_t
acks_now(void)
{
	size_t n;

	pthread_mutex_lock(&acks_lock);
	n = n_acks;
	pthread_mutex_unlock(&acks_lock);
	return n;
}

/* Register one platform after the other until the server is gone. */
static void *
client(void *arg)
{
	static const enum sim_kind kinds[] = { SIM_CLIENT, SIM_DIRECT,
		SIM_TDX };
	struct http_answer a;
	struct sim_platform p;
	unsigned long i;
	char *body;
	int status;

	(void)arg;
	do {
		i = atomic_fetch_add(&next_platform, 1);
		p = sim_platform(SIM_NUMBER(kinds[i % 3], i));
		body = house_registration(&p, 1, NULL);
		status = ask("POST", "/sgx/certification/v4/platforms",
		    "user-token: " HOUSE_USER, body, &a);
		http_answer_free(&a);
		free(body);
		if (status == 200)
			ack(p.n);
	} while (status == 200);
	if (status != 0 && status != 200)
		fprintf(stderr, "registration answered %d\n", status);
	return (void *)(intptr_t)(status == 0 || status == 200);
}

/* The VCEK that stands for a number. */
static struct pki_vek
vcek_of(unsigned long n)
{
	struct pki_vek v = { .product = AMD_MILAN };

	v.hwid[0] = 1;
	v.hwid[1] = (unsigned char)(n >> 8);
	v.hwid[2] = (unsigned char)n;
	return v;
}

static struct coll_key
key_of(const struct pki_vek *v)
{
	return key_vcek(v->product, span_of(v->hwid, sizeof(v->hwid)),
	    amd_tcb_of(v->product, v->spl));
}

/* A bundle of a VCEK and its chain; free(). */
static char *
bundle_of(const struct pki_vek *spec)
{
	struct pki_amd_chain chain_spec = { .product = spec->product };
	struct blob *chain = pki_amd_chain(sim_amd(h.sim), &chain_spec);
	struct blob *der = pki_vek(sim_amd(h.sim), spec);
	struct buf b64 = BUF_INIT;
	char *text;
	json_t *doc;

	buf_base64(&b64, blob_span(der));
	doc = json_pack("{s:i, s:[{s:s, s:s%}, {s:s, s:s%}]}", "larder_bundle",
	    1, "objects", "key", key_amd_chain(spec->product, AMD_VCEK).text,
	    "body", (const char *)chain->data, chain->len, "key",
	    key_of(spec).text, "der", b64.p, b64.len);
	must(doc != NULL);
	text = json_dumps(doc, JSON_COMPACT);
	json_decref(doc);
	buf_free(&b64);
	blob_unref(chain);
	blob_unref(der);
	return text;
}

/* Import one key after the other until the server is gone. */
static void *
importer(void *arg)
{
	struct http_answer a;
	struct pki_vek spec;
	unsigned long n;
	char *body;
	int status;

	(void)arg;
	do {
		n = atomic_fetch_add(&next_platform, 1);
		spec = vcek_of(n);
		body = bundle_of(&spec);
		status = ask("POST", "/v1/import", "admin-token: " HOUSE_ADMIN,
		    body, &a);
		http_answer_free(&a);
		free(body);
		if (status == 200)
			ack(n);
	} while (status == 200);
	if (status != 0)
		fprintf(stderr, "import answered %d\n", status);
	return (void *)(intptr_t)(status == 0);
}

/* Clients at work until "more" of their asks are acknowledged; then kill. */
static void
storm(size_t more, void *(*client_fn)(void *))
{
	pthread_t t[CLIENTS];
	size_t want = acks_now() + more;
	bool good = true;
	void *rc;
	int i;

	for (i = 0; i < CLIENTS; i++)
		must(pthread_create(&t[i], NULL, client_fn, NULL) == 0);
	pthread_mutex_lock(&acks_lock);
	while (n_acks < want)
		pthread_cond_wait(&acked, &acks_lock);
	pthread_mutex_unlock(&acks_lock);
	ck_assert_int_eq(daemon_run_end(&larderd, SIGKILL), 200);
	for (i = 0; i < CLIENTS; i++) {
		pthread_join(t[i], &rc);
		good = good && rc != NULL;
	}
	ck_assert(good);
}

/* --- judgement -------------------------------------------------------- */

static void
database_is_whole(void)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;

	ck_assert_int_eq(sqlite3_open(run_path("larder.db"), &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1,
			     &st, NULL),
	    SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
	ck_assert_str_eq((const char *)sqlite3_column_text(st, 0), "ok");
	sqlite3_finalize(st);
	ck_assert_int_eq(sqlite3_prepare_v2(db, "PRAGMA foreign_key_check", -1,
			     &st, NULL),
	    SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(st), SQLITE_DONE);
	sqlite3_finalize(st);
	sqlite3_close(db);
}

/*
 * With zeros for a PPID nothing can be fetched: the certificate comes from
 * the database or not at all.
 */
static void
acked_have_certificates(size_t from)
{
	struct sim_platform p;
	struct http_answer a;
	char *target;
	size_t i;

	for (i = from; i < n_acks; i++) {
		p = sim_platform(acks[i]);
		target = house_pckcert(&p, 0);
		ck_assert_msg(ask("GET", target, "x: y", NULL, &a) == 200,
		    "platform %lu of %zu was acknowledged and is lost", p.n,
		    n_acks);
		http_answer_free(&a);
		free(target);
	}
}

static void
acked_are_queued(size_t from)
{
	struct sim_platform p;
	struct http_answer a;
	size_t i;

	ck_assert_int_eq(ask("GET", "/sgx/certification/v4/platforms?peek=1",
			     "admin-token: " HOUSE_ADMIN, NULL, &a),
	    200);
	buf_add(&a.body, "", 1);
	for (i = from; i < n_acks; i++) {
		p = sim_platform(acks[i]);
		ck_assert_msg(strstr(a.body.p, p.qe_id) != NULL,
		    "platform %lu of %zu was acknowledged and is lost", p.n,
		    n_acks);
	}
	http_answer_free(&a);
}

/* All keys of AMD's that the server holds, one text. */
static struct buf
keys_held(void)
{
	struct buf all = BUF_INIT;
	struct http_answer a;
	json_int_t next = 0;
	char target[64];
	json_t *doc;

	do {
		snprintf(target, sizeof(target),
		    "/v1/export?veks=%" JSON_INTEGER_FORMAT, next);
		ck_assert_int_eq(ask("GET", target, "admin-token: " HOUSE_ADMIN,
				     NULL, &a),
		    200);
		buf_span(&all, buf_view(&a.body));
		doc = json_loadb(a.body.p, a.body.len, 0, NULL);
		next = json_integer_value(json_object_get(doc, "next"));
		json_decref(doc);
		http_answer_free(&a);
	} while (next != 0);
	buf_add(&all, "", 1);
	return all;
}

static void
acked_keys_are_held(size_t from)
{
	struct buf all = keys_held();
	struct pki_vek spec;
	size_t i;

	for (i = from; i < n_acks; i++) {
		spec = vcek_of(acks[i]);
		ck_assert_msg(strstr(all.p, key_of(&spec).text) != NULL,
		    "key %lu of %zu was acknowledged and is lost", acks[i],
		    n_acks);
	}
	buf_free(&all);
}

/* --- the loop --------------------------------------------------------- */

static unsigned
number_of(const char *name, unsigned otherwise)
{
	const char *v = getenv(name);

	return v == NULL ? otherwise : (unsigned)strtoul(v, NULL, 10);
}

static void
rounds(const char *mode, unsigned most, void *(*client_fn)(void *),
    void (*judge)(size_t from))
{
	unsigned seed = number_of("LARDER_KILL_SEED", (unsigned)clock_now());
	unsigned n = number_of("LARDER_KILL_ROUNDS", 8), i;
	size_t from;

	fprintf(stderr, "LARDER_KILL_SEED=%u\n", seed);
	srandom(seed);
	for (i = 0; i < n; i++) {
		from = n_acks;
		start(mode);
		storm((size_t)random() % most, client_fn);
		database_is_whole();
		start(mode);
		judge(from);
		/* Every other time the next storm meets a clean end. */
		ck_assert_int_eq(daemon_run_end(&larderd,
				     i % 2 == 0 ? SIGKILL : SIGTERM),
		    i % 2 == 0 ? 200 : 0);
	}
	start(mode);
	judge(0);
	ck_assert_int_eq(daemon_run_end(&larderd, SIGTERM), 0);
	database_is_whole();
	fprintf(stderr, "%zu acknowledged in %u rounds\n", n_acks, n);
	ck_assert_uint_gt(n_acks, 0);
	sim_stop(h.sim);
}

START_TEST(test_kill_loses_no_acknowledged_platform)
{
	rounds("lazy", 40, client, acked_have_certificates);
}
END_TEST

START_TEST(test_kill_loses_no_queued_registration)
{
	rounds("offline", 300, client, acked_are_queued);
}
END_TEST

START_TEST(test_kill_loses_no_imported_key)
{
	rounds("offline", 25, importer, acked_keys_are_held);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("kill");
	TCase *tc = tcase_create("kill");

	tcase_set_timeout(tc, 600);
	tcase_add_test(tc, test_kill_loses_no_acknowledged_platform);
	tcase_add_test(tc, test_kill_loses_no_queued_registration);
	tcase_add_test(tc, test_kill_loses_no_imported_key);
	suite_add_tcase(s, tc);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
