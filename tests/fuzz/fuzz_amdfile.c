/*
 * Files of AMD's as an operator imports them: which object a file is, and
 * names of Trustee's folders.  "FOLDER\nFILE\n" in front of a VCEK is a name
 * to be checked against it.
 */
#include "tests/fuzz/fuzz.h"

#include "config/base/must.h"
#include "server/cli/trustee.h"

#include <stdlib.h>
#include <string.h>

static void
object_is_named(struct span file, enum amd_side side)
{
	struct why why = { 0 };
	json_t *o = NULL;
	struct coll_key key;

	if (bundle_amd(file, side, &o, &why) != ERR_OK) {
		must(why.err != ERR_OK && o == NULL);
		return;
	}
	must(key_read(json_string_value(json_object_get(o, "key")), &key,
		 NULL) == ERR_OK);
	must(key.kind == COLL_AMD_CHAIN || key.kind == COLL_AMD_CRL ||
	     key.kind == COLL_VEK);
	json_decref(o);
}

static void
name_is_checked(struct span s)
{
	struct span folder, file;
	struct vek *vek = NULL;
	char *a, *b, name[TRUSTEE_NAME];
	enum err e;

	if (span_until(&s, '\n', &folder) != ERR_OK ||
	    span_until(&s, '\n', &file) != ERR_OK ||
	    vek_parse(s, &vek, NULL) != ERR_OK)
		return;
	a = span_dup(folder);
	b = span_dup(file);
	e = trustee_check(a, b, vek, NULL);
	if (e == ERR_OK) {
		/* Then its own name would do, too. */
		trustee_name(vek, name);
		must(trustee_check(a, name, vek, NULL) == ERR_OK);
	}
	free(a);
	free(b);
	vek_unref(vek);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct span file = span_of(p, len);

	if (bundle_is_amd(file)) {
		object_is_named(file, AMD_VCEK);
		object_is_named(file, AMD_VLEK);
	}
	name_is_checked(file);
	return 0;
}
