/* All endorsement keys, page by page. */
#include "config/base/must.h"
#include "storage/veks.h"

#include <stdlib.h>
#include <string.h>

struct page_job {
	struct job job;
	int64_t after, next;
	size_t n_rows, n;
	struct vek_stored v[VEK_PAGE];
	store_vek_page_fn fn;
};

/* The key of a row; false: not written by us. */
static bool
page_key(const struct db_val *col, struct coll_key *out)
{
	enum amd_product product = amd_product_read(col[1].s);
	char csp_id[CSP_ID_LEN];
	struct amd_tcb tcb;

	if (product == AMD_PRODUCT_N || amd_tcb_read(col[3].s, &tcb) != ERR_OK)
		return false;
	if (span_eq_str(col[0].s, amd_side_name(AMD_VCEK))) {
		if (col[2].s.len != amd_hwid_len(product))
			return false;
		*out = key_vcek(product, col[2].s, tcb);
		return true;
	}
	db_col_text(&col[2], csp_id, sizeof(csp_id));
	if (csp_id[0] == '\0')
		return false;
	*out = key_vlek(product, csp_id, tcb);
	return true;
}

static bool
page_row(void *arg, const struct db_val *col)
{
	struct page_job *p = arg;
	struct vek_stored *v = &p->v[p->n];

	p->n_rows++;
	p->next = col[0].i;
	if (!page_key(&col[1], &v->key))
		return true;
	v->body = blob_from(col[5].s);
	v->fetched_at = col[6].i;
	db_col_text(&col[7], v->source, sizeof(v->source));
	p->n++;
	return true;
}

static void
page_work(struct job *j)
{
	struct page_job *p = msg_of(j, struct page_job, job);
	enum err e;

	veks_settle(j->st);
	if ((e = store_read(j->st, SQL_VEK_PAGE,
		 VALS(db_int(p->after), db_int(VEK_PAGE)), page_row, p,
		 &j->why)) != ERR_OK) {
		job_fail(j, e);
		return;
	}
	if (p->n_rows < VEK_PAGE)
		p->next = 0;
	job_done(j);
}

static void
page_answer(struct job *j)
{
	struct page_job *p = msg_of(j, struct page_job, job);

	p->fn(j->arg, j->err, &j->why, p->v, p->n, p->next);
}

static void
page_fini(struct job *j)
{
	struct page_job *p = msg_of(j, struct page_job, job);
	size_t i;

	for (i = 0; i < p->n; i++)
		blob_unref(p->v[i].body);
}

void
storage_vek_page(struct storage *st, int64_t after, store_vek_page_fn fn,
    void *arg)
{
	struct page_job *p = xcalloc(1, sizeof(*p));

	p->after = after;
	p->fn = fn;
	job_start(&p->job, st, page_work, page_answer, page_fini, arg);
}
