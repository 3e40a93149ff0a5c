/*
 * The impact of evaluation numbers on platforms of five further FMSPCs, with
 * Intel's own TCB infos: every expectation is worked out by hand, as in
 * test_impact.c.
 */
#include "storage/impact.h"
#include "tests/kit/vectors.h"

#include <check.h>

/*
 * Below: the first level that a platform satisfies wholly decides; component 1
 * to 8 / PCESVN, those after the eighth are 0 everywhere; for TDX | the first
 * three TDX components.  "QE 10" is what its last quote showed; where nothing
 * is said none was seen.  QE identities 16 and 17 have the levels 8 UpToDate,
 * 6, 5, 4, 2, 1 OutOfDate, TD QE identities 17 and 18 the one level 4,
 * UpToDate.  There are none of 14 and of 19 for SGX.
 */

struct further {
	const char *name;
	struct fleet_tcb tcb;
	unsigned from, to;
};

struct further_docs {
	const char *info[2], *identity[2]; /* NULL: none */
	unsigned number[2];
	size_t fall, refetch; /* of the platforms below, one of each */
};

#define TCB(...)     .comp = { __VA_ARGS__ }
#define NO_QE        .qe_svn = -1, .tdqe_svn = -1
#define SVN(a, b, c) .has_tdx = true, .tee_svn = { a, b, c }
#define NONE         IMPACT_UNSUPPORTED

#define S            TCB_SW_HARDENING_NEEDED
#define C            TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED
#define O            TCB_OUT_OF_DATE
#define K            TCB_OUT_OF_DATE_CONFIGURATION_NEEDED
#define U            TCB_UP_TO_DATE

static unsigned
further_judge(const struct fleet_tcb *t, bool fresh, struct tcbinfo *info,
    struct identity *id)
{
	struct impact_set set = { info, id };
	struct tcb_match m;

	return impact_judge(t, fresh, &set, &m);
}

static void
expect_further(const struct further_docs *d, size_t n, const struct further *v)
{
	struct tcbinfo *info[2];
	struct identity *id[2];
	struct impact_sum sum = { 0 };
	size_t i, k;

	for (k = 0; k < 2; k++) {
		info[k] = vector_info(d->info[k]);
		id[k] = d->identity[k] == NULL
			    ? NULL
			    : vector_identity(d->identity[k]);
		ck_assert_uint_eq(info[k]->eval_num, d->number[k]);
	}
	for (i = 0; i < n; i++) {
		for (k = 0; k < 2; k++)
			ck_assert_msg(further_judge(&v[i].tcb, false, info[k],
					  id[k]) ==
					  (k == 0 ? v[i].from : v[i].to),
			    "%s under %u: %s", v[i].name, d->number[k],
			    impact_status_name(further_judge(&v[i].tcb, false,
				info[k], id[k])));
		impact_add(&sum, &v[i].tcb, 1,
		    &(struct impact_set){ info[0], id[0] },
		    &(struct impact_set){ info[1], id[1] });
	}
	ck_assert_uint_eq(sum.platforms, n);
	ck_assert_uint_eq(sum.fall, d->fall);
	ck_assert_uint_eq(sum.refetch, d->refetch);
	for (k = 0; k < 2; k++) {
		tcbinfo_unref(info[k]);
		identity_unref(id[k]);
	}
}
#define EXPECT_FURTHER(d, v) expect_further(d, sizeof(v) / sizeof(*(v)), v)

