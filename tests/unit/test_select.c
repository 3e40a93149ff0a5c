/*
 * Selection of a PCK certificate: the vectors of caching-and-selection 4.1,
 * in every order of the input, and the literal algorithm of section 4 held
 * against ours on random input.
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/storage.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* --- inputs ------------------------------------------------------------- */

static const unsigned char fmspc[6] = { 0x00, 0x90, 0x6e, 0xd5, 0, 0 };

static const struct tcb_level L1 = { .sgx = { 4, 4, 2, 2, 4, 1, 0, 3 },
	.pcesvn = 11 };
static const struct tcb_level L2 = { .sgx = { 3, 3, 2, 2, 4, 1, 0, 3 },
	.pcesvn = 11 };
static const struct tcb_level L3 = { .sgx = { 2, 2, 2, 2, 3, 1, 0, 3 },
	.pcesvn = 5 };
static const struct tcb_level L4 = { .sgx = { 1, 1, 2, 2, 1, 1, 0, 3 },
	.pcesvn = 4 };
static const struct tcb_level NINES = { .sgx = { 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
					    9, 9, 9, 9, 9, 9 },
	.pcesvn = 0 };
static const struct tcb_level ONES = { .sgx = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
					   1, 1, 1, 1, 1 },
	.pcesvn = 1 };

static const char *const tcbms[] = {
	"040402020401000700000000000000000B00",
	"040402020401000500000000000000000B00",
	"040402020401000300000000000000000B00",
	"030302020401000500000000000000000B00",
	"030302020401000300000000000000000B00",
	"020202020301000500000000000000000D00",
	"020202020301000500000000000000000B00",
	"020202020301000500000000000000000500",
	"020202020301000300000000000000000B00",
	"020202020301000300000000000000000500",
	"0202020203010003000000000000000F0100",
};
#define N_CERTS (sizeof(tcbms) / sizeof(tcbms[0]))

static struct pck_cert
cert_of(const char *tcbm)
{
	unsigned char b[18];
	struct pck_cert c = { .pem = NULL };

	must(hex_read(span_str(tcbm), b, 18) == ERR_OK);
	memcpy(c.pck.comp, b, 16);
	memcpy(c.pck.cpusvn, b, 16);
	c.pck.pcesvn = (uint16_t)(b[16] | b[17] << 8);
	memcpy(c.tcbm, tcbm, sizeof(c.tcbm));
	return c;
}

static struct raw_tcb
raw_of(const char *cpusvn, const char *pcesvn)
{
	unsigned char b[2];
	struct raw_tcb raw;

	must(hex_read(span_str(cpusvn), raw.cpusvn, 16) == ERR_OK);
	must(hex_read(span_str(pcesvn), b, 2) == ERR_OK);
	raw.pcesvn = (uint16_t)(b[0] | b[1] << 8);
	return raw;
}

static struct pck_set
set_of(size_t n, struct pck_cert *certs)
{
	struct pck_set set = { .n = n, .certs = certs };

	memcpy(set.fmspc, fmspc, sizeof(fmspc));
	return set;
}

static struct tcbinfo
info_of(size_t n, struct tcb_level *levels)
{
	struct tcbinfo info = { .tee = TEE_SGX,
		.version = 3,
		.n_levels = n,
		.levels = levels };

	memcpy(info.fmspc, fmspc, sizeof(fmspc));
	return info;
}

/* --- the vectors -------------------------------------------------------- */

