/*
 * The replay form: captured collateral, served byte for byte.
 *
 * A folder is one of:
 *  - a collateral set: tcb_info.json, qe_identity.json, pck_crl.der,
 *    root_ca_crl.der, and headers.json with the percent-encoded chains;
 *  - signed documents, *.json, whose chain is taken from a set;
 *  - PCK chains, *.pem: leaf, CA, root;
 *  - AMD's objects (kds_replay.c).
 * What a document is (tee, FMSPC, number, CA) is read from the document.  Of
 * several that fit, the one valid now is served, else the first loaded.
 *
 * A PCK leaf is asked for by an encrypted_ppid that begins with the plain
 * PPID of the certificate; the list then holds that one certificate.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/vectors.h"
#include "tests/sim/sim_int.h"

#include <ctype.h>
#include <dirent.h>
#include <jansson.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct doc {
	const char *path; /* of the endpoint, lower case */
	char fmspc[13];   /* TCB infos; else "" */
	char ca[10];      /* PCK CRLs; else "" */
	unsigned number;  /* evaluation number; 0: none */
	time_t from, until;
	const char *header; /* of the chain; NULL: none */
	char *chain;        /* its value; NULL: find_chain() */
	struct blob *body;
	struct doc *next;
};
struct replay_chain { /* a TCB signing chain seen in some set */
	time_t from, until;
	char *value;
	struct replay_chain *next;
};
struct replay_pck {
	struct pck pck;
	enum pck_ca ca;
	struct blob *leaf;  /* PEM */
	struct blob *chain; /* PEM: CA, root */
	struct replay_pck *next;
};
struct replay {
	struct doc *docs, **docs_end;
	struct replay_chain *chains;
	struct replay_pck *pcks;
};

/* --- times of things -------------------------------------------------- */

static time_t
asn1_time(const ASN1_TIME *t)
{
	struct tm tm;

	must(ASN1_TIME_to_tm(t, &tm) == 1);
	return timegm(&tm);
}

static X509 *
first_x509(struct span pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	return x;
}

/* --- JSON documents --------------------------------------------------- */

static const struct {
	const char *member, *id, *path, *header;
} json_kinds[] = {
	{ "tcbInfo", "SGX", "/sgx/certification/v4/tcb",
	    "TCB-Info-Issuer-Chain" },
	{ "tcbInfo", "TDX", "/tdx/certification/v4/tcb",
	    "TCB-Info-Issuer-Chain" },
	{ "tcbInfo", NULL, "/sgx/certification/v3/tcb",
	    "SGX-TCB-Info-Issuer-Chain" },
	{ "enclaveIdentity", "QE", "/sgx/certification/v4/qe/identity",
	    "SGX-Enclave-Identity-Issuer-Chain" },
	{ "enclaveIdentity", "QVE", "/sgx/certification/v4/qve/identity",
	    "SGX-Enclave-Identity-Issuer-Chain" },
	{ "enclaveIdentity", "QAE", "/sgx/certification/v4/qae/identity",
	    "SGX-Enclave-Identity-Issuer-Chain" },
	{ "enclaveIdentity", "TD_QE", "/tdx/certification/v4/qe/identity",
	    "SGX-Enclave-Identity-Issuer-Chain" },
	{ "tcbEvaluationDataNumbers", "SGX",
	    "/sgx/certification/v4/tcbevaluationdatanumbers",
	    "TCB-Evaluation-Data-Numbers-Issuer-Chain" },
	{ "tcbEvaluationDataNumbers", "TDX",
	    "/tdx/certification/v4/tcbevaluationdatanumbers",
	    "TCB-Evaluation-Data-Numbers-Issuer-Chain" },
};

static struct doc *
doc_add(struct replay *r, struct blob *body)
{
	struct doc *d = xcalloc(1, sizeof(*d));

	d->body = body;
	*r->docs_end = d;
	r->docs_end = &d->next;
	return d;
}

static time_t
json_time(json_t *o, const char *name)
{
	time_t t = 0;

	if (time_read(span_str(json_string_value(json_object_get(o, name))),
		&t) != ERR_OK)
		return 0;
	return t;
}

