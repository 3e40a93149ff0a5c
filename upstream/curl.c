/*
 * libcurl, on the fetch loop's event_base (the multi interface), and for
 * programs without a loop (http_fetch).  The only file that includes curl.h.
 */
#include "upstream/fetch.h"
#include "upstream/transport.h"

#include "config/base/clock.h"
#include "config/base/mbox.h"
#include "config/base/must.h"
#include "config/base/version.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define HEAD_MAX       (64 * 1024) /* all header lines of one answer */

#define CURL_MAGIC     0x4355524c
#define EXCHANGE_MAGIC 0x58434847

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
curl_once(void)
{
	must(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

/* --- one handle ------------------------------------------------------- */

/* Where an answer is collected. */
struct sink {
	struct buf head, body;
	size_t body_max;
	bool too_big;
	char text[CURL_ERROR_SIZE];
};

/* Returning less than n makes libcurl give the exchange up. */
static size_t
head_cb(char *p, size_t size, size_t n, void *arg)
{
	struct sink *s = arg;
	struct span line = span_of(p, size * n);

	if (span_starts(line, "HTTP/")) {
		/* A new status line: what came before was 100 Continue. */
		s->head.len = 0;
		return line.len;
	}
	if (line.len > HEAD_MAX - s->head.len) {
		s->too_big = true;
		return 0;
	}
	buf_span(&s->head, line);
	return line.len;
}

static size_t
body_cb(char *p, size_t size, size_t n, void *arg)
{
	struct sink *s = arg;
	size_t len = size * n;

	if (len > s->body_max - s->body.len) {
		s->too_big = true;
		return 0;
	}
	buf_add(&s->body, p, len);
	return len;
}

#define SET(easy, opt, val)                                                    \
	must(curl_easy_setopt((easy), (opt), (val)) == CURLE_OK)

/* What every exchange has in common. */
static CURL *
easy_new(const char *url, struct sink *s)
{
	CURL *c = curl_easy_init();

	must(c != NULL);
	SET(c, CURLOPT_URL, url);
	SET(c, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(c, CURLOPT_FOLLOWLOCATION, 0L);
	SET(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(c, CURLOPT_PATH_AS_IS, 1L);
	SET(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(c, CURLOPT_NOSIGNAL, 1L);
	SET(c, CURLOPT_TCP_KEEPALIVE, 1L);
	SET(c, CURLOPT_USERAGENT, "larder/" LARDER_VERSION);
	SET(c, CURLOPT_ERRORBUFFER, s->text);
	SET(c, CURLOPT_HEADERFUNCTION, head_cb);
	SET(c, CURLOPT_HEADERDATA, s);
	SET(c, CURLOPT_WRITEFUNCTION, body_cb);
	SET(c, CURLOPT_WRITEDATA, s);
	return c;
}

/* Only these roots: a bundle of both is the operator's to make. */
static void
easy_ca(CURL *c, const char *ca_file)
{
	if (ca_file == NULL || *ca_file == '\0')
		return;
	SET(c, CURLOPT_CAINFO, ca_file);
	SET(c, CURLOPT_CAPATH, NULL);
}

static void
easy_body(CURL *c, struct span body)
{
	SET(c, CURLOPT_POST, 1L);
	SET(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
	SET(c, CURLOPT_POSTFIELDS, body.len == 0 ? "" : (const char *)body.p);
}

static struct curl_slist *
list_add(struct curl_slist *list, const char *line)
{
	list = curl_slist_append(list, line);
	must(list != NULL);
	return list;
}

/* How an exchange ended, as an error. */
static enum err
code_err(CURLcode code, const struct sink *s, struct why *why)
{
	const char *text =
	    s->text[0] != '\0' ? s->text : curl_easy_strerror(code);

	switch (code) {
	case CURLE_OK:
		return ERR_OK;
	case CURLE_OPERATION_TIMEDOUT:
		return why_set(why, ERR_UP_SLOW, "upstream", "%s", text);
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return why_set(why, ERR_PARAM, "upstream", "%s", text);
	default:
		break;
	}
	if (s->too_big)
		return why_set(why, ERR_TOO_BIG, "upstream",
		    "the answer is larger than %zu bytes", s->body_max);
	return why_set(why, ERR_UP_DOWN, "upstream", "%s", text);
}

static int
easy_status(CURL *c)
{
	long status = 0;

	must(curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK);
	return (int)status;
}

/* --- the transport ---------------------------------------------------- */

struct exchange {
	unsigned magic;
	TAILQ_ENTRY(exchange) link;
	struct curl_transport *t;
	CURL *easy;
	struct curl_slist *headers;
	struct blob *body; /* what is sent */
	struct sink sink;
	int64_t began_us;
	reply_fn fn;
	void *arg;
};

struct curl_transport {
	unsigned magic;
	struct transport transport; /* what others see */
	struct config *config;
	CURLM *multi;
	struct event_base *base;
	struct event *timer;
	TAILQ_HEAD(, exchange) exchanges;
};

static struct curl_transport *
transport_cast(struct transport *t)
{
	struct curl_transport *ct = msg_of(t, struct curl_transport, transport);

	must(ct->magic == CURL_MAGIC);
	return ct;
}

static void
exchange_free(struct exchange *x)
{
	must(curl_multi_remove_handle(x->t->multi, x->easy) == CURLM_OK);
	TAILQ_REMOVE(&x->t->exchanges, x, link);
	curl_easy_cleanup(x->easy);
	curl_slist_free_all(x->headers);
	blob_unref(x->body);
	buf_free(&x->sink.head);
	buf_free(&x->sink.body);
	x->magic = 0;
	free(x);
}

static void
exchange_done(struct exchange *x, CURLcode code)
{
	struct reply reply = { 0 };
	reply_fn fn = x->fn;
	void *arg = x->arg;

	(void)code_err(code, &x->sink, &reply.why);
	reply.status = easy_status(x->easy);
	reply.head = x->sink.head;
	reply.body = x->sink.body;
	x->sink.head = x->sink.body = BUF_INIT;
	reply.us = clock_mono_us() - x->began_us;
	exchange_free(x);
	fn(arg, &reply);
	reply_fini(&reply);
}

/*
 * Hand out what has ended.  A call may start or cancel others, so each
 * message is taken out whole before the next is looked at.
 */
static void
transport_reap(struct curl_transport *t)
{
	char *private;
	CURLMsg *m;
	CURLcode code;
	int left;

	while ((m = curl_multi_info_read(t->multi, &left)) != NULL) {
		if (m->msg != CURLMSG_DONE)
			continue;
		code = m->data.result;
		must(curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE,
			 &private) == CURLE_OK);
		exchange_done(obj_cast(private, EXCHANGE_MAGIC), code);
	}
}

static void
transport_act(struct curl_transport *t, curl_socket_t fd, int what)
{
	int running;

	must(
	    curl_multi_socket_action(t->multi, fd, what, &running) == CURLM_OK);
	transport_reap(t);
}

static void
timer_ev_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	transport_act(obj_cast(arg, CURL_MAGIC), CURL_SOCKET_TIMEOUT, 0);
}

static void
socket_ev_cb(evutil_socket_t fd, short what, void *arg)
{
	int bits = 0;

	if ((what & EV_READ) != 0)
		bits |= CURL_CSELECT_IN;
	if ((what & EV_WRITE) != 0)
		bits |= CURL_CSELECT_OUT;
	transport_act(obj_cast(arg, CURL_MAGIC), fd, bits);
}

/* libcurl says when it wants to be called again. */
static int
curl_timer_cb(CURLM *multi, long ms, void *arg)
{
	struct curl_transport *t = obj_cast(arg, CURL_MAGIC);
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	(void)multi;
	if (ms < 0)
		must(evtimer_del(t->timer) == 0);
	else
		must(evtimer_add(t->timer, &tv) == 0);
	return 0;
}

/* libcurl says which sockets it waits for; the event hangs on the socket. */
static int
curl_socket_cb(CURL *easy, curl_socket_t fd, int what, void *arg, void *sockp)
{
	struct curl_transport *t = obj_cast(arg, CURL_MAGIC);
	struct event *ev = sockp;
	short bits = EV_PERSIST;

	(void)easy;
	if (ev != NULL)
		event_free(ev);
	ev = NULL;
	if (what != CURL_POLL_REMOVE) {
		if (what != CURL_POLL_OUT)
			bits |= EV_READ;
		if (what != CURL_POLL_IN)
			bits |= EV_WRITE;
		ev = event_new(t->base, fd, bits, socket_ev_cb, t);
		must(ev != NULL && event_add(ev, NULL) == 0);
	}
	must(curl_multi_assign(t->multi, fd, ev) == CURLM_OK);
	return 0;
}

/*
 * A configured proxy is used for everything.  One from the environment is
 * not asked about this machine: it could not reach it.
 */
static void
exchange_proxy(struct exchange *x, const char *url)
{
	const char *proxy = x->t->config->upstream.proxy;

	if (proxy != NULL && *proxy != '\0') {
		SET(x->easy, CURLOPT_PROXY, proxy);
		SET(x->easy, CURLOPT_NOPROXY, "");
	} else if (url_loopback(url)) {
		SET(x->easy, CURLOPT_PROXY, "");
	}
}

static struct exchange *
transport_start(struct transport *tr, const struct request *req,
    long timeout_ms, reply_fn fn, void *arg)
{
	struct curl_transport *t = transport_cast(tr);
	struct exchange *x = xcalloc(1, sizeof(*x));
	size_t i;

	x->magic = EXCHANGE_MAGIC;
	x->t = t;
	x->fn = fn;
	x->arg = arg;
	x->began_us = clock_mono_us();
	x->sink.body_max = req->body_max;
	x->easy = easy_new(req->url, &x->sink);
	SET(x->easy, CURLOPT_PRIVATE, (char *)x);
	SET(x->easy, CURLOPT_CONNECTTIMEOUT_MS,
	    (long)t->config->upstream.connect_timeout_ms);
	SET(x->easy, CURLOPT_TIMEOUT_MS, timeout_ms);
	easy_ca(x->easy, t->config->upstream.ca_file);
	exchange_proxy(x, req->url);
	for (i = 0; i < req->n_headers; i++)
		x->headers = list_add(x->headers, req->header[i]);
	if (req->body != NULL) {
		x->body = blob_ref(req->body);
		easy_body(x->easy, blob_span(x->body));
		/* No round trip to ask whether the body may follow. */
		x->headers = list_add(x->headers, "Expect:");
	}
	SET(x->easy, CURLOPT_HTTPHEADER, x->headers);
	TAILQ_INSERT_TAIL(&t->exchanges, x, link);
	must(curl_multi_add_handle(t->multi, x->easy) == CURLM_OK);
	return x;
}

static void
transport_cancel(struct transport *tr, struct exchange *x)
{
	must(x->magic == EXCHANGE_MAGIC && x->t == transport_cast(tr));
	exchange_free(x);
}

static void
transport_configure(struct transport *tr, struct config *config)
{
	struct curl_transport *t = transport_cast(tr);

	config_ref(config);
	config_unref(t->config);
	t->config = config;
}

static void
transport_free(struct transport *tr)
{
	struct curl_transport *t = transport_cast(tr);
	struct exchange *x;

	while ((x = TAILQ_FIRST(&t->exchanges)) != NULL)
		exchange_free(x);
	must(curl_multi_cleanup(t->multi) == CURLM_OK);
	event_free(t->timer);
	config_unref(t->config);
	t->magic = 0;
	free(t);
}

static const struct transport_ops curl_ops = { transport_start,
	transport_cancel, transport_configure, transport_free };

#define SETM(multi, opt, val)                                                  \
	must(curl_multi_setopt((multi), (opt), (val)) == CURLM_OK)

struct transport *
curl_transport_new(struct loop *loop, struct config *config)
{
	struct curl_transport *t = xcalloc(1, sizeof(*t));

	must(pthread_once(&once, curl_once) == 0);
	t->transport.ops = &curl_ops;
	t->magic = CURL_MAGIC;
	t->config = config_ref(config);
	t->base = loop_base(loop);
	TAILQ_INIT(&t->exchanges);
	t->timer = evtimer_new(t->base, timer_ev_cb, t);
	t->multi = curl_multi_init();
	must(t->timer != NULL && t->multi != NULL);
	SETM(t->multi, CURLMOPT_SOCKETFUNCTION, curl_socket_cb);
	SETM(t->multi, CURLMOPT_SOCKETDATA, t);
	SETM(t->multi, CURLMOPT_TIMERFUNCTION, curl_timer_cb);
	SETM(t->multi, CURLMOPT_TIMERDATA, t);
	return &t->transport;
}

/* --- one exchange, waited for ----------------------------------------- */

#define FETCH_MAX             (64u * 1024 * 1024)
#define FETCH_CONNECT_TIME_MS 5000

static void
fetch_setup(CURL *c, const struct http_ask *ask, struct curl_slist *headers)
{
	const char *method = ask->method == NULL ? "GET" : ask->method;

	SET(c, CURLOPT_PROXY, ask->proxy == NULL ? "" : ask->proxy);
	SET(c, CURLOPT_CONNECTTIMEOUT_MS,
	    ask->connect_timeout_ms > 0 ? ask->connect_timeout_ms
					: (long)FETCH_CONNECT_TIME_MS);
	SET(c, CURLOPT_TIMEOUT_MS, ask->timeout_ms);
	easy_ca(c, ask->ca_file);
	if (ask->unix_path != NULL)
		SET(c, CURLOPT_UNIX_SOCKET_PATH, ask->unix_path);
	if (strcmp(method, "HEAD") == 0) {
		SET(c, CURLOPT_NOBODY, 1L);
	} else if (strcmp(method, "GET") != 0) {
		easy_body(c, ask->body);
		SET(c, CURLOPT_CUSTOMREQUEST, method);
	}
	SET(c, CURLOPT_HTTPHEADER, headers);
}

enum err
http_fetch(const struct http_ask *ask, struct http_answer *out, struct why *why)
{
	struct sink sink = { 0 };
	struct curl_slist *headers = NULL;
	CURL *c;
	size_t i;
	enum err e;

	must(pthread_once(&once, curl_once) == 0);
	sink.body_max = ask->max_bytes == 0 ? FETCH_MAX : ask->max_bytes;
	c = easy_new(ask->url, &sink);
	for (i = 0; i < ask->n_headers; i++)
		headers = list_add(headers, ask->headers[i]);
	fetch_setup(c, ask, headers);
	e = code_err(curl_easy_perform(c), &sink, why);
	if (e == ERR_OK) {
		out->status = easy_status(c);
		out->head = sink.head;
		out->body = sink.body;
		sink.head = sink.body = BUF_INIT;
	}
	curl_easy_cleanup(c);
	curl_slist_free_all(headers);
	buf_free(&sink.head);
	buf_free(&sink.body);
	return e;
}

void
http_answer_free(struct http_answer *a)
{
	if (a == NULL)
		return;
	buf_free(&a->head);
	buf_free(&a->body);
}

struct span
http_answer_header(const struct http_answer *a, const char *name)
{
	return head_find(buf_view(&a->head), name);
}
