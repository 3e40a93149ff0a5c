#include "server/caps.h"

static void
slots_of(struct caps *c, uint32_t source, _Atomic uint16_t *slot[2])
{
	slot[0] = &c->slot[0][source % CAPS_SLOTS];
	slot[1] = &c->slot[1][source / CAPS_SLOTS % CAPS_SLOTS];
}

static unsigned
source_count(struct caps *c, uint32_t source)
{
	_Atomic uint16_t *slot[2];
	unsigned a, b;

	slots_of(c, source, slot);
	a = atomic_load_explicit(slot[0], memory_order_relaxed);
	b = atomic_load_explicit(slot[1], memory_order_relaxed);
	return a < b ? a : b;
}

static void
source_add(struct caps *c, uint32_t source, uint16_t change)
{
	_Atomic uint16_t *slot[2];

	slots_of(c, source, slot);
	atomic_fetch_add_explicit(slot[0], change, memory_order_relaxed);
	atomic_fetch_add_explicit(slot[1], change, memory_order_relaxed);
}

static enum admit
admit_over(struct caps *c, size_t most)
{
	if (atomic_fetch_add(&c->n_shed, 1) < most / 8 + 8)
		return ADMIT_SHED;
	atomic_fetch_sub(&c->n_shed, 1);
	return ADMIT_REFUSE;
}

enum admit
caps_admit(struct caps *c, size_t most, size_t most_each, uint32_t source)
{
	if (most_each > UINT16_MAX)
		most_each = UINT16_MAX;
	if (source != 0 && source_count(c, source) >= most_each)
		return admit_over(c, most);
	if (atomic_fetch_add(&c->n_served, 1) >= most) {
		atomic_fetch_sub(&c->n_served, 1);
		return admit_over(c, most);
	}
	if (source != 0)
		source_add(c, source, 1);
	return ADMIT_SERVE;
}

bool
caps_leave(struct caps *c, bool shed, uint32_t source)
{
	if (!shed && source != 0)
		source_add(c, source, UINT16_MAX); /* one less */
	return atomic_fetch_sub(shed ? &c->n_shed : &c->n_served, 1) == 1;
}

size_t
caps_total(struct caps *c)
{
	return atomic_load(&c->n_served) + atomic_load(&c->n_shed);
}
