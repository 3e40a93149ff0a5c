/*
 * The metadata service as deploy/metadata sets it up, in network namespaces:
 * a hypervisor with larderd, a bridge, and guests behind it that ask with
 * curl.  Skipped where namespaces are not to be had.
 *
 *      hypervisor: larderd at 169.254.169.254:8380 of an interface of its own
 *      br-guests 10.77.0.1 -- vnet0 = guest 0, 10.77.0.11, a Milan machine's
 *                             vnet1 = guest 1, 10.77.0.12, a Turin machine's
 *                             vnet2 = guest 2, 10.77.0.13, nobody's
 *      uplink0 10.78.0.1 ---- outside: 10.78.0.2
 */
#include "config/base/must.h"
#include "storage/verify/amd.h"
#include "tests/kit/house.h"
#include "tests/kit/keep.h"

#include <check.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/pem.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define URL     "http://169.254.169.254/metadata/THIM/amd/certification"
#define TESTS   7
#define GUESTS  3
#define OUTSIDE 3

static struct house h;
static struct daemon_run larderd;
static pid_t others[GUESTS + 1]; /* who hold the other namespaces */
static struct sim_chip chips[2];

/* --- namespaces ------------------------------------------------------- */

static bool
file_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok =
	    fd != -1 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd != -1)
		close(fd);
	return ok;
}

/* A network namespace of our own; with a user namespace unless we are root. */
static bool
enter(void)
{
	unsigned uid = (unsigned)getuid(), gid = (unsigned)getgid();
	char map[2][40];

	if (unshare(CLONE_NEWNET) == 0)
		return true;
	snprintf(map[0], sizeof(map[0]), "0 %u 1", uid);
	snprintf(map[1], sizeof(map[1]), "0 %u 1", gid);
	return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
	       file_put("/proc/self/uid_map", map[0]) &&
	       file_put("/proc/self/setgroups", "deny") &&
	       file_put("/proc/self/gid_map", map[1]);
}

