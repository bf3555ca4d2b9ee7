"""``compliance.md``: which evidence in a release bears on which rule, and which rules have none.

It is an index, not a judgement. A line names a rule in our own words, the figure that bears on it
and the file it stands in; where a release holds nothing that bears on a rule, the line says so.
Whether the evidence is enough is for the privacy officer and for counsel.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from llmsafe.artifacts import Audit, PrivacyStatement, Release
from llmsafe.audit.verdict import canary_doubt, member_doubt
from llmsafe.report import headline, words


@dataclass(frozen=True)
class Line:
    """A rule, and what bears on it: ``evidence`` and the files it is in, or why there is none."""

    rule: str
    asks: str
    evidence: str | None
    place: str


@dataclass(frozen=True)
class Table:
    """The lines of one text, under its name; ``about`` says what the table cannot do."""

    title: str
    about: str
    lines: tuple[Line, ...]


def compliance(release: Release, statement: PrivacyStatement, audit: Audit, parent: Audit) -> str:
    """The page in Markdown, from the files of the release alone."""
    tables = evidence_tables(release, statement, audit)
    covered = sum(line.evidence is not None for table in tables for line in table.lines)
    total = sum(len(table.lines) for table in tables)
    parts = [
        f"# Evidence by rule: {_cell(release.name)}",
        f"Released on {release.made_on} by {_cell(release.tool)}: {_cell(release.method)}. "
        f"Weights `{release.weights_digest}`.",
        f"**{covered} of {total} lines have evidence in this folder; {total - covered} are not "
        "covered.** A line with evidence is not a line fulfilled: this page says where to look, "
        "and judges nothing. It is no legal advice, and it speaks of this model alone, not of the "
        "hospital, its systems or its people.",
        _summary(release, statement, audit, parent),
        *(_table(table) for table in tables),
    ]
    return "\n\n".join(parts) + "\n"


def evidence_tables(
    release: Release, statement: PrivacyStatement, audit: Audit
) -> tuple[Table, ...]:
    """The tables: HIPAA (security, de-identification), GDPR, China, NIST."""
    facts = _facts(release, statement, audit)
    return (
        _hipaa_security(facts),
        _hipaa_deidentification(facts),
        _gdpr(facts),
        _china(facts),
        _nist(facts, statement),
    )


# --- what there is ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Facts:
    """Evidence in words; ``None`` where a release holds none."""

    claim: str | None
    bound: str | None
    membership: str | None
    extraction: str | None
    identifiers: str | None
    verdict: str
    review: str | None
    scrub: str | None
    ledger: str | None
    sealed: str | None
    checks: str
    signature: str
    materials: str

    @property
    def measured(self) -> str | None:
        """All that attacks measured."""
        return _join(self.bound, self.membership, self.extraction)


def _facts(release: Release, statement: PrivacyStatement, audit: Audit) -> _Facts:
    policy = audit.policy
    judged = f" by policy {policy.name!r}" if policy else ""
    on = f" on {audit.measured_on}" if audit.measured_on else ""
    absent = [name for name, status in release.checks.items() if status == "absent"]
    checks = f"{len(release.checks) - len(absent)} of {len(release.checks)} checks of the run ok"
    ledger = release.checks.get("ledger: covers the statement") == "ok"
    return _Facts(
        claim=_claim(statement),
        bound=_bound(audit),
        membership=_membership(audit),
        extraction=_extraction(audit),
        identifiers=_identifiers(audit),
        verdict=f"these very weights were attacked{on}; verdict "
        f"{words.STATUS[audit.verdict.status]}{judged}",
        review=_review(audit),
        scrub=_scrub(release),
        ledger=f"ledger written ahead of every step and hash-chained: {statement.steps:,} charges, "
        "as many as the statement claims (the ledger itself stays in the vault)"
        if ledger
        else None,
        # That check looks at every file of the vault, and goes through the log line by line.
        sealed="vault of the run sealed (AES-256-GCM) for the keys that an access policy names; "
        "log of who opened what unbroken when released (both stay with the run)"
        if release.checks.get("access: policy and log") == "ok"
        else None,
        checks=checks + (f"; not looked at: {', '.join(absent)}" if absent else ""),
        signature=f"every file signed; key with SHA-256 {release.signer[:16]}…",
        materials="files, base model and software with digests and versions",
    )


def _claim(statement: PrivacyStatement) -> str | None:
    if statement.claimed is None:
        return None
    return (
        f"ε = {words.number(statement.claimed)} at δ = {words.significant(statement.delta)} per "
        f"{statement.unit}, noise {statement.noise}, {statement.accountant.upper()} accountant"
    )


def _bound(audit: Audit) -> str | None:
    bound = headline.headline_bound(audit)
    if bound is None:
        return None
    said = (
        f"proved by attacks: ε ≥ {words.number(bound.epsilon_lower)} at "
        f"{words.percent(bound.confidence)} confidence and could have proved "
        f"{words.number(bound.ceiling)}"
    )
    return _but(said, canary_doubt(audit))


def _membership(audit: Audit) -> str | None:
    people, canaries = headline.people_membership(audit), headline.canary_membership(audit)
    said: list[str] = []
    if people is not None:
        void = "void: the groups differ without the model" if audit.voided else None
        found = f"membership AUC of {people.population} {words.interval(people.auc)}"
        said.append(_but(found, void or member_doubt(audit)))
    if canaries is not None:
        found = f"of canaries {words.interval(canaries.auc)}"
        said.append(_but(found, canary_doubt(audit)))
    return "; ".join(said) or None


def _extraction(audit: Audit) -> str | None:
    found = headline.canary_extraction(audit)
    if found is None:
        return None
    said = f"{words.count(found.extracted)} of {words.count(found.tried)} planted secrets extracted"
    if found.base_extracted is not None:
        said += f", by the base {words.count(found.base_extracted)}"
    return _but(said, canary_doubt(audit))


def _identifiers(audit: Audit) -> str | None:
    """What the model emitted of identifiers that the notes held, if that was counted."""
    counted = [leak for leak in audit.phi if leak.emitted_by_model is not None]
    if not counted:
        return None
    emitted = sum(leak.emitted_by_model or 0 for leak in counted)
    return f"{emitted:,} identifiers of the notes emitted, in {len(counted)} categories searched"


def _review(audit: Audit) -> str | None:
    policy = audit.policy
    if policy is None or (policy.expires is None and policy.max_audit_age_days is None):
        return None
    said = [f"policy expires after {policy.expires}"] if policy.expires else []
    if policy.max_audit_age_days is not None:
        said.append(f"an audit counts for {policy.max_audit_age_days} days")
    return "; ".join(said)


def _scrub(release: Release) -> str | None:
    found = release.scrub
    if not found:
        return None
    known = "with" if found.get("known_identifiers") == "yes" else "without"
    return (
        f"the lineage names a scrub: method {found.get('method', 'unknown')}, language "
        f"{found.get('lang', 'unknown')}, {known} the patients' known identifiers"
    )


def _but(said: str, doubt: str | None) -> str:
    return said if doubt is None else f"{said} ({doubt})"


def _join(*said: str | None) -> str | None:
    return "; ".join(one for one in said if one) or None


# --- the texts ----------------------------------------------------------------------------------

_AUDIT, _CLAIM, _NOTE, _SIG = "audit.json", "privacy.json", "release.json", "model.sig"
_SBOM = "sbom.cdx.json"
_UNSEALED = "the run was not sealed by an access policy when it was released (llmsafe seal)"


def _none(rule: str, asks: str, why: str) -> Line:
    return Line(rule, asks, None, why)


def _line(rule: str, asks: str, evidence: str | None, place: str, why: str) -> Line:
    return Line(rule, asks, evidence, place if evidence else why)


def _hipaa_security(facts: _Facts) -> Table:
    return Table(
        "HIPAA Security Rule (45 CFR 164.308 and 164.312)",
        "The rule binds an organisation and its systems. A model folder can show a few of the "
        "technical parts; administrative and physical safeguards are not in any file.",
        (
            _line("164.308(a)(1)(ii)(A)", "risk analysis", facts.measured, _AUDIT,
                  "nothing was measured"),
            Line("164.308(a)(1)(ii)(B)", "risk management", facts.verdict, _AUDIT),
            _none("164.308(a)(1)(ii)(C)–(D)", "sanctions; review of system activity",
                  "organisational"),
            _none("164.308(a)(2)–(5)", "security official, workforce, access management, training",
                  "organisational"),
            _none("164.308(a)(6)–(7)", "incidents; backup and recovery", "organisational"),
            Line("164.308(a)(8)", "periodic technical evaluation",
                 _join(facts.verdict, facts.review) or facts.verdict, _AUDIT),
            _none("164.308(b)(1)", "contracts with business associates", "organisational"),
            _line("164.312(a)(1)", "access control: to what the run left", facts.sealed, _NOTE,
                  _UNSEALED),
            _none("164.312(a)(1)", "access control: to the model",
                  "who may read or query it is decided where it runs"),
            _line("164.312(a)(2)(iv)", "encryption at rest: of the vault", facts.sealed, _NOTE,
                  _UNSEALED),
            _none("164.312(a)(2)(iv)", "encryption at rest: of notes and release",
                  "where the notes lie is not seen from here; a release is signed, not encrypted"),
            _line("164.312(b)", "audit controls",
                  _join(facts.ledger, facts.sealed, facts.checks), _NOTE, "no ledger was checked"),
            Line("164.312(c)(1)", "integrity", facts.signature, _SIG),
            Line("164.312(c)(2)", "a mechanism that shows alteration",
                 "llmsafe verify names any file that was changed, added, removed or renamed", _SIG),
            _none("164.312(d)", "authentication of persons",
                  "a signature names a key, not a person"),
            Line("164.312(e)(2)(i)", "integrity in transmission", facts.signature, _SIG),
            _none("164.312(e)(2)(ii)", "encryption in transmission", "of the channel used"),
        ),
    )  # fmt: skip


def _hipaa_deidentification(facts: _Facts) -> Table:
    return Table(
        "HIPAA de-identification (45 CFR 164.514(a)–(c))",
        "Written for data sets. Whether weights are health information, and of whom, is a question "
        "for counsel.",
        (
            _line("164.514(b)(1)(i)", "an expert finds the risk very small: figures for the expert",
                  _join(facts.claim, facts.measured), f"{_CLAIM}, {_AUDIT}",
                  "no promise and no measurement"),
            _none("164.514(b)(1)", "the determination itself", "a named expert makes it"),
            _line("164.514(b)(1)(ii)", "methods and results are documented",
                  _join(facts.checks, facts.materials), f"{_NOTE}, {_SBOM}", "nothing"),
            _line("164.514(b)(2)(i)", "the eighteen identifiers are removed from the notes",
                  facts.scrub, _NOTE, "the lineage of this run names no scrub"),
            _none("164.514(b)(2)(i)", "that none was missed",
                  "no scrubber finds all; recall on your own notes is to be measured by you"),
            _line("164.514(b)(2)(i)", "identifiers in what the model writes", facts.identifiers,
                  _AUDIT, "not measured: audit with --generate and --gold"),
            _none("164.514(b)(2)(ii)", "no actual knowledge that someone could be identified",
                  "organisational"),
            _none("164.514(c)", "codes for re-identification", "the key stays with its owner"),
        ),
    )  # fmt: skip


def _gdpr(facts: _Facts) -> Table:
    return Table(
        "GDPR, Article 32",
        "Security of processing. Legal basis, information of patients, their rights and the impact "
        "assessment (Articles 6, 9, 12–22, 35) are not covered by any line here.",
        (
            _line("32(1)(a)", "pseudonymisation", facts.scrub, _NOTE,
                  "the lineage of this run names no scrub"),
            _line("32(1)(a)", "encryption: of the vault", facts.sealed, _NOTE, _UNSEALED),
            _none("32(1)(a)", "encryption: of notes and release",
                  "where the notes lie is not seen from here; a release is signed, not encrypted"),
            _line("32(1)(b)", "confidentiality: what the model can give away",
                  _join(facts.claim, facts.measured), f"{_CLAIM}, {_AUDIT}",
                  "no promise and no measurement"),
            Line("32(1)(b)", "integrity", facts.signature, _SIG),
            _none("32(1)(b)", "availability and resilience", "of the systems it runs on"),
            _none("32(1)(c)", "restoring access after an incident", "organisational"),
            Line("32(1)(d)", "testing and evaluation", facts.verdict, _AUDIT),
            _line("32(1)(d)", "that it is repeated", facts.review, _AUDIT,
                  "the policy sets no expiry and no age of an audit"),
            _line("32(2)", "the risks that disclosure presents", facts.measured, _AUDIT,
                  "nothing was measured"),
            _none("32(3)", "codes of conduct, certification", "organisational"),
            _none("32(4)", "people act on instructions only", "organisational"),
        ),
    )  # fmt: skip


def _china(facts: _Facts) -> Table:
    return Table(
        "PIPL and GB/T 39725-2020 (China)",
        "De-identified information (去标识化) is still personal information; only anonymised "
        "information (匿名化) is not (PIPL, Article 73). No line here claims anonymisation.",
        (
            _none("PIPL 28–29", "separate consent for sensitive information", "organisational"),
            _none("PIPL 38–40", "export of data", "organisational"),
            _none("PIPL 51(1)–(2)", "internal rules; classified management", "organisational"),
            _line("PIPL 51(3)", "de-identification", facts.scrub, _NOTE,
                  "the lineage of this run names no scrub"),
            _line("PIPL 51(3)", "encryption: of the vault", facts.sealed, _NOTE, _UNSEALED),
            _none("PIPL 51(3)", "encryption: of notes and release",
                  "where the notes lie is not seen from here; a release is signed, not encrypted"),
            _line("PIPL 51(3)", "other technical measures", _join(facts.claim, facts.ledger),
                  f"{_CLAIM}, {_NOTE}", "training claims no privacy"),
            _line("PIPL 51(4)", "who may process what: of the vault", facts.sealed, _NOTE,
                  _UNSEALED),
            _none("PIPL 51(4)–(5)", "training of staff; plans for incidents", "organisational"),
            _none("PIPL 54", "regular compliance audits", "an audit of a model is not one"),
            _line("PIPL 55–56", "impact assessment: figures for it", facts.measured, _AUDIT,
                  "nothing was measured"),
            _none("PIPL 55–56", "the assessment itself, kept for three years", "organisational"),
            _none("GB/T 39725, 6.1–6.2", "category and level of the data", "organisational"),
            _none("GB/T 39725, 8 and 9", "measures by level; organisation and process",
                  "organisational"),
            Line("GB/T 39725, 10.1", "technical security: integrity and origin",
                 _join(facts.signature, facts.materials) or facts.signature, f"{_SIG}, {_SBOM}"),
            _line("GB/T 39725, 10.1", "technical security: stored encrypted, access logged",
                  facts.sealed, _NOTE, _UNSEALED),
            _line("GB/T 39725, 10.2", "de-identification of notes", facts.scrub, _NOTE,
                  "the lineage of this run names no scrub"),
            _line("GB/T 39725, 10.2", "that what is left does not identify",
                  _join(facts.membership, facts.extraction), _AUDIT, "nothing was measured"),
            _none("GB/T 39725, 11.4", "secondary use: approval and agreement", "organisational"),
        ),
    )  # fmt: skip


def _nist(facts: _Facts, statement: PrivacyStatement) -> Table:
    unit = None if facts.claim is None else (
        f"one {'patient with all notes' if statement.unit == 'patient' else 'note'}, add or remove "
        "one; population "
        f"{statement.population:,} declared"
    )  # fmt: skip
    sampling = None if facts.claim is None else (
        f"Poisson sampling, probability {words.significant(statement.sampling_probability)}, "
        f"{statement.steps:,} steps, noise multiplier "
        f"{words.significant(statement.noise_multiplier)}"
    )  # fmt: skip
    secure = "floating-point hardened noise" if statement.noise == "secure" else None
    none = "training claims no privacy"
    return Table(
        "NIST SP 800-226 (evaluating differential privacy)",
        "The publication sees a claim as a pyramid: each part rests on those below it.",
        (
            _line("parameters", "ε and δ", facts.claim, _CLAIM, none),
            _line("unit of privacy", "who is protected, and which data sets are neighbours",
                  unit, _CLAIM, none),
            _line("algorithm", "mechanism, sampling and accounting", _join(sampling, facts.ledger),
                  f"{_CLAIM}, {_NOTE}", none),
            _line("implementation", "flaws in code: a test of the promise", facts.bound, _AUDIT,
                  "no bound was measured"),
            _line("implementation", "floating-point attacks", secure if facts.claim else None,
                  _CLAIM, f"noise level is {statement.noise!r}"),
            _none("implementation", "timing and other side channels", "not tested"),
            _none("budget", "other runs on the same notes: their ε add up",
                  "llmsafe check RUN RUN adds up what is on this machine"),
            _none("utility and bias", "whether it is right, and equally so for all",
                  "perplexity alone is in audit.json; quality and fairness were not tested"),
            _none("trust", "who sees the notes: training is central, the trainer sees all",
                  "organisational"),
            _line("security and access control", "of the vault", facts.sealed, _NOTE, _UNSEALED),
            _none("security and access control", "of notes and model", "organisational"),
            _none("data collection", "what was collected, and by what right", "organisational"),
        ),
    )  # fmt: skip


# --- Markdown -----------------------------------------------------------------------------------


def _summary(release: Release, statement: PrivacyStatement, audit: Audit, parent: Audit) -> str:
    steps = " → ".join(release.steps)
    rows = [
        ("Promise", _claim(statement) or "none: NOT PRIVATE", _CLAIM),
        ("Attacks on this artefact", _bound(audit) or "not measured", _AUDIT),
        ("Attacks on the adapter as trained", _bound(parent) or "not measured",
         "parent-audit.json"),
        ("Way from the notes", f"{steps} → release", _NOTE),
        ("Made of", f"adapter {_short(release.adapter_digest)}, base {release.base} "
         f"({_short(release.base_digest)})", _NOTE),
    ]  # fmt: skip
    return _rows(("What", "Figure", "File"), rows)


def _table(table: Table) -> str:
    rows = [
        (line.rule, line.asks, line.evidence or f"**not covered**: {line.place}",
         line.place if line.evidence else words.ABSENT)
        for line in table.lines
    ]  # fmt: skip
    body = _rows(("Rule", "Asks for", "Evidence here", "File"), rows)
    return f"## {table.title}\n\n{table.about}\n\n{body}"


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    """One line that cannot add cells or HTML to the page; the stars of "not covered" stay."""
    return re.sub(r"([\\`\[\]<>|&])", r"\\\1", words.visible(text))


def _short(digest: str) -> str:
    return digest if len(digest) <= 24 else digest[:19] + "…"
