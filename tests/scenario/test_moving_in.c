/*
 * From an Intel PCCS to larder: its settings, and its database laid out as
 * caching-and-selection 7 has it, filled from the simulated PCS.
 */
#include "config/base/blob.h"
#include "config/base/enc.h"
#include "config/base/log.h"
#include "tests/kit/house.h"
#include "tests/kit/keep.h"

#include <check.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define S4 "/sgx/certification/v4/"
#define T4 "/tdx/certification/v4/"
#define LAYOUT                                                                 \
	"CREATE TABLE platforms(qe_id, pce_id, platform_manifest BLOB,"        \
	" enc_ppid BLOB, fmspc, ca);"                                          \
	"CREATE TABLE platform_tcbs(qe_id, pce_id, cpu_svn, pce_svn, tcbm);"   \
	"CREATE TABLE pck_cert(qe_id, pce_id, tcbm, pck_cert BLOB);"           \
	"CREATE TABLE pcs_certificates(id INTEGER, cert, crl BLOB);"           \
	"CREATE TABLE pck_crl(ca, pck_crl BLOB);"                              \
	"CREATE TABLE fmspc_tcbs(fmspc, type INTEGER, version INTEGER, "       \
	"update_type,"                                                         \
	" tcbinfo BLOB);"                                                      \
	"CREATE TABLE enclave_identities(id INTEGER, version INTEGER, "        \
	"update_type,"                                                         \
	" identity BLOB);"

static struct house h;
static sqlite3 *db;
static char db_path[256];

/* --- the PCCS's database ---------------------------------------------- */

static void
sql(const char *text)
{
	char *error = NULL;

	sqlite3_exec(db, text, NULL, NULL, &error);
	ck_assert_msg(error == NULL, "%s: %s", text, error);
}

/* A row: texts, but the last is bytes. */
static void
row(const char *insert, int n, const char *const *text, struct span bytes)
{
	sqlite3_stmt *s;
	int i;

	ck_assert_int_eq(sqlite3_prepare_v2(db, insert, -1, &s, NULL),
	    SQLITE_OK);
	for (i = 0; i < n; i++)
		sqlite3_bind_text(s, i + 1, text[i], -1, SQLITE_TRANSIENT);
	sqlite3_bind_blob(s, n + 1, bytes.p, (int)bytes.len, SQLITE_TRANSIENT);
	ck_assert_int_eq(sqlite3_step(s), SQLITE_DONE);
	sqlite3_finalize(s);
}

/* What larder itself serves is what the PCCS would have held. */
static struct edge_reply
held(const char *target)
{
	struct edge_reply r = keep(house_get(&h, target));

	ck_assert_msg(r.status == 200, "%s: %d", target, r.status);
	return r;
}

/* Certificates of a chain header, by their ids: signer and root. */
static void
put_chain(const struct edge_reply *r, const char *header, const char *signer)
{
	const char *value = edge_header(r, header);
	struct buf pem = BUF_INIT, one = BUF_INIT;
	const char *root = "1", *const * id[2] = { &signer, &root };
	char *at, *end;
	int i;

	ck_assert_ptr_nonnull(value);
	ck_assert_int_eq(pct_read(span_str(value), &pem), ERR_OK);
	buf_add(&pem, "", 1);
	at = pem.p;
	for (i = 0; i < 2; i++) {
		end = strstr(at, "-----END CERTIFICATE-----");
		ck_assert_ptr_nonnull(end);
		end += strlen("-----END CERTIFICATE-----\n");
		one.len = 0;
		buf_pct(&one, span_of(at, (size_t)(end - at)));
		row("INSERT INTO pcs_certificates(id, cert) SELECT ?1, "
		    "?2"
		    " WHERE NOT EXISTS (SELECT 1 FROM pcs_certificates"
		    " WHERE id = ?1)",
		    1, id[i], buf_view(&one));
		at = end;
	}
	buf_free(&pem);
	buf_free(&one);
}

