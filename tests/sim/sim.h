/*
 * A simulated Intel PCS and, on the same port, a simulated AMD KDS: a real
 * HTTP server with PKIs of its own, its own platforms and chips, and every
 * way an upstream can fail or lie (pcs-upstream 2 to 7, amd-kds 2 to 6).
 *
 * It runs in threads of its own inside the calling process, on a port the
 * system chooses; build/larder-sim is the same as a program.  All calls below
 * may be made from any thread.  Time is clock_now(), so that virtual time set
 * in the process holds here too.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "tests/kit/pki.h"
#include "tests/kit/pki_amd.h"

struct sim;

struct sim_opts {
	const char *seed;    /* of the PKI and platforms; NULL: "sim" */
	const char *address; /* NULL: "127.0.0.1" */
	int port;            /* 0: any */
	time_t genesis;      /* the PKI's "now"; 0: an hour ago */
	bool strict_ppid;    /* a PPID that is not of sim_enc_ppid is unknown */
	const char *api_key; /* not NULL: PCS answers 401 without it */
	long throttle_s;     /* as sim_throttle(), from the start */
	/*
	 * Folders of captured collateral, or of signed documents: what they
	 * hold is served byte for byte and nothing else (see replay.c and
	 * kds_replay.c).
	 */
	size_t n_replay;
	const char *const *replay;
	const char *tls_cert, *tls_key; /* PEM files; NULL: clear text */
};

/* opts may be NULL.  NULL is given, with a line on stderr, when the port
 * cannot be had or a folder cannot be read. */
struct sim *sim_start(const struct sim_opts *opts);
void sim_stop(struct sim *);
int sim_port(const struct sim *);
const char *sim_url(const struct sim *);      /* "http://127.0.0.1:4711" */
const char *sim_root_url(const struct sim *); /* ".../IntelSGXRootCA.der" */
const struct pki *sim_pki(const struct sim *);
struct pki_amd *sim_amd(const struct sim *); /* KDS's; borrowed */

/* --- faults ----------------------------------------------------------- */

/* FAULT(symbol, name, what it does; "arg" is the fault's argument) */
#define SIM_FAULTS(FAULT)                                                      \
	FAULT(SIM_DELAY, "delay", "answer honestly, after delay_ms")           \
	FAULT(SIM_STATUS, "status", "answer with status, empty body")          \
	FAULT(SIM_TRUNCATE, "truncate", "half the body, then close")           \
	FAULT(SIM_RESET, "reset", "reset the connection, no answer")           \
	FAULT(SIM_EMPTY, "empty", "close the connection, no answer")           \
	FAULT(SIM_HANG, "hang", "accept and never answer")                     \
	FAULT(SIM_DRIP, "drip", "arg bytes every delay_ms, default 1")         \
	FAULT(SIM_GARBAGE, "garbage", "200 and an HTML page")                  \
	FAULT(SIM_OVERSIZE, "oversize", "200 and arg bytes, default 64 MB")    \
	FAULT(SIM_LIE, "lie", "a false object: lie says how, for KDS amd_lie") \
	FAULT(SIM_OTHER, "other", "honest, but another object than asked")     \
	FAULT(SIM_OLDER, "older",                                              \
	    "dates arg seconds back, default a day; ahead if negative")        \
	FAULT(SIM_LOWER, "lower",                                              \
	    "evaluation or CRL number lower by arg, or 1")                     \
	FAULT(SIM_NO_CHAIN, "no-chain", "without the issuer-chain header")     \
	FAULT(SIM_CORRUPT, "corrupt", "one bit at arg/1000 of the body")       \
	FAULT(SIM_BAD_CHAIN, "bad-chain",                                      \
	    "one bit from arg/1000 of the chain on")                           \
	FAULT(SIM_HOLD, "hold", "wait for sim_release(), then answer")

enum sim_fault_kind {
#define FAULT(sym, name, text) sym,
	SIM_FAULTS(FAULT)
#undef FAULT
	    SIM_FAULT_N
};
const char *sim_fault_name(enum sim_fault_kind);
enum sim_fault_kind sim_fault_read(const char *name); /* SIM_FAULT_N: none */

