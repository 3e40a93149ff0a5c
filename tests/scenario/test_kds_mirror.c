/*
 * The KDS mirror and Azure's cache route on the wire, in front of a simulated
 * KDS (amd-kds 8.1, 8.3, 10).
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/mbox.h"
#include "tests/kit/house.h"

#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N(a)  ((int)(sizeof(a) / sizeof((a)[0])))
#define DAY   86400
#define CHAIN "/vcek/v1/Milan/cert_chain"
#define CRL   "/vcek/v1/Milan/crl"
#define VCEKS "/vcek/v1/*/*[?]*"

static struct house h;
static const struct house_opts lazy = {
	.listen = "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\",\"ops\","
		  "\"admin\",\"kds\"]}]",
};

static void
setup(void)
{
	house_start(&h, &lazy);
}

static void
teardown(void)
{
	house_stop(&h);
}

static void
clock_forward(long seconds)
{
	clock_offset_set(clock_offset() + seconds);
	upstream_tick(h.upstream, NULL, NULL);
}

static void
target_of(unsigned long n, char out[SIM_KDS_PATH])
{
	struct sim_chip chip = sim_chip(n);

	sim_chip_path(&chip, out);
}

static void
fault(enum sim_fault_kind kind, const char *path, unsigned count)
{
	struct sim_fault f = { .kind = kind, .path = path, .count = count };

	sim_fault_add(h.sim, &f);
}

static void
fault_status(const char *path, int status, const char *retry_after)
{
	struct sim_fault f = { .kind = SIM_STATUS,
		.path = path,
		.status = status,
		.retry_after = retry_after };

	sim_fault_add(h.sim, &f);
}

/* --- one request for all spellings ------------------------------------ */

static char *
upper(const char *hex)
{
	char *s = strdup(hex);
	size_t i;

	for (i = 0; s[i] != '\0'; i++)
		s[i] = (char)toupper((unsigned char)s[i]);
	return s;
}

/* The same VCEK in six spellings; free() each. */
static void
spell(const struct sim_chip *c, char *out[6])
{
	char *up = upper(c->hex);
	int n = 0, bl = c->spl.bl, tee = c->spl.tee, snp = c->spl.snp,
	    ucode = c->spl.ucode;

	n += asprintf(&out[0],
	    "/vcek/v1/Milan/%s?blSPL=%d&teeSPL=%d&snpSPL=%d&ucodeSPL=%d",
	    c->hex, bl, tee, snp, ucode);
	n += asprintf(&out[1],
	    "/vcek/v1/Milan/"
	    "%s?blSPL=%02d&teeSPL=%02d&snpSPL=%02d&ucodeSPL=%03d",
	    c->hex, bl, tee, snp, ucode);
	n += asprintf(&out[2],
	    "/vcek/v1/Milan/%s?ucodeSPL=%d&snpSPL=%d&teeSPL=%d&blSPL=%d", up,
	    ucode, snp, tee, bl);
	n += asprintf(&out[3],
	    "//vcek/v1/Milan/%s?blSPL=%d&teeSPL=%d&snpSPL=%d&ucodeSPL=%d", up,
	    bl, tee, snp, ucode);
	n += asprintf(&out[4],
	    "/vcek/v1/milan/%s/?blSPL=%d&snpSPL=%d&ucodeSPL=%d%s", c->hex, bl,
	    snp, ucode, tee == 0 ? "" : "&teeSPL=1");
	n += asprintf(&out[5],
	    "/vcek//v1/MILAN//%s?teeSPL=%d&blSPL=%d&ucodeSPL=%d&snpSPL=%d",
	    c->hex, tee, bl, ucode, snp);
	ck_assert_int_gt(n, 0);
	ck_assert_int_le(tee, 1);
	free(up);
}

static int
send_get(const char *target)
{
	int fd = edge_open(h.port);

	edge_send(fd, "GET ");
	edge_send(fd, target);
	edge_send(fd, " HTTP/1.1\r\nHost: kds\r\n\r\n");
	return fd;
}

#define CALLERS 50

