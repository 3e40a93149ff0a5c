/*
 * larder baseline impact: what an evaluation number would make of the
 * platforms, before it is served.
 */
#include "config/base/blob.h"
#include "config/base/enc.h"
#include "server/cli/cli.h"
#include "server/cli/show.h"
#include "upstream/fetch.h"

#include <jansson.h>
#include <string.h>

static const char *
text_of(const json_t *row, const char *member)
{
	return json_string_value(json_object_get(row, member));
}

static long long
num_of(const json_t *row, const char *member)
{
	return (long long)json_integer_value(json_object_get(row, member));
}

/* "UpToDate 5, OutOfDate 2" */
static void
statuses_text(json_t *statuses, struct buf *b)
{
	const char *name;
	json_t *n;

	json_object_foreach(statuses, name, n)
	{
		buf_printf(b, "%s%s %lld", b->len == 0 ? "" : ", ", name,
		    (long long)json_integer_value(n));
	}
	buf_add(b, "", 1);
}

/* "sgx 1: 20 < 21, pcesvn: 10 < 13" */
static void
short_text(json_t *shorts, struct buf *b)
{
	json_t *s;
	size_t i;

	json_array_foreach(shorts, i, s)
	{
		buf_printf(b, "%s%s", i == 0 ? "" : ", ", text_of(s, "part"));
		if (num_of(s, "component") != 0)
			buf_printf(b, " %lld", num_of(s, "component"));
		buf_printf(b, ": %lld < %lld", num_of(s, "has"),
		    num_of(s, "needs"));
	}
}

static void
list_text(json_t *list, struct buf *b)
{
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		buf_printf(b, "%s%s", i == 0 ? "" : ", ", json_string_value(v));
	}
}

static void
number_cell(struct table *t, const json_t *row, const char *member)
{
	char n[32];

	snprintf(n, sizeof(n), "%lld", num_of(row, member));
	table_cell(t, n);
}

static void
number_row(struct table *t, const json_t *scope, const json_t *number)
{
	struct buf b = BUF_INIT;
	const char *date = text_of(number, "date");
	char n[32];

	table_cell(t, text_of(scope, "fmspc"));
	table_cell(t, text_of(scope, "tee"));
	snprintf(n, sizeof(n), "%lld%s", num_of(number, "number"),
	    json_is_true(json_object_get(number, "effective")) ? " *" : "");
	table_cell(t, n);
	table_cell(t, text_of(number, "role"));
	table_cell(t, date == NULL ? text_of(number, "tcb_date") : date);
	number_cell(t, number, "fall");
	number_cell(t, number, "refetch_helps");
	statuses_text(json_object_get(number, "statuses"), &b);
	table_cell(t, b.p);
	buf_free(&b);
}

static void
matrix_print(json_t *scopes)
{
	struct table *t = table_new(8);
	json_t *scope, *number;
	size_t i, j;

	table_cell(t, "FMSPC");
	table_cell(t, "TEE");
	table_cell(t, "NUMBER");
	table_cell(t, "ROLE");
	table_cell(t, "DATE");
	table_cell(t, "FALL");
	table_cell(t, "MENDED");
	table_cell(t, "PLATFORMS BY STATUS");
	json_array_foreach(scopes, i, scope)
	{
		json_array_foreach(json_object_get(scope, "numbers"), j, number)
		{
			number_row(t, scope, number);
		}
	}
	table_print(t, stdout, 0);
	table_free(t);
}

static void
example_print(const json_t *scope, const json_t *number, const json_t *e)
{
	struct buf names = BUF_INIT, shorts = BUF_INIT, sa = BUF_INIT;

	list_text(json_object_get(e, "names"), &names);
	short_text(json_object_get(e, "short"), &shorts);
	list_text(json_object_get(e, "advisories"), &sa);
	printf("\n%s %s under %lld: %lld like %.*s: %s -> %s%s\n",
	    text_of(scope, "fmspc"), text_of(scope, "tee"),
	    num_of(number, "number"), num_of(e, "platforms"), (int)names.len,
	    names.len == 0 ? "" : names.p, text_of(e, "now"),
	    text_of(e, "then"),
	    json_is_true(json_object_get(e, "refetch_helps"))
		? " (new certificates would mend it)"
		: "");
	if (shorts.len > 0)
		printf("  lacks %.*s\n", (int)shorts.len, shorts.p);
	if (sa.len > 0)
		printf("  advisories %.*s\n", (int)sa.len, sa.p);
	buf_free(&names);
	buf_free(&shorts);
	buf_free(&sa);
}

static void
examples_print(json_t *scopes)
{
	json_t *scope, *number, *e;
	size_t i, j, n;

	json_array_foreach(scopes, i, scope)
	{
		json_array_foreach(json_object_get(scope, "numbers"), j, number)
		{
			json_array_foreach(json_object_get(number, "examples"),
			    n, e)
			{
				example_print(scope, number, e);
			}
		}
	}
}