static const struct vector {
	const char *cpusvn, *pcesvn;
	const char *want; /* NULL: none */
	size_t n_levels;
	const struct tcb_level *levels[4];
} vectors[] = {
#define FOUR                                                                   \
	4,                                                                     \
	{                                                                      \
		&L1, &L2, &L3, &L4                                             \
	}
	{ "04040202040100070000000000000000", "0B00",
	    "040402020401000700000000000000000B00", FOUR },
	{ "03030202040100030000000000000000", "0B00",
	    "030302020401000300000000000000000B00", FOUR },
	{ "03040202040100030000000000000000", "0B00",
	    "030302020401000300000000000000000B00", FOUR },
	{ "02020202030100030000000000000000", "0500",
	    "020202020301000300000000000000000500", FOUR },
	{ "02020202030100030000000000000000", "0F00",
	    "020202020301000300000000000000000B00", FOUR },
	{ "04040202040100070000000000000000", "0500",
	    "020202020301000500000000000000000500", FOUR },
	{ "03030202040100050000000000000000", "0C00",
	    "030302020401000500000000000000000B00", FOUR },
	{ "03040202040100050000000000000000", "0F00",
	    "030302020401000500000000000000000B00", FOUR },
	{ "05050505050500070000000000000000", "0F00",
	    "040402020401000700000000000000000B00", FOUR },
	{ "0202020203010003000000000000000F", "0400",
	    "0202020203010003000000000000000F0100", FOUR },
	{ "0303020F040100030000000000000000", "0F00",
	    "030302020401000300000000000000000B00", FOUR },
	{ "02020202030100020000000000000000", "0500", NULL, FOUR },
	{ "02020202030100030000000000000000", "0400", NULL, FOUR },
	{ "01010202010100030000000000000000", "0400", NULL, FOUR },
	{ "04040202040100030000000000000000", "0F00",
	    "040402020401000300000000000000000B00", 3, { &L2, &NINES, &L1 } },
	{ "04040202040100070000000000000000", "0B00",
	    "040402020401000700000000000000000B00", 1, { &L1 } },
	{ "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", "FFFF",
	    "040402020401000700000000000000000B00", 1, { &ONES } },
};
#define N_VECTORS (sizeof(vectors) / sizeof(vectors[0]))

static void
vector_check(const struct vector *v, struct pck_cert *certs,
    struct tcb_level *levels, const char *order)
{
	struct pck_set set = set_of(N_CERTS, certs);
	struct tcbinfo info = info_of(v->n_levels, levels);
	struct raw_tcb raw = raw_of(v->cpusvn, v->pcesvn);
	size_t at = SIZE_MAX;
	struct why why;
	enum err e = select_cert(&set, &info, &raw, &at, &why);

	if (v->want == NULL) {
		ck_assert_int_eq(e, ERR_NO_CERT);
		ck_assert_uint_eq(at, SIZE_MAX);
		ck_assert_int_eq(why.err, ERR_NO_CERT);
		return;
	}
	ck_assert_int_eq(e, ERR_OK);
	ck_assert_msg(strcmp(certs[at].tcbm, v->want) == 0,
	    "%s/%s, %s: %s, not %s", v->cpusvn, v->pcesvn, order,
	    certs[at].tcbm, v->want);
}

/* A fixed pseudo-random sequence (xorshift64*), the same in every run. */
static uint64_t state;

static size_t
below(size_t n)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (size_t)((state * 0x2545f4914f6cdd1dull) >> 33) % n;
}

static void
shuffle(struct pck_cert *certs, size_t n)
{
	size_t i, k;

	for (i = n; i > 1; i--) {
		struct pck_cert c = certs[i - 1];

		k = below(i);
		certs[i - 1] = certs[k];
		certs[k] = c;
	}
}

START_TEST(test_vector_in_every_order)
{
	const struct vector *v = &vectors[_i];
	struct pck_cert certs[N_CERTS], back[N_CERTS];
	struct tcb_level levels[4], lback[4];
	size_t i;

	for (i = 0; i < N_CERTS; i++)
		certs[i] = back[N_CERTS - 1 - i] = cert_of(tcbms[i]);
	for (i = 0; i < v->n_levels; i++)
		levels[i] = lback[v->n_levels - 1 - i] = *v->levels[i];
	vector_check(v, certs, levels, "as listed");
	vector_check(v, back, levels, "reversed");
	vector_check(v, certs, lback, "levels reversed");
	for (i = 0; i < N_CERTS; i++) {
		struct pck_cert c = certs[0];

		memmove(certs, certs + 1, sizeof(certs) - sizeof(c));
		certs[N_CERTS - 1] = c;
		vector_check(v, certs, levels, "rotated");
	}
	state = 88172645463325252ull;
	for (i = 0; i < 500; i++) {
		shuffle(certs, N_CERTS);
		vector_check(v, certs, levels, "shuffled");
	}
}
END_TEST