static void
put_collateral(const char *fmspc)
{
	static const char *const enclave[][2] = {
		{ "1", S4 "qe/identity" },
		{ "2", S4 "qve/identity" },
		{ "3", T4 "qe/identity" },
	};
	char target[128];
	const char *tcb[] = { fmspc, "0", "4", "STANDARD" };
	const char *identity[] = { NULL, "4", "STANDARD" };
	const char *crl[] = { "PROCESSOR" };
	struct edge_reply r;
	size_t i;

	snprintf(target, sizeof(target), S4 "tcb?fmspc=%s", fmspc);
	r = held(target);
	put_chain(&r, "TCB-Info-Issuer-Chain", "3");
	row("INSERT INTO fmspc_tcbs VALUES(?,?,?,?,?)", 4, tcb,
	    span_of(r.body, r.len));
	for (i = 0; i < 3; i++) {
		identity[0] = enclave[i][0];
		r = held(enclave[i][1]);
		row("INSERT INTO enclave_identities VALUES(?,?,?,?)", 3,
		    identity, span_of(r.body, r.len));
	}
	r = held(S4 "pckcrl?ca=processor&encoding=der");
	put_chain(&r, "SGX-PCK-CRL-Issuer-Chain", "2");
	row("INSERT INTO pck_crl VALUES(?,?)", 1, crl, span_of(r.body, r.len));
	r = held(S4 "rootcacrl?encoding=der");
	row("UPDATE pcs_certificates SET crl = ?1 WHERE id = 1", 0, NULL,
	    span_of(r.body, r.len));
}

static void
put_platform(const struct sim_platform *p)
{
	const char *keys[] = { p->qe_id, p->pce_id, p->cpu_svn, p->pce_svn };
	const char *cert[] = { p->qe_id, p->pce_id, NULL };
	struct buf pem = BUF_INIT;
	struct edge_reply r;
	char target[1024], ppid[769];
	json_t *list, *one;
	size_t i;

	sim_enc_ppid(p, 1, ppid);
	snprintf(target, sizeof(target),
	    S4 "pckcerts?encrypted_ppid=%s&pceid=%s", ppid, p->pce_id);
	r = keep(house_upstream(&h, "GET", target, NULL));
	ck_assert_int_eq(r.status, 200);
	row("INSERT INTO platforms(qe_id, pce_id, enc_ppid) VALUES(?,?,?)", 2,
	    keys, span_of(ppid, 768));
	row("INSERT INTO platform_tcbs(qe_id, pce_id, cpu_svn, pce_svn, tcbm)"
	    " VALUES(?,?,?,?,?)",
	    4, keys, SPAN_NONE);
	list = json_loadb(r.body, r.len, 0, NULL);
	ck_assert(json_is_array(list));
	json_array_foreach(list, i, one)
	{
		cert[2] = json_string_value(json_object_get(one, "tcbm"));
		pem.len = 0;
		ck_assert_int_eq(pct_read(span_str(json_string_value(
					      json_object_get(one, "cert"))),
				     &pem),
		    ERR_OK);
		row("INSERT INTO pck_cert VALUES(?,?,?,?)", 3, cert,
		    buf_view(&pem));
	}
	json_decref(list);
	buf_free(&pem);
}

static struct run
import(void)
{
	char url[64], line[512];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d", h.port);
	setenv("LARDER_SERVER", url, 1);
	setenv("LARDER_ADMIN_TOKEN", HOUSE_ADMIN, 1);
	snprintf(line, sizeof(line), "larder import pccs-db %s", db_path);
	return run_line("", line);
}

static void
expect_run(struct run r, int status, const char *text)
{
	ck_assert_msg(r.status == status, "%d\n%s%s", r.status, r.out.p,
	    r.err.p);
	ck_assert_msg(strstr(r.out.p, text) != NULL ||
			  strstr(r.err.p, text) != NULL,
	    "%s%s", r.out.p, r.err.p);
	run_free(&r);
}

