/*
 * What is true in the simulated world: FMSPCs, baselines, TCB levels, CRLs.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/sim/sim_int.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_GENERATION 15u
#define DAY              ((time_t)86400)
#define CRL_PERIOD       (7 * DAY)
#define ROOT_CRL_PERIOD  (180 * DAY)

const struct fmspc_row sim_fmspcs[] = {
	{ "00906ED50000", "client", false },
	{ "00606A000000", "E5", false },
	{ "30606A000000", "E5", false },
	{ "00A067110000", "E3", false },
	{ "90C06F000000", "E5", true },
	{ "00806F050000", "E5", true },
	{ "20606A000000", "E5", false },
};
const size_t sim_n_fmspcs = sizeof(sim_fmspcs) / sizeof(sim_fmspcs[0]);

bool
world_fmspc(const char *fmspc, bool *tdx)
{
	size_t i;

	for (i = 0; i < sim_n_fmspcs; i++)
		if (strcmp(sim_fmspcs[i].fmspc, fmspc) == 0) {
			*tdx = sim_fmspcs[i].tdx;
			return true;
		}
	/* As many more as a test likes. */
	*tdx = true;
	return strncmp(fmspc, "5A", 2) == 0 && strcmp(fmspc + 8, "0000") == 0;
}

/* --- baselines -------------------------------------------------------- */

unsigned
sim_publish(struct sim *sim, const struct sim_event *e)
{
	unsigned n, i;

	pthread_mutex_lock(&sim->lock);
	n = sim->early[0] < SIM_LAST_NUMBER ? sim->early[0] + 1
					    : SIM_LAST_NUMBER;
	for (i = 0; i < 2; i++)
		sim->early[i] = n;
	sim->event[n].at = e->at / DAY * DAY;
	sim->event[n].identities = e->identities;
	free(sim->event[n].fmspcs);
	free(sim->event[n].advisories);
	sim->event[n].fmspcs = e->fmspcs == NULL ? NULL : xstrdup(e->fmspcs);
	sim->event[n].advisories =
	    e->advisories == NULL ? NULL : xstrdup(e->advisories);
	pthread_mutex_unlock(&sim->lock);
	return n;
}

void
sim_recovery(struct sim *sim)
{
	static const struct sim_event plain = { .fmspcs = NULL };

	(void)sim_publish(sim, &plain);
}

void
world_fini(struct sim *sim)
{
	unsigned i;

	for (i = 0; i <= SIM_LAST_NUMBER; i++) {
		free(sim->event[i].fmspcs);
		free(sim->event[i].advisories);
	}
}

void
sim_standard(struct sim *sim, unsigned number)
{
	int i;

	pthread_mutex_lock(&sim->lock);
	for (i = 0; i < 2; i++)
		if (number <= sim->early[i])
			sim->standard[i] = number;
	pthread_mutex_unlock(&sim->lock);
}

unsigned
sim_early(struct sim *sim)
{
	unsigned n;

	pthread_mutex_lock(&sim->lock);
	n = sim->early[0];
	pthread_mutex_unlock(&sim->lock);
	return n;
}

void
sim_na_resolve(struct sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	sim->na_resolved = true;
	pthread_mutex_unlock(&sim->lock);
}

void
sim_skew(struct sim *sim, long seconds)
{
	pthread_mutex_lock(&sim->lock);
	sim->skew = seconds;
	pthread_mutex_unlock(&sim->lock);
}

void
world_eval_date(const struct sim *sim, unsigned eval_num, int day, char out[24])
{
	/* One recovery each half year; 17 is of March 2024, as Intel's is. */
	unsigned half = (eval_num - FIRST_GENERATION) & 0xff;

	if (sim != NULL && sim->event[eval_num].at != 0)
		time_write(sim->event[eval_num].at, out);
	else
		snprintf(out, 24, "%04u-%02d-%02dT00:00:00Z", 2023 + half / 2,
		    half % 2 == 0 ? 3 : 9, day & 31);
}

/* Did this number bring a new level for the FMSPC? */
static bool
concerns(const struct sim *sim, unsigned number, const char *fmspc)
{
	const char *pattern = sim == NULL ? NULL : sim->event[number].fmspcs;

	return pattern == NULL || fnmatch(pattern, fmspc, 0) == 0;
}

static const char *
advisories(const struct sim *sim, unsigned number)
{
	const char *text = sim == NULL ? NULL : sim->event[number].advisories;

	return text == NULL ? "INTEL-SA-00615" : text;
}

/*
 * Two levels per generation that concerns the FMSPC (with and without the
 * right configuration), newest first, and one of the distant past.  What
 * falls behind has the advisories of the generation it fell behind of.
 */
void
world_levels(const struct sim *sim, const char *fmspc, unsigned eval_num,
    struct world_levels *out)
{
	const char *behind = NULL;
	struct pki_level *l;
	unsigned g;
	int config;

	*out = (struct world_levels){ .n = 0 };
	if (eval_num > SIM_LAST_NUMBER)
		eval_num = SIM_LAST_NUMBER;
	for (g = eval_num; g >= FIRST_GENERATION; g--) {
		if (!concerns(sim, g, fmspc))
			continue;
		for (config = 1; config >= 0; config--) {
			l = &out->v[out->n];
			*l = (struct pki_level){ { (int)g - 8, (int)g - 8, 3, 3,
						     255, 255, config, 0 },
				{ 5, 0, (int)g - 14 }, 13, NULL, NULL, NULL };
			world_eval_date(sim, g, 13, out->date[out->n]);
			l->date = out->date[out->n++];
			l->status = behind != NULL ? "OutOfDate"
				    : config       ? "UpToDate"
						   : "ConfigurationNeeded";
			l->advisories = behind;
		}
		behind = advisories(sim, g);
	}
	l = &out->v[out->n++];
	*l = (struct pki_level){ { 2, 2, 3, 3, 1, 1 }, { 3, 0, 0 }, 5,
		"2018-01-04T00:00:00Z", "OutOfDate",
		"INTEL-SA-00106 INTEL-SA-00115 INTEL-SA-00615" };
}

size_t
world_svns(const struct sim *sim, enum enclave e, unsigned eval_num,
    struct pki_svn out[WORLD_SVNS], char date[WORLD_SVNS][24])
{
	static const long first[ENCLAVE_N] = { 8, 3, 4, 3 };
	const char *behind = NULL;
	unsigned g, raised = 0;
	size_t n = 0;

	for (g = 0; g <= eval_num && g <= SIM_LAST_NUMBER; g++)
		raised += sim->event[g].identities;
	if (raised == 0)
		return 0; /* as the PKI has them */
	for (g = eval_num; g > 0 && n + 1 < WORLD_SVNS; g--) {
		if (!sim->event[g].identities)
			continue;
		world_eval_date(sim, g, 13, date[n]);
		out[n] =
		    (struct pki_svn){ first[e] + (long)(raised - n), date[n],
			    behind == NULL ? "UpToDate" : "OutOfDate", behind };
		behind = advisories(sim, g);
		n++;
	}
	out[n] = (struct pki_svn){ first[e], "2021-11-10T00:00:00Z",
		"OutOfDate", behind };
	return n + 1;
}

/* --- CRLs ------------------------------------------------------------- */

time_t
world_crl_at(struct sim *sim, enum pki_who who, time_t now)
{
	time_t first = pki_now(sim->pki);
	time_t period = who == PKI_ROOT ? ROOT_CRL_PERIOD : CRL_PERIOD;
	time_t at = first;

	if (now > first)
		at = first + (now - first) / period * period;
	return at < sim->crl_forced[who] ? sim->crl_forced[who] : at;
}
