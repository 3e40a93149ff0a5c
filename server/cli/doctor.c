/*
 * larder doctor: is everything there that larderd needs?  Looks at the
 * configuration, what it names, the upstreams and the clock, as the caller
 * may see them, and says what to do about each finding.  Changes nothing.
 */
#include "config/base/blob.h"
#include "config/base/clock.h"
#include "config/base/must.h"
#include "config/config.h"
#include "server/cli/cli.h"
#include "server/cli/show.h"
#include "server/trail.h"
#include "storage/storage.h"
#include "upstream/fetch.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SKEW_MAX_S    60
#define CERT_SOON_S   (30 * 86400)
#define SPACE_LOW     (64ULL << 20) /* bytes */
#define UPSTREAM_SLOW 15000         /* ms */

enum finding { GOOD, WARN, BAD };

struct doctor {
	struct cli *cli;
	struct config *config;
	json_t *list; /* {"check","result","text","hint"} */
	int n[3];
	bool clock_seen;
};

static void found(struct doctor *, enum finding, const char *check,
    const char *hint, const char *fmt, ...) PRINTF(5, 6);

/* hint NULL: nothing is to be done. */
static void
found(struct doctor *d, enum finding f, const char *check, const char *hint,
    const char *fmt, ...)
{
	static const char *const names[] = { "ok", "warn", "fail" };
	char text[400];
	char *safe;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->n[f]++;
	must(json_array_append_new(d->list,
		 json_pack("{s:s, s:s, s:s, s:s?}", "check", check, "result",
		     names[f], "text", text, "hint", hint)) == 0);
	if (cli_has(d->cli, "json"))
		return;
	safe = show_text(text);
	printf("%-4s  %-13s %s\n", names[f], check, safe);
	free(safe);
	if (hint != NULL)
		printf("%20s-> %s\n", "", hint);
}

/* --- configuration ---------------------------------------------------- */

static bool
look_at_config(struct doctor *d, const char *path)
{
	struct why why = { 0 };

	if (config_load(path, &d->config, &why) != ERR_OK) {
		found(d, BAD, "configuration",
		    "every setting is described in larder.json(5)", "%s",
		    why.text);
		return false;
	}
	found(d, GOOD, "configuration", NULL, "%s", path);
	return true;
}

static void
look_at_tokens(struct doctor *d)
{
	const struct config *c = d->config;
	size_t i, n = c->tokens.admin_sha512.n, over = 0;

	for (i = 0; i < c->tokens.n_named; i++) {
		n += c->tokens.named[i].role == ROLE_ADMIN;
		over += c->tokens.named[i].expires_at != 0 &&
			c->tokens.named[i].expires_at <= clock_now();
	}
	if (n == 0)
		found(d, WARN, "tokens",
		    "\"larder token add admin\" prints one and its line",
		    "no admin token: nobody can upload, refresh or look");
	else
		found(d, GOOD, "tokens", NULL, "%zu for admins", n);
	if (over != 0)
		found(d, WARN, "tokens",
		    "take it out, or make another: larder token add",
		    "%zu named tokens are past their end", over);
}

/* --- database --------------------------------------------------------- */

static void
look_at_space(struct doctor *d, const char *dir)
{
	struct statvfs v;
	unsigned long long left;

	if (statvfs(dir, &v) == -1)
		return;
	left = (unsigned long long)v.f_bavail * v.f_frsize;
	if (left < SPACE_LOW)
		found(d, WARN, "database",
		    "registrations and uploads are refused when it is full",
		    "%llu MB left in %s", left >> 20, dir);
}

/* Beside the database, where the daemon has no folder in memory for it. */
static void
look_at_trails(struct doctor *d)
{
	char *path = trail_path(d->config->database);
	struct stat st;

	if (path != NULL && lstat(path, &st) == 0 &&
	    (!S_ISREG(st.st_mode) || access(path, R_OK | W_OK) == -1))
		found(d, WARN, "trails",
		    "it has to be a file of larderd's: without it a restart "
		    "between two requests gives a client parts of two sets",
		    "%s cannot be used", path);
	free(path);
}

