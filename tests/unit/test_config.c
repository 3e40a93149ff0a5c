#include "config/config.h"

#include "config/base/must.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N(a)   ((int)(sizeof(a) / sizeof((a)[0])))

#define H64    "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff"
#define H128   H64 H64
#define LOWER  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define SALT   "AAECAwQFBgcICQoLDA0ODw"
#define KEY    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define SCRYPT "$scrypt$ln=15,r=8,p=1$" SALT "$" KEY

static struct config *
read_ok(const char *text)
{
	struct config *c = NULL;
	struct why why = { 0 };

	ck_assert_msg(config_read(span_str(text), "t.json", &c, &why) == ERR_OK,
	    "%s: %s", text, why.text);
	ck_assert_str_eq(c->path, "t.json");
	return c;
}

static char *
dump(const struct config *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(f);
	config_write(c, f);
	ck_assert_int_eq(fclose(f), 0);
	return text;
}

/* What is printed reads again and prints the same. */
static void
check_round_trip(const struct config *c)
{
	char *first = dump(c), *second;
	struct config *again = read_ok(first);

	second = dump(again);
	ck_assert_str_eq(first, second);
	free(first);
	free(second);
	config_unref(again);
}

/* --- defaults --------------------------------------------------------- */

static void
check_list(const struct config_list *l, const char *one)
{
	ck_assert_uint_eq(l->n, 1);
	ck_assert_str_eq(l->v[0], one);
}

START_TEST(test_defaults)
{
	struct config *c = read_ok("{}");

	ck_assert_uint_eq(c->n_listen, 1);
	ck_assert_str_eq(c->listen[0].address, "127.0.0.1:8081");
	ck_assert_uint_eq(c->listen[0].serve,
	    SERVE_PCCS | SERVE_OPS | SERVE_ADMIN);
	ck_assert_ptr_null(c->listen[0].tls_certificate);
	ck_assert_str_eq(c->database, "sqlite:/var/lib/larder/larder.db");
	ck_assert_int_eq(c->mode, MODE_LAZY);
	check_list(&c->upstream.pcs.urls,
	    "https://api.trustedservices.intel.com");
	check_list(&c->upstream.pcs.root_crl_urls,
	    "https://certificates.trustedservices.intel.com/"
	    "IntelSGXRootCA.der");
	check_list(&c->upstream.kds.urls, "https://kdsintf.amd.com");
	check_list(&c->trust.intel_root_spki_sha256,
	    "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e");
	check_list(&c->trust.amd_milan,
	    "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9");
	check_list(&c->trust.amd_genoa,
	    "429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831");
	check_list(&c->trust.amd_turin,
	    "4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08");
	ck_assert_ptr_null(c->upstream.pcs.api_key);
	ck_assert_ptr_null(c->upstream.ca_file);
	ck_assert_ptr_null(c->upstream.proxy);
	ck_assert_int_eq(c->upstream.connect_timeout_ms, 5000);
	ck_assert_int_eq(c->upstream.timeout_ms, 30000);
	ck_assert_int_eq(c->upstream.parallel, 4);
	ck_assert_uint_eq(c->tokens.admin_sha512.n, 0);
	ck_assert_uint_eq(c->tokens.n_named, 0);
	ck_assert_int_eq(c->cache.stale_max_s, 30 * 86400);
	ck_assert_int_eq(c->cache.client_wait_ms, 20000);
	ck_assert_int_eq(c->cache.stale_wait_ms, 3000);
	ck_assert_int_eq(c->cache.negative_s, 600);
	ck_assert_int_eq(c->cache.platform_bytes, 256 << 20);
	ck_assert_int_eq(c->cache.history_s, 180 * 86400);
	ck_assert_int_eq(c->cache.raw_tcbs_per_platform, 64);
	ck_assert(!c->cache.serve_v4_identity_on_v3);
	ck_assert_int_eq(c->limits.header_timeout_ms, 10000);
	ck_assert_int_eq(c->limits.request_timeout_ms, 15000);
	ck_assert_int_eq(c->limits.idle_timeout_ms, 60000);
	ck_assert_int_eq(c->limits.body_bytes, 2 << 20);
	ck_assert_int_eq(c->limits.upload_bytes, 64 << 20);
	ck_assert_str_eq(c->log.level, "info");
	check_round_trip(c);
	config_unref(c);
}
END_TEST

START_TEST(test_null_means_default)
{
	struct config *c = read_ok("{\"mode\":null,\"upstream\":null,"
				   "\"listen\":null,\"tokens\":{\"named\":"
				   "null},\"limits\":{\"drain_s\":null}}");

	ck_assert_int_eq(c->mode, MODE_LAZY);
	ck_assert_uint_eq(c->n_listen, 1);
	ck_assert_uint_eq(c->upstream.pcs.urls.n, 1);
	ck_assert_int_eq(c->limits.drain_s, 20);
	config_unref(c);
}
END_TEST

/* --- a whole file ------------------------------------------------------ */

