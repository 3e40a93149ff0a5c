#include "tests/kit/uploadkit.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define DAY ((time_t)86400)

static struct kit kit;
struct kit *const up_kit = &kit;
json_t *up_doc;

const struct raw_tcb up_raw[2] = {
	{ { 14, 14, 3, 3, 255, 255, 1, 0 }, 13 },
	{ { 12, 12, 3, 3, 255, 255, 0, 0 }, 13 },
};

json_t *
up_text(struct span s)
{
	json_t *t = json_stringn((const char *)s.p, s.len);

	must(t != NULL);
	return t;
}

json_t *
up_hex(struct span s)
{
	struct buf b = BUF_INIT;
	json_t *t;

	buf_hex(&b, s);
	t = up_text(buf_view(&b));
	buf_free(&b);
	return t;
}

json_t *
up_chain(enum pki_who who)
{
	struct blob *b = pki_chain_header(up_kit->pki, who);
	json_t *t = up_text(blob_span(b));

	blob_unref(b);
	return t;
}

struct pki_pck
up_pck(const struct raw_tcb *tcb)
{
	struct pki_pck p = { .ca = PCK_CA_PROCESSOR,
		.fmspc = { 0x00, 0x90, 0x6e, 0xd5, 0x00, 0x00 },
		.pcesvn = tcb->pcesvn };

	memset(p.ppid, 0x5a, sizeof(p.ppid));
	memcpy(p.comp, tcb->cpusvn, sizeof(p.comp));
	return p;
}

/* The tool's own form of a tcb: sgxtcbcompNNsvn. */
json_t *
up_certs(size_t n, const struct pki_pck *v)
{
	struct blob *b = pki_pckcerts(up_kit->pki, n, v);
	json_t *list = json_loadb((const char *)b->data, b->len, 0, NULL);

	must(list != NULL);
	blob_unref(b);
	return list;
}

json_t *
up_info(enum tee tee, time_t at, unsigned version, enum pki_lie lie)
{
	struct pki_tcbinfo t = { .tee = tee,
		.version = version,
		.fmspc = UP_FMSPC,
		.issue_at = pki_now(up_kit->pki) + at,
		.next_update = pki_now(up_kit->pki) + at + 30 * DAY,
		.lie = lie };
	struct pki_doc d = pki_tcbinfo(up_kit->pki, &t);
	json_t *o =
	    json_loadb((const char *)d.body->data, d.body->len, 0, NULL);

	must(o != NULL);
	pki_doc_fini(&d);
	return o;
}

json_t *
up_identity(enum enclave e, enum pki_lie lie)
{
	struct pki_identity i = { .enclave = e, .lie = lie };
	struct pki_doc d = pki_identity(up_kit->pki, &i);
	json_t *t = up_text(blob_span(d.body));

	pki_doc_fini(&d);
	return t;
}

json_t *
up_crl(enum pki_who who, time_t at, enum pki_lie lie)
{
	struct pki_crl c = { .issuer = who,
		.this_update = pki_now(up_kit->pki) + at,
		.lie = lie };
	struct blob *b = pki_crl(up_kit->pki, &c);
	json_t *t = up_hex(blob_span(b));

	blob_unref(b);
	return t;
}

json_t *
up_coll(void)
{
	return json_object_get(up_doc, "collaterals");
}

json_t *
up_certificates(void)
{
	return json_object_get(up_coll(), "certificates");
}

json_t *
up_tcbinfo_row(void)
{
	return json_array_get(json_object_get(up_coll(), "tcbinfos"), 0);
}

json_t *
up_certs_row(void)
{
	return json_array_get(json_object_get(up_coll(), "pck_certs"), 0);
}

