"""The code's own rules: layers, strict types, light start, no path of a machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_layers():
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_types():
    if shutil.which("node") is None:
        pytest.skip("pyright needs node, which this machine lacks")
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['llmsafe', '--help']\n"
        "from llmsafe.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted(m for m in sys.modules if m in HEAVY), file=sys.stderr)"
    ).replace(
        "HEAVY",
        repr(
            {
                "torch",
                "transformers",
                "peft",
                "presidio_analyzer",
                "opacus",
                "datasets",
                "matplotlib",
                "scipy",
                "numpy",
                "pyarrow",
                "spacy",
            }
        ),
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "scrub" in done.stdout
    assert done.stderr.strip().splitlines()[-1] == "[]"


def test_no_path_of_a_machine_in_the_project():
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    pattern = re.compile(r"(?:^|[\s\"'=(])/(?:work|farm|root|home/\w+|opt)/")
    found = [
        name
        for name in names.split()
        if (ROOT / name).suffix in {".py", ".md", ".toml", ".sh", ".yaml", ".yml", ".txt"}
        and (ROOT / name).is_file()
        and pattern.search((ROOT / name).read_text(errors="ignore"))
    ]
    assert not found
