#include "config/base/text.h"

#include "config/base/blob.h"

size_t
text_utf8(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n = *p < 0x80                 ? 1
		   : *p >= 0xc2 && *p < 0xe0 ? 2
		   : *p >= 0xe0 && *p < 0xf0 ? 3
		   : *p >= 0xf0 && *p < 0xf5 ? 4
					     : 0;
	size_t i;

	for (i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, what is beyond the last character. */
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] >= 0xa0) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] >= 0x90))
		return 0;
	return n;
}

/* The code of a control character of this length: C0, DEL, and C1, which
 * terminals obey as well; 0: it is none. */
static unsigned
control_of(const char *p, size_t len)
{
	unsigned char a = (unsigned char)p[0], b = (unsigned char)p[len - 1];

	if (len == 1 && (a < ' ' || a == 0x7f))
		return a;
	return len == 2 && a == 0xc2 && b < 0xa0 ? b : 0;
}

char *
text_shown(const char *text, char keep)
{
	struct buf b = BUF_INIT;
	const char *from = text; /* not copied yet */
	unsigned control;
	size_t len;
	char *s;

	for (; *text != '\0'; text += len) {
		len = text_utf8(text);
		control = len == 0 ? 0 : control_of(text, len);
		if (len != 0 && (control == 0 || *text == keep))
			continue;
		buf_add(&b, from, (size_t)(text - from));
		if (len == 0)
			buf_printf(&b, "\\x%02x", (unsigned char)*text);
		else
			buf_printf(&b, "\\u%04x", control);
		len = len == 0 ? 1 : len;
		from = text + len;
	}
	buf_str(&b, from);
	s = span_dup(buf_view(&b));
	buf_free(&b);
	return s;
}
