/*
 * The URIs under which clients know CRLs, brought back to the three there
 * are (pccs-api 4, 6.8, 9.2): QCNL 3.1 sends the CDP of the root certificate
 * unescaped, the Azure client sends lower-case URIs escaped once or twice.
 */
#include "server/param.h"

#include "config/base/enc.h"

#include <string.h>
#include <strings.h>

struct uri {
	struct span host, path, query;
};

/* https://host/path[?query]; the scheme is compared without case. */
static bool
uri_split(struct span s, struct uri *out)
{
	static const char scheme[] = "https://";
	struct span head, rest;

	if (span_take(&s, sizeof(scheme) - 1, &head) != ERR_OK ||
	    !span_eq_nocase(head, scheme))
		return false;
	rest = s;
	if (span_until(&rest, '/', &out->host) != ERR_OK)
		return false;
	s = span_of(s.p + out->host.len, s.len - out->host.len);
	rest = s;
	out->query = SPAN_NONE;
	if (span_until(&rest, '?', &out->path) == ERR_OK)
		out->query = rest;
	else
		out->path = s;
	return true;
}

/* Does s end in "tail", and what stands before it? */
static bool
ends_in(struct span s, const char *tail, struct span *before)
{
	size_t len = strlen(tail);

	if (s.len < len ||
	    !span_eq_nocase(span_of(s.p + s.len - len, len), tail))
		return false;
	*before = span_of(s.p, s.len - len);
	return true;
}

static bool
is_label(struct span s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		unsigned char c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && c != '-')
			return false;
	}
	return true;
}

/* [a-zA-Z0-9-]*certificates.trustedservices.intel.com, certprx.adsdcsp.com */
static bool
host_has_root_crl(struct span host)
{
	struct span before;

	if (span_eq_nocase(host, "certprx.adsdcsp.com"))
		return true;
	return ends_in(host, "certificates.trustedservices.intel.com",
		   &before) &&
	       is_label(before);
}

/* [a-zA-Z0-9-]*\.?api.trustedservices.intel.com, and Alibaba's */
static bool
host_is_api(struct span host)
{
	static const char *const tails[] = { ".az.sgxprod.adsdcsp.com",
		".az.sgxnp.adsdcsp.com" };
	struct span before;
	size_t i;

	for (i = 0; i < 2; i++)
		if (ends_in(host, tails[i], &before))
			return before.len > 0 && is_label(before);
	if (!ends_in(host, "api.trustedservices.intel.com", &before))
		return false;
	if (before.len > 0 && before.p[before.len - 1] == '.')
		before.len--;
	return is_label(before);
}

/* /sgx/certification/v<number>/pckcrl */
static bool
path_is_pckcrl(struct span path)
{
	static const char head[] = "/sgx/certification/v";
	struct span s;
	size_t i, len = sizeof(head) - 1;

	if (path.len < len || !span_eq_nocase(span_of(path.p, len), head) ||
	    !ends_in(path, "/pckcrl", &s) || s.len <= len)
		return false;
	if (s.p[len] == '0')
		return false;
	for (i = len; i < s.len; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return true;
}

/* The value of "ca" in the URI's own query. */
static struct span
query_ca(struct span query)
{
	struct span item;

	for (;;) {
		bool last = span_until(&query, '&', &item) != ERR_OK;

		if (last)
			item = query;
		if (item.len >= 3 && span_eq_nocase(span_of(item.p, 3), "ca="))
			return span_of(item.p + 3, item.len - 3);
		if (last)
			return SPAN_NONE;
	}
}

static bool
uri_known(const struct uri *u, const char *ca, enum crl_uri *out)
{
	static const struct {
		const char *path;
		enum crl_uri is;
	} files[] = {
		{ "/intelsgxrootca.crl", CRL_ROOT },
		{ "/intelsgxrootca.der", CRL_ROOT },
		{ "/intelsgxpckprocessor.crl", CRL_PROCESSOR },
		{ "/intelsgxpckprocessor.der", CRL_PROCESSOR },
		{ "/intelsgxpckplatform.crl", CRL_PLATFORM },
		{ "/intelsgxpckplatform.der", CRL_PLATFORM },
	};
	struct span which;
	size_t i;

	if (host_has_root_crl(u->host)) {
		for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
			if (span_eq_nocase(u->path, files[i].path)) {
				*out = files[i].is;
				return true;
			}
		return false;
	}
	if (!host_is_api(u->host) || !path_is_pckcrl(u->path))
		return false;
	which = query_ca(u->query);
	if (which.len == 0)
		which = span_str(ca);
	if (span_eq_nocase(which, "processor"))
		*out = CRL_PROCESSOR;
	else if (span_eq_nocase(which, "platform"))
		*out = CRL_PLATFORM;
	else
		return false;
	return true;
}

/* The grammar of pccs-api 4, in the letter case it demands. */
static bool
uri_grammar(struct span s, const struct uri *u)
{
	if (!span_starts(s, "https://"))
		return false;
	if (host_has_root_crl(u->host) &&
	    span_starts(u->path, "/IntelSGXRootCA."))
		return true;
	return host_is_api(u->host) && path_is_pckcrl(u->path) &&
	       u->query.p != NULL;
}

static bool
still_escaped(struct span s)
{
	size_t i;

	for (i = 0; i + 3 <= s.len; i++)
		if (span_eq_nocase(span_of(s.p + i, 3), "%3a"))
			return true;
	return false;
}

static bool
has_control(struct span s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

enum err
param_crl_uri(const char *uri, const char *ca, enum crl_uri *out,
    struct why *why)
{
	struct buf again = BUF_INIT;
	struct span s = span_str(uri);
	struct uri u;
	enum err e = ERR_OK;

	if (s.len < 1 || s.len > CRL_URI_MAX)
		return why_set(why, ERR_PARAM, "pccs-api 4",
		    "uri is missing or too long");
	if (still_escaped(s) && pct_read(s, &again) == ERR_OK)
		s = buf_view(&again);
	if (has_control(s) || !uri_split(s, &u))
		e = why_set(why, ERR_PARAM, "pccs-api 4",
		    "uri is no https URI of a CRL");
	else if (uri_known(&u, ca, out))
		e = ERR_OK;
	else if (uri_grammar(s, &u))
		e = why_set(why, ERR_NOT_CACHED, "pccs-api 6.8",
		    "uri is none of the three CRLs there are");
	else
		e = why_set(why, ERR_PARAM, "pccs-api 4",
		    "uri is not of a known host and path");
	buf_free(&again);
	return e;
}
