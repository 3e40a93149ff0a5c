/*
 * The impact of evaluation numbers on platforms, with Intel's own TCB infos of
 * an SGX and of a TDX FMSPC: every expectation below is worked out by hand from
 * the documents, and the working stands beside it.  Further FMSPCs:
 * test_impact_more.c.
 */
#include "storage/impact.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <stdlib.h>

#define N_CASES 5 /* that need the vectors */

/* --- SGX: FMSPC 00906ED50000 under 15, 17 and 19 ---------------------- */

enum { N15, N17, N19, N_SGX };

static struct tcbinfo *sgx_info[N_SGX];
static struct identity *sgx_id[N_SGX];
static struct impact_set sgx[N_SGX];

static void
sgx_setup(void)
{
	int i;

	sgx_info[N15] = vector_info(
	    "sgx/collateral/sgx-00906ED50000-2023-07/tcb_info.json");
	sgx_info[N17] = vector_info(
	    "sgx/collateral/sgx-00906ED50000-2025-05/tcb_info.json");
	sgx_info[N19] =
	    vector_info("sgx/signed/"
			"tcb-info-00906ed50000-v3-eval19-2025-06-04-"
			"df419d.json");
	/* Both have QE levels 8 UpToDate, 6, 5, 4, 2, 1 OutOfDate. */
	sgx_id[N15] = vector_identity(
	    "sgx/collateral/sgx-00906ED50000-2023-07/qe_identity.json");
	sgx_id[N17] = vector_identity(
	    "sgx/collateral/sgx-00906ED50000-2025-05/qe_identity.json");
	for (i = 0; i < N_SGX; i++)
		sgx[i] = (struct impact_set){ sgx_info[i], sgx_id[i] };
	ck_assert_uint_eq(sgx_info[N15]->eval_num, 15);
	ck_assert_uint_eq(sgx_info[N17]->eval_num, 17);
	ck_assert_uint_eq(sgx_info[N19]->eval_num, 19);
}

static void
sgx_teardown(void)
{
	int i;

	for (i = 0; i < N_SGX; i++) {
		tcbinfo_unref(sgx_info[i]);
		identity_unref(sgx_id[i]);
	}
}

/*
 * All levels of the three documents have 2 4 1 128 as components 3 to 6 down
 * to the lowest, so 1, 2, 7 and PCESVN decide.  Their highest (1 2 / 7 / PCE):
 *
 *           15                17                19
 *   level 0 20 20 / 14 / 13 S 21 21 / 14 / 13 S 22 22 / 14 / 13 S
 *   level 1 20 20 /  0 / 13 C 21 21 /  0 / 13 C 22 22 /  0 / 13 C
 *   level 2 19 19 /  6 / 13 O 20 20 / 14 / 13 O 21 21 / 14 / 13 O
 *   level 3 19 19 /  0 / 13 K 20 20 /  0 / 13 K 21 21 /  0 / 13 K
 *   level 4 17 17 /  6 / 11 O 19 19 /  6 / 13 O 20 20 / 14 / 13 O
 *   level 5 17 17 /  6 / 10 O 19 19 /  0 / 13 K 20 20 /  0 / 13 K
 *   further ...               17 17 /  6 / 10 O ... 17 17 / 6 / 10 O
 *
 * S SWHardeningNeeded, C ConfigurationAndSWHardeningNeeded, O OutOfDate, K
 * OutOfDateConfigurationNeeded, - no level.
 *
 * The platforms, and the first level that each satisfies wholly:
 *
 *   A real quotes 0b5bc73c, 7ae7192d, ad730280: 20 20 / 14 / 13, QE 9.
 *     15: level 0, S.  17: 0 and 1 want 21, so 2, O.  19: 0 to 3 want 22 or
 *     21, so 4, O.  QE 9 is UpToDate and changes nothing.
 *   B real quote f5cbb307: 17 17 / 6 / 10, QE 5.  O everywhere; its QE is
 *     OutOfDate, which O stays with.
 *   C made: 22 22 / 14 / 13.  Level 0 everywhere, S.
 *   D made: 21 21 / 0 / 13, hyper-threading on; raw TCB 22 22 / 0 / 13.
 *     15: 0 wants 14, so 1, C.  17: 1, C.  19: 0 and 1 want 22, 2 wants 14,
 *     so 3, K; by the raw TCB 1, C.
 *   E made: 20 20 / 5 / 13.  15: 0 wants 14, so 1, C.  17: 2 wants 14, so 3,
 *     K.  19: 4 wants 14, so 5, K.
 *   F made: all zeros.  The lowest level wants 1 1 2 4 1 128: none, -.
 */
