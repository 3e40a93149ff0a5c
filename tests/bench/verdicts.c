/*
 * Verdicts per second of one core with warm collateral, through the library
 * alone, beside the bare signature checks they cannot do without: two P-256
 * for a TDX quote of a known PCK, a third where the PCK is new, one where its
 * quoting enclave is the one seen last, one P-384 for an SNP report of a known
 * VCEK.
 * usage: verdicts [SECONDS [NAME]]; a line each: name, rate per second.  Of
 * all, or of the one that is to be looked at closely.
 */
#include "server/appraise/verify.h"

#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/quote.h"
#include "tests/kit/snp_made.h"
#include "tests/kit/vset.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOW 1780272000

static int64_t each_us = 2000000;
static const char *only; /* NULL: all */

/* --- measuring --------------------------------------------------------- */

/* Of this thread: what else the machine does is no matter. */
static int64_t
cpu_us(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

typedef void (*work_fn)(void *arg);

static void
measure(const char *name, work_fn fn, void *arg)
{
	int64_t from, us;
	unsigned n = 0, i;

	if (only != NULL && strcmp(only, name) != 0)
		return;
	for (i = 0; i < 50; i++)
		fn(arg);
	from = cpu_us();
	do {
		for (i = 0; i < 20; i++)
			fn(arg);
		n += 20;
	} while ((us = cpu_us() - from) < each_us);
	printf("%s %.0f\n", name, n * 1e6 / (double)us);
}

/* --- bare signatures --------------------------------------------------- */

struct bare {
	EVP_PKEY_CTX *ctx;
	unsigned char digest[48], sig[120];
	size_t digest_len, sig_len;
};

static void
bare_make(struct bare *b, const char *curve, size_t digest_len)
{
	EVP_PKEY *key = EVP_EC_gen(curve);
	EVP_PKEY_CTX *sign = EVP_PKEY_CTX_new(key, NULL);

	b->digest_len = digest_len;
	b->sig_len = sizeof(b->sig);
	must(EVP_PKEY_sign_init(sign) == 1 &&
	     EVP_PKEY_sign(sign, b->sig, &b->sig_len, b->digest, digest_len) ==
		 1);
	EVP_PKEY_CTX_free(sign);
	b->ctx = EVP_PKEY_CTX_new(key, NULL);
	must(EVP_PKEY_verify_init(b->ctx) == 1);
	EVP_PKEY_free(key);
}

static void
bare_check(void *arg)
{
	struct bare *b = arg;

	must(EVP_PKEY_verify(b->ctx, b->sig, b->sig_len, b->digest,
		 b->digest_len) == 1);
}

/* --- verdicts ---------------------------------------------------------- */

#define QUOTES 32 /* each with a QE report signed anew, or one alone */

struct warm {
	size_t n, next;
	struct blob *bytes[QUOTES];
	struct appraisal a;
	struct require require;
	struct issuers *issuers; /* of other platforms' chains */
};

static void
warm_judge(void *arg)
{
	struct warm *w = arg;
	struct evidence e;
	struct verdict v;

	evidence_read(blob_span(w->bytes[w->next++ % w->n]), &e);
	verdict_make(&e, &w->a, &v);
	must(v.valid);
	verdict_fini(&v);
	evidence_fini(&e);
}

/* As if its PCK had not been seen before, but another of its CA. */
static void
new_leaf_judge(void *arg)
{
	struct warm *w = arg;
	struct intel_pck *kept = w->a.pck;
	struct quote q;

	must(quote_read(blob_span(w->bytes[w->next % w->n]), &q, NULL) ==
	     ERR_OK);
	must(intel_pck_read(q.cert, w->a.intel, w->issuers, &w->a.pck, NULL,
		 NULL) == ERR_OK);
	warm_judge(w);
	intel_pck_unref(w->a.pck);
	w->a.pck = kept;
}

static void
warm_json(void *arg)
{
	struct warm *w = arg;
	struct buf b = BUF_INIT;
	struct evidence e;
	struct verdict v;

	evidence_read(blob_span(w->bytes[w->next++ % w->n]), &e);
	verdict_make(&e, &w->a, &v);
	verdict_json(&v, &b);
	verdict_fini(&v);
	evidence_fini(&e);
	buf_free(&b);
}

static struct intel_set *
set_make(const struct pki *pki, const struct anchors *anchors)
{
	struct pki_tcbinfo ti = { .tee = TEE_TDX, .fmspc = "90C06F000000" };
	struct pki_identity id = { .enclave = ENCLAVE_TDQE };
	struct pki_crl root = { .issuer = PKI_ROOT };
	struct pki_crl pck = { .issuer = PKI_PLATFORM_CA };
	struct pki_doc t = pki_tcbinfo(pki, &ti), d = pki_identity(pki, &id);
	struct blob *root_crl = pki_crl(pki, &root);
	struct blob *pck_crl = pki_crl(pki, &pck);
	struct blob *ca = pki_chain_pem(pki, PKI_PLATFORM_CA);
	struct intel_bytes in = { .tcb_info = blob_span(t.body),
		.tcb_info_chain = blob_span(t.chain),
		.qe_identity = blob_span(d.body),
		.qe_identity_chain = blob_span(d.chain),
		.root_crl = blob_span(root_crl),
		.pck_crl = blob_span(pck_crl),
		.pck_crl_chain = blob_span(ca) };
	struct intel_set *set = intel_set_read(&in, anchors);

	blob_unref(root_crl);
	blob_unref(pck_crl);
	blob_unref(ca);
	pki_doc_fini(&t);
	pki_doc_fini(&d);
	return set;
}

static void
warm_tdx(struct warm *w)
{
	static unsigned char body[584], qe[320];
	struct pki *pki = pki_new("bench", NOW);
	struct kit_quote q = { .version = 4,
		.tee = TEE_TDX,
		.body = body,
		.qe_report = qe,
		.pck = { .ca = PCK_CA_PLATFORM,
		    .fmspc = { 0x90, 0xc0, 0x6f, 0, 0, 0 },
		    .pcesvn = 255,
		    .sgx_type = 1 } };
	struct quote read;

	memset(q.pck.comp, 255, sizeof(q.pck.comp));
	memset(body, 255, 16);
	body[1] = 3;
	qe[48] = 0x11;
	must(hex_read(span_str("dc9e2a7c6f948f17474e34a7fc43ed03"
			       "0f7c1563f1babddf6340c82e0e54a8c5"),
		 qe + 128, 32) == ERR_OK);
	qe[256] = 2;
	qe[258] = 255;
	for (w->n = 0; w->n < QUOTES; w->n++) {
		qe[100] = (unsigned char)w->n; /* reserved, but signed */
		w->bytes[w->n] = kit_quote(pki, &q);
	}
	w->a.intel = anchors_of(pki_root_spki_hex(pki));
	w->a.set = set_make(pki, w->a.intel);
	w->issuers = issuers_new(w->a.intel);
	must(quote_read(blob_span(w->bytes[0]), &read, NULL) == ERR_OK);
	must(intel_pck_read(read.cert, w->a.intel, NULL, &w->a.pck, NULL,
		 NULL) == ERR_OK);
	pki_free(pki);
}

static void
warm_snp(struct warm *w)
{
	struct pki_amd *amd = pki_amd_new("bench", NOW);
	struct amd_anchors pins = pki_amd_anchors();
	struct pki_vek vek = { .product = AMD_GENOA,
		.spl = { .bl = 10, .snp = 23, .ucode = 84 },
		.hwid = { 1, 2, 3 } };
	struct snp_report r = snp_made_report(&vek, 3);
	struct blob *bytes = snp_made_extended(amd, &vek, &r);
	struct buf own = BUF_INIT;
	struct snp_bytes in;
	struct evidence e;

	evidence_read(blob_span(bytes), &e);
	snp_bytes_of(&e, &own, &in);
	w->a.snp_set = snp_set_read(&in, &pins);
	w->bytes[w->n++] = snp_made(amd, &vek, &r);
	evidence_fini(&e);
	blob_unref(bytes);
	buf_free(&own);
	pki_amd_anchors_drop(&pins);
	pki_amd_free(amd);
}

static void
warm_make(struct warm *w, void (*make)(struct warm *))
{
	memset(w, 0, sizeof(*w));
	require_init(&w->require, true);
	w->a.require[0] = &w->require;
	w->a.hint = AMD_PRODUCT_N;
	w->a.at = NOW + 60;
	make(w);
}

int
main(int argc, char **argv)
{
	struct bare p256, p384;
	struct warm tdx, snp;

	if (argc > 1)
		each_us = (int64_t)(atof(argv[1]) * 1e6);
	if (argc > 2)
		only = argv[2];
	bare_make(&p256, "P-256", 32);
	bare_make(&p384, "P-384", 48);
	warm_make(&tdx, warm_tdx);
	warm_make(&snp, warm_snp);
	measure("p256-verify", bare_check, &p256);
	measure("tdx-verdict", warm_judge, &tdx);
	measure("tdx-verdict-new-pck", new_leaf_judge, &tdx);
	tdx.n = 1;
	measure("tdx-verdict-known-qe", warm_judge, &tdx);
	measure("tdx-verdict-known-qe-json", warm_json, &tdx);
	measure("p384-verify", bare_check, &p384);
	measure("snp-verdict", warm_judge, &snp);
	measure("snp-verdict-json", warm_json, &snp);
	return 0;
}
