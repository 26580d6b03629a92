# The front door: `make help` lists what there is to do.

CARGO  ?= cargo
PREFIX ?= /usr/local
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Another target of rustc's to build for, whose programs are in a folder of their own.
TRIPLE ?=
RELEASE = $(TARGET)/$(if $(TRIPLE),$(TRIPLE)/)release
BINDIR  = $(DESTDIR)$(PREFIX)/bin
SHARE   = $(DESTDIR)$(PREFIX)/share
BASHDIR = $(SHARE)/bash-completion/completions
ZSHDIR  = $(SHARE)/zsh/site-functions
FISHDIR = $(SHARE)/fish/vendor_completions.d
DOCDIR  = $(SHARE)/doc/smoltalk
UNITDIR = $(DESTDIR)$(PREFIX)/lib/systemd/system

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
HOST     = $(shell rustc -vV | sed -n 's/^host: //p')
MUSL     = $(shell uname -m)-unknown-linux-musl
PACKED   = smoltalk-$(VERSION)-$(or $(TRIPLE),$(HOST))

WITH_REDIS := $(shell command -v redis-server)

.PHONY: build run test check conversation e2e crash chaos bench bench-compare bench-client siege demo nodes docs/demo.svg man doc \
  install uninstall static tarball deb msrv audit clean help

build: ## build both programs, optimised (the default); FEATURES='redis tls' for several nodes, and encryption; =all
	$(CARGO) build --release --bins $(if $(TRIPLE),--target $(TRIPLE)) \
	  $(if $(filter all,$(FEATURES)),--all-features,$(if $(FEATURES),--features '$(FEATURES)'))

run: ## start a server; ARGS='--listen …' passes flags
	$(CARGO) run -- $(ARGS)

test: ## all tests; says what it has to skip, and how to get it
	$(CARGO) test --all-features
	@if command -v nc >/dev/null && command -v telnet >/dev/null; then $(MAKE) e2e; \
	  else echo 'skipped: what the programs promise to netcat and telnet: apt install netcat-openbsd telnet'; fi
	@command -v redis-server >/dev/null || \
	  echo 'skipped: one room on several nodes: apt install redis-server'

check: ## format, every feature set, lints and docs, warnings denied
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --no-default-features -- -D warnings
	$(CARGO) clippy --all-targets --no-default-features --features redis -- -D warnings
	$(CARGO) clippy --all-targets --no-default-features --features tls -- -D warnings
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) clippy --all-targets --all-features -- -D warnings
	$(CARGO) build --bins --no-default-features
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --lib --no-deps --all-features

conversation: ## one server, two clients, one message
	$(CARGO) build --bins
	tests/conversation.sh $(TARGET)/debug

e2e: conversation ## the promises, kept by the real programs, nc and telnet
	tests/e2e.sh $(TARGET)/debug

crash: ## kill the server 1,000 times under load and compare all stories; ROUNDS=… for more
	CRASH_ROUNDS=$(or $(ROUNDS),1000) $(CARGO) test --release --test crash -- --nocapture

chaos: ## break all there is between three nodes for SECONDS=600, SEED=… as then; compare all stories
	NODES_SECONDS=$(or $(SECONDS),600) NODES_SEED=$(SEED) NODES_NAMES=10000 \
	  $(CARGO) test --release --features redis --test nodes -- --nocapture whatever of_two
	SMOLTALK_CHAOS_SECONDS=$(or $(SECONDS),600) SMOLTALK_SEED=$(SEED) \
	  $(CARGO) test --release --features redis --lib -- --nocapture nodes::tests::chaos

# What is measured with Redis, is so where there is one.
bench: ## measure the room; ARGS=--quick takes a minute
	$(CARGO) bench --bench room $(if $(WITH_REDIS),--features redis) -- $(ARGS)
	$(if $(WITH_REDIS),$(if $(filter-out --quick,$(ARGS)),,$(CARGO) test --release --features redis --lib -- \
	  --ignored --nocapture entries_a_second))

bench-compare: ## the same for Redis, NATS, IRC and Mosquitto, as far as installed; draws the plot
	mkdir -p docs $(TARGET)
	$(CARGO) bench --bench room -- --compare all --json $(TARGET)/room.json --plot docs/fanout.svg $(ARGS)

siege: ## attack a server in all the ways that once worked; ARGS='--only NAME', ARGS=--quick
	$(CARGO) bench --bench siege -- $(ARGS)

bench-client: ## measure the client: a pipe, a key in a flood, the memory of a day
	$(CARGO) bench --bench client

demo: build ## three people talk, in tmux; needs tmux and nc
	PATH="$(abspath $(TARGET)/release):$$PATH" docs/demo.py live

