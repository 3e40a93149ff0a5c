#!/bin/sh
# Which lines the tests reached: a line per file, least covered first.
# usage: tests/lint/cover.sh BUILD_FOLDER   (built with --coverage, tests run)
set -eu
B=$1
for f in $(git ls-files 'config/*.c' 'storage/*.c' 'upstream/*.c' \
    'server/*.c'); do
	gcov -n -o "$B/${f%.c}.o" "$f" 2>/dev/null | awk -v f="$f" '
		/^File / { mine = ($2 == "\047" f "\047") }
		mine && /^Lines executed/ {
			split($2, a, /[:%]/)
			printf "%6.1f%% of %5d lines  %s\n", a[2], $4, f
			mine = 0
		}'
done | sort -n | tee "$B/coverage.txt"
awk '{ sub("%", "", $1); n += $3; hit += $1 * $3 / 100 }
	END { if (n) printf "%6.1f%% of %5d lines  in all\n", 100 * hit / n, n }' \
	"$B/coverage.txt"
