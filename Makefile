# Hafen. `make` alone lists what there is; two targets matter to a newcomer: run and test.
#
# `run`, `test` and `check` set the machine up by themselves (scripts/setup), and are fast when there is nothing to do.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
.NOTPARALLEL: # one part may make what the next one reads

# As the image and the tests are built: one build cache for all, and a program that needs no C library.
export CGO_ENABLED := 0

# Hafen needs root: ports below 1024, files of many users, firewall rules. What compiles runs as whoever typed make.
empty :=
comma := ,
ENVIRONMENT := $(subst $(empty) $(empty),$(comma),$(strip DATABASE_URL DOCKER_HOST $(filter HAFEN_%,$(.VARIABLES))))
ROOT := $(if $(filter-out 0,$(shell id -u)),sudo --preserve-env=$(ENVIRONMENT) env "PATH=$$PATH")

TOOL := go tool -modfile=tools/go.mod
HAFEN := bin/hafen

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: images ## set the machine up, start Hafen and print its address; Ctrl-C stops it, tenants keep running
	@$(ROOT) $(HAFEN) up

.PHONY: test
test: setup-tests images ## set the machine up and run every test, browser and Docker included
	scripts/tests "$(ROOT)"

.PHONY: check
check: setup-check generated format lint test vulnerabilities ## what CI runs: generated files, format, lint, every test, known holes

.PHONY: bench
bench: images ## measure what the issue promises; writes bench/results.json
	@go build -o bin/bench ./bench
	@$(ROOT) bin/bench

.PHONY: gallery
gallery: hafen ## show every page with sample data, without database or Docker
	$(HAFEN) gallery

.PHONY: images
images: setup hafen ## build the images the tenants run
	@$(if $(ROOT),$(HAFEN) image --make-only)
	@$(ROOT) $(HAFEN) image

.PHONY: doctor
doctor: hafen ## look at every prerequisite and say how to mend what is missing
	@$(ROOT) $(HAFEN) doctor

.PHONY: down
down: hafen ## stop the tenants and the database; data stays
	@$(ROOT) $(HAFEN) down

.PHONY: generate
generate: ## make the files that are made from others: pages, style sheet
	$(TOOL) templ generate -log-level error
	scripts/assets

.PHONY: fmt
fmt: ## format every Go file and page
	$(TOOL) gofumpt -w .
	$(TOOL) templ fmt -log-level error templates

.PHONY: clean
clean: ## remove what was built; data and images stay
	rm -rf bin .cache screenshots web/assets/node_modules tools/node/node_modules

# The parts of check.

.PHONY: setup setup-tests setup-check
setup:
	@scripts/setup
setup-tests:
	@scripts/setup --tests
setup-check:
	@scripts/setup --check

.PHONY: hafen
hafen:
	@go build -o $(HAFEN) ./cmd/hafen

.PHONY: generated
generated: setup-check
	scripts/generated $(MAKE) --no-print-directory generate

.PHONY: format
format: setup-check
	@files=$$($(TOOL) gofumpt -l .); [ -z "$$files" ] || { printf 'not formatted, mend it with: make fmt\n%s\n' "$$files"; exit 1; }

.PHONY: lint
lint: setup-check
	shellcheck scripts/* .ci/run
	$(TOOL) golangci-lint run

.PHONY: vulnerabilities
vulnerabilities: setup-check
	scripts/vulnerabilities $(TOOL) govulncheck
