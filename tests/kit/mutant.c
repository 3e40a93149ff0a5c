/* Fields of evidence: quotes, reports, HCL. */
#include "tests/kit/mutant.h"

#include "config/base/must.h"
#include "server/appraise/verify.h"
#include "tests/kit/mutant_int.h"
#include "tests/kit/vset.h"

#include <string.h>

bool
word_in(const char *word, const char *list)
{
	size_t len = strlen(word);
	const char *at = list;

	while (len > 0 && (at = strstr(at, word)) != NULL) {
		if ((at == list || at[-1] == ' ') &&
		    (at[len] == ' ' || at[len] == '\0'))
			return true;
		at += len;
	}
	return false;
}

unsigned
mutants_draw(struct mutants *m)
{
	unsigned h = (m->salt + 1) * 2654435761u ^ (m->n + 1) * 2246822519u;

	h ^= h >> 15;
	h *= 2654435761u;
	return h ^ h >> 13;
}

bool
mutants_skip(struct mutants *m)
{
	return m->n++ % (m->every == 0 ? 1 : m->every) !=
	       (m->every == 0 ? 0 : m->salt % m->every);
}

void
mutants_field(struct mutants *m, struct mutant *one, struct span whole,
    size_t at, size_t len)
{
	unsigned h = mutants_draw(m);
	struct blob *b;

	if (mutants_skip(m))
		return;
	must(len > 0 && at + len <= whole.len);
	b = flipped(whole, at + h % len, h >> 24 & 7);
	one->bytes = blob_span(b);
	m->fn(m->arg, one);
	blob_unref(b);
}

struct field {
	const char *name;
	size_t at, len;
	const char *checks; /* NULL: the table's own */
};

static void
fields(struct mutants *m, const char *piece, const struct field *f, size_t n,
    size_t base, const char *checks, struct span whole)
{
	struct mutant one = { .piece = piece };
	size_t i;

	for (i = 0; i < n; i++) {
		one.field = f[i].name;
		one.checks = f[i].checks == NULL ? checks : f[i].checks;
		mutants_field(m, &one, whole, base + f[i].at, f[i].len);
	}
}
#define FIELDS(m, piece, table, base, checks, whole)                           \
	fields(m, piece, table, sizeof(table) / sizeof((table)[0]), base,      \
	    checks, whole)

/* --- quotes (quote-verification 2) ------------------------------------ */

#define FORMAT "quote-format"
#define SIGNED "quote-signature"

static const struct field header[] = {
	/* 4 is 5 with one bit turned; the body is then elsewhere. */
	{ "version", 0, 2, FORMAT " " SIGNED },
	{ "att_key_type", 2, 2, FORMAT },
	{ "tee_type", 4, 4, FORMAT },
	{ "qe_svn", 8, 2, FORMAT " " SIGNED },
	{ "pce_svn", 10, 2, FORMAT " " SIGNED },
	{ "vendor_id", 12, 16, FORMAT },
	{ "user_data", 28, 20, SIGNED },
};
static const struct field descriptor[] = {
	{ "body_type", 48, 2, FORMAT " " SIGNED },
	{ "body_size", 50, 4, FORMAT },
};
static const struct field sgx_report[] = {
	{ "cpusvn", 0, 16, NULL },
	{ "miscselect", 16, 4, NULL },
	{ "reserved1", 20, 12, NULL },
	{ "isvextprodid", 32, 16, NULL },
	{ "attributes", 48, 16, NULL },
	{ "mrenclave", 64, 32, NULL },
	{ "reserved2", 96, 32, NULL },
	{ "mrsigner", 128, 32, NULL },
	{ "reserved3", 160, 32, NULL },
	{ "configid", 192, 64, NULL },
	{ "isvprodid", 256, 2, NULL },
	{ "isvsvn", 258, 2, NULL },
	{ "configsvn", 260, 2, NULL },
	{ "reserved4", 262, 42, NULL },
	{ "isvfamilyid", 304, 16, NULL },
	{ "report_data", 320, 64, NULL },
};
#define MODULE "tdx-module"
static const struct field td_report[] = {
	/* Octet 1 names the module, octet 0 and the rest only the TCB. */
	{ "tee_tcb_svn", 0, 1, SIGNED },
	/* The module of another line may be known, too, and is not signed. */
	{ "module_version", 1, 1, MODULE " " SIGNED },
	{ "tee_tcb_svn_rest", 2, 14, SIGNED },
	{ "mrseam", 16, 48, SIGNED },
	{ "mrsignerseam", 64, 48, MODULE },
	{ "seamattributes", 112, 8, MODULE },
	{ "tdattributes", 120, 8, SIGNED },
	{ "xfam", 128, 8, SIGNED },
	{ "mrtd", 136, 48, SIGNED },
	{ "mrconfigid", 184, 48, SIGNED },
	{ "mrowner", 232, 48, SIGNED },
	{ "mrownerconfig", 280, 48, SIGNED },
	{ "rtmr0", 328, 48, SIGNED },
	{ "rtmr1", 376, 48, SIGNED },
	{ "rtmr2", 424, 48, SIGNED },
	{ "rtmr3", 472, 48, SIGNED },
	{ "report_data", 520, 64, SIGNED },
};
static const struct field td_report_15[] = {
	{ "tee_tcb_svn_2", 584, 16, SIGNED },
	{ "mrservicetd", 600, 48, SIGNED },
};
static const struct field td_report_ext[] = {
	{ "vmid", 648, 1, SIGNED },
	{ "td_id", 649, 32, SIGNED },
	{ "device_info", 681, 48, SIGNED },
	{ "init_servicetd", 729, 56, SIGNED },
	{ "init_cpusvn", 785, 16, SIGNED },
	{ "init_tee_tcb_svn", 801, 16, SIGNED },
	{ "init_fmspc", 817, 12, SIGNED },
	{ "servicetd", 829, 56, SIGNED },
};
static const struct field signature[] = {
	{ "length", 0, 4, FORMAT },
	{ "signature_r", 4, 32, SIGNED },
	{ "signature_s", 36, 32, SIGNED },
	{ "key_x", 68, 32, "ak-binding" },
	{ "key_y", 100, 32, "ak-binding" },
};

