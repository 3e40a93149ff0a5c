/*
 * The gate: every kind accepted, every kind's tampered twins refused, the
 * ready-made forms byte for byte, rollback.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/snap.h"
#include "storage/storage.h"
#include "tests/kit/pki.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW   ((time_t)1780272000) /* 2026-06-01T00:00:00Z */
#define DAY   ((time_t)86400)
#define FMSPC "00906ED50000"

static struct pki *pki;
static struct anchors *anchors;
static struct trust trust;
static struct why why;

static void
setup(void)
{
	char *hex[1];

	pki = pki_new("coll", NOW);
	hex[0] = xstrdup(pki_root_spki_hex(pki));
	must(anchors_read(1, hex, &anchors, NULL) == ERR_OK);
	free(hex[0]);
	trust = (struct trust){ .intel = anchors };
	why = (struct why){ 0 };
}

static void
teardown(void)
{
	anchors_free(anchors);
	pki_free(pki);
}

static enum err
admit_at(struct coll_key key, struct span body, struct span chain, time_t now,
    struct coll **out)
{
	struct coll_raw raw = { .key = key,
		.body = body,
		.chain = chain,
		.source = "test",
		.fetched_at = now };

	return coll_admit(&raw, &trust, now, out, &why);
}

/* Consumes the document. */
static enum err
admit_doc(struct coll_key key, struct pki_doc d, struct coll **out)
{
	enum err e =
	    admit_at(key, blob_span(d.body), blob_span(d.chain), NOW, out);

	pki_doc_fini(&d);
	return e;
}

static void
refused_doc(struct coll_key key, struct pki_doc d, enum err expect)
{
	struct coll *c = NULL;
	enum err e = admit_doc(key, d, &c);

	ck_assert_msg(e == expect, "%s: %s instead of %s: %s", key.text,
	    err_token(e), err_token(expect), why.text);
	ck_assert_ptr_eq(c, NULL);
	ck_assert_int_gt((int)strlen(why.text), 0);
	ck_assert_int_gt((int)strlen(why.clause), 0);
}

static struct coll *
admitted_doc(struct coll_key key, struct pki_doc d)
{
	struct coll *c = NULL;
	enum err e = admit_doc(key, d, &c);

	ck_assert_msg(e == ERR_OK, "%s: %s: %s", key.text, err_token(e),
	    why.text);
	return c;
}

/* The root CRL with the signer the PKI keeps for being revoked. */
static struct coll *
root_crl(bool revoked)
{
	char *serial = pki_serial(pki_x509(pki, PKI_TCB_SIGNING_REVOKED));
	const char *list[] = { serial };
	struct pki_crl crl = { .issuer = PKI_ROOT,
		.n_revoked = revoked ? 1 : 0,
		.revoked = list };
	struct blob *der = pki_crl(pki, &crl);
	struct blob *chain = pki_chain_pem(pki, PKI_ROOT);
	struct coll *c = NULL;
	enum err e =
	    admit_at(key_root_crl(), blob_span(der), blob_span(chain), NOW, &c);

	ck_assert_msg(e == ERR_OK, "%s", why.text);
	blob_unref(der);
	blob_unref(chain);
	free(serial);
	return c;
}

static const enum err lie_err[PKI_LIE_N] = {
	[PKI_HONEST] = ERR_OK,
	[PKI_BAD_SIGNATURE] = ERR_BADSIG,
	[PKI_BODY_CHANGED] = ERR_BADSIG,
	[PKI_WRONG_KEY] = ERR_BADSIG,
	[PKI_FOREIGN_CHAIN] = ERR_ROOT,
	[PKI_WRONG_ROLE] = ERR_CHAIN,
	[PKI_REVOKED_SIGNER] = ERR_REVOKED,
	[PKI_EXPIRED_SIGNER] = ERR_EXPIRED,
};

/* --- TCB infos -------------------------------------------------------- */

static struct pki_doc
tcbinfo(enum pki_lie lie)
{
	struct pki_tcbinfo t = { .fmspc = FMSPC, .lie = lie };

	return pki_tcbinfo(pki, &t);
}

static struct coll_key
tcb_key(void)
{
	return key_tcbinfo(TEE_SGX, 4, FMSPC, UPDATE_STANDARD, 0);
}

