/* Requirements on SNP guests out of JSON (snp-report 9). */
#include "server/appraise/require_read.h"

#include "config/base/must.h"

#include <stdio.h>
#include <string.h>

const struct named_bit snp_policy_bits[] = {
	{ "smt", 1ULL << 16, true, SNP_ERR_POLICY_BITS },
	{ "migrate_ma", 1ULL << 18, true, SNP_ERR_POLICY_MIGRATE },
	{ "debug", 1ULL << 19, true, SNP_ERR_POLICY_DEBUG },
	{ "single_socket", 1ULL << 20, false, SNP_ERR_POLICY_BITS },
	{ "cxl", 1ULL << 21, true, SNP_ERR_POLICY_BITS },
	{ "mem_aes_256_xts", 1ULL << 22, false, SNP_ERR_POLICY_BITS },
	{ "rapl_dis", 1ULL << 23, false, SNP_ERR_POLICY_BITS },
	{ "ciphertext_hiding_dram", 1ULL << 24, false, SNP_ERR_POLICY_BITS },
	{ "page_swap_disable", 1ULL << 25, false, SNP_ERR_POLICY_BITS },
	{ NULL, 0, false, SNP_OK },
};
const struct named_bit snp_platform_bits[] = {
	{ "smt_en", 1ULL << 0, false, SNP_ERR_POLICY_PLATFORM },
	{ "tsme_en", 1ULL << 1, false, SNP_ERR_POLICY_PLATFORM },
	{ "ecc_en", 1ULL << 2, false, SNP_ERR_POLICY_PLATFORM },
	{ "rapl_dis", 1ULL << 3, false, SNP_ERR_POLICY_PLATFORM },
	{ "ciphertext_hiding_dram_en", 1ULL << 4, false,
	    SNP_ERR_POLICY_PLATFORM },
	{ "alias_check_complete", 1ULL << 5, false, SNP_ERR_POLICY_PLATFORM },
	{ "tio_en", 1ULL << 7, false, SNP_ERR_POLICY_PLATFORM },
	{ NULL, 0, false, SNP_OK },
};

static const struct named_bit *
bit_find(const struct named_bit *b, const char *name)
{
	while (b->name != NULL && strcmp(b->name, name) != 0)
		b++;
	return b->name == NULL ? NULL : b;
}

/*
 * "policy": a bit that weakens is forbidden by false and let be by true, one
 * that strengthens is demanded by true; "platform_info": as it must be.
 */
enum err
read_bits(struct reader *r, const json_t *v, const struct member *m)
{
	bool policy = m->at == AT(snp.policy), on;
	struct want_bits *w = reader_field(r, m);
	size_t len = strlen(r->path);
	const struct named_bit *b;
	const char *name;
	json_t *one;

	if (!json_is_object(v))
		return reader_bad(r, "not an object");
	json_object_foreach((json_t *)(uintptr_t)v, name, one)
	{
		(void)snprintf(r->path + len, PATH_MAX_LEN - len, ".%s", name);
		b = bit_find(policy ? snp_policy_bits : snp_platform_bits,
		    name);
		if (b == NULL)
			return reader_bad(r, "unknown member");
		if (!json_is_boolean(one))
			return reader_bad(r, "neither true nor false");
		on = json_is_true(one);
		w->one &= ~b->mask;
		w->zero &= ~b->mask;
		if (on && !b->weakens)
			w->one |= b->mask;
		if (!on && (b->weakens || !policy))
			w->zero |= b->mask;
		r->path[len] = '\0';
	}
	return ERR_OK;
}

/* "1.55", "1.55.29": m->len numbers of a byte each, made one number. */
enum err
read_version(struct reader *r, const json_t *v, const struct member *m)
{
	struct want_min *w = reader_field(r, m);
	struct span rest = reader_text(v);
	uint64_t n = 0, part;
	size_t i, digits;

	for (i = 0; i < m->len; i++) {
		if (i > 0 && (rest.len == 0 || rest.p[0] != '.'))
			return reader_bad(r, "not numbers with dots between");
		if (i > 0)
			must(span_skip(&rest, 1) == ERR_OK);
		part = 0;
		for (digits = 0; rest.len > 0 && rest.p[0] >= '0' &&
				 rest.p[0] <= '9' && digits < 3;
		     digits++) {
			part = part * 10 + (uint64_t)(rest.p[0] - '0');
			must(span_skip(&rest, 1) == ERR_OK);
		}
		if (digits == 0 || part > 255)
			return reader_bad(r, "not numbers of 0 to 255");
		n = n << 8 | part;
	}
	if (rest.len > 0)
		return reader_bad(r, "too many numbers");
	w->set = true;
	w->v = n;
	return ERR_OK;
}

enum err
read_products(struct reader *r, const json_t *v, const struct member *m)
{
	unsigned *products = reader_field(r, m);
	enum amd_product p;
	size_t i;

	*products = 0;
	for (i = 0; i < reader_items(v); i++) {
		p = json_is_string(reader_item(v, i))
			? amd_product_read(reader_text(reader_item(v, i)))
			: AMD_PRODUCT_N;
		if (p == AMD_PRODUCT_N)
			return reader_bad(r, "not a product of AMD's");
		*products |= 1u << p;
	}
	return *products != 0 ? ERR_OK : reader_bad(r, "an empty list");
}

static enum err
read_spl(struct reader *r, const json_t *o, struct want_spl *w)
{
	const struct {
		const char *name;
		uint8_t *to;
	} parts[] = { { "fmc", &w->v.fmc }, { "bl", &w->v.bl },
		{ "tee", &w->v.tee }, { "snp", &w->v.snp },
		{ "ucode", &w->v.ucode } };
	size_t i, known = 0;
	uint64_t n;
	json_t *v;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if ((v = json_object_get(o, parts[i].name)) == NULL)
			continue;
		if (!reader_number(v, 255, &n))
			return reader_bad(r, "a component is not in 0 to 255");
		*parts[i].to = (uint8_t)n;
		known++;
	}
	if (!json_is_object(o) || known != json_object_size(o))
		return reader_bad(r,
		    "unknown member: fmc, bl, tee, snp, ucode");
	w->set = true;
	return ERR_OK;
}

/* {"Milan": {"bl": 3, "tee": 0, "snp": 8, "ucode": 115}} */
enum err
read_tcbs(struct reader *r, const json_t *v, const struct member *m)
{
	struct want_spl *w = reader_field(r, m);
	size_t len = strlen(r->path);
	enum amd_product p;
	const char *name;
	json_t *one;

	if (!json_is_object(v))
		return reader_bad(r, "not an object");
	json_object_foreach((json_t *)(uintptr_t)v, name, one)
	{
		(void)snprintf(r->path + len, PATH_MAX_LEN - len, ".%s", name);
		if ((p = amd_product_read(span_str(name))) == AMD_PRODUCT_N)
			return reader_bad(r, "not a product of AMD's");
		if (read_spl(r, one, &w[p]) != ERR_OK)
			return ERR_PARAM;
		r->path[len] = '\0';
	}
	return ERR_OK;
}
