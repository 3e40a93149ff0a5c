/*
 * The wire of the simulator.  One blocking thread per connection, because
 * most lies are about what is written when; and written by hand, because a
 * library would not let them be told.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/sim/sim_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX ((size_t)64 << 10)
#define BODY_MAX ((size_t)4 << 20)

/* --- bytes ------------------------------------------------------------ */

static bool
conn_write(struct conn *c, const void *p, size_t len)
{
	const char *at = p;
	ssize_t n;

	while (len > 0) {
		if (c->ssl != NULL)
			n = SSL_write(c->ssl, at, (int)len);
		else
			n = send(c->fd, at, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

/* More bytes into c->in; false at the end of the connection. */
static bool
conn_read(struct conn *c)
{
	char chunk[16384];
	ssize_t n;

	if (c->ssl != NULL)
		n = SSL_read(c->ssl, chunk, sizeof(chunk));
	else
		n = recv(c->fd, chunk, sizeof(chunk), 0);
	if (n <= 0)
		return false;
	buf_add(&c->in, chunk, (size_t)n);
	return true;
}

static void
conn_consume(struct conn *c, size_t n)
{
	memmove(c->in.p, c->in.p + n, c->in.len - n);
	c->in.len -= n;
}

/*
 * Let ms pass (-1: for ever).  False when the peer has gone or the simulator
 * stops, which cuts the connection.
 */
static bool
conn_pause(struct conn *c, long ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };
	int64_t until = clock_mono_ms() + ms;
	int rc;

	for (;;) {
		if (ms >= 0)
			ms = (long)(until - clock_mono_ms());
		if (ms < -1)
			ms = 0;
		rc = poll(&p, 1, (int)ms);
		if (rc == 0)
			return true;
		if (rc > 0 || errno != EINTR)
			return false;
	}
}

/* --- requests --------------------------------------------------------- */

static struct span
head_line(struct span *head)
{
	struct span line = SPAN_NONE;

	if (span_until(head, '\n', &line) != ERR_OK)
		return SPAN_NONE;
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	return line;
}

static void
ask_params(struct ask *ask, struct span query)
{
	struct span one, name;
	struct buf b;

	while (query.len > 0 && ask->n_params < SIM_PARAMS) {
		if (span_until(&query, '&', &one) != ERR_OK) {
			one = query;
			query = SPAN_NONE;
		}
		if (span_until(&one, '=', &name) != ERR_OK) {
			name = one;
			one = SPAN_NONE;
		}
		b = BUF_INIT;
		if (query_read(one, &b) != ERR_OK)
			b.len = 0;
		ask->params[ask->n_params].name = span_dup(name);
		ask->params[ask->n_params].value = span_dup(buf_view(&b));
		ask->n_params++;
		buf_free(&b);
	}
}

static bool
ask_line(struct ask *ask, struct span line)
{
	struct span method, target, path;
	size_t i;

	if (span_until(&line, ' ', &method) != ERR_OK ||
	    span_until(&line, ' ', &target) != ERR_OK)
		return false;
	ask->method = span_eq_str(method, "GET")    ? SIM_GET
		      : span_eq_str(method, "HEAD") ? SIM_HEAD
		      : span_eq_str(method, "POST") ? SIM_POST
						    : SIM_OTHER_METHOD;
	if (span_until(&target, '?', &path) != ERR_OK) {
		path = target;
		target = SPAN_NONE;
	}
	if (path.len == 0 || path.len >= SIM_PATH)
		return false;
	memcpy(ask->raw, path.p, path.len);
	ask->raw[path.len] = '\0';
	for (i = 0; i < path.len; i++)
		ask->path[i] =
		    (char)(path.p[i] >= 'A' && path.p[i] <= 'Z' ? path.p[i] + 32
								: path.p[i]);
	if (i > 1 && ask->path[i - 1] == '/')
		i--;
	ask->path[i] = '\0';
	ask_params(ask, target);
	return true;
}

/* The headers: fills what the simulator looks at. */
static bool
ask_headers(struct ask *ask, struct span head, size_t *body_len, bool *expect,
    bool *last)
{
	struct span line, name;
	char number[24];

	while ((line = head_line(&head)).len > 0) {
		if (span_until(&line, ':', &name) != ERR_OK)
			return false;
		while (line.len > 0 && line.p[0] == ' ') {
			line.p++;
			line.len--;
		}
		if (span_eq_nocase(name, "content-length")) {
			if (line.len >= sizeof(number))
				return false;
			memcpy(number, line.p, line.len);
			number[line.len] = '\0';
			*body_len = strtoul(number, NULL, 10);
		} else if (span_eq_nocase(name, "expect")) {
			*expect = true;
		} else if (span_eq_nocase(name, "connection")) {
			*last = span_eq_nocase(line, "close");
		} else if (span_eq_nocase(name, "ocp-apim-subscription-key")) {
			free(ask->api_key);
			ask->api_key = span_dup(line);
		}
	}
	return *body_len <= BODY_MAX;
}

/*
 * Read one request.  *used is how much of c->in it takes; the body stays
 * there.  False: nothing (more) that can be answered.
 */
static bool
ask_read(struct conn *c, struct ask *ask, size_t *used, bool *last)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	size_t head_len, body_len = 0;
	bool expect = false;
	struct span head;
	char *end = NULL;

	for (;;) {
		if (c->in.len > 0)
			end = memmem(c->in.p, c->in.len, "\r\n\r\n", 4);
		if (end != NULL)
			break;
		if (c->in.len > HEAD_MAX || !conn_read(c))
			return false;
	}
	head_len = (size_t)(end - c->in.p) + 4;
	head = span_of(c->in.p, head_len);
	if (!ask_line(ask, head_line(&head)) ||
	    !ask_headers(ask, head, &body_len, &expect, last))
		return false;
	if (expect && c->in.len < head_len + body_len &&
	    !conn_write(c, go_on, sizeof(go_on) - 1))
		return false;
	while (c->in.len < head_len + body_len)
		if (!conn_read(c))
			return false;
	ask->body = span_of(c->in.p + head_len, body_len);
	*used = head_len + body_len;
	return true;
}

static void
ask_fini(struct ask *ask)
{
	size_t i;

	for (i = 0; i < ask->n_params; i++) {
		free(ask->params[i].name);
		free(ask->params[i].value);
	}
	free(ask->api_key);
	free(ask->retry_after);
}

/* --- answers ---------------------------------------------------------- */

static const char *
reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 201:
		return "Created";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 404:
		return "Not Found";
	case 410:
		return "Gone";
	case 429:
		return "Too Many Requests";
	case 500:
		return "Internal Server Error";
	case 503:
		return "Service Unavailable";
	default:
		return "Status";
	}
}

