/* Requirements out of JSON: every member in a table, unknown ones refused. */
#include "server/appraise/require_read.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *
reader_field(const struct reader *r, const struct member *m)
{
	return (char *)r->q + m->at;
}

enum err
reader_bad(struct reader *r, const char *text)
{
	return why_set(r->why, ERR_PARAM, "requirements", "%s: %s", r->path,
	    text);
}

struct span
reader_text(const json_t *v)
{
	return span_of(json_string_value(v), json_string_length(v));
}

static const struct member *member_find(enum evidence_kind, const char *name);

/* The members of one object that are of this kind. */
static enum err
read_members(struct reader *r, const json_t *o, enum evidence_kind kind)
{
	size_t len = strlen(r->path);
	const struct member *m;
	const char *name;
	json_t *v;
	enum err e;

	if (!json_is_object(o))
		return reader_bad(r, "not an object");
	json_object_foreach((json_t *)(uintptr_t)o, name, v)
	{
		(void)snprintf(r->path + len, PATH_MAX_LEN - len, ".%s", name);
		if ((m = member_find(kind, name)) == NULL)
			return reader_bad(r, "unknown member");
		if ((e = m->read(r, v, m)) != ERR_OK)
			return e;
		r->path[len] = '\0';
	}
	return ERR_OK;
}

/* --- kinds of members -------------------------------------------------- */

/* One value or a list of them: gives the items in turn. */
size_t
reader_items(const json_t *v)
{
	return json_is_array(v) ? json_array_size(v) : 1;
}

const json_t *
reader_item(const json_t *v, size_t i)
{
	return json_is_array(v) ? json_array_get(v, i) : v;
}

static enum err
check_items(struct reader *r, const json_t *v)
{
	return reader_items(v) <= REQUIRE_LIST_MAX
		   ? ERR_OK
		   : reader_bad(r, "too many items");
}

/* Each exactly m->len bytes in hex. */
static enum err
read_bytes(struct reader *r, const json_t *v, const struct member *m)
{
	struct want_bytes *w = reader_field(r, m);
	size_t i, n = reader_items(v), len = (size_t)m->len;
	char text[40];

	if (check_items(r, v) != ERR_OK)
		return ERR_PARAM;
	free(w->v);
	*w = (struct want_bytes){ true, n, len, xcalloc(n + 1, len) };
	(void)snprintf(text, sizeof(text), "not %zu hex digits", 2 * len);
	for (i = 0; i < n; i++)
		if (!json_is_string(reader_item(v, i)) ||
		    hex_read(reader_text(reader_item(v, i)), w->v + i * len,
			len) != ERR_OK)
			return reader_bad(r, text);
	return ERR_OK;
}

static enum err
read_masked_part(struct reader *r, const json_t *v, const struct member *m,
    unsigned char *out)
{
	if (!json_is_string(v) ||
	    hex_read(reader_text(v), out, (size_t)m->len) != ERR_OK)
		return reader_bad(r, "not hex of the field's length");
	return ERR_OK;
}

static enum err
read_masked(struct reader *r, const json_t *v, const struct member *m)
{
	struct want_masked *w = reader_field(r, m);

	w->set = true;
	return read_masked_part(r, v, m, w->value);
}

static enum err
read_mask(struct reader *r, const json_t *v, const struct member *m)
{
	struct want_masked *w = reader_field(r, m);

	w->set = true;
	return read_masked_part(r, v, m, w->mask);
}

bool
reader_number(const json_t *v, uint64_t max, uint64_t *out)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 0 || (uint64_t)n > max)
		return false;
	*out = (uint64_t)n;
	return true;
}

static enum err
read_numbers(struct reader *r, const json_t *v, const struct member *m)
{
	struct want_numbers *w = reader_field(r, m);
	size_t i, n = reader_items(v);

	if (check_items(r, v) != ERR_OK)
		return ERR_PARAM;
	free(w->v);
	*w = (struct want_numbers){ true, n, xcalloc(n + 1, sizeof(*w->v)) };
	for (i = 0; i < n; i++)
		if (!reader_number(reader_item(v, i), m->len, &w->v[i]))
			return reader_bad(r, "not a whole number in its range");
	return ERR_OK;
}

static enum err
read_min(struct reader *r, const json_t *v, const struct member *m)
{
	struct want_min *w = reader_field(r, m);

	w->set = true;
	return reader_number(v, m->len, &w->v)
		   ? ERR_OK
		   : reader_bad(r, "not a whole number in its range");
}

