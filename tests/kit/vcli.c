#include "tests/kit/vcli.h"

#include "config/base/blob.h"
#include "config/base/must.h"
#include "tests/kit/run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

char vcli_dir[256];

void
vcli_dir_make(const char *name)
{
	char own[64];

	snprintf(own, sizeof(own), "%s-%d", name, (int)getpid());
	snprintf(vcli_dir, sizeof(vcli_dir), "%s", run_path(own));
	must(mkdir(vcli_dir, 0700) == 0);
}

void
vcli_spill(const char *name, struct span s)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", vcli_dir, name);
	must((f = fopen(path, "w")) != NULL);
	must(s.len == 0 || fwrite(s.p, 1, s.len, f) == s.len);
	must(fclose(f) == 0);
}

json_t *
vcli_verify(const char *args, int *status)
{
	const char *b = getenv("B");
	char line[2048], part[8192];
	struct buf out = BUF_INIT;
	json_t *o;
	size_t n;
	FILE *p;
	int ws;

	snprintf(line, sizeof(line), "%s/larder verify %s --json 2>&1",
	    b == NULL ? "build" : b, args);
	must((p = popen(line, "r")) != NULL);
	while ((n = fread(part, 1, sizeof(part), p)) > 0)
		buf_add(&out, part, n);
	ws = pclose(p);
	*status = WIFEXITED(ws) ? WEXITSTATUS(ws) : 200;
	o = json_loadb(out.p == NULL ? "" : out.p, out.len,
	    JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(o != NULL || *status == 2, "%s: %d: %.*s", args, *status,
	    (int)out.len, out.p);
	buf_free(&out);
	return o;
}

const char *
vcli_word(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s == NULL ? "" : s;
}
