/*
 * Numbered migrations.  A step that has been released never changes: what
 * comes after it is a new step.
 */
#include "storage/db.h"

#include <stddef.h>

#define SCHEMA_1                                                               \
	"CREATE TABLE meta ("                                                  \
	"  name TEXT PRIMARY KEY,"                                             \
	"  value TEXT NOT NULL"                                                \
	");"                                                                   \
	"CREATE TABLE object ("                                                \
	"  id INTEGER PRIMARY KEY,"                                            \
	"  key TEXT NOT NULL,"                                                 \
	"  kind TEXT NOT NULL,"                                                \
	"  sha256 BLOB NOT NULL,"                                              \
	"  body BLOB NOT NULL,"                                                \
	"  chain BLOB,"                                                        \
	"  issue_at INTEGER NOT NULL,"                                         \
	"  next_update INTEGER NOT NULL,"                                      \
	"  eval_num INTEGER NOT NULL,"                                         \
	"  admitted_at INTEGER NOT NULL,"                                      \
	"  fetched_at INTEGER NOT NULL,"                                       \
	"  source TEXT NOT NULL,"                                              \
	"  is_current INTEGER NOT NULL,"                                       \
	"  ended_at INTEGER,"                                                  \
	"  ended_why TEXT"                                                     \
	");"                                                                   \
	"CREATE UNIQUE INDEX object_current ON object (key)"                   \
	"  WHERE is_current = 1;"                                              \
	"CREATE INDEX object_versions ON object (key, id);"                    \
	"CREATE INDEX object_ended ON object (ended_at)"                       \
	"  WHERE is_current = 0;"                                              \
	"CREATE TABLE attempt ("                                               \
	"  key TEXT PRIMARY KEY,"                                              \
	"  at INTEGER NOT NULL,"                                               \
	"  error TEXT NOT NULL,"                                               \
	"  text TEXT NOT NULL,"                                                \
	"  failures INTEGER NOT NULL"                                          \
	");"                                                                   \
	"CREATE TABLE chain ("                                                 \
	"  id INTEGER PRIMARY KEY,"                                            \
	"  sha256 BLOB NOT NULL UNIQUE,"                                       \
	"  pem BLOB NOT NULL"                                                  \
	");"                                                                   \
	"CREATE TABLE platform ("                                              \
	"  id INTEGER PRIMARY KEY,"                                            \
	"  qe_id TEXT NOT NULL,"                                               \
	"  pce_id TEXT NOT NULL,"                                              \
	"  fmspc TEXT NOT NULL,"                                               \
	"  ca TEXT NOT NULL,"                                                  \
	"  ppid BLOB,"                                                         \
	"  on_demand INTEGER NOT NULL,"                                        \
	"  fetched_at INTEGER NOT NULL,"                                       \
	"  na_count INTEGER NOT NULL,"                                         \
	"  na_wait_s INTEGER NOT NULL,"                                        \
	"  na_recheck_at INTEGER NOT NULL,"                                    \
	"  last_seen INTEGER NOT NULL,"                                        \
	"  chain INTEGER REFERENCES chain (id),"                               \
	"  enc_ppid BLOB,"                                                     \
	"  certs BLOB,"                                                        \
	"  manifest BLOB,"                                                     \
	"  UNIQUE (qe_id, pce_id)"                                             \
	");"                                                                   \
	"CREATE INDEX platform_fmspc ON platform (fmspc, id);"                 \
	"CREATE INDEX platform_ppid ON platform (ppid, last_seen)"             \
	"  WHERE on_demand = 1;"                                               \
	"CREATE TABLE platform_tcb ("                                          \
	"  platform INTEGER NOT NULL REFERENCES platform (id)"                 \
	"    ON DELETE CASCADE,"                                               \
	"  cpu_svn TEXT NOT NULL,"                                             \
	"  pce_svn TEXT NOT NULL,"                                             \
	"  tcbm TEXT NOT NULL,"                                                \
	"  levels INTEGER NOT NULL,"                                           \
	"  used_at INTEGER NOT NULL,"                                          \
	"  PRIMARY KEY (platform, cpu_svn, pce_svn)"                           \
	") WITHOUT ROWID;"                                                     \
	"CREATE TABLE registration ("                                          \
	"  id INTEGER PRIMARY KEY,"                                            \
	"  qe_id TEXT NOT NULL,"                                               \
	"  pce_id TEXT NOT NULL,"                                              \
	"  cpu_svn TEXT NOT NULL,"                                             \
	"  pce_svn TEXT NOT NULL,"                                             \
	"  na INTEGER NOT NULL,"                                               \
	"  state INTEGER NOT NULL,"                                            \
	"  created_at INTEGER NOT NULL,"                                       \
	"  changed_at INTEGER NOT NULL,"                                       \
	"  enc_ppid BLOB,"                                                     \
	"  manifest BLOB,"                                                     \
	"  UNIQUE (qe_id, pce_id, cpu_svn, pce_svn)"                           \
	");"                                                                   \
	"CREATE INDEX registration_state ON registration (state, id);"         \
	"CREATE TABLE policy ("                                                \
	"  id TEXT PRIMARY KEY,"                                               \
	"  type INTEGER NOT NULL,"                                             \
	"  fmspc TEXT NOT NULL,"                                               \
	"  is_default INTEGER NOT NULL,"                                       \
	"  created_at INTEGER NOT NULL,"                                       \
	"  policy TEXT NOT NULL"                                               \
	");"                                                                   \
	"CREATE INDEX policy_fmspc ON policy (fmspc, is_default);"

