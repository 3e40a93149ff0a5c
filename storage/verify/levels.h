/* Private to storage/verify: what TCB info and identities have in common. */
#ifndef STORAGE_VERIFY_LEVELS_H
#define STORAGE_VERIFY_LEVELS_H

#include "storage/verify/jread.h"
#include "storage/verify/verify.h"

#define STATUS(s) (1u << (s))
/* Of platform levels; and of module and identity levels (pcs-upstream 4.2,
 * quote-verification 4.2). */
#define STATUS_PLATFORM                                                        \
	(STATUS(TCB_UP_TO_DATE) | STATUS(TCB_SW_HARDENING_NEEDED) |            \
	    STATUS(TCB_CONFIGURATION_NEEDED) |                                 \
	    STATUS(TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED) |                \
	    STATUS(TCB_OUT_OF_DATE) |                                          \
	    STATUS(TCB_OUT_OF_DATE_CONFIGURATION_NEEDED) |                     \
	    STATUS(TCB_REVOKED))
#define STATUS_PART                                                            \
	(STATUS(TCB_UP_TO_DATE) | STATUS(TCB_OUT_OF_DATE) | STATUS(TCB_REVOKED))

struct verdict_fields { /* tcbDate, tcbStatus, advisoryIDs of one level */
	enum tcb_status status;
	time_t tcb_date;
	size_t n_advisories;
	char **advisories;
};
enum err level_read(const struct jdoc *, const json_t *obj, unsigned allowed,
    struct verdict_fields *out) MUST_CHECK;

/* tcbLevels of {tcb:{isvsvn}}: highest first, isvsvn distinct, one at least.
 * On failure *n and *v still hold what svn_levels_free() takes. */
enum err svn_levels_read(const struct jdoc *, const json_t *obj, size_t *n,
    struct svn_level **v) MUST_CHECK;
void svn_levels_free(size_t n, struct svn_level *v);
void strings_free(size_t n, char **v);

#endif
