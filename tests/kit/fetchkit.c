#include "tests/kit/fetchkit.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- the stage -------------------------------------------------------- */

struct fetchkit fk;

/* What the call-backs got. */
static void
tell(enum err e, const struct why *why)
{
	must(fk.n_told < FK_TOLD_MAX);
	fk.told[fk.n_told].err = e;
	if (why != NULL)
		fk.told[fk.n_told].why = *why;
	if (++fk.n_told == fk.target)
		loop_stop(fk.loop);
}

void
fk_coll_cb(void *arg, enum err e, const struct why *why, struct coll *c)
{
	(void)arg;
	fk.told[fk.n_told].coll = c == NULL ? NULL : coll_ref(c);
	tell(e, why);
}

void
fk_answer_cb(void *arg, enum err e, const struct why *why, struct pck_answer *a)
{
	(void)arg;
	fk.told[fk.n_told].answer = a == NULL ? NULL : pck_answer_ref(a);
	tell(e, why);
}

void
fk_done_cb(void *arg, enum err e, const struct why *why)
{
	(void)arg;
	tell(e, why);
}

void
fk_text_cb(void *arg, enum err e, const struct why *why, struct blob *text)
{
	(void)arg;
	fk.told[fk.n_told].text = text; /* ours now */
	tell(e, why);
}

static void
forget(void)
{
	size_t i;

	for (i = 0; i < fk.n_told; i++) {
		coll_unref(fk.told[i].coll);
		pck_answer_unref(fk.told[i].answer);
		blob_unref(fk.told[i].text);
	}
	memset(fk.told, 0, sizeof(fk.told));
	fk.n_told = fk.target = 0;
}

/* A step on the loop; then the loop runs until so many were told. */
struct step {
	struct msg msg;
	void (*fn)(void *);
	void *arg;
};

static void
step_run(struct msg *m)
{
	struct step *s = msg_of(m, struct step, msg);

	s->fn(s->arg);
	if (fk.target == fk.n_told)
		loop_stop(fk.loop);
}

void
fk_step(void (*fn)(void *), void *arg, size_t more)
{
	struct step s = { .fn = fn, .arg = arg };

	fk.target = fk.n_told + more;
	msg_send(fk.loop, &s.msg, step_run);
	loop_run(fk.loop);
}

/* Wait for tells that are still out. */
void
fk_wait(size_t n)
{
	while (fk.n_told < n) {
		fk.target = n;
		loop_run(fk.loop);
	}
}

struct config *
fk_config(const struct fk_opts *o)
{
	struct config *c = NULL;
	struct buf b = BUF_INIT;
	struct why why = { 0 };

	buf_printf(&b,
	    "{\"database\":\"sqlite:%s/larder.db\","
	    "\"trust\":{\"intel_root_spki_sha256\":[\"%s\"]},"
	    "\"upstream\":{\"pcs\":{\"urls\":[\"%s\"",
	    fk.dir, pki_root_spki_hex(sim_pki(fk.sim)), sim_url(fk.sim));
	if (fk.mirror != NULL)
		buf_printf(&b, ",\"%s\"", sim_url(fk.mirror));
	buf_printf(&b, "],\"root_crl_urls\":[\"%s\"]}", sim_root_url(fk.sim));
	if (o->upstream != NULL)
		buf_printf(&b, ",%s", o->upstream);
	buf_str(&b, "}");
	if (o->more != NULL)
		buf_printf(&b, ",%s", o->more);
	buf_str(&b, "}");
	ck_assert_msg(config_read(buf_view(&b), "test", &c, &why) == ERR_OK,
	    "%s", why.text);
	buf_free(&b);
	return c;
}

void
fk_stage(const struct fk_opts *o)
{
	struct why why = { 0 };

	clock_offset_set(0);
	snprintf(fk.dir, sizeof(fk.dir), "/tmp/larder-upstream-XXXXXX");
	must(mkdtemp(fk.dir) != NULL);
	fk.sim = sim_start(o->sim);
	must(fk.sim != NULL);
	fk.mirror = o->mirror ? sim_start(o->sim) : NULL;
	fk.config = fk_config(o);
	fk.loop = loop_new("test");
	ck_assert_msg(storage_open(fk.config, &fk.storage, &why) == ERR_OK,
	    "%s", why.text);
	ck_assert_msg(upstream_new(fk.config, fk.storage, &fk.up, &why) ==
			  ERR_OK,
	    "%s", why.text);
	forget();
}

void
fk_setup(void)
{
	const struct fk_opts plain = { 0 };

	fk_stage(&plain);
}

static int
remove_cb(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void
fk_teardown(void)
{
	upstream_free(fk.up);
	forget();
	storage_close(fk.storage);
	loop_free(fk.loop);
	config_unref(fk.config);
	sim_stop(fk.sim);
	if (fk.mirror != NULL)
		sim_stop(fk.mirror);
	nftw(fk.dir, remove_cb, 8, FTW_DEPTH | FTW_PHYS);
	clock_offset_set(0);
}

TCase *
fk_tcase(Suite *s, const char *name, void (*up)(void))
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, up, fk_teardown);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	return t;
}

