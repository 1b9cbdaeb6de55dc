# The program of the suite `host`: it hands the extension a table of routines of its own.
HOST := $(BUILD)/host/host
tests: $(HOST)
$(HOST): $(BUILD)/host/host.o $(BUILD)/host/routines.o
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) -lsqlite3 -ldl
