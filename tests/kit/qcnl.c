#include "tests/kit/qcnl.h"

#include "config/base/must.h"
#include "tests/kit/keep.h"

#include <check.h>
#include <ctype.h>
#include <jansson.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define RETRIES 6

void
qcnl_fini(struct qcnl *q)
{
	buf_free(&q->head);
	buf_free(&q->body);
}

enum qcnl_result
qcnl_status(int status)
{
	switch (status) {
	case 200:
		return QCNL_SUCCESS;
	case 403:
		return QCNL_NETWORK;
	case 404:
		return QCNL_NO_DATA;
	case 461:
		return QCNL_UNKNOWN;
	case 462:
		return QCNL_UNAVAILABLE;
	case 503:
		return QCNL_SERVICE;
	default:
		return QCNL_UNEXPECTED;
	}
}

/* As libcurl sends it: no User-Agent, no Accept-Encoding. */
static void
attempt(struct qcnl *q, const char *target)
{
	struct edge_reply r =
	    house_send(q->house, "GET", target, "Accept: */*\r\n", SPAN_NONE);

	buf_str(&q->head, r.text);
	buf_add(&q->body, r.body, r.len);
	q->status = r.status;
	q->attempts++;
	edge_reply_free(&r);
}

enum qcnl_result
qcnl_get(struct qcnl *q, const struct house *h, const char *target,
    void (*between)(void *), void *arg)
{
	*q = (struct qcnl){ .house = h };
	attempt(q, target);
	while (q->status == 503 && q->attempts <= RETRIES) {
		if (between != NULL)
			between(arg);
		attempt(q, target);
	}
	/* R1: an empty 200 is an error. */
	if (q->status == 200 && q->body.len == 0)
		return QCNL_UNEXPECTED;
	return qcnl_status(q->status);
}

/* --- headers ---------------------------------------------------------- */

char *
qcnl_header(const struct qcnl *q, const char *name)
{
	struct span s = buf_view(&q->head), line;
	size_t len = strlen(name);
	const unsigned char *sep;

	while (span_until(&s, '\n', &line) == ERR_OK) {
		sep = memmem(line.p, line.len, ": ", 2);
		if (sep == NULL || (size_t)(sep - line.p) != len ||
		    strncasecmp((const char *)line.p, name, len) != 0)
			continue;
		line = span_of(sep + 2, line.len - len - 2);
		/* The carriage return goes, and nothing else. */
		return keep_text(span_dup(span_of(line.p, line.len - 1)));
	}
	return NULL;
}

static char *
unescape(char *value)
{
	size_t len = strlen(value), i, n = 0;

	if (len < 3 || value[len - 3] != '%')
		len = len < 2 ? 0 : len - 2;
	for (i = 0; i < len; i++) {
		char hex[3] = { 0 };

		if (value[i] == '%' && i + 2 < len) {
			memcpy(hex, value + i + 1, 2);
			value[n++] = (char)strtol(hex, NULL, 16);
			i += 2;
		} else {
			value[n++] = value[i];
		}
	}
	value[n] = '\0';
	return value;
}

char *
qcnl_chain(const struct qcnl *q, const char *name)
{
	char *value = qcnl_header(q, name);

	return value == NULL ? NULL : unescape(value);
}

/* --- calls ------------------------------------------------------------ */

/* The header, or the member of a JSON body that stands for it (R3). */
static char *
header_or_member(const struct qcnl *q, const json_t *json, const char *header,
    const char *member)
{
	char *value = qcnl_header(q, header);
	const char *text = json_string_value(json_object_get(json, member));

	if (value != NULL || text == NULL)
		return value;
	return keep_text(xstrdup(text));
}

enum qcnl_result
qcnl_cert(const struct qcnl *q, struct qcnl_cert *out)
{
	json_t *json = json_loadb(q->body.p, q->body.len, 0, NULL);
	const char *leaf = json_string_value(json_object_get(json, "pckCert"));
	char *tcbm = header_or_member(q, json, "SGX-TCBm", "sgx-Tcbm");
	char *chain =
	    header_or_member(q, json, "SGX-PCK-Certificate-Issuer-Chain",
		"sgx-Pck-Certificate-Issuer-Chain");
	struct buf pem = BUF_INIT;
	enum qcnl_result result = QCNL_MSG_ERROR;

	if (tcbm == NULL || strlen(tcbm) != 36 || chain == NULL ||
	    *chain == '\0' || q->body.len == 0)
		goto out;
	memcpy(out->tcbm, tcbm, 37);
	buf_span(&pem, leaf != NULL ? span_str(leaf) : buf_view(&q->body));
	buf_str(&pem, unescape(chain));
	buf_add(&pem, "", 1);
	out->pem = keep_text(xmemdup(pem.p, pem.len));
	result = QCNL_SUCCESS;
out:
	buf_free(&pem);
	json_decref(json);
	return result;
}

enum qcnl_result
qcnl_collateral(const struct qcnl *q, const char *name, const char *otherwise,
    char **chain)
{
	*chain = qcnl_chain(q, name);
	if (*chain == NULL && otherwise != NULL)
		*chain = qcnl_chain(q, otherwise);
	if (*chain == NULL || **chain == '\0')
		return QCNL_MSG_ERROR;
	/* R5: sizes have 16 bits. */
	if (q->body.len + strlen(*chain) + 2 > 65535)
		return QCNL_MSG_ERROR;
	return QCNL_SUCCESS;
}

/* --- QPL and the verifier --------------------------------------------- */

static void
cdp_of(X509 *x, char out[256])
{
	STACK_OF(DIST_POINT) * points;
	const GENERAL_NAMES *names;
	const ASN1_STRING *uri;

	points = X509_get_ext_d2i(x, NID_crl_distribution_points, NULL, NULL);
	out[0] = '\0';
	if (points == NULL)
		return;
	names = sk_DIST_POINT_value(points, 0)->distpoint->name.fullname;
	uri = sk_GENERAL_NAME_value(names, 0)->d.uniformResourceIdentifier;
	snprintf(out, 256, "%.*s", ASN1_STRING_length(uri),
	    (const char *)ASN1_STRING_get0_data(uri));
	CRL_DIST_POINTS_free(points);
}

struct qcnl_split
qcnl_split(const char *pem)
{
	struct qcnl_split s = { 0 };
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *x;

	while ((x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		s.n++;
		s.root = X509_self_signed(x, 1) == 1;
		cdp_of(x, s.cdp);
		X509_free(x);
	}
	BIO_free(bio);
	return s;
}

enum qcnl_crl
qcnl_sniff(const void *bytes, size_t len)
{
	const char *p = bytes;
	size_t i;

	if (len >= 24 && memcmp(p, "-----BEGIN X509 CRL-----", 24) == 0)
		return QCNL_CRL_PEM;
	/* The caller's NUL behind the text is the one exception. */
	for (i = 0; i < len; i++)
		if (!isxdigit((unsigned char)p[i]))
			return QCNL_CRL_DER;
	return QCNL_CRL_HEX;
}
