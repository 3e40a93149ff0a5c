#include "tests/kit/document.h"

#include "config/base/blob.h"
#include "config/base/enc.h"
#include "config/base/must.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SGX "/sgx/certification/v4/"
#define TDX "/tdx/certification/v4/"

static void
set(json_t *o, const char *name, json_t *value)
{
	ck_assert_int_eq(json_object_set_new(o, name, value), 0);
}

static json_t *
reply_text(const struct edge_reply *r)
{
	return json_stringn(r->body, r->len);
}

/* The body of one object as text; NULL when PCS has none. */
static json_t *
fetch_text(const struct house *h, const char *target)
{
	struct edge_reply r = house_upstream(h, "GET", target, NULL);
	json_t *text = r.status == 200 ? reply_text(&r) : NULL;

	edge_reply_free(&r);
	return text;
}

static json_t *
fetch_header(const struct house *h, const char *target, const char *name)
{
	struct edge_reply r = house_upstream(h, "GET", target, NULL);
	json_t *value;

	ck_assert_int_eq(r.status, 200);
	value = json_string(edge_header(&r, name));
	edge_reply_free(&r);
	return value;
}

static json_t *
fetch_hex(const struct house *h, const char *target)
{
	struct edge_reply r = house_upstream(h, "GET", target, NULL);
	struct buf hex = BUF_INIT;
	json_t *text;

	ck_assert_int_eq(r.status, 200);
	buf_hex(&hex, span_of(r.body, r.len));
	text = json_stringn(hex.p, hex.len);
	buf_free(&hex);
	edge_reply_free(&r);
	return text;
}

/* --- platforms -------------------------------------------------------- */

static struct edge_reply
fetch_certs(const struct house *h, const json_t *row)
{
	const char *manifest =
	    json_string_value(json_object_get(row, "platform_manifest"));
	const char *pce = json_string_value(json_object_get(row, "pce_id"));
	struct buf b = BUF_INIT;
	struct edge_reply r;

	if (manifest != NULL && *manifest != '\0') {
		buf_printf(&b, "{\"platformManifest\":\"%s\",\"pceid\":\"%s\"}",
		    manifest, pce);
		buf_add(&b, "", 1);
		r = house_upstream(h, "POST", SGX "pckcerts", b.p);
	} else {
		buf_printf(&b, SGX "pckcerts?encrypted_ppid=%s&pceid=%s",
		    json_string_value(json_object_get(row, "enc_ppid")), pce);
		buf_add(&b, "", 1);
		r = house_upstream(h, "GET", b.p, NULL);
	}
	buf_free(&b);
	ck_assert_int_eq(r.status, 200);
	return r;
}

static void
add_tcbinfo(const struct house *h, json_t *o, const char *name,
    const char *base, const char *fmspc, const char *update)
{
	char target[120];
	json_t *text;

	snprintf(target, sizeof(target), "%stcb?fmspc=%s&update=%s", base,
	    fmspc, update);
	/* Parsed and dumped again: white space is lost, order is not. */
	if ((text = fetch_text(h, target)) != NULL) {
		set(o, name, json_loads(json_string_value(text), 0, NULL));
		json_decref(text);
	}
}

static void
add_fmspc(const struct house *h, json_t *tcbinfos, const char *fmspc)
{
	json_t *o, *el;
	size_t i;

	json_array_foreach(tcbinfos, i,
	    el) if (strcmp(json_string_value(json_object_get(el, "fmspc")),
			fmspc) == 0) return;
	o = json_object();
	set(o, "fmspc", json_string(fmspc));
	add_tcbinfo(h, o, "sgx_tcbinfo", SGX, fmspc, "standard");
	add_tcbinfo(h, o, "tdx_tcbinfo", TDX, fmspc, "standard");
	add_tcbinfo(h, o, "sgx_tcbinfo_early", SGX, fmspc, "early");
	add_tcbinfo(h, o, "tdx_tcbinfo_early", TDX, fmspc, "early");
	json_array_append_new(tcbinfos, o);
}

