#include "server/cli/trustee.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define VCEK_MAX ((size_t)64 << 10)

/* --- names ------------------------------------------------------------ */

void
trustee_name(const struct vek *v, char out[TRUSTEE_NAME])
{
	char fmc[12] = "";

	if (v->product == AMD_TURIN)
		snprintf(fmc, sizeof(fmc), "_fmc%02u", v->spl.fmc);
	snprintf(out, TRUSTEE_NAME,
	    "bl%02u_tee%02u_snp%02u_ucode%02u%s_vcek.der", v->spl.bl,
	    v->spl.tee, v->spl.snp, v->spl.ucode, fmc);
}

/* "<word><digits>" at the front of *s; false: something else stands there. */
static bool
part_read(struct span *s, const char *word, unsigned *out)
{
	struct span none;
	unsigned v = 0;
	size_t n = 0;

	if (!span_starts(*s, word) ||
	    span_take(s, strlen(word), &none) != ERR_OK)
		return false;
	for (; n < s->len && s->p[n] >= '0' && s->p[n] <= '9'; n++)
		v = v > 255 ? v : v * 10 + (unsigned)(s->p[n] - '0');
	*out = v;
	return n != 0 && n <= 8 && v <= 255 && span_take(s, n, &none) == ERR_OK;
}

static bool
name_read(const char *file, struct amd_spl *out, bool *has_fmc)
{
	struct span s = span_str(file);
	unsigned bl, tee, snp, ucode, fmc = 0;

	if (!part_read(&s, "bl", &bl) || !part_read(&s, "_tee", &tee) ||
	    !part_read(&s, "_snp", &snp) || !part_read(&s, "_ucode", &ucode))
		return false;
	*has_fmc = span_starts(s, "_fmc");
	if ((*has_fmc && !part_read(&s, "_fmc", &fmc)) ||
	    !span_eq_str(s, "_vcek.der"))
		return false;
	*out = (struct amd_spl){ (uint8_t)fmc, (uint8_t)bl, (uint8_t)tee,
		(uint8_t)snp, (uint8_t)ucode };
	return true;
}

enum err
trustee_check(const char *folder, const char *file, const struct vek *v,
    struct why *why)
{
	unsigned char hwid[AMD_HWID_MAX];
	struct amd_spl spl;
	bool has_fmc;

	if (v->side != AMD_VCEK)
		return why_set(why, ERR_NOT_ASKED, "amd-kds 8.4", "not a VCEK");
	if (hex_read(span_str(folder), hwid, v->hwid_len) != ERR_OK ||
	    memcmp(hwid, v->hwid, v->hwid_len) != 0)
		return why_set(why, ERR_NOT_ASKED, "amd-kds 8.4",
		    "the certificate is not of the chip its folder names");
	if (strcmp(file, "vcek.der") == 0)
		return ERR_OK;
	if (!name_read(file, &spl, &has_fmc))
		return why_set(why, ERR_NOT_ASKED, "amd-kds 8.4",
		    "neither vcek.der nor "
		    "bl.._tee.._snp.._ucode..[_fmc..]_vcek.der");
	if (has_fmc != (v->product == AMD_TURIN) || spl.fmc != v->spl.fmc ||
	    spl.bl != v->spl.bl || spl.tee != v->spl.tee ||
	    spl.snp != v->spl.snp || spl.ucode != v->spl.ucode)
		return why_set(why, ERR_NOT_ASKED, "amd-kds 8.4",
		    "the certificate is not of the TCB its name says");
	return ERR_OK;
}

/* --- folders ---------------------------------------------------------- */

/* "A/B"; the caller's to free. */
static char *
path_join(const char *a, const char *b)
{
	struct buf p = BUF_INIT;
	char *out;

	buf_printf(&p, "%s/%s", a, b);
	out = span_dup(buf_view(&p));
	buf_free(&p);
	return out;
}

static bool
is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void
file_import(struct bundle *b, const char *dir, const char *folder,
    const char *file)
{
	char *path = path_join(dir, file);
	struct buf der = BUF_INIT;
	struct vek *vek = NULL;
	struct why why = { 0 };

	if (cli_read_file(path, VCEK_MAX, &der, &why) == ERR_OK &&
	    vek_parse(buf_view(&der), &vek, &why) == ERR_OK &&
	    trustee_check(folder, file, vek, &why) == ERR_OK)
		bundle_add(b, bundle_vek(vek));
	else
		bundle_fail(b, path, &why);
	vek_unref(vek);
	buf_free(&der);
	free(path);
}

/* Visits a folder's entries by name, but for those that begin with a dot. */
static bool
each_entry(struct bundle *b, const char *dir,
    void (*fn)(struct bundle *, const char *dir, const char *name))
{
	struct dirent **v = NULL;
	struct why why = { 0 };
	int i, n = scandir(dir, &v, NULL, alphasort);

	if (n < 0) {
		why_set(&why, ERR_IO, "", "%s", strerror(errno));
		bundle_fail(b, dir, &why);
		return false;
	}
	for (i = 0; i < n; i++) {
		if (v[i]->d_name[0] != '.')
			fn(b, dir, v[i]->d_name);
		free(v[i]);
	}
	free(v);
	return true;
}

static void
chip_entry(struct bundle *b, const char *dir, const char *name)
{
	const char *folder = strrchr(dir, '/') + 1;
	size_t len = strlen(name);

	if (len > 4 && strcmp(name + len - 4, ".der") == 0)
		file_import(b, dir, folder, name);
}

static bool
is_hwid(const char *name)
{
	return hex_is(span_str(name), (size_t)2 * AMD_HWID_MAX) ||
	       hex_is(span_str(name), 2 * amd_hwid_len(AMD_TURIN));
}

static void
top_entry(struct bundle *b, const char *dir, const char *name)
{
	char *path = path_join(dir, name);

	if (is_hwid(name) && is_dir(path))
		each_entry(b, path, chip_entry);
	free(path);
}

void
trustee_import(struct bundle *b, const char *dir)
{
	char *below = path_join(dir, "vcek");

	each_entry(b, is_dir(below) ? below : dir, top_entry);
	free(below);
}

/* --- out -------------------------------------------------------------- */

static enum err
dir_make(const char *path, struct why *why)
{
	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return ERR_OK;
	return why_set(why, ERR_IO, "", "%s: %s", path, strerror(errno));
}

enum err
trustee_export(const char *dir, const struct vek *v, struct why *why)
{
	char name[TRUSTEE_NAME], hwid[2 * AMD_HWID_MAX + 1];
	char *top = path_join(dir, "vcek"), *folder, *path;
	enum err e;

	must(v->side == AMD_VCEK);
	hex_lower(span_of(v->hwid, v->hwid_len), hwid);
	trustee_name(v, name);
	folder = path_join(top, hwid);
	path = path_join(folder, name);
	if ((e = dir_make(dir, why)) == ERR_OK &&
	    (e = dir_make(top, why)) == ERR_OK &&
	    (e = dir_make(folder, why)) == ERR_OK)
		e = cli_write_file(path, blob_span(v->der), 0644, true, why);
	free(path);
	free(folder);
	free(top);
	return e;
}
