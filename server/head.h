/*
 * The head of one HTTP/1.x request: found, checked and taken apart.
 * Pure, no allocation.  Private to server/.
 *
 * The packaged parser is built lenient on Debian, and lenient parsers are
 * how requests are smuggled: the strict framing of style 7 is checked here
 * on the raw bytes, before and after the parser sees them.
 */
#ifndef SERVER_HEAD_H
#define SERVER_HEAD_H

#include "server/http.h"

#define HEAD_MAX    16384 /* bytes, request line to blank line */
#define TARGET_MAX  8192  /* bytes of the request target */
#define HEAD_FIELDS 64    /* header lines */

/* Where in the head a piece lies; HEAD_MAX keeps both in 16 bits. */
struct piece {
	uint16_t at, len;
};

struct head {
	enum method method; /* METHOD_N: one that no route has */
	bool keep;          /* the client allows another request */
	bool http10;
	bool expect; /* 100-continue */
	uint64_t content_length;
	struct piece path, query; /* as sent; query without its "?" */
	unsigned n_fields;
	struct {
		struct piece name, value;
	} field[HEAD_FIELDS];
};

/*
 * Look for the end of a head that begins at in.p[0].  The scan, all zero at
 * first, remembers where the last call stopped: bytes are looked at once,
 * however they arrive.  ERR_OK: "whole" is the length of the head with its
 * blank line, or 0 when more bytes are needed.  ERR_HTTP: control characters,
 * bare CR or LF, a folded line, an empty first line.  ERR_HTTP_LINE,
 * ERR_HTTP_HEAD: over TARGET_MAX or HEAD_MAX.
 */
struct head_scan {
	size_t at;    /* looked at so far */
	size_t whole; /* length of the head once it is whole, else 0 */
};
enum err head_scan(struct head_scan *, struct span in, struct why *) MUST_CHECK;

/*
 * Take apart what head_scan found.  *out means something on ERR_OK only.
 * RFC 9112 3, 5.1, 6.1 to 6.3, RFC 9110 7.2; ERR_HTTP, ERR_HTTP_LINE or
 * ERR_HTTP_HEAD.
 */
enum err head_read(struct span raw, struct head *out, struct why *) MUST_CHECK;

struct span piece_span(struct span raw, struct piece);

#endif
