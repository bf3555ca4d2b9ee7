"""Chinese notes through everything: names go, clinical words stay, stand-ins agree."""

# ruff: noqa: E501 - a case stays on one line

from __future__ import annotations

import json
import re
import time
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsafe.notes import Note
from llmsafe.scrub.detect.language import english_part, languages
from llmsafe.scrub.detect.zh.ids import resident_check, resident_valid
from llmsafe.scrub.detect.zh.lexicon import chinese
from llmsafe.scrub.keys import Key
from llmsafe.scrub.known.matcher import Identity
from llmsafe.scrub.replace.methods import METHODS
from llmsafe.scrub.replace.zh.masks import classic_mask
from llmsafe.scrub.scrubber import Scrubber, build_scrubber
from llmsafe.scrub.settings import Settings

KEY = Key(b"k" * 32)
STRESS = Path(__file__).parents[2] / "eval" / "stress" / "zh_dev.jsonl"


@pytest.fixture(scope="module")
def scrubbers() -> dict[str, Scrubber]:
    return {method: build_scrubber(Settings(method, KEY)) for method in METHODS}


def scrub(scrubber: Scrubber, text: str, identity: Identity | None = None) -> str:
    outcome = scrubber.scrub(Note("n1", text, "p1"), identity)
    assert outcome.note is not None, outcome.reason
    return outcome.note.text


def found(scrubber: Scrubber, text: str) -> set[str]:
    return {text[s.start : s.end] for s in scrubber.scrub(Note("n1", text)).spans}


def test_the_founding_example(scrubbers: dict[str, Scrubber]) -> None:
    text = "姓名:张三,年龄:30,性别:男,身份证号:123456789012345678"
    assert scrub(scrubbers["tag"], text) == "姓名:[NAME],年龄:30,性别:男,身份证号:[RESIDENT_ID]"
    new = scrub(scrubbers["surrogate"], text)
    assert re.fullmatch(r"姓名:[\u4e00-\u9fff]{2},年龄:30,性别:男,身份证号:\d{17}[\dX]", new)
    assert resident_valid(new[-18:])
    assert "张" not in new


