/* Names of the vendor's words, and windows of validity. */
#include "config/base/clock.h"
#include "storage/verify/verify.h"

static const char *const status_names[TCB_STATUS_N] = {
	[TCB_UP_TO_DATE] = "UpToDate",
	[TCB_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
	[TCB_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
	[TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED] =
	    "ConfigurationAndSWHardeningNeeded",
	[TCB_OUT_OF_DATE] = "OutOfDate",
	[TCB_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
	[TCB_REVOKED] = "Revoked",
	[TCB_TD_RELAUNCH_ADVISED] = "TDRelaunchAdvised",
	[TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] =
	    "TDRelaunchAdvisedConfigurationNeeded",
};

const char *
tcb_status_name(enum tcb_status s)
{
	return (unsigned)s < TCB_STATUS_N ? status_names[s] : "?";
}

/* Case counts (quote-verification 4.2). */
bool
tcb_status_read(struct span name, enum tcb_status *out)
{
	int i;

	for (i = 0; i < TCB_STATUS_N; i++)
		if (span_eq_str(name, status_names[i])) {
			*out = (enum tcb_status)i;
			return true;
		}
	return false;
}

const char *
tee_name(enum tee tee)
{
	return tee == TEE_TDX ? "tdx" : "sgx";
}

const char *
enclave_name(enum enclave e)
{
	static const char *const names[ENCLAVE_N] = {
		[ENCLAVE_QE] = "qe",
		[ENCLAVE_QVE] = "qve",
		[ENCLAVE_TDQE] = "tdqe",
		[ENCLAVE_QAE] = "qae",
	};

	return (unsigned)e < ENCLAVE_N ? names[e] : "?";
}

const char *
pck_ca_name(enum pck_ca ca)
{
	return ca == PCK_CA_PLATFORM ? "platform" : "processor";
}

/* Narrow the window to what it has in common with [from, until). */
void
window_cut(struct window *w, time_t from, time_t until)
{
	if (from > w->from)
		w->from = from;
	if (until < w->until)
		w->until = until;
}

/*
 * Is "now" inside [from, until)?  The boundary second of the end is outside,
 * as in OpenSSL (quote-verification 7 and 14).
 */
enum err
window_check(const struct window *w, time_t now, time_t skew, const char *what,
    struct why *why)
{
	char at[TIME_LEN];

	if (now >= w->until) {
		time_write(w->until, at);
		return why_set(why, ERR_EXPIRED, "quote-verification 7",
		    "%s expired at %s", what, at);
	}
	if (now < w->from && w->from - now > skew) {
		time_write(w->from, at);
		return why_set(why, ERR_NOT_YET, "quote-verification 7",
		    "%s is not valid before %s", what, at);
	}
	return ERR_OK;
}