#define S TCB_SW_HARDENING_NEEDED
#define C TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED
#define O TCB_OUT_OF_DATE
#define K TCB_OUT_OF_DATE_CONFIGURATION_NEEDED
#define U TCB_UP_TO_DATE

static const struct {
	const char *name;
	struct fleet_tcb tcb;
	size_t n;
	unsigned status[N_SGX], fresh[N_SGX];
} sgx_fleet[] = {
	{ "A",
	    { .comp = { 20, 20, 2, 4, 1, 128, 14 },
		.pcesvn = 13,
		.qe_svn = 9,
		.tdqe_svn = -1 },
	    3, { S, O, O }, { S, O, O } },
	{ "B",
	    { .comp = { 17, 17, 2, 4, 1, 128, 6 },
		.pcesvn = 10,
		.qe_svn = 5,
		.tdqe_svn = -1 },
	    1, { O, O, O }, { O, O, O } },
	{ "C",
	    { .comp = { 22, 22, 2, 4, 1, 128, 14 },
		.pcesvn = 13,
		.qe_svn = -1,
		.tdqe_svn = -1 },
	    10, { S, S, S }, { S, S, S } },
	{ "D",
	    { .comp = { 21, 21, 2, 4, 1, 128, 0 },
		.pcesvn = 13,
		.has_raw = true,
		.raw = { 22, 22, 2, 4, 1, 128, 0 },
		.raw_pcesvn = 13,
		.qe_svn = -1,
		.tdqe_svn = -1 },
	    4, { C, C, K }, { C, C, C } },
	{ "E",
	    { .comp = { 20, 20, 2, 4, 1, 128, 5 },
		.pcesvn = 13,
		.qe_svn = -1,
		.tdqe_svn = -1 },
	    2, { C, K, K }, { C, K, K } },
	{ "F", { .qe_svn = -1, .tdqe_svn = -1 }, 1,
	    { IMPACT_UNSUPPORTED, IMPACT_UNSUPPORTED, IMPACT_UNSUPPORTED },
	    { IMPACT_UNSUPPORTED, IMPACT_UNSUPPORTED, IMPACT_UNSUPPORTED } },
};
#define N_FLEET (sizeof(sgx_fleet) / sizeof(sgx_fleet[0]))

START_TEST(test_sgx_status_by_number)
{
	struct tcb_match m;
	size_t p;
	int n;

	for (p = 0; p < N_FLEET; p++)
		for (n = 0; n < N_SGX; n++) {
			ck_assert_msg(impact_judge(&sgx_fleet[p].tcb, false,
					  &sgx[n],
					  &m) == sgx_fleet[p].status[n],
			    "%s under %u", sgx_fleet[p].name,
			    sgx_info[n]->eval_num);
			ck_assert_msg(impact_judge(&sgx_fleet[p].tcb, true,
					  &sgx[n], &m) == sgx_fleet[p].fresh[n],
			    "%s under %u, fresh", sgx_fleet[p].name,
			    sgx_info[n]->eval_num);
		}
}
END_TEST

/*
 * Sums of the table above, 21 platforms:
 *
 *        S            C          O              K        -
 *   15   A3+C10 = 13  D4+E2 = 6  B1 = 1         0        F1
 *   17   C10          D4         A3+B1 = 4      E2       F1
 *   19   C10          0          A3+B1 = 4      D4+E2=6  F1
 *
 * Good is S and C.  15 to 17: A and E fall, 5.  17 to 19: D falls, 4, and
 * new certificates mend all 4.  15 to 19: A, D and E, 9, of which D's 4.
 * 19 to 15: nobody.
 */
