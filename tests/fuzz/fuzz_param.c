/* What clients send: query values, the bodies of POST platforms and of POST
 * pckcerts. */
#include "config/base/must.h"
#include "server/param.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

/* What was accepted is accepted again, unchanged. */
static void
text_once(enum param p, const char *value)
{
	char out[PARAM_MAX + 1], again[PARAM_MAX + 1];

	if (param_text(p, value, out, NULL) != ERR_OK)
		return;
	must(param_text(p, out, again, NULL) == ERR_OK);
	must(strcmp(out, again) == 0);
}

static void
lists_once(const char *value)
{
	struct fmspc_list l = { 0, NULL };
	struct buf source = BUF_INIT, again = BUF_INIT;

	if (param_fmspc_list(value, &l, NULL) == ERR_OK)
		fmspc_list_fini(&l);
	if (param_source(value, &source, NULL) == ERR_OK) {
		must(param_source(source.p, &again, NULL) == ERR_OK);
		must(strcmp(source.p, again.p) == 0);
	}
	buf_free(&source);
	buf_free(&again);
}

/* Every name has the same value. */
static const char *
same_get(void *src, const char *name)
{
	(void)name;
	return src;
}

static void
words_once(char *value)
{
	enum update update;
	enum update_set set;
	const char *word;
	char fmspc[13];
	enum pck_ca ca;
	uint32_t n;
	bool certs;

	(void)!param_update(value, &update, NULL);
	(void)!param_update_set(value, &set, NULL);
	must(param_version(same_get, value, &update, &n, NULL) == ERR_PARAM);
	(void)!param_ca(value, &ca, NULL);
	(void)param_encoding(value);
	(void)!param_fmspcs(value, &word, NULL);
	(void)param_flag(value);
	(void)!param_refresh_type(value, &certs, NULL);
	if (fmspc_in_text(value, fmspc))
		must(strlen(fmspc) == 12);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct platform_ask ask;
	enum ppid ppid;
	char *value;
	enum param p;

	if (param_platform(span_of(data, len), &ask, &ppid, NULL) == ERR_OK) {
		must(ask.has_tcb != (ask.manifest != NULL));
		ask_fini(&ask);
	}
	if (param_pckcerts_body(span_of(data, len), &ask, NULL) == ERR_OK) {
		must(ask.manifest != NULL && ask.enc_ppid == NULL);
		must(strlen(ask.id.pce_id) == 4);
		ask_fini(&ask);
	}
	value = xcalloc(1, len + 1);
	if (len > 0)
		memcpy(value, data, len);
	for (p = 0; p < PARAM_N; p++)
		text_once(p, value);
	lists_once(value);
	words_once(value);
	free(value);
	return 0;
}
