/*
 * Good clients and every kind of bad one at a real larderd, at its connection
 * cap; then its books against theirs.
 *
 * Abusers share one address, which has more connections than it may: slow
 * heads, garbage, heads, targets and bodies over their limits, wrong tokens,
 * garbage instead of a TLS handshake.  Others send half a request and reset.
 * Good ones, from an address of their own, ask for what is cached, in clear
 * and TLS, over connections kept and new.
 */
#ifndef TESTS_KIT_SOAK_H
#define TESTS_KIT_SOAK_H

#include <stddef.h>

/* What a daemon may grow by between the end of the warm-up and the end. */
#define SOAK_RSS_KB 4096
/* Who asks for the metrics, and what is kept open to upstreams. */
#define SOAK_FDS 2

struct soak_opts {
	unsigned rounds;    /* each client's; 0: by time */
	long seconds;       /* of all; a fifth of it is the warm-up */
	unsigned header_ms; /* limits.header_timeout_ms; 0: 400.  A good client
	    must not be kept from a processor for so long. */
};

/* How it went; all of it without the warm-up but for the last rows. */
struct soak_result {
	unsigned long good;     /* answers to good clients */
	unsigned long bad;      /* good clients' requests answered otherwise */
	unsigned long refused;  /* answers with a reason, to abusers */
	unsigned long silent;   /* connections ended without an answer */
	unsigned long resets;   /* by clients */
	unsigned long connects; /* of everybody */
	long rss_kb[2], fds[2]; /* after the warm-up, at the end */
	unsigned long lost; /* both phases: answers that their clients missed */
	/* Both phases: what clients saw and what the counters say differ. */
	unsigned long differences;
};

/*
 * Runs it; ends the test when larderd cannot be run or talked to.  Every
 * difference is a line on stdout.
 */
void soak_run(const struct soak_opts *, struct soak_result *out);

#endif
