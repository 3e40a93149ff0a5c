/*
 * larder status: what is held and how fresh it is, and how the upstreams are.
 */
#include "config/base/blob.h"
#include "config/base/clock.h"
#include "config/base/must.h"
#include "server/cli/cli.h"
#include "server/cli/show.h"
#include "upstream/fetch.h"

#include <stdlib.h>
#include <string.h>

static const char *
text_of(const json_t *row, const char *member)
{
	return json_string_value(json_object_get(row, member));
}

/* "in 12 d", "4 h ago": a date as people think of it; "-" for none. */
static void
date_text(const char *date, time_t now, char *out, size_t len)
{
	time_t at;
	long long s;
	const char *sign;

	if (date == NULL ||
	    time_read(span_of(date, strlen(date)), &at) != ERR_OK) {
		snprintf(out, len, "-");
		return;
	}
	s = (long long)(at - now);
	sign = s < 0 ? " ago" : "";
	s = s < 0 ? -s : s;
	if (s >= 2 * 86400)
		snprintf(out, len, "%s%lld d%s", *sign ? "" : "in ", s / 86400,
		    sign);
	else if (s >= 2 * 3600)
		snprintf(out, len, "%s%lld h%s", *sign ? "" : "in ", s / 3600,
		    sign);
	else
		snprintf(out, len, "%s%lld min%s", *sign ? "" : "in ", s / 60,
		    sign);
}

/* "upstream-down, 3 times since DATE: text" of a failure, "-" for none. */
static void
failure_text(const json_t *f, char *out, size_t len)
{
	const char *text = text_of(f, "text"), *since = text_of(f, "since");
	json_int_t n = json_integer_value(json_object_get(f, "failures"));
	int at;

	if (text_of(f, "reason") == NULL) {
		snprintf(out, len, "-");
		return;
	}
	at = snprintf(out, len, "%s", text_of(f, "reason"));
	if (n > 1 && (size_t)at < len)
		at += snprintf(out + at, len - (size_t)at,
		    ", %" JSON_INTEGER_FORMAT " times", n);
	if (since != NULL && (size_t)at < len)
		at += snprintf(out + at, len - (size_t)at, " since %s", since);
	if (text != NULL && *text != '\0' && (size_t)at < len)
		snprintf(out + at, len - (size_t)at, ": %s", text);
}

static void
status_objects(json_t *objects, time_t now)
{
	struct table *t = table_new(6);
	char next[32], fetched[32], error[300];
	json_t *row;
	size_t i;

	table_cell(t, "OBJECT");
	table_cell(t, "STATE");
	table_cell(t, "NEXT UPDATE");
	table_cell(t, "FETCHED");
	table_cell(t, "FROM");
	table_cell(t, "LAST ERROR");
	json_array_foreach(objects, i, row)
	{
		date_text(text_of(row, "next_update"), now, next, sizeof(next));
		date_text(text_of(row, "fetched"), now, fetched,
		    sizeof(fetched));
		failure_text(json_object_get(row, "last_failure"), error,
		    sizeof(error));
		table_cell(t, text_of(row, "key"));
		table_cell(t, text_of(row, "state"));
		table_cell(t, next);
		table_cell(t, fetched);
		table_cell(t, text_of(row, "source"));
		table_cell(t, error);
	}
	table_print(t, stdout, 0);
	table_free(t);
}

/* Asked for, never had. */
static void
status_missing(json_t *missing)
{
	struct table *t = table_new(2);
	char error[300];
	const char *key;
	json_t *f;

	table_cell(t, "NOT HELD");
	table_cell(t, "LAST ERROR");
	json_object_foreach(missing, key, f)
	{
		failure_text(f, error, sizeof(error));
		table_cell(t, key);
		table_cell(t, error);
	}
	if (json_object_size(missing) > 0) {
		putchar('\n');
		table_print(t, stdout, 0);
	}
	table_free(t);
}

