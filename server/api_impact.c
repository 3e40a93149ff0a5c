/*
 * GET /v1/baseline/impact: what each evaluation number would make of the
 * platforms known.  What Intel lists and is not held is fetched by its number
 * first, so that there is something to judge by.
 */
#include "server/api.h"

#include "config/base/must.h"
#include "config/base/span.h"
#include "storage/baseline.h"

#include <stdlib.h>
#include <string.h>

#define IMPACT_MAGIC 0x9cc51005u
/* Objects fetched for one preview, at most: the next one fetches the rest. */
#define WANTS_MAX 128

struct impact {
	unsigned magic;
	struct req *req;
	char fmspc[PARAM_MAX + 1]; /* "": all */
	uint32_t to;               /* 0: all */
	struct coll_key wants[WANTS_MAX];
	size_t n_wants, waiting;
	size_t left;        /* not held, and not among these any more */
	struct buf missing; /* JSON rows of what did not come */
};

/* One that is asked for, and whose it is. */
struct want {
	struct impact *impact;
	size_t i;
};

/* --- the answer ------------------------------------------------------- */

static void
impact_end(struct impact *i)
{
	buf_free(&i->missing);
	i->magic = 0;
	free(i);
}

/* Both parts are ours and whole: they are put together as text. */
static void
impact_cb(void *arg, enum err e, const struct why *why, struct blob *text)
{
	struct impact *i = obj_cast(arg, IMPACT_MAGIC);
	struct buf b = BUF_INIT;

	if (e != ERR_OK) {
		reply_err(i->req, e, why);
	} else {
		must(text->len > 1 && text->data[0] == '{');
		buf_str(&b, "{\"missing\":[");
		buf_span(&b, buf_view(&i->missing));
		buf_printf(&b, "],\"left\":%zu,", i->left);
		buf_add(&b, text->data + 1, text->len - 1);
		api_json(i->req, buf_blob(&b));
	}
	blob_unref(text);
	impact_end(i);
}

static void
impact_judge_all(struct impact *i)
{
	storage_impact(worker_storage(req_worker(i->req)),
	    i->fmspc[0] == '\0' ? NULL : i->fmspc, i->to, impact_cb, i);
}

static void
want_cb(void *arg, enum err e, const struct why *why, struct coll *coll)
{
	struct want *w = arg;
	struct impact *i = w->impact;

	(void)why;
	(void)coll;
	must(i->magic == IMPACT_MAGIC);
	if (e != ERR_OK)
		buf_printf(&i->missing, "%s{\"key\":\"%s\",\"reason\":\"%s\"}",
		    i->missing.len == 0 ? "" : ",", i->wants[w->i].text,
		    err_token(e));
	free(w);
	if (--i->waiting == 0)
		impact_judge_all(i);
}

/* --- what to fetch ---------------------------------------------------- */

static void
want_add(struct impact *i, struct coll_key key)
{
	size_t n;

	if (snap_numbered(worker_snap(req_worker(i->req)), &key, key.number) !=
	    NULL)
		return;
	for (n = 0; n < i->n_wants; n++)
		if (strcmp(i->wants[n].text, key.text) == 0)
			return;
	if (i->n_wants < WANTS_MAX)
		i->wants[i->n_wants++] = key;
	else
		i->left += key.kind == COLL_TCBINFO;
}

static void
want_number(struct impact *i, const struct coll_key *k, uint32_t number)
{
	want_add(i, key_tcbinfo(k->tee, 4, k->fmspc, UPDATE_NUMBER, number));
	want_add(i, key_identity(k->tee == TEE_TDX ? ENCLAVE_TDQE : ENCLAVE_QE,
			4, UPDATE_NUMBER, number));
}

/* Numbers from the standard one on: PCS has no others (pcs-upstream 2). */
static void
want_listed(struct impact *i, const struct coll *standard)
{
	struct coll_key key = key_evalnums(standard->key.tee);
	const struct coll *list =
	    snap_get(worker_snap(req_worker(i->req)), &key);
	size_t n;

	for (n = 0; list != NULL && n < list->facts.evalnums->n; n++)
		if (list->facts.evalnums->v[n].number >= standard->eval_num)
			want_number(i, &standard->key,
			    list->facts.evalnums->v[n].number);
}

static void
want_for(void *arg, struct coll *c)
{
	struct impact *i = arg;

	if (c->key.kind != COLL_TCBINFO || c->key.api != 4 ||
	    c->key.update != UPDATE_STANDARD ||
	    (i->fmspc[0] != '\0' && strcmp(c->key.fmspc, i->fmspc) != 0))
		return;
	if (i->to != 0)
		want_number(i, &c->key, i->to);
	else
		want_listed(i, c);
}

/* --- the request ------------------------------------------------------ */

static enum err
impact_params(struct req *req, struct impact *i, struct why *why)
{
	const char *to = req_query(req, "to"), *fmspc = req_query(req, "fmspc");
	char *end;
	unsigned long n;

	if (fmspc != NULL &&
	    param_text(PARAM_FMSPC, fmspc, i->fmspc, why) != ERR_OK)
		return ERR_PARAM;
	if (to == NULL)
		return ERR_OK;
	n = strtoul(to, &end, 10);
	if (*to < '1' || *to > '9' || *end != '\0' || n > UINT32_MAX)
		return why_set(why, ERR_PARAM, "larder(1)",
		    "to is not an evaluation number");
	i->to = (uint32_t)n;
	return ERR_OK;
}

void
api_impact(struct req *req)
{
	struct worker *w = req_worker(req);
	struct impact *i = xcalloc(1, sizeof(*i));
	struct why why = { 0 };
	struct want *want;
	enum err e;
	size_t n;

	i->magic = IMPACT_MAGIC;
	i->req = req;
	if ((e = impact_params(req, i, &why)) != ERR_OK) {
		reply_err(req, e, &why);
		impact_end(i);
		return;
	}
	if (worker_config(w)->mode == MODE_LAZY)
		snap_each(worker_snap(w), want_for, i);
	if ((i->waiting = i->n_wants) == 0) {
		impact_judge_all(i);
		return;
	}
	/* Never called back before upstream_want() returns. */
	for (n = 0; n < i->n_wants; n++) {
		want = xcalloc(1, sizeof(*want));
		*want = (struct want){ i, n };
		upstream_want(worker_upstream(w), 0, &i->wants[n],
		    worker_config(w)->cache.client_wait_ms, want_cb, want);
	}
}
