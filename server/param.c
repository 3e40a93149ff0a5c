/* Query parameters and JSON bodies of the PCCS routes: see param.h. */
#include "server/param.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GRAMMAR "pccs-api 4"

enum shape { SHAPE_ANY, SHAPE_HEX };

static const struct row {
	const char *query, *json;
	enum shape shape;
	size_t min, max;
} rows[PARAM_N] = {
	[PARAM_QEID] = { "qeid", "qe_id", SHAPE_ANY, 1, QE_ID_MAX },
	[PARAM_PPID] = { "encrypted_ppid", "enc_ppid", SHAPE_HEX, 768, 768 },
	[PARAM_CPUSVN] = { "cpusvn", "cpu_svn", SHAPE_HEX, 32, 32 },
	[PARAM_PCESVN] = { "pcesvn", "pce_svn", SHAPE_HEX, 4, 4 },
	[PARAM_PCEID] = { "pceid", "pce_id", SHAPE_HEX, 4, 4 },
	[PARAM_FMSPC] = { "fmspc", "fmspc", SHAPE_HEX, 12, 12 },
};

/* "platform_manifest": hex characters a PCS takes (pccs-api 6.9). */
#define MANIFEST_MAX 112884

static char
upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

enum err
param_text(enum param p, const char *value, char *out, struct why *why)
{
	const struct row *row = &rows[p];
	size_t i, len;

	if (value == NULL)
		return why_set(why, ERR_PARAM, GRAMMAR, "%s is missing",
		    row->query);
	len = strnlen(value, row->max + 1);
	if (len < row->min || len > row->max)
		return why_set(why, ERR_PARAM, GRAMMAR,
		    "%s has the wrong length", row->query);
	if (row->shape == SHAPE_HEX && !hex_is(span_of(value, len), len))
		return why_set(why, ERR_PARAM, GRAMMAR, "%s is not hex",
		    row->query);
	for (i = 0; i < len; i++)
		out[i] = upper(value[i]);
	out[len] = '\0';
	return ERR_OK;
}

void
ask_fini(struct platform_ask *ask)
{
	blob_unref(ask->enc_ppid);
	blob_unref(ask->manifest);
	ask->enc_ppid = ask->manifest = NULL;
}

/* Both texts have been checked; PCESVN is little-endian. */
static void
tcb_read(const char *cpusvn, const char *pcesvn, struct raw_tcb *out)
{
	unsigned char le[2];

	must(hex_read(span_str(cpusvn), out->cpusvn, sizeof(out->cpusvn)) ==
	     ERR_OK);
	must(hex_read(span_str(pcesvn), le, sizeof(le)) == ERR_OK);
	out->pcesvn = (uint16_t)(le[0] | le[1] << 8);
}

/* An absent PPID is fine; one of zeros says "not supplied". */
static enum err
ppid_read(const char *value, enum ppid *state, struct blob **out,
    struct why *why)
{
	char hex[PARAM_MAX + 1];
	unsigned char ppid[PPID_LEN];
	enum err e;

	*out = NULL;
	*state = PPID_NONE;
	if (value == NULL)
		return ERR_OK;
	if ((e = param_text(PARAM_PPID, value, hex, why)) != ERR_OK)
		return e;
	must(hex_read(span_str(hex), ppid, sizeof(ppid)) == ERR_OK);
	if (span_all(span_of(ppid, sizeof(ppid)), 0)) {
		*state = PPID_ZEROS;
		return ERR_OK;
	}
	*state = PPID_GIVEN;
	*out = blob_new(ppid, sizeof(ppid));
	return ERR_OK;
}

enum err
param_platform_id(param_fn get, void *src, struct platform_id *out,
    struct why *why)
{
	struct platform_id id;
	enum err e;

	if ((e = param_text(PARAM_QEID, get(src, rows[PARAM_QEID].query),
		 id.qe_id, why)) != ERR_OK ||
	    (e = param_text(PARAM_PCEID, get(src, rows[PARAM_PCEID].query),
		 id.pce_id, why)) != ERR_OK)
		return e;
	*out = id;
	return ERR_OK;
}

