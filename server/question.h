/*
 * One question to POST /v1/verify, read from its JSON or from raw evidence:
 *
 *   evidence      base64 (or "quote", as POST /v1/collateral calls it)
 *   requirements  an object, see server/appraise/require.h
 *   profile       a name
 *   collateral    an object, see server/appraise/attach.h
 *   at            the time to judge by: UTC seconds or "2026-01-31T23:59:59Z"
 *   nonce         hex, 8 to 64 bytes; runtime_data: base64 (as in requirements)
 *   update        "standard" or "early": which TCB info and identity
 *
 * Pure.  Private to server/.
 */
#ifndef SERVER_QUESTION_H
#define SERVER_QUESTION_H

#include "server/verifier.h"

struct question {
	struct buf own; /* backs "evidence" */
	struct span evidence;
	struct require
	    require; /* the caller's, with defaults or on a profile */
	const struct profile *profile; /* of the verifier, or NULL */
	struct attached attached;
	time_t at;
	bool at_given; /* not just now */
	enum update update;
	char nonce[2 * 64 + 1]; /* as text, "" for none */
};
/*
 * Members of "o", and of "shared" (may be NULL) those that "o" has not.  Both
 * and the verifier must outlive the question.  ERR_PARAM names what is wrong.
 * question_fini() it in any case.
 */
enum err question_read(const struct verifier *, const json_t *o,
    const json_t *shared, time_t now, struct question *out,
    struct why *) MUST_CHECK;
/* What a request with raw evidence says in its query; NULL: nothing. */
struct question_query {
	char *profile, *at, *nonce, *update;
};
enum err question_read_raw(const struct verifier *, struct span evidence,
    const struct question_query *, time_t now, struct question *out,
    struct why *) MUST_CHECK;
void question_fini(struct question *);

#endif
