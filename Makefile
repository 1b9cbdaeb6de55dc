# hybrid_cache. GNU make; `make help` lists the targets.
#
# Everything made goes to build/ and dist/. Respected: CC, CPPFLAGS, CFLAGS, LDFLAGS, prefix, libdir, includedir, mandir,
# DESTDIR; V=1 shows the commands. What goes to others (packages, installation) is in ext/packaging/packaging.mk.
# Variants (ASan, other compilers, debug) are this same Makefile run again with another BUILD and DIST.

VERSION := $(shell cat VERSION)
BUILD   ?= build
DIST    ?= dist
CFLAGS  ?= -O2
DEBUG   ?=
PARTS   ?= $(DEBUG)
prefix  ?= /usr/local
libdir  ?= $(prefix)/lib
INSTALL ?= install

# The machine that is compiled for, which need not be this one; `uname` speaks where no compiler is installed yet.
MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null || uname -s)
ifneq (,$(findstring mingw,$(MACHINE)))
    SUFFIX := dll
else ifneq (,$(findstring arwin,$(MACHINE)))
    SUFFIX := dylib
    PIC    := -fPIC
else
    SUFFIX := so
    PIC    := -fPIC
    STRICT := -Wl,-z,defs
endif

LIBRARY  := $(DIST)/hybrid_cache.$(SUFFIX)
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion
DEFINES  := -DHC_VERSION='"$(VERSION)"' $(if $(DEBUG),,-DNDEBUG)
Q         = $(if $(V),,@echo '  making $@';)
COMPILE   = $(CC) -std=c11 $(WARNINGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP

# What every compilation depends on besides its files: other flags than last time compile everything anew.
COMMON    = $(BUILD)/schema.h $(BUILD)/flags VERSION Makefile

# Compiled as one file the extension is faster, since the compiler sees across the parts: a get hit takes 6 % less time. PARTS=1
# compiles the parts by themselves, as debuggers, coverage and lint want them.
PART_OBJECTS := $(patsubst ext/%.c,$(BUILD)/ext/%.o,$(wildcard ext/*.c))
OBJECTS      := $(if $(PARTS),$(PART_OBJECTS),$(BUILD)/one/hybrid_cache.o)

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: always all loadable tests programs deps demo test asan coverage valgrind lint format bench instructions soak versions install uninstall clean help \
        lint-format lint-gcc lint-clang lint-analyzer lint-tidy lint-cppcheck lint-sh
all: loadable
loadable: $(LIBRARY) ## the extension: dist/hybrid_cache.so (.dylib, .dll)

# ---- the extension: one exported symbol, linked to libc alone (the suite `library` checks both)

$(LIBRARY): $(OBJECTS)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared $(PIC) $(CFLAGS) $(LDFLAGS) $(STRICT) -o $@ $^

$(BUILD)/ext/%.o: ext/%.c $(COMMON)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(PIC) -fvisibility=hidden $(DEFINES) $(HEADERS) -I$(BUILD) -c -o $@ $<

$(BUILD)/one/%.o: $(DIST)/%.c $(COMMON)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(PIC) -fvisibility=hidden $(DEFINES) -c -o $@ $<

# The DDL of the shadow tables as a C string; the documentation in it stays behind.
$(BUILD)/schema.h: sql/schema.sql Makefile
	@mkdir -p $(@D)
	$(Q){ echo '/* Made from $< by the Makefile. */'; echo 'static const char hc_schema_sql[] ='; \
	  sed -e '/^[[:space:]]*--/d' -e '/^[[:space:]]*$$/d' \
	      -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/    "&\\n"/' $<; \
	  echo '    ;'; } > $@

$(BUILD)/flags: always
	@mkdir -p $(@D)
	@echo '$(CC) $(CPPFLAGS) $(CFLAGS) $(DEBUG) $(HEADERS)' | cmp -s - $@ || echo '$(CC) $(CPPFLAGS) $(CFLAGS) $(DEBUG) $(HEADERS)' > $@

include ext/packaging/packaging.mk

# ---- test programs, linked to the system's SQLite; what they need of tests/lib and ext they include

SINGLE  := $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/unit/*.c tests/slt/slt.c tests/model/order.c tests/model/threads.c tests/trace/replay.c))
MODEL   := $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/model/model.c))
FAULT   := $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/fault/fault.c))
BENCH   := $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/bench/bench.c))
CLOCK   := $(patsubst tests/lib/%.c,$(BUILD)/%.$(SUFFIX),$(wildcard tests/lib/testclock.c))
LMDB    := $(shell printf '\043include <lmdb.h>\n' | $(CC) $(CPPFLAGS) -E - >/dev/null 2>&1 && echo yes)
TESTING  = -g -DSQLITE_CORE -DHC_VERSION='"$(VERSION)"' $(if $(LMDB),-DBENCH_LMDB) -I$(BUILD) -Iext -Itests/lib
tests: $(SINGLE) $(MODEL) $(FAULT) $(CLOCK)
# A suite that builds programs of its own says so in tests/NAME/suite.mk, and adds them to `tests`.
include $(wildcard tests/*/suite.mk)
programs: tests $(BENCH)

$(SINGLE): %: %.o
$(MODEL): $(BUILD)/model/model.o $(BUILD)/model/worker.o
$(BENCH): $(patsubst tests/%.c,$(BUILD)/%.o,$(wildcard tests/bench/*.c))
$(BENCH): LDLIBS := $(if $(LMDB),-llmdb)
$(FAULT): $(BUILD)/fault/fault.o $(BUILD)/fault/inject.o
$(SINGLE) $(MODEL) $(FAULT) $(BENCH):
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) -lsqlite3 -lpthread -lm $(LDLIBS)

$(BUILD)/%.o: tests/%.c $(COMMON)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(TESTING) -c -o $@ $<

$(CLOCK): $(BUILD)/%.$(SUFFIX): tests/lib/%.c $(COMMON)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(PIC) -shared -o $@ $< $(LDFLAGS) -lm

-include $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d)

# ---- the two commands of the README. Each makes a bare machine ready first, hence the second make.

deps: ## install what is missing (Debian packages); says what it does
	@CC='$(CC)' CPPFLAGS='$(CPPFLAGS)' sh tests/tools/deps.sh $(DEPS)

demo: deps ## watch the cache at work on the log of a real web server
	@$(MAKE) --no-print-directory loadable
	@sh tests/tools/demo.sh

test: deps ## all tests; SUITE=slt (or several words) runs only that
	@$(MAKE) --no-print-directory loadable tests
	@BUILD=$(BUILD) DIST=$(DIST) sh tests/tools/run.sh $(SUITE)

# ---- further checks

SANITIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
ASAN     := BUILD=build/asan DIST=build/asan/dist DEBUG=1 CFLAGS='$(SANITIZE)' STRICT=

asan: deps ## the suites under AddressSanitizer and UBSan, with assertions; SUITE=... only these
	@$(MAKE) --no-print-directory $(ASAN) loadable tests
	@BUILD=build/asan DIST=build/asan/dist sh tests/tools/asan.sh $(SUITE)

VALGRIND := valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,possible

valgrind: ## the slt suite under valgrind, with assertions
	@$(MAKE) --no-print-directory deps DEPS='build demo test valgrind'
	@$(MAKE) --no-print-directory BUILD=build/debug DIST=build/debug/dist DEBUG=1 CFLAGS='-O1 -g' loadable tests
	@BUILD=build/debug DIST=build/debug/dist WRAP='$(VALGRIND)' SLT_MODES=wal,delete sh tests/tools/run.sh $(or $(SUITE),slt)

# With the newest headers, where they are, so that what asks for newer hosts is compiled in.
COVERAGE := BUILD=build/coverage DIST=build/coverage/dist DEBUG= PARTS=1 CPPFLAGS='$(CPPFLAGS) -DNDEBUG' \
    CFLAGS='-O0 -g --coverage' LDFLAGS='$(LDFLAGS) -Wl,-z,nodelete' HEADERS='-I$(BUILD)/versions/newest'

coverage: deps ## which lines and branches of ext/ the tests reach (gcc, gcov); SUITE=... only by these
	-@$(MAKE) --no-print-directory deps DEPS=versions
	@$(MAKE) --no-print-directory tests
	@$(MAKE) --no-print-directory $(COVERAGE) loadable $(patsubst tests/%.c,build/coverage/%,$(wildcard tests/unit/*.c))
	@BUILD=$(BUILD) COVERAGE=build/coverage sh tests/tools/coverage.sh $(SUITE)

soak: deps ## the long forms of the tests
	@$(MAKE) --no-print-directory loadable tests
	@BUILD=$(BUILD) DIST=$(DIST) SOAK=1 sh tests/tools/run.sh $(SUITE)

versions: ## the suite `versions` in full: other SQLites, compilers, machines (32 bits, big-endian, Windows)
	@$(MAKE) --no-print-directory deps DEPS='build demo test versions machines'
	@$(MAKE) --no-print-directory loadable tests
	@BUILD=$(BUILD) DIST=$(DIST) ALL=1 sh tests/tools/run.sh versions

SVG ?= $(BUILD)/bench.svg

bench: ## measure against the plain table and others; ROW=... only that row; see also `make deps DEPS=peers`
	@$(MAKE) --no-print-directory deps DEPS=build
	@$(MAKE) --no-print-directory loadable programs
	$(BUILD)/bench/bench --extension $(DIST)/hybrid_cache --dir $(BUILD)/bench/data --csv $(BUILD)/bench.csv --svg '$(SVG)' \
	    $(if $(ROW),--row '$(ROW)') $(if $(BIG),--big) $(if $(PRAGMA),--pragma '$(PRAGMA)')
	$(if $(ROW),,@BUILD=$(BUILD) DIST=$(DIST) sh tests/trace/table.sh)

instructions: ## count the instructions of a hit, a miss, a put (callgrind)
	@$(MAKE) --no-print-directory deps DEPS='build valgrind'
	@$(MAKE) --no-print-directory loadable programs
	@BUILD=$(BUILD) DIST=$(DIST) sh tests/bench/instructions.sh

C_FILES := $(wildcard ext/*.[ch] tests/*/*.[ch])
AGAIN    = @$(MAKE) --no-print-directory BUILD=build/$(1) DIST=build/$(1)/dist PARTS=1
LINTS   := lint-format lint-gcc lint-clang lint-analyzer lint-tidy lint-cppcheck lint-sh

lint: ## format, warnings of gcc and clang, gcc -fanalyzer, clang-tidy, cppcheck, shellcheck; goes on after a finding
	@$(MAKE) --no-print-directory deps DEPS='build test lint'
	@$(MAKE) --no-print-directory --keep-going $(LINTS)

lint-format:
	clang-format --dry-run -Werror $(C_FILES)
lint-gcc:
	$(call AGAIN,gcc) CC=gcc CFLAGS='-O2 -Werror' loadable programs
lint-clang:
	$(call AGAIN,clang) CC=clang CFLAGS='-O2 -Werror' loadable programs
lint-analyzer:
	$(call AGAIN,analyzer) CC=gcc DEBUG=1 CFLAGS='-O1 -Werror -fanalyzer' loadable
lint-tidy: $(BUILD)/schema.h
	clang-tidy --quiet $(wildcard ext/*.c) -- -std=c11 $(DEFINES) -UNDEBUG -I$(BUILD)
lint-cppcheck: $(BUILD)/schema.h
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,performance,portability \
	    --suppress=missingIncludeSystem -DHC_VERSION='""' -I$(BUILD) ext
lint-sh:
	shellcheck .ci/run $(wildcard tests/*/*.sh ext/packaging/*.sh ext/packaging/*/*.sh)

format: ## rewrite the C files as .clang-format says
	clang-format -i $(C_FILES)

clean: ## remove build/ and dist/
	rm -rf build dist

help: ## this list
	@sed -n 's/^\([a-z][a-z]*\):.*## \(.*\)/\1#\2/p' Makefile ext/packaging/packaging.mk $(wildcard tests/*/suite.mk) | while IFS='#' read -r name text; do \
	    printf '  make %-12s %s\n' "$$name" "$$text"; done