enum err
param_pckcert(param_fn get, void *src, struct platform_ask *out,
    enum ppid *ppid, struct why *why)
{
	static const enum param order[] = { PARAM_QEID, PARAM_CPUSVN,
		PARAM_PCESVN, PARAM_PCEID };
	struct platform_ask ask = { .has_tcb = true };
	char cpusvn[33], pcesvn[5];
	char *const to[] = { ask.id.qe_id, cpusvn, pcesvn, ask.id.pce_id };
	size_t i;
	enum err e;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		e = param_text(order[i], get(src, rows[order[i]].query), to[i],
		    why);
		if (e != ERR_OK)
			return e;
	}
	e = ppid_read(get(src, rows[PARAM_PPID].query), ppid, &ask.enc_ppid,
	    why);
	if (e != ERR_OK)
		return e;
	tcb_read(cpusvn, pcesvn, &ask.tcb);
	*out = ask;
	return ERR_OK;
}

/* --- JSON ------------------------------------------------------------- */

/* The member's text, "" when absent or null; another type is an error. */
static enum err
json_text(const json_t *o, const char *name, const char **out, struct why *why)
{
	const json_t *v = json_object_get(o, name);

	*out = "";
	if (v == NULL || json_is_null(v))
		return ERR_OK;
	if (!json_is_string(v))
		return why_set(why, ERR_PARAM, "pccs-api 6.9",
		    "%s is not a string", name);
	*out = json_string_value(v);
	return ERR_OK;
}

static enum err
manifest_read(const json_t *o, struct blob **out, struct why *why)
{
	struct buf bytes = BUF_INIT;
	const char *hex;
	enum err e;

	*out = NULL;
	if ((e = json_text(o, "platform_manifest", &hex, why)) != ERR_OK)
		return e;
	if (*hex == '\0')
		return ERR_OK;
	if (strnlen(hex, MANIFEST_MAX + 1) > MANIFEST_MAX)
		return why_set(why, ERR_PARAM, "pccs-api 6.9",
		    "platform_manifest is too long");
	if (hex_read_buf(span_str(hex), &bytes) != ERR_OK) {
		buf_free(&bytes);
		return why_set(why, ERR_PARAM, "pccs-api 6.9",
		    "platform_manifest is not hex");
	}
	*out = buf_blob(&bytes);
	return ERR_OK;
}

/*
 * What a manifest makes superfluous.  A text that is there has to be well
 * formed even when the manifest replaces it; then it is dropped.
 */
static enum err
tcb_members(const json_t *o, struct platform_ask *ask, enum ppid *ppid,
    struct why *why)
{
	static const enum param which[] = { PARAM_CPUSVN, PARAM_PCESVN,
		PARAM_PPID };
	const char *text[3];
	char norm[3][PARAM_MAX + 1];
	size_t i;
	enum err e;

	for (i = 0; i < 3; i++) {
		e = json_text(o, rows[which[i]].json, &text[i], why);
		if (e != ERR_OK)
			return e;
		if (*text[i] == '\0' && ask->manifest != NULL)
			continue;
		if ((e = param_text(which[i], text[i], norm[i], why)) != ERR_OK)
			return e;
	}
	*ppid = PPID_NONE;
	if (ask->manifest != NULL)
		return ERR_OK;
	tcb_read(norm[0], norm[1], &ask->tcb);
	ask->has_tcb = true;
	return ppid_read(text[2], ppid, &ask->enc_ppid, why);
}

enum err
param_platform(struct span json, struct platform_ask *out, enum ppid *ppid,
    struct why *why)
{
	struct platform_ask ask = { .has_tcb = false };
	json_t *o;
	const char *text;
	enum err e;

	o = json_loadb((const char *)json.p, json.len, JSON_REJECT_DUPLICATES,
	    NULL);
	if (!json_is_object(o)) {
		e = why_set(why, ERR_PARAM, "pccs-api 6.9",
		    "the body is not a JSON object");
		goto out;
	}
	if ((e = json_text(o, rows[PARAM_QEID].json, &text, why)) != ERR_OK ||
	    (e = param_text(PARAM_QEID, text, ask.id.qe_id, why)) != ERR_OK ||
	    (e = json_text(o, rows[PARAM_PCEID].json, &text, why)) != ERR_OK ||
	    (e = param_text(PARAM_PCEID, text, ask.id.pce_id, why)) != ERR_OK)
		goto out;
	if ((e = manifest_read(o, &ask.manifest, why)) != ERR_OK ||
	    (e = tcb_members(o, &ask, ppid, why)) != ERR_OK)
		goto out;
	*out = ask;
	ask.manifest = ask.enc_ppid = NULL;
out:
	ask_fini(&ask);
	json_decref(o);
	return e;
}

