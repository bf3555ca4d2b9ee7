"""Reading one Chinese name at a place: where it ends, or that there is none.

A Chinese name has no borders of its own. What tells them is the surname, the characters that given
names are made of, and what stands right behind.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh.lexicon import chinese, split_words

HAN = r"[\u3400-\u4dbf\u4e00-\u9fff〇]"
DOT = r"[·・•‧∙⋅]"
GAP = r"[ \t]{0,4}(?:\r?\n[ \t]{0,4})?"
MASK = r"(?:某{1,3}|[×xX*＊○]{1,3}|[Xx×]{2})"
LATIN_WORD = r"[A-Z][A-Za-z'’-]{0,20}\.?"
LATIN = rf"{LATIN_WORD}(?:,? {{1,2}}{LATIN_WORD}){{0,4}}"

_DOTTED = re.compile(rf"{HAN}{{1,9}}(?: ?{DOT} ?{HAN}{{1,10}}){{1,3}}")
_DEPARTMENT = re.compile(r"(?:[院所科部室区店厂]|中心)$")
_MASKED = re.compile(rf"(?:{HAN}{{1,2}}){MASK}(?![A-Za-z])")
_HAN_RUN = re.compile(rf"{HAN}{{1,12}}")
_SPACED = re.compile(rf"{HAN}(?:[ \t]{{1,4}}{HAN}){{1,3}}(?!{HAN})")
# What follows a name in running text: verbs, conjunctions, words of sex and role.
_NEXT = (
    r"男|女(?!士)|性别|性別|[诉訴]|主[诉訴治任管刀]|因|于(?!是)|於|入[院科室]|出[院科生]|今[日晨天]|来[院诊電电]|昨|在|已[于经經]?|之[女子妻夫父母]|签|簽|说|說|称|稱|及|与|與|和|同(?:意|志|学|事|住|行|室)|做(?=[\u4e00-\u9fff])|上门|收(?=[,。;)\s])|领取?|为|為|系"
    r"|述|自(?:述|诉|行)|由|是|住|年[龄齡约]|家[属屬住]|[拟擬]|术[后前中]|現|现|患[者儿]|夜间|白天|轻|重|家(?=[,。里中住]|$)|行(?=[\u4e00-\u9fff])|查[看房体]|[经經]|反[复复]|[汇匯]报|派[车人]|收[入治](?=[病院我本]|[\u4e00-\u9fff]{1,4}科)|[协協]助|陪[同伴护]|照[看顾料]|接[听诊]|代(?:为|签)?|[负負][责責]|[请請]|要求|拒[绝簽签]"
    r"|护送|换药|谈话|接收|告知|平素|补充|复[诊查]|便[有感出]|讨论|注意|床位|平卧|神清|卧床|沟通|顾问|责护|门诊|医[生师]|醫[生師]|护士|護[士理]|主任|大夫|老[师師]|先生|女士|小姐|阿姨|教授|院[长長]|身份|电话|電話|手机|[联聯][系絡络]|床|[岁歲]|[门門][诊診]|住院|病[人情历歷案]|的|了|有|[到去][\u4e00-\u9fff]|被|[给給]|向|叫|打|再次|未|无|無|不|也|都|又|神志|精神|一般|[会會][诊診]|执刀|操作|参加|[录錄]入?|[记記]录?|审核|報告|报告|签[名字]|盖章|开|办|带|抱|接|抄|取|发|问|送|看|陪|拨|交|离|让|领|缴|付|坐|敬|摄|阅|整理|关系|工号|拿|替|考虑|批[:准示阅]|可[酌予停改继]|本人|[拜敬谨][上启呈]|驾[驶车电摩轿]|[（(]"
)
# What people do in a note, how they are and what is theirs. Each of two characters or of one that
# no given name is made of, for a given name ends before it.
_DOES = split_words(
    "保管 保存 带回 带走 带来 带领 整理 记录 书写 抄录 采集 采样 提供 核对 核实 复核 审核 审阅 修改 修订 协助 协同 完成 出诊 坐诊 "
    "出勤 指导 手术 主持 治疗 诊治 诊疗 诊断 值班 当班 交班 接班 评估 评定 检查 探视 探望 看望 护理 照料 照护 配合 参与 执行 实施 "
    "操作 穿刺 插管 麻醉 推注 注射 推入 送至 送到 送返 送来 领取 取回 拿走 垫付 支付 付款 缴费 转告 转交 转达 通知 告知 告诉 回复 "
    "答复 回答 回电 回访 来电 来访 来看 来取 来拿 来找 来做 来接 致电 拨打 反映 反馈 表示 表态 表明 介绍 解释 说明 强调 承认 否认 "
    "希望 担心 愿意 坚持 认为 怀疑 发现 看到 看见 看过 听到 听诊 阅片 目击 目睹 报警 交代 交待 叮嘱 建议 提醒 劝其 安慰 安抚 鼓励 "
    "询问 追问 咨询 了解 知晓 明白 清楚 理解 知情 突发 突然 出现 开始 发生 发病 起病 发作 跌倒 摔倒 滑倒 倒地 倒卧 昏迷 清醒 "
    "入睡 进食 饮食 情绪 面色 声音 语气 体健 健在 去世 病故 自行 自己 自觉 自诉 主动 独自 决定 分离 清点 陪夜 陪床 哭闹 无法 "
    "酒后 上午 下午 凌晨 中午 傍晚 早晨 晚上 当时 目前 近日 最近 平时 平日 经常 时常 偶尔 逐渐 渐渐 立即 随即 随后 再次 曾经 "
    "名下 床旁 床边 治疗组 医疗组 团队 主诊 时有 能够 可以 口述 转述 代述 诉说 陈述 回忆 到场 到达 赶到 抵达 返回 离院 上台 下台 "
    "一直 一起 一同 跟进 哽咽 半夜 轻伤 过目 代笔 代写 改过 改正 承诺 保证 起草 定稿 拟稿 审定 签发 签收 收讫 收存 收妥 说话 说好 讲述 描述 补述 半躺 平躺 侧躺 想知 想学 想问 "
    "觉得 感到 感觉 学会 学着 坐着 躺着 陪着 抱着 背着 饿着 拉着 守着 守了 转身 抬来 扶着 搀着 推着 拿着 穿衣 擦伤 前天 后天 当天 每天 天天 带头 开的 的话 醒来 睡了 吃了 喝了 报的 说的 递来 送去 送到 搬来 搬到 追问 反问 插嘴 换药 服药 吃药 想起 记得 "
    "访视 访谈 赶至 赶来 闻声 闻讯 认定 定级 口头 当面 亲自 带组 值守 带教 主检 复阅 初写 双签 双核 喂食 喂饭 喂药 擦身 翻身 哭诉 "
)
NEXT = re.compile(
    f"{_NEXT}|{'|'.join(sorted(_DOES, key=len, reverse=True))}|[曾仍嘱约把将闻]|[回值](?=[:,班夜的])"
    r"|[一二三四五六七八九十半数两][天日周年月个]|周[一二三四五六日几]"
)
_TITLE = re.compile(
    r"先生|女士|小姐|阿姨|老师|医生|医师|护士|主任|大夫|师傅|教授|警官|奶奶|爷爷|大爷|大妈|大姐|大哥|某"
)
_STOP = split_words(
    "坚决 强烈 执意 空白 正楷 不详 不詳 未知 同前 同上 同意 本人 无 無 患者 家属 家屬 待定 未填 男 "
    "女 医生 医师 護士 护士 签名 签字 日期 电话 主任 如上 如下 见下 见上 详见 "
    "空缺 保密 匿名 拒绝 未签 代签 不明 无名 无名氏 已签 已知 知情 性别 年龄 姓名 "
    "床号 科室 父亲 母亲 父母 子女 丈夫 妻子 儿子 女儿 配偶 本院 外院 我院 手术 "
    "麻醉医 主刀 助手 记录 系统 自动 全麻 局麻 腰麻 夫妻 父子 父女 母子 母女 关系 "
    "之子 之女 生日 车牌 爱人 今日 今天 明天 昨天 早上好 上午好 中午好 下午好 晚上好 周一 周二 周三 周四 "
    "周五 周六 周日 楼上 楼下 大陆 中文 任何人 那边 这边 前一天 后一天 "
    "护士长 大夫好 医生好 护士好 老师好 曾于 曾在 曾因 来电"
)
_NO_NAME = tuple(
    split_words(
        "不 未 无 無 同 见 待 拒 其 好的 谢谢 请问 平台 车辆 钱打 钱退 有高 别急 别担 别紧 别怕 别忘"
        " 跟其 与其 向其 对其 由其 同其 和其"
    )
)
_BAD_GIVEN = frozenset(
    "先的了是在有和与及或者因为并将等被给从由对向按经予未无不很较已曾又也都约各其此该本每这那你我他她它您们吗呢吧啊哦嗯谁哪什么病症痛疼炎癌瘤术药片院科医诊疗查检患岁床号码日年分您"
)


GRAMMAR = frozenset("于向从由来应经有都要同当对会能如并可则及与为被让使给在是没过到去")
"""Words of grammar that are rare surnames: right before a name hardly ever its first character."""


def name_span(start: int, end: int, score: float) -> PhiSpan:
    """A finding of a name."""
    return PhiSpan(start, end, "NAME", score)


def stop(word: str) -> bool:
    """Whether what stands behind a label says that there is no name."""
    return word in _STOP or (word.startswith(_NO_NAME) and word not in chinese().elements)


SPACE = re.compile(r"\s+")


def surname_length(text: str, start: int) -> int:
    """The length of a compound surname at ``start``, 1 for a single one, else 0."""
    lexicon = chinese()
    for length in (2, 3, 4):
        if text[start : start + length] in lexicon.compound:
            return length
    return 1 if text[start : start + 1] in lexicon.single else 0


def unlisted(word: str) -> bool:
    """Whether ``word`` can be a name of three characters whose surname no list has."""
    lexicon = chinese()
    given = len(word) == 3 and all(c in lexicon.given for c in word[1:])
    return given and not lexicon.starts_word(word, 0) and not lexicon.plain(word[1:])


def ends_here(text: str, end: int) -> bool:
    """Whether no Chinese character stands at ``end``."""
    return end >= len(text) or not re.match(HAN, text[end])


_LEADING = "由给经与向为找被让请遵其是叫床"


def dotted_name(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Where the name with a dot in ``text[start:end]``, a run with one, begins and ends: what stands
    before and behind in one run (家属热合曼·图尔迪签字) is told by the characters that such names
    are written with. ``None`` if the dot joins something else (人民医院·内科)."""
    parts = [m.span() for m in re.finditer(f"{HAN}+", text[start:end])]
    first, last = (text[start + a : start + b] for a, b in (parts[0], parts[-1]))
    if _DEPARTMENT.search(first) or _DEPARTMENT.search(last):
        return None
    lexicon = chinese()
    known = next((n for n in range(len(first), 1, -1) if first[-n:] in lexicon.other_names), 0)
    written = len(first) - len(first.rstrip("".join(lexicon.foreign)))
    if max(known, written) < 2 and meet(first[-2:]) > 1:
        return None  # 操作规范·喉镜片
    length = max(known, written) if max(known, written) > 1 else min(len(first), 4)
    if first[0] in _LEADING:
        length = min(length, len(first) - 1)  # 由|阿迪力江·伊力亚尔
    elif length == len(first) - 1 and length > 1:
        length += 1  # 姑丽娜尔·艾斯卡尔: one character is no word of its own
    start += parts[0][1] - length
    if length > max(known, 2) and meet(text[max(0, start - 1) : start + 1]) > 1:
        start += 1  # 交|代阿依夏, 书写|人叶尔兰
    known = next((n for n in range(len(last), 1, -1) if last[:n] in lexicon.other_names), 0)
    written = next(
        (n for n in range(2, len(last)) if last[n] not in lexicon.foreign or _cut(last, n)),
        len(last),
    )
    return start, end - len(last) + max(known, written)


