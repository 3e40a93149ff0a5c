/*
 * AMD's side of the impact preview: the TCB each chip known has reported (of
 * several the highest), against every TCB that some chip has as the least one
 * demanded; and what a change of the rules makes of them.  Store thread.
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/baseline.h"
#include "storage/preview.h"
#include "storage/status.h"

#include <stdlib.h>
#include <string.h>

/* Least TCBs looked at for one product: the highest. */
#define CANDIDATES_MAX 8
#define EXAMPLES_MAX   5

struct chip {
	unsigned char id[AMD_HWID_MAX]; /* amd_hwid_len() of them */
	struct amd_tcb tcb;
	bool has_min; /* a least TCB is demanded of it now */
	struct amd_tcb min;
};

struct chips { /* of one product */
	enum amd_product product;
	size_t n, cap;
	struct chip *v;
};

struct fleet_amd {
	const struct baseline *baseline;
	struct chips of[AMD_PRODUCT_N];
};

/* --- reading ---------------------------------------------------------- */

static struct chip *
chip_add(const struct baseline *b, struct chips *c, struct span id)
{
	char hex[2 * AMD_HWID_MAX + 1];
	struct base_amd_min min;
	struct chip *chip;

	if (c->n == c->cap) {
		c->cap = c->cap == 0 ? 16 : 2 * c->cap;
		c->v = xrealloc(c->v, c->cap, sizeof(*c->v));
	}
	chip = &c->v[c->n++];
	*chip = (struct chip){ .has_min = false };
	memcpy(chip->id, id.p, id.len);
	hex_lower(id, hex);
	if (baseline_amd(b, c->product, hex, &min) && !min.newest) {
		chip->has_min = true;
		chip->min = min.tcb;
	}
	return chip;
}

/* Rows come chip by chip. */
static bool
chip_row(void *arg, const struct db_val *col)
{
	struct fleet_amd *f = arg;
	enum amd_product product = amd_product_read(col[0].s);
	struct amd_tcb tcb;
	struct chips *c;
	struct chip *chip;

	if (product == AMD_PRODUCT_N || col[1].s.len != amd_hwid_len(product) ||
	    amd_tcb_read(col[2].s, &tcb) != ERR_OK)
		return true;
	c = &f->of[product];
	chip = c->n == 0 ? NULL : &c->v[c->n - 1];
	if (chip == NULL || memcmp(chip->id, col[1].s.p, col[1].s.len) != 0) {
		chip = chip_add(f->baseline, c, col[1].s);
		chip->tcb = tcb;
	} else if (amd_tcb_covers(product, tcb, chip->tcb)) {
		chip->tcb = tcb;
	}
	return true;
}

/* --- candidates ------------------------------------------------------- */

static struct amd_spl
spl_of(enum amd_product product, struct amd_tcb tcb)
{
	struct amd_spl s = { 0 };

	/* Reserved bytes set: as if it could prove nothing. */
	if (amd_spl_of(product, tcb, &s, NULL) != ERR_OK)
		return (struct amd_spl){ 0 };
	return s;
}

static int
tcb_cmp(const void *a, const void *b)
{
	char x[17], y[17];

	amd_tcb_write(*(const struct amd_tcb *)a, x);
	amd_tcb_write(*(const struct amd_tcb *)b, y);
	return -strcmp(x, y);
}

/* What is demanded now, and of what chips have the highest: each once. */
static size_t
candidates(const struct fleet_amd *f, const struct chips *c,
    struct amd_tcb out[CANDIDATES_MAX])
{
	struct amd_tcb *v = xcalloc(c->n + 1, sizeof(*v));
	struct base_amd_min min;
	size_t i, n = 0, kept = 0;

	for (i = 0; i < c->n; i++)
		v[n++] = c->v[i].tcb;
	if (baseline_amd(f->baseline, c->product, NULL, &min) && !min.newest)
		out[kept++] = min.tcb;
	if (n > 0)
		qsort(v, n, sizeof(*v), tcb_cmp);
	for (i = 0; i < n && kept < CANDIDATES_MAX; i++)
		if ((i == 0 || tcb_cmp(&v[i], &v[i - 1]) != 0) &&
		    (kept == 0 || tcb_cmp(&v[i], &out[0]) != 0))
			out[kept++] = v[i];
	if (kept > 0)
		qsort(out, kept, sizeof(*out), tcb_cmp);
	free(v);
	return kept;
}

/* --- the document ----------------------------------------------------- */

/* As the log names a chip: "#1a2b3c4d". */
static void
chip_name(struct jout *o, enum amd_product product, const struct chip *chip)
{
	struct coll_key key = key_vcek(product,
	    span_of(chip->id, amd_hwid_len(product)), chip->tcb);
	struct key_log log = key_log(&key);
	char *at = strchr(log.s, '#');

	must(at != NULL);
	at[strcspn(at, "/")] = '\0';
	jout_text(o, "name", at);
}

static void
short_add(struct jout *o, const char *part, unsigned has, unsigned needs)
{
	if (has >= needs)
		return;
	jout_open(o, NULL, '{');
	jout_text(o, "part", part);
	jout_int(o, "has", has);
	jout_int(o, "needs", needs);
	jout_close(o, '}');
}

static void
short_write(struct jout *o, enum amd_product product, struct amd_tcb has,
    struct amd_tcb needs)
{
	struct amd_spl h = spl_of(product, has), n = spl_of(product, needs);

