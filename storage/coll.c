#include "config/base/enc.h"
#include "config/base/map.h"
#include "config/base/must.h"
#include "storage/chains.h"
#include "storage/coll_amd.h"
#include "storage/form.h"
#include "storage/storage.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Nothing that Intel signs comes near these (pcs-upstream 4.4). */
#define BODY_MAX   ((size_t)1 << 20)
#define CHAIN_MAX  ((size_t)64 << 10)

#define FMSPCS_MAX 100000

/* Clocks may differ by this much (seconds). */
#define SKEW 300
/* An issue date further ahead than this says that our clock is wrong. */
#define FAR_AHEAD (24 * 3600)

enum back_rule {
	BACK_NONE,
	BACK_ISSUE,
	BACK_ISSUE_AND_NUMBER,
	BACK_THIS_UPDATE,
	BACK_NUMBER_AND_THIS_UPDATE,
	BACK_NOT_BEFORE,
	BACK_FETCHED
};

static const enum back_rule back_rule[COLL_N] = {
#define COLL(sym, name, stale, back) [sym] = back,
#include "storage/coll.def"
#undef COLL
};

/* --- chains ----------------------------------------------------------- */

static enum err
chain_of(const struct coll_raw *raw, enum chain_role role,
    const struct trust *t, struct chain **out, struct why *why)
{
	const struct crl *root_crl = role == CHAIN_ROOT ? NULL : t->root_crl;
	struct buf pem = BUF_INIT;
	enum err e;

	if ((e = form_chain_text(raw->chain, &pem, why)) != ERR_OK)
		goto out;
	if (pem.len == 0) {
		e = why_set(why, ERR_CHAIN, "pcs-upstream 6",
		    "no issuer chain came with it");
		goto out;
	}
	e = chains_get(t->chains, buf_view(&pem), role, t->intel, root_crl, out,
	    why);
out:
	buf_free(&pem);
	return e;
}

/* The chain of a root CRL: the one that came, or the root held. */
static enum err
chain_of_root_crl(const struct coll_raw *raw, const struct trust *t,
    struct chain **out, struct why *why)
{
	struct buf pem = BUF_INIT;
	unsigned char *der = NULL;
	enum err e;
	int len;

	if (raw->chain.len != 0)
		return chain_of(raw, CHAIN_ROOT, t, out, why);
	if (t->root == NULL)
		return why_set(why, ERR_NO_ROOT, "pcs-upstream 6",
		    "no root certificate is known yet");
	len = i2d_X509(t->root, &der);
	must(len > 0);
	pem_write(&pem, "CERTIFICATE", span_of(der, (size_t)len));
	e = chains_get(t->chains, buf_view(&pem), CHAIN_ROOT, t->intel, NULL,
	    out, why);
	OPENSSL_free(der);
	buf_free(&pem);
	return e;
}

/* --- a function per kind ---------------------------------------------- */

static enum err
not_asked(struct why *why, const char *what)
{
	return why_set(why, ERR_NOT_ASKED, "pcs-upstream 6",
	    "%s is not the one asked for", what);
}

static enum err
check_number(const struct coll_key *k, uint32_t number, struct why *why)
{
	if (k->update == UPDATE_NUMBER && number != k->number)
		return not_asked(why, "tcbEvaluationDataNumber");
	return ERR_OK;
}

static enum err
check_tcbinfo(const struct coll_key *k, const struct tcbinfo *t,
    struct why *why)
{
	char fmspc[13];

	if (t->version != (k->api == 3 ? 2u : 3u))
		return not_asked(why, "version");
	if (t->tee != k->tee)
		return not_asked(why, "id");
	hex_upper(span_of(t->fmspc, sizeof(t->fmspc)), fmspc);
	if (strcmp(fmspc, k->fmspc) != 0)
		return not_asked(why, "fmspc");
	return check_number(k, t->eval_num, why);
}

