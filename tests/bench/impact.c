/*
 * The impact preview over a large fleet: 100,000 platforms of 500 FMSPCs, each
 * FMSPC with a standard and an early TCB info and two numbers that were
 * replaced, every fourth with TDX as well.  Wall and CPU time of storage's
 * answer: the first after a start, those after it, and of one number.
 * usage: impact [FILE]; a line each: name, wall ms, CPU ms.  FILE
 * gets the document of all numbers.
 */
#include "config/base/must.h"
#include "tests/kit/storekit.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FMSPCS    500
#define PLATFORMS 100000
#define LEVELS    18
#define KINDS     12 /* of platforms, in each FMSPC */

static struct kit kit;

/* --- the fleet -------------------------------------------------------- */

static struct pki_level levels[LEVELS];

/* As Intel's are: what is newest first, and what is wrong with the rest. */
static void
levels_of(unsigned number)
{
	static const char *const advisories =
	    "INTEL-SA-00837 INTEL-SA-00960 INTEL-SA-00657 INTEL-SA-00767"
	    " INTEL-SA-00828 INTEL-SA-00615";
	int i, j, svn;

	for (i = 0; i < LEVELS; i++) {
		svn = (int)number - i / 2;
		levels[i] = (struct pki_level){
			.pcesvn = i % 2 == 0 ? 13 : 5,
			.date = "2024-03-13T00:00:00Z",
			.status = i == 0   ? "UpToDate"
				  : i == 1 ? "SWHardeningNeeded"
					   : "OutOfDate",
			.advisories = i == 0 ? NULL : advisories,
		};
		for (j = 0; j < 16; j++) {
			levels[i].comp[j] = j < 8 ? svn : 0;
			levels[i].tdx[j] = j < 3 ? 1 : 0;
		}
	}
}

static void
fmspc_of(int i, char out[13])
{
	snprintf(out, 13, "%04X6ED50000", i + 1);
}

/* issue_at has to rise for one to replace another. */
static void
info(int i, enum tee tee, enum update update, unsigned number)
{
	char fmspc[13];
	struct pki_tcbinfo t = { .tee = tee,
		.fmspc = fmspc,
		.eval_num = number,
		.issue_at = pki_now(kit.pki) - 86400 + (time_t)number,
		.n_levels = LEVELS,
		.levels = levels };
	struct coll_key key;

	fmspc_of(i, fmspc);
	key = key_tcbinfo(tee, 4, fmspc, update, 0);
	levels_of(number);
	must(kit_admit_doc(&kit, &key, pki_tcbinfo(kit.pki, &t)) == ERR_OK);
}

static void
identity(enum enclave enclave, enum update update, unsigned number)
{
	struct pki_identity t = { .enclave = enclave,
		.eval_num = number,
		.issue_at = pki_now(kit.pki) - 86400 + (time_t)number };
	struct coll_key key = key_identity(enclave, 4, update, 0);

	must(kit_admit_doc(&kit, &key, pki_identity(kit.pki, &t)) == ERR_OK);
}

static void
collateral(void)
{
	enum update update;
	unsigned number;
	int i;

	for (number = 17; number <= 20; number++) {
		update = number == 20 ? UPDATE_EARLY : UPDATE_STANDARD;
		identity(ENCLAVE_QE, update, number);
		identity(ENCLAVE_TDQE, update, number);
		for (i = 0; i < FMSPCS; i++) {
			info(i, TEE_SGX, update, number);
			if (i % 4 == 0)
				info(i, TEE_TDX, update, number);
		}
	}
}

/* --- the platforms ---------------------------------------------------- */

/* Rows: what came through the gate is not looked at again. */
static sqlite3_stmt *
prepared(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s;

	must(sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK);
	return s;
}

static void
step(sqlite3_stmt *s)
{
	must(sqlite3_step(s) == SQLITE_DONE && sqlite3_reset(s) == SQLITE_OK);
}

static void
text(sqlite3_stmt *s, int at, const char *value)
{
	must(
	    sqlite3_bind_text(s, at, value, -1, SQLITE_TRANSIENT) == SQLITE_OK);
}

/* TCBm (comp: the components), as the table has it. */
static void
tcbm_of(int comp, int pcesvn, char out[37])
{
	int i;

	for (i = 0; i < 16; i++)
		snprintf(out + 2 * (size_t)i, 3, "%02X", i < 8 ? comp : 0);
	snprintf(out + 32, 5, "%02X00", pcesvn);
}

struct rows {
	sqlite3_stmt *platform, *tcb, *seen;
};

