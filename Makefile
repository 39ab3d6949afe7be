# SPDX-License-Identifier: BSD-3-Clause
#
# meson underneath; this file is the short way. `make` builds, `make check` tests, `make demo` shows. On Debian, as root,
# missing packages are installed first.
BUILD ?= build
PREFIX ?= /usr/local
WERROR ?= false
MESON_ARGS ?=
TEST_ARGS ?=

.PHONY: all check check-long demo install clean setup-build setup-check setup-demo

all: setup-build $(BUILD)/build.ninja
	ninja -C $(BUILD)

setup-build setup-check setup-demo: setup-%:
	scripts/setup.sh $*

$(BUILD)/build.ninja: | setup-build
	meson setup $(BUILD) --prefix=$(PREFIX) -Dwerror=$(WERROR) $(MESON_ARGS)

check: setup-check all
	scripts/run-tests.sh $(BUILD) --no-suite long $(TEST_ARGS)

check-long: setup-check all
	RP_LONG=1 scripts/run-tests.sh $(BUILD) --timeout-multiplier 20 $(TEST_ARGS)

demo: setup-demo all
	meson install -C $(BUILD) --no-rebuild --quiet --destdir "$(CURDIR)/$(BUILD)/stage"
	PATH="$(CURDIR)/$(BUILD)/stage$(PREFIX)/bin:$$PATH" scripts/demo.sh

install: all
	meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf $(BUILD)
