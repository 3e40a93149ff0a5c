#include "tests/kit/soak.h"

#include "config/base/clock.h"
#include "config/base/err.h"
#include "config/base/must.h"
#include "tests/kit/house.h"
#include "tests/kit/run.h"

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define GOOD "127.0.0.3"
#define BAD  "127.0.0.2"
/* What is reset before it is taken counts, for a moment, against its address:
 * nobody who wants an answer shares that one. */
#define SUDDEN "127.0.0.4"
#define LATER  "127.0.0.5"

/* An abuser's address has 64 connections and shares 33 more to be told so. */
#define LIMITS                                                                 \
	"\"connections\":200,\"connections_per_source\":64,"                   \
	"\"token_failures_per_minute\":0,\"body_bytes\":4096"
#define PER_CONNECTION 16 /* requests of a good client that keeps its own */
#define SILENT         ERR_N

static struct soak {
	struct house house;
	struct daemon_run daemon;
	SSL_CTX *tls;
	char tcb[96];
	atomic_bool stop;
	unsigned rounds, header_ms;
	unsigned long asked; /* for the metrics, a connection each */
	/* what clients saw */
	atomic_ulong connects, good, bad, resets, sudden, answers[ERR_N + 1];
} soak;

/* --- one connection --------------------------------------------------- */

struct wire {
	int fd;
	SSL *ssl; /* or NULL */
};

static int
tcp_open(const char *from, int port)
{
	struct timeval patience = { .tv_sec = 30 };
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	must(fd != -1 && inet_pton(AF_INET, from, &a.sin_addr) == 1);
	/* Many short ones: the port is chosen when it connects. */
	must(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
		 sizeof(one)) == 0);
	must(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	must(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		 sizeof(patience)) == 0);
	atomic_fetch_add(&soak.connects, 1);
	return fd;
}

static bool
wire_open(struct wire *w, const char *from, bool tls)
{
	w->fd = tcp_open(from, soak.daemon.port[tls]);
	w->ssl = NULL;
	if (!tls)
		return true;
	w->ssl = SSL_new(soak.tls);
	must(w->ssl != NULL && SSL_set_fd(w->ssl, w->fd) == 1);
	return SSL_connect(w->ssl) == 1;
}

static void
wire_close(struct wire *w)
{
	SSL_free(w->ssl);
	close(w->fd);
}

