# `make demo` and `make test` need python3 (3.11 or newer) and a package index, nothing else.
PYTHON ?= python3
PY := .venv/bin/python
DEMO := recipes/mini/studies/demo.yaml
export HF_HUB_OFFLINE ?= 1

.PHONY: install lock demo docs test test-slow test-slurm lint plans base base-worlds clean

install: .venv/installed

# The constraints file pins the set this version was tested with; LOCKED=1 takes those very files, by their hashes.
.venv/installed: pyproject.toml constraints.txt $(if $(LOCKED),requirements.lock)
	$(PYTHON) -m venv .venv
ifdef LOCKED
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -e .
else
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
endif
	touch $@

# Writes requirements.lock anew, from constraints.txt and the hashes that the package index gives. Installs nothing.
lock: install
	mkdir -p build
	$(PY) -m pip install --dry-run --ignore-installed --quiet --report build/lock.json -c constraints.txt -e '.[dev]'
	$(PY) .ci/write_lock.py build/lock.json requirements.lock

demo: install
	$(PY) -m fgtrain $(DEMO)

# Two tests at a time, each file in one process: its tests share what it has made. Long files must not come last.
test: install
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-slow: install
	OMP_NUM_THREADS=1 $(PY) -m pytest -m slow

# On Debian, as root: brings up a Slurm of two nodes on this machine, and takes it down again.
test-slurm: install
	OMP_NUM_THREADS=1 slurm/local_cluster.sh run $(PY) -m pytest -m "slurm and not slow" tests/executors/slurm

lint: install
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	.venv/bin/lint-imports

plans: install
	PYTHONPATH=. $(PY) .ci/plan_all.py

# The site, in build/docs. Warnings are errors, and so are links inside it that lead nowhere.
docs: install
	mkdir -p build
	PYTHONPATH=. $(PY) -m sphinx --quiet --nitpicky --fail-on-warning --keep-going --fresh-env \
		--doctree-dir build/docs-trees docs build/docs

# Makes the drawn miniature's "pretrained" parts again, from scratch.
base: install
	$(PY) -m fgtrain recipes/mini/base.yaml
	$(PY) -m fgtrain.export_parts runs/mini_base recipes/mini/base

# The same for the drawn worlds, which go on from those with more words.
base-worlds: install
	$(PY) recipes/mini/worlds/words/make_start.py
	$(PY) -m fgtrain recipes/mini/worlds/base.yaml
	$(PY) -m fgtrain.export_parts runs/mini_worlds_base recipes/mini/worlds/base

clean:
	rm -rf .venv runs data
