/* All certificates of one platform: pcs-upstream 4.1 and 6. */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/pki.h"
#include "tests/kit/vset.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1780272000 /* 2026-06-01T00:00:00Z */

static struct pki *pki;
static struct anchors *anchors;
static struct chain *platform, *processor;
static const unsigned char pceid[2] = { 0, 0 };

static struct chain *
ca_chain(enum pki_who who)
{
	struct blob *pem = pki_chain_pem(pki, who);
	struct chain *c;

	must(chain_read(blob_span(pem), CHAIN_PCK_CA, anchors, NULL, NULL, &c,
		 NULL) == ERR_OK);
	blob_unref(pem);
	return c;
}

static void
setup(void)
{
	pki = pki_new("test", NOW);
	anchors = anchors_of(pki_root_spki_hex(pki));
	platform = ca_chain(PKI_PLATFORM_CA);
	processor = ca_chain(PKI_PROCESSOR_CA);
}

static void
teardown(void)
{
	chain_unref(platform);
	chain_unref(processor);
	anchors_free(anchors);
	pki_free(pki);
}

static struct pki_pck
pck_of(uint8_t c0, uint8_t c1, uint16_t pcesvn)
{
	return (struct pki_pck){ .ca = PCK_CA_PLATFORM,
		.ppid = { 1, 2, 3 },
		.fmspc = { 0x00, 0x60, 0x6a },
		.instance = { 5 },
		.comp = { c0, c1, 3, 3, 255, 255 },
		.pcesvn = pcesvn,
		.sgx_type = 1 };
}

/* Five certificates in no order, two of them NA. */
static void
some_list(struct pki_pck v[7])
{
	v[0] = pck_of(3, 3, 11);
	v[1] = pck_of(14, 14, 13);
	v[2] = pck_of(9, 9, 5);
	v[2].na = true;
	v[3] = pck_of(3, 3, 256);
	v[4] = pck_of(3, 200, 1);
	v[5] = pck_of(15, 15, 300);
	v[5].na = true;
	v[6] = pck_of(0, 0, 0);
}

static enum err
try_body(struct span body, const struct chain *ca, const struct crl *crl,
    struct pck_set **out, struct why *why)
{
	struct pck_set *set = NULL;
	enum err e = pck_set_read(body, ca, pceid, crl, &set, why);

	ck_assert((e == ERR_OK) == (set != NULL));
	if (e != ERR_OK && why != NULL) {
		ck_assert_int_eq(why->err, e);
		ck_assert_str_ne(why->clause, "");
		ck_assert_str_ne(why->text, "");
	}
	if (out != NULL)
		*out = set;
	else
		pck_set_unref(set);
	return e;
}

static enum err
try_list(size_t n, const struct pki_pck *v, const struct chain *ca)
{
	struct blob *body = pki_pckcerts(pki, n, v);
	struct why why = { 0 };
	enum err e = try_body(blob_span(body), ca, NULL, NULL, &why);

	blob_unref(body);
	return e;
}

/* --- what is read ------------------------------------------------------- */

static void
some_check(const struct pck_set *set)
{
	static const char *const order[5] = {
		"0E0E0303FFFF000000000000000000000D00",
		"03C80303FFFF000000000000000000000100",
		"03030303FFFF000000000000000000000001",
		"03030303FFFF000000000000000000000B00",
		"00000303FFFF000000000000000000000000",
	};
	static const char begin[] = "-----BEGIN CERTIFICATE-----\n";
	size_t i;

	ck_assert_int_eq(set->ca, PCK_CA_PLATFORM);
	ck_assert_mem_eq(set->fmspc, "\x00\x60\x6a\0\0\0", 6);
	ck_assert_mem_eq(set->ppid, "\1\2\3\0", 4);
	ck_assert_ptr_eq(set->chain, platform);
	ck_assert_int_eq(set->window.until, platform->window.until);
	ck_assert_uint_eq(set->n, 5);
	for (i = 0; i < 5; i++) {
		const struct pck_cert *c = &set->certs[i];

		ck_assert_str_eq(c->tcbm, order[i]);
		ck_assert(span_starts(blob_span(c->pem), begin));
		ck_assert(c->pem->data[c->pem->len - 1] == '\n');
		ck_assert(c->pem->data[c->pem->len - 2] == '-');
		ck_assert_uint_eq(c->pem->data[sizeof(begin) - 1 + 64], '\n');
		ck_assert_int_lt(c->not_before, NOW);
		ck_assert_int_gt(c->not_after, NOW);
	}
	ck_assert_uint_eq(set->n_na, 2);
	ck_assert_uint_eq(set->na[0].comp[0], 15);
	ck_assert_uint_eq(set->na[0].pcesvn, 300);
	ck_assert_uint_eq(set->na[1].comp[0], 9);
	ck_assert_uint_eq(set->na[1].pcesvn, 5);
}

