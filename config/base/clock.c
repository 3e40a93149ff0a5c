#include "config/base/clock.h"

#include "config/base/must.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static _Atomic int64_t offset_s;

static struct timespec
clock_read(clockid_t id)
{
	struct timespec ts;

	must(clock_gettime(id, &ts) == 0);
	return ts;
}

void
clock_offset_set(int64_t seconds)
{
	atomic_store(&offset_s, seconds);
}

int64_t
clock_offset(void)
{
	return atomic_load(&offset_s);
}

time_t
clock_now(void)
{
	return clock_read(CLOCK_REALTIME).tv_sec + (time_t)clock_offset();
}

int64_t
clock_now_ms(void)
{
	struct timespec ts = clock_read(CLOCK_REALTIME);

	return (ts.tv_sec + clock_offset()) * 1000 + ts.tv_nsec / 1000000;
}

int64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t
clock_mono_us(void)
{
	struct timespec ts = clock_read(CLOCK_MONOTONIC);

	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/*
 * n decimal digits at s[at].  The caller has checked the length; what is no
 * digit gives a number that does not write back to the same text.
 */
static int
digits(const unsigned char *s, size_t at, size_t n)
{
	int v = 0;

	while (n-- > 0) {
		if (s[at] < '0' || s[at] > '9')
			return 0;
		v = v * 10 + (s[at++] - '0');
	}
	return v;
}

/*
 * Seconds since the epoch of a date in the proleptic Gregorian calendar;
 * timegm() does the arithmetic and normalises what is out of range, which
 * the callers notice because it does not write back to the same text.
 */
static time_t
utc(int year, int month, int day, int h, int m, int s)
{
	struct tm tm;

	memset(&tm, 0, sizeof(tm));
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	tm.tm_mday = day;
	tm.tm_hour = h;
	tm.tm_min = m;
	tm.tm_sec = s;
	return timegm(&tm);
}

enum err
time_read(struct span in, time_t *out)
{
	char back[TIME_LEN];
	time_t t;

	if (in.len != TIME_LEN - 1)
		return ERR_FORMAT;
	t = utc(digits(in.p, 0, 4), digits(in.p, 5, 2), digits(in.p, 8, 2),
	    digits(in.p, 11, 2), digits(in.p, 14, 2), digits(in.p, 17, 2));
	time_write(t, back);
	if (!span_eq_str(in, back))
		return ERR_FORMAT;
	*out = t;
	return ERR_OK;
}

/*
 * By arithmetic: the library's gmtime_r() takes a lock that all threads share.
 * Days are counted from a 1 March, in eras of 400 years; a year that begins
 * in March has its leap day at its end.  Years outside 0..9999
 * have no text of this form; they are clamped.
 */
static struct tm
utc_fields(time_t t)
{
	const int64_t first = -62167219200, last = 253402300799;
	int64_t at = t < first ? first : t > last ? last : t;
	int64_t days = (at - first) / 86400 + 146037, era, year, month;
	int64_t second = (at - first) % 86400, day;
	struct tm tm = { 0 };

	/* From 1 March of the year -400: 60 days less than an era. */
	era = days / 146097;
	day = days % 146097;
	year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	day -= 365 * year + year / 4 - year / 100;
	month = (5 * day + 2) / 153;
	tm.tm_mday = (int)(day - (153 * month + 2) / 5 + 1);
	tm.tm_mon = (int)(month < 10 ? month + 2 : month - 10);
	tm.tm_year = (int)(era * 400 + year - 400 + (month >= 10) - 1900);
	tm.tm_hour = (int)(second / 3600);
	tm.tm_min = (int)(second / 60 % 60);
	tm.tm_sec = (int)(second % 60);
	/* 1 January of the year 0 is a Saturday. */
	tm.tm_wday = (int)((6 + (at - first) / 86400) % 7);
	return tm;
}

/* An int that the compiler knows to have at most n digits. */
static unsigned
upto(int v, unsigned mod)
{
	return (unsigned)v % mod;
}

/* Two digits and what follows them. */
static char *
two_write(char *out, int v, char end)
{
	out[0] = (char)('0' + v / 10 % 10);
	out[1] = (char)('0' + v % 10);
	out[2] = end;
	return out + 3;
}

/* Without printf: a verdict has thirty of them. */
void
time_write(time_t t, char out[TIME_LEN])
{
	struct tm tm = utc_fields(t);
	int year = tm.tm_year + 1900;

	out[0] = (char)('0' + year / 1000 % 10);
	out[1] = (char)('0' + year / 100 % 10);
	out = two_write(out + 2, year, '-');
	out = two_write(out, tm.tm_mon + 1, '-');
	out = two_write(out, tm.tm_mday, 'T');
	out = two_write(out, tm.tm_hour, ':');
	out = two_write(out, tm.tm_min, ':');
	out = two_write(out, tm.tm_sec, 'Z');
	*out = '\0';
}

static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri",
	"Sat" };
static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
	"Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

void
http_date_write(time_t t, char out[30])
{
	struct tm tm = utc_fields(t);

	snprintf(out, 30, "%s, %02u %s %04u %02u:%02u:%02u GMT",
	    days[tm.tm_wday], upto(tm.tm_mday, 100), months[tm.tm_mon],
	    upto(tm.tm_year + 1900, 10000), upto(tm.tm_hour, 100),
	    upto(tm.tm_min, 100), upto(tm.tm_sec, 100));
}

/* 1..12, or 0. */
static int
month_read(const unsigned char *p)
{
	int i;

	for (i = 0; i < 12; i++) {
		if (memcmp(p, months[i], 3) == 0)
			return i + 1;
	}
	return 0;
}

/*
 * IMF-fixdate only: the two obsolete forms of RFC 9110 5.6.7 are not sent by
 * any upstream there is, and a date that is not understood is only not used.
 */
enum err
http_date_read(struct span in, time_t *out)
{
	char back[30];
	time_t t;

	if (in.len != sizeof(back) - 1)
		return ERR_FORMAT;
	t = utc(digits(in.p, 12, 4), month_read(in.p + 8), digits(in.p, 5, 2),
	    digits(in.p, 17, 2), digits(in.p, 20, 2), digits(in.p, 23, 2));
	http_date_write(t, back);
	if (!span_eq_str(in, back))
		return ERR_FORMAT;
	*out = t;
	return ERR_OK;
}