	jout_open(o, "short", '[');
	short_add(o, "fmc", h.fmc, n.fmc);
	short_add(o, "bootloader", h.bl, n.bl);
	short_add(o, "tee", h.tee, n.tee);
	short_add(o, "snp", h.snp, n.snp);
	short_add(o, "microcode", h.ucode, n.ucode);
	jout_close(o, ']');
}

static void
tcb_out(struct jout *o, const char *name, struct amd_tcb tcb)
{
	char text[17];

	amd_tcb_write(tcb, text);
	jout_text(o, name, text);
}

static void
examples_write(struct jout *o, const struct chips *c, struct amd_tcb least)
{
	const struct chip *chip;
	unsigned shown = 0;
	size_t i;

	jout_open(o, "examples", '[');
	for (i = 0; i < c->n && shown < EXAMPLES_MAX; i++) {
		chip = &c->v[i];
		if (amd_tcb_covers(c->product, chip->tcb, least))
			continue;
		jout_open(o, NULL, '{');
		chip_name(o, c->product, chip);
		tcb_out(o, "tcb", chip->tcb);
		short_write(o, c->product, chip->tcb, least);
		jout_close(o, '}');
		shown++;
	}
	jout_close(o, ']');
}

static void
candidate_write(struct jout *o, const struct chips *c, struct amd_tcb least,
    bool effective)
{
	size_t i, meets = 0, fall = 0;
	const struct chip *chip;

	for (i = 0; i < c->n; i++) {
		chip = &c->v[i];
		if (amd_tcb_covers(c->product, chip->tcb, least))
			meets++;
		else
			fall += !chip->has_min || amd_tcb_covers(c->product,
						      chip->tcb, chip->min);
	}
	jout_open(o, NULL, '{');
	tcb_out(o, "tcb", least);
	jout_bool(o, "effective", effective);
	jout_int(o, "meets", (int64_t)meets);
	jout_int(o, "below", (int64_t)(c->n - meets));
	jout_int(o, "fall", (int64_t)fall);
	examples_write(o, c, least);
	jout_close(o, '}');
}

static void
product_write(struct jout *o, const struct fleet_amd *f, const struct chips *c)
{
	struct amd_tcb least[CANDIDATES_MAX];
	size_t i, n = candidates(f, c, least);
	struct base_amd_min min = { .newest = true };
	bool pinned =
	    baseline_amd(f->baseline, c->product, NULL, &min) && !min.newest;

	jout_open(o, NULL, '{');
	jout_text(o, "product", amd_product_name(c->product));
	jout_int(o, "chips", (int64_t)c->n);
	if (pinned)
		tcb_out(o, "minimum", min.tcb);
	else
		jout_text(o, "minimum", NULL);
	jout_open(o, "candidates", '[');
	for (i = 0; i < n; i++)
		candidate_write(o, c, least[i],
		    pinned && tcb_cmp(&least[i], &min.tcb) == 0);
	jout_close(o, ']');
	jout_close(o, '}');
}

/* --- reading them ----------------------------------------------------- */

static enum err
fleet_amd_read(struct storage *st, const struct baseline *b,
    struct fleet_amd *f, struct why *why)
{
	int p;

	*f = (struct fleet_amd){ .baseline = b };
	for (p = 0; p < AMD_PRODUCT_N; p++)
		f->of[p].product = (enum amd_product)p;
	return store_read(st, SQL_FLEET_CHIPS, NULL, 0, chip_row, f, why);
}

static void
fleet_amd_fini(struct fleet_amd *f)
{
	int p;

	for (p = 0; p < AMD_PRODUCT_N; p++)
		free(f->of[p].v);
}

enum err
preview_amd(struct storage *st, struct jout *o, struct why *why)
{
	struct fleet_amd f;
	enum err e = fleet_amd_read(st, snap_baseline(st->snap), &f, why);
	int p;

	jout_open(o, "amd", '[');
	for (p = 0; e == ERR_OK && p < AMD_PRODUCT_N; p++)
		if (f.of[p].n > 0)
			product_write(o, &f, &f.of[p]);
	jout_close(o, ']');
	fleet_amd_fini(&f);
	return e;
}

/* --- a change of the rules -------------------------------------------- */

static bool
chip_below(const struct chips *c, const struct chip *chip,
    const struct amd_tcb *least)
{
	return least != NULL && !amd_tcb_covers(c->product, chip->tcb, *least);
}

static void
change_sum(const struct chips *c, const struct baseline *to,
    struct impact_amd *sum)
{
	char hex[2 * AMD_HWID_MAX + 1];
	struct base_amd_min min;
	const struct chip *chip;
	bool was, is;
	size_t i;

	for (i = 0; i < c->n; i++) {
		chip = &c->v[i];
		hex_lower(span_of(chip->id, amd_hwid_len(c->product)), hex);
		was = chip_below(c, chip, chip->has_min ? &chip->min : NULL);
		is = baseline_amd(to, c->product, hex, &min) && !min.newest &&
		     chip_below(c, chip, &min.tcb);
		sum->below_before += was;
		sum->below_after += is;
		sum->fall += is && !was;
	}
	sum->chips += c->n;
}

enum err
impact_amd(struct storage *st, const struct baseline *from,
    const struct baseline *to, struct impact_amd *sum, struct why *why)
{
	struct fleet_amd f;
	enum err e = fleet_amd_read(st, from, &f, why);
	int p;

	*sum = (struct impact_amd){ 0 };
	for (p = 0; e == ERR_OK && p < AMD_PRODUCT_N; p++)
		change_sum(&f.of[p], to, sum);
	fleet_amd_fini(&f);
	return e;
}
