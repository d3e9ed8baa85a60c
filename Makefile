# The developer's commands. Each sets up what it needs: a machine with Python 3.11 or newer is enough.
PYTHON ?= python3
BIN := .venv/bin
DOCUMENTED := .tools/documented
PURE := tests/judgement tests/measurement tests/baseline tests/history/test_levels.py tests/history/test_series.py
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --exclude-newer 1week

.PHONY: install demo bench test test-all coverage mutants check lint wheels audit sbom types goldens lock clean

install: ## the conductor, Locust and the examples' services, each in its own environment
	@scripts/install.sh $(PYTHON) .venv requirements/dev.txt
	@scripts/install.sh $(PYTHON) .venv-locust requirements/locust.txt
	@scripts/install.sh $(PYTHON) .venv-examples requirements/examples.txt
	@test -x $(BIN)/ml-loadtest || $(BIN)/uv pip install --quiet --no-config --python $(BIN)/python --no-deps --no-build-isolation --editable .

demo: install ## the main job on the recommender: calibrate, an unchanged run, a slowed run
	@$(BIN)/python -P -m scripts.demo

bench: install ## what measuring costs and how true it is: ratios from one run on this machine, eight minutes
	@$(BIN)/python -P -m benchmarks

test: install ## what a developer runs before each commit
	@$(BIN)/pytest -m "not slow"

test-all: install ## everything, the slow rest included
	@$(BIN)/pytest

coverage: install ## whether the tests of the stages that only compute take every branch of them
	@$(BIN)/coverage run -m pytest -q $(PURE)
	@$(BIN)/coverage report

mutants: install ## which changes of the judgement no test notices; docs/reliability.md says why each of them does not matter
	@$(BIN)/mutmut run
	@$(BIN)/mutmut results

check: install lint types ## style, types, and the files that GitHub reads

lint:
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/zizmor --offline --quiet --persona pedantic . examples/workflows/*.yml
	@$(BIN)/python -P -m scripts.documented $(DOCUMENTED)/.github/workflows
	@$(BIN)/zizmor --offline --quiet --persona pedantic --config scripts/documented.zizmor.yml $(DOCUMENTED)
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml comment/action.yml
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml examples/workflows/*.yml $(DOCUMENTED)/.github/workflows/*.yml
	@$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(BIN)/shellcheck scripts/*.sh scripts/*/run
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check_actions/run $(DOCUMENTED)/.github/workflows

wheels: install ## whether the locks can be installed from wheels on every machine and Python that we support
	@scripts/wheels.sh $(BIN)/uv requirements/conductor.txt requirements/locust.txt

audit: install ## known vulnerabilities of everything that is locked, a package that is not looked up being one
	@scripts/install.sh $(PYTHON) .venv-audit requirements/audit.txt
	@$(BIN)/python -P -m scripts.audit .venv-audit/bin/pip-audit requirements/*.txt

sbom: ## what a release installs, in CycloneDX, one file for each lock
	@scripts/install.sh $(PYTHON) .venv-audit requirements/audit.txt
	@mkdir -p dist
	@for lock in conductor locust; do .venv-audit/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --of JSON -o dist/$$lock.cdx.json requirements/$$lock.txt; done

types:
	@$(BIN)/mypy

goldens: install ## write the expected reports anew; read the diff as prose before you commit it
	@$(BIN)/pytest tests/report --update-goldens

lock: install ## the locks anew, from pyproject.toml and requirements/*.in
	$(LOCK) pyproject.toml -o requirements/conductor.txt
	$(LOCK) requirements/locust.in -o requirements/locust.txt
	$(LOCK) requirements/examples.in -o requirements/examples.txt
	$(LOCK) -c requirements/conductor.txt pyproject.toml requirements/dev.in -o requirements/dev.txt
	$(LOCK) requirements/audit.in -o requirements/audit.txt

clean:
	rm -rf .venv .venv-* .tools .demo dist results
