/* The parameters of pckcerts, which are PCS's own (pcs-upstream 2). */
#include "server/param.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <jansson.h>
#include <string.h>

#define MANIFEST_MAX 112884 /* characters */

enum err
param_pckcerts(param_fn get, void *src, struct platform_ask *out,
    struct why *why)
{
	struct platform_ask ask = { 0 };
	unsigned char ppid[PPID_LEN];
	char hex[PARAM_MAX + 1];
	enum err e;

	if ((e = param_text(PARAM_PPID, get(src, "encrypted_ppid"), hex,
		 why)) != ERR_OK ||
	    (e = param_text(PARAM_PCEID, get(src, "pceid"), ask.id.pce_id,
		 why)) != ERR_OK)
		return e;
	must(hex_read(span_str(hex), ppid, sizeof(ppid)) == ERR_OK);
	if (span_all(span_of(ppid, sizeof(ppid)), 0))
		return why_set(why, ERR_PARAM, "pcs-upstream 2",
		    "encrypted_ppid is all zeros");
	ask.enc_ppid = blob_new(ppid, sizeof(ppid));
	*out = ask;
	return ERR_OK;
}

static enum err
manifest_read(const char *hex, struct blob **out, struct why *why)
{
	struct buf bytes = BUF_INIT;

	if (hex == NULL || *hex == '\0' ||
	    strnlen(hex, MANIFEST_MAX + 1) > MANIFEST_MAX ||
	    hex_read_buf(span_str(hex), &bytes) != ERR_OK) {
		buf_free(&bytes);
		return why_set(why, ERR_PARAM, "pcs-upstream 2",
		    "platformManifest is not a manifest in hex");
	}
	*out = buf_blob(&bytes);
	return ERR_OK;
}

enum err
param_pckcerts_body(struct span body, struct platform_ask *out, struct why *why)
{
	struct platform_ask ask = { 0 };
	json_t *json;
	enum err e;

	json = json_loadb((const char *)body.p, body.len,
	    JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(json)) {
		e = why_set(why, ERR_PARAM, "pcs-upstream 2",
		    "the body is not a JSON object");
		goto out;
	}
	if ((e = param_text(PARAM_PCEID,
		 json_string_value(json_object_get(json, "pceid")),
		 ask.id.pce_id, why)) != ERR_OK ||
	    (e = manifest_read(json_string_value(
				   json_object_get(json, "platformManifest")),
		 &ask.manifest, why)) != ERR_OK)
		goto out;
	*out = ask;
out:
	json_decref(json);
	return e;
}
