/*
 * The fetch thread against simulated PCS servers, with a real database:
 * what is asked, how often, and what waiters hear.  Counts and states are
 * asserted, never durations.
 */
#include "tests/sim/sim.h"
#include "upstream/upstream.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/mbox.h"
#include "config/base/must.h"

#include <check.h>
#include <ftw.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FMSPC   "00606A000000"
#define TCB     "/sgx/certification/v4/tcb?fmspc=" FMSPC "&update=standard"
#define TCB_ALL "/sgx/certification/v4/tcb*"
#define ROOT    "/intelsgxrootca.der"

/* --- the stage -------------------------------------------------------- */

static struct sim *sim, *mirror; /* mirror: NULL, or the second URL */
static struct config *config;
static struct storage *storage;
static struct upstream *up;
static struct loop *loop;
static char dir[64];

/* What the call-backs got. */
#define TOLD_MAX 512
static size_t n_told, target;
static struct {
	enum err err;
	struct why why;
	struct coll *coll;
	struct pck_answer *answer;
	struct blob *text;
} told[TOLD_MAX];

static void
tell(enum err e, const struct why *why)
{
	must(n_told < TOLD_MAX);
	told[n_told].err = e;
	if (why != NULL)
		told[n_told].why = *why;
	if (++n_told == target)
		loop_stop(loop);
}

static void
coll_cb(void *arg, enum err e, const struct why *why, struct coll *c)
{
	(void)arg;
	told[n_told].coll = c == NULL ? NULL : coll_ref(c);
	tell(e, why);
}

static void
answer_cb(void *arg, enum err e, const struct why *why, struct pck_answer *a)
{
	(void)arg;
	told[n_told].answer = a == NULL ? NULL : pck_answer_ref(a);
	tell(e, why);
}

static void
done_cb(void *arg, enum err e, const struct why *why)
{
	(void)arg;
	tell(e, why);
}

static void
text_cb(void *arg, enum err e, const struct why *why, struct blob *text)
{
	(void)arg;
	told[n_told].text = text; /* ours now */
	tell(e, why);
}

static void
forget(void)
{
	size_t i;

	for (i = 0; i < n_told; i++) {
		coll_unref(told[i].coll);
		pck_answer_unref(told[i].answer);
		blob_unref(told[i].text);
	}
	memset(told, 0, sizeof(told));
	n_told = target = 0;
}

/* A step on the loop; then the loop runs until so many were told. */
struct step {
	struct msg msg;
	void (*fn)(void *);
	void *arg;
};

static void
step_run(struct msg *m)
{
	struct step *s = msg_of(m, struct step, msg);

	s->fn(s->arg);
	if (target == n_told)
		loop_stop(loop);
}

static void
on_loop(void (*fn)(void *), void *arg, size_t more)
{
	struct step s = { .fn = fn, .arg = arg };

	target = n_told + more;
	msg_send(loop, &s.msg, step_run);
	loop_run(loop);
}

/* Wait for tells that are still out. */
static void
wait_told(size_t n)
{
	while (n_told < n) {
		target = n;
		loop_run(loop);
	}
}

struct opts {
	const char *upstream; /* further members of "upstream" */
	const char *more;     /* of the whole */
	const char *root_url; /* instead of the simulator's */
	const struct sim_opts *sim;
	bool mirror;
	const char *ca_file;
};

static struct config *
config_of(const struct opts *o)
{
	struct config *c = NULL;
	struct buf b = BUF_INIT;
	struct why why = { 0 };

	buf_printf(&b,
	    "{\"database\":\"sqlite:%s/larder.db\","
	    "\"trust\":{\"intel_root_spki_sha256\":[\"%s\"]},"
	    "\"upstream\":{\"pcs\":{\"urls\":[\"%s\"",
	    dir, pki_root_spki_hex(sim_pki(sim)), sim_url(sim));
	if (mirror != NULL)
		buf_printf(&b, ",\"%s\"", sim_url(mirror));
	buf_printf(&b, "],\"root_crl_urls\":[\"%s\"]}",
	    o->root_url != NULL ? o->root_url : sim_root_url(sim));
	if (o->ca_file != NULL)
		buf_printf(&b, ",\"ca_file\":\"%s\"", o->ca_file);
	if (o->upstream != NULL)
		buf_printf(&b, ",%s", o->upstream);
	buf_str(&b, "}");
	if (o->more != NULL)
		buf_printf(&b, ",%s", o->more);
	buf_str(&b, "}");
	ck_assert_msg(config_read(buf_view(&b), "test", &c, &why) == ERR_OK,
	    "%s", why.text);
	buf_free(&b);
	return c;
}

static void
stage(const struct opts *o)
{
	struct why why = { 0 };

	clock_offset_set(0);
	snprintf(dir, sizeof(dir), "/tmp/larder-upstream-XXXXXX");
	must(mkdtemp(dir) != NULL);
	sim = sim_start(o->sim);
	must(sim != NULL);
	mirror = o->mirror ? sim_start(o->sim) : NULL;
	config = config_of(o);
	loop = loop_new("test");
	ck_assert_msg(storage_open(config, &storage, &why) == ERR_OK, "%s",
	    why.text);
	ck_assert_msg(upstream_new(config, storage, &up, &why) == ERR_OK, "%s",
	    why.text);
	forget();
}

static void
setup(void)
{
	const struct opts plain = { 0 };

	stage(&plain);
}

