/*
 * A pckcerts list for somebody else: judged as one of our own would be, made
 * into an answer, not kept (pccs-api 10).
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/pckcerts.h"
#include "storage/store.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct judge_job {
	struct job job;
	struct platform_id id;
	struct blob *body, *chain;
	char *source;
	struct pck_list *list;
	store_pck_list_fn fn;
};

struct pck_list *
pck_list_ref(struct pck_list *l)
{
	if (l != NULL)
		atomic_fetch_add(&l->refs, 1);
	return l;
}

void
pck_list_unref(struct pck_list *l)
{
	if (l == NULL || atomic_fetch_sub(&l->refs, 1) != 1)
		return;
	blob_unref(l->head);
	blob_unref(l->body);
	free(l);
}

/* The CA's name as PCS writes it. */
static struct pck_list *
list_new(struct blob *body, const struct held_set *h)
{
	struct pck_list *l = xcalloc(1, sizeof(*l));
	struct buf head = BUF_INIT;
	char fmspc[13];

	hex_upper(span_of(h->set->fmspc, sizeof(h->set->fmspc)), fmspc);
	buf_printf(&head,
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n"
	    "SGX-FMSPC: %s\r\nSGX-PCK-Certificate-CA-Type: %s\r\n",
	    body->len, fmspc, pck_ca_name(h->set->ca));
	buf_span(&head, blob_span(h->chain_head));
	l->refs = 1;
	l->body = blob_ref(body);
	l->head = buf_blob(&head);
	return l;
}

static void
judge_work(struct job *j)
{
	struct judge_job *g = msg_of(j, struct judge_job, job);
	struct pck_gate gate = pck_gate_held(j->st);
	struct held_set h = { 0 };
	enum err e;

	e = pckcerts_admit(j->st, &gate, &g->id, blob_span(g->body),
	    blob_span(g->chain), &h, &j->why);
	if (e != ERR_OK) {
		if (e != ERR_NOT_AVAILABLE)
			refused_log("pckcerts", e, &j->why, g->source);
		job_fail(j, e);
		return;
	}
	g->list = list_new(g->body, &h);
	held_set_fini(&h);
	job_done(j);
}

static void
judge_answer(struct job *j)
{
	struct judge_job *g = msg_of(j, struct judge_job, job);

	g->fn(j->arg, j->err, &j->why, g->list);
}

static void
judge_fini(struct job *j)
{
	struct judge_job *g = msg_of(j, struct judge_job, job);

	blob_unref(g->body);
	blob_unref(g->chain);
	pck_list_unref(g->list);
	free(g->source);
}

void
storage_judge_pckcerts(struct storage *st, const char *pce_id,
    const struct pckcerts_raw *raw, store_pck_list_fn fn, void *arg)
{
	struct judge_job *g = xcalloc(1, sizeof(*g));

	must(span_str(pce_id).len == sizeof(g->id.pce_id) - 1);
	memcpy(g->id.pce_id, pce_id, sizeof(g->id.pce_id));
	g->body = blob_from(raw->body);
	g->chain = blob_from(raw->chain);
	g->source = xstrdup(raw->source);
	g->fn = fn;
	job_start(&g->job, st, judge_work, judge_answer, judge_fini, arg);
}
