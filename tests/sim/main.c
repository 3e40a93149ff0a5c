/*
 * larder-sim: the simulated Intel PCS and AMD KDS as a program.
 */
#include "config/base/clock.h"
#include "config/base/must.h"
#include "tests/sim/sim.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: larder-sim [--listen ADDRESS:PORT] [--seed TEXT] [--now TIME]\n"
    "                  [--strict-ppid] [--api-key KEY] [--tls CERT KEY]\n"
    "                  [--root] [--amd-root PRODUCT] [--throttle SECONDS]\n"
    "                  [--replay DIR]...\n"
    "\n"
    "Stands in for Intel PCS and, on the same port, for AMD KDS.  Prints\n"
    "\"listening URL SPKI\", SPKI being what trust.intel_root_spki_sha256\n"
    "needs, then serves until it is killed.\n"
    "\n"
    "  --listen    127.0.0.1:0 by default: any port\n"
    "  --seed      other seed, other keys (default \"sim\")\n"
    "  --now       \"2026-01-31T00:00:00Z\": what time it is at start\n"
    "  --strict-ppid  a PPID that /_sim/platform did not make is unknown\n"
    "  --api-key   answer 401 to whoever does not send it\n"
    "  --tls       serve https with these PEM files\n"
    "  --root      print the SPKI of the seed's root and end\n"
    "  --amd-root  print what trust.amd_root_spki_sha256.PRODUCT needs and "
    "end\n"
    "  --throttle  KDS answers 429 to the same question asked again within so\n"
    "              many seconds; the real one has 10 (default 0: never)\n"
    "  --replay    serve captured collateral, signed documents, PCK chains or\n"
    "              AMD's objects from a folder, byte for byte, and nothing "
    "else\n"
    "\n"
    "Control, by GET or POST, answers 200 (see tests/sim/control.c):\n"
    "  "
    "/_sim/fault?kind=K&path=GLOB&n=&skip=&ms=&status=&retry_after=&arg=&lie=\n"
    "              kinds: ";

static const char *
fault_name(int i)
{
	return sim_fault_name((enum sim_fault_kind)i);
}

static const char *
lie_name(int i)
{
	return pki_lie_name((enum pki_lie)i);
}

static const char *
amd_lie_name(int i)
{
	return pki_amd_lie_name((enum pki_amd_lie)i);
}

/* "a, b, c", going on in the next line before it is too long. */
static void
help_names(FILE *f, int from, int until, const char *(*name)(int))
{
	size_t column = 22;
	int i;

	for (i = from; i < until; i++) {
		if (column + strlen(name(i)) > 76) {
			fputs("\n              ", f);
			column = 14;
		}
		fprintf(f, "%s%s", name(i), i + 1 < until ? ", " : "");
		column += strlen(name(i)) + 2;
	}
}

static int
help(FILE *f)
{
	fputs(usage, f);
	help_names(f, 0, SIM_FAULT_N, fault_name);
	fputs("\n              lies: ", f);
	help_names(f, 1, PKI_LIE_N, lie_name);
	fputs("\n              of KDS: ", f);
	help_names(f, 1, PKI_AMD_LIE_N, amd_lie_name);
	fputs("\n"
	      "  /_sim/clear /_sim/release /_sim/counts /_sim/count?path=GLOB\n"
	      "  /_sim/reset /_sim/root?product= "
	      "/_sim/platform?n=&nonce=&rev=\n"
	      "  /_sim/recovery?fmspc=GLOB&at=TIME&advisories=&identities=1\n"
	      "  /_sim/standard?n= /_sim/na "
	      "/_sim/clock?offset=\n"
	      "  /_sim/chip?n=&ucode= /_sim/revoke?product=&side= "
	      "/_sim/rotate?product=\n"
	      "  /_sim/report?n=&ucode=&csp=1&version=&data= "
	      "/_sim/vek?n=&ucode=&csp=1\n"
	      "  /_sim/throttle?seconds= /_sim/exit\n",
	    f);
	return f == stderr ? 2 : 0;
}

