/*
 * Where each member of a JSON text stands: jansson reads values but forgets
 * lines, and takes the last of two equal keys.  One scan over a text that
 * jansson has accepted gives the line of every path and refuses unknown and
 * duplicate keys.  Private to config/.  One thread.
 */
#ifndef CONFIG_JSONPOS_H
#define CONFIG_JSONPOS_H

#include "config/base/err.h"
#include "config/base/span.h"

/*
 * Paths read "upstream.pcs.urls[0]".  A key that is no plain word appears in
 * quotes in a path, so it can equal no setting's.
 */
#define JSONPOS_PATH 256

struct jsonpos;

/* Whether a member may stand at this path. */
typedef bool (*jsonpos_known_fn)(const char *path);

/*
 * Members whose key begins with "#" are comments: they and all inside them
 * are passed over.  On failure *line is that of the key (of the second, when
 * one stands twice) and "why" says "KEY: text".  *out is owned.
 */
enum err jsonpos_read(struct span text, jsonpos_known_fn known,
    struct jsonpos **out, int *line, struct why *why) MUST_CHECK;
void jsonpos_free(struct jsonpos *);

/* The line of a path, else of the nearest container of it that is there;
 * 1 for the whole. */
int jsonpos_line(const struct jsonpos *, const char *path);

#endif
