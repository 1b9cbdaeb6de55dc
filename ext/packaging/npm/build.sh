#!/bin/sh
# Makes DIST/sqlite-hybrid-cache-VERSION.tgz, laid out as `npm pack` does; needs no node. From the Makefile: VERSION,
# BUILD, DIST, MACHINE, LIBRARY, XXHASH, SOURCE_DATE_EPOCH.
set -eu

here=ext/packaging/npm
case $LIBRARY in
*.dll) os=win32 ;;
*.dylib) os=darwin ;;
*) os=linux ;;
esac
case ${MACHINE%%-*} in
x86_64) cpu=x64 ;;
aarch64 | arm64) cpu=arm64 ;;
i?86) cpu=ia32 ;;
powerpc64le) cpu=ppc64 ;;
*) cpu=${MACHINE%%-*} ;;
esac

root=$BUILD/npm/package
rm -rf "$root"
mkdir -p "$root/lib/$os-$cpu"
cp "$LIBRARY" "$root/lib/$os-$cpu/"
cp $here/index.js $here/index.d.ts $here/README.md LICENSE "$root/"
sh ext/packaging/xxhash_licence.sh "$XXHASH" >"$root/LICENSE-xxHash"
sed -e "s/@VERSION@/$VERSION/" -e "s/@OS@/$os/" -e "s/@CPU@/$cpu/" $here/package.json.in >"$root/package.json"
chmod -R u=rwX,go=rX "$root"
file=$DIST/sqlite-hybrid-cache-$VERSION.tgz
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C "$BUILD/npm" -cf - package |
    gzip -9n >"$file"
echo "$file"
