/*
 * Signed JSON of the test PKI, in the byte style of PCS: compact, members in
 * the order of pcs-upstream 4.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/pki.h"
#include "tests/kit/pki_int.h"

#include <string.h>

#define DAY   ((time_t)86400)
#define ZEROS "000000000000000000000000000000000000000000000000"

/* Intel's own, quote-verification 4.3. */
#define MRSIGNER_QE                                                            \
	"8C4F5775D796503E96137F77C68A829A0056AC8DED70140B081B094490C57BFF"
#define MRSIGNER_TDQE                                                          \
	"DC9E2A7C6F948F17474E34A7FC43ED030F7C1563F1BABDDF6340C82E0E54A8C5"

void
pki_doc_fini(struct pki_doc *d)
{
	blob_unref(d->body);
	blob_unref(d->chain);
	*d = (struct pki_doc){ NULL, NULL };
}

/* Who signs, and whose chain goes with it. */
static void
signer_of(const struct pki *pki, enum pki_lie lie, EVP_PKEY **key,
    struct blob **chain)
{
	const struct pki *by = pki, *shown = pki;
	enum pki_who who = PKI_TCB_SIGNING;

	if (lie == PKI_WRONG_KEY || lie == PKI_FOREIGN_CHAIN)
		by = pki_evil(pki);
	if (lie == PKI_FOREIGN_CHAIN)
		shown = by;
	if (lie == PKI_WRONG_ROLE)
		who = PKI_PROCESSOR_CA;
	if (lie == PKI_REVOKED_SIGNER)
		who = PKI_TCB_SIGNING_REVOKED;
	if (lie == PKI_EXPIRED_SIGNER)
		who = PKI_TCB_SIGNING_EXPIRED;
	*key = pki_key(by, who);
	*chain = pki_chain_pem(shown, who);
}

/* A digit of "tcbEvaluationDataNumber":NN, or else the last digit. */
static void
change_body(struct buf *b, size_t from, size_t len)
{
	static const char member[] = "\"tcbEvaluationDataNumber\":";
	char *at = memmem(b->p + from, len, member, sizeof(member) - 1);
	char *p;

	if (at != NULL) {
		p = at + sizeof(member) - 1;
		*p = *p == '9' ? '8' : (char)(*p + 1);
		return;
	}
	for (p = b->p + from + len - 1; p > b->p; p--)
		if (*p >= '0' && *p <= '9') {
			*p = *p == '9' ? '8' : (char)(*p + 1);
			return;
		}
}

struct pki_doc
pki_json(const struct pki *pki, const char *member, struct span value,
    enum pki_lie lie)
{
	struct buf b = BUF_INIT;
	struct pki_doc doc;
	unsigned char sig[64];
	EVP_PKEY *key;
	size_t at;

	signer_of(pki, lie, &key, &doc.chain);
	pki_sign(key, value, sig);
	if (lie == PKI_BAD_SIGNATURE)
		sig[63] ^= 1;
	buf_printf(&b, "{\"%s\":", member);
	at = b.len;
	buf_span(&b, value);
	if (lie == PKI_BODY_CHANGED)
		change_body(&b, at, value.len);
	buf_str(&b, ",\"signature\":\"");
	buf_hex(&b, span_of(sig, sizeof(sig)));
	buf_str(&b, "\"}");
	doc.body = buf_blob(&b);
	return doc;
}

/* --- pieces ----------------------------------------------------------- */

static void
add_dates(struct buf *b, const struct pki *pki, time_t issue, time_t next)
{
	char from[TIME_LEN], until[TIME_LEN];

	if (issue == 0)
		issue = pki_now(pki);
	if (next == 0)
		next = issue + 30 * DAY;
	time_write(issue, from);
	time_write(next, until);
	buf_printf(b, "\"issueDate\":\"%s\",\"nextUpdate\":\"%s\",", from,
	    until);
}

