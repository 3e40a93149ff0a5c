/*
 * The configuration: larder.json read once into a struct config, constant
 * from then on.  A reload reads a new one and hands it to whoever asks next;
 * the old one is freed when its last reference goes.  Any thread.
 *
 * schema.def has a row per setting; the parser, "larderd -T" and the settings
 * part of larder.json(5) come from the same rows.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "config/base/blob.h"
#include "config/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* Route families, listen[].serve */
enum serve {
	SERVE_PCCS = 1 << 0,
	SERVE_OPS = 1 << 1,
	SERVE_ADMIN = 1 << 2,
	SERVE_KDS = 1 << 3,
	SERVE_THIM = 1 << 4,
	SERVE_VERIFY = 1 << 5,
};

enum mode { MODE_LAZY, MODE_REQ, MODE_OFFLINE };

enum role { ROLE_NONE = 0, ROLE_USER = 1 << 0, ROLE_ADMIN = 1 << 1 };

/* Where a TCB baseline's evaluation number comes from. */
enum follow {
	FOLLOW_NONE, /* no rule here */
	FOLLOW_STANDARD,
	FOLLOW_EARLY,
	FOLLOW_LAG, /* the newest that is old enough */
	FOLLOW_PIN
};
/* When Intel signs a number no longer. */
enum retire { RETIRE_NONE, RETIRE_HOLD, RETIRE_ADVANCE };

/* One rule as written: follow, lag_days or pin, or nothing. */
struct config_rule {
	enum follow follow; /* STANDARD, EARLY or NONE */
	int lag_days;       /* 0: not set */
	int pin;            /* 0: not set */
	enum retire on_retire;
};

/* baseline.fmspc[] */
struct config_fmspc {
	char *fmspc; /* upper case */
	struct config_rule rule;
};

/* baseline.amd[]: the least TCB of a product, or of one chip of it. */
struct config_amd {
	char *product; /* "Milan" */
	char *chip;    /* hardware id, lower case hex; NULL: all */
	char *tcb;     /* "auto", or 16 hex digits, upper case */
};

struct config_list { /* of strings */
	size_t n;
	char **v;
};

struct config_listen {
	char *address;         /* "127.0.0.1:8081", "[::1]:8081", "unix:PATH" */
	unsigned serve;        /* enum serve, or-ed */
	char *tls_certificate; /* PEM files; NULL: clear text */
	char *tls_key;
	struct config_list tls_also; /* PEM files: chain and key in each */
	char *tls_client_ca;         /* PEM; NULL: no client certificates */
	struct config_list tls_admins, tls_users; /* names in them */
	bool allow_clear;
	struct config_rule baseline;
};

/* tokens.named[]: a token with a name, a role, a slow hash and an end. */
struct config_token {
	char *name;
	enum role role;
	char *hash;        /* "$scrypt$ln=15,r=8,p=1$salt$hash", base64url */
	char *hash_from;   /* as written: the same, "file:PATH", "env:NAME" */
	time_t expires_at; /* 0: never */
};

/* hosts[]: a caller of the metadata service and what it may learn. */
struct config_host {
	struct config_list match; /* each as match_read() takes it */
	char *product;            /* "Milan", "Genoa", "Turin"; NULL: none */
	/* As KDS names chips of the product, lower-case hex; the first one is
	 * meant when the caller names none. */
	struct config_list chip_id;
	char *tcb;                /* "auto", or 16 hex digits, upper case */
	struct config_list qe_id; /* upper case; "*": any */
};

struct config {
	_Atomic unsigned refs;
	char *path; /* of the file it came from */

	size_t n_listen;
	struct config_listen *listen;
	char *database; /* "sqlite:PATH" */
	enum mode mode;
	int workers; /* 0: one per core */

	struct {
		struct {
			struct config_list urls;
			char *api_key_file;
			char *api_key; /* what the file or environment held */
			struct config_list root_crl_urls;
			bool hand_on_pckcerts;
		} pcs;
		struct {
			struct config_list urls;
			int vcek_per_minute; /* 0: no limit */
			int vcek_burst;
			int timeout_ms;
		} kds;
		char *ca_file;
		char *proxy;
		bool allow_clear; /* http:// to hosts other than loopback */
		int connect_timeout_ms;
		int timeout_ms;      /* one whole exchange */
		int parallel;        /* per origin */
		int rate_per_minute; /* per origin; 0: no limit */
		int max_waiters;     /* in the whole process */
	} upstream;

	struct {
		struct config_list intel_root_spki_sha256; /* hex, lower case */
		/* per product: lists of hex digests */
		struct config_list amd_milan, amd_genoa, amd_turin;
	} trust;

	struct {
		/* resolved: 128 hex digits each, lower case */
		struct config_list admin_sha512, user_sha512;
		/* as written: a hash, "file:PATH" or "env:NAME" */
		struct config_list admin_sha512_from, user_sha512_from;
		size_t n_named;
		struct config_token *named;
	} tokens;

	size_t n_hosts;
	struct config_host *hosts;

