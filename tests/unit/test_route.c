/* Which row answers a method and a path. */
#include "server/route.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(a)   ((int)(sizeof(a) / sizeof((a)[0])))
#define GET    (1u << METHOD_GET)
#define HEAD   (1u << METHOD_HEAD)
#define POST   (1u << METHOD_POST)
#define PUT    (1u << METHOD_PUT)
#define DELETE (1u << METHOD_DELETE)

static void
nothing(struct req *r)
{
	(void)r;
}

#define ROW(serve_, methods_, path_)                                           \
	.serve = (serve_), .methods = (methods_), .path = (path_), .fn = nothing

static const struct route first[] = {
	{ ROW(SERVE_PCCS, GET, "/a") },
	{ ROW(SERVE_PCCS, POST, "/a") },
	{ ROW(SERVE_PCCS, GET, "/dir/*") },
	{ ROW(SERVE_PCCS, PUT, "/dir/exact") },
	{ ROW(SERVE_PCCS, GET, "/Mixed/Case-1_2@z[") },
	{ ROW(SERVE_PCCS | SERVE_OPS, GET, "/both") },
	{ ROW(SERVE_OPS, DELETE, "/both") },
	{ ROW(SERVE_PCCS, HEAD, "/head") },
	{ .fn = NULL },
};

static const struct route second[] = {
	{ ROW(SERVE_PCCS, GET | PUT, "/a") },
	{ ROW(SERVE_ADMIN, GET, "/admin") },
	{ ROW(SERVE_PCCS, POST, "/dir/*") },
	{ ROW(SERVE_PCCS, GET, "/dir/deep/*") },
	{ ROW(SERVE_PCCS, GET, "/") },
	{ .fn = NULL },
};

static struct routes *routes;

static void
setup(void)
{
	static const struct route *const lists[] = { first, second };

	routes = routes_new(lists, 2);
}

static void
teardown(void)
{
	routes_free(routes);
	routes = NULL;
}

static const struct {
	unsigned serve;
	enum method method;
	const char *path;
	const struct route *row;
	unsigned allow;
} asks[] = {
	/* rows of one path share what is allowed; the earlier row wins */
	{ SERVE_PCCS, METHOD_GET, "/a", &first[0], GET | HEAD | POST | PUT },
	{ SERVE_PCCS, METHOD_HEAD, "/a", &first[0], GET | HEAD | POST | PUT },
	{ SERVE_PCCS, METHOD_POST, "/a", &first[1], GET | HEAD | POST | PUT },
	{ SERVE_PCCS, METHOD_PUT, "/a", &second[0], GET | HEAD | POST | PUT },
	{ SERVE_PCCS, METHOD_DELETE, "/a", NULL, GET | HEAD | POST | PUT },
	{ SERVE_PCCS, METHOD_N, "/a", NULL, GET | HEAD | POST | PUT },
	/* no row, and nearly one */
	{ SERVE_PCCS, METHOD_GET, "/", &second[4], GET | HEAD },
	{ SERVE_PCCS, METHOD_GET, "/b", NULL, 0 },
	{ SERVE_PCCS, METHOD_GET, "/aa", NULL, 0 },
	{ SERVE_PCCS, METHOD_GET, "/a/", NULL, 0 },
	{ SERVE_PCCS, METHOD_GET, "a", NULL, 0 },
	{ SERVE_PCCS, METHOD_N, "/b", NULL, 0 },
	/* letters without case, and nothing but letters */
	{ SERVE_PCCS, METHOD_GET, "/mixed/case-1_2@Z[", &first[4], GET | HEAD },
	{ SERVE_PCCS, METHOD_GET, "/MIXED/CASE-1_2@Z[", &first[4], GET | HEAD },
	{ SERVE_PCCS, METHOD_GET, "/Mixed/Case-1_2`z[", NULL, 0 },
	{ SERVE_PCCS, METHOD_GET, "/Mixed/Case-1_2@z{", NULL, 0 },
	{ SERVE_PCCS, METHOD_GET, "/Mixed/Case-\x11_2@z[", NULL, 0 },
	{ SERVE_PCCS, METHOD_GET,
	    "/Mixed/Case-1\x7f"
	    "2@z[",
	    NULL, 0 },
	/* HEAD comes with GET, not the other way round */
	{ SERVE_PCCS, METHOD_HEAD, "/head", &first[7], HEAD },
	{ SERVE_PCCS, METHOD_GET, "/head", NULL, HEAD },
	/* prefixes: after exact rows, one after the other */
	{ SERVE_PCCS, METHOD_GET, "/dir/x", &first[2], GET | HEAD },
	{ SERVE_PCCS, METHOD_GET, "/dir/x/y/z", &first[2], GET | HEAD },
	{ SERVE_PCCS, METHOD_GET, "/DIR/X", &first[2], GET | HEAD },
	{ SERVE_PCCS, METHOD_GET, "/dir/", &first[2], GET | HEAD },
	{ SERVE_PCCS, METHOD_GET, "/dir/deep/x", &first[2], GET | HEAD },
	{ SERVE_PCCS, METHOD_GET, "/dir", NULL, 0 },
	{ SERVE_PCCS, METHOD_GET, "/dirx", NULL, 0 },
	{ SERVE_PCCS, METHOD_PUT, "/dir/exact", &first[3], PUT },
	{ SERVE_PCCS, METHOD_GET, "/dir/exact", NULL, PUT },
	/* families */
	{ SERVE_OPS, METHOD_GET, "/a", NULL, 0 },
	{ SERVE_OPS, METHOD_GET, "/dir/x", NULL, 0 },
	{ SERVE_OPS, METHOD_GET, "/both", &first[5], GET | HEAD | DELETE },
	{ SERVE_PCCS, METHOD_GET, "/both", &first[5], GET | HEAD },
	{ SERVE_PCCS, METHOD_DELETE, "/both", NULL, GET | HEAD },
	{ SERVE_OPS, METHOD_DELETE, "/both", &first[6], GET | HEAD | DELETE },
	{ SERVE_ADMIN | SERVE_OPS, METHOD_GET, "/admin", &second[1],
	    GET | HEAD },
	{ 0, METHOD_GET, "/a", NULL, 0 },
};

