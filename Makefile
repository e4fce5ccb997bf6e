# envseal: `make demo` shows it at work, `make test` tests it. Both need Go and nothing else; the other targets say what they need.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
GO          ?= go
BIN         := bin/envseal
TAGS        := urfave_cli_no_docs
LDFLAGS     := -s -w -buildid= $(if $(VERSION),-X github.com/envseal/envseal/cmd.version=$(VERSION))
BUILD       := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -tags $(TAGS) -ldflags '$(LDFLAGS)'
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 30s

.PHONY: all build demo test race fuzz lint interop recipes bench clean

all: build

build: ## the binary, bin/envseal
	$(BUILD) -o $(BIN) .

demo: build ## a real file sealed, inspected, opened and compared, with a throw-away keystore
	@bash docs/demo.sh $(BIN)

test: ## all tests, through the real binary too
	$(GO) vet ./...
	$(GO) test ./...

race: ## all tests with the race detector (needs a C compiler)
	$(GO) test -race ./...

fuzz: ## every fuzz target for FUZZTIME
	@GO=$(GO) bash .ci/fuzz $(FUZZTIME)

lint: ## gofmt, vet, staticcheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt would change: $$unformatted" >&2; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags interop,recipes ./...
	$(GO) run $(STATICCHECK) -tags interop,recipes ./...

interop: ## the real aws CLI, boto3 and moto against envseal, and the other way round; needs all three
	@for tool in aws python3; do command -v $$tool >/dev/null || { echo "make interop: $$tool is not installed" >&2; exit 1; }; done
	@python3 -c 'import boto3, moto' || { echo "make interop: python3 needs the packages boto3 and moto[server]" >&2; exit 1; }
	$(GO) test -count=1 -tags interop -run Interop -v ./... | grep -v 'no test files' | grep -v '\[no tests to run\]'

recipes: ## every recipe of docs/recipes.md against the real program; as root it installs what is missing with apt-get
	@GO="$(GO)" bash .ci/recipes

bench: build ## Go benchmarks of the hot paths
	$(GO) test -run '^$$' -bench . -benchtime 2s ./envelope/...

clean:
	rm -rf bin .demo
