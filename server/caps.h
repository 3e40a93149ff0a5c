/*
 * How many connections there may be, in all and from one source.  Counted
 * for the whole process with atomics; any thread.  Private to server/.
 *
 * Sources are counted in two rows of slots chosen by a keyed hash, and a
 * source's count is the smaller of its two: never too small, and too large
 * only for one that shares both slots with others.  So the memory is fixed
 * however many sources there are.
 */
#ifndef SERVER_CAPS_H
#define SERVER_CAPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAPS_SLOTS 8192

struct caps {
	atomic_size_t n_served, n_shed;
	_Atomic uint16_t slot[2][CAPS_SLOTS];
};

enum admit {
	ADMIT_SERVE,
	ADMIT_SHED,  /* tell it that we are full: QPL tries again after a 503 */
	ADMIT_REFUSE /* there are too many of these, too: close, uncounted */
};
/* A new connection; "source" is a hash of its address, 0: exempt. */
enum admit caps_admit(struct caps *, size_t most, size_t most_each,
    uint32_t source);
/* The end of one that was not refused. True: it was the last of its kind. */
bool caps_leave(struct caps *, bool shed, uint32_t source);
size_t caps_total(struct caps *);

#endif
