# The front door: `make help` lists what there is to do.

CARGO  ?= cargo
PREFIX ?= /usr/local
TARGET := $(or $(CARGO_TARGET_DIR),target)
BINDIR  = $(DESTDIR)$(PREFIX)/bin

.PHONY: build run test check conversation e2e bench bench-compare demo docs/demo.svg doc install uninstall clean help

build: ## build both programs, optimised (the default)
	$(CARGO) build --release --bins

run: ## start a server; ARGS='--listen …' passes flags
	$(CARGO) run -- $(ARGS)

test: ## unit and integration tests
	$(CARGO) test --all-features

check: ## format, every feature set, lints and docs, warnings denied
	$(CARGO) fmt --check
	$(CARGO) build --all-targets --no-default-features
	$(CARGO) build --all-targets --all-features
	$(CARGO) clippy --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --lib --no-deps --all-features

conversation: ## one server, two clients, one message
	$(CARGO) build --bins
	tests/conversation.sh $(TARGET)/debug

e2e: conversation ## the promises, kept by the real programs, nc and telnet
	tests/e2e.sh $(TARGET)/debug

bench: ## measure the room; ARGS=--quick takes a minute
	$(CARGO) bench --bench room -- $(ARGS)

bench-compare: ## the same for Redis, NATS, ngircd and Mosquitto, as far as installed; draws the plot
	mkdir -p docs $(TARGET)
	$(CARGO) bench --bench room -- --compare all --json $(TARGET)/room.json --plot docs/fanout.svg $(ARGS)

demo: build ## three people talk, in tmux; needs tmux and nc
	PATH="$(abspath $(TARGET)/release):$$PATH" docs/demo.py live

docs/demo.svg: build ## the same as a picture, for the README
	PATH="$(abspath $(TARGET)/release):$$PATH" docs/demo.py record $@

doc: ## the library's documentation, in target/doc
	$(CARGO) doc --lib --no-deps --all-features

install: build ## to PREFIX (/usr/local), under DESTDIR if set
	install -d $(BINDIR)
	install -m 755 $(TARGET)/release/smoltalkd $(TARGET)/release/smoltalk $(BINDIR)

uninstall: ## take both programs away again
	rm -f $(BINDIR)/smoltalkd $(BINDIR)/smoltalk

clean: ## throw away what was built
	$(CARGO) clean

help: ## this list
	@sed -n 's/^\([a-z0-9./-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18
