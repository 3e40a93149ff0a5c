/* The grammar of pccs-api 4, 6.8 to 6.12 and 9.2, row by row. */
#include "server/param.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* --- one text --------------------------------------------------------- */

static const struct {
	enum param p;
	const char *in;
	const char *out; /* NULL: refused */
} texts[] = {
	{ PARAM_CPUSVN, "0a0b0202ffff04000000000000000000",
	    "0A0B0202FFFF04000000000000000000" },
	{ PARAM_CPUSVN, "0A0B0202FFFF04000000000000000000",
	    "0A0B0202FFFF04000000000000000000" },
	{ PARAM_CPUSVN, "0A0B0202FFFF0400000000000000000", NULL },
	{ PARAM_CPUSVN, "0A0B0202FFFF040000000000000000000", NULL },
	{ PARAM_CPUSVN, "0A0B0202FFFF0400000000000000000g", NULL },
	{ PARAM_CPUSVN, "0A0B0202FFFF0400000000000000000 ", NULL },
	{ PARAM_CPUSVN, "", NULL },
	{ PARAM_CPUSVN, NULL, NULL },
	{ PARAM_PCESVN, "0b00", "0B00" },
	{ PARAM_PCESVN, "0b0", NULL },
	{ PARAM_PCESVN, "0b000", NULL },
	{ PARAM_PCESVN, "-b00", NULL },
	{ PARAM_PCESVN, "0x0b", NULL },
	{ PARAM_PCEID, "0000", "0000" },
	{ PARAM_PCEID, "00fF", "00FF" },
	{ PARAM_PCEID, "000", NULL },
	{ PARAM_PCEID, "", NULL },
	{ PARAM_FMSPC, "00906ed50000", "00906ED50000" },
	{ PARAM_FMSPC, "00906ED5000", NULL },
	{ PARAM_FMSPC, "00906ED500000", NULL },
	{ PARAM_FMSPC, "00906ED5000/", NULL },
	{ PARAM_FMSPC, "00906ED5000:", NULL },
	{ PARAM_QEID, "q", "Q" },
	{ PARAM_QEID, "a node name, with {odd} \xc3\xa4 bytes/+&",
	    "A NODE NAME, WITH {ODD} \xc3\xa4 BYTES/+&" },
	{ PARAM_QEID, "", NULL },
	{ PARAM_QEID, NULL, NULL },
};

START_TEST(test_text_follows_its_row)
{
	char out[PARAM_MAX + 1];
	struct why why = { 0 };
	enum err e = param_text(texts[_i].p, texts[_i].in, out, &why);

	if (texts[_i].out == NULL) {
		ck_assert_int_eq(e, ERR_PARAM);
		ck_assert_int_eq(why.err, ERR_PARAM);
		ck_assert_str_eq(why.clause, "pccs-api 4");
	} else {
		ck_assert_int_eq(e, ERR_OK);
		ck_assert_str_eq(out, texts[_i].out);
	}
}
END_TEST

static const struct {
	enum param p;
	size_t len;
	bool ok;
} lengths[] = {
	{ PARAM_QEID, 1, true },
	{ PARAM_QEID, 32, true },
	{ PARAM_QEID, 259, true },
	{ PARAM_QEID, 260, true },
	{ PARAM_QEID, 261, false },
	{ PARAM_QEID, 4000, false },
	{ PARAM_PPID, 512, false },
	{ PARAM_PPID, 767, false },
	{ PARAM_PPID, 768, true },
	{ PARAM_PPID, 769, false },
	{ PARAM_PPID, 770, false },
};

START_TEST(test_lengths_at_their_bounds)
{
	char *in = xcalloc(1, lengths[_i].len + 1);
	char out[PARAM_MAX + 1];
	enum err e;

	memset(in, 'a', lengths[_i].len);
	e = param_text(lengths[_i].p, in, out, NULL);
	ck_assert_int_eq(e, lengths[_i].ok ? ERR_OK : ERR_PARAM);
	if (lengths[_i].ok) {
		ck_assert_uint_eq(strlen(out), lengths[_i].len);
		ck_assert_uint_eq(strspn(out, "A"), lengths[_i].len);
	}
	free(in);
}
END_TEST

/* --- pckcert ---------------------------------------------------------- */

struct pair {
	const char *name, *value;
};

static const char *
pairs_get(void *src, const char *name)
{
	const struct pair *p;

	for (p = src; p->name != NULL; p++)
		if (strcmp(p->name, name) == 0)
			return p->value;
	return NULL;
}

#define CPUSVN "0404020204010007000000000000000F"

static char zeros[769], ppid[769];

static void
ppids_fill(void)
{
	memset(zeros, '0', 768);
	memset(ppid, '0', 768);
	ppid[767] = 'a';
}

