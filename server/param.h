/*
 * The grammar of what clients send: query parameters and JSON bodies of the
 * PCCS routes (pccs-api 4, 6.8 to 6.12).  Pure: text in, values or ERR_PARAM
 * out.  Any thread.  Private to server/.
 */
#ifndef SERVER_PARAM_H
#define SERVER_PARAM_H

#include "config/base/blob.h"
#include "storage/storage.h"
#include "upstream/upstream.h"

/* The parameters that are one text of a fixed shape. */
enum param {
	PARAM_QEID,
	PARAM_PPID,
	PARAM_CPUSVN,
	PARAM_PCESVN,
	PARAM_PCEID,
	PARAM_FMSPC,
	PARAM_N
};

#define PARAM_MAX 768 /* characters of the longest */

/*
 * Check one value (NULL: absent, which is an error) and write its upper-case
 * form; out holds PARAM_MAX + 1 characters or the parameter's own maximum
 * + 1.  ERR_PARAM.
 */
enum err param_text(enum param, const char *value, char *out,
    struct why *) MUST_CHECK;

/* Where named values come from: req_query() with a struct req, or a test. */
typedef const char *(*param_fn)(void *src, const char *name);

/* What a request says about the encrypted PPID. */
enum ppid { PPID_NONE, PPID_ZEROS, PPID_GIVEN };

/*
 * The parameters of GET pckcert, in the order of pccs-api 6.1.  On success
 * *out holds references the caller drops with ask_fini.
 */
enum err param_pckcert(param_fn, void *src, struct platform_ask *out,
    enum ppid *, struct why *) MUST_CHECK;
/* The body of POST platforms (pccs-api 6.9). */
enum err param_platform(struct span json, struct platform_ask *out, enum ppid *,
    struct why *) MUST_CHECK;
/* GET pckcerts: the encrypted PPID, which must be there and not zeros, and
 * the PCE-ID.  POST pckcerts: {"platformManifest","pceid"} (pcs-upstream 2).
 * No QE-ID comes with either. */
enum err param_pckcerts(param_fn, void *src, struct platform_ask *out,
    struct why *) MUST_CHECK;
enum err param_pckcerts_body(struct span json, struct platform_ask *out,
    struct why *) MUST_CHECK;
/* The platform alone, for explain: qeid and pceid. */
enum err param_platform_id(param_fn, void *src, struct platform_id *out,
    struct why *) MUST_CHECK;
void ask_fini(struct platform_ask *); /* drops the references it holds */

/* update, or tcbEvaluationDataNumber, not both (pccs-api 10). */
enum err param_version(param_fn, void *src, enum update *, uint32_t *number,
    struct why *) MUST_CHECK;
enum err param_update(const char *value, enum update *,
    struct why *) MUST_CHECK;
enum err param_update_set(const char *value, enum update_set *,
    struct why *) MUST_CHECK;
enum err param_ca(const char *value, enum pck_ca *, struct why *) MUST_CHECK;
/* Absent or unknown means hex. */
enum form_name param_encoding(const char *value);
/* platform= of fmspcs: "all", "client", "E3" or "E5", any case. */
enum err param_fmspcs(const char *value, const char **out,
    struct why *) MUST_CHECK;
/* "1", "true" or "yes" in any case. */
bool param_flag(const char *value);

/* A list of FMSPCs; n 0 means all. */
struct fmspc_list {
	size_t n;
	char **v;
};
void fmspc_list_fini(struct fmspc_list *);
/* The first run of exactly 12 hex digits in a text, as an FMSPC. */
bool fmspc_in_text(const char *text, char out[13]);
/* fmspc= of refresh: absent, empty, "all", "F", "F1,F2", "[F1, F2]". */
enum err param_fmspc_list(const char *value, struct fmspc_list *out,
    struct why *) MUST_CHECK;
/* type= of refresh: absent and empty, or exactly "certs". */
enum err param_refresh_type(const char *value, bool *certs,
    struct why *) MUST_CHECK;
/*
 * source= of GET platforms as storage takes it: "reg", "reg_na" or
 * "[F1,F2]" in upper case without blanks.  Appended to an empty buf,
 * with a NUL behind.
 */
enum err param_source(const char *value, struct buf *out,
    struct why *) MUST_CHECK;

/* The three CRLs a URI may stand for (pccs-api 6.8, 9.2). */
enum crl_uri { CRL_ROOT, CRL_PROCESSOR, CRL_PLATFORM };
#define CRL_URI_MAX 2048
/*
 * uri= of crl and pckcrl, decoded once; "ca" is the request's own ca=, which
 * is where the tail of an unescaped URI ends up.  ERR_PARAM when it is no
 * URI of the grammar, ERR_NOT_CACHED when it is one but none of the three.
 */
enum err param_crl_uri(const char *uri, const char *ca, enum crl_uri *,
    struct why *) MUST_CHECK;

#endif