/*
 * 90806F000000 under 16 and 19:
 *
 *             16                            19
 *   level 0   6 6 2 2 3 1 0 255 / 11 U      8 8 2 2 4 1 0 255 / 11 U
 *   level 1   5 5 2 2 3 1 0 255 / 11 O      7 7 2 2 3 1 0 255 / 11 O
 *   level 2   5 5 2 2 3 1 0 255 /  5 O      6 6 2 2 3 1 0 255 / 11 O
 *   level 3                                 5 5 2 2 3 1 0 255 / 11 O
 *   level 4                                 5 5 2 2 3 1 0 255 /  5 O
 *
 * Made platforms:
 *   A 8 8 2 2 4 1 0 255 / 11: level 0 of both, U.
 *   B 7 7 2 2 4 1 0 255 / 11: 16: 0, U.  19: 0 wants 8, so 1, O.
 *   C 8 8 2 2 3 1 0 255 / 11: 16: 0, U.  19: 0 wants 4 in the fifth, so 1, O.
 *   D 6 6 2 2 3 1 0 255 / 10: 16: 0 and 1 want PCE 11, so 2, O.  19: 0 wants
 *     8, 1 wants 7, 2 and 3 want PCE 11, so 4, O.
 *   E 8 8 2 2 4 1 0 254 / 11: every level wants 255 in the eighth: none.
 *   F 7 7 2 2 3 1 0 255 / 11, raw TCB 8 8 2 2 4 1 0 255 / 11: 16: 0, U.  19:
 *     1, O; by the raw TCB 0, U.
 * 16 to 19: B, C and F fall, and a new certificate mends F.
 */
START_TEST(test_90806f000000)
{
	static const struct further_docs docs = {
		{ "sgx/signed/tcb-info-90806f000000-v3-eval16-2024-06-28-"
		  "bba179.json",
		    "sgx/signed/tcb-info-90806f000000-v3-eval19-2025-08-08-"
		    "77931c.json" },
		{ "sgx/signed/enclave-identity-qe-v2-eval16-2024-06-28-"
		  "e7751d.json",
		    NULL },
		{ 16, 19 }, 3, 1
	};
	static const struct further fleet[] = {
		{ "A", { TCB(8, 8, 2, 2, 4, 1, 0, 255), .pcesvn = 11, NO_QE },
		    U, U },
		{ "B", { TCB(7, 7, 2, 2, 4, 1, 0, 255), .pcesvn = 11, NO_QE },
		    U, O },
		{ "C", { TCB(8, 8, 2, 2, 3, 1, 0, 255), .pcesvn = 11, NO_QE },
		    U, O },
		{ "D", { TCB(6, 6, 2, 2, 3, 1, 0, 255), .pcesvn = 10, NO_QE },
		    O, O },
		{ "E", { TCB(8, 8, 2, 2, 4, 1, 0, 254), .pcesvn = 11, NO_QE },
		    NONE, NONE },
		{ "F",
		    { TCB(7, 7, 2, 2, 3, 1, 0, 255), .pcesvn = 11,
			.has_raw = true, .raw = { 8, 8, 2, 2, 4, 1, 0, 255 },
			.raw_pcesvn = 11, NO_QE },
		    U, O },
	};

	EXPECT_FURTHER(&docs, fleet);
}
END_TEST

/*
 * 00A067110000: 16 and 17 have the same eleven levels and differ in a date.
 * All want 2 2 255 1 as components 3 to 6; 1, 2, 7 and PCESVN are
 *
 *   level 0 11 11 / 12 / 13 S   level 4  9 9 / 12 / 13 O   level 8  5 5 / 0 /
 * 11 K level 1 11 11 /  0 / 13 C   level 5  9 9 /  0 / 13 K   level 9  5 5 / 0
 * / 10 K level 2 10 10 / 12 / 13 O   level 6  5 5 /  4 / 11 O   level 10 5 5 /
 * 0 /  5 O level 3 10 10 /  0 / 13 K   level 7  5 5 /  4 / 10 O
 *
 *   A real f8b81014, 743a7a64: 11 11 / 0 / 13, QE 10.  0 wants 12, so 1, C;
 *     QE 10 is UpToDate.
 *   B made: 11 11 / 12 / 13.  0, S.
 *   C made: B with QE 6.  S, and QE 6 is OutOfDate: O.
 *   D made: A with QE 6.  C, and QE 6 is OutOfDate: K.
 *   E made: 11 11 / 12 / 12.  0 to 5 want PCE 13, so 6, O.
 *   F made: 10 10 / 3 / 13.  0 and 1 want 11, 2 wants 12, so 3, K.
 *   G made: 9 9 / 0 / 10.  0 to 5 want PCE 13, 6 and 8 PCE 11, 7 wants 4, so
 *     9, K.
 *   H made: 5 5 / 0 / 4.  10 wants PCE 5: none.
 * Nobody falls.
 */
