# The suite tries what `make amalgamation` and `make static` make.
tests: $(ONE_FILE) $(HEADER) $(ARCHIVE)