START_TEST(test_list_is_read_and_sorted)
{
	struct pki_pck v[7], w[7];
	size_t shift, i;

	some_list(v);
	for (shift = 0; shift < 7; shift++) {
		struct blob *body;
		struct pck_set *set;

		for (i = 0; i < 7; i++)
			w[i] = v[(i * 3 + shift) % 7];
		body = pki_pckcerts(pki, 7, w);
		ck_assert(try_body(blob_span(body), platform, NULL, &set,
			      NULL) == ERR_OK);
		some_check(set);
		pck_set_unref(set);
		blob_unref(body);
	}
}
END_TEST

START_TEST(test_pem_is_that_of_the_certificate)
{
	struct pki_pck v = pck_of(3, 3, 11);
	X509 *x = pki_pck(pki, &v);
	struct blob *pem = pki_pem(x), *der = pki_der(x);
	struct blob *body = pki_pckcerts(pki, 1, &v);
	struct pck_set *set;

	ck_assert(
	    try_body(blob_span(body), platform, NULL, &set, NULL) == ERR_OK);
	ck_assert(span_eq(blob_span(set->certs[0].pem), blob_span(pem)));
	ck_assert(span_eq(blob_span(set->certs[0].der), blob_span(der)));
	ck_assert_ptr_eq(pck_set_ref(set), set);
	pck_set_unref(set);
	pck_set_unref(set);
	blob_unref(body);
	blob_unref(der);
	blob_unref(pem);
	X509_free(x);
}
END_TEST

START_TEST(test_other_forms_of_the_body_are_read)
{
	/* the array of components; a missing final newline; an upload's
	 * element around the list; NA without tcbm; unknown members */
	static const struct {
		const char *from, *to;
	} cases[] = {
		{ "\"sgxtcbcomp01svn\":3,\"sgxtcbcomp02svn\":3,"
		  "\"sgxtcbcomp03svn\":3,\"sgxtcbcomp04svn\":3,"
		  "\"sgxtcbcomp05svn\":255,\"sgxtcbcomp06svn\":255,"
		  "\"sgxtcbcomp07svn\":0,\"sgxtcbcomp08svn\":0,"
		  "\"sgxtcbcomp09svn\":0,\"sgxtcbcomp10svn\":0,"
		  "\"sgxtcbcomp11svn\":0,\"sgxtcbcomp12svn\":0,"
		  "\"sgxtcbcomp13svn\":0,\"sgxtcbcomp14svn\":0,"
		  "\"sgxtcbcomp15svn\":0,\"sgxtcbcomp16svn\":0",
		    "\"sgxtcbcomponents\":[{\"svn\":3},{\"svn\":3},"
		    "{\"svn\":3,\"type\":\"\"},{\"svn\":3},{\"svn\":255},"
		    "{\"svn\":255},{\"svn\":0},{\"svn\":0},{\"svn\":0},"
		    "{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0},"
		    "{\"svn\":0},{\"svn\":0},{\"svn\":0}]" },
		{ "CERTIFICATE-----%0A\"", "CERTIFICATE-----\"" },
		{ "%20", " " },
		{ "\"tcb\":", "\"more\":[1],\"tcb\":" },
		{ "\"tcbm\":\"09090303FFFF000000000000000000000500\",", "" },
		{ "[{", " [ {" },
		{ "0E0E0303FFFF", "0e0e0303ffff" },
	};
	struct pki_pck v[7];
	struct blob *body, *b;
	struct buf el = BUF_INIT;
	struct pck_set *set;
	struct why why = { 0 };
	size_t i;

	some_list(v);
	body = pki_pckcerts(pki, 7, v);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		b = replaced(blob_span(body), cases[i].from, cases[i].to);
		ck_assert_msg(try_body(blob_span(b), platform, NULL, &set,
				  &why) == ERR_OK,
		    "case %zu: %s", i, why.text);
		some_check(set);
		pck_set_unref(set);
		blob_unref(b);
	}
	buf_str(&el, "{\"qe_id\":\"AB\",\"certs\":");
	buf_span(&el, blob_span(body));
	buf_str(&el, "}");
	ck_assert(
	    try_body(buf_view(&el), platform, NULL, &set, &why) == ERR_OK);
	some_check(set);
	pck_set_unref(set);
	buf_free(&el);
	blob_unref(body);
}
END_TEST

