# What goes to others: one C file, a static library, an installation, packages. Part of the Makefile.
#
# Nothing here needs the network, and nothing made is kept in the repository. Places that name the version say
# @VERSION@; the file VERSION is the only one that knows it (sqlpkg.json is read as it stands: a test compares).

includedir   ?= $(prefix)/include
mandir       ?= $(prefix)/share/man
pkgconfigdir ?= $(libdir)/pkgconfig

PACKAGING := ext/packaging
ONE_FILE  := $(DIST)/hybrid_cache.c
HEADER    := $(DIST)/hybrid_cache.h
ARCHIVE   := $(DIST)/libhybrid_cache.a

# The day of what is packed, not that of the packing: the same source gives the same bytes.
SOURCE_DATE_EPOCH ?= $(shell { [ -e .git ] && git log -1 --format=%ct; } 2>/dev/null || date -r VERSION +%s)
export SOURCE_DATE_EPOCH
DAY = $(shell date -u -d @$(SOURCE_DATE_EPOCH) '+%B %-d, %Y' 2>/dev/null || date -u -r $(SOURCE_DATE_EPOCH) '+%B %-d, %Y')

.PHONY: amalgamation static deb dist npm wheel

# ---- one C file, and the static library made from it

amalgamation: $(ONE_FILE) $(HEADER) ## dist/hybrid_cache.c and .h, to drop beside sqlite3.c
static: $(ARCHIVE) $(HEADER) ## dist/libhybrid_cache.a and hybrid_cache.h, to link into a program

# xxHash lies where the compiler finds it.
XXHASH = $(shell printf '\043include <xxhash.h>\n' | $(CC) $(CPPFLAGS) -E - | sed -n 's/^\# [0-9]* "\(.*xxhash\.h\)".*/\1/p' | head -n 1)

$(ONE_FILE): $(wildcard ext/*.[ch]) $(BUILD)/schema.h $(PACKAGING)/amalgamate.sh VERSION LICENSE
	@mkdir -p $(@D)
	$(Q)sh $(PACKAGING)/amalgamate.sh '$(abspath $(BUILD)/schema.h)' '$(XXHASH)' > $@

# "sqlite3.h" is looked for beside it first, then where <sqlite3.h> is.
$(HEADER): ext/hybrid_cache.h
	@mkdir -p $(@D)
	$(Q)sed 's/^#include <sqlite3.h>/#include "sqlite3.h"/' $< > $@

$(BUILD)/static/hybrid_cache.o: $(ONE_FILE) $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)$(COMPILE) $(PIC) -DSQLITE_CORE $(if $(DEBUG),,-DNDEBUG) -c -o $@ $<

$(ARCHIVE): $(BUILD)/static/hybrid_cache.o
	@mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# ---- installation: the library lies in the ordinary library directory, where `.load hybrid_cache` finds it if that is
# one that the dynamic linker searches

FILLED := $(BUILD)/hybrid_cache.pc $(BUILD)/hybrid_cache.7

$(BUILD)/hybrid_cache.%: $(PACKAGING)/hybrid_cache.%.in VERSION always
	@mkdir -p $(@D)
	@sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@DATE@|$(DAY)|g' -e 's|@prefix@|$(prefix)|g' \
	    -e 's|@libdir@|$(libdir)|g' -e 's|@includedir@|$(includedir)|g' -e 's|@SUFFIX@|$(SUFFIX)|g' $< > $@

install: loadable static $(FILLED) ## library, header, pkg-config file, man page; prefix=/usr/local, DESTDIR
	$(INSTALL) -d '$(DESTDIR)$(libdir)' '$(DESTDIR)$(includedir)' '$(DESTDIR)$(pkgconfigdir)' '$(DESTDIR)$(mandir)/man7'
	$(INSTALL) -m 644 $(LIBRARY) $(ARCHIVE) '$(DESTDIR)$(libdir)/'
	$(INSTALL) -m 644 $(HEADER) '$(DESTDIR)$(includedir)/'
	$(INSTALL) -m 644 $(BUILD)/hybrid_cache.pc '$(DESTDIR)$(pkgconfigdir)/'
	$(INSTALL) -m 644 $(BUILD)/hybrid_cache.7 '$(DESTDIR)$(mandir)/man7/'

uninstall: ## what install has put there (same prefix and DESTDIR)
	rm -f '$(DESTDIR)$(libdir)/$(notdir $(LIBRARY))' '$(DESTDIR)$(libdir)/$(notdir $(ARCHIVE))' \
	    '$(DESTDIR)$(includedir)/$(notdir $(HEADER))' '$(DESTDIR)$(pkgconfigdir)/hybrid_cache.pc' \
	    '$(DESTDIR)$(mandir)/man7/hybrid_cache.7'

# ---- packages: each is built by a script of its own, which says what it needs

TOOLS = VERSION='$(VERSION)' BUILD='$(BUILD)' DIST='$(DIST)' MACHINE='$(MACHINE)' LIBRARY='$(LIBRARY)' XXHASH='$(XXHASH)'

deb: ## dist/libsqlite3-mod-hybrid-cache_VERSION_ARCH.deb
	@MAKE='$(MAKE)' $(TOOLS) sh $(PACKAGING)/debian/build.sh

npm: loadable ## dist/sqlite-hybrid-cache-VERSION.tgz with getLoadablePath()
	@$(TOOLS) sh $(PACKAGING)/npm/build.sh

wheel: loadable ## dist/sqlite_hybrid_cache-VERSION-py3-none-PLATFORM.whl with loadable_path() and load()
	@$(TOOLS) $(or $(PYTHON),python3) $(PACKAGING)/python/build.py

dist: ## dist/hybrid_cache-VERSION.tar.gz: what is committed; every checkout of one commit gives the same bytes
	@mkdir -p $(DIST)
	$(Q)git -c tar.umask=0022 -c core.autocrlf=false archive --format=tar --prefix=hybrid_cache-$(VERSION)/ HEAD | \
	    gzip -9n > $(DIST)/hybrid_cache-$(VERSION).tar.gz
	@cd $(DIST) && sha256sum hybrid_cache-$(VERSION).tar.gz