static int
remove_cb(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static void
teardown(void)
{
	upstream_free(up);
	forget();
	storage_close(storage);
	loop_free(loop);
	config_unref(config);
	sim_stop(sim);
	if (mirror != NULL)
		sim_stop(mirror);
	nftw(dir, remove_cb, 8, FTW_DEPTH | FTW_PHYS);
	clock_offset_set(0);
}

/* --- steps ------------------------------------------------------------ */

struct want {
	struct coll_key key;
	long wait_ms;
	size_t n;
};

static void
want_step(void *arg)
{
	const struct want *w = arg;
	size_t i;

	for (i = 0; i < w->n; i++)
		upstream_want(up, &w->key, w->wait_ms, coll_cb, NULL);
}

static struct coll_key
key_of(const char *text)
{
	struct coll_key key;

	ck_assert_int_eq(key_read(text, &key, NULL), ERR_OK);
	return key;
}

/* Ask, and do not wait for the answers. */
static void
ask(const char *key, size_t n, long wait_ms)
{
	struct want w = { key_of(key), wait_ms, n };

	on_loop(want_step, &w, 0);
}

/* Ask once and give what came. */
static enum err
want(const char *key)
{
	struct want w = { key_of(key), 60000, 1 };

	on_loop(want_step, &w, 1);
	return told[n_told - 1].err;
}

static struct coll *
last_coll(void)
{
	return told[n_told - 1].coll;
}

static const char *
last_why(void)
{
	return told[n_told - 1].why.text;
}

static void
tick_step(void *arg)
{
	(void)arg;
	upstream_tick(up, done_cb, NULL);
}

/* Let the planner do all that is due now. */
static void
tick(void)
{
	on_loop(tick_step, NULL, 1);
	ck_assert_int_eq(told[n_told - 1].err, ERR_OK);
}

static void
later(int64_t s)
{
	clock_offset_set(clock_offset() + s);
}

static void
fault(struct sim *s, enum sim_fault_kind kind, const char *path, unsigned count)
{
	struct sim_fault f = { .kind = kind, .path = path, .count = count };

	sim_fault_add(s, &f);
}

static void
status(const char *path, int code, const char *retry_after, unsigned count)
{
	struct sim_fault f = { .kind = SIM_STATUS,
		.path = path,
		.count = count,
		.status = code,
		.retry_after = retry_after };

	sim_fault_add(sim, &f);
}

#define KEY "tcb/sgx/4/" FMSPC "/standard"

/* --- coalescing and waiting ------------------------------------------- */

START_TEST(test_200_concurrent_wants_are_one_request)
{
	size_t i;

	fault(sim, SIM_HOLD, TCB, 1);
	ask(KEY, 200, 60000);
	ck_assert(sim_wait(sim, TCB, 1, 10000));
	sim_release(sim);
	wait_told(200);
	for (i = 0; i < 200; i++) {
		ck_assert_int_eq(told[i].err, ERR_OK);
		ck_assert_ptr_eq(told[i].coll, told[0].coll);
	}
	ck_assert_uint_eq(sim_count(sim, TCB), 1);
	ck_assert_uint_eq(sim_count(sim, ROOT), 1);
	/* Who comes after that needs nobody. */
	ck_assert_int_eq(want(KEY), ERR_OK);
	ck_assert_uint_eq(sim_count(sim, TCB), 1);
	ck_assert_str_eq(last_coll()->source, sim_url(sim));
}
END_TEST

START_TEST(test_a_waiter_hears_in_time_and_the_flight_goes_on)
{
	fault(sim, SIM_HOLD, TCB, 1);
	ask(KEY, 1, 0);
	wait_told(1);
	ck_assert_int_eq(told[0].err, ERR_UP_SLOW);
	ck_assert(sim_wait(sim, TCB, 1, 10000));
	sim_release(sim);
	/* Joins the same flight, or finds what it brought. */
	ck_assert_int_eq(want(KEY), ERR_OK);
	ck_assert_uint_eq(sim_count(sim, TCB), 1);
}
END_TEST

START_TEST(test_a_slow_drip_costs_no_more_than_the_wait)
{
	struct sim_fault f = { .kind = SIM_DRIP,
		.path = TCB,
		.delay_ms = 1000 };

	sim_fault_add(sim, &f);
	ask(KEY, 1, 50);
	wait_told(1);
	ck_assert_int_eq(told[0].err, ERR_UP_SLOW);
	ck_assert_uint_le(sim_count(sim, TCB), 1);
}
END_TEST

/* --- failing ---------------------------------------------------------- */

static const struct {
	enum sim_fault_kind kind;
	int status;
	enum err expect;
} hard[] = {
	{ SIM_STATUS, 500, ERR_UP_ERROR },
	{ SIM_STATUS, 503, ERR_UP_ERROR },
	{ SIM_STATUS, 302, ERR_UP_ERROR },
	{ SIM_RESET, 0, ERR_UP_DOWN },
	{ SIM_EMPTY, 0, ERR_UP_DOWN },
	{ SIM_TRUNCATE, 0, ERR_UP_DOWN },
	{ SIM_GARBAGE, 0, ERR_N }, /* whatever the gate calls it */
	{ SIM_OTHER, 0, ERR_NOT_ASKED },
	{ SIM_NO_CHAIN, 0, ERR_N },
	{ SIM_CORRUPT, 0, ERR_N },
};

START_TEST(test_a_hard_failure_is_two_requests_and_a_clear_answer)
{
	struct sim_fault f = { .kind = hard[_i].kind,
		.path = TCB,
		.status = hard[_i].status };
	enum err e;

	sim_fault_add(sim, &f);
	e = want(KEY);
	if (hard[_i].expect == ERR_N)
		ck_assert_int_ne(e, ERR_OK);
	else
		ck_assert_int_eq(e, hard[_i].expect);
	ck_assert_ptr_null(last_coll());
	ck_assert_ptr_nonnull(strstr(last_why(), sim_url(sim)));
	/* libcurl itself repeats on a connection found dead. */
	ck_assert_uint_ge(sim_count(sim, TCB), 2);
	ck_assert_uint_le(sim_count(sim, TCB), 4);
	/* It was not kept, and the next good answer is. */
	sim_fault_clear(sim);
	later(120);
	ck_assert_int_eq(want(KEY), ERR_OK);
}
END_TEST

START_TEST(test_an_endless_answer_is_cut_off_and_not_asked_for_again)
{
	fault(sim, SIM_OVERSIZE, TCB, 0);
	ck_assert_int_eq(want(KEY), ERR_TOO_BIG);
	ck_assert_uint_eq(sim_count(sim, TCB), 1);
}
END_TEST

START_TEST(test_one_bad_answer_is_made_good_by_the_second)
{
	struct sim_fault f = { .kind = hard[_i].kind,
		.path = TCB,
		.status = hard[_i].status,
		.count = 1 };

	sim_fault_add(sim, &f);
	ck_assert_int_eq(want(KEY), ERR_OK);
}
END_TEST

START_TEST(test_a_refusing_upstream_opens_the_circuit_and_closes_it)
{
	unsigned long n;

	sim_down(sim);
	ck_assert_int_eq(want(KEY), ERR_UP_DOWN);
	(void)want("identity/qve/4/standard");
	ck_assert_int_eq(want("identity/qe/4/standard"), ERR_UP_CLOSED);
	ck_assert_ptr_nonnull(strstr(last_why(), "down since 20"));
	sim_up(sim);
	n = sim_count(sim, NULL);
	ck_assert_int_eq(want("identity/qe/4/standard"), ERR_UP_CLOSED);
	ck_assert_uint_eq(sim_count(sim, NULL), n);
	later(120);
	ck_assert_int_eq(want("identity/qe/4/standard"), ERR_OK);
	ck_assert_int_eq(want("identity/qve/4/standard"), ERR_OK);
}
END_TEST

START_TEST(test_what_clients_could_not_get_is_fetched_behind_their_backs)
{
	status(NULL, 500, NULL, 0);
	ck_assert_int_eq(want(KEY), ERR_UP_ERROR);
	sim_fault_clear(sim);
	sim_count_reset(sim);
	later(120);
	tick();
	tick(); /* an item that was denied while another probed */
	ck_assert_uint_eq(sim_count(sim, TCB), 1);
	ck_assert_int_eq(want(KEY), ERR_OK);
	ck_assert_uint_eq(sim_count(sim, TCB), 1);
}
END_TEST

START_TEST(test_429_pauses_the_origin_for_retry_after)
{
	struct want brief = { key_of(KEY), 5000, 1 };

	status(TCB, 429, "30", 1);
	on_loop(want_step, &brief, 1);
	ck_assert_int_eq(told[0].err, ERR_UP_THROTTLED);
	on_loop(want_step, &brief, 1);
	ck_assert_int_eq(told[1].err, ERR_UP_THROTTLED);
	ck_assert_uint_eq(sim_count(sim, TCB), 1);
	later(31);
	ck_assert_int_eq(want(KEY), ERR_OK);
	ck_assert_uint_eq(sim_count(sim, TCB), 2);
}
END_TEST

START_TEST(test_a_patient_waiter_outlives_a_429)
{
	status(TCB, 429, "30", 1);
	ask(KEY, 1, 3600000);
	ck_assert(sim_wait(sim, TCB, 1, 10000));
	/* Until the pause is in force, a tick does nothing. */
	while (n_told == 0) {
		struct want brief = { key_of(KEY), 1, 1 };

		on_loop(want_step, &brief, 1);
		if (told[n_told - 1].err == ERR_UP_THROTTLED)
			break;
	}
	later(31);
	tick();
	wait_told(n_told + 1);
	ck_assert_int_eq(told[n_told - 1].err, ERR_OK);
	ck_assert_uint_eq(sim_count(sim, TCB), 2);
}
END_TEST

START_TEST(test_a_404_is_remembered_for_a_while)
{
	static const char path[] = "/sgx/certification/v4/"
				   "tcb?fmspc=FFFFFFFFFFFF*";
	static const char key[] = "tcb/sgx/4/FFFFFFFFFFFF/standard";
	int i;

	for (i = 0; i < 5; i++)
		ck_assert_int_eq(want(key), ERR_UP_ABSENT);
	ck_assert_uint_eq(sim_count(sim, path), 1);
	later(config->cache.negative_s + 1);
	ck_assert_int_eq(want(key), ERR_UP_ABSENT);
	ck_assert_uint_eq(sim_count(sim, path), 2);
}
END_TEST

START_TEST(test_evaluation_numbers_pass_pcs_word_through)
{
	ck_assert_int_eq(want("identity/qe/4/17"), ERR_OK);
	ck_assert_int_eq(want("identity/qe/4/16"), ERR_UP_GONE);
	ck_assert_int_eq(want("identity/qe/4/18"), ERR_UP_ABSENT);
}
END_TEST

START_TEST(test_version_3_is_never_asked)
{
	ck_assert_int_eq(want("tcb/sgx/3/" FMSPC "/standard"), ERR_V3_EOL);
	ck_assert_uint_eq(sim_count(sim, NULL), 0);
}
END_TEST

/* --- mirrors ---------------------------------------------------------- */

static void
setup_mirror(void)
{
	const struct opts two = { .mirror = true };

	stage(&two);
}

static const enum pki_lie lies[] = { PKI_BAD_SIGNATURE, PKI_BODY_CHANGED,
	PKI_WRONG_KEY, PKI_FOREIGN_CHAIN, PKI_WRONG_ROLE, PKI_REVOKED_SIGNER };

START_TEST(test_a_lying_mirror_is_passed_over)
{
	struct sim_fault f = { .kind = SIM_LIE, .lie = lies[_i], .path = TCB };

	sim_fault_add(sim, &f);
	ck_assert_int_eq(want(KEY), ERR_OK);
	ck_assert_str_eq(last_coll()->source, sim_url(mirror));
	ck_assert_uint_eq(sim_count(sim, TCB), 1);
	ck_assert_uint_eq(sim_count(mirror, TCB), 1);
}
END_TEST

START_TEST(test_a_dead_mirror_is_passed_over_and_then_not_asked)
{
	static const char *const keys[] = { KEY, "identity/qe/4/standard",
		"identity/qve/4/standard", "identity/tdqe/4/standard",
		"evalnums/sgx" };
	size_t i;

	status("/sgx/certification/v4/*", 500, NULL, 0);
	status("/tdx/certification/v4/*", 500, NULL, 0);
	for (i = 0; i < 5; i++) {
		ck_assert_int_eq(want(keys[i]), ERR_OK);
		ck_assert_str_eq(last_coll()->source, sim_url(mirror));
	}
	/* Three failures opened its circuit; a probe may have come since. */
	ck_assert_uint_le(sim_count(sim, "/*/certification/*"), 4);
}
END_TEST

/* --- the root CRL ----------------------------------------------------- */

START_TEST(test_the_root_crl_is_asked_for_first)
{
	ck_assert_int_eq(want(KEY), ERR_OK);
	ck_assert(!last_coll()->revocation_unchecked);
	ck_assert_uint_eq(sim_count(sim, ROOT), 1);
	/* No other object had to be fetched for the root's certificate. */
	ck_assert_uint_eq(sim_count(sim, NULL), 2);
	ck_assert_int_eq(want("rootcrl"), ERR_OK);
	ck_assert_uint_eq(sim_count(sim, ROOT), 1);
}
END_TEST

START_TEST(test_a_root_crl_asked_for_alone_finds_a_root_certificate)
{
	ck_assert_int_eq(want("rootcrl"), ERR_OK);
	ck_assert_uint_eq(sim_count(sim, ROOT), 1);
	ck_assert_uint_eq(sim_count(sim, "/sgx/certification/v4/qe/identity*"),
	    1);
	ck_assert_int_eq(want("identity/qe/4/standard"), ERR_OK);
	ck_assert(!last_coll()->revocation_unchecked);
}
END_TEST

START_TEST(test_without_a_root_crl_objects_are_marked)
{
	status(ROOT, 500, NULL, 0);
	ck_assert_int_eq(want(KEY), ERR_OK);
	ck_assert(last_coll()->revocation_unchecked);
	/* It is not asked for again with every object. */
	sim_count_reset(sim);
	ck_assert_int_eq(want("identity/qve/4/standard"), ERR_OK);
	ck_assert_uint_eq(sim_count(sim, ROOT), 0);
}
END_TEST

START_TEST(test_a_signer_on_the_root_crl_is_refused_even_at_first)
{
	struct sim_fault f = { .kind = SIM_LIE,
		.lie = PKI_REVOKED_SIGNER,
		.path = TCB };

	sim_fault_add(sim, &f);
	ck_assert_int_eq(want(KEY), ERR_REVOKED);
	ck_assert_ptr_null(last_coll());
}
END_TEST

/* --- platforms -------------------------------------------------------- */

struct platform_want {
	struct sim_platform p;
	unsigned nonce;       /* of the PPID; 0: none */
	const char *manifest; /* hex, or NULL */
	bool tcb;
	long wait_ms;
	size_t n;
	int lower; /* components below the platform's own */
};

static void
platform_step(void *arg)
{
	const struct platform_want *w = arg;
	struct platform_ask ask_;
	char hex[769];
	unsigned char ppid[PPID_LEN];
	struct buf b = BUF_INIT;
	size_t i;

	for (i = 0; i < w->n; i++) {
		memset(&ask_, 0, sizeof(ask_));
		memcpy(ask_.id.qe_id, w->p.qe_id, sizeof(w->p.qe_id));
		memcpy(ask_.id.pce_id, w->p.pce_id, sizeof(w->p.pce_id));
		ask_.has_tcb = w->tcb;
		memcpy(ask_.tcb.cpusvn, w->p.cpusvn, 16);
		ask_.tcb.cpusvn[0] =
		    (uint8_t)(ask_.tcb.cpusvn[0] - w->lower * (int)i);
		ask_.tcb.pcesvn = w->p.pcesvn;
		if (w->nonce != 0) {
			sim_enc_ppid(&w->p, w->nonce + (unsigned)i, hex);
			ck_assert_int_eq(hex_read(span_str(hex), ppid,
					     sizeof(ppid)),
			    ERR_OK);
			ask_.enc_ppid = blob_new(ppid, sizeof(ppid));
		}
		if (w->manifest != NULL) {
			ck_assert_int_eq(hex_read_buf(span_str(w->manifest),
					     &b),
			    ERR_OK);
			ask_.manifest = buf_blob(&b);
		}
		upstream_platform(up, &ask_, w->wait_ms, answer_cb, NULL);
		blob_unref(ask_.enc_ppid);
		blob_unref(ask_.manifest);
	}
}

static enum err
platform(struct platform_want *w)
{
	if (w->n == 0)
		w->n = 1;
	if (w->wait_ms == 0)
		w->wait_ms = 60000;
	on_loop(platform_step, w, w->n);
	return told[n_told - 1].err;
}

#define PCKCERTS "/sgx/certification/v4/pckcerts*"

START_TEST(test_a_platform_is_fetched_once_for_all_that_ask)
{
	struct platform_want w = { .p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
		.nonce = 1,
		.tcb = true,
		.wait_ms = 60000,
		.n = 200 };
	size_t i;

	fault(sim, SIM_HOLD, PCKCERTS, 1);
	on_loop(platform_step, &w, 0);
	ck_assert(sim_wait(sim, PCKCERTS, 1, 10000));
	sim_release(sim);
	wait_told(200);
	for (i = 0; i < 200; i++) {
		ck_assert_msg(told[i].err == ERR_OK, "%s", told[i].why.text);
		ck_assert_ptr_nonnull(told[i].answer);
		ck_assert_str_eq(told[i].answer->tcbm, told[0].answer->tcbm);
	}
	/* Every PPID was another ciphertext of the same platform. */
	ck_assert_uint_eq(sim_count(sim, PCKCERTS), 1);
	ck_assert_uint_eq(sim_count(sim, TCB_ALL "update=standard"), 1);
	ck_assert_uint_eq(sim_count(sim, TCB_ALL "update=early"), 1);
	ck_assert_uint_eq(sim_count(sim, "*pckcrl?ca=processor"), 1);
	/* Now it is known. */
	ck_assert_int_eq(platform(&w), ERR_OK);
	ck_assert_uint_eq(sim_count(sim, PCKCERTS), 1);
}
END_TEST

START_TEST(test_the_next_platform_needs_no_collateral)
{
	struct platform_want a = { .p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
		.nonce = 1,
		.tcb = true };
	struct platform_want b = a;
	unsigned long n;
	unsigned i = 2;

	ck_assert_int_eq(platform(&a), ERR_OK);
	do
		b.p = sim_platform(SIM_NUMBER(SIM_CLIENT, i++));
	while (strcmp(a.p.fmspc, b.p.fmspc) != 0);
	n = sim_count(sim, NULL);
	ck_assert_int_eq(platform(&b), ERR_OK);
	ck_assert_uint_eq(sim_count(sim, NULL), n + 1);
}
END_TEST

START_TEST(test_each_waiter_gets_the_answer_for_its_own_tcb)
{
	struct platform_want w = { .p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
		.nonce = 1,
		.tcb = true,
		.wait_ms = 60000,
		.n = 2,
		.lower = 1 };

	fault(sim, SIM_HOLD, PCKCERTS, 1);
	on_loop(platform_step, &w, 0);
	ck_assert(sim_wait(sim, PCKCERTS, 1, 10000));
	sim_release(sim);
	wait_told(2);
	ck_assert_int_eq(told[0].err, ERR_OK);
	ck_assert_int_eq(told[1].err, ERR_OK);
	ck_assert_int_eq(memcmp(told[0].answer->tcb.cpusvn, w.p.cpusvn, 16), 0);
	ck_assert_int_eq(told[1].answer->tcb.cpusvn[0], w.p.cpusvn[0] - 1);
	ck_assert_str_ne(told[0].answer->tcbm, told[1].answer->tcbm);
	ck_assert_uint_eq(sim_count(sim, PCKCERTS), 1);
}
END_TEST

START_TEST(test_an_indirect_platform_is_asked_by_manifest)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_INDIRECT, 1));
	char *manifest = sim_manifest(&p, 0);
	struct platform_want w = { .p = p, .manifest = manifest };

	ck_assert_int_eq(platform(&w), ERR_OK);
	ck_assert_ptr_null(told[0].answer); /* no raw TCB to answer for */
	ck_assert_uint_eq(sim_count(sim, "*pckcerts?manifest=*"), 1);
	ck_assert_uint_eq(sim_count(sim, "*pckcerts?platform=*"), 0);
	free(manifest);
}
END_TEST

