/* larder: the operator's command line.  larder(1) */
#include "server/cli/cli.h"

int
main(int argc, char **argv)
{
	return cli_run(argc, argv);
}
