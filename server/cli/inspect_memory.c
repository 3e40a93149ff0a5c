/*
 * Collateral as Intel's verification library has it in memory, written out by
 * Open Enclave as a quote's endorsements: sgx_ql_qve_collateral_t with its
 * seven pointers and sizes, then what they pointed to, one behind the other.
 */
#include "server/cli/inspect.h"

#include "config/base/must.h"
#include "storage/verify/verify.h"

static const char *const parts[] = { "pck_crl_issuer_chain", "root_ca_crl",
	"pck_crl", "tcb_info_issuer_chain", "tcb_info",
	"qe_identity_issuer_chain", "qe_identity" };
#define PARTS (sizeof(parts) / sizeof(parts[0]))

struct memory {
	uint16_t major, minor;
	uint32_t tee;
	struct span part[PARTS];
};

/* The pointers say where things stood: here they stand in the same order. */
static bool
memory_read(struct span s, struct memory *m)
{
	uint64_t at[PARTS], len[PARTS], end;
	size_t i;

	if (span_u16le(&s, &m->major) != ERR_OK ||
	    span_u16le(&s, &m->minor) != ERR_OK ||
	    span_u32le(&s, &m->tee) != ERR_OK ||
	    (m->tee != TEE_SGX && m->tee != TEE_TDX))
		return false;
	for (i = 0; i < PARTS; i++)
		if (span_u64le(&s, &at[i]) != ERR_OK ||
		    span_u64le(&s, &len[i]) != ERR_OK)
			return false;
	for (i = 0, end = at[0]; i < PARTS; i++) {
		if (at[i] != end || len[i] > s.len ||
		    span_take(&s, (size_t)len[i], &m->part[i]) != ERR_OK)
			return false;
		end += len[i];
	}
	return s.len == 0;
}

/* What stands in it as text, without the NUL that ends it. */
static json_t *
part_tree(struct span s, unsigned depth)
{
	struct why why = { 0 };
	json_t *o;

	while (s.len > 0 && s.p[s.len - 1] == '\0')
		s.len--;
	o = inspect_any(s, depth, &why);
	if (o == NULL)
		o = json_pack("{s:s}", "problem",
		    why.err == ERR_OK ? "no format that is known here"
				      : why.text);
	return o;
}

json_t *
inspect_memory(struct span s, unsigned depth)
{
	struct memory m;
	json_t *o;
	size_t i;

	if (!memory_read(s, &m))
		return NULL;
	o = json_pack("{s:s, s:o, s:s}", "type", "oe-endorsements", "version",
	    json_sprintf("%u.%u", (unsigned)m.major, (unsigned)m.minor), "tee",
	    tee_name((enum tee)m.tee));
	must(o != NULL);
	for (i = 0; i < PARTS; i++)
		field_set(o, parts[i], part_tree(m.part[i], depth));
	return o;
}