static const char full[] =
    "{\n"
    "  \"#\": \"a comment\", \"#\": {\"unknown\": [1, 2]},\n"
    "  \"listen\": [\n"
    "    {\"address\": \"0.0.0.0:0\", \"serve\": [\"pccs\", \"KDS\"],\n"
    "     \"tls\": {\"certificate\": \"a.pem\", \"key\": \"a.key\"}},\n"
    "    {\"address\": \"unix:/run/larder.sock\", \"serve\": [\"admin\"],\n"
    "     \"# why\": null},\n"
    "    {\"address\": \"[::1]:9\", \"serve\": [\"ops\"]},\n"
    "    {\"address\": \"[::]:9\", \"serve\": [\"thim\", \"verify\"],\n"
    "     \"allow_clear\": true}\n"
    "  ],\n"
    "  \"database\": \"sqlite:x.db\", \"mode\": \"OFFLINE\", \"workers\": 3,\n"
    "  \"upstream\": {\n"
    "    \"pcs\": {\"urls\": [\"http://127.0.0.1:80/\",\n"
    "                         \"http://[::1]\", \"https://h.example:1\"],\n"
    "              \"root_crl_urls\": [\"http://localhost/r.der?a=b\"]},\n"
    "    \"kds\": {\"urls\": []}, \"ca_file\": \"ca.pem\",\n"
    "    \"proxy\": \"http://proxy.example:3128\", \"parallel\": 64\n"
    "  },\n"
    "  \"trust\": {\"intel_root_spki_sha256\": [\"" H64 "\"],\n"
    "    \"amd_root_spki_sha256\": {\"Milan\": [], \"Turin\": [\"" H64
    "\", \"" LOWER "\"]}},\n"
    "  \"tokens\": {\"admin_sha512\": [\"" H128 "\"],\n"
    "    \"named\": [{\"name\": \"ops.team-1\", \"role\": \"admin\",\n"
    "                 \"hash\": \"" SCRYPT "\",\n"
    "                 \"expires\": \"2027-01-31T00:00:00Z\"},\n"
    "                {\"name\": \"node\", \"role\": \"user\",\n"
    "                 \"hash\": \"" SCRYPT "\"}]},\n"
    "  \"cache\": {\"platform_bytes\": 1099511627776},\n"
    "  \"log\": {\"level\": \"Debug\"}\n"
    "}\n";

START_TEST(test_a_whole_file)
{
	struct config *c = read_ok(full);

	ck_assert_uint_eq(c->n_listen, 4);
	ck_assert_uint_eq(c->listen[0].serve, SERVE_PCCS | SERVE_KDS);
	ck_assert_str_eq(c->listen[0].tls_certificate, "a.pem");
	ck_assert_str_eq(c->listen[0].tls_key, "a.key");
	ck_assert_str_eq(c->listen[1].address, "unix:/run/larder.sock");
	ck_assert(c->listen[3].allow_clear);
	ck_assert_int_eq(c->mode, MODE_OFFLINE);
	ck_assert_int_eq(c->workers, 3);
	ck_assert_uint_eq(c->upstream.pcs.urls.n, 3);
	/* the final slash is gone */
	ck_assert_str_eq(c->upstream.pcs.urls.v[0], "http://127.0.0.1:80");
	ck_assert_str_eq(c->upstream.pcs.urls.v[2], "https://h.example:1");
	ck_assert_uint_eq(c->upstream.kds.urls.n, 0);
	ck_assert_str_eq(c->upstream.ca_file, "ca.pem");
	ck_assert_str_eq(c->upstream.proxy, "http://proxy.example:3128");
	ck_assert_int_eq(c->upstream.parallel, 64);
	/* digests are lower case, however they were written */
	check_list(&c->trust.intel_root_spki_sha256, LOWER);
	ck_assert_uint_eq(c->trust.amd_milan.n, 0);
	ck_assert_uint_eq(c->trust.amd_genoa.n, 1);
	ck_assert_uint_eq(c->trust.amd_turin.n, 2);
	check_list(&c->tokens.admin_sha512, LOWER LOWER);
	ck_assert_uint_eq(c->tokens.n_named, 2);
	ck_assert_str_eq(c->tokens.named[0].name, "ops.team-1");
	ck_assert_int_eq(c->tokens.named[0].role, ROLE_ADMIN | ROLE_USER);
	ck_assert_int_eq(c->tokens.named[0].expires_at, 1801353600);
	ck_assert_int_eq(c->tokens.named[1].role, ROLE_USER);
	ck_assert_int_eq(c->tokens.named[1].expires_at, 0);
	ck_assert_str_eq(c->tokens.named[1].hash, SCRYPT);
	ck_assert_int_eq(c->cache.platform_bytes, 1099511627776);
	ck_assert_str_eq(c->log.level, "debug");
	check_round_trip(c);
	config_unref(c);
}
END_TEST

START_TEST(test_references_are_counted)
{
	struct config *c = read_ok("{}");

	ck_assert_ptr_eq(config_ref(c), c);
	config_unref(c);
	ck_assert_str_eq(c->log.level, "info");
	config_unref(c);
	config_unref(NULL);
	ck_assert_ptr_null(config_ref(NULL));
}
END_TEST

