/*
 * TCB info, version 2 (API v3) and 3 (API v4): pcs-upstream 4.2 and 6,
 * quote-verification 4.2.  Ranges, duplicates and unknown words are refused
 * anywhere in the document: Intel's library takes a svn of 261 for 5.
 */
#include "config/base/must.h"
#include "storage/verify/levels.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CLAUSE "quote-verification 4.2"

/* --- components --------------------------------------------------------- */

/* Version 3: exactly 16 objects with a svn each; text members are ignored. */
static enum err
components_read(const struct jdoc *d, const json_t *tcb, const char *name,
    uint8_t out[16])
{
	json_t *list, *c;
	size_t i;
	enum err e;

	if ((e = jread_get(d, tcb, name, JSON_ARRAY, &list)) != ERR_OK)
		return e;
	if (json_array_size(list) != 16)
		return why_set(d->why, ERR_FORMAT, d->clause,
		    "%s has %zu elements, not 16", name, json_array_size(list));
	for (i = 0; i < 16; i++) {
		c = json_array_get(list, i);
		if (!json_is_object(c))
			return why_set(d->why, ERR_FORMAT, d->clause,
			    "%s[%zu] is not an object", name, i);
		if ((e = jread_u8(d, c, "svn", &out[i])) != ERR_OK)
			return why_in(d->why, e, "%s[%zu]", name, i);
	}
	return ERR_OK;
}

