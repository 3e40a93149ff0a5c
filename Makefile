# larder: build, test and install.  "make help" lists the targets.
#
# Folders are compiled by wildcard: a new .c in config/, storage/, upstream/ or
# server/ joins the library; server/cmd/NAME.c is the program NAME;
# tests/{unit,scenario,wire}/test_NAME.c is a test program;
# tests/fuzz/fuzz_NAME.c is a fuzz target with the corpus tests/fuzz/corpus/NAME.
# SAN=address,undefined or SAN=thread builds beside the plain build.

PACKAGES = libevent libevent_openssl libevent_pthreads libcurl sqlite3 \
	openssl jansson jose hogweed nettle gmp

CC      ?= cc
SAN     ?=
V       ?=
Q       := $(if $(V),,@)
comma   := ,
B       := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))

PREFIX  ?= /usr/local
DESTDIR ?=

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wformat=2 -Wundef
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lhttp_parser -lm
# What a sanitizer finds ends the program: a printed line alone would pass.
SANFLAGS   := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all \
	-fno-omit-frame-pointer)

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
TEST_SCRIPTS := $(wildcard tests/package/test_*.sh)
KIT_SRC := $(wildcard tests/kit/*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)

LIB_OBJ := $(LIB_SRC:%.c=$B/%.o)
SIM_OBJ := $(SIM_SRC:%.c=$B/%.o) $(KIT_SRC:%.c=$B/%.o)
LIB     := $B/liblarder.a
SIM     := $B/libsim.a
PROGRAMS := $(CMD_SRC:server/cmd/%.c=$B/%)
# Every fuzz target twice: with libFuzzer, and replaying its corpus as a test.
FUZZERS := $(FUZZ_SRC:tests/%.c=$B/tests/%)
REPLAYS := $(FUZZ_SRC:tests/fuzz/fuzz_%.c=$B/tests/fuzz/replay_%)
TESTS   := $(TEST_SRC:tests/%.c=$B/tests/%) $(REPLAYS)
SIM_PROGRAM := $(if $(wildcard tests/sim/main.c),$B/larder-sim)
BENCH   := $(patsubst %.c,$B/%,$(wildcard tests/bench/*.c))

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

# The operator's page is part of the program.
$B/server/api_console.o: $(wildcard server/console/*)

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

# A provider for OpenSSL, which is given its path.
TOKEN := $B/tests/kit/token.so
$(TOKEN): tests/kit/token/token.c
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(Q)$(CC) $(filter-out -fPIE,$(ALL_CFLAGS)) -fPIC -shared -o $@ $< \
		$(shell pkg-config --libs libcrypto)
$B/tests/scenario/test_token_key: | $(TOKEN)

$(REPLAYS): $B/tests/fuzz/replay_%: $B/tests/fuzz/fuzz_%.o \
		$B/tests/fuzz/replay.o $(SIM) $(LIB)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $B/tests/fuzz/replay.o $(SIM) $(LIB) \
		$(PKG_LIBS) $(shell pkg-config --libs check)

$(FUZZERS): $B/tests/fuzz/fuzz_%: $B/tests/fuzz/fuzz_%.o $(SIM) $(LIB)
	@echo "  LD $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $< $(SIM) $(LIB) \
		$(PKG_LIBS)

-include $(LIB_OBJ:.o=.d) $(SIM_OBJ:.o=.d) $(CMD_SRC:%.c=$B/%.d) \
	$(TEST_SRC:%.c=$B/%.d) $(FUZZ_SRC:%.c=$B/%.d) \
	$B/tests/fuzz/replay.d $B/tests/sim/main.d

# --- packages -----------------------------------------------------------

# What building and testing need, by Debian's names.
DEBIAN_DEB := binutils dpkg-dev
DEBIAN_BUILD := gcc make pkg-config libevent-dev libcurl4-openssl-dev \
	libsqlite3-dev libssl-dev libjansson-dev libjose-dev libhttp-parser-dev \
	nettle-dev
DEBIAN_TEST := check curl faketime iproute2 jq nftables openssl $(DEBIAN_DEB)
DEBIAN_CONSOLE := chromium fonts-dejavu-core \
	$(if $(shell command -v npm 2>/dev/null),,nodejs npm)
DEBIAN_FUZZ := clang
DEBIAN_BENCH := nginx-light wrk
DEBIAN_VALGRIND := valgrind
# promtool.  It comes with a server that starts by itself, so not on
# everybody's machine.
DEBIAN_CI := prometheus
DEBIAN_LINT := clang-format clang-tidy cppcheck mandoc shellcheck

.PHONY: packages packages-ci packages-present
packages:
	$(Q)deploy/packages.sh $(DEBIAN_BUILD) $(DEBIAN_TEST)

packages-ci: packages
	$(Q)deploy/packages.sh $(DEBIAN_CI)

packages-present:
	@pkg-config --exists $(PACKAGES) check 2>/dev/null || \
	{ echo "missing packages: run 'make packages' (or 'make demo', which does)"; exit 1; }

# --- tests --------------------------------------------------------------

.PHONY: test
test: packages
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) test-built

.PHONY: test-built
test-built: all $(TESTS)
	$(Q)B=$B tests/run.sh $(TESTS) $(TEST_SCRIPTS)

# The operator's page in a browser; screenshots go to build/console-shots/.
.PHONY: test-console test-console-built
test-console: packages
	$(Q)deploy/packages.sh $(DEBIAN_CONSOLE)
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) test-console-built

test-console-built: all
	$(Q)B=$B tests/console/run.sh

# --- fuzzing ------------------------------------------------------------

# Every target, or TARGET=NAME, for TIME seconds each.  What is found new stays
# in build/fuzz/found/NAME; "make fuzz-merge" takes of it into the corpus what
# reaches new code.
TARGET ?=
TIME   ?= 60
FUZZ_NAMES = $(if $(TARGET),$(TARGET),$(FUZZ_SRC:tests/fuzz/fuzz_%.c=%))
FUZZ_MAKE = $(MAKE) --no-print-directory B=build/fuzz CC=clang \
	SAN=fuzzer-no-link,address,undefined

.PHONY: fuzz fuzz-merge
fuzz fuzz-merge: packages
	$(Q)deploy/packages.sh $(DEBIAN_FUZZ)
	$(Q)$(FUZZ_MAKE) $(FUZZ_NAMES:%=build/fuzz/tests/fuzz/fuzz_%)
	$(Q)B=build/fuzz TIME=$(TIME) tests/fuzz/run.sh $@ $(FUZZ_NAMES)

# --- looking at it ------------------------------------------------------

# A tour on a simulated upstream: packages, build, two minutes at most.
.PHONY: demo demo-built
demo: packages
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) demo-built

demo-built: all
	$(Q)B=$B deploy/demo.sh

# larder against the real services, with a configuration in build/run that
# the first run makes and later runs keep.
.PHONY: run run-built
run: packages
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) run-built

run-built: all
	$(Q)B=$B deploy/run.sh

# Numbers, beside nginx on the same machine: PLATFORMS=100000; and what more
# platforms cost, for each number in SCALE.  A million take 20 GB and minutes.
SCALE ?= 1000 10000 100000
.PHONY: bench bench-built
bench: packages
	$(Q)deploy/packages.sh $(DEBIAN_BENCH)
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) bench-built

bench-built: all $(BENCH)
	$(Q)B=$B tests/bench/bench.sh
	$(Q)B=$B tests/bench/edge.sh
	$(Q)B=$B SCALE="$(SCALE)" tests/bench/scale.sh
	$(Q)B=$B tests/bench/verify.sh

# Good and bad clients at larderd's connection cap: ten minutes, or TIME.
.PHONY: soak
soak: packages
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all $B/tests/bench/soak
	$(Q)B=$B $B/tests/bench/soak \
		$(if $(filter command environment,$(origin TIME)),$(TIME),600)

# larderd and larder under valgrind while they are used.
.PHONY: valgrind valgrind-built
valgrind: packages
	$(Q)deploy/packages.sh $(DEBIAN_VALGRIND)
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) valgrind-built

valgrind-built: all
	$(Q)B=$B tests/bench/valgrind.sh

# --- manual pages -------------------------------------------------------

MAN := deploy/man/larderd.8 deploy/man/larder.1 deploy/man/larder.json.5 \
	deploy/man/larder-verify.7

# larder.json(5) has its settings from the schema; the page is committed.
.PHONY: manual
manual: $B/larderd
	$(Q)$B/larderd --manual >$B/settings.mdoc
	$(Q)sed -e '/^@SETTINGS@$$/{r $B/settings.mdoc' -e 'd}' \
		deploy/man/larder.json.5.in >$B/larder.json.5
	$(Q)cmp -s $B/larder.json.5 deploy/man/larder.json.5 || \
		cp $B/larder.json.5 deploy/man/larder.json.5

# --- install and dist ---------------------------------------------------

VERSION := $(shell sed -n 's/^.define LARDER_VERSION "\(.*\)"/\1/p' \
	config/base/version.h)
BIN   = $(DESTDIR)$(PREFIX)/bin
SBIN  = $(DESTDIR)$(PREFIX)/sbin
SHARE = $(DESTDIR)$(PREFIX)/share
UNIT ?= $(PREFIX)/lib/systemd/system
USERS ?= $(PREFIX)/lib/sysusers.d

.PHONY: install
install: all
	install -d $(BIN) $(SBIN) $(SHARE)/man/man1 $(SHARE)/man/man5 \
		$(SHARE)/man/man8 $(SHARE)/doc/larder/examples \
		$(SHARE)/doc/larder/metadata $(DESTDIR)$(UNIT) \
		$(DESTDIR)$(USERS)
	install -m 755 $B/larder $(BIN)
	install -m 755 $B/larderd $(SBIN)
	install -m 644 deploy/man/larder.1 $(SHARE)/man/man1
	install -m 644 deploy/man/larder.json.5 $(SHARE)/man/man5
	install -d $(SHARE)/man/man7
	install -m 644 deploy/man/larder-verify.7 $(SHARE)/man/man7
	install -m 644 deploy/man/larderd.8 $(SHARE)/man/man8
	install -m 644 README.md LICENSE $(SHARE)/doc/larder
	install -m 644 deploy/examples/*.json $(SHARE)/doc/larder/examples
	install -m 644 deploy/metadata/* $(SHARE)/doc/larder/metadata
	sed 's|@PREFIX@|$(PREFIX)|' deploy/systemd/larder.service \
		>$(DESTDIR)$(UNIT)/larder.service
	install -m 644 deploy/systemd/larder.socket $(DESTDIR)$(UNIT)
	install -m 644 deploy/systemd/larder.sysusers \
		$(DESTDIR)$(USERS)/larder.conf

# build/larder_VERSION_ARCH.deb
.PHONY: deb deb-built
deb: packages
	$(Q)deploy/packages.sh $(DEBIAN_DEB)
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) deb-built

deb-built: all
	$(Q)B=$B MAKE=$(MAKE) deploy/deb.sh

.PHONY: dist
dist:
	@mkdir -p build
	git archive --prefix=larder-$(VERSION)/ \
		-o build/larder-$(VERSION).tar.gz HEAD
	@echo build/larder-$(VERSION).tar.gz

# --- what looks at the source -------------------------------------------

SOURCES = $(shell git ls-files '*.c' '*.h')
SCRIPTS = $(shell git ls-files '*.sh' 'deploy/debian/p*') .ci/run

.PHONY: lint
lint:
	$(Q)deploy/packages.sh $(DEBIAN_LINT)
	$(Q)$(MAKE) --no-print-directory -k deps-check format-check man-check \
		shell-check cpp-check tidy-check

.PHONY: deps-check format-check man-check shell-check cpp-check tidy-check
deps-check:
	$(Q)tests/lint/deps.sh

format-check:
	$(Q)clang-format --dry-run -Werror $(SOURCES)

man-check:
	$(Q)mandoc -Tlint -Wwarning $(MAN)

shell-check:
	$(Q)shellcheck $(SCRIPTS)

cpp-check:
	$(Q)cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr \
		--enable=warning,portability -j2 -I. -D_GNU_SOURCE \
		--suppress=missingInclude --suppress=varFuncNullUB \
		--suppress=uninitvar \
		--suppress=internalAstError --suppress=arrayIndexThenCheck \
		--include=tests/lint/cppcheck.h $(filter %.c,$(SOURCES))

# .clang-tidy names the checks.
tidy-check:
	$(Q)printf '%s\n' $(LIB_SRC) $(CMD_SRC) | xargs -P2 -n4 sh -c \
		'exec clang-tidy --quiet --warnings-as-errors="*" "$$@" -- \
		-std=c11 -D_GNU_SOURCE -I. $(PKG_CFLAGS) 2>/dev/null' tidy

# Which lines the tests reach: build/cover/, one .gcov per file and a table.
.PHONY: cover
cover: packages
	$(Q)$(MAKE) --no-print-directory B=build/cover \
		CFLAGS='-O0 -g --coverage' LDFLAGS=--coverage test-built
	$(Q)tests/lint/cover.sh build/cover

# --- clean, format, help -------------------------------------------------

.PHONY: clean
clean:
	rm -rf build

.PHONY: format
format:
	clang-format -i $(shell git ls-files '*.c' '*.h')

.PHONY: help
help:
	@echo 'make            build into build/'
	@echo 'make demo       a tour on a simulated upstream, two minutes at most'
	@echo 'make test       every test; prints its counts'
	@echo 'make test-console  the operator'"'"'s page, in chromium'
	@echo 'make fuzz       every fuzz target              (TARGET=NAME TIME=60)'
	@echo 'make run        larderd against the real services, files in build/run'
	@echo 'make bench      numbers, next to nginx     (PLATFORMS=100000 SCALE="1000 10000")'
	@echo 'make soak       abuse at the connection cap, ten minutes       (TIME=600)'
	@echo 'make valgrind   larderd and larder under valgrind while they are used'
	@echo 'make lint       formatting, includes, manuals, scripts, cppcheck, clang-tidy'
	@echo 'make cover      which lines the tests reach, into build/cover'
	@echo 'make manual     larder.json(5) anew from the schema'
	@echo 'make install    DESTDIR= PREFIX=/usr/local'
	@echo 'make deb        build/larder_$(VERSION)_ARCH.deb'
	@echo 'make dist       build/larder-$(VERSION).tar.gz'
	@echo 'make packages   install what building and testing need (Debian)'
	@echo 'make clean      remove build/'
	@echo 'SAN=address,undefined or SAN=thread: build and test with sanitizers'