START_TEST(test_sgx_sums)
{
	static const struct {
		int from, to;
		size_t s, c, o, k, fall, refetch;
	} want[] = {
		{ N15, N15, 13, 6, 1, 0, 0, 0 },
		{ N15, N17, 10, 4, 4, 2, 5, 0 },
		{ N17, N19, 10, 0, 4, 6, 4, 4 },
		{ N15, N19, 10, 0, 4, 6, 9, 4 },
		{ N19, N15, 13, 6, 1, 0, 0, 0 },
	};
	struct impact_sum sum;
	size_t i, p;

	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		sum = (struct impact_sum){ 0 };
		for (p = 0; p < N_FLEET; p++)
			impact_add(&sum, &sgx_fleet[p].tcb, sgx_fleet[p].n,
			    &sgx[want[i].from], &sgx[want[i].to]);
		ck_assert_uint_eq(sum.platforms, 21);
		ck_assert_uint_eq(sum.after[S], want[i].s);
		ck_assert_uint_eq(sum.after[C], want[i].c);
		ck_assert_uint_eq(sum.after[O], want[i].o);
		ck_assert_uint_eq(sum.after[K], want[i].k);
		ck_assert_uint_eq(sum.after[IMPACT_UNSUPPORTED], 1);
		ck_assert_uint_eq(sum.fall, want[i].fall);
		ck_assert_uint_eq(sum.refetch, want[i].refetch);
	}
	/* Nothing held to go to: nobody is said to fall, all are unknown. */
	sum = (struct impact_sum){ 0 };
	impact_add(&sum, &sgx_fleet[0].tcb, 3, &sgx[N15], NULL);
	ck_assert_uint_eq(sum.after[IMPACT_UNKNOWN], 3);
	ck_assert_uint_eq(sum.before[S], 3);
	ck_assert_uint_eq(sum.fall, 0);
}
END_TEST

static void
expect_short(const struct fleet_tcb *t, const struct impact_set *set, size_t n,
    const struct impact_short *want)
{
	struct impact_short got[IMPACT_SHORT_MAX];
	size_t i;

	ck_assert_uint_eq(impact_short(t, set, got), n);
	for (i = 0; i < n; i++) {
		ck_assert_int_eq(got[i].part, want[i].part);
		ck_assert_uint_eq(got[i].component, want[i].component);
		ck_assert_uint_eq(got[i].has, want[i].has);
		ck_assert_uint_eq(got[i].needs, want[i].needs);
	}
}

/*
 * Under 17 the good levels are 0 (21 21 / 14 / 13) and 1 (21 21 / 0 / 13).
 * A lacks two components of either; equal, so 0 is the nearest.
 * B lacks 1, 2, 7 and PCESVN of 0, without 7 of 1: 1 is nearer, and its QE 5
 * lacks the 8 that is UpToDate.
 * C lacks nothing.  E lacks 1, 2, 7 of 0 and 1, 2 of 1.
 * Under 19 F lacks 1 to 6 and PCESVN of level 1 (22 22 2 4 1 128 / 0 / 13).
 */
START_TEST(test_sgx_short)
{
	static const struct impact_short a[] = { { PART_SGX, 1, 20, 21 },
		{ PART_SGX, 2, 20, 21 } };
	static const struct impact_short b[] = { { PART_SGX, 1, 17, 21 },
		{ PART_SGX, 2, 17, 21 }, { PART_PCESVN, 0, 10, 13 },
		{ PART_QE, 0, 5, 8 } };
	static const struct impact_short f[] = { { PART_SGX, 1, 0, 22 },
		{ PART_SGX, 2, 0, 22 }, { PART_SGX, 3, 0, 2 },
		{ PART_SGX, 4, 0, 4 }, { PART_SGX, 5, 0, 1 },
		{ PART_SGX, 6, 0, 128 }, { PART_PCESVN, 0, 0, 13 } };

	expect_short(&sgx_fleet[0].tcb, &sgx[N17], 2, a);
	expect_short(&sgx_fleet[1].tcb, &sgx[N17], 4, b);
	expect_short(&sgx_fleet[2].tcb, &sgx[N17], 0, NULL);
	expect_short(&sgx_fleet[4].tcb, &sgx[N17], 2, a);
	expect_short(&sgx_fleet[5].tcb, &sgx[N19], 7, f);
}
END_TEST

