/*
 * larder init-tls: a small certificate authority and a server certificate
 * for a first installation.  P-256 keys: a handshake costs the server a
 * fifth of what RSA costs it.
 */
#include "config/base/blob.h"
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/cli/cli.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_MAX 64

struct pair {
	EVP_PKEY *key;
	X509 *cert;
};

static void
pair_fini(struct pair *p)
{
	EVP_PKEY_free(p->key);
	X509_free(p->cert);
}

/* What OpenSSL has against it; its queue is empty afterwards. */
static enum err
tls_error(struct why *why, const char *what)
{
	unsigned long code = ERR_get_error();
	const char *text = ERR_reason_error_string(code);

	ERR_clear_error();
	return why_set(why, ERR_INTERNAL, "", "%s: %s", what,
	    text == NULL ? "failed" : text);
}

static bool
add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	bool ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext != NULL && X509_add_ext(x, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

static bool
set_name(X509_NAME *name, const char *cn)
{
	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
		   (const unsigned char *)cn, -1, -1, 0) == 1;
}

/* A random serial of 127 bits: positive, and no two alike. */
static bool
set_serial(X509 *x)
{
	unsigned char raw[16];
	BIGNUM *bn;
	bool ok;

	random_bytes(raw, sizeof(raw));
	raw[0] &= 0x7f;
	raw[0] |= 0x40;
	bn = BN_bin2bn(raw, sizeof(raw), NULL);
	ok = bn != NULL &&
	     BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) != NULL;
	BN_free(bn);
	return ok;
}

/* A certificate for p->key, valid from a day ago, not yet signed. */
static bool
cert_begin(struct pair *p, const char *cn, long days, time_t now)
{
	p->cert = X509_new();
	return p->cert != NULL && X509_set_version(p->cert, 2) == 1 &&
	       set_serial(p->cert) &&
	       set_name(X509_get_subject_name(p->cert), cn) &&
	       ASN1_TIME_set(X509_getm_notBefore(p->cert), now - 86400) !=
		   NULL &&
	       ASN1_TIME_set(X509_getm_notAfter(p->cert), now + days * 86400) !=
		   NULL &&
	       X509_set_pubkey(p->cert, p->key) == 1;
}