START_TEST(test_pckcert_reads_what_it_is_given)
{
	struct pair q[] = { { "qeid", "abcd" }, { "cpusvn", CPUSVN },
		{ "pcesvn", "0d01" }, { "pceid", "00ab" },
		{ "encrypted_ppid", ppid }, { NULL, NULL } };
	struct platform_ask ask;
	enum ppid state;

	ck_assert_int_eq(param_pckcert(pairs_get, q, &ask, &state, NULL),
	    ERR_OK);
	ck_assert_str_eq(ask.id.qe_id, "ABCD");
	ck_assert_str_eq(ask.id.pce_id, "00AB");
	ck_assert(ask.has_tcb);
	ck_assert_uint_eq(ask.tcb.cpusvn[0], 4);
	ck_assert_uint_eq(ask.tcb.cpusvn[15], 0x0f);
	ck_assert_uint_eq(ask.tcb.pcesvn, 0x010d);
	ck_assert_int_eq(state, PPID_GIVEN);
	ck_assert_uint_eq(ask.enc_ppid->len, PPID_LEN);
	ck_assert_uint_eq(ask.enc_ppid->data[383], 0x0a);
	ck_assert_ptr_null(ask.manifest);
	ask_fini(&ask);
	ck_assert_ptr_null(ask.enc_ppid);
}
END_TEST

START_TEST(test_pckcert_tells_no_ppid_from_a_ppid_of_zeros)
{
	struct pair q[] = { { "qeid", "A" }, { "cpusvn", CPUSVN },
		{ "pcesvn", "0000" }, { "pceid", "0000" }, { NULL, NULL },
		{ NULL, NULL } };
	struct platform_ask ask;
	enum ppid state;

	ck_assert_int_eq(param_pckcert(pairs_get, q, &ask, &state, NULL),
	    ERR_OK);
	ck_assert_int_eq(state, PPID_NONE);
	ck_assert_ptr_null(ask.enc_ppid);
	q[4] = (struct pair){ "encrypted_ppid", zeros };
	ck_assert_int_eq(param_pckcert(pairs_get, q, &ask, &state, NULL),
	    ERR_OK);
	ck_assert_int_eq(state, PPID_ZEROS);
	ck_assert_ptr_null(ask.enc_ppid);
}
END_TEST

static const struct {
	const char *name, *value;
} wrong_pckcert[] = {
	{ "qeid", NULL },
	{ "qeid", "" },
	{ "cpusvn", NULL },
	{ "cpusvn", "00" },
	{ "pcesvn", NULL },
	{ "pcesvn", "000" },
	{ "pceid", NULL },
	{ "pceid", "00000" },
	{ "encrypted_ppid", "" },
	{ "encrypted_ppid", "00" },
};

START_TEST(test_pckcert_names_the_parameter_that_is_wrong)
{
	struct pair q[] = { { "qeid", "A" }, { "cpusvn", CPUSVN },
		{ "pcesvn", "0000" }, { "pceid", "0000" },
		{ "encrypted_ppid", ppid }, { NULL, NULL } };
	struct platform_ask ask;
	struct why why = { 0 };
	enum ppid state;
	size_t i;

	for (i = 0; q[i].name != NULL; i++)
		if (strcmp(q[i].name, wrong_pckcert[_i].name) == 0)
			q[i].value = wrong_pckcert[_i].value;
	ck_assert_int_eq(param_pckcert(pairs_get, q, &ask, &state, &why),
	    ERR_PARAM);
	ck_assert_ptr_nonnull(strstr(why.text, wrong_pckcert[_i].name));
}
END_TEST

START_TEST(test_pckcert_checks_in_the_order_of_the_api)
{
	static const char *const order[] = { "qeid", "cpusvn", "pcesvn",
		"pceid", "encrypted_ppid" };
	struct pair q[] = { { "qeid", "" }, { "cpusvn", "" }, { "pcesvn", "" },
		{ "pceid", "" }, { "encrypted_ppid", "" }, { NULL, NULL } };
	static const char *const good[] = { "A", CPUSVN, "0000", "0000" };
	struct platform_ask ask;
	enum ppid state;
	size_t i;

	for (i = 0; i < 5; i++) {
		struct why why = { 0 };

		ck_assert_int_eq(param_pckcert(pairs_get, q, &ask, &state,
				     &why),
		    ERR_PARAM);
		ck_assert_ptr_nonnull(strstr(why.text, order[i]));
		if (i < 4)
			q[i].value = good[i];
	}
}
END_TEST

/* --- POST platforms --------------------------------------------------- */

enum { NO_TCB = 1, WITH_TCB = 2, REFUSED = 4, MANIFEST = 8 };