static void
texts_free(struct want_texts *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->v[i]);
	free(w->v);
}

static enum err
read_texts(struct reader *r, const json_t *v, const struct member *m)
{
	struct want_texts *w = reader_field(r, m);
	size_t i, n = reader_items(v);

	if (check_items(r, v) != ERR_OK)
		return ERR_PARAM;
	texts_free(w);
	*w = (struct want_texts){ true, 0, xcalloc(n + 1, sizeof(*w->v)) };
	for (i = 0; i < n; i++) {
		if (!json_is_string(reader_item(v, i)))
			return reader_bad(r, "not text");
		w->v[w->n++] = xstrdup(json_string_value(reader_item(v, i)));
	}
	return ERR_OK;
}

/* false forbids, true lets it be. */
static enum err
read_forbid(struct reader *r, const json_t *v, const struct member *m)
{
	if (!json_is_boolean(v))
		return reader_bad(r, "neither true nor false");
	*(bool *)reader_field(r, m) = json_is_false(v);
	return ERR_OK;
}

/* true demands, false lets it be. */
static enum err
read_need(struct reader *r, const json_t *v, const struct member *m)
{
	if (!json_is_boolean(v))
		return reader_bad(r, "neither true nor false");
	*(bool *)reader_field(r, m) = json_is_true(v);
	return ERR_OK;
}

/* --- members of any evidence ------------------------------------------ */

static enum err
read_section(struct reader *r, const json_t *v, const struct member *m)
{
	r->q->sections |= 1u << m->len;
	return read_members(r, v, (enum evidence_kind)m->len);
}

static enum err
read_kinds(struct reader *r, const json_t *v, const struct member *m)
{
	unsigned *kinds = reader_field(r, m), k;
	const char *name;
	size_t i;

	*kinds = 0;
	for (i = 0; i < reader_items(v); i++) {
		name = json_string_value(reader_item(v, i));
		for (k = EVIDENCE_SGX; k < EVIDENCE_KIND_N; k++)
			if (name != NULL &&
			    strcmp(name, evidence_kind_name(k)) == 0)
				break;
		if (k == EVIDENCE_KIND_N)
			return reader_bad(r, "not \"sgx\", \"tdx\" or \"snp\"");
		*kinds |= 1u << k;
	}
	return *kinds != 0 ? ERR_OK : reader_bad(r, "an empty list");
}

static enum err
read_statuses(struct reader *r, const json_t *v, const struct member *m)
{
	unsigned *statuses = reader_field(r, m);
	enum tcb_status s;
	size_t i;

	r->q->has_statuses = true;
	*statuses = 0;
	for (i = 0; i < reader_items(v); i++) {
		if (!json_is_string(reader_item(v, i)) ||
		    !tcb_status_read(reader_text(reader_item(v, i)), &s))
			return reader_bad(r, "not a TCB status");
		if (s == TCB_REVOKED)
			return reader_bad(r, "Revoked is never accepted");
		*statuses |= 1u << s;
	}
	return ERR_OK;
}

/* Up to 64 bytes in hex; gives how many. */
static enum err
read_short(struct reader *r, struct span hex, size_t min, unsigned char out[64],
    size_t *len)
{
	if (hex.len % 2 != 0 || hex.len / 2 < min || hex.len / 2 > 64)
		return reader_bad(r, "too long, too short, or half a byte");
	memset(out, 0, 64);
	if (hex_read(hex, out, hex.len / 2) != ERR_OK)
		return reader_bad(r, "not hex");
	*len = hex.len / 2;
	return ERR_OK;
}

static enum err
read_report_data(struct reader *r, const json_t *v, const struct member *m)
{
	size_t len;

	(void)m;
	r->q->has_report_data = true;
	return read_short(r, reader_text(v), 1, r->q->report_data, &len);
}

static enum err
read_nonce(struct reader *r, const json_t *v, const struct member *m)
{
	(void)m;
	return read_short(r, reader_text(v), REQUIRE_NONCE_MIN, r->q->nonce,
	    &r->q->nonce_len);
}

static enum err
read_user_data(struct reader *r, const json_t *v, const struct member *m)
{
	(void)m;
	return read_short(r, reader_text(v), 1, r->q->user_data,
	    &r->q->user_data_len);
}

