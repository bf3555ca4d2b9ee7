"""Chinese rules alone, without the tagger: what each finds in a line, and lines it must leave."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import pytest

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh import (
    dates,
    frames,
    hamlets,
    ids,
    labels,
    meant,
    mentions,
    names,
    organizations,
    places,
)
from llmsafe.scrub.detect.zh.again import echoes
from llmsafe.scrub.detect.zh.view import chinese_view

Find = Callable[[str], Iterable[PhiSpan]]

# What is in braces is found, and nothing else.
LINES: tuple[tuple[Find, str], ...] = (
    (
        frames.find_framed,
        """喊“{阿强}”数次。
你好，我是{左心凝}。
你好，我是家属。我是本地人。我是高血压。我是当事人。
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
        hamlets.find_hamlets,
        """上月搬回{北闸口}。
去{三里桥}赶集，脚崴了。
他老家{窑头}，有地三亩。
送到{石鼓塘}那边。
支架放在冠脉开口，裂隙在骨桥，出院后回老家休养，老家收麦子，
伤口换药，回切口处；到路口等，去伤口护理门诊。
在脑桥见小片状影，从髂前取骨。
老家种枣，老家亲戚多。含住吸口。""",
    ),
    (
        places.find_cities,
        """儿子从{许昌}赶来。
由{中山}过来帮忙。
在{林州合涧}骑三轮车。
贫血，{静宁威戎}人，已婚。
在{天津}工人医院。
想回{布袋}上船。
户口地址：不详。
许昌病房，中山装。""",
    ),
    (
        names.find_roles,
        """由队友{索南}等人背下。
连长{宋军}派车。
母{其其格}有耳疾。
患者由母亲从家中接来。
向病人和弟弟说明。
请主任要求在门诊复查。
询问麻醉史、手术史。
医师章：另附。""",
    ),
    (
        names.find_neighbours,
        """术者{党}，一助{解}，二助{全}，器械{应}，巡回{从}，麻醉{温}。
{谈}母身体不好。
一助全程在场，二助应在台下。
祖母身体好，伯父来院，岳母要求出院。""",
    ),
    (
        names.find_described,
        """{欧翠}，女，38岁。
苗族，女，38岁。""",
    ),
    (
        mentions.find_titled,
        """主刀{应}主任，助手另记。
主刀医师：待定。申请由社工协助。下午由奶奶抱回。""",
    ),
    (
        mentions.find_marked,
        """{姑丽娜尔·艾斯卡尔}女士。
由{阿迪力江·伊力亚尔}领取。
操作规范·喉镜片。""",
    ),
    (
        places.find_places,
        """出生在{高雄市岡山區協和里}，在外。
人在{山西省静乐县杜家村镇肖家村}养病。
由{嘉義縣太保市前潭里}遷到。
到{太原市}和平常一样。""",
    ),
    (
        mentions.find_listed,
        """现病史：{加措}自1天前起精神差。
饭后自1天前起腹痛。""",
    ),
    (
        places.find_streets,
        """在{京哈高速葫芦岛段}。
车速过快，意识高速旋转。""",
    ),
    (
        dates.find_festivals,
        """期待{農曆年}後復工。
{清明}回乡。
清明返青。""",
    ),
    (
        dates.find_dates,
        """{2023年1月}至{12月}自付。
{7月14日}10:02—{7月15日}09:48
（前次{2/10}为8.6%）
{12.28}傍晚出现胸闷。
前次2/10浓度。""",
    ),
    (
        organizations.find_institutions,
        """附近的{中和诊所}能做。
{東益專科中心}那邊沒有。
前天在{微笑口腔}拍过片。
厂车拉到{东台人民}，挂急诊。
我到{省中}了。
{福寿康养老公寓}夜班护工。
{极顶探险俱乐部}负责人。
{福星社區日間照顧中心}
口腔、妇产情况另记。一小口水送服，每天一小碗。出生医院，会诊医院：另填。活动义齿取下。""",
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


@pytest.mark.parametrize(
    ("text", "given", "whole"),
    [
        ("换药医生单卫 护士另记", "卫", "单卫"),
        ("由妻子后秀琴看服", "秀琴", "后秀琴"),
        ("医师忒召草", "召草", "忒召草"),  # of no list, but nothing else can stand there
        ("医师忒召草时说", "召草", None),
        ("医师看召草", "召草", None),
        ("女儿叫秀琴", "秀琴", None),
        ("与秀琴谈", "秀琴", None),
    ],
)
def test_a_given_name_behind_a_role_gets_the_character_between(
    text: str, given: str, whole: str | None
) -> None:
    start = text.index(given)
    found = [PhiSpan(start, start + len(given), "NAME", 0.5)]
    longer = [text[span.start : span.end] for span in echoes(text, found)]
    assert longer == ([whole] if whole else [])


def test_a_name_that_is_a_word_is_seen_again_where_somebody_acts() -> None:
    text = "田七(男)。田七昨日自服田七粉,由田七送来,予田七3g,田七本人同意。"
    first = PhiSpan(0, 2, "NAME", 0.8)
    again = [span.start for span in echoes(text, [first])]
    places_ = [match.start() for match in re.finditer("田七", text)]
    assert again == [places_[1], places_[3], places_[5]]
