#include "tests/kit/hook.h"

#include "config/base/blob.h"
#include "config/base/must.h"
#include "tests/kit/run.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define POSTS_MAX 128
#define HEAD_MAX  65536

struct hook {
	int fd, port;
	SSL_CTX *tls; /* NULL: clear text */
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t came;
	struct hook_post *posts[POSTS_MAX];
	size_t n;
	unsigned refuse;
	char status[200]; /* of those refused */
};

/* --- one connection --------------------------------------------------- */

struct peer {
	int fd;
	SSL *ssl; /* NULL: clear text */
};

static ssize_t
peer_read(const struct peer *p, void *to, size_t len)
{
	return p->ssl == NULL ? recv(p->fd, to, len, 0)
			      : SSL_read(p->ssl, to, (int)len);
}

static void
peer_write(const struct peer *p, const char *text)
{
	if (p->ssl == NULL)
		(void)send(p->fd, text, strlen(text), MSG_NOSIGNAL);
	else
		(void)SSL_write(p->ssl, text, (int)strlen(text));
}

/* A request whole, or what came of it. */
static struct hook_post *
post_read(const struct peer *p)
{
	struct hook_post *post = xcalloc(1, sizeof(*post));
	struct buf b = BUF_INIT;
	const char *at, *body = NULL;
	char part[4096];
	ssize_t n;
	size_t head;

	while ((n = peer_read(p, part, sizeof(part))) > 0) {
		buf_add(&b, part, (size_t)n);
		must(b.len < HEAD_MAX);
		body = memmem(b.p, b.len, "\r\n\r\n", 4);
		if (body == NULL)
			continue;
		body += 4;
		head = (size_t)(body - b.p);
		at = memmem(b.p, head, "\r\nContent-Length: ", 18);
		must(at != NULL);
		if (b.len - head >= strtoul(at + 18, NULL, 10))
			break;
	}
	head = body == NULL ? b.len : (size_t)(body - b.p);
	post->head = span_dup(span_of(b.len == 0 ? "" : b.p, head));
	post->body = span_dup(span_of(body == NULL ? "" : body, b.len - head));
	post->event = json_loads(post->body, 0, NULL);
	buf_free(&b);
	return post;
}

static void
post_free(struct hook_post *post)
{
	free(post->head);
	free(post->body);
	json_decref(post->event);
	free(post);
}

static void
peer_serve(struct hook *h, const struct peer *p)
{
	struct hook_post *post = post_read(p);
	char status[sizeof(h->status)] = "204 Yes";
	char answer[300], end[64];

	if (post->head[0] == '\0') { /* it has looked at us and gone */
		post_free(post);
		return;
	}
	must(pthread_mutex_lock(&h->lock) == 0);
	if (h->refuse > 0) {
		h->refuse--;
		memcpy(status, h->status, sizeof(status));
	} else {
		post->taken = true;
	}
	must(h->n < POSTS_MAX);
	h->posts[h->n++] = post;
	must(pthread_cond_broadcast(&h->came) == 0);
	must(pthread_mutex_unlock(&h->lock) == 0);
	if (status[0] == '\0') {
		while (peer_read(p, end, sizeof(end)) > 0)
			;
		return;
	}
	snprintf(answer, sizeof(answer),
	    "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
	    status);
	peer_write(p, answer);
}

static void *
hook_thread(void *arg)
{
	struct hook *h = arg;
	struct peer p = { .ssl = NULL };

	/* Whoever does not like our certificate hangs up. */
	signal(SIGPIPE, SIG_IGN);
	while ((p.fd = accept(h->fd, NULL, NULL)) != -1) {
		if (h->tls != NULL) {
			p.ssl = SSL_new(h->tls);
			must(p.ssl != NULL && SSL_set_fd(p.ssl, p.fd) == 1);
		}
		if (p.ssl == NULL || SSL_accept(p.ssl) == 1)
			peer_serve(h, &p);
		ERR_clear_error();
		SSL_free(p.ssl);
		close(p.fd);
	}
	return NULL;
}

/* --- start and stop --------------------------------------------------- */

static SSL_CTX *
tls_new(const char *cert, const char *key)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

	must(tls != NULL &&
	     SSL_CTX_use_certificate_chain_file(tls, cert) == 1 &&
	     SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) == 1);
	return tls;
}

struct hook *
hook_start(const char *address, const char *cert, const char *key)
{
	struct hook *h = xcalloc(1, sizeof(*h));
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);

	if (cert != NULL)
		h->tls = tls_new(cert, key);
	must(pthread_mutex_init(&h->lock, NULL) == 0);
	must(pthread_cond_init(&h->came, NULL) == 0);
	h->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(inet_pton(AF_INET, address, &a.sin_addr) == 1);
	must(bind(h->fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	must(listen(h->fd, 16) == 0);
	must(getsockname(h->fd, (struct sockaddr *)&a, &len) == 0);
	h->port = ntohs(a.sin_port);
	must(pthread_create(&h->thread, NULL, hook_thread, h) == 0);
	return h;
}

void
hook_stop(struct hook *h)
{
	size_t i;

	shutdown(h->fd, SHUT_RDWR);
	must(pthread_join(h->thread, NULL) == 0);
	close(h->fd);
	for (i = 0; i < h->n; i++)
		post_free(h->posts[i]);
	SSL_CTX_free(h->tls);
	must(pthread_cond_destroy(&h->came) == 0);
	must(pthread_mutex_destroy(&h->lock) == 0);
	free(h);
}

int
hook_port(const struct hook *h)
{
	return h->port;
}

void
hook_refuse(struct hook *h, unsigned n, const char *status)
{
	must(pthread_mutex_lock(&h->lock) == 0);
	h->refuse = n;
	must(strlen(status) < sizeof(h->status));
	strcpy(h->status, status);
	must(pthread_mutex_unlock(&h->lock) == 0);
}

/* --- looking ---------------------------------------------------------- */

size_t
hook_count(struct hook *h)
{
	size_t n;

	must(pthread_mutex_lock(&h->lock) == 0);
	n = h->n;
	must(pthread_mutex_unlock(&h->lock) == 0);
	return n;
}

const struct hook_post *
hook_post(struct hook *h, size_t i)
{
	const struct hook_post *post;

	must(pthread_mutex_lock(&h->lock) == 0);
	must(i < h->n);
	post = h->posts[i];
	must(pthread_mutex_unlock(&h->lock) == 0);
	return post;
}

bool
hook_more(struct hook *h, size_t than)
{
	struct timespec until;
	int rc = 0;

	must(clock_gettime(CLOCK_REALTIME, &until) == 0);
	until.tv_sec += PATIENCE_MS / 1000;
	must(pthread_mutex_lock(&h->lock) == 0);
	while (h->n <= than && rc == 0)
		rc = pthread_cond_timedwait(&h->came, &h->lock, &until);
	must(pthread_mutex_unlock(&h->lock) == 0);
	return rc == 0;
}
