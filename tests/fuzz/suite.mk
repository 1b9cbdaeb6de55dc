# The fuzz targets. `tests` builds them with replay.c, with the sanitizers where the compiler has them; `make fuzzers`
# builds them with libFuzzer (clang), into build/libfuzzer.

FUZZ_TARGETS := sql options shadow image
FUZZ_ENGINE  ?=
FUZZ_SANITIZERS ?= address,undefined
FUZZ_FLAGS   := -O1 -g -fno-omit-frame-pointer -fsanitize=$(FUZZ_SANITIZERS) -fno-sanitize-recover=all
FUZZ_FLAGS   := $(shell printf 'int main(void) { return 0; }\n' | \
    $(CC) $(CPPFLAGS) $(FUZZ_FLAGS) -x c -o /dev/null - >/dev/null 2>&1 && echo '$(FUZZ_FLAGS)' || echo '-O1 -g')
FUZZ_EXT     := $(patsubst ext/%.c,$(BUILD)/fuzz/ext/%.o,$(wildcard ext/*.c))
FUZZ_SHARED  := $(BUILD)/fuzz/support.o $(BUILD)/fuzz/testclock.o $(if $(FUZZ_ENGINE),,$(BUILD)/fuzz/replay.o)
FUZZ_LINK    := -fsanitize=fuzzer
FUZZERS      := $(FUZZ_TARGETS:%=$(BUILD)/fuzz/fuzz_%)
FUZZ_CC       = $(COMPILE) $(FUZZ_FLAGS) $(FUZZ_ENGINE:%=-fsanitize=fuzzer-no-link) -DSQLITE_CORE \
    -DHC_VERSION='"$(VERSION)"' -I$(BUILD) -Iext -Itests/lib

tests: $(FUZZERS)

$(BUILD)/fuzz/ext/%.o: ext/%.c $(COMMON)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -c -o $@ $<

$(BUILD)/fuzz/%.o: tests/fuzz/%.c $(COMMON)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -c -o $@ $<

$(BUILD)/fuzz/testclock.o: tests/lib/testclock.c $(COMMON)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -c -o $@ $<

$(FUZZERS): %: %.o $(FUZZ_SHARED) $(FUZZ_EXT)
	$(Q)$(CC) $(FUZZ_FLAGS) $(if $(FUZZ_ENGINE),$(FUZZ_LINK)) -o $@ $^ $(LDFLAGS) -lsqlite3 -lm

-include $(wildcard $(BUILD)/fuzz/ext/*.d)

.PHONY: fuzzers fuzzers-fast
fuzzers: ## the fuzz targets with libFuzzer (clang), into build/libfuzzer/fuzz
	@$(MAKE) --no-print-directory BUILD=build/libfuzzer DIST=build/libfuzzer/dist CC=clang DEBUG=1 FUZZ_ENGINE=yes \
	    $(FUZZ_TARGETS:%=build/libfuzzer/fuzz/fuzz_%)

# Without AddressSanitizer the parser of options runs three times as often.
fuzzers-fast:
	@$(MAKE) --no-print-directory BUILD=build/fastfuzz DIST=build/fastfuzz/dist CC=clang DEBUG=1 FUZZ_ENGINE=yes \
	    FUZZ_SANITIZERS=undefined build/fastfuzz/fuzz/fuzz_options
