/*
 * larder baseline: which evaluation number is served, and changing it.
 */
#include "config/base/blob.h"
#include "config/base/must.h"
#include "server/cli/cli.h"
#include "server/cli/show.h"
#include "upstream/fetch.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define PATH "/v1/baseline"

static const char *
text_of(const json_t *row, const char *member)
{
	return json_string_value(json_object_get(row, member));
}

static const char *
or_else(const char *text, const char *otherwise)
{
	return text == NULL ? otherwise : text;
}

static long long
num_of(const json_t *row, const char *member)
{
	return (long long)json_integer_value(json_object_get(row, member));
}

/* --- showing ---------------------------------------------------------- */

/* "pin 17", "lag 60 days", "standard" */
static void
rule_text(const json_t *rule, char *out, size_t len)
{
	if (json_object_get(rule, "pin") != NULL)
		snprintf(out, len, "pin %lld", num_of(rule, "pin"));
	else if (json_object_get(rule, "lag_days") != NULL)
		snprintf(out, len, "lag %lld days", num_of(rule, "lag_days"));
	else
		snprintf(out, len, "follow %s",
		    or_else(text_of(rule, "follow"), "?"));
}

static void
rule_row(struct table *t, const char *what, const char *name,
    const json_t *rule)
{
	char scope[160], text[40];

	snprintf(scope, sizeof(scope), "%s%s%s", what, *name == '\0' ? "" : " ",
	    name);
	rule_text(rule, text, sizeof(text));
	table_cell(t, scope);
	table_cell(t, text);
	table_cell(t, or_else(text_of(rule, "on_retire"), "-"));
	table_cell(t, or_else(text_of(rule, "from"), "-"));
}

static void
amd_row(struct table *t, const json_t *rule)
{
	const char *chip = text_of(rule, "chip");
	char scope[64], text[40];

	/* Enough of the id to tell chips apart. */
	snprintf(scope, sizeof(scope), "amd %s%s%.8s",
	    or_else(text_of(rule, "product"), "?"), chip == NULL ? "" : " ",
	    or_else(chip, ""));
	snprintf(text, sizeof(text), "at least %s",
	    or_else(text_of(rule, "tcb"), "?"));
	table_cell(t, scope);
	table_cell(t, text);
	table_cell(t, "-");
	table_cell(t, or_else(text_of(rule, "from"), "-"));
}

static void
show_rules(const json_t *rules)
{
	struct table *t = table_new(4);
	const char *name;
	json_t *rule;
	size_t i;

	table_cell(t, "SCOPE");
	table_cell(t, "RULE");
	table_cell(t, "ON RETIRE");
	table_cell(t, "FROM");
	rule_row(t, "default", "", json_object_get(rules, "default"));
	json_object_foreach(json_object_get(rules, "listen"), name, rule)
	{
		rule_row(t, "listen", name, rule);
	}
	json_object_foreach(json_object_get(rules, "fmspc"), name, rule)
	{
		rule_row(t, "fmspc", name, rule);
	}
	json_array_foreach(json_object_get(rules, "amd"), i, rule)
	{
		amd_row(t, rule);
	}
	table_print(t, stdout, 0);
	table_free(t);
}

static void
show_numbers(json_t *numbers)
{
	struct table *t = table_new(4);
	const char *tee;
	json_t *list, *n;
	char text[32];
	size_t i;

	table_cell(t, "TEE");
	table_cell(t, "NUMBER");
	table_cell(t, "RECOVERED");
	table_cell(t, "INTEL");
	json_object_foreach(numbers, tee, list)
	{
		json_array_foreach(list, i, n)
		{
			table_cell(t, tee);
			snprintf(text, sizeof(text), "%lld",
			    num_of(n, "number"));
			table_cell(t, text);
			snprintf(text, sizeof(text), "%.10s",
			    or_else(text_of(n, "recovered_at"), "-"));
			table_cell(t, text);
			snprintf(text, sizeof(text), "%s%s%s",
			    json_is_true(json_object_get(n, "signed"))
				? "signed"
				: "retired",
			    json_is_true(json_object_get(n, "standard"))
				? ", standard"
				: "",
			    json_is_true(json_object_get(n, "early"))
				? ", early"
				: "");
			table_cell(t, text);
		}
	}
	table_print(t, stdout, 0);
	table_free(t);
}

/* "retired, until 2026-11-24T00:00:00Z", "-" */
static void
warning_text(const json_t *row, char *out, size_t len)
{
	const char *warning = text_of(row, "warning");
	const char *until = text_of(row, "until");
	int n = snprintf(out, len, "%s", or_else(warning, "-"));

	if (warning != NULL && (size_t)n < len &&
	    num_of(row, "wanted") != num_of(row, "number"))
		n += snprintf(out + n, len - (size_t)n, ", wants %lld",
		    num_of(row, "wanted"));
	if (until != NULL && (size_t)n < len)
		snprintf(out + n, len - (size_t)n, ", until %s", until);
}

