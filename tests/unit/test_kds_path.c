/* One key whatever the spelling: amd-kds 2.1 to 2.4, 8.1 and 8.3, row by
 * row.  A key is shown as what upstream is asked for it. */
#include "server/kds_path.h"

#include "config/base/must.h"
#include "upstream/vendor.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(a)   ((int)(sizeof(a) / sizeof((a)[0])))

#define LOW16  "0123456789abcdef"
#define UP16   "0123456789ABCDEF"
#define LOW    LOW16 LOW16 LOW16 LOW16 LOW16 LOW16 LOW16 LOW16
#define UP     UP16 UP16 UP16 UP16 UP16 UP16 UP16 UP16
#define ZERO16 "0000000000000000"
#define ZERO   ZERO16 ZERO16 ZERO16 ZERO16 ZERO16 ZERO16 ZERO16 ZERO16
#define MILAN  "/vcek/v1/Milan/" LOW
#define GENOA  "/vcek/v1/Genoa/" LOW
#define TURIN  "/vcek/v1/Turin/" LOW16
#define SPL    "blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219"

static const struct {
	const char *path, *query;
	const char *out; /* NULL: refused with e */
	enum err e;
} rows[] = {
	/* the examples of amd-kds 2.4 */
	{ MILAN, SPL, MILAN "?" SPL, ERR_OK },
	{ GENOA, "blSPL=10&teeSPL=0&snpSPL=23&ucodeSPL=84",
	    GENOA "?blSPL=10&teeSPL=0&snpSPL=23&ucodeSPL=84", ERR_OK },
	{ "/vcek/v1/Turin/59790fb1c39f35c1",
	    "fmcSPL=1&blSPL=1&teeSPL=1&snpSPL=4&ucodeSPL=81",
	    "/vcek/v1/Turin/59790fb1c39f35c1"
	    "?fmcSPL=1&blSPL=1&teeSPL=1&snpSPL=4&ucodeSPL=81",
	    ERR_OK },
	/* products */
	{ "/vcek/v1/milan/" LOW, SPL, MILAN "?" SPL, ERR_OK },
	{ "/vcek/v1/MILAN/" LOW, SPL, MILAN "?" SPL, ERR_OK },
	{ "/vcek/v1/Bergamo/" LOW, SPL, GENOA "?" SPL, ERR_OK },
	{ "/vcek/v1/siena/" LOW, SPL, GENOA "?" SPL, ERR_OK },
	{ "/vcek/v1/Unknown/" LOW, SPL, NULL, ERR_NO_ROUTE },
	{ "/vcek/v1/Venice/" LOW16, SPL, NULL, ERR_NO_ROUTE },
	{ "/vcek/v1/Milan-B0/" LOW, SPL, NULL, ERR_NO_ROUTE },
	/* hardware ids */
	{ "/vcek/v1/Milan/" UP, SPL, MILAN "?" SPL, ERR_OK },
	{ "/vcek/v1/Turin/" UP16, "fmcSPL=1",
	    TURIN "?fmcSPL=1&blSPL=0&teeSPL=0&snpSPL=0&ucodeSPL=0", ERR_OK },
	{ "/vcek/v1/Turin/" LOW, "fmcSPL=1", NULL, ERR_NO_ROUTE },
	{ "/vcek/v1/Milan/" LOW16, SPL, NULL, ERR_NO_ROUTE },
	{ MILAN "0", SPL, NULL, ERR_NO_ROUTE },
	{ MILAN "00", SPL, NULL, ERR_NO_ROUTE },
	{ MILAN "g", SPL, NULL, ERR_PARAM },
	{ "/vcek/v1/Milan/0x" LOW, SPL, NULL, ERR_PARAM },
	{ "/vcek/v1/Milan/cert", SPL, NULL, ERR_PARAM },
	{ "/vcek/v1/Milan/" ZERO, SPL, NULL, ERR_PARAM },
	{ "/vcek/v1/Turin/" ZERO16, "fmcSPL=1", NULL, ERR_PARAM },
	/* levels: padding, order, missing ones */
	{ MILAN, "blSPL=04&teeSPL=00&snpSPL=024&ucodeSPL=219", MILAN "?" SPL,
	    ERR_OK },
	{ MILAN, "ucodeSPL=219&blSPL=4&snpSPL=24&teeSPL=0", MILAN "?" SPL,
	    ERR_OK },
	{ MILAN, "blSPL=4&snpSPL=24&ucodeSPL=219", MILAN "?" SPL, ERR_OK },
	{ MILAN, "&blSPL=4&&snpSPL=24&ucodeSPL=219&", MILAN "?" SPL, ERR_OK },
	{ MILAN, "", MILAN "?blSPL=0&teeSPL=0&snpSPL=0&ucodeSPL=0", ERR_OK },
	{ TURIN, "ucodeSPL=81&snpSPL=4&teeSPL=1&blSPL=1&fmcSPL=1",
	    TURIN "?fmcSPL=1&blSPL=1&teeSPL=1&snpSPL=4&ucodeSPL=81", ERR_OK },
	{ TURIN, "fmcSPL=000", /* 0 is a value, and not the same as none */
	    TURIN "?fmcSPL=0&blSPL=0&teeSPL=0&snpSPL=0&ucodeSPL=0", ERR_OK },
	{ TURIN, SPL, NULL, ERR_PARAM },
	{ TURIN, "", NULL, ERR_PARAM },
	{ MILAN, SPL "&fmcSPL=0", NULL, ERR_PARAM },
	{ GENOA, "fmcSPL=1&" SPL, NULL, ERR_PARAM },
	/* levels: range and form */
	{ MILAN, "blSPL=127&teeSPL=127&snpSPL=127&ucodeSPL=255",
	    MILAN "?blSPL=127&teeSPL=127&snpSPL=127&ucodeSPL=255", ERR_OK },
	{ MILAN, "blSPL=128", NULL, ERR_PARAM },
	{ MILAN, "teeSPL=128", NULL, ERR_PARAM },
	{ MILAN, "snpSPL=128", NULL, ERR_PARAM },
	{ MILAN, "ucodeSPL=256", NULL, ERR_PARAM },
	{ TURIN, "fmcSPL=128", NULL, ERR_PARAM },
	{ MILAN, "blSPL=0004", NULL, ERR_PARAM },
	{ MILAN, "blSPL=", NULL, ERR_PARAM },
	{ MILAN, "blSPL", NULL, ERR_PARAM },
	{ MILAN, "blSPL=-1", NULL, ERR_PARAM },
	{ MILAN, "blSPL=+4", NULL, ERR_PARAM },
	{ MILAN, "blSPL= 4", NULL, ERR_PARAM },
	{ MILAN, "blSPL=0x4", NULL, ERR_PARAM },
	{ MILAN, "blSPL=4a", NULL, ERR_PARAM },
	{ MILAN, "blSPL=%34", NULL, ERR_PARAM },
	{ MILAN, "blSPL==4", NULL, ERR_PARAM },
	{ MILAN, "blSPL=4;teeSPL=0", NULL, ERR_PARAM },
	/* names */
	{ MILAN, "blSPL=4&blSPL=4", NULL, ERR_PARAM },
	{ MILAN, SPL "&teeSPL=0", NULL, ERR_PARAM },
	{ MILAN, SPL "&x=1", NULL, ERR_PARAM },
	{ MILAN, "BLSPL=4", NULL, ERR_PARAM },
	{ MILAN, "=4", NULL, ERR_PARAM },
	{ MILAN, SPL "&cspID=x", NULL, ERR_PARAM },
	{ TURIN, "fmcSPL=1&blSPL=1&ucodSPL=81", NULL, ERR_PARAM },
	/* slashes and case */
	{ "//vcek//v1/Milan//" LOW "/", SPL, MILAN "?" SPL, ERR_OK },
	{ "/VCEK/V1/Milan/" LOW, SPL, MILAN "?" SPL, ERR_OK },
	/* chains and lists */
	{ "/vcek/v1/Milan/cert_chain", "", "/vcek/v1/Milan/cert_chain",
	    ERR_OK },
	{ "/vlek/v1/milan/CERT_CHAIN/", "x=1", "/vlek/v1/Milan/cert_chain",
	    ERR_OK },
	{ "//vcek/v1/Siena/crl", "", "/vcek/v1/Genoa/crl", ERR_OK },
	{ "/vlek/v1/Turin/crl", "", "/vlek/v1/Turin/crl", ERR_OK },
	{ "/vcek/v1/Rome/crl", "", NULL, ERR_NO_ROUTE },
	/* no such path */
	{ "/vcek/v1/Milan", "", NULL, ERR_NO_ROUTE },
	{ "/vcek/v1/Milan/", "", NULL, ERR_NO_ROUTE },
	{ "/vcek/v1", "", NULL, ERR_NO_ROUTE },
	{ "/vcek/v2/Milan/crl", "", NULL, ERR_NO_ROUTE },
	{ "/ccek/v1/Milan/crl", "", NULL, ERR_NO_ROUTE },
	{ "/vcek/v1/Milan/crl/x", "", NULL, ERR_NO_ROUTE },
	{ MILAN "/x", SPL, NULL, ERR_NO_ROUTE },
	{ "/vlek/v1/Milan/" LOW, SPL, NULL, ERR_NO_ROUTE },
	{ "", "", NULL, ERR_NO_ROUTE },
	{ "/", "", NULL, ERR_NO_ROUTE },
};

