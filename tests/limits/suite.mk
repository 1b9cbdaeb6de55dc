# The programs of the suite `limits`: they load the extension, as an application does.

LIMITS := $(BUILD)/limits/limits $(BUILD)/limits/lowered
tests: $(LIMITS)

$(LIMITS): %: %.o
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) -lsqlite3
