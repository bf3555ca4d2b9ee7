"""Named institutions by head word: hospitals, schools, homes, firms, offices.

A head word alone (医院, 学校) and what only says whose or which kind (我院, 上级医院, 康复医院) names
nobody. Makers of drugs and devices are no identifier of a patient.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.lexicon import read_words
from llmsafe.scrub.detect.zh.lexicon import chinese
from llmsafe.scrub.detect.zh.reading import HAN

_HOSPITAL = r"(?:(?:医科大|医大|大|医)学?(?:附属?)?[一二三四五六]附?院|医附院|附[属屬](?:第[一二三四五六七八九十])?医院|[医醫]院|卫生院|衛生所|卫生所|卫生室|(?:普通科|专科|联合)门诊(?:诊所)?|卫生服务(?:中心|站)|诊所(?![得见示])|診所|医务所|诊疗所|健康中心|门诊部|妇幼保健院|妇保院|保健院|妇幼(?:医院)?|防治[院所站]|疗养院|療養院|康复院|健康院|[复復]康院|疾控中心|疾病预防控制中心|急救中心|血站|体检中心|体检站|结防所|血防站|职防院|司法鉴定[所中]心?|福利院|\d{3}医院|精神卫生中心|眼科中心|影像中心|(?:预防)?接种门诊|医疗美容|医美(?:中心)?(?=[的,。;做打])|植发|卫生服务站|医[务療疗]室|保健[站所]|卫生站|[国國][医醫][堂馆館]|中[医醫][堂馆館]|口腔[门門][诊診]|(?:血液|腹膜)?透析中心|血透中心|洗[肾腎]中心|醫學中心|医学中心|(?:日间)?医疗中心|(?<!中)西医(?![院师结药诊治学])|医[疗療]集[团團]|健康管理中心|康复中心|医学检验所|检验中心|(?:日[间間])?照[顾顧护護料]中心|诊疗中心|[专專]科中心|心理咨询中心|血液中心|(?:居家)?[护護]理[所站]|[护護]理之家|月子会所|戒毒所|急救站)(?:[总總分]?院(?:区)?|[东西南北新老本]院区?|(?:[\u4e00-\u9fff]{2,3})?(?:分院|院区))?"
_HOME = r"(?:养老院|養老院|敬老院|护理院|護理之家|养护院|护养院|安养院|安養(?:中心|院)|(?:养老|老年|康养)公寓|養老公寓|长照之家|長照之家|养老(?:服务)?中心|福利院|长照中心|長照中心|日照中心|康养中心|托老所|月子中心|孤儿院)"
_SCHOOL = rf"(?:大学|大學|学院|學院|中学|中學|小学|小學|国中|國中|国小(?!{HAN}(?:[,。;)\s]|$))|國小|高中(?![毕文学一二三生])|幼儿园|幼稚園|幼兒園|学校|學校|职高|技校|中专|党校|职校|附[中小]|[一二三四五六七八九十]{{1,2}}[中小](?![口碗杯勺包片段块时午旬节年月心度叶脑肠腿型剂剪学]))"
_WORK = r"(?:有限公司|水电行|地产代理|便利商店|便利店|酒楼|酒家|茶餐厅|餐厅|饭馆|农贸市场|批发市场|批发(?:部|行|商行)?(?=[,。;)、 ]|任|上班|工作|职工|退休|$)|(?:海产|海味|药材|粮油|珠宝|电器|家具|茶|米|药|粮)行|菜市场|市场(?!监)|建材行|五金行|车行|修理厂|理发店|美发店|书店|服装店|花店|面馆|网吧|幼稚园|分公司|公司|集团|集團|工厂|[纺织机电化工造纸轴承铸钢铁水泥玻璃陶瓷服装鞋电子机械食品印染毛巾面粉]厂|[石铁煤萤铜金锰盐][矿]|[煤矿]矿|矿业|矿山|纸业|重工|物流园|物流|快递站点?|快递|派出所|公安局|法院|检察院|研究所|研究院|设计院|支行|酒店|饭店|宾馆(?:[\u4e00-\u9fff]{2}店)?|超市|商场|商行|农场|林场|牧场|茶场|合作社|事务所|养殖场|车队|报社|电视台|[国地]?税务(?:分)?局|财政局|教育局|民政局|[\u4e00-\u9fff]{1,4}[分支]?局(?=[,。;)、 ]|上班|工作|职工|退休|$)|监狱|看守所|消防(?:大队|中队|支队|站|队)|(?:刑警|特警|治安|巡警|交警)(?:大队|支队|队)|救助站|(?:计生|计划生育|便民|农技|畜牧|兽医|水利|文化)服务[站中]心?|管理局|矫正中心|援助中心|(?:监督)?管理所|社区(?![医卫获居老护康管])|街道(?=[,。;)、 ]|居|社|辅|接)|药房|药店|药局|机务段|电务段|工务段|车务段|交警(?:大队|支队)|街道办(?:事处)?|居委会|村委会|经营部|加工厂|工作室|基金会|教堂|清真寺|钢厂|电厂|机床厂|厂|[邮郵]电?[局所]|[供变]电[所局站]|供水[站厂]|水务局|林业[局站]|气象[站局]|农[机技]站|兽医站|粮[站库]|工商所|税务所|司法所|国土所|房管所|收费站|党支部|党总支|俱乐部|救援[站队]|配送站|(?:牙科|义齿|石材|食品)加工中心|机耕队|(?<=富)力矿|变电站|水电站|铁路局|航空(?:公司)?(?![病性救心])|影视城|(?:集装箱)?码头|[家高][商工](?=[,。;)退教学學老那])|[师師][院专專](?=[,。;)学學老教])|慈[济濟](?=[,。;)转轉醫医就住])|燃气(?=[,。;)]|公司)|加油站|养路段|储蓄所|信用社|供销社|[银銀]行(?!卡)|分理处|[证證]券|人武部|武装部|产业园|工业园|科技园|软件园|批发部|门市部|营业部|服务部|修理部|维修部|项目部|包子铺|杂货铺|早餐店|早点铺|小吃店|烧烤店|快餐店|火锅店|眼镜店|五金店|家具店|建材市场|建材城|家居城|影城|商城|电机行|[电電][机機]行|[货貨][运運][行部站]?|[运運][输輸](?:公司|队)|工程队|工程公司|施工队|建筑队|剧团|歌舞团|杂志社|出版社|旅行社|美容院|健身房|洗车行|驿站|招待所|旅馆|民宿|驾校|培训学校|早教中心|九年一贯制学校|砖瓦?厂|酒厂|制药厂|屠宰场|渔场|[村居]民委员会|[镇乡区县市]人民政府|[镇乡区市]公所|[镇乡]政府|公安分局|交通局|水利局|农业局|烟草局|环卫[所处]|园林[所处]|[客货]运总?站|汽车总站|管理员室|管理处|汽车站|港务局|粮管所|电影院|文化馆|图书馆|博物馆|少年宫|殡仪馆|陵园|果园|苗圃|盐场|物业|家政|区公所|户政事务所|[农漁渔]会(?![议诊])|企业社|工程行|补习班|安亲班|安老院|护老院|[职产]业工会|福音堂|佛堂|早点店|米粉店|粉店|[小羊牛]肉馆|网店|汽修(?:厂|店)?|服装城|灯饰城|早教|托班|托育(?:园|中心)?|义齿(?:厂|加工|技工)|小卖部|装饰公司|养猪场|养鸡场|菜市|批发城|幼教中心|托管班|特殊教育学校|中心校|教学点|私塾|[贸貿]易行|律[师師]行|[会會][计計][师師][楼樓]|琴行|米[铺舖]|粮[油]?店|裁缝[铺店]|面包店|蛋糕店|奶茶店|咖啡[馆厅]|茶[楼庄]|布行|鞋[店业厂]|金店|影楼|水果店|烟酒店|推拿馆|养生馆|足浴店|培训班|棋牌室|瑜伽馆|舞蹈室|打印店|宠物店|石材厂|制衣厂|[针針][织織]厂|齿科|画室)"
_HEADS = (("hospital", _HOSPITAL), ("home", _HOME), ("school", _SCHOOL), ("work", _WORK))
_PATTERN = re.compile(
    rf"(?<![\u4e00-\u9fff])(?P<run>(?:{HAN}|[A-Za-z\d·])(?:{HAN}|[A-Za-z\d·]){{0,34}})"
)
_HEAD = re.compile("|".join(f"(?P<{name}>{heads})" for name, heads in _HEADS))

# A preposition that is a part of these ends no name: 求是, 和谐, 丰原.
_NAMES = re.compile(
    "求是|自流井|自贡|和[谐平睦顺美泰善兴畅煦]|[仁太泰安祥协永康广宏兴共保嘉义颐天中平民顺万致正益春雍][和]|先[锋进导科]|现代|时代|为民|"
    "(?:^|(?<=[在于到去往至自区县市镇乡省州]))[^我你他她爸妈父母夫妻子女儿哥姐弟妹,。:;、(]和|和[德佳润众信济源盛丰庆昌仁]|"
    "[丰平高太中草开三清]原|原野|同[仁济心德和]|自[强立力由]|[永经]?经[纬典济贸纪营]|被服|再[生兴]|联系|到达|天后"
)
# What ends on the left of a name: prepositions, verbs, roles.
_CUT = re.compile(
    r".*(?:(?<=[^在于去到至从自赴往])[及与和是为]|^[为為](?=[\u4e00-\u9fff]{3})|^[与和](?!县|平|谐|睦|顺)|^(?:报(?![国恩])|凭(?!祥)|原(?!州|平|阳))(?=.{3})|(?<=.)(?:向(?![阳红荣群东上])|凭(?!祥))|希望(?=医院|医疗)|还差.{0,4}瓶|上报|预交|证明交|[生夫]接|[在于於由到至去往赴自从從被经經因系的了曾已即再先后後予请請送抵约]|给(?!水|排水)|^交(?![通大])|^持(?=.{3})|转[入回往诊至来]?|轉[入至來]?|来自|來自|就[诊診]于?|就[读讀职職]于?|毕业于|任职于?|供职|住[在于]?(?!建)|入住|介绍|介紹|定点机构|机构|单位|單位|學校|学校:|外院|当地|我们|患者|病人|退休|原[为系]?|前往|送往|联系|聯絡|建议|推荐|回当地|入院前|[怕愿想敢肯]来|急诊|门诊|主治|救护车|接[收到]|返|又(?!一[村居])|就近|一[家所座间]|或者?|以及|应当|[今昨明次当][日天晨早晚]|[上下]午|归|递|挂(?!靠)|是(?!求)|过(?!路)|[先刚早]找?[了从]|不回|[开跑]|就有|催|来(?!宾|安|凤)|寄(?!宿)|遵(?!义|化)|改接|上次|[电通]告|感[谢謝]|参加|參加|[喝吃]|找|写(?!字)|就(?![医读业职])|回(?!民|族|龙|春)|离开|现|家属|称|说|诉|辗转|抵达|反映|同意|委托单位|地点|厂家|院址|我校|就读|收治|已报|通知|送检|位于|附近|就诊医院|置管医院|选定医院|申请方|受邀方|转诊单位|单位名称|考[上入]|读|上(?!海|饶|蔡|杭|栗|林|犹|思|虞|高|.{1,2}[镇乡村县市区街路])|及其|[,.:;、])",
    re.S,
)
_GENERIC_FULL = re.compile(
    r"(?:[我本贵該该外他某此各每两兩原同一二三三]{1,2}|当地|當地|上级|上級|下级|下級|基层|基層|其他|其它|多家|某些?|定点|定點|附近|就近|社区|社區|私立|公立|民[营營]|[综綜]合|康复|康復|专科|專科|中医|中醫|大|小|县级|县|縣|乡|鄉|镇|村|市|省|区|省级|市级|三甲|三级|二级|三级甲等|教学|肿瘤|精神|精神病|传染病|妇产|儿童|口腔|眼科|骨科|牙科|宠物|整形|美容|转[诊入出]|接[诊收]|试验|协作|分中心|县区级|地方|卫生|部队|军队|护理|临终关怀|出生|会诊|分娩|户籍|邀请|对口|帮扶|托管|联盟|起付线按|要办大?|详细|开户|合作|网上|手机|两家|老家|老年|结核病定点|结核|外地|外省|省外|国外|村里|镇上|县里|市里|省里|民|医学|职业|初级|高级|中等|高等|普通|特殊|寄宿|住宿|私人|个体|街道|乡镇|辖区|派出|生产|制药|厂家|保险|物业|门诊|住院|中心|置管|就诊|投保|下榻|选定|哪家|快递|外卖|网约车|出租|建筑|装修|家政|商业|国有|国营|合资|外资|民营|互联网|科技|上市|供货|器械|劳务|人寿|财产|某某|XX|人民|全科|心理|线下|線下|楼下|隔壁|门口|村口|街边|路边|路口|对面|楼上|小区|单位|公司|工厂|自家|哪个|什么|任何|所有|有关|相关|各级|各类|同一|同级|农业|工商|建设|交通|招商|邮政|邮政储蓄|储蓄|医务|手术|检查|检验|影像|放射|超声|药学|血液|透析|地段|[要催]?[上来去]大|(?:国庆|中秋|春|元旦|重阳|端午|清明|劳动)节?|放假|过年)*"
)
_MAKER = re.compile(
    r"药|藥|制剂|生物|医疗器械|器械|试剂|诊断|厂家|美敦力|强生|雅培|波士顿|西门子|飞利浦|罗氏|辉瑞|拜耳|默沙东|诺华|赛诺菲|阿斯利康|保险(?!经纪|代理|公估)"
)
_AFTER = re.compile(r"(?:生产|产品|出品|制造|批号|提供的?试剂|获得性|内?感染|压疮)")
_SHORT = re.compile(
    r"(?<![\u4e00-\u9fff])(?P<v>[\u4e00-\u9fff]{2,4}[一二三四五六七八九十][院中])(?![\u4e00-\u9fff号])|(?:(?<![\u4e00-\u9fff])|(?<=[在到去从转往至回送由住]))(?P<w>(?:[省市县区])(?:疾控(?!中心)|[一二三四五六七八九十](?:院|医(?![生师务]))|(?:人民|儿保|妇幼|中医|肿瘤|肿|中)(?=[就住转入行查诊看做挂拍开了验组,。;、)]|I)))|(?P<t>(?<=[在到去从转往至回送])(?![各当外本左右患急门全双上下])[\u4e00-\u9fff]{2}(?:人民|妇产|口腔|妇儿|心脑)(?=[就住转入行查诊看做挂拍开了取过,。;、)]|$))|(?P<u>(?:北医三院|北大一院|湘雅[一二三附]{0,2}院?|协和|同济|华西|瑞金|齐鲁)(?:医院)?)(?=[就住转入行查诊,。)]|$)"
)
_ENGLISH = re.compile(
    r"(?:[A-Z][A-Za-z&'-]{1,20} ){1,4}(?:Hospital|Clinic|Medical Center|University|School|College|Inc\.?|Ltd\.?|Company|Games|Technology|Corp\.?|Nursing Home)(?![A-Za-z])"
)


def find_institutions(text: str) -> Iterator[PhiSpan]:
    """Institutions that are named, from their name to their head word."""
    for run in _PATTERN.finditer(text):
        begin = run.start()
        for head in _HEAD.finditer(text, run.start(), run.end()):
            start = _name_start(text, max(begin, head.start() - 18), head.start())
            kind, end = head.lastgroup or "work", head.end()
            if _HEAD.match(text, end, run.end()) or (
                kind == "school"
                and head[0][-1] in "中小"
                and head.start() - start < 2
                and text[start : head.start()] not in tuple("省市县区")
            ):
                continue
            name = text[start : head.start()]
            begin = end
            if not _named(name, kind, head[0]) or _AFTER.match(text, end):
                continue
            yield PhiSpan(start, end, "ORGANIZATION", 0.82 if kind == "work" else 0.88)
    yield from _employers(text)
    for pattern in (_SHORT, _ENGLISH):
        for match in pattern.finditer(text):
            yield PhiSpan(*match.span(), "ORGANIZATION", 0.6)


# Where an employer or a school stands, whatever its name ends in.
_EMPLOYER = re.compile(
    rf"(?:(?:工作|所在|就职|任职)?单位(?:名称)?|就职|任职|供职|受雇|效力|公司|雇主|学校|就读)[ \t]?(?:于|:)[ \t]?(?P<v>{HAN}{{3,16}})(?=[,。;)\s]|$)"
    rf"|(?:(?<=[在于系为])|(?<=[系是]于))(?P<w>{HAN}{{3,16}}?)(?=上[白夜早中晚]?班|(?:的?(?:员工|职工|雇员|职员))|工作[,。;])"
    rf"|(?:假[条单]|证明)(?:\(|,)?[交寄给致]?(?P<u>{HAN}{{4,16}})(?=\))"
)
_NOBODY = re.compile(
    r"无|未|不|退休|离休|待业|失业|自由|个体|务农|农民|在家|学生|家庭|同上|其他|[我本该外某]|[一二三四两夜白早中晚]|.*(?:工作|地区|工地|外地|老家|行业|岗位|车间|门口|时候|退休|下岗|环境|单位)$"
)


_AT_WORK = re.compile(
    r"(?:[在于为从由给到系]|(?<!不)是|入职|进入?|加入|考[入进]|单位[:|]?|公司[:|]?|雇主[:|]?|退休前|原[为系在]?|[,。(:|、 ]|^)[ \t]?$"
)
_WORKS = re.compile(
    rf"(?:{HAN}{{0,8}}?)(?:上班|倒班|值班|夜班|工作|打工|务工|员工|职工|工人|工程师|程序员|技术员|质检|司机|骑手|快递员|网点|车间|分厂|工厂|基地|项目部|工地|厂区|宿舍|门店|退休|退养|内退|离职|就职|任职|实习|做|跑单|跑腿|送单|接单|跑车|开车|当|任|出差|送(?:外卖|货|快递|餐))"
)
_EMPLOYED = re.compile(
    r"(?:[单雇][位主][:|]?|入职|就职于?|任职于?|供职于?|受雇于|服务于|工作于|效力于|退休前[在于系]?)[ \t]?$"
)


@cache
def _firms() -> re.Pattern[str]:
    words = sorted(read_words("scrub_zh/firms.txt"), key=len, reverse=True)
    return re.compile("|".join(words))


# 中通快递|朝阳门网点, 东鹏陶瓷|三车间: the part of a firm that somebody works in.
_BRANCH = re.compile(
    rf"(?:(?![在于的做当任上打送出跑从]){HAN}){{1,6}}?(?:网点|门店|分店|营业部|站点|基地|车间|分厂|厂区)"
)
# A firm without a head word, by its trade: 大甲电子, 宝山钢铁退休, Works at 东鹏陶瓷三车间.
_TRADE = r"(?:电子|光电|水产|农机|饲料|灯饰|木器|石材|纸箱|玩具|服饰|医药|科技|钢铁|化工|机械|陶瓷|纺织|汽车|重工|实业|建设|置业|食品|半导体|精密|电器|电气|通信|软件|能源|石化|石油|水泥|玻璃|印刷|塑胶|五金|造船|航空|电力|矿业)"
_BY_TRADE = re.compile(
    rf"(?:(?<=[系在于为是])|(?<=[移员职民]工,)|(?<=[员工]:)|(?<=单位:))(?P<v>(?![从做搞]){HAN}{{2,6}}{_TRADE}(?:{_BRANCH.pattern})?)(?=退休|上班|职工|员工|工人|工程师|工作|做|当|任|线长|组长|质检|[,。;)]|$)"
)
_WORKS_AT = re.compile(
    rf"(?:[Ww]ork(?:s|ed|ing)?|[Ee]mployed) ?(?:at|for|in|by|@) ?(?P<v>{HAN}{{2,14}})(?!{HAN})"
)


def _known_firms(text: str) -> Iterator[PhiSpan]:
    """A firm of the list, where somebody works for it: 在宁德时代倒班, 单位:中建三局."""
    for match in _firms().finditer(text):
        before = text[max(0, match.start() - 8) : match.start()]
        works = _AT_WORK.search(before) and _WORKS.match(text, match.end())
        if works or _EMPLOYED.search(before):
            branch = _BRANCH.match(text, match.end())
            end = branch.end() if branch else match.end()
            yield PhiSpan(match.start(), end, "ORGANIZATION", 0.6)


def is_ware(text: str, start: int, end: int) -> bool:
    """Whether ``text[start:end]`` is a firm of the list, or one and a character more, and nobody
    works for it: 手机是华为的."""
    firm = _firms().match(text, start)
    if firm is None or end - firm.end() > 1:
        return False
    around = slice(max(0, start - 8), end + 24)
    return all(known.start + around.start != start for known in _known_firms(text[around]))


def _employers(text: str) -> Iterator[PhiSpan]:
    yield from _known_firms(text)
    for match in (*_BY_TRADE.finditer(text), *_WORKS_AT.finditer(text)):
        name = re.split(_TRADE, match["v"])[0]
        if name and name not in chinese().words and not _NOBODY.match(name):
            yield PhiSpan(*match.span("v"), "ORGANIZATION", 0.6)
    for match in _EMPLOYER.finditer(text):
        group = match.lastgroup or "v"
        if not _NOBODY.match(match[group]) and not generic(match[group]):
            yield PhiSpan(*match.span(group), "ORGANIZATION", 0.6)


def _name_start(text: str, start: int, head: int) -> int:
    """Where the name begins: behind the last word that cannot be part of it."""
    if head <= start:
        return start
    cut = _CUT.match(_NAMES.sub("##", text[start:head]))
    return start + cut.end() if cut else start


HEAD = re.compile(rf"(?:{'|'.join(heads for _, heads in _HEADS)})")


def generic(found: str) -> bool:
    """Whether ``found`` says only what kind of institution: 上级医院, 康复医院."""
    head = list(HEAD.finditer(found))
    name = found[: head[-1].start()] if head else found
    town = re.match("大同|三甲[镇乡]", name)
    return bool(head) and not town and bool(_GENERIC_FULL.fullmatch(name))


def whole(text: str, start: int, end: int) -> int:
    """Where an institution at ``start`` ends, if a head word that lies in it goes on behind
    ``end``."""
    heads = HEAD.finditer(text, start + 1, min(len(text), end + 8))
    return max([end, *(head.end() for head in heads if head.start() <= end)])


def _named(name: str, kind: str, head: str) -> bool:
    if (name and "附" in head) or re.search(r"[大医]学?(?:附属?)?[一二三四五六]", head):
        return bool(name)
    if len(name) < 2 and not (kind == "school" and len(name) + len(head) > 3):
        # 市二医院, 县教育局, 市一中; 县医院 and 镇卫生院 say too little.
        office = kind in ("work", "school") and head[-1] in "局所府中小"
        known = kind in ("hospital", "home") and head not in ("医院", "卫生院")
        return len(name) == 1 and name in "省市县区镇乡" and (known or office)
    if _GENERIC_FULL.fullmatch(name) and not re.fullmatch(
        r"[市县区省](?:中医|妇幼|儿童|人民|中心)|大同.*", name
    ):
        return False
    if kind == "work" and (_MAKER.search(name) or name in chinese().words):
        return False
    return bool(re.search(HAN, name))
