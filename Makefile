# envseal: `make demo` shows it at work, `make test` tests it. Both need Go and nothing else; the other targets say what they need.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
GO          ?= go
BIN         := bin/envseal
TAGS        := urfave_cli_no_docs
LDFLAGS     := -s -w -buildid= $(if $(VERSION),-X github.com/envseal/envseal/cmd.version=$(VERSION))
BUILD       := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -tags $(TAGS) -ldflags '$(LDFLAGS)'
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.8.0
CYCLONEDX   := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
ACTIONLINT  := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
FUZZTIME    ?= 30s
# every set of tests that `make test` leaves out has a build tag of its own
SLOWTAGS    := interop,recipes,torture,secrets,bench
# what `make cross` builds and vets for, and what a release has
CROSS       ?= linux/arm64 darwin/arm64 freebsd/amd64 windows/amd64
DIST        ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 freebsd/amd64
# full, or short: the form for every change
TORTURE     ?= full
# full, or short: without cmd/e2e, five minutes on two processors
RACE        ?= full
# processes of each kind whose memory is searched
SECRETS_RUNS ?= 100

.PHONY: all build demo test race fips fuzz lint vuln cross reproducible sbom dist interop recipes torture secrets bench clean

all: build

build: ## the binary, bin/envseal
	$(BUILD) -o $(BIN) .

demo: build ## a real file sealed, inspected, opened and compared, with a throw-away keystore
	@bash docs/demo.sh $(BIN)

test: ## all tests, through the real binary too
	$(GO) vet ./...
	$(GO) test ./...

race: ## all tests with the race detector (needs a C compiler)
	$(GO) test -race $$($(GO) list ./... $(if $(filter short,$(RACE)),| grep -v /cmd/e2e))

fips: ## all tests with Go's FIPS 140-3 module
	GODEBUG=fips140=on $(GO) test -count=1 ./...

fuzz: ## every fuzz target for FUZZTIME
	@GO=$(GO) bash .ci/fuzz $(FUZZTIME)

lint: ## gofmt, vet, staticcheck, actionlint, govulncheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt would change: $$unformatted" >&2; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags $(SLOWTAGS) ./...
	$(GO) run $(STATICCHECK) -tags $(SLOWTAGS) ./...
	$(GO) run $(ACTIONLINT) -shellcheck= -pyflakes=
	@$(MAKE) -s vuln

vuln: ## known vulnerabilities (govulncheck); says so where its database cannot be reached
	@GO="$(GO)" GOVULNCHECK="$(GOVULNCHECK)" bash .ci/vuln

cross: ## builds and vets for other systems
	@GO="$(GO)" TAGS="$(TAGS)" bash .ci/cross $(CROSS)

reproducible: ## the last commit built twice, in different places: one hash
	@GO="$(GO)" VERSION="$(VERSION)" bash .ci/reproducible

sbom: build ## what bin/envseal is made of, as CycloneDX: bin/envseal.cdx.json
	@# without the hashes of the tool itself, which is another program on another system
	env -u GOOS -u GOARCH CGO_ENABLED=0 GOFLAGS= $(GO) run $(CYCLONEDX) bin -json -std -noserial -notimestamp \
		-version '$(or $(VERSION),(devel))' $(BIN) | sed '/^        "hashes": /,/^        \]/d' > $(BIN).cdx.json
	@$(GO) version -m $(BIN) | awk '$$1 == "dep" { print "pkg:golang/" $$2 "@" $$3 "?" }' | while read -r module; do \
		grep -qF "$$module" $(BIN).cdx.json || { echo "make sbom: $$module is in the program and not in its SBOM" >&2; exit 1; }; done

dist: ## what a release has, in dist/: make dist VERSION=v1.2.3
	@GO="$(GO)" bash .ci/dist "$(VERSION)" $(DIST)

interop: ## the real aws CLI, boto3 and moto against envseal, and the reader in Python; needs the first three
	@for tool in aws python3; do command -v $$tool >/dev/null || { echo "make interop: $$tool is not installed" >&2; exit 1; }; done
	@python3 -c 'import boto3, moto' || { echo "make interop: python3 needs the packages boto3 and moto[server]" >&2; exit 1; }
	@printf 'python3:%s python3-%s\n' cryptography cryptography zstandard zstandard boto3 boto3 | bash .ci/install "make interop"
	$(GO) test -count=1 -tags interop -run Interop -v ./... | grep -v 'no test files' | grep -v '\[no tests to run\]'

recipes: ## every recipe of docs/recipes.md against the real program; as root it installs what is missing with apt-get
	@GO="$(GO)" bash .ci/recipes

torture: build ## system calls made to fail, kills, power cuts, faults of the key service, damage: counts trials and violations
	@GO="$(GO)" TORTURE="$(TORTURE)" bash .ci/torture

secrets: build ## the memory, core dumps and output of the real program searched for key bytes
	@printf 'gcore gdb\nage age\n' | bash .ci/install "make secrets"
	SECRETS_RUNS=$(SECRETS_RUNS) $(GO) test -count=1 -tags secrets -run Secrets -timeout 1h -v ./... | grep -v 'no test files' | grep -v 'no tests to run'

bench: build ## against cp, cat and other programs, side by side: writes docs/benchmarks.md
	$(GO) test -run '^$$' -bench . -benchmem -benchtime 1s ./envelope/...
	$(GO) test -count=1 -tags bench -run Bench -timeout 4h -v ./cmd/e2e/bench

clean:
	rm -rf bin dist .demo
