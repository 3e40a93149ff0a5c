/* Intel's extension of PCK certificates: pcs-upstream 6.1. */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/pki.h"
#include "tests/kit/vectors.h"
#include "tests/kit/vset.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1780272000 /* 2026-06-01T00:00:00Z */

static struct pki *pki;

static void
setup(void)
{
	pki = pki_new("test", NOW);
}

static void
teardown(void)
{
	pki_free(pki);
}

static struct pki_pck
some_pck(enum pck_ca ca)
{
	return (struct pki_pck){ .ca = ca,
		.ppid = { 1, 2, 3, [15] = 16 },
		.pceid = { 0x12, 0x34 },
		.fmspc = { 0x00, 0x60, 0x6a, 0, 0, 7 },
		.instance = { 9, 8, 7 },
		.comp = { 14, 0, 127, 128, 255, 200, 1, [15] = 77 },
		.pcesvn = 65535,
		.sgx_type = ca == PCK_CA_PLATFORM ? 2 : 0,
		.dynamic_platform = 1,
		.cached_keys = 0,
		.smt_enabled = -1 };
}

/* A certificate around any octets as the extension. */
static X509 *
cert_around(struct span sgx)
{
	struct pki_cert c = { .cn = "Intel SGX PCK Certificate",
		.label = "around",
		.issuer = pki_x509(pki, PKI_PLATFORM_CA),
		.issuer_key = pki_key(pki, PKI_PLATFORM_CA),
		.not_before = NOW,
		.not_after = NOW + 86400,
		.key_usage = "critical,digitalSignature,nonRepudiation",
		.basic = "critical,CA:FALSE",
		.sgx = sgx };

	return pki_cert(pki, &c);
}

static enum err
try_extension(struct span sgx, struct pck *out)
{
	X509 *x = cert_around(sgx);
	struct pck pck;
	struct why why = { 0 };
	enum err e = pck_read(x, &pck, &why);

	if (e != ERR_OK) {
		ck_assert_int_eq(why.err, e);
		ck_assert_str_ne(why.clause, "");
		ck_assert_str_ne(why.text, "");
	} else if (out != NULL) {
		*out = pck;
	}
	X509_free(x);
	return e;
}

/* --- what is read ------------------------------------------------------- */

START_TEST(test_facts_of_both_cas)
{
	int ca;

	for (ca = PCK_CA_PROCESSOR; ca <= PCK_CA_PLATFORM; ca++) {
		struct pki_pck p = some_pck((enum pck_ca)ca);
		X509 *x = pki_pck(pki, &p);
		bool platform = ca == PCK_CA_PLATFORM;
		struct pck pck;

		ck_assert(pck_read(x, &pck, NULL) == ERR_OK);
		ck_assert_mem_eq(pck.ppid, p.ppid, 16);
		ck_assert_mem_eq(pck.pceid, p.pceid, 2);
		ck_assert_mem_eq(pck.fmspc, p.fmspc, 6);
		ck_assert_mem_eq(pck.comp, p.comp, 16);
		ck_assert_mem_eq(pck.cpusvn, p.comp, 16);
		ck_assert_uint_eq(pck.pcesvn, 65535);
		ck_assert_uint_eq(pck.sgx_type, p.sgx_type);
		ck_assert(pck_svn_agrees(&pck));
		ck_assert(pck.has_instance == platform);
		ck_assert_int_eq(pck.dynamic_platform, platform ? 1 : -1);
		ck_assert_int_eq(pck.cached_keys, platform ? 0 : -1);
		ck_assert_int_eq(pck.smt_enabled, -1);
		if (platform)
			ck_assert_mem_eq(pck.instance, p.instance, 16);
		X509_free(x);
	}
}
END_TEST

START_TEST(test_components_and_cpusvn_are_two_facts)
{
	static const unsigned char high[16] = { 255, 255, 255, 255 };
	struct pki_pck p = some_pck(PCK_CA_PROCESSOR);
	struct pck pck;
	X509 *x;

	p.cpusvn = high;
	x = pki_pck(pki, &p);
	ck_assert(pck_read(x, &pck, NULL) == ERR_OK);
	ck_assert_mem_eq(pck.comp, p.comp, 16);
	ck_assert_mem_eq(pck.cpusvn, high, 16);
	ck_assert(!pck_svn_agrees(&pck));
	X509_free(x);
}
END_TEST