static const struct {
	const char *json; /* %s: a PPID */
	int is;
} bodies[] = {
	/* PCKIDRetrievalTool, its order, no manifest */
	{ "{\"enc_ppid\": \"%s\",\"pce_id\": \"0000\",\"cpu_svn\": \"" CPUSVN
	  "\",\"pce_svn\": \"0B00\",\"qe_id\": \"ABCD\","
	  "\"platform_manifest\": \"\"}",
	    WITH_TCB },
	{ "{\"enc_ppid\":\"%s\",\"pce_id\":\"0000\",\"cpu_svn\":\"" CPUSVN
	  "\",\"pce_svn\":\"0B00\",\"qe_id\":\"ABCD\","
	  "\"platform_manifest\":null}",
	    WITH_TCB },
	{ "{\"enc_ppid\":\"%s\",\"pce_id\":\"0000\",\"cpu_svn\":\"" CPUSVN
	  "\",\"pce_svn\":\"0B00\",\"qe_id\":\"ABCD\",\"more\":[1]}",
	    WITH_TCB },
	/* a manifest makes the rest superfluous */
	{ "{\"enc_ppid\":\"%s\",\"pce_id\":\"0000\",\"cpu_svn\":\"" CPUSVN
	  "\",\"pce_svn\":\"0B00\",\"qe_id\":\"ABCD\","
	  "\"platform_manifest\":\"aaBB\"}",
	    NO_TCB | MANIFEST },
	{ "{\"pce_id\":\"0000\",\"qe_id\":\"ABCD\","
	  "\"platform_manifest\":\"aabb\"}",
	    NO_TCB | MANIFEST },
	{ "{\"pce_id\":\"0000\",\"qe_id\":\"ABCD\",\"cpu_svn\":\"\","
	  "\"pce_svn\":\"\",\"enc_ppid\":\"\",\"platform_manifest\":\"aabb\"}",
	    NO_TCB | MANIFEST },
	/* without one they are not */
	{ "{\"pce_id\":\"0000\",\"qe_id\":\"ABCD\"}", REFUSED },
	{ "{\"pce_id\":\"0000\",\"qe_id\":\"ABCD\",\"platform_manifest\":"
	  "\"\"}",
	    REFUSED },
	{ "{\"pce_id\":\"0000\",\"cpu_svn\":\"" CPUSVN
	  "\",\"pce_svn\":\"0B00\",\"qe_id\":\"ABCD\"}",
	    REFUSED },
	{ "{\"enc_ppid\":\"%s\",\"pce_id\":\"0000\",\"cpu_svn\":\"\","
	  "\"pce_svn\":\"0B00\",\"qe_id\":\"ABCD\"}",
	    REFUSED },
	{ "{\"enc_ppid\":\"%s\",\"pce_id\":\"0000\",\"cpu_svn\":\"" CPUSVN
	  "\",\"pce_svn\":\"\",\"qe_id\":\"ABCD\"}",
	    REFUSED },
	/* identities */
	{ "{\"qe_id\":\"ABCD\",\"platform_manifest\":\"aabb\"}", REFUSED },
	{ "{\"pce_id\":\"0000\",\"platform_manifest\":\"aabb\"}", REFUSED },
	{ "{\"pce_id\":\"0000\",\"qe_id\":\"\",\"platform_manifest\":\"aa\"}",
	    REFUSED },
	{ "{\"pce_id\":\"000\",\"qe_id\":\"A\",\"platform_manifest\":\"aa\"}",
	    REFUSED },
	/* types */
	{ "{\"pce_id\":0,\"qe_id\":\"A\",\"platform_manifest\":\"aa\"}",
	    REFUSED },
	{ "{\"pce_id\":\"0000\",\"qe_id\":\"A\",\"platform_manifest\":7}",
	    REFUSED },
	{ "{\"pce_id\":\"0000\",\"qe_id\":\"A\",\"cpu_svn\":[],"
	  "\"platform_manifest\":\"aa\"}",
	    REFUSED },
	/* a manifest is whole bytes of hex */
	{ "{\"pce_id\":\"0000\",\"qe_id\":\"A\",\"platform_manifest\":"
	  "\"aab\"}",
	    REFUSED },
	{ "{\"pce_id\":\"0000\",\"qe_id\":\"A\",\"platform_manifest\":"
	  "\"zz\"}",
	    REFUSED },
	/* what is beside a manifest is well formed or empty */
	{ "{\"pce_id\":\"0000\",\"qe_id\":\"A\",\"cpu_svn\":\"0\","
	  "\"platform_manifest\":\"aa\"}",
	    REFUSED },
	/* no JSON object */
	{ "", REFUSED },
	{ "[]", REFUSED },
	{ "{\"pce_id\":\"0000\"", REFUSED },
	{ "{\"pce_id\":\"0000\",\"qe_id\":\"A\",\"platform_manifest\":"
	  "\"aa\"} x",
	    REFUSED },
	{ "{\"pce_id\":\"0000\",\"qe_id\":\"A\",\"qe_id\":\"B\","
	  "\"platform_manifest\":\"aa\"}",
	    REFUSED },
	{ "{\"pce_id\":\"0000\",\"qe_id\":\"A\\u0000B\","
	  "\"platform_manifest\":\"aa\"}",
	    REFUSED },
};