/* --- refusals: the text, and how the message begins --------------------- */

static const struct {
	const char *text, *want;
} refused[] = {
	/* not JSON, not an object */
	{ "", "t.json:1: " },
	{ "{", "t.json:1: " },
	{ "{\n\"mode\": \"lazy\",\n}", "t.json:3: " },
	{ "{}\n{}", "t.json:2: " },
	{ "[]", "t.json:1: must be a JSON object" },
	{ "{\"a\"\033[1m}", "t.json:1: ':' expected near '?'" },
	{ "{\"workers\": 99999999999999999999}", "t.json:1: " },
	/* unknown keys */
	{ "{\n\n\"moed\": \"lazy\"}", "t.json:3: moed: unknown" },
	{ "{\"Mode\": \"lazy\"}", "t.json:1: Mode: unknown" },
	{ "{\"upstream\": {\n\"pcs\": {\n\"url\": []}}}",
	    "t.json:3: upstream.pcs.url: unknown" },
	{ "{\"upstream.proxy\": \"http://p\"}",
	    "t.json:1: \"upstream.proxy\": unknown" },
	{ "{\"listen[]\": 1}", "t.json:1: \"listen[]\": unknown" },
	{ "{\"\": 1}", "t.json:1: \"\": unknown" },
	{ "{\"a\\nb\\u001b\": 1}", "t.json:1: \"a?b?\": unknown" },
	{ "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": 1}",
	    "t.json:1: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\": unk" },
	{ "{\"listen\": [\n{\"address\": \"127.0.0.1:1\", "
	  "\"serve\": [\"ops\"]},\n{\"adress\": \"\"}]}",
	    "t.json:3: listen[1].adress: unknown" },
	{ "{\"mode\": {\n\"x\": 1}}", "t.json:2: mode.x: unknown" },
	{ "{\"database\": [{\n\"x\": 1}]}", "t.json:2: database[0].x: unkno" },
	/* twice */
	{ "{\"mode\": \"lazy\",\n\"mode\": \"lazy\"}",
	    "t.json:2: mode: given twice, first on line 1" },
	{ "{\"mode\": \"lazy\",\n\"mod\\u0065\": \"req\"}",
	    "t.json:2: mode: given twice, first on line 1" },
	{ "{\"log\": {},\n\"mode\": \"lazy\",\n\"log\": {}}",
	    "t.json:3: log: given twice, first on line 1" },
	{ "{\"log\": {\"level\": \"info\",\n\n\"level\": \"info\"}}",
	    "t.json:3: log.level: given twice, first on line 1" },
	{ "{\"#\": {\"mode\": 1},\n\"mode\": \"lazy\",\n\"mode\": \"req\"}",
	    "t.json:3: mode: given twice, first on line 2" },
	/* types */
	{ "{\"mode\": 1}", "t.json:1: mode: must be \"lazy\", \"req\" or" },
	{ "{\"mode\": \"lazyy\"}", "t.json:1: mode: must be \"lazy\"" },
	{ "{\"log\": 1}", "t.json:1: log: must be an object" },
	{ "{\"log\": []}", "t.json:1: log: must be an object" },
	{ "{\"upstream\": {\n\"pcs\": 1}}",
	    "t.json:2: upstream.pcs: must be an object" },
	{ "{\"database\": 7}", "t.json:1: database: must be a string" },
	{ "{\"upstream\": {\"allow_clear\": 1}}",
	    "t.json:1: upstream.allow_clear: must be true or false" },
	{ "{\"upstream\": {\"kds\": {\"urls\": \"https://x\"}}}",
	    "t.json:1: upstream.kds.urls: must be a list" },
	{ "{\"upstream\": {\"kds\": {\"urls\": [\n7]}}}",
	    "t.json:2: upstream.kds.urls[0]: must be a string" },
	{ "{\"workers\": 1.0}", "t.json:1: workers: must be an integer" },
	{ "{\"workers\": \"1\"}", "t.json:1: workers: must be an integer" },
	{ "{\"workers\": true}", "t.json:1: workers: must be an integer" },
	/* ranges */
	{ "{\"workers\": -1}",
	    "t.json:1: workers: must be an integer from 0 to 256 threads" },
	{ "{\"workers\": 257}", "t.json:1: workers: must be an integer" },
	{ "{\"workers\": 4294967297}", "t.json:1: workers: must be an int" },
	{ "{\"upstream\": {\"parallel\": 0}}",
	    "t.json:1: upstream.parallel: must be an integer from 1" },
	{ "{\"trust\": {\"intel_root_spki_sha256\": []}}",
	    "t.json:1: trust.intel_root_spki_sha256: must have 1 to" },
	/* listeners */
	{ "{\"listen\": []}", "t.json:1: listen: must have at least one" },
	{ "{\"listen\": {}}", "t.json:1: listen: must be a list" },
	{ "{\"listen\": [\n1]}", "t.json:2: listen[0]: must be an object" },
	{ "{\"listen\": [\n{\"serve\": [\"ops\"]}]}",
	    "t.json:2: listen[0].address: is missing" },
	{ "{\"listen\": [\n{\"address\": \"127.0.0.1:1\"}]}",
	    "t.json:2: listen[0].serve: is missing" },