/* Whoever refuses may not read to the end: an error here is no matter. */
static bool
wire_send(const struct wire *w, const char *p, size_t n)
{
	ssize_t sent;

	if (w->ssl != NULL)
		return SSL_write(w->ssl, p, (int)n) == (int)n;
	while (n > 0) {
		sent = send(w->fd, p, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		p += sent;
		n -= (size_t)sent;
	}
	return true;
}

static ssize_t
wire_read(const struct wire *w, char *p, size_t n)
{
	return w->ssl != NULL ? SSL_read(w->ssl, p, (int)n)
			      : recv(w->fd, p, n, 0);
}

/* --- answers ---------------------------------------------------------- */

static const char *
header(const char *head, const char *name)
{
	const char *at = strcasestr(head, name);

	return at == NULL ? NULL : at + strlen(name);
}

/* "head" is the caller's to write in. */
static int
reason_of(char *head)
{
	const char *reason = header(head, "\r\nLarder-Reason: ");
	char *end = reason == NULL ? NULL : strchr(reason, '\r');

	if (end == NULL)
		return SILENT;
	*end = '\0';
	return (int)err_from_token(reason);
}

/* One whole answer: ERR_OK for 200, what it says is wrong, or SILENT. */
static int
answer_read(const struct wire *w)
{
	char head[16384], junk[16384], *end = NULL;
	size_t n = 0, left;
	ssize_t got;

	while (end == NULL && n < sizeof(head) - 1) {
		got = wire_read(w, head + n, sizeof(head) - 1 - n);
		if (got <= 0)
			return SILENT;
		n += (size_t)got;
		head[n] = '\0';
		end = strstr(head, "\r\n\r\n");
	}
	if (end == NULL || header(head, "\r\nContent-Length: ") == NULL)
		return SILENT;
	left = strtoul(header(head, "\r\nContent-Length: "), NULL, 10);
	for (n -= (size_t)(end + 4 - head); n < left; n += (size_t)got)
		if ((got = wire_read(w, junk, sizeof(junk))) <= 0)
			return SILENT;
	end[2] = '\0';
	return strncmp(head, "HTTP/1.1 200", 12) == 0 ? ERR_OK
						      : reason_of(head);
}

static void
seen(int what)
{
	atomic_fetch_add(&soak.answers[what], 1);
}

/* --- good clients ----------------------------------------------------- */

/* Each of them is worth a line. */
static void
good_failed(const char *what, bool tls, int e)
{
	atomic_fetch_add(&soak.bad, 1);
	printf("soak: a good client's %s failed (%s): %s\n", what,
	    tls ? "TLS" : "clear",
	    e == SILENT ? "no answer" : err_token((enum err)e));
}

static void
good(bool tls, unsigned n)
{
	char text[512];
	struct wire w;
	unsigned i;
	int e;

	if (!wire_open(&w, GOOD, tls)) {
		good_failed("handshake", tls, SILENT);
		wire_close(&w);
		return;
	}
	for (i = 0; i < n; i++) {
		snprintf(text, sizeof(text),
		    "GET %s HTTP/1.1\r\nHost: soak\r\n%s\r\n",
		    i % 2 ? "/sgx/certification/v4/qe/identity" : soak.tcb,
		    i + 1 == n ? "Connection: close\r\n" : "");
		e = wire_send(&w, text, strlen(text)) ? answer_read(&w)
						      : SILENT;
		if (e == ERR_OK)
			atomic_fetch_add(&soak.good, 1);
		else
			good_failed("request", tls, e);
	}
	wire_close(&w);
}

static void
good_kept(void)
{
	good(false, PER_CONNECTION);
}

static void
good_kept_tls(void)
{
	good(true, PER_CONNECTION);
}

static void
good_new(void)
{
	good(false, 1);
}

static void
good_new_tls(void)
{
	good(true, 1);
}

/* --- bad ones --------------------------------------------------------- */

/* Bytes to the clear or the TLS port, and what comes of it. */
static void
throw_at(bool tls, const char *p, size_t n)
{
	struct wire w = { .fd = tcp_open(BAD, soak.daemon.port[tls]) };

	(void)wire_send(&w, p, n);
	seen(answer_read(&w));
	wire_close(&w);
}

static void
slow_head(void)
{
	static const char text[] = "GET /sgx/certification/v4/qe/identity HT";
	/* Its 40 bytes take twice the time there is. */
	struct timespec pause = { .tv_nsec = 50000L * soak.header_ms };
	struct wire w = { .fd = tcp_open(BAD, soak.daemon.port[0]) };
	char c;
	size_t i;

	for (i = 0; i < sizeof(text) - 1; i++) {
		if (!wire_send(&w, &text[i], 1) ||
		    recv(w.fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
			break;
		nanosleep(&pause, NULL);
	}
	seen(answer_read(&w));
	wire_close(&w);
}

static void
garbage(void)
{
	static const char text[] = "\x16\x03 no HTTP at all\r\n\r\n";

	throw_at(false, text, sizeof(text) - 1);
}

static void
smuggled(void)
{
	static const char text[] =
	    "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

	throw_at(false, text, sizeof(text) - 1);
}

/* n times 'x' between two texts. */
static void
oversize(const char *before, size_t n, const char *after)
{
	struct buf b = BUF_INIT;
	size_t i;

	buf_str(&b, before);
	for (i = 0; i < n; i++)
		buf_add(&b, "x", 1);
	buf_str(&b, after);
	throw_at(false, b.p, b.len);
	buf_free(&b);
}

static void
long_target(void)
{
	oversize("GET /", 100000, " HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void
long_head(void)
{
	oversize("GET / HTTP/1.1\r\nHost: a\r\nX: ", 100000, "\r\n\r\n");
}

static void
large_body(void)
{
	oversize("POST /sgx/certification/v4/platforms HTTP/1.1\r\nHost: a\r\n"
		 "user-token: " HOUSE_USER "\r\nContent-Length: 5000\r\n\r\n",
	    5000, "");
}

static void
no_route(void)
{
	static const char text[] =
	    "GET /sgx/certification/v4/nothing HTTP/1.1\r\nHost: a\r\n"
	    "Connection: close\r\n\r\n";

	throw_at(false, text, sizeof(text) - 1);
}

static void
wrong_token(void)
{
	static const char text[] =
	    "POST /sgx/certification/v4/platforms HTTP/1.1\r\nHost: a\r\n"
	    "Connection: close\r\nuser-token: guess\r\n"
	    "Content-Length: 2\r\n\r\n{}";

	throw_at(false, text, sizeof(text) - 1);
}

static void
no_handshake(void)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

	throw_at(true, text, sizeof(text) - 1);
}

static void
reset(const struct wire *w)
{
	struct linger at_once = { .l_onoff = 1 };

	must(setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &at_once,
		 sizeof(at_once)) == 0);
}

/* An answer, half a request more and away: nothing more is to be counted. */
static void
reset_later(void)
{
	static const char text[] =
	    "GET /sgx/certification/v4/qe/identity HTTP/1.1\r\nHost: a\r\n\r\n";
	struct wire w = { .fd = tcp_open(LATER, soak.daemon.port[0]) };
	int e =
	    wire_send(&w, text, sizeof(text) - 1) ? answer_read(&w) : SILENT;

	if (e == ERR_OK)
		atomic_fetch_add(&soak.good, 1);
	else
		good_failed("request before a reset", false, e);
	(void)wire_send(&w, text, sizeof(text) / 2);
	reset(&w);
	atomic_fetch_add(&soak.resets, 1);
	wire_close(&w);
}

/* Gone before anybody has looked, or not: nobody can say. */
static void
reset_at_once(void)
{
	struct timespec pause = { .tv_nsec = 10000000 };
	struct wire w = { .fd = tcp_open(SUDDEN, soak.daemon.port[0]) };

	(void)wire_send(&w, "GET /", 5);
	reset(&w);
	atomic_fetch_add(&soak.sudden, 1);
	wire_close(&w);
	nanosleep(&pause, NULL);
}

/* --- everybody -------------------------------------------------------- */

static const struct kind {
	void (*fn)(void);
	unsigned threads;
} kinds[] = {
	{ good_kept, 4 },
	{ good_kept_tls, 4 },
	{ good_new, 4 },
	{ good_new_tls, 4 },
	{ slow_head, 72 },
	{ garbage, 6 },
	{ smuggled, 4 },
	{ long_target, 4 },
	{ long_head, 4 },
	{ large_body, 4 },
	{ no_route, 4 },
	{ wrong_token, 4 },
	{ no_handshake, 4 },
	{ reset_later, 4 },
	{ reset_at_once, 2 },
};
#define KINDS       (sizeof(kinds) / sizeof(kinds[0]))
#define THREADS_MAX 160

static void *
client(void *arg)
{
	const struct kind *k = arg;
	unsigned i;

	for (i = 0;
	     !atomic_load(&soak.stop) && (soak.rounds == 0 || i < soak.rounds);
	     i++)
		k->fn();
	return NULL;
}

/* All of them, until they have done their rounds or the time is over. */
static void
everybody(unsigned rounds, long seconds)
{
	struct timespec time = { .tv_sec = seconds };
	pthread_t v[THREADS_MAX];
	size_t n = 0, i;
	unsigned k;

	soak.rounds = rounds;
	atomic_store(&soak.stop, false);
	for (i = 0; i < KINDS; i++)
		for (k = 0; k < kinds[i].threads; k++) {
			must(n < THREADS_MAX);
			must(pthread_create(&v[n++], NULL, client,
				 (void *)(uintptr_t)&kinds[i]) == 0);
		}
	if (rounds == 0) {
		nanosleep(&time, NULL);
		atomic_store(&soak.stop, true);
	}
	while (n > 0)
		pthread_join(v[--n], NULL);
}

/* --- the daemon's side ------------------------------------------------ */

/* Its listener is one of its own, which nobody else asks. */
static char *
metrics(void)
{
	struct house ops = soak.house;
	struct edge_reply r;
	char *text;

	ops.port = soak.daemon.port[2];
	soak.asked++;
	r = house_get(&ops, "/metrics");
	ck_assert_int_eq(r.status, 200);
	text = strndup(r.body, r.len);
	edge_reply_free(&r);
	return text;
}

/* A row's value, 0 when it is not there. */
static unsigned long
value(const char *text, const char *row)
{
	char line[160];
	const char *at;

	snprintf(line, sizeof(line), "\n%s ", row);
	at = strstr(text, line);
	return at == NULL ? 0 : strtoul(at + strlen(line), NULL, 10);
}

/* Until nobody is connected but the one who asks. */
static char *
metrics_alone(void)
{
	int64_t until = clock_mono_ms() + 20000;
	struct timespec pause = { .tv_nsec = 10000000 };
	char *text;

	while (value(text = metrics(), "larder_connections_open") != 1) {
		ck_assert_msg(clock_mono_ms() < until,
		    "connections stay open:\n%s", text);
		free(text);
		nanosleep(&pause, NULL);
	}
	return text;
}

static long
rss_kb(void)
{
	char path[64];
	struct buf b;
	const char *at;
	long kb;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)soak.daemon.pid);
	b = run_slurp(path);
	must((at = strstr(b.p, "VmRSS:")) != NULL);
	kb = strtol(at + 6, NULL, 10);
	buf_free(&b);
	return kb;
}

static long
fds(void)
{
	char path[64];
	long n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)soak.daemon.pid);
	must((d = opendir(path)) != NULL);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* --- the books -------------------------------------------------------- */

