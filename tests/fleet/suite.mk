# The fleet simulation (`make fleet`); its table is checked by the suite `replay`.
FLEET := $(BUILD)/fleet/fleet
tests: $(FLEET)
$(FLEET): %: %.o
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) -lsqlite3 -lpthread -lm
