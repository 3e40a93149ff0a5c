/*
 * Real input, AMD's: what KDS and Azure's caches have handed out, served by
 * the replay form of the simulator to a real larderd at the time when it was
 * valid, and read back in the bytes of the manifest (snp/MANIFEST.md).
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/verify/amd.h"
#include "tests/kit/house.h"
#include "tests/kit/keep.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* Genoa's list is new, and every VCEK and chain of the folder is valid. */
#define AT ((time_t)1785300000) /* 2026-07-29T04:40:00Z */

static struct house h;
static struct daemon_run larderd;

/* The chip of milan-v2-thim is that of every guest at the second listener. */
static const char listen_both[] =
    "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"kds\",\"ops\",\"admin\"]},"
    "{\"address\":\"127.0.0.1:0\",\"serve\":[\"thim\"]}]";
static const char hosts[] =
    "\"hosts\":[{\"match\":[\"127.0.0.0/8\"],\"product\":\"Milan\","
    "\"chip_id\":[\"b12164b45a2a27426e04ab52c5781d404fe2eab35ef5c4f714ce0fc23d2"
    "fb3f3e65631710244a4edfad191616be3366e48a6352b35128d748458bc9c282d0f5a\"],"
    "\"tcb\":\"7308000000000003\"}]";

static void
setup(void)
{
	static char dir[600];
	static const char *dirs[] = { dir };
	static struct sim_opts sim = { .n_replay = 1, .replay = dirs };
	struct house_opts o = { .sim = &sim,
		.listen = listen_both,
		.members = hosts,
		.real_roots = true };

	snprintf(dir, sizeof(dir), "%s/snp", vectors_dir());
	clock_offset_set(AT - clock_now());
	run_faketime(clock_offset());
	unlink(run_path("larder.db")); /* an earlier test's */
	house_daemon(&h, &o, &larderd);
}

static void
teardown(void)
{
	ck_assert_int_eq(daemon_run_end(&larderd, SIGTERM), 0);
	sim_stop(h.sim);
	keep_end();
}

/* --- what comes out ----------------------------------------------------- */

static void
expect_body(const char *target, struct span want, const char *type)
{
	struct edge_reply r = keep(house_get(&h, target));
	unsigned char sum[32];
	char hex[65], tag[80];

	ck_assert_msg(r.status == 200, "%s: %d\n%s\n%s", target, r.status,
	    r.text, r.body);
	ck_assert_msg(span_eq(span_of(r.body, r.len), want), "%s", target);
	expect_header(&r, "Content-Type", type);
	sha256(want, sum);
	hex_lower(span_of(sum, sizeof(sum)), hex);
	snprintf(tag, sizeof(tag), "\"sha256-%s\"", hex);
	expect_header(&r, "ETag", tag);
}

/* The request that the manifest has for this certificate. */
static void
vcek_target(const struct vek *vek, char out[SIM_KDS_PATH])
{
	struct sim_chip c = { .product = vek->product, .spl = vek->spl };

	hex_lower(span_of(vek->hwid, vek->hwid_len), c.hex);
	sim_chip_path(&c, out);
}

static const struct {
	const char *target, *file, *type;
} objects[] = {
	{ "/vcek/v1/Milan/cert_chain", "snp/chains/milan.vcek.cert_chain.pem",
	    "application/x-pem-file" },
	{ "/vcek/v1/Genoa/cert_chain", "snp/chains/genoa.vcek.cert_chain.pem",
	    "application/x-pem-file" },
	/* CRLF, as KDS served it. */
	{ "/vcek/v1/Turin/cert_chain", "snp/chains/turin.vcek.cert_chain.pem",
	    "application/x-pem-file" },
	{ "/vlek/v1/Milan/cert_chain", "snp/chains/milan.vlek.cert_chain.pem",
	    "application/x-pem-file" },
	{ "/vcek/v1/Genoa/crl", "snp/crl/genoa.vcek.crl.der",
	    "application/pkix-crl" },
};

START_TEST(test_chains_and_list)
{
	struct blob *want = keep_blob(vector_read(objects[_i].file));

	expect_body(objects[_i].target, blob_span(want), objects[_i].type);
	/* From memory the same. */
	expect_body(objects[_i].target, blob_span(want), objects[_i].type);
	ck_assert_uint_eq(sim_count(h.sim, objects[_i].target), 1);
}
END_TEST

static const char *const reports[] = { "genoa-v3-aci", "hcl-milan-v2",
	"hcl-milan-v3", "milan-v1-preproduction", "milan-v2-debug",
	"milan-v2-plain", "milan-v2-thim", "milan-v3-aci", "milan-v3-azcache",
	"turin-v5-aci", "hcl-milan-v2-foreign-vcek" };

static struct blob *
report_file(const char *name, const char *file)
{
	char path[160];
	struct blob *b;

	snprintf(path, sizeof(path), "snp/reports/%s/%s", name, file);
	b = vector_read(path);
	ck_assert_msg(b != NULL, "%s", path);
	return keep_blob(b);
}

