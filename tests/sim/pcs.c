/*
 * Intel PCS's answers: routing, collateral, errors (pcs-upstream 2).
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/sim/sim_int.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DAY ((time_t)86400)

const char *
ask_param(const struct ask *ask, const char *name)
{
	size_t i;

	for (i = 0; i < ask->n_params; i++)
		if (strcmp(ask->params[i].name, name) == 0)
			return ask->params[i].value;
	return NULL;
}

void
answer_error(struct answer *a, int status, const char *code, const char *text)
{
	a->status = status;
	if (code != NULL)
		buf_printf(&a->head, "Error-Code: %s\r\nError-Message: %s\r\n",
		    code, text);
}

void
answer_chain(struct ask *ask, struct answer *a, const char *header,
    struct blob *pem)
{
	struct buf b = BUF_INIT;

	if (!ask_fault(ask, SIM_NO_CHAIN)) {
		buf_pct(&b, blob_span(pem));
		buf_printf(&a->head, "%s: %.*s\r\n", header, (int)b.len, b.p);
	}
	buf_free(&b);
	blob_unref(pem);
}

static void
answer_doc(struct ask *ask, struct answer *a, const char *header,
    struct pki_doc *doc)
{
	a->status = 200;
	a->type = "application/json";
	a->body = doc->body;
	answer_chain(ask, a, header, doc->chain);
}

/* --- which version of a document -------------------------------------- */

static bool
number_read(const char *s, unsigned *out)
{
	char *end;

	if (!isdigit((unsigned char)*s))
		return false;
	*out = (unsigned)strtoul(s, &end, 10);
	return *end == '\0' && *out >= 1;
}

/* False when the answer is an error already. */
static bool
eval_number(struct ask *ask, struct answer *a, enum tee tee, unsigned *out)
{
	const char *number = ask_param(ask, "tcbEvaluationDataNumber");
	const char *update = ask_param(ask, "update");
	unsigned low, high, n;

	pthread_mutex_lock(&ask->sim->lock);
	low = ask->sim->standard[TEE_INDEX(tee)];
	high = ask->sim->early[TEE_INDEX(tee)];
	pthread_mutex_unlock(&ask->sim->lock);
	n = low;
	if ((number != NULL && update != NULL) ||
	    (number != NULL && !number_read(number, &n)) ||
	    (update != NULL && strcasecmp(update, "early") != 0 &&
		strcasecmp(update, "standard") != 0)) {
		answer_error(a, 400, "InvalidRequestSyntax",
		    "update or tcbEvaluationDataNumber is not valid");
		return false;
	}
	if (update != NULL && strcasecmp(update, "early") == 0)
		n = high;
	if (n < low || n > high) {
		a->status = n < low ? 410 : 404;
		return false;
	}
	if (ask_fault(ask, SIM_LOWER))
		n -= ask->fault.arg > 0 ? (unsigned)ask->fault.arg : 1;
	*out = n;
	return true;
}

static time_t
issue_at(const struct ask *ask)
{
	if (!ask_fault(ask, SIM_OLDER))
		return ask->now;
	return ask->now - (ask->fault.arg != 0 ? ask->fault.arg : DAY);
}

/* --- TCB info --------------------------------------------------------- */

static void
pcs_tcb(struct ask *ask, struct answer *a)
{
	enum tee tee = (enum tee)ask->endpoint->arg;
	const char *fmspc = ask_param(ask, "fmspc");
	struct pki_tcbinfo t = { .tee = tee, .fmspc = fmspc };
	struct world_levels levels;
	struct pki_doc doc;
	char upper[13];
	bool tdx;
	size_t i;

	if (fmspc == NULL || !hex_is(span_str(fmspc), 12)) {
		answer_error(a, 400, "InvalidRequestSyntax", "fmspc");
		return;
	}
	if (!eval_number(ask, a, tee, &t.eval_num))
		return;
	for (i = 0; i < 13; i++)
		upper[i] = (char)toupper((unsigned char)fmspc[i]);
	if (!world_fmspc(upper, &tdx) || (tee == TEE_TDX && !tdx)) {
		a->status = 404;
		return;
	}
	if (ask_fault(ask, SIM_OTHER))
		t.fmspc = strcmp(upper, "00606A000000") == 0 ? "00906ED50000"
							     : "00606A000000";
	pthread_mutex_lock(&ask->sim->lock);
	world_levels(ask->sim, upper, t.eval_num, &levels);
	pthread_mutex_unlock(&ask->sim->lock);
	t.n_levels = levels.n;
	t.levels = levels.v;
	t.issue_at = issue_at(ask);
	t.lie = ask_lie(ask);
	doc = pki_tcbinfo(ask->sim->pki, &t);
	answer_doc(ask, a, "TCB-Info-Issuer-Chain", &doc);
}

