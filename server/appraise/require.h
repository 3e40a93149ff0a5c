/*
 * What a relying party demands of evidence beside its being genuine.
 *
 * A struct require is a conjunction of demands.  A named profile of the
 * server is one, the caller's is another, and a verdict must satisfy both:
 * so a caller can only tighten.
 *
 * Unstated, with defaults: no debugging (and for SNP no migration agent, for
 * TDX no service TD), TCB status UpToDate or SWHardeningNeeded, collateral
 * and certificates valid at the time of the verdict.  Revoked is never
 * accepted, whatever is stated.
 *
 * Pure.  Private to server/appraise/ (verify.h is the door).
 */
#ifndef SERVER_APPRAISE_REQUIRE_H
#define SERVER_APPRAISE_REQUIRE_H

#include "server/appraise/evidence.h"

#include <jansson.h>

#define REQUIRE_LIST_MAX    1024  /* items of any list */
#define REQUIRE_RUNTIME_MAX 65536 /* bytes of runtime data */
#define REQUIRE_NONCE_MIN   8     /* bytes */
#define REQUIRE_SECONDS_MAX 315360000

enum require_row {
#define VALUE(kind, name, type, member) REQ_VALUE_##name,
#include "server/appraise/require.def"
	REQ_VALUE_N
};
enum require_masked {
#define MASKED(kind, name, type, member) REQ_MASKED_##name,
#include "server/appraise/require.def"
	REQ_MASKED_N
};
enum require_number {
#define NUMBER(kind, name, type, member) REQ_NUMBER_##name,
#include "server/appraise/require.def"
	REQ_NUMBER_N
};
enum require_minimum {
#define MINIMUM(kind, name, type, member, error) REQ_##name,
#include "server/appraise/require.def"
	REQ_MINIMUM_N
};

struct want_bytes { /* one of n values of len bytes each */
	bool set;
	size_t n, len;
	unsigned char *v;
};
struct want_masked {
	bool set;
	unsigned char value[16], mask[16];
};
struct want_numbers {
	bool set;
	size_t n;
	uint64_t *v;
};
struct want_min { /* or a maximum */
	bool set;
	uint64_t v;
};
struct want_texts {
	bool set;
	size_t n;
	char **v;
};
struct want_bits {
	uint64_t one, zero; /* masks of bits that must be so */
};
struct want_spl {
	bool set;
	struct amd_spl v;
};

enum runtime_hash { HASH_ANY, HASH_SHA256, HASH_SHA384, HASH_SHA512 };

struct require {
	unsigned kinds;    /* 1 << enum evidence_kind, or-ed; 0: any */
	unsigned sections; /* likewise: kinds whose fields are spoken of */
	bool no_debug;
	bool has_statuses;
	unsigned statuses; /* 1 << enum tcb_status, or-ed */
	struct want_texts reject_advisories;
	struct want_min eval_num;
	struct want_min skew, grace; /* most seconds before and after */

	bool has_report_data;
	unsigned char report_data[64];
	bool has_runtime;
	struct buf runtime;
	enum runtime_hash runtime_hash;
	size_t nonce_len; /* 0: none */
	unsigned char nonce[64];
	size_t user_data_len; /* of the HCL runtime data; 0: none */
	unsigned char user_data[64];

	struct want_bytes value[REQ_VALUE_N];
	struct want_masked masked[REQ_MASKED_N];
	struct want_numbers number[REQ_NUMBER_N];
	struct want_min minimum[REQ_MINIMUM_N];

	struct { /* TDX */
		bool no_service_td, sept_ve_disable, no_reserved;
		bool has_min_svn;
		unsigned char min_tee_tcb_svn[16];
	} td;
	struct {                   /* SNP (snp-report 9) */
		unsigned products; /* 1 << enum amd_product; 0: any */
		struct want_bits policy, platform;
		struct want_min abi, firmware; /* major, minor, build: a byte */
		struct want_spl min_tcb[AMD_PRODUCT_N];
		struct want_spl min_launch_tcb[AMD_PRODUCT_N];
		bool committed, crl;
		struct want_min mitigations, launch_mitigations; /* masks */
		struct want_texts csp_id;
		struct want_bytes id_keys, author_keys, deny_chips;
	} snp;
};

/* One of the values is this one. */
bool want_bytes_have(const struct want_bytes *, const void *);

void require_init(struct require *, bool defaults);
void require_fini(struct require *);
/*
 * Add the demands of one JSON object.  ERR_PARAM: the member that is unknown
 * or not what it should be is named in the reason as "what", a dot and its
 * path.  NULL states nothing.
 */
enum err require_read(struct require *, const json_t *, const char *what,
    struct why *) MUST_CHECK;
/* The same from text. */
enum err require_read_text(struct require *, struct span json, const char *what,
    struct why *) MUST_CHECK;
/* A nonce on its own, as hex: what a request may carry beside the rest. */
enum err require_nonce(struct require *, struct span hex,
    struct why *) MUST_CHECK;
/* Runtime data on its own, in base64. */
enum err require_runtime(struct require *, struct span base64,
    struct why *) MUST_CHECK;

/* --- bits by name ------------------------------------------------------ */

struct named_bit {
	const char *name;
	uint64_t mask;
	bool weakens; /* a requirement of false forbids it, true lets it be */
	enum snp_err error;
};
/* Ends with a NULL name. */
extern const struct named_bit snp_policy_bits[], snp_platform_bits[];

/* --- reasons ----------------------------------------------------------- */

struct reason {
	char check[64];    /* "tdx.mrtd", "debug", "quote-signature" */
	const char *error; /* SNP_ERR_... where there is one, or NULL */
	char *expected, *found;
};
struct reasons {
	size_t n;
	struct reason *v;
};
/* One more, unless the same is there. The texts are stolen. */
void reasons_add(struct reasons *, const char *check, enum snp_err error,
    char *expected, char *found);
void reasons_fini(struct reasons *);

struct verdict;
/* What of the demands this genuine evidence does not meet, added. */
void require_check(const struct require *, const struct verdict *,
    struct reasons *);
/* The part that is snp-report 9's. */
void require_check_snp(const struct require *, const struct verdict *,
    struct reasons *);

#endif
