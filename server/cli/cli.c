#include "server/cli/cli.h"

#include "config/base/must.h"
#include "config/base/version.h"
#include "server/cli/show.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_command *const tables[] = {
	cli_status_commands,
	cli_baseline_commands,
	cli_impact_commands,
	cli_doctor_commands,
	cli_ask_commands,
	cli_pccs_commands,
	cli_move_commands,
	cli_collect_commands,
	cli_verify_commands,
	cli_inspect_commands,
	cli_token_commands,
	cli_key_commands,
	cli_tls_commands,
	cli_host_commands,
	cli_config_commands,
};

static const struct {
	unsigned bit;
	struct cli_opt opt;
} common_opts[] = {
	{ CLI_SERVER,
	    { "server", 0, "URL",
		"the server to ask: http://HOST:PORT, https://HOST:PORT\n"
		"or unix:PATH (default $LARDER_SERVER, or\n"
		"http://127.0.0.1:8081)" } },
	{ CLI_SERVER,
	    { "ca", 0, "FILE", "trust these roots for https (PEM)" } },
	{ CLI_SERVER,
	    { "timeout", 0, "SECONDS", "wait this long at most (600)" } },
	{ CLI_TOKEN, { "token-file", 0, "FILE",
			 "the admin token: first line of FILE (default\n"
			 "$LARDER_ADMIN_TOKEN)" } },
	{ CLI_OUT,
	    { "output", 'o', "FILE", "write to FILE, not standard output" } },
	{ CLI_JSON, { "json", 'j', NULL, "print JSON" } },
	{ ~0u, { "help", 'h', NULL, "this text" } },
};

