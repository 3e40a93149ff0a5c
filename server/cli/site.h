/*
 * A whole site in one file, for a place without a way to the other:
 *
 *   {"larder_site_bundle":1,"made_at":"...","larder":"0.1.0"}
 *   {"larder_bundle":1,"objects":[...]}                  parts: each a body
 *   {"larder_site":1,"platforms":[...],...}              of POST /v1/import
 *   ...
 *   {"manifest":1,"made_at":"...","larder":"...","counts":{...},
 *    "parts":[{"kind":"objects","bytes":N,"sha256":"..."},...]}
 *   {"signature":"<base64>","algorithm":"Ed25519","key":"<sha256>"}
 *
 * A line each, so that neither side ever holds more than one part of it,
 * and jq reads it.  The manifest names every line before it, the first one
 * too, in order; the signature is over the manifest's line without its end.
 * It stands behind the parts since it is known last.
 *
 * One thread.  Private to server/cli/.
 */
#ifndef SERVER_CLI_SITE_H
#define SERVER_CLI_SITE_H

#include "config/base/blob.h"
#include "server/cli/cli.h"

#define SITE_HEAD "{\"larder_site_bundle\":1,"
/* Of one line; those that we write are far below. */
#define SITE_LINE_MAX ((size_t)128 << 20)

/* Does the file begin as a bundle does? */
bool site_is(const char *path);
/* larder export --site, larder import FILE. */
int site_export(struct cli *);
int site_import(struct cli *, const char *path);

#endif
