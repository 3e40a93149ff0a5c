/*
 * larder key: the keys that sign verdicts.  Works on the folder that the
 * configuration names; SIGHUP makes a running larderd read it again.
 */
#include "config/base/clock.h"
#include "config/base/must.h"
#include "config/config.h"
#include "server/cli/show.h"
#include "server/daemon.h"
#include "server/jwt.h"

#include <string.h>

static int
key_config(const struct cli *cli, struct config **out)
{
	struct why why = { 0 };

	if (daemon_config(cli_value(cli, "config"), out, &why) != ERR_OK)
		return cli_fail(cli, "%s", why.text);
	return CLI_OK;
}

static int
cmd_rotate(struct cli *cli)
{
	struct config *config = NULL;
	char kid[JWT_KID_LEN + 1];
	struct why why = { 0 };
	int rc;

	if ((rc = key_config(cli, &config)) != CLI_OK)
		return rc;
	if (jwt_keys_rotate(config, clock_now(), cli_has(cli, "now"),
		cli_value(cli, "from"), kid, &why) != ERR_OK) {
		rc = cli_fail(cli, "%s", why.text);
	} else if (cli_has(cli, "json")) {
		printf("{\"kid\": \"%s\"}\n", kid);
	} else {
		printf("%s\nsend larderd SIGHUP, that it publishes the key\n",
		    kid);
	}
	config_unref(config);
	return rc;
}

static const char *
key_state(const struct jwt_keys *keys, const struct jwt_key *k, time_t now)
{
	if (k == jwt_keys_signing(keys, now))
		return "signs";
	if (k->sign_from > now)
		return "waits";
	return k->end > now ? "published" : "over";
}

static void
set_time(json_t *o, const char *name, time_t at)
{
	char text[TIME_LEN];

	if (at != INT64_MAX)
		time_write(at, text);
	must(json_object_set_new(o, name,
		 at == INT64_MAX ? json_null() : json_string(text)) == 0);
}

static int
cmd_list(struct cli *cli)
{
	json_t *list = json_array(), *row;
	struct config *config = NULL;
	struct jwt_keys *keys = NULL;
	struct why why = { 0 };
	time_t now = clock_now();
	size_t i;
	int rc;

	if ((rc = key_config(cli, &config)) != CLI_OK)
		goto out;
	if (jwt_keys_load(config, &keys, &why) != ERR_OK) {
		rc = cli_fail(cli, "%s", why.text);
		goto out;
	}
	for (i = 0; i < keys->n; i++) {
		row = json_pack("{s:s, s:s}", "kid", keys->v[i].kid, "state",
		    key_state(keys, &keys->v[i], now));
		set_time(row, "sign_from", keys->v[i].sign_from);
		set_time(row, "published_until", keys->v[i].end);
		must(json_array_append_new(list, row) == 0);
	}
	rc = show_tree(cli, list);
out:
	json_decref(list);
	jwt_keys_unref(keys);
	config_unref(config);
	return rc;
}

static const struct cli_opt rotate_opts[] = {
	{ "config", 'c', "FILE", "default " CLI_CONFIG },
	{ "now", 0, NULL, "sign with the new key at once" },
	{ "from", 0, "URI",
	    "the key that is there: file:/PATH, or what a\n"
	    "provider of OpenSSL's opens, as pkcs11:..." },
	{ NULL, 0, NULL, NULL },
};
static const struct cli_opt list_opts[] = {
	{ "config", 'c', "FILE", "default " CLI_CONFIG },
	{ NULL, 0, NULL, NULL },
};

const struct cli_command cli_key_commands[] = {
	{ "key rotate", "", 0, 0, CLI_JSON, rotate_opts,
	    "Make the next key that signs verdicts",
	    "It is published at once and signs after jwt.publish_s; the one\n"
	    "before it stays published for jwt.overlap_s more.  A key of "
	    "--from stays\n"
	    "where it is: its URI, which may hold a PIN, and its public half "
	    "are\n"
	    "kept in jwt.keys_dir.\n",
	    cmd_rotate },
	{ "key list", "", 0, 0, CLI_JSON, list_opts,
	    "List the keys that sign verdicts", NULL, cmd_list },
	{ 0 },
};
