/*
 * The metadata service for SGX guests: PCK certificates under
 * /metadata/THIM as QPL's local_pck_url and as the Azure client's primary
 * address (pccs-api 9.1, 9.2), for the platforms of the caller's row alone.
 */
#include "config/base/clock.h"
#include "tests/kit/house.h"
#include "tests/kit/keep.h"
#include "tests/kit/qcnl.h"

#include <check.h>
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N(a)  ((int)(sizeof(a) / sizeof((a)[0])))
#define META  "metadata:true\r\n"
#define THIM4 "/metadata/THIM/sgx/certification/v4/"
#define THIM3 "/metadata/THIM/sgx/certification/v3/"

#define LISTEN                                                                 \
	"[{\"address\":\"127.0.0.1:0\",\"serve\":[\"thim\"]},"                 \
	"{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\",\"thim\"]}]"

#define HOSTS(rows) "\"hosts\":[" rows "]"

static struct house h;

/* A house whose only row has these QE-IDs, for callers on loopback. */
static void
start(const char *qe_ids, const char *more)
{
	char *hosts = keep_printf(HOSTS("{\"match\":[\"127.0.0.1\"],"
					"\"qe_id\":[%s]}"),
	    qe_ids);
	struct house_opts o = { .listen = LISTEN,
		.members = hosts,
		.cache = more };

	house_start(&h, &o);
}

static char *
lower(const char *s)
{
	char *out = keep_printf("%s", s), *p;

	for (p = out; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return out;
}

/* As the Azure client's primary sends it. */
static char *
azure(const char *base, const struct sim_platform *p)
{
	char ppid[769];

	sim_enc_ppid(p, 1, ppid);
	return keep_printf("%spckcert?qeid=%s&cpusvn=%s&pcesvn=%s&pceid=%s&"
			   "encrypted_ppid=%s&clientid=production_client&"
			   "api-version=2021-07-22-preview",
	    base, lower(p->qe_id), lower(p->cpu_svn), lower(p->pce_svn),
	    p->pce_id, lower(ppid));
}

/* The wait of these callers is short, and a busy machine may need longer. */
static bool
too_slow(const struct edge_reply *r)
{
	const char *reason = edge_header(r, "Larder-Reason");

	return r->status == 503 && reason != NULL &&
	       strcmp(reason, "upstream-slow") == 0;
}

static struct edge_reply
get_once(const char *target, const char *headers)
{
	return keep(house_send(&h, "GET", target, headers, SPAN_NONE));
}

static struct edge_reply
get(const char *target, const char *headers)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	struct edge_reply r;

	do
		r = get_once(target, headers);
	while (too_slow(&r) && clock_mono_ms() < until);
	return r;
}

static void
check_refused(const char *target, const char *headers, int status,
    const char *reason)
{
	struct edge_reply r = get(target, headers);

	ck_assert_msg(r.status == status, "%s%s", r.text, r.body);
	expect_header(&r, "Larder-Reason", reason);
	ck_assert_ptr_null(strstr(r.text, "SGX-"));
	ck_assert_ptr_null(strstr(r.body, "CERTIFICATE"));
}

/* All four members (pccs-api 9.2), and the headers QCNL may look at. */
static void
check_object(const struct edge_reply *r)
{
	const char *cert, *chain, *tcbm;
	json_t *o, *age;

	ck_assert_msg(r->status == 200, "%s%s", r->text, r->body);
	expect_header(r, "Content-Type", "application/json");
	o = keep_json(json_loadb(r->body, r->len, 0, NULL));
	ck_assert_uint_eq(json_object_size(o), 4);
	cert = json_string_value(json_object_get(o, "pckCert"));
	chain = json_string_value(
	    json_object_get(o, "sgx-Pck-Certificate-Issuer-Chain"));
	tcbm = json_string_value(json_object_get(o, "sgx-Tcbm"));
	age = json_object_get(o, "cacheMaxAge");
	ck_assert_uint_eq(qcnl_split(cert).n, 1);
	ck_assert_int_eq(cert[strlen(cert) - 1], '\n');
	ck_assert_uint_eq(strlen(tcbm), 36);
	ck_assert(json_is_integer(age));
	ck_assert_int_gt((int)json_integer_value(age), 0);
	ck_assert_int_le((int)json_integer_value(age), 86400);
	expect_header(r, "SGX-TCBm", tcbm);
	expect_header(r, "SGX-PCK-Certificate-Issuer-Chain", chain);
}

