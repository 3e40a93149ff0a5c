/* hosts[]: what may stand there, and whose row a caller's is. */
#include "server/callers.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

#define C16  "0011223344556677"
#define C64  C16 C16 C16 C16
#define C128 C64 C64
#define D128 "f" C64 C16 C16 C16 "001122334455667"

/* A configuration with these rows and three listeners of guests. */
static enum err
rows_read(const char *rows, struct config **out, struct why *why)
{
	struct buf b = BUF_INIT;
	enum err e;

	buf_printf(&b,
	    "{\"listen\":["
	    "{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\"]},"
	    "{\"address\":\"169.254.169.254:80\",\"serve\":[\"thim\"]},"
	    "{\"address\":\"unix:/run/g1\",\"serve\":[\"thim\"]},"
	    "{\"address\":\"[fe80::1]:80\",\"serve\":[\"thim\"]}],"
	    "\"hosts\":%s}",
	    rows);
	e = config_read(buf_view(&b), "t", out, why);
	buf_free(&b);
	return e;
}

static struct callers *
callers_of(const char *rows)
{
	struct config *config = NULL;
	struct why why = { 0 };
	struct callers *cs;

	ck_assert_msg(rows_read(rows, &config, &why) == ERR_OK, "%s", why.text);
	cs = callers_new(config);
	config_unref(config);
	return cs;
}

/* --- the configuration ------------------------------------------------ */

#define ROW(match) "[{\"match\":[" match "],\"qe_id\":[\"*\"]}]"
#define AMD(rest)  "[{\"match\":[\"10.0.0.1\"]," rest "}]"
#define MILAN(tcb)                                                             \
	AMD("\"product\":\"Milan\",\"chip_id\":[\"" C128 "\"],\"tcb\":\"" tcb  \
	    "\"")
#define TURIN(tcb)                                                             \
	AMD("\"product\":\"Turin\",\"chip_id\":[\"" C16 "\"],\"tcb\":\"" tcb   \
	    "\"")

