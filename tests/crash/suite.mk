# The crash programs.
CRASH := $(BUILD)/crash/kill $(BUILD)/crash/power
tests: $(CRASH)
$(CRASH): %: %.o $(patsubst %,$(BUILD)/crash/%.o,plan wreck)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) -lsqlite3
$(BUILD)/crash/power: $(BUILD)/lib/memfs.o $(BUILD)/crash/disk.o
