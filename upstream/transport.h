/*
 * One HTTP exchange: the seam between what is asked and how it travels.
 * curl.c is the real one; tests bring their own.  All of it belongs to the
 * fetch thread.  Private to upstream/.
 */
#ifndef UPSTREAM_TRANSPORT_H
#define UPSTREAM_TRANSPORT_H

#include "config/base/blob.h"
#include "config/config.h"

struct loop;

#define REQUEST_HEADERS 6

/* The requests to one origin that are paced together (hosts.h). */
enum lane {
	LANE_ALL,  /* whatever has no pace of its own */
	LANE_KDS,  /* AMD's chains and lists, which have to come through while
	    VCEKs are throttled */
	LANE_VCEK, /* VCEKs: signed on demand, and few a minute */
	LANE_N
};

/* A question. Everything in it is owned (request_fini). */
struct request {
	char *url;
	char *origin; /* "https://host:port", as origin_of() gives it */
	size_t n_headers;
	char *header[REQUEST_HEADERS]; /* "Name: value" */
	struct blob *body;             /* POST; NULL: GET */
	size_t body_max;               /* of the answer */
	long timeout_ms;               /* 0: upstream.timeout_ms */
	enum lane lane;                /* which pace it has to keep */
};

void request_header(struct request *, const char *name, const char *value);
void request_fini(struct request *);

/*
 * "scheme://host:port" of an http or https URL, lower case, the port always
 * there; NULL when it is no such URL.  The caller's to free.
 */
char *origin_of(const char *url);
/* The host of a URL is this machine. */
bool url_loopback(const char *url);

/* What came back. */
struct reply {
	struct why why; /* err ERR_OK: an HTTP answer came, whatever its
	    status; else ERR_UP_DOWN, ERR_UP_SLOW or ERR_TOO_BIG */
	int status;
	struct buf head; /* header lines, "Name: value\r\n" each */
	struct buf body;
	int64_t us; /* the whole exchange */
};

void reply_fini(struct reply *);

/* The first value of a header in such lines, name without case, blanks
 * trimmed; SPAN_NONE when absent. */
struct span head_find(struct span lines, const char *name);
struct span reply_header(const struct reply *, const char *name);

struct exchange;
/* Called once, from the loop, unless the exchange is cancelled before.  The
 * reply is borrowed; the exchange is gone when it is called. */
typedef void (*reply_fn)(void *arg, const struct reply *);

struct transport;
struct transport_ops {
	/* Never calls back before it returns. */
	struct exchange *(*start)(struct transport *, const struct request *,
	    long timeout_ms, reply_fn, void *arg);
	void (*cancel)(struct transport *, struct exchange *);
	/* Proxy, CA file and time-outs for the exchanges to come. */
	void (*configure)(struct transport *, struct config *);
	/* Exchanges still going are dropped without a call. */
	void (*free)(struct transport *);
};
struct transport {
	const struct transport_ops *ops;
};

/* libcurl on the loop's event_base. */
struct transport *curl_transport_new(struct loop *, struct config *);

#endif
