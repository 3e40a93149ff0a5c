#include "tests/kit/vexpect.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static const char *
text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s == NULL ? "" : s;
}

const char *
first_reason(const json_t *verdict)
{
	return text(json_array_get(json_object_get(verdict, "reasons"), 0),
	    "check");
}

bool
has_reason(const json_t *verdict, const char *check)
{
	const json_t *r;
	size_t i;

	json_array_foreach(json_object_get(verdict, "reasons"), i,
	    r) if (strcmp(text(r, "check"), check) == 0) return true;
	return false;
}

/* Every member of "want", found in "have" with the same value. */
static void
members_are(const char *name, const json_t *want, const json_t *have,
    const char *const *but)
{
	const char *key, *const *skip;
	const json_t *v;

	json_object_foreach((json_t *)(uintptr_t)want, key, v)
	{
		for (skip = but; *skip != NULL && strcmp(*skip, key) != 0;)
			skip++;
		if (*skip != NULL)
			continue;
		if (json_is_object(v)) {
			members_are(name, v, json_object_get(have, key), but);
			continue;
		}
		ck_assert_msg(json_equal(v, json_object_get(have, key)),
		    "%s: %s is not as recorded", name, key);
	}
}

static void
must_not_be(const char *name, const json_t *expect, const json_t *verdict)
{
	const json_t *v, *list = json_object_get(expect, "must_not_be");
	size_t i;

	if (strcmp(text(verdict, "evidence"), "valid") != 0)
		return;
	json_array_foreach(list, i, v)
	    ck_assert_msg(strcmp(json_string_value(v),
			      text(verdict, "tcb_status")) != 0,
		"%s: %s", name, json_string_value(v));
}

void
expect_verdict(const char *name, const json_t *expect, bool either,
    const json_t *verdict)
{
	static const char *const but[] = { "stage", "either", "must_not_be",
		NULL };
	static const char *const but_time[] = { "stage", "either",
		"must_not_be", "time", NULL };
	bool valid = strcmp(text(expect, "evidence"), "valid") == 0;
	bool have = strcmp(text(verdict, "evidence"), "valid") == 0;

	must_not_be(name, expect, verdict);
	if (either && valid != have)
		return;
	ck_assert_msg(valid == have, "%s: %s: %s", name, first_reason(verdict),
	    text(json_array_get(json_object_get(verdict, "reasons"), 0),
		"found"));
	if (valid) {
		members_are(name, expect, verdict, either ? but_time : but);
		return;
	}
	ck_assert_msg(strcmp(text(verdict, "verdict"), "rejected") == 0, "%s",
	    name);
	/* Collateral of a platform under the other CA: its CRL tells first. */
	ck_assert_msg(*text(expect, "stage") == '\0' ||
			  strcmp(first_reason(verdict),
			      text(expect, "stage")) == 0 ||
			  (strcmp(text(expect, "stage"), "tcb-info-match") ==
				  0 &&
			      strcmp(first_reason(verdict), "crl") == 0),
	    "%s: %s, not %s", name, first_reason(verdict),
	    text(expect, "stage"));
}

void
expect_verdict_snp(const char *name, const json_t *expected,
    const json_t *verdict)
{
	static const char *const but[] = { NULL };
	const json_t *expect = json_object_get(expected, "expect");
	const json_t *first = json_object_get(expect, "first_error");
	bool good = strcmp(text(expect, "overall"), "ACCEPT") == 0;

	ck_assert_msg((strcmp(text(verdict, "evidence"), "valid") == 0) == good,
	    "%s: %s", name, first_reason(verdict));
	if (json_is_string(first))
		ck_assert_str_eq(first_reason(verdict),
		    json_string_value(first));
	if (json_object_get(verdict, "snp") == NULL) {
		ck_assert(!good);
		return;
	}
	members_are(name, json_object_get(expected, "report"),
	    json_object_get(verdict, "snp"), but);
}
