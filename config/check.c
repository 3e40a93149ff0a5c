/* What no single setting can see: contradictions between them. */
#include "config/schema.h"

#include <string.h>

enum err
reader_fail_at(struct reader *r, const char *path, const char *text)
{
	reader_enter(r, "%s", path);
	return reader_fail(r, "%s", text);
}

/* Two listeners cannot share an address, but port 0 is any free one. */
static bool
address_is_taken(const struct config *c, size_t i)
{
	const char *a = c->listen[i].address, *colon = strrchr(a, ':');
	size_t k;

	if (strncmp(a, "unix:", 5) != 0 && strcmp(colon, ":0") == 0)
		return false;
	for (k = 0; k < i; k++) {
		if (strcmp(c->listen[k].address, a) == 0)
			return true;
	}
	return false;
}

/* Guests reach the metadata service in clear text, over their own link. */
static bool
is_metadata_only(const struct config_listen *l)
{
	return l->serve == SERVE_THIM && address_is_link_local(l->address);
}

static enum err
listen_check(struct reader *r, const struct config *c, size_t i)
{
	const struct config_listen *l = &c->listen[i];
	size_t len = reader_enter(r, "listen[%zu]", i);

	if (l->tls_certificate != NULL && l->tls_key == NULL)
		return reader_fail_at(r, ".tls.key", "is missing");
	if (l->tls_certificate == NULL && l->tls_key != NULL)
		return reader_fail_at(r, ".tls.certificate", "is missing");
	if (l->tls_certificate == NULL &&
	    (l->tls_also.n != 0 || l->tls_client_ca != NULL))
		return reader_fail_at(r, ".tls.certificate", "is missing");
	if (l->tls_client_ca == NULL &&
	    (l->tls_admins.n != 0 || l->tls_users.n != 0))
		return reader_fail_at(r, ".tls.client_ca",
		    "is missing: nobody could show such a name");
	if (l->tls_certificate == NULL && !l->allow_clear &&
	    !address_is_loopback(l->address) && !is_metadata_only(l))
		return reader_fail_at(r, ".address",
		    "clear text on an address that "
		    "is not loopback: give tls, or set allow_clear");
	if (address_is_taken(c, i))
		return reader_fail_at(r, ".address", "another listener has it");
	reader_leave(r, len);
	return ERR_OK;
}

static enum err
urls_check(struct reader *r, const char *path, const struct config_list *urls,
    bool allow_clear)
{
	size_t i;

	for (i = 0; i < urls->n; i++) {
		if (allow_clear || !url_is_clear(urls->v[i]) ||
		    url_is_loopback(urls->v[i]))
			continue;
		reader_enter(r, "%s[%zu]", path, i);
		return reader_fail(r, "clear http:// to a host that is not "
				      "loopback: set upstream.allow_clear");
	}
	return ERR_OK;
}

static enum err
upstream_check(struct reader *r, const struct config *c)
{
	bool clear = c->upstream.allow_clear;
	enum err e;

	if (c->mode != MODE_OFFLINE && c->upstream.pcs.urls.n == 0)
		return reader_fail_at(r, "upstream.pcs.urls",
		    "needs a URL unless the mode is offline");
	if (c->mode != MODE_OFFLINE && c->upstream.pcs.root_crl_urls.n == 0)
		return reader_fail_at(r, "upstream.pcs.root_crl_urls",
		    "needs a URL unless the mode is offline");
	if ((e = urls_check(r, "upstream.pcs.urls", &c->upstream.pcs.urls,
		 clear)) != ERR_OK ||
	    (e = urls_check(r, "upstream.pcs.root_crl_urls",
		 &c->upstream.pcs.root_crl_urls, clear)) != ERR_OK ||
	    (e = urls_check(r, "upstream.kds.urls", &c->upstream.kds.urls,
		 clear)) != ERR_OK)
		return e;
	if (c->upstream.connect_timeout_ms > c->upstream.timeout_ms)
		return reader_fail_at(r, "upstream.connect_timeout_ms",
		    "is longer than upstream.timeout_ms");
	return ERR_OK;
}

static enum err
named_check(struct reader *r, const struct config *c)
{
	size_t i, k;

	for (i = 0; i < c->tokens.n_named; i++) {
		for (k = 0; k < i; k++) {
			if (strcmp(c->tokens.named[i].name,
				c->tokens.named[k].name) != 0)
				continue;
			reader_enter(r, "tokens.named[%zu].name", i);
			return reader_fail(r, "another token has it");
		}
	}
	return ERR_OK;
}

enum err
config_check(struct reader *r, const struct config *c)
{
	size_t i;
	enum err e;

	if (c->n_listen == 0)
		return reader_fail_at(r, "listen",
		    "must have at least one listener");
	for (i = 0; i < c->n_listen; i++) {
		if ((e = listen_check(r, c, i)) != ERR_OK)
			return e;
	}
	if ((e = upstream_check(r, c)) != ERR_OK ||
	    (e = named_check(r, c)) != ERR_OK ||
	    (e = hosts_check(r, c)) != ERR_OK ||
	    (e = rules_check(r, c)) != ERR_OK)
		return e;
	if (c->limits.header_timeout_ms > c->limits.request_timeout_ms)
		return reader_fail_at(r, "limits.header_timeout_ms",
		    "is longer than limits.request_timeout_ms");
	if (c->cache.stale_wait_ms > c->cache.client_wait_ms)
		return reader_fail_at(r, "cache.stale_wait_ms",
		    "is longer than cache.client_wait_ms");
	return ERR_OK;
}
