# Everything goes through uv, so that each tool is the one that uv.lock pins.
PACKAGES := lens-trace lens-graph lens-viz lens-validate lens-torch lens-cli

.PHONY: check format lint types contracts docs test check-alone wheels zoo oldest pythons fix picture

check: format lint types contracts docs test

format:
	uv run ruff format --check .

lint:
	uv run ruff check .

types:
	uv run pyright

contracts:
	uv run lint-imports

# The site, into site/; any warning is an error.
docs:
	uv run mkdocs build --quiet

test:
	uv run pytest

# Each package's own tests, with nothing installed but that package, what it requires and the test runner.
check-alone:
	set -e; for package in $(PACKAGES); do \
		echo "== $$package alone"; \
		uv run --isolated --package $$package pytest -q tests/$$(echo $$package | tr - _); \
	done

# Wheels and sdists of all packages, into dist/; tests/test_wheels.py installs them into empty environments.
wheels:
	uv build --all-packages --out-dir dist

# Some real models, each traced, validated and drawn; see zoo/README.md.
zoo:
	uv run --group zoo python -m zoo run --fast

# The tests and some real models with the oldest torch that the packages allow, in environments that leave .venv alone.
OLDEST := --with torch==2.6.0 --with torchvision==0.21.0
oldest:
	uv run --isolated $(OLDEST) python -m pytest
	uv run --isolated $(OLDEST) --with torchaudio==2.6.0 --group zoo python -m zoo run --fast --results zoo-results-oldest.jsonl

# The tests with each newer Python that the packages name, in environments that leave .venv alone.
PYTHONS := 3.12 3.13
pythons:
	set -e; for python in $(PYTHONS); do uv run --isolated --python $$python python -m pytest; done

# Mends what a machine can mend.
fix:
	uv run ruff check --fix .
	uv run ruff format .

# The drawing that README.md shows.
picture:
	uv run lens draw torchvision.models:alexnet --input 6,3,224,224 --seed 0 --out docs/alexnet.svg
