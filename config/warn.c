#include "config/config.h"

#include "config/base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void warning(const struct config *, FILE *, const char *fmt, ...)
    PRINTF(3, 4);

static void
warning(const struct config *config, FILE *f, const char *fmt, ...)
{
	char *path = text_shown(config->path, 0);
	va_list ap;

	fprintf(f, "%s: warning: ", path);
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fputc('\n', f);
	free(path);
}

static void
warn_unreadable(const struct config *config, const char *file, FILE *f)
{
	char *shown;

	if (file == NULL || file[0] == '\0' || access(file, R_OK) == 0)
		return;
	shown = text_shown(file, 0);
	warning(config, f, "%s: %s", shown, strerror(errno));
	free(shown);
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
		warning(config, f,
		    "\"thim\" is served, but without a row in hosts[] every "
		    "caller is refused");
	if (!(serve & SERVE_THIM) && config->n_hosts != 0)
		warning(config, f,
		    "hosts[] counts for nothing: no listener serves "
		    "\"thim\"");
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
