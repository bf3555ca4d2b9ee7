"""llmsafe: use medical text for language models without giving patients away.

Importing it puts the Hugging Face libraries offline unless the user said otherwise: a mistyped
name must not carry a hospital's path to a hub. ``HF_HUB_OFFLINE=0`` allows downloads.
"""

import os

__version__ = "0.1.0"

# Those libraries read the variables once, when they are imported, so this comes first.
for _name, _value in (("HF_HUB_OFFLINE", "1"), ("HF_HUB_DISABLE_TELEMETRY", "1")):
    os.environ.setdefault(_name, _value)
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
