/* larder config: the same as larderd -t and -T. */
#include "config/config.h"
#include "server/cli/cli.h"

static int
config_open(const struct cli *cli, struct config **out)
{
	struct why why = { 0 };

	if (config_load(cli->argc > 0 ? cli->argv[0] : CLI_CONFIG, out, &why) ==
	    ERR_OK)
		return CLI_OK;
	fprintf(stderr, "%s\n", why.text);
	return CLI_FAILED;
}

static int
cmd_check(struct cli *cli)
{
	struct config *config = NULL;
	int rc = config_open(cli, &config);

	if (rc == CLI_OK)
		config_warn(config, stderr);
	if (rc == CLI_OK)
		printf("%s: no problem found\n", config->path);
	config_unref(config);
	return rc;
}

static int
cmd_dump(struct cli *cli)
{
	struct config *config = NULL;
	int rc = config_open(cli, &config);

	if (rc == CLI_OK)
		config_write(config, stdout);
	config_unref(config);
	return rc;
}

const struct cli_command cli_config_commands[] = {
	{ "config check", "[FILE]", 0, 1, 0, NULL,
	    "Check a configuration: exit 0, or 1 with FILE:LINE: text", NULL,
	    cmd_check },
	{ "config dump", "[FILE]", 0, 1, 0, NULL,
	    "Print a configuration whole, with defaults", NULL, cmd_dump },
	{ 0 },
};