START_TEST(test_a_ppid_unknown_to_pcs_is_followed_by_the_manifest)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_INDIRECT, 1));
	char *manifest = sim_manifest(&p, 0);
	struct platform_want by_ppid = { .p = p,
		.nonce = 1,
		.tcb = true,
		.wait_ms = 60000,
		.n = 1 };
	struct platform_want by_manifest = { .p = p,
		.manifest = manifest,
		.wait_ms = 60000,
		.n = 1 };

	fault(sim, SIM_HOLD, PCKCERTS, 1);
	on_loop(platform_step, &by_ppid, 0);
	ck_assert(sim_wait(sim, PCKCERTS, 1, 10000));
	on_loop(platform_step, &by_manifest, 0);
	on_loop(tick_step, NULL, 1); /* it has joined */
	sim_release(sim);
	wait_told(3);
	ck_assert_int_eq(told[1].err, ERR_OK);
	ck_assert_int_eq(told[2].err, ERR_OK);
	ck_assert_uint_eq(sim_count(sim, "*pckcerts?platform=*"), 1);
	ck_assert_uint_eq(sim_count(sim, "*pckcerts?manifest=*"), 1);
	free(manifest);
}
END_TEST

START_TEST(test_a_refused_ppid_does_not_lock_the_platform_out)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_UNKNOWN, 1));
	struct sim_platform good = sim_platform(SIM_NUMBER(SIM_CLIENT, 1));
	struct platform_want bad = { .p = p, .nonce = 1, .tcb = true };
	struct platform_want right = { .p = good, .nonce = 1, .tcb = true };

	/* Somebody asks in the good platform's name with a wrong PPID. */
	memcpy(bad.p.qe_id, good.qe_id, sizeof(good.qe_id));
	ck_assert_int_eq(platform(&bad), ERR_UP_ABSENT);
	ck_assert_int_eq(platform(&bad), ERR_UP_ABSENT);
	ck_assert_uint_eq(sim_count(sim, PCKCERTS), 1);
	ck_assert_int_eq(platform(&right), ERR_OK);
}
END_TEST

