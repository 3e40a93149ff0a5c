#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "config/base/version.h"
#include "server/cli/bundle.h"
#include "server/cli/site.h"
#include "server/cli/sitekey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Objects in one part; some kilobytes each. */
#define PART_OBJECTS 200

enum { N_OBJECTS, N_PLATFORMS, N_REGISTRATIONS, N_POLICIES, N_COUNTS };
static const char *const count_name[N_COUNTS] = { "objects", "platforms",
	"registrations", "policies" };

struct site_out {
	struct cli *cli;
	char *path; /* written beside the file, renamed when it is whole */
	FILE *f;
	char made_at[TIME_LEN];
	json_t *parts; /* of the manifest */
	size_t n[N_COUNTS];
};

/* --- lines ------------------------------------------------------------ */

static int
write_failed(struct site_out *o)
{
	return cli_fail(o->cli, "%s: %s", o->path, strerror(errno));
}

static int
put_line(struct site_out *o, struct span text)
{
	if (fwrite(text.p, 1, text.len, o->f) != text.len ||
	    fputc('\n', o->f) == EOF)
		return write_failed(o);
	return CLI_OK;
}

/* A line that the manifest names. */
static int
put_part(struct site_out *o, const char *kind, const json_t *doc)
{
	char *text = json_dumps(doc, JSON_COMPACT), sha[65];
	unsigned char hash[32];
	int rc;

	must(text != NULL);
	sha256(span_str(text), hash);
	hex_lower(span_of(hash, sizeof(hash)), sha);
	must(json_array_append_new(o->parts,
		 json_pack("{s:s, s:I, s:s}", "kind", kind, "bytes",
		     (json_int_t)strlen(text), "sha256", sha)) == 0);
	rc = put_line(o, span_str(text));
	free(text);
	return rc;
}

static int
put_head(struct site_out *o)
{
	json_t *doc = json_pack("{s:i, s:s, s:s}", "larder_site_bundle", 1,
	    "made_at", o->made_at, "larder", LARDER_VERSION);
	int rc = put_part(o, "head", doc);

	json_decref(doc);
	return rc;
}

static int
put_manifest(struct site_out *o, const struct sitekey *key)
{
	struct buf signature = BUF_INIT, b64 = BUF_INIT;
	char id[SITEKEY_ID_LEN + 1], *text;
	json_t *doc, *counts = json_object();
	int i, rc;

	for (i = 0; i < N_COUNTS; i++)
		json_object_set_new(counts, count_name[i],
		    json_integer((json_int_t)o->n[i]));
	doc = json_pack("{s:i, s:s, s:s, s:o, s:O}", "manifest", 1, "made_at",
	    o->made_at, "larder", LARDER_VERSION, "counts", counts, "parts",
	    o->parts);
	must((text = json_dumps(doc, JSON_COMPACT)) != NULL);
	rc = put_line(o, span_str(text));
	sitekey_sign(key, span_str(text), &signature);
	free(text);
	json_decref(doc);

	buf_base64(&b64, buf_view(&signature));
	buf_add(&b64, "", 1);
	sitekey_id(key, id);
	doc = json_pack("{s:s, s:s, s:s}", "signature", b64.p, "algorithm",
	    sitekey_algorithm(key), "key", id);
	must((text = json_dumps(doc, JSON_COMPACT)) != NULL);
	if (rc == CLI_OK)
		rc = put_line(o, span_str(text));
	free(text);
	json_decref(doc);
	buf_free(&signature);
	buf_free(&b64);
	return rc;
}

/* --- parts ------------------------------------------------------------ */

static int
put_objects(struct site_out *o, json_t *list)
{
	json_t *doc =
	    json_pack("{s:i, s:O}", "larder_bundle", 1, "objects", list);
	int rc = CLI_OK;

	if (json_array_size(list) != 0)
		rc = put_part(o, count_name[N_OBJECTS], doc);
	o->n[N_OBJECTS] += json_array_size(list);
	json_array_clear(list);
	json_decref(doc);
	return rc;
}

