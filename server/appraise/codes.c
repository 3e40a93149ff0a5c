/* Intel's codes: quote-verification 9. */
#include "server/appraise/codes.h"

const char *
qv_result_name(enum qv_result r)
{
	switch (r) {
#define QV_RESULT(value, name)                                                 \
	case QV_RESULT_##name:                                                 \
		return "SGX_QL_QV_RESULT_" #name;
#include "server/appraise/codes.def"
	}
	return "?";
}

const char *
qv_call_name(enum qv_call c)
{
	switch (c) {
#define QV_CALL(value, name)                                                   \
	case QV_CALL_##name:                                                   \
		return "SGX_QL_" #name;
#include "server/appraise/codes.def"
	}
	return "?";
}

static const struct qvl {
	const char *name;
	enum qv_result result;
	enum qv_call call;
} qvls[QVL_N] = {
#define QVL(number, name, result, call)                                        \
	[number] = { #name, QV_RESULT_##result, QV_CALL_##call },
#include "server/appraise/codes.def"
};

const char *
qvl_status_name(enum qvl_status s)
{
	return (unsigned)s < QVL_N ? qvls[s].name : "?";
}

enum qv_result
qvl_result(enum qvl_status s)
{
	return (unsigned)s < QVL_N ? qvls[s].result : QV_RESULT_UNSPECIFIED;
}

enum qv_call
qvl_call(enum qvl_status s)
{
	return (unsigned)s < QVL_N ? qvls[s].call : QV_CALL_ERROR_UNEXPECTED;
}

static const enum qvl_status of_tcb[TCB_STATUS_N] = {
	[TCB_UP_TO_DATE] = QVL_STATUS_OK,
	[TCB_SW_HARDENING_NEEDED] = QVL_TCB_SW_HARDENING_NEEDED,
	[TCB_CONFIGURATION_NEEDED] = QVL_TCB_CONFIGURATION_NEEDED,
	[TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED] =
	    QVL_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
	[TCB_OUT_OF_DATE] = QVL_TCB_OUT_OF_DATE,
	[TCB_OUT_OF_DATE_CONFIGURATION_NEEDED] =
	    QVL_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
	[TCB_REVOKED] = QVL_TCB_REVOKED,
	[TCB_TD_RELAUNCH_ADVISED] = QVL_TCB_TD_RELAUNCH_ADVISED,
	[TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] =
	    QVL_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
};

enum qvl_status
qvl_status_of(enum tcb_status s)
{
	return (unsigned)s < TCB_STATUS_N ? of_tcb[s]
					  : QVL_TCB_UNRECOGNIZED_STATUS;
}

enum qv_result
qv_result_of(enum tcb_status s)
{
	return qvl_result(qvl_status_of(s));
}