/* What platforms can prove, for the impact preview: the highest certificate
 * of each, and what verified quotes said. */
#define SCHEMA_FLEET                                                           \
	"ALTER TABLE platform ADD COLUMN tcbm TEXT;"                           \
	"CREATE INDEX platform_fleet ON platform (ppid, fmspc, tcbm);"         \
	"CREATE TABLE quote_seen ("                                            \
	"  ppid BLOB PRIMARY KEY,"                                             \
	"  fmspc TEXT NOT NULL,"                                               \
	"  tcbm TEXT NOT NULL,"                                                \
	"  tee_svn BLOB,"                                                      \
	"  qe_svn INTEGER NOT NULL,"                                           \
	"  tdqe_svn INTEGER NOT NULL,"                                         \
	"  seen_at INTEGER NOT NULL"                                           \
	") WITHOUT ROWID;"                                                     \
	"CREATE INDEX quote_seen_at ON quote_seen (seen_at);"

/* AMD's endorsement keys; who: the chip's id or the cloud provider's. */
#define SCHEMA_VEK                                                             \
	"CREATE TABLE vek ("                                                   \
	"  id INTEGER PRIMARY KEY,"                                            \
	"  side TEXT NOT NULL,"                                                \
	"  product TEXT NOT NULL,"                                             \
	"  who BLOB NOT NULL,"                                                 \
	"  tcb TEXT NOT NULL,"                                                 \
	"  sha256 BLOB NOT NULL,"                                              \
	"  not_after INTEGER NOT NULL,"                                        \
	"  fetched_at INTEGER NOT NULL,"                                       \
	"  used_at INTEGER NOT NULL,"                                          \
	"  source TEXT NOT NULL,"                                              \
	"  body BLOB NOT NULL,"                                                \
	"  UNIQUE (who, side, product, tcb)"                                   \
	");"                                                                   \
	"CREATE INDEX vek_end ON vek (not_after);"                             \
	"CREATE INDEX vlek_tcb ON vek (product, tcb) WHERE side = 'vlek';"

/* The TCB baseline: rules set at run time by revision, numbers served. */
#define SCHEMA_BASELINE                                                        \
	"CREATE TABLE baseline_change ("                                       \
	"  revision INTEGER PRIMARY KEY,"                                      \
	"  at INTEGER NOT NULL,"                                               \
	"  who TEXT NOT NULL,"                                                 \
	"  verb TEXT NOT NULL,"                                                \
	"  reason TEXT NOT NULL,"                                              \
	"  before TEXT NOT NULL,"                                              \
	"  after TEXT NOT NULL,"                                               \
	"  impact TEXT"                                                        \
	");"                                                                   \
	"CREATE TABLE baseline_now ("                                          \
	"  kind INTEGER NOT NULL,"                                             \
	"  name TEXT NOT NULL,"                                                \
	"  tee TEXT NOT NULL,"                                                 \
	"  number INTEGER NOT NULL,"                                           \
	"  PRIMARY KEY (kind, name, tee)"                                      \
	") WITHOUT ROWID;"

/* What is looked for when there is too much of it (bound.c). */
#define SCHEMA_BOUND                                                           \
	"CREATE INDEX platform_bound ON platform"                              \
	"  (last_seen / 86400, id DESC) WHERE on_demand = 1;"                  \
	"CREATE INDEX vcek_bound ON vek (used_at, id) WHERE side = 'vcek';"

/* When it began to fail; 0: not known. */
#define SCHEMA_SINCE                                                           \
	"ALTER TABLE attempt ADD COLUMN since INTEGER NOT NULL DEFAULT 0;"

/* When a platform said what it is: handing that out, or fetching with it once
 * more, does not make it newer. */
#define SCHEMA_SAID                                                            \
	"ALTER TABLE registration"                                             \
	"  ADD COLUMN said_at INTEGER NOT NULL DEFAULT 0;"                     \
	"UPDATE registration SET said_at = changed_at;"                        \
	"ALTER TABLE platform"                                                 \
	"  ADD COLUMN said_at INTEGER NOT NULL DEFAULT 0;"                     \
	"UPDATE platform SET said_at = fetched_at"                             \
	"  WHERE manifest IS NOT NULL;"

const char *const sqlite_schema[] = { SCHEMA_1, SCHEMA_FLEET, SCHEMA_VEK,
	SCHEMA_BASELINE, SCHEMA_BOUND, SCHEMA_SINCE, SCHEMA_SAID, NULL };
