/*
 * larder host: rows from reports, from a faked /dev/sev, and the list of a
 * configuration.
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "config/config.h"
#include "server/appraise/snp.h"
#include "server/cli/sev.h"
#include "tests/kit/keep.h"
#include "tests/kit/run.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <linux/psp-sev.h>
#include <stdlib.h>
#include <string.h>

#define N(a)   ((int)(sizeof(a) / sizeof((a)[0])))
#define STATUS 9 /* SNP_PLATFORM_STATUS */

/* --- the device ------------------------------------------------------- */

struct fake {
	struct sev_device device;
	unsigned char status[32];
	unsigned char id[128];
	uint32_t id_len;
	int rc_status, rc_id;
	uint32_t fw;
	bool has_eax;
	uint32_t eax;
};

static int
fake_issue(struct sev_device *d, uint32_t cmd, void *data, uint32_t *fw)
{
	struct fake *f = (struct fake *)(void *)d;
	struct sev_user_data_get_id2 *id = data;

	*fw = f->fw;
	if (cmd == STATUS && f->rc_status == 0)
		memcpy(data, f->status, sizeof(f->status));
	if (cmd == STATUS)
		return f->rc_status;
	ck_assert_uint_eq(cmd, SEV_GET_ID2);
	ck_assert_uint_ge(id->length, sizeof(f->id));
	if (f->rc_id == 0)
		memcpy((void *)(uintptr_t)id->address, f->id, sizeof(f->id));
	id->length = f->id_len;
	return f->rc_id;
}

static bool
fake_cpuid(struct sev_device *d, uint32_t *eax)
{
	struct fake *f = (struct fake *)(void *)d;

	*eax = f->eax;
	return f->has_eax;
}

/* A Milan machine with one socket. */
static struct fake
fake_new(void)
{
	struct fake f = { .device = { fake_issue, fake_cpuid, -1 } };
	static const unsigned char tcb[8] = { 4, 0, 0, 0, 0, 0, 24, 219 };

	memcpy(f.status + 16, tcb, 8);
	f.status[16 + 7] = 220; /* what runs is ahead of what is reported */
	memcpy(f.status + 24, tcb, 8);
	memset(f.id, 0x5a, 64);
	f.id_len = 128;
	f.has_eax = true;
	f.eax = 0x00a00f11;
	return f;
}

START_TEST(test_a_machine_with_one_socket)
{
	struct fake f = fake_new();
	struct sev_facts facts;
	char tcbm[17];

	ck_assert_int_eq(sev_learn(&f.device, &facts, NULL), ERR_OK);
	ck_assert_int_eq(facts.product, AMD_MILAN);
	ck_assert_uint_eq(facts.n_chips, 1);
	ck_assert_mem_eq(facts.chip[0], f.id, 64);
	amd_tcb_write(facts.reported, tcbm);
	ck_assert_str_eq(tcbm, "DB18000000000004");
	amd_tcb_write(facts.current, tcbm);
	ck_assert_str_eq(tcbm, "DC18000000000004");
	ck_assert(!facts.chip_id_masked && !facts.vlek);
}
END_TEST

START_TEST(test_a_machine_with_two_sockets)
{
	struct fake f = fake_new();
	struct sev_facts facts;

	memset(f.id + 64, 0xa5, 64);
	f.status[8] = 1 << 0 | 1 << 2;
	f.eax = 0x00b00f21;
	ck_assert_int_eq(sev_learn(&f.device, &facts, NULL), ERR_OK);
	ck_assert_int_eq(facts.product, AMD_TURIN);
	ck_assert_uint_eq(facts.n_chips, 2);
	ck_assert_mem_eq(facts.chip[0], f.id, 64);
	ck_assert_mem_eq(facts.chip[1], f.id + 64, 64);
	ck_assert(facts.chip_id_masked && facts.vlek);
}
END_TEST

START_TEST(test_an_id_of_one_socket_alone)
{
	struct fake f = fake_new();
	struct sev_facts facts;

	f.id_len = 64;
	f.has_eax = false;
	ck_assert_int_eq(sev_learn(&f.device, &facts, NULL), ERR_OK);
	ck_assert_uint_eq(facts.n_chips, 1);
	ck_assert_int_eq(facts.product, AMD_PRODUCT_N);
}
END_TEST

static void
check_refused(struct fake *f, enum err want, const char *text)
{
	struct sev_facts facts = { .n_chips = 77 };
	struct why why = { 0 };

	ck_assert_int_eq(sev_learn(&f->device, &facts, &why), want);
	ck_assert_msg(strstr(why.text, text) != NULL, "%s", why.text);
	ck_assert_uint_eq(facts.n_chips, 77);
}

