# The C client twice: loading the extension, and with the extension linked in.

CLIENTS := $(BUILD)/clients/loaded $(BUILD)/clients/static
tests: $(CLIENTS)

# Beside the objects of the extension itself, which are compiled for loading.
CORE_OBJECTS := $(patsubst ext/%.c,$(BUILD)/clients/ext/%.o,$(wildcard ext/*.c))

$(CORE_OBJECTS): $(BUILD)/clients/ext/%.o: ext/%.c $(COMMON)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -DSQLITE_CORE $(DEFINES) -I$(BUILD) -c -o $@ $<

$(BUILD)/clients/loaded: tests/clients/client.c $(COMMON)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -o $@ $< $(LDFLAGS) -lsqlite3

$(BUILD)/clients/static: tests/clients/client.c $(CORE_OBJECTS) $(COMMON)
	$(Q)$(COMPILE) -DHYBRID_CACHE_STATIC -DSQLITE_CORE -Iext -I$(BUILD) -o $@ $< $(CORE_OBJECTS) $(LDFLAGS) -lsqlite3

-include $(wildcard $(BUILD)/clients/ext/*.d)