START_TEST(test_all_not_available_is_remembered)
{
	struct platform_want w = { .p = sim_platform(SIM_NUMBER(SIM_ALL_NA, 1)),
		.nonce = 1,
		.tcb = true };

	ck_assert_int_eq(platform(&w), ERR_NOT_AVAILABLE);
	w.nonce = 7;
	ck_assert_int_eq(platform(&w), ERR_NOT_AVAILABLE);
	ck_assert_uint_eq(sim_count(sim, PCKCERTS), 1);
	later(601);
	sim_na_resolve(sim);
	ck_assert_int_eq(platform(&w), ERR_OK);
	ck_assert_uint_eq(sim_count(sim, PCKCERTS), 2);
}
END_TEST

START_TEST(test_nothing_to_ask_with_is_said)
{
	struct platform_want w = { .p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
		.tcb = true };

	ck_assert_int_eq(platform(&w), ERR_NO_PPID);
	ck_assert_uint_eq(sim_count(sim, NULL), 0);
}
END_TEST

START_TEST(test_garbage_for_a_platform_is_refused)
{
	struct platform_want w = { .p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
		.nonce = 1,
		.tcb = true };
	enum err e;

	fault(sim, SIM_GARBAGE, PCKCERTS, 0);
	e = platform(&w);
	ck_assert_int_ne(e, ERR_OK);
	ck_assert_int_eq(err_http(e), 502);
	ck_assert_uint_eq(sim_count(sim, PCKCERTS), 2);
	sim_fault_clear(sim);
	ck_assert_int_eq(platform(&w), ERR_OK);
}
END_TEST