/* A process that does nothing in a network namespace of its own. */
static pid_t
holder(void)
{
	int ready[2];
	char byte = 0;
	pid_t pid;

	must(pipe2(ready, O_CLOEXEC) == 0);
	if ((pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) == -1 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	must(pid > 0);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

/* --- commands --------------------------------------------------------- */

static bool
can(const char *line)
{
	struct run r = run_line("", line);
	bool ok = r.status == 0;

	run_free(&r);
	return ok;
}

static void
must_run(const char *line)
{
	struct run r = run_line("", line);

	ck_assert_msg(r.status == 0, "%s: %s%s", line, r.out.p, r.err.p);
	run_free(&r);
}

/* Behind the command line: which namespace it is for. */
static char *
in(int who, const char *line)
{
	return keep_printf("nsenter -t %d -n %s", (int)others[who], line);
}

static void
nft(const char *text)
{
	run_spill("rules", text);
	must_run(keep_printf("nft -f %s", run_path("rules")));
}

/* Packets a named counter of the rules has seen. */
static long
counted(const char *family, const char *name)
{
	struct run r =
	    run_line("", keep_printf("nft list counter %s larder_metadata %s",
			     family, name));
	const char *at = strstr(r.out.p, "packets ");
	long n;

	ck_assert_msg(at != NULL, "%s%s", r.out.p, r.err.p);
	n = strtol(at + strlen("packets "), NULL, 10);
	run_free(&r);
	return n;
}

/* --- the network ------------------------------------------------------ */

/* Is all there that is needed? The reason if not. */
static const char *
missing(void)
{
	if (!can("ip -V") || !can("nft -v") || !can("curl -V") ||
	    !can("nsenter -V"))
		return "ip, nft, curl or nsenter is missing";
	if (!enter())
		return "network namespaces are not permitted";
	if (!can("ip link set lo up") ||
	    !can("ip link add br-guests type bridge") ||
	    !can("nft -f deploy/metadata/larder-metadata.nft"))
		return "bridges or nftables are not to be had here";
	return NULL;
}

/* A pair of interfaces, the far one in the other's namespace as eth0. */
static void
link_to(int who, const char *near, const char *address, const char *gateway)
{
	must_run(keep_printf("ip link add %s type veth peer name far", near));
	must_run(keep_printf("ip link set far netns %d", (int)others[who]));
	must_run(keep_printf("ip link set %s up", near));
	must_run(in(who, "ip link set lo up"));
	must_run(in(who, "ip link set far name eth0"));
	must_run(
	    in(who, keep_printf("ip address add %s/24 dev eth0", address)));
	must_run(in(who, "ip link set eth0 up"));
	must_run(in(who, keep_printf("ip route add default via %s", gateway)));
}

static void
network_make(void)
{
	int i;

	for (i = 0; i <= GUESTS; i++)
		ck_assert_int_gt(others[i] = holder(), 0);
	/* Not every kernel has dummies; what counts is that nobody is on it. */
	if (!can("ip link add larder-md0 type dummy"))
		must_run("ip link add larder-md0 type bridge");
	must_run("ip address add 169.254.169.254/32 dev larder-md0");
	must_run("ip link set larder-md0 up");
	must_run("ip address add 10.77.0.1/24 dev br-guests");
	must_run("ip link set br-guests up");
	for (i = 0; i < GUESTS; i++) {
		link_to(i, keep_printf("vnet%d", i),
		    keep_printf("10.77.0.%d", 11 + i), "10.77.0.1");
		must_run(keep_printf("ip link set vnet%d master br-guests", i));
	}
	link_to(OUTSIDE, "uplink0", "10.78.0.2", "10.78.0.1");
	must_run("ip address add 10.78.0.1/24 dev uplink0");
	nft("add element inet larder_metadata guest_side { \"br-guests\" }\n"
	    "add element bridge larder_metadata guests {"
	    " \"vnet0\" . 10.77.0.11, \"vnet1\" . 10.77.0.12,"
	    " \"vnet2\" . 10.77.0.13 }\n");
}

static char *
row(const char *match, const struct sim_chip *c)
{
	char tcbm[17];

	amd_tcb_write(c->tcb, tcbm);
	return keep_printf("{\"match\":[\"%s\"],\"product\":\"%s\","
			   "\"chip_id\":[\"%s\"],\"tcb\":\"%s\"}",
	    match, amd_product_name(c->product), c->hex, tcbm);
}

static void
setup(void)
{
	struct house_opts o = { .listen =
				    "[{\"address\":\"169.254.169.254:8380\","
				    "\"serve\":[\"thim\"]}]" };

	network_make();
	chips[0] = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	chips[1] = sim_chip(SIM_CHIP(SIM_CHIP_TURIN, 1));
	o.members = keep_printf("\"hosts\":[%s,%s]",
	    row("10.77.0.11", &chips[0]), row("10.77.0.12", &chips[1]));
	house_daemon(&h, &o, &larderd);
	/* A request does not wait for what was fetched ahead. */
	ck_assert(sim_wait(h.sim, "/vcek/v1/Milan/*SPL=*", 1, PATIENCE_MS));
	ck_assert(sim_wait(h.sim, "/vcek/v1/Turin/*SPL=*", 1, PATIENCE_MS));
}

static void
teardown(void)
{
	int i;

	(void)daemon_run_end(&larderd, SIGTERM);
	sim_stop(h.sim);
	for (i = 0; i <= GUESTS; i++) {
		kill(others[i], SIGKILL);
		waitpid(others[i], NULL, 0);
	}
	keep_end();
}

/* --- asking ----------------------------------------------------------- */

struct heard {
	int exit; /* curl's: 28, nobody answered */
	int status;
	char *body;
};

/* As a guest does; "options" may be "". */
static struct heard
ask(int who, const char *options, const char *url)
{
	struct run r = run_line("",
	    in(who, keep_printf("curl -s -S --noproxy * -m 20 %s -w "
				"\\n%%{http_code} %s",
			options, url)));
	struct heard heard = { .exit = r.status };
	char *end = strrchr(r.out.p, '\n');

	if (end == NULL)
		end = r.out.p;
	heard.status = atoi(*end == '\n' ? end + 1 : end);
	heard.body = keep_printf("%.*s", (int)(end - r.out.p), r.out.p);
	run_free(&r);
	return heard;
}

#define META "-H Metadata:true"
/* What is dropped is never answered, however long one waits. */
#define BRIEF META " --connect-timeout 0.3"

/* The VCEK of this chip, and its issuers. */
static void
check_chip(struct heard heard, const struct sim_chip *c)
{
	json_t *o = keep_json(json_loads(heard.body, 0, NULL));
	struct vek *vek = NULL;
	unsigned char *der = NULL;
	char tcbm[17];
	BIO *bio;
	X509 *x;
	int len;

	ck_assert_int_eq(heard.exit, 0);
	ck_assert_int_eq(heard.status, 200);
	bio = BIO_new_mem_buf(json_string_value(json_object_get(o, "vcekCert")),
	    -1);
	x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	ck_assert_int_gt(len = i2d_X509(x, &der), 0);
	ck_assert_int_eq(vek_parse(span_of(der, (size_t)len), &vek, NULL),
	    ERR_OK);
	ck_assert_uint_eq(vek->hwid_len, amd_hwid_len(c->product));
	ck_assert_mem_eq(vek->hwid, c->hwid, vek->hwid_len);
	amd_tcb_write(c->tcb, tcbm);
	ck_assert_str_eq(json_string_value(json_object_get(o, "tcbm")), tcbm);
	vek_unref(vek);
	OPENSSL_free(der);
	X509_free(x);
	BIO_free(bio);
}

START_TEST(test_guests_get_their_own_chips)
{
	check_chip(ask(0, META, URL), &chips[0]);
	check_chip(ask(1, META, URL), &chips[1]);
	check_chip(ask(0, META, URL "?api-version=2021-07-22-preview"),
	    &chips[0]);
	keep_end();
}
END_TEST

START_TEST(test_a_guest_without_a_row_is_refused)
{
	struct heard heard = ask(2, META, URL);

	ck_assert_int_eq(heard.exit, 0);
	ck_assert_int_eq(heard.status, 403);
	ck_assert_ptr_nonnull(strstr(heard.body, "\"forbidden\""));
	keep_end();
}
END_TEST

START_TEST(test_another_guests_chip_cannot_be_named)
{
	struct heard heard =
	    ask(1, META, keep_printf(URL "?platformId=%s", chips[0].hex));

	ck_assert_int_eq(heard.status, 403);
	ck_assert_int_eq(ask(0, "", URL).status, 400);
	ck_assert_int_eq(ask(0, META " -H X-Forwarded-For:10.77.0.12", URL)
			     .status,
	    400);
	keep_end();
}
END_TEST

/* Guest 2 takes guest 0's address: the bridge knows whose port it is. */
START_TEST(test_a_neighbours_address_is_of_no_use)
{
	long before = counted("bridge", "spoofed");
	struct heard heard;

	must_run(in(2, "ip address add 10.77.0.11/32 dev eth0"));
	heard = ask(2, BRIEF " --interface 10.77.0.11", URL);
	ck_assert_int_ne(heard.exit, 0);
	ck_assert_int_eq(heard.status, 0);
	ck_assert_int_gt(counted("bridge", "spoofed"), before);
	must_run(in(2, "ip address del 10.77.0.11/32 dev eth0"));
	/* an address of nobody's is not let in either */
	must_run(in(2, "ip address add 10.77.0.99/32 dev eth0"));
	ck_assert_int_ne(ask(2, BRIEF " --interface 10.77.0.99", URL).exit, 0);
	must_run(in(2, "ip address del 10.77.0.99/32 dev eth0"));
	check_chip(ask(0, META, URL), &chips[0]);
	keep_end();
}
END_TEST

/* A guest that is not among the pairs, until it is. */
START_TEST(test_a_port_without_a_pair_does_not_reach_it)
{
	nft("delete element bridge larder_metadata guests {"
	    " \"vnet1\" . 10.77.0.12 }\n");
	ck_assert_int_ne(ask(1, BRIEF, URL).exit, 0);
	nft("add element bridge larder_metadata guests {"
	    " \"vnet1\" . 10.77.0.12 }\n");
	check_chip(ask(1, META, URL), &chips[1]);
	keep_end();
}
END_TEST

START_TEST(test_the_uplink_does_not_reach_it)
{
	long before = counted("inet", "refused");

	ck_assert_int_ne(ask(OUTSIDE, BRIEF, URL).exit, 0);
	ck_assert_int_gt(counted("inet", "refused"), before);
	/* the rule does it: the way is there */
	nft("add element inet larder_metadata guest_side { \"uplink0\" }\n");
	ck_assert_int_eq(ask(OUTSIDE, META, URL).status, 403);
	/* and not with an address that is elsewhere */
	must_run(in(OUTSIDE, "ip address add 10.77.0.11/32 dev eth0"));
	before = counted("inet", "refused");
	ck_assert_int_ne(ask(OUTSIDE, BRIEF " --interface 10.77.0.11", URL)
			     .exit,
	    0);
	ck_assert_int_gt(counted("inet", "refused"), before);
	nft("delete element inet larder_metadata guest_side { \"uplink0\" }\n");
	keep_end();
}
END_TEST

START_TEST(test_no_other_port_is_reached)
{
	ck_assert_int_ne(ask(0, BRIEF, "http://169.254.169.254:8380/healthz")
			     .exit,
	    0);
	ck_assert_int_ne(ask(0, BRIEF, "http://169.254.169.254:81/").exit, 0);
	/* nothing but the metadata service is on the one there is */
	ck_assert_int_eq(ask(0, META, "http://169.254.169.254/healthz").status,
	    404);
	keep_end();
}
END_TEST

static int
run_all(void)
{
	Suite *s = suite_create("metadata_net");
	TCase *tc = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_guests_get_their_own_chips);
	tcase_add_test(tc, test_a_guest_without_a_row_is_refused);
	tcase_add_test(tc, test_another_guests_chip_cannot_be_named);
	tcase_add_test(tc, test_a_neighbours_address_is_of_no_use);
	tcase_add_test(tc, test_a_port_without_a_pair_does_not_reach_it);
	tcase_add_test(tc, test_the_uplink_does_not_reach_it);
	tcase_add_test(tc, test_no_other_port_is_reached);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	/* A child would have the simulator's memory without its threads. */
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

int
main(void)
{
	const char *why;

	run_dir();
	/* Where administrators' tools are, when a user runs this. */
	must(setenv("PATH",
		 keep_printf("%s:/usr/sbin:/sbin",
		     getenv("PATH") == NULL ? "/usr/bin:/bin" : getenv("PATH")),
		 1) == 0);
	if ((why = missing()) != NULL) {
		printf("skipped: %d %s\n", TESTS, why);
		keep_end();
		return 0;
	}
	return run_all();
}