START_TEST(test_fifty_callers_in_six_spellings_are_one_request)
{
	struct sim_chip chip = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	struct edge_reply first, r;
	char *spelt[6], path[SIM_KDS_PATH];
	int fd[CALLERS], i;

	spell(&chip, spelt);
	sim_chip_path(&chip, path);
	fault(SIM_HOLD, VCEKS, 0);
	for (i = 0; i < CALLERS; i++)
		fd[i] = send_get(spelt[i % 6]);
	ck_assert(sim_wait(h.sim, path, 1, PATIENCE_MS));
	sim_release(h.sim);
	edge_read(fd[0], &first, false);
	ck_assert_int_eq(first.status, 200);
	for (i = 1; i < CALLERS; i++) {
		edge_read(fd[i], &r, false);
		ck_assert_int_eq(r.status, 200);
		ck_assert(house_same_body(&first, &r));
		edge_reply_free(&r);
	}
	for (i = 0; i < 6; i++) {
		r = house_get(&h, spelt[i]);
		ck_assert_int_eq(r.status, 200);
		expect_header(&r, "X-Cache", "HIT");
		ck_assert(house_same_body(&first, &r));
		edge_reply_free(&r);
		free(spelt[i]);
	}
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), 1);
	ck_assert_uint_eq(sim_count(h.sim, path), 1);
	ck_assert_uint_eq(sim_count(h.sim, CHAIN), 1);
	ck_assert_uint_eq(sim_count(h.sim, CRL), 1);
	for (i = 0; i < CALLERS; i++)
		close(fd[i]);
	edge_reply_free(&first);
}
END_TEST

/* --- what an answer looks like ---------------------------------------- */

static const struct {
	const char *target; /* NULL: the VCEK of a chip */
	const char *type, *cache_control;
} answers[] = {
	{ NULL, "application/pkix-cert", "public, max-age=86400, immutable" },
	{ CHAIN, "application/x-pem-file", "public, max-age=86400" },
	{ "/vlek/v1/Turin/cert_chain", "application/x-pem-file",
	    "public, max-age=86400" },
	{ CRL, "application/pkix-crl", "public, max-age=3600" },
	{ "/vlek/v1/Genoa/crl", "application/pkix-crl",
	    "public, max-age=3600" },
};

static void
check_etag(const struct edge_reply *r)
{
	unsigned char sum[32];
	char want[80] = "\"sha256-";

	sha256(span_of(r->body, r->len), sum);
	hex_lower(span_of(sum, sizeof(sum)), want + 8);
	strcat(want, "\"");
	expect_header(r, "ETag", want);
}

static void
check_not_modified(const char *target, const struct edge_reply *full)
{
	struct edge_reply r;
	char *line;

	ck_assert_int_gt(asprintf(&line, "If-None-Match: \"x\", %s\r\n",
			     edge_header(full, "ETag")),
	    0);
	r = house_send(&h, "GET", target, line, SPAN_NONE);
	ck_assert_int_eq(r.status, 304);
	ck_assert_uint_eq(r.len, 0);
	check_etag(full);
	edge_reply_free(&r);
	free(line);
	r = house_send(&h, "GET", target, "If-None-Match: \"x\"\r\n",
	    SPAN_NONE);
	ck_assert_int_eq(r.status, 200);
	edge_reply_free(&r);
}

static void
check_head(const char *target, const struct edge_reply *full)
{
	struct edge_reply r;
	char length[32];
	int fd = edge_open(h.port);

	snprintf(length, sizeof(length), "%zu", full->len);
	edge_send(fd, "HEAD ");
	edge_send(fd, target);
	edge_send(fd, " HTTP/1.1\r\nHost: kds\r\n\r\n");
	edge_read(fd, &r, true);
	ck_assert_int_eq(r.status, 200);
	expect_header(&r, "Content-Length", length);
	expect_header(&r, "ETag", edge_header(full, "ETag"));
	edge_reply_free(&r);
	close(fd);
}

