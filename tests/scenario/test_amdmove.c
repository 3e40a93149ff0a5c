/*
 * AMD's objects in and out of a running larderd by files: KDS's own, Trustee's
 * folders, bundles; and what does not get in that way.
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/cli/trustee.h"
#include "tests/kit/house.h"
#include "tests/kit/run.h"
#include "tests/kit/snp_made.h"
#include "upstream/fetch.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* sha512 of "secret" */
#define SECRET_HASH                                                            \
	"bd2b1aaf7ef4f09be9f52ce2d8d599674d81aa9d6a4421696dc4d93dd0619d68"     \
	"2ce56b4d64a9ef097761ced99e0f67265b5f76085e5b0ee7ca4696b2ad6fe2b2"

static struct pki_amd *pki;
static struct daemon_run larderd;

static void
daemon_up(const char *name, struct daemon_run *d)
{
	char text[2048], url[64];

	snprintf(text, sizeof(text),
	    "{\"mode\":\"offline\",\"database\":\"sqlite:%s/%s-%d.db\","
	    "\"listen\":[{\"address\":\"127.0.0.1:0\","
	    "\"serve\":[\"ops\",\"admin\",\"verify\"]}],"
	    "\"trust\":{\"amd_root_spki_sha256\":{\"Milan\":[\"%s\"],"
	    "\"Genoa\":[],\"Turin\":[\"%s\"]}},"
	    "\"tokens\":{\"admin_sha512\":[\"%s\"]}}",
	    run_dir(), name, (int)getpid(), pki_amd_root_spki_hex(AMD_MILAN),
	    pki_amd_root_spki_hex(AMD_TURIN), SECRET_HASH);
	ck_assert(daemon_run_start(name, text, d));
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", d->port[0]);
	setenv("LARDER_SERVER", url, 1);
}

static void
setup(void)
{
	pki = pki_amd_new("move", time(NULL));
	setenv("LARDER_ADMIN_TOKEN", "secret", 1);
	daemon_up("larder", &larderd);
}

static void
teardown(void)
{
	ck_assert_int_eq(daemon_run_end(&larderd, SIGTERM), 0);
	pki_amd_free(pki);
}

/* --- files ------------------------------------------------------------ */

/* Steals the body. Gives the path. */
static const char *
spill(const char *name, struct blob *body)
{
	const char *path = run_path(name);
	FILE *f = fopen(path, "w");

	must(f != NULL && fwrite(body->data, 1, body->len, f) == body->len);
	must(fclose(f) == 0);
	blob_unref(body);
	return path;
}

static void
folder(const char *name)
{
	must(mkdir(run_path(name), 0755) == 0);
}

static const char *
chain_file(enum amd_product product, enum amd_side side)
{
	struct pki_amd_chain spec = { .product = product, .side = side };

	return spill("chain.pem", pki_amd_chain(pki, &spec));
}

static struct pki_vek
vcek_spec(enum amd_product product, unsigned chip, uint8_t ucode)
{
	struct pki_vek v = { .product = product,
		.spl = { .bl = 3, .snp = 8, .ucode = ucode } };

	v.hwid[0] = 0xab;
	v.hwid[1] = (unsigned char)chip;
	if (product == AMD_TURIN)
		v.spl.fmc = 1;
	return v;
}

static void
check_import(const char *what, int status, const char *text)
{
	char line[700];

	snprintf(line, sizeof(line), "larder import %s", what);
	run_check(line, status, text, NULL);
}

static void
check_explain(const struct pki_vek *spec, const char *text)
{
	struct coll_key key =
	    spec->side == AMD_VLEK
		? key_vlek(spec->product, "CN=cc-test.example.com",
		      amd_tcb_of(spec->product, spec->spl))
		: key_vcek(spec->product,
		      span_of(spec->hwid, amd_hwid_len(spec->product)),
		      amd_tcb_of(spec->product, spec->spl));
	char line[700];

	snprintf(line, sizeof(line), "larder explain --json %s", key.text);
	run_check(line, 0, text, NULL);
}

#define HELD     "\"state\": \"fresh\""
#define NOT_HELD "\"held\": null"

/* --- KDS's files ------------------------------------------------------ */

static const char *
hwid_text(const struct pki_vek *spec)
{
	static char text[2 * AMD_HWID_MAX + 1];

	hex_lower(span_of(spec->hwid, amd_hwid_len(spec->product)), text);
	return text;
}