struct sim_fault {
	enum sim_fault_kind kind;
	const char *path; /* fnmatch(3) on the canonical path; NULL: all */
	unsigned count;   /* requests it applies to; 0: until cleared */
	unsigned skip;    /* matching requests let through before */
	long delay_ms;    /* before whatever else it does */
	int status;       /* SIM_STATUS */
	const char *retry_after; /* SIM_STATUS: seconds or date; NULL: none */
	long arg;
	enum pki_lie lie;         /* SIM_LIE, by PCS */
	enum pki_amd_lie amd_lie; /* SIM_LIE, by KDS; 0: a bad signature */
};
/* Faults are tried in order of adding; the first that matches and is not
 * used up is what a request gets.  Strings are copied. */
void sim_fault_add(struct sim *, const struct sim_fault *);
void sim_fault_clear(struct sim *); /* held requests are released */
/* Let the requests in SIM_HOLD go, now and until the next SIM_HOLD. */
void sim_release(struct sim *);
/* Refuse connections and drop the open ones; the port stays ours. */
void sim_down(struct sim *);
void sim_up(struct sim *);

/* --- counts ----------------------------------------------------------- */

/*
 * Requests by canonical path: lower-case path, the parameters that name the
 * object in a fixed order, FMSPC in upper case, "update=standard" written
 * out, and platforms by their number whatever ciphertext named them:
 *     /sgx/certification/v4/tcb?fmspc=00606A000000&update=standard
 *     /tdx/certification/v4/qe/identity?tcbEvaluationDataNumber=17
 *     /sgx/certification/v4/pckcrl?ca=platform
 *     /sgx/certification/v4/pckcerts?platform=17       (GET, by PPID)
 *     /sgx/certification/v4/pckcerts?manifest=17       (POST)
 *     /intelsgxrootca.der
 * and KDS's in the form of amd-kds 2.4, however they were asked:
 *     /vcek/v1/Milan/<hwid>?blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219
 *     /vlek/v1/Genoa/cert_chain
 * The pattern is fnmatch(3)'s; NULL is everything.
 */
unsigned long sim_count(struct sim *, const char *pattern);
void sim_count_reset(struct sim *);
/* Wait until sim_count(pattern) >= n; false after timeout_ms. */
bool sim_wait(struct sim *, const char *pattern, unsigned long n,
    int timeout_ms);
/* Most requests that were in work at once; connections accepted. */
unsigned sim_concurrency(struct sim *);
unsigned long sim_connections(struct sim *);
/* {"counts":{path:n},"requests":n,"concurrency":n,"connections":n} */
struct blob *sim_counts_json(struct sim *);

/* --- the world -------------------------------------------------------- */

/*
 * Baselines (pcs-upstream 2): numbers from "standard" to "early" exist and
 * are signed anew whenever they are asked for; lower ones answer 410, higher
 * ones 404.  Both begin at 17.
 *
 * A year of Intel's: sim_publish() makes a number, which is early alone;
 * sim_standard(that number) ends its early time and retires what is below.
 * Without sim_publish's particulars (sim_recovery) a number has the date of
 * its half year: 17 is of March 2024, 18 of September 2024, and so on.
 */
struct sim_event {
	const char
	    *fmspcs; /* fnmatch(3): they get a new top level; NULL: all */
	time_t at;   /* its date, as of the first second of that day */
	const char *advisories; /* of what falls behind; NULL: INTEL-SA-00615 */
	bool identities;        /* QE, QvE, TDQE want a higher isvsvn as well */
};
unsigned sim_publish(struct sim *, const struct sim_event *); /* early + 1 */
void sim_recovery(struct sim *); /* the same, with nothing particular */
void sim_standard(struct sim *, unsigned number);
unsigned sim_early(struct sim *);
/* Keys known: what was "Not available" is now available. */
void sim_na_resolve(struct sim *);
/* Upstream's clock is this many seconds ahead of ours. */
void sim_skew(struct sim *, long seconds);

