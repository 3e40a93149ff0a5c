#!/bin/bash
# What more platforms cost: start, memory, hits, for each of SCALE="1000 ...".
# A million take 20 GB below build/bench while they are made, and some minutes.
#   RESULT=FILE        where the JSON result goes (build/bench/scale.json)
set -eu
B=${B:-build}
SCALE=${SCALE:-1000 10000 100000 1000000}
RESULT=${RESULT:-$B/bench/scale.json}
HERE=$(dirname "$0")
mkdir -p "$(dirname "$RESULT")"
: >"$RESULT.rows"
for n in $SCALE; do
	B=$B PLATFORMS=$n SCALE_ONLY=1 RESULT="$RESULT.one" "$HERE/bench.sh" \
		>"$RESULT.log" || { cat "$RESULT.log" >&2; exit 1; }
	cat "$RESULT.one" >>"$RESULT.rows"
done
jq -s . "$RESULT.rows" >"$RESULT"
rm -f "$RESULT.rows" "$RESULT.one" "$RESULT.log"
printf '  %-10s %10s %10s %10s %12s %10s %10s\n' platforms 'start ms' \
	'MB' 'MB after' 'requests/s' 'ms disk' 'ms memory'
jq -r '.[] | [.platforms, .first_ms, (.rss_start_kb / 1024 | floor),
	(.rss_end_kb / 1024 | floor), .pck_many, .disk_ms, .memory_ms] | @tsv' \
	"$RESULT" | while IFS="$(printf '\t')" read -r a b c d e f g; do
	printf '  %-10s %10s %10s %10s %12s %10s %10s\n' \
		"$a" "$b" "$c" "$d" "$e" "$f" "$g"
done
echo "as JSON: $RESULT"