static void
body(struct mutants *m, const struct quote *q, size_t at, struct span s)
{
	if (q->body == BODY_SGX) {
		FIELDS(m, "quote", sgx_report, at, SIGNED, s);
		return;
	}
	FIELDS(m, "quote", td_report, at, SIGNED, s);
	if (q->body == BODY_TD_15 || q->body == BODY_TD_15_EXT)
		FIELDS(m, "quote", td_report_15, at, SIGNED, s);
	if (q->body == BODY_TD_15_EXT)
		FIELDS(m, "quote", td_report_ext, at, SIGNED, s);
}

static size_t
offset(struct span whole, struct span part)
{
	return (size_t)(part.p - whole.p);
}

/* From the signature data's length to the end. */
static void
signature_data(struct mutants *m, const struct quote *q, struct span s)
{
	size_t qe = offset(s, q->qe_bytes), auth = offset(s, q->auth);
	size_t cert = offset(s, q->cert);
	const struct field rest[] = {
		{ "qe_signature_r", qe + 384, 32, "qe-report" },
		{ "qe_signature_s", qe + 416, 32, "qe-report" },
		{ "auth_length", auth - 2, 2, FORMAT },
		{ "cert_type", cert - 6, 2, FORMAT " cert-data" },
		{ "cert_length", cert - 4, 4, FORMAT },
	};
	const struct field outer[] = { { "outer", qe - 6, 6, FORMAT } };
	const struct field data[] = { { "qe_auth_data", auth, q->auth.len,
	    "ak-binding" } };

	FIELDS(m, "quote", signature, q->bound.len, NULL, s);
	if (q->version > 3)
		FIELDS(m, "quote", outer, 0, NULL, s);
	FIELDS(m, "qe_report", sgx_report, qe, "qe-report", s);
	FIELDS(m, "quote", rest, 0, NULL, s);
	if (q->auth.len > 0)
		FIELDS(m, "quote", data, 0, NULL, s);
}

void
mutants_quote(struct mutants *m, struct span s)
{
	struct quote q;

	must(quote_read(s, &q, NULL) == ERR_OK);
	FIELDS(m, "quote", header, 0, NULL, s);
	if (q.version == 5)
		FIELDS(m, "quote", descriptor, 0, NULL, s);
	body(m, &q, q.version == 5 ? 54 : 48, s);
	signature_data(m, &q, s);
}

/* The certificate chain as a piece of its own, put back into the quote. */
struct inside {
	struct mutants *to;
	struct span whole;
	size_t at;
};

static void
put_back(void *arg, const struct mutant *chain)
{
	struct inside *in = arg;
	struct blob *b = blob_from(in->whole);
	struct mutant one = *chain;

	memcpy(b->data + in->at, chain->bytes.p, chain->bytes.len);
	one.bytes = blob_span(b);
	in->to->fn(in->to->arg, &one);
	blob_unref(b);
}

