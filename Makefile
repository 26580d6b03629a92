# The front door: `make help` lists what there is to do.

CARGO  ?= cargo
PREFIX ?= /usr/local
TARGET := $(or $(CARGO_TARGET_DIR),target)
BINDIR  = $(DESTDIR)$(PREFIX)/bin
SHARE   = $(DESTDIR)$(PREFIX)/share
BASHDIR = $(SHARE)/bash-completion/completions
ZSHDIR  = $(SHARE)/zsh/site-functions
FISHDIR = $(SHARE)/fish/vendor_completions.d

.PHONY: build run test check conversation e2e crash bench bench-compare siege demo docs/demo.svg man doc install uninstall clean help

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

crash: ## kill the server 1,000 times under load and compare all stories; ROUNDS=… for more
	CRASH_ROUNDS=$(or $(ROUNDS),1000) $(CARGO) test --release --test crash -- --nocapture

bench: ## measure the room; ARGS=--quick takes a minute
	$(CARGO) bench --bench room -- $(ARGS)

bench-compare: ## the same for Redis, NATS, ngircd and Mosquitto, as far as installed; draws the plot
	mkdir -p docs $(TARGET)
	$(CARGO) bench --bench room -- --compare all --json $(TARGET)/room.json --plot docs/fanout.svg $(ARGS)

siege: ## attack a server in all the ways that once worked; ARGS='--only NAME', ARGS=--quick
	$(CARGO) bench --bench siege -- $(ARGS)

demo: build ## three people talk, in tmux; needs tmux and nc
	PATH="$(abspath $(TARGET)/release):$$PATH" docs/demo.py live

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
	install -d $(BINDIR) $(SHARE)/man/man1 $(SHARE)/man/man8 $(BASHDIR) $(ZSHDIR) $(FISHDIR)
	install -m 755 $(TARGET)/release/smoltalkd $(TARGET)/release/smoltalk $(BINDIR)
	install -m 644 man/smoltalk.1 man/smoltalk-direct.1 $(SHARE)/man/man1
	install -m 644 man/smoltalkd.8 $(SHARE)/man/man8
	install -m 644 completions/_smoltalk completions/_smoltalkd $(ZSHDIR)
	install -m 644 completions/smoltalk.fish completions/smoltalkd.fish $(FISHDIR)
	install -m 644 completions/smoltalk.bash $(BASHDIR)/smoltalk
	install -m 644 completions/smoltalkd.bash $(BASHDIR)/smoltalkd

uninstall: ## take all of it away again
	rm -f $(BINDIR)/smoltalkd $(BINDIR)/smoltalk
	rm -f $(SHARE)/man/man1/smoltalk.1 $(SHARE)/man/man1/smoltalk-direct.1 $(SHARE)/man/man8/smoltalkd.8
	rm -f $(ZSHDIR)/_smoltalk $(ZSHDIR)/_smoltalkd
	rm -f $(FISHDIR)/smoltalk.fish $(FISHDIR)/smoltalkd.fish
	rm -f $(BASHDIR)/smoltalk $(BASHDIR)/smoltalkd

clean: ## throw away what was built
	$(CARGO) clean

help: ## this list
	@sed -n 's/^\([a-z0-9./-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18
