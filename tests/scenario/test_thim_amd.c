/*
 * The metadata service for SNP guests: every row of amd-kds 8.2 with its
 * tampered twin, the bodies of a real one byte for byte, and what a guest
 * may choose.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/mbox.h"
#include "config/base/must.h"
#include "tests/kit/baseline.h"
#include "tests/kit/keep.h"
#include "tests/kit/vectors.h"

#include <arpa/inet.h>
#include <check.h>
#include <jansson.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N(a)   ((int)(sizeof(a) / sizeof((a)[0])))
#define ROUTE  "/metadata/THIM/amd/certification"
#define META   "Metadata: true\r\n"
#define LISTEN "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"thim\",\"admin\"]}]"

static struct house h;

/* --- seeding ---------------------------------------------------------- */

struct admit {
	struct msg msg;
	struct loop *loop;
	struct coll_raw raw;
	struct why why;
	enum err err;
};

static void
admit_cb(void *arg, enum err e, const struct why *why, struct coll *coll)
{
	struct admit *a = arg;

	(void)coll;
	a->err = e;
	if (why != NULL)
		a->why = *why;
	loop_stop(a->loop);
}

static void
admit_run(struct msg *m)
{
	struct admit *a = msg_of(m, struct admit, msg);

	storage_admit(h.storage, &a->raw, admit_cb, a);
}

/* Through the gate, as if upstream had sent it.  Takes the body. */
static void
seed(struct coll_key key, struct blob *body)
{
	struct admit a = { .loop = loop_new("seed") };

	a.raw = (struct coll_raw){ .key = key,
		.body = blob_span(body),
		.source = "test",
		.fetched_at = clock_now() };
	msg_send(a.loop, &a.msg, admit_run);
	loop_run(a.loop);
	loop_free(a.loop);
	ck_assert_msg(a.err == ERR_OK, "%s: %s", key.text, a.why.text);
	blob_unref(body);
}

/* What was seeded: made again, it would be signed anew. */
static struct {
	struct coll_key key;
	struct blob *body;
} seeded[8];
static size_t n_seeded;

static void
seed_kept(struct coll_key key, struct blob *body)
{
	must(n_seeded < sizeof(seeded) / sizeof(seeded[0]));
	seeded[n_seeded].key = key;
	seeded[n_seeded++].body = keep_blob(body);
	seed(key, blob_ref(body));
}

static const struct blob *
seeded_get(struct coll_key key)
{
	size_t i;

	for (i = 0; i < n_seeded; i++)
		if (strcmp(seeded[i].key.text, key.text) == 0)
			return seeded[i].body;
	ck_abort_msg("%s was not seeded", key.text);
}

static void
seed_chain(enum amd_product product)
{
	struct pki_amd_chain spec = { .product = product, .side = AMD_VCEK };

	seed_kept(key_amd_chain(product, AMD_VCEK),
	    pki_amd_chain(sim_amd(h.sim), &spec));
}

static struct coll_key
chip_key(const struct sim_chip *c)
{
	return key_vcek(c->product, span_of(c->hwid, amd_hwid_len(c->product)),
	    c->tcb);
}

static void
seed_chip(const struct sim_chip *c)
{
	struct pki_vek spec = sim_chip_vek(c);

	seed_kept(chip_key(c), pki_vek(sim_amd(h.sim), &spec));
}

static const char *
tcbm_of(const struct sim_chip *c)
{
	char text[17];

	amd_tcb_write(c->tcb, text);
	return keep_printf("%s", text);
}

/* A row for a caller: up to two chips, tcb NULL: auto. */
static char *
row(const char *match, const struct sim_chip *a, const struct sim_chip *b,
    const char *tcb)
{
	return keep_printf("{\"match\":[\"%s\"],\"product\":\"%s\","
			   "\"chip_id\":[\"%s\"%s%s%s],\"tcb\":\"%s\"}",
	    match, amd_product_name(a->product), a->hex, b == NULL ? "" : ",\"",
	    b == NULL ? "" : b->hex, b == NULL ? "" : "\"",
	    tcb == NULL ? "auto" : tcb);
}

