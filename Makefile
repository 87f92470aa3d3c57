# Footfall's front door. `make demo` and `make test` need Rust, Node and a C compiler, and do all the rest.

# A stable folder outside the checkout, so that a fresh clone does not build the dependencies again.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/footfall/target

NPM := npm ci --no-audit --no-fund --loglevel=error
PLATFORM := $(shell node -p "process.platform + '-' + process.arch")

.PHONY: demo footfall test test-postgres setup browser postgres bench soak fuzz schemathesis gql lint drift contract

demo: footfall ## Runs three websites with 90 days of traffic and live visitors
	./footfall demo

footfall: setup ## Builds the binary and links it into this folder (`cargo build --release` builds the one for a busy site)
	cargo build --workspace --bins
	ln -sfn "$(CARGO_TARGET_DIR)/debug/footfall" footfall

TESTS := --workspace --bins --lib --tests
NEXTEST := $(shell cargo nextest --version >/dev/null 2>&1 && echo yes)

test: setup browser test-postgres ## Runs every test
	cargo test --quiet --package footfall-schema --doc
	cargo $(if $(NEXTEST),nextest run,test) $(TESTS)

# Without nextest, its profile's filter does not apply: everything runs.
test-postgres: setup postgres ## Runs the tests of the control plane and REST on PostgreSQL
	cargo build --workspace --bins
	tests/postgres.sh "$(CARGO_TARGET_DIR)/debug/footfall" cargo $(if $(NEXTEST),nextest run --profile postgres,test) $(TESTS)

# Installs the Debian packages in $$absent.
INSTALL := if [ -n "$$absent" ]; then \
	  sudo=""; if [ "$$(id -u)" != 0 ]; then sudo="sudo -n"; fi; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends $$absent >/dev/null; \
	fi

postgres: ## Debian's PostgreSQL, on which some tests run too
	@absent=""; \
	command -v pg_ctl >/dev/null || ls /usr/lib/postgresql/*/bin/pg_ctl >/dev/null 2>&1 || absent="postgresql"; \
	$(INSTALL)

browser: ## Debian's Chromium and Firefox, which run the tracker in the tests; others by CHROMIUM=PATH and FIREFOX=PATH
	@absent=""; \
	[ -x "$${CHROMIUM:-/usr/bin/chromium}" ] || absent="chromium"; \
	[ -x "$${FIREFOX:-/usr/bin/firefox-esr}" ] || absent="$$absent firefox-esr"; \
	$(INSTALL)

bench: setup ## Prints every benchmark as a ratio
	cargo bench --bench import --bench dashboard --bench rest --bench ingest --bench hostile --bench memory

soak: setup ## Ten minutes of traffic, and whether memory stays flat
	cargo bench --bench soak

FUZZ_SECONDS ?= 600
CARGO_FUZZ := $(HOME)/.cache/footfall/tools/cargo-fuzz-0.13.2

$(CARGO_FUZZ)/bin/cargo-fuzz:
	cargo install --quiet --locked --version 0.13.2 --root "$(CARGO_FUZZ)" cargo-fuzz

FUZZ_TARGETS ?= beacon log document
# What the server is known to be asked, beside the seeds of a target.
FUZZ_ALSO_document := schema/rest playground/examples

fuzz: $(addprefix fuzz-,$(FUZZ_TARGETS)) ## Ten minutes of hostile input for each reader (cargo-fuzz is installed into the cache when absent)

fuzz-%: $(CARGO_FUZZ)/bin/cargo-fuzz
	mkdir -p fuzz/corpus/$*
	PATH="$(CARGO_FUZZ)/bin:$$PATH" cargo fuzz run --sanitizer none $* fuzz/corpus/$* fuzz/seeds/$* $(FUZZ_ALSO_$*) -- \
	  -dict=fuzz/$(if $(wildcard fuzz/$*.dict),$*,json).dict -max_len=65536 -timeout=10 -max_total_time=$(FUZZ_SECONDS)

SCHEMATHESIS := $(HOME)/.cache/footfall/tools/schemathesis-4.32.5

$(SCHEMATHESIS)/bin/schemathesis:
	python3 -m venv "$(SCHEMATHESIS)" && "$(SCHEMATHESIS)/bin/pip" install -q schemathesis==4.32.5

schemathesis: setup $(SCHEMATHESIS)/bin/schemathesis ## The REST API against its own description, every check (needs Python)
	cargo build --workspace --bins
	tests/schemathesis.sh "$(CARGO_TARGET_DIR)/debug/footfall" "$(SCHEMATHESIS)/bin/schemathesis"

GQL := $(HOME)/.cache/footfall/tools/gql-4.4.0

$(GQL)/bin/gql-cli:
	python3 -m venv "$(GQL)" && "$(GQL)/bin/pip" install -q 'gql[aiohttp,websockets]==4.4.0'

gql: setup $(GQL)/bin/gql-cli ## Python's GraphQL client against an installation (needs Python)
	cargo build --workspace --bins
	tests/gql.sh "$(CARGO_TARGET_DIR)/debug/footfall" "$(GQL)/bin/python"

lint: setup ## Format and clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

contract: setup ## Writes the published artefacts anew: SDL, OpenAPI, access matrix
	cargo run --quiet --bin footfall -- schema print > schema/schema.graphql.new
	cargo run --quiet --bin footfall -- schema openapi > schema/openapi.json.new
	mv schema/schema.graphql.new schema/schema.graphql
	mv schema/openapi.json.new schema/openapi.json

drift: contract ## Fails where a published artefact is not what the code says
	git diff --exit-code -- schema/schema.graphql schema/openapi.json

setup: .vendor/duckdb playground/dist/index.html playground/dist/z.min.js tests/js/node_modules/.stamp ## Fetches what the build needs beyond crates

.vendor/node_modules/.stamp: .vendor/package.json .vendor/package-lock.json
	$(NPM) --prefix .vendor
	touch $@

.vendor/duckdb: .vendor/node_modules/.stamp
	ln -sfn node_modules/@duckdb/node-bindings-$(PLATFORM) $@

playground/node_modules/.stamp: playground/package.json playground/package-lock.json
	$(NPM) --prefix playground
	touch $@

playground/dist/index.html: playground/node_modules/.stamp playground/build.mjs $(wildcard playground/src/* playground/*.html) docs/API.md docs/METRICS.md
	npm run --silent build --prefix playground

playground/dist/z.min.js: playground/node_modules/.stamp $(wildcard src/tracker/*)
	node src/tracker/build.mjs

tests/js/node_modules/.stamp: tests/js/package.json tests/js/package-lock.json .vendor/node_modules/.stamp
	$(NPM) --prefix tests/js
	touch $@