const struct cli_command *
cli_command_at(size_t i)
{
	const struct cli_command *c;
	size_t t;

	for (t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (c = tables[t]; c->name != NULL; c++)
			if (i-- == 0)
				return c;
	return NULL;
}

/* --- help ------------------------------------------------------------- */

static void
help_all(FILE *f)
{
	const struct cli_command *c;
	size_t i;

	fputs("usage: larder COMMAND [OPTION...] [ARGUMENT...]\n"
	      "       larder COMMAND --help\n"
	      "       larder --version\n"
	      "\n"
	      "Commands:\n",
	    f);
	for (i = 0; (c = cli_command_at(i)) != NULL; i++)
		fprintf(f, "  %-14s %s\n", c->name, c->summary);
}

/* One option; the second and later lines of its text stand below the first. */
static void
help_opt(FILE *f, const struct cli_opt *o)
{
	const char *text = o->help, *end;
	char name[40];
	int len;

	snprintf(name, sizeof(name), "--%s%s%s", o->name,
	    o->arg == NULL ? "" : " ", o->arg == NULL ? "" : o->arg);
	fprintf(f, "  %c%c%c %-20s", o->letter ? '-' : ' ',
	    o->letter ? o->letter : ' ', o->letter ? ',' : ' ', name);
	while (text != NULL) {
		end = strchr(text, '\n');
		len = end == NULL ? (int)strlen(text) : (int)(end - text);
		fprintf(f, " %.*s\n", len, text);
		text = end == NULL ? NULL : end + 1;
		if (text != NULL)
			fprintf(f, "%-26s", "");
	}
}

static void
help_command(FILE *f, const struct cli *cli)
{
	const struct cli_command *c = cli->command;
	size_t i;

	fprintf(f, "usage: larder %s [OPTION...]%s%s\n\n%s.\n", c->name,
	    c->args[0] == '\0' ? "" : " ", c->args, c->summary);
	if (c->text != NULL)
		fprintf(f, "\n%s", c->text);
	fputs("\nOptions:\n", f);
	for (i = 0; i < cli->n_opts; i++)
		help_opt(f, cli->opts[i]);
}

/* "larder token" and "larder token --help": the commands that begin so. */
static bool
help_family(FILE *f, const char *word)
{
	const struct cli_command *c;
	size_t i, len = strlen(word);
	bool any = false;

	for (i = 0; (c = cli_command_at(i)) != NULL; i++) {
		if (strncmp(c->name, word, len) != 0 || c->name[len] != ' ')
			continue;
		if (!any)
			fprintf(f, "usage: larder %s COMMAND [OPTION...]\n\n",
			    word);
		fprintf(f, "  %-14s %s\n", c->name, c->summary);
		any = true;
	}
	return any;
}

/* --- options ---------------------------------------------------------- */

static void
cli_opts(struct cli *cli)
{
	const struct cli_opt *o;
	size_t i;

	for (o = cli->command->opts; o != NULL && o->name != NULL; o++) {
		must(cli->n_opts < CLI_OPTS_MAX);
		cli->opts[cli->n_opts++] = o;
	}
	for (i = 0; i < sizeof(common_opts) / sizeof(common_opts[0]); i++) {
		if (common_opts[i].bit != ~0u &&
		    (cli->command->common & common_opts[i].bit) == 0)
			continue;
		must(cli->n_opts < CLI_OPTS_MAX);
		cli->opts[cli->n_opts++] = &common_opts[i].opt;
	}
}

/* getopt's tables from ours; it prints what is wrong itself. */
static bool
cli_parse(struct cli *cli, int argc, char **argv)
{
	struct option longs[CLI_OPTS_MAX + 1];
	char letters[2 * CLI_OPTS_MAX + 1];
	size_t i, n = 0;
	int c;

	memset(longs, 0, sizeof(longs));
	for (i = 0; i < cli->n_opts; i++) {
		longs[i].name = cli->opts[i]->name;
		longs[i].has_arg = cli->opts[i]->arg != NULL;
		longs[i].val = 256 + (int)i;
		if (cli->opts[i]->letter == 0)
			continue;
		letters[n++] = cli->opts[i]->letter;
		if (cli->opts[i]->arg != NULL)
			letters[n++] = ':';
	}
	letters[n] = '\0';
	optind = 0; /* glibc: begin anew */
	while ((c = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (c == '?')
			return false;
		for (i = 0; i < cli->n_opts; i++)
			if (c == 256 + (int)i || c == cli->opts[i]->letter)
				cli->values[i] = optarg == NULL ? "" : optarg;
	}
	cli->argc = argc - optind;
	cli->argv = argv + optind;
	return true;
}

const char *
cli_value(const struct cli *cli, const char *name)
{
	size_t i;

	for (i = 0; i < cli->n_opts; i++)
		if (strcmp(cli->opts[i]->name, name) == 0)
			return cli->values[i];
	return NULL;
}

bool
cli_has(const struct cli *cli, const char *name)
{
	return cli_value(cli, name) != NULL;
}

bool
cli_number(const struct cli *cli, const char *name, long min, long max,
    long def, long *out)
{
	const char *text = cli_value(cli, name);
	char *end;
	long n;

	*out = def;
	if (text == NULL)
		return true;
	errno = 0;
	n = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < min || n > max) {
		cli_misuse(cli, "--%s: not a number from %ld to %ld", name, min,
		    max);
		return false;
	}
	*out = n;
	return true;
}

/* --- messages --------------------------------------------------------- */

/* Messages quote servers and files: nothing in one is an order to the
 * terminal. */
PRINTF(2, 0)
static void
message(const struct cli *cli, const char *fmt, va_list ap)
{
	char text[2048], *safe;

	vsnprintf(text, sizeof(text), fmt, ap);
	safe = show_text(text);
	fprintf(stderr, "larder %s: %s\n", cli->command->name, safe);
	free(safe);
}

int
cli_fail(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(cli, fmt, ap);
	va_end(ap);
	return CLI_FAILED;
}

int
cli_misuse(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(cli, fmt, ap);
	va_end(ap);
	fprintf(stderr, "try larder %s --help\n", cli->command->name);
	return CLI_USAGE;
}

/* --- running ---------------------------------------------------------- */

/* The command of the first word, or of the first two; *words says which. */
static const struct cli_command *
cli_find(int argc, char **argv, int *words)
{
	const struct cli_command *c;
	char two[64];
	size_t i;

	two[0] = '\0';
	if (argc > 2)
		snprintf(two, sizeof(two), "%s %s", argv[1], argv[2]);
	for (i = 0; (c = cli_command_at(i)) != NULL; i++) {
		*words = strchr(c->name, ' ') == NULL ? 1 : 2;
		if (strcmp(c->name, *words == 1 ? argv[1] : two) == 0)
			return c;
	}
	return NULL;
}

static int
cli_unknown(int argc, char **argv)
{
	bool help = argc > 2 && (strcmp(argv[2], "--help") == 0 ||
				    strcmp(argv[2], "-h") == 0);

	if (help_family(help ? stdout : stderr, argv[1]))
		return help ? CLI_OK : CLI_USAGE;
	fprintf(stderr, "larder: no command \"%s\"\ntry larder --help\n",
	    argv[1]);
	return CLI_USAGE;
}

static int
cli_command_run(const struct cli_command *command, int argc, char **argv)
{
	struct cli cli = { .command = command };
	char name[48];
	int rc;

	/* What getopt's own messages begin with. */
	snprintf(name, sizeof(name), "larder %s", command->name);
	argv[0] = name;
	cli_opts(&cli);
	if (!cli_parse(&cli, argc, argv)) {
		fprintf(stderr, "try larder %s --help\n", command->name);
		return CLI_USAGE;
	}
	if (cli_has(&cli, "help")) {
		help_command(stdout, &cli);
		return CLI_OK;
	}
	if (cli.argc < command->min_args ||
	    (command->max_args >= 0 && cli.argc > command->max_args))
		return cli_misuse(&cli, "wrong number of arguments");
	rc = command->fn(&cli);
	/* A full disk behind standard output is a failed job too. */
	if (fflush(stdout) != 0 && rc == CLI_OK)
		rc = cli_fail(&cli, "writing: %s", strerror(errno));
	return rc;
}

int
cli_run(int argc, char **argv)
{
	const struct cli_command *command;
	int words;

	if (argc < 2) {
		help_all(stderr);
		return CLI_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		help_all(stdout);
		return CLI_OK;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		puts("larder " LARDER_VERSION);
		return CLI_OK;
	}
	if ((command = cli_find(argc, argv, &words)) == NULL)
		return cli_unknown(argc, argv);
	return cli_command_run(command, argc - words, argv + words);
}