/* --- steps ------------------------------------------------------------ */

struct want {
	struct coll_key key;
	long wait_ms;
	size_t n;
};

static void
want_step(void *arg)
{
	const struct want *w = arg;
	size_t i;

	for (i = 0; i < w->n; i++)
		upstream_want(fk.up, 0, &w->key, w->wait_ms, fk_coll_cb, NULL);
}

struct coll_key
fk_key(const char *text)
{
	struct coll_key key;

	ck_assert_int_eq(key_read(text, &key, NULL), ERR_OK);
	return key;
}

/* Ask, and do not wait for the answers. */
void
fk_ask(const char *key, size_t n, long wait_ms)
{
	struct want w = { fk_key(key), wait_ms, n };

	fk_step(want_step, &w, 0);
}

enum err
fk_want_for(const char *key, long wait_ms)
{
	struct want w = { fk_key(key), wait_ms, 1 };

	fk_step(want_step, &w, 1);
	return fk_last()->err;
}

enum err
fk_want(const char *key)
{
	return fk_want_for(key, 60000);
}

static void
prefetch_step(void *arg)
{
	upstream_prefetch(fk.up, *(const enum update_set *)arg, 60000,
	    fk_done_cb, NULL);
}

enum err
fk_prefetch(enum update_set set)
{
	fk_step(prefetch_step, &set, 1);
	return fk_last()->err;
}

static void
refresh_step(void *arg)
{
	upstream_refresh(fk.up, *(const bool *)arg, NULL, 0, fk_text_cb, NULL);
}

enum err
fk_refresh(bool certs)
{
	fk_step(refresh_step, &certs, 1);
	return fk_last()->err;
}

struct fk_told *
fk_last(void)
{
	ck_assert_uint_gt(fk.n_told, 0);
	return &fk.told[fk.n_told - 1];
}

void
fk_tick_step(void *arg)
{
	(void)arg;
	upstream_tick(fk.up, fk_done_cb, NULL);
}

/* Let the planner do all that is due now. */
void
fk_tick(void)
{
	fk_step(fk_tick_step, NULL, 1);
	ck_assert_int_eq(fk_last()->err, ERR_OK);
}

void
fk_later(int64_t s)
{
	clock_offset_set(clock_offset() + s);
}

void
fk_fault(struct sim *s, enum sim_fault_kind kind, const char *path,
    unsigned count)
{
	struct sim_fault f = { .kind = kind, .path = path, .count = count };

	sim_fault_add(s, &f);
}

void
fk_status(const char *path, int code, const char *retry_after, unsigned count)
{
	struct sim_fault f = { .kind = SIM_STATUS,
		.path = path,
		.count = count,
		.status = code,
		.retry_after = retry_after };

	sim_fault_add(fk.sim, &f);
}

void
fk_platform_step(void *arg)
{
	const struct fk_platform *w = arg;
	struct platform_ask ask_;
	char hex[769];
	unsigned char ppid[PPID_LEN];
	struct buf b = BUF_INIT;
	size_t i;

	for (i = 0; i < w->n; i++) {
		memset(&ask_, 0, sizeof(ask_));
		memcpy(ask_.id.qe_id, w->p.qe_id, sizeof(w->p.qe_id));
		memcpy(ask_.id.pce_id, w->p.pce_id, sizeof(w->p.pce_id));
		ask_.has_tcb = w->tcb;
		memcpy(ask_.tcb.cpusvn, w->p.cpusvn, 16);
		ask_.tcb.cpusvn[0] =
		    (uint8_t)(ask_.tcb.cpusvn[0] - w->lower * (int)i);
		ask_.tcb.pcesvn = w->p.pcesvn;
		if (w->nonce != 0) {
			sim_enc_ppid(&w->p, w->nonce + (unsigned)i, hex);
			ck_assert_int_eq(hex_read(span_str(hex), ppid,
					     sizeof(ppid)),
			    ERR_OK);
			ask_.enc_ppid = blob_new(ppid, sizeof(ppid));
		}
		if (w->manifest != NULL) {
			ck_assert_int_eq(hex_read_buf(span_str(w->manifest),
					     &b),
			    ERR_OK);
			ask_.manifest = buf_blob(&b);
		}
		upstream_platform(fk.up, 0, &ask_, w->wait_ms, fk_answer_cb,
		    NULL);
		blob_unref(ask_.enc_ppid);
		blob_unref(ask_.manifest);
	}
}

enum err
fk_platform(struct fk_platform *w)
{
	if (w->n == 0)
		w->n = 1;
	if (w->wait_ms == 0)
		w->wait_ms = 60000;
	fk_step(fk_platform_step, w, w->n);
	return fk_last()->err;
}
