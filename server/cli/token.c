/*
 * larder token: tokens for larder.json.  Nothing here talks to a server: what
 * is printed is pasted into the configuration, and SIGHUP makes it count.
 */
#include "config/base/blob.h"
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "config/config.h"
#include "server/cli/cli.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* PCCS's form: SHA-512 of the bare token, 128 hex digits (pccs-api 3). */
static void
hash_sha512(struct span token, struct buf *out)
{
	unsigned char md[64];

	sha512(token, md);
	buf_hex(out, span_of(md, sizeof(md)));
}

/* The hash in the form asked for, NUL-terminated. */
static enum err
hash_token(const struct cli *cli, struct span token, struct buf *out,
    struct why *why)
{
	enum err e = ERR_OK;

	if (cli_has(cli, "sha512"))
		hash_sha512(token, out);
	else
		e = token_hash(token, out, why);
	buf_add(out, "", 1);
	return e;
}

static int
cmd_hash(struct cli *cli)
{
	const char *path = cli_value(cli, "token-file");
	struct buf token = BUF_INIT, hash = BUF_INIT;
	struct why why = { 0 };
	int rc = CLI_OK;

	if (cli_read_line(path == NULL ? "-" : path, &token, &why) != ERR_OK ||
	    hash_token(cli, buf_view(&token), &hash, &why) != ERR_OK)
		rc = cli_fail(cli, "%s", why.text);
	else if (cli_has(cli, "json"))
		printf("{\"hash\": \"%s\"}\n", hash.p);
	else
		puts(hash.p);
	buf_free(&token);
	buf_free(&hash);
	return rc;
}

/* --- add -------------------------------------------------------------- */

/* The token given in a file, or 256 random bits; NUL-terminated. */
static enum err
add_token(const struct cli *cli, struct buf *out, struct why *why)
{
	const char *path = cli_value(cli, "token-file");
	enum err e = ERR_OK;

	if (path != NULL)
		e = cli_read_line(path, out, why);
	else
		token_make(out);
	buf_add(out, "", 1);
	return e;
}

/* A row of tokens.named[]. */
static json_t *
token_row(const char *name, const char *role, const char *hash,
    time_t expires_at)
{
	json_t *row = json_pack("{s:s, s:s, s:s}", "name", name, "role", role,
	    "hash", hash);
	char text[TIME_LEN];

	must(row != NULL);
	if (expires_at != 0) {
		time_write(expires_at, text);
		must(json_object_set_new(row, "expires", json_string(text)) ==
		     0);
	}
	return row;
}

static void
print_json(json_t *json, size_t flags)
{
	char *text = json_dumps(json, flags);

	must(text != NULL);
	puts(text);
	free(text);
}

/* What goes into the configuration, and where. */
static void
add_print(const struct cli *cli, const char *token, json_t *row,
    const char *hash, const char *role)
{
	bool plain = cli_has(cli, "sha512");
	char where[32];
	json_t *all;

	snprintf(where, sizeof(where), plain ? "tokens.%s_sha512" : "%s",
	    plain ? role : "tokens.named");
	if (cli_has(cli, "json")) {
		all = json_pack("{s:s?, s:s, s:O?, s:s?}", "token", token,
		    "setting", where, "row", plain ? NULL : row, "hash",
		    plain ? hash : NULL);
		must(all != NULL);
		print_json(all, 0);
		json_decref(all);
		return;
	}
	if (token != NULL)
		printf("token, shown this once: %s\n", token);
	printf("into \"%s\" of larder.json:\n", where);
	if (plain)
		printf("\"%s\"\n", hash);
	else
		print_json(row, 0);
}

static int
cmd_add(struct cli *cli)
{
	const char *role = cli_value(cli, "role");
	const char *out_path = cli_value(cli, "output");
	struct buf token = BUF_INIT, hash = BUF_INIT;
	struct why why = { 0 };
	json_t *row = NULL;
	long days;
	int rc = CLI_FAILED;

	if (role == NULL)
		role = "admin";
	if (strcmp(role, "admin") != 0 && strcmp(role, "user") != 0)
		return cli_misuse(cli, "--role: admin or user");
	if (!cli_number(cli, "days", 1, 36500, 0, &days))
		return CLI_USAGE;
	if (cli_has(cli, "sha512") && days != 0)
		return cli_misuse(cli, "a sha512 token cannot end by itself");
	if (add_token(cli, &token, &why) != ERR_OK ||
	    hash_token(cli, span_str(token.p), &hash, &why) != ERR_OK)
		goto failed;
	if (out_path != NULL && cli_write_file(out_path, span_str(token.p),
				    0600, false, &why) != ERR_OK)
		goto failed;
	row = token_row(cli->argv[0], role, hash.p,
	    days == 0 ? 0 : clock_now() + days * 86400);
	/* Who brought the token, or has it in a file, need not see it. */
	add_print(cli,
	    cli_has(cli, "token-file") || out_path != NULL ? NULL : token.p,
	    row, hash.p, role);
	rc = CLI_OK;
	goto out;
failed:
	cli_fail(cli, "%s", why.text);
out:
	json_decref(row);
	if (token.p != NULL)
		explicit_bzero(token.p, token.len);
	buf_free(&token);
	buf_free(&hash);
	return rc;
}

/* --- list and revoke -------------------------------------------------- */

