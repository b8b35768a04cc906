VENV   ?= .venv
PYTHON ?= python3
PY      = $(VENV)/bin/python
ENV     = $(VENV)/.installed

# The tree that git would commit now, whatever is in its index
TREE = export GIT_INDEX_FILE=$$(mktemp -u) && git add -A && git write-tree && rm $$GIT_INDEX_FILE

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: $(ENV)  ## install, train on pictures of letters, and show what the model makes of new ones
	$(VENV)/bin/siamese_verify demo

test: $(ENV)  ## run every notebook and tests/ (ARGS=--slow also runs the slow cells, ARGS=--drill the long tests)
	@$(PY) tools/test.py $(ARGS)

run: $(ENV)  ## the same, storing the outputs in the notebooks (NB=nbs/00_data.ipynb for one)
	@$(PY) tools/test.py --save $(ARGS) $(NB)

export: $(ENV)  ## write siamese_verify/ from the notebooks
	$(VENV)/bin/nbdev-export

clean-nbs: $(ENV)  ## drop execution counts and other noise from the notebooks
	$(VENV)/bin/nbdev-clean

docs: $(ENV)  ## build the site in _docs, README.md and CHANGELOG.md, and check them
	$(PY) tools/docs.py
	$(PY) tools/check_docs.py

check: $(ENV)  ## fail if export, clean-nbs or docs change a file
	@before=$$($(TREE)) && $(MAKE) -s export clean-nbs docs && git diff --exit-code --stat $$before $$($(TREE))

bench: $(ENV)  ## install other packages in benchmarks/.venv and measure speed against them (ARGS="threshold pairs" for these rows)
	@$(PY) benchmarks/peers.py
	@$(PY) benchmarks/bench.py $(ARGS)

dist: $(ENV)  ## build the sdist and the wheel in dist/
	$(PY) -m build

env: $(ENV)  ## make the environment, or bring it up to date

$(ENV): pyproject.toml settings.ini setup.py
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -qq -e '.[dev]'
	@touch $@

.PHONY: help demo test run export clean-nbs docs check bench dist env
