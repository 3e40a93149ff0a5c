/*
 * What is new upstream, POSTed as JSON to baseline.webhook_url.  A short
 * queue, one exchange at a time, each event tried a few times.  The fetch
 * thread.  Private to upstream/.
 */
#ifndef UPSTREAM_WEBHOOK_H
#define UPSTREAM_WEBHOOK_H

#include "config/base/blob.h"
#include "upstream/transport.h"

struct webhook;

/* Events that wait; the oldest gives way. */
#define WEBHOOK_QUEUE 64
/* How often one is tried, and the first pause, which doubles. */
#define WEBHOOK_TRIES    5
#define WEBHOOK_PAUSE_MS 10000

/* pause_ms: WEBHOOK_PAUSE_MS, but in tests. */
struct webhook *webhook_new(struct loop *, struct transport *, long pause_ms);
/* Cancels what is going on; nothing is called any more. */
void webhook_free(struct webhook *);
/* Where to, and how long the answer may take; NULL: nowhere, and what waits is
 * dropped. */
void webhook_url(struct webhook *, const char *url, long timeout_ms);
void webhook_post(struct webhook *, struct blob *json);

#endif