/* Of the CA's, so they are let be, and noted for whoever minds. */
START_TEST(test_unknown_members_are_noted)
{
	struct pki_pck p = some_pck(PCK_CA_PLATFORM);
	struct pck pck;
	int i;

	for (i = 0; i < 4; i++) {
		p.unknown_member = i == 1;
		p.unknown_setting = i == 2;
		p.no_configuration = i == 3;
		X509 *x = pki_pck(pki, &p);

		ck_assert(pck_read(x, &pck, NULL) == ERR_OK);
		ck_assert(pck.has_unknown == (i == 1 || i == 2));
		ck_assert(pck.has_config == (i != 3));
		ck_assert(pck.has_instance);
		X509_free(x);
	}
}
END_TEST

/* --- what is refused ---------------------------------------------------- */

#define OID "\x06\x0a\x2a\x86\x48\x86\xf8\x4d\x01\x0d\x01"

#define TWIST(name, from, to, e)                                               \
	{                                                                      \
		name, from, to, sizeof(from) - 1, e                            \
	}

START_TEST(test_twisted_extensions_are_refused)
{
	/* Octets to find in a good extension, and what stands there instead;
	 * of the same length, so that the outer lengths stay right. */
	static const struct {
		const char *name;
		const char *from, *to;
		size_t len;
		enum err e;
	} cases[] = {
		TWIST("as it is", OID "\x01\x04\x10", OID "\x01\x04\x10",
		    ERR_OK),
		TWIST("member unknown", OID "\x06\x04\x10", OID "\x09\x04\x10",
		    ERR_OK),
		TWIST("PPID missing", OID "\x01\x04\x10", OID "\x09\x04\x10",
		    ERR_FORMAT),
		TWIST("PPID twice", OID "\x06\x04\x10", OID "\x01\x04\x10",
		    ERR_FORMAT),
		TWIST("PCE-ID missing", OID "\x03\x04\x02", OID "\x09\x04\x02",
		    ERR_FORMAT),
		TWIST("FMSPC is no OCTET STRING", OID "\x04\x04\x06",
		    OID "\x04\x0c\x06", ERR_FORMAT),
		TWIST("FMSPC as instance", OID "\x04\x04\x06",
		    OID "\x06\x04\x06", ERR_FORMAT),
		TWIST("type 3", OID "\x05\x0a\x01\x02", OID "\x05\x0a\x01\x03",
		    ERR_RANGE),
		TWIST("type negative", OID "\x05\x0a\x01\x02",
		    OID "\x05\x0a\x01\xff", ERR_RANGE),
		TWIST("type is an INTEGER", OID "\x05\x0a\x01\x02",
		    OID "\x05\x02\x01\x02", ERR_RANGE),
		TWIST("another arc", "\x4d\x01\x0d\x01\x04\x04\x06",
		    "\x4d\x01\x0d\x02\x04\x04\x06", ERR_FORMAT),
		TWIST("component negative", "\x0d\x01\x02\x01\x02\x01\x0e",
		    "\x0d\x01\x02\x01\x02\x01\x8e", ERR_RANGE),
		TWIST("component twice", "\x0d\x01\x02\x01\x02\x01\x0e",
		    "\x0d\x01\x02\x02\x02\x01\x0e", ERR_FORMAT),
		TWIST("component 19", "\x0d\x01\x02\x01\x02\x01\x0e",
		    "\x0d\x01\x02\x13\x02\x01\x0e", ERR_FORMAT),
		TWIST("component unknown", "\x0d\x01\x02\x01\x02\x01\x0e",
		    "\x0d\x01\x02\x7f\x02\x01\x0e", ERR_FORMAT),
		TWIST("component over 255", "\x02\x04\x02\x02\x00\x80",
		    "\x02\x04\x02\x02\x01\x80", ERR_RANGE),
		TWIST("component is an OCTET STRING",
		    "\x02\x04\x02\x02\x00\x80", "\x02\x04\x04\x02\x00\x80",
		    ERR_RANGE),
		TWIST("PCESVN over 65535", "\x02\x11\x02\x03\x00\xff\xff",
		    "\x02\x11\x02\x03\x01\xff\xff", ERR_RANGE),
		TWIST("BOOLEAN 1", "\x07\x01\x01\x01\xff",
		    "\x07\x01\x01\x01\x01", ERR_FORMAT),
		TWIST("BOOLEAN false", "\x07\x01\x01\x01\xff",
		    "\x07\x01\x01\x01\x00", ERR_OK),
		TWIST("flag is an INTEGER", "\x07\x01\x01\x01\xff",
		    "\x07\x01\x02\x01\x01", ERR_FORMAT),
		TWIST("configuration is a SET", OID "\x07\x30", OID "\x07\x31",
		    ERR_FORMAT),
		TWIST("flag twice", "\x0d\x01\x07\x02\x01",
		    "\x0d\x01\x07\x01\x01", ERR_FORMAT),
	};
	struct pki_pck p = some_pck(PCK_CA_PLATFORM);
	struct blob *good = pki_sgx_extension(&p), *b;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned char *at;

		b = blob_from(blob_span(good));
		at = memmem(b->data, b->len, cases[i].from, cases[i].len);
		ck_assert_msg(at != NULL, "%s: not there", cases[i].name);
		memcpy(at, cases[i].to, cases[i].len);
		ck_assert_msg(try_extension(blob_span(b), NULL) == cases[i].e,
		    "%s", cases[i].name);
		blob_unref(b);
	}
	blob_unref(good);
}
END_TEST

