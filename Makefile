# SPDX-License-Identifier: MIT
#
# The front door. Everything runs through ./dev, so that it works on a host that has none of
# hesper's dependencies; meson and ninja do the work.

RELEASE = build/release
ASAN = build/asan
FUZZ = build/fuzz
WERROR ?= false
SUITE ?=
DEMO ?= cube
ARGS ?=
TARGET ?=
SECONDS ?= 60

all: setup
	@tools/build $(RELEASE) -Dwerror=$(WERROR)
	@tools/link-programs $(RELEASE) build/bin

help:
	@echo 'make                  build everything into build/release; programs in build/bin'
	@echo 'make demo             a guest draws a spinning cube: build/demo/cube.png, summary.json'
	@echo 'make demo DEMO=triangle ARGS="--headless --frames 300"'
	@echo 'make check            every test; ends with "N passed, N failed, N skipped"'
	@echo 'make check SUITE=NAME one suite: unit wire layer golden fault e2e desktop hostile style'
	@echo 'make check-asan       the same with AddressSanitizer and UBSan, in build/asan'
	@echo 'make bench            measure hesper, about five minutes: build/bench/report.md'
	@echo 'make bench ARGS="present --samples full"'
	@echo 'make fuzz             60 seconds of each fuzz target; finds go to build/fuzz/corpus'
	@echo 'make fuzz TARGET=gpu SECONDS=600'
	@echo 'make install          into DESTDIR and the prefix that meson was given'
	@echo 'make format           put every C file in the house style'
	@echo 'make clean            remove build/'
	@echo 'make help             this'
	@echo './dev CMD ARGS...     run CMD where hesper builds and runs, e.g. ./dev hesper doctor'

setup:
	@./dev --setup

demo: all
	@./dev hesper demo $(DEMO) $(ARGS)

check: all $(if $(filter-out hostile,$(SUITE)),,fuzz-build)
	@./dev tools/check $(RELEASE) $(SUITE)

check-asan: setup
	@tools/build $(ASAN) -Dwerror=$(WERROR) -Db_sanitize=address,undefined -Db_lundef=false
	@./dev tools/check $(ASAN) $(SUITE)

bench: all
	@./dev hesper bench $(ARGS)

fuzz-build: setup
	@CC=clang tools/build $(FUZZ) -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false \
		'-Dc_args=-fsanitize=fuzzer-no-link -fno-sanitize-recover=all' -- fuzz

fuzz: fuzz-build
	@./dev tools/fuzz --seconds=$(SECONDS) $(TARGET)

install: all
	@./dev meson install -C $(RELEASE) --no-rebuild

format:
	@./dev sh -c "find src include layer guest tests bench -name '*.[ch]' | xargs clang-format -i"

clean:
	rm -rf build

.PHONY: all help setup demo bench check check-asan fuzz fuzz-build install format clean