START_TEST(test_a_tcb_info_and_each_lie_about_it)
{
	struct coll *crl = root_crl(true), *c;
	int lie;

	trust.root_crl = crl->facts.crl;
	for (lie = 0; lie < PKI_LIE_N; lie++) {
		if (lie_err[lie] != ERR_OK) {
			refused_doc(tcb_key(), tcbinfo((enum pki_lie)lie),
			    lie_err[lie]);
			continue;
		}
		c = admitted_doc(tcb_key(), tcbinfo((enum pki_lie)lie));
		ck_assert_int_eq(c->issue_at, NOW);
		ck_assert_int_eq(c->next_update, NOW + 30 * DAY);
		ck_assert_uint_eq(c->eval_num, 17);
		ck_assert_uint_eq(c->facts.tcbinfo->n_levels, 3);
		ck_assert(!c->revocation_unchecked);
		coll_unref(c);
	}
	coll_unref(crl);
}
END_TEST

START_TEST(test_without_a_root_crl_it_is_taken_and_marked)
{
	struct coll *c = admitted_doc(tcb_key(), tcbinfo(PKI_HONEST));

	ck_assert(c->revocation_unchecked);
	coll_unref(c);
	c = admitted_doc(tcb_key(), tcbinfo(PKI_REVOKED_SIGNER));
	ck_assert(c->revocation_unchecked);
	coll_unref(c);
}
END_TEST

START_TEST(test_a_tcb_info_must_be_the_one_asked_for)
{
	struct pki_tcbinfo lower = { .fmspc = "00906ed50000" };
	struct pki_tcbinfo tdx = { .tee = TEE_TDX, .fmspc = FMSPC };
	struct pki_tcbinfo v2 = { .version = 2, .fmspc = FMSPC };

	/* PCS echoes the case of the request (pcs-upstream 3). */
	coll_unref(admitted_doc(tcb_key(), pki_tcbinfo(pki, &lower)));
	refused_doc(tcb_key(), pki_tcbinfo(pki, &tdx), ERR_NOT_ASKED);
	refused_doc(tcb_key(), pki_tcbinfo(pki, &v2), ERR_NOT_ASKED);
	refused_doc(key_tcbinfo(TEE_SGX, 4, "00906ED50001", UPDATE_STANDARD, 0),
	    tcbinfo(PKI_HONEST), ERR_NOT_ASKED);
	refused_doc(key_tcbinfo(TEE_TDX, 4, FMSPC, UPDATE_STANDARD, 0),
	    tcbinfo(PKI_HONEST), ERR_NOT_ASKED);
	refused_doc(key_tcbinfo(TEE_SGX, 3, FMSPC, UPDATE_STANDARD, 0),
	    tcbinfo(PKI_HONEST), ERR_NOT_ASKED);
	refused_doc(key_tcbinfo(TEE_SGX, 4, FMSPC, UPDATE_NUMBER, 18),
	    tcbinfo(PKI_HONEST), ERR_NOT_ASKED);
	coll_unref(
	    admitted_doc(key_tcbinfo(TEE_SGX, 4, FMSPC, UPDATE_NUMBER, 17),
		tcbinfo(PKI_HONEST)));
	coll_unref(
	    admitted_doc(key_tcbinfo(TEE_SGX, 3, FMSPC, UPDATE_STANDARD, 0),
		pki_tcbinfo(pki, &v2)));
	coll_unref(admitted_doc(key_tcbinfo(TEE_TDX, 4, FMSPC, UPDATE_EARLY, 0),
	    pki_tcbinfo(pki, &tdx)));
}
END_TEST

START_TEST(test_dates_are_judged_with_five_minutes_of_grace)
{
	static const struct {
		time_t issue, next;
		enum err expect;
	} rows[] = {
		{ NOW, NOW + 1, ERR_OK },
		{ NOW - 30 * DAY, NOW, ERR_EXPIRED },
		{ NOW + 300, NOW + DAY, ERR_OK },
		{ NOW + 301, NOW + DAY, ERR_NOT_YET },
		{ NOW + DAY + 1, NOW + 9 * DAY, ERR_NOT_YET },
	};
	struct pki_tcbinfo t;
	struct coll *c;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		t = (struct pki_tcbinfo){ .fmspc = FMSPC,
			.issue_at = rows[i].issue,
			.next_update = rows[i].next };
		c = NULL;
		ck_assert_int_eq(admit_doc(tcb_key(), pki_tcbinfo(pki, &t), &c),
		    rows[i].expect);
		coll_unref(c);
	}
	ck_assert_ptr_ne(strstr(why.text, "clock"), NULL);
}
END_TEST

