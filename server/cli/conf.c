/* larder config: the same as larderd -t and -T. */
#include "config/config.h"
#include "server/cli/cli.h"
#include "server/cli/show.h"

#include <stdlib.h>

static int
config_open(const struct cli *cli, struct config **out)
{
	struct why why = { 0 };
	char *shown;

	if (config_load(cli->argc > 0 ? cli->argv[0] : CLI_CONFIG, out, &why) ==
	    ERR_OK)
		return CLI_OK;
	shown = show_text(why.text);
	fprintf(stderr, "%s\n", shown);
	free(shown);
	return CLI_FAILED;
}

static int
cmd_check(struct cli *cli)
{
	struct config *config = NULL;
	int rc = config_open(cli, &config);
	char *shown;

	if (rc == CLI_OK) {
		config_warn(config, stderr);
		shown = show_text(config->path);
		printf("%s: no problem found\n", shown);
		free(shown);
	}
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
