/* larderd: the server.  larderd(8) */
#include "config/base/text.h"
#include "config/base/version.h"
#include "server/daemon.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage_text[] =
    "usage: larderd [-htTV] [--manual] [-c FILE | FILE]\n"
    "\n"
    "Caching proxy for the collateral of confidential computing.\n"
    "\n"
    "  -c, --config FILE  configuration (default " DAEMON_CONFIG ",\n"
    "                     or built-in defaults when that file is absent)\n"
    "  -t, --test         check the configuration and leave\n"
    "  -T, --dump         print it whole, with defaults, and leave\n"
    "      --manual       print the settings part of larder.json(5)\n"
    "  -h, --help         this text\n"
    "  -V, --version      the version\n";

enum job { JOB_RUN, JOB_TEST, JOB_DUMP };
enum { OPT_MANUAL = 256 };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "test", no_argument, NULL, 't' },
	{ "dump", no_argument, NULL, 'T' },
	{ "manual", no_argument, NULL, OPT_MANUAL },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

/* -t and -T */
static int
check(enum job job, const char *path)
{
	struct config *config = NULL;
	struct why why = { 0 };
	char *shown;

	if (daemon_config(path, &config, &why) != ERR_OK) {
		shown = text_shown(why.text, 0);
		fprintf(stderr, "%s\n", shown);
		free(shown);
		return 1;
	}
	if (job == JOB_DUMP) {
		config_write(config, stdout);
	} else {
		config_warn(config, stderr);
		shown = text_shown(config->path, 0);
		printf("%s: no problem found\n", shown);
		free(shown);
	}
	config_unref(config);
	return 0;
}

static int
wrong_usage(void)
{
	fputs("try larderd --help\n", stderr);
	return 2;
}

int
main(int argc, char **argv)
{
	const char *path = NULL;
	enum job job = JOB_RUN;
	int c;

	while ((c = getopt_long(argc, argv, "c:tThV", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			path = optarg;
			break;
		case 't':
			job = JOB_TEST;
			break;
		case 'T':
			job = JOB_DUMP;
			break;
		case OPT_MANUAL:
			config_manual(stdout);
			return 0;
		case 'h':
			fputs(usage_text, stdout);
			return 0;
		case 'V':
			puts("larderd " LARDER_VERSION);
			return 0;
		default:
			return wrong_usage();
		}
	}
	if (optind < argc && path == NULL)
		path = argv[optind++];
	if (optind < argc)
		return wrong_usage();
	return job == JOB_RUN ? daemon_run(path) : check(job, path);
}