START_TEST(test_answers_have_the_lines_of_8_1)
{
	char path[SIM_KDS_PATH];
	const char *target = answers[_i].target;
	struct edge_reply r, again;

	target_of(SIM_CHIP(SIM_CHIP_MILAN, 2), path);
	if (target == NULL)
		target = path;
	r = house_get(&h, target);
	ck_assert_int_eq(r.status, 200);
	expect_header(&r, "X-Cache", "MISS");
	again = house_get(&h, target);
	ck_assert_int_eq(again.status, 200);
	expect_header(&again, "X-Cache", "HIT");
	expect_header(&again, "Content-Type", answers[_i].type);
	expect_header(&again, "Cache-Control", answers[_i].cache_control);
	ck_assert(has_header(&again, "Age"));
	ck_assert(has_header(&again, "Last-Modified"));
	check_etag(&again);
	ck_assert(house_same_body(&r, &again));
	check_not_modified(target, &again);
	check_head(target, &again);
	/* KDS sends Turin's chains with CRLF, and so do we. */
	ck_assert_int_eq(strstr(target, "Turin") != NULL,
	    memmem(r.body, r.len, "\r\n", 2) != NULL &&
		strstr(answers[_i].type, "pem") != NULL);
	edge_reply_free(&r);
	edge_reply_free(&again);
}
END_TEST

START_TEST(test_other_methods_are_not_allowed)
{
	static const char *const methods[] = { "POST", "PUT", "DELETE" };
	struct edge_reply r;
	int i;

	for (i = 0; i < N(methods); i++) {
		r = house_send(&h, methods[i], CHAIN, NULL, SPAN_NONE);
		ck_assert_int_eq(r.status, 405);
		expect_header(&r, "Allow", "GET, HEAD");
		expect_header(&r, "Cache-Control", "no-store");
		edge_reply_free(&r);
	}
	ck_assert_uint_eq(sim_count(h.sim, NULL), 0);
}
END_TEST

/* --- refusals (amd-kds 8.1, 10.13) ------------------------------------ */

#define HEX16  "00112233445566aa"
#define HEX128 HEX16 HEX16 HEX16 HEX16 HEX16 HEX16 HEX16 HEX16

static const struct {
	const char *target;
	int status;
} refused[] = {
	{ "/vcek/v1/Turin/" HEX128 "?fmcSPL=1", 404 },
	{ "/vcek/v1/Turin/" HEX16 "?blSPL=1", 400 },
	{ "/vcek/v1/Milan/" HEX16 "?blSPL=1", 404 },
	{ "/vcek/v1/Milan/" HEX128 "?fmcSPL=1", 400 },
	{ "/vcek/v1/Milan/" HEX128 "?blSPL=1&blSPL=1", 400 },
	{ "/vcek/v1/Milan/xyz?blSPL=1", 400 },
	{ "/vcek/v1/Unknown/" HEX128, 404 },
	{ "/vcek/v1/Venice/crl", 404 },
	{ "/vcek/v2/Milan/crl", 404 },
	{ "/vcek/v1/Milan", 404 },
	{ "/vlek/v1/Milan/cert?blSPL=1", 404 },
	{ "/vlek/v1/Milan/cert?blSPL=1&cspID=CN%3Dx", 404 },
	{ "/vlek/v1/Milan/" HEX128, 404 },
	{ "/SevSnpVM/certificates/" HEX128 "/0xdb18000000000004", 404 },
	{ "/SevSnpVM/certificates", 404 },
	{ "/SevSnpVM/other/" HEX128 "/4", 404 },
};

START_TEST(test_what_cannot_be_is_refused_without_asking)
{
	struct edge_reply r = house_get(&h, refused[_i].target);

	ck_assert_int_eq(r.status, refused[_i].status);
	expect_header(&r, "Cache-Control", "no-store");
	ck_assert(has_header(&r, "Larder-Reason"));
	if (strncmp(refused[_i].target, "/SevSnpVM", 9) == 0)
		ck_assert_uint_eq(r.len, 0);
	else
		expect_header(&r, "Content-Type", "text/plain; charset=utf-8");
	ck_assert_uint_eq(sim_count(h.sim, NULL), 0);
	edge_reply_free(&r);
}
END_TEST