START_TEST(test_processor_ca_list)
{
	struct pki_pck v[2] = { pck_of(3, 3, 1), pck_of(4, 4, 1) };
	struct pck_set *set;
	struct blob *body;

	v[0].ca = v[1].ca = PCK_CA_PROCESSOR;
	v[0].sgx_type = v[1].sgx_type = 0;
	body = pki_pckcerts(pki, 2, v);
	ck_assert(
	    try_body(blob_span(body), processor, NULL, &set, NULL) == ERR_OK);
	ck_assert_int_eq(set->ca, PCK_CA_PROCESSOR);
	pck_set_unref(set);
	ck_assert(
	    try_body(blob_span(body), platform, NULL, NULL, NULL) == ERR_CHAIN);
	blob_unref(body);
}
END_TEST

START_TEST(test_same_certificate_twice_is_one)
{
	struct pki_pck v[3] = { pck_of(3, 3, 1), pck_of(3, 3, 1),
		pck_of(3, 3, 1) };
	struct pck_set *set;
	struct blob *body;

	/* the third: same TCB, made later */
	v[2].not_before = NOW - 86400;
	v[2].not_after = NOW + 86400;
	body = pki_pckcerts(pki, 3, v);
	ck_assert(
	    try_body(blob_span(body), platform, NULL, &set, NULL) == ERR_OK);
	ck_assert_uint_eq(set->n, 2);
	ck_assert_int_eq(set->certs[0].not_before, NOW - 86400);
	pck_set_unref(set);
	blob_unref(body);
}
END_TEST

/* --- what is refused ---------------------------------------------------- */

START_TEST(test_nothing_available)
{
	struct pki_pck v[2] = { pck_of(3, 3, 1), pck_of(4, 4, 1) };

	v[0].na = v[1].na = true;
	ck_assert(try_list(2, v, platform) == ERR_NOT_AVAILABLE);
	ck_assert(try_list(0, v, platform) == ERR_NOT_AVAILABLE);
	v[1].na = false;
	ck_assert(try_list(2, v, platform) == ERR_OK);
}
END_TEST

