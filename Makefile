# SPDX-License-Identifier: MIT
# What a person or CI asks of this repository. Each target is one line here and, where it is long,
# one script in Tools/. `make` alone lists them.

PREFIX ?= /usr/local
DESTDIR ?=
# Further arguments of `make bench` and `make fuzz`: ARGS='--quick --filter folio_put'.
ARGS ?=
# Seconds per scenario of `make stress-ci`.
STRESS_SECONDS ?= 2
# Seconds of `make fuzz`.
SECONDS ?= 60
export PREFIX DESTDIR STRESS_SECONDS

.DEFAULT_GOAL := help
.PHONY: help setup bench lab lab-ci fuzz test sanitize lab-sanitize stress-ci docs install uninstall \
	format lint check-headers \
	aarch64 clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: ## install what is missing (apt; sudo only when not root); says what it does
	@Tools/setup.sh

bench: setup ## check and measure every refcount path beside its peers (ARGS=...)
	swift build -c release --product folio-bench
	@exec .build/release/folio-bench run $(ARGS)

lab: setup ## the schedule explorer against its goals: counts, speed, every bug of the museum
	@Tools/lab.sh

lab-ci: setup ## a bounded part of it
	@Tools/lab.sh --ci

fuzz: setup ## programs and schedules from bytes, by libFuzzer (SECONDS=60, ARGS=...)
	@Tools/fuzz.sh run --seconds $(SECONDS) $(ARGS)

test: setup ## unit, litmus, property, misuse, codegen and consumer tests; the Lab trait too
	@Tools/test.sh

sanitize: setup ## the tests under AddressSanitizer + UBSan and under ThreadSanitizer
	@Tools/sanitize.sh

lab-sanitize: setup ## the lab's scenarios under AddressSanitizer and ThreadSanitizer
	@Tools/lab-sanitize.sh

stress-ci: setup ## every stress scenario for a bounded time, strict and legacy rules
	@Tools/stress-ci.sh

docs: setup ## DocC pages of the Swift API and the C API in .build-docs/, warnings as errors
	@Tools/docs.sh

install: setup ## libfolio, folio.h and folio.pc for C programs (PREFIX=, DESTDIR=)
	@Tools/install.sh install

uninstall: ## remove what install put there (PREFIX=, DESTDIR=)
	@Tools/install.sh uninstall

format: setup ## reformat Swift and C sources in place
	@Tools/lint.sh --fix

lint: setup ## check format, licence lines and scripts
	@Tools/lint.sh

check-headers: setup ## each C header compiles alone, with gcc and with Swift's clang
	@Tools/check-headers.sh

aarch64: setup ## the C core compiles for arm64, with the barriers that it promises
	@Tools/aarch64.sh

clean: ## remove everything that builds made
	rm -rf .build .build-*