#define SERVE_IS(list)                                                         \
	"{\"listen\": [{\"address\": \"127.0.0.1:1\",\n\"serve\": " list "}]}"
	{ SERVE_IS("[]"), "t.json:2: listen[0].serve: must be a list of one" },
	{ SERVE_IS("\"ops\""), "t.json:2: listen[0].serve: must be a list" },
	{ SERVE_IS("[\"opps\"]"),
	    "t.json:2: listen[0].serve[0]: must be \"pccs\", \"ops\", " },
	{ SERVE_IS("[\"ops\", \"ops\"]"),
	    "t.json:2: listen[0].serve[1]: is there already" },
#define ADDRESS(a)                                                             \
	"{\"listen\": [{\"address\":\n\"" a "\", \"serve\": [\"ops\"]}]}"
	{ ADDRESS("localhost:1"), "t.json:1: listen[0].address: must be" },
	{ ADDRESS("127.0.0.1"), "t.json:1: listen[0].address: must be" },
	{ ADDRESS("127.0.0.1:"), "t.json:1: listen[0].address: must be" },
	{ ADDRESS("127.0.0.1:65536"), "t.json:1: listen[0].address: must" },
	{ ADDRESS("127.0.0.1:80 "), "t.json:1: listen[0].address: must be" },
	{ ADDRESS("127.0.0.1:+80"), "t.json:1: listen[0].address: must be" },
	{ ADDRESS("127.0.0.01:80"), "t.json:1: listen[0].address: must be" },
	{ ADDRESS("::1:80"), "t.json:1: listen[0].address: must be" },
	{ ADDRESS("[::1:80"), "t.json:1: listen[0].address: must be" },
	{ ADDRESS("[127.0.0.1]:80"), "t.json:1: listen[0].address: must be" },
	{ ADDRESS(":80"), "t.json:1: listen[0].address: must be" },
	{ ADDRESS("unix:"), "t.json:1: listen[0].address: unix: needs" },
	{ ADDRESS("unix:" H128), "t.json:1: listen[0].address: unix: needs" },
	{ ADDRESS("0.0.0.0:80"),
	    "t.json:1: listen[0].address: clear text on an address that is" },
	{ ADDRESS("128.0.0.1:80"), "t.json:1: listen[0].address: clear text" },
	{ ADDRESS("[::]:80"), "t.json:1: listen[0].address: clear text" },
	{ ADDRESS("[::2]:80"), "t.json:1: listen[0].address: clear text" },
	{ ADDRESS("[::ffff:127.0.0.1]:80"), "t.json:1: listen[0].address: cl" },
	{ "{\"listen\": [{\"address\": \"127.0.0.1:1\", \"serve\": [\"ops\"],"
	  "\n\"tls\": {\"certificate\": \"c\"}}]}",
	    "t.json:2: listen[0].tls.key: is missing" },
	{ "{\"listen\": [{\"address\": \"127.0.0.1:1\", \"serve\": [\"ops\"],"
	  "\n\"tls\": {\"key\": \"c\"}}]}",
	    "t.json:2: listen[0].tls.certificate: is missing" },
	{ "{\"listen\": [{\"address\": \"127.0.0.1:1\", \"serve\": [\"ops\"],"
	  "\n\"tls\": {\"key\": \"\"}}]}",
	    "t.json:2: listen[0].tls.key: must be a path" },
	{ "{\"listen\": [{\"address\": \"127.0.0.1:1\", \"serve\": [\"ops\"]},"
	  "\n{\"address\": \"127.0.0.1:1\", \"serve\": [\"pccs\"]}]}",
	    "t.json:2: listen[1].address: another listener has it" },
	/* database */
	{ "{\"database\": \"/x.db\"}", "t.json:1: database: must be" },
	{ "{\"database\": \"sqlite:\"}", "t.json:1: database: must be" },
	{ "{\"database\": \"SQLITE:x\"}", "t.json:1: database: must be" },
