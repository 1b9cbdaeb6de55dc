# Programs of the suite `hostile`: linked to the extension that the fuzz suite compiles, sanitizers and all.

HOSTILE := $(BUILD)/hostile/flips $(BUILD)/hostile/numbers $(BUILD)/hostile/flood
tests: $(HOSTILE)

$(BUILD)/hostile/flips: $(BUILD)/hostile/flips.o $(BUILD)/fuzz/testclock.o $(FUZZ_EXT)
	$(Q)$(CC) $(FUZZ_FLAGS) -o $@ $^ $(LDFLAGS) -lsqlite3 -lm

$(BUILD)/hostile/numbers: $(BUILD)/hostile/numbers.o $(FUZZ_EXT)
	$(Q)$(CC) $(FUZZ_FLAGS) -o $@ $^ $(LDFLAGS) -lsqlite3 -lm

$(BUILD)/hostile/flood: $(BUILD)/hostile/flood.o
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) -lsqlite3 -lm
