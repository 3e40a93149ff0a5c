#!/bin/sh
# Run test programs one after the other; print each one's counts and a total.
# usage: tests/run.sh PROGRAM...   (a program that prints "skipped: N" lines
# has its skips counted).  What failed is said again at the end.
set -u
# Check ends a test after four seconds, or what its case says.  A machine may be
# far slower than the one that was written on; a test that hangs still ends.
: "${CK_DEFAULT_TIMEOUT:=60}" "${CK_TIMEOUT_MULTIPLIER:=4}"
export CK_DEFAULT_TIMEOUT CK_TIMEOUT_MULTIPLIER
# A service's own, when tests run in one: many daemons would share it.
unset RUNTIME_DIRECTORY
passed=0 failed=0 skipped=0
out=$(mktemp) || exit 1
trap 'rm -f "$out" "$out.err" "$out.bad"' EXIT
: >"$out.bad"
for t in "$@"; do
	if "$t" >"$out" 2>"$out.err"; then ok=1; else ok=0; fi
	line=$(grep -E '^[0-9]+%: Checks: ' "$out" | tail -1)
	n=$(printf '%s' "$line" | sed -n 's/.*Checks: \([0-9]*\),.*/\1/p')
	f=$(printf '%s' "$line" | sed -n 's/.*Failures: \([0-9]*\),.*/\1/p')
	e=$(printf '%s' "$line" | sed -n 's/.*Errors: \([0-9]*\).*/\1/p')
	s=$(awk '/^skipped: /{n += $2} END {print n + 0}' "$out")
	n=${n:-0} bad=$((${f:-0} + ${e:-0}))
	# A program that dies, or that runs no check at all, has failed.
	if [ "$ok" = 0 ] && [ "$bad" = 0 ]; then bad=1; fi
	if [ "$n" = 0 ] && [ "$s" = 0 ]; then bad=1; fi
	[ "$n" -ge "$bad" ] || n=$bad
	printf '%-40s %5d checks %3d failed %4d skipped\n' \
		"${t#"${B:-build}"/tests/}" "$n" "$bad" "$s"
	if [ "$bad" != 0 ]; then
		grep -vE '^(Running|[0-9]+%)' "$out"
		tail -40 "$out.err"
		echo "failed: ${t#"${B:-build}"/tests/}" >>"$out.bad"
		grep -E ':[FE]:|^failed: ' "$out" | cut -c1-400 |
			sed 's/^/    /' >>"$out.bad"
	fi
	passed=$((passed + n - bad)) failed=$((failed + bad))
	skipped=$((skipped + s))
done
cat "$out.bad"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
