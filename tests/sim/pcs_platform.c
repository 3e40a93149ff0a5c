/*
 * PCK certificates of the simulated PCS: pckcert, pckcerts, pckcerts/config
 * and registration (pcs-upstream 2, caching-and-selection 3.1).
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/sim/sim_int.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { LIST, ONE, CONFIG }; /* endpoint->arg: pckcerts, pckcert, .../config */

/* A member of the POST body, "" when absent; free(). */
static char *
body_member(const struct ask *ask, const char *name)
{
	json_t *root =
	    json_loadb((const char *)ask->body.p, ask->body.len, 0, NULL);
	const char *s = json_string_value(json_object_get(root, name));
	char *out = xstrdup(s == NULL ? "" : s);

	json_decref(root);
	return out;
}

void
name_platform(struct ask *ask, struct buf *b)
{
	const char *ppid = ask_param(ask, "encrypted_ppid");
	char *manifest;

	if (ask->method == SIM_POST) {
		manifest = body_member(ask, "platformManifest");
		ask->platform =
		    platform_of_manifest(manifest, &ask->manifest_rev);
		free(manifest);
		buf_printf(b, "?manifest=%ld", ask->platform);
	} else {
		if (ppid != NULL)
			ask->platform = platform_of_ppid(ask->sim, ppid);
		buf_printf(b, "?platform=%ld", ask->platform);
	}
}

/* --- parameters ------------------------------------------------------- */

/* From the query or the JSON body; free(). */
static char *
value_of(const struct ask *ask, const char *name)
{
	const char *v;

	if (ask->method == SIM_POST)
		return body_member(ask, name);
	v = ask_param(ask, name);
	return xstrdup(v == NULL ? "" : v);
}

static bool
read_hex(const struct ask *ask, const char *name, void *out, size_t len)
{
	char *v = value_of(ask, name);
	bool ok = hex_read(span_str(v), out, len) == ERR_OK;

	free(v);
	return ok;
}

struct wanted {
	unsigned char pceid[2], cpusvn[16], pcesvn[2];
};

/* False when the request's syntax is wrong. */
static bool
read_wanted(struct ask *ask, struct wanted *w)
{
	const char *ppid = ask_param(ask, "encrypted_ppid");

	if (ask->method != SIM_POST &&
	    (ppid == NULL || !hex_is(span_str(ppid), 768)))
		return false;
	if (!read_hex(ask, "pceid", w->pceid, 2))
		return false;
	if (ask->endpoint->arg != LIST &&
	    !read_hex(ask, "cpusvn", w->cpusvn, 16))
		return false;
	return ask->endpoint->arg != ONE ||
	       read_hex(ask, "pcesvn", w->pcesvn, 2);
}

/* --- the answer ------------------------------------------------------- */

static bool
known(const struct ask *ask, struct sim_platform *out)
{
	if (ask->platform < 0)
		return false;
	*out = sim_platform((unsigned long)ask->platform);
	return out->kind != SIM_UNKNOWN &&
	       (ask->method == SIM_POST || platform_by_ppid(out));
}

static bool
at_most(const struct pki_pck *p, const struct wanted *w, bool pcesvn)
{
	int i;

	for (i = 0; i < 16; i++)
		if (p->comp[i] > w->cpusvn[i])
			return false;
	return !pcesvn || p->pcesvn <= (w->pcesvn[0] | w->pcesvn[1] << 8);
}

static void
answer_one(struct ask *ask, struct answer *a, const struct wanted *w, size_t n,
    const struct pki_pck *v)
{
	char tcbm[37];
	size_t i;
	X509 *x;

	for (i = 0; i < n; i++)
		if (!v[i].na && at_most(&v[i], w, true))
			break;
	if (i == n) {
		a->status = 404;
		return;
	}
	x = pki_pck(ask->sim->pki, &v[i]);
	pki_tcbm(&v[i], tcbm);
	buf_printf(&a->head, "SGX-TCBm: %s\r\n", tcbm);
	a->type = "application/x-pem-file";
	a->body = pki_pem(x);
	X509_free(x);
}

static size_t
only_config(const struct wanted *w, size_t n, struct pki_pck *v)
{
	size_t i, kept = 0;

	for (i = 0; i < n; i++)
		if (at_most(&v[i], w, false))
			v[kept++] = v[i];
	return kept;
}

/* Lies about PCK certificates are told in each leaf. */
static size_t
certs_of(struct ask *ask, const struct sim_platform *p, const struct wanted *w,
    struct pki_pck *v)
{
	size_t i, n = sim_certs(ask->sim, p, ask->manifest_rev, v);

	for (i = 0; i < n; i++) {
		v[i].lie = ask_lie(ask);
		memcpy(v[i].pceid, w->pceid, 2);
		if (ask_fault(ask, SIM_OTHER))
			v[i].pceid[0] ^= 1;
	}
	return n;
}

void
pcs_platform_answer(struct ask *ask, struct answer *a)
{
	struct pki_pck v[SIM_CERTS_MAX];
	const struct pki *shown = ask->sim->pki;
	struct sim_platform p;
	struct wanted w;
	enum pki_who who;
	size_t n;

	if (!read_wanted(ask, &w)) {
		answer_error(a, 400, "InvalidRequestSyntax", "parameter");
		return;
	}
	if (ask->method == SIM_POST && ask->platform < 0) {
		answer_error(a, 400, "InvalidPlatformManifest", "malformed");
		return;
	}
	if (!known(ask, &p)) {
		a->status = 404;
		return;
	}
	a->status = 200;
	n = certs_of(ask, &p, &w, v);
	if (ask->endpoint->arg == CONFIG)
		n = only_config(&w, n, v);
	if (ask->endpoint->arg == ONE) {
		answer_one(ask, a, &w, n, v);
		if (a->status != 200)
			return;
	} else {
		a->type = "application/json";
		a->body = pki_pckcerts(shown, n, v);
	}
	if (ask_lie(ask) == PKI_FOREIGN_CHAIN)
		shown = pki_evil(shown);
	who = p.ca == PCK_CA_PLATFORM ? PKI_PLATFORM_CA : PKI_PROCESSOR_CA;
	buf_printf(&a->head,
	    "SGX-FMSPC: %s\r\nSGX-PCK-Certificate-CA-Type: %s\r\n", p.fmspc,
	    p.ca == PCK_CA_PLATFORM ? "platform" : "processor");
	answer_chain(ask, a, "SGX-PCK-Certificate-Issuer-Chain",
	    pki_chain_pem(shown, who));
}

/* POST registration/v1/platform: 201 and the PPID of a good manifest. */
void
pcs_registration_answer(struct ask *ask, struct answer *a)
{
	struct buf hex = BUF_INIT;
	struct sim_platform p;
	char ppid[33], *text;
	unsigned rev;
	long n;

	buf_hex(&hex, ask->body);
	text = span_dup(buf_view(&hex));
	n = platform_of_manifest(text, &rev);
	free(text);
	buf_free(&hex);
	if (n < 0) {
		answer_error(a, 400, "InvalidPlatformManifest", "unknown");
		return;
	}
	p = sim_platform((unsigned long)n);
	hex_upper(span_of(p.ppid, 16), ppid);
	a->status = 201;
	a->type = "text/plain";
	a->body = blob_new(ppid, 32);
}
