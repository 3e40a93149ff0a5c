/* Enclave identities: pcs-upstream 4.3, quote-verification 4.3. */
#include "config/base/must.h"
#include "storage/verify/levels.h"

#include <stdatomic.h>
#include <stdlib.h>

#define CLAUSE "quote-verification 4.3"

static const struct kind {
	const char *id;
	uint16_t isvprodid;
} kinds[ENCLAVE_N] = {
	[ENCLAVE_QE] = { "QE", 1 },
	[ENCLAVE_QVE] = { "QVE", 2 },
	[ENCLAVE_TDQE] = { "TD_QE", 2 },
	[ENCLAVE_QAE] = { "QAE", 3 },
};

static enum err
head_read(const struct jdoc *d, const json_t *obj, struct identity *id)
{
	const char *const ids[ENCLAVE_N] = {
		[ENCLAVE_QE] = kinds[ENCLAVE_QE].id,
		[ENCLAVE_QVE] = kinds[ENCLAVE_QVE].id,
		[ENCLAVE_TDQE] = kinds[ENCLAVE_TDQE].id,
		[ENCLAVE_QAE] = kinds[ENCLAVE_QAE].id,
	};
	uint64_t version = 0;
	size_t which;
	enum err e;

	if ((e = jread_uint(d, obj, "version", UINT32_MAX, &version)) != ERR_OK)
		return e;
	if (version != 2)
		return why_set(d->why, ERR_FORMAT, d->clause,
		    "unknown version %llu", (unsigned long long)version);
	if ((e = jread_word(d, obj, "id", ids, ENCLAVE_N, &which)) != ERR_OK ||
	    (e = jread_validity(d, obj, &id->issue_at, &id->next_update)) !=
		ERR_OK)
		return e;
	id->enclave = (enum enclave)which;
	return jread_u32(d, obj, "tcbEvaluationDataNumber", &id->eval_num);
}

/* Hex texts are octets in the order of a report. */
static enum err
measures_read(const struct jdoc *d, const json_t *obj, struct identity *id)
{
	const struct {
		const char *name;
		void *to;
		size_t len;
	} hex[] = {
		{ "miscselect", id->miscselect, 4 },
		{ "miscselectMask", id->miscselect_mask, 4 },
		{ "attributes", id->attributes, 16 },
		{ "attributesMask", id->attributes_mask, 16 },
		{ "mrsigner", id->mrsigner, 32 },
	};
	size_t i;
	enum err e;

	for (i = 0; i < sizeof(hex) / sizeof(hex[0]); i++)
		if ((e = jread_hex(d, obj, hex[i].name, hex[i].to,
			 hex[i].len)) != ERR_OK)
			return e;
	if ((e = jread_u16(d, obj, "isvprodid", &id->isvprodid)) != ERR_OK)
		return e;
	if (id->isvprodid != kinds[id->enclave].isvprodid)
		return why_set(d->why, ERR_RANGE, "pcs-upstream 4.3",
		    "%s with isvprodid %u", kinds[id->enclave].id,
		    id->isvprodid);
	return ERR_OK;
}

enum err
identity_parse(struct span value, struct identity **out, struct why *why)
{
	struct jdoc d = { CLAUSE, why };
	struct identity *id = xcalloc(1, sizeof(*id));
	json_t *obj = NULL;
	enum err e;

	atomic_init(&id->refs, 1);
	if ((e = jread_load(&d, value, JSON_TEXT_MAX, &obj)) != ERR_OK ||
	    (e = head_read(&d, obj, id)) != ERR_OK ||
	    (e = measures_read(&d, obj, id)) != ERR_OK ||
	    (e = svn_levels_read(&d, obj, &id->n_levels, &id->levels)) !=
		ERR_OK)
		goto out;
	id->window = (struct window){ id->issue_at, id->next_update };
	*out = id;
	id = NULL;
out:
	json_decref(obj);
	identity_unref(id);
	return e;
}

enum err
identity_read(struct span body, const struct chain *signer,
    struct identity **out, struct why *why)
{
	unsigned char sig[64];
	struct identity *id;
	struct span value;
	enum err e;

	must(signer->role == CHAIN_TCB_SIGNING);
	if ((e = jspan_cut(body, "enclaveIdentity", &value, sig, why)) !=
		ERR_OK ||
	    (e = sig_check(value, sig, signer->x[0], why)) != ERR_OK ||
	    (e = identity_parse(value, &id, why)) != ERR_OK)
		return e;
	window_cut(&id->window, signer->window.from, signer->window.until);
	*out = id;
	return ERR_OK;
}

struct identity *
identity_ref(struct identity *id)
{
	if (id != NULL)
		atomic_fetch_add_explicit(&id->refs, 1, memory_order_relaxed);
	return id;
}

void
identity_unref(struct identity *id)
{
	if (id == NULL || atomic_fetch_sub(&id->refs, 1) != 1)
		return;
	svn_levels_free(id->n_levels, id->levels);
	free(id);
}