static bool
listen_read(char *arg, struct sim_opts *o)
{
	char *colon = strrchr(arg, ':');

	if (colon == NULL)
		return false;
	*colon = '\0';
	o->address = arg;
	o->port = atoi(colon + 1);
	return true;
}

static bool
now_read(const char *arg)
{
	time_t t;

	if (time_read(span_str(arg), &t) != ERR_OK)
		return false;
	clock_offset_set((int64_t)(t - clock_now()));
	return true;
}

static int
print_root(const struct sim_opts *o)
{
	struct pki *pki =
	    pki_new(o->seed == NULL ? "sim" : o->seed, clock_now());

	printf("%s\n", pki_root_spki_hex(pki));
	pki_free(pki);
	return 0;
}

static int
print_amd_root(const char *name)
{
	enum amd_product product = amd_product_read(span_str(name));

	if (product == AMD_PRODUCT_N)
		return help(stderr);
	printf("%s\n", pki_amd_root_spki_hex(product));
	return 0;
}

static int
serve(const struct sim_opts *o)
{
	struct sim *sim;
	sigset_t end;
	int sig;

	/* Before any thread begins, so that all of them inherit it. */
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigaddset(&end, SIGINT);
	sigprocmask(SIG_BLOCK, &end, NULL);
	sim = sim_start(o);
	if (sim == NULL)
		return 1;
	printf("listening %s %s\n", sim_url(sim),
	    pki_root_spki_hex(sim_pki(sim)));
	fflush(stdout);
	sigwait(&end, &sig);
	sim_stop(sim);
	return 0;
}

enum {
	LISTEN = 256,
	SEED,
	NOW,
	STRICT,
	KEY,
	TLS,
	ROOT,
	AMD_ROOT,
	THROTTLE,
	REPLAY
};

static const struct option options[] = {
	{ "listen", required_argument, NULL, LISTEN },
	{ "seed", required_argument, NULL, SEED },
	{ "now", required_argument, NULL, NOW },
	{ "strict-ppid", no_argument, NULL, STRICT },
	{ "api-key", required_argument, NULL, KEY },
	{ "tls", required_argument, NULL, TLS },
	{ "root", no_argument, NULL, ROOT },
	{ "amd-root", required_argument, NULL, AMD_ROOT },
	{ "throttle", required_argument, NULL, THROTTLE },
	{ "replay", required_argument, NULL, REPLAY },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

#define REPLAY_MAX 64

/* False: wrong usage. */
static bool
option(int c, char **argv, struct sim_opts *o, const char **dirs)
{
	switch (c) {
	case LISTEN:
		return listen_read(optarg, o);
	case SEED:
		o->seed = optarg;
		return true;
	case NOW:
		return now_read(optarg);
	case STRICT:
		o->strict_ppid = true;
		return true;
	case KEY:
		o->api_key = optarg;
		return true;
	case TLS:
		o->tls_cert = optarg;
		o->tls_key = argv[optind];
		return argv[optind] != NULL && optind++ > 0;
	case THROTTLE:
		o->throttle_s = strtol(optarg, NULL, 10);
		return true;
	case REPLAY:
		dirs[o->n_replay++] = optarg;
		return o->n_replay < REPLAY_MAX;
	default:
		return false;
	}
}

int
main(int argc, char **argv)
{
	const char *dirs[REPLAY_MAX];
	struct sim_opts o = { .replay = dirs };
	bool root = false;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h')
			return help(stdout);
		if (c == AMD_ROOT)
			return print_amd_root(optarg);
		if (c == ROOT)
			root = true;
		else if (!option(c, argv, &o, dirs))
			return help(stderr);
	}
	if (optind < argc)
		return help(stderr);
	return root ? print_root(&o) : serve(&o);
}
