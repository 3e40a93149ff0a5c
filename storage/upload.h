/*
 * Reading a platformcollateral document (pccs-api 6.11).  Pure: text in,
 * pieces or ERR_PARAM out; nothing is verified here.
 * Private to storage/.
 */
#ifndef STORAGE_UPLOAD_H
#define STORAGE_UPLOAD_H

#include "storage/storage.h"

/* An element of platforms[]. */
struct upload_row {
	struct platform_id id;
	bool has_tcb;
	struct raw_tcb tcb;
};

/* An element of pck_certs[]. */
struct upload_certs {
	struct platform_id id;
	struct blob *enc_ppid, *manifest; /* or NULL */
	struct blob *body; /* {"certs":[...]}, as pck_set_read() takes it */
	/* Of a site's page: the certificates, the manifest; 0: not known. */
	time_t fetched_at, said_at;
};

/* One piece of verification collateral, as received. */
struct upload_object {
	struct coll_key key;
	struct blob *body;
};

struct upload {
	size_t n_rows, n_certs, n_objects;
	struct upload_row *rows;
	struct upload_certs *certs;
	struct upload_object *objects; /* the root CRL first, if any */
	/* Issuer chains as they came, or NULL. */
	struct blob *pck_chain[2]; /* by enum pck_ca */
	struct blob *tcb_chain, *identity_chain;
};

/* api: 3 or 4. On success upload_fini() is the caller's to call. */
enum err upload_read(struct span json, unsigned api, struct upload *out,
    struct why *) MUST_CHECK;
void upload_fini(struct upload *);

/*
 * JSON without the white space between its tokens, appended; strings stay
 * byte for byte.  What is no JSON stays no JSON.
 */
void json_compact(struct span in, struct buf *out);
/*
 * The text of a member's value in the text of an object, and of an array's
 * next element, which *array moves behind; SPAN_NONE: not there.  The text
 * is compact JSON; what is not gives some span inside it.
 */
struct span json_cut(struct span object, const char *member);
struct span json_cut_next(struct span *array);

#endif