START_TEST(test_platform_body)
{
	struct platform_ask ask = { .has_tcb = false };
	struct buf body = BUF_INIT;
	struct why why = { 0 };
	const char *hole = strstr(bodies[_i].json, "%s");
	enum ppid state;
	enum err e;

	if (hole == NULL) {
		buf_str(&body, bodies[_i].json);
	} else {
		buf_add(&body, bodies[_i].json,
		    (size_t)(hole - bodies[_i].json));
		buf_str(&body, ppid);
		buf_str(&body, hole + 2);
	}
	e = param_platform(buf_view(&body), &ask, &state, &why);
	buf_free(&body);
	if (bodies[_i].is & REFUSED) {
		ck_assert_int_eq(e, ERR_PARAM);
		ck_assert_int_eq(why.err, ERR_PARAM);
		return;
	}
	ck_assert_int_eq(e, ERR_OK);
	ck_assert_str_eq(ask.id.pce_id, "0000");
	ck_assert_str_eq(ask.id.qe_id, "ABCD");
	ck_assert_int_eq(ask.has_tcb, (bodies[_i].is & WITH_TCB) != 0);
	ck_assert_int_eq(ask.enc_ppid != NULL, (bodies[_i].is & WITH_TCB) != 0);
	ck_assert_int_eq(ask.manifest != NULL, (bodies[_i].is & MANIFEST) != 0);
	if (ask.manifest != NULL) {
		ck_assert_uint_eq(ask.manifest->len, 2);
		ck_assert_uint_eq(ask.manifest->data[1], 0xbb);
	}
	ask_fini(&ask);
}
END_TEST

START_TEST(test_platform_ppid_of_zeros_is_not_supplied)
{
	struct platform_ask ask;
	struct buf body = BUF_INIT;
	enum ppid state;

	buf_printf(&body,
	    "{\"enc_ppid\":\"%s\",\"pce_id\":\"0000\",\"cpu_svn\":\"%s\","
	    "\"pce_svn\":\"0B00\",\"qe_id\":\"AB\"}",
	    zeros, CPUSVN);
	ck_assert_int_eq(param_platform(buf_view(&body), &ask, &state, NULL),
	    ERR_OK);
	ck_assert_int_eq(state, PPID_ZEROS);
	ck_assert_ptr_null(ask.enc_ppid);
	buf_free(&body);
	ask_fini(&ask);
}
END_TEST

static const struct {
	size_t chars;
	enum err e;
} manifests[] = { { 16862, ERR_OK }, { 112884, ERR_OK },
	{ 112886, ERR_PARAM } };

START_TEST(test_platform_manifest_has_a_bound)
{
	char *hex = xcalloc(1, manifests[_i].chars + 1);
	struct platform_ask ask = { .has_tcb = false };
	struct buf body = BUF_INIT;
	enum ppid state;

	memset(hex, 'a', manifests[_i].chars);
	buf_printf(&body,
	    "{\"pce_id\":\"0000\",\"qe_id\":\"AB\",\"platform_manifest\":"
	    "\"%s\"}",
	    hex);
	ck_assert_int_eq(param_platform(buf_view(&body), &ask, &state, NULL),
	    manifests[_i].e);
	buf_free(&body);
	ask_fini(&ask);
	free(hex);
}
END_TEST

/* --- words ------------------------------------------------------------ */

static const struct {
	const char *in;
	int one, set; /* -1: refused */
} updates[] = {
	{ NULL, UPDATE_STANDARD, UPDATES_STANDARD },
	{ "standard", UPDATE_STANDARD, UPDATES_STANDARD },
	{ "STANDARD", UPDATE_STANDARD, UPDATES_STANDARD },
	{ "Early", UPDATE_EARLY, UPDATES_EARLY },
	{ "early", UPDATE_EARLY, UPDATES_EARLY },
	{ "all", -1, UPDATES_ALL },
	{ "ALL", -1, UPDATES_ALL },
	{ "", -1, -1 },
	{ "earl", -1, -1 },
	{ "early ", -1, -1 },
	{ "standardx", -1, -1 },
};

START_TEST(test_update)
{
	enum update one;
	enum update_set set;
	enum err e;

	e = param_update(updates[_i].in, &one, NULL);
	ck_assert_int_eq(e, updates[_i].one < 0 ? ERR_PARAM : ERR_OK);
	if (e == ERR_OK)
		ck_assert_int_eq((int)one, updates[_i].one);
	e = param_update_set(updates[_i].in, &set, NULL);
	ck_assert_int_eq(e, updates[_i].set < 0 ? ERR_PARAM : ERR_OK);
	if (e == ERR_OK)
		ck_assert_int_eq((int)set, updates[_i].set);
}
END_TEST

