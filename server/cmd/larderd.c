/* larderd: arguments only; the daemon itself is server/daemon.c. */
#include "server/daemon.h"

#include "config/base/version.h"
#include "config/config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPT_MANUAL = 256 };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "test", no_argument, NULL, 't' },
	{ "dump", no_argument, NULL, 'T' },
	{ "manual", no_argument, NULL, OPT_MANUAL },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void
usage(FILE *to)
{
	fputs("usage: larderd [-htTV] [-c FILE] [FILE]\n"
	      "\n"
	      "  -c, --config FILE  read this configuration instead of\n"
	      "                     " DAEMON_CONFIG "\n"
	      "  -t, --test         check the configuration and leave\n"
	      "  -T, --dump         print it whole, with defaults, and leave\n"
	      "      --manual       print the settings as a manual section\n"
	      "  -V, --version      print the version and leave\n"
	      "  -h, --help         print this and leave\n"
	      "\n"
	      "SIGHUP reads the configuration again, SIGTERM drains and"
	      " leaves.\n",
	    to);
}

/* -t and -T: the exit status. */
static int
inspect(const char *path, bool dump)
{
	struct config *config = NULL;
	struct why why = { 0 };

	if (daemon_config(path, &config, &why) != ERR_OK) {
		(void)fprintf(stderr, "larderd: %s\n", why.text);
		return EXIT_FAILURE;
	}
	if (dump)
		config_write(config, stdout);
	else
		(void)printf("%s: no problem\n",
		    config->path != NULL ? config->path : "built-in defaults");
	config_unref(config);
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	bool test = false, dump = false;
	const char *path = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "c:tTVh", options, NULL)) != -1)
		switch (c) {
		case 'c':
			path = optarg;
			break;
		case 't':
			test = true;
			break;
		case 'T':
			dump = true;
			break;
		case OPT_MANUAL:
			config_manual(stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("larderd " LARDER_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return 2;
		}
	if (optind < argc && path == NULL)
		path = argv[optind++];
	if (optind < argc) {
		usage(stderr);
		return 2;
	}
	return test || dump ? inspect(path, dump) : daemon_run(path);
}
