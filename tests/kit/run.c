#include "tests/kit/run.h"

#include "config/base/clock.h"
#include "config/base/must.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGS_MAX 24

static char dir[] = "/tmp/larder-test-XXXXXX";
static pid_t owner;

static void
dir_remove(void)
{
	char line[sizeof(dir) + 16];

	/* A child that calls exit() leaves it alone. */
	if (getpid() != owner)
		return;
	snprintf(line, sizeof(line), "rm -rf %s", dir);
	if (system(line) != 0)
		fprintf(stderr, "%s stays\n", dir);
}

const char *
run_dir(void)
{
	if (owner == 0) {
		must(mkdtemp(dir) != NULL);
		owner = getpid();
		must(atexit(dir_remove) == 0);
	}
	return dir;
}

const char *
run_path(const char *name)
{
	static char path[16][256];
	static int i;

	i = (i + 1) % 16;
	snprintf(path[i], sizeof(path[i]), "%s/%s", run_dir(), name);
	return path[i];
}

void
run_spill(const char *name, const char *text)
{
	FILE *f = fopen(run_path(name), "w");

	must(f != NULL && fputs(text, f) != EOF);
	must(fclose(f) == 0);
}

struct buf
run_slurp(const char *path)
{
	struct buf b = BUF_INIT;
	FILE *f = fopen(path, "r");
	char part[4096];
	size_t n;

	must(f != NULL);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(&b, part, n);
	fclose(f);
	buf_add(&b, "", 1);
	b.len--;
	return b;
}

void
run_free(struct run *r)
{
	buf_free(&r->out);
	buf_free(&r->err);
}

/* Point a descriptor of this (child) process at a file. */
static void
redirect(int fd, const char *path, int flags)
{
	int file = open(path, flags, 0600);

	if (file == -1 || dup2(file, fd) == -1)
		_exit(99);
	close(file);
}

/* A program of this build. */
static const char *
program(const char *name)
{
	static char path[256];
	const char *b = getenv("B");

	snprintf(path, sizeof(path), "%s/%s", b == NULL ? "build" : b, name);
	return path;
}

_Noreturn static void
child(char **argv)
{
	if (strcmp(argv[0], "larder") == 0 || strcmp(argv[0], "larderd") == 0)
		execv(program(argv[0]), argv);
	else
		execvp(argv[0], argv);
	_exit(98);
}

struct run
run_line(const char *input, const char *line)
{
	struct run r = { 0 };
	char *text = xstrdup(line), *argv[ARGS_MAX + 1], *save = NULL, *w;
	int argc = 0, ws;
	pid_t pid;

	for (w = strtok_r(text, " ", &save); w != NULL;
	     w = strtok_r(NULL, " ", &save)) {
		must(argc < ARGS_MAX);
		argv[argc++] = w;
	}
	argv[argc] = NULL;
	must(argc > 0);
	run_spill("in", input);
	fflush(NULL);
	must((pid = fork()) != -1);
	if (pid == 0) {
		redirect(0, run_path("in"), O_RDONLY);
		redirect(1, run_path("out"), O_WRONLY | O_CREAT | O_TRUNC);
		redirect(2, run_path("err"), O_WRONLY | O_CREAT | O_TRUNC);
		child(argv);
	}
	must(waitpid(pid, &ws, 0) == pid);
	r.status = WIFEXITED(ws) ? WEXITSTATUS(ws) : 200;
	r.out = run_slurp(run_path("out"));
	r.err = run_slurp(run_path("err"));
	free(text);
	return r;
}

/* --- another time ------------------------------------------------------ */

bool
run_faketime_fits(void)
{
	const char *b = getenv("B");

	return b == NULL || strstr(b, "/san-") == NULL;
}

