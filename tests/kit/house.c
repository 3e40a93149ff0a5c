#include "tests/kit/house.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/mbox.h"
#include "config/base/must.h"
#include "tests/kit/forge.h"
#include "tests/kit/keep.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- configuration ---------------------------------------------------- */

static const char * or (const char *text, const char *otherwise)
{
	return text == NULL ? otherwise : text;
}

static void
add_digest(struct buf *b, const char *token)
{
	unsigned char sum[64];

	sha512(span_str(token), sum);
	buf_hex(b, span_of(sum, sizeof(sum)));
}

static void
add_trust(struct buf *b, const struct house *h)
{
	enum amd_product p;

	buf_printf(b,
	    "\"trust\":{\"intel_root_spki_sha256\":[\"%s\"],"
	    "\"amd_root_spki_sha256\":{",
	    pki_root_spki_hex(sim_pki(h->sim)));
	for (p = AMD_MILAN; p < AMD_PRODUCT_N; p++)
		buf_printf(b, "%s\"%s\":[\"%s\"]", p == AMD_MILAN ? "" : ",",
		    amd_product_name(p), pki_amd_root_spki_hex(p));
	buf_str(b, "}},");
}

char *
house_json(const struct house *h, const struct house_opts *o)
{
	static const struct house_opts none;
	struct buf b = BUF_INIT;

	if (o == NULL)
		o = &none;
	buf_printf(&b,
	    "{\"listen\":%s,\"workers\":%d,\"mode\":\"%s\","
	    "\"database\":\"sqlite:%s/larder.db\",\"cache\":{%s},"
	    "\"limits\":{%s},",
	    or (o->listen, "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\","
			   "\"ops\",\"admin\"]}]"),
	    o->workers == 0 ? 2 : o->workers, or (o->mode, "lazy"), h->dir,
	    or (o->cache, ""), or (o->limits, ""));
	buf_printf(&b, "\"upstream\":{\"pcs\":{\"urls\":[\"%s\"",
	    sim_url(h->sim));
	if (o->mirror != NULL)
		buf_printf(&b, ",\"%s\"", sim_url(o->mirror));
	buf_printf(&b, "],\"root_crl_urls\":[\"%s\"", sim_root_url(h->sim));
	if (o->mirror != NULL)
		buf_printf(&b, ",\"%s\"", sim_root_url(o->mirror));
	buf_printf(&b, "]},\"kds\":{\"urls\":[\"%s\"", sim_url(h->sim));
	if (o->mirror != NULL)
		buf_printf(&b, ",\"%s\"", sim_url(o->mirror));
	buf_printf(&b, "]%s%s}%s%s},", o->kds == NULL ? "" : ",",
	    or (o->kds, ""), o->upstream == NULL ? "" : ",",
	    or (o->upstream, ""));
	if (!o->real_roots)
		add_trust(&b, h);
	if (o->members != NULL)
		buf_printf(&b, "%s,", o->members);
	buf_str(&b, "\"tokens\":{\"admin_sha512\":[\"");
	add_digest(&b, HOUSE_ADMIN);
	buf_str(&b, "\"],\"user_sha512\":[\"");
	add_digest(&b, HOUSE_USER);
	buf_str(&b, "\"]}}");
	buf_add(&b, "", 1);
	return b.p;
}

static struct config *
house_config(const struct house *h, const struct house_opts *o)
{
	char *json = house_json(h, o);
	struct config *config = NULL;
	struct why why = { 0 };
	enum err e;

	e = config_read(span_str(json), "house", &config, &why);
	ck_assert_msg(e == ERR_OK, "%s", why.text);
	free(json);
	return config;
}

/* --- up and down ------------------------------------------------------ */

void
house_up(struct house *h, const struct house_opts *o)
{
	struct why why = { 0 };

	h->config = house_config(h, o);
	ck_assert_msg(storage_open(h->config, &h->storage, &why) == ERR_OK,
	    "%s", why.text);
	ck_assert_msg(upstream_new(h->config, h->storage, &h->upstream, &why) ==
			  ERR_OK,
	    "%s", why.text);
	ck_assert_msg(server_start(h->config, h->storage, h->upstream,
			  &h->server, &why) == ERR_OK,
	    "%s", why.text);
	h->port = server_port(h->server, 0);
}

void
house_down(struct house *h)
{
	upstream_drain(h->upstream);
	server_free(h->server);
	upstream_free(h->upstream);
	storage_close(h->storage);
	config_unref(h->config);
}

