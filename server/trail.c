#include "server/trail.h"

#include "config/base/blob.h"
#include "config/base/enc.h"
#include "config/base/log.h"
#include "config/base/map.h"
#include "config/base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETS    4096
#define WAYS    4
#define STRIPES 64

/* A set is opened without waiting for QvE's identity once it was waited for in
 * vain so often, since one came or (1) since the source is known. */
#define QVE_PATIENCE  4
#define QVE_UNKNOWN   1

#define FMSPC_KNOWN   (UINT64_C(1) << 48)
#define FMSPC_MASK    (FMSPC_KNOWN - 1)

#define TRAIL_MAGIC   UINT64_C(0x742d72656472616c) /* "larder-t" */
#define TRAIL_VERSION 1u

/*
 * What is known of a source.  From the file it may be anything: mark_clean()
 * comes before any use.
 */
struct mark {
	uint64_t name;   /* 0: free */
	uint64_t fmspc;  /* asked for last, with FMSPC_KNOWN; 0: none */
	int64_t set_ms;  /* its last set was opened */
	int64_t seen_ms; /* it asked last */
	int64_t turn_ms; /* somebody began to wait for "turn" */
	uint32_t number; /* of the set; 0: not known yet */
	uint32_t turn;   /* the next set is to be of this one; 0: of any */
	uint8_t first;   /* enum trail_kind, opens its sets */
	uint8_t late;    /* another kind came after a pause: that, plus 1 */
	uint8_t score;   /* how often it was that which opened, by the pauses */
	uint8_t patience;
	uint8_t owed[TRAIL_KINDS]; /* of the sets with "number" */
	uint8_t doubt; /* another kind came that no set owes: that, plus 1 */
};

/* What the file is. */
struct table {
	struct {
		uint64_t magic; /* written last */
		uint32_t version, mark_size, sets, ways;
		uint64_t key[2];
		uint64_t spare[3];
	} head;
	struct mark mark[SETS][WAYS];
};

struct trail {
	struct table *table;
	int fd; /* -1: the table is plain memory */
	pthread_mutex_t lock[STRIPES];
};

/* --- the file --------------------------------------------------------- */

char *
trail_path(const char *database)
{
	const char *where = strchr(database, ':'), *slash;
	const char *run = getenv("RUNTIME_DIRECTORY");
	struct buf b = BUF_INIT;

	where = where == NULL ? database : where + 1;
	if (strcmp(where, ":memory:") == 0)
		return NULL;
	if (run != NULL && run[0] == '/') {
		slash = strrchr(where, '/');
		buf_add(&b, run, strcspn(run, ":"));
		buf_str(&b, "/");
		buf_str(&b, slash == NULL ? where : slash + 1);
	} else {
		buf_str(&b, where);
	}
	buf_str(&b, "-trail");
	buf_add(&b, "", 1);
	return b.p;
}

static bool
table_fits(const struct table *table)
{
	return table->head.magic == TRAIL_MAGIC &&
	       table->head.version == TRAIL_VERSION &&
	       table->head.mark_size == sizeof(struct mark) &&
	       table->head.sets == SETS && table->head.ways == WAYS;
}

static void
table_init(struct table *table)
{
	table->head.version = TRAIL_VERSION;
	table->head.mark_size = sizeof(struct mark);
	table->head.sets = SETS;
	table->head.ways = WAYS;
	random_bytes(table->head.key, sizeof(table->head.key));
	atomic_signal_fence(memory_order_seq_cst);
	table->head.magic = TRAIL_MAGIC;
}

/* All of it has to be there: a page that the disk has no room for would be a
 * SIGBUS when it is written. */
static int
file_size(int fd)
{
	struct stat st;
	int rc;

	if (fstat(fd, &st) == -1)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EINVAL;
	if (st.st_size != (off_t)sizeof(struct table) && ftruncate(fd, 0) == -1)
		return errno;
	do {
		rc = posix_fallocate(fd, 0, sizeof(struct table));
	} while (rc == EINTR);
	return rc;
}