/* ,"advisoryIDs":["A","B"] from "A B". */
static void
add_advisories(struct buf *b, const char *list)
{
	const char *end;

	if (list == NULL)
		return;
	buf_str(b, ",\"advisoryIDs\":[");
	while (*list != '\0') {
		end = strchrnul(list, ' ');
		buf_printf(b, "\"%.*s\"", (int)(end - list), list);
		list = *end == ' ' ? end + 1 : end;
		if (*list != '\0')
			buf_str(b, ",");
	}
	buf_str(b, "]");
}

static void
add_status(struct buf *b, const char *date, const char *status,
    const char *advisories)
{
	buf_printf(b, "\"tcbDate\":\"%s\",\"tcbStatus\":\"%s\"", date, status);
	add_advisories(b, advisories);
	buf_str(b, "}");
}

static void
add_svn_levels(struct buf *b, size_t n, const struct pki_svn *v)
{
	size_t i;

	buf_str(b, "\"tcbLevels\":[");
	for (i = 0; i < n; i++) {
		buf_printf(b, "%s{\"tcb\":{\"isvsvn\":%ld},", i > 0 ? "," : "",
		    v[i].isvsvn);
		add_status(b, v[i].date, v[i].status, v[i].advisories);
	}
	buf_str(b, "]");
}

/* --- TCB info --------------------------------------------------------- */

#define LATE_CAT "\"category\":\"OS/VMM\""

static const char *const sgx_types[16] = {
	",\"category\":\"BIOS\",\"type\":\"Early Microcode Update\"",
	"," LATE_CAT ",\"type\":\"SGX Late Microcode Update\"",
	"," LATE_CAT ",\"type\":\"TXT SINIT\"",
	",\"category\":\"BIOS\"",
	",\"category\":\"BIOS\"",
	",\"category\":\"BIOS\"",
	NULL,
	"," LATE_CAT ",\"type\":\"SEAMLDR ACM\"",
};
static const char *const tdx_types[16] = {
	"," LATE_CAT ",\"type\":\"TDX Module\"",
	"," LATE_CAT ",\"type\":\"TDX Module\"",
	"," LATE_CAT ",\"type\":\"TDX Late Microcode Update\"",
};

static void
add_components(struct buf *b, const char *name, const int comp[16],
    const char *const types[16])
{
	int i;

	buf_printf(b, "\"%s\":[", name);
	for (i = 0; i < 16; i++)
		buf_printf(b, "%s{\"svn\":%d%s}", i > 0 ? "," : "", comp[i],
		    types[i] != NULL ? types[i] : "");
	buf_str(b, "]");
}

static void
add_level(struct buf *b, const struct pki_tcbinfo *t, const struct pki_level *l)
{
	int i;

	buf_str(b, "{\"tcb\":{");
	if (t->version == 2) {
		for (i = 0; i < 16; i++)
			buf_printf(b, "\"sgxtcbcomp%02dsvn\":%d,", i + 1,
			    l->comp[i]);
		buf_printf(b, "\"pcesvn\":%ld", l->pcesvn);
	} else {
		add_components(b, "sgxtcbcomponents", l->comp, sgx_types);
		buf_printf(b, ",\"pcesvn\":%ld", l->pcesvn);
		if (t->tee == TEE_TDX) {
			buf_str(b, ",");
			add_components(b, "tdxtcbcomponents", l->tdx,
			    tdx_types);
		}
	}
	buf_str(b, "},");
	add_status(b, l->date, l->status,
	    t->version == 2 ? NULL : l->advisories);
}

static const struct pki_svn module3[] = {
	{ 3, "2024-11-13T00:00:00Z", "UpToDate", NULL },
};
static const struct pki_svn module1[] = {
	{ 6, "2024-11-13T00:00:00Z", "UpToDate", NULL },
	{ 4, "2024-03-13T00:00:00Z", "OutOfDate",
	    "INTEL-SA-01036 INTEL-SA-01099" },
};
static const struct pki_module default_modules[] = {
	{ "TDX_03", 1, module3 },
	{ "TDX_01", 2, module1 },
};