static const char *const bases[] = { THIM4, THIM3,
	"/METADATA/thim/sgx/certification/v4/" };

START_TEST(test_the_azure_client_gets_all_four_members)
{
	struct sim_platform p = sim_platform(SIM_DIRECT);
	struct edge_reply r;
	char *target = azure(bases[_i], &p);

	start(keep_printf("\"%s\"", p.qe_id), NULL);
	r = get_once(target, META);
	if (too_slow(&r)) {
		r = get(target, META);
	} else {
		expect_header(&r, "X-Cache", "MISS");
	}
	check_object(&r);
	r = get(target, "Metadata: TRUE\r\n");
	check_object(&r);
	expect_header(&r, "X-Cache", "HIT");
	house_stop(&h);
}
END_TEST

/* local_pck_url: upper case, no api-version; QCNL finds what it needs. */
START_TEST(test_qcnl_takes_the_object)
{
	struct sim_platform p = sim_platform(SIM_DIRECT);
	struct qcnl_cert a = { .pem = NULL }, b = { .pem = NULL };
	struct qcnl q = { .status = 200 };
	struct edge_reply r;
	char *pccs = keep_text(house_pckcert(&p, 1));

	start("\"*\"", NULL);
	r = get(keep_printf("/metadata/THIM%s", pccs), META);
	check_object(&r);
	buf_str(&q.head, r.text);
	buf_add(&q.body, r.body, r.len);
	ck_assert_int_eq(qcnl_cert(&q, &a), QCNL_SUCCESS);
	qcnl_fini(&q);
	/* what PCCS's own route gives, on the listener that has both */
	h.port = server_port(h.server, 1);
	r = get(pccs, NULL);
	ck_assert_int_eq(r.status, 200);
	q = (struct qcnl){ .status = 200 };
	buf_str(&q.head, r.text);
	buf_add(&q.body, r.body, r.len);
	ck_assert_int_eq(qcnl_cert(&q, &b), QCNL_SUCCESS);
	qcnl_fini(&q);
	ck_assert_str_eq(a.pem, b.pem);
	ck_assert_str_eq(a.tcbm, b.tcbm);
	house_stop(&h);
}
END_TEST

static const struct {
	const char *headers;
	int status;
} rules[] = {
	{ META, 200 },
	{ "Metadata: True\r\n", 200 },
	{ "METADATA: true\r\n", 200 },
	{ NULL, 400 },
	{ "metadata:false\r\n", 400 },
	{ "metadata:1\r\n", 400 },
	{ "metadata:truee\r\n", 400 },
	{ "metadata:true\r\nX-Forwarded-For: 10.0.0.1\r\n", 400 },
	{ "metadata:true\r\nx-forwarded-for: \r\n", 400 },
};

START_TEST(test_the_metadata_header_is_asked_for)
{
	struct sim_platform p = sim_platform(SIM_CLIENT);
	char *target = azure(THIM4, &p);

	start("\"*\"", NULL);
	ck_assert_int_eq(get(target, META).status, 200);
	if (rules[_i].status == 200)
		ck_assert_int_eq(get(target, rules[_i].headers).status, 200);
	else
		check_refused(target, rules[_i].headers, 400, "bad-parameter");
	/* the guarded row goes before PCCS's own of the same path */
	h.port = server_port(h.server, 1);
	ck_assert_int_eq(get(target, rules[_i].headers).status,
	    rules[_i].status);
	house_stop(&h);
}
END_TEST