START_TEST(test_00a067110000)
{
	static const struct further_docs docs = {
		{ "sgx/signed/tcb-info-00a067110000-v3-eval16-2024-08-26-"
		  "366887.json",
		    "sgx/collateral/sgx-00A067110000-2025-06/tcb_info.json" },
		{ "sgx/signed/enclave-identity-qe-v2-eval16-2024-06-28-"
		  "e7751d.json",
		    "sgx/collateral/sgx-00A067110000-2025-06/"
		    "qe_identity.json" },
		{ 16, 17 }, 0, 0
	};
	static const struct further fleet[] = {
		{ "A",
		    { TCB(11, 11, 2, 2, 255, 1), .pcesvn = 13, .qe_svn = 10,
			.tdqe_svn = -1 },
		    C, C },
		{ "B", { TCB(11, 11, 2, 2, 255, 1, 12), .pcesvn = 13, NO_QE },
		    S, S },
		{ "C",
		    { TCB(11, 11, 2, 2, 255, 1, 12), .pcesvn = 13, .qe_svn = 6,
			.tdqe_svn = -1 },
		    O, O },
		{ "D",
		    { TCB(11, 11, 2, 2, 255, 1), .pcesvn = 13, .qe_svn = 6,
			.tdqe_svn = -1 },
		    K, K },
		{ "E", { TCB(11, 11, 2, 2, 255, 1, 12), .pcesvn = 12, NO_QE },
		    O, O },
		{ "F", { TCB(10, 10, 2, 2, 255, 1, 3), .pcesvn = 13, NO_QE }, K,
		    K },
		{ "G", { TCB(9, 9, 2, 2, 255, 1), .pcesvn = 10, NO_QE }, K, K },
		{ "H", { TCB(5, 5, 2, 2, 255, 1), .pcesvn = 4, NO_QE }, NONE,
		    NONE },
	};

	EXPECT_FURTHER(&docs, fleet);
}
END_TEST

/*
 * 00906EA10000 under 14 (a sample of Intel's, five levels, all with 3 3 255
 * 255 as components 3 to 6) and 16 (twenty-two, all with 2 4 1 128); 1, 2, 7
 * and PCESVN:
 *
 *   14: level 0 7 9 / 1 / 8 U   level 2 4 4 / 0 / 6 C   level 4 4 4 / 0 / 4 O
 *       level 1 7 9 / 0 / 7 S   level 3 4 4 / 0 / 5 K
 *   16: level 0 20 20 / 7 / 13 S     levels 2 to 13 want 13 or more of 1
 *       level 1 20 20 / 0 / 13 C     level 14 6 6 / 1 / 7 O   15 6 6 / 0 / 7 K
 *       level 16 5 5 / 1 / 7 O       level 17 5 5 / 1 / 6 O
 *       level 18 5 5 / 0 / 7 K       level 19 5 5 / 0 / 6 K
 *       level 20 4 4 / 0 / 5 O       level 21 2 2 / 0 / 4 O
 *
 *   A real 7d63357d, 6dc7792a: 6 6 2 4 1 128 1 / 7, QE 2.  14: every level
 *     wants 3 in the third: none.  16: 14, O; QE 2 is OutOfDate, which O stays
 *     with.
 *   B made: 20 20 3 4 255 255 7 / 13.  14: 0, U.  16: 0, S.
 *   C made: 20 20 3 4 255 255 0 / 13.  14: 0 wants 1, so 1, S.  16: 0 wants 7,
 *     so 1, C.
 *   D made: 6 8 3 4 255 255 1 / 7.  14: 0 and 1 want 7, so 2, C.  16: 14, O.
 *   E made: 5 5 3 4 255 255 0 / 6.  14: 2, C.  16: 14 and 15 want 6, 16 and 17
 *     want 1 in the seventh, 18 wants PCE 7, so 19, K.
 *   F made: 4 4 3 4 255 255 0 / 5.  14: 2 wants PCE 6, so 3, K.  16: 20, O.
 *   G made: 2 2 3 4 255 255 0 / 4.  14: all want 4 of 1: none.  16: 21, O.
 * D and E fall.
 */