static void
setup(void)
{
	snprintf(db_path, sizeof(db_path), "%s", run_path("pckcache.db"));
	remove(db_path);
	ck_assert_int_eq(sqlite3_open(db_path, &db), SQLITE_OK);
	sql(LAYOUT);
	house_start(&h, NULL);
}

static void
teardown(void)
{
	house_stop(&h);
	sqlite3_close(db);
}

/* --- tests ------------------------------------------------------------ */

/* Client machines: one CA signs for them. */
static const unsigned long platforms[] = { SIM_NUMBER(SIM_CLIENT, 0),
	SIM_NUMBER(SIM_CLIENT, 1) };

static void
fill(void)
{
	struct sim_platform p;
	size_t i;

	for (i = 0; i < 2; i++) {
		p = sim_platform(platforms[i]);
		ck_assert_int_eq(p.ca, PCK_CA_PROCESSOR);
		if (i == 0)
			put_collateral(p.fmspc);
		put_platform(&p);
	}
}

/* After the move nothing that was there is asked for. */
START_TEST(test_a_database_moves_in)
{
	struct sim_platform p = sim_platform(platforms[1]);
	struct edge_reply before, after;
	char *target = keep_text(house_pckcert(&p, 1));

	fill();
	before = held(target);
	house_fresh(&h, NULL);
	expect_run(import(), 0, "2 platforms, 6 objects and 0 appraisal");
	sim_down(h.sim);
	after = held(target);
	ck_assert(house_same_body(&before, &after));
	expect_header(&after, "SGX-TCBm", edge_header(&before, "SGX-TCBm"));
	(void)held(S4 "qe/identity");
	(void)held(T4 "qe/identity");
	(void)held(S4 "rootcacrl");
	(void)held(S4 "pckcrl?ca=processor");
	/* Once more does no harm. */
	expect_run(import(), 0, "2 platforms, 6 objects");
	sim_up(h.sim);
}
END_TEST

/* What does not verify is named and left out; the rest comes in. */
START_TEST(test_what_was_altered_stays_outside)
{
	struct sim_platform p = sim_platform(platforms[0]);

	fill();
	sql("UPDATE enclave_identities SET identity = CAST(replace("
	    "CAST(identity AS TEXT), '\"isvprodid\":', '\"isvprodid\":1')"
	    " AS BLOB) WHERE id = 1");
	sql("UPDATE pck_cert SET pck_cert = CAST(replace(CAST(pck_cert AS TEXT)"
	    ", 'A', 'B') AS BLOB) WHERE qe_id IN"
	    " (SELECT qe_id FROM platforms ORDER BY rowid DESC LIMIT 1)");
	house_fresh(&h, NULL);
	expect_run(import(), 1, "identity/qe/4/standard: left out");
	expect_run(import(), 1, "1 platforms, 5 objects");
	sim_down(h.sim);
	(void)held(keep_text(house_pckcert(&p, 1)));
	ck_assert_int_ne(house_status(&h, S4 "qe/identity"), 200);
	p = sim_platform(platforms[1]);
	ck_assert_int_ne(house_status(&h, keep_text(house_pckcert(&p, 1))),
	    200);
	sim_up(h.sim);
}
END_TEST

/* The name of who stays outside is the one that the server's log has. */
START_TEST(test_no_identifier_is_told)
{
	struct sim_platform p = sim_platform(platforms[1]);
	struct run r;

	fill();
	sql("UPDATE pck_cert SET pck_cert = CAST(replace(CAST(pck_cert AS TEXT)"
	    ", 'A', 'B') AS BLOB) WHERE qe_id IN"
	    " (SELECT qe_id FROM platforms ORDER BY rowid DESC LIMIT 1)");
	house_fresh(&h, NULL);
	r = import();
	ck_assert_int_eq(r.status, 1);
	ck_assert_ptr_null(strcasestr(r.err.p, keep_printf("%.8s", p.qe_id)));
	ck_assert_ptr_nonnull(strstr(r.err.p,
	    keep_printf("%s: left out", log_id(span_str(p.qe_id)).s)));
	run_free(&r);
}
END_TEST

