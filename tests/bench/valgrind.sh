#!/bin/bash
# larderd under valgrind (memcheck) through a scripted mix: cold and cached
# requests in clear and TLS, registrations, refusals, verdicts, a site's bundle
# out and in, reload and drain ("make valgrind").  Every error is a failure,
# and every leak; what libraries can still reach at the end is none.
# Loopback, any free port; the folder it works in is below build/bench.
set -eu
B=${B:-build}
mkdir -p "$B/bench"
T=$(cd "$(mktemp -d "$B/bench/valgrind.XXXXXX")" && pwd)
SIM_PID='' LARDER_PID=''
cleanup() {
	for p in "$LARDER_PID" "$SIM_PID"; do
		[ -z "$p" ] || kill "$p" 2>/dev/null || true
	done
	wait 2>/dev/null || true
	rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
trap 'echo "valgrind: failed in line $LINENO" >&2' ERR

die() {
	echo "valgrind: $*" >&2
	tail -n 60 "$T"/vg.* >&2 || true
	tail -n 5 "$T"/*.log >&2 || true
	exit 1
}
await() {
	local n=0
	until "$@" >/dev/null 2>&1; do
		n=$((n + 1))
		[ $n -lt 600 ] || return 1
		sleep 0.1
	done
}
memcheck() { # NAME PROGRAM ARGUMENTS
	local name=$1
	shift
	exec valgrind --error-exitcode=99 --leak-check=full \
		--show-leak-kinds=definite,indirect,possible \
		--errors-for-leak-kinds=definite,indirect,possible \
		--log-file="$T/vg.$name" "$@"
}

"$B/larder-sim" >"$T/sim.out" 2>"$T/sim.log" &
SIM_PID=$!
await grep -q '^listening ' "$T/sim.out" || die 'no simulator'
read -r _ SIM SPKI <"$T/sim.out"
AMD=$("$B/larder-sim" --amd-root Milan)

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	-subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2 \
	-keyout "$T/key.pem" -out "$T/cert.pem" 2>/dev/null
openssl genpkey -algorithm ed25519 -out "$T/site.key"
openssl pkey -in "$T/site.key" -pubout -out "$T/site.pub"
TOKEN=secret
HASH=$(printf %s $TOKEN | sha512sum | cut -d' ' -f1)
config() { # DATABASE
	cat <<CONFIG
{
  "listen": [
    { "address": "127.0.0.1:0",
      "serve": ["pccs", "kds", "verify", "ops", "admin"] },
    { "address": "127.0.0.1:0", "serve": ["pccs"],
      "tls": { "certificate": "$T/cert.pem", "key": "$T/key.pem" } }
  ],
  "database": "sqlite:$T/$1.db",
  "upstream": { "pcs": { "urls": ["$SIM"],
                         "root_crl_urls": ["$SIM/IntelSGXRootCA.der"] },
                "kds": { "urls": ["$SIM"] } },
  "trust": { "intel_root_spki_sha256": ["$SPKI"],
             "amd_root_spki_sha256": { "Milan": ["$AMD"] } },
  "jwt": { "keys_dir": "$T/keys" },
  "tokens": { "admin_sha512": ["$HASH"] }
}
CONFIG
}
start() { # DATABASE
	config "$1" >"$T/larder.json"
	: >"$T/larderd.log"
	memcheck "$1" "$B/larderd" -c "$T/larder.json" 2>"$T/larderd.log" &
	LARDER_PID=$!
	await grep -q 'event=ready' "$T/larderd.log" || die 'no larderd'
	mapfile -t PORTS < <(sed -n \
		's/.*event=listening.* port=\([0-9]*\).*/\1/p' "$T/larderd.log")
	URL=http://127.0.0.1:${PORTS[0]}
	TLS=https://localhost:${PORTS[1]}
	export LARDER_SERVER=$URL LARDER_ADMIN_TOKEN=$TOKEN
}
stop() {
	kill "$LARDER_PID"
	local rc=0
	wait "$LARDER_PID" || rc=$?
	LARDER_PID=''
	[ $rc = 0 ] || die "larderd ended with $rc"
}
N=0
expect() { # STATUS CURL-ARGUMENTS
	local want=$1 got
	shift
	got=$(curl -s -m 120 -o "$T/body" -w '%{http_code}' \
		--cacert "$T/cert.pem" "$@") || true
	[ "$got" = "$want" ] || die "$got instead of $want: $*"
	N=$((N + 1))
}
larder() {
	N=$((N + 1))
	(memcheck "cli.$N" "$B/larder" "$@") >"$T/out" 2>"$T/larder.log" ||
		die "larder $*: $(cat "$T/out")"
}

# --- the mix -------------------------------------------------------------------

mix() {
	local s4=/sgx/certification/v4 p q i
	for i in 1 4 2; do
		curl -sf "$SIM/_sim/platform?n=$i" >"$T/p"
		q=$(jq -r '"qeid=\(.qe_id)&cpusvn=\(.cpu_svn)" +
			"&pcesvn=\(.pce_svn)&pceid=\(.pce_id)"' "$T/p")
		p=$(jq -r .enc_ppid "$T/p")
		[ "$i" = 2 ] || expect 200 "$URL$s4/pckcert?$q&encrypted_ppid=$p"
		[ "$i" = 2 ] || expect 200 "$TLS$s4/pckcert?$q"
	done
	expect 200 "$URL$s4/tcb?fmspc=$(jq -r .fmspc "$T/p")"
	expect 200 "$TLS$s4/qe/identity"
	for q in "$s4/qe/identity" "$s4/qve/identity" "$s4/rootcacrl" \
		"$s4/pckcrl?ca=processor&encoding=der" "$s4/fmspcs" \
		"$s4/tcbevaluationdatanumbers" "/tdx/certification/v4/qe/identity" \
		/vcek/v1/Milan/cert_chain /vcek/v1/Milan/crl /metrics /healthz \
		/readyz /.well-known/jwks.json; do
		expect 200 "$URL$q"
	done
	p=$(curl -sf "$SIM/_sim/chip?n=0" | jq -r .path)
	expect 200 "$URL$p"
	expect 200 "$URL$p"
	# Refusals
	expect 404 "$URL/nothing"
	expect 405 -X DELETE "$URL$s4/qe/identity"
	expect 400 "$URL$s4/tcb?fmspc=zz"
	expect 404 "$URL$s4/tcb?fmspc=FFFFFFFFFFFF"
	expect 401 "$URL/v1/status"
	expect 400 -X POST --data-binary '{' "$URL/v1/verify" \
		-H 'Content-Type: application/json'
	expect 400 -X POST -H 'Content-Length: 4' -H 'Transfer-Encoding: chunked' \
		"$URL$s4/platforms" --data-binary @/dev/null
	printf 'no HTTP\r\n\r\n' >"/dev/tcp/127.0.0.1/${PORTS[0]}"
	printf 'no TLS\r\n\r\n' >"/dev/tcp/127.0.0.1/${PORTS[1]}"
	# A verdict on a made report
	curl -sf "$SIM/_sim/report?n=0" >"$T/report"
	expect 200 --data-binary "@$T/report" "$URL/v1/verify" \
		-H 'Content-Type: application/octet-stream'
	expect 200 --data-binary "@$T/report" "$URL/v1/verify" \
		-H 'Content-Type: application/octet-stream' \
		-H 'Accept: application/jwt'
	expect 200 -X POST -H "admin-token: $TOKEN" "$URL/v1/refresh?key=rootcrl"
	# While it runs
	kill -HUP "$LARDER_PID"
	await grep -q 'event=reloaded' "$T/larderd.log" || die 'no reload'
	expect 200 "$URL$s4/qe/identity"
}

start one
mix
larder status
larder explain identity/qe/4/standard
larder export --site --sign-key "$T/site.key" -o "$T/site"
stop
start two
larder import --trust "$T/site.pub" "$T/site"
expect 200 "$URL/sgx/certification/v4/qe/identity"
stop
start one # what it holds comes through the gate again
expect 200 "$TLS/sgx/certification/v4/qe/identity"
stop

if grep -h 'ERROR SUMMARY' "$T"/vg.* | grep -qv ' 0 errors'; then die 'errors'; fi
echo "$N requests and commands under valgrind: no error, no leak"
