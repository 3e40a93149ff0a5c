/* Collateral out of one JSON document. */
#include "server/appraise/attach.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <stddef.h>
#include <string.h>

struct piece {
	const char *name;
	enum { FOR_NONE, FOR_INTEL, FOR_SNP } use;
	size_t at; /* in struct attached: a span */
};
#define INTEL(name, member)                                                    \
	{                                                                      \
		name, FOR_INTEL, offsetof(struct attached, intel.member)       \
	}
#define SNP_(name, member)                                                     \
	{                                                                      \
		name, FOR_SNP, offsetof(struct attached, snp.member)           \
	}
#define SKIP(name)                                                             \
	{                                                                      \
		name, FOR_NONE, 0                                              \
	}

static const struct piece pieces[] = {
	INTEL("tcb_info", tcb_info),
	INTEL("tcb_info_issuer_chain", tcb_info_chain),
	INTEL("qe_identity", qe_identity),
	INTEL("qe_identity_issuer_chain", qe_identity_chain),
	INTEL("root_ca_crl", root_crl),
	INTEL("pck_crl", pck_crl),
	INTEL("pck_crl_issuer_chain", pck_crl_chain),
	SNP_("vek", vek),
	SNP_("vcek", vek),
	SNP_("vlek", vek),
	SNP_("cert_chain", chain),
	SNP_("crl", crl),
	/* The rest of what POST /v1/collateral writes. */
	SKIP("version"),
	SKIP("tee_type"),
	SKIP("pck_certificate_chain"),
	SKIP("fmspc"),
	SKIP("ca"),
	SKIP("dates"),
	SKIP("expires"),
	SKIP("stale"),
	SKIP("baseline"),
};

static const struct piece *
piece_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		if (strcmp(pieces[i].name, name) == 0)
			return &pieces[i];
	return NULL;
}

/*
 * PEM and JSON are neither hex nor base64, and stay as they are; so does what
 * is nothing at all, for the verdict to say so.
 */
static struct span
decoded(struct attached *a, size_t *n_own, struct span text)
{
	struct buf *own = &a->own[*n_own];

	if (text.len == 0 || span_starts(text, "-----"))
		return text;
	must(*n_own < ATTACH_OWN);
	if ((text.len % 2 != 0 || hex_read_buf(text, own) != ERR_OK) &&
	    base64_read(text, own) != ERR_OK)
		return text;
	++*n_own;
	return buf_view(own);
}

enum err
attach_read(const json_t *o, struct attached *out, struct why *why)
{
	struct attached a = { 0 };
	const struct piece *p;
	size_t n_own = 0;
	const char *name;
	struct span *to, text;
	json_t *v;

	if (o != NULL && !json_is_object(o))
		return why_set(why, ERR_PARAM, "collateral", "not an object");
	json_object_foreach((json_t *)(uintptr_t)o, name, v)
	{
		if ((p = piece_find(name)) == NULL) {
			attach_fini(&a);
			return why_set(why, ERR_PARAM, "collateral",
			    "collateral.%.60s: unknown member", name);
		}
		if (p->use == FOR_NONE)
			continue;
		if (!json_is_string(v)) {
			attach_fini(&a);
			return why_set(why, ERR_PARAM, "collateral",
			    "collateral.%s: not text", name);
		}
		text = span_of(json_string_value(v), json_string_length(v));
		to = (struct span *)(void *)((char *)&a + p->at);
		*to = decoded(&a, &n_own, text);
		*(p->use == FOR_SNP ? &a.has_snp : &a.has_intel) = true;
	}
	*out = a;
	return ERR_OK;
}

void
attach_fini(struct attached *a)
{
	size_t i;

	for (i = 0; i < ATTACH_OWN; i++)
		buf_free(&a->own[i]);
	memset(a, 0, sizeof(*a));
}