static enum err
admit_tcbinfo(struct coll *c, const struct coll_raw *raw, const struct trust *t,
    struct window *window, struct why *why)
{
	enum err e;

	if ((e = chain_of(raw, CHAIN_TCB_SIGNING, t, &c->signer, why)) !=
	    ERR_OK)
		return e;
	if ((e = tcbinfo_read(raw->body, c->signer, &c->facts.tcbinfo, why)) !=
	    ERR_OK)
		return e;
	*window = c->facts.tcbinfo->window;
	c->issue_at = c->facts.tcbinfo->issue_at;
	c->next_update = c->facts.tcbinfo->next_update;
	c->eval_num = c->facts.tcbinfo->eval_num;
	return check_tcbinfo(&c->key, c->facts.tcbinfo, why);
}

static enum err
admit_identity(struct coll *c, const struct coll_raw *raw,
    const struct trust *t, struct window *window, struct why *why)
{
	enum err e;

	if ((e = chain_of(raw, CHAIN_TCB_SIGNING, t, &c->signer, why)) !=
	    ERR_OK)
		return e;
	if ((e = identity_read(raw->body, c->signer, &c->facts.identity,
		 why)) != ERR_OK)
		return e;
	*window = c->facts.identity->window;
	c->issue_at = c->facts.identity->issue_at;
	c->next_update = c->facts.identity->next_update;
	c->eval_num = c->facts.identity->eval_num;
	if (c->facts.identity->enclave != c->key.enclave)
		return not_asked(why, "id");
	return check_number(&c->key, c->eval_num, why);
}

static enum err
admit_evalnums(struct coll *c, const struct coll_raw *raw,
    const struct trust *t, struct window *window, struct why *why)
{
	enum err e;

	if ((e = chain_of(raw, CHAIN_TCB_SIGNING, t, &c->signer, why)) !=
	    ERR_OK)
		return e;
	if ((e = evalnums_read(raw->body, c->signer, &c->facts.evalnums,
		 why)) != ERR_OK)
		return e;
	*window = c->facts.evalnums->window;
	c->issue_at = c->facts.evalnums->issue_at;
	c->next_update = c->facts.evalnums->next_update;
	if (c->facts.evalnums->tee != c->key.tee)
		return not_asked(why, "id");
	return ERR_OK;
}

/* The body becomes the DER, whatever encoding it came in. */
static enum err
admit_crl(struct coll *c, const struct coll_raw *raw, struct window *window,
    struct why *why)
{
	struct crl *crl;
	enum err e;

	if ((e = crl_read(raw->body, c->signer->x[0], &c->facts.crl, why)) !=
	    ERR_OK)
		return e;
	crl = c->facts.crl;
	*window = c->signer->window;
	window_cut(window, crl->window.from, crl->window.until);
	c->issue_at = crl->this_update;
	c->next_update = crl->next_update;
	blob_unref(c->body);
	c->body = blob_ref(crl->der);
	return ERR_OK;
}

static enum err
admit_pck_crl(struct coll *c, const struct coll_raw *raw, const struct trust *t,
    struct window *window, struct why *why)
{
	enum err e;

	if ((e = chain_of(raw, CHAIN_PCK_CA, t, &c->signer, why)) != ERR_OK)
		return e;
	if (chain_pck_ca(c->signer) != c->key.ca)
		return not_asked(why, "ca");
	return admit_crl(c, raw, window, why);
}

static enum err
admit_root_crl(struct coll *c, const struct coll_raw *raw,
    const struct trust *t, struct window *window, struct why *why)
{
	enum err e;

	if ((e = chain_of_root_crl(raw, t, &c->signer, why)) != ERR_OK)
		return e;
	return admit_crl(c, raw, window, why);
}

static bool
fmspcs_word_ok(const char *s)
{
	size_t len = strlen(s);

	return len >= 1 && len <= 16 &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			 "0123456789_-") == len;
}

