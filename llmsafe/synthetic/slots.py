"""Slots that every language writes alike: numbers and names as they stand, findings by phrase.

A slot is a function `slot_x` that fills `<x>`; a language adds its own, and where both have one,
its own counts.
"""

from __future__ import annotations

from llmsafe.synthetic.draw import integer, pick
from llmsafe.synthetic.knowledge import knowledge
from llmsafe.synthetic.telling import Teller

# -- who and where ---------------------------------------------------------------------------


def write_name(s: Teller, value: str) -> None:
    s.out.phi(value, "NAME")


def slot_mrn(s: Teller) -> None:
    s.out.phi(s.identity.mrn, "MRN")


def slot_account(s: Teller) -> None:
    s.out.phi(s.identity.account, "ACCOUNT")


def slot_plan_number(s: Teller) -> None:
    s.out.phi(s.identity.health_plan, "HEALTH_PLAN")


def slot_plate(s: Teller) -> None:
    s.out.phi(s.identity.vehicle, "VEHICLE")


def slot_street(s: Teller) -> None:
    s.out.phi(s.identity.street, "LOCATION")


def slot_ip(s: Teller) -> None:
    block = pick(s.rng, ("192.0.2", "198.51.100", "203.0.113"))
    s.out.phi(f"{block}.{integer(s.rng, 2, 250)}", "IP")


def slot_licence(s: Teller) -> None:
    s.out.phi(s.author.licence, "LICENSE")


def slot_hospital(s: Teller) -> None:
    s.out.phi(s.identity.institution.name, "ORGANIZATION")


def slot_clinic(s: Teller) -> None:
    s.out.phi(s.identity.institution.clinic, "ORGANIZATION")


def slot_hospital_phone(s: Teller) -> None:
    s.out.phi(s.identity.institution.phone, "PHONE")


def slot_fax(s: Teller) -> None:
    s.out.phi(s.identity.institution.fax, "FAX")


def slot_url(s: Teller) -> None:
    s.out.phi(s.identity.institution.url, "URL")


# -- what happened ------------------------------------------------------------------------


def slot_stay(s: Teller) -> None:
    s.out.text(str(max(1, s.episode.stay)))


def slot_sx(s: Teller) -> None:
    """The next of the episode's symptoms."""
    s.turn += 1
    s.write(s.story.symptoms[s.turn % len(s.story.symptoms)])


def slot_dx(s: Teller) -> None:
    s.about(s.episode.condition, "name")


def slot_op(s: Teller) -> None:
    s.fill(f"p.{s.episode.procedure}.name")


def slot_study(s: Teller) -> None:
    study = knowledge().conditions[s.episode.condition].study
    s.fill(f"s.{study}.name" if study else "s.none.name")


def slot_hr(s: Teller) -> None:
    s.out.text(str(s.encounter.vitals.hr))


def slot_rr(s: Teller) -> None:
    s.out.text(str(s.encounter.vitals.rr))


def slot_spo2(s: Teller) -> None:
    s.out.text(str(s.encounter.vitals.spo2))
