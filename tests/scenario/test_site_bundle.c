/*
 * A whole site in one file: everything of it comes in elsewhere, nothing of
 * it once a byte, a line or a key is another.
 */
#include "tests/kit/document.h"
#include "tests/kit/house.h"
#include "tests/kit/keep.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define S4     "/sgx/certification/v4/"
#define T4     "/tdx/certification/v4/"
#define CACHED S4 "platforms?source=%5B%5D"
/* More than go into one part. */
#define N_PLATFORMS 19

static struct house h;

static struct house_opts
options(const char *mode)
{
	return (struct house_opts){ .mode = mode,
		.listen = "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\","
			  "\"ops\",\"admin\",\"kds\"]}]" };
}

static void
setup(void)
{
	struct house_opts opts = options("lazy");

	house_start(&h, &opts);
}

static void
teardown(void)
{
	house_stop(&h);
}

/* --- the command ------------------------------------------------------ */

static void
check_run(const char *line, int status, const char *text)
{
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d", h.port);
	setenv("LARDER_SERVER", url, 1);
	setenv("LARDER_ADMIN_TOKEN", HOUSE_ADMIN, 1);
	run_check(line, status, text, NULL);
}

/* NAME.key and NAME.pub */
static void
make_key(const char *name, const char *kind)
{
	check_run(keep_printf("openssl genpkey %s -out %s/%s.key", kind,
		      run_dir(), name),
	    0, "");
	check_run(keep_printf("openssl pkey -in %s/%s.key -pubout -out "
			      "%s/%s.pub",
		      run_dir(), name, run_dir(), name),
	    0, "");
}

#define ED25519 "-algorithm ed25519"
#define P256    "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"

static void
export_site(const char *key)
{
	check_run(keep_printf("larder export --site --sign-key %s/%s.key -o %s",
		      run_dir(), key, run_path("site")),
	    0, "19 platforms, 1 registrations and 2 appraisal policies");
}

static void
import_site(const char *file, const char *trust, int status, const char *text)
{
	check_run(keep_printf("larder import --trust %s/%s.pub %s", run_dir(),
		      trust, run_path(file)),
	    status, text);
}

/* --- a site ----------------------------------------------------------- */

/* Of three kinds; the last has a manifest. */
static struct sim_platform
platform(unsigned i)
{
	if (i == N_PLATFORMS - 1)
		return sim_platform(SIM_NUMBER(SIM_INDIRECT, 0));
	return sim_platform(
	    SIM_NUMBER(i % 4 == 0 ? SIM_CLIENT_NA : SIM_CLIENT, i));
}

static const char *
vcek(void)
{
	static char path[SIM_KDS_PATH];
	struct sim_chip chip = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 0));

	sim_chip_path(&chip, path);
	return path;
}

/* What it serves; NULL ends. */
static const char *
target(size_t i)
{
	static const char *const fixed[] = { S4 "qe/identity",
		S4 "qve/identity", T4 "qe/identity", S4 "rootcacrl",
		S4 "pckcrl?ca=processor", S4 "pckcrl?ca=platform",
		"/vcek/v1/Milan/cert_chain", "/vcek/v1/Milan/crl" };
	const size_t n = sizeof(fixed) / sizeof(fixed[0]);
	struct sim_platform p;

	if (i < n)
		return fixed[i];
	i -= n;
	if (i == 0)
		return vcek();
	i--;
	if (i < N_PLATFORMS) {
		p = platform((unsigned)i);
		return keep_text(house_pckcert(&p, 1));
	}
	i -= N_PLATFORMS;
	p = platform(i == 0 ? 0 : N_PLATFORMS - 1);
	return i > 1 ? NULL : keep_printf(S4 "tcb?fmspc=%s", p.fmspc);
}

#define TARGETS_MAX 64
struct answers {
	size_t n;
	struct edge_reply v[TARGETS_MAX];
	struct edge_reply cached; /* the list of platforms */
};

