/*
 * Intel's evidence and collateral made together, to be changed in one thing
 * before it is signed, and the verdict that must follow.
 */
#ifndef TESTS_KIT_FORGE_H
#define TESTS_KIT_FORGE_H

#include "server/appraise/verify.h"
#include "tests/kit/quote.h"
#include "tests/kit/vset.h"

#define FORGE_FMSPC "900000000000"
#define FORGE_NOW   1780272000

/* What is used unless a test has its own: a level of each status, UpToDate
 * down to Revoked, for components 7 to 1 of the platform; three for svn 3 to
 * 1 of QE and module. */
#define FORGE_LEVELS 7
extern const struct pki_level forge_levels[FORGE_LEVELS];
extern const struct pki_svn forge_svns[3];

struct forge {
	struct pki *pki;
	struct kit_quote q;
	unsigned char body[885], qe[320];
	struct pki_tcbinfo ti;
	struct pki_identity id;
	struct pki_crl root, pck;
	enum pki_who crl_chain;
	char *serial; /* free() */
	const char *revoked[1];
	time_t at;
	const char *require;                                /* JSON, or NULL */
	void (*patch)(struct blob *, const struct quote *); /* when signed */
};

/* Sound and up to date, for an hour after FORGE_NOW. */
void forge_init(struct forge *, struct pki *, enum tee);
void forge_fini(struct forge *);

/* What a verdict must be. */
struct want {
	const char *checks; /* of the first reason; NULL: accepted */
	const char *status; /* of valid evidence; NULL: do not care */
	const char *time;   /* likewise */
	bool valid;
};
/* The collateral alone, with its anchors; vset_free(). */
struct vset *forge_pieces(const struct forge *);
/* Make it, judge it, and end the test unless the verdict is as wanted. */
void forge_judge(const char *name, const struct forge *, const struct want *);

/* --- tables of attacks ------------------------------------------------ */

#define SGX 1u
#define TDX 2u
#define ALL (SGX | TDX)
#define BAD(checks)                                                            \
	{                                                                      \
		checks, NULL, NULL, false                                      \
	}
#define GOOD                                                                   \
	{                                                                      \
		NULL, NULL, "ok", true                                         \
	}
#define STATUS(s)                                                              \
	{                                                                      \
		"tcb_status", s, "ok", true                                    \
	}
#define TIME(t)                                                                \
	{                                                                      \
		"time", NULL, t, true                                          \
	}
#define POLICY(check)                                                          \
	{                                                                      \
		check, NULL, "ok", true                                        \
	}
#define ROW(tees, fn, ...)                                                     \
	{                                                                      \
#fn, fn, tees, __VA_ARGS__                                     \
	}

struct attack {
	const char *name;
	void (*fn)(struct forge *);
	unsigned tees;
	struct want want;
};
/* One row, for every TEE it is for. */
void attack_run(const struct attack *, struct pki *);

/* A function for a row: this document or CRL lies so. */
#define FORGE_LIE(fn, member, what)                                            \
	static void fn(struct forge *f)                                        \
	{                                                                      \
		f->member.lie = what;                                          \
	}

#endif