static void
look_at_database(struct doctor *d)
{
	const char *path = d->config->database + strlen("sqlite:");
	char *dir = xstrdup(path), *slash = strrchr(dir, '/');
	struct why why = { 0 };
	char magic[16] = "";
	FILE *f = fopen(path, "re");

	if (slash == dir)
		slash++;
	if (slash != NULL)
		*slash = '\0';
	if (f == NULL && errno != ENOENT) {
		found(d, BAD, "database", "run this as the user of larderd",
		    "%s: %s", path, strerror(errno));
	} else if (access(slash == NULL ? "." : dir, W_OK) == -1) {
		found(d, BAD, "database",
		    "the folder has to be larderd's: it keeps a journal "
		    "beside the file",
		    "%s: %s", slash == NULL ? "." : dir, strerror(errno));
	} else if (f == NULL) {
		found(d, GOOD, "database", NULL, "%s: will be made", path);
	} else if (fread(magic, 1, sizeof(magic), f) == sizeof(magic) &&
		   memcmp(magic, "SQLite format 3", 16) != 0) {
		found(d, BAD, "database", "name another file",
		    "%s is no SQLite database", path);
	} else if (storage_look(d->config, &why) != ERR_OK) {
		found(d, BAD, "database",
		    "name another file, or put a copy in its place", "%s",
		    why.text);
	} else if (access(path, W_OK) == -1) {
		found(d, BAD, "database",
		    "what is in it is served, and nothing is kept: it has to "
		    "be larderd's",
		    "%s: %s", path, strerror(errno));
	} else {
		found(d, GOOD, "database", NULL, "%s", path);
	}
	look_at_space(d, slash == NULL ? "." : dir);
	if (f != NULL)
		fclose(f);
	free(dir);
}

/* --- TLS -------------------------------------------------------------- */

static X509 *
read_certificate(const char *path)
{
	FILE *f = fopen(path, "re");
	X509 *x = NULL;

	if (f != NULL) {
		errno = 0;
		x = PEM_read_X509(f, NULL, NULL, NULL);
		fclose(f);
	}
	return x;
}

static EVP_PKEY *
read_key(const char *path)
{
	FILE *f = fopen(path, "re");
	EVP_PKEY *key = NULL;

	if (f != NULL) {
		key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
		fclose(f);
	}
	return key;
}

