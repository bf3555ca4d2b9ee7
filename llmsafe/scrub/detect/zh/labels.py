"""Chinese numbers that only a label tells: 住院号, 医保卡号, 标本号, 微信号, 序列号.

A plain number is no identifier; what stands behind one of these words is.
"""

# ruff: noqa: E501 - a pattern is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh.ids import EXTENSION
from llmsafe.scrub.detect.zh.lexicon import split_words

_NO = r"(?:号码|編號|编号|號碼|卡号|卡號|证号|證號|[号號码碼]|ID|[Nn][Oo]\.?)"
# Label -> category. The first whose label ends nearest to the number wins by its score.
_LABELS: tuple[tuple[str, str, float], ...] = (
    (
        "RESIDENT_ID",
        rf"(?:居民|公民)?身[份分][证證](?:件|字)?{_NO}{{0,2}}|身份号码|[证證]件{_NO}|身份[证證]明{_NO}|护照{_NO}?|護照{_NO}?|通行[证證]{_NO}?|回[乡鄉][证證]{_NO}?|台胞[证證]{_NO}?|(?:军官|士兵|警官|文职|残疾军人|退役军人|军人)[证證]{_NO}?|(?:永久)?居留[证證]{_NO}?|居住[证證]{_NO}?|居留許可{_NO}?|[Pp]assport(?: ?[Nn]o\.?)?|ID card",
        0.97,
    ),
    (
        "MRN",
        rf"(?:病[历歷]|病案|住院|[门門][诊診]|就[诊診]|母子健康手册|透析|冰冻|急[诊診]|留[观觀]|登[记記]|诊疗|診療|挂号|掛號|体检|體檢)(?:卡|证|登[记記])?{_NO}{{1,2}}|(?:病人|患者|病患|就诊人){_NO}|就诊卡|病案|临时号|(?<![A-Za-z])(?:MRN|HN|PID|ID)(?=[ :#号])|(?<![A-Za-z])ID ?号|腕带{_NO}?",
        0.96,
    ),
    (
        "HEALTH_PLAN",
        rf"(?:医保|醫保|社保|社会保障|农合|新农合|合作医疗|参合|健保|醫療保險|医疗保险|商保|公费医疗|医疗证|低保|惠民保)(?:个人|电脑|卡|证|證|帐户|账户)?{_NO}{{1,2}}|健保卡|社保卡|医保[卡证]|参保证|(?<![A-Za-z])(?:[Ii]nsurance|[Pp]olicy|[Mm]ember)(?: ?(?:[Nn]o\.?|ID|#))?(?![A-Za-z])|(?:保单|保險單|保單|保险单|个人){_NO}|保[险險]合同{_NO}",
        0.96,
    ),
    (
        "ACCOUNT",
        rf"(?:银行|銀行|储蓄|信用|借记)卡{_NO}?|[账帐賬][户戶]?{_NO}|[账帐賬][户戶号號]|卡号|(?:农业|工商|建设|招商|中国|交通|邮政储蓄|邮储|浦发|中信|民生|兴业|平安)银行|(?:工|农|建|招|中|交)行(?:卡)?|支付宝(?:[账帐]号)?|汇入|转至",
        0.9,
    ),
    (
        "LICENSE",
        rf"(?:执业|執業|医师|醫師|护士|護士|药师|资格|从业|行医|技师)(?:医师)?(?:资格|执业)?(?:[证證][书書]?|[执執]照){_NO}{{0,2}}|(?:驾驶|駕駛)[证證执執]照?{_NO}?|[驾駕]照{_NO}?|操作[证證]{_NO}?|上岗[证證]{_NO}?|营业执照{_NO}?|许可证{_NO}?|健康证{_NO}?|统一社会信用代码",
        0.96,
    ),
    ("VEHICLE", rf"[车車]牌{_NO}?|[车車]架{_NO}|发动机{_NO}|VIN", 0.95),
    (
        "DEVICE",
        rf"序列[号號]?{_NO}?|机?序号|机号|(?<![A-Za-z])(?:S/?N|SN码|UDI|IMEI)(?![A-Za-z])|订货{_NO}|机身{_NO}|出厂{_NO}|设备{_NO}|仪器{_NO}|机器{_NO}|植入[物体]?{_NO}|起搏器{_NO}|(?:心[室房])?电极(?:导线)?{_NO}?|脉冲(?:发生)?器{_NO}?|(?:[泵仪机]|监护|呼吸机)#",
        0.95,
    ),
    (
        "BIOMETRIC",
        rf"(?:指[纹紋]|掌纹|声纹|虹膜|人脸|面部)(?:采集|特征|模板|识别|记录|档案|登记)?(?:{_NO}|比对上的,|已录入\(|已取\(|模板|:)|手印",
        0.95,
    ),
    (
        "OTHER_ID",
        rf"(?:标本|標本|样本|樣本|条码|條碼|条形码|检查|檢查|检验|检测|申请单?|報告|报告|片子?|影像|放射|X ?线|X光|CT|MRI?|DR|PET|超[声聲]|彩超|B超|心电图?|脑电图?|内镜|胃镜|肠镜|病理|切片|蜡块|处方|處方|发票|票据|收据|流水|订单|商户单|交易|快递单|运单|预约|預約|案|卷|保密|档案|檔案|建档|工|学籍|学|準考|准考|员工|职工|筛选|篩選|受试者|入组|随机|WES|基因|血袋|献血|血型|输血|医师代码|药师|护士|会员|房卡|登记表|采样管|管|转诊单|随访|家庭|户|股票|单|批次|回执|工单|投诉|报案|警|理赔|赔案){_NO}|编号|編號|税号|证明{_NO}|条码|样本|标本|单据|发票|收据|[Nn][Oo]\.|№|押金条|凭条|收费员|收款员|学生证|结婚证{_NO}?|出院证{_NO}?|犬证|药(?!码){_NO}|冰冻{_NO}|提取码|校验码|任务{_NO}|手册{_NO}|档案[号號]|医师代码|代码|編碼|编码|取件码|验证码|密码|口令|认定书{_NO}",
        0.8,
    ),
    (
        "OTHER_ID",
        r"微信(?:[号號]|ID| ID)?|(?<![A-Za-z])(?:WeChat|Weixin|LINE|QQ|飞书|钉钉|Skype|WhatsApp|Telegram)(?: ?(?:ID|[号號]码?))?(?![A-Z]|[a-z]{1,20}(?![a-z\d_]))|抖音[号號]|微博(?:[号號]|ID)?|工作[号號]|用户名|[账帐]号名|登录名",
        0.9,
    ),
)
_LINK = r"(?:[ \t]{0,3}(?:为|為|是|系|[:=#|(\[【\"'“]|[Nn][Oo]\.?|后[四六4-6]位)){0,3}[ \t]{0,4}"
# Letters and digits, in groups that dashes join or, for digits, spaces.
_VALUE = r"(?P<v>(?:[A-Z]{2,4} (?=\d{5}))?(?<![A-Za-z\d])(?=[A-Za-z_./*\-]{0,10}\d)[A-Za-z\d*][A-Za-z\d*_./-]{1,34}(?:(?:[ \t]{1,2}[\dXx*]{2,8}(?![\dA-Za-z.%/])){1,6}(?: \d(?=[,。;、\n)]|$))?|\(\d\))?)"
_CHAT_VALUE = r"(?P<v>@?[A-Za-z\d][A-Za-z\d_.-]{4,30})"
_PATTERNS = tuple(
    (
        category,
        score,
        re.compile(rf"(?:{label}){_LINK}{_CHAT_VALUE if '微信' in label else _VALUE}"),
    )
    for category, label, score in _LABELS
)
# The next in a list of electrodes or screws: PJN 2276513、PJN 2281904.
_SECOND = re.compile(r"[、,和及][ ]?(?P<v>[A-Z]{2,4} ?\d{5,9}[A-Z]?)(?![A-Za-z\d])")
NO_LABEL = re.compile(
    r"(?:(?:端口|版本|批|型|床|房|楼|门牌|房间|规格|产品|国药准|批准文|注册|试剂)[号號]?|药码|书编号)\Z"
)
_CALENDAR = re.compile(r"(?:19|20)\d\d(?:[-/.]\d{1,2}){0,2}")
# The number of a service in the catalogue of Taiwan's insurance: 代码32001C.
_SERVICE = re.compile(r"\d{5}[A-D]")
_MEASURE = re.compile(
    r"\d{1,4}(?:\.\d{1,3})?(?:[a-zA-Zμ]{1,4}(?:/[a-zA-Z\d]{1,4})?|[×x*/~-]\d{1,4}(?:\.\d)?[a-zA-Z]{0,3})?"
)
_AFTER = re.compile(r"\s?(?:元|岁|步|次/|℃|°|%|个|天|周|例|分(?!机|機)|床)")