START_TEST(test_another_platform_cannot_be_named)
{
	struct sim_platform mine = sim_platform(SIM_DIRECT);
	struct sim_platform other = sim_platform(SIM_CLIENT);

	start(keep_printf("\"0\",\"%s\"", lower(mine.qe_id)), NULL);
	ck_assert_int_eq(get(azure(THIM4, &mine), META).status, 200);
	check_refused(azure(THIM4, &other), META, 403, "forbidden");
	check_refused(azure(THIM3, &other), META, 403, "forbidden");
	ck_assert_uint_eq(sim_count(h.sim, "*pckcerts*"), 1);
	house_stop(&h);
}
END_TEST

/* The platform that another row has; a row without platforms; no row. */
START_TEST(test_a_caller_without_a_row_learns_nothing)
{
	struct sim_platform p = sim_platform(SIM_DIRECT);
	struct house_opts o = { .listen = LISTEN };
	char *target = azure(THIM4, &p);

	o.members =
	    keep_printf(HOSTS("{\"match\":[\"10.9.8.7\"],\"qe_id\":[\"%s\"]}"),
		p.qe_id);
	house_start(&h, &o);
	check_refused(target, META, 403, "forbidden");
	o.members = NULL;
	house_reload(&h, &o);
	check_refused(target, META, 403, "forbidden");
	o.members = HOSTS("{\"match\":[\"127.0.0.1\"],\"product\":\"Turin\","
			  "\"chip_id\":[\"0011223344556677\"]}");
	house_reload(&h, &o);
	check_refused(target, META, 403, "forbidden");
	ck_assert_uint_eq(sim_count(h.sim, "*pckcert*"), 0);
	o.members = HOSTS("{\"match\":[\"127.0.0.0/8\"],\"qe_id\":[\"*\"]}");
	house_reload(&h, &o);
	ck_assert_int_eq(get(target, META).status, 200);
	house_stop(&h);
}
END_TEST

START_TEST(test_bad_parameters_and_other_paths)
{
	struct sim_platform p = sim_platform(SIM_DIRECT);

	start("\"*\"", NULL);
	check_refused(THIM4 "pckcert", META, 400, "bad-parameter");
	check_refused(THIM4 "pckcert?qeid=x", META, 400, "bad-parameter");
	check_refused(THIM4 "tcb?fmspc=00606A000000", META, 404, "no-route");
	check_refused("/sgx/certification/v4/qe/identity", META, 404,
	    "no-route");
	check_refused("/metadata/THIM/tdx/certification/v4/pckcert", META, 404,
	    "no-route");
	ck_assert_int_eq(keep(house_send(&h, "POST", azure(THIM4, &p), META,
				  span_str("")))
			     .status,
	    405);
	house_stop(&h);
}
END_TEST

/*
 * The client waits a second: a miss whose upstream hangs ends before, with
 * an answer it can go on from, and what came late is there the next time.
 */
START_TEST(test_a_slow_upstream_is_answered_in_time)
{
	struct sim_fault hold = { .kind = SIM_HOLD };
	struct sim_platform p = sim_platform(SIM_CLIENT);
	struct edge_reply r;
	int64_t from;
	char *target = azure(THIM4, &p);

	start("\"*\"", "\"client_wait_ms\":600000");
	sim_fault_add(h.sim, &hold);
	from = clock_mono_ms();
	r = get_once(target, META);
	/* far below client_wait_ms, however busy the machine */
	ck_assert_int_lt(clock_mono_ms() - from, 300000);
	ck_assert_int_eq(r.status, 503);
	expect_header(&r, "Larder-Reason", "upstream-slow");
	ck_assert(has_header(&r, "Retry-After"));
	/* in front of what a later attempt of QCNL gets (9.1 R2) */
	ck_assert_uint_eq(r.len, 0);
	sim_release(h.sim);
	sim_fault_clear(h.sim);
	r = get(target, META);
	check_object(&r);
	ck_assert_uint_eq(sim_count(h.sim, "*pckcerts*"), 1);
	house_stop(&h);
}
END_TEST