static void
ask_all(struct answers *a)
{
	const char *path;

	for (a->n = 0; (path = target(a->n)) != NULL; a->n++) {
		ck_assert_uint_lt(a->n, TARGETS_MAX);
		a->v[a->n] = keep(house_get(&h, path));
		ck_assert_msg(a->v[a->n].status == 200, "%s: %d", path,
		    a->v[a->n].status);
	}
}

static void
expect_all(const struct answers *before)
{
	struct answers now;
	size_t i;

	ask_all(&now);
	for (i = 0; i < now.n; i++)
		ck_assert_msg(house_same_body(&before->v[i], &now.v[i]), "%s",
		    target(i));
}

/* Raw TCBs, encrypted PPIDs and manifests, before anybody has asked. */
static void
expect_list(const struct answers *before)
{
	struct edge_reply now =
	    keep(house_admin(&h, "GET", CACHED "&peek=1", NULL));

	ck_assert(house_same_body(&before->cached, &now));
}

static void
expect_policy(const char *text)
{
	char *put = keep_text(document_policy("00606A000000", true, text));
	json_t *o = keep_json(json_loads(put, 0, NULL));
	struct edge_reply r =
	    keep(house_get(&h, S4 "appraisalpolicy?fmspc=00606A000000"));

	ck_assert_int_eq(r.status, 200);
	ck_assert_str_eq(r.body,
	    json_string_value(json_object_get(o, "policy")));
}

/* One registration that Intel knows nothing of waits. */
static void
live(struct answers *out)
{
	struct sim_platform p = platform(N_PLATFORMS - 1),
			    unknown = sim_platform(SIM_NUMBER(SIM_UNKNOWN, 0));
	struct edge_reply r;

	expect_registered(&h, &p, keep_text(sim_manifest(&p, 0)));
	r = keep(house_register(&h, "",
	    keep_text(house_registration(&unknown, 1, NULL))));
	ck_assert_int_ne(r.status, 200);
	expect_admin(&h, "PUT", S4 "appraisalpolicy",
	    keep_text(document_policy("00606A000000", true, "one")), 200);
	expect_admin(&h, "PUT", S4 "appraisalpolicy",
	    keep_text(document_policy("00606A000000", false, "two")), 200);
	ask_all(out);
	out->cached = keep(house_admin(&h, "GET", CACHED "&peek=1", NULL));
	ck_assert_int_eq(out->cached.status, 200);
}

static json_t *
page(const char *query)
{
	struct edge_reply r = keep(
	    house_admin(&h, "GET", keep_printf("/v1/export%s", query), NULL));

	ck_assert_int_eq(r.status, 200);
	return keep_json(json_loadb(r.body, r.len, 0, NULL));
}

static size_t
held(const char *query, const char *list)
{
	json_t *o = json_object_get(page(query), list);

	ck_assert(json_is_array(o));
	return json_array_size(o);
}

static void
expect_empty(void)
{
	ck_assert_uint_eq(held("", "objects"), 0);
	ck_assert_uint_eq(held("?veks=0", "objects"), 0);
	ck_assert_uint_eq(held("?platforms=0", "platforms"), 0);
	ck_assert_uint_eq(held("?registrations=0", "registrations"), 0);
	ck_assert_uint_eq(held("?policies=0", "policies"), 0);
}

/* --- tests ------------------------------------------------------------ */