START_TEST(test_truncated_and_longer_extensions_are_refused)
{
	struct pki_pck p = some_pck(PCK_CA_PLATFORM);
	struct blob *good = pki_sgx_extension(&p);
	struct buf b = BUF_INIT;
	size_t i;

	/* pki_cert() leaves an empty one out. */
	for (i = 0; i < good->len; i += i < 40 ? 1 : 17)
		ck_assert_msg(try_extension(span_of(good->data, i), NULL) ==
				  ERR_FORMAT,
		    "%zu octets", i);
	buf_span(&b, blob_span(good));
	ck_assert(try_extension(buf_view(&b), NULL) == ERR_OK);
	buf_add(&b, "\x05\x00", 2);
	ck_assert(try_extension(buf_view(&b), NULL) == ERR_FORMAT);
	ck_assert(try_extension(span_str("\x04\x00"), NULL) == ERR_FORMAT);
	ck_assert(try_extension(span_str("\x30\x00"), NULL) == ERR_FORMAT);
	buf_free(&b);
	blob_unref(good);
}
END_TEST

START_TEST(test_certificate_without_or_with_two_is_refused)
{
	X509 *ca = pki_x509(pki, PKI_PLATFORM_CA), *two;
	struct pki_pck p = some_pck(PCK_CA_PROCESSOR);
	X509 *x = pki_pck(pki, &p);
	struct pck pck = { .pcesvn = 7 };
	struct why why = { 0 };
	int i;

	ck_assert(pck_read(ca, &pck, &why) == ERR_FORMAT);
	two = X509_dup(x);
	for (i = 0; i < X509_get_ext_count(x); i++) {
		char oid[64];

		OBJ_obj2txt(oid, sizeof(oid),
		    X509_EXTENSION_get_object(X509_get_ext(x, i)), 1);
		if (strcmp(oid, "1.2.840.113741.1.13.1") == 0)
			X509_add_ext(two, X509_get_ext(x, i), -1);
	}
	ck_assert_int_eq(X509_get_ext_count(two), X509_get_ext_count(x) + 1);
	ck_assert(pck_read(two, &pck, &why) == ERR_FORMAT);
	ck_assert_uint_eq(pck.pcesvn, 7);
	X509_free(two);
	X509_free(x);
}
END_TEST

