/*
 * Programs as a test meets them: run one to its end, or start larderd and
 * talk to it.  Files go into one temporary folder per test program.  One
 * thread; a failure that is the test's own aborts.
 */
#ifndef TESTS_KIT_RUN_H
#define TESTS_KIT_RUN_H

#include "config/base/blob.h"

#include <sys/types.h>

/*
 * What has to happen is waited for so long, however slow the machine is; a
 * test that needs to be quick says so by itself.  tests/run.sh gives the whole
 * test longer than that.
 */
#define PATIENCE_MS 120000

/* The folder, made at the first call and removed when the program ends. */
const char *run_dir(void);
/* "DIR/name"; valid for the next 15 calls. */
const char *run_path(const char *name);
void run_spill(const char *name, const char *text);
/* A whole file, NUL-terminated; the caller's to buf_free. */
struct buf run_slurp(const char *path);

struct run {
	int status;          /* of exit; 200: ended by a signal */
	struct buf out, err; /* NUL-terminated */
};
void run_free(struct run *);

/*
 * Run a command line, words separated by blanks, with this standard input.
 * "larder" and "larderd" are those of this build ($B, or build/).
 */
struct run run_line(const char *input, const char *line);

/* Run it; this must be its status, and each text, ended by NULL, in what it
 * prints.  Ends the test if not. */
void run_check(const char *line, int status, ...);

/* False beside a sanitizer, whose library has to be the first one loaded. */
bool run_faketime_fits(void);
/* Programs started from now on live so many seconds ahead (faketime(1)). */
void run_faketime(int64_t offset);

struct daemon_run {
	pid_t pid;
	int port[4]; /* of its listeners on addresses, in order */
	char log[256];
};
/* larderd with this configuration, written to "DIR/NAME.json", its log in
 * "DIR/NAME.log", until it logs event=ready.  False when it ended or was
 * silent for PATIENCE_MS. */
bool daemon_run_start(const char *name, const char *config,
    struct daemon_run *);
/* The same with "n" listening sockets given to it (sd_listen_fds(3)). */
bool daemon_run_given(const char *name, const char *config, const int *given,
    int n, struct daemon_run *);
/* Wait until its log holds the text. */
bool daemon_run_logged(const struct daemon_run *, const char *text);
/* Send the signal and wait for the end: its exit status. */
int daemon_run_end(struct daemon_run *, int sig);

#endif