START_TEST(test_a_missing_tcb_info_is_reported_as_what_it_is)
{
	struct platform_want w = { .p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
		.nonce = 1,
		.tcb = true };

	fault(sim, SIM_GARBAGE, TCB_ALL, 0);
	ck_assert_int_eq(err_http(platform(&w)), 502);
}
END_TEST

static void
refetch_step(void *arg)
{
	const struct sim_platform *p = arg;
	struct platform_id id = { 0 };

	memcpy(id.qe_id, p->qe_id, sizeof(p->qe_id));
	memcpy(id.pce_id, p->pce_id, sizeof(p->pce_id));
	upstream_refetch(up, &id);
	upstream_refetch(up, &id);
}

START_TEST(test_a_list_is_fetched_again_once_an_hour_at_most)
{
	struct platform_want w = { .p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
		.nonce = 1,
		.tcb = true };

	ck_assert_int_eq(platform(&w), ERR_OK);
	on_loop(refetch_step, &w.p, 0);
	tick();
	ck_assert_uint_eq(sim_count(sim, PCKCERTS), 2);
	on_loop(refetch_step, &w.p, 0);
	tick();
	ck_assert_uint_eq(sim_count(sim, PCKCERTS), 2);
	later(3601);
	on_loop(refetch_step, &w.p, 0);
	tick();
	ck_assert_uint_eq(sim_count(sim, PCKCERTS), 3);
}
END_TEST

/* --- the planner ------------------------------------------------------ */

