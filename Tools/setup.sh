#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what Folio needs from Debian's archive and checks the Swift toolchain. Prints nothing and
# changes nothing when everything is there. Exit 77: cannot be done here, with the reason.
set -euo pipefail

# What each package is for:
#   liburcu-dev pkg-config       the library itself (RCU)
#   gcc g++ libc6-dev binutils   C and C++ clients, benchmark peers, stripping the installed library
#   gnuplot-nox                  plots of folio-bench --plot
#   valgrind libc6-dbg           instruction counts (callgrind)
#   cloc                         shares of C and Swift
#   clang-format-19              make format, make lint
#   gcc-aarch64-linux-gnu ...    make aarch64
packages=(
  liburcu-dev pkg-config gcc g++ libc6-dev binutils make git ca-certificates
  gnuplot-nox valgrind libc6-dbg cloc clang-format-19
)
if [ "$(uname -m)" != aarch64 ]; then
  packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
fi

cannot() {
  printf 'setup: %s\n' "$@" >&2
  exit 77
}

check_swift() {
  local advice='see https://www.swift.org/install/linux/ and put its usr/bin on PATH'
  command -v swift >/dev/null ||
    cannot 'there is no Swift toolchain: `swift` is not on PATH.' "Install Swift 6.3.1; $advice."
  local version
  version=$(swift --version 2>&1 | sed -n 's/.*Swift version \([0-9.]*\).*/\1/p' | head -n 1)
  # The oldest of the two comes first.
  if [ "$(printf '%s\n6.3\n' "${version:-0}" | sort -V | head -n 1)" != 6.3 ]; then
    cannot "Swift ${version:-of unknown version} is too old: Folio exports with @c." \
      "Install Swift 6.3.1; $advice."
  fi
}

missing_packages() {
  local installed package
  installed=" $(dpkg-query -W -f '${db:Status-Status}/${Package} ' "${packages[@]}" 2>/dev/null || true)"
  for package in "${packages[@]}"; do
    case $installed in *" installed/$package "*) ;; *) echo "$package" ;; esac
  done
}

install_packages() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      cannot 'these packages are missing, and there is no sudo. As root:' "apt-get install $*"
    as_root=(sudo)
  fi
  printf 'setup: installing %s\n' "$*" >&2
  # Lists may be absent or old; packages already there are left alone.
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@" >&2
  echo 'setup: done' >&2
}

check_swift
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  # Without apt only the one thing that nothing builds without can be looked for.
  pkg-config --exists liburcu-bp 2>/dev/null ||
    cannot 'this system has no apt. Install the counterparts of these Debian packages:' \
      "${packages[*]}"
  exit 0
fi
mapfile -t missing < <(missing_packages)
[ "${#missing[@]}" -eq 0 ] || install_packages "${missing[@]}"