static const struct {
	const char *update, *number;
	enum err e;
	enum update is;
	uint32_t n;
} versions[] = {
	{ NULL, NULL, ERR_OK, UPDATE_STANDARD, 0 },
	{ "early", NULL, ERR_OK, UPDATE_EARLY, 0 },
	{ NULL, "1", ERR_OK, UPDATE_NUMBER, 1 },
	{ NULL, "17", ERR_OK, UPDATE_NUMBER, 17 },
	{ NULL, "007", ERR_OK, UPDATE_NUMBER, 7 },
	{ NULL, "4294967295", ERR_OK, UPDATE_NUMBER, 4294967295u },
	{ NULL, "4294967296", ERR_PARAM, 0, 0 },
	{ NULL, "18446744073709551633", ERR_PARAM, 0, 0 },
	{ NULL, "0", ERR_PARAM, 0, 0 },
	{ NULL, "-1", ERR_PARAM, 0, 0 },
	{ NULL, "+1", ERR_PARAM, 0, 0 },
	{ NULL, "1.0", ERR_PARAM, 0, 0 },
	{ NULL, "1e1", ERR_PARAM, 0, 0 },
	{ NULL, " 1", ERR_PARAM, 0, 0 },
	{ NULL, "0x11", ERR_PARAM, 0, 0 },
	{ NULL, "", ERR_PARAM, 0, 0 },
	{ "standard", "17", ERR_PARAM, 0, 0 },
	{ "early", "17", ERR_PARAM, 0, 0 },
	{ "", "17", ERR_PARAM, 0, 0 },
};

START_TEST(test_version_is_an_update_or_a_number)
{
	struct pair q[] = { { "update", versions[_i].update },
		{ "tcbEvaluationDataNumber", versions[_i].number },
		{ NULL, NULL } };
	enum update update;
	uint32_t n;
	enum err e = param_version(pairs_get, q, &update, &n, NULL);

	ck_assert_int_eq(e, versions[_i].e);
	if (e == ERR_OK) {
		ck_assert_int_eq(update, versions[_i].is);
		ck_assert_uint_eq(n, versions[_i].n);
	}
}
END_TEST

START_TEST(test_ca)
{
	enum pck_ca ca;

	ck_assert_int_eq(param_ca("processor", &ca, NULL), ERR_OK);
	ck_assert_int_eq(ca, PCK_CA_PROCESSOR);
	ck_assert_int_eq(param_ca("PLATFORM", &ca, NULL), ERR_OK);
	ck_assert_int_eq(ca, PCK_CA_PLATFORM);
	ck_assert_int_eq(param_ca("PlatForm", &ca, NULL), ERR_OK);
	ck_assert_int_eq(param_ca(NULL, &ca, NULL), ERR_PARAM);
	ck_assert_int_eq(param_ca("", &ca, NULL), ERR_PARAM);
	ck_assert_int_eq(param_ca("root", &ca, NULL), ERR_PARAM);
	ck_assert_int_eq(param_ca("processor,platform", &ca, NULL), ERR_PARAM);
}
END_TEST

START_TEST(test_encoding_is_hex_unless_der_or_pem)
{
	ck_assert_int_eq(param_encoding(NULL), FORM_HEX);
	ck_assert_int_eq(param_encoding(""), FORM_HEX);
	ck_assert_int_eq(param_encoding("hex"), FORM_HEX);
	ck_assert_int_eq(param_encoding("derr"), FORM_HEX);
	ck_assert_int_eq(param_encoding("der"), FORM_DER);
	ck_assert_int_eq(param_encoding("DER"), FORM_DER);
	ck_assert_int_eq(param_encoding("Pem"), FORM_PEM);
}
END_TEST

START_TEST(test_fmspcs_platform)
{
	const char *p;

	ck_assert_int_eq(param_fmspcs(NULL, &p, NULL), ERR_OK);
	ck_assert_str_eq(p, "all");
	ck_assert_int_eq(param_fmspcs("e3", &p, NULL), ERR_OK);
	ck_assert_str_eq(p, "E3");
	ck_assert_int_eq(param_fmspcs("CLIENT", &p, NULL), ERR_OK);
	ck_assert_str_eq(p, "client");
	ck_assert_int_eq(param_fmspcs("E7", &p, NULL), ERR_PARAM);
	ck_assert_int_eq(param_fmspcs("", &p, NULL), ERR_PARAM);
}
END_TEST

START_TEST(test_flag)
{
	ck_assert(param_flag("1"));
	ck_assert(param_flag("TRUE"));
	ck_assert(!param_flag("0"));
	ck_assert(!param_flag(""));
	ck_assert(!param_flag(NULL));
}
END_TEST

