#!/bin/bash
# The edge alone, larder and nginx serving the same answer from its proxy cache,
# turn by turn: requests per second of the server's CPU time, latency, and
# memory of a connection that waits.
#   SECONDS_EACH=3     length of one measurement
#   ROUNDS=3           measurements of each; medians are printed
#   CASES="..."        of: clear tls clear-new tls-new (TCB info of larderd),
#                      clear-10k tls-10k (the edge with a canned answer),
#                      latency-clear latency-tls (4 connections),
#                      idle-clear idle-tls (IDLE=1000 connections)
#   RESULT=FILE        where the JSON result goes (build/bench/edge.json)
# Loopback, any free port; the folder it works in is below build/bench.
set -eu
B=${B:-build}
EACH=${SECONDS_EACH:-3}
ROUNDS=${ROUNDS:-3}
CASES=${CASES:-idle-clear idle-tls clear tls clear-new tls-new clear-10k
	tls-10k latency-clear latency-tls}
IDLE=${IDLE:-1000}
RESULT=${RESULT:-$B/bench/edge.json}
mkdir -p "$(dirname "$RESULT")" "$B/bench"
T=$(cd "$(mktemp -d "$B/bench/edge.XXXXXX")" && pwd)
SIM_PID='' LARDER_PID='' HIT_PID='' NGINX_PID='' IDLE_PID=''
cleanup() {
	for p in "$IDLE_PID" "$LARDER_PID" "$HIT_PID" "$NGINX_PID" "$SIM_PID"; do
		[ -z "$p" ] || kill "$p" 2>/dev/null || true
	done
	wait 2>/dev/null || true
	rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

say() { printf '%s\n' "$*"; }
die() { say "edge: $*" >&2; tail -n 5 "$T"/*.log >&2 || true; exit 1; }
await() { await_n 300 "$@"; }
await_long() { await_n 6000 "$@"; }
await_n() { # TIMES COMMAND
	local n=0 most=$1
	shift
	until "$@" >/dev/null 2>&1; do
		n=$((n + 1))
		[ $n -lt "$most" ] || return 1
		sleep 0.01
	done
}

# --- both servers ------------------------------------------------------------

"$B/larder-sim" >"$T/sim.out" 2>"$T/sim.log" &
SIM_PID=$!
await grep -q '^listening ' "$T/sim.out" || die 'no simulator'
read -r _ SIM SPKI <"$T/sim.out"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	-subj /CN=localhost -days 2 -keyout "$T/key.pem" -out "$T/cert.pem" \
	2>/dev/null
cat >"$T/larder.json" <<CONFIG
{
  "listen": [
    { "address": "127.0.0.1:0", "serve": ["pccs"] },
    { "address": "127.0.0.1:0", "serve": ["pccs"],
      "tls": { "certificate": "$T/cert.pem", "key": "$T/key.pem" } }
  ],
  "database": "sqlite:$T/larder.db",
  "upstream": { "pcs": { "urls": ["$SIM"],
                         "root_crl_urls": ["$SIM/IntelSGXRootCA.der"] } },
  "trust": { "intel_root_spki_sha256": ["$SPKI"] },
  "log": { "level": "note" }
}
CONFIG
"$B/larderd" -c "$T/larder.json" 2>"$T/larderd.log" &
LARDER_PID=$!
await grep -q 'event=ready' "$T/larderd.log" || die 'no larderd'
mapfile -t PORTS < <(sed -n 's/.*event=listening.* port=\([0-9]*\).*/\1/p' \
	"$T/larderd.log")
FMSPC=$(curl -s "$SIM/_sim/platform?n=1" | jq -r .fmspc)
TCB="/sgx/certification/v4/tcb?fmspc=$FMSPC"
curl -sf -o "$T/body" "http://127.0.0.1:${PORTS[0]}$TCB" || die 'no TCB info'

mkfifo "$T/hit.in"
"$B/tests/bench/hit" "$T/cert.pem" "$T/key.pem" <"$T/hit.in" >"$T/hit.out" \
	2>"$T/hit.log" &
HIT_PID=$!
exec 9>"$T/hit.in"
await test -s "$T/hit.out" || die 'no canned answers'
read -r HIT HIT_TLS <"$T/hit.out"

# Its workers read their cache as whoever runs this.
NUSER=$([ "$(id -u)" != 0 ] || echo 'user root;')
cat >"$T/nginx.conf" <<CONF
$NUSER
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
	ssl_certificate $T/cert.pem; ssl_certificate_key $T/key.pem;
	ssl_protocols TLSv1.2 TLSv1.3;
	server {
		listen 127.0.0.1:@PORT@ reuseport backlog=4096;
		listen 127.0.0.1:@TLS@ ssl reuseport backlog=4096;
		location /hit {
			proxy_pass http://127.0.0.1:$HIT;
			proxy_cache z; proxy_cache_valid 200 1h;
		}
		location / {
			proxy_pass http://127.0.0.1:${PORTS[0]};
			proxy_cache z; proxy_cache_valid 200 1h;
			# The header with the issuers is a large one.
			proxy_buffer_size 32k; proxy_buffers 8 32k;
		}
	}
}
CONF
# nginx cannot be asked for just any free port.
for _ in 1 2 3 4 5; do
	NPORT=$((20000 + RANDOM % 6000 * 2))
	sed "s/@PORT@/$NPORT/; s/@TLS@/$((NPORT + 1))/" "$T/nginx.conf" \
		>"$T/nginx.now"
	nginx -p "$T" -e "$T/nginx.log" -c "$T/nginx.now" -g 'daemon off;' \
		2>"$T/nginx.err" &
	NGINX_PID=$!
	await test -s "$T/nginx.pid" || true
	kill -0 "$NGINX_PID" 2>/dev/null && break
done
await curl -sf -o "$T/nbody" "http://127.0.0.1:$NPORT$TCB" || die 'no nginx'
cmp -s "$T/body" "$T/nbody" || die 'nginx serves something else'

# --- measuring -----------------------------------------------------------------

# CPU ticks of a process and its children.
ticks() {
	local p
	for p in "$1" $(pgrep -P "$1"); do
		sed 's/.*) //' "/proc/$p/stat"
	done | awk '{n += $12 + $13} END {print n}'
}

# one PID URL [CLOSE]: requests per CPU second of the server
one() {
	local before after
	before=$(ticks "$1")
	wrk -t2 -c64 -d"${EACH}s" ${3:+-H 'Connection: close'} "$2" >"$T/wrk"
	after=$(ticks "$1")
	if grep -qE 'Non-2xx' "$T/wrk"; then die "$2: $(cat "$T/wrk")"; fi
	awk -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" \
		'/requests in/ {printf "%.0f\n", $1 * hz / t}' "$T/wrk"
}

median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

result() { # CASE LARDER NGINX UNIT
	local ratio
	ratio=$(awk "BEGIN {printf \"%.2f\", $2 / $3}")
	printf '  %-20s larder %7s   nginx %7s %-10s ratio %s\n' \
		"$1" "$2" "$3" "$4" "$ratio"
	jq -n --arg case "$1" --argjson larder "$2" --argjson nginx "$3" \
		--arg unit "$4" --argjson ratio "$ratio" '$ARGS.named' \
		>>"$T/rows"
}

# Memory of its own that a process and its children hold, in bytes.
own_memory() {
	local p
	for p in "$1" $(pgrep -P "$1"); do
		cat "/proc/$p/status"
	done | awk '/^RssAnon:/ {n += $2} END {print n * 1024}'
}

# idle PID PORT [tls]: bytes per connection that waits
idle() {
	local before
	before=$(own_memory "$1")
	rm -f "$T/idle.in"
	mkfifo "$T/idle.in"
	"$B/tests/bench/idle" "$2" "$IDLE" "$TCB" ${3:+tls} <"$T/idle.in" \
		>"$T/idle.out" 2>"$T/idle.log" &
	IDLE_PID=$!
	exec 8>"$T/idle.in"
	await_long grep -q ready "$T/idle.out" || die 'no idle connections'
	echo $((($(own_memory "$1") - before) / IDLE))
	exec 8>&-
	wait "$IDLE_PID" || die 'idle connections'
	IDLE_PID=''
}

# latency URL: microseconds at the 50th, 99th and 99.9th hundredth
latency() {
	wrk -t1 -c4 -d"${EACH}s" -s "$T/percent.lua" "$1" |
		awk '/^percent/ {print $2, $3, $4}'
}
cat >"$T/percent.lua" <<'LUA'
done = function(_, latency)
	print("percent " .. latency:percentile(50) .. " " ..
		latency:percentile(99) .. " " .. latency:percentile(99.9))
end
LUA

latency_case() { # CASE LARDER-URL NGINX-URL
	local i=0 p
	: >"$T/l"
	: >"$T/n"
	for _ in $(seq "$ROUNDS"); do
		latency "$2" >>"$T/l"
		latency "$3" >>"$T/n"
	done
	for p in p50 p99 p99.9; do
		i=$((i + 1))
		result "$1-$p" "$(cut -d' ' -f$i "$T/l" | median)" \
			"$(cut -d' ' -f$i "$T/n" | median)" us
	done
}

say "medians of $ROUNDS; requests per second of server CPU with 64" \
	"connections; TCB info: $(stat -c %s "$T/body") bytes"
: >"$T/rows"
for c in $CASES; do
	close='' pid=$LARDER_PID path=$TCB port=${PORTS[0]} tls=${PORTS[1]}
	case $c in
	*-new) close=1 ;;
	*-10k) pid=$HIT_PID path=/hit port=$HIT tls=$HIT_TLS ;;
	esac
	case $c in
	*tls*) l=https://127.0.0.1:$tls n=https://127.0.0.1:$((NPORT + 1)) ;;
	*) l=http://127.0.0.1:$port n=http://127.0.0.1:$NPORT ;;
	esac
	case $c in
	idle-*)
		result "$c" "$(idle "$pid" "${l##*:}" "${c#idle-clear}")" \
			"$(idle "$NGINX_PID" "${n##*:}" "${c#idle-clear}")" bytes
		continue
		;;
	latency-*)
		latency_case "$c" "$l$path" "$n$path"
		continue
		;;
	esac
	: >"$T/l"
	: >"$T/n"
	for _ in $(seq "$ROUNDS"); do
		one "$pid" "$l$path" $close >>"$T/l"
		one "$NGINX_PID" "$n$path" $close >>"$T/n"
	done
	result "$c" "$(median <"$T/l")" "$(median <"$T/n")" /CPU-s
done
jq -s . "$T/rows" >"$RESULT"
say "as JSON: $RESULT"
