"""Who a patient is: the structured identity that notes refer to and that a registry would hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

Sex = Literal["f", "m"]
RELATIVES_IN_ROW = 3


def full_name(first: str, last: str) -> str:
    """Given name first; in Chinese characters the surname first and no blank.

    Surnames have one or two characters. Longer ones are a person's own name before the father's,
    as among Uyghurs, with a middle dot between.
    """
    if not "\u4e00" <= last[:1] <= "\u9fff":
        return f"{first} {last}"
    return f"{last}·{first}" if len(last) > 2 else f"{last}{first}"


@dataclass(frozen=True)
class Relative:
    """A relative or friend; `relationship` is a language-neutral code such as `wife`."""

    relationship: str
    first: str
    last: str
    phone: str

    @property
    def name(self) -> str:
        return full_name(self.first, self.last)


@dataclass(frozen=True)
class Staff:
    """One who writes or is named in notes. `style` numbers the author's way of writing."""

    role: str
    specialty: str
    first: str
    last: str
    credential: str
    style: int
    licence: str
    phone: str
    pager: str

    @property
    def name(self) -> str:
        return full_name(self.first, self.last)


@dataclass(frozen=True)
class Institution:
    """A hospital and its people; shared by many patients of one corpus."""

    name: str
    clinic: str
    street: str
    city: str
    state: str
    zip: str
    phone: str
    fax: str
    url: str
    staff: tuple[Staff, ...]


@dataclass(frozen=True)
class Identity:
    """All identifiers of one invented patient. Fields that a country does not have are None."""

    patient_id: str
    first: str
    middle: str
    last: str
    nickname: str | None
    sex: Sex
    birth_date: date
    mrn: str
    ssn: str | None
    resident_id: str | None
    account: str
    insurer: str
    health_plan: str
    phone: str
    mobile: str
    email: str | None
    street: str
    city: str
    state: str
    zip: str
    employer: str | None
    occupation: str | None
    vehicle: str
    relatives: tuple[Relative, ...]
    primary_care: Staff
    institution: Institution
    # Further columns that a country's registry has; the same ones for all patients of a corpus.
    others: tuple[tuple[str, str | None], ...] = ()

    @property
    def name(self) -> str:
        """The name without a middle one, in the order of its language."""
        return full_name(self.first, self.last)

    def other(self, column: str) -> str:
        """The value of a further column, empty where there is none."""
        return dict(self.others).get(column) or ""

    def as_row(self) -> dict[str, str | None]:
        """A flat row for an identity table; the same columns for every patient."""
        row: dict[str, str | None] = {
            "patient_id": self.patient_id,
            "first_name": self.first,
            "middle_name": self.middle,
            "last_name": self.last,
            "nickname": self.nickname,
            "sex": self.sex,
            "birth_date": self.birth_date.isoformat(),
            "mrn": self.mrn,
            "ssn": self.ssn,
            "resident_id": self.resident_id,
            "account_number": self.account,
            "insurer": self.insurer,
            "health_plan_number": self.health_plan,
            "phone": self.phone,
            "mobile": self.mobile,
            "email": self.email,
            "street": self.street,
            "city": self.city,
            "state": self.state,
            "zip": self.zip,
            "employer": self.employer,
            "vehicle": self.vehicle,
            "primary_care_name": self.primary_care.name,
        }
        for i in range(RELATIVES_IN_ROW):
            relative = self.relatives[i] if i < len(self.relatives) else None
            prefix = f"relative_{i + 1}"
            row[f"{prefix}_name"] = relative.name if relative else None
            row[f"{prefix}_relationship"] = relative.relationship if relative else None
            row[f"{prefix}_phone"] = relative.phone if relative else None
        row.update(self.others)
        return row