static enum err
fmspcs_check(json_t *list, const struct coll_key *k, struct why *why)
{
	const char *fmspc, *platform;
	json_t *row;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > FMSPCS_MAX)
		return why_set(why, ERR_FORMAT, "pcs-upstream 2",
		    "fmspcs is not an array of a sane length");
	json_array_foreach(list, i, row)
	{
		fmspc = json_string_value(json_object_get(row, "fmspc"));
		platform = json_string_value(json_object_get(row, "platform"));
		if (fmspc == NULL || !hex_is(span_str(fmspc), 12) ||
		    platform == NULL || !fmspcs_word_ok(platform))
			return why_set(why, ERR_FORMAT, "pcs-upstream 2",
			    "fmspcs[%zu] is not {fmspc, platform}", i);
		if (strcmp(k->platform, "all") != 0 &&
		    !span_eq_nocase(span_str(platform), k->platform))
			return not_asked(why, "platform");
	}
	return ERR_OK;
}

/* Unsigned: its shape is all that can be checked. */
static enum err
admit_fmspcs(struct coll *c, const struct coll_raw *raw, const struct trust *t,
    struct window *window, struct why *why)
{
	json_error_t err;
	json_t *list = json_loadb((const char *)raw->body.p, raw->body.len,
	    JSON_REJECT_DUPLICATES, &err);
	enum err e;

	(void)t;
	*window = WINDOW_ALL;
	c->issue_at = raw->fetched_at;
	if (list == NULL)
		return why_set(why, ERR_FORMAT, "pcs-upstream 2",
		    "fmspcs is not JSON: %s", err.text);
	e = fmspcs_check(list, &c->key, why);
	json_decref(list);
	return e;
}

static const admit_fn admit[COLL_N] = {
	[COLL_TCBINFO] = admit_tcbinfo,
	[COLL_IDENTITY] = admit_identity,
	[COLL_PCK_CRL] = admit_pck_crl,
	[COLL_ROOT_CRL] = admit_root_crl,
	[COLL_EVALNUMS] = admit_evalnums,
	[COLL_FMSPCS] = admit_fmspcs,
	[COLL_AMD_CHAIN] = coll_amd_chain,
	[COLL_AMD_CRL] = coll_amd_crl,
	[COLL_VEK] = coll_amd_vek,
};

/* --- the gate --------------------------------------------------------- */

/* A record from our own database was in time when it came. */
static enum err
check_time(const struct coll *c, const struct coll_raw *raw,
    const struct window *window, time_t now, struct why *why)
{
	if (raw->held)
		return ERR_OK;
	if (c->issue_at > now + FAR_AHEAD)
		return why_set(why, ERR_NOT_YET, "pcs-upstream 6",
		    "issued more than a day ahead of this machine's clock");
	return window_check(window, now, SKEW, key_log(&c->key).s, why);
}

static enum err
check_size(const struct coll_raw *raw, struct why *why)
{
	if (raw->body.len == 0)
		return why_set(why, ERR_FORMAT, "pcs-upstream 6",
		    "an empty body");
	if (raw->body.len > BODY_MAX)
		return why_set(why, ERR_TOO_BIG, "pcs-upstream 4.4",
		    "a body of %zu bytes", raw->body.len);
	return ERR_OK;
}

enum err
coll_admit(const struct coll_raw *raw, const struct trust *trust, time_t now,
    struct coll **out, struct why *why)
{
	struct coll *c = xcalloc(1, sizeof(*c));
	struct window window = WINDOW_ALL;
	enum err e;

