# The fuzz targets. `tests` builds them with replay.c, with the sanitizers where the compiler has them; `make fuzzers`
# builds them with libFuzzer (clang), into build/libfuzzer. Where `make deps DEPS=versions` has fetched an SQLite, that is
# compiled with libFuzzer's instrumentation as well, so that its coverage guides the mutations too: FUZZ_SQLITE names
# the directory of another one, or none.

FUZZ_TARGETS := sql options shadow image
FUZZ_ENGINE  ?=
FUZZ_SQLITE  ?= $(if $(FUZZ_ENGINE),$(patsubst %/sqlite3.c,%,$(wildcard build/versions/newest/sqlite3.c)))
FUZZ_SANITIZERS ?= address,undefined
FUZZ_FLAGS   := -O1 -g -fno-omit-frame-pointer -fsanitize=$(FUZZ_SANITIZERS) -fno-sanitize-recover=all
FUZZ_FLAGS   := $(shell printf 'int main(void) { return 0; }\n' | \
    $(CC) $(CPPFLAGS) $(FUZZ_FLAGS) -x c -o /dev/null - >/dev/null 2>&1 && echo '$(FUZZ_FLAGS)' || echo '-O1 -g')
FUZZ_EXT     := $(patsubst ext/%.c,$(BUILD)/fuzz/ext/%.o,$(wildcard ext/*.c))
FUZZ_SHARED  := $(BUILD)/fuzz/support.o $(BUILD)/fuzz/testclock.o $(if $(FUZZ_ENGINE),,$(BUILD)/fuzz/replay.o)
FUZZ_LINK    := -fsanitize=fuzzer
FUZZERS      := $(FUZZ_TARGETS:%=$(BUILD)/fuzz/fuzz_%)
FUZZ_CC       = $(COMPILE) $(FUZZ_FLAGS) $(FUZZ_ENGINE:%=-fsanitize=fuzzer-no-link) -DSQLITE_CORE \
    -DHC_VERSION='"$(VERSION)"' $(FUZZ_SQLITE:%=-I%) -I$(BUILD) -Iext -Itests/lib
FUZZ_COVERAGE := -fsanitize-coverage=inline-8bit-counters,pc-table
FUZZ_HOST    := $(if $(FUZZ_SQLITE),$(BUILD)/fuzz/sqlite3.o)

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

# With what the targets ask for that is optional. No UBSan: what it says of SQLite is not ours. Coverage without the operands
# of comparisons: a half more executions in the same time.
$(BUILD)/fuzz/sqlite3.o: $(FUZZ_SQLITE)/sqlite3.c $(COMMON) tests/fuzz/suite.mk
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 -g -fno-omit-frame-pointer -fsanitize=address $(if $(FUZZ_ENGINE),$(FUZZ_COVERAGE)) -w \
	    -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_DBSTAT_VTAB -c -o $@ $<

$(FUZZERS): %: %.o $(FUZZ_SHARED) $(FUZZ_EXT) $(FUZZ_HOST)
	$(Q)$(CC) $(FUZZ_FLAGS) $(if $(FUZZ_ENGINE),$(FUZZ_LINK)) -o $@ $^ $(LDFLAGS) $(if $(FUZZ_HOST),,-lsqlite3) -lm

-include $(wildcard $(BUILD)/fuzz/ext/*.d)

.PHONY: fuzzers fuzzers-fast
fuzzers: ## the fuzz targets with libFuzzer (clang), into build/libfuzzer/fuzz
	@$(MAKE) --no-print-directory BUILD=build/libfuzzer DIST=build/libfuzzer/dist CC=clang DEBUG=1 FUZZ_ENGINE=yes \
	    $(FUZZ_TARGETS:%=build/libfuzzer/fuzz/fuzz_%)

# Without AddressSanitizer the parser of options runs three times as often.
fuzzers-fast:
	@$(MAKE) --no-print-directory BUILD=build/fastfuzz DIST=build/fastfuzz/dist CC=clang DEBUG=1 FUZZ_ENGINE=yes \
	    FUZZ_SANITIZERS=undefined FUZZ_SQLITE= build/fastfuzz/fuzz/fuzz_options
