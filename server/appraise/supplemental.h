/*
 * Supplemental data as Intel's wrapper gives it (quote-verification 8).
 * Pure.  Private to server/appraise/ (appraise.h is the door).
 */
#ifndef SERVER_APPRAISE_SUPPLEMENTAL_H
#define SERVER_APPRAISE_SUPPLEMENTAL_H

#include "server/appraise/codes.h"
#include "server/appraise/quote.h"
#include "storage/verify/verify.h"

/*
 * When the pieces looked at begin and end.  All of them are valid in
 * [latest_issue, earliest_expiration), which may be empty.
 */
struct intel_dates {
	time_t earliest_issue, latest_issue, earliest_expiration;
};
#define INTEL_DATES_NONE                                                       \
	((struct intel_dates){ INT64_MAX, INT64_MIN, INT64_MAX })
void intel_dates_add(struct intel_dates *, time_t from, time_t until);
void intel_dates_chain(struct intel_dates *, const struct chain *);
void intel_dates_join(struct intel_dates *, const struct intel_dates *);

#define SUPPLEMENTAL_LEN    672
#define SUPPLEMENTAL_SA_LEN 450 /* with its NUL */

enum pck_flag { PCK_FLAG_FALSE, PCK_FLAG_TRUE, PCK_FLAG_UNDEFINED };

struct supplemental {
	struct intel_dates dates;   /* of everything */
	time_t tcb_level_date;      /* platform and QE, not the module */
	time_t platform_level_date; /* of the platform alone */
	uint32_t pck_crl_num, root_ca_crl_num, tcb_eval_ref_num;
	unsigned char root_key_id[48], ppid[16], cpusvn[16], pceid[2];
	uint16_t pcesvn;
	enum tee tee;
	uint8_t sgx_type;
	unsigned char instance[16]; /* zero: none */
	enum pck_flag dynamic_platform, cached_keys, smt_enabled;
	struct intel_dates qe_dates;
	time_t qe_level_date;
	uint32_t qe_eval_num;
	enum qv_result qe_status;
};

struct supplemental_from {
	const struct tcbinfo *tcb_info;
	const struct identity *identity;
	const struct crl *root_crl, *pck_crl;
	const struct pck *pck;
	const unsigned char *root_key_id;
	const struct tcb_match *match; /* at launch */
	struct intel_dates dates, qe_dates;
};
void supplemental_fill(const struct supplemental_from *, struct supplemental *);

/*
 * The structure of version 3.4 as Intel lays it out on x86-64, sa_list from
 * these advisory ids.  ERR_TOO_BIG: they do not fit into sa_list.
 */
enum err supplemental_write(const struct supplemental *, size_t n_advisories,
    const char *const *advisories, unsigned char out[SUPPLEMENTAL_LEN],
    struct why *) MUST_CHECK;

#endif