/* A line unless least <= n <= most. */
static unsigned long
compare(const char *what, unsigned long n, unsigned long least,
    unsigned long most)
{
	if (least <= n && n <= most)
		return 0;
	printf("soak: %s: %lu where it should be %lu to %lu\n", what, n, least,
	    most);
	return 1;
}

/*
 * Every reason and every connection that ended without a word.  Answers may be
 * lost on their way to one who goes on sending and is slow to look: those are
 * counted, and their clients saw the connection end.
 */
static unsigned long
books(const char *before, const char *after, unsigned long *lost)
{
	unsigned long n = 0, grew, taken, silent;
	char row[96];
	int e;

#define GREW(name) (value(after, name) - value(before, name))
	for (e = 1; e < ERR_N; e++) {
		snprintf(row, sizeof(row), "larder_errors_total{reason=\"%s\"}",
		    err_token((enum err)e));
		grew = GREW(row);
		n += compare(err_token((enum err)e), soak.answers[e], 0, grew);
		*lost += grew - soak.answers[e];
	}
	n += compare("hits", soak.good,
	    GREW("larder_requests_total{result=\"hit\"}"),
	    GREW("larder_requests_total{result=\"hit\"}"));
	taken = GREW("larder_connections_total") - soak.asked;
	silent = soak.connects - taken + GREW("larder_tls_failures_total") +
		 GREW("larder_http_timeouts_total{which=\"idle\"}") + *lost;
	n += compare("connections ended without an answer",
	    soak.answers[SILENT] + soak.sudden, silent, silent + soak.sudden);
	/* Who is not even taken is counted as shed. */
	n += compare("connections not taken", soak.connects - taken, 0,
	    GREW("larder_shed_total{what=\"connection\"}") + soak.sudden);
#undef GREW
	return n;
}