static void
show_effective(const json_t *rows)
{
	struct table *t = table_new(7);
	char number[32], warning[120];
	json_t *row;
	size_t i;

	table_cell(t, "LISTEN");
	table_cell(t, "TEE");
	table_cell(t, "FMSPC");
	table_cell(t, "SERVED");
	table_cell(t, "RULE");
	table_cell(t, "NEXT UPDATE");
	table_cell(t, "WARNING");
	json_array_foreach(rows, i, row)
	{
		snprintf(number, sizeof(number), "%lld", num_of(row, "number"));
		warning_text(row, warning, sizeof(warning));
		table_cell(t, or_else(text_of(row, "listen"), "*"));
		table_cell(t, or_else(text_of(row, "tee"), "-"));
		table_cell(t, or_else(text_of(row, "fmspc"), "*"));
		table_cell(t, number);
		table_cell(t, or_else(text_of(row, "rule"), "-"));
		table_cell(t, or_else(text_of(row, "next_update"), "-"));
		table_cell(t, warning);
	}
	table_print(t, stdout, 0);
	table_free(t);
}

/* "UpToDate 5, OutOfDate 2" */
static void
show_counts(const char *name, json_t *counts)
{
	const char *status;
	bool first = true;
	json_t *n;

	printf("%s", name);
	json_object_foreach(counts, status, n)
	{
		printf("%s %s %lld", first ? "" : ",", status,
		    (long long)json_integer_value(n));
		first = false;
	}
	printf("%s\n", first ? " nothing known" : "");
}

/* Only of a change of AMD's rules. */
static void
show_chips(const json_t *amd)
{
	if (!json_is_object(amd))
		return;
	printf("chips: of %lld AMD chips %lld fall below what is demanded of "
	       "them; below it %lld before, %lld after\n",
	    num_of(amd, "chips"), num_of(amd, "fall"),
	    num_of(json_object_get(amd, "before"), "below"),
	    num_of(json_object_get(amd, "after"), "below"));
}

static void
show_impact(const json_t *impact)
{
	if (!json_is_object(impact))
		return;
	show_chips(json_object_get(impact, "amd"));
	printf("impact: of %lld platforms %lld fall out of date, %lld of "
	       "these until their certificates are renewed\n",
	    num_of(impact, "platforms"), num_of(impact, "fall"),
	    num_of(impact, "refetch"));
	show_counts("before:", json_object_get(impact, "before"));
	show_counts("after: ", json_object_get(impact, "after"));
}

static void
show_document(const json_t *doc)
{
	printf("revision %lld%s\n", num_of(doc, "revision"),
	    json_is_true(json_object_get(doc, "dry_run"))
		? " if it were made: this is a dry run"
		: "");
	show_impact(json_object_get(doc, "impact"));
	putchar('\n');
	show_rules(json_object_get(doc, "rules"));
	putchar('\n');
	show_numbers(json_object_get(doc, "numbers"));
	putchar('\n');
	show_effective(json_object_get(doc, "effective"));
	fflush(stdout);
}

/* Print an answer as JSON or by "show". */
static int
show_answer(const struct cli *cli, const struct http_answer *a,
    void (*show)(const json_t *))
{
	json_t *doc;

	if (cli_has(cli, "json"))
		return show_json(cli, buf_view(&a->body));
	if ((doc = show_parse(cli, buf_view(&a->body))) == NULL)
		return CLI_FAILED;
	show(doc);
	json_decref(doc);
	return CLI_OK;
}

static int
get(struct cli *cli, const char *path, void (*show)(const json_t *))
{
	struct cli_ask ask = { .method = "GET", .path = path };
	struct http_answer answer = { 0 };
	int rc;

	if ((rc = cli_ask_ok(cli, &ask, &answer)) == CLI_OK)
		rc = show_answer(cli, &answer, show);
	http_answer_free(&answer);
	return rc;
}

static int
cmd_show(struct cli *cli)
{
	return get(cli, PATH, show_document);
}

/* --- history ---------------------------------------------------------- */

static void
show_history(const json_t *doc)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(doc, "changes"), i, row)
	{
		printf("%lld  %s  %s  %s: %s\n", num_of(row, "revision"),
		    or_else(text_of(row, "at"), "-"),
		    or_else(text_of(row, "who"), "-"),
		    or_else(text_of(row, "verb"), "-"),
		    or_else(text_of(row, "reason"), "-"));
		show_impact(json_object_get(row, "impact"));
	}
	if (json_is_integer(json_object_get(doc, "next")))
		printf("older ones: --before %lld\n", num_of(doc, "next"));
}