START_TEST(test_what_is_held_is_asked_for_daily)
{
	unsigned day;

	ck_assert_int_eq(want(KEY), ERR_OK);
	for (day = 1; day <= 40; day++) {
		later(86400);
		tick();
		ck_assert_uint_eq(sim_count(sim, TCB), day + 1);
	}
	/* The other flavour came with it, and the root CRL. */
	ck_assert_uint_ge(sim_count(sim, TCB_ALL "update=early"), 39);
	ck_assert_uint_ge(sim_count(sim, ROOT), 39);
	ck_assert_int_eq(want(KEY), ERR_OK);
	ck_assert_uint_eq(sim_count(sim, TCB), 41);
}
END_TEST

START_TEST(test_the_planner_survives_a_long_outage)
{
	unsigned long n;
	int day;

	ck_assert_int_eq(want(KEY), ERR_OK);
	sim_down(sim);
	for (day = 0; day < 10; day++) {
		later(86400);
		tick();
	}
	sim_up(sim);
	n = sim_count(sim, TCB);
	later(3600 + 900); /* the longest back-off there is */
	tick();
	later(10);
	tick();
	ck_assert_uint_gt(sim_count(sim, TCB), n);
	ck_assert_int_eq(want(KEY), ERR_OK);
}
END_TEST

START_TEST(test_an_older_object_does_not_replace_the_one_held)
{
	struct sim_fault f = { .kind = SIM_OLDER,
		.path = TCB,
		.arg = 3 * 86400 };
	time_t was;

	ck_assert_int_eq(want(KEY), ERR_OK);
	was = last_coll()->issue_at;
	sim_fault_add(sim, &f);
	later(86400);
	tick();
	ck_assert_uint_eq(sim_count(sim, TCB), 2);
	sim_fault_clear(sim);
	sim_down(sim);
	ck_assert_int_ne(want(KEY), ERR_OK);
	sim_up(sim);
	later(120);
	ck_assert_int_eq(want(KEY), ERR_OK);
	ck_assert_int_gt(last_coll()->issue_at, was);
}
END_TEST

START_TEST(test_a_new_evaluation_number_renews_the_lists)
{
	struct platform_want w = { .p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
		.nonce = 1,
		.tcb = true };

	ck_assert_int_eq(platform(&w), ERR_OK);
	ck_assert_uint_eq(sim_count(sim, PCKCERTS), 1);
	sim_recovery(sim);
	later(86400);
	tick(); /* TCB infos, and the list they make due */
	ck_assert_uint_eq(sim_count(sim, PCKCERTS), 2);
}
END_TEST

/* --- refresh ---------------------------------------------------------- */

static void
refresh_step(void *arg)
{
	upstream_refresh(up, arg != NULL, NULL, 0, text_cb, NULL);
}

static void
refresh_key_step(void *arg)
{
	struct coll_key key = key_of(arg);

	upstream_refresh_key(up, &key, text_cb, NULL);
}

static json_t *
last_list(void)
{
	struct blob *b = told[n_told - 1].text;
	json_t *j;

	ck_assert_ptr_nonnull(b);
	j = json_loadb((const char *)b->data, b->len, 0, NULL);
	ck_assert(json_is_array(j));
	return j;
}

START_TEST(test_refresh_asks_for_all_that_is_held)
{
	json_t *list;

	ck_assert_int_eq(want(KEY), ERR_OK);
	ck_assert_int_eq(want("pckcrl/platform"), ERR_OK);
	sim_count_reset(sim);
	on_loop(refresh_step, NULL, 1);
	ck_assert_int_eq(told[n_told - 1].err, ERR_OK);
	list = last_list();
	ck_assert_uint_eq(json_array_size(list), 0);
	json_decref(list);
	ck_assert_uint_eq(sim_count(sim, TCB), 1);
	ck_assert_uint_eq(sim_count(sim, "*pckcrl?ca=platform"), 1);
	ck_assert_uint_eq(sim_count(sim, ROOT), 1);
	ck_assert_uint_eq(sim_count(sim, "*identity*"), 6);
	ck_assert_uint_eq(sim_count(sim, NULL), 9);
	ck_assert_uint_le(sim_concurrency(sim), 4);
}
END_TEST

START_TEST(test_refresh_lists_what_failed_and_does_the_rest)
{
	json_t *list, *item;

	ck_assert_int_eq(want(KEY), ERR_OK);
	status(TCB, 404, NULL, 0);
	sim_count_reset(sim);
	on_loop(refresh_step, NULL, 1);
	ck_assert_int_eq(told[n_told - 1].err, ERR_UP_ABSENT);
	list = last_list();
	ck_assert_uint_eq(json_array_size(list), 1);
	item = json_array_get(list, 0);
	ck_assert_str_eq(json_string_value(json_object_get(item, "item")), KEY);
	ck_assert_str_eq(json_string_value(json_object_get(item, "reason")),
	    "upstream-404");
	json_decref(list);
	ck_assert_uint_eq(sim_count(sim, "*identity*"), 6);
}
END_TEST

START_TEST(test_refresh_of_one_object_whatever_its_age)
{
	ck_assert_int_eq(want(KEY), ERR_OK);
	on_loop(refresh_key_step, KEY, 1);
	ck_assert_int_eq(told[n_told - 1].err, ERR_OK);
	ck_assert_uint_eq(sim_count(sim, TCB), 2);
}
END_TEST

START_TEST(test_refresh_of_certificates)
{
	struct platform_want w = { .nonce = 1, .tcb = true };
	static const unsigned kinds[] = { SIM_CLIENT, SIM_CLIENT_NA,
		SIM_DIRECT };
	json_t *list;
	size_t i;

	for (i = 0; i < 3; i++) {
		w.p = sim_platform(SIM_NUMBER(kinds[i], 1));
		ck_assert_int_eq(platform(&w), ERR_OK);
	}
	sim_count_reset(sim);
	on_loop(refresh_step, (void *)1, 1);
	ck_assert_int_eq(told[n_told - 1].err, ERR_OK);
	list = last_list();
	ck_assert_uint_eq(json_array_size(list), 0);
	json_decref(list);
	ck_assert_uint_eq(sim_count(sim, PCKCERTS), 3);
}
END_TEST

static void
prefetch_step(void *arg)
{
	upstream_prefetch(up, *(const enum update_set *)arg, 60000, done_cb,
	    NULL);
}

