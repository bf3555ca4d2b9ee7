#!/usr/bin/env bash
# The test command: installs what is missing, then runs linters, types, layers and tests.
#   ./scripts/test.sh [pytest arguments]
#   ./scripts/test.sh -m ''           also the slow tier: studies, benchmarks and makers end to end
set -euo pipefail
cd "$(dirname "$0")/.."

# Two busy processes with two spinning threads each run many times slower than one.
export OMP_WAIT_POLICY=PASSIVE OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} TOKENIZERS_PARALLELISM=false
scripts/install.sh dev,pld,serve,release
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/python -m pytest -n "${LLMSAFE_TEST_WORKERS:-2}" --dist worksteal "$@"
