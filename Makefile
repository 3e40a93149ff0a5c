# larder: build, test and install.  "make help" lists the targets.
#
# Folders are compiled by wildcard: a new .c in config/, storage/, upstream/ or
# server/ joins the library; server/cmd/NAME.c is the program NAME;
# tests/{unit,scenario,wire}/test_NAME.c is a test program.
# SAN=address,undefined or SAN=thread builds beside the plain build.

PACKAGES = libevent libevent_openssl libevent_pthreads libcurl sqlite3 \
	openssl jansson

CC      ?= cc
SAN     ?=
V       ?=
Q       := $(if $(V),,@)
B       := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
comma   := ,

PREFIX  ?= /usr/local
DESTDIR ?=

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wformat=2 -Wundef
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lhttp_parser -lm
SANFLAGS   := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer)

CFLAGS  ?= -O2 -g
# _FORTIFY_SOURCE and the sanitizers watch the same calls: one at a time.
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -I. $(CFLAGS) $(WARN) \
	-fstack-protector-strong $(if $(SAN),,-D_FORTIFY_SOURCE=2) -fPIE \
	-pthread $(SANFLAGS) $(PKG_CFLAGS) $(EXTRA_CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now -pthread $(SANFLAGS) $(LDFLAGS)

LIB_SRC := $(wildcard config/*.c config/base/*.c storage/*.c \
	storage/verify/*.c upstream/*.c server/*.c server/cli/*.c server/appraise/*.c)
CMD_SRC := $(wildcard server/cmd/*.c)
SIM_SRC := $(filter-out tests/sim/main.c,$(wildcard tests/sim/*.c))
TEST_SRC := $(wildcard tests/unit/test_*.c tests/scenario/test_*.c \
	tests/wire/test_*.c)
KIT_SRC := $(wildcard tests/kit/*.c)

LIB_OBJ := $(LIB_SRC:%.c=$B/%.o)
SIM_OBJ := $(SIM_SRC:%.c=$B/%.o) $(KIT_SRC:%.c=$B/%.o)
LIB     := $B/liblarder.a
SIM     := $B/libsim.a
PROGRAMS := $(CMD_SRC:server/cmd/%.c=$B/%)
TESTS   := $(TEST_SRC:tests/%.c=$B/tests/%)
SIM_PROGRAM := $(if $(wildcard tests/sim/main.c),$B/larder-sim)

# Test objects are intermediate: keep them, and the dependencies they wrote.
.SECONDARY:

.PHONY: all
all: $(PROGRAMS) $(SIM_PROGRAM)

$(LIB): $(LIB_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $(LIB_OBJ)

$(SIM): $(SIM_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $(SIM_OBJ)

$B/%.o: %.c | packages-present
	@mkdir -p $(@D)
	@echo "  CC $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(PROGRAMS): $B/%: $B/server/cmd/%.o $(LIB)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(LIB) $(PKG_LIBS)

$B/larder-sim: $B/tests/sim/main.o $(SIM) $(LIB)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(SIM) $(LIB) $(PKG_LIBS)

$B/tests/%: $B/tests/%.o $(SIM) $(LIB)
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(SIM) $(LIB) $(PKG_LIBS) \
		$(shell pkg-config --libs check)

-include $(LIB_OBJ:.o=.d) $(SIM_OBJ:.o=.d) $(CMD_SRC:%.c=$B/%.d) \
	$(TEST_SRC:%.c=$B/%.d) $B/tests/sim/main.d

# --- packages -----------------------------------------------------------

# What building and testing need, by Debian's names.
DEBIAN_BUILD := gcc make pkg-config libevent-dev libcurl4-openssl-dev \
	libsqlite3-dev libssl-dev libjansson-dev libhttp-parser-dev
DEBIAN_TEST := check curl jq openssl

.PHONY: packages packages-present
packages:
	$(Q)deploy/packages.sh $(DEBIAN_BUILD) $(DEBIAN_TEST)

packages-present:
	@pkg-config --exists $(PACKAGES) check 2>/dev/null || \
	{ echo "missing packages: run 'make packages' (or 'make demo', which does)"; exit 1; }

# --- tests --------------------------------------------------------------

.PHONY: test
test: packages
	$(Q)$(MAKE) --no-print-directory test-built

.PHONY: test-built
test-built: all $(TESTS)
	$(Q)B=$B tests/run.sh $(TESTS)

# --- clean, format, help -------------------------------------------------

.PHONY: clean
clean:
	rm -rf build

.PHONY: format
format:
	clang-format -i $(shell git ls-files '*.c' '*.h')

.PHONY: deps-check
deps-check:
	$(Q)tests/lint/deps.sh
