"""Ordinary Chinese prose with people in it, which a tagger is trained on."""

from __future__ import annotations

import random
import sys
from itertools import islice
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
from phi_ner import CHINESE, labelled
from phi_ner.zh.prose import pairs, prose_pieces, read_prose

sys.path.pop(0)

PLAIN = [
    "第五条 申请人应当在十五个工作日内向用人单位提出书面申请，由负责人签字后交当事人。",
    "我昨天把雨伞忘在公共汽车上了，他帮我找了回来，我很感谢他。",
    "锅中倒入少许食用油，烧热后放入葱段爆香，再加入切好的土豆。",
]
NAMING = [
    "本条例自2019年3月1日起施行，由北京市人民政府负责解释。",
    "王某某驾驶小型客车与李某某驾驶的电动车相撞，致其受伤。",
    "汤姆和玛丽在春节的时候去了东京，住了整整一个星期。",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one.txt").write_text("\n".join(PLAIN[:1] + NAMING), encoding="utf-8")
    (tmp_path / "two.txt").write_text("\n".join(PLAIN[1:]), encoding="utf-8")
    return tmp_path


def test_passages_that_may_name_somebody_are_left_out(folder: Path) -> None:
    one, two = read_prose(folder)
    assert one == [PLAIN[0].removeprefix("第五条 ")]
    assert two == PLAIN[1:]


def test_people_stand_where_others_stood_and_are_all_marked(folder: Path) -> None:
    sources, lexicon = read_prose(folder), CHINESE.read_lexicon(CHINESE.lexicon)
    known = {passage for passages in sources for passage in passages}
    plain = peopled = 0
    for pieces in islice(prose_pieces(sources, lexicon, random.Random(1)), 300):
        text, spans = labelled(pieces)
        assert all(text[start:end].strip() for start, end, _ in spans)
        if not spans:
            plain += 1
            assert text in known
            continue
        peopled += 1
        # What is outside the names is the passage, but for titles and signs at their borders.
        rest = "".join(piece for piece, category in pieces if category is None and len(piece) > 3)
        assert any(set(rest) <= set(passage) | set("主治任医师护士长") for passage in known)
    assert plain > 50 < peopled


def test_a_seed_gives_the_same_prose(folder: Path) -> None:
    sources, lexicon = read_prose(folder), CHINESE.read_lexicon(CHINESE.lexicon)
    made = [list(islice(prose_pieces(sources, lexicon, random.Random(7)), 20)) for _ in range(2)]
    assert made[0] == made[1]


def test_pairs_are_counted_within_runs_of_characters() -> None:
    assert pairs(["手术后，手术", "a手b"]) == {"手术": 2, "术后": 1}