/* The hot set; who judges goes before who is judged. */
static int
export_objects(struct site_out *o)
{
	json_t *doc = bundle_page(o->cli, NULL, NULL), *list = json_array();
	json_t *object;
	int rank, rc = doc == NULL ? CLI_FAILED : CLI_OK;
	size_t i;

	for (rank = 0; rank < BUNDLE_RANKS; rank++)
		json_array_foreach(json_object_get(doc, "objects"), i, object)
		{
			if (bundle_rank(object) != rank || rc != CLI_OK)
				continue;
			json_array_append(list, object);
			if (json_array_size(list) == PART_OBJECTS)
				rc = put_objects(o, list);
		}
	if (rc == CLI_OK)
		rc = put_objects(o, list);
	json_decref(list);
	json_decref(doc);
	return rc;
}

/* How many of a kind this page has. */
static size_t
page_count(const json_t *doc, int kind)
{
	const json_t *in =
	    kind == N_PLATFORMS ? json_object_get(doc, "collaterals") : doc;

	return json_array_size(json_object_get(in,
	    kind == N_PLATFORMS ? "pck_certs" : count_name[kind]));
}

/* Every page of GET /v1/export?PART=. */
static int
export_pages(struct site_out *o, const char *part)
{
	json_int_t next = 0;
	int i, rc = CLI_OK;
	json_t *doc;
	size_t n;

	do {
		if ((doc = bundle_page(o->cli, part, &next)) == NULL)
			return CLI_FAILED;
		json_object_del(doc, "next");
		json_object_del(doc, "made_at");
		for (n = 0, i = 0; i < N_COUNTS; i++) {
			o->n[i] += page_count(doc, i);
			n += page_count(doc, i);
		}
		if (n != 0)
			rc = put_part(o, part, doc);
		json_decref(doc);
	} while (next > 0 && rc == CLI_OK);
	return rc;
}

static int
export_all(struct site_out *o, const struct sitekey *key)
{
	static const char *const part[] = { "veks", "platforms",
		"registrations", "policies" };
	size_t i;
	int rc;

	if ((rc = put_head(o)) != CLI_OK || (rc = export_objects(o)) != CLI_OK)
		return rc;
	for (i = 0; i < sizeof(part) / sizeof(part[0]); i++)
		if ((rc = export_pages(o, part[i])) != CLI_OK)
			return rc;
	return put_manifest(o, key);
}

/* --- the file --------------------------------------------------------- */

/* It holds manifests and encrypted PPIDs: for its owner alone. */
static int
file_open(struct site_out *o)
{
	int fd = open(o->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd == -1)
		return write_failed(o);
	if (fchmod(fd, 0600) == -1 || (o->f = fdopen(fd, "w")) == NULL) {
		close(fd);
		return write_failed(o);
	}
	return CLI_OK;
}

static int
file_finish(struct site_out *o, const char *path)
{
	bool good = fflush(o->f) == 0 && fsync(fileno(o->f)) == 0;

	if (fclose(o->f) != 0 || !good)
		good = false;
	o->f = NULL;
	return good && rename(o->path, path) == 0 ? CLI_OK : write_failed(o);
}

int
site_export(struct cli *cli)
{
	const char *path = cli_value(cli, "output");
	const char *key_path = cli_value(cli, "sign-key");
	struct site_out o = { .cli = cli };
	struct sitekey *key = NULL;
	struct buf beside = BUF_INIT;
	struct why why = { 0 };
	int rc;

	if (path == NULL || strcmp(path, "-") == 0 || key_path == NULL)
		return cli_misuse(cli, "--site wants --sign-key and --output");
	if (sitekey_private(key_path, &key, &why) != ERR_OK)
		return cli_fail(cli, "%s", why.text);
	time_write(clock_now(), o.made_at);
	o.parts = json_array();
	buf_printf(&beside, "%s.part", path);
	buf_add(&beside, "", 1);
	o.path = beside.p;
	if ((rc = file_open(&o)) != CLI_OK)
		goto out;
	if ((rc = export_all(&o, key)) == CLI_OK)
		rc = file_finish(&o, path);
	if (o.f != NULL)
		fclose(o.f);
	if (rc != CLI_OK)
		unlink(o.path);
	else
		printf("%s: %zu objects, %zu platforms, %zu registrations and "
		       "%zu appraisal policies\n",
		    path, o.n[N_OBJECTS], o.n[N_PLATFORMS],
		    o.n[N_REGISTRATIONS], o.n[N_POLICIES]);
out:
	buf_free(&beside);
	json_decref(o.parts);
	sitekey_free(key);
	return rc;
}
