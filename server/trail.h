/*
 * Which set of collateral a source is being given, so that all of it has one
 * evaluation number.  Clients ask for TCB info, the identity of the quoting
 * enclave and perhaps QvE's in three requests (pccs-api 9.1), in an order of
 * their own; identities name no FMSPC, and nothing says which requests belong
 * together but who asks, and when.
 *
 * Per source there is a mark: the number it is on, and the kind of request
 * that opens its sets.  That kind is given the number of the rule as it is
 * then, the others follow.
 *
 *                    the kind that opens          another kind
 *   no mark, or of   opens, and is that kind      (the same)
 *   TRAIL_MS ago     from here on
 *   its number is    opens the next set           follows
 *   the rule's
 *   it is another    waits while others of the    follows; a TCB info that
 *                    set before are owed, opens   no set owes opens, and its
 *                    the next with the rule's     kind is the one that does
 *
 * Marks are in a table of fixed size, in a file where there is one, which
 * outlives the process.  All threads; a lock for each stripe of the table, held
 * for a copy of a mark.  Private to server/.
 */
#ifndef SERVER_TRAIL_H
#define SERVER_TRAIL_H

#include "storage/storage.h"

struct trail;

/* A set begun so long ago is over, whatever of it was asked for. */
#define TRAIL_MS 60000
/* The rest of a set is waited for so long since it was begun, QvE's identity
 * alone for less, before the same source gets one of another number. */
#define TRAIL_OPEN_MS 2000
#define TRAIL_QVE_MS  1000
/* A source that was silent for so long has probably ended its set. */
#define TRAIL_PAUSE_MS 2000

/* Numbers above this are not kept. */
#define TRAIL_NUMBER_MAX 0xffffu

/* QE: of the quoting enclave, TDQE's too. */
enum trail_kind { TRAIL_TCB, TRAIL_QE, TRAIL_QVE, TRAIL_KINDS };

/*
 * The file for this database ("sqlite:PATH"): in $RUNTIME_DIRECTORY, if there
 * is one (systemd.exec(5)), else PATH-trail beside it.  The former is memory,
 * and writing to it waits for no disk.  NULL: there is none.  free().
 */
char *trail_path(const char *database);
/* Without a file (NULL), or when it cannot be had (logged), the table is
 * forgotten with the process.  A file that is another's to write is not
 * touched. */
struct trail *trail_new(const char *path);
void trail_free(struct trail *);

/* Who asks, where, for what: the name under which a mark is kept. */
uint64_t trail_name(const struct trail *, const char *peer, unsigned listener,
    enum tee, bool early);

enum trail_step {
	TRAIL_OPENS,   /* a set */
	TRAIL_FOLLOWS, /* goes with the one that is open */
	TRAIL_WAITS,   /* ask again in a moment; nothing was given */
};

struct trail_ask {
	uint64_t name;
	enum trail_kind kind;
	uint32_t number; /* by the rule; 0: not known before it is had */
	char fmspc[13];  /* of a TCB info; "" */
	bool apart;     /* its rule is not the one that the set was opened by */
	bool wait;      /* it may be told to */
	uint32_t turn;  /* what it waited for before; 0: it did not */
	int64_t now_ms; /* UTC */
};

/* One of the kind is about to be given: with this number, which may be 0.  It
 * means nothing with TRAIL_WAITS. */
enum trail_step trail_ask(struct trail *, const struct trail_ask *,
    uint32_t *number);
/* It was not, after all. */
void trail_undo(struct trail *, uint64_t name, enum trail_kind,
    enum trail_step);
/* It was, with another number than was named for it. */
void trail_correct(struct trail *, uint64_t name, uint32_t named,
    uint32_t number);

/* The number of its set, 0: there is none lately. */
uint32_t trail_number(struct trail *, uint64_t name, int64_t now_ms);
/* The FMSPC it asked for last, however long ago; false: none. */
bool trail_fmspc(struct trail *, uint64_t name, char fmspc[13]);
/* QvE's identity is asked for in one place, whatever is verified: does it go
 * with the set under the name "b" rather than with that under "a"? */
bool trail_qve_is_of(struct trail *, uint64_t a, uint64_t b, int64_t now_ms);
#endif