/* What clients asked for by the address in a certificate. */
#define CRL_CACHE                                                              \
	"CREATE TABLE crl_cache(cdp_url, crl BLOB);"                           \
	"INSERT INTO crl_cache SELECT"                                         \
	" 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der'" \
	", crl FROM pcs_certificates WHERE id = 1;"                            \
	"UPDATE pcs_certificates SET crl = NULL;"                              \
	"INSERT INTO crl_cache SELECT 'https://api.trustedservices.intel.com"  \
	"/sgx/certification/v4/pckcrl?ca=processor&encoding=der'"              \
	", pck_crl FROM pck_crl;"                                              \
	"DELETE FROM pck_crl"

START_TEST(test_lists_by_their_address_move_in)
{
	fill();
	sql(CRL_CACHE);
	house_fresh(&h, NULL);
	expect_run(import(), 0, "2 platforms, 6 objects");
	sim_down(h.sim);
	(void)held(S4 "rootcacrl");
	(void)held(S4 "pckcrl?ca=processor");
	sim_up(h.sim);
}
END_TEST

START_TEST(test_lists_by_their_address_pass_the_gate)
{
	fill();
	sql(CRL_CACHE);
	sql("UPDATE crl_cache SET crl = substr(hex(crl), 1,"
	    " length(hex(crl)) - 1) ||"
	    " CASE substr(hex(crl), -1) WHEN '0' THEN '1' ELSE '0' END"
	    " WHERE cdp_url LIKE '%RootCA%'");
	sql("INSERT INTO crl_cache VALUES('https://example.com/pckcrl', x'30'),"
	    " (NULL, NULL), (x'ff', 'x')");
	house_fresh(&h, NULL);
	expect_run(import(), 1, "rootcrl: left out");
	expect_run(import(), 1, "crl_cache: left out: ");
	expect_run(import(), 1, "2 platforms, 5 objects");
	sim_down(h.sim);
	(void)held(S4 "pckcrl?ca=processor");
	ck_assert_int_ne(house_status(&h, S4 "rootcacrl"), 200);
	sim_up(h.sim);
}
END_TEST

/* Rows that no PCCS wrote; what is around them comes in. */
START_TEST(test_odd_rows_stay_outside)
{
	static const char *const odd[] = {
		"INSERT INTO platforms(qe_id, pce_id, enc_ppid)"
		" VALUES(CAST(x'ff00fe' AS TEXT), '0000', '')",
		"INSERT INTO platforms(qe_id, pce_id, enc_ppid)"
		" VALUES(x'41004200000000000000000000000000', '0000', NULL)",
		"INSERT INTO platforms(qe_id, pce_id) VALUES(NULL, NULL)",
		"INSERT INTO platform_tcbs(qe_id, pce_id, cpu_svn, pce_svn)"
		" SELECT qe_id, pce_id, CAST(x'ff' AS TEXT), 7.5"
		" FROM platforms WHERE qe_id = CAST(x'ff00fe' AS TEXT)",
		"INSERT INTO fmspc_tcbs SELECT CAST(x'fffefd' AS TEXT), type,"
		" version, update_type, tcbinfo FROM fmspc_tcbs",
		"INSERT INTO fmspc_tcbs SELECT '00606A000000', 1, 4, 'EARLY',"
		" zeroblob(5000000)",
		"INSERT INTO enclave_identities VALUES(3, -1, 'x', x'fffe')",
		"INSERT INTO pck_crl VALUES('PLATFORM', zeroblob(70000))",
		"INSERT INTO pcs_certificates(id, cert) VALUES(4, x'ff25')",
		"CREATE TABLE appraisal_policies(id, type, fmspc, is_default,"
		" policy)",
		"INSERT INTO appraisal_policies VALUES('', 0,"
		" CAST(x'ff' AS TEXT), 'x', x'ffff')",
	};
	struct sim_platform p = sim_platform(platforms[1]);
	size_t i;

	fill();
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		sql(odd[i]);
	house_fresh(&h, NULL);
	expect_run(import(), 1,
	    "2 platforms, 6 objects and 0 appraisal policies taken, 8 left");
	sim_down(h.sim);
	(void)held(keep_text(house_pckcert(&p, 1)));
	sim_up(h.sim);
}
END_TEST