/* --- platforms -------------------------------------------------------- */

/* n % SIM_KINDS decides what sort of platform number n is. */
enum sim_kind {
	SIM_CLIENT,    /* Processor CA, by PPID */
	SIM_DIRECT,    /* Platform CA, registered directly: by PPID */
	SIM_INDIRECT,  /* Platform CA, no keys stored: manifest only */
	SIM_CLIENT_NA, /* as CLIENT, the two highest are Not available */
	SIM_TDX,       /* as DIRECT, with TDX */
	SIM_TDX_INDIRECT,
	SIM_ALL_NA,  /* as DIRECT, everything is Not available */
	SIM_UNKNOWN, /* 404 however it is asked for */
	SIM_KINDS
};
#define SIM_NUMBER(kind, i)                                                    \
	((unsigned long)(i)*SIM_KINDS + (unsigned long)(kind))

struct sim_platform {
	unsigned long n;
	enum sim_kind kind;
	char qe_id[33], pce_id[5], fmspc[13]; /* upper-case hex */
	char cpu_svn[33], pce_svn[5];         /* its raw TCB, as sent */
	uint8_t cpusvn[16];
	uint16_t pcesvn;
	enum pck_ca ca;
	unsigned char ppid[16];
};
struct sim_platform sim_platform(unsigned long n);
/* RSA-OAEP is randomised: another nonce, another ciphertext. Upper case. */
void sim_enc_ppid(const struct sim_platform *, unsigned nonce, char out[769]);
/* The manifest in upper-case hex; another rev, another manifest. free(). */
char *sim_manifest(const struct sim_platform *, unsigned rev);
/* Put all its certificates on the PCK CRL, issued anew. */
void sim_revoke(struct sim *, const struct sim_platform *);
/* The certificates PCS has for it now, highest first. */
#define SIM_CERTS_MAX 80
size_t sim_certs(struct sim *, const struct sim_platform *, unsigned rev,
    struct pki_pck out[SIM_CERTS_MAX]);

/* --- KDS: chips and what is true of AMD's products --------------------- */

/* n % SIM_CHIP_KINDS decides what sort of chip number n is. */
enum sim_chip_kind {
	SIM_CHIP_MILAN,
	SIM_CHIP_GENOA,
	SIM_CHIP_TURIN,
	SIM_CHIP_UNKNOWN, /* as a Milan, but KDS knows nothing of it */
	SIM_CHIP_KINDS
};
#define SIM_CHIP(kind, i)                                                      \
	((unsigned long)(i)*SIM_CHIP_KINDS + (unsigned long)(kind))
#define SIM_KDS_PATH 320

struct sim_chip {
	unsigned long n;
	enum sim_chip_kind kind;
	enum amd_product product;
	unsigned char hwid[AMD_HWID_MAX]; /* amd_hwid_len() of them */
	char hex[2 * AMD_HWID_MAX + 1];   /* lower case */
	struct amd_spl spl;               /* its REPORTED_TCB */
	struct amd_tcb tcb;
};
struct sim_chip sim_chip(unsigned long n);
/* With another microcode: KDS signs whatever TCB it is asked for. */
struct sim_chip sim_chip_at(unsigned long n, uint8_t ucode);
/* Its VCEK's path and query in the canonical form (amd-kds 2.4). */
void sim_chip_path(const struct sim_chip *, char out[SIM_KDS_PATH]);
/* Its VCEK, to be changed and given to pki_vek() or snp_made(). */
struct pki_vek sim_chip_vek(const struct sim_chip *);

/* The CRL lists the ASK or ASVK from now on, with a number one higher. */
void sim_amd_revoke(struct sim *, enum amd_product, enum amd_side);
/* The ASK is a new one, in cert_chain and for whatever is signed. */
void sim_amd_rotate(struct sim *, enum amd_product);
/*
 * The same client asking for the same VCEK or chain again within so many
 * seconds of simulated time gets 429; 0, as at start: never.  KDS has 10.
 */
void sim_throttle(struct sim *, long seconds);

#endif