/* URLs */
#define PCS(u) "{\"upstream\": {\"pcs\": {\"urls\": [\n\"" u "\"]}}}"
#define AT     "t.json:2: upstream.pcs.urls[0]: "
	{ PCS("api.trustedservices.intel.com"), AT "must begin with https" },
	{ PCS("ftp://h"), AT "must begin with https" },
	{ PCS("HTTPS://h"), AT "must begin with https" },
	{ PCS("https://"), AT "has no valid host" },
	{ PCS("https://h/x"), AT "must be scheme, host and port" },
	{ PCS("https://h?x"), AT "has no valid path" },
	{ PCS("https://h:0"), AT "has no valid port" },
	{ PCS("https://h:"), AT "has no valid port" },
	{ PCS("https://h:65536"), AT "has no valid port" },
	{ PCS("https://h:8a"), AT "has no valid port" },
	{ PCS("https://u:p@h"), AT "must not name a user" },
	{ PCS("https://h h"), AT "has a blank" },
	{ PCS("https://h\\n"), AT "has a blank" },
	{ PCS("https://h_h"), AT "has no valid host" },
	{ PCS("https://[::1"), AT "has no valid host" },
	{ PCS("https://[h]"), AT "has no valid host" },
	{ PCS("https://[::1]x"), AT "has no valid path" },
	{ PCS("http://h.example"), AT "clear http:// to a host" },
	{ PCS("http://localhost.example"), AT "clear http:// to a host" },
	{ PCS("http://127.0.0.1.example"), AT "clear http:// to a host" },
	{ PCS("http://127.1"), AT "clear http:// to a host" },
	{ PCS("http://[::2]"), AT "clear http:// to a host" },
	{ "{\"upstream\": {\"pcs\": {\"urls\": []}}}",
	    "t.json:1: upstream.pcs.urls: needs a URL" },
	{ "{\"upstream\": {\"pcs\": {\"root_crl_urls\": []}}}",
	    "t.json:1: upstream.pcs.root_crl_urls: needs a URL" },
	{ "{\"upstream\": {\"pcs\": {\"root_crl_urls\": [\"https://h/\"]}}}",
	    "t.json:1: upstream.pcs.root_crl_urls[0]: needs a path" },
	{ "{\"upstream\": {\"pcs\": {\"root_crl_urls\": [\"https://h/a#b\"]}}}",
	    "t.json:1: upstream.pcs.root_crl_urls[0]: must not have a frag" },
	{ "{\"upstream\": {\"pcs\": {\"root_crl_urls\": [\"http://h/a\"]}}}",
	    "t.json:1: upstream.pcs.root_crl_urls[0]: clear http" },
	{ "{\"upstream\": {\"kds\": {\"urls\": [\"http://h\"]}}}",
	    "t.json:1: upstream.kds.urls[0]: clear http" },
	{ "{\"upstream\": {\"proxy\": \"http://u@h\"}}",
	    "t.json:1: upstream.proxy: must not name a user" },
	/* digests and hashes */
	{ "{\"trust\": {\"intel_root_spki_sha256\": [\n\"" H64 "0\"]}}",
	    "t.json:2: trust.intel_root_spki_sha256[0]: must be 64 hex" },
	{ "{\"trust\": {\"amd_root_spki_sha256\": {\"Milan\": [\"x\"]}}}",
	    "t.json:1: trust.amd_root_spki_sha256.Milan[0]: must be 64" },
	{ "{\"trust\": {\"amd_root_spki_sha256\": {\"Rome\": []}}}",
	    "t.json:1: trust.amd_root_spki_sha256.Rome: unknown" },
	{ "{\"tokens\": {\"admin_sha512\": [\"" H128 "\",\n\"" H64 "\"]}}",
	    "t.json:2: tokens.admin_sha512[1]: must be 128 hex digits" },
	{ "{\"tokens\": {\"user_sha512\": [\"the token itself\"]}}",
	    "t.json:1: tokens.user_sha512[0]: must be 128 hex digits" },
	{ "{\"tokens\": {\"user_sha512\": [\"file:\"]}}",
	    "t.json:1: tokens.user_sha512[0]: file: needs a path" },
	{ "{\"tokens\": {\"user_sha512\": [\"env:\"]}}",
	    "t.json:1: tokens.user_sha512[0]: env: needs a variable" },
	{ "{\"tokens\": {\"user_sha512\": [\"env:LARDER_TEST_NONE\"]}}",
	    "t.json:1: tokens.user_sha512[0]: LARDER_TEST_NONE: not in the" },
	{ "{\"tokens\": {\"user_sha512\": [\"file:/nonexistent/x\"]}}",
	    "t.json:1: tokens.user_sha512[0]: /nonexistent/x: No such" },
	{ "{\"upstream\": {\"pcs\": {\"api_key_file\": \"/nonexistent/x\"}}}",
	    "t.json:1: upstream.pcs.api_key_file: /nonexistent/x: No such" },
