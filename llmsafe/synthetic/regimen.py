"""Drug lists: what is taken at each encounter, and what was just started, moved or stopped."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from llmsafe.synthetic.course import Dose, DoseStatus, Setting
from llmsafe.synthetic.draw import chance, pick
from llmsafe.synthetic.knowledge import Condition, DrugChoice, Knowledge

# Doses that go by body weight, in units per kilogram.
PER_KILOGRAM: Mapping[str, float] = {
    "acetaminophen_susp": 14, "ibuprofen_susp": 9, "amoxicillin_susp": 40, "dexamethasone_po": 0.6,
    "ondansetron_child": 0.15,
}  # fmt: skip


def _dose(
    rng: random.Random, known: Knowledge, choice: DrugChoice, status: DoseStatus, weight: float
) -> Dose:
    drug = known.drugs[pick(rng, choice.codes)]
    if drug.code in PER_KILOGRAM:
        want = PER_KILOGRAM[drug.code] * weight
        fit = min(drug.doses, key=lambda dose: abs(dose - want))
        return Dose(drug.code, fit, pick(rng, drug.frequencies), status)
    top = max(1, len(drug.doses) - 1) if status == "home" else len(drug.doses)
    return Dose(drug.code, drug.doses[int(rng.random() * top)], pick(rng, drug.frequencies), status)


def add_doses(
    rng: random.Random,
    known: Knowledge,
    doses: Sequence[Dose],
    choices: Sequence[DrugChoice],
    status: DoseStatus,
    weight: float,
) -> tuple[Dose, ...]:
    """The list with the chosen drugs added, never two of one family."""
    out = list(doses)
    families = {known.drugs[d.drug].family for d in out if d.status != "stopped"}
    for choice in choices:
        if choice.optional and chance(rng, 0.5):
            continue
        dose = _dose(rng, known, choice, status, weight)
        family = known.drugs[dose.drug].family
        if family in families and known.drugs[dose.drug].route not in ("iv", "neb"):
            continue
        if any(d.drug == dose.drug for d in out):
            continue
        families.add(family)
        out.append(dose)
    return tuple(out)


def home_regimen(
    rng: random.Random,
    known: Knowledge,
    chronic: Sequence[Condition],
    plans: Sequence[Condition],
    weight: float,
) -> tuple[Dose, ...]:
    doses: tuple[Dose, ...] = ()
    for condition in [c for c in plans[:1] if "B" not in c.settings] + list(chronic):
        doses = add_doses(rng, known, doses, condition.home, "home", weight)
    return doses


class Timeline:
    """The drug list as it changes from encounter to encounter."""

    def __init__(
        self,
        known: Knowledge,
        condition: Condition,
        setting: Setting,
        arrive: int,
        stay: int,
        doses: tuple[Dose, ...],
        weight: float,
    ) -> None:
        self.doses = doses
        self._weight = weight
        self._known = known
        self._condition = condition
        self._setting = setting
        self._arrive = arrive
        self._leave = arrive + stay
        self._admitted = False
        self._left = False
        self._visits = 0

    def reach(self, rng: random.Random, day: int, kind: str) -> None:
        """Move the list to this encounter."""
        self.doses = self.settled()
        condition = self._condition
        if self._setting == "clinic":
            if kind == "clinic":
                self._visits += 1
                if self._visits == 1:
                    chronic = () if "B" in condition.settings else condition.home
                    self._start(rng, (*chronic, *condition.stay, *condition.discharge))
                    self._titrate(rng, 0.35)
                else:
                    self._titrate(rng, 0.55)
            return
        if day >= self._arrive and not self._admitted and kind not in ("emergency", "radiology"):
            self._admitted = True
            self._start(rng, condition.stay)
        leaving = day > self._leave or (day == self._leave and kind == "discharge")
        if leaving and not self._left:
            self._left = True
            self._leave_hospital(rng)
        elif kind == "clinic" and day > self._leave:
            self._titrate(rng, 0.4)

    def settled(self) -> tuple[Dose, ...]:
        """The list as the next encounter finds it: new is now taken, stopped is gone."""
        return tuple(
            replace(d, status="home", before=None) for d in self.doses if d.status != "stopped"
        )

    def _start(self, rng: random.Random, choices: Sequence[DrugChoice]) -> None:
        self.doses = add_doses(rng, self._known, self.doses, choices, "new", self._weight)

    def _leave_hospital(self, rng: random.Random) -> None:
        given = {code for choice in self._condition.stay for code in choice.codes}
        lasting = {code for choice in self._condition.discharge for code in choice.codes}
        self.doses = tuple(
            replace(d, status="stopped")
            if (d.drug in given and d.drug not in lasting)
            or self._known.drugs[d.drug].route in ("iv", "neb")
            else d
            for d in self.doses
        )
        self._start(rng, self._condition.discharge)
        self._titrate(rng, 0.35)

    def _titrate(self, rng: random.Random, probability: float) -> None:
        """Move one drug that is taken one step along its doses."""
        movable = [
            i
            for i, d in enumerate(self.doses)
            if d.status == "home"
            and len(self._known.drugs[d.drug].doses) > 1
            and self._known.drugs[d.drug].route in ("po", "sc")
        ]
        if not movable or not chance(rng, probability):
            return
        index = pick(rng, movable)
        dose = self.doses[index]
        ladder = self._known.drugs[dose.drug].doses
        at = ladder.index(dose.amount)
        up = at == 0 or (at < len(ladder) - 1 and chance(rng, 0.75))
        amount = ladder[at + 1 if up else at - 1]
        moved = replace(
            dose, amount=amount, status="raised" if up else "lowered", before=dose.amount
        )
        self.doses = (*self.doses[:index], moved, *self.doses[index + 1 :])
