/*
 * The fetch thread on a stage: one or two simulated PCS servers, a database,
 * upstream, and a loop of the test's that calls it.  Call-backs collect in
 * fk.told in the order in which they come.  One stage per process.
 */
#ifndef TESTS_KIT_FETCHKIT_H
#define TESTS_KIT_FETCHKIT_H

#include "config/base/mbox.h"
#include "tests/sim/sim.h"
#include "upstream/upstream.h"

#include <check.h>

#define FK_FMSPC "00606A000000"
#define FK_KEY   "tcb/sgx/4/" FK_FMSPC "/standard"
/* The simulator's names of what is asked (sim_count). */
#define FK_TCB      "/sgx/certification/v4/tcb?fmspc=" FK_FMSPC "&update=standard"
#define FK_TCB_ALL  "/sgx/certification/v4/tcb*"
#define FK_PCKCERTS "/sgx/certification/v4/pckcerts*"
#define FK_ROOT     "/intelsgxrootca.der"

#define FK_TOLD_MAX 512

struct fk_told {
	enum err err;
	struct why why;
	struct coll *coll;
	struct pck_answer *answer;
	struct blob *text;
};

struct fetchkit {
	struct sim *sim, *mirror; /* mirror: NULL, or the second URL */
	struct config *config;
	struct storage *storage;
	struct upstream *up;
	struct loop *loop;
	char dir[64];
	size_t n_told, target;
	struct fk_told told[FK_TOLD_MAX];
};
extern struct fetchkit fk;

struct fk_opts {
	const char *upstream; /* further members of "upstream" */
	const char *more;     /* of the whole */
	const struct sim_opts *sim;
	bool mirror;
};
struct config *fk_config(const struct fk_opts *);
void fk_stage(const struct fk_opts *);
/* The stage without options, and its end: fixtures. */
void fk_setup(void);
void fk_teardown(void);
/* A case of tests that have a stage each, put up so. */
TCase *fk_tcase(Suite *, const char *name, void (*up)(void));

/* A step on the loop; then the loop runs until so many more were told. */
void fk_step(void (*fn)(void *), void *arg, size_t more);
/* Wait until n were told in all. */
void fk_wait(size_t n);
/* The last one. */
struct fk_told *fk_last(void);
struct coll_key fk_key(const char *text);

/* Call-backs for steps; arg is not looked at. */
void fk_coll_cb(void *, enum err, const struct why *, struct coll *);
void fk_answer_cb(void *, enum err, const struct why *, struct pck_answer *);
void fk_done_cb(void *, enum err, const struct why *);
void fk_text_cb(void *, enum err, const struct why *, struct blob *);

/* Ask n times at once, and do not wait for the answers. */
void fk_ask(const char *key, size_t n, long wait_ms);
/* Ask once and wait. */
enum err fk_want(const char *key);
enum err fk_want_for(const char *key, long wait_ms);
enum err fk_prefetch(enum update_set);
enum err fk_refresh(bool certs); /* all there is */

struct fk_platform {
	struct sim_platform p;
	unsigned nonce;       /* of the PPID; 0: none */
	const char *manifest; /* hex, or NULL */
	bool tcb;
	int lower;    /* components that each next ask is below the first */
	long wait_ms; /* 0: a minute */
	size_t n;     /* how often; 0: once */
};
/* Ask, as a step; the same and wait. */
void fk_platform_step(void *fk_platform);
enum err fk_platform(struct fk_platform *);

/* upstream_tick() as a step; the same and wait. */
void fk_tick_step(void *);
void fk_tick(void);
/* Move the virtual clock. */
void fk_later(int64_t seconds);

void fk_fault(struct sim *, enum sim_fault_kind, const char *path,
    unsigned count);
/* The first simulator answers with a status. */
void fk_status(const char *path, int code, const char *retry_after,
    unsigned count);

#endif