START_TEST(test_a_path_gives_its_key)
{
	struct coll_key key = { .number = 77 };
	struct why why = { 0 };
	struct buf text = BUF_INIT;
	enum err e;

	e = kds_path_read(span_str(rows[_i].path), span_str(rows[_i].query),
	    &key, &why);
	ck_assert_int_eq(e, rows[_i].e);
	if (rows[_i].out == NULL) {
		ck_assert_int_eq(why.err, e);
		ck_assert_str_ne(why.text, "");
		ck_assert_uint_eq(key.number, 77); /* untouched */
		return;
	}
	kds_target(&key, &text);
	ck_assert_uint_eq(text.len, strlen(rows[_i].out));
	ck_assert_str_eq(text.p, rows[_i].out);
	buf_free(&text);
}
END_TEST

/* --- VLEKs ------------------------------------------------------------ */

static enum err
vlek(const char *query, struct coll_key *key)
{
	return kds_path_read(span_str("/vlek/v1/Milan/cert"), span_str(query),
	    key, NULL);
}

START_TEST(test_a_vlek_is_named_by_provider_and_tcb)
{
	static const char want[] =
	    "vek/vlek/Milan/CN=cc-us-east-2.amazonaws.com/DB18000000000004";
	struct coll_key key;

	ck_assert_int_eq(vlek(SPL "&cspID=CN%3Dcc-us-east-2.amazonaws.com",
			     &key),
	    ERR_OK);
	ck_assert_str_eq(key.text, want);
	ck_assert_int_eq(vlek("cspID=CN=cc-us-east-2.amazonaws.com&" SPL, &key),
	    ERR_OK);
	ck_assert_str_eq(key.text, want);
	/* Without a name it is whoever's is held. */
	ck_assert_int_eq(vlek(SPL, &key), ERR_OK);
	ck_assert_int_eq(key.kind, COLL_VEK);
	ck_assert_int_eq(key.side, AMD_VLEK);
	ck_assert_str_eq(key.csp_id, "");
	ck_assert_str_eq(key.text, "");
	ck_assert_uint_eq(key.tcb.b[7], 219);
}
END_TEST

