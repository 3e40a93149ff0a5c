/*
 * What a client takes: the header Accept (RFC 9110 12.5.1) and the type of a
 * body (8.3).  Pure.  Private to server/.
 */
#ifndef SERVER_ACCEPT_H
#define SERVER_ACCEPT_H

#include "config/base/span.h"

/* "application/json", with parameters or without, in any case. */
bool type_is(struct span type, const char *want);
/*
 * Whether "type" is named there in full, may be sent, and is wanted no less
 * than "usual", which is what is sent otherwise.  A wildcard asks for nothing
 * in particular.  A weight that is none counts as 0.
 */
bool accept_prefers(struct span accept, const char *type, const char *usual);

#endif
