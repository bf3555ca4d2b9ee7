"""Chinese rules alone, without the tagger: what each finds in a line, and lines it must leave."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import pytest

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh import dates, frames, ids, labels, meant, organizations, places
from llmsafe.scrub.detect.zh.again import echoes
from llmsafe.scrub.detect.zh.view import chinese_view

Find = Callable[[str], Iterable[PhiSpan]]

# What is in braces is found, and nothing else.
LINES: tuple[tuple[Find, str], ...] = (
    (
        frames.find_framed,
        """喊“{阿强}”数次。
患者神志清，继观。{邱}
随访平稳5.19{邱}
{胡杨}本人来电，要求改期。
有事找我弟{长风}，他在厂里。
女儿{喜鹊}每周来两次。
向女儿{游泳}说明病情。
款项转入{明亮}名下账户。
收件人{支持}，电话另附。
医师：{金银}（执业证号另附）。
医师：{时 间}
助手 R2 {星辰}、PGY {Kevin}。
检验科{邝}来电。
夜：{户}
打字：{lw}
叫“小心”。喊“妈妈”后入睡。
向其女儿简单说明手术经过。与患者儿子反复沟通。
转入患者名下账户。收件人不详。收件人电话未留。
病理：R1 切除，R2 残留。检验科电话通知。
儿子工作每天加班。女儿女婿每周来。需本人签字。患者本人来电。
录入：ok
夜：平
患者一般情况可，随诊。余""",
    ),
    (
        dates.find_festivals,
        """2023年3月21日（{春分}）
节气：{谷雨}
过{小年}再来。
{白露}后复诊。
过小年龄段后消失。大雪后路滑。子宫内膜位于小满意区。""",
    ),
    (
        dates.find_ages,
        """奶奶：{93}啦，耳朵背。
都{92}啦。
心率：95啦
护士：血糖93啦。""",
    ),
    (
        meant.find_meant,
        """请我科看{半夏}（男，60岁）。
2.{薄荷}（女，六十二）。
{豆蔻}妈妈接电话。
{大雪}（患者小名）热退。
半夏（姜制）9g，病房安静（男病房）。
孩子妈妈接电话。奶奶：络活喜、阿司匹林。""",
    ),
    (
        labels.find_labelled,
        """脉冲器号{RNP 660718H}
电极{PJN 2276513}、{PJN 2276514}。
Insurance {9402 118 77}，已报。
代码32001C×1；药码AC57731100×28。电极1枚、2枚。""",
    ),
    (
        labels.find_called,
        """电{8558 一九零三}，请回。
电话{2456 8103 内线22}。
电120次/分，电话一二三四。""",
    ),
    (
        ids.find_formats,
        """执照{医字第048812号}
ICD {MDT-CVX123456A}
HLA-B27 阴性，CYP2C19*2，BC24531100×84。""",
    ),
    (
        ids.find_residents,
        """藥碼AC57731100×28、BC24531100×84。""",
    ),
    (
        places.find_addresses,
        """寄宿{海口市琼山区·滨江苑·3号楼·1201}。
住{成都市武侯区桐梓林北路8号}女儿家。
住院观察·补液。""",
    ),
    (
        organizations.find_institutions,
        """任职{头城镇公所}，退休。
系{华北机械}退休工人。
Works at {金鹿陶瓷}, smoker.
我在{饿了么}跑单。
在{顺丰速运城南网点}送货。
公卫电告{嵊泗县疾控中心}。
上次{顺德和平外科医院}的报告。
从事电子、机械行业。患者在美团点餐。复诊遵接诊医院意见。地段普通科门诊跟进。""",
    ),
)


@pytest.mark.parametrize(
    ("find", "line"), [(find, line) for find, lines in LINES for line in lines.splitlines()]
)
def test_a_rule_finds_what_is_in_braces(find: Find, line: str) -> None:
    text = chinese_view(re.sub(r"[{}]", "", line)).text
    found = {place for span in find(text) for place in range(span.start, span.end)}
    at, wanted = 0, set[int]()
    for number, piece in enumerate(re.split(r"[{}]", line)):
        if number % 2:
            wanted.update(range(at, at + len(piece)))
        at += len(piece)
    assert {text[place] for place in found ^ wanted} <= set(" ")


def test_a_name_that_is_a_word_is_seen_again_where_somebody_acts() -> None:
    text = "田七(男)。田七昨日自服田七粉,由田七送来,予田七3g,田七本人同意。"
    first = PhiSpan(0, 2, "NAME", 0.8)
    again = [span.start for span in echoes(text, [first])]
    places_ = [match.start() for match in re.finditer("田七", text)]
    assert again == [places_[1], places_[3], places_[5]]
