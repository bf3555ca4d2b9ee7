"""All slots by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from llmsafe.synthetic import slots
from llmsafe.synthetic.zh import slots_care, slots_people
from llmsafe.synthetic.zh.scribe import Scribe

SLOTS: Mapping[str, Callable[[Scribe], None]] = {
    name[5:]: function
    for module in (slots, slots_people, slots_care)
    for name, function in vars(module).items()
    if name.startswith("slot_")
}