START_TEST(test_what_we_held_may_have_expired_but_not_changed)
{
	struct pki_doc d = tcbinfo(PKI_HONEST);
	struct coll_raw raw = { .key = tcb_key(),
		.body = blob_span(d.body),
		.chain = blob_span(d.chain),
		.source = "test",
		.fetched_at = NOW };
	struct coll *c = NULL;
	char *text = span_dup(raw.body);

	ck_assert_int_eq(coll_admit(&raw, &trust, NOW + 40 * DAY, &c, &why),
	    ERR_EXPIRED);
	raw.held = true;
	ck_assert_int_eq(coll_admit(&raw, &trust, NOW + 40 * DAY, &c, &why),
	    ERR_OK);
	coll_unref(c);
	c = NULL;
	text[40] ^= 1;
	raw.body = span_of(text, raw.body.len);
	ck_assert_int_ne(coll_admit(&raw, &trust, NOW + 40 * DAY, &c, &why),
	    ERR_OK);
	free(text);
	pki_doc_fini(&d);
}
END_TEST

START_TEST(test_a_chain_is_needed_whole_and_sane)
{
	struct pki_doc d = tcbinfo(PKI_HONEST);
	struct blob *header = pki_chain_header(pki, PKI_TCB_SIGNING);
	struct blob *root = pki_chain_pem(pki, PKI_ROOT);
	struct span body = blob_span(d.body);
	struct coll *c = NULL;
	char *big = xcalloc(1, 70000);

	ck_assert_int_eq(admit_at(tcb_key(), body, blob_span(header), NOW, &c),
	    ERR_OK);
	ck_assert(span_eq(blob_span(c->chain), blob_span(d.chain)));
	coll_unref(c);
	c = NULL;
	ck_assert_int_eq(admit_at(tcb_key(), body, SPAN_NONE, NOW, &c),
	    ERR_CHAIN);
	ck_assert_int_ne(admit_at(tcb_key(), body, blob_span(root), NOW, &c),
	    ERR_OK);
	ck_assert_int_eq(admit_at(tcb_key(), body, span_str("%4"), NOW, &c),
	    ERR_FORMAT);
	memset(big, 'x', 70000);
	ck_assert_int_eq(admit_at(tcb_key(), body, span_of(big, 70000), NOW,
			     &c),
	    ERR_TOO_BIG);
	ck_assert_ptr_eq(c, NULL);
	free(big);
	blob_unref(header);
	blob_unref(root);
	pki_doc_fini(&d);
}
END_TEST

START_TEST(test_bodies_are_bounded)
{
	struct blob *chain = pki_chain_pem(pki, PKI_TCB_SIGNING);
	size_t len = ((size_t)1 << 20) + 1;
	char *big = xcalloc(1, len);
	struct coll *c = NULL;

	ck_assert_int_eq(admit_at(tcb_key(), span_of(big, len),
			     blob_span(chain), NOW, &c),
	    ERR_TOO_BIG);
	ck_assert_int_eq(admit_at(tcb_key(), span_of("", 0), blob_span(chain),
			     NOW, &c),
	    ERR_FORMAT);
	free(big);
	blob_unref(chain);
}
END_TEST

/* --- identities, evaluation numbers ----------------------------------- */

START_TEST(test_identities_and_each_lie_about_them)
{
	struct coll *crl = root_crl(true);
	struct pki_identity i;
	struct coll_key key;
	int lie, who;

	trust.root_crl = crl->facts.crl;
	for (who = 0; who < ENCLAVE_N; who++) {
		key = key_identity((enum enclave)who, 4, UPDATE_STANDARD, 0);
		for (lie = 1; lie < PKI_LIE_N; lie++) {
			i = (struct pki_identity){ .enclave = (enum enclave)who,
				.lie = (enum pki_lie)lie };
			refused_doc(key, pki_identity(pki, &i), lie_err[lie]);
		}
		i.lie = PKI_HONEST;
		coll_unref(admitted_doc(key, pki_identity(pki, &i)));
		i.enclave = (enum enclave)((who + 1) % ENCLAVE_N);
		refused_doc(key, pki_identity(pki, &i), ERR_NOT_ASKED);
		i.enclave = (enum enclave)who;
		refused_doc(key_identity(i.enclave, 4, UPDATE_NUMBER, 16),
		    pki_identity(pki, &i), ERR_NOT_ASKED);
	}
	coll_unref(crl);
}
END_TEST

