# The soak program; see README.md.
tests: $(BUILD)/soak/soak

$(BUILD)/soak/soak: $(BUILD)/soak/soak.o
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) -lsqlite3 -lpthread -lm
