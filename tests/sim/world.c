/*
 * What is true in the simulated world: FMSPCs, baselines, TCB levels, CRLs.
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/sim/sim_int.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_GENERATION 15u
#define LAST_GENERATION  50u
#define CRL_PERIOD       (7 * (time_t)86400)
#define ROOT_CRL_PERIOD  (180 * (time_t)86400)

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

void
sim_recovery(struct sim *sim)
{
	int i;

	pthread_mutex_lock(&sim->lock);
	for (i = 0; i < 2; i++)
		if (sim->early[i] < LAST_GENERATION)
			sim->early[i]++;
	pthread_mutex_unlock(&sim->lock);
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
world_eval_date(unsigned eval_num, int day, char out[24])
{
	/* One recovery each half year; 17 is of March 2024, as Intel's is. */
	unsigned half = (eval_num - FIRST_GENERATION) & 0xff;

	snprintf(out, 24, "%04u-%02d-%02dT00:00:00Z", 2023 + half / 2,
	    half % 2 == 0 ? 3 : 9, day & 31);
}

/*
 * Two levels per generation (with and without the right configuration),
 * newest first, and one of the distant past.
 */
void
world_levels(unsigned eval_num, struct world_levels *out)
{
	struct pki_level *l;
	unsigned g;
	int config;

	*out = (struct world_levels){ .n = 0 };
	if (eval_num > LAST_GENERATION)
		eval_num = LAST_GENERATION;
	for (g = eval_num; g >= FIRST_GENERATION; g--) {
		for (config = 1; config >= 0; config--) {
			l = &out->v[out->n];
			*l = (struct pki_level){ { (int)g - 8, (int)g - 8, 3, 3,
						     255, 255, config, 0 },
				{ 5, 0, (int)g - 14 }, 13, NULL, NULL, NULL };
			world_eval_date(g, 13, out->date[out->n]);
			l->date = out->date[out->n++];
			l->status = g < eval_num ? "OutOfDate"
				    : config     ? "UpToDate"
						 : "ConfigurationNeeded";
			l->advisories = g < eval_num ? "INTEL-SA-00615" : NULL;
		}
	}
	l = &out->v[out->n++];
	*l = (struct pki_level){ { 2, 2, 3, 3, 1, 1 }, { 3, 0, 0 }, 5,
		"2018-01-04T00:00:00Z", "OutOfDate",
		"INTEL-SA-00106 INTEL-SA-00115 INTEL-SA-00615" };
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