static void
answer_head(struct ask *ask, const struct answer *a, struct buf *out)
{
	unsigned char id[16] = { 0 };
	char hex[33], date[30];
	unsigned long n;
	int i;

	pthread_mutex_lock(&ask->sim->lock);
	n = ++ask->sim->request_id;
	pthread_mutex_unlock(&ask->sim->lock);
	for (i = 0; i < 8; i++)
		id[15 - i] = (unsigned char)(n >> (8 * i));
	hex_lower(span_of(id, sizeof(id)), hex);
	buf_printf(out,
	    "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\nRequest-ID: %s\r\n",
	    a->status, reason(a->status), a->body == NULL ? 0 : a->body->len,
	    hex);
	http_date_write(ask->now, date);
	buf_printf(out, "Date: %s\r\n", date);
	if (a->type != NULL)
		buf_printf(out, "Content-Type: %s\r\n", a->type);
	buf_span(out, buf_view(&a->head));
	buf_str(out, "\r\n");
}

static bool
write_slowly(struct conn *c, struct span all, long step, long ms)
{
	size_t n = step > 0 ? (size_t)step : 1;

	while (all.len > 0) {
		if (n > all.len)
			n = all.len;
		if (!conn_write(c, all.p, n) ||
		    !conn_pause(c, ms > 0 ? ms : 100))
			return false;
		all.p += n;
		all.len -= n;
	}
	return true;
}

/* False: the connection is to be closed. */
static bool
answer_write(struct conn *c, struct ask *ask, const struct answer *a)
{
	struct span body = blob_span(a->body);
	struct buf out = BUF_INIT;
	bool ok;

	answer_head(ask, a, &out);
	if (ask->method != SIM_HEAD) {
		if (ask_fault(ask, SIM_TRUNCATE))
			body.len /= 2;
		buf_span(&out, body);
	}
	if (ask_fault(ask, SIM_DRIP))
		ok = write_slowly(c, buf_view(&out), ask->fault.arg,
		    ask->fault.delay_ms);
	else
		ok = conn_write(c, out.p, out.len);
	buf_free(&out);
	return ok && !ask_fault(ask, SIM_TRUNCATE);
}

