# SPDX-License-Identifier: Apache-2.0
# The short commands; Meson does the work. BUILD is where it is done.

BUILD ?= build
# Which kernel the guest gets: auto (our own if make guest-kernel has made it), own or debian.
GUEST_KERNEL ?= auto
DESTDIR ?=

.PHONY: all build guest guest-kernel demo check bench install clean

all: build

$(BUILD)/build.ninja:
	tools/install-deps build
	meson setup $(BUILD) .

build: $(BUILD)/build.ninja
	ninja -C $(BUILD)

guest: build
	guest/build --kernel $(GUEST_KERNEL) --agent $(BUILD)/src/agent/caisson-agent --out $(BUILD)/guest

# The guest's own kernel, once: some 20 minutes of processor time. Then `make guest` takes it instead of Debian's.
guest-kernel:
	tools/install-deps kernel
	guest/build-kernel

# From nothing to a container in its own virtual machine.
demo:
	tools/install-deps build run
	$(MAKE) guest
	tools/demo $(BUILD)

check:
	tools/install-deps build run check
	$(MAKE) guest
	tests/run $(BUILD)

bench:
	tools/install-deps build run check
	$(MAKE) guest
	bench/run --build $(BUILD)

install: guest
	DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild
	tools/install-guest $(BUILD)

clean:
	rm -rf $(BUILD)
