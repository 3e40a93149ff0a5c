/* The exact PEM scanner (quote-verification 14), windows and status words. */
#include "config/base/clock.h"
#include "config/base/must.h"
#include "storage/verify/verify.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define B "-----BEGIN CERTIFICATE-----\n"
#define E "-----END CERTIFICATE-----"

/* Read all blocks; their octets, joined by '|', are appended. */
static enum err
read_all(struct span s, struct buf *out)
{
	struct buf der = BUF_INIT;
	struct why why = { 0 };
	enum err e;

	do {
		if ((e = pem_next(&s, "CERTIFICATE", &der, &why)) != ERR_OK)
			break;
		buf_span(out, buf_view(&der));
		buf_str(out, "|");
	} while (span_starts(s, "-----BEGIN"));
	if (e == ERR_OK)
		e = pem_end(s, &why);
	if (e != ERR_OK) {
		ck_assert_int_eq(why.err, e);
		ck_assert_str_ne(why.text, "");
	}
	buf_free(&der);
	return e;
}

START_TEST(test_blocks_are_read)
{
	static const struct {
		const char *text, *octets;
	} cases[] = {
		{ B "bGFyZGVy\n" E, "larder|" },
		{ B "bGFyZGVy\n" E "\n", "larder|" },
		{ B "bGFyZGVy\n" E "\r\n\n", "larder|" },
		{ "-----BEGIN CERTIFICATE-----\r\nbGFyZGVy\r\n" E "\r\n",
		    "larder|" },
		{ B "bGFy\nZGVy\n" E "\n", "larder|" },
		{ B "bGFyZGU=\n" E "\n", "larde|" },
		{ B "bGFy\n" E "\n" B "ZGVy\n" E, "lar|der|" },
		{ B "bGFy\n" E "\n\r\n" B "ZGVy\n" E "\n", "lar|der|" },
	};
	struct buf out = BUF_INIT;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		out.len = 0;
		ck_assert_msg(read_all(span_str(cases[i].text), &out) == ERR_OK,
		    "case %zu", i);
		ck_assert(span_eq_str(buf_view(&out), cases[i].octets));
	}
	out.len = 0;
	ck_assert(read_all(span_of(B "bGFy\n" E "\n\0\0",
			       sizeof(B "bGFy\n" E "\n\0\0")),
		      &out) == ERR_OK);
	buf_free(&out);
}
END_TEST

START_TEST(test_other_texts_are_refused)
{
	static const char *const cases[] = {
		"",
		"\n",
		"x",
		"\n" B "bGFy\n" E,
		" " B "bGFy\n" E,
		"subject=x\n" B "bGFy\n" E,
		B,
		B "bGFy\n",
		B E,
		B "bGFy" E,
		B "bGF\n" E,
		B "bGFy\n-----END CERTIFICATE----\n",
		B "bGFy\n-----END X509 CRL-----\n",
		B "bGFy\n " E,
		B "bGFy\n" E " ",
		B "bGFy\n" E "x",
		B "bGFy\n" E "\nx",
		B "bGFy\n" E "\n" E,
		B "bGFy\n" E "\n" B,
		B "bG Fy\n" E,
		B "bGFy\n\n" E,
		B "\nbGFy\n" E,
		B "bGFy\t\n" E,
		B "Proc-Type: 4\nbGFy\n" E,
		B "bG-_\n" E,
		B "bGFyZGV=\n" E,
		B "bGFyZGVy====\n" E,
		B "=\n" E,
		"-----BEGIN CERTIFICATE----- \nbGFy\n" E,
		"-----BEGIN TRUSTED CERTIFICATE-----\nbGFy\n"
		"-----END TRUSTED CERTIFICATE-----\n",
		"-----BEGIN X509 CERTIFICATE-----\nbGFy\n"
		"-----END X509 CERTIFICATE-----\n",
		"-----begin certificate-----\nbGFy\n" E,
		"-----BEGIN CERTIFICATE-----bGFy\n" E,
	};
	struct buf out = BUF_INIT;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(read_all(span_str(cases[i]), &out) == ERR_FORMAT,
		    "accepted: %s", cases[i]);
	/* NUL between blocks, and junk behind NULs */
	ck_assert(read_all(span_of(B "bGFy\n" E "\n\0x",
			       sizeof(B "bGFy\n" E "\n\0x") - 1),
		      &out) == ERR_FORMAT);
	buf_free(&out);
}
END_TEST

