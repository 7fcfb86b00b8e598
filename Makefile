# Targets work on a fresh machine with Python 3.11+, make, git and a package index.
PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python
READY  := $(VENV)/.ready
# Python keeps the bytecode of what it loads: without it, every start of torch takes 8 s longer.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: env rivals quick paper test test-all check asv docs clean
env: $(READY)

# CONSTRAINTS="--resolution lowest-direct" takes the oldest versions that pyproject.toml allows.
CONSTRAINTS ?= -c constraints.txt

# uv comes from the package index; versions come from constraints.txt (names and versions only).
$(READY): pyproject.toml constraints.txt overrides.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(RUN) -m uv pip install --quiet --python $(RUN) $(CONSTRAINTS) --overrides overrides.txt -e . --group dev
	touch $@

# competitors with large requirements: foundation models, boosting libraries, feature selection
rivals: env
	$(RUN) -m uv pip install --quiet --python $(RUN) $(CONSTRAINTS) --overrides overrides.txt -e . --group dev --group rivals
	$(RUN) -m bench environment tabmap
	$(RUN) -m bench environment genomap

quick: env
	$(RUN) -m bench run quick

# PROFILE=paper is full size, for a GPU
PROFILE ?= paper_small
paper: env
	$(RUN) -m bench run $(PROFILE)
	$(RUN) -m reports paper results/$(PROFILE)

# every behaviour once; whole grids of clusters, kills and regressions run in test-all, every night
test: env
	$(RUN) -m pytest -n 2 --dist loadfile -m "not slow"

test-all: rivals
	$(RUN) -m uv pip install --quiet --python $(RUN) $(CONSTRAINTS) --group oracles
	$(RUN) -m pytest -n 2 --dist loadfile

# every asv benchmark once, in this environment
asv: env
	$(RUN) -m asv machine --yes
	$(RUN) -m asv run --quick --launch-method forkserver --environment existing:$(abspath $(RUN)) --set-commit-hash $$(git rev-parse HEAD)

# the site, in docs/_build/html; a warning is an error
docs: env
	$(RUN) -m sphinx -W --keep-going -q docs docs/_build/html

check: env
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	$(RUN) -m codespell_lib
	$(RUN) -m pytest tests/test_prose.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info docs/_build docs/api docs/auto_examples docs/generated
