#include "server/pulse.h"

#include "config/base/mbox.h"
#include "config/base/must.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct beat {
	struct msg msg;
	struct loop *loop;
	atomic_bool away; /* sent and not answered: the message is the loop's */
};

struct pulse {
	size_t n;
	struct beat *v;
};

struct pulse *
pulse_new(void)
{
	return xcalloc(1, sizeof(struct pulse));
}

void
pulse_free(struct pulse *p)
{
	if (p == NULL)
		return;
	free(p->v);
	free(p);
}

void
pulse_watch(struct pulse *p, struct loop *loop)
{
	p->v = xrealloc(p->v, p->n + 1, sizeof(*p->v));
	memset(&p->v[p->n], 0, sizeof(p->v[p->n]));
	p->v[p->n++].loop = loop;
}

static void
beat_run(struct msg *m)
{
	struct beat *b = msg_of(m, struct beat, msg);

	atomic_store(&b->away, false);
}

bool
pulse_beat(struct pulse *p)
{
	bool all = true;
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (atomic_load(&p->v[i].away)) {
			all = false;
			continue;
		}
		atomic_store(&p->v[i].away, true);
		msg_send(p->v[i].loop, &p->v[i].msg, beat_run);
	}
	return all;
}