# (text, what must go, what must stay)
ADVERSARIAL: list[tuple[str, list[str], list[str]]] = [
    ("患者欧阳明，男，56岁，欧阳先生诉胸痛。", ["欧阳"], ["先生诉胸痛", "患者"]),
    ("上级医师司马卫东查房，同意目前治疗。", ["司马卫东"], ["查房", "上级医师"]),
    ("责任护士：诸葛琳　接班者：上官雪", ["诸葛琳", "上官雪"], ["责任护士", "接班者"]),
    ("患者阿不都热依木·买买提，男，45岁，肝包虫病。", ["阿不都热依木", "买买提"], ["肝包虫病"]),
    ("其子才旦扎西陪同，签字：才旦扎西", ["才旦扎西"], ["陪同", "签字"]),
    ("姓名：高兴　性别：男\n患者今日高兴，情绪平稳。", ["姓名：高兴"], ["患者今日高兴，情绪平稳"]),
    ("患者白天，女，24岁，白天嗜睡，夜间吵闹。", ["患者白天"], ["白天嗜睡", "夜间"]),
    ("姓名：金属　性别：男　体内有无金属植入物：无", ["姓名：金属"], ["金属植入物"]),
    ("患者马上，男，29岁，要求马上用药。", ["患者马上"], ["马上用药"]),
    ("患者任何，男，41岁，否认任何不适。", ["患者任何"], ["任何不适"]),
    ("患者黄小连服黄连素0.3g tid。", ["黄小连"], ["黄连素"]),
    ("患者白雪梅，女，白血病化疗后，白细胞1.2。", ["白雪梅"], ["白血病", "白细胞"]),
    ("患者高建国有高血压、高血脂、高尿酸血症。", ["高建国"], ["高血压", "高血脂", "高尿酸血症"]),
    ("李某，女，45岁，予六味地黄丸、逍遥散。", ["李某"], ["六味地黄丸", "逍遥散"]),
    ("处方：杜仲15g，白芷9g。医师：杜仲（签章）", ["医师：杜仲"], ["杜仲15g", "白芷9g"]),
    ("患者石小高，予石膏30g、知母15g。", ["石小高"], ["石膏30g"]),
    ("张先生巩膜黄染，黄疸待查；黄主任会诊。", ["张先生", "黄主任"], ["巩膜黄染", "黄疸待查"]),
    ("马尾神经受压，马医生建议手术。", ["马医生"], ["马尾神经"]),
    ("患者于晓东于昨日出院，向家属交代。", ["于晓东"], ["于昨日", "向家属交代"]),
    ("何时发病不详，何师傅自述三天前。", ["何师傅"], ["何时发病"]),
    ("单侧肢体无力，单小蕊陪同其母单女士。", ["单女士"], ["单侧肢体"]),
    ("康复科平车推入，患者康复，男，62岁。", ["患者康复"], ["康复科平车推入"]),
    ("雷诺现象阳性，雷医生签字。", ["雷医生"], ["雷诺现象"]),
    ("帕金森病，巴宾斯基征阴性，马应龙痔疮膏外用。", [], ["帕金森病", "巴宾斯基征", "马应龙"]),
    ("常规消毒，常医生缝合，常见并发症已告知。", ["常医生"], ["常规消毒", "常见并发症"]),
    ("温水擦浴，患者温建国T39.2℃。", ["温建国"], ["温水擦浴"]),
    ("安静休息，患者安全，男，33岁，注意安全。", ["患者安全"], ["安静休息", "注意安全"]),
    ("老张说小李护士长已来，老年人多见。", ["老张", "小李"], ["老年人多见", "护士长"]),
    ("姓名：赫　连　铁　山　性别：男", ["赫　连　铁　山"], ["性别：男"]),
    ("姓名：鹿\n鸣春　床号：27", ["鹿\n鸣春"], ["床号：27"]),
    ("病人：陳大文，體檢：雙肺呼吸音清，李醫師。", ["陳大文", "李醫師"], ["雙肺呼吸音清"]),
    ("足部香港脚，粪检见广州管圆线虫，家住广州市天河区。", ["广州市天河区"], ["香港脚", "广州管圆线虫"]),
    ("四君子汤合张氏温胆汤加减，叶天士方。", [], ["四君子汤", "温胆汤"]),
    ("方剂：桂枝汤；方医生：停用地黄饮子。", ["方医生"], ["方剂", "桂枝汤", "地黄饮子"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "gone", "kept"), ADVERSARIAL)
def test_names_go_and_clinical_words_stay(
    scrubbers: dict[str, Scrubber], text: str, gone: list[str], kept: list[str]
) -> None:
    new = scrub(scrubbers["tag"], text)
    assert not [name for name in gone if name in new], new
    assert not [word for word in kept if word not in new], new


@pytest.mark.parametrize(
    "clean",
    [
        "主诉：反复咳嗽、咳痰10余年，加重伴气促3天。", "高热惊厥，予安定10mg静推，物理降温。",
        "全麻下行腹腔镜胆囊切除术，术前墨菲征阳性。", "黄芪30g 党参15g 白术12g 茯苓15g 当归10g 川芎6g",
        "患者姓名：__________　身份证号：__________________　联系电话：__________",
        "值班医生查看患者后嘱继续观察，家属表示理解。", "向患者及家属交代病情，同意手术并签字。",
        "于昨日行头颅CT，未见明显异常。", "住院医师查房：患者一般情况可，无发热。", "双侧瞳孔等大等圆，对光反射灵敏。",
        "患者金葡菌感染，予万古霉素1g q12h。", "常规心电监测，安静状态下SpO2 98%。", "应予抗感染、补液等对症治疗。",
        "曲马多100mg im，VAS评分由6分降至2分。", "石家庄型流感疫苗；广州管圆线虫；香港脚。",
        "姓名不详，家属在外地，本人签字。", "ＷＢＣ　１３．２×１０＾９／Ｌ，Ｎ％　８７．５；ＣＲＰ　１３８．６ｍｇ／Ｌ",
    ],
)  # fmt: skip
def test_a_clean_note_stays(scrubbers: dict[str, Scrubber], clean: str) -> None:
    assert scrub(scrubbers["tag"], clean) == clean


@pytest.mark.parametrize("word", sorted(chinese().words)[::37])
def test_a_word_of_the_lists_is_no_name(scrubbers: dict[str, Scrubber], word: str) -> None:
    assert word in scrub(scrubbers["tag"], f"患者有{word}，已处理。")


def test_a_line_that_is_spread_out_is_read(scrubbers: dict[str, Scrubber]) -> None:
    text = "姓 名 ： 李 秀 英 ， 女 ， 检 查 日 期 ： 2 0 2 3 年 8 月 1 4 日 ， 头 颅 平 扫 。\n1 2 3 4 5 6 7 8 9"
    new = scrub(scrubbers["tag"], text)
    assert (
        new == "姓 名 ： [NAME] ， 女 ， 检 查 日 期 ： [DATE] ， 头 颅 平 扫 。\n1 2 3 4 5 6 7 8 9"
    )


# --- stand-ins ----------------------------------------------------------------------------------

LONG = (
    "患者张小明，男，56岁，身份证号11010519491231002X，2023年9月4日入院，手机13812345678，"
    "家住云南省昆明市盘龙区白龙路12号。张先生、老张、张某均诉胸痛，其妻王芳陪同。"
    "二〇二三年九月十一日出院，联系人张小明（Zhang Xiaoming）。"
)


def test_forms_of_a_name_follow_it(scrubbers: dict[str, Scrubber]) -> None:
    new = scrub(scrubbers["surrogate"], LONG)
    whole = re.search(r"患者(..)(.)，男", new)
    assert whole is not None
    family, name = whole[1][0], whole[1] + whole[2]
    assert family != "张"
    for form in (f"{family}先生", f"老{family}", f"{family}某", f"联系人{name}（"):
        assert form in new, new
    assert not re.search(r"张|王芳|Zhang|小明", new)


def test_a_resident_number_agrees_with_the_note(scrubbers: dict[str, Scrubber]) -> None:
    new = scrub(scrubbers["surrogate"], LONG)
    number = re.search(r"\d{17}[\dX]", new)
    admitted = re.search(r"(\d{4})年(\d+)月(\d+)日入院", new)
    assert number is not None
    assert admitted is not None
    assert resident_valid(number[0])
    assert number[0][:6] == "110000"
    assert int(number[0][16]) % 2 == int("11010519491231002X"[16]) % 2
    born = date(int(number[0][6:10]), int(number[0][10:12]), int(number[0][12:14]))
    offset = date(*map(int, admitted.groups())) - date(2023, 9, 4)
    assert born - date(1949, 12, 31) == offset
    assert offset != timedelta(0)


def test_places_are_replaced_level_by_level(scrubbers: dict[str, Scrubber]) -> None:
    new = scrub(scrubbers["surrogate"], LONG)
    place = re.search(r"家住(云南省)(.+?)市(.+?)区(.+?)路(\d+)号", new)
    assert place is not None, new
    assert not {"昆明", "盘龙", "白龙", "12"} & set(place.groups())
    assert re.search(r"手机154\d{8}", new)


def test_two_notes_of_a_patient_agree(scrubbers: dict[str, Scrubber]) -> None:
    first = scrub(scrubbers["surrogate"], "患者李秀英，女，77岁。")
    second = scrub(scrubbers["surrogate"], "姓名：李秀英　性别：女")
    name = re.search(r"患者(...)，", first)
    assert name is not None
    assert f"姓名：{name[1]}　" in second


def test_a_stand_in_has_class_and_script_of_the_name(scrubbers: dict[str, Scrubber]) -> None:
    new = scrub(
        scrubbers["surrogate"],
        "姓名：欧阳建国　性别：男\n姓名：陳婉儀　性別：女\n姓名：邝 永 贤　性别：男",
    )
    names = re.findall(r"姓名：([^　\n]+)", new)
    assert len(names[0]) == 4
    assert names[0][:2] in chinese().compound
    assert len(names[1]) == 3
    assert re.fullmatch(r"\S \S \S", names[2])


@pytest.mark.parametrize(
    ("category", "text", "masked"),
    [
        ("NAME", "张三", "张*"), ("NAME", "张小明", "张**"), ("NAME", "欧阳明", "欧阳*"), ("NAME", "张某", "张*"),
        ("PHONE", "13812345678", "138****5678"), ("PHONE", "138 1234 5678", "138 **** 5678"),
        ("RESIDENT_ID", "11010519491231002X", "110105********002X"), ("ACCOUNT", "6222081109004471835", "622208*********1835"),
        ("DATE", "2023年9月4日", "****"),
    ],
)  # fmt: skip
def test_the_classic_mask(category: str, text: str, masked: str) -> None:
    assert classic_mask(category, text) == masked
    assert classic_mask(category, masked) == masked


# --- known identifiers --------------------------------------------------------------------------

IDENTITY = Identity(
    "p1",
    names=("司空见", "屠明", "買買提·艾力"),
    own=("司空见",),
    dates=("1951-11-23",),
    values=(("MRN", "K7741902"), ("PHONE", "13912345678"), ("LOCATION", "昆明市白龙路12号")),
)  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "司空见了", "今晨司 空 见诉痛", "司空\n见好转", "屠某好转", "找老屠", "屠师傅", "买买提・艾力", "買買提來電",
        "K7741902", "Ｋ７７４１９０２", "住昆明市白龙路12号附近", "1951年11月23日生", "１３９ １２３４ ５６７８",
    ],
)  # fmt: skip
def test_known_identifiers_do_not_survive(scrubbers: dict[str, Scrubber], text: str) -> None:
    new = re.sub(r"\s", "", scrub(scrubbers["redact"], f"患者，{text}，余无殊。", IDENTITY))
    assert not re.search(r"司空|屠|买买提|買買提|艾力|7741902|白龙路|11月23日|1234", new), new


