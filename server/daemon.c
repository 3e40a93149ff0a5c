#include "server/daemon.h"

#include "config/base/clock.h"
#include "config/base/log.h"
#include "server/inherit.h"
#include "server/notify.h"
#include "server/pulse.h"
#include "server/server.h"
#include "server/watch.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct daemon {
	const char *path; /* as daemon_config() takes it; borrowed */
	struct config *config;
	struct storage *storage;
	struct upstream *upstream;
	struct server *server;
	struct watch *watch;
	struct pulse *pulse;
};

/* How often certificates are looked at. */
#define WATCH_MS 2000

enum err
daemon_config(const char *path, struct config **out, struct why *why)
{
	if (path == NULL && access(DAEMON_CONFIG, F_OK) == -1 &&
	    errno == ENOENT)
		return config_read(span_str("{}"), "built-in defaults", out,
		    why);
	return config_load(path == NULL ? DAEMON_CONFIG : path, out, why);
}

static void
daemon_log_level(const struct config *config)
{
	enum log_level level;

	if (log_level_read(config->log.level, &level))
		log_level_set(level);
}

/* One line per listener with the port it really has: ":0" asks for any. */
static void
daemon_log_listeners(const struct daemon *d)
{
	const struct config_listen *l;
	unsigned i;

	for (i = 0; i < d->config->n_listen; i++) {
		l = &d->config->listen[i];
		log_event(LOG_NOTE, "listening", "address", l->address, "port",
		    span_starts(span_str(l->address), "unix:")
			? NULL
			: log_num(server_port(d->server, i)).s,
		    "tls", l->tls_certificate == NULL ? "no" : "yes", NULL);
	}
}

static enum err
daemon_start(struct daemon *d, struct why *why)
{
	int64_t from = clock_mono_ms();
	enum err e;

	if ((e = daemon_config(d->path, &d->config, why)) != ERR_OK)
		return e;
	daemon_log_level(d->config);
	log_event(LOG_NOTE, "starting", "pid", log_num(getpid()).s, "config",
	    d->config->path, NULL);
	if ((e = storage_open(d->config, &d->storage, why)) != ERR_OK)
		return e;
	if ((e = upstream_new(d->config, d->storage, &d->upstream, why)) !=
	    ERR_OK)
		return e;
	if ((e = server_start(d->config, d->storage, d->upstream, &d->server,
		 why)) != ERR_OK)
		return e;
	daemon_log_listeners(d);
	d->watch = watch_new(d->config);
	server_pulse(d->server, d->pulse);
	pulse_watch(d->pulse, upstream_loop(d->upstream));
	log_event(LOG_NOTE, "ready", "ms", log_num(clock_mono_ms() - from).s,
	    NULL);
	return ERR_OK;
}

/* Whatever was started, in the opposite order. */
static void
daemon_stop(struct daemon *d)
{
	/* Whoever still waits for a fetch is answered while its loop runs. */
	if (d->upstream != NULL)
		upstream_drain(d->upstream);
	if (d->server != NULL)
		server_free(d->server);
	if (d->upstream != NULL)
		upstream_free(d->upstream);
	if (d->storage != NULL)
		storage_close(d->storage);
	pulse_free(d->pulse);
	watch_free(d->watch);
	config_unref(d->config);
}

static enum err
daemon_take_config(struct daemon *d, struct why *why)
{
	struct config *next = NULL;
	enum err e;

	if ((e = daemon_config(d->path, &next, why)) != ERR_OK)
		return e;
	if (strcmp(next->database, d->config->database) != 0) {
		e = why_set(why, ERR_CONFIG, "larder.json",
		    "database cannot change while running");
		goto out;
	}
	/* The only part that can refuse goes first: all of it or nothing. */
	if ((e = server_reload(d->server, next, why)) != ERR_OK)
		goto out;
	storage_reload(d->storage, next);
	upstream_reload(d->upstream, next);
	daemon_log_level(next);
	config_unref(d->config);
	d->config = next;
	next = NULL;
	watch_free(d->watch);
	d->watch = watch_new(d->config);
out:
	config_unref(next);
	return e;
}

