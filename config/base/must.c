#include "config/base/must.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
must_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "<2>event=must file=%s line=%d what=\"%s\"\n", file,
	    line, what);
	abort();
}

void *
xcalloc(size_t n, size_t size)
{
	void *p;

	if (n == 0 || size == 0)
		n = size = 1;
	p = calloc(n, size);
	must(p != NULL);
	return p;
}

void *
xrealloc(void *old, size_t n, size_t size)
{
	void *p;

	must(size == 0 || n <= SIZE_MAX / size);
	p = realloc(old, n == 0 || size == 0 ? 1 : n * size);
	must(p != NULL);
	return p;
}

char *
xstrdup(const char *s)
{
	return xstrndup(s, strlen(s));
}

char *
xstrndup(const char *s, size_t max)
{
	size_t len = strnlen(s, max);
	char *p = xcalloc(len + 1, 1);

	memcpy(p, s, len);
	return p;
}

void *
xmemdup(const void *src, size_t len)
{
	void *p = xcalloc(len, 1);

	if (len != 0)
		memcpy(p, src, len);
	return p;
}

void *
obj_cast(void *arg, unsigned magic)
{
	unsigned have;

	must(arg != NULL);
	memcpy(&have, arg, sizeof(have));
	must(have == magic);
	return arg;
}
