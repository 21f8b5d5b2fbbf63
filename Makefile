# Two commands matter: `make demo` and `make test`. Both set up everything they need.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check lint types imports unit browser studio migrate clean

# Plays every scenario through; then, where there is a terminal, keeps the console up for you.
demo: $(VENV)/.installed
	@$(BIN)/pitstop demo --script && if [ -t 0 ] && [ -t 1 ]; then $(BIN)/pitstop demo; fi

# Everything: lint, types, import contracts, all tests (unit, graph, contract, integration, migration, e2e), evals.
test: $(VENV)/.installed-dev browser
	@$(BIN)/python -m tests.run

check: lint types imports

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	@$(BIN)/basedpyright --level error

imports: $(VENV)/.installed-dev
	@$(BIN)/lint-imports

unit: $(VENV)/.installed-dev
	@$(BIN)/pytest tests/unit tests/graph

# LangGraph Studio's server, beside Pitstop's own API, against whatever workspace is configured.
studio: $(VENV)/.installed-dev
	@$(BIN)/langgraph dev --no-browser --n-jobs-per-worker 10

browser: $(VENV)/.installed-dev
	@bash deploy/browser.sh $(BIN)

$(VENV)/.installed: pyproject.toml constraints.txt
	@bash deploy/install.sh $(VENV) '.[studio]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt
	@bash deploy/install.sh $(VENV) '.[dev]'
	@touch $(VENV)/.installed $@

clean:
	rm -rf $(VENV) .cache .pytest_cache .ruff_cache build *.egg-info
