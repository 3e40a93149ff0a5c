/*
 * Lies about what other objects hang on, told by two mirrors: root CRLs, PCK
 * certificates, lists of evaluation numbers, early TCB infos.  Refused with
 * the reason and counted, nothing kept; the honest mirror is asked; and what
 * was held stays.  (test_lies.c has the objects that clients ask for most.)
 */
#include "config/base/clock.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "tests/kit/house.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define S4   "/sgx/certification/v4/"
#define T4   "/tdx/certification/v4/"
#define DAY  ((int64_t)86400)

static struct house h;
static struct sim *mirror; /* the same PKI, asked second */

/* --- objects ---------------------------------------------------------- */

enum { JSON = 1, ROOT = 2, PCK = 4, NUMBERED = 8 };
#define ALL (JSON | ROOT | PCK)

static const struct {
	const char *target; /* of larder; NULL: a pckcert request */
	const char *asked;  /* of PCS, a pattern of canonical paths */
	const char *key;    /* of "larder refresh" */
	int kind;
} objects[] = {
	{ T4 "tcb?fmspc=90C06F000000&update=early",
	    T4 "tcb[?]fmspc=90C06F000000&update=early",
	    "tcb/tdx/4/90C06F000000/early", JSON | NUMBERED },
	{ S4 "tcbevaluationdatanumbers", S4 "tcbevaluationdatanumbers",
	    "evalnums/sgx", JSON },
	{ S4 "rootcacrl", "/intelsgxrootca.der", "rootcrl", ROOT },
	{ NULL, S4 "pckcerts[?]platform=*", "certs&fmspc=00906ED50000", PCK },
};

/* --- lies ------------------------------------------------------------- */

#define DOWN "upstream-down"

static const struct {
	struct sim_fault fault;
	int kinds;
	const char *reason; /* or either of two, "a|b" */
} lies[] = {
	{ { .kind = SIM_LIE, .lie = PKI_BAD_SIGNATURE }, JSON | ROOT,
	    "bad-signature" },
	{ { .kind = SIM_LIE, .lie = PKI_BAD_SIGNATURE }, PCK, "bad-chain" },
	{ { .kind = SIM_LIE, .lie = PKI_BODY_CHANGED }, JSON, "bad-signature" },
	/* The changed byte may be one of the issuer's name. */
	{ { .kind = SIM_LIE, .lie = PKI_BODY_CHANGED }, ROOT,
	    "bad-signature|bad-chain|bad-format" },
	{ { .kind = SIM_LIE, .lie = PKI_WRONG_KEY }, JSON | ROOT,
	    "bad-signature" },
	{ { .kind = SIM_LIE, .lie = PKI_WRONG_KEY }, PCK, "bad-chain" },
	{ { .kind = SIM_LIE, .lie = PKI_FOREIGN_CHAIN }, JSON | PCK,
	    "untrusted-root" },
	{ { .kind = SIM_LIE, .lie = PKI_FOREIGN_CHAIN }, ROOT, "bad-chain" },
	{ { .kind = SIM_LIE, .lie = PKI_WRONG_ROLE }, JSON | PCK, "bad-chain" },
	{ { .kind = SIM_LIE, .lie = PKI_WRONG_ROLE }, ROOT, "bad-signature" },
	{ { .kind = SIM_LIE, .lie = PKI_REVOKED_SIGNER }, JSON, "revoked" },
	{ { .kind = SIM_LIE, .lie = PKI_EXPIRED_SIGNER }, JSON, "expired" },
	{ { .kind = SIM_OTHER }, JSON | PCK, "not-what-was-asked" },
	{ { .kind = SIM_OTHER }, ROOT, "bad-chain" },
	{ { .kind = SIM_OLDER, .arg = 40 * DAY }, JSON, "expired" },
	{ { .kind = SIM_OLDER, .arg = 400 * DAY }, ROOT, "expired" },
	{ { .kind = SIM_OLDER, .arg = -2 * DAY }, JSON | ROOT,
	    "not-yet-valid" },
	{ { .kind = SIM_NO_CHAIN }, JSON | PCK, "bad-chain" },
	{ { .kind = SIM_BAD_CHAIN, .arg = 500 }, JSON | PCK,
	    "bad-chain|bad-format|untrusted-root" },
	{ { .kind = SIM_CORRUPT, .arg = 500 }, JSON,
	    "bad-signature|bad-format" },
	{ { .kind = SIM_CORRUPT, .arg = 900 }, ROOT, "bad-signature" },
	{ { .kind = SIM_CORRUPT, .arg = 500 }, PCK,
	    "bad-format|bad-chain|bad-signature" },
	{ { .kind = SIM_GARBAGE }, ALL, "bad-format|bad-chain" },
	{ { .kind = SIM_OVERSIZE, .arg = 2 << 20 }, ALL, "too-big" },
	{ { .kind = SIM_TRUNCATE }, PCK, DOWN },
	{ { .kind = SIM_EMPTY }, PCK, DOWN },
	{ { .kind = SIM_RESET }, PCK, DOWN },
	{ { .kind = SIM_STATUS, .status = 500 }, PCK, "upstream-5xx" },
	{ { .kind = SIM_STATUS, .status = 204 }, PCK, "upstream-5xx" },
	{ { .kind = SIM_STATUS, .status = 302 }, PCK, "upstream-5xx" },
	{ { .kind = SIM_STATUS, .status = 200 }, ALL, "bad-format|bad-chain" },
};