/* Ours alone, as long as it is open: two processes would not see each other's
 * locks.  0, or what errno has for it. */
static int
file_map(int fd, struct table **out)
{
	struct table *table;
	int rc;

	if (flock(fd, LOCK_EX | LOCK_NB) == -1)
		return errno;
	if ((rc = file_size(fd)) != 0)
		return rc;
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED,
	    fd, 0);
	if (table == MAP_FAILED)
		return errno;
	if (!table_fits(table)) {
		memset(table, 0, sizeof(*table));
		table_init(table);
	}
	*out = table;
	return 0;
}

static void
trail_open(struct trail *t, const char *path)
{
	int fd, rc;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
	    0600);
	rc = fd == -1 ? errno : file_map(fd, &t->table);
	if (rc == 0) {
		t->fd = fd;
		return;
	}
	if (fd != -1)
		close(fd);
	log_event(LOG_WARN, "trails-not-kept", "path", path, "text",
	    rc == EWOULDBLOCK ? "another process has it" : strerror(rc), NULL);
}

struct trail *
trail_new(const char *path)
{
	struct trail *t = xcalloc(1, sizeof(*t));
	int i;

	t->fd = -1;
	for (i = 0; i < STRIPES; i++)
		must(pthread_mutex_init(&t->lock[i], NULL) == 0);
	if (path != NULL)
		trail_open(t, path);
	if (t->table == NULL) {
		t->table = xcalloc(1, sizeof(*t->table));
		table_init(t->table);
	}
	return t;
}

void
trail_free(struct trail *t)
{
	int i;

	if (t == NULL)
		return;
	if (t->fd == -1) {
		free(t->table);
	} else {
		must(munmap(t->table, sizeof(*t->table)) == 0);
		close(t->fd);
	}
	for (i = 0; i < STRIPES; i++)
		must(pthread_mutex_destroy(&t->lock[i]) == 0);
	free(t);
}

/* --- marks ------------------------------------------------------------ */

uint64_t
trail_name(const struct trail *t, const char *peer, unsigned listener,
    enum tee tee, bool early)
{
	/* What has one length goes first, so that no two names run together. */
	unsigned char text[4 + 64] = { (unsigned char)listener,
		(unsigned char)(listener >> 8), (unsigned char)tee, early };
	size_t len = strlen(peer);
	uint64_t name;

	len = len < 64 ? len : 64;
	memcpy(text + 4, peer, len);
	name = siphash13(t->table->head.key, span_of(text, 4 + len));
	return name == 0 ? 1 : name;
}

/* Milliseconds since; very many when it is not known.  Clocks are set back a
 * little now and then. */
static int64_t
age(int64_t at_ms, int64_t now_ms)
{
	if (at_ms <= 0 || at_ms - TRAIL_MS > now_ms)
		return INT64_MAX;
	return at_ms > now_ms ? 0 : now_ms - at_ms;
}

/* Within bounds, whatever was read. */
static void
mark_clean(struct mark *m)
{
	if (m->first >= TRAIL_KINDS || m->late > TRAIL_KINDS ||
	    m->doubt > TRAIL_KINDS || m->number > TRAIL_NUMBER_MAX ||
	    m->turn > TRAIL_NUMBER_MAX || m->patience > QVE_PATIENCE)
		*m = (struct mark){ .name = m->name, .patience = QVE_UNKNOWN };
	m->fmspc &= FMSPC_KNOWN | FMSPC_MASK;
}

static pthread_mutex_t *
trail_lock(struct trail *t, uint64_t name)
{
	pthread_mutex_t *lock = &t->lock[name % SETS % STRIPES];

	must(pthread_mutex_lock(lock) == 0);
	return lock;
}

static void
trail_unlock(pthread_mutex_t *lock)
{
	must(pthread_mutex_unlock(lock) == 0);
}