def _cut(word: str, at: int) -> bool:
    return NEXT.match(word, at) is not None or _TITLE.match(word, at) is not None


def marked_name(text: str, start: int) -> int | None:
    """The end of a name whose form gives it away: dotted (热合曼·图尔迪) or masked (张某, 李××)."""
    if match := _DOTTED.match(text, start):
        name = dotted_name(text, start, match.end())
        return name[1] if name and name[0] == start else None
    match = _MASKED.match(text, start)
    if (match and surname_length(text, start) and match[0][-1] != "某") or (
        match and re.search("某", match[0])
    ):
        assert match is not None
        length = len(re.split(MASK, match[0])[0])
        if length <= max(1, surname_length(text, start)):
            return match.end()
    return None


def spaced_name(text: str, start: int, *, broken: bool = False) -> int | None:
    """The end of a name written with gaps: 邝 永 贤, 赫 连 铁 山; ``broken``: a line may end in it."""
    lexicon = chinese()
    if match := _SPACED.match(text, start):
        compact = re.sub(r"\s", "", match[0])
        if surname_length(compact, 0) and 2 <= len(compact) <= 4 and compact not in lexicon.words:
            return match.end()
    length = surname_length(text, start)
    if not length:
        return None
    gap = GAP if broken else r"[ \t]{1,4}"
    pattern = rf"{gap}{HAN}{{1,2}}(?:[ \t]{{1,3}}{HAN})?(?!{HAN})"
    match = re.compile(pattern).match(text, start + length)
    if match and re.match(r"\s", match[0]):
        given = re.sub(r"\s", "", match[0])
        if len(given) <= 2 and all(c in lexicon.given for c in given) and not stop(given):
            return None if re.match(r" ?[:]", text[match.end() : match.end() + 2]) else match.end()
    return None