# --- everything ---------------------------------------------------------------------------------


def stress() -> list[Note]:
    rows = map(json.loads, STRESS.read_text(encoding="utf-8").splitlines())
    return [Note(row["note_id"], row["text"]) for row in rows]


@pytest.mark.parametrize("method", ["instance", "tag", "mask", "hash", "encrypt"])
def test_scrubbing_twice_changes_nothing(scrubbers: dict[str, Scrubber], method: str) -> None:
    for note in stress()[::4]:
        once = scrubbers[method].scrub(note).note
        assert once is not None
        twice = scrubbers[method].scrub(once).note
        assert twice is not None
        assert twice.text == once.text


def test_surrogates_never_quarantine(scrubbers: dict[str, Scrubber]) -> None:
    for method in ("surrogate", "random"):
        for note in stress()[::3]:
            outcome = scrubbers[method].scrub(note)
            assert outcome.note is not None, (note.note_id, outcome.reason)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["患者{}，男，45岁", "姓名：{}\n", "签名:{} ", "其妻{}，陪同"]),
    st.sampled_from(sorted(chinese().single)[::3]),
    st.sampled_from(sorted(chinese().given_names)[::7]),
)
def test_a_name_behind_a_label_is_found(
    scrubbers: dict[str, Scrubber], carrier: str, family: str, given_name: str
) -> None:
    name = family + given_name
    assert name not in scrub(scrubbers["tag"], carrier.format(name))