static void
add_platform(const struct house *h, const json_t *row, json_t *pck_certs,
    json_t *tcbinfos, json_t *chains)
{
	static const char *const same[] = { "qe_id", "pce_id", "enc_ppid",
		"platform_manifest" };
	struct edge_reply r = fetch_certs(h, row);
	json_t *o = json_object();
	char fmspc[13]; /* edge_header() keeps one value at a time */
	bool processor;
	size_t i;

	for (i = 0; i < 4; i++)
		json_object_set(o, same[i], json_object_get(row, same[i]));
	set(o, "certs", json_loadb(r.body, r.len, 0, NULL));
	json_array_append_new(pck_certs, o);
	processor = strcmp(edge_header(&r, "SGX-PCK-Certificate-CA-Type"),
			"processor") == 0;
	set(chains, processor ? "PROCESSOR" : "PLATFORM",
	    json_string(edge_header(&r, "SGX-PCK-Certificate-Issuer-Chain")));
	snprintf(fmspc, sizeof(fmspc), "%s", edge_header(&r, "SGX-FMSPC"));
	add_fmspc(h, tcbinfos, fmspc);
	edge_reply_free(&r);
}

/* --- the document ----------------------------------------------------- */

static void
add_identities(const struct house *h, json_t *c)
{
	static const struct {
		const char *name, *target;
	} all[] = {
		{ "qeidentity", SGX "qe/identity?update=standard" },
		{ "qeidentity_early", SGX "qe/identity?update=early" },
		{ "tdqeidentity", TDX "qe/identity?update=standard" },
		{ "tdqeidentity_early", TDX "qe/identity?update=early" },
		{ "qveidentity", SGX "qve/identity?update=standard" },
		{ "qveidentity_early", SGX "qve/identity?update=early" },
	};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		set(c, all[i].name, fetch_text(h, all[i].target));
}

static void
add_crls(const struct house *h, json_t *c)
{
	json_t *crls = json_object();

	set(crls, "processorCrl",
	    fetch_hex(h, SGX "pckcrl?ca=processor&encoding=der"));
	set(crls, "platformCrl",
	    fetch_hex(h, SGX "pckcrl?ca=platform&encoding=der"));
	set(c, "pckcacrl", crls);
	set(c, "rootcacrl", fetch_hex(h, "/IntelSGXRootCA.der"));
	set(c, "rootcacrl_cdp",
	    json_string("https://certificates.trustedservices.intel.com/"
			"IntelSGXRootCA.der"));
}

char *
document_make(const struct house *h, const char *list)
{
	json_t *platforms = json_loads(list, 0, NULL), *row;
	json_t *root = json_object(), *c = json_object();
	json_t *certs = json_array(), *tcbinfos = json_array();
	json_t *certificates = json_object(), *chains = json_object();
	char *text;
	size_t i;

	ck_assert(json_is_array(platforms));
	set(c, "version", json_integer(4));
	json_array_foreach(platforms, i, row)
	    add_platform(h, row, certs, tcbinfos, chains);
	if (i == 0)
		add_fmspc(h, tcbinfos, "00606A000000");
	set(c, "pck_certs", certs);
	set(c, "tcbinfos", tcbinfos);
	add_crls(h, c);
	add_identities(h, c);
	set(certificates, "SGX-PCK-Certificate-Issuer-Chain", chains);
	set(certificates, "TCB-Info-Issuer-Chain",
	    fetch_header(h, SGX "tcb?fmspc=00606A000000",
		"TCB-Info-Issuer-Chain"));
	set(certificates, "SGX-Enclave-Identity-Issuer-Chain",
	    fetch_header(h, SGX "qe/identity",
		"SGX-Enclave-Identity-Issuer-Chain"));
	set(c, "certificates", certificates);
	set(root, "platforms", platforms);
	set(root, "collaterals", c);
	text = json_dumps(root, JSON_PRESERVE_ORDER);
	ck_assert_ptr_nonnull(text);
	json_decref(root);
	return text;
}

/* --- policies --------------------------------------------------------- */

char *
document_policy(const char *fmspc, bool is_default, const char *text)
{
	struct buf inner = BUF_INIT, jwt = BUF_INIT;
	json_t *o = json_object();
	char *out;

	buf_printf(&inner,
	    "{\"policy_payload\":\"{\\\"policy_array\\\":[{\\\"environment\\\":"
	    "{\\\"class_id\\\":\\\"3123ec35-8d38-4ea5-87a5-d6c48b567570\\\","
	    "\\\"description\\\":\\\"%s\\\"}}]}\"}",
	    text);
	buf_str(&jwt, "eyJhbGciOiJFUzM4NCJ9.");
	buf_base64url(&jwt, buf_view(&inner));
	buf_str(&jwt, ".c2lnbmF0dXJl");
	set(o, "policy", json_stringn(jwt.p, jwt.len));
	set(o, "is_default", json_boolean(is_default));
	set(o, "fmspc", json_string(fmspc));
	out = json_dumps(o, 0);
	buf_free(&inner);
	buf_free(&jwt);
	json_decref(o);
	return out;
}