/* --- TDX: FMSPC 90C06F000000 under 17 and 18 -------------------------- */

enum { T17, T18, N_TDX };

static struct tcbinfo *tdx_info[N_TDX];
static struct identity *tdx_id[N_TDX];
static struct impact_set tdx[N_TDX];

static void
tdx_setup(void)
{
	int i;

	tdx_info[T17] =
	    vector_info("tdx/signed/tcb-info-90c06f000000-v3-eval17-"
			"2025-06-05-f3a41c.json");
	tdx_info[T18] =
	    vector_info("tdx/signed/tcb-info-90c06f000000-v3-eval18-"
			"2026-02-01-1cd562.json");
	/* One level each: isvsvn 4, UpToDate. */
	tdx_id[T17] =
	    vector_identity("tdx/signed/enclave-identity-td_qe-v2-eval17-"
			    "2025-05-27-8db85c.json");
	tdx_id[T18] =
	    vector_identity("tdx/signed/enclave-identity-td_qe-v2-eval18-"
			    "2026-01-07-6b0677.json");
	for (i = 0; i < N_TDX; i++)
		tdx[i] = (struct impact_set){ tdx_info[i], tdx_id[i] };
}

static void
tdx_teardown(void)
{
	int i;

	for (i = 0; i < N_TDX; i++) {
		tcbinfo_unref(tdx_info[i]);
		identity_unref(tdx_id[i]);
	}
}

/*
 * The levels (SGX components 1 to 8 / PCE | TDX components 1 to 3) and
 * modules (isvsvn from which on):
 *
 *             17                             18
 *   level 0   2 2 2 2 3 1 0 5 / 13 | 5 0 2 U 3 3 2 2 4 1 0 5 / 13 | 5 0 3 U
 *   level 1   2 2 2 2 3 1 0 5 /  5 | 5 0 2 O 2 2 2 2 3 1 0 5 / 13 | 5 0 2 O
 *   level 2                                  2 2 2 2 3 1 0 5 /  5 | 5 0 2 O
 *   TDX_01    4 U, 2 O                       6 U, 4 O, 2 O
 *   TDX_03    3 U                            3 U
 *
 * With a version line (second octet of TEE_TCB_SVN > 0) the first two TDX
 * components are not compared; the first octet goes to the module's levels.
 *
 *   a real 4c453ea4: 3 3 2 2 4 1 0 3 / 13, 07 01 03.  Component 8 is 3 where
 *     every level wants 5: none, under both.
 *   b real cf77a6e9: 4 4 2 2 4 1 0 5 / 13, 0b 01 04.  Level 0 and module 11:
 *     U, U.
 *   c real d0010db6: 2 2 2 2 3 1 0 5 / 13, 05 01 02.  17: level 0, module 5
 *     >= 4, U.  18: level 1, O; module 5 >= 4 is O as well.
 *   d real d21a11db: 3 3 2 2 4 1 0 5 / 13, 04 01 03.  17: level 0, module 4,
 *     U.  18: level 0, U, but module 4 is O: converged O.
 *   e made: d of which no quote was seen: unknown.
 *   f made: d with module line 3: 06 03 03.  TDX_03 6 >= 3: U, U.
 *   g made: d with version line 0: 05 00 03.  5 0 3 against 5 0 2 and 5 0 3,
 *     no module: U, U.
 */