	struct {
		int64_t stale_max_s; /* how long after nextUpdate to serve */
		int client_wait_ms;  /* a miss waits for upstream this long */
		int stale_wait_ms;   /* a stale hit waits this long */
		int negative_s;      /* remember an upstream 404 */
		int64_t platform_bytes; /* memory for platform certificates */
		int64_t vek_bytes;      /* the same for VCEKs and VLEKs */
		int tcbs_per_chip;
		int64_t history_s; /* retention of replaced versions */
		int raw_tcbs_per_platform;
		int platforms_on_demand;
		int vceks;
		bool serve_v4_identity_on_v3;
	} cache;

	struct {
		struct config_rule rule;
		int64_t hold_max_s;   /* past nextUpdate, under "hold" */
		int fall_max_percent; /* of the platforms, without force */
		bool override_requests;
		char *webhook_url;
		size_t n_fmspc;
		struct config_fmspc *fmspc;
		size_t n_amd;
		struct config_amd *amd;
	} baseline;

	struct {
		int connections;
		int connections_per_source;
		int token_failures_per_minute;    /* 0: no limit */
		int misses_per_source_per_minute; /* 0: no limit */
		int misses_per_source_burst;
		int header_timeout_ms;
		int request_timeout_ms;
		int idle_timeout_ms;
		int64_t body_bytes;   /* POST platforms */
		int64_t upload_bytes; /* PUT platformcollateral, admin */
		int drain_s;
	} limits;

	struct {
		char *keys_dir; /* NULL: "keys" beside the database */
		char *issuer;
		int64_t lifetime_s; /* of a token */
		int64_t publish_s;  /* a new key is published before it signs */
		int64_t overlap_s;  /* an old one after it signed last */
	} jwt;

	struct {
		int threads; /* 0: one per processor */
		int queue;
		int max_batch;
		char *profiles; /* folder; NULL: no profiles */
		char *profile;  /* that stands when none is named, or NULL */
	} verify;

	struct {
		char *level;
	} log;
};

/*
 * Read and check a file.  Every problem (unknown or duplicate key, type,
 * range, contradiction) is ERR_CONFIG with "FILE:LINE: key: text" in "why".
 * On success *out is owned by the caller (config_unref).
 */
enum err config_load(const char *path, struct config **out,
    struct why *why) MUST_CHECK;
/* The same from memory; "name" stands for the file in messages. */
enum err config_read(struct span text, const char *name, struct config **out,
    struct why *why) MUST_CHECK;
struct config *config_ref(struct config *);
void config_unref(struct config *);

/* What a start would miss here and now: "FILE: warning: text" for each file
 * of TLS and upstream.ca_file that cannot be read. */
void config_warn(const struct config *, FILE *);

/* Print the whole configuration with defaults as larder.json ("-T").
 * Secrets are printed as the file or variable they came from. */
void config_write(const struct config *, FILE *);
/* The settings section of larder.json(5), in mdoc. */
void config_manual(FILE *);

/* --- callers of the metadata service ---------------------------------- */

enum match_kind {
	MATCH_LISTEN, /* "listen:ADDRESS": came to this listener */
	MATCH_UID,    /* "unix:uid=N": the peer of a unix socket */
	MATCH_SOURCE, /* "10.1.2.3", "10.1.0.0/16", "fd00::/64" */
};
struct match {
	enum match_kind kind;
	const char *listen; /* borrowed from the text; or "" */
	uint32_t uid;
	bool v6;
	unsigned char addr[16]; /* its first "bits" bits count, others are 0 */
	unsigned bits;          /* 0 to 32, or 128 */
};
/* One item of hosts[].match; ERR_CONFIG says in "why" what it must be. */
enum err match_read(const char *text, struct match *out,
    struct why *why) MUST_CHECK;

/* --- tokens (pccs-api 3) ---------------------------------------------- */

enum token_state {
	TOKEN_REFUSED,
	TOKEN_GRANTED,
	TOKEN_UNPROVEN, /* token_prove() has to look at it first */
};
struct token_grant {
	enum role role;  /* ROLE_ADMIN, ROLE_USER or both */
	const char *who; /* name of a named token, else ""; the config's */
};
/*
 * What a token (a header's raw value) allows.  Never slow, so a worker may
 * call it: SHA-512 hashes are compared, in constant time; named tokens, whose
 * scrypt takes some 60 ms, are looked up among the verdicts that
 * token_prove() remembers.  *out is set when granted.  A named admin token
 * is a user's, too; PCCS's two lists are kept apart as PCCS does.
 */
enum token_state token_check(const struct config *, struct span token,
    time_t now, struct token_grant *out) MUST_CHECK;
/*
 * The same, and never TOKEN_UNPROVEN: hash the token as the named rows ask
 * and remember the verdicts for token_check(), with this configuration or
 * any other that has the same hashes.  Slow: not for a loop that serves.
 * Any thread.
 */
enum token_state token_prove(const struct config *, struct span token,
    time_t now, struct token_grant *out) MUST_CHECK;
/* A new token, 256 random bits as base64url, appended. */
void token_make(struct buf *out);
/* A token's hash for tokens.named[].hash, with a new salt, appended. */
enum err token_hash(struct span token, struct buf *out,
    struct why *why) MUST_CHECK;

#endif
