/* Listening sockets. */
#include "server/edge.h"

#include "config/base/must.h"
#include "server/inherit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096

static enum err
failed(struct why *why, const char *address, const char *what)
{
	return why_set(why, ERR_IO, "larder.json listen[].address",
	    "%s: %s: %s", address, what, strerror(errno));
}

static void
set_on(int fd, int level, int option)
{
	static const int on = 1;

	must(setsockopt(fd, level, option, &on, sizeof(on)) == 0);
}

static int
port_of(const union addr *a)
{
	return ntohs(
	    a->sa.sa_family == AF_INET6 ? a->in6.sin6_port : a->in.sin_port);
}

static int
socket_new(int family)
{
	return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* One socket several times: whoever is free accepts. */
static enum err
copies_open(int from, const char *address, int *fd, unsigned first, unsigned n,
    struct why *why)
{
	unsigned i;

	for (i = first; i < n; i++) {
		if ((fd[i] = fcntl(from, F_DUPFD_CLOEXEC, 0)) == -1)
			return failed(why, address, "dup");
	}
	return ERR_OK;
}

/* --- TCP -------------------------------------------------------------- */

/*
 * With SO_REUSEPORT a second server of ours would share a port without a
 * word and take half the requests.  So a socket without it goes first: it
 * cannot be bound where anyone listens.
 */
static enum err
tcp_probe(const union addr *a, socklen_t len, const char *address,
    struct why *why)
{
	int fd = socket_new(a->sa.sa_family);
	enum err e = ERR_OK;

	if (fd == -1)
		return failed(why, address, "socket");
	set_on(fd, SOL_SOCKET, SO_REUSEADDR);
	if (a->sa.sa_family == AF_INET6)
		set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (bind(fd, &a->sa, len) == -1)
		e = failed(why, address, "bind");
	close(fd);
	return e;
}

/* One of the sockets; *a gets the port. */
static enum err
tcp_open(union addr *a, socklen_t len, const char *address, int *out,
    struct why *why)
{
	int fd = socket_new(a->sa.sa_family);
	enum err e;

	if (fd == -1)
		return failed(why, address, "socket");
	set_on(fd, SOL_SOCKET, SO_REUSEADDR);
	set_on(fd, SOL_SOCKET, SO_REUSEPORT);
	/* Inherited by every connection; see style 7 for what Nagle costs. */
	set_on(fd, IPPROTO_TCP, TCP_NODELAY);
	if (a->sa.sa_family == AF_INET6)
		set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (bind(fd, &a->sa, len) == -1) {
		e = failed(why, address, "bind");
		goto out;
	}
	if (listen(fd, BACKLOG) == -1) {
		e = failed(why, address, "listen");
		goto out;
	}
	if (getsockname(fd, &a->sa, &len) == -1) {
		e = failed(why, address, "getsockname");
		goto out;
	}
	*out = fd;
	fd = -1;
	e = ERR_OK;
out:
	if (fd != -1)
		close(fd);
	return e;
}

/* "127.0.0.1:8081" or "[::1]:8081"; the configuration has checked it. */
static bool
tcp_addr(const char *address, union addr *a, socklen_t *len)
{
	const char *colon = strrchr(address, ':');
	char host[INET6_ADDRSTRLEN];
	size_t n;
	long port;

	if (colon == NULL || (port = strtol(colon + 1, NULL, 10)) < 0 ||
	    port > UINT16_MAX)
		return false;
	n = (size_t)(colon - address);
	memset(a, 0, sizeof(*a));
	if (n > 2 && address[0] == '[' && colon[-1] == ']' &&
	    n - 2 < sizeof(host)) {
		memcpy(host, address + 1, n - 2);
		host[n - 2] = '\0';
		a->in6.sin6_family = AF_INET6;
		a->in6.sin6_port = htons((uint16_t)port);
		*len = sizeof(a->in6);
		return inet_pton(AF_INET6, host, &a->in6.sin6_addr) == 1;
	}
	if (n >= sizeof(host))
		return false;
	memcpy(host, address, n);
	host[n] = '\0';
	a->in.sin_family = AF_INET;
	a->in.sin_port = htons((uint16_t)port);
	*len = sizeof(a->in);
	return inet_pton(AF_INET, host, &a->in.sin_addr) == 1;
}

static enum err
tcp_open_all(const char *address, bool shared, int *fd, unsigned n, int *port,
    struct why *why)
{
	union addr a;
	socklen_t len;
	enum err e = ERR_OK;
	unsigned i;
	int given;

	if (!tcp_addr(address, &a, &len))
		return why_set(why, ERR_CONFIG, "larder.json listen[].address",
		    "%s: not an address", address);
	if ((given = inherit_find(&a.sa)) != -1) {
		set_on(given, IPPROTO_TCP, TCP_NODELAY);
		*port = port_of(&a);
		return copies_open(given, address, fd, 0, n, why);
	}
	if (port_of(&a) != 0 && !shared)
		e = tcp_probe(&a, len, address, why);
	for (i = 0; i < n && e == ERR_OK; i++)
		e = tcp_open(&a, len, address, &fd[i], why);
	*port = port_of(&a);
	return e;
}

/* --- unix ------------------------------------------------------------- */

static bool
unix_addr(const char *address, struct sockaddr_un *a)
{
	const char *path = address + strlen("unix:");

	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	if (*path == '\0' || strlen(path) >= sizeof(a->sun_path))
		return false;
	memcpy(a->sun_path, path, strlen(path));
	return true;
}

/* A socket that is there but that nobody answers is a dead server's. */
static void
unix_clear_stale(const struct sockaddr_un *a)
{
	struct stat st;
	int fd;

	if (lstat(a->sun_path, &st) == -1 || !S_ISSOCK(st.st_mode) ||
	    (fd = socket_new(AF_UNIX)) == -1)
		return;
	if (connect(fd, (const struct sockaddr *)a, sizeof(*a)) == -1 &&
	    errno == ECONNREFUSED)
		unlink(a->sun_path);
	close(fd);
}

static enum err
unix_open_all(const char *address, int *fd, unsigned n, struct why *why)
{
	struct sockaddr_un a;
	int given;

	if (!unix_addr(address, &a))
		return why_set(why, ERR_CONFIG, "larder.json listen[].address",
		    "%s: path empty or too long", address);
	if ((given = inherit_find((struct sockaddr *)&a)) != -1)
		return copies_open(given, address, fd, 0, n, why);
	unix_clear_stale(&a);
	if ((fd[0] = socket_new(AF_UNIX)) == -1)
		return failed(why, address, "socket");
	if (bind(fd[0], (struct sockaddr *)&a, sizeof(a)) == -1)
		return failed(why, address, "bind");
	if (listen(fd[0], BACKLOG) == -1)
		return failed(why, address, "listen");
	return copies_open(fd[0], address, fd, 1, n, why);
}

/* A socket that was given to us is its giver's to remove. */
void
listen_unlink(const char *address)
{
	struct sockaddr_un a;

	if (span_starts(span_str(address), "unix:") && unix_addr(address, &a) &&
	    inherit_find((struct sockaddr *)&a) == -1)
		unlink(a.sun_path);
}

/* --- both ------------------------------------------------------------- */

enum err
listen_open(const char *address, bool shared, int *fd, unsigned n, int *port,
    struct why *why)
{
	enum err e;
	unsigned i;

	for (i = 0; i < n; i++)
		fd[i] = -1;
	*port = 0;
	if (span_starts(span_str(address), "unix:"))
		e = unix_open_all(address, fd, n, why);
	else
		e = tcp_open_all(address, shared, fd, n, port, why);
	for (i = 0; i < n && e != ERR_OK; i++) {
		if (fd[i] != -1)
			close(fd[i]);
		fd[i] = -1;
	}
	return e;
}