static const struct {
	const char *rows, *text; /* NULL: accepted */
} cases[] = {
	{ "[]", NULL },
	{ "{}", "hosts: must be a list" },
	{ ROW("\"10.0.0.1\""), NULL },
	{ ROW("\"10.0.0.1/32\",\"10.0.0.0/8\",\"0.0.0.0/0\""), NULL },
	{ ROW("\"fd00::1\",\"fd00::/64\",\"::/0\",\"::1\""), NULL },
	{ ROW("\"unix:uid=0\",\"unix:uid=4294967294\""), NULL },
	{ ROW("\"listen:169.254.169.254:80\",\"listen:unix:/run/g1\""), NULL },
	{ ROW(""), "hosts[0].match: must have 1 to 64 items" },
	{ ROW("7"), "hosts[0].match[0]: must be a string" },
	{ "[{\"qe_id\":[\"*\"]}]", "hosts[0].match: is missing" },
	{ ROW("\"\""), "must be \"10.1.0.0/16\"" },
	{ ROW("\"guest\""), "must be \"10.1.0.0/16\"" },
	{ ROW("\"10.0.0.256\""), "must be \"10.1.0.0/16\"" },
	{ ROW("\"10.0.0.1/\""), "must be \"10.1.0.0/16\"" },
	{ ROW("\"10.0.0.0/33\""), "must be \"10.1.0.0/16\"" },
	{ ROW("\"10.0.0.0/08\""), "must be \"10.1.0.0/16\"" },
	{ ROW("\"10.0.0.0/-1\""), "must be \"10.1.0.0/16\"" },
	{ ROW("\"fd00::/129\""), "must be \"10.1.0.0/16\"" },
	{ ROW("\"fe80::1%eth0\""), "must be \"10.1.0.0/16\"" },
	{ ROW("\"10.0.0.1/8\""), "has bits set behind its prefix" },
	{ ROW("\"10.1.0.0/15\""), "has bits set behind its prefix" },
	{ ROW("\"10.2.0.0/15\""), NULL },
	{ ROW("\"fd00::1/127\""), "has bits set behind its prefix" },
	{ ROW("\"fe80::1\""), "link-local IPv6" },
	{ ROW("\"fe80::/10\""), "link-local IPv6" },
	{ ROW("\"fe00::/9\""), NULL },
	{ ROW("\"::ffff:10.0.0.1\""), "write an IPv4 address as one" },
	{ ROW("\"unix:uid=\""), "needs a user's number" },
	{ ROW("\"unix:uid=root\""), "needs a user's number" },
	{ ROW("\"unix:uid=00\""), "needs a user's number" },
	{ ROW("\"unix:uid=4294967295\""), "needs a user's number" },
	{ ROW("\"listen:127.0.0.1:0\""), "no listener at that address" },
	{ ROW("\"listen:169.254.169.254:81\""), "no listener at that" },
	{ ROW("\"listen:\""), "no listener at that address" },
	/* the same caller twice, however it is spelt */
	{ ROW("\"10.0.0.1\",\"10.0.0.1\""), "match[1]: is in hosts[] al" },
	{ ROW("\"10.0.0.1\",\"10.0.0.1/32\""), "match[1]: is in hosts[] al" },
	{ ROW("\"fd00::1\",\"FD00:0::1/128\""), "match[1]: is in hosts[] al" },
	{ ROW("\"unix:uid=7\",\"unix:uid=7\""), "match[1]: is in hosts[] al" },
	{ "[{\"match\":[\"10.0.0.0/8\"],\"qe_id\":[\"A\"]},"
	  "{\"match\":[\"10.0.0.1\",\"10.0.0.0/8\"],\"qe_id\":[\"B\"]}]",
	    "hosts[1].match[1]: is in hosts[] already" },
	{ "[{\"match\":[\"10.0.0.0/8\"],\"qe_id\":[\"A\"]},"
	  "{\"match\":[\"10.0.0.0/9\"],\"qe_id\":[\"B\"]}]",
	    NULL },
	/* chips */
	{ AMD("\"product\":\"Milan\",\"chip_id\":[\"" C128 "\"]"), NULL },
	{ AMD("\"product\":\"siena\",\"chip_id\":[\"" C128 "\",\"" D128 "\"]"),
	    NULL },
	{ AMD("\"product\":\"Turin\",\"chip_id\":[\"" C16 "\"]"), NULL },
	{ AMD("\"product\":\"Turin\",\"chip_id\":[\"" C128 "\"]"),
	    "hosts[0].chip_id[0]: must be 16 hex digits for Turin" },
	{ AMD("\"product\":\"Milan\",\"chip_id\":[\"" C128 "\",\"" C16 "\"]"),
	    "hosts[0].chip_id[1]: must be 128 hex digits for Milan" },
	{ AMD("\"product\":\"Venice\",\"chip_id\":[\"" C16 "\"]"),
	    "hosts[0].product: must be \"Milan\"" },
	{ AMD("\"product\":\"Milan\",\"chip_id\":[\"" C64 "\"]"),
	    "chip_id[0]: must be 128 hex digits, or 16" },
	{ AMD("\"product\":\"Turin\",\"chip_id\":[\"0000000000000000\"]"),
	    "is all zeros" },
	{ AMD("\"product\":\"Turin\",\"chip_id\":[\"" C16 "\",\"" C16 "\"]"),
	    "chip_id[1]: is there already" },
	{ AMD("\"chip_id\":[\"" C16 "\"]"), "hosts[0].product: is missing" },
	{ AMD("\"product\":\"Milan\""), "hosts[0].chip_id: is missing" },
	{ AMD("\"tcb\":\"auto\""), "hosts[0]: needs chip_id or qe_id" },
	{ AMD("\"qe_id\":[\"A\"],\"tcb\":\"0123456789abcdef\""), NULL },
	{ AMD("\"qe_id\":[\"A\"],\"tcb\":\"0123456789abcde\""),
	    "hosts[0].tcb: must be 16 hex digits" },
	{ MILAN("DB18000000000004"), NULL },
	{ MILAN("ff7f000000007f7f"), NULL },
	{ MILAN("DB80000000000004"), "hosts[0].tcb: is no TCB of Milan" },
	{ MILAN("DB18010000000004"), "hosts[0].tcb: is no TCB of Milan" },
	{ MILAN("DB18000000010004"), "hosts[0].tcb: is no TCB of Milan" },
	{ MILAN("DB18000000008004"), "hosts[0].tcb: is no TCB of Milan" },
	{ MILAN("DB180000000000C8"), "hosts[0].tcb: is no TCB of Milan" },
	{ TURIN("5100000004010101"), NULL },
	{ TURIN("ff0000007f7f7f7f"), NULL },
	{ TURIN("5101000004010101"), "hosts[0].tcb: is no TCB of Turin" },
	{ TURIN("5100000104010101"), "hosts[0].tcb: is no TCB of Turin" },
	{ TURIN("5100000080010101"), "hosts[0].tcb: is no TCB of Turin" },
	{ TURIN("5100000004010180"), "hosts[0].tcb: is no TCB of Turin" },
	{ AMD("\"qe_id\":[\"\"]"), "qe_id[0]: must be 1 to 260" },
	{ AMD("\"qe_id\":[\"a b\"]"), "qe_id[0]: must be printable" },
	{ AMD("\"qe\":[\"a\"]"), "qe: unknown" },
};