START_TEST(test_refresh_type)
{
	bool certs = true;

	ck_assert_int_eq(param_refresh_type(NULL, &certs, NULL), ERR_OK);
	ck_assert(!certs);
	ck_assert_int_eq(param_refresh_type("", &certs, NULL), ERR_OK);
	ck_assert(!certs);
	ck_assert_int_eq(param_refresh_type("certs", &certs, NULL), ERR_OK);
	ck_assert(certs);
	ck_assert_int_eq(param_refresh_type("Certs", &certs, NULL), ERR_PARAM);
	ck_assert_int_eq(param_refresh_type("cert", &certs, NULL), ERR_PARAM);
	ck_assert_int_eq(param_refresh_type("certs,", &certs, NULL), ERR_PARAM);
}
END_TEST

/* --- lists ------------------------------------------------------------ */

static const struct {
	const char *in;
	const char *out; /* joined by ","; NULL: refused */
} lists[] = {
	{ NULL, "" },
	{ "", "" },
	{ "all", "" },
	{ "ALL", "" },
	{ "[]", "" },
	{ "[ ]", "" },
	{ " ", "" },
	{ "00906ed50000", "00906ED50000" },
	{ "00906ED50000,00606A000000", "00906ED50000,00606A000000" },
	{ "[00906ED50000, 00606a000000]", "00906ED50000,00606A000000" },
	{ " [ 00906ED50000 ,00606a000000 ] ", "00906ED50000,00606A000000" },
	{ "00906ED50000,", NULL },
	{ ",00906ED50000", NULL },
	{ "00906ED50000,,00606A000000", NULL },
	{ "00906ED5000", NULL },
	{ "00906ED5000G", NULL },
	{ "00906ED50000;00606A000000", NULL },
	{ "[00906ED50000", NULL },
	{ "00906ED50000]", NULL },
	{ "]00906ED50000[", NULL },
	{ "[[00906ED50000]]", NULL },
	{ "[all]", NULL },
};

START_TEST(test_fmspc_list)
{
	struct fmspc_list l = { 0, NULL };
	struct buf joined = BUF_INIT;
	enum err e = param_fmspc_list(lists[_i].in, &l, NULL);
	size_t i;

	if (lists[_i].out == NULL) {
		ck_assert_int_eq(e, ERR_PARAM);
		return;
	}
	ck_assert_int_eq(e, ERR_OK);
	for (i = 0; i < l.n; i++)
		buf_printf(&joined, "%s%s", i > 0 ? "," : "", l.v[i]);
	ck_assert(span_eq_str(buf_view(&joined), lists[_i].out));
	buf_free(&joined);
	fmspc_list_fini(&l);
}
END_TEST

START_TEST(test_fmspc_in_text)
{
	char f[13];

	ck_assert(fmspc_in_text("want tcb/sgx of 00906ED50000, now", f));
	ck_assert_str_eq(f, "00906ED50000");
	ck_assert(fmspc_in_text("00606a000000", f));
	ck_assert_str_eq(f, "00606a000000");
	ck_assert(!fmspc_in_text("", f));
	ck_assert(!fmspc_in_text("no 00906ED5000 nor 00906ED500000", f));
}
END_TEST

START_TEST(test_fmspc_list_has_a_bound)
{
	struct fmspc_list l = { 0, NULL };
	struct buf text = BUF_INIT;
	int i;

	for (i = 0; i < 1024; i++)
		buf_printf(&text, "%s%012X", i > 0 ? "," : "", (unsigned)i);
	buf_add(&text, "", 1);
	ck_assert_int_eq(param_fmspc_list(text.p, &l, NULL), ERR_OK);
	ck_assert_uint_eq(l.n, 1024);
	fmspc_list_fini(&l);
	text.len--;
	buf_str(&text, ",0123456789AB");
	buf_add(&text, "", 1);
	ck_assert_int_eq(param_fmspc_list(text.p, &l, NULL), ERR_PARAM);
	buf_free(&text);
}
END_TEST

static const struct {
	const char *in, *out;
} sources[] = {
	{ NULL, "reg" },
	{ "", "reg" },
	{ "reg", "reg" },
	{ "reg_na", "reg_na" },
	{ "[]", "[]" },
	{ "[00906ed50000]", "[00906ED50000]" },
	{ "[00906ED50000, 00606A000000]", "[00906ED50000,00606A000000]" },
	{ "REG", NULL },
	{ "reg_nb", NULL },
	{ "all", NULL },
	{ "00906ED50000", NULL },
	{ "[00906ED5000]", NULL },
	{ "[,]", NULL },
	{ "[", NULL },
	{ "]", NULL },
};

START_TEST(test_source)
{
	struct buf out = BUF_INIT;
	enum err e = param_source(sources[_i].in, &out, NULL);

	if (sources[_i].out == NULL) {
		ck_assert_int_eq(e, ERR_PARAM);
	} else {
		ck_assert_int_eq(e, ERR_OK);
		ck_assert_str_eq(out.p, sources[_i].out);
	}
	buf_free(&out);
}
END_TEST

