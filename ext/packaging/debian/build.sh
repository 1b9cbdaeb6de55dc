#!/bin/sh
# Makes DIST/libsqlite3-mod-hybrid-cache_VERSION_ARCH.deb: what `make install` installs, without what only a compiler
# wants. Needs dpkg-dev. From the Makefile: VERSION, BUILD, DIST, MAKE, SOURCE_DATE_EPOCH.
set -eu

MAINTAINER=${MAINTAINER:-hybrid_cache authors <hybrid-cache@users.noreply.github.com>}
here=ext/packaging/debian
package=libsqlite3-mod-hybrid-cache
arch=$(dpkg-architecture -q DEB_HOST_ARCH)
triplet=$(dpkg-architecture -q DEB_HOST_MULTIARCH)
own=$BUILD/deb # objects and library of this build, with Debian's flags
root=$own/root
file=$DIST/${package}_${VERSION}_$arch.deb

rm -rf "$root"
"$MAKE" --no-print-directory -s install BUILD="$own" DIST="$own/dist" DESTDIR="$PWD/$root" prefix=/usr \
    libdir="/usr/lib/$triplet" CPPFLAGS="$(dpkg-buildflags --get CPPFLAGS)" \
    CFLAGS="$(dpkg-buildflags --get CFLAGS)" LDFLAGS="$(dpkg-buildflags --get LDFLAGS) -Wl,-z,now"
libdir=$root/usr/lib/$triplet
rm -r "$root/usr/include" "$libdir/pkgconfig" "$libdir/libhybrid_cache.a"

# A module is no library to link with and has no SONAME, so the file itself lies in a directory of modules; the link is
# for `.load hybrid_cache`.
library=$libdir/sqlite3/hybrid_cache.so
mkdir "$libdir/sqlite3"
mv "$libdir/hybrid_cache.so" "$library"
ln -s sqlite3/hybrid_cache.so "$libdir/hybrid_cache.so"
strip --strip-unneeded --remove-section=.comment "$library"

fill() {
    sed -e "s|@VERSION@|$VERSION|" -e "s|@ARCH@|$arch|" -e "s|@MAINTAINER@|$MAINTAINER|" -e "s|@DEPENDS@|${depends:-}|" \
        -e "s|@SIZE@|${size:-}|" -e "s|@DATE@|$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")|" "$1"
}

documents=$root/usr/share/doc/$package
mkdir -p "$documents" "$root/DEBIAN" "$own/debian"
install -m 644 $here/copyright "$documents/"
fill $here/changelog.in | gzip -9n >"$documents/changelog.gz"
gzip -9n "$root"/usr/share/man/man7/hybrid_cache.7

# dpkg-shlibdeps wants to be in a source package.
printf 'Source: %s\n\nPackage: %s\nArchitecture: any\n' $package $package >"$own/debian/control"
depends=$(cd "$own" && dpkg-shlibdeps -O "root/usr/lib/$triplet/sqlite3/hybrid_cache.so" 2>/dev/null | sed 's/^shlibs:Depends=//')
size=$(du -k -s --apparent-size "$root/usr" | cut -f1)
fill $here/control.in >"$root/DEBIAN/control"
(cd "$root" && find usr -type f -exec md5sum {} + | LC_ALL=C sort -k 2 >DEBIAN/md5sums)

chmod -R u=rwX,go=rX "$root"
mkdir -p "$DIST"
dpkg-deb --root-owner-group -Zxz --build "$root" "$file" >/dev/null
echo "$file"