START_TEST(test_00906ea10000)
{
	static const struct further_docs docs = {
		{ "sgx/json/tcb-info/v3-tcbinfo_sgx.json",
		    "sgx/signed/tcb-info-00906ea10000-v3-eval16-2024-06-28-"
		    "1654cd.json" },
		{ NULL, "sgx/signed/enclave-identity-qe-v2-eval16-2024-06-28-"
			"e7751d.json" },
		{ 14, 16 }, 2, 0
	};
	static const struct further fleet[] = {
		{ "A",
		    { TCB(6, 6, 2, 4, 1, 128, 1), .pcesvn = 7, .qe_svn = 2,
			.tdqe_svn = -1 },
		    NONE, O },
		{ "B", { TCB(20, 20, 3, 4, 255, 255, 7), .pcesvn = 13, NO_QE },
		    U, S },
		{ "C", { TCB(20, 20, 3, 4, 255, 255), .pcesvn = 13, NO_QE }, S,
		    C },
		{ "D", { TCB(6, 8, 3, 4, 255, 255, 1), .pcesvn = 7, NO_QE }, C,
		    O },
		{ "E", { TCB(5, 5, 3, 4, 255, 255), .pcesvn = 6, NO_QE }, C,
		    K },
		{ "F", { TCB(4, 4, 3, 4, 255, 255), .pcesvn = 5, NO_QE }, K,
		    O },
		{ "G", { TCB(2, 2, 3, 4, 255, 255), .pcesvn = 4, NO_QE }, NONE,
		    O },
	};

	EXPECT_FURTHER(&docs, fleet);
}
END_TEST

/*
 * 00A06D080000, TDX, under 17 and 18, whose levels are the same:
 *
 *   level 0   2 2 2 2 4 1 0 2 / 13 | 5 0 2 U
 *   level 1   2 2 2 2 4 1 0 2 /  5 | 5 0 2 O
 *
 * and whose modules are those of 90C06F000000: TDX_03 3 U; TDX_01 4 U, 2 O of
 * 17, and 6 U, 4 O, 2 O of 18.
 *
 *   A real b789d779: 2 2 7 7 4 1 0 2 / 11, 05 03 02, TD QE 7.  0 wants PCE 13,
 *     so 1, O.  Module and TD QE are UpToDate.
 *   B made: A / 13.  0, U; TDX_03 5 >= 3, U.
 *   C made: B with 05 01 02.  0, U.  TDX_01 5: 17: >= 4, U.  18: >= 4, O.
 *   D made: B with 06 01 02.  0, U.  TDX_01 6: U under both.
 *   E made: B with 06 01 01: the third TDX component is 1, both levels want 2:
 *     none.
 *   F made: B with 06 02 02: there is no TDX_02: none.
 *   G made: B with 01 01 02: TDX_01 begins at 2: none.
 * C falls.
 */
START_TEST(test_00a06d080000)
{
	static const struct further_docs docs = {
		{ "tdx/collateral/tdx-00A06D080000-2025-10/tcb_info.json",
		    "tdx/signed/tcb-info-00a06d080000-v3-eval18-2026-02-26-"
		    "48bd3e.json" },
		{ "tdx/collateral/tdx-00A06D080000-2025-10/qe_identity.json",
		    "tdx/signed/enclave-identity-td_qe-v2-eval18-2026-01-07-"
		    "6b0677.json" },
		{ 17, 18 }, 1, 0
	};
#define TCB_G .comp = { 2, 2, 7, 7, 4, 1, 0, 2 }, .qe_svn = -1
	static const struct further fleet[] = {
		{ "A", { TCB_G, .pcesvn = 11, SVN(5, 3, 2), .tdqe_svn = 7 }, O,
		    O },
		{ "B", { TCB_G, .pcesvn = 13, SVN(5, 3, 2), .tdqe_svn = 7 }, U,
		    U },
		{ "C", { TCB_G, .pcesvn = 13, SVN(5, 1, 2), .tdqe_svn = 7 }, U,
		    O },
		{ "D", { TCB_G, .pcesvn = 13, SVN(6, 1, 2), .tdqe_svn = 7 }, U,
		    U },
		{ "E", { TCB_G, .pcesvn = 13, SVN(6, 1, 1), .tdqe_svn = 7 },
		    NONE, NONE },
		{ "F", { TCB_G, .pcesvn = 13, SVN(6, 2, 2), .tdqe_svn = 7 },
		    NONE, NONE },
		{ "G", { TCB_G, .pcesvn = 13, SVN(1, 1, 2), .tdqe_svn = 7 },
		    NONE, NONE },
	};

	EXPECT_FURTHER(&docs, fleet);
}
END_TEST

