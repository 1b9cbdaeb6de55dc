# The fault programs and what they are made of, besides what the Makefile says.
$(BUILD)/fault/fault: $(patsubst %,$(BUILD)/%.o,fault/scripts fault/checks lib/memfs)
