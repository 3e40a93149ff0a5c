#include "tests/kit/vectors.h"

#include "config/base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *
vectors_dir(void)
{
	const char *dir = getenv("LARDER_VECTORS");

	return dir != NULL && *dir != '\0' ? dir : "../shared/vectors";
}

bool
vectors_present(void)
{
	return access(vectors_dir(), X_OK) == 0;
}

struct blob *
file_read(const char *path)
{
	struct buf b = BUF_INIT;
	char chunk[8192];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (f == NULL)
		return NULL;
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&b, chunk, n);
	fclose(f);
	return buf_blob(&b);
}

struct blob *
vector_read(const char *path)
{
	char full[1024];

	snprintf(full, sizeof(full), "%s/%s", vectors_dir(), path);
	return file_read(full);
}

void
vectors_skipped(unsigned n)
{
	if (!vectors_present())
		printf("skipped: %u no vectors in %s\n", n, vectors_dir());
}

struct tcbinfo *
vector_info(const char *path)
{
	struct blob *b = vector_read(path);
	struct tcbinfo *info = NULL;
	unsigned char sig[64];
	struct span value;

	must(b != NULL);
	must(jspan_cut(blob_span(b), "tcbInfo", &value, sig, NULL) == ERR_OK);
	must(tcbinfo_parse(value, &info, NULL) == ERR_OK);
	blob_unref(b);
	return info;
}

struct identity *
vector_identity(const char *path)
{
	struct blob *b = vector_read(path);
	struct identity *id = NULL;
	unsigned char sig[64];
	struct span value;

	must(b != NULL);
	must(jspan_cut(blob_span(b), "enclaveIdentity", &value, sig, NULL) ==
	     ERR_OK);
	must(identity_parse(value, &id, NULL) == ERR_OK);
	blob_unref(b);
	return id;
}
