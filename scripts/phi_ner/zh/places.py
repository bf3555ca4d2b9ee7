"""Places, from the province to the room, and organisations."""

from __future__ import annotations

from ..core import Context, Slots, words
from .numerals import counted
from .script import traditional

SLOTS = Slots()
_ROADS = words(
    "路 路 路 路 街 街 大道 大街 东路 西路 南路 北路 中路 巷 弄 胡同 一路 二路 三路 支路"
)
_HAMLETS = words(
    "村 村 庄村 家庄 家村 家屯 家沟 家湾 家堡 家营 家寨 家坪 家岭 家坝 家窑 家桥村 寨 屯"
)
_ESTATES = words(
    "花园 小区 家园 新村 苑 公寓 名苑 雅苑 华庭 新城 嘉园 里 城 府 国际 公馆 水岸 佳苑"
)
_TRADES = words(
    "科技 商贸 建筑工程 物流 餐饮管理 机械制造 电子 服装 食品 医疗器械 房地产 物业管理 农业 化工 "
    "纺织 装饰 汽车销售 劳务 保洁 网络 印刷 五金 包装 家具 环保"
)
_FIRMS = words("有限公司 有限公司 有限责任公司 厂 集团 公司 股份有限公司 经营部 店 超市")
_SHOPS = words(
    "商行 贸易行 五金店 五金行 米铺 粮油店 粮行 茶餐厅 餐厅 餐馆 饭馆 饭店 "
    "酒楼 酒家 面馆 粉店 火锅店 烧烤店 小吃店 早餐店 面包店 蛋糕店 烘焙坊 "
    "奶茶店 咖啡馆 茶庄 茶行 茶楼 酒行 烟酒店 便利店 超市 生鲜店 水果店 果行 "
    "菜店 水产行 海味行 肉铺 车行 汽修厂 修理厂 洗车行 轮胎店 驾校 加油站 车队 "
    "货运站 物流园 快递站 快运 客运公司 租车行 家政 家政公司 月嫂中心 美发店 "
    "理发店 美容院 养生馆 足浴店 推拿馆 健身房 瑜伽馆 舞蹈室 琴行 画室 书店 "
    "书局 文具店 打印店 图文 印务 广告 影楼 婚庆 花店 花圃 苗圃 宠物店 服装店 "
    "裁缝铺 布行 鞋店 鞋厂 皮具店 针织厂 制衣厂 家具店 家具厂 建材店 石材厂 "
    "砖厂 木业 铝业 门窗 灯饰 电器行 电脑店 手机店 钟表行 眼镜店 金店 珠宝行 "
    "典当行 地产 置业 中介 律师行 律师事务所 会计师楼 会计师事务所 工作室 设计室 "
    "事务所 合作社 种植合作社 养殖场 农场 果园 渔行 米业 面粉厂 茶厂 酒厂 酱园 "
    "食品 旅行社 旅馆 宾馆 酒店 民宿 网吧 棋牌室 游戏厅 影院 培训班 托管班 "
    "早教中心 辅导班 月子会所 项目部 施工队 班组 车间 支行 信用社 证券营业部 "
    "人寿 财险 保险代理 典当 工会 商会 协会 教会 基金会 义工队 艺术团"
)
_KEPT = words("记 记 氏 家 老 嫂")  # 张记裁缝铺
_SCHOOLS = words(
    "小学 实验小学 中学 第一中学 二中 高级中学 中心小学 幼儿园 机关幼儿园 职业技术学院 师范学校 "
    "外国语学校 大学 卫校 技工学校"
)
_HOMES = words("养老院 敬老院 老年公寓 护理院 福利院 养老服务中心 颐养中心 托老所 康养中心")
_OFFICES = words(
    "派出所 派出所 居委会 社区居委会 街道办 街道办事处 社区 公安分局 民政局 残联 司法所 村委会 "
    "镇政府 法院 交警大队 社保局 刑警队"
)
_HOSPITALS = words(
    "人民医院 中心医院 中医院 妇幼保健院 儿童医院 肿瘤医院 第一医院 第二人民医院 第三医院 口腔医院 "
    "精神卫生中心 传染病医院 骨科医院 中西医结合医院 附属医院 职工医院"
)
_PRIVATE = words(
    "医院 门诊部 诊所 口腔诊所 眼科医院 中医馆 大药房 体检中心 康复医院 骨伤医院 卫生室"
)
_SPOTS = words(
    "人民公园 火车站 汽车站 体育馆 万达广场 博物馆 批发市场 机场 高铁站 菜市场 文化宫 湿地公园"
)


def short_city(context: Context) -> str:
    """A city without its 市."""
    name = context.pick("city")
    return name[:-1] if name[-1] == "市" and len(name) > 2 else name