/* As get(), on this connection. */
static struct edge_reply
ask_again(int fd, const char *request)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	struct edge_reply r = { 0 };

	do {
		edge_send(fd, request);
		edge_read(fd, &r, false);
		keep(r);
	} while (too_slow(&r) && clock_mono_ms() < until);
	return r;
}

/* Unix sockets: the row is the user's, or the socket's. */
START_TEST(test_unix_peers)
{
	struct sim_platform p = sim_platform(SIM_CLIENT);
	char *target = azure(THIM4, &p), *request, *path;
	struct house_opts o = { 0 };
	struct edge_reply r = { 0 };
	const char *matches[3];
	int i, fd, want[] = { 200, 403, 200 };

	path = keep_printf("%s/g1", run_dir());
	o.listen =
	    keep_printf("[{\"address\":\"127.0.0.1:0\",\"serve\":[\"ops\"]"
			"},{\"address\":\"unix:%s\","
			"\"serve\":[\"thim\"]}]",
		path);
	matches[0] = keep_printf("unix:uid=%u", (unsigned)getuid());
	matches[1] = keep_printf("unix:uid=%u", (unsigned)getuid() + 1);
	matches[2] = keep_printf("listen:unix:%s", path);
	request =
	    keep_printf("GET %s HTTP/1.1\r\nHost: x\r\n" META "\r\n", target);
	house_start(&h, &o);
	for (i = 0; i < 3; i++) {
		o.members =
		    keep_printf(HOSTS("{\"match\":[\"%s\"],\"qe_id\":[\"*\"]}"),
			matches[i]);
		house_reload(&h, &o);
		fd = edge_open_unix(path);
		r = ask_again(fd, request);
		close(fd);
		ck_assert_msg(r.status == want[i], "%s: %d", matches[i],
		    r.status);
	}
	house_stop(&h);
}
END_TEST

/* A connection to a listener that is gone is not taken for whoever comes to
 * the listener that stands in its place. */
START_TEST(test_a_removed_listener_has_no_row)
{
	struct sim_platform p = sim_platform(SIM_CLIENT);
	char *request =
	    keep_printf("GET %s HTTP/1.1\r\nHost: x\r\n" META "\r\n",
		azure(THIM4, &p));
	struct house_opts o = { 0 };
	struct edge_reply r = { 0 };
	const char *const names[] = { "a", "b" };
	const char *path;
	int i, fd = -1, want[] = { 200, 403 };

	for (i = 0; i < 2; i++) {
		path = run_path(names[i]);
		o.listen = keep_printf(
		    "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"ops\"]},"
		    "{\"address\":\"unix:%s\",\"serve\":[\"thim\"]}]",
		    path);
		o.members = keep_printf(HOSTS("{\"match\":[\"listen:unix:%s\"],"
					      "\"qe_id\":[\"*\"]}"),
		    path);
		if (i == 0) {
			house_start(&h, &o);
			fd = edge_open_unix(path);
		} else {
			house_reload(&h, &o);
		}
		r = ask_again(fd, request);
		ck_assert_int_eq(r.status, want[i]);
	}
	close(fd);
	house_stop(&h);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("thim_sgx");
	TCase *tc = tcase_create("all");
	SRunner *r;
	int failed;

	run_dir();
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_the_azure_client_gets_all_four_members, 0,
	    N(bases));
	tcase_add_test(tc, test_qcnl_takes_the_object);
	tcase_add_loop_test(tc, test_the_metadata_header_is_asked_for, 0,
	    N(rules));
	tcase_add_test(tc, test_another_platform_cannot_be_named);
	tcase_add_test(tc, test_a_caller_without_a_row_learns_nothing);
	tcase_add_test(tc, test_bad_parameters_and_other_paths);
	tcase_add_test(tc, test_a_slow_upstream_is_answered_in_time);
	tcase_add_test(tc, test_unix_peers);
	tcase_add_test(tc, test_a_removed_listener_has_no_row);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
