#include "tests/kit/storekit.h"

#include "config/base/clock.h"
#include "config/base/must.h"
#include "storage/store.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW 1780272000 /* 2026-06-01T00:00:00Z */

/* --- waiting ---------------------------------------------------------- */

struct kit_msg {
	struct msg msg;
	struct kit *k;
	void (*fn)(struct kit *, void *arg);
	void *arg;
};

static void
kit_msg_run(struct msg *m)
{
	struct kit_msg *km = msg_of(m, struct kit_msg, msg);

	km->fn(km->k, km->arg);
}

void
kit_wait(struct kit *k, void (*fn)(struct kit *, void *arg), void *arg)
{
	struct kit_msg km = { .k = k, .fn = fn, .arg = arg };

	msg_send(k->loop, &km.msg, kit_msg_run);
	loop_run(k->loop);
}

void
kit_done(struct kit *k)
{
	loop_stop(k->loop);
}

/* --- open and close --------------------------------------------------- */

void
kit_clock(const struct kit *k, int64_t seconds)
{
	clock_offset_set(0);
	clock_offset_set(pki_now(k->pki) + seconds - clock_now());
}

void
kit_config(struct kit *k, const char *settings)
{
	struct buf b = BUF_INIT;
	struct why why = { 0 };

	int i;

	config_unref(k->config);
	k->config = NULL;
	buf_printf(&b,
	    "{\"database\":\"sqlite:%s\",\"trust\":"
	    "{\"intel_root_spki_sha256\":[\"%s\"]",
	    k->db, k->spki == NULL ? pki_root_spki_hex(k->pki) : k->spki);
	for (i = 0; i < AMD_PRODUCT_N && !k->amd_genuine; i++)
		buf_printf(&b, "%s\"%s\":[\"%s\"]%s",
		    i == 0 ? ",\"amd_root_spki_sha256\":{" : ",",
		    amd_product_name((enum amd_product)i),
		    pki_amd_root_spki_hex((enum amd_product)i),
		    i == AMD_PRODUCT_N - 1 ? "}" : "");
	buf_printf(&b, "}%s%s}", settings[0] == '\0' ? "" : ",", settings);
	if (config_read(buf_view(&b), "kit", &k->config, &why) != ERR_OK) {
		fprintf(stderr, "storekit: %s\n", why.text);
		abort();
	}
	buf_free(&b);
}

void
kit_init(struct kit *k, const char *settings)
{
	*k = (struct kit){ .dir = "/tmp/larder-test.XXXXXX" };
	must(mkdtemp(k->dir) != NULL);
	snprintf(k->db, sizeof(k->db), "%s/larder.db", k->dir);
	k->pki = pki_new("storekit", NOW);
	k->loop = loop_new("test");
	kit_clock(k, 0);
	kit_config(k, settings);
	if (kit_open(k) != ERR_OK) {
		fprintf(stderr, "storekit: %s\n", k->why.text);
		abort();
	}
}

static void
kit_forget(struct kit *k)
{
	coll_unref(k->coll);
	pck_answer_unref(k->answer);
	blob_unref(k->text);
	blob_unref(k->ask.enc_ppid);
	blob_unref(k->ask.manifest);
	k->coll = NULL;
	k->answer = NULL;
	k->text = NULL;
	k->ask = (struct platform_ask){ 0 };
	k->why = (struct why){ 0 };
	k->err = ERR_OK;
	free(k->veks);
	k->veks = NULL;
	k->n = 0;
	k->cached = false;
}

static void
on_snap(void *arg, struct snap *snap)
{
	struct kit *k = arg;
	bool first = k->snap == NULL;

	snap_unref(k->snap);
	k->snap = snap_ref(snap);
	if (first)
		kit_done(k);
}

static void
subscribe_fn(struct kit *k, void *arg)
{
	(void)arg;
	storage_subscribe(k->st, on_snap, k);
}

enum err
kit_open(struct kit *k)
{
	enum err e;

	kit_forget(k);
	if ((e = storage_open(k->config, &k->st, &k->why)) == ERR_OK)
		kit_wait(k, subscribe_fn, NULL);
	return e;
}

static void
nothing_fn(struct kit *k, void *arg)
{
	(void)arg;
	kit_done(k);
}