START_TEST(test_prefetch_fetches_only_what_is_missing)
{
	enum update_set set = UPDATES_STANDARD;

	on_loop(prefetch_step, &set, 1);
	ck_assert_int_eq(told[n_told - 1].err, ERR_OK);
	ck_assert_uint_eq(sim_count(sim, "*identity*"), 3);
	ck_assert_uint_eq(sim_count(sim, "*pckcrl*"), 2);
	ck_assert_uint_eq(sim_count(sim, ROOT), 1);
	set = UPDATES_ALL;
	on_loop(prefetch_step, &set, 1);
	ck_assert_int_eq(told[n_told - 1].err, ERR_OK);
	ck_assert_uint_eq(sim_count(sim, "*identity*"), 6);
	ck_assert_uint_eq(sim_count(sim, NULL), 9);
}
END_TEST

START_TEST(test_prefetch_says_what_is_missing)
{
	enum update_set set = UPDATES_STANDARD;

	status("*pckcrl?ca=platform*", 500, NULL, 0);
	on_loop(prefetch_step, &set, 1);
	ck_assert_int_eq(told[n_told - 1].err, ERR_UP_ERROR);
	ck_assert_ptr_nonnull(strstr(last_why(), "pckcrl/platform"));
}
END_TEST

/* --- modes and settings ----------------------------------------------- */

static void
setup_offline(void)
{
	const struct opts o = { .more = "\"mode\":\"offline\"" };

	stage(&o);
}

START_TEST(test_offline_asks_nobody)
{
	struct platform_want w = { .p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
		.nonce = 1,
		.tcb = true };
	enum update_set set = UPDATES_ALL;

	ck_assert_int_eq(want(KEY), ERR_OFFLINE);
	ck_assert_int_eq(platform(&w), ERR_OFFLINE);
	on_loop(prefetch_step, &set, 1);
	ck_assert_int_eq(told[n_told - 1].err, ERR_OFFLINE);
	on_loop(refresh_step, NULL, 1);
	ck_assert_int_eq(told[n_told - 1].err, ERR_OFFLINE);
	ck_assert_ptr_null(told[n_told - 1].text);
	later(86400);
	tick();
	ck_assert_uint_eq(sim_count(sim, NULL), 0);
}
END_TEST

START_TEST(test_reload_changes_the_mode_and_forgets_refusals)
{
	const struct opts online = { 0 };
	static const char key[] = "tcb/sgx/4/FFFFFFFFFFFF/standard";
	struct config *next = config_of(&online);

	ck_assert_int_eq(want(key), ERR_OFFLINE);
	upstream_reload(up, next);
	ck_assert_int_eq(want(key), ERR_UP_ABSENT);
	upstream_reload(up, next);
	ck_assert_int_eq(want(key), ERR_UP_ABSENT);
	ck_assert_uint_eq(sim_count(sim,
			      "/sgx/certification/v4/tcb?fmspc=FFFFFFFFFFFF*"),
	    2);
	config_unref(next);
}
END_TEST

static void
setup_key(void)
{
	const struct sim_opts locked = { .api_key = "0123456789abcdef" };
	const struct opts o = { .sim = &locked };

	stage(&o);
}

START_TEST(test_a_refused_api_key_is_told)
{
	ck_assert_int_eq(want(KEY), ERR_UP_AUTH);
	ck_assert_int_eq(err_http(told[0].err), 502);
	ck_assert_uint_eq(sim_count(sim, TCB), 1);
}
END_TEST

static void
status_step(void *arg)
{
	(void)arg;
	upstream_status(up, text_cb, NULL);
}

static void
setup_right_key(void)
{
	setenv("LARDER_PCS_API_KEY", "0123456789abcdef", 1);
	setup_key();
	unsetenv("LARDER_PCS_API_KEY");
}

START_TEST(test_no_secret_reaches_the_log_or_the_status)
{
	struct platform_want w = { .p = sim_platform(
				       SIM_NUMBER(SIM_INDIRECT, 1)),
		.nonce = 1,
		.tcb = true };
	char path[100], ppid[769], *manifest = sim_manifest(&w.p, 0);
	struct buf log = BUF_INIT;
	char part[4096];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/log", dir);
	fflush(stderr);
	ck_assert_ptr_nonnull(freopen(path, "w", stderr));
	ck_assert_int_eq(want(KEY), ERR_OK);
	ck_assert_int_eq(platform(&w), ERR_UP_ABSENT);
	w.manifest = manifest;
	fault(sim, SIM_GARBAGE, "*pckcerts*", 2);
	ck_assert_int_ne(platform(&w), ERR_OK);
	sim_down(sim);
	ck_assert_int_ne(platform(&w), ERR_OK);
	on_loop(status_step, NULL, 1);
	fflush(stderr);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(&log, part, n);
	fclose(f);
	ck_assert_ptr_nonnull(strstr(log.p, "event=asked object=platform/"));
	buf_span(&log, blob_span(told[n_told - 1].text));
	for (n = 0; n < n_told; n++)
		buf_str(&log, told[n].why.text);
	sim_enc_ppid(&w.p, 1, ppid);
	ppid[32] = manifest[32] = '\0';
	ck_assert_ptr_null(strcasestr(log.p, ppid));
	ck_assert_ptr_null(strcasestr(log.p, manifest));
	ck_assert_ptr_null(strcasestr(log.p, w.p.qe_id));
	ck_assert_ptr_null(strcasestr(log.p, "0123456789abcdef"));
	buf_free(&log);
	free(manifest);
}
END_TEST

START_TEST(test_draining_answers_those_who_wait)
{
	fault(sim, SIM_HOLD, TCB, 1);
	ask(KEY, 20, 60000);
	ck_assert(sim_wait(sim, TCB, 1, 10000));
	upstream_drain(up);
	wait_told(20);
	ck_assert_int_eq(told[0].err, ERR_DRAINING);
	ck_assert_int_eq(told[19].err, ERR_DRAINING);
	ck_assert_int_eq(want("identity/qe/4/standard"), ERR_DRAINING);
	sim_release(sim);
}
END_TEST

/* --- for people and for Prometheus ------------------------------------ */

