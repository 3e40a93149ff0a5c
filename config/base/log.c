#include "config/base/log.h"

#include "config/base/blob.h"
#include "config/base/enc.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic int log_max = LOG_INFO;
static _Thread_local const char *log_req;

static const struct {
	const char *name;
	enum log_level level;
} names[] = {
	{ "error", LOG_ERROR },
	{ "warn", LOG_WARN },
	{ "note", LOG_NOTE },
	{ "info", LOG_INFO },
	{ "debug", LOG_DEBUG },
};

void
log_level_set(enum log_level level)
{
	atomic_store_explicit(&log_max, (int)level, memory_order_relaxed);
}

bool
log_level_read(const char *name, enum log_level *out)
{
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i].name, name) == 0) {
			*out = names[i].level;
			return true;
		}
	}
	return false;
}

void
log_request(const char *id)
{
	log_req = id;
}

/* Longer values are cut: a line stays one atomic write. */
#define VALUE_MAX 1000

static bool
value_is_plain(const char *v)
{
	const unsigned char *p = (const unsigned char *)v;

	if (*p == '\0')
		return false;
	for (; *p != '\0'; p++) {
		if (*p <= ' ' || *p == '"' || *p == '=' || *p == '\\' ||
		    *p >= 0x7f)
			return false;
	}
	return true;
}

static void
value_write(struct buf *b, const char *v)
{
	const unsigned char *p = (const unsigned char *)v;
	size_t n = 0;

	if (value_is_plain(v) && strlen(v) <= VALUE_MAX) {
		buf_str(b, v);
		return;
	}
	buf_str(b, "\"");
	for (; *p != '\0' && n < VALUE_MAX; p++, n++) {
		if (*p < ' ' || *p >= 0x7f) {
			buf_printf(b, "\\x%02x", *p);
		} else {
			if (*p == '"' || *p == '\\')
				buf_str(b, "\\");
			buf_add(b, p, 1);
		}
	}
	buf_str(b, *p != '\0' ? "...\"" : "\"");
}

static void
pair_write(struct buf *b, const char *key, const char *value)
{
	buf_printf(b, " %s=", key);
	value_write(b, value);
}

/*
 * One write(2) per line, so that lines of different threads do not mix.  A
 * log that cannot be written has nowhere to complain.
 */
static void
line_write(struct buf *b)
{
	ssize_t n;

	buf_str(b, "\n");
	n = write(STDERR_FILENO, b->p, b->len);
	(void)n;
}

void
log_event(enum log_level level, const char *event, ...)
{
	struct buf b = BUF_INIT;
	const char *key, *value;
	va_list ap;

	if ((int)level > atomic_load_explicit(&log_max, memory_order_relaxed))
		return;
	buf_printf(&b, "<%d>event=", (int)level);
	value_write(&b, event);
	if (log_req != NULL)
		pair_write(&b, "request", log_req);
	va_start(ap, event);
	while ((key = va_arg(ap, const char *)) != NULL) {
		value = va_arg(ap, const char *);
		if (value != NULL)
			pair_write(&b, key, value);
	}
	va_end(ap);
	line_write(&b);
	buf_free(&b);
}

struct log_id
log_id(struct span secret)
{
	unsigned char sum[32];
	struct log_id id;

	sha256(secret, sum);
	hex_lower(span_of(sum, 4), id.s);
	return id;
}

struct log_num
log_num(long long v)
{
	struct log_num num;

	snprintf(num.s, sizeof(num.s), "%lld", v);
	return num;
}
