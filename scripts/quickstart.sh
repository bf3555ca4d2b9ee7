#!/usr/bin/env bash
# From a fresh clone to the demo report: venv, install, demo.
#   ./scripts/quickstart.sh [OUTPUT]     default ./llmsafe-demo
set -euo pipefail
cd "$(dirname "$0")/.."

export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
echo "installing into .venv …"
scripts/install.sh
.venv/bin/llmsafe demo --out "${1:-llmsafe-demo}" --force
