/*
 * The edge with a canned answer of EDGE_HIT_LEN bytes at /hit, for edge.sh:
 * usage: hit CERTIFICATE KEY.  Prints "PORT TLS-PORT" and serves until its
 * standard input ends.
 */
#include "config/base/must.h"
#include "tests/kit/edge.h"

#include <stdio.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	struct edge edge;
	char listen[1200], c;

	if (argc != 3) {
		fprintf(stderr, "usage: hit CERTIFICATE KEY\n");
		return 2;
	}
	snprintf(listen, sizeof(listen),
	    "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\"]},"
	    "{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\"],\"tls\":"
	    "{\"certificate\":\"%s\",\"key\":\"%s\"}}]",
	    argv[1], argv[2]);
	edge_prepare();
	edge_start(&edge, listen, "");
	printf("%d %d\n", edge.port, server_port(edge.server, 1));
	must(fflush(stdout) == 0);
	while (read(STDIN_FILENO, &c, 1) > 0)
		continue;
	edge_stop(&edge);
	return 0;
}