START_TEST(test_a_site_moves_whole)
{
	struct house_opts lazy = options("lazy"), offline = options("offline");
	struct answers before;
	struct stat st;

	live(&before);
	make_key("site", ED25519);
	export_site("site");
	ck_assert_int_eq(stat(run_path("site"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_ne(access(run_path("site.part"), F_OK), 0);

	house_fresh(&h, &offline);
	sim_count_reset(h.sim);
	import_site("site", "site", 0, "19 platforms, 1 registrations and 2");
	expect_list(&before);
	expect_all(&before);
	expect_policy("one");
	ck_assert_uint_eq(held("?policies=0", "policies"), 2);
	ck_assert_uint_eq(held("?registrations=0", "registrations"), 1);
	/* Once more does no harm. */
	import_site("site", "site", 0, "taken");
	expect_all(&before);
	/* Its first start with a way out asks for nothing that is there. */
	house_restart(&h, &lazy);
	expect_all(&before);
	ck_assert_uint_eq(sim_count(h.sim, NULL), 0);
}
END_TEST

/* The second file at the end of the first. */
static void
join(const char *name, const char *other)
{
	struct buf a = run_slurp(run_path(name)),
		   b = run_slurp(run_path(other));

	run_spill(name, keep_printf("%s%s", a.p, b.p));
	buf_free(&a);
	buf_free(&b);
}

START_TEST(test_either_kind_of_key_signs_and_no_other)
{
	struct house_opts offline = options("offline");
	struct answers before;

	live(&before);
	make_key("rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048");
	check_run(keep_printf("larder export --site --sign-key %s -o %s",
		      run_path("rsa.key"), run_path("site")),
	    1, "no private key for P-256 or Ed25519");
	make_key("ec", P256);
	make_key("old", ED25519);
	export_site("ec");
	house_fresh(&h, &offline);
	import_site("site", "rsa", 1, "does not hold");
	import_site("site", "old", 1, "does not hold");
	check_run(keep_printf("larder import %s", run_path("site")), 2,
	    "whose signature");
	expect_empty();
	/* The one before and the one now, in one file. */
	join("old.pub", "ec.pub");
	import_site("site", "old", 0, "19 platforms");
	expect_all(&before);
}
END_TEST

/* --- tampering -------------------------------------------------------- */

#define LINES_MAX 64
struct lines {
	size_t n;
	struct span v[LINES_MAX]; /* with their ends */
};

static struct lines
lines_of(const struct buf *file)
{
	struct lines l = { .n = 0 };
	char *at = file->p, *end;

	while ((end = strchr(at, '\n')) != NULL) {
		ck_assert_uint_lt(l.n, LINES_MAX);
		l.v[l.n++] = span_of(at, (size_t)(end + 1 - at));
		at = end + 1;
	}
	ck_assert_uint_ge(l.n, 8);
	return l;
}

static void
spill(const struct lines *l)
{
	struct buf b = BUF_INIT;
	size_t i;

	for (i = 0; i < l->n; i++)
		buf_span(&b, l->v[i]);
	buf_add(&b, "", 1);
	run_spill("bad", b.p);
	buf_free(&b);
}

static void
refused(const struct lines *l, const char *text)
{
	spill(l);
	import_site("bad", "site", 1, text);
}

static struct lines
without(const struct lines *l, size_t at)
{
	struct lines bad = *l;

	memmove(&bad.v[at], &bad.v[at + 1],
	    (bad.n - at - 1) * sizeof(bad.v[0]));
	bad.n--;
	return bad;
}

static struct lines
doubled(const struct lines *l, size_t at)
{
	struct lines bad = *l;

	memmove(&bad.v[at + 1], &bad.v[at], (bad.n - at) * sizeof(bad.v[0]));
	bad.n++;
	return bad;
}

static struct lines
swapped(const struct lines *l, size_t at)
{
	struct lines bad = *l;

	bad.v[at] = l->v[at + 1];
	bad.v[at + 1] = l->v[at];
	return bad;
}

/* Another digit in the middle of it. */
static struct lines
altered(const struct lines *l, size_t at)
{
	struct lines bad = *l;
	struct buf b = BUF_INIT;
	struct blob *blob;
	size_t i;

	buf_span(&b, l->v[at]);
	for (i = b.len / 2; b.p[i] < '1' || b.p[i] > '8'; i--)
		ck_assert_uint_gt(i, 0);
	b.p[i]++;
	blob = keep_blob(buf_blob(&b));
	bad.v[at] = blob_span(blob);
	return bad;
}

START_TEST(test_what_was_altered_is_refused_whole)
{
	struct house_opts offline = options("offline");
	struct answers before;
	struct lines good, bad;
	struct buf file;
	size_t i;

	live(&before);
	make_key("site", ED25519);
	export_site("site");
	file = run_slurp(run_path("site"));
	good = lines_of(&file);
	house_fresh(&h, &offline);
	bad = altered(&good, 0);
	refused(&bad, "nothing is taken");
	/* Without its first line it is no bundle at all. */
	for (i = 1; i < good.n; i++) {
		bad = altered(&good, i);
		refused(&bad, "nothing is taken");
		bad = without(&good, i);
		refused(&bad, "nothing is taken");
		bad = doubled(&good, i);
		refused(&bad, "nothing is taken");
		if (i + 1 < good.n) {
			bad = swapped(&good, i);
			refused(&bad, "nothing is taken");
		}
		bad = good;
		bad.n = i;
		refused(&bad, "nothing is taken");
		bad.n++;
		bad.v[i].len -= 1 + bad.v[i].len / 3;
		refused(&bad, "within a line");
	}
	expect_empty();
	spill(&good);
	import_site("bad", "site", 0, "19 platforms");
	expect_all(&before);
	buf_free(&file);
}
END_TEST

/* --- the gate --------------------------------------------------------- */

/* Well signed, and yet: one of its platforms has been revoked since. */
START_TEST(test_a_bundle_passes_the_gate)
{
	struct house_opts lazy = options("lazy");
	struct sim_platform gone = platform(1), good = platform(2);
	struct answers before;

	live(&before);
	make_key("site", P256);
	export_site("site");
	sim_revoke(h.sim, &gone);
	house_fresh(&h, &lazy);
	expect_get(&h, S4 "pckcrl?ca=processor", 200, NULL);
	import_site("site", "site", 1, "revoked");
	sim_down(h.sim);
	expect_pckcert(&h, &good, 1, 200, NULL);
	ck_assert_int_ne(house_status(&h, keep_text(house_pckcert(&gone, 1))),
	    200);
	sim_up(h.sim);
}
END_TEST

/* What has no good certificate any more goes where it can wait for one. */
START_TEST(test_a_platform_without_certificates_is_registered)
{
	struct house_opts offline = options("offline");
	struct sim_platform gone = platform(1);
	struct answers before;

	live(&before);
	make_key("site", ED25519);
	sim_revoke(h.sim, &gone);
	expect_admin(&h, "POST", "/v1/refresh?key=pckcrl/processor", NULL, 200);
	ck_assert_uint_eq(held("?platforms=0", "registrations"), 1);
	check_run(keep_printf("larder export --site --sign-key %s -o %s",
		      run_path("site.key"), run_path("site")),
	    0, "18 platforms, 2 registrations");
	house_fresh(&h, &offline);
	import_site("site", "site", 0, "18 platforms, 2 registrations");
	ck_assert_uint_eq(held("?registrations=0", "registrations"), 2);
}
END_TEST

/* --- what is older ---------------------------------------------------- */

/* The last platform registers once more, with another manifest. */
static const char *
register_anew(unsigned rev)
{
	struct sim_platform p = platform(N_PLATFORMS - 1);
	const char *manifest = keep_text(sim_manifest(&p, rev));

	expect_registered(&h, &p, manifest);
	return manifest;
}

/* In the row of its platform, cached and not in the queue. */
static void
expect_manifest(const char *manifest)
{
	struct edge_reply r =
	    keep(house_admin(&h, "GET", CACHED "&peek=1", NULL));

	ck_assert_int_eq(r.status, 200);
	ck_assert_ptr_nonnull(strstr(r.body, manifest));
}

START_TEST(test_an_older_bundle_replaces_nothing_newer)
{
	struct house_opts offline = options("offline");
	const char *first = register_anew(0), *second;
	struct answers before, after;

	live(&before);
	make_key("site", ED25519);
	export_site("site");
	house_later(&h, 60);
	second = register_anew(1);
	ck_assert_str_ne(first, second);
	expect_manifest(second);
	after.cached = keep(house_admin(&h, "GET", CACHED "&peek=1", NULL));
	import_site("site", "site", 0, "1 left out: what is held is newer");
	import_site("site", "site", 0, "(older-than-held)");
	expect_list(&after);
	expect_manifest(second);

	/* Fetched again today, an old manifest is an old one still. */
	check_run(keep_printf("larder export --site --sign-key %s -o %s",
		      run_path("site.key"), run_path("newer")),
	    0, "19 platforms");
	house_fresh(&h, &offline);
	import_site("site", "site", 0, "19 platforms");
	expect_list(&before);
	/* When it came here does not count: what it is from does. */
	house_later(&h, 60);
	import_site("newer", "site", 0, "taken");
	expect_list(&after);
	import_site("site", "site", 0, "(older-than-held)");
	expect_list(&after);
	/* The way back for who means it. */
	check_run(keep_printf("larder import --force --trust %s %s",
		      run_path("site.pub"), run_path("site")),
	    0, "taken");
	expect_manifest(first);
}
END_TEST

/* A refresh gives an old manifest new certificates: which one was registered
 * last decides all the same. */
START_TEST(test_a_manifest_is_no_newer_for_being_fetched_again)
{
	struct sim_platform p = platform(N_PLATFORMS - 1);
	const char *second;
	json_t *old, *o;
	char *text;
	struct edge_reply r;

	register_anew(0);
	old = page("?platforms=0");
	house_later(&h, 60);
	second = register_anew(1);
	o = json_array_get(json_object_get(json_object_get(old, "collaterals"),
			       "pck_certs"),
	    0);
	ck_assert_ptr_nonnull(json_object_get(o, "fetched_at"));
	json_object_set_new(o, "fetched_at",
	    json_string("2199-01-01T00:00:00Z"));
	text = keep_text(json_dumps(old, JSON_COMPACT));
	r = keep(house_admin(&h, "POST", "/v1/import", text));
	ck_assert_int_eq(r.status, 200);
	ck_assert_ptr_nonnull(strstr(r.body, "older-than-held"));
	expect_manifest(second);
	/* A time that is none is no page. */
	json_object_set_new(o, "fetched_at", json_string("today"));
	text = keep_text(json_dumps(old, JSON_COMPACT));
	r = keep(house_admin(&h, "POST", "/v1/import", text));
	ck_assert_int_eq(r.status, 460);
	expect_manifest(second);
	expect_pckcert(&h, &p, 1, 200, NULL);
}
END_TEST

static void
without_times(json_t *list)
{
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		json_object_del(o, "fetched_at");
		json_object_del(o, "registered_at");
	}
}

/* As larder 0.1.0 made them. */
static char *
page_of_old(const char *query)
{
	json_t *o = page(query);

	without_times(
	    json_object_get(json_object_get(o, "collaterals"), "pck_certs"));
	without_times(json_object_get(o, "registrations"));
	return keep_text(json_dumps(o, JSON_COMPACT));
}

START_TEST(test_what_has_no_times_fills_gaps_alone)
{
	struct house_opts offline = options("offline");
	const char *first = register_anew(0), *second;
	char *old = page_of_old("?platforms=0");
	struct edge_reply r;

	make_key("site", ED25519);
	check_run(keep_printf("larder export --site --sign-key %s -o %s",
		      run_path("site.key"), run_path("site")),
	    0, "1 platforms");
	check_run(keep_printf("larder export -o %s", run_path("objects")), 0,
	    "");
	second = register_anew(1);
	r = keep(house_admin(&h, "POST", "/v1/import", old));
	ck_assert_int_eq(r.status, 200);
	ck_assert_ptr_nonnull(strstr(r.body, "older-than-held"));
	expect_manifest(second);
	house_fresh(&h, &offline);
	import_site("site", "site", 0, "taken");
	house_fresh(&h, &offline);
	/* The collateral of it, without the platform. */
	check_run(keep_printf("larder import %s", run_path("objects")), 0,
	    "taken");
	r = keep(house_admin(&h, "POST", "/v1/import", old));
	ck_assert_msg(r.status == 200, "%s", r.body);
	ck_assert_ptr_null(strstr(r.body, "older-than-held"));
	expect_manifest(first);
	/* Twice does no harm, and what has a time goes before it. */
	r = keep(house_admin(&h, "POST", "/v1/import", old));
	ck_assert_int_eq(r.status, 200);
	ck_assert_ptr_null(strstr(r.body, "older-than-held"));
	import_site("site", "site", 0, "taken");
	expect_manifest(first);
}
END_TEST

/* In the queue, that of a platform Intel has not said anything of. */
START_TEST(test_a_registration_that_waits_is_not_taken_back)
{
	struct house_opts offline = options("offline");
	struct sim_platform p = platform(N_PLATFORMS - 1);
	const char *first = keep_text(sim_manifest(&p, 0)),
		   *second = keep_text(sim_manifest(&p, 1));
	struct edge_reply r;
	char *old, *older;

	house_restart(&h, &offline);
	(void)keep(house_register(&h, "",
	    keep_text(house_registration(&p, 1, first))));
	old = keep_text(json_dumps(page("?registrations=0"), JSON_COMPACT));
	ck_assert_ptr_nonnull(strstr(old, "registered_at"));
	older = page_of_old("?registrations=0");
	house_later(&h, 60);
	(void)keep(house_register(&h, "",
	    keep_text(house_registration(&p, 1, second))));
	r = keep(house_admin(&h, "POST", "/v1/import", old));
	ck_assert_int_eq(r.status, 200);
	ck_assert_ptr_nonnull(strstr(r.body, "older-than-held"));
	r = keep(house_admin(&h, "POST", "/v1/import", older));
	ck_assert_ptr_nonnull(strstr(r.body, "older-than-held"));
	old = keep_text(json_dumps(page("?registrations=0"), JSON_COMPACT));
	ck_assert_ptr_nonnull(strcasestr(old, second));
	ck_assert_ptr_null(strcasestr(old, first));
	/* Elsewhere either is taken, and the later one stays. */
	house_fresh(&h, &offline);
	r = keep(house_admin(&h, "POST", "/v1/import", older));
	ck_assert_ptr_null(strstr(r.body, "older-than-held"));
	r = keep(house_admin(&h, "POST", "/v1/import", old));
	ck_assert_ptr_null(strstr(r.body, "older-than-held"));
	r = keep(house_admin(&h, "POST", "/v1/import", older));
	ck_assert_ptr_nonnull(strstr(r.body, "older-than-held"));
	ck_assert_uint_eq(held("?registrations=0", "registrations"), 1);
}
END_TEST

START_TEST(test_wrong_usage)
{
	check_run(keep_printf("larder export --site"), 2, "--sign-key");
	check_run(keep_printf("larder export --site --platforms"), 2,
	    "everything");
	make_key("site", ED25519);
	check_run(keep_printf("larder export --site --sign-key %s -o -",
		      run_path("site.key")),
	    2, "--output");
	check_run(keep_printf("larder export --site --sign-key %s -o %s",
		      run_path("site.pub"), run_path("none")),
	    1, "no private key");
	check_run(keep_printf("larder export --site --sign-key %s -o %s/no/x",
		      run_path("site.key"), run_dir()),
	    1, "No such file");
	ck_assert_int_eq(keep(house_admin(&h, "GET", "/v1/export?platforms=x",
				  NULL))
			     .status,
	    400);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("site_bundle");
	TCase *t = tcase_create("site");
	SRunner *r = srunner_create(s);
	int failed;

	(void)run_dir();
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_a_site_moves_whole);
	tcase_add_test(t, test_either_kind_of_key_signs_and_no_other);
	tcase_add_test(t, test_what_was_altered_is_refused_whole);
	tcase_add_test(t, test_a_bundle_passes_the_gate);
	tcase_add_test(t, test_a_platform_without_certificates_is_registered);
	tcase_add_test(t, test_an_older_bundle_replaces_nothing_newer);
	tcase_add_test(t, test_a_manifest_is_no_newer_for_being_fetched_again);
	tcase_add_test(t, test_what_has_no_times_fills_gaps_alone);
	tcase_add_test(t, test_a_registration_that_waits_is_not_taken_back);
	tcase_add_test(t, test_wrong_usage);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