/* Another process has it open, in the midst of writing. */
START_TEST(test_a_database_in_use)
{
	fill();
	house_fresh(&h, NULL);
	sql("PRAGMA journal_mode=WAL; BEGIN IMMEDIATE;"
	    " DELETE FROM platforms; DELETE FROM enclave_identities");
	expect_run(import(), 0, "2 platforms, 6 objects");
	sql("COMMIT");
	expect_run(import(), 0, "0 platforms, 3 objects");
}
END_TEST

/* Who registered and could not be served yet goes on waiting. */
START_TEST(test_the_queue_moves_in)
{
	struct house_opts offline = { .mode = "offline" };
	struct sim_platform p = sim_platform(platforms[0]);
	struct edge_reply r;
	char ppid[769];

	sim_enc_ppid(&p, 1, ppid);
	sql("CREATE TABLE platforms_registered(qe_id, pce_id, cpu_svn, pce_svn,"
	    " enc_ppid, platform_manifest, state INTEGER)");
	/* 0 NEW, 9 DELETED (caching-and-selection 5) */
	sql(keep_printf("INSERT INTO platforms_registered VALUES"
			"('%s','%s','%s','%s','%s','',0),"
			"('%032d','0000','%s','%s','%s','',9),"
			"('%032d','0000','short','%s','%s','',0)",
	    p.qe_id, p.pce_id, p.cpu_svn, p.pce_svn, ppid, 1, p.cpu_svn,
	    p.pce_svn, ppid, 2, p.pce_svn, ppid));
	house_fresh(&h, &offline);
	expect_run(import(), 1, "1 registrations wait");
	r = keep(house_admin(&h, "GET", S4 "platforms?peek=1", NULL));
	ck_assert_ptr_nonnull(strstr(r.body, p.qe_id));
	ck_assert_ptr_nonnull(strstr(r.body, p.cpu_svn));
	ck_assert_ptr_null(strstr(r.body, keep_printf("%032d", 1)));
	ck_assert_ptr_null(strstr(r.body, keep_printf("%032d", 2)));
}
END_TEST

START_TEST(test_no_such_database)
{
	sql("DROP TABLE platforms");
	expect_run(import(), 1, "no such table: platforms");
	snprintf(db_path, sizeof(db_path), "/nonexistent.db");
	expect_run(import(), 1, "/nonexistent.db");
	run_spill("text", "this is no database, whatever it is called. ");
	snprintf(db_path, sizeof(db_path), "%s", run_path("text"));
	expect_run(import(), 1, "not a database");
}
END_TEST

/* --- settings --------------------------------------------------------- */

#define HASH                                                                   \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"     \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct run
translate(const char *text)
{
	char line[256];

	run_spill("default.json", text);
	snprintf(line, sizeof(line), "larder import pccs-config %s",
	    run_path("default.json"));
	return run_line("", line);
}

