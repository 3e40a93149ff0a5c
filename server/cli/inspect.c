/* larder inspect: what is this file? */
#include "server/cli/inspect.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/cli/encoded.h"
#include "server/cli/show.h"

#include <ctype.h>
#include <string.h>

#define FILE_MAX (8 << 20)
#define UNUSABLE 2

/* --- members of trees ------------------------------------------------- */

void
field_set(json_t *o, const char *name, json_t *value)
{
	must(json_object_set_new(o, name, value) == 0);
}

void
field_hex(json_t *o, const char *name, const void *p, size_t len)
{
	struct buf b = BUF_INIT;

	buf_hex(&b, span_of(p, len));
	field_set(o, name, json_stringn(b.len == 0 ? "" : b.p, b.len));
	buf_free(&b);
}

void
field_time(json_t *o, const char *name, time_t at)
{
	char text[TIME_LEN];

	time_write(at, text);
	field_set(o, name, json_string(text));
}

void
field_written(json_t *o, struct buf *text)
{
	json_t *part =
	    json_loadb(text->p, text->len, JSON_REJECT_DUPLICATES, NULL);

	/* Runtime data nested as deep as jansson reads is one too deep here. */
	if (part == NULL || json_object_update(o, part) != 0)
		field_set(o, "problem", json_string("too deep to be shown"));
	json_decref(part);
	buf_free(text);
}

/* --- finding out ------------------------------------------------------ */

/* The same bytes written as text. */
static json_t *
inspect_encoded(struct span s, unsigned depth, struct why *why)
{
	struct buf raw = BUF_INIT;
	json_t *o = NULL;

	if (encoded_read(s, &raw))
		o = inspect_any(buf_view(&raw), depth, why);
	buf_free(&raw);
	return o;
}

static bool
begins(struct span s, const char *text)
{
	while (s.len > 0 && isspace(s.p[0])) {
		s.p++;
		s.len--;
	}
	return span_starts(s, text);
}

json_t *
inspect_any(struct span s, unsigned depth, struct why *why)
{
	json_t *o;

	memset(why, 0, sizeof(*why));
	if (begins(s, "-----BEGIN "))
		return inspect_pem(s, why);
	/* "{" is 0x7b, which no version and no DER begins with. */
	if (begins(s, "{"))
		return inspect_json(s, depth, why);
	if (s.len > 2 && s.p[0] == 0x30 && s.p[1] > 0x80)
		return inspect_der(s, why);
	if (depth > 0 && (o = inspect_memory(s, depth - 1)) != NULL)
		return o;
	if ((o = inspect_evidence(s, why)) != NULL || why->err != ERR_OK)
		return o;
	if ((o = inspect_table(s, why)) != NULL || why->err != ERR_OK)
		return o;
	return depth == 0 ? NULL : inspect_encoded(s, depth - 1, why);
}

/* With --signer: one more member.  False with a message: there is none. */
static bool
add_signature(const struct cli *cli, struct span text, json_t *o)
{
	const char *path = cli_value(cli, "signer");
	struct buf pem = BUF_INIT;
	struct why why = { 0 };
	bool good = false;
	enum err e;

	if (path == NULL)
		return true;
	if ((e = cli_read_file(path, FILE_MAX, &pem, &why)) == ERR_OK)
		e = inspect_signature(text, buf_view(&pem), &good, &why);
	if (e == ERR_OK)
		field_set(o, "signature_ok", json_boolean(good));
	else
		cli_fail(cli, "%s", why.text);
	buf_free(&pem);
	return e == ERR_OK;
}

static int
cmd_inspect(struct cli *cli)
{
	struct buf bytes = BUF_INIT;
	struct why why = { 0 };
	json_t *o = NULL;
	int rc = UNUSABLE;

	if (cli_read_file(cli->argv[0], FILE_MAX, &bytes, &why) != ERR_OK)
		cli_fail(cli, "%s", why.text);
	else if ((o = inspect_any(buf_view(&bytes), ENCODED_DEPTH, &why)) !=
		 NULL)
		rc = add_signature(cli, buf_view(&bytes), o) ? show_tree(cli, o)
							     : UNUSABLE;
	else if (why.err != ERR_OK)
		cli_fail(cli, "%s: %s", cli->argv[0], why.text);
	else
		cli_fail(cli, "%s: no format that is known here", cli->argv[0]);
	json_decref(o);
	buf_free(&bytes);
	return rc;
}

static const struct cli_opt inspect_opts[] = {
	{ "signer", 0, "FILE",
	    "check the signature of a TCB info, identity or list of\n"
	    "numbers with this certificate (PEM)" },
	{ NULL, 0, NULL, NULL },
};

const struct cli_command cli_inspect_commands[] = {
	{ "inspect", "FILE", 1, 1, CLI_JSON, inspect_opts,
	    "Show what a file is and what stands in it",
	    "Quotes, SNP reports, Azure's HCL reports, certificate tables,\n"
	    "certificates, CRLs, TCB infos, identities and documents of them,\n"
	    "Open Enclave's endorsements; binary, PEM, JSON, hex or base64.\n"
	    "Nothing is verified but what --signer asks for.  Exit 2 when it\n"
	    "is none of these.\n",
	    cmd_inspect },
	{ 0 },
};
