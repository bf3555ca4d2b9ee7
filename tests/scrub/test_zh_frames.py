"""Chinese names and dates in frames of their own: each rule with what it finds and must leave."""

from __future__ import annotations

import re

import pytest

from llmsafe.notes import Note
from llmsafe.scrub.keys import Key
from llmsafe.scrub.scrubber import Scrubber, build_scrubber
from llmsafe.scrub.settings import Settings

# What is in braces must go.
FOUND = r"""贵重物品由{郦致安}保管，钥匙亦在。
管床{区凯琳}推注胺碘酮后好转。
姓名：{闵志发}\n婚姻史：已婚，爱人{闵志发}体健。
姓名：{方一然}\n返回病房，老{方}清醒，引流通畅。
护士长{计春梅}来电，{春梅}已致歉。
汇报{向}医生，嘱观察。
按{应}副主任查房意见继续治疗。
活动时{段}大爷出现尿频。
医生{姜}教授查看，嘱观察。
诊断：老{曹}目前右膝骨关节炎。
护工老{苌}代领了药。
病历记录由{于亚华}整理，已归档。
手机交{郁金萍}带回，钥匙交{家长成}带走。
父亲{家长成}表示明白。
{林可悦}：能停药吗？\n护士：请稍等。\n{林可悦}：好的。
探视者{黎晚晴}闻声赶至床旁。
有事请找{梁颂恩}。
已通知{柴}医，暂观察。
当时老公{高明}在旁，立即联系我科。
Pt stable, f/u with Dr {莘} next week.
Plan discussed with husband {卜勇} at bedside.
输血后好转。{4-24}晏医师手术，恢复可。
病史：{2.13}活动时感胸闷。
患者从{1-20}起出现气急。
提醒{8/6}复查，空腹。
家属在{民國113年2月}曾簽署同意書。
车（{TO 5695}）开得少。
机车（{AIE-5312}）已报修。
手提电话换了{9997-4335}，请登记。
日前在{安源区三和社区卫生服务站}输液。
退休，原单位{慈安海产行}。
个人史：长住{延安}，无疫区接触史。
医保卡{440106A20031}，已核验。
起草{睦雨晨}，定稿{闭长河}。
值守{罕玉成}签，交班无误。
夜班{叱干文}代笔，{达奚敏}过目。
打字：{淦小满}　口述：{秘长林}
{萧淑贞}（二女儿）：“先止痛吧”。
上级医师{丹增旺久}已看过。
22:10{卓玛央宗}补记。
家属{帕丽旦·吐尔逊}签字后手术。
书写人{买合木提·司马义}承诺属实。
末次评估{5-21}，无变化。
手术日{7/19}，术式胆囊切除。
病情平稳，拟{4-16}，复查血常规。
旅居史：近来去过{朔州}，余无。
去年曾去过{开化}，回来不能行走。
前天到过{应县}，路上头晕。
上周从{安宁}打工回来，咳嗽。
经耳鼻喉科收治，{如则麦麦提}主任负责。
无接触史，居家{湘潭}，体健。
现居地：{湖北省鄂州市鄂城区凤凰街道9#楼2单元1103号}
页面提示IP{192.0.2.44}被拦截。
微泵#{KX20931175}报警一次。
先拨{0349-2210733、按5521}。
就近在{康宁国医堂}换药。
平时由{惠民血液透析中心}随访。
早年是{鸿运早点铺}的员工。
今日{青石供电所}来人慰问。
牙痛到{德馨口腔门诊}拔牙。
昨由{仁爱醫院花蓮分院}轉來。
就在{五一}那几天腹痛。
以上由{排日代·买买提明}书写，{布仁巴雅}审阅。
护士：好，告诉{祖丽菲亚}护士长了。
病区医生{赵思卓}。书写{苏和巴特}，内线已留。
患者：{久美多吉}；床号：22床；科室：骨科。
{左}医生交接后，{努尔比亚}责护陪送病房。
高血压史6年，由{林益财}顾问医生复诊。
就近去{三甲镇社区卫生服务中心}测血压。
两天前在{棋梓镇计划生育服务站}拿药三天。
{大欖涌健康院}　列印日期同上。
INR 1.40，较{9/4}下降。
诊疗计划：{2/10}停药前须化验。
血鈉正常。{98.8.20}黃斑OCT無水腫。
无异常；3.{20171107}回来看，携报告。
住院證明寄到{信義鄉公正一路81巷13弄469號13樓之3}，收件人另告。
"""