/*
 * B0C06F000000, TDX, under 17 and 18; the modules as above:
 *
 *             17                             18
 *   level 0   2 2 2 2 3 1 0 5 / 11 | 5 0 2 U 3 3 2 2 4 1 0 5 / 11 | 5 0 3 U
 *   level 1   2 2 2 2 3 1 0 5 /  5 | 5 0 2 O 2 2 2 2 3 1 0 5 / 11 | 5 0 2 O
 *   level 2                                  2 2 2 2 3 1 0 5 /  5 | 5 0 2 O
 *
 *   A real f1c85033: 3 3 2 2 4 1 0 5 / 11, 06 01 03, TD QE 6.  0 and TDX_01
 *     6: U under both.
 *   B real a123d490: 2 2 2 2 3 1 0 3 / 11, 05 01 02, TD QE 6.  Every level
 *     wants 5 in the eighth: none.
 *   C made: B with 5 in the eighth.  17: 0, and TDX_01 5 >= 4, U.  18: 1, O.
 *   D made: A with 06 03 02.  17: 0 and TDX_03 6 >= 3, U.  18: 0 wants 3 in
 *     the third of TDX, so 1, O.
 *   E made: A / 10.  17: 0 wants PCE 11, so 1, O.  18: 2, O.
 *   F made: A with 05 01 03.  17: 0 and TDX_01 5 >= 4, U.  18: 0, but TDX_01 5
 *     is O.
 * C, D and F fall.
 */
START_TEST(test_b0c06f000000)
{
	static const struct further_docs docs = {
		{ "tdx/collateral/tdx-B0C06F000000-2025-06/tcb_info.json",
		    "tdx/signed/tcb-info-b0c06f000000-v3-eval18-2026-03-01-"
		    "084780.json" },
		{ "tdx/collateral/tdx-B0C06F000000-2025-06/qe_identity.json",
		    "tdx/signed/enclave-identity-td_qe-v2-eval18-2026-01-07-"
		    "6b0677.json" },
		{ 17, 18 }, 3, 0
	};
#define TCB_A .comp = { 3, 3, 2, 2, 4, 1, 0, 5 }, .qe_svn = -1
	static const struct further fleet[] = {
		{ "A", { TCB_A, .pcesvn = 11, SVN(6, 1, 3), .tdqe_svn = 6 }, U,
		    U },
		{ "B",
		    { TCB(2, 2, 2, 2, 3, 1, 0, 3), .qe_svn = -1, .pcesvn = 11,
			SVN(5, 1, 2), .tdqe_svn = 6 },
		    NONE, NONE },
		{ "C",
		    { TCB(2, 2, 2, 2, 3, 1, 0, 5), .qe_svn = -1, .pcesvn = 11,
			SVN(5, 1, 2), .tdqe_svn = 6 },
		    U, O },
		{ "D", { TCB_A, .pcesvn = 11, SVN(6, 3, 2), .tdqe_svn = 6 }, U,
		    O },
		{ "E", { TCB_A, .pcesvn = 10, SVN(6, 1, 3), .tdqe_svn = 6 }, O,
		    O },
		{ "F", { TCB_A, .pcesvn = 11, SVN(5, 1, 3), .tdqe_svn = 6 }, U,
		    O },
	};

	EXPECT_FURTHER(&docs, fleet);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("impact_more");
	TCase *tc = tcase_create("vectors");
	SRunner *r = srunner_create(s);
	int failed;

	if (vectors_present()) {
		tcase_add_test(tc, test_90806f000000);
		tcase_add_test(tc, test_00a067110000);
		tcase_add_test(tc, test_00906ea10000);
		tcase_add_test(tc, test_00a06d080000);
		tcase_add_test(tc, test_b0c06f000000);
		suite_add_tcase(s, tc);
	} else {
		vectors_skipped(5);
	}
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