	must(raw->key.kind < COLL_N && raw->key.text[0] != '\0');
	atomic_init(&c->refs, 1);
	c->key = raw->key;
	c->hash = map_hash(span_str(c->key.text));
	c->fetched_at = raw->fetched_at;
	c->source = xstrdup(raw->source);
	if ((e = check_size(raw, why)) != ERR_OK)
		goto out;
	c->body = blob_from(raw->body);
	if ((e = admit[c->key.kind](c, raw, trust, &window, why)) != ERR_OK)
		goto out;
	if ((e = check_time(c, raw, &window, now, why)) != ERR_OK)
		goto out;
	if (c->signer != NULL) {
		c->revocation_unchecked =
		    trust->root_crl == NULL && c->key.kind != COLL_ROOT_CRL;
		c->chain = chain_pem(c->signer);
	}
	if (c->key.kind <= COLL_FMSPCS)
		form_fill(c, c->signer);
	else
		form_fill_amd(c);
	*out = c;
	c = NULL;
out:
	coll_unref(c);
	return e;
}

struct coll *
coll_ref(struct coll *c)
{
	if (c != NULL)
		atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

static void
coll_facts_unref(struct coll *c)
{
	switch (c->key.kind) {
	case COLL_TCBINFO:
		tcbinfo_unref(c->facts.tcbinfo);
		break;
	case COLL_IDENTITY:
		identity_unref(c->facts.identity);
		break;
	case COLL_PCK_CRL:
	case COLL_ROOT_CRL:
		crl_unref(c->facts.crl);
		break;
	case COLL_EVALNUMS:
		evalnums_unref(c->facts.evalnums);
		break;
	case COLL_AMD_CHAIN:
		amd_chain_unref(c->facts.amd_chain);
		break;
	case COLL_AMD_CRL:
		amd_crl_unref(c->facts.amd_crl);
		break;
	case COLL_VEK:
		vek_unref(c->facts.vek);
		break;
	case COLL_FMSPCS:
	case COLL_N:
		break;
	}
}

void
coll_unref(struct coll *c)
{
	unsigned was;
	int i;

	if (c == NULL)
		return;
	was = atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel);
	must(was != 0);
	if (was != 1)
		return;
	coll_facts_unref(c);
	chain_unref(c->signer);
	for (i = 0; i < FORM_N; i++) {
		blob_unref(c->form[i].head);
		blob_unref(c->form[i].body);
	}
	blob_unref(c->body);
	blob_unref(c->chain);
	free(c->source);
	free(c);
}

/* --- rollback --------------------------------------------------------- */

/* What issue_at is by the rule, and where that is written. */
static const struct {
	const char *what, *clause;
} back_text[] = {
	[BACK_ISSUE] = { "issueDate", "pcs-upstream 6" },
	[BACK_ISSUE_AND_NUMBER] = { "issueDate", "pcs-upstream 6" },
	[BACK_THIS_UPDATE] = { "thisUpdate", "pcs-upstream 6" },
	[BACK_NUMBER_AND_THIS_UPDATE] = { "thisUpdate", "amd-kds 5" },
	[BACK_NOT_BEFORE] = { "notBefore", "amd-kds 3.5" },
	[BACK_FETCHED] = { "its fetching", "amd-kds 7" },
};

enum err
coll_replaces(const struct coll *held, const struct coll *next, struct why *why)
{
	enum back_rule rule = back_rule[next->key.kind];

	if (held == NULL || rule == BACK_NONE)
		return ERR_OK;
	must(strcmp(held->key.text, next->key.text) == 0);
	/* Fetched again, it may be the same. */
	if (rule == BACK_FETCHED &&
	    span_eq(blob_span(held->body), blob_span(next->body)))
		return ERR_OK;
	if (next->issue_at < held->issue_at)
		return why_set(why, ERR_OLDER, back_text[rule].clause,
		    "%s is older than the one held", back_text[rule].what);
	if (rule == BACK_ISSUE_AND_NUMBER && next->eval_num < held->eval_num)
		return why_set(why, ERR_OLDER, "caching-and-selection 6",
		    "tcbEvaluationDataNumber is lower than the one held");
	if (rule == BACK_NUMBER_AND_THIS_UPDATE &&
	    next->facts.amd_crl->number < held->facts.amd_crl->number)
		return why_set(why, ERR_OLDER, "amd-kds 5",
		    "cRLNumber is lower than the one held");
	return ERR_OK;
}
