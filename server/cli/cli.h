/*
 * The operator's command line: a table row per sub-command, from which the
 * options are parsed and the --help texts are printed.  One thread; what a
 * command allocates is freed before it returns.
 *
 * Exit status: 0 done, 1 the job failed, 2 wrong usage.
 */
#ifndef SERVER_CLI_CLI_H
#define SERVER_CLI_CLI_H

#include "config/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct http_answer;
struct http_ask;

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

#define CLI_OPTS_MAX 16

#define CLI_CONFIG   "/etc/larder/larder.json"

struct cli_opt {
	const char *name; /* long form */
	char letter;      /* short form, or 0 */
	const char *arg;  /* name of its argument; NULL: a flag */
	const char *help; /* lines after the first are indented */
};

/* Options many commands share: or-ed into cli_command.common. */
enum {
	CLI_SERVER = 1 << 0, /* --server --ca --timeout */
	CLI_TOKEN = 1 << 1,  /* --token-file */
	CLI_JSON = 1 << 2,   /* --json */
	CLI_OUT = 1 << 3,    /* -o, --output */
};

struct cli;

struct cli_command {
	const char *name; /* "status"; "token add" */
	const char *args; /* "QUOTE"; "" */
	int min_args;
	int max_args; /* -1: any number */
	unsigned common;
	const struct cli_opt *opts; /* ends with a row of name NULL; or NULL */
	const char *summary;        /* one line */
	const char *text;           /* for --help, lines; or NULL */
	int (*fn)(struct cli *);
};

/* One table per file, each ending with a row of name NULL. */
extern const struct cli_command cli_ask_commands[], cli_move_commands[],
    cli_pccs_commands[], cli_doctor_commands[], cli_collect_commands[],
    cli_status_commands[], cli_token_commands[], cli_key_commands[],
    cli_tls_commands[], cli_host_commands[], cli_config_commands[],
    cli_impact_commands[], cli_verify_commands[], cli_inspect_commands[],
    cli_baseline_commands[];

/* A command as it was called. */
struct cli {
	const struct cli_command *command;
	int argc; /* what is left after the options */
	char **argv;
	size_t n_opts;
	const struct cli_opt *opts[CLI_OPTS_MAX];
	const char *values[CLI_OPTS_MAX]; /* NULL: not given */
};

/* The whole program behind main(): argv[0] is the program's name. */
int cli_run(int argc, char **argv);
/* Every command in the order of the tables, for tests and lists; NULL ends. */
const struct cli_command *cli_command_at(size_t i);

/* The value of an option; NULL (false) when it was not given. */
const char *cli_value(const struct cli *, const char *name);
bool cli_has(const struct cli *, const char *name);
/* A whole number in [min, max] from an option; "def" when it is not given.
 * False, with a message, when it is not such a number. */
bool cli_number(const struct cli *, const char *name, long min, long max,
    long def, long *out);

/* "larder COMMAND: text" on stderr; gives CLI_FAILED, or CLI_USAGE. */
int cli_fail(const struct cli *, const char *fmt, ...) PRINTF(2, 3);
int cli_misuse(const struct cli *, const char *fmt, ...) PRINTF(2, 3);

/* --- files ------------------------------------------------------------ */

struct buf;
struct span;

/* A whole file, "-" is standard input; at most max bytes. */
enum err cli_read_file(const char *path, size_t max, struct buf *out,
    struct why *) MUST_CHECK;
/* Its first line without blanks around it: a token. */
enum err cli_read_line(const char *path, struct buf *out,
    struct why *) MUST_CHECK;
/* A new file of this mode; an existing one is an error unless "over". */
enum err cli_write_file(const char *path, struct span, int mode, bool over,
    struct why *) MUST_CHECK;
/* The result of a command: to --output, or to standard output. */
int cli_put(const struct cli *, struct span);

/* --- asking a running server ------------------------------------------ */

struct cli_ask {
	const char *server; /* as --server has it; NULL: what that says */
	const char *method;
	const char *path;   /* "/v1/status"; with its query, encoded */
	const char *type;   /* Content-Type of the body, or NULL */
	const char *header; /* one more line, or NULL */
	const char *body;   /* bytes, borrowed */
	size_t len;
};
/*
 * Ask the server that --server, $LARDER_SERVER or the default names, with the
 * admin token when one is given.  CLI_OK when an answer of any status came;
 * *out is the caller's then.  CLI_FAILED with the reason printed.
 */
int cli_ask(const struct cli *, const struct cli_ask *,
    struct http_answer *out);
/* As cli_ask, and any status but 200 is printed as a failure. */
int cli_ask_ok(const struct cli *, const struct cli_ask *,
    struct http_answer *out);
/* Print "larder X: server answered 404: text (reason)". Gives CLI_FAILED. */
int cli_answer_failed(const struct cli *, const struct http_answer *);

#endif