/* False: not a document of PCS. Steals body if it is. */
static bool
doc_json(struct replay *r, struct blob *body, const char *chain)
{
	size_t i, n = sizeof(json_kinds) / sizeof(json_kinds[0]);
	json_t *root = json_loadb((char *)body->data, body->len, 0, NULL);
	const char *id, *fmspc;
	struct doc *d;
	json_t *v = NULL;

	for (i = 0; i < n; i++) {
		v = json_object_get(root, json_kinds[i].member);
		id = json_string_value(json_object_get(v, "id"));
		if (v != NULL && (id == NULL) == (json_kinds[i].id == NULL) &&
		    (id == NULL || strcmp(id, json_kinds[i].id) == 0))
			break;
	}
	if (i < n) {
		d = doc_add(r, body);
		d->path = json_kinds[i].path;
		d->header = json_kinds[i].header;
		d->from = json_time(v, "issueDate");
		d->until = json_time(v, "nextUpdate");
		d->number = (unsigned)json_integer_value(
		    json_object_get(v, "tcbEvaluationDataNumber"));
		fmspc = json_string_value(json_object_get(v, "fmspc"));
		snprintf(d->fmspc, sizeof(d->fmspc), "%s",
		    fmspc == NULL ? "" : fmspc);
		d->chain = chain == NULL ? NULL : xstrdup(chain);
	}
	json_decref(root);
	return i < n;
}

/* --- CRLs ------------------------------------------------------------- */

static void
doc_crl(struct replay *r, const char *dir, const char *file, const char *chain)
{
	char path[1024], issuer[200];
	struct blob *body;
	const unsigned char *p;
	X509_CRL *crl;
	struct doc *d;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	body = file_read(path);
	if (body == NULL)
		return;
	p = body->data;
	crl = d2i_X509_CRL(NULL, &p, (long)body->len);
	must(crl != NULL);
	d = doc_add(r, body);
	d->from = asn1_time(X509_CRL_get0_lastUpdate(crl));
	d->until = asn1_time(X509_CRL_get0_nextUpdate(crl));
	X509_NAME_oneline(X509_CRL_get_issuer(crl), issuer, sizeof(issuer));
	if (strstr(issuer, "Root CA") != NULL) {
		d->path = "/intelsgxrootca.der";
	} else {
		d->path = "/sgx/certification/v4/pckcrl";
		d->header = "SGX-PCK-CRL-Issuer-Chain";
		d->chain = xstrdup(chain == NULL ? "" : chain);
		snprintf(d->ca, sizeof(d->ca), "%s",
		    strstr(issuer, "Platform") != NULL ? "platform"
						       : "processor");
	}
	X509_CRL_free(crl);
}

/* --- chains and PCK certificates --------------------------------------- */

static void
chain_add(struct replay *r, const char *value)
{
	struct replay_chain *c = xcalloc(1, sizeof(*c));
	struct buf pem = BUF_INIT;
	X509 *x;

	must(pct_read(span_str(value), &pem) == ERR_OK);
	x = first_x509(buf_view(&pem));
	must(x != NULL);
	c->from = asn1_time(X509_get0_notBefore(x));
	c->until = asn1_time(X509_get0_notAfter(x));
	c->value = xstrdup(value);
	c->next = r->chains;
	r->chains = c;
	X509_free(x);
	buf_free(&pem);
}

/* A chain whose signer was valid at that time. */
static const char *
find_chain(const struct replay *r, time_t at)
{
	const struct replay_chain *c;

	for (c = r->chains; c != NULL; c = c->next)
		if (c->from <= at && at < c->until)
			return c->value;
	return NULL;
}