START_TEST(test_a_product_without_a_root_is_not_there)
{
	static const struct house_opts rootless = {
		.listen = "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"kds\"]}]",
		.real_roots = true,
		.members = "\"trust\":{\"amd_root_spki_sha256\":{\"Milan\":"
			   "[]}}",
	};

	house_fresh(&h, &rootless);
	expect_get(&h, CHAIN, 404, "no-route");
	ck_assert_uint_eq(sim_count(h.sim, NULL), 0);
}
END_TEST

/* --- VLEKs: by import alone ------------------------------------------- */

struct give {
	struct msg msg;
	struct loop *loop;
	struct coll_raw raw;
	enum err err;
};

static void
give_cb(void *arg, enum err e, const struct why *why, struct coll *coll)
{
	struct give *g = arg;

	(void)why;
	(void)coll;
	g->err = e;
	loop_stop(g->loop);
}

static void
give_run(struct msg *m)
{
	struct give *g = msg_of(m, struct give, msg);

	storage_admit(h.storage, &g->raw, give_cb, g);
}

/* As an import does. */
static void
give_vlek(const char *csp_id)
{
	struct pki_vek spec = { .product = AMD_MILAN,
		.side = AMD_VLEK,
		.spl = { .bl = 4, .snp = 24, .ucode = 219 },
		.csp_id = csp_id };
	struct blob *der = pki_vek(sim_amd(h.sim), &spec);
	struct give g = { .loop = loop_new("give") };

	g.raw.key =
	    key_vlek(AMD_MILAN, csp_id, amd_tcb_of(AMD_MILAN, spec.spl));
	g.raw.body = blob_span(der);
	g.raw.source = "import:test";
	g.raw.fetched_at = clock_now();
	msg_send(g.loop, &g.msg, give_run);
	loop_run(g.loop);
	loop_free(g.loop);
	ck_assert_int_eq(g.err, ERR_OK);
	blob_unref(der);
}

#define VLEK "/vlek/v1/Milan/cert?blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219"

START_TEST(test_a_vlek_that_was_imported_is_served)
{
	struct edge_reply r, named;

	expect_get(&h, "/vlek/v1/Milan/cert_chain", 200, NULL);
	expect_get(&h, VLEK, 404, "not-cached");
	give_vlek("CN=one.example.com");
	r = house_get(&h, VLEK);
	ck_assert_int_eq(r.status, 200);
	expect_header(&r, "Content-Type", "application/pkix-cert");
	named = house_get(&h, VLEK "&cspID=CN%3Done.example.com");
	ck_assert_int_eq(named.status, 200);
	ck_assert(house_same_body(&r, &named));
	edge_reply_free(&r);
	edge_reply_free(&named);
	expect_get(&h, VLEK "&cspID=CN%3Dtwo.example.com", 404, "not-cached");
	give_vlek("CN=two.example.com");
	expect_get(&h, VLEK, 404, "not-cached");
	expect_get(&h, VLEK "&cspID=CN%3Dtwo.example.com", 200, NULL);
	ck_assert_uint_eq(sim_count(h.sim, "/vlek/v1/*/cert[?]*"), 0);
}
END_TEST

/* --- upstream in trouble ---------------------------------------------- */

START_TEST(test_upstreams_404_is_ours)
{
	char path[SIM_KDS_PATH];

	target_of(SIM_CHIP(SIM_CHIP_UNKNOWN, 1), path);
	expect_get(&h, path, 404, "upstream-404");
	expect_get(&h, path, 404, "upstream-404");
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), 1);
	clock_forward(9 * 60);
	expect_get(&h, path, 404, "upstream-404");
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), 1);
	clock_forward(2 * 60);
	expect_get(&h, path, 404, "upstream-404");
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), 2);
}
END_TEST

/* KDS has said 404 for what it has: of a chip it has signed for before, that
 * is believed for a minute alone (amd-kds 2.6). */
