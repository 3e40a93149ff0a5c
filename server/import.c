#include "server/import.h"

#include "config/base/json.h"
#include "config/base/must.h"
#include "server/api.h"

#include <stdlib.h>

void
import_list_init(struct import_list *l)
{
	*l = (struct import_list){ .rows = json_array() };
}

void
import_list_fini(struct import_list *l)
{
	json_decref(l->rows);
}

void
import_result(struct import_list *l, const char *key, enum err e,
    const struct why *why)
{
	json_t *o = json_pack("{s:o, s:s}", "key", json_safe(key), "reason",
	    err_token(e));

	must(o != NULL);
	if (e != ERR_OK) {
		l->n_failed += e != ERR_OLDER;
		json_object_set_new(o, "why",
		    json_safe(why == NULL ? "" : why->text));
	}
	must(json_array_append_new(l->rows, o) == 0);
}

void
import_reply(struct req *req, const struct import_list *l)
{
	char *s = json_dumps(l->rows, JSON_COMPACT);
	struct buf text = BUF_INIT, extra = BUF_INIT;

	must(s != NULL);
	buf_str(&text, s);
	free(s);
	if (l->n_failed == 0) {
		api_json(req, buf_blob(&text));
		return;
	}
	buf_printf(&extra, "Larder-Reason: %s\r\n", err_token(ERR_INTEGRITY));
	reply_blob(req, err_http(ERR_INTEGRITY), "application/json", &extra,
	    buf_blob(&text));
	buf_free(&extra);
}
