"""Kinds of canary: templates, check characters, several kinds in one draw, and detected bugs."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import typer
from scipy import stats
from typer.testing import CliRunner

from llmsafe.artifacts import Canary, CanaryManifest
from llmsafe.canary import (
    KINDS,
    PHI_SORTS,
    CanaryText,
    check_character,
    fill_template,
    flip_coins,
    kinds_in,
    load_manifest,
    make_canaries,
    make_manifest,
    make_texts,
    template_bits,
    template_size,
)
from llmsafe.cli.canary import canary, kind_counts
from llmsafe.errors import EvidenceError, InputError
from llmsafe.files import sha256_json, write_text

OLD_MANIFEST = {
    "schema_version": 1,
    "manifest_id": "sha256:03d235f236ededfcd2ca3662c79a404ba7cb7f832714020058bc596c0f1f0029",
    "kind": "phi",
    "lang": "en",
    "seed": 0,
    "probability": 0.5,
    "corpus_digest": "sha256:0",
    "canaries": [
        {
            "canary_id": "canary-00000",
            "patient_id": "8ac0c18ed010",
            "note_id": "220b9bd776d3",
            "planted": False,
            "text": "Dahlia E. Langbank: admitted with a lump below the jaw. Social security "
            "number 952-14-6876.",
            "secret_start": 79,
            "secret_end": 90,
        },
        {
            "canary_id": "canary-00001",
            "patient_id": "5cd90e7c638a",
            "note_id": "56fe6c4876e3",
            "planted": True,
            "text": "Fiona M. Whitmore: admitted with a routine diabetes check. Social security "
            "number 984-27-9357.",
            "secret_start": 82,
            "secret_end": 93,
        },
    ],
}


def secret(one: Canary) -> str:
    return one.text[one.secret_start : one.secret_end]


# --- templates ----------------------------------------------------------------------------------


def test_a_template_lists_each_of_its_secrets_once():
    template = "A1#-#9"
    found = [fill_template(template, number) for number in range(template_size(template))]
    assert sorted(found) == sorted(f"A1{i}-{j}9" for i in range(10) for j in range(10))
    assert template_bits("#" * 8) == pytest.approx(26.575424759098897)
    for number in (-1, 100):
        with pytest.raises(InputError, match="outside"):
            fill_template(template, number)
    with pytest.raises(InputError, match="free digit"):
        template_size("1234")
    with pytest.raises(InputError, match="digits alone"):
        fill_template("X#*", 3)


def test_check_characters_are_those_of_the_standard():
    # The examples printed in GB 11643-1999.
    assert check_character("11010519491231002") == "X"
    assert check_character("44052418800101001") == "4"
    # A naive twin: the weights as the standard tabulates them.
    weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
    rng = random.Random(0)
    for _ in range(300):
        digits = "".join(str(rng.randrange(10)) for _ in range(17))
        total = sum(w * int(d) for w, d in zip(weights, digits, strict=True))
        naive = (12 - total % 11) % 11
        assert check_character(digits) == ("X" if naive == 10 else str(naive))
        # What a check character is for: one wrong digit is always noticed.
        place = rng.randrange(17)
        wrong = str((int(digits[place]) + rng.randrange(1, 10)) % 10)
        assert check_character(digits[:place] + wrong + digits[place + 1 :]) != check_character(
            digits
        )


# --- kinds --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lang", "kind"), [(g, k) for g in ("en", "zh") for k in kinds_in(g)])
def test_shape_of_every_kind(lang, kind):
    canaries = make_canaries(count=300, kind=kind, seed=1, lang=lang)
    assert len({secret(c) for c in canaries}) == 300
    assert len({c.text[: c.secret_start] for c in canaries}) == 300
    mixed = set(PHI_SORTS) & set(kinds_in(lang))
    assert {c.sort for c in canaries} == (mixed if kind == "phi" else {kind})
    for one in canaries:
        assert len(one.text) - one.secret_end <= 1
        assert "{" not in one.text
        assert one.secret_space_bits > 10
        if kind in ("random", "diagnosis"):
            assert one.secret_template is None
            continue
        # The template has the secret in its space, and no more.
        pattern = re.escape(one.secret_template).replace(r"\#", r"(\d)").replace(r"\*", "[0-9X]")
        digits = re.fullmatch(pattern, secret(one)).groups()
        assert fill_template(one.secret_template, int("".join(digits))) == secret(one)
        assert one.secret_space_bits == template_bits(one.secret_template)


def test_resident_ids_agree_with_the_note_and_belong_to_nobody():
    for one in make_canaries(count=200, kind="resident_id", seed=0):
        number = secret(one)
        assert number[-1] == check_character(number[:-1])
        assert number.startswith("99")  # no region of China has this code
        born = re.search(r"(\d{4})-(\d\d)-(\d\d)", one.text[: one.secret_start])
        assert number[6:14] == "".join(born.groups())


def test_chinese_canaries_are_chinese_and_nobodys():
    """Readable as a note: Chinese throughout but for the numbers, and in ranges that nobody has."""
    assert set(KINDS) - set(kinds_in("zh")) == {"ssn"}
    for one in make_canaries(count=400, kind="phi", seed=0, lang="zh"):
        prose = one.text[: one.secret_start] + one.text[one.secret_end :]
        assert not re.search(r"[0-9A-Za-z,.: ]", prose)
        assert one.text.endswith("。")
        if one.sort == "phone":  # prefixes that are allotted to nobody
            assert re.fullmatch(r"16[014]\d{8}", secret(one))
    for kind in ("phi", "mrn", "random"):
        zh = make_canaries(count=30, kind=kind, seed=0, lang="zh")
        en = make_canaries(count=30, kind=kind, seed=0)
        assert not {c.patient_id for c in zh} & {c.patient_id for c in en}


def test_the_scrubber_would_take_a_chinese_canary_out():
    """A secret is written as a real one would be: the rules know it for what it is."""
    from llmsafe.scrub.detect.detector import Detector, build_engine

    detector = Detector(build_engine(language="zh"), language="zh")
    for kind, category in (
        ("mrn", "MRN"), ("phone", "PHONE"), ("insurance", "HEALTH_PLAN"), ("account", "ACCOUNT"),
        ("resident_id", "RESIDENT_ID"),
    ):  # fmt: skip
        for one in make_canaries(count=15, kind=kind, seed=0, lang="zh"):
            spans = detector.detect(one.text)
            found = [s for s in spans if s.start <= one.secret_start and one.secret_end <= s.end]
            assert [s.category for s in found] == [category], one.text


@pytest.mark.parametrize(
    ("lang", "kind"),
    [(g, k) for g in ("en", "zh") for k in kinds_in(g) if k not in ("diagnosis", "random", "phi")],
)
def test_free_digits_are_uniform(lang, kind):
    canaries = make_canaries(count=3000, kind=kind, seed=2, lang=lang)
    for place in range(canaries[0].secret_template.count("#")):
        digits = Counter(
            secret(c)[[i for i, x in enumerate(c.secret_template) if x == "#"][place]]
            for c in canaries
        )
        assert stats.chisquare([digits[str(d)] for d in range(10)]).pvalue > 1e-5


def test_a_seed_plants_what_it_always_planted():
    for kind, digest in (
        ("phi", "sha256:823b2332f9029956848314141c656002e438ecd5bd06c99a9b4bbd49941a05e1"),
        ("random", "sha256:15e8b17b655d18aceac031b80df4b9eae21d787205e970c8dfdf20408229eb48"),
    ):
        drawn = make_canaries(count=40, kind=kind, seed=3)
        assert sha256_json([[c.text, c.planted, c.note_id, c.patient_id] for c in drawn]) == digest


# --- several kinds ------------------------------------------------------------------------------


def test_several_kinds_in_one_draw():
    counts = {"phi": 120, "mrn": 80, "random": 50}
    canaries = make_canaries(count=250, kind=counts, seed=0)
    assert len({secret(c) for c in canaries}) == len({c.canary_id for c in canaries}) == 250
    assert [c.sort for c in canaries[120:]] == ["mrn"] * 80 + ["random"] * 50
    # A kind's texts do not depend on what is drawn beside it, where no subject repeats.
    alone = make_canaries(count=50, kind="random", seed=0)
    assert [c.text for c in canaries[200:]] == [c.text for c in alone]
    manifest = make_manifest(
        canaries, kind="phi+mrn+random", seed=0, probability=0.5, lang="en", corpus_digest="x"
    )
    assert sum(manifest.sorts.values()) == 250
    assert manifest.sorts["mrn"] > 80
    with pytest.raises(InputError, match="add up to 250"):
        make_canaries(count=251, kind=counts, seed=0)
    with pytest.raises(InputError, match="ask for at most"):
        make_canaries(count=4000, kind="diagnosis", seed=0)  # 3,540 pairs of conditions


def test_repeats_are_refused_before_any_coin():
    text = CanaryText("mrn", "A", "A has ", "123")
    for twin in (replace(text, subject="B", prefix="B has "), replace(text, secret="456")):
        with pytest.raises(InputError, match="occurs in two"):
            flip_coins([text, twin], seed=0, probability=0.5, kind="x")
    with pytest.raises(InputError, match="no canary text"):
        flip_coins([], seed=0, probability=0.5, kind="x")
    assert "123" not in repr(text)


# --- planted and withheld are alike ---------------------------------------------------------------


def p_values(canaries: list[Canary]) -> dict[str, float]:
    """Tests for a difference between planted and withheld; each would be uniform without one."""
    coins = np.array([c.planted for c in canaries])
    last = [next(x for x in reversed(secret(c)) if x.isalnum()) for c in canaries]
    features = {
        "sort": [c.sort for c in canaries],
        "last character": last,
        "parity": [x in "13579" for x in last],
        "first letter": [c.text[0] for c in canaries],
    }
    found: dict[str, float] = {}
    for name, values in features.items():
        table = np.array(
            [
                [sum(v == x and c == side for v, c in zip(values, coins, strict=True))
                 for side in (True, False)]
                for x in sorted(set(values))
            ]
        )  # fmt: skip
        table = table[table.sum(axis=1) >= 10]
        if len(table) > 1:
            found[name] = float(stats.chi2_contingency(table, correction=False).pvalue)
    lengths = np.array([len(c.text) for c in canaries])
    found["length"] = float(stats.ks_2samp(lengths[coins], lengths[~coins]).pvalue)
    order = np.arange(len(canaries))
    found["order"] = float(stats.mannwhitneyu(order[coins], order[~coins]).pvalue)
    return found


def mixed(seed: int) -> list[Canary]:
    return make_canaries(count=500, kind={"phi": 300, "resident_id": 100, "random": 100}, seed=seed)


def test_planted_and_withheld_are_exchangeable():
    for seed in range(6):
        found = p_values(mixed(seed))
        assert len(found) == 6
        assert min(found.values()) > 0.05 / 6 / 6 / 10, found


def test_p_values_are_uniform_where_nothing_is_wrong():
    texts = make_texts({"phi": 300, "random": 100}, seed=0)
    found = [
        p_values(flip_coins(texts, seed=seed, probability=0.5, kind="phi"))["order"]
        for seed in range(60)
    ]
    assert stats.kstest(found, "uniform").pvalue > 1e-3


def parity_of_the_secret(canaries: list[Canary]) -> list[Canary]:
    """A coin that is read off the text."""
    odd = [secret(c)[-1] in "13579aceimoy" for c in canaries]
    return [c.model_copy(update={"planted": bit}) for c, bit in zip(canaries, odd, strict=True)]


def made_after_the_coin(canaries: list[Canary]) -> list[Canary]:
    """Texts drawn once the coins have fallen, from another mix of kinds for the withheld ones."""
    other = iter(make_canaries(count=500, kind={"phi": 200, "random": 300}, seed=99)[::-1])
    return [c if c.planted else next(other).model_copy(update={"planted": False}) for c in canaries]


def planted_first(canaries: list[Canary]) -> list[Canary]:
    """The first half planted: no coin of each one's own."""
    half = len(canaries) // 2
    return [c.model_copy(update={"planted": i < half}) for i, c in enumerate(canaries)]