static int
cmd_history(struct cli *cli)
{
	char path[64] = PATH "/history";
	long before;

	if (!cli_number(cli, "before", 1, 1000000000, 0, &before))
		return CLI_USAGE;
	if (before > 0)
		snprintf(path, sizeof(path), PATH "/history?before=%ld",
		    before);
	return get(cli, path, show_history);
}

/* --- changing --------------------------------------------------------- */

/* The revision a change is made from: as given, else the present one. */
static int
revision(struct cli *cli, char out[32])
{
	struct cli_ask ask = { .method = "GET", .path = PATH };
	struct http_answer answer = { 0 };
	json_t *doc = NULL;
	int rc;

	if (cli_has(cli, "revision")) {
		snprintf(out, 32, "%s", cli_value(cli, "revision"));
		return CLI_OK;
	}
	if ((rc = cli_ask_ok(cli, &ask, &answer)) == CLI_OK &&
	    (doc = show_parse(cli, buf_view(&answer.body))) == NULL)
		rc = CLI_FAILED;
	if (rc == CLI_OK)
		snprintf(out, 32, "%lld", num_of(doc, "revision"));
	json_decref(doc);
	http_answer_free(&answer);
	return rc;
}

static void
set(json_t *o, const char *name, json_t *value)
{
	must(json_object_set_new(o, name, value) == 0);
}

/* Only UTF-8 can be said in JSON. */
static bool
set_text(struct cli *cli, json_t *o, const char *member, const char *text)
{
	json_t *v = json_string(text);

	if (v == NULL) {
		cli_misuse(cli, "%s is not UTF-8", member);
		return false;
	}
	set(o, member, v);
	return true;
}

static bool
set_options(struct cli *cli, json_t *o)
{
	static const struct {
		const char *option, *member;
	} texts[] = { { "reason", "reason" }, { "fmspc", "fmspc" },
		{ "listen", "listen" }, { "on-retire", "on_retire" },
		{ "product", "product" }, { "chip", "chip" } };
	const char *v;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		v = cli_value(cli, texts[i].option);
		if (v != NULL && !set_text(cli, o, texts[i].member, v))
			return false;
	}
	set(o, "dry_run", json_boolean(cli_has(cli, "dry-run")));
	set(o, "force", json_boolean(cli_has(cli, "force")));
	return true;
}

static int
refused(const struct cli *cli, const struct http_answer *a)
{
	json_t *doc;

	if (a->status == 409 &&
	    (doc = show_parse(cli, buf_view(&a->body))) != NULL) {
		show_impact(json_object_get(doc, "impact"));
		fflush(stdout);
		json_decref(doc);
		return cli_fail(cli,
		    "too many %s would fall out of date; --force does it all "
		    "the same",
		    cli_has(cli, "product") ? "chips" : "platforms");
	}
	return cli_answer_failed(cli, a);
}

/* POST a change; steals "o". */
static int
change(struct cli *cli, const char *verb, json_t *o)
{
	char path[64], from[32], match[64], *body = NULL;
	struct cli_ask ask = { .method = "POST",
		.path = path,
		.type = "application/json",
		.header = match };
	struct http_answer answer = { 0 };
	int rc;

	if (!cli_has(cli, "reason")) {
		json_decref(o);
		return cli_misuse(cli, "--reason is required");
	}
	if (!set_options(cli, o)) {
		json_decref(o);
		return CLI_USAGE;
	}
	if ((rc = revision(cli, from)) != CLI_OK)
		goto out;
	snprintf(path, sizeof(path), "%s/%s", PATH, verb);
	snprintf(match, sizeof(match), "If-Match: \"%s\"", from);
	body = json_dumps(o, JSON_COMPACT);
	must(body != NULL);
	ask.body = body;
	ask.len = strlen(body);
	if ((rc = cli_ask(cli, &ask, &answer)) != CLI_OK)
		goto out;
	rc = answer.status == 200 ? show_answer(cli, &answer, show_document)
				  : refused(cli, &answer);
out:
	http_answer_free(&answer);
	free(body);
	json_decref(o);
	return rc;
}

/* The first argument as a number; false with a message. */
static bool
number_arg(struct cli *cli, const char *what, json_t *o, const char *member)
{
	char *end;
	long n = strtol(cli->argv[0], &end, 10);

	if (*end != '\0' || n < 1 || n > 1000000) {
		cli_misuse(cli, "\"%s\" is not %s", cli->argv[0], what);
		return false;
	}
	set(o, member, json_integer(n));
	return true;
}

static int
numbered(struct cli *cli, const char *verb, const char *what,
    const char *member)
{
	json_t *o = json_object();

	if (cli->argc == 0 || number_arg(cli, what, o, member))
		return change(cli, verb, o);
	json_decref(o);
	return CLI_USAGE;
}

