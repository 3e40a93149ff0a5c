/*
 * idle PORT N PATH [tls]: N connections that have had an answer and say
 * nothing more, until standard input ends.  Prints "ready".
 */
#include "config/base/must.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static SSL_CTX *tls;

static int
tcp_open(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd != -1);
	must(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	return fd;
}

/* To the end of the body: its length stands in the head. */
static void
answer_read(int fd, SSL *ssl)
{
	char buf[65536];
	size_t n = 0, whole = 0;
	const char *end, *len;
	ssize_t got;

	while (whole == 0 || n < whole) {
		must(n < sizeof(buf) - 1);
		got = ssl == NULL
			  ? recv(fd, buf + n, sizeof(buf) - 1 - n, 0)
			  : SSL_read(ssl, buf + n, (int)(sizeof(buf) - 1 - n));
		must(got > 0);
		n += (size_t)got;
		buf[n] = '\0';
		if (whole != 0 || (end = strstr(buf, "\r\n\r\n")) == NULL)
			continue;
		must(strncmp(buf, "HTTP/1.1 200", 12) == 0);
		must((len = strcasestr(buf, "\r\nContent-Length:")) != NULL);
		whole = (size_t)(end + 4 - buf) + strtoul(len + 17, NULL, 10);
	}
}

static void
one(int port, const char *path)
{
	char text[512];
	int fd = tcp_open(port);
	SSL *ssl = NULL;

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: idle\r\n\r\n",
	    path);
	if (tls != NULL) {
		must((ssl = SSL_new(tls)) != NULL && SSL_set_fd(ssl, fd) == 1);
		must(SSL_connect(ssl) == 1);
		must(SSL_write(ssl, text, (int)strlen(text)) > 0);
	} else {
		must(send(fd, text, strlen(text), 0) == (ssize_t)strlen(text));
	}
	answer_read(fd, ssl);
	/* Both stay open until the program ends. */
}

int
main(int argc, char **argv)
{
	struct rlimit files;
	int port, n, i;
	char c;

	if (argc < 4 || argc > 5) {
		fputs("usage: idle PORT N PATH [tls]\n", stderr);
		return 2;
	}
	port = atoi(argv[1]);
	n = atoi(argv[2]);
	must(getrlimit(RLIMIT_NOFILE, &files) == 0);
	files.rlim_cur = files.rlim_max;
	must(setrlimit(RLIMIT_NOFILE, &files) == 0);
	if (argc == 5)
		must((tls = SSL_CTX_new(TLS_client_method())) != NULL);
	for (i = 0; i < n; i++)
		one(port, argv[3]);
	printf("ready\n");
	must(fflush(stdout) == 0);
	while (read(STDIN_FILENO, &c, 1) > 0)
		continue;
	return 0;
}
