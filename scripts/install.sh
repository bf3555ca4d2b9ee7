#!/usr/bin/env bash
# Makes .venv and installs llmsafe into it with the tested set of packages.
#   scripts/install.sh [EXTRAS]     e.g. scripts/install.sh dev,pld,serve,release
# PYTHON names the interpreter (default python3, 3.10 or newer).
set -euo pipefail
cd "$(dirname "$0")/.."

extras=${1:+[$1]}
[ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
# torch first, by its exact version: a range would admit a newer build with gigabytes of CUDA.
.venv/bin/python -m pip install -q -c constraints.txt torch
.venv/bin/python -m pip install -q -c constraints.txt -e ".$extras"