START_TEST(test_evaluation_numbers_and_each_lie_about_them)
{
	struct coll *crl = root_crl(true);
	struct pki_evalnums n = { .tee = TEE_TDX };
	int lie;

	trust.root_crl = crl->facts.crl;
	coll_unref(admitted_doc(key_evalnums(TEE_TDX), pki_evalnums(pki, &n)));
	refused_doc(key_evalnums(TEE_SGX), pki_evalnums(pki, &n),
	    ERR_NOT_ASKED);
	for (lie = 1; lie < PKI_LIE_N; lie++) {
		n.lie = (enum pki_lie)lie;
		refused_doc(key_evalnums(TEE_TDX), pki_evalnums(pki, &n),
		    lie_err[lie]);
	}
	coll_unref(crl);
}
END_TEST

/* --- CRLs ------------------------------------------------------------- */

static enum err
admit_crl(const struct pki_crl *crl, struct coll_key key, enum pki_who chain,
    struct coll **out)
{
	struct blob *der = pki_crl(pki, crl);
	struct blob *pem = pki_chain_pem(pki, chain);
	enum err e = admit_at(key, blob_span(der), blob_span(pem), NOW, out);

	blob_unref(der);
	blob_unref(pem);
	return e;
}

START_TEST(test_a_pck_crl_of_the_ca_asked_for)
{
	struct pki_crl crl = { .issuer = PKI_PLATFORM_CA };
	struct coll *c = NULL;

	ck_assert_int_eq(admit_crl(&crl, key_pck_crl(PCK_CA_PLATFORM),
			     PKI_PLATFORM_CA, &c),
	    ERR_OK);
	ck_assert_int_eq(c->issue_at, NOW);
	ck_assert_int_eq(c->next_update, NOW + 30 * DAY);
	coll_unref(c);
	c = NULL;
	ck_assert_int_eq(admit_crl(&crl, key_pck_crl(PCK_CA_PROCESSOR),
			     PKI_PLATFORM_CA, &c),
	    ERR_NOT_ASKED);
	ck_assert_int_ne(admit_crl(&crl, key_pck_crl(PCK_CA_PROCESSOR),
			     PKI_PROCESSOR_CA, &c),
	    ERR_OK);
	crl.lie = PKI_BAD_SIGNATURE;
	ck_assert_int_eq(admit_crl(&crl, key_pck_crl(PCK_CA_PLATFORM),
			     PKI_PLATFORM_CA, &c),
	    ERR_BADSIG);
	crl = (struct pki_crl){ .issuer = PKI_PLATFORM_CA,
		.this_update = NOW - 30 * DAY,
		.next_update = NOW };
	ck_assert_int_eq(admit_crl(&crl, key_pck_crl(PCK_CA_PLATFORM),
			     PKI_PLATFORM_CA, &c),
	    ERR_EXPIRED);
	crl.next_update = NOW + 1;
	ck_assert_int_eq(admit_crl(&crl, key_pck_crl(PCK_CA_PLATFORM),
			     PKI_PLATFORM_CA, &c),
	    ERR_OK);
	coll_unref(c);
}
END_TEST

START_TEST(test_a_root_crl_with_and_without_its_certificate)
{
	struct pki_crl crl = { .issuer = PKI_ROOT };
	struct blob *der = pki_crl(pki, &crl),
		    *pem = pki_crl_pem(blob_span(der));
	struct blob *root = pki_chain_pem(pki, PKI_ROOT);
	struct blob *two = pki_chain_pem(pki, PKI_TCB_SIGNING);
	struct coll *c = NULL;

	ck_assert_int_eq(admit_at(key_root_crl(), blob_span(der), SPAN_NONE,
			     NOW, &c),
	    ERR_NO_ROOT);
	ck_assert_int_eq(err_retry(ERR_NO_ROOT), 1);
	ck_assert_int_ne(admit_at(key_root_crl(), blob_span(der),
			     blob_span(two), NOW, &c),
	    ERR_OK);
	/* The older root's distribution point gives PEM (pcs-upstream 1). */
	ck_assert_int_eq(admit_at(key_root_crl(), blob_span(pem),
			     blob_span(root), NOW, &c),
	    ERR_OK);
	ck_assert(span_eq(blob_span(c->body), blob_span(der)));
	coll_unref(c);
	trust.root = pki_x509(pki, PKI_ROOT);
	ck_assert_int_eq(admit_at(key_root_crl(), blob_span(der), SPAN_NONE,
			     NOW, &c),
	    ERR_OK);
	ck_assert(span_eq(blob_span(c->chain), blob_span(root)));
	ck_assert(!c->revocation_unchecked);
	coll_unref(c);
	c = NULL;
	trust.root = pki_x509(pki_evil(pki), PKI_ROOT);
	ck_assert_int_eq(admit_at(key_root_crl(), blob_span(der), SPAN_NONE,
			     NOW, &c),
	    ERR_ROOT);
	blob_unref(der);
	blob_unref(pem);
	blob_unref(root);
	blob_unref(two);
}
END_TEST

