# shellcheck shell=sh
# The part of the tour that shows the TCB baseline; sourced by demo.sh.

# number PATH: the evaluation number of what is served there.
number() {
	curl -s "$URL$1" |
		jq '(.tcbInfo // .enclaveIdentity).tcbEvaluationDataNumber'
}

# served FMSPC NUMBER: a client's set, which is of that number.
served() {
	tcb=$(number "$SGX/tcb?fmspc=$1&update=standard")
	qe=$(number "$SGX/qe/identity?update=standard")
	say "$1: TCB info of number $tcb, QE identity of number $qe"
	[ "$tcb $qe" = "$2 $2" ] || fail "$1 is not served with number $2"
}

baseline_set() { served "$1" "$2" >/dev/null; }
indent() { sed 's/^/   /'; }

# shellcheck disable=SC2154 # URL, SGX, SIM, B, T: demo.sh's
baseline_tour() {
	step 'The TCB baseline: the fleet is pinned to what it is known to pass'
	"$B/larder" baseline pin 17 --reason 'the fleet passes 17' |
		sed -n '/^SCOPE/,/^$/p' | indent
	served "$FMSPC" 17

	step 'The chip maker publishes a TCB recovery: number 18'
	curl -s "$SIM/_sim/recovery" >/dev/null
	"$B/larder" refresh evalnums/sgx >/dev/null
	await grep -q 'upstream-news what=number' "$T/larderd.log" ||
		fail 'nobody noticed'
	say 'larder noticed, before anything of it is served:'
	grep 'event=upstream-news what=number' "$T/larderd.log" | head -1 |
		cut -c1-100 | indent
	say 'what number 18 would do to the platforms known:'
	"$B/larder" baseline impact --to 18 | indent
	say 'the fleet stays where it is:'
	served "$FMSPC" 17
	served "$FMSPC2" 17

	step 'One FMSPC is promoted, and rolled back'
	say 'more platforms would fall out of date than is allowed:'
	"$B/larder" baseline promote 18 --fmspc "$FMSPC" \
		--reason 'canary' 2>&1 | indent || true
	"$B/larder" baseline promote 18 --fmspc "$FMSPC" --force \
		--reason 'canary, they know' >/dev/null || fail 'promote'
	await baseline_set "$FMSPC" 18 || fail 'not promoted'
	served "$FMSPC" 18
	served "$FMSPC2" 17
	"$B/larder" baseline rollback --reason 'the canary sings no more' \
		>/dev/null || fail 'rollback'
	served "$FMSPC" 17
	"$B/larder" baseline history | indent

	step 'The chip maker makes 18 the standard one and signs 17 no longer'
	curl -s "$SIM/_sim/standard?n=18" >/dev/null
	"$B/larder" refresh "tcb/sgx/4/$FMSPC/standard" >/dev/null
	"$B/larder" refresh "tcb/tdx/4/$FMSPC/standard" >/dev/null
	served "$FMSPC" 17
	say 'it is served on, valid as signed, and larder says until when:'
	"$B/larder" status | grep '^baseline' | indent
}
