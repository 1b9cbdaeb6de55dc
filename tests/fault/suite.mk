# The fault programs and what they are made of, besides what the Makefile says.
$(BUILD)/fault/fault: $(patsubst %,$(BUILD)/%.o,fault/scripts fault/checks lib/memfs)
tests: $(BUILD)/fault/codes
$(BUILD)/fault/codes: $(patsubst %,$(BUILD)/%.o,fault/codes fault/inject lib/memfs)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) -lsqlite3
tests: $(BUILD)/fault/every
$(BUILD)/fault/every: $(patsubst %,$(BUILD)/%.o,fault/every fault/inject lib/memfs)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) -lsqlite3
