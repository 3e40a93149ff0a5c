/*
 * Intel's codes of a verification, by name and number, so that a user of
 * Intel's verifier recognises them (quote-verification 9).
 * Pure.  Private to server/appraise/ (appraise.h is the door).
 */
#ifndef SERVER_APPRAISE_CODES_H
#define SERVER_APPRAISE_CODES_H

#include "storage/verify/verify.h"

/* Enumerators have Intel's values; several of one value do not occur. */
enum qv_result {
#define QV_RESULT(value, name) QV_RESULT_##name = value,
#include "server/appraise/codes.def"
};
enum qv_call {
#define QV_CALL(value, name) QV_CALL_##name = value,
#include "server/appraise/codes.def"
};
enum qvl_status {
#define QVL(number, name, result, call) QVL_##name = number,
#include "server/appraise/codes.def"
	QVL_N
};

/* "SGX_QL_QV_RESULT_OK", "SGX_QL_SUCCESS", "STATUS_OK"; "?" for no code. */
const char *qv_result_name(enum qv_result);
const char *qv_call_name(enum qv_call);
const char *qvl_status_name(enum qvl_status);

/* 9.4: what Intel's wrapper makes of the library's status. */
enum qv_result qvl_result(enum qvl_status);
enum qv_call qvl_call(enum qvl_status);

/* Of a TCB status: 9.1, and the library's own. */
enum qv_result qv_result_of(enum tcb_status);
enum qvl_status qvl_status_of(enum tcb_status);

#endif
