#include "config/base/enc.h"

#include "config/base/must.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>

/* --- hex -------------------------------------------------------------- */

static void
hex_write(struct span in, const char *digits, char *out)
{
	size_t i;

	for (i = 0; i < in.len; i++) {
		*out++ = digits[in.p[i] >> 4];
		*out++ = digits[in.p[i] & 15];
	}
	*out = '\0';
}

void
hex_lower(struct span in, char *out)
{
	hex_write(in, "0123456789abcdef", out);
}

void
hex_upper(struct span in, char *out)
{
	hex_write(in, "0123456789ABCDEF", out);
}

void
buf_hex(struct buf *b, struct span in)
{
	buf_reserve(b, 2 * in.len + 1);
	hex_lower(in, b->p + b->len);
	b->len += 2 * in.len;
}

/* 0..15, or -1. */
static int
hex_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte of two digits, or -1. */
static int
hex_byte(const unsigned char *p)
{
	int hi = hex_digit(p[0]), lo = hex_digit(p[1]);

	return hi < 0 || lo < 0 ? -1 : hi * 16 + lo;
}

bool
hex_is(struct span s, size_t len)
{
	size_t i;

	if (s.len != len)
		return false;
	for (i = 0; i < len; i++) {
		if (hex_digit(s.p[i]) < 0)
			return false;
	}
	return true;
}

enum err
hex_read(struct span in, void *out, size_t out_len)
{
	unsigned char *dst = out;
	size_t i;

	if (in.len % 2 != 0 || in.len / 2 != out_len || !hex_is(in, in.len))
		return ERR_FORMAT;
	for (i = 0; i < out_len; i++)
		dst[i] = (unsigned char)hex_byte(in.p + 2 * i);
	return ERR_OK;
}

enum err
hex_read_buf(struct span in, struct buf *out)
{
	unsigned char c;
	size_t i;

	if (in.len % 2 != 0 || !hex_is(in, in.len))
		return ERR_FORMAT;
	for (i = 0; i < in.len; i += 2) {
		c = (unsigned char)hex_byte(in.p + i);
		buf_add(out, &c, 1);
	}
	return ERR_OK;
}

/* --- base64 (RFC 4648 4 and 5) ---------------------------------------- */

static void
base64_write(struct buf *b, struct span in, const char *last2, bool pad)
{
	static const char abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t i, k, n;
	uint32_t v, d;

	buf_reserve(b, in.len / 3 * 4 + 4);
	for (i = 0; i < in.len; i += 3) {
		n = in.len - i < 3 ? in.len - i : 3;
		v = (uint32_t)in.p[i] << 16;
		if (n > 1)
			v |= (uint32_t)in.p[i + 1] << 8;
		if (n > 2)
			v |= in.p[i + 2];
		for (k = 0; k <= n; k++) {
			d = v >> (18 - 6 * k) & 63;
			b->p[b->len++] = d < 62 ? abc[d] : last2[d - 62];
		}
		for (; pad && k < 4; k++)
			b->p[b->len++] = '=';
	}
	b->p[b->len] = '\0';
}

void
buf_base64(struct buf *b, struct span in)
{
	base64_write(b, in, "+/", true);
}

void
buf_base64url(struct buf *b, struct span in)
{
	base64_write(b, in, "-_", false);
}

/* What a character from ' ' on stands for, and whether in both alphabets. */
enum { STD = 0x40, URL = 0x80, BAD = 0xff };
/* clang-format off */
static const unsigned char base64_digits[96] = {
	BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, 62 | STD,
	BAD, 62 | URL, BAD, 63 | STD, 52, 53, 54, 55, 56, 57, 58, 59, 60,
	61, BAD, BAD, BAD, BAD, BAD, BAD, BAD, 0, 1, 2, 3, 4, 5, 6, 7, 8,
	9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
	BAD, BAD, BAD, BAD, 63 | URL, BAD, 26, 27, 28, 29, 30, 31, 32, 33,
	34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49,
	50, 51, BAD, BAD, BAD, BAD, BAD
};
/* clang-format on */

static unsigned
base64_digit(unsigned char c)
{
	return c < 0x20 || c >= 0x80 ? BAD : base64_digits[c - 0x20];
}