/* --- one connection --------------------------------------------------- */

static void
conn_reset(struct conn *c)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* False: no answer is to be written, and the connection ends. */
static bool
conn_suffer(struct conn *c, struct ask *ask)
{
	struct sim *sim = c->sim;

	if (ask->fault.delay_ms > 0 && !ask_fault(ask, SIM_DRIP) &&
	    !conn_pause(c, ask->fault.delay_ms))
		return false;
	switch (ask->fault.kind) {
	case SIM_RESET:
		conn_reset(c);
		return false;
	case SIM_EMPTY:
		return false;
	case SIM_HANG:
		conn_pause(c, -1);
		return false;
	case SIM_HOLD:
		pthread_mutex_lock(&sim->lock);
		while (sim->held && !sim->stopping && !sim->down)
			pthread_cond_wait(&sim->changed, &sim->lock);
		pthread_mutex_unlock(&sim->lock);
		return true;
	default:
		return true;
	}
}

static void
work_begin(struct sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	if (++sim->in_work > sim->concurrency)
		sim->concurrency = sim->in_work;
	pthread_mutex_unlock(&sim->lock);
}

static void
work_end(struct sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	sim->in_work--;
	pthread_mutex_unlock(&sim->lock);
}

static bool
conn_answer(struct conn *c, struct ask *ask)
{
	struct answer a = { .status = 500 };
	bool more;

	if (control_is(ask->path)) {
		control_answer(ask, &a);
		more = answer_write(c, ask, &a) && !a.exit;
		if (a.exit)
			kill(getpid(), SIGTERM);
	} else {
		work_begin(c->sim);
		kds_route(ask);
		if (ask->kds.what == KDS_NOT)
			pcs_route(ask);
		fault_take(ask);
		more = conn_suffer(c, ask);
		if (more) {
			ask->now = clock_now() + ask->skew;
			if (ask->kds.what == KDS_NOT)
				pcs_answer(ask, &a);
			else
				kds_answer(ask, &a);
			fault_spoil(ask, &a);
		}
		/* Before the last byte: a client that has its answer sees
		 * nothing of it in work. */
		work_end(c->sim);
		more = more && answer_write(c, ask, &a);
	}
	buf_free(&a.head);
	blob_unref(a.body);
	return more;
}

static void
conn_serve(struct conn *c)
{
	struct ask ask;
	size_t used;
	bool last, more;

	do {
		ask = (struct ask){ .sim = c->sim, .platform = -1 };
		ask.fault.kind = SIM_FAULT_N;
		memcpy(ask.peer, c->peer, sizeof(ask.peer));
		last = false;
		more = ask_read(c, &ask, &used, &last);
		if (more) {
			more = conn_answer(c, &ask) && !last;
			conn_consume(c, used);
		}
		ask_fini(&ask);
	} while (more);
}

static void *
conn_thread(void *arg)
{
	struct conn *c = arg;
	struct sim *sim = c->sim;
	bool ready = true;

	if (sim->tls != NULL) {
		c->ssl = SSL_new(sim->tls);
		SSL_set_fd(c->ssl, c->fd);
		ready = SSL_accept(c->ssl) == 1;
	}
	if (ready)
		conn_serve(c);
	SSL_free(c->ssl);
	buf_free(&c->in);
	pthread_mutex_lock(&sim->lock);
	close(c->fd);
	c->fd = -1;
	sim->n_conns--;
	pthread_cond_broadcast(&sim->changed);
	pthread_mutex_unlock(&sim->lock);
	return NULL;
}

/* Free the connections that have ended, and wait for their threads. */
static void
conns_reap(struct sim *sim)
{
	struct conn **at, *c, *ended = NULL;

	pthread_mutex_lock(&sim->lock);
	for (at = &sim->conns; (c = *at) != NULL;) {
		if (c->fd >= 0) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		c->next = ended;
		ended = c;
	}
	pthread_mutex_unlock(&sim->lock);
	while ((c = ended) != NULL) {
		ended = c->next;
		pthread_join(c->thread, NULL);
		free(c);
	}
}

/* --- the listener ----------------------------------------------------- */

