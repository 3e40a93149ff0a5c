/*
 * The impact of evaluation numbers on platforms, with Intel's own TCB infos:
 * every expectation below is worked out by hand from the documents, and the
 * working stands beside it.
 */
#include "storage/impact.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define N_CASES 10 /* that need the vectors */

/* --- documents -------------------------------------------------------- */

static struct tcbinfo *
info_of(const char *path)
{
	struct blob *b = vector_read(path);
	struct tcbinfo *info = NULL;
	unsigned char sig[64];
	struct span value;

	ck_assert_msg(b != NULL, "%s", path);
	ck_assert_int_eq(jspan_cut(blob_span(b), "tcbInfo", &value, sig, NULL),
	    ERR_OK);
	ck_assert_int_eq(tcbinfo_parse(value, &info, NULL), ERR_OK);
	blob_unref(b);
	return info;
}

static struct identity *
identity_of(const char *path)
{
	struct blob *b = vector_read(path);
	struct identity *id = NULL;
	unsigned char sig[64];
	struct span value;

	ck_assert_msg(b != NULL, "%s", path);
	ck_assert_int_eq(jspan_cut(blob_span(b), "enclaveIdentity", &value, sig,
			     NULL),
	    ERR_OK);
	ck_assert_int_eq(identity_parse(value, &id, NULL), ERR_OK);
	blob_unref(b);
	return id;
}

/* --- SGX: FMSPC 00906ED50000 under 15, 17 and 19 ---------------------- */

enum { N15, N17, N19, N_SGX };

static struct tcbinfo *sgx_info[N_SGX];
static struct identity *sgx_id[N_SGX];
static struct impact_set sgx[N_SGX];

static void
sgx_setup(void)
{
	int i;

	sgx_info[N15] =
	    info_of("sgx/collateral/sgx-00906ED50000-2023-07/tcb_info.json");
	sgx_info[N17] =
	    info_of("sgx/collateral/sgx-00906ED50000-2025-05/tcb_info.json");
	sgx_info[N19] = info_of("sgx/signed/"
				"tcb-info-00906ed50000-v3-eval19-2025-06-04-"
				"df419d.json");
	/* Both have QE levels 8 UpToDate, 6, 5, 4, 2, 1 OutOfDate. */
	sgx_id[N15] = identity_of(
	    "sgx/collateral/sgx-00906ED50000-2023-07/qe_identity.json");
	sgx_id[N17] = identity_of(
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

	tdx_info[T17] = info_of("tdx/signed/tcb-info-90c06f000000-v3-eval17-"
				"2025-06-05-f3a41c.json");
	tdx_info[T18] = info_of("tdx/signed/tcb-info-90c06f000000-v3-eval18-"
				"2026-02-01-1cd562.json");
	/* One level each: isvsvn 4, UpToDate. */
	tdx_id[T17] = identity_of("tdx/signed/enclave-identity-td_qe-v2-eval17-"
				  "2025-05-27-8db85c.json");
	tdx_id[T18] = identity_of("tdx/signed/enclave-identity-td_qe-v2-eval18-"
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

/* --- five further FMSPCs ---------------------------------------------- */

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
		info[k] = info_of(d->info[k]);
		id[k] =
		    d->identity[k] == NULL ? NULL : identity_of(d->identity[k]);
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
	TCase *f = tcase_create("further");

	tcase_add_checked_fixture(x, sgx_setup, sgx_teardown);
	tcase_add_test(x, test_sgx_status_by_number);
	tcase_add_test(x, test_sgx_sums);
	tcase_add_test(x, test_sgx_short);
	suite_add_tcase(s, x);
	tcase_add_checked_fixture(d, tdx_setup, tdx_teardown);
	tcase_add_test(d, test_tdx_status_by_number);
	tcase_add_test(d, test_tdx_short);
	suite_add_tcase(s, d);
	tcase_add_test(f, test_90806f000000);
	tcase_add_test(f, test_00a067110000);
	tcase_add_test(f, test_00906ea10000);
	tcase_add_test(f, test_00a06d080000);
	tcase_add_test(f, test_b0c06f000000);
	suite_add_tcase(s, f);
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
