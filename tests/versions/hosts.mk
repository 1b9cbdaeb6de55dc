# The SQLites that the extension is tried in, and the extension as other compilers make it. For run.sh:
#
#   make -f tests/versions/hosts.mk BUILD=build DIST=dist oldest newest ...
#
# A host is a directory build/versions/hosts/NAME with the slt runner and a small shell, SQLite linked in.

OUT  := $(BUILD)/versions
# As a distribution would build it; 3.31 has JSON and serialize() only if asked.
STRICT_WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
USUAL := -DSQLITE_ENABLE_JSON1 -DSQLITE_ENABLE_DESERIALIZE
OLD_LIBC := -lpthread -ldl -lm
# More for the compiler: `make asan` has the hosts themselves checked as well.
HOST_FLAGS ?=
QUIET ?= @echo '  making $@';

# HOST-NAME: SQLITE = which amalgamation, CC, FLAGS. LINKED: the extension is part of the host.
SQLITE_below  := below
SQLITE_oldest := oldest
SQLITE_newest := newest

# What sqlite.org recommends to leave out, and more.
SQLITE_lean := newest
FLAGS_lean  := -DSQLITE_DQS=0 -DSQLITE_DEFAULT_MEMSTATUS=0 -DSQLITE_DEFAULT_WAL_SYNCHRONOUS=1 -DSQLITE_MAX_EXPR_DEPTH=0 \
    -DSQLITE_LIKE_DOESNT_MATCH_BLOBS -DSQLITE_OMIT_DECLTYPE -DSQLITE_OMIT_DEPRECATED -DSQLITE_OMIT_PROGRESS_CALLBACK \
    -DSQLITE_OMIT_SHARED_CACHE -DSQLITE_USE_ALLOCA -DSQLITE_STRICT_SUBTYPE=1

SQLITE_single := newest
FLAGS_single  := -DSQLITE_THREADSAFE=0

SQLITE_multi := newest
FLAGS_multi  := -DSQLITE_THREADSAFE=2

# Only the extension's routine that tells of DDL is missing, in an old host too.
SQLITE_undeprecated := oldest
FLAGS_undeprecated  := -DSQLITE_OMIT_DEPRECATED

SQLITE_linked := newest
FLAGS_linked  := -DSQLITE_OMIT_LOAD_EXTENSION
LINKED_linked := yes

SQLITE_linked-lean := newest
FLAGS_linked-lean  := $(FLAGS_lean) -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION
LINKED_linked-lean := yes
CC_linked-lean     := clang

SQLITE_linked-oldest := oldest
FLAGS_linked-oldest  := -DSQLITE_OMIT_LOAD_EXTENSION
LINKED_linked-oldest := yes

SQLITE_32bit := newest
CC_32bit     := i686-linux-gnu-gcc
SQLITE_32bit-oldest := oldest
CC_32bit-oldest     := i686-linux-gnu-gcc

SQLITE_bigendian := newest
CC_bigendian     := s390x-linux-gnu-gcc
SQLITE_bigendian-oldest := oldest
CC_bigendian-oldest     := s390x-linux-gnu-gcc

HOSTS := $(patsubst SQLITE_%,%,$(filter SQLITE_%,$(.VARIABLES)))
.DELETE_ON_ERROR:
.PHONY: $(HOSTS) $(HOSTS:%=%-host) $(HOSTS:%=extension-%) windows

compiler = $(or $(CC_$(1)),gcc)
flags    = -std=c11 -I$(OUT)/$(SQLITE_$(1)) -Itests/lib -I$(DIST) $(FLAGS_$(1)) $(if $(LINKED_$(1)),-DSLT_LINKED)
linked   = $(if $(LINKED_$(1)),$(OUT)/hosts/$(1)/hybrid_cache.o)

define host
$(1): $(if $(filter below,$(1)),,$(OUT)/hosts/$(1)/slt) $(if $(LINKED_$(1)),,$(OUT)/hosts/$(1)/shell)
$(OUT)/hosts/$(1)/sqlite3.o: $(OUT)/$(SQLITE_$(1))/sqlite3.c tests/versions/hosts.mk
	@mkdir -p $$(@D)
	$$(QUIET)$(call compiler,$(1)) -O1 -w $(HOST_FLAGS) $(USUAL) $(FLAGS_$(1)) -c -o $$@ $$<
$(OUT)/hosts/$(1)/hybrid_cache.o: $(DIST)/hybrid_cache.c tests/versions/hosts.mk
	@mkdir -p $$(@D)
	$$(QUIET)$(call compiler,$(1)) -O2 $(STRICT_WARNINGS) -DSQLITE_CORE $(call flags,$(1)) -c -o $$@ $$<
$(OUT)/hosts/$(1)/slt: tests/slt/slt.c $(OUT)/hosts/$(1)/sqlite3.o $(call linked,$(1))
	$$(QUIET)$(call compiler,$(1)) -O1 -w $(HOST_FLAGS) $(call flags,$(1)) -o $$@ $$^ $(OLD_LIBC)
$(OUT)/hosts/$(1)/shell: tests/versions/shell.c $(OUT)/hosts/$(1)/sqlite3.o $(call linked,$(1))
	$$(QUIET)$(call compiler,$(1)) -O1 -w $(HOST_FLAGS) $(call flags,$(1)) -o $$@ $$^ $(OLD_LIBC)
$(1)-host: $(OUT)/hosts/$(1)/host
$(OUT)/hosts/$(1)/host: tests/host/host.c tests/host/routines.c tests/host/routines.h $(OUT)/hosts/$(1)/sqlite3.o
	$$(QUIET)$(call compiler,$(1)) -O1 -w -DSQLITE_CORE $(HOST_FLAGS) $(call flags,$(1)) -o $$@ $$(filter-out %.h,$$^) $(OLD_LIBC)
endef
$(foreach name,$(HOSTS),$(eval $(call host,$(name))))

# ---- the extension, from its one file: by another compiler, for another machine, with the headers of another SQLite



define extension
extension-$(1): $(OUT)/extensions/$(1)/hybrid_cache.so
$(OUT)/extensions/$(1)/hybrid_cache.so: $(DIST)/hybrid_cache.c tests/versions/hosts.mk
	@mkdir -p $$(@D)
	$$(QUIET)$(2) -std=c11 -O2 -fPIC -shared $(STRICT_WARNINGS) -I$(OUT)/$(3) -o $$@ $$<
endef
$(eval $(call extension,oldest,gcc,oldest))
$(eval $(call extension,newest,gcc,newest))
$(eval $(call extension,clang,clang,newest))
$(eval $(call extension,clang-oldest,clang,oldest))
$(eval $(call extension,32bit,i686-linux-gnu-gcc,newest))
$(eval $(call extension,bigendian,s390x-linux-gnu-gcc,newest))

# ---- Windows: a DLL and the shell

WINDOWS := $(OUT)/hosts/windows
MINGW   := x86_64-w64-mingw32-gcc

windows: $(WINDOWS)/shell.exe $(WINDOWS)/hybrid_cache.dll
$(WINDOWS)/shell.exe: tests/versions/shell.c $(OUT)/newest/sqlite3.c
	@mkdir -p $(@D)
	$(QUIET)$(MINGW) -O1 -w -I$(OUT)/newest $(USUAL) -o $@ $^
$(WINDOWS)/hybrid_cache.dll: $(DIST)/hybrid_cache.c
	@mkdir -p $(@D)
	$(QUIET)$(MINGW) -std=c11 -O2 -shared $(STRICT_WARNINGS) -I$(OUT)/newest -o $@ $<