/* The text without its padding. */
static enum err
base64_unpad(struct span *s)
{
	size_t pad = 0;

	while (pad < s->len && s->p[s->len - 1 - pad] == '=')
		pad++;
	if (pad > 2 || (pad != 0 && s->len % 4 != 0))
		return ERR_FORMAT;
	s->len -= pad;
	return s->len % 4 == 1 ? ERR_FORMAT : ERR_OK;
}

/* A character that is none has both marks. */
static bool
base64_fits(unsigned seen)
{
	return (seen & (STD | URL)) != (STD | URL);
}

enum err
base64_read(struct span in, struct buf *out)
{
	size_t i, k, n, start = out->len;
	unsigned seen = 0, d;
	uint32_t v, left = 0;

	if (base64_unpad(&in) != ERR_OK)
		return ERR_FORMAT;
	buf_reserve(out, in.len / 4 * 3 + 3);
	for (i = 0; i < in.len; i += n) {
		n = in.len - i < 4 ? in.len - i : 4;
		for (v = 0, k = 0; k < n; k++) {
			d = base64_digit(in.p[i + k]);
			seen |= d;
			v |= (d & 63) << (18 - 6 * k);
		}
		for (k = 0; k < n - 1; k++)
			out->p[out->len++] = (char)(v >> (16 - 8 * k));
		left = v & (0xffffffu >> (8 * (n - 1)));
	}
	if (!base64_fits(seen) || left != 0)
		out->len = start;
	out->p[out->len] = '\0';
	return out->len == start && in.len > 0 ? ERR_FORMAT : ERR_OK;
}

/* --- percent (RFC 3986 2.1) ------------------------------------------- */

static enum err
percent_read(struct span in, bool plus, struct buf *out)
{
	size_t i, start = out->len;
	unsigned char c;
	int d;

	for (i = 0; i < in.len; i++) {
		c = in.p[i];
		if (c == '%') {
			d = in.len - i < 3 ? -1 : hex_byte(in.p + i + 1);
			if (d < 0) {
				out->len = start;
				return ERR_FORMAT;
			}
			c = (unsigned char)d;
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		buf_add(out, &c, 1);
	}
	return ERR_OK;
}

enum err
pct_read(struct span in, struct buf *out)
{
	return percent_read(in, false, out);
}

enum err
query_read(struct span in, struct buf *out)
{
	return percent_read(in, true, out);
}

static bool
pct_plain(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	       c == '~';
}

void
buf_pct(struct buf *b, struct span in)
{
	char two[3];
	size_t i;

	for (i = 0; i < in.len; i++) {
		if (pct_plain(in.p[i])) {
			buf_add(b, in.p + i, 1);
			continue;
		}
		hex_upper(span_of(in.p + i, 1), two);
		buf_add(b, "%", 1);
		buf_add(b, two, 2);
	}
}

/* --- digests ---------------------------------------------------------- */

/* Fetched once: an implicit fetch costs more than a short digest. */
static EVP_MD *md256, *md384, *md512;

static void
md_fetch(void)
{
	md256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	md384 = EVP_MD_fetch(NULL, "SHA2-384", NULL);
	md512 = EVP_MD_fetch(NULL, "SHA2-512", NULL);
	must(md256 != NULL && md384 != NULL && md512 != NULL);
}

static void
md_once(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	must(pthread_once(&once, md_fetch) == 0);
}

static void
md_run(const EVP_MD *md, struct span in, unsigned char *out, unsigned want)
{
	const void *p = in.p == NULL ? "" : (const void *)in.p;
	unsigned len = 0;

	must(EVP_Digest(p, in.len, out, &len, md, NULL) == 1);
	must(len == want);
}

void
sha256(struct span in, unsigned char out[32])
{
	md_once();
	md_run(md256, in, out, 32);
}

void
sha384(struct span in, unsigned char out[48])
{
	md_once();
	md_run(md384, in, out, 48);
}

void
sha512(struct span in, unsigned char out[64])
{
	md_once();
	md_run(md512, in, out, 64);
}

bool
equal_ct(const void *a, const void *b, size_t len)
{
	return len == 0 || CRYPTO_memcmp(a, b, len) == 0;
}

void
random_bytes(void *p, size_t n)
{
	must(RAND_bytes_ex(NULL, p, n, 0) == 1);
}