/* Any flipped bit is refused or gives other facts; none crashes. */
START_TEST(test_flipped_extensions_give_other_facts)
{
	struct pki_pck p = some_pck(PCK_CA_PLATFORM);
	struct blob *good = pki_sgx_extension(&p);
	struct pck want, got;
	size_t i, refused = 0, same = 0;

	memset(&want, 0, sizeof(want));
	memset(&got, 0, sizeof(got));
	ck_assert(try_extension(blob_span(good), &want) == ERR_OK);
	for (i = 0; i < good->len; i++) {
		struct blob *b =
		    flipped(blob_span(good), i, (unsigned)(i * 5 % 8));

		if (try_extension(blob_span(b), &got) != ERR_OK)
			refused++;
		else if (memcmp(&want, &got, sizeof(want)) == 0)
			same++;
		blob_unref(b);
	}
	ck_assert_uint_gt(refused, good->len / 2);
	/* An identifier of an optional member made unknown: of .7 and below. */
	ck_assert_uint_lt(same, 40);
	blob_unref(good);
}
END_TEST

/* --- vectors ------------------------------------------------------------ */

static void
hex_check(const json_t *j, const char *name, const void *got, size_t len)
{
	char hex[65];

	hex_lower(span_of(got, len), hex);
	ck_assert_str_eq(json_string_value(json_object_get(j, name)), hex);
}

/* null or absent: no such flag */
static void
flag_check(const json_t *j, const char *name, int got)
{
	const json_t *v = json_object_get(j, name);

	ck_assert_int_eq(got, json_is_boolean(v) ? json_boolean_value(v) : -1);
}

static void
vector_check(const char *path, const json_t *want)
{
	char key[] = "a0af031289f5d5d4132f9186068a7fc1"
		     "3628633ba235777472e29b6b6c67a49e";
	struct blob *pem = vector_read(path);
	struct anchors *anchors = anchors_of(key);
	const json_t *list = json_object_get(want, "tcb_components");
	struct chain *c;
	struct pck pck;
	size_t i;

	must(pem != NULL);
	must(chain_read(blob_span(pem), CHAIN_PCK, anchors, NULL, NULL, &c,
		 NULL) == ERR_OK);
	ck_assert(pck_read(c->x[0], &pck, NULL) == ERR_OK);
	hex_check(want, "fmspc", pck.fmspc, 6);
	hex_check(want, "pceid", pck.pceid, 2);
	hex_check(want, "ppid", pck.ppid, 16);
	hex_check(want, "cpusvn", pck.cpusvn, 16);
	ck_assert_uint_eq(json_array_size(list), 16);
	for (i = 0; i < 16; i++)
		ck_assert_int_eq(json_integer_value(json_array_get(list, i)),
		    pck.comp[i]);
	ck_assert_int_eq(pck.pcesvn,
	    json_integer_value(json_object_get(want, "pcesvn")));
	ck_assert_int_eq(pck.sgx_type,
	    json_integer_value(json_object_get(want, "sgx_type")));
	ck_assert(pck_svn_agrees(&pck));
	ck_assert(pck.has_instance == (chain_pck_ca(c) == PCK_CA_PLATFORM));
	if (json_object_get(want, "platform_instance_id") != NULL)
		hex_check(want, "platform_instance_id", pck.instance, 16);
	flag_check(want, "dynamic_platform", pck.dynamic_platform);
	flag_check(want, "cached_keys", pck.cached_keys);
	flag_check(want, "smt_enabled", pck.smt_enabled);
	chain_unref(c);
	anchors_free(anchors);
	blob_unref(pem);
}

START_TEST(test_genuine_extensions_as_recorded)
{
	static const char *const tees[] = { "sgx", "tdx" };
	size_t total = 0;
	char path[200];

	for (size_t t = 0; t < 2; t++) {
		struct blob *text;
		json_t *j, *q;
		const char *name;

		snprintf(path, sizeof(path), "%s/quotes.json", tees[t]);
		text = vector_read(path);
		j = json_loads((const char *)text->data, 0, NULL);
		json_object_foreach(json_object_get(j, "quotes"), name, q)
		{
			const json_t *want = json_object_get(q, "pck");

			/* certification data of another type have no chain */
			if (!json_is_object(want) ||
			    strstr(name, "padded") != NULL)
				continue;
			snprintf(path, sizeof(path), "%s/pck/%.*s.pem", tees[t],
			    (int)(strlen(name) - strlen("quotes/.dat")),
			    name + strlen("quotes/"));
			vector_check(path, want);
			total++;
		}
		json_decref(j);
		blob_unref(text);
	}
	ck_assert_uint_eq(total, 25);
}
END_TEST