/* Its entry, or NULL; *out is a copy to work with. */
static struct mark *
trail_find(struct trail *t, uint64_t name, struct mark *out)
{
	struct mark *set = t->table->mark[name % SETS];
	int i;

	for (i = 0; i < WAYS; i++) {
		if (set[i].name != name)
			continue;
		*out = set[i];
		mark_clean(out);
		return &set[i];
	}
	return NULL;
}

/* Its entry, a free one, or the one that was used the longest time ago. */
static struct mark *
trail_place(struct trail *t, uint64_t name, int64_t now_ms, struct mark *out)
{
	struct mark *set = t->table->mark[name % SETS], *oldest = set;
	struct mark *at = trail_find(t, name, out);
	int i;

	if (at != NULL)
		return at;
	for (i = 1; i < WAYS && oldest->name != 0; i++)
		if (set[i].name == 0 ||
		    age(set[i].seen_ms, now_ms) > age(oldest->seen_ms, now_ms))
			oldest = &set[i];
	*out = (struct mark){ .name = name, .patience = QVE_UNKNOWN };
	return oldest;
}

/* In an order in which a process that is killed leaves it whole or free. */
static void
mark_put(struct mark *at, const struct mark *m)
{
	struct mark body = *m;

	body.name = 0;
	at->name = 0;
	atomic_signal_fence(memory_order_seq_cst);
	*at = body;
	atomic_signal_fence(memory_order_seq_cst);
	at->name = m->name;
}

static void
count(uint8_t *n, int by)
{
	if (by > 0 ? *n < UINT8_MAX : *n > 0)
		*n = (uint8_t)(*n + by);
}

static bool
mark_is_over(const struct mark *m, int64_t now_ms)
{
	return age(m->set_ms, now_ms) > TRAIL_MS;
}

/* --- a request -------------------------------------------------------- */

/* Another kind opens: this one, and perhaps the third, is part of its set. */
static void
mark_turn_round(struct mark *m, uint8_t kind_1)
{
	int k;

	m->first = (uint8_t)(kind_1 - 1);
	m->score = 0;
	m->doubt = 0;
	for (k = 0; k < TRAIL_KINDS; k++)
		m->owed[k] = k != m->first;
}

/*
 * Which kind opens was taken from the first request that was seen, and that
 * may have been somebody's who asks for an identity alone.  Pauses tell: one is
 * between two sets and not in the middle of one.  Twice in a row the other kind
 * came after a pause, and the one that is thought to open right behind it.
 */
static void
mark_pace(struct mark *m, const struct trail_ask *q)
{
	bool pause = age(m->seen_ms, q->now_ms) >= TRAIL_PAUSE_MS;

	if (q->kind != m->first) {
		if (pause)
			m->late = (uint8_t)(q->kind + 1);
		return;
	}
	m->score = m->late != 0 && !pause ? (uint8_t)(m->score + 1) : 0;
	if (m->score >= 2)
		mark_turn_round(m, m->late);
	m->late = 0;
}

/*
 * An identity that no set owes is asked for once more, or begins a set in
 * another order than the ones before.  If what opened those comes right behind,
 * it is the latter.  If it comes later, nobody knows: it is given what suits
 * both.
 */
static void
mark_doubt(struct mark *m, struct trail_ask *q)
{
	if (q->kind != m->first) {
		if (m->doubt == 0 && m->owed[q->kind] == 0 &&
		    q->kind != TRAIL_TCB)
			m->doubt = (uint8_t)(q->kind + 1);
		return;
	}
	if (m->doubt == 0)
		return;
	if (age(m->seen_ms, q->now_ms) < TRAIL_PAUSE_MS)
		mark_turn_round(m, m->doubt);
	else if (!q->apart)
		q->number = m->number;
	m->doubt = 0;
}

