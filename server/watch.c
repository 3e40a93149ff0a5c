#include "server/watch.h"

#include "config/base/must.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What of a file tells that it is another one; zeros: it is not there. */
struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec at;
};

struct watched {
	char *path;
	struct stamp stamp;
};

struct watch {
	size_t n;
	struct watched *v;
};

static struct stamp
stamp_of(const char *path)
{
	struct stamp s = { 0 };
	struct stat st;

	if (stat(path, &st) == 0) {
		s.dev = st.st_dev;
		s.ino = st.st_ino;
		s.size = st.st_size;
		s.at = st.st_mtim;
	}
	return s;
}

static bool
stamp_same(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->at.tv_sec == b->at.tv_sec && a->at.tv_nsec == b->at.tv_nsec;
}

static void
watch_add(struct watch *w, const char *path)
{
	if (path == NULL)
		return;
	w->v = xrealloc(w->v, w->n + 1, sizeof(*w->v));
	w->v[w->n].path = xstrdup(path);
	w->v[w->n].stamp = stamp_of(path);
	w->n++;
}

struct watch *
watch_new(const struct config *config)
{
	struct watch *w = xcalloc(1, sizeof(*w));
	const struct config_listen *l;
	size_t i, k;

	for (i = 0; i < config->n_listen; i++) {
		l = &config->listen[i];
		watch_add(w, l->tls_certificate);
		watch_add(w, l->tls_key);
		watch_add(w, l->tls_client_ca);
		for (k = 0; k < l->tls_also.n; k++)
			watch_add(w, l->tls_also.v[k]);
	}
	return w;
}

void
watch_free(struct watch *w)
{
	size_t i;

	if (w == NULL)
		return;
	for (i = 0; i < w->n; i++)
		free(w->v[i].path);
	free(w->v);
	free(w);
}

bool
watch_changed(struct watch *w)
{
	struct stamp now;
	bool changed = false;
	size_t i;

	for (i = 0; i < w->n; i++) {
		now = stamp_of(w->v[i].path);
		if (!stamp_same(&now, &w->v[i].stamp))
			changed = true;
		w->v[i].stamp = now;
	}
	return changed;
}