START_TEST(test_a_foreign_root_crl_is_refused)
{
	struct pki_crl crl = { .issuer = PKI_ROOT };
	struct blob *evil = pki_crl(pki_evil(pki), &crl);
	struct blob *evil_root = pki_chain_pem(pki_evil(pki), PKI_ROOT);
	struct coll *c = NULL;

	trust.root = pki_x509(pki, PKI_ROOT);
	/* The key identifier gives it away before the signature does. */
	ck_assert_int_eq(admit_at(key_root_crl(), blob_span(evil), SPAN_NONE,
			     NOW, &c),
	    ERR_CHAIN);
	ck_assert_int_eq(admit_at(key_root_crl(), blob_span(evil),
			     blob_span(evil_root), NOW, &c),
	    ERR_ROOT);
	ck_assert_ptr_eq(c, NULL);
	blob_unref(evil);
	blob_unref(evil_root);
}
END_TEST

/* --- fmspcs ----------------------------------------------------------- */

START_TEST(test_the_shape_of_fmspcs)
{
	static const struct {
		const char *text;
		enum err all, e5;
	} rows[] = {
		{ "[]", ERR_OK, ERR_OK },
		{ "[{\"fmspc\":\"00906ED50000\",\"platform\":\"E5\"}]", ERR_OK,
		    ERR_OK },
		{ "[{\"fmspc\":\"00906ed50000\",\"platform\":\"client\"}]",
		    ERR_OK, ERR_NOT_ASKED },
		{ "[{\"fmspc\":\"00906ED50000\",\"platform\":\"E5\",\"x\":1}]",
		    ERR_OK, ERR_OK },
		{ "[{\"fmspc\":\"00906ED5000\",\"platform\":\"E5\"}]",
		    ERR_FORMAT, ERR_FORMAT },
		{ "[{\"fmspc\":\"00906ED5000G\",\"platform\":\"E5\"}]",
		    ERR_FORMAT, ERR_FORMAT },
		{ "[{\"fmspc\":\"00906ED50000\"}]", ERR_FORMAT, ERR_FORMAT },
		{ "[{\"fmspc\":\"00906ED50000\",\"platform\":5}]", ERR_FORMAT,
		    ERR_FORMAT },
		{ "[{\"fmspc\":\"00906ED50000\",\"platform\":\"E5<\"}]",
		    ERR_FORMAT, ERR_FORMAT },
		{ "[{\"fmspc\":\"00906ED50000\",\"platform\":\"E5\","
		  "\"platform\":\"E5\"}]",
		    ERR_FORMAT, ERR_FORMAT },
		{ "{}", ERR_FORMAT, ERR_FORMAT },
		{ "[1]", ERR_FORMAT, ERR_FORMAT },
		{ "[", ERR_FORMAT, ERR_FORMAT },
		{ "<html>", ERR_FORMAT, ERR_FORMAT },
	};
	struct coll *c;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		c = NULL;
		ck_assert_msg(admit_at(key_fmspcs("all"),
				  span_str(rows[i].text), SPAN_NONE, NOW,
				  &c) == rows[i].all,
		    "%s: %s", rows[i].text, why.text);
		coll_unref(c);
		c = NULL;
		ck_assert_int_eq(admit_at(key_fmspcs("E5"),
				     span_str(rows[i].text), SPAN_NONE, NOW,
				     &c),
		    rows[i].e5);
		coll_unref(c);
	}
}
END_TEST

/* --- forms ------------------------------------------------------------ */

/* The whole head is what it must be. */
static void
head_is(const struct form *f, const char *type, const char *const names[],
    struct span chain)
{
	struct buf b = BUF_INIT;
	unsigned char digest[32];
	int i;

	ck_assert_ptr_ne(f->body, NULL);
	sha256(blob_span(f->body), digest);
	buf_printf(&b,
	    "Content-Type: %s\r\nContent-Length: %zu\r\nETag: "
	    "\"sha256-",
	    type, f->body->len);
	buf_hex(&b, span_of(digest, sizeof(digest)));
	buf_str(&b, "\"\r\n");
	for (i = 0; names[i] != NULL; i++) {
		buf_printf(&b, "%s: ", names[i]);
		buf_span(&b, chain);
		buf_str(&b, "\r\n");
	}
	ck_assert_str_eq((const char *)f->head->data, b.p);
	ck_assert_ptr_eq(memchr(f->head->data, '\0', f->head->len), NULL);
	buf_free(&b);
}