/* --- CRL URIs --------------------------------------------------------- */

#define API "https://api.trustedservices.intel.com/sgx/certification/"
#define CDN "https://certificates.trustedservices.intel.com/"

static const struct {
	const char *uri, *ca;
	enum err e;
	enum crl_uri is;
} uris[] = {
	/* QCNL 3.1: the CDP of the root certificate, either issue */
	{ CDN "IntelSGXRootCA.der", NULL, ERR_OK, CRL_ROOT },
	{ CDN "IntelSGXRootCA.crl", NULL, ERR_OK, CRL_ROOT },
	/* Azure, escaped once more than the query was */
	{ "https%3A%2F%2Fcertificates.trustedservices.intel.com%2F"
	  "intelsgxrootca.crl",
	    NULL, ERR_OK, CRL_ROOT },
	{ "https%3a%2f%2fapi.trustedservices.intel.com%2fsgx%2f"
	  "certification%2fv3%2fpckcrl%3fca%3dplatform%26encoding%3dpem",
	    NULL, ERR_OK, CRL_PLATFORM },
	/* Azure, older names */
	{ CDN "intelsgxrootca.crl", NULL, ERR_OK, CRL_ROOT },
	{ CDN "intelsgxpckprocessor.crl", NULL, ERR_OK, CRL_PROCESSOR },
	{ CDN "IntelSGXPCKPlatform.crl", NULL, ERR_OK, CRL_PLATFORM },
	{ API "v3/pckcrl?ca=platform&encoding=pem", NULL, ERR_OK,
	    CRL_PLATFORM },
	{ API "v4/pckcrl?ca=processor&encoding=der", NULL, ERR_OK,
	    CRL_PROCESSOR },
	{ API "v10/pckcrl?encoding=der&ca=Processor", NULL, ERR_OK,
	    CRL_PROCESSOR },
	{ "HTTPS://API.TrustedServices.intel.com/SGX/certification/V4/PCKCRL?"
	  "CA=PLATFORM",
	    NULL, ERR_OK, CRL_PLATFORM },
	/* unescaped: the tail of the URI arrives as the request's own ca= */
	{ API "v4/pckcrl?encoding=der", "platform", ERR_OK, CRL_PLATFORM },
	{ API "v4/pckcrl?", "processor", ERR_OK, CRL_PROCESSOR },
	{ API "v4/pckcrl?ca=platform", "processor", ERR_OK, CRL_PLATFORM },
	/* sandbox and proxy hosts of the grammar */
	{ "https://sbx-certificates.trustedservices.intel.com/"
	  "IntelSGXRootCA.der",
	    NULL, ERR_OK, CRL_ROOT },
	{ "https://certprx.adsdcsp.com/IntelSGXRootCA.crl", NULL, ERR_OK,
	    CRL_ROOT },
	{ "https://sbx.api.trustedservices.intel.com/sgx/certification/v4/"
	  "pckcrl?ca=platform",
	    NULL, ERR_OK, CRL_PLATFORM },
	{ "https://cn-1.az.sgxprod.adsdcsp.com/sgx/certification/v4/"
	  "pckcrl?ca=platform",
	    NULL, ERR_OK, CRL_PLATFORM },
	{ "https://x.az.sgxnp.adsdcsp.com/sgx/certification/v4/"
	  "pckcrl?ca=platform",
	    NULL, ERR_OK, CRL_PLATFORM },
	/* within the grammar, but no CRL there is */
	{ CDN "IntelSGXRootCA.cer", NULL, ERR_NOT_CACHED, 0 },
	{ CDN "IntelSGXRootCA.", NULL, ERR_NOT_CACHED, 0 },
	{ CDN "IntelSGXRootCA.der/../x", NULL, ERR_NOT_CACHED, 0 },
	{ API "v4/pckcrl?ca=root", NULL, ERR_NOT_CACHED, 0 },
	{ API "v4/pckcrl?", NULL, ERR_NOT_CACHED, 0 },
	{ API "v4/pckcrl?xca=platform", NULL, ERR_NOT_CACHED, 0 },
	/* outside */
	{ NULL, NULL, ERR_PARAM, 0 },
	{ "", NULL, ERR_PARAM, 0 },
	{ "https://", NULL, ERR_PARAM, 0 },
	{ "https:///IntelSGXRootCA.der", NULL, ERR_PARAM, 0 },
	{ "http://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
	    NULL, ERR_PARAM, 0 },
	{ "ftp" CDN "IntelSGXRootCA.der", NULL, ERR_PARAM, 0 },
	{ " " CDN "IntelSGXRootCA.der", NULL, ERR_PARAM, 0 },
	{ CDN "IntelSGXRootCA.der\n", NULL, ERR_PARAM, 0 },
	{ CDN "other.crl", NULL, ERR_PARAM, 0 },
	{ "https://certificates.trustedservices.intel.com:443/"
	  "IntelSGXRootCA.der",
	    NULL, ERR_PARAM, 0 },
	{ "https://a@certificates.trustedservices.intel.com/"
	  "IntelSGXRootCA.der",
	    NULL, ERR_PARAM, 0 },
	{ "https://x.certificates.trustedservices.intel.com/"
	  "IntelSGXRootCA.der",
	    NULL, ERR_PARAM, 0 },
	{ "https://evil.example/IntelSGXRootCA.der", NULL, ERR_PARAM, 0 },
	{ "https://certificates.trustedservices.intel.com.evil.example/"
	  "IntelSGXRootCA.der",
	    NULL, ERR_PARAM, 0 },
	{ "https://evil.example/?" CDN "IntelSGXRootCA.der", NULL, ERR_PARAM,
	    0 },
	{ "https://a.b.api.trustedservices.intel.com/sgx/certification/v4/"
	  "pckcrl?ca=platform",
	    NULL, ERR_PARAM, 0 },
	{ "https://.az.sgxprod.adsdcsp.com/sgx/certification/v4/"
	  "pckcrl?ca=platform",
	    NULL, ERR_PARAM, 0 },
	{ API "v0/pckcrl?ca=platform", NULL, ERR_PARAM, 0 },
	{ API "v/pckcrl?ca=platform", NULL, ERR_PARAM, 0 },
	{ API "v4/pckcrl", NULL, ERR_PARAM, 0 },
	{ API "v4x/pckcrl?ca=platform", NULL, ERR_PARAM, 0 },
	{ API "v4/tcb?ca=platform", NULL, ERR_PARAM, 0 },
	{ "https%3A%2F%2Fcertificates.trustedservices.intel.com%2F%zz", NULL,
	    ERR_PARAM, 0 },
};