static enum err
take_runtime(struct reader *r, struct span base64)
{
	struct buf b = BUF_INIT;

	if (base64.len > REQUIRE_RUNTIME_MAX / 3 * 4 + 4)
		return reader_bad(r, "too long");
	if (base64_read(base64, &b) != ERR_OK) {
		buf_free(&b);
		return reader_bad(r, "not base64");
	}
	buf_free(&r->q->runtime);
	r->q->runtime = b;
	r->q->has_runtime = true;
	return ERR_OK;
}

static enum err
read_runtime(struct reader *r, const json_t *v, const struct member *m)
{
	(void)m;
	return json_is_string(v) ? take_runtime(r, reader_text(v))
				 : reader_bad(r, "not text");
}

static enum err
read_hash(struct reader *r, const json_t *v, const struct member *m)
{
	static const char *const names[] = { [HASH_SHA256] = "sha256",
		[HASH_SHA384] = "sha384",
		[HASH_SHA512] = "sha512" };
	enum runtime_hash *h = reader_field(r, m);
	const char *name = json_string_value(v);

	for (*h = HASH_SHA256; *h <= HASH_SHA512; ++*h)
		if (name != NULL && strcmp(name, names[*h]) == 0)
			return ERR_OK;
	return reader_bad(r, "not \"sha256\", \"sha384\" or \"sha512\"");
}

static enum err
read_svns(struct reader *r, const json_t *v, const struct member *m)
{
	r->q->td.has_min_svn = true;
	return read_masked_part(r, v, m, reader_field(r, m));
}

/* --- the table --------------------------------------------------------- */

#define SIZE(type, member)  sizeof(((struct type *)NULL)->member)
#define LIMIT(type, member) (UINT64_MAX >> (64 - 8 * SIZE(type, member)))

#define ANY(name, fn, to, len)                                                 \
	{                                                                      \
		EVIDENCE_UNKNOWN, name, fn, to, len                            \
	}
#define TD(name, fn, to, len)                                                  \
	{                                                                      \
		EVIDENCE_TDX, name, fn, to, len                                \
	}
#define SEV(name, fn, to, len)                                                 \
	{                                                                      \
		EVIDENCE_SNP, name, fn, to, len                                \
	}