static const struct {
	const char *name;
	struct fleet_tcb tcb;
	unsigned status[N_TDX];
} tdx_fleet[] = {
	{ "a",
	    { .comp = { 3, 3, 2, 2, 4, 1, 0, 3 },
		.pcesvn = 13,
		.has_tdx = true,
		.tee_svn = { 7, 1, 3 },
		.qe_svn = -1,
		.tdqe_svn = 7 },
	    { IMPACT_UNSUPPORTED, IMPACT_UNSUPPORTED } },
	{ "b",
	    { .comp = { 4, 4, 2, 2, 4, 1, 0, 5 },
		.pcesvn = 13,
		.has_tdx = true,
		.tee_svn = { 11, 1, 4 },
		.qe_svn = -1,
		.tdqe_svn = 7 },
	    { U, U } },
	{ "c",
	    { .comp = { 2, 2, 2, 2, 3, 1, 0, 5 },
		.pcesvn = 13,
		.has_tdx = true,
		.tee_svn = { 5, 1, 2 },
		.qe_svn = -1,
		.tdqe_svn = 6 },
	    { U, O } },
	{ "d",
	    { .comp = { 3, 3, 2, 2, 4, 1, 0, 5 },
		.pcesvn = 13,
		.has_tdx = true,
		.tee_svn = { 4, 1, 3 },
		.qe_svn = -1,
		.tdqe_svn = 6 },
	    { U, O } },
	{ "e",
	    { .comp = { 3, 3, 2, 2, 4, 1, 0, 5 },
		.pcesvn = 13,
		.qe_svn = -1,
		.tdqe_svn = -1 },
	    { IMPACT_UNKNOWN, IMPACT_UNKNOWN } },
	{ "f",
	    { .comp = { 3, 3, 2, 2, 4, 1, 0, 5 },
		.pcesvn = 13,
		.has_tdx = true,
		.tee_svn = { 6, 3, 3 },
		.qe_svn = -1,
		.tdqe_svn = -1 },
	    { U, U } },
	{ "g",
	    { .comp = { 3, 3, 2, 2, 4, 1, 0, 5 },
		.pcesvn = 13,
		.has_tdx = true,
		.tee_svn = { 5, 0, 3 },
		.qe_svn = -1,
		.tdqe_svn = -1 },
	    { U, U } },
};

START_TEST(test_tdx_status_by_number)
{
	struct impact_sum sum = { 0 };
	struct tcb_match m;
	size_t p;
	int n;

	for (p = 0; p < sizeof(tdx_fleet) / sizeof(tdx_fleet[0]); p++) {
		for (n = 0; n < N_TDX; n++)
			ck_assert_msg(impact_judge(&tdx_fleet[p].tcb, false,
					  &tdx[n],
					  &m) == tdx_fleet[p].status[n],
			    "%s under %u", tdx_fleet[p].name,
			    tdx_info[n]->eval_num);
		impact_add(&sum, &tdx_fleet[p].tcb, 1, &tdx[T17], &tdx[T18]);
	}
	/* U: b c d f g, then b f g; c and d fall. */
	ck_assert_uint_eq(sum.before[U], 5);
	ck_assert_uint_eq(sum.after[U], 3);
	ck_assert_uint_eq(sum.after[O], 2);
	ck_assert_uint_eq(sum.fall, 2);
	ck_assert_uint_eq(sum.refetch, 0);
}
END_TEST

/*
 * Under 18 the one good level is 0.  d lacks nothing of it, but its module's
 * 4 lacks the 6 that is UpToDate; advisories and date are the module's.
 * c lacks 1, 2, 5, TDX component 3, and the module.  b lacks nothing.
 */