def longer_when_planted(canaries: list[Canary]) -> list[Canary]:
    """Repeats discarded on one side alone would do this."""
    return [c.model_copy(update={"text": c.text + " ok" * 4}) if c.planted else c for c in canaries]


@pytest.mark.parametrize(
    "bug", [parity_of_the_secret, made_after_the_coin, planted_first, longer_when_planted]
)
def test_a_planted_bug_is_found(bug):
    assert min(p_values(bug(mixed(0))).values()) < 1e-6


def test_coins_know_nothing_of_texts():
    texts = make_texts({"phi": 300, "random": 100}, seed=5)
    coins = [c.planted for c in flip_coins(texts, seed=5, probability=0.5, kind="phi+random")]
    changed = [replace(t, prefix=f"{i} ", subject=str(i)) for i, t in enumerate(reversed(texts))]
    assert [
        c.planted for c in flip_coins(changed, seed=5, probability=0.5, kind="phi+random")
    ] == coins  # other texts, same coins
    other = [c.planted for c in flip_coins(texts, seed=6, probability=0.5, kind="phi+random")]
    agree = sum(a == b for a, b in zip(coins, other, strict=True))
    assert stats.binomtest(agree, 400).pvalue > 1e-5  # same texts, unrelated coins


def test_the_number_planted_varies_as_coins_do():
    def spread(planted: list[int]) -> float:
        return float(np.var(planted, ddof=1) / (100 / 4))

    texts = make_texts({"mrn": 100}, seed=0)
    tossed = [
        sum(c.planted for c in flip_coins(texts, seed=seed, probability=0.5, kind="mrn"))
        for seed in range(300)
    ]
    assert abs(spread(tossed) - 1) < 5 * np.sqrt(2 / 299)
    halves = [50] * 300  # negative control: halves of a shuffled list
    assert not abs(spread(halves) - 1) < 5 * np.sqrt(2 / 299)


