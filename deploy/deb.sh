#!/bin/sh
# "make deb": a Debian package of what is built, in $B/.  usage: deploy/deb.sh
# [VERSION]; without one, that of the source.
set -eu
B=${B:-build}
version=${1:-$(sed -n 's/^.define LARDER_VERSION "\(.*\)"/\1/p' \
	config/base/version.h)}
arch=$(dpkg --print-architecture)
stage=$B/deb/stage
rm -rf "$B/deb"
mkdir -p "$stage/DEBIAN" "$stage/etc/larder" "$B/deb/debian"

${MAKE:-make} --no-print-directory -s install DESTDIR="$PWD/$stage" \
	PREFIX=/usr UNIT=/lib/systemd/system
strip --strip-unneeded "$stage/usr/bin/larder" "$stage/usr/sbin/larderd"
gzip -9n "$stage"/usr/share/man/man*/*
mv "$stage/usr/share/doc/larder/LICENSE" \
	"$stage/usr/share/doc/larder/copyright"
install -m 644 deploy/debian/larder.json "$stage/etc/larder"

# Which libraries it was built against, as packages and versions; the tool
# wants a source package around it.
printf 'Source: larder\n\nPackage: larder\nArchitecture: any\n' \
	>"$B/deb/debian/control"
shlibs=$(cd "$B/deb" && dpkg-shlibdeps -O stage/usr/sbin/larderd \
	stage/usr/bin/larder 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
[ -n "$shlibs" ]

size=$(du -sk "$stage" | cut -f1)
sed -e "s|@VERSION@|$version|" -e "s|@ARCH@|$arch|" -e "s|@SIZE@|$size|" \
	-e "s|@SHLIBS@|$shlibs|" deploy/debian/control.in \
	>"$stage/DEBIAN/control"
install -m 644 deploy/debian/conffiles "$stage/DEBIAN"
install -m 755 deploy/debian/postinst deploy/debian/prerm \
	deploy/debian/postrm "$stage/DEBIAN"
dpkg-deb --root-owner-group --build "$stage" \
	"$B/larder_${version}_${arch}.deb" >/dev/null
rm -rf "$B/deb"
echo "$B/larder_${version}_${arch}.deb"