START_TEST(test_vceks)
{
	struct blob *der = report_file(reports[_i], "vcek.der");
	char target[SIM_KDS_PATH];
	struct vek *vek = NULL;

	ck_assert_int_eq(vek_parse(blob_span(der), &vek, NULL), ERR_OK);
	vcek_target(vek, target);
	expect_body(target, blob_span(der), "application/pkix-cert");
	expect_body(target, blob_span(der), "application/pkix-cert");
	ck_assert_uint_eq(sim_count(h.sim, target), 1);
	vek_unref(vek);
}
END_TEST

/* Azure's answer for this chip was VCEK, ASK, ARK: so is ours. */
START_TEST(test_azure_body)
{
	struct blob *want =
	    report_file("milan-v3-azcache", "azcache_response.pem");
	struct blob *report = report_file("milan-v3-azcache", "report.bin");
	char chip[129], *target;
	struct edge_reply r;

	hex_lower(span_of(report->data + 0x1A0, 64), chip);
	target = keep_printf("/SevSnpVM/certificates/%s/db18000000000004"
			     "?api-version=2020-10-15-preview",
	    chip);
	r = keep(house_get(&h, target));
	ck_assert_msg(r.status == 200, "%d\n%s", r.status, r.text);
	ck_assert(span_eq(span_of(r.body, r.len), blob_span(want)));
	target =
	    keep_printf("/SevSnpVM/certificates/%s/db18000000000005", chip);
	r = keep(house_get(&h, target));
	ck_assert_int_eq(r.status, 404);
	ck_assert_uint_eq(r.len, 0);
}
END_TEST

/* A guest of that machine is told what the real service told its like. */
START_TEST(test_thim_body)
{
	struct blob *file = report_file("milan-v2-thim", "thim.json");
	json_t *want =
	    keep_json(json_loadb((char *)file->data, file->len, 0, NULL));
	struct house guest = { .port = larderd.port[1] };
	struct edge_reply r =
	    keep(house_send(&guest, "GET", "/metadata/THIM/amd/certification",
		"Metadata: true\r\n", SPAN_NONE));

	ck_assert_msg(r.status == 200, "%d\n%s\n%s", r.status, r.text, r.body);
	/* The file has line breaks between its members, the wire has none. */
	ck_assert_str_eq(r.body, keep_text(json_dumps(want, JSON_COMPACT)));
	r = keep(house_send(&guest, "GET", "/metadata/THIM/amd/certification",
	    NULL, SPAN_NONE));
	ck_assert_int_eq(r.status, 400);
}
END_TEST

/* --- what does not ------------------------------------------------------ */

static const char *const altered[] = { "snp/certs/vcek-milan-badsig-rawhwid."
				       "der",
	"snp/certs/vcek-milan-badsig-derhwid.der" };

START_TEST(test_altered_certificates_are_refused)
{
	struct blob *der = keep_blob(vector_read(altered[_i]));
	char target[SIM_KDS_PATH];
	struct vek *vek = NULL;
	struct edge_reply r;
	struct blob *sent;

	ck_assert_int_eq(vek_parse(blob_span(der), &vek, NULL), ERR_OK);
	vcek_target(vek, target);
	r = keep(house_upstream(&h, "GET", target, NULL));
	sent = keep_blob(blob_new(r.body, r.len));
	ck_assert(span_eq(blob_span(sent), blob_span(der)));
	sim_count_reset(h.sim);
	r = keep(house_get(&h, target));
	ck_assert_msg(r.status >= 500, "%d", r.status);
	expect_header(&r, "Larder-Reason", "bad-signature");
	ck_assert(daemon_run_logged(&larderd, "reason=bad-signature"));
	/* Not asked for again so soon, and nothing of it was kept. */
	r = keep(house_get(&h, target));
	ck_assert_msg(r.status >= 500, "%d", r.status);
	ck_assert_uint_eq(sim_count(h.sim, target), 1);
	vek_unref(vek);
}
END_TEST

START_TEST(test_a_vlek_is_never_asked_for)
{
	struct edge_reply r = keep(house_get(&h,
	    "/vlek/v1/Milan/cert?blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219"));

	ck_assert_int_eq(r.status, 404);
	ck_assert_uint_eq(sim_count(h.sim, "/vlek/*"), 0);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("all");
	Suite *s = suite_create("replay_amd");
	SRunner *sr = srunner_create(s);
	int n = N(objects) + N(reports) + N(altered) + 3, failed;

	if (!vectors_present()) {
		vectors_skipped((unsigned)n);
		srunner_free(sr);
		return 0;
	}
	if (!run_faketime_fits()) {
		printf("skipped: %d faketime beside a sanitizer\n", n);
		srunner_free(sr);
		return 0;
	}
	(void)run_dir();
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_chains_and_list, 0, N(objects));
	tcase_add_loop_test(t, test_vceks, 0, N(reports));
	tcase_add_test(t, test_azure_body);
	tcase_add_test(t, test_thim_body);
	tcase_add_loop_test(t, test_altered_certificates_are_refused, 0,
	    N(altered));
	tcase_add_test(t, test_a_vlek_is_never_asked_for);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
