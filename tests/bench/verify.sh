#!/bin/bash
# Verdicts a second and core with warm collateral, in the library and over
# HTTP, beside "openssl speed" in the same run ("make bench").
#   SECONDS_EACH=2   length of one measurement
# Rates are those of one core that does nothing else: what the clients and
# whatever else is on the machine take does not count.
set -eu
B=${B:-build}
EACH=${SECONDS_EACH:-2}
mkdir -p "$B/bench"
T=$(cd "$(mktemp -d "$B/bench/verify.XXXXXX")" && pwd)
trap 'rm -rf "$T"' EXIT
trap 'exit 1' INT TERM

say() { printf '%s\n' "$*"; }
percent() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.0f", 100 * a / b}'; }
per() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.0f", a / b}'; }
of() { awk -v n="$1" '$1 == n {print $2}' "$T/library"; }

openssl speed -seconds "$EACH" ecdsap256 ecdsap384 >"$T/speed" 2>/dev/null
p256=$(awk '/nistp256/ {printf "%d", $NF}' "$T/speed")
p384=$(awk '/nistp384/ {printf "%d", $NF}' "$T/speed")
"$B/tests/bench/verdicts" "$EACH" >"$T/library"

coproc LARDER { exec "$B/tests/bench/verify_http" "$T" 2>"$T/log"; }
read -r port <&"${LARDER[0]}" || { tail "$T/log"; exit 1; }

# BODIES...: bodies posted in turn, requests for each second of larder's CPU
http() {
	{
		echo 'local body = {}'
		for f in "$@"; do
			echo "body[#body + 1] = io.open(\"$f\", \"rb\"):read(\"*a\")"
		done
		echo 'local i = 0'
		echo 'request = function() i = i % #body + 1'
		echo 'return wrk.format("POST", "/v1/verify", nil, body[i]) end'
	} >"$T/post.lua"
	echo cpu >&"${LARDER[1]}"
	read -r before <&"${LARDER[0]}"
	wrk -t1 -c64 -d"${EACH}s" -s "$T/post.lua" "http://127.0.0.1:$port" \
		>"$T/wrk"
	echo cpu >&"${LARDER[1]}"
	read -r after <&"${LARDER[0]}"
	! grep -q Non-2xx "$T/wrk" || { cat "$T/wrk" >&2; exit 1; }
	awk -v us=$((after - before)) '/requests in/ {
		printf "%d", $1 * 1000000 / us}' "$T/wrk"
}
tdx_http=$(http "$T"/tdx-*.bin)
known_http=$(http "$T/tdx-0.bin")
snp_http=$(http "$T/snp.bin")

row() { # TITLE RATE BOUND WHAT LIBRARY HTTP
	printf '  %-34s %7d/s  %4d %% of %s; HTTP %7d/s, %3d %% of that\n' \
		"$1" "$5" "$(percent "$5" "$3")" "$4" "$6" \
		"$(percent "$6" "$5")"
}
say "verdicts a second and core, warm collateral (openssl speed: P-256 \
$p256/s, P-384 $p384/s; in the same loop $(of p256-verify)/s and \
$(of p384-verify)/s):"
row 'TDX quote, PCK known' - "$(per "$(of p256-verify)" 2)" 'two P-256' \
	"$(of tdx-verdict)" "$tdx_http"
printf '  %-34s %7d/s  %4d %% of %s\n' 'TDX quote, PCK new' \
	"$(of tdx-verdict-new-pck)" "$(percent "$(of tdx-verdict-new-pck)" \
	"$(per "$(of p256-verify)" 3)")" 'three P-256 (and its certificates read)'
row 'TDX quote, QE known as well' - "$(of p256-verify)" 'one P-256' \
	"$(of tdx-verdict-known-qe)" "$known_http"
row 'SNP report, VCEK known' - "$(of p384-verify)" 'one P-384' \
	"$(of snp-verdict)" "$snp_http"
