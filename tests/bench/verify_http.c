/*
 * larder with warm collateral, to be asked for verdicts over HTTP.
 * usage: verify_http FOLDER.  Writes evidence there (tdx-0.bin and on, each
 * with a QE report signed anew, and snp.bin), starts, asks for all of it
 * once, prints its port; then for each line on standard input the
 * microseconds of CPU it has used so far; ends with standard input.
 */
#include "config/base/enc.h"
#include "config/base/log.h"
#include "config/base/must.h"
#include "tests/kit/house.h"
#include "tests/kit/quote.h"
#include "tests/kit/snp_made.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define QUOTES 32

static struct house h;

static void
keep_and_ask(const char *dir, const char *name, struct blob *evidence)
{
	struct edge_reply r =
	    house_send(&h, "POST", "/v1/verify", NULL, blob_span(evidence));
	char path[400];
	FILE *f;

	must(r.status == 200 &&
	     strncmp(r.body, "{\"verdict\":\"accepted\"", 21) == 0);
	edge_reply_free(&r);
	snprintf(path, sizeof(path), "%s/%s.bin", dir, name);
	must((f = fopen(path, "we")) != NULL);
	must(fwrite(evidence->data, 1, evidence->len, f) == evidence->len);
	must(fclose(f) == 0);
	blob_unref(evidence);
}

static struct blob *
quote_make(unsigned char n)
{
	unsigned char body[584] = { 0 }, qe[320] = { 0 };
	struct kit_quote q = { .version = 4,
		.tee = TEE_TDX,
		.body = body,
		.qe_report = qe,
		.pck = { .ca = PCK_CA_PLATFORM,
		    .fmspc = { 0x90, 0xc0, 0x6f, 0, 0, 0 },
		    .pcesvn = 255,
		    .sgx_type = 1 } };

	memset(q.pck.comp, 255, sizeof(q.pck.comp));
	memset(body, 255, 16);
	body[1] = 3;
	qe[48] = 0x11;
	qe[100] = n; /* reserved, but signed */
	must(hex_read(span_str("dc9e2a7c6f948f17474e34a7fc43ed03"
			       "0f7c1563f1babddf6340c82e0e54a8c5"),
		 qe + 128, 32) == ERR_OK);
	qe[256] = 2;
	qe[258] = 255;
	return kit_quote(sim_pki(h.sim), &q);
}

static struct blob *
report_make(void)
{
	struct sim_chip chip = sim_chip(SIM_CHIP(SIM_CHIP_GENOA, 1));
	struct pki_vek vek = sim_chip_vek(&chip);
	struct snp_report r = snp_made_report(&vek, 3);

	return snp_made(sim_amd(h.sim), &vek, &r);
}

static long long
cpu_us(void)
{
	struct rusage u;

	must(getrusage(RUSAGE_SELF, &u) == 0);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000LL +
	       u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static const char *folder;

/* The house is a test's: it wants to be inside one. */
START_TEST(serve)
{
	const struct house_opts o = {
		.workers = 1, /* as many as larderd has on one core */
		.listen = "[{\"address\":\"127.0.0.1:0\","
			  "\"serve\":[\"verify\",\"pccs\"]}]",
	};
	char line[16], name[16];
	unsigned i;

	house_start(&h, &o);
	for (i = 0; i < QUOTES; i++) {
		snprintf(name, sizeof(name), "tdx-%u", i);
		keep_and_ask(folder, name, quote_make((unsigned char)i));
	}
	keep_and_ask(folder, "snp", report_make());
	printf("%d\n", h.port);
	must(fflush(stdout) == 0);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		printf("%lld\n", cpu_us());
		must(fflush(stdout) == 0);
	}
	house_stop(&h);
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *s = suite_create("verify over HTTP");
	TCase *tc = tcase_create("serve");
	SRunner *sr;
	int failed;

	must(argc == 2);
	folder = argv[1];
	log_level_set(LOG_WARN);
	tcase_add_test(tc, serve);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_fork_status(sr, CK_NOFORK);
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