static void
add_modules(struct buf *b, const struct pki_tcbinfo *t)
{
	static const char ident[] = "\"mrsigner\":\"" ZEROS ZEROS "\","
				    "\"attributes\":\"0000000000000000\","
				    "\"attributesMask\":\"FFFFFFFFFFFFFFFF\"";
	const struct pki_module *m = t->modules;
	size_t i, n = t->n_modules;

	if (n == 0) {
		m = default_modules;
		n = 2;
	}
	buf_printf(b, "\"tdxModule\":{%s},", ident);
	if (t->no_modules)
		return;
	buf_str(b, "\"tdxModuleIdentities\":[");
	for (i = 0; i < n; i++) {
		buf_printf(b, "%s{\"id\":\"%s\",%s,", i > 0 ? "," : "", m[i].id,
		    ident);
		add_svn_levels(b, m[i].n, m[i].levels);
		buf_str(b, "}");
	}
	buf_str(b, "],");
}

static const struct pki_level default_levels[] = {
	{ { 14, 14, 3, 3, 255, 255, 1, 0 }, { 5, 0, 3 }, 13,
	    "2024-03-13T00:00:00Z", "UpToDate", NULL },
	{ { 12, 12, 3, 3, 255, 255, 0, 0 }, { 5, 0, 2 }, 13,
	    "2023-08-09T00:00:00Z", "SWHardeningNeeded",
	    "INTEL-SA-00615 INTEL-SA-00657" },
	{ { 4, 4, 3, 3, 255, 255, 0, 0 }, { 3, 0, 1 }, 5,
	    "2018-01-04T00:00:00Z", "OutOfDate",
	    "INTEL-SA-00106 INTEL-SA-00115 INTEL-SA-00615" },
};

const struct pki_level *
pki_levels(size_t *n)
{
	*n = sizeof(default_levels) / sizeof(default_levels[0]);
	return default_levels;
}

void
pki_tcbinfo_text(const struct pki *pki, const struct pki_tcbinfo *t,
    struct buf *b)
{
	const struct pki_level *levels = t->levels;
	size_t i, n = t->n_levels;

	if (n == 0)
		levels = pki_levels(&n);
	buf_str(b, "{");
	if (t->version != 2)
		buf_printf(b, "\"id\":\"%s\",",
		    t->tee == TEE_TDX ? "TDX" : "SGX");
	buf_printf(b, "\"version\":%u,", t->version == 0 ? 3 : t->version);
	add_dates(b, pki, t->issue_at, t->next_update);
	buf_printf(b,
	    "\"fmspc\":\"%s\",\"pceId\":\"%s\",\"tcbType\":0,"
	    "\"tcbEvaluationDataNumber\":%u,",
	    t->fmspc, t->pceid == NULL ? "0000" : t->pceid,
	    t->eval_num == 0 ? 17 : t->eval_num);
	if (t->tee == TEE_TDX)
		add_modules(b, t);
	if (t->extra != NULL)
		buf_str(b, t->extra);
	buf_str(b, "\"tcbLevels\":[");
	for (i = 0; i < n; i++) {
		if (i > 0)
			buf_str(b, ",");
		add_level(b, t, &levels[i]);
	}
	buf_str(b, "]}");
}

struct pki_doc
pki_tcbinfo(const struct pki *pki, const struct pki_tcbinfo *t)
{
	struct buf b = BUF_INIT;
	struct pki_doc doc;

	pki_tcbinfo_text(pki, t, &b);
	doc = pki_json(pki, "tcbInfo", buf_view(&b), t->lie);
	buf_free(&b);
	return doc;
}

/* --- identities ------------------------------------------------------- */

