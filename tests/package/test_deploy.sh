#!/bin/sh
# What deploy/ ships fits the programs: the configurations are good ones, and
# rules and dashboard speak of series that larderd writes.
set -u
B=${B:-build}
cd "$(dirname "$0")/../.." || exit 1
dir=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill $pid; rm -rf "$dir"' EXIT
n=0 bad=0
check() { # TEXT COMMAND...
	text=$1
	shift
	n=$((n + 1))
	"$@" >"$dir/out" 2>&1 && return
	bad=$((bad + 1))
	echo "failed: $text"
	cat "$dir/out"
}

# --- configurations ---
for f in deploy/examples/*.json deploy/debian/larder.json; do
	check "$f is a good configuration" "$B/larderd" -t -c "$f"
done
mkdir "$dir/tokens"
printf x | sha512sum | cut -c1-128 | tee "$dir/tokens/admin" \
	>"$dir/tokens/user"
sed -n '/^  larder.json: |/,/^---/{//d;s/^    //;p}' \
	deploy/kubernetes/larder.yaml |
	sed "s|/etc/larder/tokens|$dir/tokens|" >"$dir/kubernetes.json"
check "the ConfigMap holds a good configuration" \
	"$B/larderd" -t -c "$dir/kubernetes.json"

# The DaemonSet's script, on a machine that knows its row.
mkdir "$dir/bin" "$dir/node"
cat >"$dir/bin/larder" <<'ROW'
#!/bin/sh
[ "$*" = "host learn --json --match 10.244.0.0/16" ] || exit 1
echo '{"match": ["10.244.0.0/16"], "product": "Turin",' \
	'"chip_id": ["59790fb1c39f35c1"], "tcb": "5100000004010101"}'
ROW
chmod 755 "$dir/bin/larder"
: >"$dir/ca.pem"
sed -n '/^  configure: |/,/^---/{//d;s/^    //;p}' \
	deploy/kubernetes/metadata.yaml |
	sed -e "s|/etc/larder/node|$dir/node|" \
		-e "s|/etc/larder/cluster|$dir|" >"$dir/configure"
check "the DaemonSet makes a good configuration" \
	env PATH="$dir/bin:$(cd "$B" && pwd):$PATH" \
	POD_CIDR=10.244.0.0/16 CLUSTER_LARDER=https://larder.larder.svc:8081 \
	sh "$dir/configure"
check "a machine that learns nothing gets none" sh -c "
	! env PATH='$dir/bin:$(cd "$B" && pwd):$PATH' POD_CIDR=10.0.0.0/8 \
		CLUSTER_LARDER=https://larder.larder.svc:8081 sh '$dir/configure'"

# --- series ---
cat >"$dir/larder.json" <<CONFIG
{"database": "sqlite:$dir/larder.db", "mode": "offline",
 "listen": [{"address": "unix:$dir/s", "serve": ["ops"]}]}
CONFIG
"$B/larderd" -c "$dir/larder.json" 2>"$dir/log" &
pid=$!
i=0
while ! curl -fsS --unix-socket "$dir/s" http://larder/metrics \
	>"$dir/metrics" 2>/dev/null; do
	i=$((i + 1))
	if [ $i -gt 2000 ] || ! kill -0 $pid; then break; fi
done
sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' "$dir/metrics" | sort -u >"$dir/have"
check "larderd writes its series" test -s "$dir/have"
for f in deploy/monitoring/*; do
	grep -o 'larder_[a-z_]*' "$f" | sed 's/_bucket$//' | sort -u >"$dir/want"
	check "$f names series" test -s "$dir/want"
	check "$f names no series that is not written" \
		sh -c "comm -23 '$dir/want' '$dir/have' | grep . && exit 1; exit 0"
done
check "the dashboard is one" \
	jq -e '.panels | length > 5 and all(.targets | length > 0)' \
	deploy/monitoring/grafana.json
if command -v promtool >/dev/null; then
	check "the rules are rules" \
		promtool check rules deploy/monitoring/larder.rules.yaml
else
	echo "skipped: 1 no promtool"
fi

echo "$((100 * (n - bad) / n))%: Checks: $n, Failures: $bad, Errors: 0"
[ "$bad" = 0 ]
