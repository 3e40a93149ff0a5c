#include "server/cli/bundle.h"

#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/cli/show.h"
#include "upstream/fetch.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Objects in one request; some kilobytes each. */
#define BUNDLE_MAX 200

/* --- sending ---------------------------------------------------------- */

void
bundle_init(struct bundle *b, const struct cli *cli, const char *path)
{
	*b = (struct bundle){
		.cli = cli,
		.path = path,
		.objects = json_array(),
		.rc = CLI_OK,
	};
}

static const char *
member(const json_t *row, const char *name)
{
	return json_string_value(json_object_get(row, name));
}

/* What became of one. */
static void
bundle_row(struct bundle *b, const char *key, const char *reason,
    const char *why)
{
	if (strcmp(reason, "ok") == 0) {
		b->taken++;
		return;
	}
	if (strcmp(reason, err_token(ERR_OLDER)) == 0) {
		b->older++;
		(void)cli_fail(b->cli, "%s: %s: left out: %s (%s)", b->path,
		    key, why, reason);
		return;
	}
	b->rc = cli_fail(b->cli, "%s: %s: %s (%s)", b->path, key, why, reason);
}

/* The answer names each object; so does a refusal's. */
static bool
bundle_answer(struct bundle *b, const struct http_answer *a)
{
	json_t *list = a->body.len == 0
			   ? NULL
			   : json_loadb(a->body.p, a->body.len, 0, NULL);
	const char *key, *reason, *why;
	bool told = json_is_array(list);
	json_t *row;
	size_t i;

	if (!told)
		b->rc = cli_answer_failed(b->cli, a);
	json_array_foreach(list, i, row)
	{
		key = member(row, "key");
		reason = member(row, "reason");
		why = member(row, "why");
		if (key != NULL && reason != NULL)
			bundle_row(b, key, reason,
			    why == NULL ? "refused" : why);
	}
	json_decref(list);
	return told;
}

bool
bundle_post(struct bundle *b, struct span text)
{
	struct cli_ask ask = { .method = "POST",
		.path = cli_has(b->cli, "force") ? "/v1/import?force=1"
						 : "/v1/import",
		.type = "application/json",
		.body = (const char *)text.p,
		.len = text.len };
	struct http_answer answer = { 0 };
	bool told = false;

	if (cli_ask(b->cli, &ask, &answer) == CLI_OK)
		told = bundle_answer(b, &answer);
	else
		b->rc = CLI_FAILED;
	http_answer_free(&answer);
	return told;
}

static void
bundle_send(struct bundle *b)
{
	json_t *doc =
	    json_pack("{s:i, s:o}", "larder_bundle", 1, "objects", b->objects);
	char *text = json_dumps(doc, JSON_COMPACT);

	must(text != NULL);
	bundle_post(b, span_str(text));
	free(text);
	json_decref(doc);
	b->objects = json_array();
}

void
bundle_add(struct bundle *b, json_t *object)
{
	must(json_array_append_new(b->objects, object) == 0);
	if (json_array_size(b->objects) >= BUNDLE_MAX)
		bundle_send(b);
}

void
bundle_fail(struct bundle *b, const char *what, const struct why *why)
{
	b->rc = cli_fail(b->cli, "%s: %s", what, why->text);
}

int
bundle_fini(struct bundle *b)
{
	json_decref(b->objects);
	return b->rc;
}

int
bundle_end(struct bundle *b)
{
	if (json_array_size(b->objects) != 0)
		bundle_send(b);
	if (b->rc == CLI_OK)
		printf("%s: %zu objects taken\n", b->path, b->taken);
	return bundle_fini(b);
}

/* --- asking for them --------------------------------------------------- */

int
bundle_rank(const json_t *object)
{
	const char *key = member(object, "key");

	if (key == NULL)
		return 0;
	if (strcmp(key, "rootcrl") == 0 || strncmp(key, "amdcrl/", 7) == 0)
		return 0;
	return strncmp(key, "vek/", 4) == 0 ? 2 : 1;
}

