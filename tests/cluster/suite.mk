# The suite `cluster`: a dqlite node with the extension linked in, where Debian's libdqlite-dev is installed.
# Its objects call SQLite directly (SQLITE_CORE) instead of through the routine table that a loaded extension is given.

DQLITE := $(shell printf '\043include <dqlite.h>\n' | $(CC) $(CPPFLAGS) -E - >/dev/null 2>&1 && echo yes)
HOST   := $(BUILD)/cluster/dqlite_host

$(BUILD)/cluster/ext/%.o: ext/%.c $(COMMON)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -fvisibility=hidden $(DEFINES) -DSQLITE_CORE -I$(BUILD) -c -o $@ $<

$(HOST): $(BUILD)/cluster/dqlite_host.o $(patsubst ext/%.c,$(BUILD)/cluster/ext/%.o,$(wildcard ext/*.c))
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -ldqlite -lsqlite3 -lpthread

-include $(wildcard $(BUILD)/cluster/ext/*.d)

ifeq ($(DQLITE),yes)
tests: $(HOST)
endif
