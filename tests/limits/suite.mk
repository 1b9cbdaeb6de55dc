# The program of the suite `limits`: it loads the extension, as an application does.

LIMITS := $(BUILD)/limits/limits
tests: $(LIMITS)

$(LIMITS): $(BUILD)/limits/limits.o
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) -lsqlite3
