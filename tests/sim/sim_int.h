/*
 * Private to tests/sim/.
 *
 * A request is one struct ask, filled by http.c, answered by pcs.c,
 * kds.c or replay.c into a struct answer, spoilt by fault.c and written by
 * http.c. One thread per connection; sim->lock guards all that changes.
 */
#ifndef TESTS_SIM_SIM_INT_H
#define TESTS_SIM_SIM_INT_H

#include "config/base/blob.h"
#include "config/base/map.h"
#include "tests/sim/sim.h"

#include <pthread.h>

#define SIM_PARAMS      12
#define SIM_PATH        512

#define SIM_LAST_NUMBER 50u /* evaluation numbers end here */

enum kds_what {
	KDS_NOT, /* none of KDS's paths: PCS's */
	KDS_CHAIN,
	KDS_CRL,
	KDS_VCEK,
	KDS_VLEK_ISSUE,
	KDS_BAD, /* below /vcek/ or /vlek/; status says how */
};
struct kds_ask {
	enum kds_what what;
	int status; /* KDS_BAD */
	enum amd_product product;
	enum amd_side side;
	struct sim_chip chip; /* KDS_VCEK: with the TCB asked for */
};

struct sim_fault_item {
	struct sim_fault f;
	char *path, *retry_after; /* owned copies */
	unsigned used, skipped;
	struct sim_fault_item *next;
};

/* A connection. Its thread uses all of it; others, under the lock, fd. */
struct conn {
	struct sim *sim;
	pthread_t thread;
	int fd;    /* -1: ended, to be reaped */
	void *ssl; /* SSL *, or NULL */
	char peer[64];
	struct buf in;
	struct conn *next;
};

struct sim {
	struct sim_opts opts;
	char *seed, *api_key;
	struct pki *pki;
	struct pki_amd *amd;
	struct replay *replay;
	struct kds_replay *kds_replay;
	void *tls; /* SSL_CTX *, or NULL */
	int listen_fd, wake[2], port;
	char url[80], root_url[120];
	pthread_t acceptor;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stopping, down;
	struct conn *conns;
	unsigned n_conns, in_work, concurrency;
	unsigned long accepted, requests, request_id;

	struct sim_fault_item *faults;
	bool held;         /* SIM_HOLD holds */
	struct map *count; /* canonical path -> unsigned long * */

	unsigned standard[2], early[2]; /* by tee_index */
	/* What each number brought; at 0: sim_recovery's. Owned texts. */
	struct {
		char *fmspcs, *advisories;
		time_t at;
		bool identities;
	} event[SIM_LAST_NUMBER + 1];
	bool na_resolved;
	long skew;
	time_t crl_forced[3]; /* by enum pki_who */
	size_t n_revoked[3];
	char **revoked[3];

	long throttle_s;
	struct map *throttled; /* "peer path" -> time_t *, when answered */
	struct {
		bool next;       /* PKI_ASK_NEXT signs */
		bool revoked[2]; /* by side */
		time_t forced[2];
		struct { /* the list in force, made when first asked for */
			unsigned long number;
			struct blob *der;
		} crl[2];
	} kds[AMD_PRODUCT_N];
};

enum sim_method { SIM_GET, SIM_HEAD, SIM_POST, SIM_OTHER_METHOD };

struct param {
	char *name, *value; /* decoded, owned */
};

struct ask {
	struct sim *sim;
	enum sim_method method;
	char path[SIM_PATH]; /* lower case, no trailing slash */
	char raw[SIM_PATH];  /* as it came */
	char peer[64];       /* the client's address */
	struct kds_ask kds;
	size_t n_params;
	struct param params[SIM_PARAMS];
	char *api_key; /* Ocp-Apim-Subscription-Key, or NULL */
	struct span body;
	struct sim_fault fault; /* what it suffers; SIM_FAULT_N: nothing */
	char *retry_after;      /* its header, owned; or NULL */
	long skew;
	char canonical[SIM_PATH];
	const struct endpoint *endpoint; /* NULL: no such path */
	long platform;                   /* number, -1: none that exists */
	unsigned manifest_rev;
	time_t now;
};

