"""Put the table of a finished demo, and a picture of its report, into the README.

    python scripts/update_readme.py llmsafe-demo [--chromium /usr/bin/chromium]

The README shows measured figures only: this program is the one way they get there.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "report.png"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("demo", type=Path, help="output folder of `llmsafe demo`")
    parser.add_argument("--chromium", default="chromium", help="for the picture")
    args = parser.parse_args()
    readme = ROOT / "README.md"
    table = (args.demo / "report.md").read_text().strip()
    text = re.sub(
        r"(<!-- demo-table -->\n).*?(<!-- /demo-table -->)",
        lambda match: f"{match[1]}\n{table}\n\n{match[2]}",
        readme.read_text(),
        flags=re.DOTALL,
    )
    readme.write_text(text)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        command = [
            args.chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--hide-scrollbars", f"--user-data-dir={profile}",
            "--window-size=1100,1500", f"--screenshot={PICTURE}",
            (args.demo / "report.html").resolve().as_uri(),
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
    print(f"wrote {readme}  {PICTURE}")


if __name__ == "__main__":
    main()