# --- the manifest ---------------------------------------------------------------------------------


def test_an_older_manifest_loads_and_still_shows_changes(tmp_path):
    path = write_text(tmp_path / "canaries.json", json.dumps(OLD_MANIFEST))
    manifest = load_manifest(path)
    assert manifest.sorts == {}
    assert manifest.base is None
    assert manifest.canaries[1].secret_template is None
    for change in ({"planted": True}, {"sort": "ssn"}, {"secret_start": 80}):
        changed = json.loads(json.dumps(OLD_MANIFEST))
        changed["canaries"][0].update(change)
        write_text(path, json.dumps(changed))
        with pytest.raises(EvidenceError, match="was changed"):
            load_manifest(path)


def test_a_new_manifest_notices_a_lost_field(tmp_path):
    settings = {"kind": "mrn", "lang": "en", "probability": 0.5, "corpus_digest": "sha256:0"}
    made = make_manifest(make_canaries(count=5, kind="mrn", seed=0), seed=0, **settings)
    path = made.save(tmp_path / "canaries.json", private=True)
    assert load_manifest(path) == made
    data = json.loads(path.read_text())
    del data["canaries"][2]["secret_template"]
    write_text(path, json.dumps(data))
    with pytest.raises(EvidenceError, match="was changed"):
        load_manifest(path)