static enum err
make_ca(struct pair *ca, long days, time_t now, struct why *why)
{
	X509 *x;

	ca->key = EVP_EC_gen("P-256");
	if (ca->key == NULL || !cert_begin(ca, "larder local CA", days, now))
		return tls_error(why, "making the CA");
	x = ca->cert;
	if (X509_set_issuer_name(x, X509_get_subject_name(x)) != 1 ||
	    !add_ext(x, x, NID_basic_constraints,
		"critical,CA:TRUE,pathlen:0") ||
	    !add_ext(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") ||
	    !add_ext(x, x, NID_subject_key_identifier, "hash") ||
	    X509_sign(x, ca->key, EVP_sha256()) == 0)
		return tls_error(why, "making the CA");
	return ERR_OK;
}

static enum err
make_leaf(struct pair *leaf, const struct pair *ca, const char *cn,
    const char *san, long days, time_t now, struct why *why)
{
	X509 *x;

	leaf->key = EVP_EC_gen("P-256");
	if (leaf->key == NULL || !cert_begin(leaf, cn, days, now))
		return tls_error(why, "making the certificate");
	x = leaf->cert;
	if (X509_set_issuer_name(x, X509_get_subject_name(ca->cert)) != 1 ||
	    !add_ext(x, ca->cert, NID_basic_constraints, "critical,CA:FALSE") ||
	    !add_ext(x, ca->cert, NID_key_usage, "critical,digitalSignature") ||
	    !add_ext(x, ca->cert, NID_ext_key_usage, "serverAuth") ||
	    !add_ext(x, ca->cert, NID_subject_key_identifier, "hash") ||
	    !add_ext(x, ca->cert, NID_authority_key_identifier, "keyid") ||
	    !add_ext(x, ca->cert, NID_subject_alt_name, san) ||
	    X509_sign(x, ca->key, EVP_sha256()) == 0)
		return tls_error(why, "making the certificate");
	return ERR_OK;
}

/* --- files ------------------------------------------------------------ */

static enum err
write_pem(const char *dir, const char *file, int mode, EVP_PKEY *key,
    X509 *const *certs, size_t n, struct why *why)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct buf path = BUF_INIT;
	enum err e = ERR_OK;
	char *bytes = NULL;
	long len;
	size_t i;

	must(bio != NULL);
	buf_printf(&path, "%s/%s", dir, file);
	buf_add(&path, "", 1);
	if (key != NULL &&
	    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
		e = tls_error(why, "writing a key");
	for (i = 0; i < n && e == ERR_OK; i++)
		if (PEM_write_bio_X509(bio, certs[i]) != 1)
			e = tls_error(why, "writing a certificate");
	len = BIO_get_mem_data(bio, &bytes);
	if (e == ERR_OK)
		e = cli_write_file(path.p, span_of(bytes, (size_t)len), mode,
		    true, why);
	if (key != NULL && len > 0)
		OPENSSL_cleanse(bytes, (size_t)len);
	BIO_free(bio);
	buf_free(&path);
	return e;
}

/* Who runs larderd has to read the key: as its owner, or through a group. */
static enum err
give_key(const struct cli *cli, const char *dir, struct why *why)
{
	const char *owner = cli_value(cli, "owner"),
		   *group = cli_value(cli, "group");
	const struct passwd *pw = owner == NULL ? NULL : getpwnam(owner);
	const struct group *gr = group == NULL ? NULL : getgrnam(group);
	struct buf path = BUF_INIT;
	enum err e = ERR_OK;
	uid_t uid = pw == NULL ? (uid_t)-1 : pw->pw_uid;
	gid_t gid = gr != NULL   ? gr->gr_gid
		    : pw != NULL ? pw->pw_gid
				 : (gid_t)-1;

	if (owner != NULL && pw == NULL)
		return why_set(why, ERR_PARAM, "", "there is no user %s",
		    owner);
	if (group != NULL && gr == NULL)
		return why_set(why, ERR_PARAM, "", "there is no group %s",
		    group);
	buf_printf(&path, "%s/server.key", dir);
	buf_add(&path, "", 1);
	if (chown(path.p, uid, gid) == -1 ||
	    (group != NULL && chmod(path.p, 0640) == -1))
		e = why_set(why, ERR_IO, "", "%s: %s", path.p, strerror(errno));
	buf_free(&path);
	return e;
}

/* The CA an earlier run has left in the folder; ERR_OK with no key: none. */
static enum err
load_ca(const char *dir, struct pair *ca, struct why *why)
{
	struct buf path = BUF_INIT;
	enum err e = ERR_OK;
	FILE *f;

	buf_printf(&path, "%s/ca.key", dir);
	buf_add(&path, "", 1);
	f = fopen(path.p, "re");
	if (f == NULL && errno == ENOENT)
		goto out;
	if (f != NULL) {
		ca->key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
		fclose(f);
	}
	path.len = 0;
	buf_printf(&path, "%s/ca.pem", dir);
	buf_add(&path, "", 1);
	f = fopen(path.p, "re");
	if (f != NULL) {
		ca->cert = PEM_read_X509(f, NULL, NULL, NULL);
		fclose(f);
	}
	if (ca->key == NULL || ca->cert == NULL ||
	    X509_check_private_key(ca->cert, ca->key) != 1) {
		ERR_clear_error();
		e = why_set(why, ERR_FORMAT, "",
		    "%s: ca.key and ca.pem are not a pair; remove both for a "
		    "new CA",
		    dir);
	}
out:
	buf_free(&path);
	return e;
}

/* --- the command ------------------------------------------------------ */

static bool
name_ok(const char *name)
{
	const char *p;

	for (p = name; *p != '\0'; p++)
		if (strchr("abcdefghijklmnopqrstuvwxyz"
			   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-*:",
			*p) == NULL)
			return false;
	return p > name && p - name < 254;
}

static void
san_add(struct buf *san, const char *name)
{
	unsigned char addr[16];
	bool ip = inet_pton(AF_INET, name, addr) == 1 ||
		  inet_pton(AF_INET6, name, addr) == 1;

	buf_printf(san, "%s%s:%s", san->len > 0 ? "," : "", ip ? "IP" : "DNS",
	    name);
}

/* The names asked for, or this host's; always this machine itself too. */
static enum err
san_make(const struct cli *cli, char *cn, size_t cn_len, struct buf *san,
    struct why *why)
{
	const char *local[] = { "localhost", "127.0.0.1", "::1" };
	char host[256];
	size_t j;
	int i;

	if (cli->argc > NAMES_MAX)
		return why_set(why, ERR_PARAM, "", "over %d names", NAMES_MAX);
	if (gethostname(host, sizeof(host)) == -1)
		snprintf(host, sizeof(host), "localhost");
	host[sizeof(host) - 1] = '\0';
	/* A common name holds at most 64 characters; clients look at SAN. */
	snprintf(cn, cn_len, "%.64s", cli->argc > 0 ? cli->argv[0] : host);
	for (i = 0; i < cli->argc; i++) {
		if (!name_ok(cli->argv[i]))
			return why_set(why, ERR_PARAM, "",
			    "\"%s\" is no host name or address", cli->argv[i]);
		san_add(san, cli->argv[i]);
	}
	if (cli->argc == 0 && name_ok(host) && strcmp(host, "localhost") != 0)
		san_add(san, host);
	for (j = 0; j < sizeof(local) / sizeof(local[0]); j++)
		san_add(san, local[j]);
	buf_add(san, "", 1);
	return ERR_OK;
}

static enum err
write_all(const char *dir, const struct pair *ca, bool new_ca,
    const struct pair *leaf, struct why *why)
{
	X509 *chain[] = { leaf->cert, ca->cert };
	enum err e;

	if (new_ca) {
		e = write_pem(dir, "ca.key", 0600, ca->key, NULL, 0, why);
		if (e == ERR_OK)
			e = write_pem(dir, "ca.pem", 0644, NULL, &ca->cert, 1,
			    why);
		if (e != ERR_OK)
			return e;
	}
	e = write_pem(dir, "server.key", 0600, leaf->key, NULL, 0, why);
	if (e == ERR_OK)
		e = write_pem(dir, "server.pem", 0644, NULL, chain, 2, why);
	return e;
}

static void
print_result(const struct cli *cli, const char *dir, bool new_ca)
{
	if (cli_has(cli, "json")) {
		printf("{\"ca\": \"%s/ca.pem\", \"ca_is_new\": %s, "
		       "\"tls\": {\"certificate\": \"%s/server.pem\", "
		       "\"key\": \"%s/server.key\"}}\n",
		    dir, new_ca ? "true" : "false", dir, dir);
		return;
	}
	printf("%s %s/ca.pem: give it to the clients as a trusted root.\n"
	       "Into a listener of larder.json:\n"
	       "  \"tls\": {\"certificate\": \"%s/server.pem\", "
	       "\"key\": \"%s/server.key\"}\n",
	    new_ca ? "A new CA is in" : "Signed by the CA in", dir, dir, dir);
}

/* The folder, and those above it that are not there. */
static enum err
make_dirs(const char *dir, struct why *why)
{
	char *path = xstrdup(dir), *p = path;
	enum err e = ERR_OK;

	while (e == ERR_OK && p != NULL) {
		p = strchr(p + 1, '/');
		if (p != NULL)
			*p = '\0';
		if (mkdir(path, 0755) == -1 && errno != EEXIST)
			e = why_set(why, ERR_IO, "", "%s: %s", path,
			    strerror(errno));
		if (p != NULL)
			*p = '/';
	}
	free(path);
	return e;
}

/* A folder name that stands in JSON and in messages as it is. */
static bool
dir_ok(const char *dir)
{
	const unsigned char *p = (const unsigned char *)dir;

	for (; *p != '\0'; p++)
		if (*p < ' ' || *p == '"' || *p == '\\')
			return false;
	return dir[0] != '\0';
}

static int
cmd_init_tls(struct cli *cli)
{
	const char *dir = cli_value(cli, "dir");
	struct pair ca = { NULL, NULL }, leaf = { NULL, NULL };
	struct buf san = BUF_INIT;
	struct why why = { 0 };
	time_t now = clock_now();
	char cn[65];
	bool new_ca;
	long days;
	int rc = CLI_FAILED;

	if (dir == NULL)
		dir = "/etc/larder/tls";
	if (!dir_ok(dir))
		return cli_misuse(cli, "--dir: not a usable name");
	if (!cli_number(cli, "days", 1, 3650, 825, &days))
		return CLI_USAGE;
	if (san_make(cli, cn, sizeof(cn), &san, &why) != ERR_OK) {
		rc = cli_misuse(cli, "%s", why.text);
		goto out;
	}
	if (make_dirs(dir, &why) != ERR_OK || load_ca(dir, &ca, &why) != ERR_OK)
		goto failed;
	new_ca = ca.key == NULL;
	if (new_ca && make_ca(&ca, 3650, now, &why) != ERR_OK)
		goto failed;
	if (make_leaf(&leaf, &ca, cn, san.p, days, now, &why) != ERR_OK ||
	    write_all(dir, &ca, new_ca, &leaf, &why) != ERR_OK)
		goto failed;
	if (give_key(cli, dir, &why) != ERR_OK)
		goto failed;
	print_result(cli, dir, new_ca);
	rc = CLI_OK;
	goto out;
failed:
	cli_fail(cli, "%s", why.text);
out:
	pair_fini(&ca);
	pair_fini(&leaf);
	buf_free(&san);
	return rc;
}

static const struct cli_opt init_tls_opts[] = {
	{ "dir", 'd', "DIR", "where the files go (default /etc/larder/tls)" },
	{ "owner", 0, "USER",
	    "who runs larderd: server.key becomes that\n"
	    "user's" },
	{ "group", 0, "GROUP",
	    "server.key becomes readable for that group\n"
	    "(larder-etc for the systemd unit)" },
	{ "days", 0, "DAYS", "validity of the server certificate (825)" },
	{ NULL, 0, NULL, NULL },
};

const struct cli_command cli_tls_commands[] = {
	{ "init-tls", "[NAME...]", 0, -1, CLI_JSON, init_tls_opts,
	    "Make a CA and a server certificate for these names",
	    "Writes ca.pem, ca.key, server.pem (with the CA behind it) and\n"
	    "server.key.  A CA that is there already signs again, so clients\n"
	    "that trust it go on trusting; larderd takes the new certificate\n"
	    "at SIGHUP.  Without NAME: this host's name.  localhost,\n"
	    "127.0.0.1 and ::1 are always in.\n",
	    cmd_init_tls },
	{ 0 },
};