static void
conn_open(struct sim *sim, int fd, const struct sockaddr_in *peer)
{
	struct conn *c = xcalloc(1, sizeof(*c));
	pthread_attr_t attr;
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->sim = sim;
	c->fd = fd;
	c->in = BUF_INIT;
	inet_ntop(AF_INET, &peer->sin_addr, c->peer, sizeof(c->peer));
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, (size_t)512 << 10);
	pthread_mutex_lock(&sim->lock);
	c->next = sim->conns;
	sim->conns = c;
	sim->n_conns++;
	sim->accepted++;
	/* Taken up before sim_down(), opened after it. */
	if (sim->down)
		shutdown(fd, SHUT_RDWR);
	must(pthread_create(&c->thread, &attr, conn_thread, c) == 0);
	pthread_mutex_unlock(&sim->lock);
	pthread_attr_destroy(&attr);
}

static void *
accept_thread(void *arg)
{
	struct sim *sim = arg;
	struct pollfd p[2] = { { .fd = sim->wake[0], .events = POLLIN },
		{ .fd = sim->listen_fd, .events = POLLIN } };
	struct sockaddr_in peer;
	bool down, stop = false;
	socklen_t len;
	char byte;
	int fd;

	while (!stop) {
		pthread_mutex_lock(&sim->lock);
		stop = sim->stopping;
		down = sim->down;
		pthread_mutex_unlock(&sim->lock);
		if (stop || poll(p, down ? 1 : 2, -1) <= 0)
			continue;
		if (p[0].revents != 0 && read(sim->wake[0], &byte, 1) == 1)
			continue;
		if (down || p[1].revents == 0)
			continue;
		conns_reap(sim);
		len = sizeof(peer);
		fd = accept4(sim->listen_fd, (void *)&peer, &len, SOCK_CLOEXEC);
		if (fd >= 0)
			conn_open(sim, fd, &peer);
	}
	return NULL;
}

/*
 * The port is bound by number, as only then the kernel keeps it for us while
 * sim_down() makes the socket refuse.
 */
static int
listen_on(const char *address, int port, int *real)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd, probe, one = 1;

	probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(probe >= 0 && fd >= 0);
	setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	in.sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, address, &in.sin_addr) != 1 ||
	    bind(probe, (void *)&in, sizeof(in)) != 0 ||
	    getsockname(probe, (void *)&in, &len) != 0 ||
	    bind(fd, (void *)&in, sizeof(in)) != 0 || listen(fd, 512) != 0) {
		close(fd);
		fd = -1;
	}
	close(probe);
	*real = ntohs(in.sin_port);
	return fd;
}

int
http_open(struct sim *sim)
{
	const char *address = sim->opts.address;

	if (address == NULL)
		address = "127.0.0.1";
	sim->listen_fd = listen_on(address, sim->opts.port, &sim->port);
	if (sim->listen_fd < 0)
		return -1;
	must(pipe2(sim->wake, O_CLOEXEC) == 0);
	snprintf(sim->url, sizeof(sim->url), "%s://%s:%d",
	    sim->tls != NULL ? "https" : "http", address, sim->port);
	snprintf(sim->root_url, sizeof(sim->root_url), "%s/IntelSGXRootCA.der",
	    sim->url);
	must(pthread_create(&sim->acceptor, NULL, accept_thread, sim) == 0);
	return 0;
}

static void
wake(struct sim *sim)
{
	must(write(sim->wake[1], "", 1) == 1);
}

void
http_drop(struct sim *sim)
{
	struct conn *c;

	for (c = sim->conns; c != NULL; c = c->next)
		if (c->fd >= 0)
			shutdown(c->fd, SHUT_RDWR);
	pthread_cond_broadcast(&sim->changed);
}

void
http_close(struct sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	sim->stopping = true;
	pthread_mutex_unlock(&sim->lock);
	wake(sim);
	pthread_join(sim->acceptor, NULL);
	pthread_mutex_lock(&sim->lock);
	http_drop(sim);
	while (sim->n_conns > 0)
		pthread_cond_wait(&sim->changed, &sim->lock);
	pthread_mutex_unlock(&sim->lock);
	conns_reap(sim);
	close(sim->listen_fd);
	close(sim->wake[0]);
	close(sim->wake[1]);
}

void
sim_down(struct sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	if (!sim->down) {
		sim->down = true;
		shutdown(sim->listen_fd, SHUT_RDWR);
		http_drop(sim);
		while (sim->n_conns > 0)
			pthread_cond_wait(&sim->changed, &sim->lock);
	}
	pthread_mutex_unlock(&sim->lock);
	wake(sim);
}

void
sim_up(struct sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	if (sim->down) {
		sim->down = false;
		must(listen(sim->listen_fd, 512) == 0);
	}
	pthread_mutex_unlock(&sim->lock);
	wake(sim);
}
