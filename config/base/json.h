/*
 * Texts from outside as JSON.  json_string() gives NULL for what is not UTF-8,
 * and the document that was to have it is then none: ids of platforms may be
 * any bytes (pccs-api 4), a bundle's texts are cut, rows of a file may have
 * been edited.  Pure, any thread.
 */
#ifndef CONFIG_BASE_JSON_H
#define CONFIG_BASE_JSON_H

#include "config/base/span.h"

#include <jansson.h>

/*
 * New references, never NULL.  What is not UTF-8 is taken byte by byte, as
 * GET platforms does: 0xff is U+00FF.
 */
json_t *json_safe(const char *);
json_t *json_safe_span(struct span);

#endif