/*
 * A round is a lie told about several objects at once, as each of them takes
 * the time of a second attempt; the root CRL, on which others hang, has
 * rounds of its own.
 */
static struct round {
	int lie;
	bool root;
} rounds[2 * N(lies)];
static int n_rounds;

static bool
in_round(const struct round *r, int object)
{
	bool root = objects[object].kind == ROOT;

	return root == r->root && (lies[r->lie].kinds & objects[object].kind);
}

static void
rounds_make(void)
{
	struct round r;
	int o, any;

	for (r.lie = 0; r.lie < N(lies); r.lie++) {
		for (any = 0, r.root = false, o = 0; o < N(objects); o++)
			any += in_round(&r, o);
		if (any > 0)
			rounds[n_rounds++] = r;
		r.root = true;
		if ((lies[r.lie].kinds & ROOT) != 0)
			rounds[n_rounds++] = r;
	}
}

/* --- asking for several at once ---------------------------------------- */

static int
ask(const char *method, const char *target)
{
	struct buf b = BUF_INIT;
	int fd = edge_open(h.port);

	buf_printf(&b,
	    "%s %s HTTP/1.1\r\nHost: a\r\nadmin-token: " HOUSE_ADMIN
	    "\r\nContent-Length: 0\r\n\r\n",
	    method, target);
	edge_send_n(fd, b.p, b.len);
	buf_free(&b);
	return fd;
}

static int
ask_object(int object)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1));
	char *pckcert;
	int fd;

	if (objects[object].target != NULL)
		return ask("GET", objects[object].target);
	pckcert = house_pckcert(&p, 1);
	fd = ask("GET", pckcert);
	free(pckcert);
	return fd;
}

static const char *
refresh_target(int object)
{
	static char target[200];

	snprintf(target, sizeof(target), "/v1/refresh?key=%s",
	    objects[object].key);
	return target;
}

static int
ask_refresh(int object)
{
	return ask("POST", refresh_target(object));
}

static void
ask_all(const struct round *r, int (*one)(int), struct edge_reply *got)
{
	int fd[N(objects)], o;

	for (o = 0; o < N(objects); o++)
		if (in_round(r, o))
			fd[o] = one(o);
	for (o = 0; o < N(objects); o++) {
		got[o] = (struct edge_reply){ .status = 0 };
		if (!in_round(r, o))
			continue;
		edge_read(fd[o], &got[o], false);
		close(fd[o]);
	}
}

static void
all_free(struct edge_reply *got)
{
	int o;

	for (o = 0; o < N(objects); o++)
		edge_reply_free(&got[o]);
}

/* --- steps ------------------------------------------------------------ */

static void
lie_start(struct sim *sim, const struct round *r)
{
	struct sim_fault f = lies[r->lie].fault;
	int o;

	for (o = 0; o < N(objects); o++) {
		f.path = objects[o].asked;
		if (in_round(r, o))
			sim_fault_add(sim, &f);
	}
}

/* "want" is one token, or several with bars between. */
static bool
among(const char *got, const char *want)
{
	size_t n = strlen(got);
	const char *at = want;

	for (; at != NULL; at = strchr(at, '|')) {
		at += *at == '|';
		if (strncmp(at, got, n) == 0 && (at[n] == '|' || at[n] == '\0'))
			return true;
	}
	return false;
}

static const char *
what(const struct round *r, int object)
{
	static char text[200];
	const struct sim_fault *f = &lies[r->lie].fault;

	snprintf(text, sizeof(text), "%s %s %ld of %s", sim_fault_name(f->kind),
	    f->kind == SIM_LIE ? pki_lie_name(f->lie) : "",
	    f->kind == SIM_STATUS ? f->status : f->arg, objects[object].key);
	return text;
}

static bool
from_gate(enum sim_fault_kind kind)
{
	return kind == SIM_LIE || kind == SIM_OTHER || kind == SIM_OLDER ||
	       kind == SIM_BAD_CHAIN || kind == SIM_CORRUPT;
}

/* Both mirrors lie and nothing is held. */
static void
nothing_is_kept(const struct round *r)
{
	const char *want = lies[r->lie].reason, *reason;
	struct edge_reply got[N(objects)];
	int o;

	ask_all(r, ask_object, got);
	for (o = 0; o < N(objects); o++) {
		if (!in_round(r, o))
			continue;
		ck_assert_msg(got[o].status == 502, "%s: %d", what(r, o),
		    got[o].status);
		reason = edge_header(&got[o], "Larder-Reason");
		ck_assert_msg(reason != NULL && among(reason, want),
		    "%s: %s, not %s", what(r, o), reason, want);
		/* By the gate, twice: what never gets there is not. */
		if (from_gate(lies[r->lie].fault.kind))
			ck_assert_uint_ge(metric_refused_get(
					      err_from_token(reason)),
			    2);
	}
	all_free(got);
}