START_TEST(test_forms_of_signed_json)
{
	static const char *const v4[] = { "SGX-TCB-Info-Issuer-Chain",
		"TCB-Info-Issuer-Chain", NULL };
	static const char *const v3[] = { "SGX-TCB-Info-Issuer-Chain", NULL };
	static const char *const id[] = { "SGX-Enclave-Identity-Issuer-Chain",
		NULL };
	static const char *const ev[] = {
		"TCB-Evaluation-Data-Numbers-Issuer-Chain", NULL
	};
	struct pki_tcbinfo t = { .version = 2, .fmspc = FMSPC };
	struct pki_identity q = { .enclave = ENCLAVE_QVE };
	struct pki_evalnums n = { .tee = TEE_SGX };
	struct blob *header = pki_chain_header(pki, PKI_TCB_SIGNING);
	struct span chain = blob_span(header);
	struct pki_doc d = tcbinfo(PKI_HONEST);
	struct coll *c = NULL;

	ck_assert(
	    span_eq(span_of(chain.p + chain.len - 3, 3), span_str("%0A")));
	ck_assert_int_eq(admit_at(tcb_key(), blob_span(d.body),
			     blob_span(d.chain), NOW, &c),
	    ERR_OK);
	ck_assert(
	    span_eq(blob_span(c->form[FORM_BODY].body), blob_span(d.body)));
	head_is(&c->form[FORM_BODY], "application/json", v4, chain);
	ck_assert_ptr_eq(c->form[FORM_HEX].body, NULL);
	coll_unref(c);
	pki_doc_fini(&d);
	c = admitted_doc(key_tcbinfo(TEE_SGX, 3, FMSPC, UPDATE_STANDARD, 0),
	    pki_tcbinfo(pki, &t));
	head_is(&c->form[FORM_BODY], "application/json", v3, chain);
	coll_unref(c);
	c = admitted_doc(key_identity(ENCLAVE_QVE, 4, UPDATE_EARLY, 0),
	    pki_identity(pki, &q));
	head_is(&c->form[FORM_BODY], "application/json", id, chain);
	coll_unref(c);
	c = admitted_doc(key_evalnums(TEE_SGX), pki_evalnums(pki, &n));
	head_is(&c->form[FORM_BODY], "application/json", ev, chain);
	coll_unref(c);
	blob_unref(header);
}
END_TEST

static void
crl_forms_are(struct coll_key key, enum pki_who who, const char *hex_type)
{
	static const char *const names[] = { "SGX-PCK-CRL-Issuer-Chain", NULL };
	struct pki_crl crl = { .issuer = who };
	struct blob *der = pki_crl(pki, &crl),
		    *pem = pki_crl_pem(blob_span(der));
	struct blob *header = pki_chain_header(pki, who);
	struct buf hex = BUF_INIT;
	struct coll *c = NULL;

	ck_assert_int_eq(admit_crl(&crl, key, who, &c), ERR_OK);
	buf_hex(&hex, blob_span(der));
	ck_assert(span_eq(blob_span(c->form[FORM_HEX].body), buf_view(&hex)));
	ck_assert(span_eq(blob_span(c->form[FORM_DER].body), blob_span(der)));
	ck_assert(span_eq(blob_span(c->form[FORM_PEM].body), blob_span(pem)));
	ck_assert_ptr_eq(c->form[FORM_BODY].body, NULL);
	head_is(&c->form[FORM_HEX], hex_type, names, blob_span(header));
	head_is(&c->form[FORM_DER], "application/pkix-crl", names,
	    blob_span(header));
	head_is(&c->form[FORM_PEM], "application/x-pem-file", names,
	    blob_span(header));
	coll_unref(c);
	buf_free(&hex);
	blob_unref(der);
	blob_unref(pem);
	blob_unref(header);
}

START_TEST(test_forms_of_crls)
{
	crl_forms_are(key_pck_crl(PCK_CA_PROCESSOR), PKI_PROCESSOR_CA,
	    "application/x-pem-file; charset=utf-8");
	crl_forms_are(key_root_crl(), PKI_ROOT, "application/pkix-crl");
}
END_TEST

/* --- rollback --------------------------------------------------------- */

static struct coll *
info_of(time_t issue, unsigned number)
{
	struct pki_tcbinfo t = { .fmspc = FMSPC,
		.issue_at = issue,
		.next_update = NOW + 30 * DAY,
		.eval_num = number };

	return admitted_doc(tcb_key(), pki_tcbinfo(pki, &t));
}