def _brand(context: Context) -> str:
    """Two characters such as houses and firms take for a name."""
    return context.pick("usual") + context.pick("usual")


def _number(context: Context, top: int) -> str:
    """A small number, now and then in characters."""
    value = context.rng.randrange(1, top)
    worded = context.rng.random() < 0.06 and value < 1000
    return counted(value) if worded else str(value)


# --- places ---------------------------------------------------------------------------------------


@SLOTS.value("LOCATION", "city")
def city(context: Context) -> str:
    """A city, often without 市, sometimes after its province."""
    rng = context.rng
    name = context.pick("city") if rng.random() < 0.5 else short_city(context)
    return f"{context.pick('province')}{name}" if rng.random() < 0.08 else name


@SLOTS.value("LOCATION", "district")
def district(context: Context) -> str:
    """A district or county, sometimes after its city."""
    rng = context.rng
    name = context.pick("district")
    return f"{context.pick('city')}{name}" if rng.random() < 0.12 else name


def _road_name(context: Context) -> str:
    if context.rng.random() < 0.7:
        return context.pick("road")
    return f"{_brand(context)}{context.rng.choice(_ROADS)}"


@SLOTS.value("LOCATION", "road")
def road(context: Context) -> str:
    """Road and number."""
    rng = context.rng
    n = _number(context, rng.choice((30, 300, 2000)))
    forms = (
        f"{n}号",
        f"{n}号",
        f"{n}号",
        f"{n}号院",
        f"{n}-{rng.randrange(1, 9)}号",
        f"{n}弄{rng.randrange(1, 80)}号",
        f"甲{n}号",
        f"{n}号附{rng.randrange(1, 9)}号",
        f"{n}之{rng.randrange(1, 9)}号",
        f" {n} 号",
        n,
    )
    return _road_name(context) + rng.choice(forms)


@SLOTS.value("LOCATION", "estate")
def estate(context: Context) -> str:
    """A housing estate with block, entrance and room."""
    rng = context.rng
    made = rng.random() < 0.35
    name = f"{_brand(context)}{rng.choice(_ESTATES)}" if made else context.pick("estate")
    return name + _room(context)


def _room(context: Context) -> str:
    rng = context.rng
    b, u, floor = _number(context, 40), _number(context, 6), rng.randrange(1, 34)
    room = f"{floor}{rng.randrange(1, 9):02d}"
    letter = rng.choice("ABCDEF")
    forms = (
        f"{b}栋{u}单元{room}室",
        f"{b}栋{u}单元{room}",
        f"{b}号楼{u}单元{room}室",
        f"{b}号楼{u}单元{room}",
        f"{b}幢{room}室",
        f"{b}幢{u}单元{room}",
        f"{b}-{u}-{room}",
        f"{b}座{floor}{letter}",
        f"{letter}座{room}室",
        f"{b}#{room}",
        f"{b}栋{room}房",
        f"{b}号楼{room}",
        f"{letter}区{b}栋{room}",
        f"{b}栋",
        f"{b}号{room}室",
        f"{u}单元{room}",
        "",
    )
    return rng.choice(forms)


@SLOTS.value("LOCATION", "village")
def village(context: Context) -> str:
    """A village, perhaps with its town, its group and a number."""
    rng = context.rng
    draw = rng.random()
    if draw < 0.4:
        name = context.pick("surname") + rng.choice(_HAMLETS)
    else:
        name = context.pick("village" if draw < 0.7 else "hamlet")
    if name[-1] not in "镇乡" and rng.random() < 0.25:
        name = context.pick("town") + name
    if name[-1] not in "镇乡组社队" and rng.random() < 0.35:
        name += f"{_number(context, 20)}{rng.choice('组组组队社')}"
        if rng.random() < 0.3:
            name += f"{rng.randrange(1, 200)}号"
    return name


@SLOTS.value("LOCATION", "place")
def place(context: Context) -> str:
    """A landmark, park, market."""
    if context.rng.random() < 0.75:
        return context.pick("place")
    return f"{short_city(context)}{context.rng.choice(_SPOTS)}"


@SLOTS.value("LOCATION", "zip")
def postcode(context: Context) -> str:
    """Six digits."""
    return f"{context.rng.randrange(1, 86):02d}{context.digits(4)}"


