#include "config/config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void
warn_unreadable(const struct config *config, const char *file, FILE *f)
{
	if (file != NULL && file[0] != '\0' && access(file, R_OK) == -1)
		fprintf(f, "%s: warning: %s: %s\n", config->path, file,
		    strerror(errno));
}

/* Callers nobody serves, or a service that serves nobody. */
static void
warn_hosts(const struct config *config, FILE *f)
{
	unsigned serve = 0;
	size_t i;

	for (i = 0; i < config->n_listen; i++)
		serve |= config->listen[i].serve;
	if ((serve & SERVE_THIM) && config->n_hosts == 0)
		fprintf(f,
		    "%s: warning: \"thim\" is served, but without a row in "
		    "hosts[] every caller is refused\n",
		    config->path);
	if (!(serve & SERVE_THIM) && config->n_hosts != 0)
		fprintf(f,
		    "%s: warning: hosts[] counts for nothing: no listener "
		    "serves \"thim\"\n",
		    config->path);
}

void
config_warn(const struct config *config, FILE *f)
{
	size_t i, k;

	for (i = 0; i < config->n_listen; i++) {
		warn_unreadable(config, config->listen[i].tls_certificate, f);
		warn_unreadable(config, config->listen[i].tls_key, f);
		warn_unreadable(config, config->listen[i].tls_client_ca, f);
		for (k = 0; k < config->listen[i].tls_also.n; k++)
			warn_unreadable(config, config->listen[i].tls_also.v[k],
			    f);
	}
	warn_unreadable(config, config->upstream.ca_file, f);
	warn_hosts(config, f);
}