/* --- identities ------------------------------------------------------- */

static void
pcs_identity(struct ask *ask, struct answer *a)
{
	enum enclave e = (enum enclave)ask->endpoint->arg;
	enum tee tee = e == ENCLAVE_TDQE ? TEE_TDX : TEE_SGX;
	struct pki_identity t = { .enclave = e };
	char dates[WORLD_SVNS][24];
	struct pki_svn levels[WORLD_SVNS];
	struct pki_doc doc;

	if (!eval_number(ask, a, tee, &t.eval_num))
		return;
	if (ask_fault(ask, SIM_OTHER))
		t.enclave = e == ENCLAVE_QVE ? ENCLAVE_QE : ENCLAVE_QVE;
	pthread_mutex_lock(&ask->sim->lock);
	t.n_levels = world_svns(ask->sim, t.enclave, t.eval_num, levels, dates);
	pthread_mutex_unlock(&ask->sim->lock);
	t.levels = levels;
	t.issue_at = issue_at(ask);
	t.lie = ask_lie(ask);
	doc = pki_identity(ask->sim->pki, &t);
	answer_doc(ask, a, "SGX-Enclave-Identity-Issuer-Chain", &doc);
}

/* --- CRLs ------------------------------------------------------------- */

static struct blob *
crl_now(struct ask *ask, enum pki_who who)
{
	struct sim *sim = ask->sim;
	struct pki_crl c = { .issuer = who, .lie = ask_lie(ask) };
	struct blob *der;

	/* A CRL signer is the CA itself: there is no other to lie with. */
	if (c.lie == PKI_REVOKED_SIGNER || c.lie == PKI_EXPIRED_SIGNER)
		c.lie = PKI_WRONG_KEY;
	pthread_mutex_lock(&sim->lock);
	c.this_update = world_crl_at(sim, who, ask->now);
	if (ask_fault(ask, SIM_OLDER))
		c.this_update -= ask->fault.arg != 0 ? ask->fault.arg : DAY;
	c.n_revoked = sim->n_revoked[who];
	c.revoked = (const char *const *)sim->revoked[who];
	der = pki_crl(sim->pki, &c);
	pthread_mutex_unlock(&sim->lock);
	return der;
}

static void
pcs_pckcrl(struct ask *ask, struct answer *a)
{
	const char *ca = ask_param(ask, "ca");
	const char *encoding = ask_param(ask, "encoding");
	const struct pki *shown = ask->sim->pki;
	enum pki_who who;
	struct blob *der;

	if (ca == NULL || (strcasecmp(ca, "processor") != 0 &&
			      strcasecmp(ca, "platform") != 0)) {
		answer_error(a, 400, "InvalidRequestSyntax", "ca");
		return;
	}
	who = strcasecmp(ca, "platform") == 0 ? PKI_PLATFORM_CA
					      : PKI_PROCESSOR_CA;
	if (ask_fault(ask, SIM_OTHER))
		who =
		    who == PKI_PLATFORM_CA ? PKI_PROCESSOR_CA : PKI_PLATFORM_CA;
	if (ask_lie(ask) == PKI_FOREIGN_CHAIN)
		shown = pki_evil(shown);
	der = crl_now(ask, who);
	a->status = 200;
	if (encoding != NULL && strcasecmp(encoding, "der") == 0) {
		a->type = "application/pkix-crl";
		a->body = der;
	} else {
		a->type = "application/x-pem-file";
		a->body = pki_crl_pem(blob_span(der));
		blob_unref(der);
	}
	answer_chain(ask, a, "SGX-PCK-CRL-Issuer-Chain",
	    pki_chain_pem(shown, who));
}