void
house_start(struct house *h, const struct house_opts *o)
{
	memset(h, 0, sizeof(*h));
	snprintf(h->dir, sizeof(h->dir), "%.32s/larder-house-XXXXXX",
	    o == NULL ? "/tmp" : or (o->where, "/tmp"));
	must(mkdtemp(h->dir) != NULL);
	h->sim = sim_start(o == NULL ? NULL : o->sim);
	must(h->sim != NULL);
	house_up(h, o);
}

void
house_restart(struct house *h, const struct house_opts *o)
{
	house_down(h);
	house_up(h, o);
}

void
house_reload(struct house *h, const struct house_opts *o)
{
	struct config *next = house_config(h, o);
	struct why why = { 0 };

	ck_assert_msg(server_reload(h->server, next, &why) == ERR_OK, "%s",
	    why.text);
	storage_reload(h->storage, next);
	upstream_reload(h->upstream, next);
	config_unref(h->config);
	h->config = next;
}

struct tick {
	struct msg msg;
	struct loop *loop;
	struct upstream *upstream;
};

static void
tick_done(void *arg, enum err e, const struct why *why)
{
	struct tick *t = arg;

	ck_assert_msg(e == ERR_OK, "%s", why->text);
	loop_stop(t->loop);
}

static void
tick_run(struct msg *m)
{
	struct tick *t = msg_of(m, struct tick, msg);

	upstream_tick(t->upstream, tick_done, t);
}

void
house_later(const struct house *h, int64_t seconds)
{
	struct tick t = { .loop = loop_new("tick"), .upstream = h->upstream };

	clock_offset_set(clock_offset() + seconds);
	msg_send(t.loop, &t.msg, tick_run);
	loop_run(t.loop);
	loop_free(t.loop);
}

static void
house_unlink(const struct house *h)
{
	char path[400];
	struct dirent *d;
	DIR *dir = opendir(h->dir);

	must(dir != NULL);
	while ((d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", h->dir,
			    d->d_name);
			unlink(path);
		}
	closedir(dir);
}

void
house_fresh(struct house *h, const struct house_opts *o)
{
	house_down(h);
	house_unlink(h);
	house_up(h, o);
}

void
house_stop(struct house *h)
{
	house_down(h);
	sim_stop(h->sim);
	house_unlink(h);
	rmdir(h->dir);
	clock_offset_set(0);
	keep_end();
}

/* --- larderd instead --------------------------------------------------- */

void
house_daemon(struct house *h, const struct house_opts *o, struct daemon_run *d)
{
	char *json;

	if (h->sim == NULL) {
		memset(h, 0, sizeof(*h));
		snprintf(h->dir, sizeof(h->dir), "%s", run_dir());
		h->sim = sim_start(o == NULL ? NULL : o->sim);
		must(h->sim != NULL);
	}
	json = house_json(h, o);
	ck_assert(daemon_run_start("larder", json, d));
	h->port = d->port[0];
	free(json);
}

/* --- requests --------------------------------------------------------- */

static struct edge_reply
ask(int port, const char *method, const char *target, const char *headers,
    struct span body)
{
	struct edge_reply reply = { 0 };
	struct buf b = BUF_INIT;
	int fd = edge_open(port);

	buf_printf(&b, "%s %s HTTP/1.1\r\nHost: localhost:%d\r\n%s", method,
	    target, port, or (headers, ""));
	if (body.p != NULL)
		buf_printf(&b, "Content-Length: %zu\r\n", body.len);
	buf_str(&b, "\r\n");
	buf_span(&b, body);
	edge_send_n(fd, b.p, b.len);
	buf_free(&b);
	edge_read(fd, &reply, strcmp(method, "HEAD") == 0);
	close(fd);
	return reply;
}

struct edge_reply
house_send(const struct house *h, const char *method, const char *target,
    const char *headers, struct span body)
{
	return ask(h->port, method, target, headers, body);
}

struct edge_reply
house_get(const struct house *h, const char *target)
{
	return ask(h->port, "GET", target, NULL, SPAN_NONE);
}

int
house_status(const struct house *h, const char *target)
{
	struct edge_reply reply = house_get(h, target);
	int status = reply.status;

	edge_reply_free(&reply);
	return status;
}

struct edge_reply
house_admin(const struct house *h, const char *method, const char *target,
    const char *body)
{
	return ask(h->port, method, target,
	    "Content-Type: application/json\r\n"
	    "admin-token: " HOUSE_ADMIN "\r\n",
	    span_str(body));
}