/* The pckcerts body that PCS would give for one genuine leaf. */
static struct blob *
body_of(const X509 *x, const struct pck *pck)
{
	struct buf b = BUF_INIT, pem = BUF_INIT;
	struct blob *der = pki_der((X509 *)(uintptr_t)x);
	int i;

	buf_str(&b, "[{\"tcb\":{");
	for (i = 0; i < 16; i++)
		buf_printf(&b, "\"sgxtcbcomp%02dsvn\":%u,", i + 1,
		    pck->comp[i]);
	buf_printf(&b, "\"pcesvn\":%u},\"tcbm\":\"", pck->pcesvn);
	buf_hex(&b, span_of(pck->cpusvn, 16));
	buf_printf(&b, "%02x%02x\",\"cert\":\"", pck->pcesvn & 0xff,
	    pck->pcesvn >> 8);
	pem_write(&pem, "CERTIFICATE", blob_span(der));
	buf_pct(&b, buf_view(&pem));
	buf_str(&b, "\"}]");
	buf_free(&pem);
	blob_unref(der);
	return buf_blob(&b);
}

static void
genuine_check(const char *path, const struct anchors *intel)
{
	struct blob *pem = vector_read(path), *body, *up;
	struct chain *whole, *ca;
	struct pck_set *set;
	struct buf b = BUF_INIT;
	struct why why = { 0 };
	struct pck pck;
	int i;

	must(chain_read(blob_span(pem), CHAIN_PCK, intel, NULL, NULL, &whole,
		 NULL) == ERR_OK);
	must(pck_read(whole->x[0], &pck, NULL) == ERR_OK);
	for (i = 1; i < 3; i++) {
		up = pki_pem(whole->x[i]);
		buf_span(&b, blob_span(up));
		blob_unref(up);
	}
	must(chain_read(buf_view(&b), CHAIN_PCK_CA, intel, NULL, NULL, &ca,
		 NULL) == ERR_OK);
	body = body_of(whole->x[0], &pck);
	ck_assert_msg(pck_set_read(blob_span(body), ca, pck.pceid, NULL, &set,
			  &why) == ERR_OK,
	    "%s: %s", path, why.text);
	ck_assert_uint_eq(set->n, 1);
	up = pki_der(whole->x[0]);
	ck_assert(span_eq(blob_span(set->certs[0].der), blob_span(up)));
	blob_unref(up);
	ck_assert_mem_eq(set->ppid, pck.ppid, 16);
	ck_assert_mem_eq(set->fmspc, pck.fmspc, 6);
	pck_set_unref(set);
	chain_unref(ca);
	chain_unref(whole);
	buf_free(&b);
	blob_unref(body);
	blob_unref(pem);
}

START_TEST(test_genuine_certificates_make_sets)
{
	static const char *const folders[] = { "sgx/pck", "tdx/pck" };
	struct anchors *intel = anchors_of("a0af031289f5d5d4132f9186068a7fc1"
					   "3628633ba235777472e29b6b6c67a49e");
	size_t i, n, total = 0;

	for (size_t t = 0; t < 2; t++) {
		char **names = vnames(folders[t], &n);

		for (i = 0; i < n; i++, total++)
			genuine_check(names[i], intel);
		vnames_free(names, n);
	}
	ck_assert_uint_eq(total, 25);
	anchors_free(intel);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("pck");
	TCase *t = tcase_create("made"), *v;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_facts_of_both_cas);
	tcase_add_test(t, test_components_and_cpusvn_are_two_facts);
	tcase_add_test(t, test_unknown_members_are_noted);
	tcase_add_test(t, test_twisted_extensions_are_refused);
	tcase_add_test(t, test_truncated_and_longer_extensions_are_refused);
	tcase_add_test(t, test_certificate_without_or_with_two_is_refused);
	tcase_add_test(t, test_flipped_extensions_give_other_facts);
	suite_add_tcase(s, t);
	if (!vectors_present())
		return s;
	v = tcase_create("vectors");
	tcase_add_test(v, test_genuine_extensions_as_recorded);
	tcase_add_test(v, test_genuine_certificates_make_sets);
	suite_add_tcase(s, v);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	vectors_skipped(2);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
