/* Tables of quote-verification 6: levels, convergence, relaunch. */
#include "storage/verify/verify.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define U  TCB_UP_TO_DATE
#define S  TCB_SW_HARDENING_NEEDED
#define C  TCB_CONFIGURATION_NEEDED
#define CS TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED
#define O  TCB_OUT_OF_DATE
#define OC TCB_OUT_OF_DATE_CONFIGURATION_NEEDED
#define R  TCB_REVOKED
#define L  TCB_TD_RELAUNCH_ADVISED
#define LC TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED

/* 6.3: platform; then with a part UpToDate, OutOfDate, Revoked. */
static const enum tcb_status converged[7][4] = {
	{ U, U, O, R },
	{ S, S, O, R },
	{ C, C, OC, R },
	{ CS, CS, OC, R },
	{ O, O, O, R },
	{ OC, OC, OC, R },
	{ R, R, R, R },
};

START_TEST(test_convergence)
{
	static const enum tcb_status parts[3] = { U, O, R };
	size_t row, a, b, worst;

	for (row = 0; row < 7; row++)
		for (a = 0; a < 3; a++) {
			ck_assert_int_eq(tcb_converge(converged[row][0],
					     parts[a]),
			    converged[row][a + 1]);
			/* Two parts, in either order: the worse decides. */
			for (b = 0; b < 3; b++) {
				worst = a > b ? a : b;
				ck_assert_int_eq(
				    tcb_converge(tcb_converge(converged[row][0],
						     parts[a]),
					parts[b]),
				    converged[row][worst + 1]);
			}
		}
}
END_TEST

/* 6.4: launch in rows, current in columns U S C CS O OC R. */
static const enum tcb_status relaunched[7][7] = {
	[TCB_UP_TO_DATE] = { U, U, U, U, U, U, U },
	[TCB_SW_HARDENING_NEEDED] = { S, S, S, S, S, S, S },
	[TCB_CONFIGURATION_NEEDED] = { C, C, C, C, C, C, C },
	[TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED] = { CS, CS, CS, CS, CS, CS,
	    CS },
	[TCB_OUT_OF_DATE] = { L, L, LC, LC, O, O, O },
	[TCB_OUT_OF_DATE_CONFIGURATION_NEEDED] = { LC, LC, LC, LC, OC, OC, OC },
	[TCB_REVOKED] = { R, R, R, R, R, R, R },
};

START_TEST(test_relaunch)
{
	unsigned l, c;

	for (l = 0; l < 7; l++)
		for (c = 0; c < 7; c++)
			ck_assert_msg(tcb_relaunch((enum tcb_status)l,
					  (enum tcb_status)c) ==
					  relaunched[l][c],
			    "%u, %u", l, c);
}
END_TEST

/* --- levels ----------------------------------------------------------- */

/* Two levels, the upper asking 5 of everything, the lower 3. */
static void
two_levels(struct tcb_level v[2], struct tcbinfo *info)
{
	memset(v, 0, 2 * sizeof(*v));
	memset(v[0].sgx, 5, 16);
	memset(v[0].tdx, 5, 16);
	v[0].pcesvn = 5;
	memset(v[1].sgx, 3, 16);
	memset(v[1].tdx, 3, 16);
	v[1].pcesvn = 3;
	v[1].status = TCB_OUT_OF_DATE;
	memset(info, 0, sizeof(*info));
	info->n_levels = 2;
	info->levels = v;
}

static struct pck
pck_with(uint8_t comp, uint16_t pcesvn)
{
	struct pck pck;

	memset(&pck, 0, sizeof(pck));
	memset(pck.comp, comp, 16);
	pck.pcesvn = pcesvn;
	return pck;
}

START_TEST(test_each_component_decides)
{
	struct pck pck = pck_with(5, 5);
	struct tcb_level v[2];
	struct tcbinfo info;
	size_t i;

	two_levels(v, &info);
	ck_assert_ptr_eq(tcb_level_find(&info, &pck, NULL), &v[0]);
	for (i = 0; i < 16; i++) {
		pck = pck_with(255, 65535);
		pck.comp[i] = 4;
		ck_assert_ptr_eq(tcb_level_find(&info, &pck, NULL), &v[1]);
		pck.comp[i] = 2;
		ck_assert_ptr_null(tcb_level_find(&info, &pck, NULL));
	}
	pck = pck_with(255, 4);
	ck_assert_ptr_eq(tcb_level_find(&info, &pck, NULL), &v[1]);
	pck = pck_with(255, 2);
	ck_assert_ptr_null(tcb_level_find(&info, &pck, NULL));
}
END_TEST