START_TEST(test_an_older_tcb_info_does_not_replace)
{
	static const struct {
		time_t issue;
		unsigned number;
		enum err expect;
	} rows[] = {
		{ NOW - DAY, 17, ERR_OK },
		{ NOW - DAY + 1, 17, ERR_OK },
		{ NOW, 18, ERR_OK },
		{ NOW - DAY - 1, 17, ERR_OLDER },
		{ NOW - DAY - 1, 18, ERR_OLDER },
		{ NOW, 16, ERR_OLDER },
	};
	struct coll *held = info_of(NOW - DAY, 17), *next;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		next = info_of(rows[i].issue, rows[i].number);
		ck_assert_int_eq(coll_replaces(held, next, &why),
		    rows[i].expect);
		ck_assert_int_eq(coll_replaces(NULL, next, NULL), ERR_OK);
		coll_unref(next);
	}
	coll_unref(held);
}
END_TEST

START_TEST(test_an_older_crl_does_not_replace_whatever_its_number)
{
	struct pki_crl old = { .issuer = PKI_PLATFORM_CA,
		.this_update = NOW - 2 * DAY,
		.number = 9 };
	struct pki_crl new = { .issuer = PKI_PLATFORM_CA,
		.this_update = NOW - DAY,
		.number = 1 };
	struct coll *a = NULL, *b = NULL;
	struct coll_key key = key_pck_crl(PCK_CA_PLATFORM);

	ck_assert_int_eq(admit_crl(&old, key, PKI_PLATFORM_CA, &a), ERR_OK);
	ck_assert_int_eq(admit_crl(&new, key, PKI_PLATFORM_CA, &b), ERR_OK);
	ck_assert_int_eq(coll_replaces(a, b, &why), ERR_OK);
	ck_assert_int_eq(coll_replaces(b, a, &why), ERR_OLDER);
	ck_assert_int_eq(coll_replaces(b, b, &why), ERR_OK);
	coll_unref(a);
	coll_unref(b);
}
END_TEST

/* --- snapshots -------------------------------------------------------- */

static void
count_one(void *arg, struct coll *c)
{
	ck_assert_ptr_ne(c, NULL);
	(*(size_t *)arg)++;
}

START_TEST(test_a_snapshot_holds_what_it_was_made_of)
{
	struct coll *v[3];
	struct pki_tcbinfo t = { .fmspc = "00606A000000" };
	struct coll_key absent = key_root_crl();
	struct snap *s;
	size_t n = 0, i;

	v[0] = admitted_doc(tcb_key(), tcbinfo(PKI_HONEST));
	v[1] = root_crl(false);
	v[2] = admitted_doc(key_tcbinfo(TEE_SGX, 4, "00606A000000",
				UPDATE_EARLY, 0),
	    pki_tcbinfo(pki, &t));
	s = snap_new(v, 3, NULL);
	ck_assert_uint_eq(snap_len(s), 3);
	snap_each(s, count_one, &n);
	ck_assert_uint_eq(n, 3);
	for (i = 0; i < 3; i++) {
		ck_assert_ptr_eq(snap_get(s, &v[i]->key), v[i]);
		coll_unref(v[i]);
	}
	absent = key_evalnums(TEE_SGX);
	ck_assert_ptr_eq(snap_get(s, &absent), NULL);
	snap_unref(snap_ref(s));
	snap_unref(s);
	s = snap_new(NULL, 0, NULL);
	ck_assert_ptr_eq(snap_get(s, &absent), NULL);
	snap_unref(s);
}
END_TEST

/* --- Intel's own ------------------------------------------------------- */

static const struct real_set {
	const char *dir, *fmspc, *at;
	enum tee tee;
	enum pck_ca ca;
	unsigned api;
} real_sets[] = {
	{ "sgx/collateral/sgx-00A067110000-2025-06", "00A067110000",
	    "2025-07-04T10:28:44Z", TEE_SGX, PCK_CA_PROCESSOR, 4 },
	{ "sgx/collateral/sgx-00606A000000-2025-08", "00606A000000",
	    "2025-08-30T05:09:06Z", TEE_SGX, PCK_CA_PLATFORM, 4 },
	{ "sgx/collateral/sgx-00906ED50000-2025-05", "00906ED50000",
	    "2025-06-11T19:08:46Z", TEE_SGX, PCK_CA_PROCESSOR, 4 },
	{ "sgx/collateral/sgx-00906ED50000-2025-05-tcbv2", "00906ED50000",
	    "2025-06-11T19:04:55Z", TEE_SGX, PCK_CA_PROCESSOR, 3 },
};
#define N_REAL (sizeof(real_sets) / sizeof(real_sets[0]))