START_TEST(test_settings_are_translated)
{
	struct run r = translate(
	    "{\n"
	    "  // where to listen\n"
	    "  \"HTTPS_PORT\" : 8443, \"hosts\" : \"0.0.0.0\",\n"
	    "  \"uri\": \"https://pcs.example/sgx/certification/v4/\",\n"
	    "  \"ApiKey\": \"abc\", /* two\n lines */ \"proxy\" : \"\",\n"
	    "  \"RefreshSchedule\": \"0 0 1 * * *\",\n"
	    "  \"AdminTokenHash\" : \"" HASH "\", \"UserTokenHash\" : \"\",\n"
	    "  \"CachingFillMode\" : \"OFFLINE\", \"LogLevel\" : \"silly\",\n"
	    "  \"OPENSSL_FIPS_MODE\" : false, \"Odd\" : \"// no comment\",\n"
	    "  \"DB_CONFIG\" : \"sqlite\", \"sqlite\" : { \"options\" : {\n"
	    "    \"storage\": \"pckcache.db\", }, },\n"
	    "}\n");
	const char *mode, *database, *level, *url, *admin, *address, *key;
	json_t *o;

	ck_assert_msg(r.status == 0, "%s", r.err.p);
	ck_assert_ptr_nonnull(o = json_loads(r.out.p, 0, NULL));
	ck_assert_int_eq(json_unpack(o,
			     "{s:s, s:s, s:{s:s}, s:{s:{s:[s]}}, s:{s:[s]},"
			     " s:[{s:s, s:{s:s}}]}",
			     "mode", &mode, "database", &database, "log",
			     "level", &level, "upstream", "pcs", "urls", &url,
			     "tokens", "admin_sha512", &admin, "listen",
			     "address", &address, "tls", "key", &key),
	    0);
	ck_assert_str_eq(mode, "offline");
	ck_assert_str_eq(database, "sqlite:/var/lib/larder/larder.db");
	ck_assert_str_eq(level, "debug");
	ck_assert_str_eq(url, "https://pcs.example");
	ck_assert_str_eq(admin, HASH);
	ck_assert_str_eq(address, "0.0.0.0:8443");
	ck_assert_ptr_nonnull(strstr(key, "/ssl_key/private.pem"));
	ck_assert_ptr_nonnull(strstr(r.err.p, "note: ApiKey"));
	ck_assert_ptr_null(strstr(r.err.p, "abc"));
	ck_assert_ptr_nonnull(strstr(r.err.p, "note: UserTokenHash"));
	ck_assert_ptr_nonnull(strstr(r.err.p, "note: Odd"));
	ck_assert_ptr_nonnull(strstr(r.err.p, "pccs-db pckcache.db"));
	json_decref(o);
	run_free(&r);
}
END_TEST

START_TEST(test_settings_that_cannot_be_taken)
{
	expect_run(translate("{\n\n \"a\": }"), 1, "default.json:3:");
	expect_run(translate("[]"), 1, "no object");
	expect_run(translate("{\"a\": \"/* open"), 1, "default.json:1:");
	expect_run(translate("{\"hosts\": \"pccs.example\"}"), 1,
	    "cannot be taken over");
	expect_run(translate("{\"AdminTokenHash\": \"12\"}"), 1,
	    "cannot be taken over");
	/* What the file holds is no order to the terminal. */
	{
		struct run r = translate("{\"a\\u001b[2J\": 1}");

		ck_assert_int_eq(r.status, 0);
		ck_assert_ptr_nonnull(strstr(r.err.p, "no such setting"));
		ck_assert_ptr_null(strchr(r.err.p, 0x1b));
		run_free(&r);
	}
	/* By the name it has there, and with what to do. */
	expect_run(translate("{\"hosts\": \"pccs.example\"}"), 1,
	    "made of hosts and HTTPS_PORT: put an IP address");
	expect_run(translate("{\"HTTPS_PORT\": 70000}"), 1,
	    "made of hosts and HTTPS_PORT");
	expect_run(translate("{\"proxy\": \"http://me:word@proxy:3128\"}"), 1,
	    "made of proxy: leave the user out");
	expect_run(translate("{\"uri\": \"ftp://pcs.example\"}"), 1,
	    "made of uri");
	expect_run(translate("{\"AdminTokenHash\": \"12\"}"), 1,
	    "made of AdminTokenHash");
	expect_run(translate("{\"UserTokenHash\": \"12\"}"), 1,
	    "made of UserTokenHash");
	expect_run(translate("{\"CachingFillMode\": \"EAGER\"}"), 1,
	    "made of CachingFillMode");
	expect_run(translate("{\"HTTPS_PORT\": 70000}"), 1, "address");
	expect_run(translate("{\"HTTPS_PORT\": \"https\"}"), 1, "address");
	expect_run(translate("{\"HTTPS_PORT\": null}"), 1, "address");
	expect_run(translate("{\"HTTPS_PORT\": \"8443\"}"), 0,
	    "127.0.0.1:8443");
}
END_TEST