START_TEST(test_what_the_device_may_refuse)
{
	struct fake f = fake_new();

	f.rc_status = EINVAL;
	check_refused(&f, ERR_IO, "SNP_PLATFORM_STATUS: Invalid argument");
	f = fake_new();
	f.rc_id = EIO;
	f.fw = SEV_RET_INVALID_LEN;
	check_refused(&f, ERR_IO, "(firmware code 4)");
	f = fake_new();
	f.fw = SEV_RET_UNSUPPORTED;
	check_refused(&f, ERR_IO, "SNP_PLATFORM_STATUS: refused");
	f = fake_new();
	memset(f.status + 24, 0, 8);
	check_refused(&f, ERR_FORMAT, "is SNP on?");
	f = fake_new();
	memset(f.id, 0, 64);
	check_refused(&f, ERR_FORMAT, "GET_ID2: no id");
	f = fake_new();
	f.id_len = 65;
	check_refused(&f, ERR_FORMAT, "GET_ID2: a length of 65");
	f = fake_new();
	f.id_len = 192;
	check_refused(&f, ERR_FORMAT, "GET_ID2: a length of 192");
}
END_TEST

/* --- the command ------------------------------------------------------ */

static void
check_run(const char *line, int status, const char *text)
{
	struct run r = run_line("", line);

	ck_assert_msg(r.status == status && (strstr(r.out.p, text) != NULL ||
						strstr(r.err.p, text) != NULL),
	    "%s: %d\n%s%s", line, r.status, r.out.p, r.err.p);
	run_free(&r);
}

/* A report that passes for form: its signature is nobody's business here. */
static void
report_make(unsigned char out[SNP_REPORT_LEN], unsigned version)
{
	static const unsigned char tcb[8] = { 1, 1, 1, 4, 0, 0, 0, 81 };

	memset(out, 0, SNP_REPORT_LEN);
	out[0] = (unsigned char)version;
	out[0x0a] = 0x02; /* the policy's bit that is always set */
	out[0x34] = 1;    /* ECDSA P-384 with SHA-384 */
	memcpy(out + 0x180, tcb, 8);
	if (version >= 3) {
		out[0x188] = 0x1a;
		out[0x189] = 0x02;
	}
	memset(out + 0x1a0, 0xc1, 8);
	out[0x2a0] = 1; /* r and s are not zero */
	out[0x2e8] = 1;
}

