#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make install, make uninstall: the whole library for C programs. libfolio.so carries the Swift
# runtime in itself and shows none of it, so a program needs no Swift to run.
. "$(dirname "$0")/common.sh"

prefix=${PREFIX:-/usr/local}
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
root=${DESTDIR:-}$prefix
version=$(sed -n 's/^## \([0-9][0-9.]*\).*/\1/p' CHANGELOG.md | head -n 1)
soname=libfolio.so.${version%%.*}

# What an install made, and nothing else; a later install must not leave an older one's headers.
remove() {
  rm -f "$root/lib/libfolio.so" "$root"/lib/libfolio.so.* "$root/include/folio.h" \
    "$root"/include/folio/*.h "$root/lib/pkgconfig/folio.pc"
  [ ! -d "$root/include/folio" ] || rmdir --ignore-fail-on-non-empty "$root/include/folio"
}

build() {
  # SwiftPM's --static-swift-stdlib is for executables only; the driver's own flag serves a library.
  swift build -c release --product folio --scratch-path .build-install \
    -Xswiftc -static-stdlib -Xlinker --exclude-libs=ALL -Xlinker "-soname=$soname"
}

install_files() {
  local bin rpath=
  bin=$(swift build -c release --scratch-path .build-install --show-bin-path)
  # Where the loader does not look by itself, programs get the folder with the link flags.
  case $prefix in /usr) ;; *) rpath=' -Wl,-rpath,${libdir}' ;; esac
  install -d "$root/lib/pkgconfig" "$root/include/folio"
  install -m 755 "$bin/libfolio.so" "$root/lib/libfolio.so.$version"
  strip --strip-unneeded "$root/lib/libfolio.so.$version"
  ln -sf "libfolio.so.$version" "$root/lib/$soname"
  ln -sf "$soname" "$root/lib/libfolio.so"
  install -m 644 Tools/folio.h "$root/include/folio.h"
  install -m 644 Sources/CFolio/include/CFolio.h Sources/CFolio/include/folio/*.h \
    "$root/include/folio/"
  sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|" -e "s|@RPATH@|$rpath|" \
    Tools/folio.pc.in >"$root/lib/pkgconfig/folio.pc"
}

case ${1:-} in
  install)
    build
    remove
    install_files
    echo "installed libfolio $version under $root"
    echo "use: PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs folio"
    ;;
  uninstall)
    remove
    echo "removed libfolio from $root"
    ;;
  *)
    echo 'usage: Tools/install.sh install|uninstall' >&2
    exit 64
    ;;
esac