START_TEST(test_empty_list_gives_none)
{
	struct tcb_level levels[] = { L1, L2, L3, L4 };
	struct pck_set set = set_of(0, NULL);
	struct tcbinfo info = info_of(4, levels);
	struct raw_tcb raw = raw_of("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", "FFFF");
	struct why why;
	size_t at;

	ck_assert(select_cert(&set, &info, &raw, &at, &why) == ERR_NO_CERT);
}
END_TEST

START_TEST(test_tcb_info_of_something_else_is_refused)
{
	struct tcb_level levels[] = { L1 };
	struct pck_cert certs[] = { cert_of(tcbms[0]) };
	struct pck_set set = set_of(1, certs);
	struct tcbinfo good = info_of(1, levels), info;
	struct raw_tcb raw = raw_of("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", "FFFF");
	struct why why;
	size_t at;

	ck_assert(select_cert(&set, &good, &raw, &at, &why) == ERR_OK);
	info = good;
	info.tee = TEE_TDX;
	ck_assert(select_cert(&set, &info, &raw, &at, &why) == ERR_NO_TCBINFO);
	info = good;
	info.fmspc[5] = 1;
	ck_assert(select_cert(&set, &info, &raw, &at, &why) == ERR_NO_TCBINFO);
	info = good;
	info.pceid[0] = 1;
	ck_assert(select_cert(&set, &info, &raw, &at, &why) == ERR_NO_TCBINFO);
	info = good;
	info.n_levels = 0;
	ck_assert(select_cert(&set, &info, &raw, &at, &why) == ERR_NO_TCBINFO);
	info = good;
	info.version = 2; /* says the same of a level */
	ck_assert(select_cert(&set, &info, &raw, &at, &why) == ERR_OK);
}
END_TEST

/* --- the literal algorithm ---------------------------------------------- */

static bool
ge(const uint8_t *a, unsigned ap, const uint8_t *b, unsigned bp)
{
	for (int i = 0; i < 16; i++)
		if (a[i] < b[i])
			return false;
	return ap >= bp;
}

static int
cert_cmp(const void *a, const void *b)
{
	const struct pck *x = &((const struct pck_cert *)a)->pck;
	const struct pck *y = &((const struct pck_cert *)b)->pck;
	int c = memcmp(y->comp, x->comp, 16);

	return c != 0 ? c : (int)y->pcesvn - (int)x->pcesvn;
}

static int
level_cmp(const void *a, const void *b)
{
	const struct tcb_level *x = a, *y = b;
	int c = memcmp(y->sgx, x->sgx, 16);

	return c != 0 ? c : (int)y->pcesvn - (int)x->pcesvn;
}

#define MAX 24