/* One of it is still to come, as far as one can know. */
static bool
mark_owes(const struct mark *m, int kind, int64_t now_ms)
{
	int64_t passed = age(m->set_ms, now_ms);

	if (m->owed[kind] == 0)
		return false;
	return kind == TRAIL_QVE ? m->patience > 0 && passed < TRAIL_QVE_MS
				 : passed < TRAIL_OPEN_MS;
}

/* Somebody is in the middle of a set of another number. */
static bool
mark_is_open(const struct mark *m, const struct trail_ask *q)
{
	bool open = false;
	int k;

	for (k = 0; k < TRAIL_KINDS; k++)
		open =
		    open || (k != (int)q->kind && mark_owes(m, k, q->now_ms));
	return open && m->number != 0 && q->number != 0 &&
	       m->number != q->number;
}

/*
 * Those who would go on with the number that is open wait as well, while
 * somebody waits for the next one: else he would never see it end.
 */
static bool
mark_waits(struct mark *m, const struct trail_ask *q)
{
	bool turn = m->turn != 0 && age(m->turn_ms, q->now_ms) < TRAIL_OPEN_MS;

	if (!mark_is_open(m, q))
		return turn && m->number == q->number && m->turn != q->number;
	if (!turn) {
		m->turn = q->number;
		m->turn_ms = q->now_ms;
	}
	return true;
}

/* The next set is of another number, and was waited for: in vain, if QvE's
 * identity is what is missing. */
static void
mark_lose_patience(struct mark *m, const struct trail_ask *q)
{
	bool alone = m->owed[TRAIL_QVE] > 0 && m->patience > 0;
	int k;

	for (k = 0; k < TRAIL_KINDS; k++)
		alone = alone && (k == TRAIL_QVE || k == (int)q->kind ||
				     m->owed[k] == 0);
	if (alone)
		m->patience--;
}

static void
mark_open(struct mark *m, const struct trail_ask *q)
{
	int k;

	if (q->number != m->number) {
		if (m->turn == q->number)
			mark_lose_patience(m, q);
		memset(m->owed, 0, sizeof(m->owed));
	}
	if (m->turn == q->number || !q->wait)
		m->turn = 0;
	m->number = q->number;
	m->set_ms = q->now_ms;
	for (k = 0; k < TRAIL_KINDS; k++)
		if (k != (int)q->kind)
			count(&m->owed[k], 1);
}

static void
mark_follow(struct mark *m, const struct trail_ask *q)
{
	count(&m->owed[q->kind], -1);
	if (q->apart)
		m->number = q->number;
}

/* Without a set that is open, its kind is the one that opens. */
static void
mark_begin(struct mark *m, const struct trail_ask *q)
{
	m->first = (uint8_t)q->kind;
	m->late = m->score = m->doubt = 0;
	m->turn = 0;
	memset(m->owed, 0, sizeof(m->owed));
	mark_open(m, q);
}

static enum trail_step
mark_step(struct mark *m, struct trail_ask *q)
{
	if (mark_is_over(m, q->now_ms)) {
		mark_begin(m, q);
		return TRAIL_OPENS;
	}
	mark_pace(m, q);
	/* It waited for its turn, and the rule has another number now. */
	if (q->turn != q->number && m->turn == q->turn)
		m->turn = 0;
	mark_doubt(m, q);
	if (q->kind == TRAIL_TCB && m->first != TRAIL_TCB &&
	    m->owed[TRAIL_TCB] == 0) {
		m->first = TRAIL_TCB;
		/* The one before it was not part of another's set either. */
		count(&m->owed[TRAIL_QE], 1);
	}
	if (q->kind != m->first) {
		mark_follow(m, q);
		return TRAIL_FOLLOWS;
	}
	if (q->wait && mark_waits(m, q))
		return TRAIL_WAITS;
	mark_open(m, q);
	return TRAIL_OPENS;
}