/* --- the whole -------------------------------------------------------- */

static void
begin(unsigned header_ms)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_CLIENT, 0));
	char listen[1024], limits[256];
	struct house_opts opts = { .limits = limits, .listen = listen };

	memset(&soak, 0, sizeof(soak));
	soak.header_ms = header_ms;
	snprintf(limits, sizeof(limits), "%s,\"header_timeout_ms\":%u", LIMITS,
	    header_ms);
	edge_certificate(run_dir(), "soak");
	snprintf(listen, sizeof(listen),
	    "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\"]},"
	    "{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\"],\"tls\":"
	    "{\"certificate\":\"%s/soak.pem\",\"key\":\"%s/soak.key\"}},"
	    "{\"address\":\"127.0.0.1:0\",\"serve\":[\"ops\"]}]",
	    run_dir(), run_dir());
	house_daemon(&soak.house, &opts, &soak.daemon);
	must((soak.tls = SSL_CTX_new(TLS_client_method())) != NULL);
	snprintf(soak.tcb, sizeof(soak.tcb),
	    "/sgx/certification/v4/tcb?fmspc=%s", p.fmspc);
	expect_get(&soak.house, soak.tcb, 200, NULL);
	expect_get(&soak.house, "/sgx/certification/v4/qe/identity", 200, NULL);
}

static void
forget(void)
{
	size_t i;

	soak.connects = soak.good = soak.bad = soak.resets = soak.sudden = 0;
	for (i = 0; i <= ERR_N; i++)
		soak.answers[i] = 0;
}

static unsigned long
phase(unsigned rounds, long seconds, unsigned long *lost, long *rss,
    long *n_fds)
{
	char *before, *after;
	unsigned long n;

	forget();
	free(metrics_alone());
	before = metrics();
	soak.asked = 0;
	everybody(rounds, seconds);
	after = metrics_alone();
	n = books(before, after, lost);
	*rss = rss_kb();
	*n_fds = fds();
	free(before);
	free(after);
	return n;
}

void
soak_run(const struct soak_opts *o, struct soak_result *out)
{
	struct soak_result r = { 0 };
	int e;

	begin(o->header_ms == 0 ? 400 : o->header_ms);
	r.differences = phase(o->rounds == 0 ? 0 : o->rounds / 4 + 1,
	    o->seconds / 5, &r.lost, &r.rss_kb[0], &r.fds[0]);
	r.differences += phase(o->rounds, o->seconds - o->seconds / 5, &r.lost,
	    &r.rss_kb[1], &r.fds[1]);
	r.good = soak.good;
	r.bad = soak.bad;
	r.resets = soak.resets + soak.sudden;
	r.connects = soak.connects;
	r.silent = soak.answers[SILENT];
	for (e = 1; e < ERR_N; e++)
		r.refused += soak.answers[e];
	ck_assert_int_eq(daemon_run_end(&soak.daemon, SIGTERM), 0);
	sim_stop(soak.house.sim);
	SSL_CTX_free(soak.tls);
	*out = r;
}
