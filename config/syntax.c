#include "config/base/enc.h"
#include "config/base/log.h"
#include "config/schema.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static enum err
bad(struct why *why, const char *text)
{
	return why_set(why, ERR_CONFIG, CONFIG_CLAUSE, "%s", text);
}

static bool
is_printable(const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s <= ' ' || *s > '~')
			return false;
	}
	return true;
}

/* A port in digits, min to 65535. */
static bool
port_is(const char *s, long min)
{
	size_t n = strspn(s, "0123456789");
	long port;

	if (n == 0 || n > 5 || s[n] != '\0')
		return false;
	port = strtol(s, NULL, 10);
	return port >= min && port <= 65535;
}

/* --- addresses -------------------------------------------------------- */

/*
 * The host of "HOST:PORT" or "[HOST]:PORT" into out, brackets taken off;
 * *v6 says whether there were any.  The port, with its colon, into *rest:
 * what stands behind the host, maybe nothing.
 */
static bool
host_split(const char *s, char *out, size_t size, bool *v6, const char **rest)
{
	size_t n;

	*v6 = s[0] == '[';
	if (*v6) {
		n = strcspn(++s, "]");
		if (s[n] == '\0')
			return false;
		*rest = s + n + 1;
	} else {
		n = strcspn(s, ":/?#");
		*rest = s + n;
	}
	if (n == 0 || n >= size)
		return false;
	memcpy(out, s, n);
	out[n] = '\0';
	return true;
}

static bool
host_is_ip(const char *host, bool v6)
{
	unsigned char raw[16];

	return inet_pton(v6 ? AF_INET6 : AF_INET, host, raw) == 1;
}

static bool
host_is_loopback(const char *host, bool v6)
{
	static const unsigned char one[16] = { [15] = 1 };
	unsigned char raw[16];

	if (inet_pton(v6 ? AF_INET6 : AF_INET, host, raw) != 1)
		return !v6 && strcmp(host, "localhost") == 0;
	return v6 ? memcmp(raw, one, 16) == 0 : raw[0] == 127;
}

enum err
syntax_address(char *s, struct why *why)
{
	struct sockaddr_un un;
	const char *rest;
	char host[64];
	bool v6;

	if (strncmp(s, "unix:", 5) == 0) {
		if (s[5] == '\0' || strlen(s + 5) >= sizeof(un.sun_path))
			return bad(why, "unix: needs a path of 1 to 107 bytes");
		return ERR_OK;
	}
	if (!host_split(s, host, sizeof(host), &v6, &rest) ||
	    !host_is_ip(host, v6) || rest[0] != ':' || !port_is(rest + 1, 0))
		return bad(why, "must be \"127.0.0.1:8081\", \"[::1]:8081\" or "
				"\"unix:PATH\"");
	return ERR_OK;
}

bool
address_is_loopback(const char *s)
{
	const char *rest;
	char host[64];
	bool v6;

	if (strncmp(s, "unix:", 5) == 0)
		return true;
	return host_split(s, host, sizeof(host), &v6, &rest) &&
	       host_is_ip(host, v6) && host_is_loopback(host, v6);
}

/* 169.254.0.0/16 (RFC 3927) or fe80::/10 (RFC 4291 2.5.6). */
bool
address_is_link_local(const char *s)
{
	unsigned char raw[16];
	const char *rest;
	char host[64];
	bool v6;

	if (!host_split(s, host, sizeof(host), &v6, &rest) ||
	    inet_pton(v6 ? AF_INET6 : AF_INET, host, raw) != 1)
		return false;
	return v6 ? raw[0] == 0xfe && (raw[1] & 0xc0) == 0x80
		  : raw[0] == 169 && raw[1] == 254;
}

/* --- URLs ------------------------------------------------------------- */

/* Behind "http://" or "https://"; NULL: neither. */
static const char *
url_authority(const char *url)
{
	if (strncmp(url, "http://", 7) == 0)
		return url + 7;
	if (strncmp(url, "https://", 8) == 0)
		return url + 8;
	return NULL;
}

bool
url_is_clear(const char *url)
{
	return strncmp(url, "http://", 7) == 0;
}

bool
url_is_loopback(const char *url)
{
	const char *p = url_authority(url), *rest;
	char host[256];
	bool v6;

	return p != NULL && host_split(p, host, sizeof(host), &v6, &rest) &&
	       host_is_loopback(host, v6);
}

static bool
host_is_name(const char *host)
{
	return host[strspn(host, "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")] ==
	       '\0';
}

/*
 * Check scheme, host and port; *path is what follows.  A user name or
 * password is refused: URLs are logged and shown.
 */
