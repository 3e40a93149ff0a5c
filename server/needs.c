#include "server/needs.h"

#include "storage/baseline.h"

#include <stdio.h>
#include <string.h>

void
needs_intel(enum tee tee, const char *fmspc, enum pck_ca ca, enum update update,
    struct needs *out)
{
	enum enclave qe = tee == TEE_TDX ? ENCLAVE_TDQE : ENCLAVE_QE;

	(void)snprintf(out->fmspc, sizeof(out->fmspc), "%s", fmspc);
	out->key[NEED_TCB_INFO] = key_tcbinfo(tee, 4, fmspc, update, 0);
	out->key[NEED_IDENTITY] = key_identity(qe, 4, update, 0);
	out->key[NEED_PCK_CRL] = key_pck_crl(ca);
	out->key[NEED_ROOT_CRL] = key_root_crl();
}

/* "fmspc pin", "default standard": the rule that named the number. */
static void
rule_text(const struct base_policy *p, const char *listen, const char *fmspc,
    uint32_t number, char out[NEEDS_BASELINE])
{
	static const char *const scope[] = { [BASE_DEFAULT] = "default",
		[BASE_LISTEN] = "listen",
		[BASE_FMSPC] = "fmspc" };
	const struct base_scope *s = NULL;

	if (listen != NULL)
		s = base_scope_at(p, BASE_LISTEN, listen);
	if (s == NULL)
		s = base_scope_at(p, BASE_FMSPC, fmspc);
	if (s == NULL)
		s = base_scope_at(p, BASE_DEFAULT, "");
	(void)snprintf(out, NEEDS_BASELINE, "%s %s, number %u", scope[s->kind],
	    follow_name(s->rule.follow), number);
}

/* The number both documents have to have; 0: what is called so. */
static uint32_t
number_of(const struct needs *n, const struct config *config,
    const struct baseline *b, const char *listen, struct needs_held *out)
{
	const struct coll_key *key = &n->key[NEED_TCB_INFO];
	const struct base_pick *p;

	if (key->update == UPDATE_EARLY &&
	    !config->baseline.override_requests) {
		(void)snprintf(out->baseline, sizeof(out->baseline),
		    "early, as asked");
		return baseline_world(b, key->tee)->early;
	}
	p = baseline_pick(b, listen, key->tee, n->fmspc);
	rule_text(baseline_policy(b), listen, n->fmspc, p->number,
	    out->baseline);
	out->until = p->held ? p->until : 0;
	return p->number;
}

void
needs_held(const struct needs *n, const struct config *config,
    const struct snap *snap, const char *listen, struct needs_held *out)
{
	uint32_t number;
	int i;

	memset(out, 0, sizeof(*out));
	number = number_of(n, config, snap_baseline(snap), listen, out);
	for (i = 0; i < NEED_N; i++)
		out->coll[i] = number != 0 && i <= NEED_IDENTITY
				   ? snap_numbered(snap, &n->key[i], number)
				   : snap_get(snap, &n->key[i]);
}