/* Whether it ends within so many days; then it is named on stderr. */
static size_t
ends(const struct cli *cli, const char *what, const char *at_text, time_t now,
    long days)
{
	time_t at;

	if (at_text == NULL || time_read(span_str(at_text), &at) != ERR_OK ||
	    at - now > days * 86400)
		return 0;
	cli_fail(cli, "%s ends at %s", what, at_text);
	return 1;
}

/* How many objects end within so many days. */
static size_t
status_ending(const struct cli *cli, const json_t *storage, time_t now,
    long days)
{
	json_t *row;
	size_t i, n;

	n = ends(cli, "the VLEK of a provider",
	    text_of(json_object_get(storage, "veks"), "vleks_end"), now, days);
	json_array_foreach(json_object_get(storage, "objects"), i, row)
	{
		if (!json_is_true(json_object_get(row, "retired")))
			n += ends(cli, text_of(row, "key"),
			    text_of(row, "next_update"), now, days);
	}
	return n;
}

static json_int_t
num_of(const json_t *row, const char *member)
{
	return json_integer_value(json_object_get(row, member));
}

static const char *
or_dash(const char *text)
{
	return text == NULL ? "-" : text;
}

/* {"vcek":{"Milan":2,...},...}: all of them. */
static long long
veks_stored(json_t *stored)
{
	const char *name;
	json_t *side, *n;
	long long sum = 0;

	json_object_foreach(stored, name, side)
	{
		const char *product;

		json_object_foreach(side, product, n) sum +=
		    (long long)json_integer_value(n);
	}
	return sum;
}

static void
status_head(const json_t *doc, const json_t *storage, const json_t *upstream)
{
	const json_t *db = json_object_get(storage, "database");
	const json_t *p = json_object_get(storage, "platforms");
	const json_t *r = json_object_get(storage, "registrations");
	const json_t *v = json_object_get(storage, "veks");
	bool read_only = json_is_true(json_object_get(db, "read_only"));
	char vleks[32];

	printf("larder %s, mode %s, %s\n", or_dash(text_of(doc, "version")),
	    or_dash(text_of(doc, "mode")), or_dash(text_of(doc, "now")));
	printf("database    %s, last write: %s%s\n",
	    or_dash(text_of(db, "where")), or_dash(text_of(db, "last_write")),
	    read_only ? ", READ-ONLY" : "");
	printf("platforms   %lld stored, %lld in memory\n",
	    (long long)num_of(p, "stored"), (long long)num_of(p, "in_memory"));
	date_text(text_of(v, "vleks_end"), clock_now(), vleks, sizeof(vleks));
	printf("AMD keys    %lld stored, %lld in memory%s%s\n",
	    veks_stored(json_object_get(v, "stored")),
	    (long long)num_of(v, "in_memory"),
	    text_of(v, "vleks_end") == NULL ? "" : ", VLEKs end ",
	    text_of(v, "vleks_end") == NULL ? "" : vleks);
	printf("registered  %lld new, %lld handed out, %lld not available\n",
	    (long long)num_of(r, "new"), (long long)num_of(r, "handed_out"),
	    (long long)num_of(r, "not_available"));
	printf("now         %lld connections, %lld fetches, %lld waiting for "
	       "them\n\n",
	    (long long)num_of(doc, "connections"),
	    (long long)num_of(upstream, "n_flights"),
	    (long long)num_of(upstream, "n_waiters"));
}

/* "down since ..., asked again in 12 s" of an origin. */
static void
origin_state(const json_t *row, char *out, size_t len)
{
	const char *since = text_of(row, "down_since");
	json_int_t again = num_of(row, "asked_again_in_s");
	json_int_t paused = num_of(row, "paused_for_s");
	int at = snprintf(out, len, "%s", or_dash(text_of(row, "state")));

	if (since != NULL && (size_t)at < len)
		at += snprintf(out + at, len - (size_t)at, " since %s", since);
	if (again > 0 && (size_t)at < len)
		at += snprintf(out + at, len - (size_t)at,
		    ", asked again in %lld s", (long long)again);
	if (paused > 0 && (size_t)at < len)
		snprintf(out + at, len - (size_t)at, ", paused for %lld s",
		    (long long)paused);
}