def test_no_finding_ends_behind_the_note(scrubbers: dict[str, Scrubber]) -> None:
    for note in stress()[::5]:
        for end in range(7, len(note.text), 23):
            outcome = scrubbers["tag"].scrub(Note("n", note.text[:end]))
            assert outcome.note is not None, (note.note_id, end, outcome.reason)


def test_time_is_linear(scrubbers: dict[str, Scrubber]) -> None:
    for piece in ("张", "1", "张 ", "北京市", "姓名：", "一", "(", "医院", "李·", "1月"):
        started = time.process_time()
        scrubbers["tag"].scrub(Note("n", "患者" + piece * (12000 // len(piece))))
        assert time.process_time() - started < 5, piece


@pytest.mark.parametrize(
    ("text", "lang", "expected"),
    [
        ("Seen by Dr. Lee.", "auto", ("en",)),
        ("患者张三，男。", "auto", ("zh",)),
        ("Pt Li Guangyao（黎光耀），s/p PCI to LAD, no hematoma，沙袋压迫", "auto", ("zh", "en")),
        ("患者张三，男。", "en", ()),
        ("患者さんは元気です", "auto", ()),
        ("환자 김민수", "zh", ()),
    ],
)
def test_languages_of_a_note(text: str, lang: str, expected: tuple[str, ...]) -> None:
    assert languages(text, lang) == expected  # type: ignore[arg-type]


def test_the_english_part_keeps_offsets() -> None:
    text = "今日Wife Anna Luo came to the ward。患者平稳，CT示右肺下叶炎症较前吸收，建议继续目前治疗，一周后复查。"
    part = english_part(text)
    assert len(part) == len(text)
    assert part.strip() == "Wife Anna Luo came to the ward"


def test_surrogate_number_generator_matches_the_check() -> None:
    assert resident_check("11010519491231002") == "X"
