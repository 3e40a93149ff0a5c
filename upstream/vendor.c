#include "upstream/vendor.h"

#include "config/base/clock.h"
#include "config/base/must.h"
#include "upstream/origin.h"

#include <ctype.h>
#include <stddef.h>

const struct vendor *
vendor_of(const struct coll_key *key)
{
	switch (key->kind) {
	case COLL_AMD_CHAIN:
	case COLL_AMD_CRL:
	case COLL_VEK:
		return &vendor_kds;
	default:
		must(key->kind < COLL_N);
		return &vendor_pcs;
	}
}

struct span
vendor_base(const char *url)
{
	struct span s = span_str(url);

	while (s.len > 0 && s.p[s.len - 1] == '/')
		s.len--;
	return s;
}

void
vendor_url(struct request *out, struct buf *url, size_t body_max)
{
	out->url = xstrndup(url->p, url->len);
	out->origin = origin_of(out->url);
	must(out->origin != NULL); /* the configuration has seen to it */
	out->body_max = body_max;
	buf_free(url);
}

/*
 * What a mirror that is a cache itself says when it merely does not hold the
 * object: larder in a header, Intel's PCCS by its one text (pccs-api 2, 12 #6).
 */
static bool
only_not_cached(const struct reply *r)
{
	struct span reason = reply_header(r, "Larder-Reason");

	if (reason.len != 0)
		return !span_eq_str(reason, err_token(ERR_UP_ABSENT)) &&
		       !span_eq_str(reason, err_token(ERR_UP_REFUSED));
	return span_eq_str(buf_view(&r->body),
	    "No cache data for this platform.");
}

/* PCS names its reasons in one word; anything else is not repeated. */
static struct span
error_code(const struct reply *r)
{
	struct span s = reply_header(r, "Error-Code");
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (!isalnum(s.p[i]))
			return SPAN_NONE;
	}
	return s.len > 60 ? SPAN_NONE : s;
}

enum err
vendor_status(const struct reply *r, struct why *why)
{
	struct span code = error_code(r);
	enum err e;

	switch (r->status) {
	case 200:
		return ERR_OK;
	case 404:
		e = only_not_cached(r) ? ERR_NOT_CACHED : ERR_UP_ABSENT;
		break;
	case 400:
		e = ERR_UP_REFUSED;
		break;
	case 401:
	case 403:
		e = ERR_UP_AUTH;
		break;
	case 410:
		e = ERR_UP_GONE;
		break;
	case 429:
		e = ERR_UP_THROTTLED;
		break;
	case 462: /* of a larder: what PCS says with entries "Not available" */
		e = ERR_NOT_AVAILABLE;
		break;
	default:
		e = ERR_UP_ERROR;
		break;
	}
	if (code.len == 0)
		return why_set(why, e, "pcs-upstream 2", "HTTP %d", r->status);
	return why_set(why, e, "pcs-upstream 2", "HTTP %d, Error-Code %.*s",
	    r->status, (int)code.len, (const char *)code.p);
}

int64_t
vendor_health(const struct reply *r, struct why *health)
{
	int64_t after =
	    retry_after_read(reply_header(r, "Retry-After"), clock_now());

	*health = (struct why){ 0 };
	if (r->why.err == ERR_TOO_BIG)
		return after;
	if (r->why.err != ERR_OK) {
		*health = r->why;
		return -1;
	}
	if (reply_header(r, "Larder-Reason").len != 0)
		return after;
	if (r->status == 429)
		(void)why_set(health, ERR_UP_THROTTLED, "pcs-upstream 2",
		    "HTTP 429");
	else if (r->status == 408 || r->status >= 500)
		(void)why_set(health, ERR_UP_ERROR, "pcs-upstream 2", "HTTP %d",
		    r->status);
	return after;
}

bool
vendor_try_next(enum err e)
{
	switch (e) {
	case ERR_FORMAT:
	case ERR_RANGE:
	case ERR_TOO_BIG:
	case ERR_BADSIG:
	case ERR_CHAIN:
	case ERR_ROOT:
	case ERR_REVOKED:
	case ERR_EXPIRED:
	case ERR_NOT_YET:
	case ERR_NOT_ASKED:
	case ERR_OLDER:
	case ERR_NO_ROOT:
	case ERR_NO_CHAIN:
	case ERR_UP_AUTH:
	case ERR_UP_THROTTLED:
	case ERR_UP_ERROR:
	case ERR_UP_DOWN:
	case ERR_UP_SLOW:
	case ERR_UP_CLOSED:
	case ERR_NOT_CACHED:
		return true;
	default:
		return false;
	}
}
