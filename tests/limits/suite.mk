# The programs of the suite `limits`: two load the extension, as an application does.

LIMITS := $(BUILD)/limits/limits $(BUILD)/limits/lowered
tests: $(LIMITS)

$(LIMITS): %: %.o
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) -lsqlite3

# A SQLite of its own, with its limits as high as they go, where the suite `versions` has fetched one; and the extension
# as the fuzz suite compiles it, sanitizers and all.
LARGE_SQLITE := $(wildcard $(BUILD)/versions/newest/sqlite3.c)
tests: $(BUILD)/limits/large.o $(if $(LARGE_SQLITE),$(BUILD)/limits/large)

$(BUILD)/limits/sqlite3.o: $(LARGE_SQLITE)
	@mkdir -p $(@D)
	$(Q)$(CC) -O1 -w -DSQLITE_MAX_LENGTH=2147483647 -DSQLITE_MAX_ATTACHED=125 -c -o $@ $<

$(BUILD)/limits/large: $(BUILD)/limits/large.o $(BUILD)/limits/sqlite3.o $(FUZZ_EXT)
	$(Q)$(CC) $(FUZZ_FLAGS) -o $@ $^ $(LDFLAGS) -lpthread -ldl -lm