#define NAMED(name, role, hash)                                                \
	"{\"tokens\": {\"named\": [\n{\"name\": \"" name                       \
	"\", \"role\": \"" role "\",\n\"hash\": \"" hash "\"}]}}"
	{ NAMED("", "user", SCRYPT), "t.json:2: tokens.named[0].name: must" },
	{ NAMED("a b", "user", SCRYPT), "t.json:2: tokens.named[0].name: mu" },
	{ NAMED(H64 "x", "user", SCRYPT), "t.json:2: tokens.named[0].name:" },
	{ NAMED("a", "root", SCRYPT),
	    "t.json:2: tokens.named[0].role: must be \"admin\" or \"user\"" },
	{ NAMED("a", "user", H128), "t.json:3: tokens.named[0].hash: must b" },
	{ NAMED("a", "user", "$scrypt$ln=9,r=8,p=1$" SALT "$" KEY),
	    "t.json:3: tokens.named[0].hash: must have parameters" },
	{ NAMED("a", "user", "$scrypt$ln=17,r=8,p=1$" SALT "$" KEY),
	    "t.json:3: tokens.named[0].hash: would take more than 64 MiB" },
	{ NAMED("a", "user", "$scrypt$ln=15,r=08,p=1$" SALT "$" KEY),
	    "t.json:3: tokens.named[0].hash: must have parameters" },
	{ NAMED("a", "user", "$scrypt$r=8,ln=15,p=1$" SALT "$" KEY),
	    "t.json:3: tokens.named[0].hash: must have parameters" },
	{ NAMED("a", "user", "$scrypt$ln=15,r=8,p=1$$" KEY),
	    "t.json:3: tokens.named[0].hash: must end in" },
	{ NAMED("a", "user", "$scrypt$ln=15,r=8,p=1$" SALT "$" KEY "A"),
	    "t.json:3: tokens.named[0].hash: must end in" },
	{ NAMED("a", "user", "$scrypt$ln=15,r=8,p=1$" SALT "$" SALT),
	    "t.json:3: tokens.named[0].hash: must end in" },
	{ "{\"tokens\": {\"named\": [{\"name\": \"a\", \"role\": \"user\", "
	  "\"hash\": \"" SCRYPT "\",\n\"expires\": \"2027-02-30T00:00:00Z\"}]"
	  "}}",
	    "t.json:2: tokens.named[0].expires: must be" },
	{ "{\"tokens\": {\"named\": [{\"name\": \"a\", \"role\": \"user\", "
	  "\"hash\": \"" SCRYPT "\"},\n{\"name\": \"a\", \"role\": \"admin\","
	  "\"hash\": \"" SCRYPT "\"}]}}",
	    "t.json:2: tokens.named[1].name: another token has it" },
	{ "{\"tokens\": {\"named\": 1}}", "t.json:1: tokens.named: must be" },
	/* contradictions */
	{ "{\"upstream\": {\"timeout_ms\": 4999}}",
	    "t.json:1: upstream.connect_timeout_ms: is longer than" },
	{ "{\"limits\": {\n\"header_timeout_ms\": 15001}}",
	    "t.json:2: limits.header_timeout_ms: is longer than" },
	{ "{\"cache\": {\n\"stale_wait_ms\": 20001}}",
	    "t.json:2: cache.stale_wait_ms: is longer than" },
	{ "{\"log\": {\"level\": \"loud\"}}", "t.json:1: log.level: must be" },
	/* depth */
	{ "{\"database\": [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}",
	    "t.json:1: database[0][0]" },
};

START_TEST(test_refused_with_line_and_key)
{
	struct config *c = NULL;
	struct why why = { 0 };
	size_t n = strlen(refused[_i].want);

	ck_assert_int_eq(config_read(span_str(refused[_i].text), "t.json", &c,
			     &why),
	    ERR_CONFIG);
	ck_assert_ptr_null(c);
	ck_assert_int_eq(why.err, ERR_CONFIG);
	ck_assert_msg(strncmp(why.text, refused[_i].want, n) == 0,
	    "%s\ngave: %s\nwant: %s", refused[_i].text, why.text,
	    refused[_i].want);
	ck_assert_int_eq(config_read(span_str(refused[_i].text), "t.json", &c,
			     NULL),
	    ERR_CONFIG);
}
END_TEST

/* The twins of refusals above that must pass. */
static const char *const accepted[] = {
	ADDRESS("127.0.0.1:0"),
	ADDRESS("127.255.255.254:65535"),
	ADDRESS("[::1]:0"),
	ADDRESS("unix:x"),
	PCS("http://localhost"),
	PCS("http://127.9.9.9:1"),
	PCS("http://[::1]:1/"),
	PCS("https://[2001:db8::1]:443"),
	"{\"upstream\": {\"allow_clear\": true, \"pcs\": {\"urls\": "
	"[\"http://h.example\"]}}}",
	"{\"mode\": \"offline\", \"upstream\": {\"pcs\": {\"urls\": [], "
	"\"root_crl_urls\": []}}}",
	"{\"listen\": [{\"address\": \"127.0.0.1:0\", \"serve\": [\"ops\"]},"
	"{\"address\": \"127.0.0.1:0\", \"serve\": [\"pccs\"]}]}",
	"{\"listen\": [{\"address\": \"0.0.0.0:1\", \"serve\": [\"ops\"],"
	"\"allow_clear\": true}]}",
	"{\"workers\": 256, \"mode\": \"Req\"}",
	NAMED("a", "user", "$scrypt$ln=16,r=8,p=1$" SALT "$" KEY),
	"{\"#\": [[[[[[[[[[[[[[[[[[[[[[{\"mode\": 1, \"mode\": 2}]]]]]]]]]]]"
	"]]]]]]]]]]], \"#x\": \"}\\\"{\"}",
	" \t\r\n{ } \n",
};

START_TEST(test_accepted_and_round_trips)
{
	struct config *c = read_ok(accepted[_i]);

	check_round_trip(c);
	config_unref(c);
}
END_TEST

/* --- files and secrets ------------------------------------------------- */

/* A file with this content; its path is the caller's to unlink and free. */
static char *
file_with(const char *text)
{
	char *path = xstrdup("/tmp/larder-test-XXXXXX");
	int fd = mkstemp(path);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	return path;
}

static void
file_gone(char *path)
{
	unlink(path);
	free(path);
}

