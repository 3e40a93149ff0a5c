#include "server/failures.h"

#define COUNT_BITS 24
#define COUNT_MAX  ((1u << COUNT_BITS) - 1)

static uint64_t
minute_of(int64_t now_s)
{
	return (uint64_t)(now_s / 60) << COUNT_BITS;
}

static void
slots_of(struct failures *f, uint32_t source, _Atomic uint64_t *slot[2])
{
	slot[0] = &f->slot[0][source % FAILURES_SLOTS];
	slot[1] = &f->slot[1][source / FAILURES_SLOTS % FAILURES_SLOTS];
}

static unsigned
count_at(_Atomic uint64_t *slot, uint64_t minute)
{
	uint64_t v = atomic_load_explicit(slot, memory_order_relaxed);

	return (v & ~(uint64_t)COUNT_MAX) == minute ? v & COUNT_MAX : 0;
}

void
failures_note(struct failures *f, uint32_t source, int64_t now_s)
{
	uint64_t minute = minute_of(now_s), v, next;
	_Atomic uint64_t *slot[2];
	unsigned n;
	int i;

	if (source == 0)
		return;
	slots_of(f, source, slot);
	for (i = 0; i < 2; i++) {
		v = atomic_load_explicit(slot[i], memory_order_relaxed);
		do {
			n = (v & ~(uint64_t)COUNT_MAX) == minute ? v & COUNT_MAX
								 : 0;
			next = minute | (n < COUNT_MAX ? n + 1 : n);
		} while (!atomic_compare_exchange_weak_explicit(slot[i], &v,
		    next, memory_order_relaxed, memory_order_relaxed));
	}
}

bool
failures_many(struct failures *f, uint32_t source, int64_t now_s, unsigned most)
{
	uint64_t minute = minute_of(now_s);
	_Atomic uint64_t *slot[2];

	if (source == 0 || most == 0)
		return false;
	slots_of(f, source, slot);
	return count_at(slot[0], minute) >= most &&
	       count_at(slot[1], minute) >= most;
}

int
failures_wait_s(int64_t now_s)
{
	return (int)(60 - now_s % 60);
}