# --- the command line -----------------------------------------------------------------------------


def test_counts_of_kinds():
    assert kind_counts(["phi"], None) == {"phi": 200}
    assert kind_counts(["phi", "random", "mrn"], 200) == {"phi": 67, "random": 67, "mrn": 66}
    assert kind_counts(["phi=30", "suffix=5"], None) == {"phi": 30, "suffix": 5}
    mixed_counts = kind_counts(["mixed"], 80)
    assert set(mixed_counts) == set(KINDS) - {"phi"}
    assert set(kind_counts(["mixed"], 80, "zh")) == set(KINDS) - {"phi", "ssn"}
    assert set(mixed_counts.values()) == {10}


@pytest.mark.parametrize(
    ("kinds", "count", "words"),
    [
        (["bird"], None, "unknown"),
        (["phi", "phi"], None, "named twice"),
        (["phi=3", "random"], None, "every --kind"),
        (["phi=3"], 5, "every --kind"),
        (["phi=0"], None, "at least 1"),
        (["phi=x"], None, "whole number"),
        (["phi", "random"], 1, "at least 1 of each"),
        (["phi"], 0, "at least 1"),
    ],
)
def test_wrong_counts_are_named(kinds, count, words):
    with pytest.raises(InputError, match=words):
        kind_counts(kinds, count)


@pytest.mark.parametrize(
    ("kind", "words"), [("ssn", "choose from phi, mrn"), ("suffix", "English words")]
)
def test_kinds_that_chinese_has_not_are_refused(tmp_path, kind, words):
    app = typer.Typer()
    app.command()(canary)
    notes = [{"note_id": f"n{i}", "patient_id": f"p{i}", "text": "发热"} for i in range(9)]
    write_text(tmp_path / "in.jsonl", "".join(json.dumps(n) + "\n" for n in notes))
    given = [str(tmp_path / "in.jsonl"), str(tmp_path / "out"), "--lang", "zh", "--kind", kind]
    result = CliRunner().invoke(app, given)
    assert isinstance(result.exception, InputError)
    assert words in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_verb_plants_several_kinds(tmp_path):
    app = typer.Typer()
    app.command()(canary)
    notes = [{"note_id": f"n{i}", "patient_id": f"p{i}", "text": f"note {i}"} for i in range(30)]
    write_text(tmp_path / "in.jsonl", "".join(json.dumps(n) + "\n" for n in notes))
    words = [str(tmp_path / "in.jsonl"), str(tmp_path / "out"), "--patient-column", "patient_id"]
    words += ["--kind", "mrn=12", "--kind", "diagnosis=8", "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.exception
    data = json.loads(result.stdout)
    assert (data["kind"], data["canaries"]) == ("mrn+diagnosis", 20)
    assert data["kinds"] == {"mrn": 12, "diagnosis": 8}
    manifest = load_manifest(tmp_path / "out" / "vault" / "canaries.json")
    assert (manifest.kind, manifest.sorts) == ("mrn+diagnosis", data["kinds"])
    assert manifest.base is None
    assert CanaryManifest.model_validate_json(manifest.to_json()) == manifest
    again = make_canaries(count=20, kind=data["kinds"], seed=0)
    assert manifest.canaries == again