static void
chips_row(struct table *t, const json_t *product, const json_t *c)
{
	char tcb[32];

	table_cell(t, text_of(product, "product"));
	number_cell(t, product, "chips");
	snprintf(tcb, sizeof(tcb), "%s%s", text_of(c, "tcb"),
	    json_is_true(json_object_get(c, "effective")) ? " *" : "");
	table_cell(t, tcb);
	number_cell(t, c, "meets");
	number_cell(t, c, "below");
	number_cell(t, c, "fall");
}

/* AMD's chips, by what the least TCB demanded would be. */
static void
chips_print(json_t *products)
{
	struct table *t = table_new(6);
	json_t *product, *c;
	size_t i, j;

	table_cell(t, "AMD");
	table_cell(t, "CHIPS");
	table_cell(t, "LEAST TCB");
	table_cell(t, "MEET IT");
	table_cell(t, "BELOW");
	table_cell(t, "FALL");
	json_array_foreach(products, i, product)
	{
		json_array_foreach(json_object_get(product, "candidates"), j, c)
		{
			chips_row(t, product, c);
		}
	}
	if (json_array_size(products) > 0) {
		putchar('\n');
		table_print(t, stdout, 0);
	}
	table_free(t);
}

static void
missing_print(json_t *missing)
{
	json_t *m;
	size_t i;

	json_array_foreach(missing, i, m)
	{
		printf("%s%s: not held: %s\n", i == 0 ? "\n" : "",
		    text_of(m, "key"), text_of(m, "reason"));
	}
}

/* Some number that was asked for is held, for some FMSPC. */
static bool
has_number(json_t *scopes, long long to)
{
	json_t *scope, *number;
	size_t i, j;

	json_array_foreach(scopes, i, scope)
	{
		json_array_foreach(json_object_get(scope, "numbers"), j, number)
		{
			if (to == 0 || num_of(number, "number") == to)
				return true;
		}
	}
	return false;
}

static int
impact_show(const struct cli *cli, struct span body, long to)
{
	bool json = cli_has(cli, "json");
	json_t *doc = json ? show_data(cli, body) : show_parse(cli, body);
	json_t *scopes;
	int rc = CLI_OK;

	if (doc == NULL)
		return CLI_FAILED;
	scopes = json_object_get(doc, "fmspcs");
	if (json) {
		rc = show_tree(cli, doc);
	} else {
		printf("%lld platforms known; * is served now\n\n",
		    num_of(doc, "platforms"));
		matrix_print(scopes);
		examples_print(scopes);
		chips_print(json_object_get(doc, "amd"));
		missing_print(json_object_get(doc, "missing"));
	}
	fflush(stdout);
	if (!has_number(scopes, to) &&
	    (to != 0 || json_array_size(json_object_get(doc, "amd")) == 0))
		rc = to == 0 ? cli_fail(cli,
				   "no platform, or nothing to judge it by")
			     : cli_fail(cli, "number %ld is not held", to);
	json_decref(doc);
	return rc;
}

static int
cmd_impact(struct cli *cli)
{
	struct cli_ask ask = { .method = "GET" };
	struct http_answer answer = { 0 };
	struct buf path = BUF_INIT;
	const char *fmspc = cli_value(cli, "fmspc");
	long to;
	int rc;

	if (!cli_number(cli, "to", 1, UINT32_MAX, 0, &to))
		return CLI_USAGE;
	buf_str(&path, "/v1/baseline/impact?");
	if (to != 0)
		buf_printf(&path, "to=%ld&", to);
	if (fmspc != NULL) {
		buf_str(&path, "fmspc=");
		buf_pct(&path, span_str(fmspc));
	}
	buf_add(&path, "", 1);
	ask.path = path.p;
	if ((rc = cli_ask_ok(cli, &ask, &answer)) == CLI_OK)
		rc = impact_show(cli, buf_view(&answer.body), to);
	http_answer_free(&answer);
	buf_free(&path);
	return rc;
}

static const struct cli_opt impact_opts[] = {
	{ "to", 't', "N", "only this evaluation number, beside the present" },
	{ "fmspc", 'f', "FMSPC", "only these platforms" },
	{ NULL, 0, NULL, NULL },
};

const struct cli_command cli_impact_commands[] = {
	{ "baseline impact", "", 0, 0, CLI_SERVER | CLI_TOKEN | CLI_JSON,
	    impact_opts, "Show what other evaluation numbers would do",
	    "Of every evaluation number held, or that Intel signs: the\n"
	    "platforms by tcbStatus, how many would fall out of date, how\n"
	    "many of those new certificates would mend, and for some of\n"
	    "them what they lack.  Platforms are named as the log does.\n",
	    cmd_impact },
	{ 0 },
};
