/*
 * How one vendor's service is asked: requests and what answers mean.  No
 * transport and no cache: pure functions of the configuration, the key and
 * the bytes.  pcs.c is Intel's, kds.c is AMD's; another vendor is another
 * struct vendor and its row in vendor_of().  Any thread.  Private to upstream/.
 */
#ifndef UPSTREAM_VENDOR_H
#define UPSTREAM_VENDOR_H

#include "storage/storage.h"
#include "upstream/transport.h"

#define OBJECT_MAX (1024 * 1024) /* bytes of any answer (pcs-upstream 1) */

struct vendor {
	const char *name;
	/* The same object is not asked for again too soon (again.h). */
	bool paced;
	/* How many mirrors can be asked for this object, in their order. */
	size_t (*mirrors)(const struct config *, const struct coll_key *);
	/* The question as put to one of them; *out is the caller's. */
	void (*request)(const struct config *, const struct coll_key *,
	    size_t mirror, struct request *out);
	/*
	 * What an HTTP answer means.  ERR_OK: body and chain are set in *out,
	 * borrowed from the reply; the gate judges them.
	 */
	enum err (*reply)(const struct coll_key *, const struct reply *,
	    struct coll_raw *out, struct why *);
	/* The object without which this one cannot be judged at all (its
	 * issuer), to be had before this one is asked for; false: none.  NULL:
	 * no object of this vendor has one. */
	bool (*needs)(const struct coll_key *, struct coll_key *out);
	/* The object that has to have been asked for before this one is
	 * judged (its revocation list); false: none. */
	bool (*first)(const struct coll_key *, struct coll_key *out);
};

/* Who gives objects of this kind. */
const struct vendor *vendor_of(const struct coll_key *);

/* A configured URL is scheme, host and port; a slash may follow, which is not
 * part of what is given. */
struct span vendor_base(const char *url);
/* Set url, origin and the most an answer may have; the buf is taken. */
void vendor_url(struct request *out, struct buf *url, size_t body_max);

/* What an HTTP status means (pcs-upstream 2), with the reason of a mirror
 * that is a larder itself. */
enum err vendor_status(const struct reply *, struct why *);
/*
 * What an exchange says about the origin, as origin_done() takes it; gives
 * Retry-After in seconds, -1 without one.  A cache that explains itself
 * (Larder-Reason) is well, whatever is the matter with those it asks.
 */
int64_t vendor_health(const struct reply *, struct why *health);
/* Another mirror may know better; else it is the last word. */
bool vendor_try_next(enum err);

/* --- AMD KDS ---------------------------------------------------------- */

extern const struct vendor vendor_kds;

/* Path and query in their canonical form (amd-kds 2.4), appended. */
void kds_target(const struct coll_key *, struct buf *out);

/* --- Intel PCS v4 ----------------------------------------------------- */

extern const struct vendor vendor_pcs;

/* A platform's PCK certificates (caching-and-selection 3.1). */
size_t pcs_platform_mirrors(const struct config *);
/* With the manifest if "manifest" says so, else by encrypted PPID. */
void pcs_platform_request(const struct config *, const struct platform_ask *,
    bool manifest, size_t mirror, struct request *out);
struct pcs_platform {
	struct span body, chain; /* borrowed from the reply */
	char fmspc[13];          /* upper case; "": not to be found out */
	bool has_ca;
	enum pck_ca ca;
};
enum err pcs_platform_reply(const struct reply *, struct pcs_platform *out,
    struct why *) MUST_CHECK;
/* The FMSPC in the first certificate of a pckcerts body. */
enum err pcs_body_fmspc(struct span body, char out[13],
    struct why *) MUST_CHECK;
/* The ask has an encrypted PPID that is not all zeros. */
bool pcs_has_ppid(const struct platform_ask *);

#endif