START_TEST(test_find)
{
	struct route_match m = route_find(routes, asks[_i].serve,
	    asks[_i].method, span_str(asks[_i].path));

	ck_assert_ptr_eq(m.route, asks[_i].row);
	ck_assert_uint_eq(m.allow, asks[_i].allow);
}
END_TEST

/* Many rows: each is found, and none by its neighbour's name. */
START_TEST(test_find_among_many)
{
	static struct route rows[301];
	static char paths[300][16];
	const struct route *lists[] = { rows };
	struct routes *many;
	int i;

	for (i = 0; i < 300; i++) {
		snprintf(paths[i], sizeof(paths[i]), "/p/%d", i);
		rows[i] = (struct route){ ROW(SERVE_PCCS, GET, paths[i]) };
	}
	many = routes_new(lists, 1);
	for (i = 0; i < 300; i++)
		ck_assert_ptr_eq(route_find(many, SERVE_PCCS, METHOD_GET,
				     span_str(paths[i]))
				     .route,
		    &rows[i]);
	ck_assert_ptr_null(
	    route_find(many, SERVE_PCCS, METHOD_GET, span_str("/p/300")).route);
	routes_free(many);
}
END_TEST

START_TEST(test_an_empty_table_has_no_row)
{
	static const struct route none[] = { { .fn = NULL } };
	const struct route *lists[] = { none };
	struct routes *r = routes_new(lists, 1);
	struct route_match m = route_find(r, ~0u, METHOD_GET, span_str("/a"));

	ck_assert_ptr_null(m.route);
	ck_assert_uint_eq(m.allow, 0);
	routes_free(r);
	routes_free(NULL);
}
END_TEST

/*
 * larder's own tables: a row can be reached by its own path, and no row is
 * hidden behind an earlier one.
 */
START_TEST(test_our_rows_can_all_be_reached)
{
	static const struct route *const lists[] = { routes_pccs, routes_admin,
		routes_console, routes_ops };
	struct routes *all = routes_new(lists, 4);
	const struct route *row;
	unsigned m;
	int i, n = 0;

	for (i = 0; i < 4; i++) {
		for (row = lists[i]; row->fn != NULL; row++, n++) {
			for (m = 0; m < METHOD_N; m++) {
				if (!(row->methods & 1u << m))
					continue;
				ck_assert_ptr_eq(route_find(all, row->serve,
						     (enum method)m,
						     span_str(row->path))
						     .route,
				    row);
			}
		}
	}
	ck_assert_int_gt(n, 20);
	routes_free(all);
}
END_TEST

static void
suite_fill(TCase *tc)
{
	tcase_add_loop_test(tc, test_find, 0, N(asks));
	tcase_add_test(tc, test_find_among_many);
	tcase_add_test(tc, test_an_empty_table_has_no_row);
	tcase_add_test(tc, test_our_rows_can_all_be_reached);
}

int
main(void)
{
	Suite *s = suite_create("route");
	TCase *tc = tcase_create("route");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	suite_fill(tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