static enum err
url_split(const char *url, const char **path, struct why *why)
{
	const char *p = url_authority(url), *rest;
	char host[256], port[8];
	size_t n;
	bool v6;

	if (p == NULL)
		return bad(why, "must begin with https:// or http://");
	if (!is_printable(url))
		return bad(why, "has a blank or control character in it");
	if (memchr(p, '@', strcspn(p, "/?#")) != NULL)
		return bad(why, "must not name a user");
	if (!host_split(p, host, sizeof(host), &v6, &rest) ||
	    (v6 ? !host_is_ip(host, v6) : !host_is_name(host)))
		return bad(why, "has no valid host");
	if (rest[0] == ':') {
		n = strcspn(++rest, "/?#");
		if (n == 0 || n >= sizeof(port))
			return bad(why, "has no valid port");
		memcpy(port, rest, n);
		port[n] = '\0';
		if (!port_is(port, 1))
			return bad(why, "has no valid port");
		rest += n;
	}
	if (rest[0] != '\0' && rest[0] != '/')
		return bad(why, "has no valid path");
	*path = rest;
	return ERR_OK;
}

/* A final slash is taken off. */
enum err
syntax_base_url(char *url, struct why *why)
{
	const char *path;
	enum err e;

	if ((e = url_split(url, &path, why)) != ERR_OK)
		return e;
	if (strcmp(path, "/") != 0 && path[0] != '\0')
		return bad(why, "must be scheme, host and port only");
	url[path - url] = '\0';
	return ERR_OK;
}

enum err
syntax_url(char *url, struct why *why)
{
	const char *path;
	enum err e;

	if ((e = url_split(url, &path, why)) != ERR_OK)
		return e;
	if (path[0] == '\0' || path[1] == '\0')
		return bad(why, "needs a path");
	if (strchr(path, '#') != NULL)
		return bad(why, "must not have a fragment");
	return ERR_OK;
}

enum err
syntax_proxy(char *url, struct why *why)
{
	return syntax_base_url(url, why);
}

/* --- others ----------------------------------------------------------- */

enum err
syntax_file(char *s, struct why *why)
{
	return s[0] == '\0' ? bad(why, "must be a path") : ERR_OK;
}

enum err
syntax_database(char *s, struct why *why)
{
	if (strncmp(s, "sqlite:", 7) != 0 || s[7] == '\0')
		return bad(why, "must be \"sqlite:PATH\"");
	return ERR_OK;
}

void
text_lower(char *s)
{
	for (; *s != '\0'; s++) {
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s + 32);
	}
}

void
text_upper(char *s)
{
	for (; *s != '\0'; s++) {
		if (*s >= 'a' && *s <= 'z')
			*s = (char)(*s - 32);
	}
}

enum err
syntax_spki(char *s, struct why *why)
{
	if (!hex_is(span_str(s), 64))
		return bad(why, "must be 64 hex digits (SHA-256)");
	text_lower(s);
	return ERR_OK;
}

/* Behind "file:" or "env:". */
static enum err
source_check(const char *s, struct why *why)
{
	if (strncmp(s, "file:", 5) == 0)
		return s[5] == '\0' ? bad(why, "file: needs a path") : ERR_OK;
	if (s[4] == '\0' || strchr(s + 4, '=') != NULL)
		return bad(why, "env: needs a variable's name");
	return ERR_OK;
}

static bool
is_secret(const char *s)
{
	return strncmp(s, "file:", 5) == 0 || strncmp(s, "env:", 4) == 0;
}

enum err
syntax_sha512(char *s, struct why *why)
{
	if (is_secret(s))
		return source_check(s, why);
	if (!hex_is(span_str(s), 128))
		return bad(why, "must be 128 hex digits (SHA-512), "
				"\"file:PATH\" or \"env:NAME\"");
	text_lower(s);
	return ERR_OK;
}

enum err
syntax_scrypt(char *s, struct why *why)
{
	return is_secret(s) ? source_check(s, why) : scrypt_check(s, why);
}

enum err
syntax_name(char *s, struct why *why)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz"
			     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	if (n == 0 || n > 64 || s[n] != '\0')
		return bad(why, "must be 1 to 64 letters, digits, dots, "
				"dashes, underscores");
	return ERR_OK;
}

enum err
syntax_issuer(char *s, struct why *why)
{
	size_t i, n = strlen(s);

	for (i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] >= 0x7f)
			return bad(why, "must be without blanks");
	return n > 0 && n <= 256 ? ERR_OK
				 : bad(why, "must have 1 to 256 characters");
}

enum err
syntax_level(char *s, struct why *why)
{
	enum log_level level;

	text_lower(s);
	if (!log_level_read(s, &level))
		return bad(why, "must be \"error\", \"warn\", \"note\", "
				"\"info\" or \"debug\"");
	return ERR_OK;
}

enum err
syntax_fmspc(char *s, struct why *why)
{
	if (!hex_is(span_str(s), 12))
		return bad(why, "must be 12 hex digits");
	text_upper(s);
	return ERR_OK;
}