/* Past every rest and pause. */
static void
later(void)
{
	clock_offset_set(clock_offset() + 1200);
	upstream_tick(h.upstream, NULL, NULL);
}

static void
next_mirror_is_asked(const struct round *r)
{
	unsigned long lied[N(objects)], honest[N(objects)];
	struct edge_reply got[N(objects)], again[N(objects)];
	int o;

	for (o = 0; o < N(objects); o++) {
		lied[o] = sim_count(h.sim, objects[o].asked);
		honest[o] = sim_count(mirror, objects[o].asked);
	}
	sim_fault_clear(mirror);
	/* It may be fetched at once, as what clients could not get is. */
	later();
	ask_all(r, ask_object, got);
	ask_all(r, ask_object, again);
	for (o = 0; o < N(objects); o++) {
		if (!in_round(r, o))
			continue;
		ck_assert_msg(got[o].status == 200, "%s: %d", what(r, o),
		    got[o].status);
		ck_assert_uint_gt(sim_count(h.sim, objects[o].asked), lied[o]);
		ck_assert_uint_gt(sim_count(mirror, objects[o].asked),
		    honest[o]);
		expect_header(&again[o], "X-Cache", "HIT");
		ck_assert(house_same_body(&got[o], &again[o]));
	}
	all_free(got);
	all_free(again);
}

static void
held_stays(const struct round *r)
{
	struct edge_reply held[N(objects)], failed[N(objects)];
	struct edge_reply still[N(objects)];
	int o;

	ask_all(r, ask_object, held);
	lie_start(mirror, r);
	later();
	ask_all(r, ask_refresh, failed);
	ask_all(r, ask_object, still);
	for (o = 0; o < N(objects); o++) {
		if (!in_round(r, o))
			continue;
		ck_assert_msg(failed[o].status == 502, "%s: %d %.*s",
		    what(r, o), failed[o].status, (int)failed[o].len,
		    failed[o].body);
		ck_assert_msg(still[o].status == 200, "%s: %d", what(r, o),
		    still[o].status);
		expect_header(&still[o], "X-Cache", "HIT");
		ck_assert(house_same_body(&held[o], &still[o]));
	}
	all_free(held);
	all_free(failed);
	all_free(still);
}

static void
setup(void)
{
	struct sim_opts sim = { .genesis = clock_now() - 3600 };
	struct house_opts o = { .sim = &sim };

	mirror = sim_start(&sim);
	ck_assert_ptr_nonnull(mirror);
	o.mirror = mirror;
	house_start(&h, &o);
}

static void
teardown(void)
{
	house_stop(&h);
	sim_stop(mirror);
}

START_TEST(test_lie_is_refused_and_leaves_what_is_held)
{
	const struct round *r = &rounds[_i];

	setup();
	/* So that the round's objects are the only ones fetched below. */
	if (!r->root)
		expect_get(&h, S4 "qve/identity", 200, NULL);
	lie_start(h.sim, r);
	lie_start(mirror, r);
	nothing_is_kept(r);
	next_mirror_is_asked(r);
	held_stays(r);
	teardown();
}
END_TEST

/* --- honest once, outdated now ------------------------------------------ */

static const struct {
	struct sim_fault fault;
	int kinds;
} outdated[] = {
	{ { .kind = SIM_OLDER, .arg = 3600 }, JSON },
	{ { .kind = SIM_OLDER, .arg = 3600 }, ROOT },
	{ { .kind = SIM_LOWER }, NUMBERED },
};

/* Valid still, and older than what is held: everybody's oldest trick. */
START_TEST(test_nothing_goes_backwards)
{
	struct edge_reply held, failed, still;
	struct sim_fault f = outdated[_i].fault;
	int o;

	setup();
	for (o = 0; o < N(objects); o++) {
		if ((objects[o].kind & outdated[_i].kinds) == 0)
			continue;
		expect_get(&h, objects[o].target, 200, NULL);
		held = house_get(&h, objects[o].target);
		f.path = objects[o].asked;
		sim_fault_add(h.sim, &f);
		sim_fault_add(mirror, &f);
		failed = house_admin(&h, "POST", refresh_target(o), "");
		ck_assert_msg(failed.status == 502, "%s: %d", objects[o].key,
		    failed.status);
		ck_assert_ptr_nonnull(memmem(failed.body, failed.len,
		    "older-than-held", strlen("older-than-held")));
		still = house_get(&h, objects[o].target);
		expect_header(&still, "X-Cache", "HIT");
		ck_assert(house_same_body(&held, &still));
		ck_assert_uint_ge(metric_refused_get(ERR_OLDER), 1);
		edge_reply_free(&held);
		edge_reply_free(&failed);
		edge_reply_free(&still);
		later();
	}
	teardown();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("forged");
	TCase *tc = tcase_create("forged");
	SRunner *sr;
	int failed;

	rounds_make();
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_lie_is_refused_and_leaves_what_is_held, 0,
	    n_rounds);
	tcase_add_loop_test(tc, test_nothing_goes_backwards, 0, N(outdated));
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
