#!/bin/sh
# Run fuzz targets one after the other; a line each.
# usage: B=build/fuzz TIME=60 tests/fuzz/run.sh fuzz|fuzz-merge NAME...
set -u
verb=$1
shift
bad=0
for name in "$@"; do
	prog=$B/tests/fuzz/fuzz_$name corpus=tests/fuzz/corpus/$name
	found=$B/found/$name log=$B/fuzz_$name.log dict=tests/fuzz/$name.dict
	mkdir -p "$found" "$corpus" "$B/crash"
	if [ "$verb" = fuzz-merge ]; then
		set -- -set_cover_merge=1 "$corpus" "$found"
	else
		set -- -max_total_time="$TIME" "$found" "$corpus"
	fi
	[ ! -e "$dict" ] || set -- -dict="$dict" "$@"
	if "$prog" -artifact_prefix="$B/crash/$name-" -timeout=10 \
	    -rss_limit_mb=2048 -print_final_stats=1 "$@" >"$log" 2>&1; then
		said=ok
	else
		said=FAILED bad=1
	fi
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	new=$(sed -n 's/^stat::new_units_added: *//p' "$log")
	cov=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
	printf '%-20s %9s runs %6s edges %5s new  %s\n' "$name" "${runs:-?}" \
	    "${cov:-?}" "${new:-0}" "$said"
	[ "$said" = ok ] || tail -60 "$log"
done
exit $bad