_CALL = r"(?:电话|電話|手机|手機|[Tt][Ee][Ll]|[Pp]hone|[Mm]obile|[Cc]ell|联系方式|聯絡(?:方式)?|联络(?:方式)?|联系|家属电|家电|分机|分機|热线|熱線|专线|致电|来电|來電|回电|拨打|打(?=1)|座机|短号|内线|小号|宅电|寻呼|值班电|[请急]呼|呼叫|(?:下班后?|夜间|请|可)[转轉]|打)"
_LABEL_BEFORE = re.compile(
    rf"(?:{_CALL}|传真|傳真|[Ff][Aa][Xx])(?:号码|號碼|[号號])?(?:[ \t]{{0,3}}(?:为|是|改为|改成|换了|换成|换为|变更为|变为|更新为|已更新为|登记为|[:|(\[至到])){{0,2}}[ \t]{{0,3}}$"
)
_END = re.compile(r"[ \t]?(?:[。;,)\n]|$)")
_DIALLED = re.compile(
    rf"(?<![\dA-Za-z.+(])\(?\+?\d[\d ()-]{{1,20}}\d(?![\dA-Za-z]|[.]\d){EXTENSION}"
)
PUBLIC = frozenset(
    split_words(
        "110 112 113 114 119 120 122 165 999 1823 1922 1925 1966 1995 1999 10010 10086 12315 12320"
        " 12333 12345 12356 12369 12378 12393 95588"
    )
)
"""Numbers of the public: emergencies, citizens' and health lines, of the mainland and beyond."""