void
kit_close(struct kit *k)
{
	kit_forget(k);
	if (k->st == NULL)
		return;
	storage_unsubscribe(k->st, on_snap, k);
	storage_close(k->st);
	k->st = NULL;
	/* What is in the mailbox still arrives. */
	kit_wait(k, nothing_fn, NULL);
	snap_unref(k->snap);
	k->snap = NULL;
}

void
kit_reopen(struct kit *k)
{
	kit_close(k);
	must(kit_open(k) == ERR_OK);
}

static void
folder_remove(const char *dir)
{
	char path[512];
	struct dirent *d;
	DIR *dp = opendir(dir);

	while (dp != NULL && (d = readdir(dp)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
		if (d->d_name[0] != '.')
			unlink(path);
	}
	if (dp != NULL)
		closedir(dp);
	rmdir(dir);
}

void
kit_fini(struct kit *k)
{
	kit_close(k);
	loop_free(k->loop);
	config_unref(k->config);
	kit_forget(k);
	pki_free(k->pki);
	pki_amd_free(k->amd);
	folder_remove(k->dir);
	clock_offset_set(0);
}

/* --- call-backs ------------------------------------------------------- */

static void
took(struct kit *k, enum err e, const struct why *why)
{
	k->err = e;
	if (why != NULL)
		k->why = *why;
	kit_done(k);
}

static void
on_coll(void *arg, enum err e, const struct why *why, struct coll *c)
{
	struct kit *k = arg;

	k->coll = coll_ref(c);
	took(k, e, why);
}

static void
on_answer(void *arg, enum err e, const struct why *why, struct pck_answer *a)
{
	struct kit *k = arg;

	k->answer = pck_answer_ref(a);
	took(k, e, why);
}

static void
on_reg(void *arg, enum err e, const struct why *why, bool cached)
{
	struct kit *k = arg;

	k->cached = cached;
	took(k, e, why);
}

static void
on_ask(void *arg, enum err e, const struct why *why,
    const struct platform_ask *ask)
{
	struct kit *k = arg;

	if (ask != NULL) {
		k->ask = *ask;
		blob_ref(k->ask.enc_ppid);
		blob_ref(k->ask.manifest);
	}
	took(k, e, why);
}

static void
on_text(void *arg, enum err e, const struct why *why, struct blob *text)
{
	struct kit *k = arg;

	k->text = text;
	took(k, e, why);
}

static void
on_list(void *arg, enum err e, const struct why *why, struct blob *json,
    size_t n)
{
	struct kit *k = arg;

	k->text = blob_ref(json);
	k->n = n;
	took(k, e, why);
}

static void
on_veks(void *arg, enum err e, const struct why *why, const struct vek_held *v,
    size_t n)
{
	struct kit *k = arg;

	k->n = n;
	if (n != 0)
		k->veks = xmemdup(v, n * sizeof(*v));
	took(k, e, why);
}

static void
on_done(void *arg, enum err e, const struct why *why)
{
	took(arg, e, why);
}

/* --- calls ------------------------------------------------------------ */

struct call { /* the arguments of any of them */
	const struct coll_raw *raw;
	const struct platform_id *id;
	const struct raw_tcb *tcb;
	const struct platform_ask *ask;
	const struct pckcerts_raw *certs;
	const struct coll_key *key;
	struct span bytes;
	const char *text;
	struct blob *blob;
	bool flag;
	unsigned api;
};

static enum err
call(struct kit *k, void (*fn)(struct kit *, void *), struct call *c)
{
	kit_forget(k);
	kit_wait(k, fn, c);
	return k->err;
}

static void
admit_fn(struct kit *k, void *arg)
{
	struct call *c = arg;

	storage_admit(k->st, c->raw, on_coll, k);
}

enum err
kit_admit(struct kit *k, const struct coll_key *key, struct span body,
    struct span chain)
{
	struct coll_raw raw = { .key = *key,
		.body = body,
		.chain = chain,
		.source = "https://pcs.test",
		.fetched_at = clock_now() };

	return call(k, admit_fn, &(struct call){ .raw = &raw });
}

enum err
kit_admit_doc(struct kit *k, const struct coll_key *key, struct pki_doc d)
{
	enum err e = kit_admit(k, key, blob_span(d.body), blob_span(d.chain));

	pki_doc_fini(&d);
	return e;
}

static void
pck_fn(struct kit *k, void *arg)
{
	struct call *c = arg;

	storage_pck(k->st, c->id, c->tcb, on_answer, k);
}

enum err
kit_pck(struct kit *k, const struct platform_id *id, const struct raw_tcb *tcb)
{
	return call(k, pck_fn, &(struct call){ .id = id, .tcb = tcb });
}

static void
certs_fn(struct kit *k, void *arg)
{
	struct call *c = arg;

	storage_admit_platform(k->st, c->ask, c->certs, on_answer, k);
}

enum err
kit_certs(struct kit *k, const struct platform_ask *ask, struct span body,
    struct span chain)
{
	struct pckcerts_raw raw = { .body = body,
		.chain = chain,
		.source = "https://pcs.test",
		.fetched_at = clock_now() };

	return call(k, certs_fn, &(struct call){ .ask = ask, .certs = &raw });
}

static void
register_fn(struct kit *k, void *arg)
{
	struct call *c = arg;

	storage_register(k->st, c->ask, on_reg, k);
}

enum err
kit_register(struct kit *k, const struct platform_ask *ask)
{
	return call(k, register_fn, &(struct call){ .ask = ask });
}

static void
ask_fn(struct kit *k, void *arg)
{
	struct call *c = arg;

	storage_platform_ask(k->st, c->id, on_ask, k);
}

enum err
kit_ask(struct kit *k, const struct platform_id *id)
{
	return call(k, ask_fn, &(struct call){ .id = id });
}

static void
platforms_fn(struct kit *k, void *arg)
{
	struct call *c = arg;

	storage_platforms(k->st, c->text, c->flag, on_list, k);
}

enum err
kit_platforms(struct kit *k, const char *source, bool peek)
{
	return call(k, platforms_fn,
	    &(struct call){ .text = source, .flag = peek });
}

static void
upload_fn(struct kit *k, void *arg)
{
	struct call *c = arg;

	storage_upload(k->st, c->blob, c->api, c->flag, on_done, k);
}

enum err
kit_upload(struct kit *k, const char *json, unsigned api, bool force)
{
	struct blob *b = blob_from(span_str(json));
	enum err e = call(k, upload_fn,
	    &(struct call){ .blob = b, .flag = force, .api = api });

	blob_unref(b);
	return e;
}

static void
policy_put_fn(struct kit *k, void *arg)
{
	struct call *c = arg;

	storage_policy_put(k->st, c->blob, on_text, k);
}

enum err
kit_policy_put(struct kit *k, const char *json)
{
	struct blob *b = blob_from(span_str(json));
	enum err e = call(k, policy_put_fn, &(struct call){ .blob = b });

	blob_unref(b);
	return e;
}

static void
policy_get_fn(struct kit *k, void *arg)
{
	struct call *c = arg;

	storage_policy_get(k->st, c->text, on_text, k);
}

enum err
kit_policy_get(struct kit *k, const char *fmspc)
{
	return call(k, policy_get_fn, &(struct call){ .text = fmspc });
}

static void
sync_fn(struct kit *k, void *arg)
{
	(void)arg;
	storage_sync(k->st, on_done, k);
}

enum err
kit_sync(struct kit *k)
{
	return call(k, sync_fn, &(struct call){ .text = NULL });
}

static void
status_fn(struct kit *k, void *arg)
{
	(void)arg;
	storage_status(k->st, on_text, k);
}

enum err
kit_status(struct kit *k)
{
	return call(k, status_fn, &(struct call){ .text = NULL });
}

static void
explain_fn(struct kit *k, void *arg)
{
	struct call *c = arg;

	storage_explain(k->st, c->text, on_text, k);
}

enum err
kit_explain(struct kit *k, const char *what)
{
	return call(k, explain_fn, &(struct call){ .text = what });
}

static void
history_fn(struct kit *k, void *arg)
{
	struct call *c = arg;

	storage_history(k->st, c->text, on_text, k);
}

enum err
kit_history(struct kit *k, const char *key)
{
	return call(k, history_fn, &(struct call){ .text = key });
}

const char *
kit_text(const struct kit *k)
{
	return k->text == NULL ? "" : (const char *)k->text->data;
}

struct coll *
kit_held(struct kit *k, const struct coll_key *key)
{
	return snap_get(k->snap, key);
}

static void
vek_fn(struct kit *k, void *arg)
{
	struct call *c = arg;

	storage_vek(k->st, c->key, on_coll, k);
}

enum err
kit_vek(struct kit *k, const struct coll_key *key)
{
	return call(k, vek_fn, &(struct call){ .key = key });
}

static void
vlek_fn(struct kit *k, void *arg)
{
	const struct coll_key *key = ((struct call *)arg)->key;

	storage_vlek(k->st, key->product, key->tcb, on_coll, k);
}

enum err
kit_vlek(struct kit *k, enum amd_product product, struct amd_tcb tcb)
{
	const struct coll_key key = { .product = product, .tcb = tcb };

	return call(k, vlek_fn, &(struct call){ .key = &key });
}

static void
veks_fn(struct kit *k, void *arg)
{
	struct call *c = arg;

	storage_veks(k->st, c->bytes, on_veks, k);
}

enum err
kit_veks(struct kit *k, struct span hwid)
{
	return call(k, veks_fn, &(struct call){ .bytes = hwid });
}

struct tick_msg {
	struct msg msg;
	struct storage *st;
};

static void
tick_run(struct msg *m)
{
	struct tick_msg *t = msg_of(m, struct tick_msg, msg);

	keep_tick(t->st);
}

void
kit_tick(struct kit *k)
{
	struct tick_msg t = { .st = k->st };

	msg_send(k->st->loop, &t.msg, tick_run);
	storage_drain(k->st);
	/* The snapshot that may have come of it. */
	kit_wait(k, nothing_fn, NULL);
}

/* --- honest pieces ---------------------------------------------------- */

static void
admitted(struct kit *k, enum err e)
{
	if (e == ERR_OK)
		return;
	fprintf(stderr, "storekit: refused: %s\n", k->why.text);
	abort();
}

void
kit_root_crl(struct kit *k)
{
	struct pki_crl crl = { .issuer = PKI_ROOT };
	struct blob *der = pki_crl(k->pki, &crl);
	struct blob *chain = pki_chain_pem(k->pki, PKI_ROOT);
	struct coll_key key = key_root_crl();

	admitted(k, kit_admit(k, &key, blob_span(der), blob_span(chain)));
	blob_unref(der);
	blob_unref(chain);
}

void
kit_pck_crl(struct kit *k, enum pck_ca ca)
{
	enum pki_who who =
	    ca == PCK_CA_PLATFORM ? PKI_PLATFORM_CA : PKI_PROCESSOR_CA;
	struct pki_crl crl = { .issuer = who };
	struct blob *der = pki_crl(k->pki, &crl);
	struct blob *chain = pki_chain_pem(k->pki, who);
	struct coll_key key = key_pck_crl(ca);

	admitted(k, kit_admit(k, &key, blob_span(der), blob_span(chain)));
	blob_unref(der);
	blob_unref(chain);
}

void
kit_tcbinfo(struct kit *k, enum tee tee, const char *fmspc, enum update update)
{
	struct pki_tcbinfo t = { .tee = tee, .fmspc = fmspc };
	struct coll_key key = key_tcbinfo(tee, 4, fmspc, update, 0);

	admitted(k, kit_admit_doc(k, &key, pki_tcbinfo(k->pki, &t)));
}

void
kit_identity(struct kit *k, enum enclave enclave, enum update update)
{
	struct pki_identity i = { .enclave = enclave };
	struct coll_key key = key_identity(enclave, 4, update, 0);

	admitted(k, kit_admit_doc(k, &key, pki_identity(k->pki, &i)));
}

struct platform_id
kit_platform_id(const char *qe_id)
{
	struct platform_id id = { .pce_id = "0000" };

	must(strlen(qe_id) <= QE_ID_MAX);
	memcpy(id.qe_id, qe_id, strlen(qe_id));
	return id;
}

bool
kit_holds(struct kit *k, struct coll_key key)
{
	return kit_held(k, &key) != NULL;
}

/* --- the database itself ----------------------------------------------- */

void
kit_sql(struct kit *k, const char *text)
{
	sqlite3 *db;

	must(sqlite3_open(k->db, &db) == SQLITE_OK);
	must(sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK);
	must(sqlite3_changes(db) > 0);
	must(sqlite3_close(db) == SQLITE_OK);
}

int64_t
kit_number(struct kit *k, const char *text)
{
	sqlite3 *db;
	sqlite3_stmt *stmt = NULL;
	int64_t n;

	must(sqlite3_open(k->db, &db) == SQLITE_OK);
	must(sqlite3_prepare_v2(db, text, -1, &stmt, NULL) == SQLITE_OK);
	must(sqlite3_step(stmt) == SQLITE_ROW);
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	must(sqlite3_close(db) == SQLITE_OK);
	return n;
}