START_TEST(test_rows_are_checked)
{
	struct config *config = NULL;
	struct why why = { 0 };
	enum err e = rows_read(cases[_i].rows, &config, &why);

	if (cases[_i].text == NULL) {
		ck_assert_msg(e == ERR_OK, "%s: %s", cases[_i].rows, why.text);
		config_unref(config);
	} else {
		ck_assert_msg(e == ERR_CONFIG, "%s: accepted", cases[_i].rows);
		ck_assert_msg(strstr(why.text, cases[_i].text) != NULL,
		    "%s: %s", cases[_i].rows, why.text);
	}
}
END_TEST

static char *
dump(const struct config *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(f);
	config_write(c, f);
	ck_assert_int_eq(fclose(f), 0);
	return text;
}

START_TEST(test_rows_are_printed_as_they_count)
{
	struct config *config = NULL, *again = NULL;
	struct why why = { 0 };
	char *text, *second;

	ck_assert_int_eq(rows_read(AMD("\"product\":\"BERGAMO\","
				       "\"chip_id\":[\"" D128 "\"],"
				       "\"tcb\":\"db18000000000004\","
				       "\"qe_id\":[\"ab\"]"),
			     &config, &why),
	    ERR_OK);
	ck_assert_str_eq(config->hosts[0].product, "Genoa");
	ck_assert_str_eq(config->hosts[0].chip_id.v[0], D128);
	ck_assert_str_eq(config->hosts[0].tcb, "DB18000000000004");
	ck_assert_str_eq(config->hosts[0].qe_id.v[0], "AB");
	text = dump(config);
	ck_assert_int_eq(config_read(span_str(text), "t", &again, &why),
	    ERR_OK);
	second = dump(again);
	ck_assert_str_eq(text, second);
	free(text);
	free(second);
	config_unref(config);
	config_unref(again);
}
END_TEST

/* Clear text without allow_clear: guests alone, on their own link. */
static const struct {
	const char *listen;
	bool ok;
} clear[] = {
	{ "\"169.254.169.254:80\",\"serve\":[\"thim\"]", true },
	{ "\"[fe80::1]:80\",\"serve\":[\"thim\"]", true },
	{ "\"[febf::1]:80\",\"serve\":[\"thim\"]", true },
	{ "\"169.254.169.254:80\",\"serve\":[\"thim\",\"pccs\"]", false },
	{ "\"169.254.169.254:80\",\"serve\":[\"pccs\"]", false },
	{ "\"169.255.169.254:80\",\"serve\":[\"thim\"]", false },
	{ "\"10.0.0.1:80\",\"serve\":[\"thim\"]", false },
	{ "\"[fec0::1]:80\",\"serve\":[\"thim\"]", false },
	{ "\"10.0.0.1:80\",\"serve\":[\"thim\"],\"allow_clear\":true", true },
};

START_TEST(test_clear_text_on_a_link_local_address)
{
	struct config *config = NULL;
	struct why why = { 0 };
	struct buf b = BUF_INIT;
	enum err e;

	buf_printf(&b, "{\"listen\":[{\"address\":%s}]}", clear[_i].listen);
	e = config_read(buf_view(&b), "t", &config, &why);
	ck_assert_int_eq(e, clear[_i].ok ? ERR_OK : ERR_CONFIG);
	if (e != ERR_OK)
		ck_assert_ptr_nonnull(strstr(why.text, "clear text"));
	config_unref(config);
	buf_free(&b);
}
END_TEST

/* What -t warns of. */
static void
check_warning(const char *text, const char *warning)
{
	struct config *config = NULL;
	struct why why = { 0 };
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	ck_assert_int_eq(config_read(span_str(text), "t", &config, &why),
	    ERR_OK);
	config_warn(config, f);
	ck_assert_int_eq(fclose(f), 0);
	if (warning == NULL)
		ck_assert_str_eq(out, "");
	else
		ck_assert_ptr_nonnull(strstr(out, warning));
	free(out);
	config_unref(config);
}

