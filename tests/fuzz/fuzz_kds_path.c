/*
 * Paths and queries of KDS and of Azure's cache.  What is taken is written
 * in its canonical form, which is taken for the same key and written the
 * same; and two texts are the same exactly when the keys are.
 */
#include "config/base/must.h"
#include "server/kds_path.h"
#include "tests/fuzz/fuzz.h"
#include "upstream/vendor.h"

#include <string.h>

/* "path?query" */
static enum err
target_read(struct span target, struct coll_key *out)
{
	struct span path;

	if (span_until(&target, '?', &path) != ERR_OK) {
		path = target;
		target = SPAN_NONE;
	}
	return kds_path_read(path, target, out, NULL);
}

static bool
key_same(const struct coll_key *a, const struct coll_key *b)
{
	return a->kind == b->kind && a->product == b->product &&
	       a->side == b->side &&
	       memcmp(a->tcb.b, b->tcb.b, sizeof(a->tcb.b)) == 0 &&
	       memcmp(a->hwid, b->hwid, sizeof(a->hwid)) == 0;
}

/* The key of the round before, to be compared with this one's. */
static struct coll_key last;
static struct buf last_text;

static void
key_check(const struct coll_key *key)
{
	struct buf text = BUF_INIT, again = BUF_INIT;
	struct coll_key next;

	kds_target(key, &text);
	must(target_read(buf_view(&text), &next) == ERR_OK);
	must(key_same(key, &next));
	kds_target(&next, &again);
	must(span_eq(buf_view(&text), buf_view(&again)));
	buf_free(&again);
	if (last_text.len != 0)
		must(span_eq(buf_view(&text), buf_view(&last_text)) ==
		     key_same(key, &last));
	last = *key;
	buf_free(&last_text);
	last_text = text;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span target = span_of(data, len);
	struct azure_ask ask;
	struct coll_key key;
	unsigned p;

	if (target_read(target, &key) == ERR_OK)
		key_check(&key);
	if (azure_path_read(target, &ask, NULL) != ERR_OK)
		return 0;
	for (p = 0; p < AMD_PRODUCT_N; p++)
		if (azure_key(&ask, (enum amd_product)p, &key))
			key_check(&key);
	return 0;
}