START_TEST(test_written_block_is_read_again)
{
	unsigned char octets[200];
	struct buf text = BUF_INIT, der = BUF_INIT;
	struct span s;
	size_t n;

	for (n = 0; n < sizeof(octets); n++)
		octets[n] = (unsigned char)(n * 37);
	for (n = 1; n <= sizeof(octets); n++) {
		text.len = 0;
		pem_write(&text, "X509 CRL", span_of(octets, n));
		s = buf_view(&text);
		ck_assert(pem_next(&s, "X509 CRL", &der, NULL) == ERR_OK);
		ck_assert_uint_eq(s.len, 0);
		ck_assert(span_eq(buf_view(&der), span_of(octets, n)));
	}
	ck_assert_ptr_nonnull(
	    strstr(text.p, "-----BEGIN X509 CRL-----\nACVKb5S53gMo"));
	ck_assert_str_eq(text.p + text.len - 24, "\n-----END X509 CRL-----\n");
	buf_free(&text);
	buf_free(&der);
}
END_TEST

START_TEST(test_windows)
{
	struct window w = WINDOW_ALL;
	struct why why = { 0 };

	ck_assert(window_check(&w, 0, 0, "x", &why) == ERR_OK);
	ck_assert(window_check(&w, INT64_MAX - 1, 0, "x", &why) == ERR_OK);
	window_cut(&w, 100, 200);
	window_cut(&w, 50, 300);
	ck_assert_int_eq(w.from, 100);
	ck_assert_int_eq(w.until, 200);
	window_cut(&w, 150, 180);
	ck_assert(window_check(&w, 149, 0, "x", &why) == ERR_NOT_YET);
	ck_assert(window_check(&w, 150, 0, "x", &why) == ERR_OK);
	ck_assert(window_check(&w, 179, 0, "x", &why) == ERR_OK);
	ck_assert(window_check(&w, 180, 0, "CRL", &why) == ERR_EXPIRED);
	ck_assert_str_eq(why.text, "CRL expired at 1970-01-01T00:03:00Z");
	/* a skew forgives the start only */
	ck_assert(window_check(&w, 140, 10, "x", &why) == ERR_OK);
	ck_assert(window_check(&w, 139, 10, "x", &why) == ERR_NOT_YET);
	ck_assert(window_check(&w, 180, 10, "x", &why) == ERR_EXPIRED);
	/* never valid: pieces that have no second in common */
	window_cut(&w, 190, 195);
	ck_assert(window_check(&w, 185, 0, "x", &why) == ERR_EXPIRED);
	ck_assert(window_check(&w, 170, 0, "x", &why) == ERR_NOT_YET);
	/* beyond 32 bits */
	w = (struct window){ 4000000000, 5000000000 };
	ck_assert(window_check(&w, 4500000000, 0, "x", &why) == ERR_OK);
}
END_TEST

START_TEST(test_words)
{
	enum tcb_status s;
	int i;

	for (i = 0; i < TCB_STATUS_N; i++) {
		ck_assert(tcb_status_read(span_str(tcb_status_name(
					      (enum tcb_status)i)),
		    &s));
		ck_assert_int_eq(s, i);
	}
	ck_assert(!tcb_status_read(span_str("uptodate"), &s));
	ck_assert(!tcb_status_read(span_str(""), &s));
	ck_assert(!tcb_status_read(span_str("UpToDate "), &s));
	ck_assert_str_eq(tcb_status_name(TCB_STATUS_N), "?");
	ck_assert_str_eq(tee_name(TEE_SGX), "sgx");
	ck_assert_str_eq(tee_name(TEE_TDX), "tdx");
	ck_assert_str_eq(enclave_name(ENCLAVE_TDQE), "tdqe");
	ck_assert_str_eq(enclave_name(ENCLAVE_N), "?");
	ck_assert_str_eq(pck_ca_name(PCK_CA_PLATFORM), "platform");
	ck_assert_str_eq(pck_ca_name(PCK_CA_PROCESSOR), "processor");
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("pem");
	TCase *t = tcase_create("pem");

	tcase_add_test(t, test_blocks_are_read);
	tcase_add_test(t, test_other_texts_are_refused);
	tcase_add_test(t, test_written_block_is_read_again);
	tcase_add_test(t, test_windows);
	tcase_add_test(t, test_words);
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