static void
pck_add(struct replay *r, const char *path)
{
	static const char end[] = "-----END CERTIFICATE-----\n";
	struct blob *pem = file_read(path);
	struct replay_pck *p;
	char issuer[200];
	size_t cut;
	char *at;
	X509 *x;

	at = pem == NULL ? NULL : strstr((char *)pem->data, end);
	x = pem == NULL ? NULL : first_x509(blob_span(pem));
	p = xcalloc(1, sizeof(*p));
	if (at == NULL || x == NULL || pck_read(x, &p->pck, NULL) != ERR_OK) {
		free(p);
	} else {
		cut = (size_t)(at - (char *)pem->data) + sizeof(end) - 1;
		X509_NAME_oneline(X509_get_issuer_name(x), issuer,
		    sizeof(issuer));
		p->ca = strstr(issuer, "Platform") != NULL ? PCK_CA_PLATFORM
							   : PCK_CA_PROCESSOR;
		p->leaf = blob_new(pem->data, cut);
		p->chain = blob_new(pem->data + cut, pem->len - cut);
		p->next = r->pcks;
		r->pcks = p;
	}
	X509_free(x);
	blob_unref(pem);
}

/* --- folders ---------------------------------------------------------- */

static void
set_json(struct replay *r, const char *dir, const char *file, json_t *headers,
    const char *header)
{
	const char *chain = json_string_value(json_object_get(headers, header));
	struct blob *body;
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	body = file_read(path);
	if (body != NULL && !doc_json(r, body, chain))
		blob_unref(body);
	if (chain != NULL)
		chain_add(r, chain);
}

static bool
load_set(struct replay *r, const char *dir)
{
	json_t *headers;
	char path[1024];

	snprintf(path, sizeof(path), "%s/headers.json", dir);
	headers = json_load_file(path, 0, NULL);
	if (headers == NULL)
		return false;
	set_json(r, dir, "tcb_info.json", headers, "TCB-Info-Issuer-Chain");
	set_json(r, dir, "qe_identity.json", headers,
	    "SGX-Enclave-Identity-Issuer-Chain");
	doc_crl(r, dir, "pck_crl.der",
	    json_string_value(
		json_object_get(headers, "SGX-PCK-CRL-Issuer-Chain")));
	doc_crl(r, dir, "root_ca_crl.der", NULL);
	json_decref(headers);
	return true;
}

static bool
ends_in(const char *name, const char *tail)
{
	size_t n = strlen(name), t = strlen(tail);

	return n > t && strcmp(name + n - t, tail) == 0;
}

static void
load_file(struct replay *r, const char *dir, const char *name)
{
	struct blob *body;
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (ends_in(name, ".pem"))
		pck_add(r, path);
	if (!ends_in(name, ".json") || (body = file_read(path)) == NULL)
		return;
	if (!doc_json(r, body, NULL))
		blob_unref(body);
}

static bool
load_files(struct replay *r, const char *dir)
{
	struct dirent **v;
	int i, n = scandir(dir, &v, NULL, alphasort);

	if (n < 0)
		return false;
	for (i = 0; i < n; i++) {
		load_file(r, dir, v[i]->d_name);
		free(v[i]);
	}
	free(v);
	return true;
}

struct replay *
replay_new(size_t n, const char *const *dirs, struct kds_replay **kds)
{
	struct replay *r = xcalloc(1, sizeof(*r));
	size_t i;

	r->docs_end = &r->docs;
	for (i = 0; i < n; i++)
		if (!load_set(r, dirs[i]) && !kds_replay_load(kds, dirs[i]) &&
		    !load_files(r, dirs[i])) {
			fprintf(stderr, "sim: cannot read %s\n", dirs[i]);
			replay_free(r);
			return NULL;
		}
	return r;
}

void
replay_free(struct replay *r)
{
	struct replay_chain *c;
	struct replay_pck *p;
	struct doc *d;

	if (r == NULL)
		return;
	while ((d = r->docs) != NULL) {
		r->docs = d->next;
		blob_unref(d->body);
		free(d->chain);
		free(d);
	}
	while ((c = r->chains) != NULL) {
		r->chains = c->next;
		free(c->value);
		free(c);
	}
	while ((p = r->pcks) != NULL) {
		r->pcks = p->next;
		blob_unref(p->leaf);
		blob_unref(p->chain);
		free(p);
	}
	free(r);
}

/* --- answers ---------------------------------------------------------- */

