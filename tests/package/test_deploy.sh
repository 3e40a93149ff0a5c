#!/bin/sh
# What deploy/ ships fits the programs: the configurations are good ones, and
# rules and dashboard speak of series that larderd writes.
set -u
B=${B:-build}
cd "$(dirname "$0")/../.." || exit 1
dir=$(mktemp -d)
pid='' sim=''
trap 'kill $pid $sim 2>"$dir/out"; rm -rf "$dir"' EXIT
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
# One that has fetched something: series of objects and origins are there too.
"$B/larder-sim" >"$dir/sim" 2>"$dir/out" &
sim=$!
i=0
while ! grep -q '^listening ' "$dir/sim"; do
	i=$((i + 1))
	if [ $i -gt 100000 ] || ! kill -0 $sim; then break; fi
done
read -r _ url spki <"$dir/sim"
cat >"$dir/larder.json" <<CONFIG
{"database": "sqlite:$dir/larder.db",
 "upstream": {"pcs": {"urls": ["$url"],
                      "root_crl_urls": ["$url/IntelSGXRootCA.der"]}},
 "trust": {"intel_root_spki_sha256": ["$spki"]},
 "listen": [{"address": "unix:$dir/s", "serve": ["ops", "pccs"]}]}
CONFIG
"$B/larderd" -c "$dir/larder.json" 2>"$dir/log" &
pid=$!
i=0
while ! curl -fsS --unix-socket "$dir/s" http://larder/health \
	>"$dir/out" 2>&1; do
	i=$((i + 1))
	if [ $i -gt 2000 ] || ! kill -0 $pid; then break; fi
done
check "larderd fetches" curl -fsS --unix-socket "$dir/s" \
	http://larder/sgx/certification/v4/qe/identity
curl -fsS --unix-socket "$dir/s" http://larder/metrics >"$dir/metrics"
sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' "$dir/metrics" | sort -u >"$dir/have"
check "larderd writes its series" test -s "$dir/have"
for f in deploy/monitoring/*; do
	grep -o 'larder_[a-z_]*' "$f" | sed 's/_bucket$//' | sort -u >"$dir/want"
	check "$f names series" test -s "$dir/want"
	check "$f names no series that is not written" \
		sh -c "comm -23 '$dir/want' '$dir/have' | grep . && exit 1; exit 0"
done
# --- labels ---
# Lines of EXPRESSION tab TEXT, the text naming labels of the result.
# shellcheck disable=SC2016 # $labels is Prometheus's
jq -r '.panels[].targets[] | [.expr, .legendFormat // ""] | @tsv' \
	deploy/monitoring/grafana.json | sed 's/{{\([a-z_]*\)}}/$labels.\1/g' \
	>"$dir/exprs"
awk '/- alert:/ { if (e != "") print e "\t" t; e = t = "" }
	/ expr:/ { e = $0; sub(/.* expr: /, "", e) }
	/ summary:| description:/ { t = t " " $0 }
	END { print e "\t" t }' deploy/monitoring/larder.rules.yaml >>"$dir/exprs"
# Each label that is named stands at one of the expression's series, each value
# that is matched too; job and instance come of the scrape.
labels_bad() {
	while IFS="$(printf '\t')" read -r expr text; do
		echo "$expr" | grep -o 'larder_[a-z_]*' | sort -u >"$dir/series"
		[ -s "$dir/series" ] || continue
		sed 's/.*/^&[{ ]/' "$dir/series" >"$dir/patterns"
		grep -f "$dir/patterns" "$dir/metrics" >"$dir/samples" ||
			echo "no sample: $expr"
		{
			# shellcheck disable=SC2016
			echo "$text" | grep -o '\$labels\.[a-z_]*' | sed 's/.*\.//'
			echo "$expr" | grep -o 'by ([a-z_, ]*)' |
				sed 's/by (//;s/)//' | tr -s ', ' '\n'
			echo "$expr" | grep -o '[a-z_]*=~*"' | sed 's/=.*//'
		} | grep -vx 'job\|instance\|' | sort -u >"$dir/labels"
		while read -r label; do
			grep -q "[{,]$label=\"" "$dir/samples" ||
				echo "no label $label: $expr"
		done <"$dir/labels"
		echo "$expr" | grep -o '[a-z_]*=~*"[^"]*"' | grep -v '^job=' |
			sed 's/"//g;s/=~*/ /' >"$dir/matched"
		while read -r label values; do
			echo "$values" | tr '|' '\n' >"$dir/values"
			while read -r value; do
				grep -q "[{,]$label=\"$value\"" "$dir/samples" ||
					echo "no $label=$value: $expr"
			done <"$dir/values"
		done <"$dir/matched"
	done <"$dir/exprs"
}
labels_bad >"$dir/bad" 2>&1
check "expressions are found" sh -c "[ \$(wc -l <'$dir/exprs') -gt 30 ]"
check "labels and their values are written" sh -c "! grep . '$dir/bad'"

check "the dashboard is one" \
	jq -e '.panels | length > 5 and all(.targets | length > 0)' \
	deploy/monitoring/grafana.json
if command -v promtool >/dev/null; then
	check "the rules are rules" \
		promtool check rules deploy/monitoring/larder.rules.yaml
	check "the alerts fire for what they say, and for nothing else" \
		promtool test rules tests/package/larder.rules.test.yaml
else
	echo "skipped: 1 no promtool"
fi

echo "$((100 * (n - bad) / n))%: Checks: $n, Failures: $bad, Errors: 0"
[ "$bad" = 0 ]