/* What a house of this file is: nobody upstream unless it says so. */
static struct house_opts
opts(const char *rows)
{
	return (struct house_opts){ .listen = LISTEN,
		.mode = "offline",
		.members = keep_printf("\"hosts\":[%s]", rows) };
}

/* A chip, its VCEK held, its row with a fixed TCB. */
static struct sim_chip
start(enum sim_chip_kind kind)
{
	struct sim_chip c = sim_chip(SIM_CHIP(kind, 1));
	struct house_opts o = opts(row("127.0.0.1", &c, NULL, tcbm_of(&c)));

	house_start(&h, &o);
	seed_chain(c.product);
	seed_chip(&c);
	/* so that every worker has the newest snapshot */
	house_restart(&h, &o);
	return c;
}

/* --- asking ----------------------------------------------------------- */

static struct edge_reply
ask(const char *method, const char *query, const char *headers)
{
	return keep(house_send(&h, method, keep_printf(ROUTE "%s", query),
	    headers, SPAN_NONE));
}

static struct edge_reply
get(const char *query)
{
	return ask("GET", query, META);
}

/* {"error":...,"error_description":...} and nothing of a certificate. */
static void
check_error(struct edge_reply r, int status, const char *code, const char *text)
{
	json_t *o;

	ck_assert_msg(r.status == status, "%s%s", r.text, r.body);
	expect_header(&r, "Content-Type", "application/json; charset=utf-8");
	expect_header(&r, "Larder-Reason", code);
	expect_header(&r, "Cache-Control", "no-store");
	o = keep_json(json_loadb(r.body, r.len, JSON_REJECT_DUPLICATES, NULL));
	ck_assert_ptr_nonnull(o);
	ck_assert_uint_eq(json_object_size(o), 2);
	ck_assert_str_eq(json_string_value(json_object_get(o, "error")), code);
	ck_assert_str_eq(json_string_value(
			     json_object_get(o, "error_description")),
	    text);
	ck_assert_int_eq(has_header(&r, "Retry-After"), status == 503);
}

/* A member of an answer; borrowed. */
static const char *
member(const struct edge_reply *r, const char *name)
{
	json_t *o = keep_json(json_loadb(r->body, r->len, 0, NULL));
	const char *s = json_string_value(json_object_get(o, name));

	ck_assert_msg(s != NULL, "%s in %s", name, r->body);
	return s;
}

static void
check_tcbm(struct edge_reply r, const char *tcbm)
{
	ck_assert_msg(r.status == 200, "%s", r.text);
	ck_assert_str_eq(member(&r, "tcbm"), tcbm);
}