static void
pcs_root_crl(struct ask *ask, struct answer *a)
{
	enum pki_who who = PKI_ROOT;
	struct blob *der;

	if (ask_fault(ask, SIM_OTHER))
		who = PKI_PROCESSOR_CA;
	der = crl_now(ask, who);
	a->status = 200;
	a->type = "application/pkix-crl";
	a->body = der;
	if (ask->endpoint->arg == 1) { /* the older root's, seen as PEM */
		a->type = "application/x-pem-file";
		a->body = pki_crl_pem(blob_span(der));
		blob_unref(der);
	}
}

/* --- lists ------------------------------------------------------------ */

static void
pcs_evalnums(struct ask *ask, struct answer *a)
{
	enum tee tee = (enum tee)ask->endpoint->arg;
	struct pki_evalnum v[64];
	char dates[64][2][24];
	struct pki_evalnums t = { .tee = tee, .v = v };
	struct pki_doc doc;
	unsigned low, n;

	pthread_mutex_lock(&ask->sim->lock);
	low = ask->sim->standard[TEE_INDEX(tee)];
	n = ask->sim->early[TEE_INDEX(tee)];
	/* One below standard is still listed, though it answers 410. */
	for (; n + 1 >= low && t.n < 64; n--, t.n++) {
		world_eval_date(ask->sim, n, 12, dates[t.n][0]);
		world_eval_date(ask->sim, n, 13, dates[t.n][1]);
		v[t.n] =
		    (struct pki_evalnum){ n, dates[t.n][0], dates[t.n][1] };
	}
	pthread_mutex_unlock(&ask->sim->lock);
	if (ask_fault(ask, SIM_OTHER))
		t.tee = tee == TEE_TDX ? TEE_SGX : TEE_TDX;
	t.issue_at = issue_at(ask);
	t.lie = ask_lie(ask);
	doc = pki_evalnums(ask->sim->pki, &t);
	answer_doc(ask, a, "TCB-Evaluation-Data-Numbers-Issuer-Chain", &doc);
}

static void
pcs_fmspcs(struct ask *ask, struct answer *a)
{
	static const char *const names[] = { "all", "client", "E3", "E5" };
	const char *platform = ask_param(ask, "platform");
	struct pki_fmspc v[16];
	size_t i, found = 0;

	if (platform == NULL)
		platform = "all";
	for (i = 0; i < 4; i++)
		found += strcmp(platform, names[i]) == 0;
	if (found == 0) {
		answer_error(a, 400, "InvalidRequestSyntax", "platform");
		return;
	}
	for (i = 0; i < sim_n_fmspcs; i++)
		v[i] = (struct pki_fmspc){ sim_fmspcs[i].fmspc,
			sim_fmspcs[i].platform };
	a->status = 200;
	a->type = "application/json";
	a->body = pki_fmspcs(sim_n_fmspcs, v, platform);
}

/* --- canonical names ------------------------------------------------ */

static void
name_update(struct ask *ask, struct buf *b)
{
	const char *number = ask_param(ask, "tcbEvaluationDataNumber");
	const char *update = ask_param(ask, "update");
	const char *sep = b->len > 0 ? "&" : "?";

	if (number != NULL)
		buf_printf(b, "%stcbEvaluationDataNumber=%s", sep, number);
	else if (update != NULL && strcasecmp(update, "early") == 0)
		buf_printf(b, "%supdate=early", sep);
	else
		buf_printf(b, "%supdate=standard", sep);
}

static void
name_fmspc_update(struct ask *ask, struct buf *b)
{
	const char *fmspc = ask_param(ask, "fmspc");
	size_t i;

	buf_str(b, "?fmspc=");
	for (i = 0; fmspc != NULL && i < 12 && fmspc[i] != '\0'; i++)
		buf_printf(b, "%c", toupper((unsigned char)fmspc[i]));
	name_update(ask, b);
}