START_TEST(test_a_404_for_a_known_chip_is_doubted_sooner)
{
	struct sim_chip chip = sim_chip_at(SIM_CHIP(SIM_CHIP_MILAN, 3), 77);
	char path[SIM_KDS_PATH], other[SIM_KDS_PATH];

	target_of(SIM_CHIP(SIM_CHIP_MILAN, 3), path);
	sim_chip_path(&chip, other);
	expect_get(&h, path, 200, NULL);
	fault_status(other, 404, NULL);
	expect_get(&h, other, 404, "upstream-404");
	sim_fault_clear(h.sim);
	clock_forward(50);
	expect_get(&h, other, 404, "upstream-404");
	clock_forward(15);
	expect_get(&h, other, 200, NULL);
}
END_TEST

/* --- Azure's cache route (amd-kds 8.3, 10.12) -------------------------- */

/* The TCB as Azure's clients write it: hex without leading zeros. */
static char *
azure_target(const struct sim_chip *c, const char *hex)
{
	unsigned long long v = 0;
	char *out;
	int i;

	for (i = 7; i >= 0; i--)
		v = v << 8 | c->tcb.b[i];
	ck_assert_int_gt(asprintf(&out,
			     "/SevSnpVM/certificates/%s/%llx"
			     "?api-version=2020-10-15-preview",
			     hex, v),
	    0);
	return out;
}

static struct edge_reply
azure_get(const struct sim_chip *c)
{
	char *target = azure_target(c, c->hex);
	struct edge_reply r = house_get(&h, target);

	free(target);
	return r;
}

static size_t
blocks(const struct edge_reply *r)
{
	static const char end[] = "-----END CERTIFICATE-----\n";
	const char *at = r->body;
	size_t n = 0, left = r->len;

	while ((at = memmem(at, left, end, sizeof(end) - 1)) != NULL) {
		at += sizeof(end) - 1;
		left = r->len - (size_t)(at - r->body);
		n++;
	}
	ck_assert_uint_eq(left, 0); /* each ends in a line feed */
	return n;
}

static const struct {
	enum sim_chip_kind kind;
	unsigned long asked; /* certificates upstream */
} azure_chips[] = {
	{ SIM_CHIP_MILAN, 1 },
	{ SIM_CHIP_GENOA, 2 }, /* Milan first, which says 404 */
	{ SIM_CHIP_TURIN, 1 }, /* its shape tells */
};

START_TEST(test_azure_gets_three_certificates)
{
	struct sim_chip c = sim_chip(SIM_CHIP(azure_chips[_i].kind, 7));
	struct edge_reply r = azure_get(&c), chain;
	char path[64];

	ck_assert_int_eq(r.status, 200);
	expect_header(&r, "Content-Type", "application/x-pem-file");
	expect_header(&r, "X-Cache", "MISS");
	ck_assert_uint_eq(blocks(&r), 3);
	ck_assert(memmem(r.body, r.len, "\r", 1) == NULL);
	snprintf(path, sizeof(path), "/vcek/v1/%s/cert_chain",
	    amd_product_name(c.product));
	chain = house_get(&h, path);
	if (c.product != AMD_TURIN) /* whose chain has other line ends */
		ck_assert(memcmp(r.body + r.len - chain.len, chain.body,
			      chain.len) == 0);
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), azure_chips[_i].asked);
	edge_reply_free(&r);
	edge_reply_free(&chain);
	r = azure_get(&c);
	expect_header(&r, "X-Cache", "HIT");
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), azure_chips[_i].asked);
	edge_reply_free(&r);
}
END_TEST

START_TEST(test_azure_spellings_are_one)
{
	struct sim_chip c = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 7));
	struct edge_reply first = azure_get(&c), r;
	char *up = upper(c.hex), *target = azure_target(&c, up);

	ck_assert_int_eq(first.status, 200);
	r = house_get(&h, target);
	ck_assert(house_same_body(&first, &r));
	edge_reply_free(&r);
	free(target);
	free(up);
	ck_assert_int_gt(asprintf(&target,
			     "/sevsnpvm//certificates/%s/DB18000000000004/",
			     c.hex),
	    0);
	r = house_get(&h, target); /* as 16 upper-case digits */
	ck_assert_int_eq(r.status, 200);
	ck_assert(house_same_body(&first, &r));
	edge_reply_free(&r);
	edge_reply_free(&first);
	free(target);
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), 1);
}
END_TEST

