#!/bin/sh
# A tour of larder on a simulated Intel and AMD.  "make demo" builds and runs it.
# Any free port, a temporary folder; nothing stays behind.
set -eu
B=${B:-build}
# shellcheck source=deploy/demo-amd.sh
. "$(dirname "$0")/demo-amd.sh"
# shellcheck source=deploy/demo-baseline.sh
. "$(dirname "$0")/demo-baseline.sh"
amd_net
T=$(mktemp -d)
SIM_PID='' LARDER_PID=''
cleanup() {
	[ -z "$LARDER_PID" ] || kill "$LARDER_PID" 2>/dev/null || true
	[ -z "$SIM_PID" ] || kill "$SIM_PID" 2>/dev/null || true
	amd_guests_down
	rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

step() { printf '\n== %s\n' "$1"; }
say() { printf '   %s\n' "$1"; }
fail() {
	printf '\nDEMO FAILED: %s\n' "$1"
	tail -20 "$T/larderd.log" 2>/dev/null || true
	exit 1
}

# Wait until a command succeeds, at most ten seconds.
await() {
	n=0
	until "$@" >/dev/null 2>&1; do
		n=$((n + 1))
		[ $n -lt 200 ] || return 1
		sleep 0.05
	done
}

# How often the simulated upstreams were asked: for everything, or for a pattern.
asked() {
	if [ $# = 0 ]; then
		curl -s "$SIM/_sim/counts" | jq .requests
	else
		curl -sG "$SIM/_sim/count" --data-urlencode "path=$1"
	fi
}

# get TITLE PATH [STATUS]: one request, its outcome in a line.
get() {
	before=$(asked)
	line=$(curl -s -o "$T/body" -D "$T/head" \
		-w '%{http_code} %{time_total} %{size_download}' "$URL$2")
	# shellcheck disable=SC2086 # three words
	set -- "$1" "$2" "${3:-200}" $line
	case $before in
	gone) note='' ;;
	*) note="  upstream asked: $(($(asked) - before))" ;;
	esac
	say "$(printf '%-34s %s  %6d bytes  %7.1f ms%s' "$1" "$4" "$6" \
		"$(echo "$5" | awk '{print $1 * 1000}')" "$note")"
	[ "$4" = "$3" ] || fail "$2 answered $4, not $3"
}
header() { tr -d '\r' <"$T/head" | grep -i "^$1:" || true; }

step 'Start a simulated Intel PCS and AMD KDS, and larderd on SQLite'
"$B/larder-sim" >"$T/sim.out" 2>"$T/sim.err" &
SIM_PID=$!
await grep -q '^listening ' "$T/sim.out" || fail 'the simulator did not start'
read -r _ SIM SPKI <"$T/sim.out"
say "both simulated at $SIM, Intel's root key $(echo "$SPKI" | cut -c1-16)..."

"$B/larder" token add --sha512 --json demo >"$T/token.json"
LARDER_ADMIN_TOKEN=$(jq -r .token "$T/token.json")
export LARDER_ADMIN_TOKEN
amd_guests_up
cat >"$T/larder.json" <<CONFIG
{
  "listen": [ { "address": "127.0.0.1:0",
                "serve": ["pccs", "kds", "verify", "ops", "admin"] }
              $(amd_listen) ],
  "hosts": $(amd_hosts),
  "database": "sqlite:$T/larder.db",
  "mode": "lazy",
  "upstream": { "pcs": { "urls": ["$SIM"],
                         "root_crl_urls": ["$SIM/IntelSGXRootCA.der"] },
                "kds": { "urls": ["$SIM"] } },
  "trust": { "intel_root_spki_sha256": ["$SPKI"],
             "amd_root_spki_sha256": { $(amd_trust) } },
  "tokens": { "admin_sha512": [$(jq .hash "$T/token.json")] }
}
CONFIG
"$B/larderd" -t -c "$T/larder.json" >/dev/null || fail 'configuration'
"$B/larderd" -c "$T/larder.json" 2>"$T/larderd.log" &
LARDER_PID=$!
await grep -q 'event=ready' "$T/larderd.log" || fail 'larderd did not start'
PORT=$(sed -n 's/.*event=listening.* port=\([0-9]*\).*/\1/p' "$T/larderd.log" |
	head -1)
URL=http://127.0.0.1:$PORT
LARDER_SERVER=$URL
export LARDER_SERVER
say "larderd at $URL"

SGX=/sgx/certification/v4 TDX=/tdx/certification/v4
P=$(curl -s "$SIM/_sim/platform?n=4") # one with TDX, known by its PPID
field() { echo "$P" | jq -r ".$1"; }
PCKCERT="$SGX/pckcert?qeid=$(field qe_id)&cpusvn=$(field cpu_svn)\
&pcesvn=$(field pce_svn)&pceid=$(field pce_id)\
&encrypted_ppid=$(field enc_ppid)"
FMSPC=$(field fmspc)

step 'A PCK certificate: cold, then from the cache'
get 'PCK certificate, cold' "$PCKCERT"
get 'PCK certificate, again' "$PCKCERT"
say "$(header SGX-TCBm)  $(header SGX-FMSPC)  $(header Cache-Control)"
openssl x509 -in "$T/body" -noout -subject | sed 's/^/   /'

