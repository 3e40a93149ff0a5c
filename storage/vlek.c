/* The VLEK of a TCB when its provider is not named. */
#include "storage/veks.h"

#include "config/base/clock.h"
#include "config/base/must.h"

#include <stdlib.h>
#include <string.h>

struct vlek_job {
	struct job job;
	enum amd_product product;
	struct amd_tcb tcb;
	size_t n; /* providers seen; two are as many as more */
	struct coll_key key;
	struct coll *coll;
	store_coll_fn fn;
};

static bool
provider_row(void *arg, const struct db_val *col)
{
	struct vlek_job *v = arg;
	char csp_id[CSP_ID_LEN];

	/* Not written by us: as if it were absent. */
	if (col[0].s.len == 0 || col[0].s.len >= sizeof(csp_id) ||
	    memchr(col[0].s.p, '\0', col[0].s.len) != NULL)
		return true;
	memcpy(csp_id, col[0].s.p, col[0].s.len);
	csp_id[col[0].s.len] = '\0';
	v->key = key_vlek(v->product, csp_id, v->tcb);
	v->n++;
	return true;
}

static void
vlek_work(struct job *j)
{
	struct vlek_job *v = msg_of(j, struct vlek_job, job);
	char tcbm[17];
	enum err e;

	amd_tcb_write(v->tcb, tcbm);
	veks_settle(j->st);
	e = store_read(j->st, SQL_VLEK_PROVIDERS,
	    VALS(db_text(amd_product_name(v->product)), db_text(tcbm),
		db_int(clock_now())),
	    provider_row, v, &j->why);
	if (e == ERR_OK && v->n != 1)
		e = why_set(&j->why, ERR_NOT_CACHED, "amd-kds 8.1",
		    v->n == 0 ? "no provider's VLEK of this TCB was imported"
			      : "several providers' VLEKs are held: say cspID");
	if (e == ERR_OK)
		e = veks_load(j->st, &v->key, &v->coll, &j->why);
	if (e != ERR_OK)
		job_fail(j, e);
	else
		job_done(j);
}

static void
vlek_answer(struct job *j)
{
	struct vlek_job *v = msg_of(j, struct vlek_job, job);

	v->fn(j->arg, j->err, &j->why, v->coll);
}

static void
vlek_fini(struct job *j)
{
	coll_unref(msg_of(j, struct vlek_job, job)->coll);
}

void
storage_vlek(struct storage *st, enum amd_product product, struct amd_tcb tcb,
    store_coll_fn fn, void *arg)
{
	struct vlek_job *v = xcalloc(1, sizeof(*v));

	v->product = product;
	v->tcb = tcb;
	v->fn = fn;
	job_start(&v->job, st, vlek_work, vlek_answer, vlek_fini, arg);
}