struct answer {
	int status;
	const char *type; /* NULL: no body */
	struct buf head;  /* further lines, each ending CRLF */
	struct blob *body;
	bool exit; /* the program is to end after this */
};

/* One path of PCS. */
struct endpoint {
	const char *path;
	unsigned methods; /* 1 << enum sim_method */
	void (*fn)(struct ask *, struct answer *);
	/* Appends the parameters that name the object. */
	void (*name)(struct ask *, struct buf *);
	int arg;
};

const char *ask_param(const struct ask *, const char *name); /* or NULL */
bool ask_fault(const struct ask *, enum sim_fault_kind);
enum pki_lie ask_lie(const struct ask *);
enum pki_amd_lie ask_amd_lie(const struct ask *);

/* http.c */
int http_open(struct sim *); /* listen; start the acceptor */
void http_close(struct sim *);
void http_drop(struct sim *); /* cut every open connection */

/* fault.c */
/* Takes the next fault for ask->canonical; counts the request. */
void fault_take(struct ask *);
/* What is done to an answer before it is written. */
void fault_spoil(struct ask *, struct answer *);
void fault_fini(struct sim *);

/* pcs.c, pcs_platform.c */
void pcs_route(struct ask *); /* endpoint, canonical, platform */
void pcs_answer(struct ask *, struct answer *);
void pcs_platform_answer(struct ask *, struct answer *);
void pcs_registration_answer(struct ask *, struct answer *);
void name_platform(struct ask *, struct buf *);
void answer_error(struct answer *, int status, const char *code,
    const char *text);
void answer_chain(struct ask *, struct answer *, const char *header,
    struct blob *pem); /* steals pem */

/* world.c */
#define TEE_INDEX(tee) ((tee) == TEE_TDX ? 1 : 0)
struct fmspc_row {
	const char *fmspc, *platform;
	bool tdx;
};
extern const struct fmspc_row sim_fmspcs[];
extern const size_t sim_n_fmspcs;
/* Upper case; also every 5Axxxxxx0000 is known, with TDX. */
bool world_fmspc(const char *fmspc, bool *tdx);
struct world_levels {
	size_t n;
	struct pki_level v[SIM_CERTS_MAX];
	char date[SIM_CERTS_MAX][24];
};
/* The three under sim->lock; sim NULL: of the world's beginning. */
void world_levels(const struct sim *, const char *fmspc, unsigned eval_num,
    struct world_levels *out);
void world_eval_date(const struct sim *, unsigned eval_num, int day,
    char out[24]);
#define WORLD_SVNS 8
/* Levels of an identity, highest first; their number. */
size_t world_svns(const struct sim *, enum enclave, unsigned eval_num,
    struct pki_svn out[WORLD_SVNS], char date[WORLD_SVNS][24]);
void world_fini(struct sim *);
/* When the CRL valid now was issued. Under sim->lock. */
time_t world_crl_at(struct sim *, enum pki_who, time_t now);

/* platform.c */
long platform_of_ppid(struct sim *, const char *hex768);
long platform_of_manifest(const char *hex, unsigned *rev);
bool platform_by_ppid(const struct sim_platform *);

/* replay.c */
struct replay *replay_new(size_t n, const char *const *dirs,
    struct kds_replay **);
void replay_free(struct replay *);
void replay_answer(struct ask *, struct answer *);

/* kds.c */
void kds_route(struct ask *); /* fills ask->kds and the canonical path */
void kds_answer(struct ask *, struct answer *);
void kds_fini(struct sim *);

/* kds_replay.c */
/* Takes a folder of AMD's objects; false: it is none. */
bool kds_replay_load(struct kds_replay **, const char *dir);
void kds_replay_free(struct kds_replay *);
void kds_replay_answer(struct ask *, struct answer *);

/* chip.c */
/* The chip of this product whose id this is; false: none. */
bool chip_of_hwid(enum amd_product, const char *hex, struct sim_chip *);
size_t kds_query_write(enum amd_product, struct amd_spl, char *out, size_t);

/* control.c */
bool control_is(const char *path);
void control_answer(struct ask *, struct answer *);

#endif