START_TEST(test_crl_uri)
{
	enum crl_uri is = CRL_ROOT;
	enum err e = param_crl_uri(uris[_i].uri, uris[_i].ca, &is, NULL);

	ck_assert_int_eq(e, uris[_i].e);
	if (e == ERR_OK)
		ck_assert_int_eq(is, uris[_i].is);
}
END_TEST

START_TEST(test_crl_uri_has_a_bound)
{
	char uri[CRL_URI_MAX + 2] = CDN "IntelSGXRootCA.";
	size_t at = strlen(uri);
	enum crl_uri is;

	memset(uri + at, 'x', sizeof(uri) - 1 - at);
	ck_assert_int_eq(param_crl_uri(uri, NULL, &is, NULL), ERR_PARAM);
	uri[CRL_URI_MAX] = '\0';
	ck_assert_int_eq(param_crl_uri(uri, NULL, &is, NULL), ERR_NOT_CACHED);
}
END_TEST

static void
suite_fill(TCase *tc)
{
	tcase_add_loop_test(tc, test_text_follows_its_row, 0, N(texts));
	tcase_add_loop_test(tc, test_lengths_at_their_bounds, 0, N(lengths));
	tcase_add_test(tc, test_pckcert_reads_what_it_is_given);
	tcase_add_test(tc, test_pckcert_tells_no_ppid_from_a_ppid_of_zeros);
	tcase_add_loop_test(tc, test_pckcert_names_the_parameter_that_is_wrong,
	    0, N(wrong_pckcert));
	tcase_add_test(tc, test_pckcert_checks_in_the_order_of_the_api);
	tcase_add_loop_test(tc, test_platform_body, 0, N(bodies));
	tcase_add_test(tc, test_platform_ppid_of_zeros_is_not_supplied);
	tcase_add_loop_test(tc, test_platform_manifest_has_a_bound, 0,
	    N(manifests));
	tcase_add_loop_test(tc, test_update, 0, N(updates));
	tcase_add_loop_test(tc, test_version_is_an_update_or_a_number, 0,
	    N(versions));
	tcase_add_test(tc, test_ca);
	tcase_add_test(tc, test_encoding_is_hex_unless_der_or_pem);
	tcase_add_test(tc, test_fmspcs_platform);
	tcase_add_test(tc, test_flag);
	tcase_add_test(tc, test_refresh_type);
	tcase_add_loop_test(tc, test_fmspc_list, 0, N(lists));
	tcase_add_test(tc, test_fmspc_in_text);
	tcase_add_test(tc, test_fmspc_list_has_a_bound);
	tcase_add_loop_test(tc, test_source, 0, N(sources));
	tcase_add_loop_test(tc, test_crl_uri, 0, N(uris));
	tcase_add_test(tc, test_crl_uri_has_a_bound);
}

int
main(void)
{
	Suite *s = suite_create("param");
	TCase *tc = tcase_create("param");
	SRunner *sr = srunner_create(s);
	int failed;

	ppids_fill();
	suite_add_tcase(s, tc);
	suite_fill(tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