static void
name_ca(struct ask *ask, struct buf *b)
{
	const char *ca = ask_param(ask, "ca");

	buf_printf(b, "?ca=%s",
	    ca != NULL && strcasecmp(ca, "platform") == 0 ? "platform"
							  : "processor");
}

static void
name_list(struct ask *ask, struct buf *b)
{
	const char *platform = ask_param(ask, "platform");

	buf_printf(b, "?platform=%.8s", platform == NULL ? "all" : platform);
}

/* --- routing ---------------------------------------------------------- */

#define GET      (1u << SIM_GET | 1u << SIM_HEAD)
#define GET_POST (GET | 1u << SIM_POST)
#define POST     (1u << SIM_POST)
#define SGX4     "/sgx/certification/v4/"
#define TDX4     "/tdx/certification/v4/"
#define REG1     "/sgx/registration/v1/"

static const struct endpoint endpoints[] = {
	{ SGX4 "pckcert", GET_POST, pcs_platform_answer, name_platform, 1 },
	{ SGX4 "pckcerts", GET_POST, pcs_platform_answer, name_platform, 0 },
	{ SGX4 "pckcerts/config", GET_POST, pcs_platform_answer, name_platform,
	    2 },
	{ SGX4 "pckcrl", GET, pcs_pckcrl, name_ca, 0 },
	{ SGX4 "tcb", GET, pcs_tcb, name_fmspc_update, TEE_SGX },
	{ TDX4 "tcb", GET, pcs_tcb, name_fmspc_update, TEE_TDX },
	{ SGX4 "qe/identity", GET, pcs_identity, name_update, ENCLAVE_QE },
	{ TDX4 "qe/identity", GET, pcs_identity, name_update, ENCLAVE_TDQE },
	{ SGX4 "qve/identity", GET, pcs_identity, name_update, ENCLAVE_QVE },
	{ SGX4 "qae/identity", GET, pcs_identity, name_update, ENCLAVE_QAE },
	{ SGX4 "tcbevaluationdatanumbers", GET, pcs_evalnums, NULL, TEE_SGX },
	{ TDX4 "tcbevaluationdatanumbers", GET, pcs_evalnums, NULL, TEE_TDX },
	{ SGX4 "fmspcs", GET, pcs_fmspcs, name_list, 0 },
	{ "/intelsgxrootca.der", GET, pcs_root_crl, NULL, 0 },
	{ "/intelsgxrootca.crl", GET, pcs_root_crl, NULL, 1 },
	{ REG1 "platform", POST, pcs_registration_answer, NULL, 0 },
};

static const struct endpoint *
pcs_endpoint(const char *path)
{
	size_t i;

	for (i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++)
		if (strcmp(endpoints[i].path, path) == 0)
			return &endpoints[i];
	return NULL;
}

void
pcs_route(struct ask *ask)
{
	struct buf b = BUF_INIT;

	ask->endpoint = pcs_endpoint(ask->path);
	if (ask->endpoint != NULL && ask->endpoint->name != NULL)
		ask->endpoint->name(ask, &b);
	snprintf(ask->canonical, sizeof(ask->canonical), "%s%.*s", ask->path,
	    (int)b.len, b.len > 0 ? b.p : "");
	buf_free(&b);
}

void
pcs_answer(struct ask *ask, struct answer *a)
{
	const struct endpoint *e = ask->endpoint;

	if (e == NULL)
		a->status = 404;
	else if ((e->methods & 1u << ask->method) == 0)
		a->status = 405;
	else if (ask->sim->api_key != NULL && e->fn != pcs_root_crl &&
		 (ask->api_key == NULL ||
		     strcmp(ask->api_key, ask->sim->api_key) != 0))
		a->status = 401;
	else if (ask->sim->replay != NULL)
		replay_answer(ask, a);
	else
		e->fn(ask, a);
}