# An extension may be called like a line of the public elsewhere: 分机1925.
_OWN = re.compile(
    r"(?:分机|分機|内线|內線|短号|小号|座机|值班电?话?|办公电?话?|传真|[转轉])[^\d\n]{0,4}$"
)


def is_public(text: str, start: int, digits: str) -> bool:
    """Whether ``digits``, which begin at ``start``, are the number of a line of the public."""
    if digits not in PUBLIC:
        return False
    return len(digits) != 4 or _OWN.search(text, max(0, start - 10), start) is None


def find_labelled(text: str) -> Iterator[PhiSpan]:
    """What a label says is an identifier: at least three digits or a chat name."""
    for category, score, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            value, chat = match["v"].rstrip("./-_"), score == 0.9 and category == "OTHER_ID"
            digits = sum(map(str.isdigit, value))
            if NO_LABEL.search(text[max(0, match.start() - 3) : match.start()]):
                continue
            if _SERVICE.fullmatch(value) and re.search("[代编]码", match[0]):
                continue
            if not chat and (digits < (3 if score > 0.9 else 4) or _CALENDAR.fullmatch(value)):
                continue
            if chat and not (digits or "_" in value or "号" in match[0] or "ID" in match[0]):
                continue
            end = match.start("v") + len(value)
            if not (_MEASURE.fullmatch(value) and digits < 4) and not _AFTER.match(text, end):
                yield PhiSpan(match.start("v"), end, category, score)
                if category == "DEVICE" and (second := _SECOND.match(text, end)):
                    yield PhiSpan(*second.span("v"), category, score)


# Figures and numerals in one number: 电8558 一九零三.
_MIXED = re.compile(
    r"(?:电话?|手机|拨打?|致电)[ :是为]{0,3}(?P<v>\d{3,4}[ -]?[零〇一二三四五六七八九幺]{3,5})(?![零〇一二三四五六七八九十百])"
)


def find_called(text: str) -> Iterator[PhiSpan]:
    """A number behind a word for telephone or fax; public short numbers are none."""
    for match in _MIXED.finditer(text):
        yield PhiSpan(*match.span("v"), "PHONE", 0.8)
    for match in _DIALLED.finditer(text):
        before = _LABEL_BEFORE.search(text, max(0, match.start() - 24), match.start())
        digits = re.sub(r"\D", "", match[0])
        if before is None or len(digits) < 3 or len(digits) > 20:
            continue
        if is_public(text, match.start(), digits):
            continue
        if _AFTER.match(text, match.end()) or text.startswith(":", match.end()):
            continue
        if (
            len(digits) < 7
            and not re.search(r"电话|電話|[机機号號线線呼]|[TtPp][Ee]?[LlHh]|传真|打", before[0])
            and (len(digits) < 4 or not _END.match(text, match.end()))
        ):  # 联系65348。
            continue
        fax = re.search(r"(?i)传真|傳真|fax", before[0])
        yield PhiSpan(*match.span(), "FAX" if fax else "PHONE", 0.9)
