# The suite `replay`: its programs, and the extension with one fault planted in each (plants/NAME.sed; its first line names
# the file of ext/ that it changes).
REPLAY := $(BUILD)/replay/replay
PLANTS := $(patsubst tests/replay/plants/%.sed,$(BUILD)/replay/plants/%.$(SUFFIX),$(wildcard tests/replay/plants/*.sed))
RULES  := $(BUILD)/replay/rules
SHIP   := $(BUILD)/replay/ship
tests: $(REPLAY) $(RULES) $(SHIP) $(PLANTS)
$(REPLAY): $(BUILD)/replay/replay.o $(BUILD)/replay/log.o $(BUILD)/replay/node.o
$(RULES): %: %.o
$(SHIP): $(BUILD)/replay/ship.o $(BUILD)/replay/log.o
$(REPLAY) $(RULES) $(SHIP):
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) -lsqlite3 -lpthread -lm -ldl

$(BUILD)/replay/plants/%.$(SUFFIX): tests/replay/plants/%.sed $(PART_OBJECTS)
	@mkdir -p $(@D)
	$(Q)unit=$$(sed -n '1s/^# \([a-z0-9_]*\)\.c.*/\1/p' $<) && sed -f $< ext/$$unit.c >$(@D)/$*.c && \
	    ! cmp -s ext/$$unit.c $(@D)/$*.c && \
	    $(CC) -std=c11 $(CPPFLAGS) $(CFLAGS) $(PIC) -fvisibility=hidden $(DEFINES) -I$(BUILD) -Iext -c -o $(@D)/$*.o $(@D)/$*.c && \
	    $(CC) -shared $(PIC) $(CFLAGS) $(LDFLAGS) -o $@ $(@D)/$*.o $$(printf '%s\n' $(PART_OBJECTS) | grep -v "/$$unit\.o$$")
