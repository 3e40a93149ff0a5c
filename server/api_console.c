/*
 * GET /console: the operator's page.  Its files stand in server/console/ and
 * become part of the program when this file is assembled (the Makefile knows
 * that it depends on them).
 *
 * The page holds no data and needs no token.  What it shows it asks of the
 * routes under /v1 with the token that is typed into it, as a header: there
 * is no cookie, so no other page can make a browser ask in its name.
 */
#include "server/api.h"
#include "server/serve.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <string.h>

/* --- the files -------------------------------------------------------- */

#define FILE(sym, file, path, type)                                            \
	__asm__(".pushsection .rodata\n"                                       \
		".globl console_" #sym "\n"                                    \
		"console_" #sym ":\n"                                          \
		".incbin \"server/console/" file "\"\n"                        \
		".globl console_" #sym "_end\n"                                \
		"console_" #sym "_end:\n"                                      \
		".popsection\n");                                              \
	extern const unsigned char console_##sym[], console_##sym##_end[];
#include "server/console.def"
#undef FILE

struct console_file {
	const char *path, *type;
	const unsigned char *from, *to;
};

static const struct console_file files[] = {
#define FILE(sym, file, path, type)                                            \
	{ path, type, console_##sym, console_##sym##_end },
#include "server/console.def"
#undef FILE
};

#define N_FILES (sizeof(files) / sizeof(files[0]))

/* --- the answer ------------------------------------------------------- */

/*
 * Nothing from elsewhere, nothing inline, in nobody's frame, and no text ever
 * becomes markup.
 */
#define CONSOLE_LINES                                                          \
	"Content-Security-Policy: default-src 'none'; script-src 'self';"      \
	" style-src 'self'; img-src 'self'; connect-src 'self';"               \
	" base-uri 'none'; form-action 'none'; frame-ancestors 'none';"        \
	" require-trusted-types-for 'script'; trusted-types 'none'\r\n"        \
	"X-Content-Type-Options: nosniff\r\n"                                  \
	"X-Frame-Options: DENY\r\n"                                            \
	"Referrer-Policy: no-referrer\r\n"                                     \
	"Cross-Origin-Opener-Policy: same-origin\r\n"                          \
	"Cross-Origin-Resource-Policy: same-origin\r\n"                        \
	"Permissions-Policy: camera=(), geolocation=(), microphone=()\r\n"     \
	"Cache-Control: no-cache\r\n"

static struct span
file_span(const struct console_file *f)
{
	return span_of(f->from, (size_t)(f->to - f->from));
}

static void
etag_write(struct span s, char out[35])
{
	unsigned char sum[32];

	sha256(s, sum);
	out[0] = '"';
	hex_lower(span_of(sum, 16), out + 1);
	memcpy(out + 33, "\"", 2);
}

static void
file_reply(struct req *req, const struct console_file *f)
{
	struct span s = file_span(f);
	struct buf extra = BUF_INIT;
	char etag[35];

	etag_write(s, etag);
	buf_printf(&extra, "ETag: %s\r\n", etag);
	if (serve_not_modified(req, span_str(etag)))
		reply_blob(req, 304, NULL, &extra, NULL);
	else
		reply_blob(req, 200, f->type, &extra, blob_from(s));
	buf_free(&extra);
}

/* The route's path is that of one of the files. */
static void
console_get(struct req *req)
{
	struct span path = req_path(req);
	size_t i;

	for (i = 0; i < N_FILES; i++)
		if (span_eq_nocase(path, files[i].path))
			break;
	must(i < N_FILES);
	file_reply(req, &files[i]);
}

const struct route routes_console[] = {
#define FILE(sym, file, path, type)                                            \
	{ SERVE_ADMIN, 1u << METHOD_GET, path, ROLE_NONE, NULL, BODY_NONE,     \
		console_get, CONSOLE_LINES },
#include "server/console.def"
#undef FILE
	{ 0, 0, NULL, ROLE_NONE, NULL, BODY_NONE, NULL, NULL },
};