/* --- words ------------------------------------------------------------ */

/* The index of value among n words, compared without case; n: none. */
static size_t
word_find(const char *const *words, size_t n, const char *value)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (value != NULL && strcasecmp(words[i], value) == 0)
			return i;
	return n;
}

enum err
param_update_set(const char *value, enum update_set *out, struct why *why)
{
	static const char *const words[] = { "standard", "early", "all" };
	static const enum update_set sets[] = { UPDATES_STANDARD, UPDATES_EARLY,
		UPDATES_ALL };
	size_t i = value == NULL ? 0 : word_find(words, 3, value);

	if (i == 3)
		return why_set(why, ERR_PARAM, GRAMMAR,
		    "update is none of standard, early, all");
	*out = sets[i];
	return ERR_OK;
}

enum err
param_update(const char *value, enum update *out, struct why *why)
{
	enum update_set set = UPDATES_ALL;

	if (param_update_set(value, &set, NULL) != ERR_OK || set == UPDATES_ALL)
		return why_set(why, ERR_PARAM, GRAMMAR,
		    "update is neither standard nor early");
	*out = set == UPDATES_EARLY ? UPDATE_EARLY : UPDATE_STANDARD;
	return ERR_OK;
}

/* A decimal number from 1 to 2^32 - 1, digits alone. */
static enum err
number_read(const char *s, uint32_t *out, struct why *why)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; s[i] >= '0' && s[i] <= '9' && n <= UINT32_MAX; i++)
		n = n * 10 + (uint64_t)(s[i] - '0');
	if (i == 0 || s[i] != '\0' || n < 1 || n > UINT32_MAX)
		return why_set(why, ERR_PARAM, "pccs-api 10",
		    "tcbEvaluationDataNumber is no number of at least 1");
	*out = (uint32_t)n;
	return ERR_OK;
}

enum err
param_version(param_fn get, void *src, enum update *update, uint32_t *number,
    struct why *why)
{
	const char *word = get(src, "update");
	const char *n = get(src, "tcbEvaluationDataNumber");
	enum err e;

	if (n == NULL) {
		*number = 0;
		return param_update(word, update, why);
	}
	if (word != NULL)
		return why_set(why, ERR_PARAM, "pccs-api 10",
		    "update and tcbEvaluationDataNumber exclude each other");
	if ((e = number_read(n, number, why)) == ERR_OK)
		*update = UPDATE_NUMBER;
	return e;
}

enum err
param_ca(const char *value, enum pck_ca *out, struct why *why)
{
	static const char *const words[] = { "processor", "platform" };
	size_t i = word_find(words, 2, value);

	if (i == 2)
		return why_set(why, ERR_PARAM, GRAMMAR,
		    "ca is neither processor nor platform");
	*out = i == 0 ? PCK_CA_PROCESSOR : PCK_CA_PLATFORM;
	return ERR_OK;
}

enum form_name
param_encoding(const char *value)
{
	static const char *const words[] = { "der", "pem" };
	static const enum form_name forms[] = { FORM_DER, FORM_PEM, FORM_HEX };

	return forms[word_find(words, 2, value)];
}

enum err
param_fmspcs(const char *value, const char **out, struct why *why)
{
	static const char *const words[] = { "all", "client", "E3", "E5" };
	size_t i = value == NULL ? 0 : word_find(words, 4, value);

	if (i == 4)
		return why_set(why, ERR_PARAM, "pcs-upstream 2",
		    "platform is none of all, client, E3, E5");
	*out = words[i];
	return ERR_OK;
}

bool
param_flag(const char *value)
{
	static const char *const words[] = { "1", "true", "yes" };

	return word_find(words, 3, value) < 3;
}

