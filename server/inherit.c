#include "server/inherit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST 3  /* SD_LISTEN_FDS_START */
#define MOST  64 /* of them are looked at */

/* How many descriptors from FIRST on are ours, by $LISTEN_PID, $LISTEN_FDS. */
static int
inherited(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	long n;

	if (pid == NULL || fds == NULL ||
	    strtoll(pid, NULL, 10) != (long long)getpid())
		return 0;
	n = strtol(fds, NULL, 10);
	return n < 0 ? 0 : n > MOST ? MOST : (int)n;
}

static bool
same_address(const struct sockaddr_storage *have, const struct sockaddr *want)
{
	const struct sockaddr_in *a4 = (const void *)have,
				 *b4 = (const void *)want;
	const struct sockaddr_in6 *a6 = (const void *)have,
				  *b6 = (const void *)want;
	const struct sockaddr_un *au = (const void *)have,
				 *bu = (const void *)want;

	if (have->ss_family != want->sa_family)
		return false;
	switch (want->sa_family) {
	case AF_INET:
		return a4->sin_port == b4->sin_port &&
		       a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	case AF_INET6:
		return a6->sin6_port == b6->sin6_port &&
		       memcmp(&a6->sin6_addr, &b6->sin6_addr,
			   sizeof(a6->sin6_addr)) == 0;
	case AF_UNIX:
		return strcmp(au->sun_path, bu->sun_path) == 0;
	default:
		return false;
	}
}

static bool
listens_at(int fd, const struct sockaddr *want)
{
	/* Room for the NUL that a full sun_path lacks. */
	union {
		struct sockaddr_storage a;
		char room[sizeof(struct sockaddr_storage) + 1];
	} u = { 0 };
	socklen_t len = sizeof(u.a), n = sizeof(int);
	int listening = 0, type = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n) == 0 &&
	       listening &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 &&
	       type == SOCK_STREAM &&
	       getsockname(fd, (struct sockaddr *)&u.a, &len) == 0 &&
	       same_address(&u.a, want);
}

static bool used[FIRST + MOST];

int
inherit_find(const struct sockaddr *want)
{
	int i, flags, n = inherited();

	for (i = FIRST; i < FIRST + n; i++) {
		if (!listens_at(i, want))
			continue;
		flags = fcntl(i, F_GETFL);
		if (flags == -1 ||
		    fcntl(i, F_SETFL, flags | O_NONBLOCK) == -1 ||
		    fcntl(i, F_SETFD, FD_CLOEXEC) == -1)
			return -1;
		used[i] = true;
		return i;
	}
	return -1;
}

static void
address_text(int fd, char *text, size_t len)
{
	char host[INET6_ADDRSTRLEN] = "";
	union {
		struct sockaddr_storage a;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
		char room[sizeof(struct sockaddr_storage) + 1];
	} u = { 0 };
	socklen_t n = sizeof(u.a);

	if (getsockname(fd, (struct sockaddr *)&u.a, &n) == -1) {
		snprintf(text, len, "no socket");
		return;
	}
	switch (u.a.ss_family) {
	case AF_INET:
		inet_ntop(AF_INET, &u.in.sin_addr, host, sizeof(host));
		snprintf(text, len, "%s:%d", host, ntohs(u.in.sin_port));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &u.in6.sin6_addr, host, sizeof(host));
		snprintf(text, len, "[%s]:%d", host, ntohs(u.in6.sin6_port));
		break;
	case AF_UNIX:
		snprintf(text, len, "unix:%s", u.un.sun_path);
		break;
	default:
		snprintf(text, len, "a socket of family %d", u.a.ss_family);
	}
}

bool
inherit_unused(int *fd, char *text, size_t len)
{
	int i, n = inherited();

	for (i = *fd < FIRST ? FIRST : *fd; i < FIRST + n; i++) {
		if (used[i])
			continue;
		address_text(i, text, len);
		*fd = i + 1;
		return true;
	}
	return false;
}