START_TEST(test_lists_that_do_not_agree_are_refused)
{
	static const unsigned char other[16] = { 3, 3, 3, 4 };
	struct pki_pck v[3];
	struct {
		const char *name;
		enum err e;
		void *at;
		unsigned char to;
	} bytes[] = {
		{ "PPID", ERR_CHAIN, &v[1].ppid[15], 1 },
		{ "FMSPC", ERR_CHAIN, &v[1].fmspc[5], 1 },
		{ "PCE-ID", ERR_NOT_ASKED, &v[1].pceid[1], 1 },
	};
	size_t i;

	for (i = 0; i < 3; i++) {
		v[0] = v[1] = v[2] = pck_of(3, 3, 1);
		v[1].pcesvn = 2;
		v[2].pcesvn = 3;
		*(unsigned char *)bytes[i].at = bytes[i].to;
		ck_assert_msg(try_list(3, v, platform) == bytes[i].e, "%s",
		    bytes[i].name);
	}
	v[1] = v[0];
	v[1].pcesvn = 2;
	ck_assert(try_list(3, v, platform) == ERR_OK);
	v[1].cpusvn = other;
	ck_assert(try_list(3, v, platform) == ERR_RANGE);
	v[1].cpusvn = NULL;
	v[1].tcbm = "030303030000000000000000000000000200";
	ck_assert(try_list(3, v, platform) == ERR_CHAIN);
	v[1].tcbm = "03030303FFFF000000000000000000000200";
	ck_assert(try_list(3, v, platform) == ERR_OK);
	v[1].tcbm = "03030303FFFF000000000000000000000002";
	ck_assert(try_list(3, v, platform) == ERR_CHAIN);
	v[1].tcbm = NULL;
	v[1].lie = PKI_WRONG_KEY;
	ck_assert(try_list(3, v, platform) == ERR_CHAIN);
	v[1].lie = PKI_BAD_SIGNATURE;
	ck_assert(try_list(3, v, platform) == ERR_CHAIN);
	v[1].lie = PKI_HONEST;
	v[1].ca = PCK_CA_PROCESSOR;
	ck_assert(try_list(3, v, platform) == ERR_CHAIN);
	v[1].ca = PCK_CA_PLATFORM;
	v[1].sgx_type = 3;
	ck_assert(try_list(3, v, platform) == ERR_RANGE);
}
END_TEST

START_TEST(test_twin_platform_is_refused)
{
	struct pki_pck v = pck_of(3, 3, 1);
	struct blob *body = pki_pckcerts(pki_evil(pki), 1, &v);

	ck_assert(
	    try_body(blob_span(body), platform, NULL, NULL, NULL) == ERR_CHAIN);
	blob_unref(body);
}
END_TEST

START_TEST(test_twisted_bodies_are_refused)
{
	static const struct {
		const char *from, *to;
		enum err e;
	} cases[] = {
		{ "[{", "{", ERR_FORMAT },
		{ "[{", "[0,{", ERR_FORMAT },
		{ "[{", "[[],{", ERR_FORMAT },
		{ "[{", "x[{", ERR_FORMAT },
		{ "\"tcb\":", "\"TCB\":", ERR_FORMAT },
		{ "\"tcb\":{", "\"tcb\":[],\"x\":{", ERR_FORMAT },
		{ "comp01svn\":3", "comp01svn\":4", ERR_CHAIN },
		{ "comp01svn\":3", "comp01svn\":259", ERR_RANGE },
		{ "comp01svn\":3", "comp01svn\":\"3\"", ERR_FORMAT },
		{ "comp16svn", "comp17svn", ERR_FORMAT },
		{ "\"sgxtcbcomp01svn\"",
		    "\"sgxtcbcomponents\":[{\"svn\":3}],\"sgxtcbcomp01svn\"",
		    ERR_FORMAT },
		{ "\"pcesvn\":11", "\"pcesvn\":12", ERR_CHAIN },
		{ "\"pcesvn\":11", "\"pcesvn\":65547", ERR_RANGE },
		{ "\"tcbm\"", "\"tcbM\"", ERR_FORMAT },
		{ "\"tcbm\":\"", "\"tcbm\":\"00", ERR_FORMAT },
		{ "\"cert\":", "\"Cert\":", ERR_FORMAT },
		{ "\"cert\":", "\"cert\":\"Not available\",\"cert\":",
		    ERR_FORMAT },
		{ "\"cert\":\"", "\"cert\":\"not available\",\"x\":\"",
		    ERR_FORMAT },
		{ "\"cert\":\"", "\"cert\":\"\",\"x\":\"", ERR_FORMAT },
		{ "\"cert\":\"", "\"cert\":null,\"x\":\"", ERR_FORMAT },
		{ "-----BEGIN%20", "-----BEGIN%2", ERR_FORMAT },
		{ "-----BEGIN%20", "-----BEGIN+", ERR_FORMAT },
		{ "-----BEGIN%20", "x-----BEGIN%20", ERR_FORMAT },
		{ "-----END%20CERTIFICATE-----%0A",
		    "-----END%20CERTIFICATE-----%0Ax", ERR_FORMAT },
		{ "%0AMII", "%0AMIJ", ERR_FORMAT },
	};
	struct pki_pck v = pck_of(3, 3, 11);
	struct blob *body = pki_pckcerts(pki, 1, &v), *b;
	struct why why = { 0 };
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum err e;

		b = replaced(blob_span(body), cases[i].from, cases[i].to);
		e = try_body(blob_span(b), platform, NULL, NULL, &why);
		ck_assert_msg(e == cases[i].e, "%s -> %s: %s (%s)",
		    cases[i].from, cases[i].to, err_token(e), why.text);
		blob_unref(b);
	}
	blob_unref(body);
}
END_TEST

