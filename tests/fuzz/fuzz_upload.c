/* A platformcollateral document; the first octet picks the version. */
#include "config/base/must.h"
#include "storage/upload.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static bool
is_json(struct span s)
{
	json_t *v = json_loadb((const char *)s.p, s.len, JSON_DECODE_ANY, NULL);
	bool yes = v != NULL;

	json_decref(v);
	return yes;
}

/* What was cut out of the document is a value of its own. */
static void
object_check(const struct upload_object *o, size_t i)
{
	struct coll_key key;

	must(key_read(o->key.text, &key, NULL) == ERR_OK);
	must(o->body->len != 0);
	if (o->key.kind == COLL_TCBINFO)
		must(o->body->data[0] == '{' && is_json(blob_span(o->body)));
	if (o->key.kind == COLL_ROOT_CRL)
		must(i == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct upload up;
	struct why why = { 0 };
	size_t i;

	if (len == 0 || len > 1 << 20)
		return 0;
	if (upload_read(span_of(p + 1, len - 1), p[0] & 1 ? 3 : 4, &up, &why) !=
	    ERR_OK) {
		must(why.err == ERR_PARAM && why.text[0] != '\0');
		return 0;
	}
	for (i = 0; i < up.n_objects; i++)
		object_check(&up.objects[i], i);
	for (i = 0; i < up.n_certs; i++)
		must(is_json(blob_span(up.certs[i].body)) &&
		     up.certs[i].id.qe_id[0] != '\0');
	upload_fini(&up);
	return 0;
}
