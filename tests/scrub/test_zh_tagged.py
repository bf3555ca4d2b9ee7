"""The Chinese tagger beside the rules: words stay words, rules set borders, names are whole."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from llmsafe.notes import Note, PhiSpan
from llmsafe.scrub.detect.engine import TAGGER
from llmsafe.scrub.detect.tagger import Features, embedded_tagger, tokenise
from llmsafe.scrub.detect.zh.company import LONELY
from llmsafe.scrub.detect.zh.company import kept as in_company
from llmsafe.scrub.detect.zh.tagged import beside, read
from llmsafe.scrub.keys import Key
from llmsafe.scrub.scrubber import Scrubber, build_scrubber
from llmsafe.scrub.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))


@pytest.fixture(scope="module")
def scrubber() -> Scrubber:
    return build_scrubber(Settings("tag", Key(b"k" * 32)))


def kept(text: str, found: str, category: str, score: float) -> str | None:
    """What is left of a finding of the tagger, ``found`` in ``text``."""
    start = text.index(found)
    span = read(text, PhiSpan(start, start + len(found), category, score))
    spans = [replace(span, score=span.score / 2, source=TAGGER)] if span else []
    alone = [*in_company(spans, TAGGER)]
    return text[alone[0].start : alone[0].end] if alone else None


def test_a_given_name_that_begins_like_a_surname_gets_its_own() -> None:
    assert kept("与姜占强讨论后认为手术", "占强", "NAME", 0.97) == "姜占强"
    assert kept("由于占强外出未到", "占强", "NAME", 0.97) == "占强"


def test_a_character_knows_the_words_that_it_lies_in() -> None:
    features = Features(100, {"高血压": (1,), "王": (0,)}, 2)
    rows = {
        token.text: {row for row, _ in features.rows(token.key) if row >= 100}
        for token in tokenise("王高血压")
    }
    # By list: the word itself from 100 on, its begin from 102, its inside 104, its end 106.
    assert rows == {"王": {100}, "高": {103}, "血": {105}, "压": {107}}
    assert features.own(tokenise("王")[0].key) < {r for r, _ in features.rows("    王    ")}


@pytest.mark.parametrize(
    ("text", "found", "category", "score", "left"),
    [
        ("请向远舟来", "远舟", "NAME", 0.99, "向远舟"),  # with its surname
        ("那边的林益财专科医生", "财专科", "NAME", 0.99, "林益财"),
        ("由高国洋调药", "国洋", "NAME", 0.97, "高国洋"),
        ("等她哥海洋从外地赶来", "哥海洋", "NAME", 0.99, "海洋"),  # a word, but so sure
        ("等海洋从外地赶来", "海洋", "NAME", 0.9, None),
        ("老伴美娇学会搬腿", "美娇学", "NAME", 0.98, "美娇"),
        ("科主任:何升  经治医师", "何升  经", "NAME", 0.95, "何升"),
        ("在静宁威戎,", "宁威戎", "LOCATION", 0.97, "静宁威戎"),
        ("在林州合涧骑车", "林州合", "LOCATION", 0.97, "林州合涧"),
        ("在石月亮乡卫生员处", "石月亮", "LOCATION", 0.97, "石月亮乡"),
        ("侗族,哈萨克族", "哈萨克", "NAME", 0.99, None),
        ("Tbil 96,查", "96", "AGE", 0.97, None),
        ("患者 96,女", "96", "AGE", 0.97, "96"),
        ("右肩痛1月入院", "1月", "DATE", 0.97, None),
        ("住院号同上次3350172,", "3350172", "MRN", 0.97, "3350172"),
        ("到回民医院复查", "回民医院", "ORGANIZATION", 0.97, "回民医院"),
        ("AGE 45 Fiona,", "Fiona", "NAME", 0.99, "Fiona"),
        ("西门子Skyra机", "Skyra", "NAME", 0.99, None),
        ("上次5.3出院后", "5.3", "DATE", 0.97, "5.3"),
        ("Hb(原来为104)", "104", "MRN", 0.97, None),
        ("签名:凌可昕", "凌可", "NAME", 0.9, "凌可昕"),  # with all of its given name
        ("签名:凌可曌,", "凌可", "NAME", 0.9, "凌可曌"),  # even of a character that no list has
        ("随访何静怡门诊", "何静怡门", "NAME", 0.97, "何静怡"),  # a character too many
        ("由仝大夫看过", "仝大", "NAME", 0.9, "仝"),
        ("与从医生商量", "从", "NAME", 0.85, "从"),  # a word of grammar, but for the title
        ("老郑来了", "老郑", "NAME", 0.9, "郑"),
        ("何芳琴,99岁", "何芳琴,99", "NAME", 0.9, "何芳琴,99"),
        ("扎西·顿珠说", "扎西·顿珠", "NAME", 0.6, "扎西·顿珠"),
        ("家属:高血压", "高血压", "NAME", 0.98, None),  # a word
        ("蒙古族,已婚", "蒙古族", "NAME", 1.0, None),
        ("送玫瑰来", "玫瑰", "NAME", 0.9, None),  # nobody has that surname
        ("生于广东省", "广东省", "LOCATION", 1.0, None),
        ("端口8022", "8022", "LOCATION", 0.97, None),
        ("转康复医院", "康复医院", "ORGANIZATION", 1.0, None),
        ("2023年起", "2023年", "DATE", 1.0, None),
        ("去年夏天", "去年夏天", "DATE", 1.0, None),
        ("术后18月", "18月", "DATE", 1.0, None),
        ("每日1-2两", "1-2两", "DATE", 0.95, None),
        ("9-24复查", "9-24", "DATE", 0.6, "9-24"),
        ("于08.4.16手术", "08.4", "DATE", 0.9, "08.4.16"),
        ("HLA-B*1502", "1502", "OTHER_ID", 0.97, None),
        ("拨打12345", "12345", "PHONE", 1.0, None),
        ("淀粉酶1286U/L", "1286", "OTHER_ID", 0.9, None),
        ("分机6083", "6083", "PHONE", 0.9, "6083"),
        ("打字唐妤,口述", "唐妤", "NAME", 0.85, "唐妤"),  # that never meet: who, if not somebody
        ("送葛剑波归家", "葛剑波", "NAME", 0.55, "葛剑波"),
        ("三天内备齐资料", "齐资料", "NAME", 0.9, None),  # and that often do
        ("床旁看病人,焦点:多尿", "焦点", "NAME", 0.9, None),
        ("拟施及已施手术", "施", "NAME", 0.99, None),
        ("本页经龚锐确认", "龚锐确", "NAME", 0.9, "龚锐"),
        ("值守陈星眠签", "陈星", "NAME", 0.9, "陈星眠"),
        ("术后2.5小时", "2.5", "DATE", 0.9, None),
    ],
)
def test_a_finding_must_be_made_like_what_it_is(
    text: str, found: str, category: str, score: float, left: str | None
) -> None:
    assert kept(text, found, category, score) == left


def test_the_borders_of_a_rule_count() -> None:
    text = "请于10月底前来,郝远舟"
    tagged = [PhiSpan(2, 7, "DATE", 0.45, TAGGER), PhiSpan(9, 12, "NAME", 0.45, TAGGER)]
    rules = [PhiSpan(2, 6, "DATE", 0.9, "dates"), PhiSpan(10, 12, "NAME", 0.5, "listed names")]
    shown = {(text[s.start : s.end], s.source) for s in beside(text, [*tagged, *rules], TAGGER)}
    assert shown == {
        *{("10月底", "dates"), ("远舟", "listed names")},
        ("郝远舟", TAGGER),  # the surname that the rule missed
    }


def test_what_nobody_is_beside_must_be_surer() -> None:
    text = "家属单明胜对病情了解。电话13800001111,住院号778812,2023年5月3日入院"
    doubtful = read(text, PhiSpan(2, 5, "NAME", 0.87))
    assert doubtful is not None
    assert doubtful.score == 2 * LONELY
    doubtful = replace(doubtful, score=LONELY, source=TAGGER)
    others = [
        PhiSpan(
            text.index(value), text.index(value) + len(value), category, 0.9, "labelled numbers"
        )
        for value, category in (("13800001111", "PHONE"), ("778812", "MRN"), ("2023年", "DATE"))
    ]

    def left(*found: PhiSpan) -> list[PhiSpan]:
        return list(in_company(found, TAGGER))

    assert left(doubtful) == []
    assert left(doubtful, *others[:2]) == others[:2]
    assert left(doubtful, *others) == [doubtful, *others]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("自2-8后停药。", "2-8"),
        ("从1-4后未再发作", "1-4"),
        ("胸片目前与3.6相同,无特殊变化。", "3.6"),
    ],
)
def test_short_dates(scrubber: Scrubber, text: str, value: str) -> None:
    outcome = scrubber.scrub(Note("n", text))
    assert [text[s.start : s.end] for s in outcome.spans] == [value]


@pytest.mark.parametrize(
    "text",
    [
        "白细胞小于1.5停药。",
        "清点纱布11/11、器械无误。",
        "微信运动昨天11234步。",
        "公众查询可致电1823。",
        "医生:别急,先摆荡运动。",
        "从1-4级",
    ],
)
def test_what_only_looks_like_it(scrubber: Scrubber, text: str) -> None:
    assert scrubber.scrub(Note("n", text)).spans == ()


CLEAN = """\
神志清，双肺呼吸音粗，心率78次/分，腹软，肝脾肋下未触及，余无殊。
处方：黄芪30g 白术12g 当归10g 杜仲15g 石斛10g 金银花15g 7剂 水煎服。
白血病化疗后，血红蛋白98g/L，白细胞12.3，黄连素0.3g tid，高血压病3级。
由家属陪同入室，经治医师同意后，请心内科、营养科会诊，父母表示理解。
术后3月复查，停药2月，每月1次，2019年起病，85岁，压力12345Pa，NT-proBNP 13865pg/ml。
"""


def test_clinical_words_stay(scrubber: Scrubber) -> None:
    for line in CLEAN.splitlines():
        outcome = scrubber.scrub(Note("n", line))
        assert [line[s.start : s.end] for s in outcome.spans] == []


def test_the_tagger_finds_what_no_rule_does(scrubber: Scrubber) -> None:
    text = "感谢谭慧敏这几天的照顾，东西已托郝立新捎回去。"
    sources = {text[s.start : s.end]: s.source for s in scrubber.scrub(Note("n", text)).spans}
    assert sources.keys() == {"谭慧敏", "郝立新"}
    assert TAGGER in sources.values()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("停放车辆苏A·O12I5", "苏A·O12I5"),
        ("邮编：210008", "210008"),
        ("总机025-83214567-802", "025-83214567-802"),
        ("化疗20210304-20210309", "20210309"),
        ("住院2021.3.4-2021.3.9", "2021.3.4"),
        ("注射泵（ABC-5523419）", "ABC-5523419"),
    ],
)
def test_forms_that_the_rules_learned(scrubber: Scrubber, text: str, value: str) -> None:
    assert value not in re.sub(r"\[[A-Z_]+\]", "", scrubber.scrub(Note("n", text)).note.text)  # type: ignore[union-attr]


def test_a_template_in_twelve_trains_nobody() -> None:
    from phi_ner import CHINESE, read_templates
    from phi_ner.mixture import held_out

    templates = read_templates(CHINESE.templates, CHINESE)
    held = [template for template in templates if held_out(template)]
    assert 0.06 < len(held) / len(templates) < 0.11
    assert 0.4 < sum(template.clean for template in templates) / len(templates) < 0.6


def test_the_asset_is_small() -> None:
    folder = Path(__file__).parents[2] / "llmsafe" / "assets" / "phi-ner-zh"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 10e6
    assert "RESIDENT_ID" in embedded_tagger("zh").categories