void
run_faketime(int64_t offset)
{
	struct run r = run_line("", "faketime -m now env");
	char *at = strstr(r.out.p, "LD_PRELOAD="), text[32];

	must(at != NULL);
	at[strcspn(at, "\n")] = '\0';
	setenv("LD_PRELOAD", at + strlen("LD_PRELOAD="), 1);
	run_free(&r);
	snprintf(text, sizeof(text), "%+lld", (long long)offset);
	setenv("FAKETIME", text, 1);
	setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1", 1);
}

/* --- the daemon ------------------------------------------------------- */

static bool
log_has(const struct daemon_run *d, const char *text)
{
	struct buf b = run_slurp(d->log);
	bool has = strstr(b.p, text) != NULL;

	buf_free(&b);
	return has;
}

static bool
has_ended(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) !=
		   0 ||
	       info.si_pid != 0;
}

bool
daemon_run_logged(const struct daemon_run *d, const char *text)
{
	struct timespec t = { 0, 5000000 };
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	while (!log_has(d, text)) {
		if (clock_mono_ms() > until || has_ended(d->pid))
			return log_has(d, text);
		nanosleep(&t, NULL);
	}
	return true;
}

static void
log_ports(struct daemon_run *d)
{
	struct buf b = run_slurp(d->log);
	const char *at = b.p;
	size_t n = 0;

	while (n < 4 && (at = strstr(at, "event=listening")) != NULL &&
	       (at = strstr(at, " port=")) != NULL)
		d->port[n++] = atoi(at + strlen(" port="));
	buf_free(&b);
}

/* As systemd does: descriptors from 3 on, counted in the environment. */
static void
hand_over(const int *given, int n)
{
	char text[16];
	int i;

	for (i = 0; i < n; i++)
		must(dup2(given[i], 100 + i) != -1);
	for (i = 0; i < n; i++)
		must(dup2(100 + i, 3 + i) != -1 && close(100 + i) == 0);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	must(setenv("LISTEN_PID", text, 1) == 0);
	snprintf(text, sizeof(text), "%d", n);
	must(setenv("LISTEN_FDS", text, 1) == 0);
}

bool
daemon_run_start(const char *name, const char *config, struct daemon_run *d)
{
	return daemon_run_given(name, config, NULL, 0, d);
}

bool
daemon_run_given(const char *name, const char *config, const int *given, int n,
    struct daemon_run *d)
{
	char file[64], path[256], word[] = "larderd", opt[] = "-c";
	char *argv[] = { word, opt, path, NULL };

	memset(d, 0, sizeof(*d));
	snprintf(file, sizeof(file), "%s.log", name);
	snprintf(d->log, sizeof(d->log), "%s", run_path(file));
	run_spill(file, "");
	snprintf(file, sizeof(file), "%s.json", name);
	snprintf(path, sizeof(path), "%s", run_path(file));
	run_spill(file, config);
	fflush(NULL);
	must((d->pid = fork()) != -1);
	if (d->pid == 0) {
		redirect(2, d->log, O_WRONLY | O_APPEND);
		hand_over(given, n);
		child(argv);
	}
	if (!daemon_run_logged(d, "event=ready"))
		return false;
	log_ports(d);
	return true;
}

int
daemon_run_end(struct daemon_run *d, int sig)
{
	int ws;

	must(kill(d->pid, sig) == 0);
	must(waitpid(d->pid, &ws, 0) == d->pid);
	return WIFEXITED(ws) ? WEXITSTATUS(ws) : 200;
}

void
run_check(const char *line, int status, ...)
{
	struct run r = run_line("", line);
	const char *text;
	va_list ap;

	ck_assert_msg(r.status == status, "%s: %d\n%s%s", line, r.status,
	    r.out.p, r.err.p);
	va_start(ap, status);
	while ((text = va_arg(ap, const char *)) != NULL)
		ck_assert_msg(strstr(r.out.p, text) != NULL ||
				  strstr(r.err.p, text) != NULL,
		    "%s: no \"%s\" in\n%s%s", line, text, r.out.p, r.err.p);
	va_end(ap);
	run_free(&r);
}