static int
named(struct cli *cli, const char *verb, const char *member)
{
	json_t *o = json_object();

	if (set_text(cli, o, member, cli->argv[0]))
		return change(cli, verb, o);
	json_decref(o);
	return CLI_USAGE;
}

static int
cmd_pin(struct cli *cli)
{
	if (!cli_has(cli, "product") && cli_has(cli, "chip"))
		return cli_misuse(cli, "--chip goes with --product");
	if (!cli_has(cli, "product"))
		return numbered(cli, "pin", "an evaluation number", "number");
	return named(cli, "pin", "tcb");
}

static int
cmd_lag(struct cli *cli)
{
	return numbered(cli, "lag", "a number of days", "days");
}

static int
cmd_promote(struct cli *cli)
{
	return numbered(cli, "promote", "an evaluation number", "number");
}

static int
cmd_follow(struct cli *cli)
{
	return named(cli, "follow", "follow");
}

static int
cmd_clear(struct cli *cli)
{
	return change(cli, "clear", json_object());
}

static int
cmd_rollback(struct cli *cli)
{
	json_t *o = json_object();
	long to;

	if (!cli_number(cli, "to", 0, 1000000000, -1, &to)) {
		json_decref(o);
		return CLI_USAGE;
	}
	if (to >= 0)
		set(o, "revision", json_integer(to));
	return change(cli, "rollback", o);
}

/* --- the table -------------------------------------------------------- */

#define COMMON                                                                 \
	{ "reason", 'r', "TEXT", "why; kept in the history (required)" },      \
	    { "dry-run", 'n', NULL, "show what it would do, change nothing" }, \
	    { "force", 0, NULL, "however many platforms fall out of date" },   \
	{                                                                      \
		"revision", 0, "N", "refuse if it is not the present one"      \
	}
#define SCOPE                                                                  \
	{ "fmspc", 'f', "FMSPC", "for these platforms only" },                 \
	{                                                                      \
		"listen", 'l', "ADDRESS", "for one listener only"              \
	}
#define RETIRE                                                                 \
	{                                                                      \
		"on-retire", 0, "WHAT",                                        \
		    "when Intel signs it no longer: hold or advance"           \
	}
#define AMD                                                                    \
	{ "product", 0, "NAME",                                                \
		"AMD's least TCB instead: Milan, Genoa, ..." },                \
	{                                                                      \
		"chip", 0, "HWID", "of one chip only"                          \
	}
#define END                                                                    \
	{                                                                      \
		NULL, 0, NULL, NULL                                            \
	}

static const struct cli_opt rule_opts[] = { COMMON, SCOPE, RETIRE, AMD, END };
static const struct cli_opt promote_opts[] = { COMMON, SCOPE, RETIRE, END };
static const struct cli_opt clear_opts[] = { COMMON, SCOPE, AMD, END };
static const struct cli_opt history_opts[] = {
	{ "before", 0, "N", "changes before this revision" },
	END,
};
static const struct cli_opt rollback_opts[] = { COMMON,
	{ "to", 't', "N",
	    "the revision whose rules to restore (default:\n"
	    "the one before the last change)" },
	END };

#define ASKS (CLI_SERVER | CLI_TOKEN | CLI_JSON)

const struct cli_command cli_baseline_commands[] = {
	{ "baseline show", "", 0, 0, ASKS, NULL,
	    "Show which TCB evaluation number is served, and why", NULL,
	    cmd_show },
	{ "baseline pin", "NUMBER", 1, 1, ASKS, rule_opts,
	    "Serve this evaluation number",
	    "With --product: demand this reported TCB of AMD's chips.\n",
	    cmd_pin },
	{ "baseline lag", "DAYS", 1, 1, ASKS, promote_opts,
	    "Serve the newest number recovered so many days ago", NULL,
	    cmd_lag },
	{ "baseline follow", "standard|early", 1, 1, ASKS, rule_opts,
	    "Serve what Intel calls standard, or early",
	    "With --product: demand the newest TCB a certificate is held "
	    "for.\n",
	    cmd_follow },
	{ "baseline promote", "[NUMBER]", 0, 1, ASKS, promote_opts,
	    "Move on to a newer number, Intel's standard one",
	    "The number is pinned.  Refused when more platforms would fall\n"
	    "out of date than baseline.fall_max_percent allows.\n",
	    cmd_promote },
	{ "baseline clear", "", 0, 0, ASKS, clear_opts,
	    "Take back a rule set at run time",
	    "Of the default, or of what the options name: what larder.json\n"
	    "says applies there again.  Other rules stay.\n",
	    cmd_clear },
	{ "baseline rollback", "", 0, 0, ASKS, rollback_opts,
	    "Restore the rules of an earlier revision", NULL, cmd_rollback },
	{ "baseline history", "", 0, 0, ASKS, history_opts,
	    "Show who changed the baseline, when, why, to what effect", NULL,
	    cmd_history },
	{ 0 },
};
