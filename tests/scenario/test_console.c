/*
 * The operator's page as a client without a browser sees it; what it does in
 * one is tested in tests/console/.
 */
#include "tests/kit/house.h"
#include "tests/kit/keep.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct house h;

static const struct {
	const char *file, *path, *type;
} files[] = {
#define FILE(sym, file, path, type) { file, path, type },
#include "server/console.def"
#undef FILE
};
#define N_FILES (sizeof(files) / sizeof(files[0]))

static const char *
header(const struct edge_reply *r, const char *name)
{
	const char *v = edge_header(r, name);

	ck_assert_msg(v != NULL, "no %s", name);
	return v;
}

/* No token is asked for; the bytes are those of the source. */
START_TEST(test_the_files_are_served_as_they_are)
{
	char path[128];
	struct blob *want;
	struct edge_reply r;
	size_t i;

	house_start(&h, NULL);
	for (i = 0; i < N_FILES; i++) {
		snprintf(path, sizeof(path), "server/console/%s",
		    files[i].file);
		want = file_read(path);
		ck_assert_msg(want != NULL, "%s", path);
		r = keep(house_get(&h, files[i].path));
		ck_assert_int_eq(r.status, 200);
		ck_assert_str_eq(header(&r, "Content-Type"), files[i].type);
		ck_assert_uint_eq(r.len, want->len);
		ck_assert_mem_eq(r.body, want->data, want->len);
		blob_unref(want);
	}
	house_stop(&h);
}
END_TEST

/* Nothing inline, nothing from elsewhere, no cookie, in nobody's frame. */
START_TEST(test_the_page_is_locked_up)
{
	struct edge_reply r;
	const char *csp;
	size_t i;

	house_start(&h, NULL);
	for (i = 0; i < N_FILES; i++) {
		r = keep(house_get(&h, files[i].path));
		csp = header(&r, "Content-Security-Policy");
		ck_assert_ptr_nonnull(strstr(csp, "default-src 'none'"));
		ck_assert_ptr_nonnull(strstr(csp, "script-src 'self';"));
		ck_assert_ptr_nonnull(strstr(csp, "style-src 'self';"));
		ck_assert_ptr_nonnull(strstr(csp, "frame-ancestors 'none'"));
		ck_assert_ptr_null(strstr(csp, "unsafe"));
		ck_assert_str_eq(header(&r, "X-Content-Type-Options"),
		    "nosniff");
		ck_assert_ptr_null(edge_header(&r, "Set-Cookie"));
		ck_assert_ptr_null(
		    edge_header(&r, "Access-Control-Allow-Origin"));
		/* The icon's namespace alone names another host. */
		if (strcmp(files[i].file, "icon.svg") != 0 &&
		    strcmp(files[i].file, "dom.js") != 0)
			ck_assert_msg(strstr(r.body, "://") == NULL, "%s",
			    files[i].file);
		ck_assert_ptr_null(strstr(r.body, "innerHTML"));
		ck_assert_ptr_null(strstr(r.body, "style=\""));
		ck_assert_ptr_null(strstr(r.body, "onclick=\""));
	}
	house_stop(&h);
}
END_TEST

START_TEST(test_a_browser_keeps_what_has_not_changed)
{
	struct edge_reply r;
	char line[128];

	house_start(&h, NULL);
	r = keep(house_get(&h, "/console"));
	snprintf(line, sizeof(line), "If-None-Match: %s\r\n",
	    header(&r, "ETag"));
	ck_assert_int_eq(keep(
			     house_send(&h, "GET", "/console", line, SPAN_NONE))
			     .status,
	    304);
	r = keep(house_send(&h, "GET", "/console/app.js", line, SPAN_NONE));
	ck_assert_int_eq(r.status, 200);
	r = keep(house_send(&h, "HEAD", "/console", NULL, SPAN_NONE));
	ck_assert_int_eq(r.status, 200);
	ck_assert_uint_eq(r.len, 0);
	house_stop(&h);
}
END_TEST

START_TEST(test_it_is_the_admin_listeners_alone)
{
	static const struct house_opts o = {
		.listen = "[{\"address\":\"127.0.0.1:0\","
			  "\"serve\":[\"pccs\",\"ops\"]}]",
	};

	house_start(&h, &o);
	ck_assert_int_eq(house_status(&h, "/console"), 404);
	ck_assert_int_eq(house_status(&h, "/console/app.js"), 404);
	house_stop(&h);
	house_start(&h, NULL);
	ck_assert_int_eq(house_status(&h, "/console/"), 200);
	ck_assert_int_eq(house_status(&h, "/console/nothing.js"), 404);
	ck_assert_int_eq(house_status(&h, "/console/../config"), 404);
	ck_assert_int_eq(keep(house_send(&h, "POST", "/console", NULL,
				  SPAN_NONE))
			     .status,
	    405);
	house_stop(&h);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("console");
	SRunner *sr = srunner_create(s);
	TCase *tc = tcase_create("console");
	int failed;

	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, test_the_files_are_served_as_they_are);
	tcase_add_test(tc, test_the_page_is_locked_up);
	tcase_add_test(tc, test_a_browser_keeps_what_has_not_changed);
	tcase_add_test(tc, test_it_is_the_admin_listeners_alone);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