START_TEST(test_status_says_who_is_down_since_when_and_why)
{
	json_t *j, *o;
	struct blob *b;

	status(NULL, 500, NULL, 0);
	(void)want(KEY);
	(void)want("identity/qve/4/standard");
	on_loop(status_step, NULL, 1);
	b = told[n_told - 1].text;
	j = json_loadb((const char *)b->data, b->len, 0, NULL);
	ck_assert_ptr_nonnull(j);
	o = json_array_get(json_object_get(j, "origins"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(o, "origin")),
	    sim_url(sim));
	ck_assert_str_eq(json_string_value(json_object_get(o, "state")),
	    "down");
	ck_assert_ptr_nonnull(json_object_get(o, "down_since"));
	ck_assert_str_eq(json_string_value(
			     json_object_get(json_object_get(o, "last_error"),
				 "reason")),
	    "upstream-5xx");
	ck_assert_ptr_nonnull(
	    json_object_get(json_object_get(j, "due"), "failing"));
	json_decref(j);
}
END_TEST

START_TEST(test_metrics_count_by_origin_and_status)
{
	struct buf b = BUF_INIT;
	char line[200];

	(void)want(KEY);
	(void)want("tcb/sgx/4/FFFFFFFFFFFF/standard");
	on_loop(status_step, NULL, 1); /* the last flight is put away */
	upstream_metrics(up, &b);
	snprintf(line, sizeof(line),
	    "larder_upstream_answers_total{origin=\"%s\",status=\"200\"} 2\n",
	    sim_url(sim));
	ck_assert_ptr_nonnull(strstr(b.p, line));
	snprintf(line, sizeof(line),
	    "larder_upstream_answers_total{origin=\"%s\",status=\"404\"} 1\n",
	    sim_url(sim));
	ck_assert_ptr_nonnull(strstr(b.p, line));
	snprintf(line, sizeof(line),
	    "larder_upstream_seconds_count{origin=\"%s\"} 3\n", sim_url(sim));
	ck_assert_ptr_nonnull(strstr(b.p, line));
	snprintf(line, sizeof(line), "larder_upstream_up{origin=\"%s\"} 1\n",
	    sim_url(sim));
	ck_assert_ptr_nonnull(strstr(b.p, line));
	ck_assert_ptr_nonnull(strstr(b.p, "larder_flights 0\n"));
	buf_free(&b);
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

static TCase *
tcase(Suite *s, const char *name, void (*up_)(void))
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, up_, teardown);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	return t;
}

int
main(void)
{
	Suite *s = suite_create("upstream");
	TCase *t = tcase(s, "one", setup);
	SRunner *r;
	int failed;

	tcase_add_test(t, test_200_concurrent_wants_are_one_request);
	tcase_add_test(t, test_a_waiter_hears_in_time_and_the_flight_goes_on);
	tcase_add_test(t, test_a_slow_drip_costs_no_more_than_the_wait);
	tcase_add_loop_test(t,
	    test_a_hard_failure_is_two_requests_and_a_clear_answer, 0, N(hard));
	tcase_add_test(t,
	    test_an_endless_answer_is_cut_off_and_not_asked_for_again);
	tcase_add_loop_test(t, test_one_bad_answer_is_made_good_by_the_second,
	    0, N(hard));
	tcase_add_test(t,
	    test_a_refusing_upstream_opens_the_circuit_and_closes_it);
	tcase_add_test(t,
	    test_what_clients_could_not_get_is_fetched_behind_their_backs);
	tcase_add_test(t, test_429_pauses_the_origin_for_retry_after);
	tcase_add_test(t, test_a_patient_waiter_outlives_a_429);
	tcase_add_test(t, test_a_404_is_remembered_for_a_while);
	tcase_add_test(t, test_evaluation_numbers_pass_pcs_word_through);
	tcase_add_test(t, test_version_3_is_never_asked);
	tcase_add_test(t, test_the_root_crl_is_asked_for_first);
	tcase_add_test(t,
	    test_a_root_crl_asked_for_alone_finds_a_root_certificate);
	tcase_add_test(t, test_without_a_root_crl_objects_are_marked);
	tcase_add_test(t,
	    test_a_signer_on_the_root_crl_is_refused_even_at_first);
	tcase_add_test(t, test_a_platform_is_fetched_once_for_all_that_ask);
	tcase_add_test(t, test_the_next_platform_needs_no_collateral);
	tcase_add_test(t, test_each_waiter_gets_the_answer_for_its_own_tcb);
	tcase_add_test(t, test_an_indirect_platform_is_asked_by_manifest);
	tcase_add_test(t,
	    test_a_ppid_unknown_to_pcs_is_followed_by_the_manifest);
	tcase_add_test(t, test_a_refused_ppid_does_not_lock_the_platform_out);
	tcase_add_test(t, test_all_not_available_is_remembered);
	tcase_add_test(t, test_nothing_to_ask_with_is_said);
	tcase_add_test(t, test_garbage_for_a_platform_is_refused);
	tcase_add_test(t, test_a_missing_tcb_info_is_reported_as_what_it_is);
	tcase_add_test(t, test_a_list_is_fetched_again_once_an_hour_at_most);
	tcase_add_test(t, test_what_is_held_is_asked_for_daily);
	tcase_add_test(t, test_the_planner_survives_a_long_outage);
	tcase_add_test(t, test_an_older_object_does_not_replace_the_one_held);
	tcase_add_test(t, test_a_new_evaluation_number_renews_the_lists);
	tcase_add_test(t, test_refresh_asks_for_all_that_is_held);
	tcase_add_test(t, test_refresh_lists_what_failed_and_does_the_rest);
	tcase_add_test(t, test_refresh_of_one_object_whatever_its_age);
	tcase_add_test(t, test_refresh_of_certificates);
	tcase_add_test(t, test_prefetch_fetches_only_what_is_missing);
	tcase_add_test(t, test_prefetch_says_what_is_missing);
	tcase_add_test(t, test_draining_answers_those_who_wait);
	tcase_add_test(t, test_status_says_who_is_down_since_when_and_why);
	tcase_add_test(t, test_metrics_count_by_origin_and_status);
	t = tcase(s, "mirrors", setup_mirror);
	tcase_add_loop_test(t, test_a_lying_mirror_is_passed_over, 0, N(lies));
	tcase_add_test(t, test_a_dead_mirror_is_passed_over_and_then_not_asked);
	t = tcase(s, "offline", setup_offline);
	tcase_add_test(t, test_offline_asks_nobody);
	tcase_add_test(t, test_reload_changes_the_mode_and_forgets_refusals);
	t = tcase(s, "key", setup_key);
	tcase_add_test(t, test_a_refused_api_key_is_told);
	t = tcase(s, "right key", setup_right_key);
	tcase_add_test(t, test_no_secret_reaches_the_log_or_the_status);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
