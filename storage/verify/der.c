#include "storage/verify/der.h"

/* X.690 8.1.3, 10.1: short below 128, else the fewest octets. */
static enum err
length_read(struct span *s, size_t *len)
{
	uint8_t n, hi, lo = 0;

	if (span_u8(s, &n) != ERR_OK)
		return ERR_FORMAT;
	*len = n;
	if (n < 0x80)
		return ERR_OK;
	if (n > 0x82 || span_u8(s, &hi) != ERR_OK ||
	    (n == 0x82 && span_u8(s, &lo) != ERR_OK))
		return ERR_FORMAT;
	*len = n == 0x82 ? (size_t)hi << 8 | lo : hi;
	return n == 0x80 || *len < (n == 0x82 ? 0x100 : 0x80) ? ERR_FORMAT
							      : ERR_OK;
}

enum err
der_next(struct span *s, uint8_t *tag, struct span *contents,
    struct span *whole)
{
	struct span at = *s;
	size_t len;

	if (span_u8(&at, tag) != ERR_OK || (*tag & 0x1f) == 0x1f ||
	    length_read(&at, &len) != ERR_OK ||
	    span_take(&at, len, contents) != ERR_OK)
		return ERR_FORMAT;
	if (whole != NULL)
		*whole = span_of(s->p, s->len - at.len);
	*s = at;
	return ERR_OK;
}

enum err
der_take(struct span *s, enum der_tag want, struct span *contents,
    struct span *whole)
{
	struct span at = *s;
	uint8_t tag;

	if (der_next(&at, &tag, contents, whole) != ERR_OK || tag != want)
		return ERR_FORMAT;
	*s = at;
	return ERR_OK;
}

enum err
der_unsigned(struct span s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;
	size_t i;

	/* 8.3.2: the first nine bits are not all alike. */
	if (s.len == 0 ||
	    (s.len > 1 && ((s.p[0] == 0 && s.p[1] < 0x80) ||
			      (s.p[0] == 0xff && s.p[1] >= 0x80))))
		return ERR_FORMAT;
	if (s.p[0] >= 0x80 || s.len > 9 || (s.len == 9 && s.p[0] != 0))
		return ERR_RANGE;
	for (i = 0; i < s.len; i++)
		v = v << 8 | s.p[i];
	*out = v;
	return v > max ? ERR_RANGE : ERR_OK;
}

bool
der_oid_ok(struct span s)
{
	size_t i;

	if (s.len == 0 || s.p[s.len - 1] >= 0x80)
		return false;
	for (i = 0; i < s.len; i++)
		if (s.p[i] == 0x80 && (i == 0 || s.p[i - 1] < 0x80))
			return false;
	return true;
}