/* Steps 1 to 5 as they are written; the TCB of the answer, or NULL. */
static const struct pck *
literal(struct pck_cert *certs, size_t n, struct tcb_level *levels,
    size_t n_levels, const struct raw_tcb *raw)
{
	const struct pck *bucket[MAX + 1][MAX];
	size_t len[MAX + 1] = { 0 }, i, k, m;

	qsort(certs, n, sizeof(*certs), cert_cmp);
	qsort(levels, n_levels, sizeof(*levels), level_cmp);
	for (i = 0; i < n; i++) {
		const struct pck *c = &certs[i].pck;

		for (k = 0; k < n_levels; k++)
			if (ge(c->comp, c->pcesvn, levels[k].sgx,
				levels[k].pcesvn))
				break;
		for (m = 0; k < n_levels && m < len[k]; m++)
			if (ge(c->comp, c->pcesvn, bucket[k][m]->comp,
				bucket[k][m]->pcesvn))
				break;
		if (k == n_levels)
			m = len[k];
		memmove(&bucket[k][m + 1], &bucket[k][m],
		    (len[k] - m) * sizeof(bucket[k][0]));
		bucket[k][m] = c;
		len[k]++;
	}
	for (k = 0; k <= n_levels; k++)
		for (m = 0; m < len[k]; m++)
			if (ge(raw->cpusvn, raw->pcesvn, bucket[k][m]->comp,
				bucket[k][m]->pcesvn))
				return bucket[k][m];
	return NULL;
}

/* Few distinct numbers, so that many are equal and many incomparable. */
static void
random_tcb(uint8_t comp[16], uint16_t *pcesvn)
{
	memset(comp, 0, 16);
	for (int i = 0; i < 4; i++)
		comp[i * 5] = (uint8_t)below(4);
	*pcesvn = (uint16_t)below(4);
}

START_TEST(test_answer_is_that_of_the_literal_algorithm)
{
	struct pck_cert certs[MAX], sorted[MAX];
	struct tcb_level levels[MAX], lsorted[MAX];
	size_t round, i, found = 0;

	memset(certs, 0, sizeof(certs));
	memset(levels, 0, sizeof(levels));
	state = 0x9e3779b97f4a7c15ull;
	for (round = 0; round < 20000; round++) {
		size_t n = below(MAX - 1), n_levels = 1 + below(8), at;
		struct pck_set set = set_of(n, certs);
		struct tcbinfo info = info_of(n_levels, levels);
		const struct pck *want;
		struct raw_tcb raw;
		enum err e;

		for (i = 0; i < n; i++)
			random_tcb(certs[i].pck.comp, &certs[i].pck.pcesvn);
		for (i = 0; i < n_levels; i++)
			random_tcb(levels[i].sgx, &levels[i].pcesvn);
		random_tcb(raw.cpusvn, &raw.pcesvn);
		memcpy(sorted, certs, sizeof(sorted));
		memcpy(lsorted, levels, sizeof(lsorted));
		want = literal(sorted, n, lsorted, n_levels, &raw);
		e = select_cert(&set, &info, &raw, &at, NULL);
		ck_assert((e == ERR_OK) == (want != NULL));
		if (want == NULL)
			continue;
		ck_assert_mem_eq(certs[at].pck.comp, want->comp, 16);
		ck_assert_uint_eq(certs[at].pck.pcesvn, want->pcesvn);
		found++;
	}
	ck_assert_uint_gt(found, 5000);
	ck_assert_uint_lt(found, 19000);
}
END_TEST

/* Two certificates of one TCB: the set has the newer first. */
START_TEST(test_first_of_equal_certificates_is_taken)
{
	struct tcb_level levels[] = { L1 };
	struct pck_cert certs[] = { cert_of(tcbms[4]), cert_of(tcbms[0]),
		cert_of(tcbms[0]) };
	struct pck_set set = set_of(3, certs);
	struct tcbinfo info = info_of(1, levels);
	struct raw_tcb raw = raw_of("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", "FFFF");
	size_t at;

	ck_assert(select_cert(&set, &info, &raw, &at, NULL) == ERR_OK);
	ck_assert_uint_eq(at, 1);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("select");
	TCase *t = tcase_create("select");

	tcase_add_loop_test(t, test_vector_in_every_order, 0, (int)N_VECTORS);
	tcase_add_test(t, test_empty_list_gives_none);
	tcase_add_test(t, test_tcb_info_of_something_else_is_refused);
	tcase_add_test(t, test_answer_is_that_of_the_literal_algorithm);
	tcase_add_test(t, test_first_of_equal_certificates_is_taken);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
