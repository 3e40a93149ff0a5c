/* The list of TCB evaluation data numbers: pcs-upstream 4.4. */
#include "config/base/must.h"
#include "storage/verify/jread.h"
#include "storage/verify/verify.h"

#include <stdatomic.h>
#include <stdlib.h>

#define CLAUSE "pcs-upstream 4.4"

static enum err
head_read(const struct jdoc *d, const json_t *obj, struct evalnums *nums)
{
	static const char *const ids[] = { "SGX", "TDX" };
	uint64_t version = 0;
	size_t id;
	enum err e;

	if ((e = jread_uint(d, obj, "version", UINT32_MAX, &version)) != ERR_OK)
		return e;
	if (version != 1)
		return why_set(d->why, ERR_FORMAT, d->clause,
		    "unknown version %llu", (unsigned long long)version);
	if ((e = jread_word(d, obj, "id", ids, 2, &id)) != ERR_OK)
		return e;
	nums->tee = id == 1 ? TEE_TDX : TEE_SGX;
	return jread_validity(d, obj, &nums->issue_at, &nums->next_update);
}

static enum err
evalnum_read(const struct jdoc *d, const json_t *obj, struct evalnum *out)
{
	enum err e;

	if (!json_is_object(obj))
		return why_set(d->why, ERR_FORMAT, d->clause, "not an object");
	if ((e = jread_u32(d, obj, "tcbEvaluationDataNumber", &out->number)) !=
		ERR_OK ||
	    (e = jread_time(d, obj, "tcbRecoveryEventDate",
		 &out->recovery_event_at)) != ERR_OK)
		return e;
	return jread_time(d, obj, "tcbDate", &out->tcb_date);
}

static int
evalnum_cmp(const void *a, const void *b)
{
	const struct evalnum *x = a, *y = b;

	return (x->number < y->number) - (x->number > y->number);
}

static enum err
list_read(const struct jdoc *d, const json_t *obj, struct evalnums *nums)
{
	json_t *list;
	size_t i;
	enum err e;

	if ((e = jread_array(d, obj, "tcbEvalNumbers", 1, &list)) != ERR_OK)
		return e;
	nums->n = json_array_size(list);
	nums->v = xcalloc(nums->n, sizeof(nums->v[0]));
	for (i = 0; i < nums->n; i++) {
		e = evalnum_read(d, json_array_get(list, i), &nums->v[i]);
		if (e != ERR_OK)
			return why_in(d->why, e, "tcbEvalNumbers[%zu]", i);
	}
	qsort(nums->v, nums->n, sizeof(nums->v[0]), evalnum_cmp);
	for (i = 1; i < nums->n; i++)
		if (nums->v[i].number == nums->v[i - 1].number)
			return why_set(d->why, ERR_FORMAT, d->clause,
			    "number %u twice", nums->v[i].number);
	return ERR_OK;
}

enum err
evalnums_parse(struct span value, struct evalnums **out, struct why *why)
{
	struct jdoc d = { CLAUSE, why };
	struct evalnums *nums = xcalloc(1, sizeof(*nums));
	json_t *obj = NULL;
	enum err e;

	atomic_init(&nums->refs, 1);
	if ((e = jread_load(&d, value, JSON_TEXT_MAX, &obj)) != ERR_OK ||
	    (e = head_read(&d, obj, nums)) != ERR_OK ||
	    (e = list_read(&d, obj, nums)) != ERR_OK)
		goto out;
	nums->window = (struct window){ nums->issue_at, nums->next_update };
	*out = nums;
	nums = NULL;
out:
	json_decref(obj);
	evalnums_unref(nums);
	return e;
}

enum err
evalnums_read(struct span body, const struct chain *signer,
    struct evalnums **out, struct why *why)
{
	unsigned char sig[64];
	struct evalnums *nums;
	struct span value;
	enum err e;

	must(signer->role == CHAIN_TCB_SIGNING);
	if ((e = jspan_cut(body, "tcbEvaluationDataNumbers", &value, sig,
		 why)) != ERR_OK ||
	    (e = sig_check(value, sig, signer->x[0], why)) != ERR_OK ||
	    (e = evalnums_parse(value, &nums, why)) != ERR_OK)
		return e;
	window_cut(&nums->window, signer->window.from, signer->window.until);
	*out = nums;
	return ERR_OK;
}

struct evalnums *
evalnums_ref(struct evalnums *nums)
{
	if (nums != NULL)
		atomic_fetch_add_explicit(&nums->refs, 1, memory_order_relaxed);
	return nums;
}

void
evalnums_unref(struct evalnums *nums)
{
	if (nums == NULL || atomic_fetch_sub(&nums->refs, 1) != 1)
		return;
	free(nums->v);
	free(nums);
}