static void
platform(const struct rows *r, int n)
{
	int kind = n / FMSPCS % KINDS;
	char fmspc[13], tcbm[37], name[33];
	unsigned char ppid[32] = { 0 }, tee_svn[16] = { 3, 0, 3 };

	fmspc_of(n % FMSPCS, fmspc);
	tcbm_of(20 - kind / 2, kind % 2 == 0 ? 13 : 5, tcbm);
	snprintf(name, sizeof(name), "%032X", (unsigned)n);
	memcpy(ppid, &n, sizeof(n));
	must(sqlite3_bind_int(r->platform, 1, n + 1) == SQLITE_OK);
	text(r->platform, 2, name);
	text(r->platform, 3, fmspc);
	must(sqlite3_bind_blob(r->platform, 4, ppid, 32, SQLITE_TRANSIENT) ==
	     SQLITE_OK);
	text(r->platform, 5, tcbm);
	step(r->platform);
	must(sqlite3_bind_int(r->tcb, 1, n + 1) == SQLITE_OK);
	text(r->tcb, 3, tcbm);
	tcbm[32] = '\0';
	text(r->tcb, 2, tcbm);
	step(r->tcb);
	if (n % 3 != 0)
		return;
	must(sqlite3_bind_blob(r->seen, 1, ppid, 32, SQLITE_TRANSIENT) ==
	     SQLITE_OK);
	text(r->seen, 2, fmspc);
	tcbm_of(20 - kind / 2, kind % 2 == 0 ? 13 : 5, tcbm);
	text(r->seen, 3, tcbm);
	must(sqlite3_bind_blob(r->seen, 4, tee_svn, 16, SQLITE_TRANSIENT) ==
	     SQLITE_OK);
	step(r->seen);
}

static void
platforms(const char *path)
{
	struct rows r;
	sqlite3 *db;
	int n;

	must(sqlite3_open(path, &db) == SQLITE_OK);
	must(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK);
	r.platform = prepared(db,
	    "INSERT INTO platform (id, qe_id, pce_id, fmspc, ca, ppid, tcbm,"
	    " on_demand, fetched_at, na_count, na_wait_s, na_recheck_at,"
	    " last_seen)"
	    " VALUES (?1, ?2, '0000', ?3, 'platform', ?4, ?5, 1, 1, 0, 0, 0,"
	    " 1)");
	r.tcb = prepared(db,
	    "INSERT INTO platform_tcb (platform, cpu_svn, pce_svn, tcbm,"
	    " levels, used_at) VALUES (?1, ?2, '0D00', ?3, 0, 1)");
	r.seen = prepared(db,
	    "INSERT INTO quote_seen (ppid, fmspc, tcbm, tee_svn, qe_svn,"
	    " tdqe_svn, seen_at) VALUES (?1, ?2, ?3, ?4, 8, 4, 4000000000)");
	for (n = 0; n < PLATFORMS; n++)
		platform(&r, n);
	sqlite3_finalize(r.platform);
	sqlite3_finalize(r.tcb);
	sqlite3_finalize(r.seen);
	must(sqlite3_exec(db, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)", NULL,
		 NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
}

/* --- asking ----------------------------------------------------------- */

static int64_t
us(clockid_t id)
{
	struct timespec t;

	must(clock_gettime(id, &t) == 0);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct ask {
	const char *fmspc, *file;
	uint32_t to;
};

static void
answer(void *arg, enum err e, const struct why *why, struct blob *b)
{
	const struct ask *a = arg;
	FILE *f;

	(void)why;
	must(e == ERR_OK);
	if (a->file != NULL) {
		must((f = fopen(a->file, "w")) != NULL);
		must(fwrite(b->data, 1, b->len, f) == b->len);
		must(fclose(f) == 0);
	}
	blob_unref(b);
	kit_done(&kit);
}

static void
ask_step(struct kit *k, void *arg)
{
	struct ask *a = arg;

	storage_impact(k->st, a->fmspc, a->to, answer, a);
}

static void
ask(const char *name, struct ask a, int times)
{
	int64_t wall = us(CLOCK_MONOTONIC), cpu = us(CLOCK_PROCESS_CPUTIME_ID);
	int i;

	for (i = 0; i < times; i++)
		kit_wait(&kit, ask_step, &a);
	printf("%s %.1f %.1f\n", name,
	    (double)(us(CLOCK_MONOTONIC) - wall) / 1000 / times,
	    (double)(us(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1000 / times);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	const char *file = argc > 1 ? argv[1] : NULL;

	kit_init(&kit, "\"mode\":\"offline\"");
	kit_root_crl(&kit);
	collateral();
	kit_close(&kit);
	platforms(kit.db);
	must(kit_open(&kit) == ERR_OK);
	ask("impact-first", (struct ask){ .file = file }, 1);
	ask("impact", (struct ask){ 0 }, 5);
	ask("impact-number", (struct ask){ .to = 20 }, 5);
	ask("impact-fmspc", (struct ask){ .fmspc = "00016ED50000" }, 5);
	kit_fini(&kit);
	return 0;
}