json_t *
up_document(void)
{
	struct pki_pck v[2] = { up_pck(&up_raw[0]), up_pck(&up_raw[1]) };
	char ppid[2 * PPID_LEN + 1];

	memset(ppid, 'A', sizeof(ppid) - 1);
	ppid[sizeof(ppid) - 1] = '\0';
	up_doc = json_pack("{s:[{s:s,s:s,s:s,s:s,s:s,s:s,s:s}],s:{}}",
	    "platforms", "qe_id", "ab", "pce_id", "0000", "cpu_svn", UP_CPUSVN0,
	    "pce_svn", "0D00", "enc_ppid", ppid, "platform_manifest", "",
	    "pckid_filename", "x.csv", "collaterals");
	must(up_doc != NULL);
	json_object_set_new(up_coll(), "version", json_integer(4));
	json_object_set_new(up_coll(), "pck_certs",
	    json_pack("[{s:s,s:s,s:s,s:s,s:o}]", "qe_id", "AB", "pce_id",
		"0000", "enc_ppid", ppid, "platform_manifest", "", "certs",
		up_certs(2, v)));
	json_object_set_new(up_coll(), "tcbinfos",
	    json_pack("[{s:s,s:o,s:o,s:s}]", "fmspc", UP_FMSPC, "sgx_tcbinfo",
		up_info(TEE_SGX, 0, 3, PKI_HONEST), "tdx_tcbinfo",
		up_info(TEE_TDX, 0, 3, PKI_HONEST), "sgx_tcbinfo_early", ""));
	json_object_set_new(up_coll(), "pckcacrl",
	    json_pack("{s:o,s:o}", "processorCrl",
		up_crl(PKI_PROCESSOR_CA, 0, PKI_HONEST), "platformCrl",
		up_crl(PKI_PLATFORM_CA, 0, PKI_HONEST)));
	json_object_set_new(up_coll(), "qeidentity",
	    up_identity(ENCLAVE_QE, PKI_HONEST));
	json_object_set_new(up_coll(), "tdqeidentity",
	    up_identity(ENCLAVE_TDQE, PKI_HONEST));
	json_object_set_new(up_coll(), "qveidentity_early",
	    up_identity(ENCLAVE_QVE, PKI_HONEST));
	json_object_set_new(up_coll(), "qveidentity", json_string(""));
	json_object_set_new(up_coll(), "certificates",
	    json_pack("{s:{s:o,s:o},s:o,s:o}",
		"SGX-PCK-Certificate-Issuer-Chain", "PROCESSOR",
		up_chain(PKI_PROCESSOR_CA), "PLATFORM",
		up_chain(PKI_PLATFORM_CA), "TCB-Info-Issuer-Chain",
		up_chain(PKI_TCB_SIGNING), "SGX-Enclave-Identity-Issuer-Chain",
		up_chain(PKI_TCB_SIGNING)));
	json_object_set_new(up_coll(), "rootcacrl",
	    up_crl(PKI_ROOT, 0, PKI_HONEST));
	json_object_set_new(up_coll(), "rootcacrl_cdp",
	    json_string("https://certificates.trustedservices.intel.com/"
			"IntelSGXRootCA.der"));
	return up_doc;
}

void
up_setup(void)
{
	kit_init(up_kit, "\"mode\":\"offline\"");
	up_document();
}

void
up_teardown(void)
{
	json_decref(up_doc);
	kit_fini(up_kit);
}

/* As the tool writes it: order kept, ", " and ": " between tokens. */
enum err
up_put_with(unsigned api, bool force, size_t flags)
{
	char *text = json_dumps(up_doc, JSON_PRESERVE_ORDER | flags);
	enum err e;

	must(text != NULL);
	e = kit_upload(up_kit, text, api, force);
	free(text);
	return e;
}

enum err
up_put(void)
{
	return up_put_with(4, false, 0);
}

struct coll_key
up_tcb_key(enum tee tee, unsigned api)
{
	return key_tcbinfo(tee, api, UP_FMSPC, UPDATE_STANDARD, 0);
}

enum err
up_lookup(const struct raw_tcb *tcb)
{
	struct platform_id id = kit_platform_id("AB");

	return kit_pck(up_kit, &id, tcb);
}

/* Refused, and nothing of it is there. */
void
up_refused(enum err expect, const char *names)
{
	enum err e = up_put();

	ck_assert_msg(e == expect, "%s instead of %s: %s", err_token(e),
	    err_token(expect), up_kit->why.text);
	ck_assert_int_eq(up_kit->why.err, expect);
	ck_assert_msg(names == NULL || strstr(up_kit->why.text, names) != NULL,
	    "\"%s\" is not in: %s", names, up_kit->why.text);
	ck_assert_uint_eq(snap_len(up_kit->snap), 0);
	ck_assert_int_eq(up_lookup(&up_raw[0]), ERR_UNKNOWN_PLATFORM);
	kit_reopen(up_kit);
	ck_assert_uint_eq(snap_len(up_kit->snap), 0);
	ck_assert_int_eq(up_lookup(&up_raw[0]), ERR_UNKNOWN_PLATFORM);
}
