"""Put the table of a finished demo into the README of its language, and a picture of its report.

    python scripts/update_readme.py llmsafe-demo [--chromium /usr/bin/chromium]
    python scripts/update_readme.py chinese-demo

The READMEs show measured figures only: this program is the one way they get there. The picture is
the English demo's; the Chinese README has the table alone.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
READMES = {"en": ROOT / "README.md", "zh": ROOT / "docs" / "zh" / "README.md"}
PICTURE = ROOT / "docs" / "images" / "report.png"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("demo", type=Path, help="output folder of `llmsafe demo`")
    parser.add_argument("--chromium", default="chromium", help="for the picture")
    args = parser.parse_args()
    lang = json.loads((args.demo / "corpus" / "vault" / "canaries.json").read_text())["lang"]
    readme = READMES[lang]
    readme.write_text(with_table(readme.read_text(), (args.demo / "report.md").read_text()))
    print(f"wrote {readme}")
    if lang == "en":
        draw(args.demo, args.chromium)
        print(f"wrote {PICTURE}")


def with_table(text: str, table: str) -> str:
    """The page with ``table`` between the markers, and nothing else there."""
    new, found = re.subn(
        r"(<!-- demo-table -->\n).*?(<!-- /demo-table -->)",
        lambda match: f"{match[1]}\n{table.strip()}\n\n{match[2]}",
        text,
        flags=re.DOTALL,
    )
    if found != 1:
        sys.exit(f"{found} places for the table; the page needs one demo-table")
    return new


def draw(demo: Path, chromium: str) -> None:
    """A picture of the report."""
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        command = [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--hide-scrollbars", f"--user-data-dir={profile}",
            "--window-size=1100,1500", f"--screenshot={PICTURE}",
            (demo / "report.html").resolve().as_uri(),
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
