/*
 * A long JSON document written straight into a buffer, where building it as a
 * tree first costs more than what it says.  Octet for octet what json_dumps()
 * gives with JSON_INDENT(2).  Whoever writes sees to it that members have
 * names, elements have none (NULL), and every bracket is closed.
 */
#ifndef CONFIG_BASE_JOUT_H
#define CONFIG_BASE_JOUT_H

#include "config/base/blob.h"

struct jout {
	struct buf b;
	unsigned depth;
	bool any; /* something stands in the innermost bracket */
};
#define JOUT_INIT ((struct jout){ .depth = 0 })

/* bracket: '{' or '[', and the one that closes it. */
void jout_open(struct jout *, const char *name, char bracket);
void jout_close(struct jout *, char bracket);
/* NULL: null.  Any text: as json_safe() has it. */
void jout_text(struct jout *, const char *name, const char *value);
void jout_int(struct jout *, const char *name, int64_t);
void jout_bool(struct jout *, const char *name, bool);

#endif