CLEAN = """患者今日高热已退，父母健在，全天入量2100ml。
由医生陪同检查，向医生咨询后停药，曾于医生处就诊。
由于家属提供资料有限，由于子女陪同，经常规消毒后缝合。
老高血压病史，老年人，小于胎龄，小金丸3粒，小方脉，衰老，小管间质病变。
车工30年，每日牛奶250ml，克雷伯菌阳性，经管医师查房。
毛果芸香碱滴眼，布地格福吸入，瞳孔中大，墨菲征阳性，石家庄。
。2.5小时后复测；3-5天复查。1.12导联心电图正常；1/2骨折；5-6级肌力。1.25羟维生素D偏低
1.24小时尿蛋白0.3g；遵嘱复诊。
推平车（B 1203）入室，快车（CT 16）通道。
长住农村，生于原籍，久居当地。
去过平原地区；从平和转为激动；来自南部；从安静处回来；相应县里的规定；去过高原。
权衡利弊后用药；户外活动；阴影增大；区域淋巴结不大；衣着整洁。
渐渐好转，慢慢下床，常常头晕，阿司匹林、阿托品、阿卡波糖继续。
白细胞从11.2变7.5×10^9/L，INR原2.40到2.10，乳酸从3.1到1.2。
现吸，12年×20支／日，戒酒。
在楼下药房买药，到附近诊所就诊，后去大医院；找了一家诊所。
拟施手术：阑尾切除。同前。第1/2页。
说法一致，备齐资料；成家早；吃喝拉撒如常；有疑问请问医生。
转小火慢炖；老家来人；病员或代理人：
Discussed with 家属, seen by 医生, husband 陪同.
左下肢肌力3/5，较4/5下降。
三甲医院复诊；上级乡镇卫生院转来；社区服务中心。
总分82.5分，第1.2.3条同意。"""


@pytest.fixture(scope="module")
def tagged() -> Scrubber:
    return build_scrubber(Settings("tag", Key(b"k" * 32)))


@pytest.mark.parametrize("line", FOUND.splitlines())
def test_what_is_in_braces_goes(tagged: Scrubber, line: str) -> None:
    marked = line.replace("\\n", "\n")
    note = tagged.scrub(Note("n", re.sub(r"[{}]", "", marked))).note
    assert note is not None
    left = re.sub(r"\[[A-Z_]+\]", "[]", note.text)
    before, *parts = re.split(r"\{[^}]*\}", marked)
    # Between what goes, the rest stays but for a character at its borders.
    kept = [before[:-1], *(part[2:-1] for part in parts)]
    assert not [value for value in re.findall(r"\{(.+?)\}", marked) if value in left]
    assert left.count("[]") >= len(parts)
    assert not [part for part in kept if part not in left]


@pytest.mark.parametrize("line", CLEAN.splitlines())
def test_words_that_look_like_them_stay(tagged: Scrubber, line: str) -> None:
    text = line.replace("\\n", "\n")
    note = tagged.scrub(Note("n", text)).note
    assert note is not None
    assert note.text == text


def test_scrubbing_twice_changes_nothing(tagged: Scrubber) -> None:
    for line in (*FOUND.splitlines(), *CLEAN.splitlines()):
        once = tagged.scrub(Note("n", re.sub(r"[{}]", "", line))).note
        assert once is not None
        twice = tagged.scrub(Note("n", once.text)).note
        assert twice is not None
        assert twice.text == once.text