START_TEST(test_odd_providers_are_refused)
{
	char query[CSP_ID_LEN + 16] = "cspID=";
	struct coll_key key;

	ck_assert_int_eq(vlek("cspID=", &key), ERR_PARAM);
	ck_assert_int_eq(vlek("cspID=a&cspID=a", &key), ERR_PARAM);
	ck_assert_int_eq(vlek("cspID=a%0ab", &key), ERR_PARAM);
	ck_assert_int_eq(vlek("cspID=a%00b", &key), ERR_PARAM);
	ck_assert_int_eq(vlek("cspID=a%e4b", &key), ERR_PARAM);
	ck_assert_int_eq(vlek("cspID=a%zz", &key), ERR_PARAM);
	ck_assert_int_eq(vlek("cspID=a+b", &key), ERR_PARAM);
	memset(query + 6, 'a', CSP_ID_LEN - 1);
	ck_assert_int_eq(vlek(query, &key), ERR_OK);
	ck_assert_uint_eq(strlen(key.csp_id), CSP_ID_LEN - 1);
	query[6 + CSP_ID_LEN - 1] = 'a';
	ck_assert_int_eq(vlek(query, &key), ERR_PARAM);
}
END_TEST

/* --- Azure (amd-kds 8.3) ---------------------------------------------- */

