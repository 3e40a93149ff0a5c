#!/bin/bash
# Numbers, beside nginx on the same machine in the same run ("make bench").
#   PLATFORMS=100000   platforms in the database
#   SECONDS_EACH=4     length of one measurement
#   SCALE_ONLY=1       only what depends on the number of platforms (scale.sh)
#   RESULT=FILE        where the JSON result goes (build/bench/result.json)
# Loopback, any free port; the folder it works in is below build/bench.
set -eu
B=${B:-build}
PLATFORMS=${PLATFORMS:-100000}
EACH=${SECONDS_EACH:-4}
RESULT=${RESULT:-$B/bench/result.json}
REAL=200 # platforms that go through the gate; fill multiplies them
mkdir -p "$(dirname "$RESULT")" "$B/bench"
T=$(cd "$(mktemp -d "$B/bench/run.XXXXXX")" && pwd)
SIM_PID='' LARDER_PID='' NGINX_PID='' CURL_PID=''
cleanup() {
	for p in "$CURL_PID" "$LARDER_PID" "$NGINX_PID" "$SIM_PID"; do
		[ -z "$p" ] || kill "$p" 2>/dev/null || true
	done
	wait 2>/dev/null || true
	rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

say() { printf '%s\n' "$*"; }
die() {
	say "bench: $*" >&2
	for f in "$T"/*.log "$T"/*.err; do tail -n 5 "$f" >&2 || true; done
	exit 1
}
ms() { date +%s%3N; }
await() {
	local n=0
	until "$@" >/dev/null 2>&1; do
		n=$((n + 1))
		[ $n -lt 2000 ] || return 1
		sleep 0.01
	done
}

start_sim() {
	"$B/larder-sim" >"$T/sim.out" 2>"$T/sim.log" &
	SIM_PID=$!
	await grep -q '^listening ' "$T/sim.out" || die 'no simulator'
	read -r _ SIM SPKI <"$T/sim.out"
}

config() { # MODE
	cat >"$T/larder.json" <<CONFIG
{
  "listen": [
    { "address": "127.0.0.1:0", "serve": ["pccs", "ops", "admin"] } ],
  "database": "sqlite:$T/larder.db",
  "mode": "$1",
  "upstream": { "pcs": { "urls": ["$SIM"],
                         "root_crl_urls": ["$SIM/IntelSGXRootCA.der"] },
                "rate_per_minute": 0, "parallel": 16 },
  "cache": { "platform_bytes": 1073741824 },
  "trust": { "intel_root_spki_sha256": ["$SPKI"] },
  "tokens": { "admin_sha512": ["$(printf bench | sha512sum | cut -d' ' -f1)"] },
  "log": { "level": "note" }
}
CONFIG
}

start_larder() {
	rm -f "$T/larderd.log" # the one before said "ready", too
	"$B/larderd" -c "$T/larder.json" 2>"$T/larderd.log" &
	LARDER_PID=$!
	await grep -q 'event=ready' "$T/larderd.log" || die 'no larderd'
	PORT=$(sed -n 's/.*event=listening.* port=\([0-9]*\).*/\1/p' \
		"$T/larderd.log")
	URL=http://127.0.0.1:$PORT
}

stop_larder() {
	kill "$LARDER_PID"
	wait "$LARDER_PID" || true
	LARDER_PID=''
}

rss_kb() { awk '/^VmRSS/ {print $2}' "/proc/$1/status"; }

# load URL [SCRIPT]: "requests/s p50 p99 errors"; times as wrk writes them.
load() {
	wrk -t2 -c64 -d"${EACH}s" --latency ${2:+-s "$2"} "$1" >"$T/wrk"
	awk '/Requests\/sec/ {r = $2} $1 == "50%" {a = $2} $1 == "99%" {b = $2}
		/Non-2xx/ {e = $NF} /Socket errors/ {e += $4 + $6 + $8 + $10}
		END {printf "%d %s %s %d\n", r, a, b, e}' "$T/wrk"
}
row() { # TITLE "rate p50 p99 errors"
	# shellcheck disable=SC2086 # four words
	set -- "$1" $2
	printf '  %-36s %9s requests/s   p50 %8s   p99 %8s   %s errors\n' \
		"$1" "$2" "$3" "$4" "$5"
}

# --- load the platforms -----------------------------------------------------

say "loading $PLATFORMS platforms ($REAL through the gate, then multiplied)"
start_sim
config lazy
start_larder
P=/sgx/certification/v4/pckcert
i=0
: >"$T/asks"
while [ $i -lt $REAL ]; do
	curl -s "$SIM/_sim/platform?n=$((i * 8 + 1))" |
		jq -r --arg u "$URL$P" '"url = \"\($u)?qeid=\(.qe_id)"
		+ "&cpusvn=\(.cpu_svn)&pcesvn=\(.pce_svn)&pceid=\(.pce_id)"
		+ "&encrypted_ppid=\(.enc_ppid)\"\noutput = /dev/null"' \
		>>"$T/asks"
	i=$((i + 1))
done
curl -s -K "$T/asks" -w '%{http_code}\n' | sort | uniq -c >"$T/codes"
[ "$(awk '{print $2}' "$T/codes")" = 200 ] ||
	die "platforms: $(cat "$T/codes")"
FMSPC=$(curl -s "$SIM/_sim/platform?n=1" | jq -r .fmspc)
TCB="/sgx/certification/v4/tcb?fmspc=$FMSPC"
curl -sf -o "$T/body" "$URL$TCB" || die 'no TCB info'
stop_larder
"$B/tests/bench/fill" "$T/larder.db" "$PLATFORMS" >"$T/sample" || die 'fill'
say "  database: $(du -m "$T/larder.db" | cut -f1) MB"

# --- start ----------------------------------------------------------------

ONE="$P?$(head -1 "$T/sample")"
began=$(ms)
start_larder
curl -sf -o /dev/null "$URL$ONE" || die 'no PCK certificate'
first_ms=$(($(ms) - began))
rss_start=$(rss_kb "$LARDER_PID")
say "start to first answer: $first_ms ms, memory $((rss_start / 1024)) MB"

# --- the impact of an evaluation number on all of them -----------------------

impact() {
	curl -sf -o "$T/impact" -w '%{time_total}' -H 'admin-token: bench' \
		"$URL/v1/baseline/impact" | awk '{printf "%.1f", $1 * 1000}'
}
curl -s -o /dev/null "$SIM/_sim/recovery"
curl -sf -o /dev/null "$URL/sgx/certification/v4/tcbevaluationdatanumbers" ||
	die 'no evaluation numbers'
impact_first_ms=$(impact) # fetches the new number
impact_ms=$(impact)
say "impact of $(jq '[.fmspcs[].numbers[].number] | unique | length' \
	"$T/impact") numbers on $(jq .platforms "$T/impact") platforms:" \
	"$impact_ms ms ($impact_first_ms ms with fetching what is new)"

# --- all of them in turn ------------------------------------------------------

cat >"$T/random.lua" <<LUA
local asks = {}
for l in io.lines("$T/sample") do asks[#asks + 1] = l end
local i = 0
function init() math.randomseed(os.time()); i = math.random(#asks) end
request = function()
	i = i % #asks + 1
	return wrk.format("GET", "$P?" .. asks[i])
end
LUA

# One after the other over one connection: milliseconds each.
n=$(wc -l <"$T/sample")
sed "s|^.*|url = \"$URL$P?&\"\noutput = /dev/null|" "$T/sample" >"$T/all"
each() {
	local from
	from=$(ms)
	curl -sf -K "$T/all" || die 'PCK certificates'
	awk "BEGIN {printf \"%.2f\", ($(ms) - $from) / $n}"
}
disk_ms=$(each) memory_ms=$(each)
many=$(load "$URL" "$T/random.lua")
row "$n PCK certificates in turn, 64 connections" "$many"
say "one after the other, with curl: $disk_ms ms each from disk," \
	"$memory_ms ms from memory"
rss_end=$(rss_kb "$LARDER_PID")
say "memory after that: $((rss_end / 1024)) MB"
rate() { echo "$1" | cut -d' ' -f1; }
if [ -n "${SCALE_ONLY:-}" ]; then
	jq -n --argjson platforms "$PLATFORMS" --argjson first_ms "$first_ms" \
		--argjson rss_start_kb "$rss_start" \
		--argjson rss_end_kb "$rss_end" \
		--argjson pck_many "$(rate "$many")" \
		--argjson disk_ms "$disk_ms" --argjson memory_ms "$memory_ms" \
		'$ARGS.named' >"$RESULT"
	exit 0
fi

# --- the impact on many FMSPCs, through storage alone -----------------------

fleet=$("$B/tests/bench/impact" 2>"$T/impact.log") || die 'impact'
of_fleet() { echo "$fleet" | awk -v n="$1" '$1 == n {print $3}'; }
say "impact on 100000 platforms of 500 FMSPCs, CPU:" \
	"$(of_fleet impact) ms ($(of_fleet impact-first) ms the first time," \
	"$(of_fleet impact-number) ms of one number," \
	"$(of_fleet impact-fmspc) ms of one FMSPC)"

# --- cached requests, next to nginx -----------------------------------------

# As root its workers would change to a user who may not look in here.
USER_LINE=''
[ "$(id -u)" != 0 ] || USER_LINE='user root;'
cat >"$T/nginx.conf" <<CONF
$USER_LINE
worker_processes auto;
pid $T/nginx.pid;
error_log $T/nginx.log;
events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path $T/nb; proxy_temp_path $T/np;
	fastcgi_temp_path $T/nf; uwsgi_temp_path $T/nu; scgi_temp_path $T/ns;
	proxy_cache_path $T/nginx-cache keys_zone=z:64m max_size=1g;
	tcp_nodelay on; sendfile on; keepalive_requests 100000000;
	server {
		listen 127.0.0.1:@PORT@ reuseport backlog=1024;
		location / {
			proxy_pass $URL; proxy_cache z;
			# The chain headers of a TCB info fill 4 KB.
			proxy_buffer_size 16k; proxy_buffers 8 16k;
			proxy_cache_valid 200 1h;
		}
	}
}
CONF
# nginx cannot be asked for just any free port.
for _ in 1 2 3 4 5; do
	NPORT=$((20000 + RANDOM % 12000))
	sed "s/@PORT@/$NPORT/" "$T/nginx.conf" >"$T/nginx.now"
	nginx -p "$T" -e "$T/nginx.log" -c "$T/nginx.now" -g 'daemon off;' \
		2>"$T/nginx.err" &
	NGINX_PID=$!
	await test -s "$T/nginx.pid" || true
	kill -0 "$NGINX_PID" 2>/dev/null && break
done
NURL=http://127.0.0.1:$NPORT
await curl -sf -o "$T/nbody" "$NURL$TCB" || die 'no nginx'
cmp -s "$T/body" "$T/nbody" || die 'nginx serves something else'

say "cached requests, 64 connections, $(nproc) cores shared with the client:"
best() { # the better of two runs, by rate
	printf '%s\n%s\n' "$1" "$2" | sort -n | tail -1
}
l1=$(load "$URL$TCB") n1=$(load "$NURL$TCB")
l2=$(load "$URL$TCB") n2=$(load "$NURL$TCB")
tcb_larder=$(best "$l1" "$l2") tcb_nginx=$(best "$n1" "$n2")
row "TCB info ($(stat -c %s "$T/body") bytes), larder" "$tcb_larder"
row 'the same, nginx from its cache' "$tcb_nginx"
l1=$(load "$URL$ONE") n1=$(load "$NURL$ONE")
l2=$(load "$URL$ONE") n2=$(load "$NURL$ONE")
pck_larder=$(best "$l1" "$l2") pck_nginx=$(best "$n1" "$n2")
row 'one PCK certificate, larder' "$pck_larder"
row 'the same, nginx from its cache' "$pck_nginx"
kill "$NGINX_PID"
wait "$NGINX_PID" 2>/dev/null || true
NGINX_PID=''

# --- misses never slow hits --------------------------------------------------

say 'hits while 200 misses wait for an upstream that takes ten seconds:'
curl -s "$SIM/_sim/fault?kind=delay&ms=10000" >/dev/null
calm=() busy=()
for round in 1 2 3; do
	# The misses of the round before still wait inside: begin anew.
	stop_larder
	start_larder
	curl -sf -o /dev/null "$URL$TCB" || die 'no TCB info'
	calm+=("$(load "$URL$TCB" | cut -d' ' -f1)")
	curl -s --no-progress-meter --parallel --parallel-immediate --parallel-max 200 \
		-o /dev/null \
		"$URL/sgx/certification/v4/tcb?fmspc=00000000${round}[100-299]" &
	CURL_PID=$!
	sleep 0.5
	busy+=("$(load "$URL$TCB" | cut -d' ' -f1)")
	kill -0 "$CURL_PID" 2>/dev/null || die 'the misses did not wait'
	kill "$CURL_PID"
	wait "$CURL_PID" 2>/dev/null || true
	CURL_PID=''
done
median() { printf '%s\n' "$@" | sort -n | sed -n '2p'; }
c=$(median "${calm[@]}") b=$(median "${busy[@]}")
printf '  undisturbed %d requests/s, meanwhile %d requests/s: %s %%\n' \
	"$c" "$b" "$(awk "BEGIN {printf \"%.1f\", 100 * $b / $c}")"
say "  (each: ${calm[*]}; ${busy[*]})"

jq -n --argjson platforms "$PLATFORMS" --argjson first_ms "$first_ms" \
	--argjson rss_start_kb "$rss_start" --argjson rss_end_kb "$rss_end" \
	--argjson tcb_larder "$(rate "$tcb_larder")" \
	--argjson tcb_nginx "$(rate "$tcb_nginx")" \
	--argjson pck_larder "$(rate "$pck_larder")" \
	--argjson pck_nginx "$(rate "$pck_nginx")" \
	--argjson pck_many "$(rate "$many")" \
	--argjson impact_ms "$impact_ms" \
	--argjson impact_fleet_cpu_ms "$(of_fleet impact)" \
	--argjson impact_fleet_first_cpu_ms "$(of_fleet impact-first)" \
	--argjson disk_ms "$disk_ms" --argjson memory_ms "$memory_ms" \
	--argjson hits_calm "$c" --argjson hits_busy "$b" \
	--arg cores "$(nproc)" '$ARGS.named' >"$RESULT"
say "as JSON: $RESULT"
