/*
 * Text from outside on its way to a terminal: what a terminal would obey, or
 * is no text at all, is shown and does nothing.  Pure, any thread.
 */
#ifndef CONFIG_BASE_TEXT_H
#define CONFIG_BASE_TEXT_H

#include <stddef.h>

/* Bytes of the UTF-8 character that begins here; 0: it is none (RFC 3629). */
size_t text_utf8(const char *p);
/*
 * Control characters, C1 as well, as JSON writes them, "\u001b", and bytes
 * that are no UTF-8 as "\xff"; "keep" is left as it is, '\n' for whole
 * documents, else 0.  The caller's to free.
 */
char *text_shown(const char *, char keep);

#endif
