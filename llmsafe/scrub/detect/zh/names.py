"""Chinese names by label, role, title and place on the line.

Each rule is a function from the normalised text to findings; how sure it is stands in the table of
:mod:`llmsafe.scrub.detect.recognisers`. A span covers the name alone: 张 in 张先生 and 老张.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh.lexicon import chinese
from llmsafe.scrub.detect.zh.reading import (
    DOT,
    HAN,
    LATIN,
    MASK,
    ambiguous,
    closed_name,
    ends_here,
    foreign_run,
    marked_name,
    open_name,
    spaced_name,
    stop,
    surname_length,
)

# A label behind which only a person can stand, whatever the word: 姓名:金属.
_NAMED = (
    r"(?:患者|病人|病患|患儿|母亲|父亲|家属|申请人|参保人|产妇|孕妇|新生儿|受试者|受检者|被检者|监护人|联系人|护照|英文|中文)?(?:姓{0}名(?!缩写)(?:正楷|拼音)?|名字|芳名|英文名|曾用名|别名)(?:缩写)?(?:/[A-Za-z ]{{1,16}}|\([A-Za-z ]{{1,16}}\))?|姓名/Name|(?<![A-Za-z])(?:Patient )?Name(?:/姓名)?|姓名缩写|正楷"
).format(r"[ \t]{0,4}")
# A label behind which a person is expected, but a plain word may stand too.
_PERSON = (
    r"(?:患者|病人|病患|患儿|申请人|申请者|户主|配偶|孕妇|產婦|产妇|受检者|受試者|受试者正楷|受试者|被检者|参保人|投保人|被保险人|(?:紧急)?联系人|緊急聯絡人|聯絡人|联络人|监护人|監護人|委托人|受托人|被委托人|代理人|见证人|見證人|本人|家属|家屬|陪同者|陪护人?|护送人?|报警人|来访者|咨询者|收件人|寄件人"
    r"|[签簽][名字章署]?(?:[人者])?|签收人?|(?:患者|家属|监护人|本人|医师|医生|代理人|患者或家属|患者本人|受试者|研究者|护士|受托人)[(（]?[签簽][名字章]?[)）]?|[术術]者|手术者|主刀(?:医[师生])?|一助|二助|三助|第[一二三]助手|助手|麻醉(?:者|医[师生]|師)?|器械(?:护士)?|巡回(?:护士)?|洗手(?:护士)?|(?:体外)?灌注师?"
    r"|[主副住经經管接首带帶进轮执][\u4e00-\u9fff]{0,4}(?:医[师生]|醫[師生])|[\u4e00-\u9fff]{0,6}(?:医师|医生|醫師|醫生|护士长?|護理師|護士|药师|藥師|技师|技師|大夫|助产士|治疗师|營養師|营养师|康复师|管师|個管師)|主[护護]|小夜|大夜|白班|(?:责任|夜班)护士"
    r"|报告(?:者|人|医师)?|審核|审核(?:者|人|医师)?|复核(?:者|人)?|审方|调配|核对(?:者|人)?|发药|记录(?:者|人)?|紀錄(?:者)?|书写(?:者)?|随访(?:人|者|员)|接班者?|交班者?|经办(?:人)?|收费员|登记(?:人|者|员)|录入(?:者|人)?|采样(?:者|人)|检验(?:者|人|员)|送检(?:者|医[师生])?|接收(?:者|人|医生)|接报人|上报人|校医|研究者|主持人?|参加(?:人员|者)?|参会(?:人员)?|出席|主诊|经治|先证者|父|母|夫|妻|子|女|兄|弟|姐|妹|父亲|母亲|丈夫|妻子|儿子|女儿|校对|质控(?:医师)?|科主任|主任)"
)
_COLON = r"[ \t]{0,4}(?:\([^()\n]{0,12}\))?[ \t]{0,3}[:|=][ \t|_]{0,5}(?:小|老)?"
LABEL_NAMED = re.compile(rf"(?:{_NAMED})(?:{_COLON}|[ \t]{{1,4}}|(?=[A-Z]{{2}}))")
LABEL_PERSON = re.compile(rf"(?<!{HAN})(?:{_PERSON}){_COLON}|(?<={HAN})(?:签[名字]?|[医醫][师師生]|护士|者|人){_COLON}")
_ITEM = re.compile(r"[ \t]{0,3}(?:\([^()\n]{0,12}\))?[ \t]{0,2}(?:[、,;/]|及|和)[ \t]{0,3}(?:进修医生|进修医师|研究生|规培(?:医师|生)?|实习生|住院医师|主治医师|护士)?")

_KIN = (
    r"(?:其|患者|她|他|我|病人|由|为|和|与|系|给|同|叫|是)?(?:父亲?|母亲?|爸爸?|妈妈?|妻子?|丈夫|老公|老婆|爱人|爱妻|配偶|老伴|儿子|女儿|长子|次子|三子|幼子|长女|次女|三女|小女儿|小儿子|大儿子|大女儿|二儿子|二女儿|儿媳妇?|女婿|孙子|孙女|外孙女?|长孙|外甥女?|侄子|侄女|哥哥?|弟弟?|姐姐?|妹妹?|表[姐妹哥弟]|堂[姐妹哥弟]|姑姑|姑妈|姨妈|阿姨|舅舅|舅妈|叔叔|伯父|伯母|婶婶|爷爷|奶奶|外公|外婆|岳[父母]|公公|婆婆|嫂子|姐夫|妹夫|前夫|前妻|男友|女友|未婚[夫妻]|孫女|孫子|女兒|兒子|先夫|亡夫)"
)
_ROLE = (
    r"(?:患者|病人|患儿|患兒|病患|产妇|孕妇|伤者|死者|逝者|受检者|受试者|被检者|参保人|申请人|本人|监护人|委托|委托人|代理人|联系人|同事|同乡|同学|邻居|室友|工友|老乡|朋友|战友|同车|同行|保姆|护工|看护|看護|陪护|司机|老板|保安|民警|户主|乘客|房东|家属|家屬|护士|護士|护士长|医生|醫生|医师|醫師|主治医师|主治|主刀|术者|一助|二助|记录|器械|巡回|麻醉|大夫|药师|藥師|技师|主任|教授|医助|管床|主管|助手|校医|村医|会诊医师|见证人|收件人|学员|学生|老师|导师|经理|客户|用户|报警人|肇事方|对方|责任医师|出院责任医师|名叫|姓名为|我叫|我是|叫做|人称|自称|化名|原名|小名|乳名|昵称|昵名|名为)"
)
LABEL_ROLE = re.compile(rf"(?:{_KIN}|{_ROLE})(?:[ \t]{{1,3}}|(?={HAN}))")

_TITLE = (
    r"(?:先生|女士|小姐|太太|夫人|老师|老師|医生|醫生|医師|医师|醫師|大夫|主任|副主任|护士长|护士|護士|護理師|教授|院长|院長|主治|阿姨|叔叔|叔|伯伯|伯|奶奶|爷爷|爺爺|大爷|大妈|大娘|大叔|大姐|大哥|大嫂|婆婆|公公|阿婆|阿公|阿嬤|阿嬷|阿伯|師傅|师傅|警官|法官|律师|书记|处长|科长|局长|校长|所长|站长|队长|连长|厂长|总(?!计|量|数|是|体|之|结|胆|蛋|的|共)|经理|会计|药师|藥師|技师|技師|治疗师|营养师|營養師|同学|同志|某某|工(?=[,。、;)( ]|$)|姐(?!姐)|哥(?!哥)|嫂|姨|婶|爷(?!爷)|奶(?![奶粉嘴瓶])|妈妈|爸爸|家属|老太太?|老先生|老伯|老汉|姓)"
)
_GENERIC_TITLE = frozenset(("医生", "醫生", "医师", "醫師", "医師", "护士", "護士", "家属", "老师", "主任", "主治", "大夫", "同志", "同学", "妈妈", "爸爸", "奶奶", "爷爷", "姨", "姐", "哥", "叔", "伯", "爷", "奶", "工", "总", "护士长", "某某", "阿姨", "教授", "院长", "技师", "药师"))
TITLE = re.compile(_TITLE)
_BEFORE_NAME = re.compile(r"(?:[^\u4e00-\u9fff]|^|[由请請经經与與及和遵嘱囑为為找报報在是姓对對向给給让讓跟叫同到于被托约約按问問说說告告诉的科室部院师師生士任母父妻夫子女儿兒邻乡事老小者人区床])$")
_OLD_YOUNG = re.compile(r"(?<![幼弱从缩减变最大较很太过微极])[老小阿](?=[\u4e00-\u9fff])")
_AFTER_OLD = re.compile(r"[^\u4e00-\u9fff]|$|[说說来來找去打在的和与與及已称也都要会请让给带陪送]|师[傅父]|姐|哥|妹|弟|叔|家属|妈|爸|医生|护士")
_MASKED = re.compile(rf"(?:{HAN}{{1,2}})(?:某{{1,3}}(?![些种個个人处时日年月位地])|[×]{{1,3}}|[xX*○]{{2,3}}(?![A-Za-z\d]))")
_DOTTED = re.compile(rf"(?<!{HAN})(?<![A-Za-z\d]){HAN}{{1,9}}(?:{DOT}{HAN}{{1,10}}){{1,3}}|{HAN}{{2,6}}(?:{DOT}{HAN}{{2,8}}){{1,2}}")
_EPONYM = re.compile(r"(?:综合征|綜合征|症候群|病|征|氏|现象|试验|反射|手术|线|三角|法|式|分级|分型|评分)")
_SURNAMED = re.compile(r"姓(?=[\u4e00-\u9fff])(?!名|氏|别|甚|什|啥)")
_SINGLE_NAME = re.compile(rf"单名(?:一个)?(?P<v>{HAN})")


def _span(start: int, end: int, score: float) -> PhiSpan:
    return PhiSpan(start, end, "NAME", score)


def _at(text: str, start: int, *, sure: bool) -> int | None:
    """The end of any name at ``start``. ``sure``: a label says that there is one."""
    for read in (marked_name, spaced_name, closed_name if sure else open_name, foreign_run):
        if (end := read(text, start)) is not None:
            return end
    return None


def _latin(text: str, start: int) -> int | None:
    match = re.compile(LATIN).match(text, start)
    return match.end() if match and len(match[0]) > 1 else None


def find_labelled(text: str) -> Iterator[PhiSpan]:
    """Behind 姓名: anything that can be a name; behind 家属:, 术者:, 签名: what looks like one."""
    for match in LABEL_NAMED.finditer(text):
        start = match.end()
        colon = match[0].rstrip()[-1:] in ":|="
        end = _latin(text, start) or _at(text, start, sure=colon) or (open_name(text, start) if colon else None)
        if end is not None:
            yield _span(start, end, 0.97 if colon else 0.8)
    for match in LABEL_PERSON.finditer(text):
        yield from _listed(text, match.end())


def _listed(text: str, start: int) -> Iterator[PhiSpan]:
    """One or several names behind a label, of which each may be a surname alone."""
    for _ in range(20):
        end = _person(text, start)
        if end is None:
            return
        yield _span(start, end, 0.92)
        following = TITLE.match(text, end)
        item = _ITEM.match(text, following.end() if following else end)
        if item is None:
            return
        start = item.end()


def _person(text: str, start: int) -> int | None:
    lexicon = chinese()
    end = _latin(text, start)
    if end is not None:
        return end if re.match(r"[A-Z][a-z]|[A-Z]+ [A-Z]", text[start:end]) and not _clinical_latin(text[start:end]) else None
    surname = surname_length(text, start)
    if surname and (ends_here(text, start + surname) or TITLE.match(text, start + surname)):
        return start + surname
    end = _at(text, start, sure=True) or open_name(text, start)
    if end is None or text[start:end] in lexicon.words and len(text[start:end]) > 2:
        return None
    word = re.sub(r"\s", "", text[start:end])
    if word in lexicon.words and not re.match(r"\s?\(|\s|$", text[end : end + 2]):
        return None
    if not surname and word not in lexicon.other_names and word not in lexicon.nicknames and not all(c in lexicon.foreign or c in lexicon.given for c in word):
        return None
    if not surname and (word in lexicon.words or len(word) < 2):
        return None
    return None if stop(word) else end


def _clinical_latin(word: str) -> bool:
    return word.isupper() and len(word) < 6 and " " not in word


def find_roles(text: str) -> Iterator[PhiSpan]:
    """Right behind 患者, 其父, 护士, 委托: a name by surname, or one of another people."""
    for match in LABEL_ROLE.finditer(text):
        start = match.end()
        if TITLE.match(text, start) or chinese().starts_word(text, start):
            continue
        end = marked_name(text, start) or spaced_name(text, start) or open_name(text, start) or foreign_run(text, start)
        if end is None and (text[start : start + 2] in chinese().nicknames or _doubled(text, start)) and not LABEL_ROLE.match(text, start):
            end = start + 2
        if end is not None and not stop(text[start:end]) and not _is_role(text, start):
            yield _span(start, end, 0.8)
    for match in re.finditer(rf"(?:{_KIN}|{_ROLE}|[Ww]ife|[Hh]usband|[Mm]other|[Ff]ather|[Ss]on|[Dd]aughter|[Rr]oom-?mate)[ \t]{{0,2}}(?P<v>[A-Z][a-z]{{1,15}}(?: [A-Z][a-z]{{1,15}}){{0,2}})(?![A-Za-z\d-])", text):
        yield _span(match.start("v"), match.end("v"), 0.7)


def _doubled(text: str, start: int) -> bool:
    pair = text[start : start + 2]
    return len(pair) == 2 and pair[0] == pair[1] and pair[0] in chinese().given and not LABEL_ROLE.match(text, start - 0)


def _is_role(text: str, start: int) -> bool:
    match = LABEL_ROLE.match(text, start)
    return match is not None and len(match[0]) > 1


_SEX = re.compile(r"(?P<gap>[ \t]{0,4}[,、(|/;][ \t|]{0,4}|[ \t]{1,6})(?:性别[:]?[ \t]{0,3})?(?:[男女](?=[,、 \t)\d|/;。]|$|性[,、 )])|[MF][ /,](?=\d)|\d{1,3}[岁歲])", re.M)
_RUN_BEFORE = re.compile(rf"(?P<v>{HAN}{{1,9}}(?:{DOT}{HAN}{{1,10}}){{1,3}}|{HAN}(?:[ \t]{{1,4}}{HAN}){{2,3}}|{HAN}{{1,2}}[ \t\r\n]{{1,6}}{HAN}{{1,2}}|{HAN}{{1,10}}|{HAN}{{1,2}}[×xX*]{{1,3}})$")
_ROLE_HEAD = re.compile(rf"^(?:{_ROLE}|{_KIN}|示教|现有|兹有|今有|收治|请会诊)+")


def find_described(text: str) -> Iterator[PhiSpan]:
    """A name before sex or age: 明白,女 / 徐长卿 男 52岁 / 李奶奶(98岁 is left to titles)."""
    lexicon = chinese()
    for match in _SEX.finditer(text):
        before = _RUN_BEFORE.search(text, max(0, match.start() - 24), match.start())
        if before is None:
            continue
        run, start = before["v"], before.start("v")
        role = _ROLE_HEAD.match(run)
        if role:
            run, start = run[role.end() :], start + role.end()
        compact = re.sub(r"\s", "", run)
        if not compact or stop(compact) or TITLE.fullmatch(compact):
            continue
        if re.search(DOT, compact) or MASK and re.search(rf"{MASK}$", compact):
            yield _span(start, match.start(), 0.9)
            continue
        surname = surname_length(compact, 0)
        sole = start == 0 or not re.match(HAN, text[start - 1]) or role is not None
        age_only = match[0].strip()[-1:] in "岁歲"
        if age_only and not role:
            continue
        short = len(compact) - surname in ((1, 2) if len(compact) > 1 else (0,))
        if sole and surname and short and (role or not lexicon.plain(compact) or "\n" not in text[:start][-1:] + " " or _line_head(text, start)):
            if not (compact in lexicon.words and not role and not _line_head(text, start)):
                yield _span(start, start + len(run), 0.85 if role else 0.7)
        elif sole and 2 <= len(compact) <= 8 and (role or _line_head(text, start)) and (all(c in lexicon.foreign for c in compact) or compact in lexicon.other_names):
            yield _span(start, start + len(run), 0.75)
        elif sole and surname == 1 and len(compact) == 1 and _line_head(text, start):
            yield _span(start, start + 1, 0.7)


def _line_head(text: str, start: int) -> bool:
    return not text[text.rfind("\n", 0, start) + 1 : start].strip(" \t|#*1234567890.、床加")


def find_titled(text: str) -> Iterator[PhiSpan]:
    """Before a title: 张 in 张先生, 何晓光 in 何晓光主任, 万俟 in 万俟师傅."""
    lexicon = chinese()
    for match in TITLE.finditer(text):
        at = match.start()
        while at > 0 and text[at - 1] in " \t" and match.start() - at < 2:
            at -= 1
        best: int | None = None
        for length in (4, 3, 2, 1):
            start = at - length
            if start < 0 or not re.fullmatch(rf"{HAN}{{{length}}}", text[start:at]):
                continue
            surname = surname_length(text, start)
            given = text[start + surname : at]
            if not surname or len(given) > 2 or (length == 2 and surname == 1 and len(given) != 1):
                continue
            if not all(c in lexicon.given for c in given) or (given and text[start:at] in lexicon.words):
                continue
            if not _BEFORE_NAME.search(text[max(0, start - 1) : start]):
                continue
            if length == 1 and not _surname_stands(text, start, match[0]):
                continue
            if length > 1 and (TITLE.search(text[start:at]) or text[start : start + 2] in lexicon.words or re.search(r"[主经副]", text[start:at]) and surname != 2):
                continue
            if length > 1 and ambiguous(text[start]) and surname == 1 and match[0] in _GENERIC_TITLE:
                continue
            best = start
            break
        if best is not None:
            yield _span(best, at, 0.85)


def _surname_stands(text: str, start: int, title: str) -> bool:
    """Whether a lone surname before a title is one: not 向医生, 住院医师's 院, 高主任's 最高."""
    character, before = text[start], text[start - 1 : start] if start else ""
    if ambiguous(character) and title in _GENERIC_TITLE:
        return bool(re.match(r"[^\u4e00-\u9fff]|[刀老小]|$", before)) and character not in "于向从由来和应经有都要同当对会能如并可则及与为被让使给在是没过到去上下前内外中大小多少"
    lexicon = chinese()
    return not any(text[start - n + 1 : start + 1] in lexicon.words for n in range(2, 5) if start - n + 1 >= 0)


def find_addressed(text: str) -> Iterator[PhiSpan]:
    """老张, 小李, 姓晏, 单名一个时: a surname by how people speak of others."""
    lexicon = chinese()
    for match in _OLD_YOUNG.finditer(text):
        start = match.end()
        surname = surname_length(text, start)
        end = start + surname
        if not surname or not _AFTER_OLD.match(text, end) or text[match.start() : end] in lexicon.words | _NOT_OLD:
            continue
        before = text[max(0, match.start() - 1) : match.start()]
        if re.match(HAN, before) and text[match.start() - 1 : match.start() + 1] in lexicon.words:
            continue
        if match[0] == "阿" and not re.match(r"[^\u4e00-\u9fff]|$", before):
            continue
        yield _span(start, end, 0.7)
    for match in _SURNAMED.finditer(text):
        surname = surname_length(text, match.end())
        if surname and (ends_here(text, match.end() + surname) or text.startswith("的", match.end() + surname)):
            yield _span(match.end(), match.end() + surname, 0.9)
    for match in _SINGLE_NAME.finditer(text):
        yield _span(match.start("v"), match.end("v"), 0.9)


_NOT_OLD = frozenset(("小时", "小于", "小米", "小麦", "小满", "小白", "小包", "小单", "小安", "小便", "小常", "小年", "老年", "老师", "老公", "老家", "老板", "老班", "老乡", "小项", "小管", "小应", "小计", "小结", "小方", "小水", "小车", "小关", "小叶", "小高", "小平", "老化", "小能", "小支", "阿胶", "阿是", "老友", "小丛", "小束", "小牛", "小花", "老干", "小汗", "小米粥", "小青", "老宁", "小柴", "小金", "小蓟", "小茴", "小伍", "小木", "小银", "老姜", "小通", "小段", "小池", "小班"))


def find_marked(text: str) -> Iterator[PhiSpan]:
    """张某, 李××, and names with a dot, unless an eponym goes on behind."""
    for match in _MASKED.finditer(text):
        for start in range(match.start(), match.end() - 1):
            length = surname_length(text, start)
            if length and re.fullmatch(MASK, text[start + length : match.end()]):
                yield _span(start, match.end(), 0.9)
                break
    for match in _DOTTED.finditer(text):
        if not _EPONYM.match(text, match.end()):
            role = _ROLE_HEAD.match(match[0])
            yield _span(match.start() + (role.end() if role else 0), match.end(), 0.85)


_WHOLE_LINE = re.compile(rf"(?m)^[ \t|]{{0,20}}(?P<v>{HAN}{{2,4}}|{HAN}(?: {{1,3}}{HAN}){{1,3}})[ \t]{{0,6}}(?:(?:19|20)\d\d[年./-][\d年月日./-]{{3,8}})?[ \t\r]{{0,6}}$")
_ON_BED = re.compile(rf"(?m)(?:^|[;。 ])[ \t|]{{0,4}}(?:(?:加)?\d{{1,3}}[床号]?|\d{{1,2}}-\d{{1,2}}床?|加\d{{1,2}}|[ABCDEFG]\d{{1,2}})[ \t]{{1,4}}(?P<v>{HAN}{{2,4}})(?=[ \t,(]|$)")
_CELL = re.compile(rf"\|[ \t]{{0,3}}(?P<v>{HAN}{{2,4}})[ \t]{{0,3}}(?=\|)")


def find_listed(text: str) -> Iterator[PhiSpan]:
    """A name alone on its line, behind the number of a bed, or in a cell of a table."""
    lexicon = chinese()
    for pattern, score in ((_ON_BED, 0.7), (_WHOLE_LINE, 0.5), (_CELL, 0.5)):
        for match in pattern.finditer(text):
            start, word = match.start("v"), re.sub(r"\s", "", match["v"])
            surname = surname_length(word, 0)
            given = word[surname:]
            fine = surname and given and len(given) <= 2 and all(c in lexicon.given for c in given)
            titled = TITLE.search(word, surname or 1)
            if fine and not (titled or stop(word) or lexicon.starts_word(word, 0)):
                yield _span(start, match.end("v"), score)


_SYLLABLE = r"(?:[zcs]h?|[bpmfdtnlgkhjqxrywv])?(?:iang|iong|uang|ang|eng|ing|ong|ian|iao|uan|uai|an|en|in|un|ai|ei|ao|ou|ia|ie|iu|ua|uo|ui|ue|ve|er|a|o|e|i|u|v)"
_PINYIN = re.compile(rf"(?:{_SYLLABLE}){{1,3}}", re.I)
_PAIR = re.compile(r"(?<![A-Za-z\d@./_-])(?P<a>[A-Z][a-z]{1,8}|[A-Z]{2,8}),? {1,2}(?P<b>[A-Z][a-z]{1,14}|[A-Z]{2,14}|[A-Z][a-z]{1,6}[- ][A-Z]?[a-z]{1,6})(?![A-Za-z\d@_-])")
_PINYIN_SURNAMES = frozenset(
    "zhang wang li liu chen yang huang zhao wu zhou xu sun ma zhu hu guo he lin gao luo zheng liang xie song tang deng han feng cao peng zeng xiao tian dong pan yuan cai jiang yu du ye cheng wei su lv lu ding ren yao shen zhong cui tan fan wang liao shi jin jia xia fu fang zou xiong bai meng qin qiu hou yin xue yan duan lei long tao mao hao gu gong shao wan qian dai mo kong xiang chang kang yi qiao lai wen niu ge xing an qi zhuang yi lan lu ouyang sima shangguan zhuge situ huangfu murong dongfang chan cheung wong lee lam leung ng kwok yip tsang chow ho lau tse".split()
)


def find_pinyin(text: str) -> Iterator[PhiSpan]:
    """Romanised names: surname and given name in pinyin, or in brackets behind the Chinese one."""
    for match in _PAIR.finditer(text):
        a, b = match["a"].lower(), re.sub(r"[- ]", "", match["b"].lower())
        for first, second in ((a, b), (b, a)):
            if first in _PINYIN_SURNAMES and _PINYIN.fullmatch(second):
                yield _span(*match.span(), 0.8)
                break
    for match in re.finditer(rf"(?<={HAN}) ?\((?P<v>[A-Z][A-Za-z]{{1,14}}(?:,? [A-Z][A-Za-z]{{1,14}}){{1,3}})\)", text):
        yield _span(match.start("v"), match.end("v"), 0.6)
    for match in re.finditer(rf"(?P<v>{HAN}{{1,2}}) (?:MD|Dr)(?![A-Za-z])", text):
        if surname_length(text, match.start()):
            yield _span(match.start("v"), match.end("v"), 0.8)


def echoes(text: str, found: Sequence[PhiSpan]) -> Iterator[PhiSpan]:
    """The other mentions of names that were found, and of given names of two characters.

    A name that is a word too (马上, 任何) is not looked for again: only context tells which it is.
    """
    lexicon = chinese()
    wanted: dict[str, None] = {}
    for span in found:
        name = re.sub(r"\s", "", text[span.start : span.end])
        if span.category != "NAME" or len(name) < 2 or not re.fullmatch(rf"(?:{HAN}|{DOT}){{2,24}}", name):
            continue
        if not lexicon.plain(name):
            wanted[name] = None
        given = name[surname_length(name, 0) :]
        if len(given) == 2 and len(name) > 2 and not lexicon.plain(given) and not re.search(DOT, name):
            wanted[given] = None
        wanted.update({part: None for part in re.split(DOT, name) if len(part) > 2})
    for name in wanted:
        at = text.find(name)
        while at >= 0:
            if not any(s.start <= at < s.end for s in found):
                yield PhiSpan(at, at + len(name), "NAME", 0.6, "echo")
            at = text.find(name, at + 1)