/* Certificates of a text, one after the other; the caller's. */
static int
certs_of(const char *pem, X509 *out[4])
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	int n = 0;

	while (n < 4 &&
	       (out[n] = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		n++;
	BIO_free(bio);
	return n;
}

/* Leaf and chain put together are three certificates that verify
 * (amd-kds 10.11). */
static void
check_verifies(const struct edge_reply *r)
{
	char *pem = keep_printf("%s%s", member(r, "vcekCert"),
	    member(r, "certificateChain"));
	X509 *x[4];
	int i, n = certs_of(pem, x);

	ck_assert_int_eq(n, 3);
	for (i = 0; i < n; i++)
		ck_assert_int_eq(X509_verify(x[i],
				     X509_get0_pubkey(x[i == 2 ? 2 : i + 1])),
		    1);
	for (i = 0; i < n; i++)
		X509_free(x[i]);
}

/* The body from its parts, as 8.2 has it. */
static char *
want_body(const struct sim_chip *c, const char *age)
{
	const struct blob *der = seeded_get(chip_key(c));
	const struct blob *chain =
	    seeded_get(key_amd_chain(c->product, AMD_VCEK));
	const unsigned char *p = der->data;
	X509 *x = d2i_X509(NULL, &p, (long)der->len);
	BIO *bio = BIO_new(BIO_s_mem());
	struct buf b = BUF_INIT;
	char *pem, *text;
	long len;
	size_t i;

	must(PEM_write_bio_X509(bio, x) == 1);
	len = BIO_get_mem_data(bio, &pem);
	buf_str(&b, "{\"vcekCert\":\"");
	for (i = 0; i < (size_t)len; i++)
		buf_printf(&b, pem[i] == '\n' ? "\\n" : "%c", pem[i]);
	buf_printf(&b, "\",\"tcbm\":\"%s\",\"certificateChain\":\"",
	    tcbm_of(c));
	for (i = 0; i < chain->len; i++)
		if (chain->data[i] != '\r')
			buf_printf(&b, chain->data[i] == '\n' ? "\\n" : "%c",
			    chain->data[i]);
	buf_printf(&b, "\",\"cacheControl\":\"%s\"}", age);
	text = keep_printf("%.*s", (int)b.len, b.p);
	buf_free(&b);
	BIO_free(bio);
	X509_free(x);
	return text;
}

/* Too long for Check to quote. */
static void
check_body(const struct edge_reply *r, const char *want)
{
	ck_assert_int_eq(r->status, 200);
	ck_assert_uint_eq(r->len, strlen(want));
	ck_assert(strcmp(r->body, want) == 0);
}

/* --- the answer ------------------------------------------------------- */

static const enum sim_chip_kind kinds[] = { SIM_CHIP_MILAN, SIM_CHIP_GENOA,
	SIM_CHIP_TURIN };

START_TEST(test_the_answer_of_each_product)
{
	struct sim_chip c = start(kinds[_i]);
	struct edge_reply r = get(""), again;

	ck_assert_msg(r.status == 200, "%s", r.text);
	expect_header(&r, "Content-Type", "application/json; charset=utf-8");
	check_body(&r, want_body(&c, "86400"));
	ck_assert_int_eq(house_max_age(&r), 86400);
	check_verifies(&r);
	/* from memory now */
	again = get("?api-version=2021-07-22-preview&x=y");
	ck_assert(house_same_body(&r, &again));
	expect_header(&again, "X-Cache", "HIT");
	house_stop(&h);
}
END_TEST

static const struct {
	const char *headers;
	bool ok;
} rules[] = {
	{ "Metadata: true\r\n", true },
	{ "Metadata: True\r\n", true },
	{ "metadata:true\r\n", true },
	{ "METADATA:  TRUE \r\n", true },
	{ "Metadata: true\r\nForwarded-For: 10.0.0.1\r\n", true },
	{ NULL, false },
	{ "Metadata: false\r\n", false },
	{ "Metadata:\r\n", false },
	{ "Metadata: truE1\r\n", false },
	{ "Metadata: \"true\"\r\n", false },
	{ "X-Metadata: true\r\n", false },
	{ META "X-Forwarded-For: 127.0.0.1\r\n", false },
	{ META "x-forwarded-for: 127.0.0.1\r\n", false },
	{ META "X-Forwarded-For:\r\n", false },
	{ "X-Forwarded-For: 1.2.3.4\r\n" META, false },
};

/* amd-kds 10.10 */
START_TEST(test_the_metadata_header)
{
	struct edge_reply r;
	bool forwarded;

	start(SIM_CHIP_MILAN);
	r = ask("GET", "", rules[_i].headers);
	if (rules[_i].ok) {
		ck_assert_int_eq(r.status, 200);
	} else {
		forwarded = rules[_i].headers != NULL &&
			    strstr(rules[_i].headers, "true\r\n") != NULL &&
			    strstr(rules[_i].headers, "X-Meta") == NULL;
		check_error(r, 400, "bad-parameter",
		    forwarded ? "Forwarded requests are refused"
			      : "Required metadata header not specified");
	}
	house_stop(&h);
}
END_TEST

static const char *const methods[] = { "HEAD", "POST", "PUT", "DELETE", "PATCH",
	"OPTIONS" };

START_TEST(test_other_methods)
{
	struct edge_reply r;

	start(SIM_CHIP_MILAN);
	r = ask(methods[_i], "", META);
	ck_assert_int_eq(r.status, 405);
	expect_header(&r, "Allow", "GET");
	expect_header(&r, "Content-Type", "application/json; charset=utf-8");
	if (strcmp(methods[_i], "HEAD") != 0)
		check_error(r, 405, "bad-method", "wrong method");
	house_stop(&h);
}
END_TEST

/* --- who asks --------------------------------------------------------- */

/* From an address of loopback's /8. */
static struct edge_reply
get_from(const char *address, const char *query)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct edge_reply r = { 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(inet_pton(AF_INET, address, &a.sin_addr) == 1);
	must(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons((uint16_t)h.port);
	must(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	edge_send(fd,
	    keep_printf("GET " ROUTE "%s HTTP/1.1\r\nHost: x\r\n" META "\r\n",
		query));
	edge_read(fd, &r, false);
	close(fd);
	return keep(r);
}

/* Two guests and a stranger, each on a machine of its own. */
START_TEST(test_every_guest_gets_its_own_chips)
{
	struct sim_chip a = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	struct sim_chip b = sim_chip(SIM_CHIP(SIM_CHIP_TURIN, 1));
	struct edge_reply ra, rb;
	struct house_opts o;

	o = opts(keep_printf("%s,%s", row("127.0.0.2", &a, NULL, tcbm_of(&a)),
	    row("127.0.1.0/24", &b, NULL, tcbm_of(&b))));
	house_start(&h, &o);
	seed_chain(a.product);
	seed_chain(b.product);
	seed_chip(&a);
	seed_chip(&b);
	house_restart(&h, &o);
	ra = get_from("127.0.0.2", "");
	rb = get_from("127.0.1.77", "");
	check_body(&ra, want_body(&a, "86400"));
	check_body(&rb, want_body(&b, "86400"));
	check_error(get_from("127.0.0.3", ""), 403, "forbidden",
	    "Nothing is known of this caller");
	/* naming another's chip does not help, and a stranger's own naming
	 * is not even looked at */
	check_error(get_from("127.0.0.2", keep_printf("?platformId=%s", b.hex)),
	    403, "forbidden", "The chip is not this caller's");
	check_error(get_from("127.0.1.77",
			keep_printf("?platformId=%s", a.hex)),
	    403, "forbidden", "The chip is not this caller's");
	check_error(get_from("127.0.0.3", keep_printf("?platformId=%s", a.hex)),
	    403, "forbidden", "Nothing is known of this caller");
	check_error(get_from("127.0.0.3", "?platformId=x"), 403, "forbidden",
	    "Nothing is known of this caller");
	house_stop(&h);
}
END_TEST

START_TEST(test_a_row_without_chips)
{
	struct house_opts o =
	    opts("{\"match\":[\"127.0.0.1\"],\"qe_id\":[\"*\"]}");

	house_start(&h, &o);
	check_error(get(""), 403, "forbidden",
	    "No AMD chip is known for this caller");
	house_stop(&h);
}
END_TEST

/* --- what it may choose ----------------------------------------------- */

START_TEST(test_two_sockets)
{
	struct sim_chip a = sim_chip(SIM_CHIP(SIM_CHIP_GENOA, 1));
	struct sim_chip b = sim_chip(SIM_CHIP(SIM_CHIP_GENOA, 2));
	struct sim_chip other = sim_chip(SIM_CHIP(SIM_CHIP_GENOA, 3));
	struct house_opts o;
	struct edge_reply r;

	/* both at the TCB that the row has */
	b.spl = a.spl;
	b.tcb = a.tcb;
	o = opts(row("127.0.0.1", &a, &b, tcbm_of(&a)));
	house_start(&h, &o);
	seed_chain(AMD_GENOA);
	seed_chip(&a);
	seed_chip(&b);
	seed_chip(&other);
	house_restart(&h, &o);
	r = get("");
	check_body(&r, want_body(&a, "86400"));
	r = get(keep_printf("?platformId=%s", a.hex));
	check_body(&r, want_body(&a, "86400"));
	r = get(keep_printf("?platformId=%s&productName=Siena", b.hex));
	check_body(&r, want_body(&b, "86400"));
	check_error(get(keep_printf("?platformId=%s", other.hex)), 403,
	    "forbidden", "The chip is not this caller's");
	house_stop(&h);
}
END_TEST

static const struct {
	const char *query;
	int status;
	const char *code, *text;
} choices[] = {
	{ "?platformId=", 400, "bad-parameter",
	    "platformId is no chip id in hex" },
	{ "?platformId=0", 400, "bad-parameter",
	    "platformId is no chip id in hex" },
	{ "?platformId=zz", 400, "bad-parameter",
	    "platformId is no chip id in hex" },
	{ "?platformId=00", 403, "forbidden", "The chip is not this caller's" },
	{ "?platformId=0011223344556677", 403, "forbidden",
	    "The chip is not this caller's" },
	{ "?productName=Milan", 200, NULL, NULL },
	{ "?productName=milan-B0", 200, NULL, NULL },
	{ "?productName=Genoa", 404, "no-certificate-fits",
	    "The chip is not of this product" },
	{ "?productName=Rome", 404, "no-certificate-fits",
	    "The chip is not of this product" },
	{ "?productName=", 404, "no-certificate-fits",
	    "The chip is not of this product" },
	{ "?tcbVersion=", 400, "bad-parameter",
	    "tcbVersion is not 1 to 16 hex digits" },
	{ "?tcbVersion=x", 400, "bad-parameter",
	    "tcbVersion is not 1 to 16 hex digits" },
	{ "?tcbVersion=0xDB18000000000004", 400, "bad-parameter",
	    "tcbVersion is not 1 to 16 hex digits" },
	{ "?tcbVersion=0DB18000000000004", 400, "bad-parameter",
	    "tcbVersion is not 1 to 16 hex digits" },
	{ "?tcbVersion=DB18000001000004", 400, "bad-parameter",
	    "The TCB has a byte that Milan does not have" },
	{ "?tcbVersion=DB180000000000C8", 400, "bad-parameter",
	    "The TCB has a byte that Milan does not have" },
	{ "?tcbVersion=DB80000000000004", 400, "bad-parameter",
	    "The TCB has a byte that Milan does not have" },
	{ "?%zz=1", 400, "bad-parameter", "broken escape or NUL in the query" },
	{ "?unknown=1&api-version=z", 200, NULL, NULL },
};

START_TEST(test_parameters)
{
	struct edge_reply r;

	start(SIM_CHIP_MILAN);
	r = get(choices[_i].query);
	if (choices[_i].status == 200)
		ck_assert_int_eq(r.status, 200);
	else
		check_error(r, choices[_i].status, choices[_i].code,
		    choices[_i].text);
	house_stop(&h);
}
END_TEST

/* A guest that has its own report asks for that report's TCB. */
START_TEST(test_tcb_version)
{
	struct sim_chip c, low;
	char *lower, *p;

	c = start(SIM_CHIP_MILAN);
	low = sim_chip_at(c.n, 5); /* below 16: a zero in front of its tcbm */
	seed_chip(&low);
	check_tcbm(get(""), tcbm_of(&c));
	check_tcbm(get(keep_printf("?tcbVersion=%s", tcbm_of(&low))),
	    tcbm_of(&low));
	lower = keep_printf("?tcbVersion=%s", tcbm_of(&low) + 1);
	check_tcbm(get(lower), tcbm_of(&low));
	for (p = strchr(lower, '=') + 1; *p != '\0'; p++)
		*p = (char)(*p >= 'A' && *p <= 'F' ? *p + 32 : *p);
	check_tcbm(get(lower), tcbm_of(&low));
	house_stop(&h);
}
END_TEST

START_TEST(test_turin_is_named_long_or_short)
{
	static const char zeros[113] =
	    "00000000000000000000000000000000000000000000000000000000"
	    "00000000000000000000000000000000000000000000000000000000";
	struct sim_chip c = start(SIM_CHIP_TURIN);

	check_tcbm(get(keep_printf("?platformId=%s", c.hex)), tcbm_of(&c));
	check_tcbm(get(keep_printf("?platformId=%s%s", c.hex, zeros)),
	    tcbm_of(&c));
	check_error(get(keep_printf("?platformId=%s%.111s1", c.hex, zeros)),
	    403, "forbidden", "The chip is not this caller's");
	house_stop(&h);
}
END_TEST

/* --- auto ------------------------------------------------------------- */

START_TEST(test_auto_is_the_newest_held)
{
	struct sim_chip c = sim_chip_at(SIM_CHIP(SIM_CHIP_MILAN, 1), 200);
	struct sim_chip old = sim_chip_at(c.n, 199);
	struct sim_chip next = sim_chip_at(c.n, 213);
	struct sim_chip other = sim_chip_at(SIM_CHIP(SIM_CHIP_MILAN, 2), 250);
	struct house_opts o = opts(row("127.0.0.1", &c, NULL, NULL));

	house_start(&h, &o);
	check_error(get(""), 503, "collateral-unavailable",
	    "the collateral cannot be had now");
	seed_chain(AMD_MILAN);
	seed_chip(&other);
	house_restart(&h, &o);
	check_error(get(""), 503, "collateral-unavailable",
	    "the collateral cannot be had now");
	seed_chip(&c);
	check_tcbm(get(""), tcbm_of(&c));
	seed_chip(&old);
	check_tcbm(get(""), tcbm_of(&c));
	seed_chip(&next);
	check_tcbm(get(""), tcbm_of(&next));
	/* what the guest names goes before */
	check_tcbm(get(keep_printf("?tcbVersion=%s", tcbm_of(&old))),
	    tcbm_of(&old));
	house_stop(&h);
}
END_TEST

/* The operator's baseline says which, until it is rolled back. */
START_TEST(test_auto_is_what_the_baseline_pins)
{
	struct sim_chip c = sim_chip_at(SIM_CHIP(SIM_CHIP_MILAN, 1), 200);
	struct sim_chip old = sim_chip_at(c.n, 199);
	struct house_opts o = opts(row("127.0.0.1", &c, NULL, NULL));

	house_start(&h, &o);
	seed_chain(AMD_MILAN);
	house_restart(&h, &o);
	seed_chip(&c);
	seed_chip(&old);
	check_tcbm(get(""), tcbm_of(&c));
	expect_change(&h, "pin",
	    keep_printf("{\"product\":\"Milan\",\"tcb\":\"%s\","
			"\"reason\":\"t\"}",
		tcbm_of(&old)),
	    200, NULL);
	check_tcbm(get(""), tcbm_of(&old));
	expect_change(&h, "rollback", "{\"reason\":\"t\"}", 200, NULL);
	check_tcbm(get(""), tcbm_of(&c));
	house_stop(&h);
}
END_TEST

/* A change that concerns one Milan; tcb NULL: what is asked of none. */
static const char *
of_chip(const char *chip, const char *tcb)
{
	return keep_printf("{\"product\":\"Milan\",\"chip\":\"%s\",%s%s%s,"
			   "\"force\":true,\"reason\":\"t\"}",
	    chip, tcb == NULL ? "\"follow\":\"standard" : "\"tcb\":\"",
	    tcb == NULL ? "" : tcb, "\"");
}

/* One chip, however its id is written; its neighbour has the product's. */
START_TEST(test_auto_is_what_the_baseline_pins_for_one_chip)
{
	struct sim_chip c = sim_chip_at(SIM_CHIP(SIM_CHIP_MILAN, 1), 200);
	struct sim_chip other = sim_chip_at(SIM_CHIP(SIM_CHIP_MILAN, 2), 220);
	struct sim_chip old = sim_chip_at(c.n, 199);
	struct sim_chip low = sim_chip_at(c.n, 100);
	struct sim_chip all = sim_chip_at(other.n, 210);
	struct house_opts o = opts(row("127.0.0.1", &c, &other, NULL));
	char upper[2 * AMD_HWID_MAX + 1];
	const char *mine = keep_printf("?platformId=%s", c.hex);
	const char *its = keep_printf("?platformId=%s", other.hex);

	hex_upper(span_of(c.hwid, amd_hwid_len(c.product)), upper);
	house_start(&h, &o);
	seed_chain(AMD_MILAN);
	house_restart(&h, &o);
	seed_chip(&c);
	seed_chip(&old);
	seed_chip(&low);
	seed_chip(&other);
	seed_chip(&all);
	expect_change(&h, "pin", of_chip(upper, tcbm_of(&old)), 200, NULL);
	check_tcbm(get(mine), tcbm_of(&old));
	check_tcbm(get(its), tcbm_of(&other));
	/* The same chip in other letters: one rule, not two. */
	expect_change(&h, "pin", of_chip(c.hex, tcbm_of(&low)), 200, NULL);
	check_tcbm(get(mine), tcbm_of(&low));
	/* A chip's own rule goes before its product's. */
	expect_change(&h, "pin",
	    keep_printf("{\"product\":\"Milan\",\"tcb\":\"%s\",\"force\":"
			"true,\"reason\":\"t\"}",
		tcbm_of(&all)),
	    200, NULL);
	check_tcbm(get(mine), tcbm_of(&low));
	check_tcbm(get(its), tcbm_of(&all));
	expect_change(&h, "rollback", "{\"revision\":1,\"reason\":\"t\"}", 200,
	    NULL);
	check_tcbm(get(mine), tcbm_of(&old));
	check_tcbm(get(its), tcbm_of(&other));
	expect_change(&h, "follow", of_chip(c.hex, NULL), 200, NULL);
	check_tcbm(get(mine), tcbm_of(&c));
	expect_change(&h, "rollback", "{\"reason\":\"t\"}", 200, NULL);
	check_tcbm(get(mine), tcbm_of(&old));
	house_restart(&h, &o);
	check_tcbm(get(mine), tcbm_of(&old));
	expect_change(&h, "clear", of_chip(upper, NULL), 200, NULL);
	check_tcbm(get(mine), tcbm_of(&c));
	expect_change(&h, "clear", of_chip(c.hex, NULL), 400, "bad-parameter");
	house_stop(&h);
}
END_TEST

/* --- what is not there ------------------------------------------------ */

START_TEST(test_not_held_and_nobody_to_ask)
{
	struct sim_chip c = start(SIM_CHIP_MILAN);
	struct sim_chip other = sim_chip_at(c.n, 17);

	check_error(get(keep_printf("?tcbVersion=%s", tcbm_of(&other))), 503,
	    "collateral-unavailable", "the collateral cannot be had now");
	house_stop(&h);
}
END_TEST

/* Near its end the answer says so; past it there is none. */
START_TEST(test_the_end_of_a_certificate)
{
	const ASN1_TIME *end;
	struct edge_reply r;
	struct tm tm;
	X509 *x[4];
	int age;

	start(SIM_CHIP_MILAN);
	r = get("");
	ck_assert_int_eq(certs_of(member(&r, "vcekCert"), x), 1);
	end = X509_get0_notAfter(x[0]);
	ck_assert_int_eq(ASN1_TIME_to_tm(end, &tm), 1);
	clock_offset_set(0);
	clock_offset_set(timegm(&tm) - 600 - clock_now());
	r = get("");
	ck_assert_msg(r.status == 200, "%s", r.text);
	age = atoi(member(&r, "cacheControl"));
	ck_assert_int_le(age, 600);
	ck_assert_int_gt(age, 500);
	clock_offset_set(0);
	clock_offset_set(timegm(&tm) - clock_now());
	r = get("");
	check_error(r, 503, "collateral-unavailable",
	    "the collateral cannot be had now");
	X509_free(x[0]);
	house_stop(&h);
}
END_TEST

/* amd-kds 10.8: with the ASK all of the product goes, and at once. */
START_TEST(test_a_revoked_ask_takes_the_answers_away)
{
	struct sim_chip c = start(SIM_CHIP_MILAN);
	struct pki_amd_crl spec = { .product = AMD_MILAN,
		.side = AMD_VCEK,
		.lie = AMD_LISTS_ISSUER };
	struct edge_reply r;
	int i;

	check_tcbm(get(""), tcbm_of(&c));
	seed(key_amd_crl(AMD_MILAN, AMD_VCEK),
	    pki_amd_crl(sim_amd(h.sim), &spec));
	/* the snapshot is in the workers' mailboxes by now */
	for (i = 0; (r = get("")).status == 200 && i < 1000; i++)
		continue;
	ck_assert_int_eq(r.status, 503);
	ck_assert_ptr_null(strstr(r.body, "CERTIFICATE"));
	for (i = 0; i < 8; i++)
		ck_assert_int_eq(get("").status, 503);
	house_stop(&h);
}
END_TEST

/* --- the real one's answers ------------------------------------------- */

/* Chains, VCEKs and the body of the vectors, at the time they were made. */
START_TEST(test_a_genuine_body_comes_out_byte_for_byte)
{
	struct blob *report, *vcek, *chain, *thim;
	struct house_opts o;
	struct coll_key key;
	struct edge_reply r;
	char hex[129];
	json_t *want;
	time_t at;

	report = vector_read("snp/reports/milan-v2-thim/report.bin");
	vcek = vector_read("snp/reports/milan-v2-thim/vcek.der");
	thim = vector_read("snp/reports/milan-v2-thim/thim.json");
	chain = vector_read("snp/chains/milan.vcek.cert_chain.pem");
	must(report != NULL && vcek != NULL && thim != NULL && chain != NULL);
	must(time_read(span_str("2022-12-29T01:55:56Z"), &at) == ERR_OK);
	clock_offset_set(at - clock_now());
	hex_lower(span_of(report->data + 0x1a0, 64), hex);
	o = opts(keep_printf("{\"match\":[\"127.0.0.1\"],\"product\":\"Milan\","
			     "\"chip_id\":[\"%s\"],"
			     "\"tcb\":\"7308000000000003\"}",
	    hex));
	o.real_roots = true;
	house_start(&h, &o);
	seed(key_amd_chain(AMD_MILAN, AMD_VCEK), chain);
	key = key_vcek(AMD_MILAN, span_of(report->data + 0x1a0, 64),
	    (struct amd_tcb){ { 3, 0, 0, 0, 0, 0, 8, 115 } });
	seed(key, vcek);
	house_restart(&h, &o);
	r = get("");
	ck_assert_msg(r.status == 200, "%s", r.text);
	want =
	    keep_json(json_loadb((const char *)thim->data, thim->len, 0, NULL));
	check_body(&r, keep_text(json_dumps(want, JSON_COMPACT)));
	check_verifies(&r);
	blob_unref(report);
	blob_unref(thim);
	house_stop(&h);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("thim_amd");
	TCase *tc = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_the_answer_of_each_product, 0, N(kinds));
	tcase_add_loop_test(tc, test_the_metadata_header, 0, N(rules));
	tcase_add_loop_test(tc, test_other_methods, 0, N(methods));
	tcase_add_test(tc, test_every_guest_gets_its_own_chips);
	tcase_add_test(tc, test_a_row_without_chips);
	tcase_add_test(tc, test_two_sockets);
	tcase_add_loop_test(tc, test_parameters, 0, N(choices));
	tcase_add_test(tc, test_tcb_version);
	tcase_add_test(tc, test_turin_is_named_long_or_short);
	tcase_add_test(tc, test_auto_is_the_newest_held);
	tcase_add_test(tc, test_auto_is_what_the_baseline_pins);
	tcase_add_test(tc, test_auto_is_what_the_baseline_pins_for_one_chip);
	tcase_add_test(tc, test_not_held_and_nobody_to_ask);
	tcase_add_test(tc, test_the_end_of_a_certificate);
	tcase_add_test(tc, test_a_revoked_ask_takes_the_answers_away);
	if (vectors_present())
		tcase_add_test(tc, test_a_genuine_body_comes_out_byte_for_byte);
	else
		vectors_skipped(1);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