/* printf into an owned string */
static char *
text_of(const char *fmt, const char *arg)
{
	struct buf b = BUF_INIT;
	const char *at = strchr(fmt, '@');

	buf_add(&b, fmt, (size_t)(at - fmt));
	buf_str(&b, arg);
	buf_str(&b, at + 1);
	return b.p;
}

START_TEST(test_a_file_is_loaded)
{
	char *path = file_with("{\"mode\": \"req\"}");
	struct config *c = NULL;
	struct why why;

	ck_assert_int_eq(config_load(path, &c, &why), ERR_OK);
	ck_assert_str_eq(c->path, path);
	ck_assert_int_eq(c->mode, MODE_REQ);
	config_unref(c);
	file_gone(path);
}
END_TEST

START_TEST(test_a_missing_file_is_named)
{
	struct config *c = NULL;
	struct why why;

	ck_assert_int_eq(config_load("/nonexistent/l.json", &c, &why),
	    ERR_CONFIG);
	ck_assert_str_eq(why.text,
	    "/nonexistent/l.json: No such file or directory");
	ck_assert_int_eq(config_load("/", &c, &why), ERR_CONFIG);
	ck_assert_str_eq(why.text, "/: Is a directory");
	ck_assert_ptr_null(c);
}
END_TEST

START_TEST(test_a_huge_text_is_refused)
{
	struct buf b = BUF_INIT;
	struct config *c = NULL;
	struct why why;
	char *path;

	buf_str(&b, "{}");
	while (b.len <= 1 << 20)
		buf_str(&b, "                                            ");
	ck_assert_int_eq(config_read(buf_view(&b), "t.json", &c, &why),
	    ERR_CONFIG);
	ck_assert_str_eq(why.text, "t.json:1: larger than 1 MiB");
	path = file_with(b.p);
	ck_assert_int_eq(config_load(path, &c, &why), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(why.text, "larger than"));
	file_gone(path);
	buf_free(&b);
}
END_TEST

START_TEST(test_hashes_from_file_and_environment)
{
	char *path = file_with("# ours\n" H128 "\n\n  " LOWER H64 "\r\n#" H64);
	char *text =
	    text_of("{\"tokens\": {\"admin_sha512\": [\"file:@\"],"
		    "\"user_sha512\": [\"env:LARDER_TEST_HASH\", \"" H128
		    "\"]}}",
		path);
	struct config *c;
	char *out;

	setenv("LARDER_TEST_HASH", H128 " " H128, 1);
	c = read_ok(text);
	ck_assert_uint_eq(c->tokens.admin_sha512.n, 2);
	ck_assert_str_eq(c->tokens.admin_sha512.v[0], LOWER LOWER);
	ck_assert_str_eq(c->tokens.admin_sha512.v[1], LOWER LOWER);
	ck_assert_uint_eq(c->tokens.user_sha512.n, 3);
	/* printed as where they came from */
	out = dump(c);
	ck_assert_ptr_nonnull(strstr(out, path));
	ck_assert_ptr_nonnull(strstr(out, "\"env:LARDER_TEST_HASH\""));
	free(out);
	check_round_trip(c);
	config_unref(c);
	file_gone(path);
	free(text);
}
END_TEST

START_TEST(test_a_bad_hash_in_a_file_is_refused)
{
	static const struct {
		const char *content, *want;
	} rows[] = {
		{ H128 "\n" H64 "\n", "word 2 must be 128 hex digits" },
		{ "", "holds nothing" },
		{ "# only a comment", "holds nothing" },
		{ "file:/etc/passwd", "word 1 is no hash" },
	};
	char *path = file_with(rows[_i].content);
	char *text = text_of("{\"tokens\":\n{\"admin_sha512\": [\n\"file:@\""
			     "]}}",
	    path);
	struct config *c = NULL;
	struct why why;

	ck_assert_int_eq(config_read(span_str(text), "t.json", &c, &why),
	    ERR_CONFIG);
	ck_assert_int_eq(strncmp(why.text,
			     "t.json:3: tokens.admin_sha512[0]: ", 34),
	    0);
	ck_assert_ptr_nonnull(strstr(why.text, rows[_i].want));
	file_gone(path);
	free(text);
}
END_TEST

START_TEST(test_a_named_hash_from_a_file)
{
	char *path = file_with(SCRYPT "\n");
	char *two = file_with(SCRYPT "\n" SCRYPT "\n");
	const char *row = "{\"tokens\": {\"named\": [{\"name\": \"a\", "
			  "\"role\": \"user\",\n\"hash\": \"file:@\"}]}}";
	char *text = text_of(row, path), *bad = text_of(row, two);
	struct config *c = read_ok(text), *none = NULL;
	struct why why;

	ck_assert_str_eq(c->tokens.named[0].hash, SCRYPT);
	ck_assert_ptr_nonnull(strstr(c->tokens.named[0].hash_from, path));
	check_round_trip(c);
	ck_assert_int_eq(config_read(span_str(bad), "t.json", &none, &why),
	    ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(why.text, "t.json:2: tokens.named[0]."
					       "hash: "));
	ck_assert_ptr_nonnull(strstr(why.text, "more than one hash"));
	config_unref(c);
	file_gone(path);
	file_gone(two);
	free(text);
	free(bad);
}
END_TEST