void
mutants_quote_chain(struct mutants *m, struct span s)
{
	struct inside in = { .to = m, .whole = s };
	struct mutants inner = *m;
	struct quote q;

	must(quote_read(s, &q, NULL) == ERR_OK);
	in.at = offset(s, q.cert);
	inner.fn = put_back;
	inner.arg = &in;
	mutants_chain(&inner, "pck_chain", "pck-chain crl", q.cert);
	m->n = inner.n;
}

/* --- SNP reports (snp-report 1, 8) ------------------------------------ */

#define E(name)  "SNP_ERR_" #name
#define RESERVED E(REPORT_RESERVED)
#define SIG      E(SIGNATURE)

static const struct field report[] = {
	{ "version", 0x000, 4,
	    E(REPORT_VERSION) " " RESERVED " " E(PRODUCT_UNKNOWN) },
	{ "guest_svn", 0x004, 4, SIG },
	{ "policy", 0x008, 8, RESERVED " " SIG },
	{ "family_id", 0x010, 16, SIG },
	{ "image_id", 0x020, 16, SIG },
	{ "vmpl", 0x030, 4, SIG },
	{ "signature_algo", 0x034, 4, E(SIGNATURE_ALGO) },
	{ "current_tcb", 0x038, 8, SIG },
	{ "platform_info", 0x040, 8, SIG },
	{ "flags", 0x048, 4,
	    RESERVED " " SIG " " E(UNSIGNED) " " E(SIGNING_KEY) " " E(
		KEY_KIND_MISMATCH) },
	{ "reserved_04c", 0x04c, 4, RESERVED },
	{ "report_data", 0x050, 64, SIG },
	{ "measurement", 0x090, 48, SIG },
	{ "host_data", 0x0c0, 32, SIG },
	{ "id_key_digest", 0x0e0, 48, SIG },
	{ "author_key_digest", 0x110, 48, SIG },
	{ "report_id", 0x140, 32, SIG },
	{ "report_id_ma", 0x160, 32, SIG },
	{ "reported_tcb", 0x180, 8, E(TCB_MISMATCH) },
	{ "reserved_18b", 0x18b, 21, RESERVED },
	{ "committed_tcb", 0x1e0, 8, SIG },
	{ "current_version", 0x1e8, 3, SIG },
	{ "reserved_1eb", 0x1eb, 1, RESERVED },
	{ "committed_version", 0x1ec, 3, SIG },
	{ "reserved_1ef", 0x1ef, 1, RESERVED },
	{ "launch_tcb", 0x1f0, 8, SIG },
	{ "reserved_208", 0x208, 152, RESERVED },
	{ "r", 0x2a0, 48, SIG },
	{ "r_upper", 0x2d0, 24, RESERVED },
	{ "s", 0x2e8, 48, SIG },
	{ "s_upper", 0x318, 24, RESERVED },
	{ "unsigned", 0x330, 368, RESERVED },
};

void
mutants_report(struct mutants *m, struct span s, bool vlek)
{
	const struct field cpuid[] = {
		{ "cpuid", 0x188, 3,
		    s.p[0] < 3 ? RESERVED
			       : E(PRODUCT_UNKNOWN) " " E(CHAIN) " " SIG },
		{ "mitigations", 0x1f8, 16, s.p[0] < 5 ? RESERVED : SIG },
		/* A VLEK is of no chip. */
		{ "chip_id", 0x1a0, 64, vlek ? SIG : E(HWID_MISMATCH) },
	};

	must(s.len == SNP_REPORT_LEN);
	FIELDS(m, "report", report, 0, NULL, s);
	FIELDS(m, "report", cpuid, 0, NULL, s);
}

/* Version, request type and status of the header bind nothing. */
void
mutants_hcl(struct mutants *m, struct span s)
{
	struct hcl h;
	struct field f[] = {
		{ "magic", 0, 4, E(REPORT_SIZE) " quote-format" },
		{ "report_type", 0x4c8, 4, E(HCL_TYPE) " " E(HCL_FORMAT) },
		{ "hash_type", 0x4cc, 4, E(HCL_HASH) " " E(HCL_BINDING) },
		{ "variable_data_size", 0x4d0, 4,
		    E(HCL_FORMAT) " " E(HCL_BINDING) },
		{ "runtime_data", 0x4d4, 0, E(HCL_BINDING) },
		{ "report.report_data", 0x20 + 0x50, 64, E(HCL_BINDING) },
		{ "report.measurement", 0x20 + 0x90, 48, SIG },
	};

	must(hcl_read(s, &h, NULL) == SNP_OK);
	f[4].len = h.runtime.len;
	FIELDS(m, "hcl", f, 0, NULL, s);
}
