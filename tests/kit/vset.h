/*
 * The collateral of one case, real or synthetic, as the vectors keep it, and
 * its verification up to what depends on a quote.
 */
#ifndef TESTS_KIT_VSET_H
#define TESTS_KIT_VSET_H

#include "config/base/blob.h"
#include "storage/verify/verify.h"

struct vset {
	char name[80];
	struct anchors *anchors;
	struct blob *tcb_info, *tcb_chain, *identity, *identity_chain;
	struct blob *root_crl, *pck_crl, *pck_crl_chain;
	/* Synthetic cases: the chain in the quote (or NULL: none there), and
	 * what is expected. */
	struct blob *pck_chain;
	bool valid, either;
	char stage[32];
	time_t check_time;
};

/* "sgx/collateral/sgx-..." under Intel's root; "sgx/synthetic/s001.json". */
struct vset *vset_real(const char *path);
struct vset *vset_synthetic(const char *path);
void vset_free(struct vset *);

/* What has been verified of a set; each piece NULL until it holds. */
struct vfacts {
	struct chain *pck, *pck_crl_chain, *tcb_chain, *identity_chain;
	struct crl *root_crl, *pck_crl;
	struct pck leaf;
	struct tcbinfo *tcbinfo;
	struct identity *identity;
};
/*
 * Verify the pieces in the order of quote-verification 5.  The name of the
 * stage that refuses, with its reason; NULL: all of it holds.
 */
const char *vset_verify(const struct vset *, struct vfacts *, struct why *);
void vfacts_fini(struct vfacts *);

/* From the hex of one root's SPKI; anchors_free(). */
struct anchors *anchors_of(const char *hex);

/* Names in a vectors folder, sorted; free with vnames_free(). */
char **vnames(const char *folder, size_t *n);
void vnames_free(char **, size_t n);

/* The bytes with this bit turned. */
struct blob *flipped(struct span, size_t at, unsigned bit);
/* The text with the first "from" replaced; it must be there. */
struct blob *replaced(struct span, const char *from, const char *to);

#endif