static const struct member members[] = {
	ANY("tee", read_kinds, AT(kinds), 0),
	ANY("debug", read_forbid, AT(no_debug), 0),
	ANY("tcb_status", read_statuses, AT(statuses), 0),
	ANY("reject_advisories", read_texts, AT(reject_advisories), 0),
	ANY("min_tcb_evaluation_number", read_min, AT(eval_num), UINT32_MAX),
	ANY("skew_s", read_min, AT(skew), REQUIRE_SECONDS_MAX),
	ANY("grace_s", read_min, AT(grace), REQUIRE_SECONDS_MAX),
	ANY("report_data", read_report_data, 0, 0),
	ANY("runtime_data", read_runtime, 0, 0),
	ANY("runtime_data_hash", read_hash, AT(runtime_hash), 0),
	ANY("nonce", read_nonce, 0, 0),
	ANY("user_data", read_user_data, 0, 0),
	ANY("sgx", read_section, 0, EVIDENCE_SGX),
	ANY("tdx", read_section, 0, EVIDENCE_TDX),
	ANY("snp", read_section, 0, EVIDENCE_SNP),
#define VALUE(kind, name, type, member)                                        \
	{ EVIDENCE_##kind, #name, read_bytes, AT(value[REQ_VALUE_##name]),     \
		SIZE(type, member) },
#define MASKED(kind, name, type, member)                                       \
	{ EVIDENCE_##kind, #name, read_masked, AT(masked[REQ_MASKED_##name]),  \
		SIZE(type, member) },                                          \
	    { EVIDENCE_##kind, #name "_mask", read_mask,                       \
		    AT(masked[REQ_MASKED_##name]), SIZE(type, member) },
#define NUMBER(kind, name, type, member)                                       \
	{ EVIDENCE_##kind, #name, read_numbers, AT(number[REQ_NUMBER_##name]), \
		LIMIT(type, member) },
#define MINIMUM(kind, name, type, member, error)                               \
	{ EVIDENCE_##kind, #name, read_min, AT(minimum[REQ_##name]),           \
		LIMIT(type, member) },
#include "server/appraise/require.def"
	TD("service_td", read_forbid, AT(td.no_service_td), 0),
	TD("sept_ve_disable", read_need, AT(td.sept_ve_disable), 0),
	TD("reserved_attributes", read_forbid, AT(td.no_reserved), 0),
	TD("min_tee_tcb_svn", read_svns, AT(td.min_tee_tcb_svn), 16),
	SEV("product", read_products, AT(snp.products), 0),
	SEV("policy", read_bits, AT(snp.policy), 0),
	SEV("platform_info", read_bits, AT(snp.platform), 0),
	SEV("min_abi", read_version, AT(snp.abi), 2),
	SEV("min_firmware", read_version, AT(snp.firmware), 3),
	SEV("min_tcb", read_tcbs, AT(snp.min_tcb), 0),
	SEV("min_launch_tcb", read_tcbs, AT(snp.min_launch_tcb), 0),
	SEV("committed", read_need, AT(snp.committed), 0),
	SEV("crl", read_need, AT(snp.crl), 0),
	SEV("mitigations", read_min, AT(snp.mitigations), INT64_MAX),
	SEV("launch_mitigations", read_min, AT(snp.launch_mitigations),
	    INT64_MAX),
	SEV("csp_id", read_texts, AT(snp.csp_id), 0),
	SEV("trusted_id_keys", read_bytes, AT(snp.id_keys), 48),
	SEV("trusted_author_keys", read_bytes, AT(snp.author_keys), 48),
	SEV("deny_chip_ids", read_bytes, AT(snp.deny_chips), 64),
	{ EVIDENCE_UNKNOWN, NULL, NULL, 0, 0 },
};

static const struct member *
member_find(enum evidence_kind kind, const char *name)
{
	const struct member *m;

	for (m = members; m->name != NULL; m++)
		if (m->kind == kind && strcmp(m->name, name) == 0)
			return m;
	return NULL;
}

/* --- the doors --------------------------------------------------------- */

bool
want_bytes_have(const struct want_bytes *w, const void *p)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		if (memcmp(w->v + i * w->len, p, w->len) == 0)
			return true;
	return false;
}

void
require_init(struct require *q, bool defaults)
{
	int i;

	memset(q, 0, sizeof(*q));
	for (i = 0; i < REQ_MASKED_N; i++)
		memset(q->masked[i].mask, 0xff, sizeof(q->masked[i].mask));
	if (!defaults)
		return;
	q->no_debug = q->td.no_service_td = true;
	q->has_statuses = q->skew.set = q->grace.set = true;
	q->statuses = 1u << TCB_UP_TO_DATE | 1u << TCB_SW_HARDENING_NEEDED;
	q->snp.policy.zero = SNP_POLICY_MIGRATE_MA;
}

void
require_fini(struct require *q)
{
	int i;

	for (i = 0; i < REQ_VALUE_N; i++)
		free(q->value[i].v);
	for (i = 0; i < REQ_NUMBER_N; i++)
		free(q->number[i].v);
	texts_free(&q->reject_advisories);
	texts_free(&q->snp.csp_id);
	free(q->snp.id_keys.v);
	free(q->snp.author_keys.v);
	free(q->snp.deny_chips.v);
	buf_free(&q->runtime);
	memset(q, 0, sizeof(*q));
}

static struct reader
reader_of(struct require *q, const char *what, struct why *why)
{
	struct reader r = { .q = q, .why = why };

	(void)snprintf(r.path, sizeof(r.path), "%s", what);
	return r;
}

enum err
require_read(struct require *q, const json_t *o, const char *what,
    struct why *why)
{
	struct reader r = reader_of(q, what, why);

	return o == NULL ? ERR_OK : read_members(&r, o, EVIDENCE_UNKNOWN);
}

enum err
require_read_text(struct require *q, struct span json, const char *what,
    struct why *why)
{
	struct reader r = reader_of(q, what, why);
	json_error_t error;
	json_t *o;
	enum err e;

	o = json_loadb((const char *)json.p, json.len, JSON_REJECT_DUPLICATES,
	    &error);
	if (o == NULL)
		return why_set(why, ERR_PARAM, "requirements",
		    "%s: line %d, column %d: %s", what, error.line,
		    error.column, error.text);
	e = read_members(&r, o, EVIDENCE_UNKNOWN);
	json_decref(o);
	return e;
}

enum err
require_nonce(struct require *q, struct span hex, struct why *why)
{
	struct reader r = reader_of(q, "nonce", why);

	return read_short(&r, hex, REQUIRE_NONCE_MIN, q->nonce, &q->nonce_len);
}

enum err
require_runtime(struct require *q, struct span base64, struct why *why)
{
	struct reader r = reader_of(q, "runtime_data", why);

	return take_runtime(&r, base64);
}
