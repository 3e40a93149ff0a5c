/*
 * PUT platformcollateral for tests: an honest document as PcsClientTool writes
 * it, of which each test changes what it is about, and storage to give it to.
 * One per process.
 */
#ifndef TESTS_KIT_UPLOADKIT_H
#define TESTS_KIT_UPLOADKIT_H

#include "tests/kit/storekit.h"

#include <jansson.h>

#define UP_FMSPC   "00906ED50000"
#define UP_CPUSVN0 "0E0E0303FFFF01000000000000000000"
#define UP_CPUSVN1 "0C0C0303FFFF00000000000000000000"

/* Fixtures: the kit, offline, and the document. */
void up_setup(void);
void up_teardown(void);
extern struct kit *const up_kit;
extern json_t *up_doc;
/* Another honest one in its place; what was there is the caller's. */
json_t *up_document(void);
/* The platform's two TCBs. */
extern const struct raw_tcb up_raw[2];

/* Parts of it; borrowed. */
json_t *up_coll(void);
json_t *up_certificates(void);
json_t *up_tcbinfo_row(void);
json_t *up_certs_row(void);

/* Pieces for it, new. */
json_t *up_text(struct span);
json_t *up_hex(struct span);
json_t *up_chain(enum pki_who);
struct pki_pck up_pck(const struct raw_tcb *);
json_t *up_certs(size_t n, const struct pki_pck *);
json_t *up_info(enum tee, time_t at, unsigned version, enum pki_lie);
json_t *up_identity(enum enclave, enum pki_lie);
json_t *up_crl(enum pki_who, time_t at, enum pki_lie);

/* Give it to storage as it is now. */
enum err up_put_with(unsigned api, bool force, size_t flags);
enum err up_put(void);
/* Refused for this, its text has that in it (NULL: any), and nothing of the
 * document is held, now or after a restart. */
void up_refused(enum err, const char *names);
struct coll_key up_tcb_key(enum tee, unsigned api);
enum err up_lookup(const struct raw_tcb *);

#endif