START_TEST(test_tdx_components_by_version_line)
{
	struct pck pck = pck_with(5, 5);
	unsigned char svn[16];
	struct tcb_level v[2];
	struct tcbinfo info;
	size_t i;

	two_levels(v, &info);
	for (i = 0; i < 16; i++) {
		memset(svn, 5, sizeof(svn));
		svn[i] = i == 1 ? 1 : 4; /* still a version line */
		ck_assert_ptr_eq(tcb_level_find(&info, &pck, svn),
		    i < 2 ? &v[0] : &v[1]);
	}
	/* No version line: all sixteen. */
	v[0].tdx[1] = v[1].tdx[1] = 0;
	for (i = 0; i < 16; i++) {
		memset(svn, 5, sizeof(svn));
		svn[1] = 0;
		if (i == 1)
			continue;
		svn[i] = 4;
		ck_assert_ptr_eq(tcb_level_find(&info, &pck, svn), &v[1]);
		svn[i] = 2;
		ck_assert_ptr_null(tcb_level_find(&info, &pck, svn));
	}
	v[0].tdx[1] = 1;
	memset(svn, 5, sizeof(svn));
	svn[1] = 0;
	ck_assert_ptr_eq(tcb_level_find(&info, &pck, svn), &v[1]);
}
END_TEST

START_TEST(test_svn_levels)
{
	struct svn_level v[3] = { { .isvsvn = 8 }, { .isvsvn = 6 },
		{ .isvsvn = 2 } };

	ck_assert_ptr_eq(svn_level_find(3, v, 65535), &v[0]);
	ck_assert_ptr_eq(svn_level_find(3, v, 8), &v[0]);
	ck_assert_ptr_eq(svn_level_find(3, v, 7), &v[1]);
	ck_assert_ptr_eq(svn_level_find(3, v, 2), &v[2]);
	ck_assert_ptr_null(svn_level_find(3, v, 1));
	ck_assert_ptr_null(svn_level_find(0, v, 9));
}
END_TEST

START_TEST(test_module_ids)
{
	struct tdx_module v[3];
	struct tcbinfo info;

	memset(v, 0, sizeof(v));
	memset(&info, 0, sizeof(info));
	strcpy(v[0].id, "tdx_01");
	strcpy(v[1].id, "TDX_10");
	strcpy(v[2].id, "TDX_0b");
	info.n_modules = 3;
	info.modules = v;
	ck_assert_ptr_null(tdx_module_find(&info, 0));
	info.has_module = true;
	ck_assert_ptr_eq(tdx_module_find(&info, 0), &info.module);
	ck_assert_ptr_eq(tdx_module_find(&info, 1), &v[0]);
	ck_assert_ptr_eq(tdx_module_find(&info, 16), &v[1]);
	ck_assert_ptr_eq(tdx_module_find(&info, 11), &v[2]);
	ck_assert_ptr_null(tdx_module_find(&info, 10));
	ck_assert_ptr_null(tdx_module_find(&info, 255));
}
END_TEST

START_TEST(test_match_joins_dates_and_advisories)
{
	char *a[] = { "INTEL-SA-00615", "INTEL-SA-00334" };
	char *b[] = { "INTEL-SA-00615", "INTEL-SA-00289" };
	struct svn_level qe = { .isvsvn = 6,
		.tcb_date = 200,
		.n_advisories = 2,
		.advisories = b };
	struct svn_level mod = { .isvsvn = 3,
		.tcb_date = 100,
		.status = TCB_OUT_OF_DATE };
	struct tdx_module m = { .id = "TDX_05", .n_levels = 1, .levels = &mod };
	struct identity id = { .n_levels = 1, .levels = &qe };
	struct pck pck = pck_with(5, 5);
	unsigned char svn[16];
	const char **list;
	struct tcb_level v[2];
	struct tcbinfo info;
	struct tcb_match out;

	two_levels(v, &info);
	v[0].tcb_date = 300;
	v[0].n_advisories = 2;
	v[0].advisories = a;
	info.n_modules = 1;
	info.modules = &m;
	memset(svn, 5, sizeof(svn));
	ck_assert_int_eq(tcb_match(&info, &id, &pck, NULL, 6, &out, NULL),
	    ERR_OK);
	ck_assert_int_eq(out.status, TCB_UP_TO_DATE);
	ck_assert_int_eq(out.date, 200);
	ck_assert_int_eq(tcb_match(&info, &id, &pck, svn, 6, &out, NULL),
	    ERR_OK);
	ck_assert_int_eq(out.status, TCB_OUT_OF_DATE);
	ck_assert_int_eq(out.date, 100);
	ck_assert_uint_eq(tcb_advisories(&out, &list), 3);
	ck_assert_str_eq(list[0], "INTEL-SA-00289");
	ck_assert_str_eq(list[1], "INTEL-SA-00334");
	ck_assert_str_eq(list[2], "INTEL-SA-00615");
	free(list);
	ck_assert_int_eq(tcb_match(&info, &id, &pck, svn, 5, &out, NULL),
	    ERR_NOT_AVAILABLE);
	svn[0] = 2;
	ck_assert_int_eq(tcb_match(&info, &id, &pck, svn, 6, &out, NULL),
	    ERR_NOT_AVAILABLE);
	svn[0] = 5;
	svn[1] = 6;
	ck_assert_int_eq(tcb_match(&info, &id, &pck, svn, 6, &out, NULL),
	    ERR_NOT_AVAILABLE);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tcb");
	TCase *tc = tcase_create("tcb");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, test_convergence);
	tcase_add_test(tc, test_relaunch);
	tcase_add_test(tc, test_each_component_decides);
	tcase_add_test(tc, test_tdx_components_by_version_line);
	tcase_add_test(tc, test_svn_levels);
	tcase_add_test(tc, test_module_ids);
	tcase_add_test(tc, test_match_joins_dates_and_advisories);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