static const char *
report_file(const char *name, const void *bytes, size_t len)
{
	const char *path = run_path(name);
	FILE *f = fopen(path, "w");

	must(f != NULL && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
	return path;
}

static const char *
add(const char *path, const char *more)
{
	return keep_printf("larder host add --report %s %s", path, more);
}

/* The row that it prints. */
static json_t *
row_of(const char *line)
{
	struct run r = run_line("", line);
	json_t *row;

	ck_assert_msg(r.status == 0, "%s: %s", line, r.err.p);
	row = keep_json(json_loadb(r.out.p, strlen(r.out.p), 0, NULL));
	ck_assert_ptr_nonnull(row);
	run_free(&r);
	return row;
}

static void
check_row(json_t *row, const char *want)
{
	char *text = keep_text(json_dumps(row, JSON_COMPACT));

	ck_assert_str_eq(text, want);
}

START_TEST(test_a_row_from_a_report)
{
	unsigned char raw[SNP_REPORT_LEN];
	const char *path;

	report_make(raw, 3);
	path = report_file("r3", raw, sizeof(raw));
	check_row(row_of(add(path, "--json --match 10.0.0.1,unix:uid=3")),
	    "{\"match\":[\"10.0.0.1\",\"unix:uid=3\"],\"product\":\"Turin\","
	    "\"chip_id\":[\"c1c1c1c1c1c1c1c1\"],"
	    "\"tcb\":\"5100000004010101\"}");
	check_row(row_of(add(path, "--json --auto --product turin")),
	    "{\"match\":[\"0.0.0.0/0\"],\"product\":\"Turin\","
	    "\"chip_id\":[\"c1c1c1c1c1c1c1c1\"],\"tcb\":\"auto\"}");
	check_run(add(path, ""), 0, "into \"hosts\" of larder.json:");
	check_run(add(path, ""), 0, "every caller is given this row");
	keep_end();
}
END_TEST

START_TEST(test_a_row_counts_in_a_configuration)
{
	unsigned char raw[SNP_REPORT_LEN];
	struct config *config = NULL;
	struct why why = { 0 };
	json_t *root;

	report_make(raw, 5);
	root = keep_json(json_pack("{s:[O]}", "hosts",
	    row_of(add(report_file("r5", raw, sizeof(raw)), "--json"))));
	ck_assert_msg(config_read(span_str(keep_text(json_dumps(root, 0))), "t",
			  &config, &why) == ERR_OK,
	    "%s", why.text);
	ck_assert_uint_eq(config->n_hosts, 1);
	ck_assert_str_eq(config->hosts[0].product, "Turin");
	config_unref(config);
	keep_end();
}
END_TEST

START_TEST(test_wrappings_of_a_report)
{
	unsigned char raw[4000] = { 0 };
	const char *path;

	/* MSG_REPORT_RSP in its buffer */
	raw[4] = SNP_REPORT_LEN & 0xff;
	raw[5] = SNP_REPORT_LEN >> 8;
	report_make(raw + 32, 3);
	path = report_file("rsp", raw, sizeof(raw));
	check_run(add(path, "--json"), 0, "c1c1c1c1c1c1c1c1");
	/* the device said no */
	raw[0] = 0x16;
	path = report_file("rsp2", raw, sizeof(raw));
	check_run(add(path, "--json"), 1, "rsp2");
	/* a report with an empty table behind it */
	memset(raw, 0, sizeof(raw));
	report_make(raw, 3);
	path = report_file("table", raw, SNP_REPORT_LEN + 24);
	check_run(add(path, "--json"), 0, "c1c1c1c1c1c1c1c1");
	keep_end();
}
END_TEST

/* The CPUID that a host puts into the table names a v2 report's product. */
START_TEST(test_the_table_names_the_product)
{
	static const unsigned char guid[16] = { 0xec, 0xae, 0x0c, 0x0f, 0x95,
		0x02, 0x43, 0xb1, 0xaf, 0xa2, 0x0a, 0xe2, 0xe0, 0xd5, 0x65,
		0xb6 };
	unsigned char raw[SNP_REPORT_LEN + 56] = { 0 };
	unsigned char *t = raw + SNP_REPORT_LEN;
	const char *path;

	report_make(raw, 2);
	memset(raw + 0x1a0, 0xc2, 64);
	path = report_file("turins", raw, SNP_REPORT_LEN);
	check_run(add(path, "--json --product Milan"), 1,
	    "REPORTED_TCB is no TCB of Milan");
	memset(raw + 0x182, 0, 4);
	path = report_file("bare", raw, SNP_REPORT_LEN);
	check_run(add(path, "--json"), 1, "cannot tell the product");
	check_run(add(path, "--json --product Milan"), 0, "\"Milan\"");
	check_run(add(path, "--json --product Rome"), 1, "Milan, Genoa");
	memcpy(t, guid, 16);
	t[16] = 48;
	t[20] = 8;
	t[48] = 8;
	memcpy(t + 52, (unsigned char[]){ 0x11, 0x0f, 0xa1, 0x00 }, 4);
	path = report_file("cpuid", raw, sizeof(raw));
	check_run(add(path, "--json"), 0, "\"Genoa\"");
	check_run(add(path, "--json --product Milan"), 1,
	    "--product Milan, but this is Genoa");
	keep_end();
}
END_TEST

START_TEST(test_what_is_no_row)
{
	unsigned char raw[SNP_REPORT_LEN];
	const char *path;

	check_run("larder host add", 2, "--report FILE is needed");
	check_run(add("/nonexistent", ""), 1, "/nonexistent");
	report_make(raw, 3);
	path = report_file("short", raw, SNP_REPORT_LEN - 1);
	check_run(add(path, ""), 1, "too short for a report");
	path = report_file("r", raw, SNP_REPORT_LEN);
	check_run(add(path, "--match 10.0.0.1/8"), 2,
	    "--match: \"10.0.0.1/8\"");
	check_run(add(path, "--match 10.0.0.1,"), 2, "--match: \"\"");
	check_run(add(path, "--product Milan"), 1, "but this is Turin");
	raw[0x188] = 0x17;
	path = report_file("zen1", raw, SNP_REPORT_LEN);
	check_run(add(path, "--product Milan"), 1, "neither Milan, Genoa nor");
	report_make(raw, 3);
	memset(raw + 0x1a0, 0, 64);
	path = report_file("masked", raw, SNP_REPORT_LEN);
	check_run(add(path, ""), 1, "CHIP_ID is masked");
	report_make(raw, 3);
	raw[0x48] = 1 << 2;
	path = report_file("vlek", raw, SNP_REPORT_LEN);
	check_run(add(path, "--json"), 0, "signed by a VLEK");
	report_make(raw, 3);
	raw[0x180 + 5] = 1;
	path = report_file("tcb", raw, SNP_REPORT_LEN);
	check_run(add(path, ""), 1, "REPORTED_TCB is no TCB of Turin");
	report_make(raw, 3);
	raw[0] = 1;
	path = report_file("v1", raw, SNP_REPORT_LEN);
	check_run(add(path, ""), 1, "version is not supported");
	check_run("larder host learn --device /nonexistent", 1,
	    "/nonexistent: No such file");
	check_run("larder host learn --device /dev/null", 1,
	    "SNP_PLATFORM_STATUS: Inappropriate ioctl");
	keep_end();
}
END_TEST

START_TEST(test_the_list_of_a_configuration)
{
	char *line = keep_printf("larder host list -c %s", run_path("l.json"));
	json_t *rows;

	run_spill("l.json",
	    "{\"hosts\":[{\"match\":[\"10.0.0.1\",\"10.0.0.2\"],"
	    "\"product\":\"Turin\",\"chip_id\":[\"c1c1c1c1c1c1c1c1\"]},"
	    "{\"match\":[\"unix:uid=3\"],\"qe_id\":[\"ab\"]}]}");
	check_run(line, 0, "CALLER       PRODUCT  CHIP              TCB");
	check_run(line, 0, "10.0.0.1 +1  Turin    c1c1c1c1c1c1c1c1  auto  -");
	check_run(line, 0, "unix:uid=3   -        -                 -     AB");
	rows = row_of(keep_printf("%s --json", line));
	ck_assert_uint_eq(json_array_size(rows), 2);
	check_row(json_array_get(rows, 1),
	    "{\"match\":[\"unix:uid=3\"],\"product\":null,\"chip_id\":[],"
	    "\"tcb\":\"auto\",\"qe_id\":[\"AB\"]}");
	run_spill("l.json", "{\"hosts\":[{}]}");
	check_run(line, 1, "hosts[0].match: is missing");
	keep_end();
}
END_TEST

/* --- genuine reports -------------------------------------------------- */

static const struct {
	const char *name, *more, *row;
} genuine[] = {
	{ "turin-v5-aci/report.bin", "",
	    "\"product\":\"Turin\",\"chip_id\":[\"59790fb1c39f35c1\"],"
	    "\"tcb\":\"5100000004010101\"}" },
	{ "genoa-v3-aci/report.bin", "", "\"tcb\":\"541700000000000A\"}" },
	{ "milan-v2-thim/report.bin", "--product Milan",
	    "\"tcb\":\"7308000000000003\"}" },
	{ "hcl-milan-v3/hcl_report.bin", "", "\"tcb\":\"DB18000000000004\"}" },
};

START_TEST(test_genuine_reports)
{
	struct blob *b =
	    vector_read(keep_printf("snp/reports/%s", genuine[_i].name));
	char *text;

	ck_assert_ptr_nonnull(b);
	text = keep_text(
	    json_dumps(row_of(add(report_file("real", b->data, b->len),
			   keep_printf("--json %s", genuine[_i].more))),
		JSON_COMPACT));
	ck_assert_msg(strstr(text, genuine[_i].row) != NULL, "%s", text);
	blob_unref(b);
	keep_end();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("host");
	TCase *tc = tcase_create("all");
	SRunner *r;
	int failed;

	run_dir();
	tcase_add_test(tc, test_a_machine_with_one_socket);
	tcase_add_test(tc, test_a_machine_with_two_sockets);
	tcase_add_test(tc, test_an_id_of_one_socket_alone);
	tcase_add_test(tc, test_what_the_device_may_refuse);
	tcase_add_test(tc, test_a_row_from_a_report);
	tcase_add_test(tc, test_a_row_counts_in_a_configuration);
	tcase_add_test(tc, test_wrappings_of_a_report);
	tcase_add_test(tc, test_the_table_names_the_product);
	tcase_add_test(tc, test_what_is_no_row);
	tcase_add_test(tc, test_the_list_of_a_configuration);
	if (vectors_present())
		tcase_add_loop_test(tc, test_genuine_reports, 0, N(genuine));
	else
		vectors_skipped(N(genuine));
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
