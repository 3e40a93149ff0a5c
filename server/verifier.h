/*
 * What verdicts are made with: anchors, named profiles, and what has been
 * verified already, kept parsed.  Made from a configuration, immutable but
 * for its caches, counted; any thread.  A reload makes a new one, with empty
 * caches: what was verified under other anchors is not remembered.
 */
#ifndef SERVER_VERIFIER_H
#define SERVER_VERIFIER_H

#include "config/config.h"
#include "server/appraise/verify.h"
#include "server/kept.h"
#include "storage/storage.h"

struct profile {
	char *name;
	struct require require;
	bool no_at, no_collateral; /* a request must not have them */
	bool nonce, report_data, runtime_data; /* and it must have these */
};

struct verifier {
	_Atomic unsigned refs;
	struct config *config; /* own reference */
	struct anchors *intel;
	struct amd_anchors amd;
	size_t n_profiles;
	struct profile *profiles; /* sorted by name */
	struct kept *pcks;        /* PCK chains by their bytes */
	struct issuers *issuers;  /* of new ones among those */
	struct kept *sets;        /* of records of ours, by those */
	struct kept *attached;    /* of callers, by SHA-256 */
	struct kept *snp_sets;    /* likewise of records */
	struct kept *snp_attached;
	struct kept *seen; /* what platforms proved lately */
};

/* Profiles are read here.  ERR_CONFIG names the file that is no profile. */
enum err verifier_new(struct config *, struct verifier **out,
    struct why *) MUST_CHECK;
struct verifier *verifier_ref(struct verifier *);
void verifier_unref(struct verifier *);

/*
 * The profile of this name; name NULL or "": verify.profile of the
 * configuration, and *out NULL when there is none.  ERR_PARAM: no such one.
 */
enum err verifier_profile(const struct verifier *, const char *name,
    const struct profile **out, struct why *) MUST_CHECK;

/* --- kept parsed; each gives a reference of the caller's own ----------- */

/* The quote's PCK chain; NULL: the verdict will say what is wrong with it. */
struct intel_pck *verifier_pck(struct verifier *, struct span cert);
/* From records that the gate let pass, in the order of enum need. */
struct intel_set *verifier_set(struct verifier *, struct coll *const coll[4]);
struct intel_set *verifier_set_attached(struct verifier *,
    const struct intel_bytes *);
/* Likewise; chain and crl may be NULL. */
struct snp_set *verifier_snp_set(struct verifier *, struct coll *vek,
    struct coll *chain, struct coll *crl);
struct snp_set *verifier_snp_attached(struct verifier *,
    const struct snp_bytes *);

/*
 * A platform has proved this at that time: false when it is known already
 * that it did so today, and storage need not hear of it again.
 */
bool verifier_seen(struct verifier *, const struct quote_seen *, time_t now);

#endif
