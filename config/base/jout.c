#include "config/base/jout.h"

#include "config/base/json.h"
#include "config/base/must.h"

#include <stdlib.h>
#include <string.h>

static void
line(struct jout *o)
{
	static const char blanks[] = "\n                                ";
	size_t len = 1 + 2 * (size_t)o->depth;

	must(len < sizeof(blanks));
	buf_add(&o->b, blanks, len);
}

/* What stands before any value: comma, line and name. */
static void
value(struct jout *o, const char *name)
{
	if (o->any)
		buf_add(&o->b, ",", 1);
	if (o->depth > 0)
		line(o);
	o->any = true;
	if (name == NULL)
		return;
	buf_add(&o->b, "\"", 1);
	buf_str(&o->b, name);
	buf_add(&o->b, "\": ", 3);
}

void
jout_open(struct jout *o, const char *name, char bracket)
{
	value(o, name);
	buf_add(&o->b, &bracket, 1);
	o->depth++;
	o->any = false;
}

void
jout_close(struct jout *o, char bracket)
{
	must(o->depth > 0);
	o->depth--;
	if (o->any)
		line(o);
	buf_add(&o->b, &bracket, 1);
	o->any = true;
}

/* Nothing in it has to be escaped. */
static bool
plain(const char *text)
{
	const char *c;

	for (c = text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
			return false;
	return true;
}

static void
escaped(struct jout *o, const char *text)
{
	json_t *safe = json_safe(text);
	char *dump = json_dumps(safe, JSON_ENCODE_ANY);

	must(dump != NULL);
	buf_str(&o->b, dump);
	free(dump);
	json_decref(safe);
}

void
jout_text(struct jout *o, const char *name, const char *text)
{
	value(o, name);
	if (text == NULL) {
		buf_str(&o->b, "null");
	} else if (!plain(text)) {
		escaped(o, text);
	} else {
		buf_add(&o->b, "\"", 1);
		buf_str(&o->b, text);
		buf_add(&o->b, "\"", 1);
	}
}

void
jout_int(struct jout *o, const char *name, int64_t n)
{
	value(o, name);
	if (n < 0)
		buf_add(&o->b, "-", 1);
	buf_dec(&o->b, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

void
jout_bool(struct jout *o, const char *name, bool yes)
{
	value(o, name);
	buf_str(&o->b, yes ? "true" : "false");
}