START_TEST(test_rows_without_a_listener_and_the_reverse_are_warned_of)
{
	check_warning("{}", NULL);
	check_warning("{\"hosts\":" ROW("\"10.0.0.1\"") "}",
	    "no listener serves \"thim\"");
	check_warning("{\"listen\":[{\"address\":\"127.0.0.1:0\","
		      "\"serve\":[\"thim\"]}]}",
	    "every caller is refused");
	check_warning("{\"listen\":[{\"address\":\"127.0.0.1:0\","
		      "\"serve\":[\"thim\"]}],"
		      "\"hosts\":" ROW("\"10.0.0.1\"") "}",
	    NULL);
}
END_TEST

/* --- looking up ------------------------------------------------------- */

static const char table[] =
    "[{\"match\":[\"10.0.0.0/8\"],\"qe_id\":[\"EIGHT\"]},"
    "{\"match\":[\"10.1.0.0/16\",\"fd00::/16\"],\"qe_id\":[\"SIXTEEN\"]},"
    "{\"match\":[\"10.1.2.3\",\"fd00::1\"],\"qe_id\":[\"ONE\"]},"
    "{\"match\":[\"10.1.2.128/25\",\"fd00::8000:0/97\"],"
    "\"qe_id\":[\"HALF\"]},"
    "{\"match\":[\"unix:uid=1000\"],\"qe_id\":[\"USER\"]},"
    "{\"match\":[\"listen:unix:/run/g1\",\"listen:[fe80::1]:80\"],"
    "\"qe_id\":[\"LISTEN\"]}]";

static const struct {
	unsigned listener;
	const char *peer, *row; /* NULL: none */
} who[] = {
	{ 1, "10.1.2.3", "ONE" },
	{ 1, "10.1.2.4", "SIXTEEN" },
	{ 1, "10.1.2.127", "SIXTEEN" },
	{ 1, "10.1.2.128", "HALF" },
	{ 1, "10.1.2.255", "HALF" },
	{ 1, "10.2.2.3", "EIGHT" },
	{ 1, "11.1.2.3", NULL },
	{ 1, "9.255.255.255", NULL },
	{ 1, "::ffff:10.1.2.3", "ONE" },
	{ 1, "::ffff:10.2.2.3", "EIGHT" },
	{ 1, "::ffff:11.1.2.3", NULL },
	{ 1, "::10.1.2.3", NULL },
	{ 1, "fd00::1", "ONE" },
	{ 1, "fd00::2", "SIXTEEN" },
	{ 1, "fd00::8000:1", "HALF" },
	{ 1, "fd01::1", NULL },
	{ 1, "::1", NULL },
	{ 1, "fe80::1", NULL },
	{ 1, "unix:uid=1000", "USER" },
	{ 1, "unix:uid=1001", NULL },
	{ 1, "unix:uid=0", NULL },
	{ 1, "unix", NULL },
	{ 1, "", NULL },
	/* as a row's own text, but no peer's name */
	{ 1, "listen:unix:/run/g1", NULL },
	{ 1, "10.0.0.0/8", NULL },
	/* the listener goes before whatever the peer is */
	{ 2, "unix:uid=1000", "LISTEN" },
	{ 2, "unix:uid=1001", "LISTEN" },
	{ 3, "fe80::1234", "LISTEN" },
	{ 3, "10.1.2.3", "LISTEN" },
	{ 0, "10.1.2.3", "ONE" },
	{ 99, "10.1.2.3", "ONE" },
};

START_TEST(test_the_narrowest_row_counts)
{
	struct callers *cs = callers_of(table);
	const struct caller *c;

	c = callers_find(cs, who[_i].listener, who[_i].peer);
	if (who[_i].row == NULL) {
		ck_assert_ptr_null(c);
	} else {
		ck_assert_ptr_nonnull(c);
		ck_assert_str_eq(c->row->qe_id.v[0], who[_i].row);
	}
	callers_free(cs);
}
END_TEST

START_TEST(test_no_rows_no_callers)
{
	struct callers *cs = callers_of("[]");
	size_t n = 7;

	ck_assert_ptr_null(callers_find(cs, 1, "10.0.0.1"));
	ck_assert_ptr_null(callers_find(cs, 2, "unix:uid=0"));
	(void)callers_rows(cs, &n);
	ck_assert_uint_eq(n, 0);
	callers_free(cs);
	callers_free(NULL);
}
END_TEST