/* Two blocks in one element: which would be served? */
START_TEST(test_two_certificates_in_one_element_are_refused)
{
	struct pki_pck v = pck_of(3, 3, 11);
	struct blob *body = pki_pckcerts(pki, 1, &v), *b;
	X509 *x = pki_pck(pki, &v);
	struct blob *pem = pki_pem(x);
	struct buf twice = BUF_INIT;

	buf_str(&twice, "\"cert\":\"");
	buf_pct(&twice, blob_span(pem));
	b = replaced(blob_span(body), "\"cert\":\"", twice.p);
	ck_assert(
	    try_body(blob_span(b), platform, NULL, NULL, NULL) == ERR_FORMAT);
	buf_free(&twice);
	blob_unref(b);
	blob_unref(pem);
	blob_unref(body);
	X509_free(x);
}
END_TEST

START_TEST(test_too_many_elements_are_refused)
{
	struct buf b = BUF_INIT;
	struct why why = { 0 };
	int i;

	buf_str(&b, "[0");
	for (i = 0; i < 5000; i++)
		buf_str(&b, ",0");
	buf_str(&b, "]");
	ck_assert(
	    try_body(buf_view(&b), platform, NULL, NULL, &why) == ERR_TOO_BIG);
	while (b.len < 5 * 1024 * 1024)
		buf_str(&b, "                                               ");
	ck_assert(
	    try_body(buf_view(&b), platform, NULL, NULL, &why) == ERR_TOO_BIG);
	buf_free(&b);
}
END_TEST

START_TEST(test_revoked_leaf_is_refused)
{
	struct pki_pck v[2] = { pck_of(3, 3, 1), pck_of(4, 4, 1) };
	X509 *x = pki_pck(pki, &v[1]);
	char *serial = pki_serial(x);
	const char *revoked = serial;
	struct blob *body = pki_pckcerts(pki, 2, v);
	int listed, other;

	for (listed = 0; listed < 2; listed++)
		for (other = 0; other < 2; other++) {
			enum pki_who who =
			    other ? PKI_PROCESSOR_CA : PKI_PLATFORM_CA;
			struct blob *der =
			    pki_crl(pki, &(struct pki_crl){ .issuer = who,
					     .n_revoked = listed ? 1 : 0,
					     .revoked = &revoked });
			struct crl *crl;
			enum err want = other    ? ERR_CHAIN
					: listed ? ERR_REVOKED
						 : ERR_OK;

			must(crl_read(blob_span(der), pki_x509(pki, who), &crl,
				 NULL) == ERR_OK);
			ck_assert_int_eq(try_body(blob_span(body), platform,
					     crl, NULL, NULL),
			    want);
			crl_unref(crl);
			blob_unref(der);
		}
	blob_unref(body);
	free(serial);
	X509_free(x);
}
END_TEST

/* --- the packed form ---------------------------------------------------- */