@SLOTS.value("LOCATION", "address")
def address(context: Context) -> str:
    """A whole address in one span, from the province or less down to the room or more."""
    rng = context.rng
    if context.style == "traditional" and rng.random() < 0.6:
        return trad_address(context)
    parts: list[str] = []
    if rng.random() < 0.55:
        parts.append(context.pick("province"))
    if rng.random() < 0.8 and not (parts and parts[0][-1] == "市"):
        parts.append(context.pick("city"))
    if rng.random() < 0.85 or not parts:
        parts.append(context.pick("district"))
    if rng.random() < 0.3:
        if rng.random() < 0.5:
            parts.append(context.pick("town"))
        parts.append(village(context))
    else:
        if rng.random() < 0.15:
            parts.append(f"{_brand(context)}街道{rng.choice(('', '办事处'))}")
        draw = rng.random()
        if draw < 0.7:
            parts.append(road(context))
        if draw > 0.4:
            parts.append(estate(context))
        elif rng.random() < 0.5:
            parts.append(_room(context))
    joint = rng.choice((" ", "\u3000", "，")) if rng.random() < 0.06 else ""
    return joint.join(part for part in parts if part)


@SLOTS.value("LOCATION", "trad_address")
def trad_address(context: Context) -> str:
    """An address in Hong Kong, Macau or Taiwan with other numbers."""
    rng = context.rng
    text = "".join(
        rng.choice("123456789") if c.isascii() and c.isdigit() and c != "0" else c
        for c in context.pick("trad_address")
    )
    if rng.random() < 0.3:
        road = f"{traditional(_brand(context))}{rng.choice(('路', '街', '道'))}"
        where = rng.choice(("臺北市", "高雄市", "香港", "九龍", "新界", "臺中市", "新北市", "澳門"))
        return f"{where}{road}{rng.randrange(1, 400)}號{rng.randrange(2, 30)}樓"
    return text


# --- organisations --------------------------------------------------------------------------------


def _where(context: Context) -> str:
    """What many names of organisations begin with."""
    kind = context.rng.randrange(5)
    if kind == 0:
        return short_city(context)
    if kind == 1:
        return context.pick("city")
    if kind == 2:
        return context.pick("district")
    return context.pick("town") if kind == 3 else ""


@SLOTS.value("ORGANIZATION", "hospital")
def hospital(context: Context) -> str:
    """A hospital, public or private, or a surgery."""
    rng = context.rng
    draw = rng.random()
    if draw < 0.55:
        return context.pick("hospital")
    if draw < 0.75:
        place = rng.choice(("city", "district"))
        return f"{context.pick(place)}{rng.choice(_HOSPITALS)}"
    if draw < 0.85:
        return f"{context.pick('town')}{rng.choice(('卫生院', '中心卫生院'))}"
    if draw < 0.9:
        return f"{_brand(context)}社区卫生服务{rng.choice(('中心', '站'))}"
    head = short_city(context) if rng.random() < 0.4 else ""
    return f"{head}{_brand(context)}{rng.choice(_PRIVATE)}"


@SLOTS.value("ORGANIZATION", "company")
def company(context: Context) -> str:
    """Where somebody works."""
    rng = context.rng
    draw = rng.random()
    if draw < 0.45:
        return context.pick("company")
    if draw < 0.6:
        return shop(context)
    head = rng.choice((short_city(context), context.pick("city"), ""))
    return f"{head}{_brand(context)}{rng.choice(('', *_TRADES))}{rng.choice(_FIRMS)}"


@SLOTS.value("ORGANIZATION", "shop")
def shop(context: Context) -> str:
    """A shop, a workshop, an office of a few people: 恒昌贸易行, 陈李律师行, 张记裁缝铺."""
    rng = context.rng
    draw = rng.random()
    if draw < 0.1:
        name = context.pick("surname") + rng.choice(_KEPT)
    elif draw < 0.16:
        name = context.pick("surname") + context.pick("surname")
    elif draw < 0.24:
        name = context.pick("road")
    elif draw < 0.3:
        name = _brand(context) + context.pick("usual")
    else:
        name = _brand(context)
    head = rng.choice((short_city(context), context.pick("town"))) if rng.random() < 0.12 else ""
    return f"{head}{name}{rng.choice(_SHOPS)}"


@SLOTS.value("ORGANIZATION", "school")
def school(context: Context) -> str:
    """From kindergarten to university."""
    rng = context.rng
    draw = rng.random()
    if draw < 0.55:
        return context.pick("school")
    if draw < 0.65:
        return f"{short_city(context)}{counted(rng.randrange(1, 60))}中"
    return f"{_where(context) or _brand(context)}{rng.choice(_SCHOOLS)}"


@SLOTS.value("ORGANIZATION", "home")
def home(context: Context) -> str:
    """A home for the old or for children."""
    rng = context.rng
    if rng.random() < 0.6:
        return context.pick("home")
    return f"{_where(context)}{_brand(context)}{rng.choice(_HOMES)}"


@SLOTS.value("ORGANIZATION", "office")
def office(context: Context) -> str:
    """Police, neighbourhood committee, authority."""
    rng = context.rng
    if rng.random() < 0.5:
        return context.pick("office")
    name = rng.choice((_brand(context), context.pick("road"), context.pick("district")))
    return name + rng.choice(_OFFICES)