/* What was refused is in the log, its chip is not. */
static void
check_log(const struct pki_vek *spec)
{
	struct buf log = run_slurp(larderd.log);

	ck_assert_ptr_ne(strstr(log.p, "reason=bad-signature"), NULL);
	ck_assert_ptr_ne(strstr(log.p, "object=vek/vcek/Turin/#"), NULL);
	ck_assert_ptr_eq(strstr(log.p, hwid_text(spec)), NULL);
	buf_free(&log);
}

START_TEST(test_files_of_kds_are_taken_as_they_are)
{
	struct pki_vek vcek = vcek_spec(AMD_TURIN, 1, 81);
	struct pki_vek vlek = { .product = AMD_MILAN, .side = AMD_VLEK };
	struct pki_amd_crl crl = { .product = AMD_MILAN, .side = AMD_VLEK };
	struct buf pem = BUF_INIT;
	struct blob *der;
	char args[600];

	/* Nothing to check it with: said so, not taken. */
	check_import(spill("vcek.der", pki_vek(pki, &vcek)), 1,
	    "no-issuer-chain");
	check_import(chain_file(AMD_TURIN, AMD_VCEK), 0, "1 objects taken");
	check_import(run_path("vcek.der"), 0, "1 objects taken");
	check_explain(&vcek, HELD);

	check_import(chain_file(AMD_MILAN, AMD_VLEK), 0, "1 objects taken");
	der = pki_vek(pki, &vlek);
	pem_write(&pem, "CERTIFICATE", blob_span(der));
	blob_unref(der);
	check_import(spill("vlek.pem", buf_blob(&pem)), 0, "1 objects taken");
	check_explain(&vlek, HELD);

	snprintf(args, sizeof(args), "--crl-side vlek %s",
	    spill("crl", pki_amd_crl(pki, &crl)));
	check_import(args, 0, "1 objects taken");
	run_check("larder explain --json amdcrl/vlek/Milan", 0, HELD, NULL);
	run_check("larder explain --json amdcrl/vcek/Milan", 0, NOT_HELD, NULL);
	run_check("larder status", 0, "amdchain/vcek/Turin",
	    "AMD keys    2 stored", NULL);

	/* A product without a root, a lie, and what is neither. */
	check_import(chain_file(AMD_GENOA, AMD_VCEK), 1, "untrusted-root");
	vcek.spl.ucode = 82;
	vcek.lie = AMD_BAD_SIGNATURE;
	check_import(spill("vcek.der", pki_vek(pki, &vcek)), 1,
	    "bad-signature");
	check_explain(&vcek, NOT_HELD);
	vcek.lie = AMD_TRUNCATED;
	check_import(spill("vcek.der", pki_vek(pki, &vcek)), 1, "vcek.der");
	check_log(&vcek);
}
END_TEST

/* What larderd makes of a report that this VLEK has signed. */
static struct edge_reply
verdict(const struct pki_vek *vlek)
{
	struct snp_report r = snp_made_report(vlek, 3);
	struct blob *report = snp_made(pki, vlek, &r);
	struct house h = { .port = larderd.port[0] };
	struct edge_reply reply = house_send(&h, "POST", "/v1/verify",
	    "Content-Type: application/octet-stream\r\n", blob_span(report));

	ck_assert_msg(reply.status == 200, "%d\n%s", reply.status, reply.body);
	blob_unref(report);
	return reply;
}