static const char key_row[] =
    "{\"upstream\": {\"pcs\": {\"api_key_file\": \"@\"}}}";

START_TEST(test_the_api_key_comes_from_its_file)
{
	char *path = file_with("0123456789abcdef\r\n");
	char *text = text_of(key_row, path), *out;
	struct config *c;

	setenv("LARDER_PCS_API_KEY", "other", 1);
	c = read_ok(text);
	ck_assert_str_eq(c->upstream.pcs.api_key, "0123456789abcdef");
	out = dump(c);
	ck_assert_ptr_null(strstr(out, "0123456789abcdef"));
	ck_assert_ptr_nonnull(strstr(out, path));
	free(out);
	config_unref(c);
	file_gone(path);
	free(text);
}
END_TEST

START_TEST(test_the_api_key_comes_from_the_environment)
{
	struct config *c;
	char *out;

	setenv("LARDER_PCS_API_KEY", "s3cret-key", 1);
	c = read_ok("{}");
	ck_assert_str_eq(c->upstream.pcs.api_key, "s3cret-key");
	out = dump(c);
	ck_assert_ptr_null(strstr(out, "s3cret"));
	free(out);
	config_unref(c);
	setenv("LARDER_PCS_API_KEY", "", 1);
	c = read_ok("{}");
	ck_assert_ptr_null(c->upstream.pcs.api_key);
	config_unref(c);
}
END_TEST

/* It becomes a header: nothing that ends one may be in it. */
static const char *const bad_keys[] = { "a\nb: c", "two words", "\n", " a",
	"a\t", "a\r\n\r\nb", "caf\xc3\xa9" };

START_TEST(test_a_bad_api_key_is_refused_and_not_shown)
{
	char *path = file_with(bad_keys[_i]), *text = text_of(key_row, path);
	struct config *c = NULL;
	struct why why;

	ck_assert_int_eq(config_read(span_str(text), "t.json", &c, &why),
	    ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(why.text, "not one word"));
	setenv("LARDER_PCS_API_KEY", bad_keys[_i], 1);
	ck_assert_int_eq(config_read(span_str("{}"), "t.json", &c, &why),
	    ERR_CONFIG);
	ck_assert_str_eq(why.text, "t.json:1: upstream.pcs.api_key_file: "
				   "LARDER_PCS_API_KEY: not one word of at "
				   "most 1024 characters");
	file_gone(path);
	free(text);
}
END_TEST

/* --- the manual -------------------------------------------------------- */

START_TEST(test_the_manual_has_every_setting)
{
	char *text = NULL, *p, *end;
	size_t len, n = 0;
	FILE *f = open_memstream(&text, &len);

	config_manual(f);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(strncmp(text, ".Bl ", 4), 0);
	ck_assert_ptr_nonnull(strstr(text, "\n.It Cm mode\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n.It Cm listen[].tls.key\n"));
	ck_assert_ptr_nonnull(
	    strstr(text, "integer from 1 to 64 requests; default 4\n"));
	for (p = text; (p = strstr(p, "\n.It Cm ")) != NULL; p++)
		n++;
	ck_assert_uint_ge(n, 45);
	/* no text line begins like a request by accident */
	for (p = text; (end = strchr(p, '\n')) != NULL; p = end + 1) {
		if (p[0] == '.')
			ck_assert_ptr_nonnull(
			    strchr("BEIPb", p[1])); /* Bl El It Pq br */
		ck_assert_int_ne(p[0], '\'');
	}
	free(text);
}
END_TEST

static void
setup(void)
{
	unsetenv("LARDER_PCS_API_KEY");
	unsetenv("LARDER_TEST_NONE");
}

int
main(void)
{
	Suite *s = suite_create("config");
	TCase *tc = tcase_create("config");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_defaults);
	tcase_add_test(tc, test_null_means_default);
	tcase_add_test(tc, test_a_whole_file);
	tcase_add_test(tc, test_references_are_counted);
	tcase_add_loop_test(tc, test_refused_with_line_and_key, 0, N(refused));
	tcase_add_loop_test(tc, test_accepted_and_round_trips, 0, N(accepted));
	tcase_add_test(tc, test_a_file_is_loaded);
	tcase_add_test(tc, test_a_missing_file_is_named);
	tcase_add_test(tc, test_a_huge_text_is_refused);
	tcase_add_test(tc, test_hashes_from_file_and_environment);
	tcase_add_loop_test(tc, test_a_bad_hash_in_a_file_is_refused, 0, 4);
	tcase_add_test(tc, test_a_named_hash_from_a_file);
	tcase_add_test(tc, test_the_api_key_comes_from_its_file);
	tcase_add_test(tc, test_the_api_key_comes_from_the_environment);
	tcase_add_loop_test(tc, test_a_bad_api_key_is_refused_and_not_shown, 0,
	    N(bad_keys));
	tcase_add_test(tc, test_the_manual_has_every_setting);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
