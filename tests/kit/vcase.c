#include "tests/kit/vcase.h"

#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/vectors.h"

#include <stdio.h>
#include <string.h>

struct intel_bytes
vcase_bytes(const struct vset *v)
{
	return (struct intel_bytes){
		.tcb_info = blob_span(v->tcb_info),
		.tcb_info_chain = blob_span(v->tcb_chain),
		.qe_identity = blob_span(v->identity),
		.qe_identity_chain = blob_span(v->identity_chain),
		.root_crl = blob_span(v->root_crl),
		.pck_crl = blob_span(v->pck_crl),
		.pck_crl_chain = blob_span(v->pck_crl_chain),
	};
}

json_t *
vector_json(const char *path)
{
	struct blob *b = vector_read(path);
	json_t *j;

	must(b != NULL);
	j = json_loadb((const char *)b->data, b->len, 0, NULL);
	must(j != NULL);
	blob_unref(b);
	return j;
}

const char *
vector_text(const json_t *j, const char *name)
{
	return json_string_value(json_object_get(j, name));
}

void
vcase_synthetic(const char *path, struct vcase *c)
{
	json_t *j = vector_json(path);
	struct buf b = BUF_INIT;

	memset(c, 0, sizeof(*c));
	snprintf(c->name, sizeof(c->name), "%s", path);
	c->set = vset_synthetic(path);
	must(hex_read_buf(span_str(vector_text(j, "quote_hex")), &b) == ERR_OK);
	c->quote = b.len == 0 ? blob_new("", 0) : buf_blob(&b);
	c->expect = json_incref(json_object_get(j, "expect"));
	c->either = c->set->either;
	c->at = c->set->check_time;
	json_decref(j);
}

void
vcase_real(const char *tee, const json_t *j, struct vcase *c)
{
	char path[200];

	memset(c, 0, sizeof(*c));
	snprintf(c->name, sizeof(c->name), "%s", vector_text(j, "id"));
	snprintf(path, sizeof(path), "%s/%s", tee,
	    vector_text(j, "collateral"));
	c->set = vset_real(path);
	snprintf(path, sizeof(path), "%s/%s", tee, vector_text(j, "quote"));
	c->quote = vector_read(path);
	must(c->quote != NULL);
	c->expect = json_incref(json_object_get(j, "expect"));
	c->either = json_is_true(json_object_get(j, "either"));
	c->at = (time_t)json_integer_value(json_object_get(j, "check_time"));
}

void
vcase_fini(struct vcase *c)
{
	vset_free(c->set);
	blob_unref(c->quote);
	json_decref(c->expect);
}