/* A provider's key comes by import alone, and serves verdicts as well. */
START_TEST(test_an_imported_vlek_judges_reports)
{
	struct pki_vek vlek = { .product = AMD_MILAN, .side = AMD_VLEK };
	struct pki_amd_crl crl = { .product = AMD_MILAN, .side = AMD_VLEK };
	struct edge_reply r = verdict(&vlek);
	char args[600];

	ck_assert_ptr_nonnull(strstr(r.body, "SNP_ERR_VEK_MISSING"));
	edge_reply_free(&r);
	check_import(chain_file(AMD_MILAN, AMD_VLEK), 0, "1 objects taken");
	snprintf(args, sizeof(args), "--crl-side vlek %s",
	    spill("crl", pki_amd_crl(pki, &crl)));
	check_import(args, 0, "1 objects taken");
	check_import(spill("vlek.der", pki_vek(pki, &vlek)), 0,
	    "1 objects taken");
	r = verdict(&vlek);
	ck_assert_msg(strstr(r.body, "\"accepted\"") != NULL, "%s", r.body);
	edge_reply_free(&r);
	/* Another TCB has another key. */
	vlek.spl.ucode = 1;
	r = verdict(&vlek);
	ck_assert_ptr_nonnull(strstr(r.body, "SNP_ERR_VEK_MISSING"));
	edge_reply_free(&r);
	/* Whose of two it is, a report does not say. */
	vlek.spl.ucode = 0;
	vlek.csp_id = "CN=another.example.com";
	check_import(spill("vlek.der", pki_vek(pki, &vlek)), 0,
	    "1 objects taken");
	r = verdict(&vlek);
	ck_assert_ptr_nonnull(strstr(r.body, "SNP_ERR_VEK_MISSING"));
	edge_reply_free(&r);
}
END_TEST

/* --- Trustee's folders ------------------------------------------------ */

/* Put a certificate at TOP/vcek/HWID/NAME. */
static void
put(const char *top, const char *hwid, const char *name, struct blob *der)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/vcek/%s", top, hwid);
	if (access(run_path(path), F_OK) != 0)
		folder(path);
	snprintf(path, sizeof(path), "%s/vcek/%s/%s", top, hwid, name);
	spill(path, der);
}

static void
check_exported(const char *top, const char *hwid, const char *name,
    const struct pki_vek *spec)
{
	struct blob *want = pki_vek(pki, spec);
	struct buf got;
	char path[300];

	snprintf(path, sizeof(path), "%s/vcek/%s/%s", top, hwid, name);
	got = run_slurp(run_path(path));
	ck_assert_uint_eq(got.len, want->len);
	buf_free(&got);
	blob_unref(want);
}

START_TEST(test_folders_of_trustee_come_in_and_go_out)
{
	struct pki_vek milan = vcek_spec(AMD_MILAN, 1, 115);
	struct pki_vek flat = vcek_spec(AMD_MILAN, 2, 219);
	struct pki_vek turin = vcek_spec(AMD_TURIN, 3, 81);
	char line[200];

	check_import(chain_file(AMD_MILAN, AMD_VCEK), 0, "taken");
	check_import(chain_file(AMD_TURIN, AMD_VCEK), 0, "taken");
	folder("from");
	folder("from/vcek");
	put("from", hwid_text(&milan), "bl03_tee00_snp08_ucode115_vcek.der",
	    pki_vek(pki, &milan));
	put("from", hwid_text(&flat), "vcek.der", pki_vek(pki, &flat));
	put("from", hwid_text(&turin),
	    "bl03_tee00_snp08_ucode81_fmc01_vcek.der", pki_vek(pki, &turin));
	check_import(run_path("from"), 0, "3 objects taken");
	check_explain(&milan, HELD);
	check_explain(&flat, HELD);
	check_explain(&turin, HELD);
	/* Twice is no harm, and the folder inside will do. */
	check_import(run_path("from/vcek"), 0, "3 objects taken");

	snprintf(line, sizeof(line), "larder export --trustee %s",
	    run_path("to"));
	run_check(line, 0, "3 VCEKs written", NULL);
	check_exported("to", hwid_text(&milan),
	    "bl03_tee00_snp08_ucode115_vcek.der", &milan);
	check_exported("to", hwid_text(&flat),
	    "bl03_tee00_snp08_ucode219_vcek.der", &flat);
	check_exported("to", hwid_text(&turin),
	    "bl03_tee00_snp08_ucode81_fmc01_vcek.der", &turin);
}
END_TEST