nodes: ## one room on three nodes, in tmux if it is there; needs redis-server
	$(CARGO) build --features redis --bins
	deploy/nodes $(TARGET)/debug

docs/demo.svg: build ## the same as a picture, for the README
	PATH="$(abspath $(TARGET)/release):$$PATH" docs/demo.py record $@

man: ## check the man pages, which are their own source; needs mandoc or groff
	@for page in man/smoltalk.1 man/smoltalk-direct.1 man/smoltalkd.8; do \
	  if command -v mandoc >/dev/null; then mandoc -T lint -W warning $$page; \
	  else groff -mdoc -T utf8 -ww -z $$page; fi || exit; \
	done

doc: ## the library's documentation, in target/doc
	$(CARGO) doc --lib --no-deps --all-features

install: build ## to PREFIX (/usr/local), under DESTDIR if set
	install -d $(BINDIR) $(SHARE)/man/man1 $(SHARE)/man/man8 $(BASHDIR) $(ZSHDIR) $(FISHDIR) $(UNITDIR) $(DOCDIR)
	install -m 755 $(RELEASE)/smoltalkd $(RELEASE)/smoltalk $(BINDIR)
	install -m 644 man/smoltalk.1 man/smoltalk-direct.1 $(SHARE)/man/man1
	install -m 644 man/smoltalkd.8 $(SHARE)/man/man8
	install -m 644 completions/_smoltalk completions/_smoltalkd $(ZSHDIR)
	install -m 644 completions/smoltalk.fish completions/smoltalkd.fish $(FISHDIR)
	install -m 644 completions/smoltalk.bash $(BASHDIR)/smoltalk
	install -m 644 completions/smoltalkd.bash $(BASHDIR)/smoltalkd
	install -m 644 deploy/smoltalkd.service deploy/smoltalkd@.service deploy/smoltalkd.socket $(UNITDIR)
	sed -i 's|/usr/bin|$(PREFIX)/bin|' $(UNITDIR)/smoltalkd.service $(UNITDIR)/smoltalkd@.service
	install -m 644 LICENSE CHANGELOG.md PROTOCOL.md $(DOCDIR)

uninstall: ## take all of it away again
	rm -f $(BINDIR)/smoltalkd $(BINDIR)/smoltalk
	rm -f $(SHARE)/man/man1/smoltalk.1 $(SHARE)/man/man1/smoltalk-direct.1 $(SHARE)/man/man8/smoltalkd.8
	rm -f $(ZSHDIR)/_smoltalk $(ZSHDIR)/_smoltalkd
	rm -f $(FISHDIR)/smoltalk.fish $(FISHDIR)/smoltalkd.fish
	rm -f $(BASHDIR)/smoltalk $(BASHDIR)/smoltalkd
	rm -f $(UNITDIR)/smoltalkd.service $(UNITDIR)/smoltalkd@.service $(UNITDIR)/smoltalkd.socket
	rm -rf $(DOCDIR)

static: ## both programs with all features, which need no library; needs rustup target add …-linux-musl, musl-tools
	$(MAKE) build TRIPLE=$(MUSL) FEATURES=all

# The same bytes from the same commit and toolchain, whoever packs them. Files alone: a folder that is there stays as it is.
tarball: ## what install installs, with all features, for `tar -C /usr/local`; TRIPLE=… for another target
	rm -rf $(TARGET)/packed
	$(MAKE) install FEATURES=all DESTDIR=$(abspath $(TARGET))/packed PREFIX=/usr/local
	deploy/licences | gzip -9n >$(TARGET)/packed/usr/local/share/doc/smoltalk/THIRD-PARTY.gz
	cd $(TARGET)/packed/usr/local && find * -type f | LC_ALL=C sort | \
	  tar -cf - -T - --owner=0 --group=0 --numeric-owner --mtime=@$(shell git log -1 --format=%ct) | \
	  gzip -n >$(abspath $(TARGET))/$(PACKED).tar.gz
	@echo $(TARGET)/$(PACKED).tar.gz

deb: ## a Debian package with all features, in target/debian; needs cargo install cargo-deb
	$(MAKE) build FEATURES=all
	deploy/licences | gzip -9n >$(TARGET)/release/THIRD-PARTY.gz
	$(CARGO) deb --no-build --locked

msrv: ## check with the oldest Rust that Cargo.toml promises; needs that toolchain
	cargo +$$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) check --locked --all-features --all-targets

audit: ## dependencies: known flaws, licences, sources; needs the net and cargo install cargo-deny
	$(CARGO) deny --all-features check

clean: ## throw away what was built
	$(CARGO) clean

help: ## this list
	@sed -n 's/^\([a-z0-9./-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18
