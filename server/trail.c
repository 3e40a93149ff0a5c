#include "server/trail.h"

#include "config/base/enc.h"
#include "config/base/map.h"
#include "config/base/must.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SETS 4096
#define WAYS 4

/*
 * An entry is one word: who (16 bits), how many TCB infos were given whose
 * identity was not asked for (8), the number (16), the second (24).  A word of
 * 0 is free.  Numbers above 65535 are not kept.
 */
struct trail {
	uint64_t key[2];
	_Atomic uint64_t word[SETS][WAYS];
};

struct mark {
	unsigned who, open, number, at;
};

#define AT_MASK 0xffffffu

static uint64_t
mark_word(struct mark m)
{
	return (uint64_t)m.who << 48 | (uint64_t)m.open << 40 |
	       (uint64_t)m.number << 24 | m.at;
}

static struct mark
mark_of(uint64_t word)
{
	return (struct mark){ (unsigned)(word >> 48),
		(unsigned)(word >> 40) & 0xff, (unsigned)(word >> 24) & 0xffff,
		(unsigned)word & AT_MASK };
}

/* Seconds since, however the clock wraps; much when it went back. */
static unsigned
mark_age(struct mark m, time_t now)
{
	return ((unsigned)now - m.at) & AT_MASK;
}

struct trail *
trail_new(void)
{
	struct trail *t = xcalloc(1, sizeof(*t));

	random_bytes(t->key, sizeof(t->key));
	return t;
}

void
trail_free(struct trail *t)
{
	free(t);
}

uint64_t
trail_name(const struct trail *t, const char *peer, unsigned listener,
    enum tee tee, bool early)
{
	/* What has one length goes first, so that no two names run together. */
	unsigned char text[4 + 64] = { (unsigned char)listener,
		(unsigned char)(listener >> 8), (unsigned char)tee, early };
	size_t len = strlen(peer);

	len = len < 64 ? len : 64;
	memcpy(text + 4, peer, len);
	return siphash13(t->key, span_of(text, 4 + len));
}

static unsigned
who_of(uint64_t name)
{
	/* Never 0, so that a word in use is not 0. */
	return (unsigned)(name >> 48) | 1u;
}

/* The entry of this name; NULL. */
static _Atomic uint64_t *
trail_find(struct trail *t, uint64_t name, uint64_t *word)
{
	_Atomic uint64_t *set = t->word[name % SETS];
	int i;

	for (i = 0; i < WAYS; i++) {
		*word = atomic_load(&set[i]);
		if (*word != 0 && mark_of(*word).who == who_of(name))
			return &set[i];
	}
	return NULL;
}

/* Its entry, a free one, or the oldest. */
static _Atomic uint64_t *
trail_place(struct trail *t, uint64_t name, time_t now, uint64_t *word)
{
	_Atomic uint64_t *set = t->word[name % SETS], *found;
	unsigned age, oldest = 0;
	uint64_t w;
	int i;

	if ((found = trail_find(t, name, word)) != NULL)
		return found;
	for (i = 0; i < WAYS; i++) {
		w = atomic_load(&set[i]);
		age = w == 0 ? AT_MASK : mark_age(mark_of(w), now);
		if (found != NULL && age <= oldest)
			continue;
		oldest = age;
		found = &set[i];
		*word = w;
	}
	return found;
}

static bool
trail_write(struct trail *t, uint64_t name, uint32_t number, time_t now,
    bool wait)
{
	_Atomic uint64_t *at;
	struct mark m;
	uint64_t was;
	bool open;

	if (number == 0 || number > 0xffff)
		return true;
	do {
		at = trail_place(t, name, now, &was);
		m = mark_of(was);
		open = was != 0 && m.who == who_of(name) && m.open != 0 &&
		       mark_age(m, now) <= TRAIL_OPEN_S;
		if (wait && open && m.number != number)
			return false;
		if (!open || m.number != number)
			m.open = 0;
		m.who = who_of(name);
		m.number = number;
		m.at = (unsigned)now & AT_MASK;
		m.open += m.open < 255;
	} while (!atomic_compare_exchange_weak(at, &was, mark_word(m)));
	return true;
}

bool
trail_begin(struct trail *t, uint64_t name, uint32_t number, time_t now)
{
	return trail_write(t, name, number, now, true);
}

void
trail_put(struct trail *t, uint64_t name, uint32_t number, time_t now)
{
	(void)trail_write(t, name, number, now, false);
}

uint32_t
trail_get(struct trail *t, uint64_t name, time_t now)
{
	struct mark m;
	uint64_t was;

	if (trail_find(t, name, &was) == NULL)
		return 0;
	m = mark_of(was);
	return mark_age(m, now) <= TRAIL_S ? m.number : 0;
}

uint32_t
trail_take(struct trail *t, uint64_t name, time_t now)
{
	_Atomic uint64_t *at;
	struct mark m;
	uint64_t was;

	do {
		if ((at = trail_find(t, name, &was)) == NULL)
			return 0;
		m = mark_of(was);
		if (mark_age(m, now) > TRAIL_S)
			return 0;
		if (m.open == 0)
			return m.number;
		m.open--;
	} while (!atomic_compare_exchange_weak(at, &was, mark_word(m)));
	return m.number;
}
