# SPDX-License-Identifier: BSD-3-Clause
#
# meson underneath; this file is the short way. `make` builds, `make check` tests, `make demo` shows. On Debian, as root,
# missing packages are installed first.
BUILD ?= build
PREFIX ?= /usr/local
WERROR ?= false
MESON_ARGS ?=
TEST_ARGS ?=

.PHONY: all configure check check-asan check-long demo install format clean setup-build setup-check setup-demo

all: configure
	ninja -C $(BUILD)

setup-build setup-check setup-demo: setup-%:
	scripts/setup.sh $*

# An old build directory takes over today's options. The tests are built where all of them can be, for `make check`, and not for
# a demonstration.
TESTS = auto
check check-long: TESTS = enabled
demo: TESTS = disabled
OPTIONS = --prefix=$(PREFIX) -Dwerror=$(WERROR) -Dtests=$(TESTS) $(MESON_ARGS)
configure: setup-build
	@if [ ! -e $(BUILD)/build.ninja ]; then meson setup $(BUILD) $(OPTIONS); \
	elif [ "$$(cat $(BUILD)/options 2>/dev/null)" != "$(OPTIONS)" ]; then meson setup --reconfigure $(BUILD) $(OPTIONS); fi
	@echo "$(OPTIONS)" >$(BUILD)/options

check: setup-check all
	scripts/run-tests.sh $(BUILD) --no-suite long $(TEST_ARGS)

check-long: setup-check all
	RP_LONG=1 scripts/run-tests.sh $(BUILD) --timeout-multiplier 20 $(TEST_ARGS)

# The host side under AddressSanitizer and UndefinedBehaviorSanitizer, in a build directory of its own.
check-asan: setup-check
	@[ -e build-asan/build.ninja ] || meson setup build-asan -Db_sanitize=address,undefined
	ninja -C build-asan
	UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 scripts/run-tests.sh build-asan --no-suite long $(TEST_ARGS)

demo: setup-demo all
	meson install -C $(BUILD) --no-rebuild --quiet --destdir "$(CURDIR)/$(BUILD)/stage"
	PATH="$(CURDIR)/$(BUILD)/stage$(PREFIX)/bin:$$PATH" scripts/demo.sh

install: all
	meson install -C $(BUILD) --no-rebuild

format:
	git ls-files "*.c" "*.h" ":!tests/golden" | xargs clang-format -i

clean:
	rm -rf $(BUILD)