static void
status_origins(json_t *origins)
{
	struct table *t = table_new(4);
	char state[128], error[300], n[48];
	json_t *row;
	size_t i;

	table_cell(t, "UPSTREAM");
	table_cell(t, "STATE");
	table_cell(t, "ASKING");
	table_cell(t, "LAST ERROR");
	json_array_foreach(origins, i, row)
	{
		origin_state(row, state, sizeof(state));
		failure_text(json_object_get(row, "last_error"), error,
		    sizeof(error));
		snprintf(n, sizeof(n), "%lld+%lld",
		    (long long)num_of(row, "asking"),
		    (long long)num_of(row, "queued"));
		table_cell(t, text_of(row, "origin"));
		table_cell(t, state);
		table_cell(t, n);
		table_cell(t, error);
	}
	if (json_array_size(origins) > 0) {
		table_print(t, stdout, 0);
		putchar('\n');
	}
	table_free(t);
}

/* What the baseline warns of: one line each. */
static void
status_baseline(const json_t *baseline)
{
	json_t *rows = json_object_get(baseline, "warnings"), *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		printf("baseline    %s %s%s%s%s: number %lld is served, %lld "
		       "named: %s%s%s\n",
		    or_dash(text_of(row, "tee")),
		    text_of(row, "listen") == NULL ? "" : "at ",
		    text_of(row, "listen") == NULL ? ""
						   : text_of(row, "listen"),
		    text_of(row, "listen") == NULL ? "" : " ",
		    text_of(row, "fmspc") == NULL ? "default"
						  : text_of(row, "fmspc"),
		    (long long)num_of(row, "number"),
		    (long long)num_of(row, "named"),
		    or_dash(text_of(row, "warning")),
		    text_of(row, "until") == NULL ? "" : ", until ",
		    text_of(row, "until") == NULL ? "" : text_of(row, "until"));
	}
	if (json_array_size(rows) > 0)
		putchar('\n');
}

static void
status_print(const json_t *doc)
{
	const json_t *storage = json_object_get(doc, "storage");
	const json_t *upstream = json_object_get(doc, "upstream");

	status_head(doc, storage, upstream);
	status_baseline(json_object_get(storage, "baseline"));
	status_origins(json_object_get(upstream, "origins"));
	status_objects(json_object_get(storage, "objects"), clock_now());
	status_missing(json_object_get(storage, "missing"));
}

static int
cmd_status(struct cli *cli)
{
	struct cli_ask ask = { .method = "GET", .path = "/v1/status" };
	struct http_answer answer = { 0 };
	json_t *doc = NULL;
	long days;
	int rc;

	if (!cli_number(cli, "within", 0, 3650, 0, &days))
		return CLI_USAGE;
	if ((rc = cli_ask_ok(cli, &ask, &answer)) != CLI_OK)
		return rc;
	rc = CLI_FAILED;
	if ((doc = show_parse(cli, buf_view(&answer.body))) == NULL)
		goto out;
	if (cli_has(cli, "json"))
		(void)show_json(cli, buf_view(&answer.body));
	else
		status_print(doc);
	fflush(stdout);
	if (status_ending(cli, json_object_get(doc, "storage"), clock_now(),
		days) == 0)
		rc = CLI_OK;
out:
	json_decref(doc);
	http_answer_free(&answer);
	return rc;
}

static const struct cli_opt status_opts[] = {
	{ "within", 'w', "DAYS",
	    "exit 1 if something ends within so many days (0:\n"
	    "has ended)" },
	{ NULL, 0, NULL, NULL },
};

const struct cli_command cli_status_commands[] = {
	{ "status", "", 0, 0, CLI_SERVER | CLI_TOKEN | CLI_JSON, status_opts,
	    "Show what is held, how fresh it is, and the upstreams", NULL,
	    cmd_status },
	{ 0 },
};
