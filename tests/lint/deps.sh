#!/bin/sh
# Includes run downwards only: server -> upstream -> storage -> config.
# From outside a folder only its front or inner door may be included.
set -u
bad=0
say() { echo "$1"; bad=1; }
floor() {
	case "$1" in
	config/*) echo 1 ;; storage/*) echo 2 ;; upstream/*) echo 3 ;;
	server/*) echo 4 ;; tests/*) echo 9 ;; *) echo 0 ;;
	esac
}
doors='config/config.h storage/storage.h storage/baseline.h storage/verify/verify.h storage/verify/amd.h upstream/upstream.h upstream/fetch.h server/server.h server/appraise/appraise.h'
for f in $(git ls-files 'config/*.[ch]' 'storage/*.[ch]' 'upstream/*.[ch]' \
    'server/*.[ch]'); do
	# shellcheck disable=SC2013 # include lines hold no blanks
	for i in $(sed -n 's/^#include "\(.*\)"/\1/p' "$f"); do
		[ -e "$i" ] || { say "$f: includes $i, which is not there"; continue; }
		[ "$(floor "$i")" -le "$(floor "$f")" ] || say "$f: includes upward: $i"
		case "$i" in config/base/*) continue ;; esac
		top_f=${f%%/*} top_i=${i%%/*}
		if [ "$top_f" != "$top_i" ]; then
			case " $doors " in
			*" $i "*) ;;
			*) say "$f: includes $i, which is no door" ;;
			esac
		fi
		case "$f:$i" in
		storage/verify/*:storage/storage.h | storage/verify/*:config/config.h)
			say "$f: verification is pure, but includes $i" ;;
		server/appraise/*:server/[a-z]*.h | server/appraise/*:storage/storage.h)
			case "$i" in server/appraise/*) ;; *)
				say "$f: appraisal is pure, but includes $i" ;;
			esac ;;
		esac
	done
done
# pccs_db.c reads a database that is somebody else's.
for h in 'sqlite3.h:storage/sqlite.c server/cli/pccs_db.c' 'curl/curl.h:upstream/curl.c' 'nettle/ecdsa.h:storage/verify/p384.c'; do
	for f in $(git grep -l "#include <${h%%:*}>" -- config storage upstream server); do
		case " ${h##*:} " in *" $f "*) continue ;; esac
		say "$f: includes ${h%%:*}; only ${h##*:} may"
	done
done
exit $bad