static struct blob *
some_packed(void)
{
	struct pki_pck v[7];
	struct pck_set *set;
	struct blob *body, *packed;

	some_list(v);
	body = pki_pckcerts(pki, 7, v);
	ck_assert(
	    try_body(blob_span(body), platform, NULL, &set, NULL) == ERR_OK);
	packed = pck_set_pack(set);
	pck_set_unref(set);
	blob_unref(body);
	return packed;
}

static enum err
try_packed(struct span packed, const struct chain *ca, struct why *why)
{
	struct pck_set *set = NULL;
	enum err e = pck_set_unpack(packed, ca, pceid, NULL, &set, why);

	ck_assert((e == ERR_OK) == (set != NULL));
	if (e == ERR_OK)
		some_check(set);
	pck_set_unref(set);
	return e;
}

START_TEST(test_packed_set_is_the_same_set)
{
	struct blob *packed = some_packed(), *again;
	struct pck_set *set;
	struct why why = { 0 };

	ck_assert_uint_eq(packed->data[0], 1);
	ck_assert_uint_lt(packed->len, 5 * 1400 + 2 * 18 + 5);
	ck_assert(pck_set_unpack(blob_span(packed), platform, pceid, NULL, &set,
		      &why) == ERR_OK);
	some_check(set);
	again = pck_set_pack(set);
	ck_assert(span_eq(blob_span(again), blob_span(packed)));
	blob_unref(again);
	pck_set_unref(set);
	ck_assert(try_packed(blob_span(packed), processor, &why) == ERR_CHAIN);
	blob_unref(packed);
}
END_TEST

START_TEST(test_broken_packed_set_is_refused)
{
	struct blob *packed = some_packed(), *b;
	struct why why = { 0 };
	size_t i;

	/* every octet of the certificates and of the frame around them */
	for (i = 0; i < packed->len - 36; i += i < 60 ? 1 : 11) {
		b = flipped(blob_span(packed), i, (unsigned)(i % 8));
		why.err = ERR_OK;
		ck_assert_msg(try_packed(blob_span(b), platform, &why) !=
				  ERR_OK,
		    "octet %zu", i);
		ck_assert(why.err != ERR_OK);
		blob_unref(b);
	}
	for (i = 0; i < packed->len; i += i < 60 ? 1 : 97)
		ck_assert(try_packed(span_of(packed->data, i), platform,
			      &why) == ERR_FORMAT);
	b = blob_new(packed->data, packed->len + 1);
	ck_assert(try_packed(blob_span(b), platform, &why) == ERR_FORMAT);
	blob_unref(b);
	blob_unref(packed);
}
END_TEST

START_TEST(test_packed_list_without_certificates_is_refused)
{
	static const unsigned char none[] = { 1, 0, 0, 0, 0 };
	static const unsigned char many[] = { 1, 0xff, 0xff, 0, 0 };
	struct why why = { 0 };

	ck_assert(try_packed(span_of(none, sizeof(none)), platform, &why) ==
		  ERR_NOT_AVAILABLE);
	ck_assert(try_packed(span_of(many, sizeof(many)), platform, &why) ==
		  ERR_TOO_BIG);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("pckset");
	TCase *t = tcase_create("made");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_list_is_read_and_sorted);
	tcase_add_test(t, test_pem_is_that_of_the_certificate);
	tcase_add_test(t, test_other_forms_of_the_body_are_read);
	tcase_add_test(t, test_processor_ca_list);
	tcase_add_test(t, test_same_certificate_twice_is_one);
	tcase_add_test(t, test_nothing_available);
	tcase_add_test(t, test_lists_that_do_not_agree_are_refused);
	tcase_add_test(t, test_twin_platform_is_refused);
	tcase_add_test(t, test_twisted_bodies_are_refused);
	tcase_add_test(t, test_two_certificates_in_one_element_are_refused);
	tcase_add_test(t, test_too_many_elements_are_refused);
	tcase_add_test(t, test_revoked_leaf_is_refused);
	tcase_add_test(t, test_packed_set_is_the_same_set);
	tcase_add_test(t, test_broken_packed_set_is_refused);
	tcase_add_test(t, test_packed_list_without_certificates_is_refused);
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