static bool
fits(const struct doc *d, const struct ask *ask)
{
	const char *fmspc = ask_param(ask, "fmspc");
	const char *ca = ask_param(ask, "ca");

	return strcmp(d->path, ask->path) == 0 &&
	       (d->fmspc[0] == '\0' ||
		   (fmspc != NULL && strcasecmp(fmspc, d->fmspc) == 0)) &&
	       (d->ca[0] == '\0' || (ca != NULL && strcasecmp(ca, d->ca) == 0));
}

/* NULL with the status set when there is none. */
static const struct doc *
find_doc(const struct replay *r, const struct ask *ask, int *status)
{
	const char *number = ask_param(ask, "tcbEvaluationDataNumber");
	unsigned want = number == NULL ? 0 : (unsigned)atoi(number);
	const struct doc *d, *found = NULL;

	*status = 404;
	for (d = r->docs; d != NULL; d = d->next) {
		if (!fits(d, ask))
			continue;
		if (number != NULL && d->number != want) {
			if (want < d->number)
				*status = 410;
			continue;
		}
		if (found == NULL)
			found = d;
		if (d->from <= ask->now && ask->now < d->until)
			return d;
	}
	return found;
}

static void
replay_pck(const struct replay *r, struct ask *ask, struct answer *a)
{
	const char *ppid = ask_param(ask, "encrypted_ppid");
	const struct replay_pck *p;
	struct buf b = BUF_INIT;
	char hex[33], tcbm[37];
	int i;

	for (p = r->pcks; p != NULL; p = p->next) {
		hex_upper(span_of(p->pck.ppid, 16), hex);
		if (ppid != NULL && strncasecmp(ppid, hex, 32) == 0)
			break;
	}
	if (p == NULL) {
		a->status = 404;
		return;
	}
	hex_upper(span_of(p->pck.cpusvn, 16), tcbm);
	snprintf(tcbm + 32, 5, "%02X%02X", p->pck.pcesvn & 0xff,
	    p->pck.pcesvn >> 8);
	buf_str(&b, "[{\"tcb\":{");
	for (i = 0; i < 16; i++)
		buf_printf(&b, "\"sgxtcbcomp%02dsvn\":%u,", i + 1,
		    p->pck.comp[i]);
	buf_printf(&b, "\"pcesvn\":%u},\"tcbm\":\"%s\",\"cert\":\"",
	    p->pck.pcesvn, tcbm);
	buf_pct(&b, blob_span(p->leaf));
	buf_str(&b, "\"}]");
	a->status = 200;
	a->type = "application/json";
	a->body = buf_blob(&b);
	hex_upper(span_of(p->pck.fmspc, 6), hex);
	buf_printf(&a->head,
	    "SGX-FMSPC: %s\r\nSGX-PCK-Certificate-CA-Type: %s\r\n", hex,
	    p->ca == PCK_CA_PLATFORM ? "platform" : "processor");
	answer_chain(ask, a, "SGX-PCK-Certificate-Issuer-Chain",
	    blob_ref(p->chain));
}

void
replay_answer(struct ask *ask, struct answer *a)
{
	const struct replay *r = ask->sim->replay;
	const char *encoding = ask_param(ask, "encoding"), *chain;
	const struct doc *d;

	if (strcmp(ask->path, "/sgx/certification/v4/pckcerts") == 0) {
		replay_pck(r, ask, a);
		return;
	}
	d = find_doc(r, ask, &a->status);
	if (d == NULL)
		return;
	a->status = 200;
	a->type = d->header != NULL && d->ca[0] == '\0'
		      ? "application/json"
		      : "application/pkix-crl";
	if (d->ca[0] != '\0' &&
	    (encoding == NULL || strcasecmp(encoding, "der") != 0)) {
		a->type = "application/x-pem-file";
		a->body = pki_crl_pem(blob_span(d->body));
	} else {
		a->body = blob_ref(d->body);
	}
	chain = d->chain == NULL ? find_chain(r, d->from) : d->chain;
	if (d->header != NULL && chain != NULL && !ask_fault(ask, SIM_NO_CHAIN))
		buf_printf(&a->head, "%s: %s\r\n", d->header, chain);
}
