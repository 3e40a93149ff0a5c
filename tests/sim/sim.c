/*
 * Start and stop of the simulated PCS and KDS.
 */
#include "tests/sim/sim.h"

#include "config/base/clock.h"
#include "config/base/must.h"
#include "tests/sim/sim_int.h"

#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static void
sim_sync_init(struct sim *sim)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&sim->lock, NULL);
	pthread_cond_init(&sim->changed, &attr);
	pthread_condattr_destroy(&attr);
}

static bool
sim_tls(struct sim *sim, const struct sim_opts *opts)
{
	SSL_CTX *tls;

	if (opts->tls_cert == NULL)
		return true;
	sim->tls = tls = SSL_CTX_new(TLS_server_method());
	return SSL_CTX_use_certificate_chain_file(tls, opts->tls_cert) == 1 &&
	       SSL_CTX_use_PrivateKey_file(tls, opts->tls_key,
		   SSL_FILETYPE_PEM) == 1;
}

static void
sim_free(struct sim *sim)
{
	enum pki_who i;
	size_t j;

	for (i = PKI_ROOT; i <= PKI_PLATFORM_CA; i++) {
		for (j = 0; j < sim->n_revoked[i]; j++)
			free(sim->revoked[i][j]);
		free(sim->revoked[i]);
	}
	fault_fini(sim);
	world_fini(sim);
	kds_fini(sim);
	replay_free(sim->replay);
	kds_replay_free(sim->kds_replay);
	SSL_CTX_free(sim->tls);
	pki_free(sim->pki);
	pki_amd_free(sim->amd);
	pthread_cond_destroy(&sim->changed);
	pthread_mutex_destroy(&sim->lock);
	free(sim->seed);
	free(sim->api_key);
	free(sim);
}

struct sim *
sim_start(const struct sim_opts *opts)
{
	static const struct sim_opts none = { .seed = NULL };
	struct sim *sim = xcalloc(1, sizeof(*sim));
	time_t genesis;
	int i;

	/* Clients leave in the middle of answers; that is not our end. */
	signal(SIGPIPE, SIG_IGN);
	if (opts == NULL)
		opts = &none;
	sim->opts = *opts;
	sim->seed = xstrdup(opts->seed == NULL ? "sim" : opts->seed);
	sim->api_key = opts->api_key == NULL ? NULL : xstrdup(opts->api_key);
	genesis = opts->genesis;
	if (genesis == 0)
		genesis = clock_now() / 3600 * 3600 - 3600;
	sim_sync_init(sim);
	sim->pki = pki_new(sim->seed, genesis);
	sim->amd = pki_amd_new(sim->seed, genesis);
	sim->count = map_new();
	sim->throttled = map_new();
	sim->throttle_s = opts->throttle_s;
	for (i = 0; i < 2; i++)
		sim->standard[i] = sim->early[i] = 17;
	if (opts->n_replay > 0 && (sim->replay = replay_new(opts->n_replay,
				       opts->replay, &sim->kds_replay)) == NULL)
		goto fail;
	if (!sim_tls(sim, opts)) {
		fprintf(stderr, "sim: cannot use %s\n", opts->tls_cert);
		goto fail;
	}
	if (http_open(sim) != 0) {
		perror("sim: cannot listen");
		goto fail;
	}
	return sim;
fail:
	sim_free(sim);
	return NULL;
}

void
sim_stop(struct sim *sim)
{
	if (sim == NULL)
		return;
	http_close(sim);
	sim_free(sim);
}

int
sim_port(const struct sim *sim)
{
	return sim->port;
}

const char *
sim_url(const struct sim *sim)
{
	return sim->url;
}

const char *
sim_root_url(const struct sim *sim)
{
	return sim->root_url;
}

const struct pki *
sim_pki(const struct sim *sim)
{
	return sim->pki;
}

struct pki_amd *
sim_amd(const struct sim *sim)
{
	return sim->amd;
}