json_t *
bundle_page(struct cli *cli, const char *part, json_int_t *next)
{
	struct http_answer answer = { 0 };
	struct cli_ask ask = { .method = "GET", .path = "/v1/export" };
	json_t *doc = NULL;
	char path[64];

	if (part != NULL) {
		snprintf(path, sizeof(path),
		    "/v1/export?%s=%" JSON_INTEGER_FORMAT, part, *next);
		ask.path = path;
	}
	if (cli_ask_ok(cli, &ask, &answer) == CLI_OK)
		doc = show_data(cli, buf_view(&answer.body));
	http_answer_free(&answer);
	if (part != NULL)
		*next = json_integer_value(json_object_get(doc, "next"));
	return doc;
}

/* --- AMD's files ------------------------------------------------------ */

static const char pem_mark[] = "-----BEGIN CERTIFICATE-----";

bool
bundle_is_amd(struct span file)
{
	size_t i = 0;

	while (i < file.len && isspace(file.p[i]))
		i++;
	/* A document of JSON may hold PEM. */
	if (i == file.len || file.p[i] == '{')
		return false;
	return file.p[0] == 0x30 ||
	       memmem(file.p, file.len, pem_mark, sizeof(pem_mark) - 1) != NULL;
}

/* "member" is "der" or "body"; "value" is what stands there. */
static json_t *
object_of(const struct coll_key *key, const char *name, struct span value)
{
	json_t *o = json_object();

	json_object_set_new(o, "key", json_string(key->text));
	must(json_object_set_new(o, name,
		 json_stringn((const char *)value.p, value.len)) == 0);
	json_object_set_new(o, "source", json_string("file"));
	return o;
}

static json_t *
der_object(const struct coll_key *key, struct span der)
{
	struct buf b64 = BUF_INIT;
	json_t *o;

	buf_base64(&b64, der);
	o = object_of(key, "der", buf_view(&b64));
	buf_free(&b64);
	return o;
}

json_t *
bundle_vek(const struct vek *vek)
{
	struct coll_key key = key_vek(vek);

	return der_object(&key, blob_span(vek->der));
}

static enum err
vek_object(struct span der, json_t **out, struct why *why)
{
	struct vek *vek = NULL;
	enum err e;

	if ((e = vek_parse(der, &vek, why)) != ERR_OK)
		return e;
	*out = bundle_vek(vek);
	vek_unref(vek);
	return ERR_OK;
}

/* What is not cannot stand in a bundle. */
static bool
is_ascii(struct span s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (s.p[i] == 0 || s.p[i] >= 0x80)
			return false;
	return true;
}

/* One block: a key; more of them: a chain. */
static enum err
pem_object(struct span pem, json_t **out, struct why *why)
{
	const unsigned char *first =
	    memmem(pem.p, pem.len, pem_mark, sizeof(pem_mark) - 1);
	struct span rest =
	    span_of(first + 1, pem.len - 1 - (size_t)(first - pem.p));
	enum amd_product product;
	struct buf der = BUF_INIT;
	enum amd_side side;
	struct coll_key key;
	enum err e;

	if (memmem(rest.p, rest.len, pem_mark, sizeof(pem_mark) - 1) == NULL) {
		e = pem_next(&pem, "CERTIFICATE", &der, why);
		if (e == ERR_OK)
			e = vek_object(buf_view(&der), out, why);
		buf_free(&der);
		return e;
	}
	if ((e = amd_chain_claims(pem, &product, &side, why)) != ERR_OK)
		return e;
	if (!is_ascii(pem))
		return why_set(why, ERR_FORMAT, "amd-kds 6.1",
		    "a cert_chain is text");
	key = key_amd_chain(product, side);
	*out = object_of(&key, "body", pem);
	return ERR_OK;
}

enum err
bundle_amd(struct span file, enum amd_side crl_side, json_t **out,
    struct why *why)
{
	enum amd_product product;
	struct coll_key key;

	must(bundle_is_amd(file));
	if (file.p[0] != 0x30)
		return pem_object(file, out, why);
	if (amd_crl_claims(file, &product, NULL) == ERR_OK) {
		key = key_amd_crl(product, crl_side);
		*out = der_object(&key, file);
		return ERR_OK;
	}
	return vek_object(file, out, why);
}
