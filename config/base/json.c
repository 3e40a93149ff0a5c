#include "config/base/json.h"

#include "config/base/blob.h"
#include "config/base/must.h"

json_t *
json_safe_span(struct span s)
{
	json_t *text = json_stringn(s.len == 0 ? "" : (const char *)s.p, s.len);
	struct buf latin = BUF_INIT;
	size_t i;

	if (text != NULL)
		return text;
	for (i = 0; i < s.len; i++) {
		char two[] = { (char)(0xc0 | s.p[i] >> 6),
			(char)(0x80 | (s.p[i] & 0x3f)) };

		if (s.p[i] < 0x80)
			buf_add(&latin, &s.p[i], 1);
		else
			buf_add(&latin, two, sizeof(two));
	}
	text = json_stringn(latin.p, latin.len);
	must(text != NULL);
	buf_free(&latin);
	return text;
}

json_t *
json_safe(const char *text)
{
	return json_safe_span(span_str(text));
}
