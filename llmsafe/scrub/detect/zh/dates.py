"""Chinese dates in every written form, and ages over 89.

Numeric (2023年9月4日, 2023.09.21, 民國112年, 22.11.08), in Chinese numerals (二〇二三年三月五日), of
the lunar calendar (正月初二, 癸卯年三月初七), month or day alone where the words beside it show that
a date is meant and no duration (6月初, 21号, 29日04:52), festivals and solar terms.

Named groups say what each part is, so that :mod:`llmsafe.scrub.replace.zh.dates` can move it.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh.reading import HAN

S = r"[ \t]{0,2}"
_Y4 = r"(?P<y>(?:19|20)\d\d)"
_M = r"(?P<m>1[0-2]|0?[1-9])"
_D = r"(?P<d>3[01]|[12]\d|0?[1-9])"
_HAN = "〇○零一二三四五六七八九"
_YH = rf"(?P<y>[{_HAN}]{{4}}|[{_HAN}]{{2}})"
_MH = r"(?P<m>十[一二]?|[一二三四五六七八九])"
_DH = r"(?P<d>三十一?|[二廿]十?[一二三四五六七八九]|二十|廿|十[一二三四五六七八九]?|[一二三四五六七八九])"
LUNAR_MONTH = r"(?:闰|閏)?(?:正|[一二三四五六七八九十冬腊臘]|十[一二])月"
LUNAR_DAY = r"(?:初[一二三四五六七八九十]|十[一二三四五六七八九]|[二廿]十?[一二三四五六七八九]|二十|廿|三十|卅)"
CYCLE = r"[甲乙丙丁戊己庚辛壬癸][子丑寅卯辰巳午未申酉戌亥]"
LUNAR = r"(?:农历|農曆|阴历|陰曆|旧历|舊曆|古历|夏历|老历)"
PART = r"(?:上旬|中旬|下旬|月?[初底末中](?!期|药|醫|医|午)|份)"
_HOUR = rf"(?={S}(?:\d{{1,2}}[:时時]|凌晨|清晨|[上下中]午|[晚早夜晨午]|[可因到来]|起(?!病)))"

# What is written to the right of a number tells a duration or a rate from a date.
_NO_DAY = r"(?!\d|[泵床楼樓线線刀针針管导導病诊診门門单單窗切孔室位桌机機胶字片缝縫车車套模骨染牙砂筛钻头頭院库台臺仓台路店方标标子卵染色粒吸抢间会瓣])"
# What behind 3.5 or 1-2 makes it a number: a measure, a count, a vertebra, the number of an item.
COUNTED = r"(?![页小周週个個月年天日时時分秒次倍级級期度例片粒颗顆支瓶包袋盒枚块塊根条條层層节節段处處联聯导導厘毫公微克千升米元角岁歲指横橫胸腰颈頸骶趾类類型号號床楼樓室组組点點档格万萬亿百人版至到与與或的以之余餘多左右上下前后後者世杯勺单單种種针針骨椎肺肋羟肢]|[一两兩二三四五六七八九十半])"
_FORMS: tuple[tuple[float, str], ...] = (
    (0.98, rf"(?<!\d){_Y4}{S}年{S}{_M}{S}月(?:份)?{S}{_D}{S}[日号號]?(?![\d年])"),
    (
        0.97,
        rf"(?<![\d.]){_Y4}{S}(?P<s>[-/.、]){S}{_M}{S}(?P=s){S}{_D}(?:(?=[012]\d:[0-5]\d)|(?!\d|[-/.]\d(?!\d{{3}}(?P=s))))",
    ),
    (
        0.9,  # and at both ends of a range
        r"(?:(?<![\dA-Za-z.])|(?<=[;,。\n]\d\.))(?:(?<!-)|(?<=(?:19|20)\d\d[01]\d[0-3]\d-))(?P<y>20[0-3]\d|19[3-9]\d)(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01])(?![\dA-Za-z]|[-.]\d(?!\d{7}(?![\d-])))",
    ),
    (
        0.96,
        rf"(?:(?:中[華华])?民[國国]){S}(?P<roc>\d{{1,3}}){S}[年./-]{S}{_M}{S}[月./-]{S}{_D}{S}[日号號]?(?!\d)",
    ),
    (0.9, rf"(?<![\d.])(?P<roc>1[0-3]\d|[5-9]\d){S}年{S}{_M}{S}月{S}{_D}{S}[日号號]"),
    (0.95, rf"(?:(?:中[華华])?民[國国]){S}(?P<roc>\d{{1,3}}){S}年{S}{_M}{S}月(?!\d){PART}?"),
    (
        0.9,
        rf"(?<![\d./])(?<![\dA-Za-z]-)(?P<roc>1[0-3]\d)(?P<s>[/.-]){_M}(?P=s){_D}(?![\d]|[-/.]\d)",
    ),
    (
        0.9,
        r"(?<![\d./])(?<!\d-)(?P<y>\d\d)(?P<s>[/.-])(?P<m>0[1-9]|1[0-2])(?P=s)(?P<d>0[1-9]|[12]\d|3[01])(?![\d]|[-/.]\d)",
    ),
    (0.95, rf"(?<![\d./-]){_D}(?P<s>[/.-]){_M}(?P=s){_Y4}(?![\d]|[-/.]\d)"),
    (0.94, rf"(?<![\d./-]){_M}(?P<s>[/.-]){_D}(?P=s){_Y4}(?![\d]|[-/.]\d)"),
    (
        0.96,
        rf"(?<![\d年])(?P<y>\d\d){S}年{S}{_M}{S}月{S}{_D}(?:{S}[日号號]|(?![\d.%年月天个個至~-]))",
    ),
    (0.96, rf"(?<!\d){_Y4}{S}年{S}{_M}{S}月(?!\d){PART}?"),
    (
        0.9,
        rf"(?<!\d){_Y4}{S}年{S}(?:[初底末中](?!期)|[春夏秋冬](?:[天季])?|第?[一二三四1-4]季度|[上下]半年)",
    ),
    (0.9, rf"(?<![\d年])(?P<y>\d\d){S}年{S}{_M}{S}月(?![\d余内]){PART}?"),
    (
        0.8,
        rf"(?:(?<=[,。;:(于自从在到至 ])|(?m:^))(?P<y>[012]\d|9\d){S}年{S}(?:[底末]|初(?![期次发始中诊])|[春夏秋冬](?:[天季])?)",
    ),
    (0.95, rf"(?<![\d./])(?:(?<!\d-)|(?<=:\d\d-)){_M}{S}月(?:份)?{S}{_D}{S}[日号號]"),
    (0.9, rf"(?<![\d./])(?<!\d-){_M}{S}月{_D}(?![\d.%年月日天个個至~-]|{S}[次例周])"),
    (
        0.9,
        rf"(?<![\d./个第每])(?<!\d-){_M}{S}月(?:上旬|中旬|下旬|[初底末](?!期)|份|间(?![断歇隔]))",
    ),
    (
        0.85,
        rf"(?:(?<=[今去前明同当當本上次翌]年)|(?<=[于於自从從]))(?<!\d){_M}{S}月(?![\d余内內以之后後前]){PART}?",
    ),
    (
        0.85,
        rf"(?<![\dA-Za-z./-])(?P<y>(?:19|20)\d\d)(?P<s>[./])(?P<m>0[1-9]|1[0-2])(?![\d]|[./-]\d|{S}(?:[A-Za-z%×]|元|分))",
    ),
    (
        0.85,
        rf"(?<![\dA-Za-z./-])(?P<y>20[012]\d)-(?P<m>0[1-9]|1[0-2])(?![\d]|[./-]\d|{S}(?:[A-Za-z%×]|元|号))",
    ),
    # Years of the Republic without a word: ;98.8.20黄斑OCT.
    (
        0.7,
        rf"(?m)(?:(?<=[,。;])|^[ \t]{{0,4}})(?P<roc>[89]\d|1[01]\d)\.{_M}\.{_D}(?={S}{HAN}){COUNTED}",
    ),
    # Behind the name of an occasion: 末次评估6-13, 手术日8.27, LMP:5.20.
    (
        0.75,
        rf"(?:(?<=[日天次期])|(?<=[日天次期][:(])|(?<=[复检筛][查诊])|(?<=[末上前]次评估)|(?<=随访)|(?<=预约)|(?<=约定)|(?<=[拟擬])|(?<=计划:)|(?<=记:))(?<!每[日天次])(?<![每二三两几]天)(?<!\d[日天次]){_M}[-/]{_D}(?=[,。;、)]|$|[晨早晚午夜于在从行见来术做])",
    ),
    (
        0.75,
        rf"(?:(?<=[术刀]日)|(?<=日期)|(?<=日期:)|(?<=LMP:)|(?<=EDC:)|(?<=EDD:)|(?<=PMP:)|(?<=LMP )|(?<=EDC )){_M}\.{_D}(?=[,。;、)]|$)",
    ),
    # Behind a word for when: 手术时间5/1, 始于:5-31, 复查时间为7.6, 约好10-24上午.
    (
        0.75,
        rf"(?:(?<=时间)|(?<=时间[为是:])|(?<=约好)|(?<=[定改约验查访诊院术]在)|(?<=截至)){_M}(?P<s>[-/.]){_D}(?![\d.%/-]|{S}[A-Za-z%×])(?:(?=[上下]午|以来)|{COUNTED})",
    ),
    (
        0.75,
        rf"(?:(?<=[始起]于)|(?<=[始起]于:)|(?<=发作)|(?<=发病)|(?<=[查诊访]为)){_M}[-/]{_D}(?![\d.%/-]|{S}[A-Za-z%×])(?:(?=[上下]午|以来)|{COUNTED})",
    ),
    (0.75, rf"(?<=[周天日月查诊院次]\(){_M}[-/]{_D}(?=\))"),
    (0.7, rf"(?m)^[ \t]{{0,4}}{_M}[-/]{_D}(?={HAN}){COUNTED}"),
    (
        0.7,
        rf"(?<=[与较距])(?!\d/5(?!\d)){_M}[-/]{_D}(?=(?:[前上那本][次片]|[片检查]|CT|MR|B超|超声|下降|上升|升高|降低|减[少轻]|增[加多高大]|好转|改善|相比|相仿))",
    ),
    # At the head of a clause, before what somebody did or felt then: ,1-21饭后首次; ,6/3到本科复诊.
    (
        0.7,
        rf"(?:(?<=[,。;:)])|(?<=[,。;:)] )){_M}[-/.]{_D}(?={S}(?:以来|起|[上下中]午|清?晨|凌晨|夜|晚|饭后|餐后|活动|首次|初次|再次|突|无|因|出现|开始|感|觉|来|到|去|返|回|入院|住院|行|做|查|复|于|在|外院|我院|急诊|门诊|体检|停药|找|化验|抽血|采血|拆线|换药|空腹|[腰全局硬]麻|[左右双][\u4e00-\u9fff]))(?!到{S}\d|起止)",
    ),
    # Day and month as a fraction: at the head of a line, behind a signature, before an hour.
    (
        0.8,
        rf"(?m)^[ \t]{{0,4}}(?:\d{{1,2}}床 )?(?P<_>)(?<![\d.]){_M}[/.]{_D}(?=\s|[:,晨晚早上下夜]|术)(?!{S}(?:mmHg|ml|mg|次|分))",
    ),
    (0.7, rf"(?m)^[ \t]{{0,4}}{_M}/{_D}(?=[ \t]?\|)"),
    (0.7, rf"(?<=[)签簽字])\s{{0,3}}(?P<_>){_M}[/.]{_D}\s{{0,2}}(?m:$)"),
    (
        0.75,
        rf"(?<![\d./A-Za-z-]){_M}[/.]{_D}(?={S}(?:[来來入转轉出][院诊科]?[ ,]|那[次天]|凌晨|清晨|早晨|傍晚|夜间|当[天日晚夜]|[上下中]午|[0-2]?\d:[0-5]\d))",
    ),
    (
        0.8,
        rf"(?<=[于於在至到从自补])(?<![小大低高少多等]于)(?<!\d){_M}\.{_D}(?=[^\d.%]|$)(?!{S}(?:[A-Za-z×/]|[分元厘毫号]))",
    ),
    (0.75, r"(?<!\d)(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01])(?=[晚早夜晨]|[上下中]午|凌晨)"),
    # A day as a fraction that something happened on: ,5/5行…术; 10.6至门诊复查.
    (
        0.75,
        rf"(?m)(?:(?<=[,。;:)于在])|(?<=[,。;:] )|(?<=[后日]) ?|^[ \t]{{0,4}}){_M}[-/.]{_D}(?={S}(?:[行予于在]{HAN}|至{HAN}|[来再因起]{HAN}|[复回][查诊]|随[诊访]|取片|[转入出][院科]|门诊|手术))",
    ),
    (
        0.75,
        rf"(?:(?<=[复回][查诊]:)|(?<=[日时][期间]:)|(?<=随访:)|(?<=取片:)){S}{_M}[-/.]{_D}(?=[,;。\s]|$)",
    ),
    # At the head of a sentence, before a word that is no measure: 。4-24晏医师手术, 病史:2.13活动时.
    (
        0.7,
        rf"(?:(?<=[。;])|(?<=[。;] )|(?<=[况史过程要]:)|(?<=[况史过程要]: )){_M}[-/.]{_D}(?={HAN}){COUNTED}",
    ),
    (
        0.75,
        rf"(?<=[从從自至到于於在]){_M}[-/]{_D}(?={S}(?:起|开始|開始|以来|[晨晚因突感无無行]|出[现現院]|入院|住院|[来來][院诊診]|复[查诊]|手术|[后後](?:即|便|就|又|曾|逐渐|自行)?(?:未|无|無|再|停[药服用]|换药|改[用服]|加[用量重]|减[量停]|戒|出[现院]|复[发查]|症状)))",
    ),
    # When something was looked at again: 心电图3/8复查.
    (0.7, rf"(?<![\d./-]){_M}/{_D}(?=(?:复[查测诊]|急查|监测))"),
    (0.7, rf"(?<=[前上]次){_M}/{_D}(?=[,;。) ]|为\d|{HAN}{{1,4}}\d)"),
    # When a specimen was taken or sent: 痰培养1/30送.
    (
        0.7,
        rf"(?<=[养本]){_M}/{_D}(?=[送采留抽取](?!达))",
    ),
    # Of former films: 与3.6相同, 与12.30旧片比较.
    (
        0.7,
        rf"(?<=[与较距]){_M}\.{_D}(?={S}(?:[前上那本旧老][次片]|片|CT|MR|X线|相[仿同似近]|大致相[仿同]|基本相[仿同]|比较))",
    ),
    (
        0.75,
        rf"(?<=[醒约議议嘱请定]){_M}[-/.]{_D}(?={S}(?:复[查诊]|随[诊访]|[来返回][院诊]|取[片药报]|门诊|就诊|拆线|抽血|换药|[住入]院|手术|空腹))",
    ),
    # A day alone.
    (
        0.75,
        rf"(?<![\dA-Za-z./路街巷弄村里道栋第约區区型侧至-])(?<![年月日] )(?<![罩管针]){_D}{S}[号號]{_NO_DAY}(?=[^A-Za-z\d]|$|\d{{1,2}}:)",
    ),
    (0.8, rf"(?<![\dA-Za-z./第每近共隔半过第~-]){_D}{S}日{_HOUR}"),
    (0.85, rf"(?:(?<=本月)|(?<=上月)|(?<=下月)|(?<=当月)|(?<=當月)|(?<=次月)){_D}{S}[日号號]"),
    # Chinese numerals.
    (0.97, rf"(?<![{_HAN}]){_YH}{S}年{S}{_MH}{S}月(?:{S}{_DH}{S}[日号號]?(?!个))?"),
    (0.93, rf"(?<![{_HAN}十]){_MH}{S}月{S}{_DH}{S}[日号號](?!龄)"),
    (
        0.85,
        rf"(?<![{_HAN}十个]){_MH}{S}月(?:上旬|中旬|下旬|[初底末](?!期|[一二三四五六七八九十])|份)",
    ),
    (0.9, rf"(?:民[國国])(?P<roc>[{_HAN}十百]{{1,5}}){S}年{S}{_MH}{S}月(?:{S}{_DH}{S}[日号號]?)?"),
)
FORMS = tuple((score, re.compile(form.replace("(?P<_>)", ""))) for score, form in _FORMS)
_LUNAR_FORMS: tuple[tuple[float, str], ...] = (
    (
        0.97,
        rf"(?:{LUNAR}{S})?(?:(?:{CYCLE}|(?:19|20)\d\d|[{_HAN}]{{4}}){S}(?:[鼠牛虎兔龙龍蛇马馬羊猴鸡雞狗猪豬])?年{S})?{LUNAR_MONTH}{S}{LUNAR_DAY}(?![{_HAN}十年天个])(?:日)?",
    ),
    (
        0.95,
        rf"{LUNAR}{S}(?:(?:{CYCLE}|(?:19|20)\d\d){S}年{S})?(?:{LUNAR_MONTH}|\d{{1,2}}{S}月)(?:{S}(?:{LUNAR_DAY}|\d{{1,2}}{S}[日号]?))?",
    ),
    (
        0.9,
        rf"{CYCLE}{S}年{S}(?:{LUNAR_MONTH}|\d{{1,2}}{S}月)(?:{S}(?:{LUNAR_DAY}|{CYCLE}日))?",
    ),
    (
        0.85,
        r"(?:大年|年)(?:初[一二三四五六七八]|三十)(?:[儿晚夜])?|(?:正月|腊月|臘月|冬月)(?:里|初|底|十五|廿[一二三四五六七八九]|二十[一二三四五六七八九])?",
    ),
    (0.7, r"(?<![一二三四五六七八九十])廿[一二三四五六七八九][日号號]?(?![岁歲个天年余])"),
    (0.7, r"(?<![最当起之年])初[一二三四五六七八九十](?![年级級班学學女男生上下中毕的期,、(])"),
)
LUNAR_FORMS = tuple((score, re.compile(form)) for score, form in _LUNAR_FORMS)

# Festivals with the month and day of the common calendar, or none: those move every year.
SOLAR = {
    "元旦": (1, 1), "情人节": (2, 14), "妇女节": (3, 8), "三八节": (3, 8), "三八妇女节": (3, 8), "植树节": (3, 12),
    "愚人节": (4, 1), "劳动节": (5, 1), "五一节": (5, 1), "五一劳动节": (5, 1), "五一": (5, 1), "青年节": (5, 4),
    "五四青年节": (5, 4), "护士节": (5, 12), "儿童节": (6, 1), "六一儿童节": (6, 1), "六一": (6, 1), "建党节": (7, 1),
    "七一": (7, 1), "建军节": (8, 1), "八一": (8, 1), "八一建军节": (8, 1), "医师节": (8, 19), "教师节": (9, 10),
    "国庆节": (10, 1), "國慶": (10, 10), "国庆": (10, 1), "十一": (10, 1), "雙十節": (10, 10), "光棍节": (11, 11),
    "双十一": (11, 11), "雙十一": (11, 11), "万圣节": (10, 31), "平安夜": (12, 24), "圣诞节": (12, 25), "圣诞": (12, 25), "聖誕節": (12, 25), "聖誕": (12, 25),
    "跨年夜": (12, 31), "清明节": (4, 4), "清明節": (4, 4), "清明": (4, 4), "立春": (2, 4), "惊蛰": (3, 5), "春分": (3, 20), "立夏": (5, 5),
    "芒种": (6, 5), "夏至": (6, 21), "立秋": (8, 7), "处暑": (8, 23), "秋分": (9, 22), "寒露": (10, 8), "霜降": (10, 23),
    "立冬": (11, 7), "冬至": (12, 21), "冬至节": (12, 21),
}  # fmt: skip
MOVABLE = (
    "农历新年", "農曆新年", "藏历新年", "春节", "春節", "元宵节", "元宵節", "端午节", "端午節", "端午", "七夕节", "七夕節", "七夕", "中元节", "中元節", "鬼节",
    "中秋节", "中秋節", "中秋", "重阳节", "重陽節", "重阳", "腊八节", "腊八", "臘八", "小年夜", "除夕夜", "除夕", "大年夜", "寒食节", "上巳节", "下元节", "龙抬头",
    "母亲节", "父亲节", "母親節", "父親節", "感恩节", "复活节", "開齋節", "开斋节", "古尔邦节", "肉孜节", "圣纪节", "泼水节", "火把节", "雪顿节",
    "那达慕", "彝族年", "苗年", "盂兰盆节", "盂蘭節", "浴佛节", "佛诞", "佛誕", "妈祖诞", "二月二", "三月三", "六月六", "七月半", "年三十",
)  # fmt: skip
# Words that are more often something else: a number, the weather, a name, a dish.
_WEAK = (
    "十一",
    "五一",
    "六一",
    "七一",
    "八一",
    "雨水",
    "小满",
    "谷雨",
    "小暑",
    "大暑",
    "白露",
    "小雪",
    "大雪",
    "小寒",
    "大寒",
    "春分",
    "秋分",
    "清明",
    "元宵",
    "小年",
    "三八",
)
_TERMS = (
    "立春", "雨水", "惊蛰", "春分", "清明", "谷雨", "立夏", "小满", "芒种", "夏至", "小暑", "大暑", "立秋", "处暑",
    "白露", "秋分", "寒露", "霜降", "立冬", "小雪", "大雪", "冬至", "小寒", "大寒",
)  # fmt: skip
_LUNAR_FEAST = ("二月二", "三月三", "六月六", "七月半")
_STRONG = sorted({*SOLAR, *MOVABLE} - {*_WEAK, *_LUNAR_FEAST}, key=len, reverse=True)
_WHEN = rf"(?={S}(?:[那这]几?[天日]|当[天日晚]|節?[前后後](?:[一二两三几]|[后後]|$|\W|[就便曾来])|前后|前後|期间|期間|[返回]乡|扫墓|放假|假期|长假|連假|黄金周|节|節|过后|過後|以来|时)|{S}[后後](?:[复随再回换拆住入来去到服]|手术|门诊))"
_YEAR_BEFORE = rf"(?:(?:(?:19|20)\d\d|[{_HAN}]{{4}}){S}年{S})?"
FESTIVAL = re.compile(
    rf"{_YEAR_BEFORE}(?:{'|'.join(_STRONG)})(?!大?[路街村镇乡店]|医院(?![开有])|小区|公园)"
    rf"|(?<![\d一二三四五六七八九十百第]){_YEAR_BEFORE}(?:{'|'.join(_LUNAR_FEAST)})(?![\d一二三四五六七八九十个])"
    rf"|(?<![\d一二三四五六七八九十百第]){_YEAR_BEFORE}(?:{'|'.join(sorted(_WEAK, key=len, reverse=True))}){_WHEN}"
    # Behind a date or a label: 3月20日(春分), 节气:谷雨.
    rf"|(?:(?<=[日号號]\()|(?<=[节節][气氣]:)|(?<=[节節][气氣]: )|(?<=\d\()|(?<=[日号號],))(?:{'|'.join(_TERMS)})(?=[,。;)\s]|$)"
    r"|(?<=[过過])(?:小年|大年)(?![龄轻级纪糕])|(?:农历年|農曆年)(?=[前后後底])|清明(?=回)"
)
_RANGE_END = re.compile(
    rf"{S}(?:[-~至到]|—){S}(?P<v>(?:(?:1[0-2]|0?[1-9])[/.])?(?:3[01]|[12]\d|0?[1-9]))(?:{S}[日号號]|(?![\d.:%年月天周个岁]|[/-]\d))"
)

# 2023年1月至12月
_MONTH_END = re.compile(rf"{S}(?:[-~至到]|—){S}(?P<v>(?:1[0-2]|0?[1-9])月)(?!\d)")

# 5月8、9、10日, 5月8日及12日.
_MORE_DAYS = re.compile(
    rf"(?:{S}[、,和及与]{S}(?:3[01]|[12]\d|0?[1-9])(?={S}[、,和及与日号號])){{0,5}}"
    rf"{S}[、,和及与]{S}(?:3[01]|[12]\d|0?[1-9])[日号號]"
)

_OLD = r"(?P<v>9\d|1[0-2]\d)"
_OLD_HAN = r"(?P<v>九十[一二三四五六七八九]?|一百(?:[零〇]?[一二三四五六七八九]|一?十[一二三四五六七八九]?)?)"
_MONTHS = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\\.?"
ENGLISH = re.compile(
    rf"(?<![A-Za-z\d])(?:\d{{1,2}}[ -/]?{_MONTHS}|{_MONTHS}[ -/]?\d{{1,2}})(?:,?[ -/]{{0,2}}(?:19|20)\d\d)?(?![A-Za-z\d])"
)
AGES = tuple(
    re.compile(form)
    for form in (
        rf"(?<![\d.~])(?<!\d-){_OLD}(?={S}(?:周?[岁歲]|多[岁歲]|余岁|高龄|高齡|yo\b|y/o))",
        rf"(?:年[龄齡]|[Aa]ge|虚岁|虛歲|享年|高寿|現年|现年|今年)(?:{S}[:|为是]{S})?{S}{_OLD}(?![\d.%后後年mk分次/])",
        rf"(?:[男女FM][,/、 ]{{1,2}}|[男女]){_OLD}(?![\d.%后後年mkc次/×-]|{S}(?:床|kg|cm|次|分|%))",
        rf"(?:(?<=[妈爸爷奶公婆母父])|(?<=[妈爸爷奶公婆母父]都)|(?<=,)){_OLD}(?=了)",
        # What somebody answers: 奶奶:92啦,属狗.
        rf"(?m)^(?![^:\n]{{0,4}}(?:率|压|糖|搏|重|度))[^:\n\d]{{1,6}}:(?:今年|都|快|已经|虚岁|整)?{_OLD}(?=[啦喽咯呀哟](?![\u4e00-\u9fff]))",
        rf"(?:今年|虚岁|都快?|快)(?:有|满)?{_OLD}(?=[啦喽咯呀哟了](?![\u4e00-\u9fff]))",
        rf"年[龄齡][: ]?{_OLD_HAN}",
        rf"(?<=[写寫]){_OLD}(?=[。,;\s]|$)(?<!\d\d\d\d)",
        rf"(?<![零一二三四五六七八九十百第]){_OLD_HAN}(?={S}(?:周?[岁歲]|多[岁歲]|有[一二三四五六七八九余]|高龄|高齡|了))",
    )
)


_TYPED = re.compile(r"(?:HLA|配型)[^。\n]{0,40}(?:A|B|C|D[RQP])[ :]?$")  # DR 09/15


def find_dates(text: str) -> Iterator[PhiSpan]:
    """Dates of the common calendar, and the second end of a range that only names a day."""
    for score, form in FORMS:
        for match in form.finditer(text):
            if changed(text, *match.span()) or _TYPED.search(
                text, max(0, match.start() - 48), match.start()
            ):
                continue
            start = match.start() + len(match[0]) - len(match[0].lstrip())
            if "床" in match[0]:
                start = text.index(" ", match.start()) + 1
            yield PhiSpan(start, match.end(), "DATE", score)
            if match.groupdict().get("d") and (end := _RANGE_END.match(text, match.end())):
                yield PhiSpan(end.start("v"), end.end(), "DATE", score - 0.05)
            if match[0].endswith("月") and (month := _MONTH_END.match(text, match.end())):
                yield PhiSpan(month.start("v"), month.end(), "DATE", score - 0.05)
            if match.groupdict().get("d") and (days := _MORE_DAYS.match(text, match.end())):
                for day in re.compile(r"\d{1,2}[日号號]?").finditer(text, *days.span()):
                    yield PhiSpan(*day.span(), "DATE", score - 0.05)
    for match in ENGLISH.finditer(text):
        yield PhiSpan(*match.span(), "DATE", 0.8)


# Two numbers that a word of change or a sign joins are values: 从11.2变7.5, 由6.2升至8.9,
# (4.5)降至3.2, 3.4→2.1, 波动于5.6至11.2; so is a price, 1.2/套.
_NUMBER = r"\d{1,4}(?:\.\d{1,3})?(?:\s?(?:%|[a-zA-Zμ]{1,5}(?:/[A-Za-z\d]{1,4})?))?"
_VALUE = re.compile(r"\d+\.\d+")
_CHANGE = r"(?:[回上下]?[升降落跌涨增减缩扩恢波改转提飙窜翻][升降落跌涨增减缩高低大小复动变为善]{0,2}(?:[到至为了回]|于)?|变[到至]?|→|->|↑|↓)"
_LEVEL = r"(?:波动[于在]|维持[于在]|(?:峰|谷|均|最高|最低)[值在]?|[多均]在)"
_FROM = re.compile(
    rf"(?:{_CHANGE}\s?|{_LEVEL}(?:{_NUMBER}[到至~-])?|(?:从|自|由|原)(?:[^\d\s,。;]{{0,6}}{_NUMBER}\)?)?{_CHANGE}?[到至]?)$"
)
_TO = re.compile(
    rf"[^\d\s,。;(]{{0,2}}(?:\([^()\n]{{1,8}}\))?[^\d\s,。;(]{{0,2}}?{_CHANGE}|(?:[-~至到]|—){_NUMBER}(?!\d|[./-]\d|[日号])"
)
_BECOMES = re.compile(rf"\)?(?:\([^()\n]{{1,8}}\))?{_CHANGE}(?<=[到至为→>])\s?\d|/{HAN}")


def changed(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` is one end of a change, or a level, or a price."""
    if not _VALUE.fullmatch(text, start, end):
        return False
    if _BECOMES.match(text, end):
        return True
    before = _FROM.search(text, max(0, start - 16), start)
    return before is not None and (before[0][-1] not in "从自由原" or bool(_TO.match(text, end)))


def find_lunar(text: str) -> Iterator[PhiSpan]:
    """Dates of the lunar calendar, with or without the year."""
    for score, form in LUNAR_FORMS:
        for match in form.finditer(text):
            yield PhiSpan(*match.span(), "DATE", score)


def find_festivals(text: str) -> Iterator[PhiSpan]:
    """Festivals and solar terms that date an event."""
    for match in FESTIVAL.finditer(text):
        yield PhiSpan(*match.span(), "DATE", 0.8)


def find_ages(text: str) -> Iterator[PhiSpan]:
    """Ages over 89, the number alone."""
    for form in AGES:
        for match in form.finditer(text):
            yield PhiSpan(match.start("v"), match.end("v"), "AGE", 0.9)
