# `make` lists what there is to make.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The Python that environments are made with; the newest of 3.11 to 3.13 that is found if empty.
PYTHON ?=
export PYTHON
MINUTES ?= 30
# mosquitto lies in /usr/sbin, which a user's PATH lacks.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

TEST_PACKAGES := mosquitto ffmpeg openssl 'chromium?' 'systemd-container?' python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-rtsp-server-1.0 gstreamer1.0-rtsp \
    gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
SOURCES := $(wildcard daemon models tests benchmarks examples)

.PHONY: help
help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 10

.PHONY: demo
demo: .venv ## play the demo clip: alerts arrive over MQTT (ARGS='--clip FILE' for your own footage)
	@scripts/need.sh mosquitto
	@.venv/bin/vestibule demo $(ARGS)

.PHONY: test
test: .venv-dev .venv-server ## run every test (ARGS='-k NAME' for some)
	@scripts/need.sh $(TEST_PACKAGES)
	@.venv-dev/bin/python -m pytest $(ARGS)

.PHONY: check
check: .venv-dev ## lint, formatting and types
	@.venv-dev/bin/ruff check $(SOURCES)
	@.venv-dev/bin/ruff format --check $(SOURCES)
	@.venv-dev/bin/mypy $(SOURCES)

.PHONY: format
format: .venv-dev ## mend what lint and formatting can mend by themselves
	@.venv-dev/bin/ruff check --fix $(SOURCES)
	@.venv-dev/bin/ruff format $(SOURCES)

.PHONY: bench
bench: .venv-dev ## measure speed and write it into docs/benchmarks.md, 15 minutes (ARGS=--quick tries it)
	@scripts/need.sh $(TEST_PACKAGES)
	@.venv-dev/bin/python benchmarks/bench.py $(ARGS)

.PHONY: soak
soak: .venv-dev ## run the daemon on four looping cameras for MINUTES=30: does anything grow?
	@scripts/need.sh $(TEST_PACKAGES)
	@PYTHONPATH=tests .venv-dev/bin/python tests/soak.py --minutes $(MINUTES) $(ARGS)

.PHONY: lock
lock: ## write requirements/*.lock anew (ARGS=--upgrade for the newest versions)
	@scripts/lock.sh $(ARGS)

.PHONY: clean
clean: ## remove environments, caches and outputs
	rm -rf .venv .venv-dev .venv-server .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist out
	find daemon models tests benchmarks examples -name __pycache__ -type d -exec rm -rf {} +

# Always asked, quick when there is nothing to do: the script compares contents, not times.
.PHONY: .venv .venv-dev .venv-server
.venv: ; @scripts/venv.sh $@ requirements/base.lock
.venv-dev: ; @scripts/venv.sh $@ requirements/dev.lock
.venv-server: ; @scripts/venv.sh $@ requirements/server.lock
