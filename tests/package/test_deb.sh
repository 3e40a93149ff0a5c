#!/bin/sh
# The Debian package, in a copy-on-write view of this machine's files:
# installs, answers, upgrades without losing a setting or the data, purges
# without leaving anything.  Needs root (or a user namespace) and overlayfs.
set -u
B=${B:-build}
here=$(cd "$(dirname "$0")/../.." && pwd)
if [ "${1:-}" != inside ]; then
	for tool in dpkg-shlibdeps strip curl unshare ip; do
		command -v "$tool" >/dev/null && continue
		echo "skipped: 1 no $tool"
		exit 0
	done
	if ! unshare -m sh -c 'mount -t tmpfs none /mnt && mkdir /mnt/u /mnt/w &&
		mount -t overlay none -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w \
		/mnt' 2>/dev/null; then
		echo "skipped: 1 mounting an overlay is not permitted"
		exit 0
	fi
	exec unshare -m -n -p -f --kill-child "$0" inside
fi

n=0 bad=0
check() { # TEXT COMMAND...
	text=$1
	shift
	n=$((n + 1))
	"$@" >"$log" 2>&1 && return
	bad=$((bad + 1))
	echo "failed: $text"
	cat "$log"
}

cd "$here" || exit 1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
check "builds" deploy/deb.sh
check "builds a later version" deploy/deb.sh 99.0
first=$(find "$B" -maxdepth 1 -name 'larder_*.deb' ! -name '*_99.0_*')
later=$(find "$B" -maxdepth 1 -name 'larder_99.0_*.deb')

# The view: this machine's files below, ours above, nothing of it kept.
mount -t tmpfs none /mnt && mkdir /mnt/u /mnt/w /mnt/root
mount -t overlay none -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/root
R=/mnt/root
mount -t proc none $R/proc
mount --bind /dev $R/dev
mount -t tmpfs none $R/run
mount -t tmpfs none $R/tmp
ip link set lo up
cp "$first" "$R/tmp/first.deb"
cp "$later" "$R/tmp/later.deb"
in_root() { chroot $R env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
# What the package may leave its name on, logs and dpkg's own books apart.
files() {
	(cd $R && find etc usr lib/systemd var -xdev \
		-path var/lib/dpkg -prune -o -path var/log -prune -o \
		-path var/cache -prune -o -print 2>/dev/null | sort)
	cat $R/etc/group
}
answers() {
	i=0
	while ! curl -fsS http://127.0.0.1:8081/healthz; do
		i=$((i + 1))
		[ $i -lt 1000 ] && kill -0 "$daemon" || return 1
	done
}
start() {
	install -d -o daemon $R/var/lib/larder
	# One process all the way, so that a signal meets larderd itself.
	(exec chroot $R /usr/bin/setpriv --reuid=daemon --regid=daemon \
		--groups=larder-etc --reset-env \
		/usr/sbin/larderd --config /etc/larder/larder.json) \
		2>$R/tmp/log &
	daemon=$!
}
stop() { kill "$daemon" && wait "$daemon"; }
same_files() {
	files | diff "$R/tmp/before" -
}

files >$R/tmp/before
check "installs" in_root dpkg -i /tmp/first.deb
check "the unit is in its place" \
	grep -q 'ExecStart=/usr/sbin/larderd' $R/lib/systemd/system/larder.service
if command -v systemd-analyze >/dev/null; then
	check "the unit's sandbox is tight" systemd-analyze security \
		--offline=true --threshold=15 \
		$R/lib/systemd/system/larder.service
else
	echo "skipped: 1 no systemd-analyze"
fi
check "the configuration is for root and the group alone" \
	[ "$(in_root stat -c %a:%U:%G /etc/larder/larder.json)" = \
	640:root:larder-etc ]
check "it is a good one" in_root larderd -t
start
check "starts and answers" answers
check "nobody else may read the configuration" \
	[ "$(in_root setpriv --reuid=nobody --clear-groups \
	cat /etc/larder/larder.json 2>/dev/null)" = "" ]
check "ends" stop
sed 's/"mode": "lazy"/"mode": "offline"/' $R/etc/larder/larder.json \
	>$R/tmp/edited && cat $R/tmp/edited >$R/etc/larder/larder.json
check "upgrades" in_root dpkg -i /tmp/later.deb
check "is the later one" \
	[ "$(in_root dpkg-query -W larder)" = "$(printf 'larder\t99.0')" ]
check "keeps what was edited" cmp $R/tmp/edited $R/etc/larder/larder.json
check "keeps the data" [ -s $R/var/lib/larder/larder.db ]
start
check "answers after the upgrade" answers
check "ends again" stop
check "is removed" in_root dpkg -r larder
check "keeps settings and data until it is purged" \
	[ -s $R/var/lib/larder/larder.db ]
check "purges" in_root dpkg -P larder
check "leaves nothing" same_files

echo "$((100 * (n - bad) / n))%: Checks: $n, Failures: $bad, Errors: 0"
[ "$bad" = 0 ]