static int
tokens_config(const struct cli *cli, struct config **out)
{
	const char *path = cli_value(cli, "config");
	struct why why = { 0 };

	if (config_load(path == NULL ? CLI_CONFIG : path, out, &why) != ERR_OK)
		return cli_fail(cli, "%s", why.text);
	return CLI_OK;
}

static const char *
role_name(enum role role)
{
	return role & ROLE_ADMIN ? "admin" : "user";
}

/* One line of the list; "end" NULL: never. */
static void
list_add(json_t *list, bool text, const char *name, const char *role,
    const char *form, const char *end, const char *note)
{
	if (text)
		printf("%-20s %-6s %-7s %s%s\n", name, role, form,
		    end == NULL ? "never" : end, note);
	else
		must(json_array_append_new(list,
			 json_pack("{s:s, s:s, s:s, s:s?}", "name", name,
			     "role", role, "form", form, "expires", end)) == 0);
}

/* PCCS's tokens have no name: where they are, or the first digits of their
 * hash, stands for it. */
static void
list_sha512(json_t *list, bool text, const struct config_list *hashes,
    const char *role)
{
	char name[256];
	size_t i;

	for (i = 0; i < hashes->n; i++) {
		if (hex_is(span_str(hashes->v[i]), 128))
			snprintf(name, sizeof(name), "#%.8s", hashes->v[i]);
		else
			snprintf(name, sizeof(name), "%s", hashes->v[i]);
		list_add(list, text, name, role, "sha512", NULL, "");
	}
}

static int
cmd_list(struct cli *cli)
{
	bool text = !cli_has(cli, "json");
	const struct config_token *t;
	struct config *config = NULL;
	json_t *list = json_array();
	char end[TIME_LEN];
	size_t i;
	int rc;

	if ((rc = tokens_config(cli, &config)) != CLI_OK)
		goto out;
	if (text)
		printf("%-20s %-6s %-7s %s\n", "NAME", "ROLE", "FORM", "ENDS");
	for (i = 0; i < config->tokens.n_named; i++) {
		t = &config->tokens.named[i];
		if (t->expires_at != 0)
			time_write(t->expires_at, end);
		list_add(list, text, t->name, role_name(t->role), "scrypt",
		    t->expires_at == 0 ? NULL : end,
		    t->expires_at != 0 && t->expires_at <= clock_now()
			? " (over)"
			: "");
	}
	list_sha512(list, text, &config->tokens.admin_sha512_from, "admin");
	list_sha512(list, text, &config->tokens.user_sha512_from, "user");
	if (!text)
		print_json(list, 0);
out:
	json_decref(list);
	config_unref(config);
	return rc;
}

static int
cmd_revoke(struct cli *cli)
{
	const struct config_token *t = NULL;
	struct config *config = NULL;
	json_t *row;
	size_t i;
	int rc;

	if ((rc = tokens_config(cli, &config)) != CLI_OK)
		return rc;
	for (i = 0; i < config->tokens.n_named; i++)
		if (strcmp(config->tokens.named[i].name, cli->argv[0]) == 0)
			t = &config->tokens.named[i];
	if (t == NULL) {
		rc = cli_fail(cli, "%s: no named token \"%s\"", config->path,
		    cli->argv[0]);
		goto out;
	}
	row = token_row(t->name, role_name(t->role), t->hash_from, clock_now());
	if (!cli_has(cli, "json"))
		printf("remove its row from \"tokens.named\" of %s,\n"
		       "or put this one in its place, and send larderd "
		       "SIGHUP:\n",
		    config->path);
	print_json(row, 0);
	json_decref(row);
out:
	config_unref(config);
	return rc;
}

static const struct cli_opt hash_opts[] = {
	{ "sha512", 0, NULL, "PCCS's form instead of scrypt" },
	{ "token-file", 0, "FILE",
	    "the token: first line of FILE (default -, standard\ninput)" },
	{ NULL, 0, NULL, NULL },
};
static const struct cli_opt add_opts[] = {
	{ "role", 0, "ROLE", "admin (default) or user" },
	{ "days", 0, "DAYS", "it ends after so many days (default: never)" },
	{ "sha512", 0, NULL, "PCCS's form instead of a named token" },
	{ "token-file", 0, "FILE",
	    "take the first line of FILE, do not make one" },
	{ "output", 'o', "FILE", "put the new token there, mode 0600" },
	{ NULL, 0, NULL, NULL },
};
static const struct cli_opt config_opts[] = {
	{ "config", 'c', "FILE", "default " CLI_CONFIG },
	{ NULL, 0, NULL, NULL },
};

const struct cli_command cli_token_commands[] = {
	{ "token add", "NAME", 1, 1, CLI_JSON, add_opts,
	    "Make a token and print its line for larder.json",
	    "The configuration keeps only a hash.  SIGHUP makes larderd take\n"
	    "the new line.\n",
	    cmd_add },
	{ "token list", "", 0, 0, CLI_JSON, config_opts,
	    "List the tokens of a configuration", NULL, cmd_list },
	{ "token revoke", "NAME", 1, 1, CLI_JSON, config_opts,
	    "Print the line that ends a named token", NULL, cmd_revoke },
	{ "token hash", "", 0, 0, CLI_JSON, hash_opts,
	    "Hash a token for larder.json", NULL, cmd_hash },
	{ 0 },
};