/* Fifteen digits; and where the chip is known, its product is, for ever. */
START_TEST(test_azure_remembers_whose_a_chip_is)
{
	struct sim_chip c = sim_chip(SIM_CHIP(SIM_CHIP_GENOA, 8));
	struct sim_chip low = sim_chip_at(SIM_CHIP(SIM_CHIP_GENOA, 8), 5);
	struct edge_reply r = azure_get(&c);

	ck_assert_int_eq(r.status, 200);
	ck_assert_uint_eq(sim_count(h.sim, "/vcek/v1/Milan/*[?]*"), 1);
	edge_reply_free(&r);
	house_restart(&h, &lazy);
	r = azure_get(&low);
	ck_assert_int_eq(r.status, 200);
	ck_assert_uint_eq(sim_count(h.sim, "/vcek/v1/Milan/*[?]*"), 1);
	ck_assert_uint_eq(sim_count(h.sim, "/vcek/v1/Genoa/*[?]*"), 2);
	edge_reply_free(&r);
}
END_TEST

START_TEST(test_azure_takes_turins_chips_padded)
{
	struct sim_chip c = sim_chip(SIM_CHIP(SIM_CHIP_TURIN, 7));
	char wide[2 * AMD_HWID_MAX + 1], *target;
	struct edge_reply first = azure_get(&c), r;

	memset(wide, '0', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = '\0';
	memcpy(wide, c.hex, strlen(c.hex));
	target = azure_target(&c, wide);
	r = house_get(&h, target);
	ck_assert_int_eq(r.status, 200);
	ck_assert(house_same_body(&first, &r));
	edge_reply_free(&first);
	edge_reply_free(&r);
	free(target);
}
END_TEST

START_TEST(test_azure_says_404_when_nobody_knows_the_chip)
{
	struct sim_chip c = sim_chip(SIM_CHIP(SIM_CHIP_UNKNOWN, 7));
	struct edge_reply r = azure_get(&c);

	ck_assert_int_eq(r.status, 404);
	ck_assert_uint_eq(r.len, 0);
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), 2); /* Milan, Genoa */
	edge_reply_free(&r);
}
END_TEST

/* Not to be able to ask is not the same as to be told no. */
START_TEST(test_azure_says_503_when_it_cannot_know)
{
	struct sim_chip c = sim_chip(SIM_CHIP(SIM_CHIP_GENOA, 7));
	struct edge_reply r;

	expect_get(&h, CHAIN, 200, NULL);
	fault_status(VCEKS, 429, "600");
	r = azure_get(&c);
	ck_assert_int_eq(r.status, 503);
	expect_header(&r, "Larder-Reason", "upstream-429");
	ck_assert(has_header(&r, "Retry-After"));
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), 1);
	edge_reply_free(&r);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("kds_mirror");
	TCase *t = tcase_create("kds_mirror");
	SRunner *r;
	int failed;

	edge_prepare();
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_fifty_callers_in_six_spellings_are_one_request);
	tcase_add_loop_test(t, test_answers_have_the_lines_of_8_1, 0,
	    N(answers));
	tcase_add_test(t, test_other_methods_are_not_allowed);
	tcase_add_loop_test(t, test_what_cannot_be_is_refused_without_asking, 0,
	    N(refused));
	tcase_add_test(t, test_a_product_without_a_root_is_not_there);
	tcase_add_test(t, test_a_vlek_that_was_imported_is_served);
	tcase_add_test(t, test_upstreams_404_is_ours);
	tcase_add_test(t, test_a_404_for_a_known_chip_is_doubted_sooner);
	tcase_add_loop_test(t, test_azure_gets_three_certificates, 0,
	    N(azure_chips));
	tcase_add_test(t, test_azure_spellings_are_one);
	tcase_add_test(t, test_azure_remembers_whose_a_chip_is);
	tcase_add_test(t, test_azure_takes_turins_chips_padded);
	tcase_add_test(t, test_azure_says_404_when_nobody_knows_the_chip);
	tcase_add_test(t, test_azure_says_503_when_it_cannot_know);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