struct edge_reply
house_upstream(const struct house *h, const char *method, const char *target,
    const char *body)
{
	return ask(sim_port(h->sim), method, target,
	    body == NULL ? NULL : "Content-Type: application/json\r\n",
	    span_str(body));
}

/* --- what tests ask for ----------------------------------------------- */

struct blob *
house_quote(const struct house *h)
{
	struct pki *pki = (struct pki *)(uintptr_t)sim_pki(h->sim);
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_DIRECT, 0));
	struct pki_pck certs[SIM_CERTS_MAX];
	struct forge f;

	forge_init(&f, pki, TEE_SGX);
	f.qe[258] = 255;
	must(sim_certs(h->sim, &p, 0, certs) > 0);
	f.q.pck = certs[0];
	return kit_quote(pki, &f.q);
}

char *
house_pckcert(const struct sim_platform *p, unsigned nonce)
{
	char ppid[769];
	struct buf b = BUF_INIT;

	memset(ppid, '0', 768);
	ppid[768] = '\0';
	if (nonce != 0)
		sim_enc_ppid(p, nonce, ppid);
	buf_printf(&b,
	    "/sgx/certification/v4/pckcert?qeid=%s&encrypted_ppid=%s&"
	    "cpusvn=%s&pcesvn=%s&pceid=%s",
	    p->qe_id, ppid, p->cpu_svn, p->pce_svn, p->pce_id);
	buf_add(&b, "", 1);
	return b.p;
}

char *
house_registration(const struct sim_platform *p, unsigned nonce,
    const char *manifest)
{
	char ppid[769];
	struct buf b = BUF_INIT;

	sim_enc_ppid(p, nonce, ppid);
	buf_printf(&b,
	    "{\"enc_ppid\": \"%s\",\"pce_id\": \"%s\",\"cpu_svn\": \"%s\","
	    "\"pce_svn\": \"%s\",\"qe_id\": \"%s\","
	    "\"platform_manifest\": \"%s\"}",
	    ppid, p->pce_id, p->cpu_svn, p->pce_svn, p->qe_id,
	    or (manifest, ""));
	buf_add(&b, "", 1);
	return b.p;
}

struct edge_reply
house_register(const struct house *h, const char *query, const char *body)
{
	char target[120];

	snprintf(target, sizeof(target), "/sgx/certification/v4/platforms%s",
	    query);
	return ask(h->port, "POST", target,
	    "Content-Type: application/json\r\n"
	    "user-token: " HOUSE_USER "\r\n",
	    span_str(body));
}

bool
house_same_body(const struct edge_reply *a, const struct edge_reply *b)
{
	return a->len == b->len && memcmp(a->body, b->body, a->len) == 0;
}

int
house_max_age(const struct edge_reply *reply)
{
	const char *value = edge_header(reply, "Cache-Control");

	if (value == NULL || strncmp(value, "max-age=", 8) != 0)
		return -1;
	return atoi(value + 8);
}

/* --- expectations ----------------------------------------------------- */

void
expect_header(const struct edge_reply *r, const char *name, const char *value)
{
	const char *got = edge_header(r, name);

	ck_assert_msg(got != NULL, "no %s in\n%s", name, r->text);
	ck_assert_str_eq(got, value);
}

bool
has_header(const struct edge_reply *r, const char *name)
{
	return edge_header(r, name) != NULL;
}

void
expect_get(const struct house *h, const char *target, int status,
    const char *reason)
{
	struct edge_reply r = house_get(h, target);

	ck_assert_msg(r.status == status, "%s: %d, not %d\n%s", target,
	    r.status, status, r.text);
	if (reason != NULL)
		expect_header(&r, "Larder-Reason", reason);
	edge_reply_free(&r);
}

void
expect_pckcert(const struct house *h, const struct sim_platform *p,
    unsigned nonce, int status, const char *reason)
{
	char *target = house_pckcert(p, nonce);

	expect_get(h, target, status, reason);
	free(target);
}

void
expect_admin(const struct house *h, const char *method, const char *target,
    const char *body, int status)
{
	struct edge_reply r = house_admin(h, method, target, body);

	ck_assert_msg(r.status == status, "%s: %d\n%s\n%.400s", target,
	    r.status, r.text, r.body);
	edge_reply_free(&r);
}

void
expect_registered(const struct house *h, const struct sim_platform *p,
    const char *manifest)
{
	char *body = house_registration(p, 1, manifest);
	struct edge_reply r = house_register(h, "", body);

	ck_assert_msg(r.status == 200, "%d\n%s", r.status, r.text);
	ck_assert_str_eq(r.body, "Operation successful.");
	edge_reply_free(&r);
	free(body);
}