START_TEST(test_any_source)
{
	struct callers *cs = callers_of(ROW("\"0.0.0.0/0\""));

	ck_assert_ptr_nonnull(callers_find(cs, 1, "203.0.113.9"));
	ck_assert_ptr_null(callers_find(cs, 1, "2001:db8::1"));
	ck_assert_ptr_null(callers_find(cs, 2, "unix:uid=0"));
	callers_free(cs);
}
END_TEST

/* --- what a row allows ------------------------------------------------ */

static bool
has_chip(const struct caller *c, const char *hex, size_t *i)
{
	unsigned char b[AMD_HWID_MAX];
	size_t len = strlen(hex) / 2;

	ck_assert_int_eq(hex_read(span_str(hex), b, len), ERR_OK);
	return caller_has_chip(c, span_of(b, len), i);
}

START_TEST(test_a_row_with_two_sockets)
{
	struct callers *cs =
	    callers_of(AMD("\"product\":\"Milan\",\"tcb\":\"7308000000000003\","
			   "\"chip_id\":[\"" C128 "\",\"" D128 "\"]"));
	const struct caller *c = callers_find(cs, 1, "10.0.0.1");
	char tcbm[17];
	size_t i = 9;

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(c->product, AMD_MILAN);
	ck_assert_uint_eq(c->n_chips, 2);
	ck_assert(!c->tcb_auto);
	amd_tcb_write(c->tcb, tcbm);
	ck_assert_str_eq(tcbm, "7308000000000003");
	ck_assert(has_chip(c, C128, &i) && i == 0);
	ck_assert(has_chip(c, D128, &i) && i == 1);
	ck_assert(!has_chip(c, C16, &i));
	ck_assert(!has_chip(c, C64, &i));
	callers_free(cs);
}
END_TEST

#define ZEROS "00000000000000000000000000000000000000000000000000000000"

START_TEST(test_turins_long_and_short_chip_id)
{
	struct callers *cs =
	    callers_of(AMD("\"product\":\"Turin\",\"chip_id\":[\"" C16 "\"]"));
	const struct caller *c = callers_find(cs, 1, "10.0.0.1");
	size_t i = 9;

	ck_assert_ptr_nonnull(c);
	ck_assert(c->tcb_auto);
	ck_assert_uint_eq(caller_chip(c, 0).len, 8);
	ck_assert(has_chip(c, C16, &i) && i == 0);
	ck_assert(has_chip(c, C16 ZEROS ZEROS, &i) && i == 0);
	ck_assert(!has_chip(c, C128, &i));
	ck_assert(!has_chip(c, "1011223344556677", &i));
	callers_free(cs);
}
END_TEST

START_TEST(test_qe_ids)
{
	struct callers *cs = callers_of(
	    "[{\"match\":[\"10.0.0.1\"],\"qe_id\":[\"AB12\",\"cd34\"]},"
	    "{\"match\":[\"10.0.0.2\"],\"qe_id\":[\"*\"]},"
	    "{\"match\":[\"10.0.0.3\"],\"product\":\"Turin\","
	    "\"chip_id\":[\"" C16 "\"]}]");
	const struct caller *c = callers_find(cs, 1, "10.0.0.1");

	ck_assert(caller_has_qe_id(c, "AB12"));
	ck_assert(caller_has_qe_id(c, "ab12"));
	ck_assert(caller_has_qe_id(c, "CD34"));
	ck_assert(!caller_has_qe_id(c, "AB1"));
	ck_assert(!caller_has_qe_id(c, "*"));
	c = callers_find(cs, 1, "10.0.0.2");
	ck_assert_int_eq(c->product, AMD_PRODUCT_N);
	ck_assert(caller_has_qe_id(c, "whatever"));
	c = callers_find(cs, 1, "10.0.0.3");
	ck_assert(!caller_has_qe_id(c, "AB12"));
	callers_free(cs);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("callers");
	TCase *tc = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_add_loop_test(tc, test_rows_are_checked, 0, N(cases));
	tcase_add_test(tc, test_rows_are_printed_as_they_count);
	tcase_add_loop_test(tc, test_clear_text_on_a_link_local_address, 0,
	    N(clear));
	tcase_add_test(tc,
	    test_rows_without_a_listener_and_the_reverse_are_warned_of);
	tcase_add_loop_test(tc, test_the_narrowest_row_counts, 0, N(who));
	tcase_add_test(tc, test_no_rows_no_callers);
	tcase_add_test(tc, test_any_source);
	tcase_add_test(tc, test_a_row_with_two_sockets);
	tcase_add_test(tc, test_turins_long_and_short_chip_id);
	tcase_add_test(tc, test_qe_ids);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