/* "90C06F000000" as a number; 0: it is none. */
static uint64_t
fmspc_pack(const char *fmspc)
{
	return fmspc[0] == '\0'
		   ? 0
		   : (strtoull(fmspc, NULL, 16) & FMSPC_MASK) | FMSPC_KNOWN;
}

enum trail_step
trail_ask(struct trail *t, const struct trail_ask *q, uint32_t *number)
{
	pthread_mutex_t *lock = trail_lock(t, q->name);
	struct mark m, was, *at = trail_place(t, q->name, q->now_ms, &m);
	struct trail_ask kept = *q;
	enum trail_step step;

	was = m;
	if (kept.number > TRAIL_NUMBER_MAX)
		kept.number = 0;
	step = mark_step(&m, &kept);
	if (step == TRAIL_WAITS) {
		/* Asked again, it is judged by the same pauses. */
		was.turn = m.turn;
		was.turn_ms = m.turn_ms;
		m = was;
	} else {
		m.seen_ms = q->now_ms;
		if (q->kind == TRAIL_QVE)
			m.patience = QVE_PATIENCE;
		if (q->fmspc[0] != '\0')
			m.fmspc = fmspc_pack(q->fmspc);
	}
	mark_put(at, &m);
	trail_unlock(lock);
	*number = m.number != 0 ? m.number : q->number;
	return step;
}

void
trail_undo(struct trail *t, uint64_t name, enum trail_kind kind,
    enum trail_step step)
{
	pthread_mutex_t *lock = trail_lock(t, name);
	struct mark m, *at = trail_find(t, name, &m);
	int k;

	if (at != NULL) {
		for (k = 0; k < TRAIL_KINDS; k++)
			if (step == TRAIL_OPENS && k != (int)kind)
				count(&m.owed[k], -1);
		/* It will be asked for again. */
		if (step == TRAIL_FOLLOWS)
			count(&m.owed[kind], 1);
		mark_put(at, &m);
	}
	trail_unlock(lock);
}

void
trail_correct(struct trail *t, uint64_t name, uint32_t named, uint32_t number)
{
	pthread_mutex_t *lock = trail_lock(t, name);
	struct mark m, *at = trail_find(t, name, &m);

	if (named > TRAIL_NUMBER_MAX)
		named = 0;
	if (at != NULL && m.number == named && number <= TRAIL_NUMBER_MAX) {
		m.number = number;
		mark_put(at, &m);
	}
	trail_unlock(lock);
}

/* --- looking ---------------------------------------------------------- */

/* A copy of its mark; false: there is none. */
static bool
trail_copy(struct trail *t, uint64_t name, struct mark *out)
{
	pthread_mutex_t *lock = trail_lock(t, name);
	bool found = trail_find(t, name, out) != NULL;

	trail_unlock(lock);
	return found;
}

uint32_t
trail_number(struct trail *t, uint64_t name, int64_t now_ms)
{
	struct mark m;

	return trail_copy(t, name, &m) && !mark_is_over(&m, now_ms) ? m.number
								    : 0;
}

bool
trail_fmspc(struct trail *t, uint64_t name, char fmspc[13])
{
	struct mark m;

	if (!trail_copy(t, name, &m) || (m.fmspc & FMSPC_KNOWN) == 0)
		return false;
	snprintf(fmspc, 13, "%012llX",
	    (unsigned long long)(m.fmspc & FMSPC_MASK));
	return true;
}

bool
trail_qve_is_of(struct trail *t, uint64_t a, uint64_t b, int64_t now_ms)
{
	struct mark ma, mb;

	if (!trail_copy(t, b, &mb) || mark_is_over(&mb, now_ms) ||
	    mb.owed[TRAIL_QVE] == 0)
		return false;
	return !trail_copy(t, a, &ma) || mark_is_over(&ma, now_ms) ||
	       ma.owed[TRAIL_QVE] == 0 ||
	       age(mb.seen_ms, now_ms) < age(ma.seen_ms, now_ms);
}