static const struct pki_svn qe_levels[] = {
	{ 8, "2024-03-13T00:00:00Z", "UpToDate", NULL },
	{ 6, "2021-11-10T00:00:00Z", "OutOfDate", "INTEL-SA-00615" },
};
static const struct pki_svn qve_levels[] = {
	{ 3, "2024-03-13T00:00:00Z", "UpToDate", NULL },
};
static const struct pki_svn tdqe_levels[] = {
	{ 4, "2024-11-13T00:00:00Z", "UpToDate", NULL },
};
static const struct {
	const char *id, *attributes, *mrsigner;
	long prodid;
	size_t n;
	const struct pki_svn *levels;
} enclaves[ENCLAVE_N] = {
	[ENCLAVE_QE] = { "QE", "11", MRSIGNER_QE, 1, 2, qe_levels },
	[ENCLAVE_QVE] = { "QVE", "01", MRSIGNER_QE, 2, 1, qve_levels },
	[ENCLAVE_TDQE] = { "TD_QE", "11", MRSIGNER_TDQE, 2, 1, tdqe_levels },
	[ENCLAVE_QAE] = { "QAE", "01", MRSIGNER_QE, 3, 1, qve_levels },
};

struct pki_doc
pki_identity(const struct pki *pki, const struct pki_identity *t)
{
	enum enclave e = t->enclave;
	struct buf b = BUF_INIT;
	struct pki_doc doc;

	buf_printf(&b, "{\"id\":\"%s\",\"version\":2,",
	    t->id != NULL ? t->id : enclaves[e].id);
	add_dates(&b, pki, t->issue_at, t->next_update);
	buf_printf(&b,
	    "\"tcbEvaluationDataNumber\":%u,"
	    "\"miscselect\":\"00000000\",\"miscselectMask\":\"FFFFFFFF\","
	    "\"attributes\":\"%s000000000000000000000000000000\","
	    "\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\","
	    "\"mrsigner\":\"%s\",\"isvprodid\":%ld,",
	    t->eval_num == 0 ? 17 : t->eval_num, enclaves[e].attributes,
	    t->mrsigner != NULL ? t->mrsigner : enclaves[e].mrsigner,
	    t->isvprodid != 0 ? t->isvprodid : enclaves[e].prodid);
	if (t->n_levels > 0)
		add_svn_levels(&b, t->n_levels, t->levels);
	else
		add_svn_levels(&b, enclaves[e].n, enclaves[e].levels);
	buf_str(&b, "}");
	doc = pki_json(pki, "enclaveIdentity", buf_view(&b), t->lie);
	buf_free(&b);
	return doc;
}

/* --- evaluation numbers and the list of FMSPCs ------------------------- */

struct pki_doc
pki_evalnums(const struct pki *pki, const struct pki_evalnums *t)
{
	static const struct pki_evalnum only = { 17, "2024-03-12T00:00:00Z",
		"2024-03-13T00:00:00Z" };
	const struct pki_evalnum *v = t->n == 0 ? &only : t->v;
	size_t i, n = t->n == 0 ? 1 : t->n;
	struct buf b = BUF_INIT;
	struct pki_doc doc;

	buf_printf(&b, "{\"id\":\"%s\",\"version\":1,",
	    t->tee == TEE_TDX ? "TDX" : "SGX");
	add_dates(&b, pki, t->issue_at, t->next_update);
	buf_str(&b, "\"tcbEvalNumbers\":[");
	for (i = 0; i < n; i++)
		buf_printf(&b,
		    "%s{\"tcbEvaluationDataNumber\":%u,"
		    "\"tcbRecoveryEventDate\":\"%s\",\"tcbDate\":\"%s\"}",
		    i > 0 ? "," : "", v[i].number, v[i].recovery, v[i].date);
	buf_str(&b, "]}");
	doc = pki_json(pki, "tcbEvaluationDataNumbers", buf_view(&b), t->lie);
	buf_free(&b);
	return doc;
}

struct blob *
pki_fmspcs(size_t n, const struct pki_fmspc *v, const char *platform)
{
	struct buf b = BUF_INIT;
	const char *comma = "";
	size_t i;

	buf_str(&b, "[");
	for (i = 0; i < n; i++) {
		if (strcmp(platform, "all") != 0 &&
		    strcmp(platform, v[i].platform) != 0)
			continue;
		buf_printf(&b, "%s{\"fmspc\":\"%s\",\"platform\":\"%s\"}",
		    comma, v[i].fmspc, v[i].platform);
		comma = ",";
	}
	buf_str(&b, "]");
	return buf_blob(&b);
}
