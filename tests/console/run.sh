#!/bin/sh
# The operator's page in a browser: a simulated Intel, larderd, and Debian's
# chromium driven by playwright-core.  Any free ports, a temporary folder.
# Screenshots of each view, light and dark, go to build/console-shots/.
# "tests/console/run.sh stay" does not test: it leaves all of it running, to
# look at, until a line is read.
set -eu
B=${B:-build}
cd "$(dirname "$0")/../.."
T=$(mktemp -d)
SIM_PID='' LARDER_PID=''
cleanup() {
	[ -z "$LARDER_PID" ] || kill "$LARDER_PID" 2>/dev/null || true
	[ -z "$SIM_PID" ] || kill "$SIM_PID" 2>/dev/null || true
	rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
fail() {
	echo "test-console: $1"
	tail -20 "$T/larderd.log" 2>/dev/null || true
	echo '0 passed, 1 failed'
	exit 1
}
# Wait until a command succeeds, at most some minutes.
await() {
	n=0
	until "$@" >/dev/null 2>&1; do
		n=$((n + 1))
		[ $n -lt 2400 ] || return 1
		sleep 0.05
	done
}

# --- the browser's driver, of the version that package-lock.json pins -------

DRIVER=tests/console/node_modules
if ! cmp -s tests/console/package-lock.json "$DRIVER/.larder-lock"; then
	(cd tests/console && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci \
		--no-audit --no-fund --loglevel=error) || fail 'npm ci'
	cp tests/console/package-lock.json "$DRIVER/.larder-lock"
fi

# --- simulated Intel and larderd --------------------------------------------

"$B/larder-sim" >"$T/sim.out" 2>"$T/sim.err" &
SIM_PID=$!
await grep -q '^listening ' "$T/sim.out" || fail 'the simulator did not start'
read -r _ SIM SPKI <"$T/sim.out"
"$B/larder" token add --sha512 --json console >"$T/token.json"
MILAN=$("$B/larder-sim" --amd-root Milan)
TOKEN=$(jq -r .token "$T/token.json")
cat >"$T/larder.json" <<CONFIG
{
  "listen": [
    { "address": "127.0.0.1:0", "serve": ["pccs", "kds", "ops", "admin"] } ],
  "database": "sqlite:$T/larder.db",
  "mode": "lazy",
  "upstream": { "pcs": { "urls": ["$SIM"],
                         "root_crl_urls": ["$SIM/IntelSGXRootCA.der"] },
                "kds": { "urls": ["$SIM"] } },
  "trust": { "intel_root_spki_sha256": ["$SPKI"],
             "amd_root_spki_sha256": { "Milan": ["$MILAN"] } },
  "tokens": { "admin_sha512": [$(jq .hash "$T/token.json")] }
}
CONFIG
"$B/larderd" -c "$T/larder.json" 2>"$T/larderd.log" &
LARDER_PID=$!
await grep -q 'event=ready' "$T/larderd.log" || fail 'larderd did not start'
PORT=$(sed -n 's/.*event=listening.* port=\([0-9]*\).*/\1/p' "$T/larderd.log")
URL=http://127.0.0.1:$PORT
SGX=/sgx/certification/v4 TDX=/tdx/certification/v4

# --- something to look at ---------------------------------------------------

get() { curl -s -o /dev/null "$URL$1"; }
fault() { curl -sG -o /dev/null "$SIM/_sim/fault" "$@"; }
# An object that Intel issued some days ago.
aged() { fault --data-urlencode "path=$1" -d "kind=older&arg=$(($2 * 86400))"; }
aged '*qve/identity*' 28
aged '*pckcrl?ca=processor*' 21
aged '*/tdx/*tcb*' 12
aged '*tcbevaluationdatanumbers*' 5
# Twelve platforms: two FMSPCs, one with TDX, all three TCB levels.
for n in 1 9 17 25 33 4 12 20 28 36 44 52; do
	P=$(curl -s "$SIM/_sim/platform?n=$n")
	get "$(echo "$P" | jq -r --arg r "$SGX/pckcert" '"\($r)?qeid=\(.qe_id)&cpusvn=\(.cpu_svn)&pcesvn=\(.pce_svn)&pceid=\(.pce_id)&encrypted_ppid=\(.enc_ppid)"')"
	echo "$P" | jq -r .qe_id >>"$T/secrets"
done
# Five Milans, two of them with older microcode.
for chip in '0&ucode=219' '4&ucode=219' '8&ucode=213' '12&ucode=219' \
	'16&ucode=209'; do
	P=$(curl -s "$SIM/_sim/chip?n=$chip")
	get "$(echo "$P" | jq -r .path)"
	echo "$P" | jq -r .hwid >>"$T/secrets"
done
for path in $SGX/qe/identity $SGX/qve/identity $TDX/qe/identity \
	"$SGX/pckcrl?ca=processor" $SGX/rootcacrl; do
	get "$path"
done
curl -s -o /dev/null "$SIM/_sim/clear"
# A recovery: 18 is early now; the lists of numbers say so.
curl -s -o /dev/null "$SIM/_sim/recovery"
get $SGX/tcbevaluationdatanumbers
get $TDX/tcbevaluationdatanumbers
# What is refused: forged, unknown, malformed.
fault --data-urlencode "path=*tcb?fmspc=00906ED50000*" \
	-d 'kind=lie&lie=bad-signature'
get "$SGX/tcb?fmspc=00906ED50000"
get "$SGX/tcb?fmspc=FFFFFFFFFFFF"
get "$SGX/tcb?fmspc=nonsense"
curl -s -o /dev/null "$SIM/_sim/clear"

if [ "${1:-}" = stay ]; then
	echo "$URL/console   admin-token: $TOKEN"
	read -r _
	exit 0
fi
mkdir -p "$B/console-shots"
CONSOLE_URL=$URL CONSOLE_SIM=$SIM CONSOLE_TOKEN=$TOKEN \
	CONSOLE_SECRETS=$T/secrets CONSOLE_SHOTS=$B/console-shots \
	node tests/console/test.mjs || { status=$?; tail -5 "$T/larderd.log"; exit $status; }