step 'What a verifier needs'
get "TCB info, SGX, $FMSPC" "$SGX/tcb?fmspc=$FMSPC"
get "TCB info, TDX, $FMSPC" "$TDX/tcb?fmspc=$FMSPC"
get 'QE identity' "$SGX/qe/identity"
get 'TD QE identity' "$TDX/qe/identity"
get 'QvE identity' "$SGX/qve/identity"
get 'PCK CRL, processor' "$SGX/pckcrl?ca=processor&encoding=der"
get 'PCK CRL, platform' "$SGX/pckcrl?ca=platform&encoding=der"
get 'root CA CRL' "$SGX/rootcacrl"

step '200 clients miss the same object at once, Intel takes half a second'
FMSPC2=$(curl -s "$SIM/_sim/platform?n=1" | jq -r .fmspc)
GLOB="*/sgx/*tcb?fmspc=$FMSPC2*"
curl -sG "$SIM/_sim/fault" --data-urlencode "path=$GLOB" \
	-d 'kind=delay&ms=500' >/dev/null
curl -s --no-progress-meter --parallel --parallel-immediate --parallel-max 200 -o /dev/null \
	-w '%{http_code}\n' "$URL$SGX/tcb?fmspc=$FMSPC2&client=[1-200]" |
	sort | uniq -c >"$T/statuses"
sed 's/^ *\([0-9]*\) \(.*\)/   \1 answers of status \2/' "$T/statuses"
N=$(asked "$GLOB")
say "requests that Intel counted: $N"
[ "$N" = 1 ] || fail "Intel was asked $N times"
grep -q '^ *200 200$' "$T/statuses" || fail 'not all 200 were answered'
curl -s "$SIM/_sim/clear" >/dev/null

step 'A forged TCB info: one signature that does not verify'
FMSPC3=$(curl -s "$SIM/_sim/platform?n=2" | jq -r .fmspc)
curl -sG "$SIM/_sim/fault" --data-urlencode "path=*tcb?fmspc=$FMSPC3*" \
	-d 'kind=lie&lie=bad-signature' >/dev/null
get "TCB info, SGX, $FMSPC3" "$SGX/tcb?fmspc=$FMSPC3" 502
say "the answer: $(header Larder-Reason), $(cat "$T/body")"
say "the log:    $(grep 'event=refused' "$T/larderd.log" | tail -1)"
grep -q 'reason=bad-signature' "$T/larderd.log" || fail 'no reason in the log'
say 'and in place of one that is held already:'
curl -sG "$SIM/_sim/fault" --data-urlencode "path=*tcb?fmspc=$FMSPC&*" \
	-d 'kind=lie&lie=bad-signature' >/dev/null
"$B/larder" refresh "tcb/sgx/4/$FMSPC/standard" 2>&1 | sed 's/^/   /' || true
get "TCB info, SGX, $FMSPC" "$SGX/tcb?fmspc=$FMSPC"
curl -s "$SIM/_sim/clear" >/dev/null

amd_tour
baseline_tour

step 'The simulated Intel and AMD are killed'
kill -9 "$SIM_PID"
wait "$SIM_PID" 2>/dev/null || true
SIM_PID=''
asked() { echo gone; }
get 'PCK certificate' "$PCKCERT"
get 'TCB info, SGX' "$SGX/tcb?fmspc=$FMSPC"
get 'TCB info, TDX' "$TDX/tcb?fmspc=$FMSPC"
get 'QE identity' "$SGX/qe/identity"
get 'TD QE identity' "$TDX/qe/identity"
get 'QvE identity' "$SGX/qve/identity"
get 'PCK CRL, processor' "$SGX/pckcrl?ca=processor&encoding=der"
get 'PCK CRL, platform' "$SGX/pckcrl?ca=platform&encoding=der"
get 'root CA CRL' "$SGX/rootcacrl"
amd_held
say 'something never asked for gets a clear answer, soon:'
get 'TCB info of another platform' "$SGX/tcb?fmspc=$FMSPC3" 502
say "$(header Larder-Reason)"

step 'larder status'
"$B/larder" status | sed 's/^/   /'

step 'larderd starts again without any upstream: what it held is on disk'
kill "$LARDER_PID"
wait "$LARDER_PID" || fail 'larderd did not end well'
# A log of its own: the old one already says that it is ready.
"$B/larderd" -c "$T/larder.json" 2>"$T/larderd.again.log" &
LARDER_PID=$!
await grep -q 'event=ready' "$T/larderd.again.log" || fail 'larderd did not start'
PORT=$(sed -n 's/.*event=listening.* port=\([0-9]*\).*/\1/p' "$T/larderd.again.log" |
	head -1)
URL=http://127.0.0.1:$PORT
LARDER_SERVER=$URL
get 'PCK certificate' "$PCKCERT"
get 'TCB info, SGX' "$SGX/tcb?fmspc=$FMSPC"
amd_held

printf '\nThat was larder. Next: README.md, and "make run" for the real ones.\n'
