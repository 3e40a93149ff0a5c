#!/bin/bash
# Verdicts a second and core with warm collateral, in the library and over
# HTTP, beside "openssl speed" in the same run ("make bench").
#   SECONDS_EACH=1   length of one measurement
#   ROUNDS=5         library, HTTP and openssl in turn so often; medians count
# All on one core, in CPU time: what else the machine does counts little.
set -eu
B=${B:-build}
EACH=${SECONDS_EACH:-1}
ROUNDS=${ROUNDS:-5}
mkdir -p "$B/bench"
T=$(cd "$(mktemp -d "$B/bench/verify.XXXXXX")" && pwd)
trap 'rm -rf "$T"' EXIT
trap 'exit 1' INT TERM

say() { printf '%s\n' "$*"; }
percent() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.0f", 100 * a / b}'; }
per() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.0f", a / b}'; }
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
of() { awk -v n="$1" '$1 == n {print $2}' "$T/rates" | median; }

# The last core that we may use; and the first, for who asks.
core=$(taskset -cp $$ | sed 's/.*[ ,-]//')
first=$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')
pinned() { taskset -c "$core" "$@"; }

coproc LARDER {
	exec taskset -c "$core" "$B/tests/bench/verify_http" "$T" 2>"$T/log"
}
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
	taskset -c "$first" wrk -t1 -c64 -d"${EACH}s" -s "$T/post.lua" \
		"http://127.0.0.1:$port" >"$T/wrk"
	echo cpu >&"${LARDER[1]}"
	read -r after <&"${LARDER[0]}"
	! grep -q Non-2xx "$T/wrk" || { cat "$T/wrk" >&2; exit 1; }
	awk -v us=$((after - before)) '/requests in/ {
		printf "%d", $1 * 1000000 / us}' "$T/wrk"
}
for ((i = 0; i < ROUNDS; i++)); do
	pinned openssl speed -seconds "$EACH" ecdsap256 ecdsap384 \
		2>/dev/null | awk '/nistp256/ {print "speed-p256", $NF}
			/nistp384/ {print "speed-p384", $NF}'
	pinned "$B/tests/bench/verdicts" "$EACH"
	echo "http-tdx-verdict $(http "$T"/tdx-*.bin)"
	echo "http-tdx-verdict-known-qe $(http "$T/tdx-0.bin")"
	echo "http-snp-verdict $(http "$T/snp.bin")"
done >"$T/rates"
p256=$(per "$(of speed-p256)" 1)
p384=$(per "$(of speed-p384)" 1)

# TITLE NAME SIGNATURES CURVE
row() {
	local rate speed loop asked http='      -'
	rate=$(of "$2")
	asked=$(of "http-$2")
	speed=$(per "$(of "speed-$4")" "$3")
	loop=$(per "$(of "$4-verify")" "$3")
	[ -z "$asked" ] || http=$(printf '%5d %%' "$(percent "$asked" "$rate")")
	printf '  %-30s %7d/s %9s %5d %% %5d %% %s\n' "$1" "$rate" "$3 ${4^^}" \
		"$(percent "$rate" "$speed")" "$(percent "$rate" "$loop")" \
		"$http"
	printf '%s{"name":"%s","rate":%d,"of_openssl_speed":%d,' \
		"$sep" "$2" "$rate" "$(percent "$rate" "$speed")" >>"$T/json"
	printf '"of_loop":%d,"http_rate":%d}' "$(percent "$rate" "$loop")" \
		"${asked:-0}" >>"$T/json"
	sep=,
}
sep=
say "verdicts a second and core, warm collateral, medians of $ROUNDS (openssl \
speed: P-256 $p256/s, P-384 $p384/s; in the same loop $(of p256-verify)/s and \
$(of p384-verify)/s)"
say "  of what the signatures alone allow by openssl speed, by the bare loop;\
 HTTP of the library:"
row 'TDX quote, PCK known' tdx-verdict 2 p256
row 'TDX quote, PCK new' tdx-verdict-new-pck 3 p256
row 'TDX quote, QE known as well' tdx-verdict-known-qe 1 p256
row 'SNP report, VCEK known' snp-verdict 1 p384
printf '{"openssl_p256":%.0f,"openssl_p384":%.0f,"verdicts":[%s]}\n' \
	"$p256" "$p384" "$(cat "$T/json")" >"$B/bench/verify.json"
say "  also in $B/bench/verify.json"