#define AZURE "/SevSnpVM/certificates/"
#define WIDE  LOW16 ZERO16 ZERO16 ZERO16 ZERO16 ZERO16 ZERO16 ZERO16

static const struct {
	const char *path;
	enum amd_product product;
	const char *out; /* NULL: no such path; "": not of this product */
} azure[] = {
	{ AZURE LOW "/db18000000000004", AMD_MILAN, MILAN "?" SPL },
	{ AZURE UP "/DB18000000000004", AMD_MILAN, MILAN "?" SPL },
	{ "/sevsnpvm//certificates/" LOW "/db18000000000004", AMD_GENOA,
	    GENOA "?" SPL },
	/* 15 digits, and padded to 16 */
	{ AZURE LOW "/308000000000003", AMD_MILAN,
	    MILAN "?blSPL=3&teeSPL=0&snpSPL=8&ucodeSPL=3" },
	{ AZURE LOW "/0308000000000003", AMD_MILAN,
	    MILAN "?blSPL=3&teeSPL=0&snpSPL=8&ucodeSPL=3" },
	{ AZURE LOW "/4", AMD_MILAN,
	    MILAN "?blSPL=4&teeSPL=0&snpSPL=0&ucodeSPL=0" },
	{ AZURE LOW16 "/5100000004010101", AMD_TURIN,
	    TURIN "?fmcSPL=1&blSPL=1&teeSPL=1&snpSPL=4&ucodeSPL=81" },
	{ AZURE WIDE "/5100000004010101", AMD_TURIN,
	    TURIN "?fmcSPL=1&blSPL=1&teeSPL=1&snpSPL=4&ucodeSPL=81" },
	/* what the product does not have */
	{ AZURE LOW16 "/db18000000000004", AMD_MILAN, "" },
	{ AZURE LOW "/5100000004010101", AMD_TURIN, "" },
	{ AZURE LOW "/5100000004010101", AMD_MILAN, "" },
	{ AZURE LOW16 "/5100010004010101", AMD_TURIN, "" },
	{ AZURE LOW "/db18000000000080", AMD_MILAN, "" },
	{ AZURE LOW "/db80000000000004", AMD_MILAN, "" },
	{ AZURE LOW16 "/5100000004010180", AMD_TURIN, "" },
	/* no such path */
	{ AZURE LOW "/0xdb18000000000004", AMD_MILAN, NULL },
	{ AZURE LOW "/0db18000000000004", AMD_MILAN, NULL },
	{ AZURE LOW "/", AMD_MILAN, NULL },
	{ AZURE LOW "/xyz", AMD_MILAN, NULL },
	{ AZURE LOW, AMD_MILAN, NULL },
	{ AZURE LOW "/4/x", AMD_MILAN, NULL },
	{ AZURE LOW16 LOW16 "/4", AMD_MILAN, NULL },
	{ AZURE ZERO "/4", AMD_MILAN, NULL },
	{ AZURE ZERO16 "/4", AMD_TURIN, NULL },
	{ AZURE "g" LOW "/4", AMD_MILAN, NULL },
	{ "/SevSnpVM/certificate/" LOW "/4", AMD_MILAN, NULL },
	{ "/SevSnpVM", AMD_MILAN, NULL },
};

START_TEST(test_azure_paths_give_their_key)
{
	struct azure_ask ask;
	struct coll_key key;
	struct why why = { 0 };
	struct buf text = BUF_INIT;
	enum err e = azure_path_read(span_str(azure[_i].path), &ask, &why);

	if (azure[_i].out == NULL) {
		ck_assert_int_eq(e, ERR_NO_ROUTE);
		ck_assert_int_eq(why.err, ERR_NO_ROUTE);
		return;
	}
	ck_assert_int_eq(e, ERR_OK);
	ck_assert_int_eq(azure_key(&ask, azure[_i].product, &key),
	    azure[_i].out[0] != '\0');
	if (azure[_i].out[0] == '\0')
		return;
	kds_target(&key, &text);
	ck_assert_str_eq(text.p, azure[_i].out);
	buf_free(&text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("kds_path");
	TCase *t = tcase_create("kds_path");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, test_a_path_gives_its_key, 0, N(rows));
	tcase_add_test(t, test_a_vlek_is_named_by_provider_and_tcb);
	tcase_add_test(t, test_odd_providers_are_refused);
	tcase_add_loop_test(t, test_azure_paths_give_their_key, 0, N(azure));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