/* As Intel ships it: the comments hold a whole section for MySQL. */
START_TEST(test_settings_as_shipped)
{
	static const char shipped[] =
	    "{\n"
	    "    \"HTTPS_PORT\" : 8081,\n"
	    "    \"hosts\" : \"127.0.0.1\",\n"
	    "    \"uri\": \"https://api.trustedservices.intel.com/sgx/"
	    "certification/v4/\",\n"
	    "    \"ApiKey\": \"\",\n"
	    "    \"proxy\" : \"\",\n"
	    "    \"RefreshSchedule\": \"0 0 1 * * *\",\n"
	    "    \"UserTokenHash\" : \"\",\n"
	    "    \"AdminTokenHash\" : \"\",\n"
	    "    \"CachingFillMode\" : \"LAZY\",\n"
	    "    \"OPENSSL_FIPS_MODE\" : false,\n"
	    "    \"LogLevel\" : \"info\",\n"
	    "    \"DB_CONFIG\" : \"sqlite\",\n"
	    "    \"sqlite\" : {\n"
	    "        \"options\" : {\n"
	    "            \"define\": { \"freezeTableName\": true },\n"
	    "            \"logging\" : false, \n"
	    "            \"storage\": \"pckcache.db\"\n"
	    "        }\n"
	    "    }, \n"
	    "    //\"mysql\" : {   // only if DB_CONFIG == \"mysql\".\n"
	    "    //    \"username\" : \"<Your MySQL username>\",\n"
	    "    //}\n"
	    "}\n";
	static const char up[] = "../../../../../../../../../../../../../../..";
	struct run r;
	char *key;

	run_spill("default.json", shipped);
	r = run_line("", keep_printf("larder import pccs-config %s%s", up,
			     run_path("default.json")));
	ck_assert_msg(r.status == 0, "%s", r.err.p);
	ck_assert_ptr_nonnull(strstr(r.out.p, "\"127.0.0.1:8081\""));
	ck_assert_ptr_nonnull(strstr(r.out.p, "\"lazy\""));
	/* Whatever the folder larderd starts in. */
	key = strstr(r.out.p, "\"key\": \"");
	ck_assert_ptr_nonnull(key);
	ck_assert_int_eq(key[strlen("\"key\": \"")], '/');
	run_free(&r);
}
END_TEST

static void
fill_suite(Suite *s)
{
	TCase *moved = tcase_create("database"),
	      *set = tcase_create("settings");

	tcase_add_checked_fixture(moved, setup, teardown);
	tcase_set_timeout(moved, 60);
	tcase_add_test(moved, test_a_database_moves_in);
	tcase_add_test(moved, test_what_was_altered_stays_outside);
	tcase_add_test(moved, test_no_identifier_is_told);
	tcase_add_test(moved, test_lists_by_their_address_move_in);
	tcase_add_test(moved, test_lists_by_their_address_pass_the_gate);
	tcase_add_test(moved, test_odd_rows_stay_outside);
	tcase_add_test(moved, test_a_database_in_use);
	tcase_add_test(moved, test_the_queue_moves_in);
	tcase_add_test(moved, test_no_such_database);
	suite_add_tcase(s, moved);
	tcase_add_test(set, test_settings_are_translated);
	tcase_add_test(set, test_settings_as_shipped);
	tcase_add_test(set, test_settings_that_cannot_be_taken);
	suite_add_tcase(s, set);
}

int
main(void)
{
	Suite *s = suite_create("moving_in");
	SRunner *r = srunner_create(s);
	int failed;

	(void)run_dir();
	fill_suite(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