/* The names are checked against the certificates (amd-kds 8.4). */
START_TEST(test_a_folder_that_lies_is_refused_file_by_file)
{
	struct pki_vek spec = vcek_spec(AMD_MILAN, 1, 115), other = spec;

	check_import(chain_file(AMD_MILAN, AMD_VCEK), 0, "taken");
	folder("lies");
	folder("lies/vcek");
	other.hwid[5] = 1;
	put("lies", hwid_text(&other), "vcek.der", pki_vek(pki, &spec));
	check_import(run_path("lies"), 1, "not of the chip");
	check_explain(&spec, NOT_HELD);
	put("lies", hwid_text(&spec), "bl03_tee00_snp08_ucode116_vcek.der",
	    pki_vek(pki, &spec));
	check_import(run_path("lies"), 1, "not of the TCB");
	put("lies", hwid_text(&spec), "bl03_tee00_snp08_vcek.der",
	    pki_vek(pki, &spec));
	check_import(run_path("lies"), 1, "neither vcek.der nor");
	check_explain(&spec, NOT_HELD);
	/* What is right among them is taken. */
	put("lies", hwid_text(&spec), "bl3_tee0_snp8_ucode115_vcek.der",
	    pki_vek(pki, &spec));
	check_import(run_path("lies"), 1, "not of the TCB");
	check_explain(&spec, HELD);
	check_import(run_path("nowhere"), 1, "nowhere");
}
END_TEST

/* --- bundles ---------------------------------------------------------- */

START_TEST(test_a_bundle_carries_all_of_it)
{
	struct pki_vek spec = vcek_spec(AMD_MILAN, 1, 0);
	struct pki_amd_crl crl = { .product = AMD_MILAN };
	struct daemon_run other;
	char line[300];
	unsigned i;

	check_import(chain_file(AMD_MILAN, AMD_VCEK), 0, "taken");
	check_import(spill("crl", pki_amd_crl(pki, &crl)), 0, "taken");
	folder("many");
	folder("many/vcek");
	/* More than one page and more than one request. */
	for (i = 0; i < 300; i++) {
		spec.hwid[2] = (unsigned char)i;
		spec.hwid[3] = (unsigned char)(i >> 8);
		put("many", hwid_text(&spec), "vcek.der", pki_vek(pki, &spec));
	}
	check_import(run_path("many"), 0, "300 objects taken");
	snprintf(line, sizeof(line), "larder export -o %s", run_path("bundle"));
	run_check(line, 0, NULL);

	daemon_up("other", &other);
	check_explain(&spec, NOT_HELD);
	check_import(run_path("bundle"), 0, "302 objects taken");
	check_explain(&spec, HELD);
	run_check("larder explain --json amdcrl/vcek/Milan", 0, HELD, NULL);
	run_check("larder status", 0, "AMD keys    300 stored", NULL);
	ck_assert_int_eq(daemon_run_end(&other, SIGTERM), 0);
}
END_TEST

/* A list that revokes its issuer comes first, wherever it stands. */
START_TEST(test_a_revoked_chain_does_not_come_in_with_its_list)
{
	struct pki_vek spec = vcek_spec(AMD_MILAN, 1, 7);
	struct pki_amd_crl crl = { .product = AMD_MILAN,
		.number = 30,
		.lie = AMD_LISTS_ISSUER };
	struct daemon_run other;
	char line[300];

	check_import(chain_file(AMD_MILAN, AMD_VCEK), 0, "taken");
	check_import(spill("vcek.der", pki_vek(pki, &spec)), 0, "taken");
	snprintf(line, sizeof(line), "larder export -o %s", run_path("bundle"));
	run_check(line, 0, NULL);
	check_import(spill("crl", pki_amd_crl(pki, &crl)), 0, "taken");
	check_explain(&spec, NOT_HELD);
	/* The bundle of before brings nothing back. */
	check_import(run_path("bundle"), 1, "revoked");
	check_explain(&spec, NOT_HELD);
	snprintf(line, sizeof(line), "larder export -o %s", run_path("after"));
	run_check(line, 0, NULL);

	/* The list alone travels on, with its ARK, and judges there. */
	daemon_up("other", &other);
	check_import(run_path("after"), 0, "1 objects taken");
	check_import(run_path("bundle"), 1, "revoked");
	check_explain(&spec, NOT_HELD);
	ck_assert_int_eq(daemon_run_end(&other, SIGTERM), 0);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("amdmove");
	TCase *t = tcase_create("amdmove");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_files_of_kds_are_taken_as_they_are);
	tcase_add_test(t, test_an_imported_vlek_judges_reports);
	tcase_add_test(t, test_folders_of_trustee_come_in_and_go_out);
	tcase_add_test(t, test_a_folder_that_lies_is_refused_file_by_file);
	tcase_add_test(t, test_a_bundle_carries_all_of_it);
	tcase_add_test(t, test_a_revoked_chain_does_not_come_in_with_its_list);
	suite_add_tcase(s, t);
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