def closed_name(text: str, start: int) -> int | None:
    """The end of the Chinese run at ``start`` if it can be a whole name: what a label promises."""
    match = _HAN_RUN.match(text, start)
    if match is None or stop(match[0]):
        return None
    run = match[0]
    longest = 4 if surname_length(text, start) else 6
    if len(run) <= longest and (
        surname_length(text, start) or all(c in chinese().foreign for c in run) or len(run) < 4
    ):
        likely = all(c in chinese().parts or c in chinese().foreign for c in run)
        if len(run) == 4 and surname_length(text, start) == 1 and not likely:
            return None  # 全天入量
        bad = any(c in "的了吗呢吧啊哦嗯谁哪你我他她它们您很太么" for c in run) or (
            len(run) > 3 and any(c in _BAD_GIVEN for c in run[1:])
        )
        return None if bad or (len(run) > 1 and run[1:] in _BAD_GIVEN) else match.end()
    return None


_ADMITTED = re.compile("收[入治]|[入出][院科]|[主自]诉")


def open_name(text: str, start: int) -> int | None:
    """The end of a Chinese name in running text, which other characters may follow."""
    lexicon, surname = chinese(), surname_length(text, start)
    if not surname:
        return None
    given = start + surname
    if _TITLE.match(text, given) or text[start] in "老小":
        return None
    best: int | None = None
    for length in (2, 1):
        piece = text[given : given + length]
        end = given + length
        closed = ends_here(text, end) or _ADMITTED.match(text, end)
        bad = _BAD_GIVEN - {"和", "有"} if closed else _BAD_GIVEN  # 报简学和。
        if len(piece) < length or not all(c in lexicon.parts and c not in bad for c in piece):
            continue
        if text[start:end] in lexicon.words:
            continue
        follows = ends_here(text, end) or NEXT.match(text, end) is not None
        does = NEXT.match(text, end - 1)
        if does and does.end() > end:
            continue  # 程|批: 李淑|同住
        # 张三 诉: the second character of a longer reading may be the first of what follows.
        if length == 2 and NEXT.match(text, end - 1) and not follows:
            continue
        if follows:
            best = end
            break
        if length == 2 and piece in lexicon.given_names:
            best = end
            break
    if best is None or _covered_by_word(text, start, best):
        return None
    return best