static struct blob *
real(const struct real_set *s, const char *name)
{
	char path[256];
	struct blob *b;

	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	b = vector_read(path);
	ck_assert_msg(b != NULL, "%s is missing", path);
	return b;
}

/* Accepted as it is; with any one byte of 64 changed it is not. */
static void
real_piece(const struct real_set *s, const char *body_name,
    const char *chain_name, struct coll_key key, time_t at)
{
	struct blob *body = real(s, body_name);
	struct blob *chain = chain_name == NULL ? NULL : real(s, chain_name);
	char *twin = span_dup(blob_span(body));
	struct coll *c = NULL;
	size_t i;
	enum err e = admit_at(key, blob_span(body), blob_span(chain), at, &c);

	ck_assert_msg(e == ERR_OK, "%s/%s: %s", s->dir, body_name, why.text);
	if (c->form[FORM_BODY].body != NULL)
		ck_assert(span_eq(blob_span(c->form[FORM_BODY].body),
		    blob_span(body)));
	coll_unref(c);
	c = NULL;
	for (i = 0; i < 64; i++) {
		twin[i * body->len / 64] ^= 1;
		ck_assert_int_ne(admit_at(key, span_of(twin, body->len),
				     blob_span(chain), at, &c),
		    ERR_OK);
		twin[i * body->len / 64] ^= 1;
	}
	free(twin);
	blob_unref(body);
	blob_unref(chain);
}

START_TEST(test_intels_own_collateral)
{
	static char spki[] = "a0af031289f5d5d4132f9186068a7fc13628633ba2357774"
			     "72e29b6b6c67a49e";
	char *hex[] = { spki };
	struct anchors *intel;
	X509 *root;
	time_t at;
	size_t i;

	ck_assert_int_eq(anchors_read(1, hex, &intel, NULL), ERR_OK);
	root = anchors_intel_root(intel);
	trust = (struct trust){ .intel = intel, .root = root };
	for (i = 0; i < N_REAL; i++) {
		const struct real_set *s = &real_sets[i];

		ck_assert_int_eq(time_read(span_str(s->at), &at), ERR_OK);
		real_piece(s, "tcb_info.json", "tcb_info_issuer_chain.pem",
		    key_tcbinfo(s->tee, s->api, s->fmspc, UPDATE_STANDARD, 0),
		    at);
		real_piece(s, "qe_identity.json",
		    "qe_identity_issuer_chain.pem",
		    key_identity(ENCLAVE_QE, 4, UPDATE_STANDARD, 0), at);
		real_piece(s, "pck_crl.der", "pck_crl_issuer_chain.pem",
		    key_pck_crl(s->ca), at);
		real_piece(s, "root_ca_crl.der", NULL, key_root_crl(), at);
	}
	X509_free(root);
	anchors_free(intel);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("coll");
	TCase *t = tcase_create("coll");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_a_tcb_info_and_each_lie_about_it);
	tcase_add_test(t, test_without_a_root_crl_it_is_taken_and_marked);
	tcase_add_test(t, test_a_tcb_info_must_be_the_one_asked_for);
	tcase_add_test(t, test_dates_are_judged_with_five_minutes_of_grace);
	tcase_add_test(t, test_what_we_held_may_have_expired_but_not_changed);
	tcase_add_test(t, test_a_chain_is_needed_whole_and_sane);
	tcase_add_test(t, test_bodies_are_bounded);
	tcase_add_test(t, test_identities_and_each_lie_about_them);
	tcase_add_test(t, test_evaluation_numbers_and_each_lie_about_them);
	tcase_add_test(t, test_a_pck_crl_of_the_ca_asked_for);
	tcase_add_test(t, test_a_root_crl_with_and_without_its_certificate);
	tcase_add_test(t, test_a_foreign_root_crl_is_refused);
	tcase_add_test(t, test_the_shape_of_fmspcs);
	tcase_add_test(t, test_forms_of_signed_json);
	tcase_add_test(t, test_forms_of_crls);
	tcase_add_test(t, test_an_older_tcb_info_does_not_replace);
	tcase_add_test(t,
	    test_an_older_crl_does_not_replace_whatever_its_number);
	tcase_add_test(t, test_a_snapshot_holds_what_it_was_made_of);
	if (vectors_present())
		tcase_add_test(t, test_intels_own_collateral);
	else
		vectors_skipped(1);
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