static void
daemon_reload(struct daemon *d)
{
	struct why why = { 0 };

	notify_reloading();
	if (daemon_take_config(d, &why) != ERR_OK) {
		log_event(LOG_ERROR, "reload-refused", "reason",
		    err_token(why.err), "text", why.text, NULL);
	} else {
		log_event(LOG_NOTE, "reloaded", "config", d->config->path,
		    NULL);
		daemon_log_listeners(d);
	}
	notify_send("READY=1");
}

/*
 * New certificates count without a signal; new settings do not, for a file
 * that is being edited is no order.  What does not fit together yet, a
 * certificate whose key has still to be written, is tried again when the next
 * file changes.
 */
static void
daemon_watch(struct daemon *d)
{
	struct why why = { 0 };

	if (!watch_changed(d->watch))
		return;
	if (server_reload(d->server, d->config, &why) != ERR_OK)
		log_event(LOG_WARN, "certificates-refused", "reason",
		    err_token(why.err), "text", why.text, NULL);
	else
		log_event(LOG_NOTE, "certificates-taken", NULL);
}

static void
daemon_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	/* Blocked before any thread starts: all inherit it, main waits. */
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* A file-size limit is a full disk, not the end of us. */
	signal(SIGXFSZ, SIG_IGN);
}

/* The next signal; 0 when wait_ms passed without one. */
static int
daemon_wait(const sigset_t *set, long wait_ms)
{
	struct timespec t = { wait_ms / 1000, wait_ms % 1000 * 1000000 };
	int sig;

	do {
		sig = sigtimedwait(set, NULL, &t);
	} while (sig == -1 && errno == EINTR);
	return sig == -1 ? 0 : sig;
}

static void
daemon_loop(struct daemon *d, const sigset_t *set)
{
	long beat_ms = notify_watchdog_ms(), turn_ms = WATCH_MS;
	int sig;

	if (beat_ms != 0 && beat_ms < turn_ms)
		turn_ms = beat_ms;
	while ((sig = daemon_wait(set, turn_ms)) != SIGTERM && sig != SIGINT) {
		if (sig == SIGHUP)
			daemon_reload(d);
		else
			daemon_watch(d);
		/*
		 * A worker or the fetch thread that stands still is no life.
		 * The store thread may: a disk that hangs is served through.
		 */
		if (beat_ms != 0 && pulse_beat(d->pulse))
			notify_send("WATCHDOG=1");
	}
	log_event(LOG_NOTE, "draining", "signal", strsignal(sig), NULL);
	notify_send("STOPPING=1");
	/* From here on a second signal does what it does to any process. */
	pthread_sigmask(SIG_UNBLOCK, set, NULL);
	server_drain(d->server);
}

/* A port that accepts and never answers is harder to find than one that is
 * closed. */
static void
daemon_sockets(void)
{
	char address[160];
	int fd = 0;

	while (inherit_unused(&fd, address, sizeof(address)))
		log_event(LOG_WARN, "socket-not-served", "address", address,
		    "text",
		    "given by the service manager, but no listen[].address in "
		    "larder.json is this one: who connects waits for ever",
		    NULL);
}

int
daemon_run(const char *path)
{
	struct daemon d = { .path = path, .pulse = pulse_new() };
	struct why why = { 0 };
	sigset_t set;
	int rc = 0;

	daemon_signals(&set);
	if (daemon_start(&d, &why) == ERR_OK) {
		daemon_sockets();
		notify_send("READY=1");
		daemon_loop(&d, &set);
	} else {
		log_event(LOG_ERROR, "start-failed", "reason",
		    err_token(why.err), "text", why.text, NULL);
		rc = 1;
	}
	daemon_stop(&d);
	log_event(LOG_NOTE, "ended", NULL);
	return rc;
}