def _covered_by_word(text: str, start: int, end: int) -> bool:
    """Whether an ordinary word begins with this surname: 白细胞, 高血压, 黄连素."""
    return any(text[start : start + n] in chinese().words for n in range(2, 7) if n >= 2)


def foreign_run(text: str, start: int, least: int = 2) -> int | None:
    """The end of a run of characters that foreign names are written with: 吐尔逊江, 才旦卓玛."""
    lexicon = chinese()
    if NEXT.match(text, start):  # 今日高热, 健在
        return None
    end = start
    while end < len(text) and end - start < 8 and text[end] in lexicon.foreign:
        if NEXT.match(text, end) and end - start >= least:
            break
        end += 1
    run = text[start:end]
    if run in lexicon.other_names:
        return end
    if (
        end - start < least
        or run[0] in "老小"
        or lexicon.starts_word(text, start)
        or run in lexicon.telling
    ):
        return None
    return end if ends_here(text, end) or NEXT.match(text, end) else None


def lives(text: str, start: int, end: int) -> bool:
    """Whether 居 says where somebody lives and is no surname: 随夫居|广西."""
    places = chinese().provinces | chinese().cities
    return text[start] == "居" and text[start + 1 : end] in places


def in_word(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` lies in an ordinary word that is longer."""
    words = chinese().words
    around = ((a, b) for a in range(max(0, start - 4), start + 1) for b in range(end, end + 4))
    return any(text[a:b] in words for a, b in around if b - a > end - start and b <= len(text))


def straddled(text: str, start: int, end: int) -> bool:
    """Whether an ordinary word ends in ``text[start:end]`` and began before, or begins in it and
    ends behind."""
    words = chinese().words
    left = ((a, b) for b in range(start + 1, end) for a in range(max(0, b - 4), start))
    right = ((a, b) for a in range(start + 1, end) for b in range(end + 1, a + 5))
    return any(text[a:b] in words for a, b in (*left, *right))


def meet(pair: str) -> int:
    """How often two characters meet in ordinary language: 2 often, 1 now and then, 0 hardly ever."""
    lexicon = chinese()
    return 2 if pair in lexicon.frequent else 1 if pair in lexicon.seen else 0


def strange(word: str) -> bool:
    """Whether no two neighbours in ``word`` meet in ordinary language: 唐妤, 钱剑波, not 高兴."""
    return len(word) > 1 and not any(meet(word[i : i + 2]) for i in range(len(word) - 1))


def ambiguous(character: str) -> bool:
    """Whether a surname is more often a function word: 于, 向, 时, 应."""
    return character in chinese().ambiguous
