"""Chinese addresses by grammar, from the city down to the room, and places by list.

An address is a chain of parts, each a few characters and a unit (市, 区, 镇, 村, 路, 号, 栋, 室), or
a place of the lists without its unit. A province alone is none, and neither is a room alone.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.lexicon import read_words
from llmsafe.scrub.detect.zh.lexicon import chinese, split_words, without_unit
from llmsafe.scrub.detect.zh.reading import HAN, meet
from llmsafe.scrub.detect.zh.things import listed

_NUM = r"(?:\d{1,5}(?:之\d{1,3})?|[A-Za-z]\d{0,3}|[一二三四五六七八九十百零〇甲乙丙丁]{1,5}|[东南西北中])"
_UNIT = r"(?:号院|號院|号楼|號樓|[号號](?![床染线]|切)|[栋棟幢座弄巷组組队隊社村]|单元|單元|[室户戶层層]|楼(?![上下道梯])|樓|期|区(?=[A-Za-z\d])|段|门(?=\d))"
_NUMBERS = rf"(?:[ \t]{{0,2}}(?:第?{_NUM}[ \t]{{0,2}}{_UNIT}(?:之\d{{1,2}}(?!\d))?[东南西北]?|\d{{1,3}}#[楼樓栋院]?|[A-Z]区|[A-Z]?\d{{1,4}}(?:-[A-Z]?\d{{1,5}}){{1,4}}|[A-Z]?\d{{3,4}}(?=[^\d\w]|$|[\u4e00-\u9fff])))"
_ROAD_UNIT = r"(?:大道|大街|胡同|公路|高速(?:公路)?|[路街道巷弄里坊]|[东南西北中]路|路段)"
_AREA_UNIT = r"(?:自治[州县旗區区]|地区|新区|开发区|高新区|街道(?:办)?|苏木|嘎查|社区|社區|小区|小區|花园|花園|家园|家園|新村|新城|公寓|大厦|大廈|广场|廣場|山庄|别墅|公馆|苑|轩|阁|邨|屋|庄|村(?:委会)?|屯|寨|堡|坪|沟|湾|[省市区區县縣旗镇鎮乡鄉盟州])"
_NOT_IN = r"(?!前(?![寮埔湖庄莊屯营營岭嶺坪坑厝洲])|[址寄于於在由到至去自从從被因经經及与與和的了是住家现現租转轉送来來者诉訴术術后後时時有无無])"
# A word of grammar may be a part of a name right before its unit (协和里, 王家村), and so may 前 and
# 后 one earlier (前潭里).
_OF_NAME = r"(?:[和有来來由经經家前后後](?=[里村镇鎮乡鄉屯庄莊沟溝湾灣坪寨堡店河坝壩桥橋路街巷区區])|[前后後](?=[\u4e00-\u9fff][里村镇鎮乡鄉区區屯庄莊]))"
LETTER = rf"(?:{_OF_NAME}|(?!地[点點址]|(?<=地)[点點址]){_NOT_IN}{HAN})"
_PART = rf"(?:{LETTER}{{1,7}}?(?:{_AREA_UNIT}|{_ROAD_UNIT})(?:[东南西北中上下一二三四五六七八九]段|口)?)"
_CHAIN = rf"(?:{_PART}|{_NUMBERS}){{1,12}}"

_HOME = re.compile(
    r"(?:(?:家庭|现|現|现居|登记|户籍|戶籍|居住|通[讯訊]|联系|聯絡|详细|邮寄|送达|原?登记|暂住|收件|工作|单位|常住地?|身份证|户口(?:所在)?)(?:地|住)?[地住]?[址点點]|地址|住址|住所|户籍(?:所在)?地?|籍贯|籍貫|出生地|居住地|现居地|住处|居所|居住小区|户口(?:所在)?地|参保地|就医地|来源地|祖籍|家庭地址|老家|(?:现|現|暂|租|家|居|临时|仍|长期)?(?:租?住)(?:在|于|址)?(?!院|培|宿|入|进|了|过|处|所|址不|我|表|哪|\d)|租在|暂居|家在|来自|快递至|寄[至到往](?!付)|报告寄|(?:寄(?!宿)|药寄)(?:回|给)?(?=[\u4e00-\u9fff]{2,6}[区县乡镇市村路])|归属地|寄宿(?:在|于)?(?=[\u4e00-\u9fff]{2,8}[区县乡镇市村路])|(?:搬|嫁|回)到(?=[\u4e00-\u9fff]{2,4}(?:[,。那这去]|$))|(?:现|暂|定|寄|移)居(?=[\u4e00-\u9fff]))"
    r"(?:在|于|为|是)?[ \t]{0,3}[:|]?[ \t|]{0,4}"
)
_RUN = re.compile(
    r"(?:[\u4e00-\u9fff〇A-Za-z\d#·/-]|[ \t](?=[\dA-Z])|\((?=[\u4e00-\u9fff])[\u4e00-\u9fff\d]{1,12}\)){2,60}"
)
_RUN_END = re.compile(
    r"(?:联系|電話|电话|手机|邮编|身份|职业|民族|因[“\"]|入院|主诉|性别|年龄|工作|单位|就医|病史|收件|备案|父|母|，|的|[那这]边|之后|已\d|后突|[小大二三]?(?:女儿|儿子|孙子|孙女|弟弟|妹妹|姐姐|哥哥|亲戚|老家)[A-Za-z]{0,12}家?)"
)
_TELLING = re.compile(
    r"[省市区區县縣旗镇鎮乡鄉村屯路街道巷弄号號栋棟幢座楼樓室苑园園邨里庄组組社寨堡湾厦厦廈坊城]|\d-\d"
)

_BUILDING = re.compile(
    rf"{LETTER}{{3,8}}(?:\d{{1,3}}[栋棟幢座]|\d{{1,3}}号楼)[ \t]?(?:\d{{1,2}}单元)?[ \t]?\d{{0,4}}室?"
)
_GROUP = re.compile(
    rf"{LETTER}{{2,5}}(?:村|屯|寨|庄|堡|坝|组|社|嘎查)[ \t]?(?:第?[\d一二三四五六七八九十]{{1,2}}[组社队])|(?<!{HAN}){LETTER}{{2,4}}(?:村|屯)(?=[\s,。;)人]|$)"
)
_TOWN = re.compile(
    rf"(?:(?<=[在从自到去住由回])|(?<!{HAN}))(?![各本该某全每乡外])(?!.{{0,3}}(?:冰镇|[故家山老]乡|[古城]镇))(?:{LETTER}){{1,3}}(?![乡镇村城集]){LETTER}(?:镇|乡)(?=人(?![民大])|[赶返转打来务]|[,，。;、 ]|$)"
)
_POSTCODE = re.compile(r"邮(?:政编码|编)[ \t]{0,3}[:|(]?[ \t]{0,3}(?P<v>\d{6})(?!\d)")
_LATIN = re.compile(
    r"(?:No\.? ?\d{1,5},? ?|(?<![\d.])\d{1,5} (?=[A-Z]))?(?:Lane \d{1,5},? ?)?(?:No\.? ?\d{1,5},? ?)?[A-Z][a-z]{2,15}(?: [A-Z][a-z]{2,15}){0,2} (?:Rd|Road|St|Street|Ave|Avenue|Lane|Blvd|Drive|Dr(?= ?,))\b\.?(?:, [A-Z][a-z]{2,15}(?: [A-Z][a-z]{2,15})?(?![A-Za-z]))?"
)
_HIGHWAY = re.compile(
    r"(?<![A-Za-z\d])[GSX]\d{1,4}[\u4e00-\u9fff]{0,8}(?:高速|国道|省道|县道)[\u4e00-\u9fff]{0,4}(?:K?\d{1,4}(?:\+\d{1,3})?)?"
)
# 京哈高速葫芦岛段
_MOTORWAY = re.compile(
    r"(?:(?<=[在于至沿走上:])|(?<![\u4e00-\u9fff]))(?!离心|当时|车辆|意识)[\u4e00-\u9fff]{2}高速(?:公路)?(?:(?!旋转|行驶)[\u4e00-\u9fff]{1,5}(?<![一二三])段|K?\d{1,4})"
)
_AND = re.compile(
    rf"(?:与|和|與)(?P<b>{LETTER}{{1,5}}(?:路|街|大道|环))(?:[交路]?(?:口|叉口|汇处|界))?"
)
_LABEL_OF = re.compile(r"(?:事故|案发|发生)?(?:地[点點址]|位置|[现現][场場]|住址)")
_BEFORE_AND = re.compile(rf"(?:{_PART}){{1,5}}$")
_ROAD = re.compile(
    rf"(?:{LETTER}{{2,5}}?(?:[东南西北中]?路|大道|大街|街|胡同|巷|弄))(?:{_NUMBERS}{{1,6}}|口|(?=桥)|与|(?=[。,;，]))"
)
_NO_ROAD = re.compile(
    r"(?:静脉|通|径|途|迷|歧|尿|血|气|泌尿|道|胆|呼吸|输液|心|电|管|套|思|陌|一|半|线|术|老|马|出|绕|跑|走|上|下|离|留|同|本|护|另|入|消化|传导|侧|旁|网|铁|公|开)(?:路|道|街|巷)$"
)


@cache
def _known_place() -> re.Pattern[str]:
    """A city, district or county of the lists, with a province before it or the next level behind.

    The longest is tried first. A short name (洛阳) only counts beside what says that it is a place.
    """
    lexicon = chinese()
    full = {
        place
        for place in lexicon.cities | lexicon.districts
        if len(place) > 2 and place[-1] in "市区區县縣旗盟州"
    }
    provinces = sorted(
        lexicon.provinces
        | {
            "新疆",
            "内蒙",
            "内蒙古",
            "广西",
            "宁夏",
            "西藏",
            "香港",
            "澳门",
            "台湾",
            "臺灣",
            "澳門",
        },
        key=len,
        reverse=True,
    )
    names = "|".join(sorted(full, key=len, reverse=True))
    return re.compile(rf"(?:(?:{'|'.join(provinces)})(?:省|市)?)?(?:{names})")


@cache
def _short_place() -> re.Pattern[str]:
    lexicon = chinese()
    taken = lexicon.words | lexicon.telling | lexicon.provinces
    short = (
        {without_unit(p) for p in lexicon.cities}
        | {d[:-1] for d in lexicon.districts if len(d) > 2 and d[-1] in "县縣市"}
        | {d[:-1] for d in lexicon.districts if len(d) == 3 and d[-1] == "镇"}
        | {p for p in lexicon.districts if len(p) == 2 and p[-1] in "县縣区"}
    )
    municipal = {"北京", "上海", "天津", "重庆"}
    wanted = sorted(
        ({p for p in short if len(p) > 1} - taken - _UNSAFE) | municipal, key=len, reverse=True
    )
    return re.compile("|".join(wanted))


_UNSAFE = split_words(
    "大同 长治 保定 东方 万宁 安康 吉安 太和 和平 安定 平安 永安 兴安 公安 宁静 "
    "正定 大方 和县 高安 长安 通化 安化 中方 新建 合作 自贡 平和 静安 正安 安宁 "
    "新华 中山 海门 江山 白山 黄山 文山 凉山 玉树 三门 大田 同心 丰都 开化 安义 "
    "平原 高原 通海 通道 盘山 康平 康乐 大关 武功 上林 西林 田林 龙门 平度 中江 "
    "青年 新民 宣化 安仁 阳高 石楼 石门 前进 旺苍 清水 中卫 平顺 正阳 鸡东 黄梅 "
    "三义 三湾 东河 九如 五结 仁武 关庙 南庄 双溪 名间 后壁 员山 四湖 国姓 埔心 外埔 大园 大村 大武 大社 大雅 头屋 安南 富里 寿丰 平溪 延平 弥陀 新园 杉林 "
    "林园 林边 桥头 梅山 深坑 湖内 湖西 溪口 溪州 玉井 田尾 石冈 福兴 秀水 竹田 花坛 路竹 造桥 金峰 高树 鱼池 许昌 "
    "白水 麻江 麻阳 合水 合阳 甘泉 高平 长寿 广安 安全 普安 清流 建水 泰和 成武 "
    "平安县 分宜 大余 新会 平利 高明 泽州 宁强 定边 岚县 安静 子长 镇静 神池 会同 "
    "南部 商水 中牟 灵台 通许 浮山 会宁 天水 赤水 白沙 灌云 响水 沾化 利辛 平阴 "
    "太原 太子 三民 大安 信义 中和 永和 树林 太古 天后 三重 永康 八德 前镇 上水 土城 平镇 北角 金钟 内湖 "
    "无为 同仁 新星 双河 兴平 福安 德兴 兴城 开原 平泉 安国 东阳 乐平 天门 赤壁 四会 当阳 应城 弥勒 宣威 文昌 神木 "
    "灵宝 高密 永济 孝义 怀仁 五常 海伦 富锦 安达 建德 句容 东台 南安 新泰 海阳 开平 兴宁 东兴 福泉 华亭 临江 沙湾 北屯 资兴 "
    "成功 关山 田中 和美 大林 布袋 北斗 集集 金沙 金湖 金城 "
    "洪江 安丘 长葛 永城 庄河 新沂 太仓 东宁 灵武 合山 龙港 南雄 明光 界首 宁国 大冶 天长 石首 "
    "大里 善化 美浓 大溪 三峡 淡水 蓝田 长洲 鼓山 上环 西环 大围 东港 新店 新庄 新营 南港 左营 "
    "成安 康保 大城 故城 阳城 富裕 友谊 明水 滨海 扬中 文成 泰顺 平湖 常山 太湖 东至 光泽 政和 东平 新安 原阳 商城 西平 台山 "
    "新兴 资源 蒙山 大新 定安 资中 石棉 白玉 马关 定结 曲松 比如 普兰 延长 白河 和政 共和 达日 新和 长子 大名 互助 民和 清原 如东"
)
# Where these stand around it, even a place that is a word too is meant as one.
_LIVED = re.compile(
    rf"(?:(?<=[在于到住:])|(?<!{HAN}))(?P<v>(?:(?![在于到]){HAN}){{2,6}}?)(?:市|县)?(?=(?:工作|生活|居住|务工|打工|上学|定居)(?:\d|[一二三四五六七八九十两]|多年|[,。;]|至今)|(?:儿子|女儿|子女|亲戚|亲友|父母|哥哥|姐姐|弟弟|妹妹)家)"
)
# So many people have been at: 去过开化, 从东方回来.
_TRIP = r"[去到来回跑]了?一?趟"
_BEEN = re.compile(
    rf"(?:[去到来回]过|{_TRIP}|来自|途经|路过|嫁到|老家在?|从|外出[到至去]|[日天月假期]回|生到|前往|赴|回到|[想要]回|先去的?|一起去)$"
)
_STAYED = re.compile(r"停留|逗留|出差|打工|务工|上学|读书|旅[游行]|探亲|当兵|服役|做生意|开店")
_AWAY = re.compile(
    r"[,。;、)\s]|$|[回归]来|返回|旅[游行]|出差|探亲|务工|打工|上班|上学|转来|赶来|接[回来]|乘|[喝买看做带住跑种采]|[拜过]年|照顾|过来|落[嚟来]|巡|上船|户外|参观"
)
# Who comes from there, and no more: 从后壁向前.
_COME = re.compile(
    r"[回归过]来|返回|转来|赶来|来[院诊]?[,。;]|坐车|乘|落[嚟来]|带[来回了]|接[回来]|[,。]?(?:打工|务工)"
)
_NO_JOURNEY = split_words(
    "平原 高原 青年 前进 清水 白水 新建 合作 南部 安全 比如 延长 共和 互助 资源 长子 和平 友谊 公安 大方 无为 同仁 新星"
)
_MUNICIPAL = split_words("北京 北京市 上海 上海市 天津 天津市 重庆 重庆市")
_BORN = re.compile(
    rf"(?:生长于|生于|长于|出生于|出生地|籍贯|祖籍|原籍|[长常久旅现暂曾]居于?|[长常]住于?|定居于?|(?:户籍|户口)(?:所在)?地?(?![址点地]))[ \t]?:?[ \t]?(?P<v>{HAN}{{2,8}})(?=[,。;:\s]|$)"
)
_BORN_IN = re.compile(rf"(?:出生|居住|生活|久居)(?P<v>{HAN}{{2,5}})(?=[,。;]|$)")
_TO_PLACE = re.compile(
    rf"(?:[在到去回来來自从從往由赴至返抵离離住居嫁迁遷搬于於是系]|{_TRIP}|调至|转至|出生|[去到来回]过|居家|途经|路过)[ \t]?$"
)
_OF_PLACE = re.compile(
    r"[ \t]?(?:籍|人(?![民体工员数际乳])|市|出差|务工|打工|老家|上班|上学|工作|旅游|旅行|居住|定居|那边|这边|当地|乡下|[东南西北]站|机场|火车|高铁|站|返回|来此|来[,，]|[,，。;、)）\s]|$|坐车|回来|转[来入]|救护车|乘|[带寄捎赶飞跑]|拜年|过年|交警|警方|公安|境内|县城)"
)
NOT_PLACE = re.compile(
    r"(?:管圆|型|株|脚|流感|热|病|肉|烤|话|方言|牌|产|制|生产|药|酒|菜|豆|血吸|评分|标准|共识|宣言|指南|分类|分型)"
)


# 美兰区·桂林洋·5号楼·602: levels joined by dots.
_JOINED = re.compile(r"(?:[·・•][\u4e00-\u9fffA-Z\d-]{1,9}){1,4}")


# 现居|住于宜沟镇, 户籍所在地|为四川省
_LIVES_AT = re.compile(r"住[在于於](?=[\u4e00-\u9fff]{2})|为(?=[\u4e00-\u9fff]{2,3}[省市县])")


def find_addresses(text: str) -> Iterator[PhiSpan]:
    """What stands behind 地址, 住, 家住, 籍贯, 寄至, if anything in it tells a place."""
    for match in _HOME.finditer(text):
        run = _RUN.match(text, match.end())
        if run is None:
            continue
        start, end = run.start(), run.end()
        if lead := _LIVES_AT.match(text, start):
            start = lead.end()
        if cut := _RUN_END.search(run[0], 2):
            end = run.start() + cut.start()
        value = text[start:end].rstrip(" \t-/")
        place = _known_place().match(value) or _short_place().match(value)
        label = match[0].rstrip(" \t|")[-1:] == ":" or "址" in match[0]
        chain = re.match(rf"{_CHAIN}", value)
        if chain and len(chain[0]) > 2 and not label and not place:
            value = chain[0]
        elif place and not label and not _TELLING.search(value[place.end() :]):
            value = place[0]
        if joined := _JOINED.match(text, start + len(value)):
            value = text[start : joined.end()]
        moved = match[0][0] in "搬嫁" and match[0][-1:] == "到"
        if (
            not (place or moved or _TELLING.search(value))
            or value in chinese().provinces
            or any_place(value)
        ):
            continue
        if (not label and not place and not moved and len(value) < 4) or (
            chinese().starts_word(value, 0) and not place
        ):
            continue
        yield PhiSpan(start, start + len(value), "LOCATION", 0.85)


_GENERIC = re.compile(
    r"(?:不详|不詳|同上|见|如上|原籍|国内|国外|本省|山区|牧区|当地|养老院|敬老院|福利院|海边|高原|平原|家中|自家|宿舍|学校|本市|本县|外地|外省|本地|农村|城市|城镇|乡村|院|我院|精确|填写|详细|病房|病区|病區|ICU|CCU|抢救室|手术室|急诊|门诊|科室|观察|楼上|楼下|[一二三四五六七八九十\d]{1,3}楼|普通|[\u4e00-\u9fff]{1,6}(?:科|室|病区|病房)$)"
)


def any_place(value: str) -> bool:
    """Whether it says only what sort of place: 农村, 同上, 三楼."""
    return _GENERIC.match(value) is not None


def find_places(text: str) -> Iterator[PhiSpan]:
    """A city, district or county of the lists, with all the levels that follow it."""
    for match in _known_place().finditer(text):
        yield PhiSpan(match.start(), grow(text, match.end()), "LOCATION", 0.8)


def find_cities(text: str) -> Iterator[PhiSpan]:
    """A short name of a city or county where the words beside it say that a place is meant."""
    for match in _short_place().finditer(text):
        end = grow(text, match.end() + text.startswith("市", match.end()))
        if within := _within(text, match.end()):  # 黄冈麻城, 上海嘉定: two levels are a place
            yield PhiSpan(match.start(), grow(text, within), "LOCATION", 0.6)
            continue
        if NOT_PLACE.match(text, end) or listed(text, *match.span()):
            continue
        grown = end > match.end()
        before = text[max(0, match.start() - 4) : match.start()]
        bare = not re.search(rf"{HAN}$", before) and _OF_PLACE.match(text, match.end())
        town = _town(text, match.end(), before)
        if (
            town
            or _TO_PLACE.search(before)
            or (grown and not re.search(rf"{HAN}$", before))
            or bare
        ):
            yield PhiSpan(match.start(), town or end, "LOCATION", 0.6)
    for match in _doubtful_place().finditer(text):
        if town := _town(text, match.end(), text[max(0, match.start() - 4) : match.start()]):
            yield PhiSpan(match.start(), town, "LOCATION", 0.6)
        been = _BEEN.search(text, max(0, match.start() - 4), match.start())
        before = text[max(0, match.start() - 1) : match.start()]
        stays = before == "在" and _STAYED.match(text, match.end())
        comes = before in ("从", "由") and _COME.match(text, match.end())
        goes = been and been[0][-1] != "从" and _AWAY.match(text, match.end())
        if stays or comes or goes:
            yield PhiSpan(*match.span(), "LOCATION", 0.6)
    lexicon = chinese()
    for match in _LIVED.finditer(text):
        if match["v"] in lexicon.cities | lexicon.provinces | lexicon.districts:
            end = match.end() if match["v"] in lexicon.cities else match.end("v")
            yield PhiSpan(match.start("v"), end, "LOCATION", 0.6)
    for match in _BORN_IN.finditer(text):
        if match["v"].rstrip("市县") in lexicon.cities | _shorts():
            yield PhiSpan(*match.span("v"), "LOCATION", 0.6)
    for match in _BORN.finditer(text):
        province = match["v"].removesuffix("省") in lexicon.provinces - _MUNICIPAL
        if not province and not any_place(match["v"]):
            yield PhiSpan(*match.span("v"), "LOCATION", 0.6)
    for match in re.finditer(r"[京沪滬津渝](?=籍|人(?!民))", text):
        yield PhiSpan(*match.span(), "LOCATION", 0.6)


_TOWN_BEHIND = re.compile(
    rf"(?P<v>{LETTER}{{2}})(?=人[,。;、 ]|农户|村民|家中|骑|一家|摆摊|卖|开店|,由)"
)


def _town(text: str, end: int, before: str) -> int | None:
    """The end of a town without its unit behind a city or county that ends at ``end``, where people
    are from or do something: 静宁|威戎人, 在林州|合涧骑车."""
    match = _TOWN_BEHIND.match(text, end)
    if match is None or meet(match["v"]) > 1 or meet(text[end - 1 : end + 1]) > 1:
        return None
    led = _TO_PLACE.search(before) or not re.search(rf"{HAN}$", before)
    return match.end("v") if led and match["v"] not in chinese().words else None


@cache
def _doubtful_place() -> re.Pattern[str]:
    """Counties and cities whose short names are words."""
    return re.compile("|".join(sorted((_UNSAFE & (_shorts() | chinese().cities)) - _NO_JOURNEY)))


@cache
def _shorts() -> frozenset[str]:
    """Districts and counties without their unit."""
    return frozenset(d[:-1] for d in chinese().districts if len(d) > 2)


def _within(text: str, end: int) -> int | None:
    """The end of a district or county without its unit right behind a city at ``end``."""
    shorts, words = _shorts(), chinese().words
    for length in (4, 3, 2):
        word = text[end : end + length]
        if len(word) == length and word in shorts and word not in words:
            return None if NOT_PLACE.match(text, end + length) else end + length
    return None


def names_a_thing(text: str, start: int) -> bool:
    """Whether a place that stands at ``start`` is part of a word for something: 广州管圆线虫."""
    places = chinese().cities | chinese().provinces
    ends = (start + length for length in (2, 3) if text[start : start + length] in places)
    return any(NOT_PLACE.match(text, end) for end in ends)


_GROW = re.compile(rf"{_CHAIN}")


_HALF_UNITS = split_words("大厦 广场 花园 家园 公寓 小区 新村 新城 山庄 别墅 大道 大街 胡同")


def grow(text: str, end: int) -> int:
    """The end of the levels that follow a place at ``end``; a hospital is none of them."""
    if text[end - 1 : end + 1] in _HALF_UNITS:  # 天华大|厦
        end += 1
    match = _GROW.match(text, end)
    if match is None or re.match(r"(?:人民|中心|中医|第[一二三四五六七八九十])", text[end:]):
        return end
    return match.end()


_CUT_OFF = re.compile(rf"(?:{HAN})?[市县区镇乡旗](?={HAN}{{2,}})")
_NOT_BEGUN = re.compile(r"[在于到去往至自由从住居是为抵返来赴本该我全各外当两]")


def begin(text: str, start: int) -> int:
    """Where a place begins whose first part is cut off: 清源|县珠湖镇, 隆|阳市龟山镇."""
    cut = _CUT_OFF.match(text, start)
    missing = 3 - len(cut[0]) if cut else 0
    while missing and start and re.match(HAN, text[start - 1]):
        if _NOT_BEGUN.match(text, start - 1):
            break
        start, missing = start - 1, missing - 1
    return start


def cut_in(text: str, start: int) -> int:
    """Where the city or county begins that ``start`` stands in: 静|宁威戎, 景|德镇浮梁."""
    known = chinese().cities | _shorts()
    for before in (1, 2):
        for size in (2, 3, 4):
            word = text[max(0, start - before) : start - before + size]
            if size > before and len(word) == size and word in known:
                return start - before
    return start


def two_levels(text: str, start: int, end: int) -> int:
    """The end of a town of two characters behind a city or county, of which a finding holds the
    first: 林州合|涧骑车, 吴忠金|积."""
    known = chinese().cities | _shorts()
    last = text[end : end + 1]
    if not re.match(HAN, last) or _NOT_BEGUN.match(last) or not _TOWN_ENDS.match(text, end + 1):
        return end
    return end + 1 if text[start : end - 1] in known else end


_TOWN_ENDS = re.compile(r"[人家户骑在,。;、)(乡镇村开做]|[^\u4e00-\u9fff]|$")
_AT = re.compile(r"(?:[在到去自从于往]|位置|现场)$")
_BY = re.compile(r"(?:旁|附近|门口|对面|后面|下|走失|上班|发现|聚餐|晕倒|摔)")


def find_landmarks(text: str) -> Iterator[PhiSpan]:
    """A park, a market, a sight of the list that something happened at."""
    for match in _landmark().finditer(text):
        if _AT.search(text, max(0, match.start() - 2), match.start()) or _BY.match(
            text, match.end()
        ):
            yield PhiSpan(*match.span(), "LOCATION", 0.6)


@cache
def _landmark() -> re.Pattern[str]:
    words = sorted(read_words("scrub_zh/landmarks.txt"), key=len, reverse=True)
    return re.compile("|".join(words))


def find_streets(text: str) -> Iterator[PhiSpan]:
    """Roads with a number, crossings, motorways, villages: without a city before them; postcodes."""
    for match in (
        *_HIGHWAY.finditer(text),
        *_MOTORWAY.finditer(text),
        *_BUILDING.finditer(text),
        *_GROUP.finditer(text),
        *_TOWN.finditer(text),
        *_LATIN.finditer(text),
    ):
        yield PhiSpan(*match.span(), "LOCATION", 0.75)
    for match in _AND.finditer(text):  # a crossing: 解放路与建设街交叉口
        if road := _BEFORE_AND.search(text, max(0, match.start() - 40), match.start()):
            led = _LABEL_OF.match(road[0])
            start = road.start() + (led.end() if led else 0)
            yield PhiSpan(start, match.end(), "LOCATION", 0.75)
    for match in _ROAD.finditer(text):
        name = re.match(r".{1,9}?(?:路|大道|大街|街|胡同|巷|弄)", match[0])
        if name and not _NO_ROAD.search(name[0]):
            end = match.end() - (match[0][-1] in "与")
            yield PhiSpan(match.start(), end, "LOCATION", 0.6)
    for match in _POSTCODE.finditer(text):
        yield PhiSpan(*match.span("v"), "LOCATION", 0.9)
    for match in _VILLAGE.finditer(text):
        yield PhiSpan(*match.span(), "LOCATION", 0.65)


_VILLAGE = re.compile(
    rf"(?:{LETTER}{{2,4}}?[市县区州旗]){{0,2}}(?:{LETTER}{{2,4}}(?:镇|鎮|乡|鄉|街道|苏木)){{1,2}}{LETTER}{{2,6}}(?:村|社区|屯|嘎查){_NUMBERS}{{0,4}}|(?:{LETTER}{{2,4}}?[省市区區县縣]){{1,3}}{LETTER}{{1,6}}?(?:{_AREA_UNIT}|{_ROAD_UNIT}){_NUMBERS}{{1,6}}"
)