START_TEST(test_tdx_short)
{
	static const struct impact_short d[] = { { PART_MODULE, 0, 4, 6 } };
	static const struct impact_short c[] = { { PART_SGX, 1, 2, 3 },
		{ PART_SGX, 2, 2, 3 }, { PART_SGX, 5, 3, 4 },
		{ PART_TDX, 3, 2, 3 }, { PART_MODULE, 0, 5, 6 } };
	const char **advisories = NULL;
	struct tcb_match m;

	expect_short(&tdx_fleet[3].tcb, &tdx[T18], 1, d);
	expect_short(&tdx_fleet[2].tcb, &tdx[T18], 5, c);
	expect_short(&tdx_fleet[1].tcb, &tdx[T18], 0, NULL);
	ck_assert_uint_eq(impact_judge(&tdx_fleet[3].tcb, false, &tdx[T18], &m),
	    O);
	ck_assert_uint_eq(tcb_advisories(&m, &advisories), 2);
	ck_assert_str_eq(advisories[0], "INTEL-SA-01036");
	ck_assert_str_eq(advisories[1], "INTEL-SA-01099");
	free(advisories);
	ck_assert_int_eq(m.date, 1710288000); /* 2024-03-13 */
}
END_TEST

/* --- without documents ------------------------------------------------ */

START_TEST(test_words)
{
	ck_assert_str_eq(impact_status_name(U), "UpToDate");
	ck_assert_str_eq(impact_status_name(IMPACT_UNSUPPORTED),
	    "NotSupported");
	ck_assert_str_eq(impact_status_name(IMPACT_UNKNOWN), "Unknown");
	ck_assert(impact_good(U) && impact_good(S) && impact_good(C));
	ck_assert(impact_good(TCB_CONFIGURATION_NEEDED));
	ck_assert(!impact_good(O) && !impact_good(K));
	ck_assert(!impact_good(TCB_REVOKED));
	ck_assert(!impact_good(IMPACT_UNSUPPORTED));
	ck_assert(!impact_good(IMPACT_UNKNOWN));
}
END_TEST

/* Whatever a platform can prove makes a difference to its group. */
START_TEST(test_group_key)
{
	const struct fleet_tcb t = { .fmspc = "00906ED50000",
		.qe_svn = -1,
		.tdqe_svn = -1 };
	struct fleet_tcb u[9];
	unsigned char a[FLEET_TCB_KEY], b[FLEET_TCB_KEY];
	size_t i;

	for (i = 0; i < 9; i++)
		u[i] = t;
	u[0].fmspc[0] = '1';
	u[1].comp[15] = 1;
	u[2].pcesvn = 1;
	u[3].has_raw = true;
	u[4].has_raw = true;
	u[4].raw[0] = 1;
	u[5].has_tdx = true;
	u[6].has_tdx = true;
	u[6].tee_svn[2] = 3;
	u[7].qe_svn = 8;
	u[8].tdqe_svn = 8;
	for (i = 0; i < 9; i++) {
		fleet_tcb_key(&t, a);
		fleet_tcb_key(&u[i], b);
		ck_assert_mem_ne(a, b, sizeof(a));
	}
	fleet_tcb_key(&u[3], a);
	fleet_tcb_key(&u[4], b);
	ck_assert_mem_ne(a, b, sizeof(a));
	fleet_tcb_key(&u[5], a);
	fleet_tcb_key(&u[6], b);
	ck_assert_mem_ne(a, b, sizeof(a));
}
END_TEST

static void
add_vectors(Suite *s)
{
	TCase *x = tcase_create("sgx"), *d = tcase_create("tdx");

	tcase_add_checked_fixture(x, sgx_setup, sgx_teardown);
	tcase_add_test(x, test_sgx_status_by_number);
	tcase_add_test(x, test_sgx_sums);
	tcase_add_test(x, test_sgx_short);
	suite_add_tcase(s, x);
	tcase_add_checked_fixture(d, tdx_setup, tdx_teardown);
	tcase_add_test(d, test_tdx_status_by_number);
	tcase_add_test(d, test_tdx_short);
	suite_add_tcase(s, d);
}

int
main(void)
{
	Suite *s = suite_create("impact");
	TCase *plain = tcase_create("plain");
	SRunner *r;
	int failed;

	tcase_add_test(plain, test_words);
	tcase_add_test(plain, test_group_key);
	suite_add_tcase(s, plain);
	if (vectors_present())
		add_vectors(s);
	else
		vectors_skipped(N_CASES);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