enum err
param_refresh_type(const char *value, bool *certs, struct why *why)
{
	*certs = value != NULL && strcmp(value, "certs") == 0;
	if (value != NULL && *value != '\0' && !*certs)
		return why_set(why, ERR_PARAM, GRAMMAR, "type is not certs");
	return ERR_OK;
}

/* --- lists of FMSPCs -------------------------------------------------- */

#define LIST_MAX 1024

void
fmspc_list_fini(struct fmspc_list *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct fmspc_list){ 0, NULL };
}

static struct span
trim(struct span s)
{
	while (s.len > 0 && s.p[0] == ' ')
		s = span_of(s.p + 1, s.len - 1);
	while (s.len > 0 && s.p[s.len - 1] == ' ')
		s.len--;
	return s;
}

static enum err
list_add(struct fmspc_list *l, struct span item, struct why *why)
{
	char text[13], fmspc[13];
	enum err e;

	item = trim(item);
	if (item.len != 12)
		return why_set(why, ERR_PARAM, GRAMMAR,
		    "a fmspc in the list has not 12 digits");
	if (l->n == LIST_MAX)
		return why_set(why, ERR_PARAM, GRAMMAR,
		    "more than %d fmspcs in the list", LIST_MAX);
	memcpy(text, item.p, 12);
	text[12] = '\0';
	if ((e = param_text(PARAM_FMSPC, text, fmspc, why)) != ERR_OK)
		return e;
	l->v = xrealloc(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = xstrdup(fmspc);
	return ERR_OK;
}

/* Items between commas; nothing but blanks is the empty list. */
static enum err
list_read(struct span s, struct fmspc_list *out, struct why *why)
{
	struct fmspc_list l = { 0, NULL };
	struct span item;
	enum err e = ERR_OK;
	bool last = false;

	if (trim(s).len == 0) {
		*out = l;
		return ERR_OK;
	}
	while (!last && e == ERR_OK) {
		if (span_until(&s, ',', &item) != ERR_OK) {
			item = s;
			last = true;
		}
		e = list_add(&l, item, why);
	}
	if (e != ERR_OK)
		fmspc_list_fini(&l);
	else
		*out = l;
	return e;
}

bool
fmspc_in_text(const char *text, char out[13])
{
	static const char digits[] = "0123456789abcdefABCDEF";
	size_t n;

	while (*text != '\0') {
		text += strcspn(text, digits);
		n = strspn(text, digits);
		if (n == 12) {
			memcpy(out, text, 12);
			out[12] = '\0';
			return true;
		}
		text += n;
	}
	return false;
}

/* Without its brackets, if it has both. */
static bool
unbracket(struct span *s)
{
	if (s->len < 2 || s->p[0] != '[' || s->p[s->len - 1] != ']')
		return false;
	*s = span_of(s->p + 1, s->len - 2);
	return true;
}

enum err
param_fmspc_list(const char *value, struct fmspc_list *out, struct why *why)
{
	struct span s = trim(span_str(value));

	if (span_eq_nocase(s, "all"))
		s = SPAN_NONE;
	(void)unbracket(&s);
	return list_read(s, out, why);
}

enum err
param_source(const char *value, struct buf *out, struct why *why)
{
	struct span s = trim(span_str(value));
	struct fmspc_list l = { 0, NULL };
	enum err e;
	size_t i;

	if (s.len == 0 || span_eq_str(s, "reg")) {
		buf_str(out, "reg");
	} else if (span_eq_str(s, "reg_na")) {
		buf_str(out, "reg_na");
	} else if (unbracket(&s)) {
		if ((e = list_read(s, &l, why)) != ERR_OK)
			return e;
		buf_str(out, "[");
		for (i = 0; i < l.n; i++)
			buf_printf(out, "%s%s", i > 0 ? "," : "", l.v[i]);
		buf_str(out, "]");
		fmspc_list_fini(&l);
	} else {
		return why_set(why, ERR_PARAM, GRAMMAR,
		    "source is none of reg, reg_na, [fmspc,...]");
	}
	buf_add(out, "", 1);
	return ERR_OK;
}