static void
look_at_pair(struct doctor *d, const char *certificate, const char *key_file)
{
	X509 *x = read_certificate(certificate);
	EVP_PKEY *key = x == NULL ? NULL : read_key(key_file);
	time_t now = clock_now(), soon = now + CERT_SOON_S;
	struct stat st;

	if (x == NULL)
		found(d, BAD, "tls", "\"larder init-tls\" makes a pair",
		    "%s: no certificate can be read: %s", certificate,
		    errno == 0 ? "not PEM" : strerror(errno));
	else if (key == NULL)
		found(d, BAD, "tls",
		    "is it there, and readable for the user of larderd?",
		    "%s: no key can be read", key_file);
	else if (X509_check_private_key(x, key) != 1)
		found(d, BAD, "tls", "put both halves of one pair there",
		    "%s is not the key of %s", key_file, certificate);
	else if (X509_cmp_time(X509_get0_notAfter(x), &now) < 0)
		found(d, BAD, "tls", "clients refuse it: renew it",
		    "%s has expired", certificate);
	else if (X509_cmp_time(X509_get0_notBefore(x), &now) > 0)
		found(d, BAD, "tls", "is the clock right?",
		    "%s is not valid yet", certificate);
	else if (X509_cmp_time(X509_get0_notAfter(x), &soon) < 0)
		found(d, WARN, "tls",
		    "renew it; larderd takes the new one by itself",
		    "%s ends within 30 days", certificate);
	else
		found(d, GOOD, "tls", NULL, "%s", certificate);
	if (key != NULL && stat(key_file, &st) == 0 && (st.st_mode & S_IROTH))
		found(d, WARN, "tls", "chmod o-r", "%s can be read by everyone",
		    key_file);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void
look_at_tls(struct doctor *d)
{
	const struct config_listen *l;
	size_t i, k;

	for (i = 0; i < d->config->n_listen; i++) {
		l = &d->config->listen[i];
		if (l->tls_certificate == NULL)
			continue;
		look_at_pair(d, l->tls_certificate, l->tls_key);
		for (k = 0; k < l->tls_also.n; k++)
			look_at_pair(d, l->tls_also.v[k], l->tls_also.v[k]);
	}
}

/* --- upstreams and the clock ------------------------------------------ */

/* The clock is judged by the first upstream that says what time it is. */
static void
look_at_clock(struct doctor *d, const struct http_answer *a)
{
	struct span date = http_answer_header(a, "Date");
	time_t theirs;
	long long off;

	if (d->clock_seen || http_date_read(date, &theirs) != ERR_OK)
		return;
	d->clock_seen = true;
	off = (long long)(clock_now() - theirs);
	if (off > SKEW_MAX_S || off < -SKEW_MAX_S)
		found(d, BAD, "clock",
		    "dates of collateral and certificates are judged by it: "
		    "run an NTP client",
		    "%lld s %s the upstream's", off < 0 ? -off : off,
		    off < 0 ? "behind" : "ahead of");
	else
		found(d, GOOD, "clock", NULL, "within %d s of the upstream's",
		    SKEW_MAX_S);
}

/* As larderd chooses it: the environment's does not reach this machine. */
static const char *
proxy_for(const struct config *c, const char *base)
{
	if (c->upstream.proxy != NULL || strstr(base, "://127.") != NULL ||
	    strstr(base, "://localhost") != NULL ||
	    strstr(base, "://[::1]") != NULL)
		return c->upstream.proxy;
	return getenv("https_proxy");
}

static void
look_at_upstream(struct doctor *d, const char *what, const char *base,
    const char *path)
{
	const struct config *c = d->config;
	char *url = NULL;
	struct buf b = BUF_INIT;
	struct http_ask ask = { .ca_file = c->upstream.ca_file,
		.proxy = proxy_for(c, base),
		.connect_timeout_ms = c->upstream.connect_timeout_ms,
		.timeout_ms = UPSTREAM_SLOW };
	struct http_answer a = { 0 };
	struct why why = { 0 };
	int64_t from = clock_mono_ms();

	buf_printf(&b, "%s%s", base, path);
	buf_add(&b, "", 1);
	url = b.p;
	ask.url = url;
	if (http_fetch(&ask, &a, &why) != ERR_OK) {
		found(d, BAD, what,
		    "name resolution, firewall, upstream.proxy, "
		    "upstream.ca_file? What is cached is served meanwhile",
		    "%s: %s", base, why.text);
	} else if (a.status == 429) {
		found(d, WARN, what, "another cache behind the same address?",
		    "%s throttles us", base);
	} else if (a.status != 200) {
		found(d, a.status >= 500 ? BAD : WARN, what,
		    "is it the service, or a proxy in between?",
		    "%s answers %d", url, a.status);
	} else {
		found(d, GOOD, what, NULL, "%s answers in %lld ms", base,
		    (long long)(clock_mono_ms() - from));
	}
	look_at_clock(d, &a);
	http_answer_free(&a);
	buf_free(&b);
}

static void
look_at_upstreams(struct doctor *d)
{
	const struct config *c = d->config;
	size_t i;

	if (c->mode == MODE_OFFLINE) {
		found(d, GOOD, "upstreams", NULL, "none is asked: offline");
		return;
	}
	for (i = 0; i < c->upstream.pcs.urls.n; i++)
		look_at_upstream(d, "pcs", c->upstream.pcs.urls.v[i],
		    "/sgx/certification/v4/qe/identity");
	for (i = 0; i < c->upstream.pcs.root_crl_urls.n; i++)
		look_at_upstream(d, "root crl",
		    c->upstream.pcs.root_crl_urls.v[i], "");
	for (i = 0; i < c->upstream.kds.urls.n; i++)
		look_at_upstream(d, "kds", c->upstream.kds.urls.v[i],
		    "/vcek/v1/Milan/crl");
}

/* --- the daemon ------------------------------------------------------- */

static void
look_at_server(struct doctor *d)
{
	struct cli_ask ask = { .method = "GET", .path = "/healthz/ready" };
	struct http_answer a = { 0 };

	if (!cli_has(d->cli, "server") && getenv("LARDER_SERVER") == NULL)
		return;
	if (cli_ask(d->cli, &ask, &a) != CLI_OK)
		found(d, BAD, "larderd", "is it running? journalctl -u larder",
		    "does not answer");
	else if (a.status != 200)
		found(d, BAD, "larderd", "larder status says more",
		    "is not ready: %d", a.status);
	else
		found(d, GOOD, "larderd", NULL, "is ready");
	http_answer_free(&a);
}

/* --- the command ------------------------------------------------------ */

static int
cmd_doctor(struct cli *cli)
{
	struct doctor d = { .cli = cli, .list = json_array() };
	const char *path = cli_value(cli, "config");
	char *text;

	if (look_at_config(&d, path == NULL ? CLI_CONFIG : path)) {
		look_at_tokens(&d);
		look_at_database(&d);
		look_at_trails(&d);
		look_at_tls(&d);
		look_at_upstreams(&d);
		look_at_server(&d);
	}
	if (cli_has(cli, "json")) {
		text = json_dumps(d.list, JSON_INDENT(2));
		must(text != NULL);
		puts(text);
		free(text);
	} else {
		printf("%d ok, %d to look at, %d to mend\n", d.n[GOOD],
		    d.n[WARN], d.n[BAD]);
	}
	config_unref(d.config);
	json_decref(d.list);
	return d.n[BAD] == 0 ? CLI_OK : CLI_FAILED;
}

static const struct cli_opt doctor_opts[] = {
	{ "config", 'c', "FILE", "configuration (default " CLI_CONFIG ")" },
	{ NULL, 0, NULL, NULL },
};

const struct cli_command cli_doctor_commands[] = {
	{ "doctor", "", 0, 0, CLI_SERVER | CLI_JSON, doctor_opts,
	    "Look for what is wrong: settings, files, upstreams, clock",
	    "Run it as the user of larderd.  Exit status 1 when something has\n"
	    "to be mended.  With --server the daemon is asked as well.\n",
	    cmd_doctor },
	{ 0 },
};