/* Version 2: sgxtcbcomp01svn to sgxtcbcomp16svn. */
static enum err
components_read_v2(const struct jdoc *d, const json_t *tcb, uint8_t out[16])
{
	char name[] = "sgxtcbcomp00svn";
	unsigned i;
	enum err e;

	for (i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "sgxtcbcomp%02usvn",
		    (i + 1) % 100);
		if ((e = jread_u8(d, tcb, name, &out[i])) != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static enum err
tdx_components_read(const struct jdoc *d, const struct tcbinfo *info,
    const json_t *tcb, struct tcb_level *level)
{
	if (info->tee == TEE_TDX)
		return components_read(d, tcb, "tdxtcbcomponents", level->tdx);
	if (json_object_get(tcb, "tdxtcbcomponents") != NULL)
		return why_set(d->why, ERR_FORMAT, d->clause,
		    "SGX level with tdxtcbcomponents");
	return ERR_OK;
}

/* --- levels ------------------------------------------------------------- */

static enum err
tcb_level_read(const struct jdoc *d, const struct tcbinfo *info,
    const json_t *obj, struct tcb_level *level)
{
	struct verdict_fields f;
	json_t *tcb;
	enum err e;

	if (!json_is_object(obj))
		return why_set(d->why, ERR_FORMAT, d->clause, "not an object");
	if ((e = jread_get(d, obj, "tcb", JSON_OBJECT, &tcb)) != ERR_OK)
		return e;
	e = info->version == 2
		? components_read_v2(d, tcb, level->sgx)
		: components_read(d, tcb, "sgxtcbcomponents", level->sgx);
	if (e != ERR_OK ||
	    (e = tdx_components_read(d, info, tcb, level)) != ERR_OK ||
	    (e = jread_u16(d, tcb, "pcesvn", &level->pcesvn)) != ERR_OK ||
	    (e = level_read(d, obj, STATUS_PLATFORM, &f)) != ERR_OK)
		return e;
	level->status = f.status;
	level->tcb_date = f.tcb_date;
	level->n_advisories = f.n_advisories;
	level->advisories = f.advisories;
	return ERR_OK;
}

/* Descending: SGX components, pcesvn, TDX components (6.1). */
static int
tcb_level_cmp(const void *a, const void *b)
{
	const struct tcb_level *x = a, *y = b;
	int c;

	if ((c = memcmp(y->sgx, x->sgx, sizeof(x->sgx))) != 0)
		return c;
	if (x->pcesvn != y->pcesvn)
		return (int)y->pcesvn - (int)x->pcesvn;
	return memcmp(y->tdx, x->tdx, sizeof(x->tdx));
}

static enum err
tcb_levels_read(const struct jdoc *d, const json_t *obj, struct tcbinfo *info)
{
	json_t *list;
	size_t i;
	enum err e;

	if ((e = jread_array(d, obj, "tcbLevels", 1, &list)) != ERR_OK)
		return e;
	info->n_levels = json_array_size(list);
	info->levels = xcalloc(info->n_levels, sizeof(info->levels[0]));
	for (i = 0; i < info->n_levels; i++) {
		e = tcb_level_read(d, info, json_array_get(list, i),
		    &info->levels[i]);
		if (e != ERR_OK)
			return why_in(d->why, e, "tcbLevels[%zu]", i);
	}
	qsort(info->levels, info->n_levels, sizeof(info->levels[0]),
	    tcb_level_cmp);
	for (i = 1; i < info->n_levels; i++)
		if (tcb_level_cmp(&info->levels[i - 1], &info->levels[i]) == 0)
			return why_set(d->why, ERR_FORMAT, d->clause,
			    "two levels with the same tcb");
	return ERR_OK;
}

/* --- TDX modules -------------------------------------------------------- */

static enum err
module_read(const struct jdoc *d, const json_t *obj, struct tdx_module *m)
{
	enum err e;

	if ((e = jread_hex(d, obj, "mrsigner", m->mrsigner, 48)) != ERR_OK ||
	    (e = jread_hex(d, obj, "attributes", m->attributes, 8)) != ERR_OK)
		return e;
	return jread_hex(d, obj, "attributesMask", m->attributes_mask, 8);
}

static enum err
module_identity_read(const struct jdoc *d, const json_t *obj,
    struct tdx_module *m)
{
	struct span id;
	enum err e;

	if (!json_is_object(obj))
		return why_set(d->why, ERR_FORMAT, d->clause, "not an object");
	if ((e = jread_text(d, obj, "id", &id)) != ERR_OK)
		return e;
	if (id.len == 0 || id.len >= sizeof(m->id))
		return why_set(d->why, ERR_FORMAT, d->clause,
		    "id of %zu octets", id.len);
	memcpy(m->id, id.p, id.len);
	if ((e = module_read(d, obj, m)) != ERR_OK)
		return e;
	return svn_levels_read(d, obj, &m->n_levels, &m->levels);
}

/* The same id twice: Intel takes the first, which may be the forged one. */
static enum err
module_ids_check(const struct jdoc *d, const struct tcbinfo *info)
{
	size_t i, k;

	for (i = 0; i < info->n_modules; i++)
		for (k = 0; k < i; k++)
			if (strcasecmp(info->modules[i].id,
				info->modules[k].id) == 0)
				return why_set(d->why, ERR_FORMAT, d->clause,
				    "two module identities \"%.31s\"",
				    info->modules[i].id);
	return ERR_OK;
}

#define MODULES_MAX 256 /* a module line is one octet */

static enum err
module_identities_read(const struct jdoc *d, const json_t *obj,
    struct tcbinfo *info)
{
	json_t *list;
	size_t i;
	enum err e;

	if (json_object_get(obj, "tdxModuleIdentities") == NULL)
		return ERR_OK;
	e = jread_array(d, obj, "tdxModuleIdentities", 0, &list);
	if (e != ERR_OK)
		return e;
	if (json_array_size(list) > MODULES_MAX)
		return why_set(d->why, ERR_TOO_BIG, d->clause,
		    "%zu module identities", json_array_size(list));
	info->n_modules = json_array_size(list);
	info->modules = xcalloc(info->n_modules, sizeof(info->modules[0]));
	for (i = 0; i < info->n_modules; i++) {
		e = module_identity_read(d, json_array_get(list, i),
		    &info->modules[i]);
		if (e != ERR_OK)
			return why_in(d->why, e, "tdxModuleIdentities[%zu]", i);
	}
	return module_ids_check(d, info);
}

static enum err
modules_read(const struct jdoc *d, const json_t *obj, struct tcbinfo *info)
{
	json_t *module;
	enum err e;

	if (info->tee == TEE_SGX) {
		if (json_object_get(obj, "tdxModule") != NULL ||
		    json_object_get(obj, "tdxModuleIdentities") != NULL)
			return why_set(d->why, ERR_FORMAT, "pcs-upstream 4.2",
			    "SGX TCB info with a TDX module");
		return ERR_OK;
	}
	e = jread_get(d, obj, "tdxModule", JSON_OBJECT, &module);
	if (e != ERR_OK ||
	    (e = module_read(d, module, &info->module)) != ERR_OK)
		return e;
	info->has_module = true;
	return module_identities_read(d, obj, info);
}

/* --- the document ------------------------------------------------------- */

/* Version 2 has no id and is of SGX (t056: a version 2 that says TDX). */
static enum err
kind_read(const struct jdoc *d, const json_t *obj, struct tcbinfo *info)
{
	static const char *const ids[] = { "SGX", "TDX" };
	uint64_t version = 0;
	size_t id = 0;
	enum err e;

	if ((e = jread_uint(d, obj, "version", UINT32_MAX, &version)) != ERR_OK)
		return e;
	if (version != 2 && version != 3)
		return why_set(d->why, ERR_FORMAT, d->clause,
		    "unknown version %llu", (unsigned long long)version);
	if (version == 3 || json_object_get(obj, "id") != NULL) {
		e = jread_word(d, obj, "id", ids, version == 3 ? 2 : 1, &id);
		if (e != ERR_OK)
			return e;
	}
	info->version = (unsigned)version;
	info->tee = id == 1 ? TEE_TDX : TEE_SGX;
	return ERR_OK;
}

static enum err
head_read(const struct jdoc *d, const json_t *obj, struct tcbinfo *info)
{
	uint64_t type;
	enum err e;

	if ((e = kind_read(d, obj, info)) != ERR_OK ||
	    (e = jread_validity(d, obj, &info->issue_at, &info->next_update)) !=
		ERR_OK ||
	    (e = jread_hex(d, obj, "fmspc", info->fmspc, 6)) != ERR_OK ||
	    (e = jread_hex(d, obj, "pceId", info->pceid, 2)) != ERR_OK ||
	    (e = jread_uint(d, obj, "tcbType", 0, &type)) != ERR_OK)
		return e;
	return jread_u32(d, obj, "tcbEvaluationDataNumber", &info->eval_num);
}

enum err
tcbinfo_parse(struct span value, struct tcbinfo **out, struct why *why)
{
	struct jdoc d = { CLAUSE, why };
	struct tcbinfo *info = xcalloc(1, sizeof(*info));
	json_t *obj = NULL;
	enum err e;

	atomic_init(&info->refs, 1);
	if ((e = jread_load(&d, value, JSON_TEXT_MAX, &obj)) != ERR_OK ||
	    (e = head_read(&d, obj, info)) != ERR_OK ||
	    (e = modules_read(&d, obj, info)) != ERR_OK ||
	    (e = tcb_levels_read(&d, obj, info)) != ERR_OK)
		goto out;
	info->window = (struct window){ info->issue_at, info->next_update };
	*out = info;
	info = NULL;
out:
	json_decref(obj);
	tcbinfo_unref(info);
	return e;
}

enum err
tcbinfo_read(struct span body, const struct chain *signer, struct tcbinfo **out,
    struct why *why)
{
	unsigned char sig[64];
	struct tcbinfo *info;
	struct span value;
	enum err e;

	must(signer->role == CHAIN_TCB_SIGNING);
	if ((e = jspan_cut(body, "tcbInfo", &value, sig, why)) != ERR_OK ||
	    (e = sig_check(value, sig, signer->x[0], why)) != ERR_OK ||
	    (e = tcbinfo_parse(value, &info, why)) != ERR_OK)
		return e;
	window_cut(&info->window, signer->window.from, signer->window.until);
	*out = info;
	return ERR_OK;
}

struct tcbinfo *
tcbinfo_ref(struct tcbinfo *info)
{
	if (info != NULL)
		atomic_fetch_add_explicit(&info->refs, 1, memory_order_relaxed);
	return info;
}

void
tcbinfo_unref(struct tcbinfo *info)
{
	size_t i;

	if (info == NULL || atomic_fetch_sub(&info->refs, 1) != 1)
		return;
	for (i = 0; i < info->n_modules; i++)
		svn_levels_free(info->modules[i].n_levels,
		    info->modules[i].levels);
	free(info->modules);
	for (i = 0; info->levels != NULL && i < info->n_levels; i++)
		strings_free(info->levels[i].n_advisories,
		    info->levels[i].advisories);
	free(info->levels);
	free(info);
}
