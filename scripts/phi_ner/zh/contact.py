"""How to reach somebody: telephones, mail, messengers and addresses of the network."""

from __future__ import annotations

from ..core import Context, Slots, words
from .numerals import number
from .people import pinyin_given
from .script import full_digits

SLOTS = Slots()
_MOBILE = words(
    "130 131 132 133 134 135 136 137 138 139 150 151 152 153 155 156 157 158 159 166 170 171 "
    "173 175 176 177 178 180 181 182 183 184 185 186 187 188 189 191 193 195 196 197 198 199"
)
_AREAS = words(
    "010 020 021 022 023 024 025 027 028 029 0311 0351 0371 0411 0431 0451 0471 0512 0531 "
    "0532 0551 0571 0574 0591 0592 0595 0731 0755 0757 0769 0771 0791 0816 0830 0851 0871 "
    "0891 0898 0931 0951 0971 0991 0312 0335 0376 0392 0415 0516 0536 0556 0577 0635 0712 "
    "0736 0775 0797 0852 0873 0915"
)
_MAILS = words(
    "qq.com 163.com 126.com sina.com sohu.com foxmail.com 139.com outlook.com vip.qq.com"
)
_ENDINGS = words("com cn com.cn net org org.cn gov.cn edu.cn com.hk com.tw")
_HOSTS = ("www.", "www.", "http://www.", "https://", "https://www.", "http://", "m.", "")
_LOWER = "abcdefghijklmnopqrstuvwxyz"
_MIXED = _LOWER + _LOWER.upper() + "0123456789"


@SLOTS.value("PHONE", "phone")
def phone(context: Context) -> str:
    """A mobile telephone; of Hong Kong or Taiwan in traditional notes."""
    rng, d = context.rng, context.digits
    if context.style == "traditional" and rng.random() < 0.8:
        a, b = f"{rng.choice('5679')}{d(3)}", d(4)
        forms = (f"{a} {b}", f"{a}{b}", f"{a}-{b}", f"09{d(2)}-{d(3)}-{d(3)}", f"09{d(8)}")
        return rng.choice((*forms, f"+852 {a} {b}", f"09{d(2)} {d(3)} {d(3)}"))
    a, b, c = rng.choice(_MOBILE), d(4), d(4)
    if rng.random() < 0.7:
        return number(context, f"{a}{b}{c}")
    forms = (
        f"{a} {b} {c}",
        f"{a} {b} {c}",
        f"{a}-{b}-{c}",
        f"{a}-{b}-{c}",
        f"+86 {a}{b}{c}",
        f"+86-{a}-{b}-{c}",
        f"86{a}{b}{c}",
        f"(+86){a}{b}{c}",
        f"{a}****{c}",
        f"{a}{b[0]} {b[1:]}{c[0]} {c[1:]}",
        f"{a}.{b}.{c}",
        f"{a}{b} {c}",
        f"{a} {b}{c}",
        full_digits(f"{a}{b}{c}"),
        full_digits(f"{a}－{b}－{c}"),
        " ".join(f"{a}{b}{c}"),
    )
    return rng.choice(forms)


@SLOTS.value("FAX", "fax")
@SLOTS.value("PHONE", "landline")
def landline(context: Context) -> str:
    """A telephone at a place, with or without the code of its area."""
    rng, d = context.rng, context.digits
    if context.style == "traditional" and rng.random() < 0.8:
        a, b = f"2{d(3)}", d(4)
        forms = (f"(02) {a}-{b}", f"02-{a}-{b}", f"0{rng.choice('34567')}-{d(3)}-{b}", f"{a} {b}")
        return rng.choice((*forms, f"(0{rng.choice('467')}){d(3)}{b}", f"+852 {a} {b}"))
    area = rng.choice(_AREAS)
    a = f"{rng.randrange(2, 9)}{d(3 if len(area) == 3 else rng.choice((2, 3)))}"
    b = d(4)
    forms = (
        f"{area}-{a}{b}",
        f"{area}-{a}{b}",
        f"{area}-{a}{b}",
        f"{area}{a}{b}",
        f"{a}{b}",
        f"{a}{b}",
        f"({area}){a}{b}",
        f"（{area}）{a}{b}",
        f"({area}) {a} {b}",
        f"{area} {a}{b}",
        f"{area}-{a}-{b}",
        f"{area}－{a}{b}",
        f"+86-{area[1:]}-{a}{b}",
        f"{a} {b}",
        f"{a}-{b}",
        f"{area}-{a}{b}-{d(3)}",
        full_digits(f"{area}－{a}{b}"),
        f"400-{d(3)}-{d(4)}",
    )
    return number(context, rng.choice(forms))


@SLOTS.value("PHONE", "ext")
def extension(context: Context) -> str:
    """A short number inside the house."""
    return number(context, context.digits(context.rng.choice((3, 4, 4, 4, 5, 6))))


def _handle(context: Context) -> str:
    rng = context.rng
    a = context.pick("pinyin_last").lower()
    b = pinyin_given(context).lower()
    year, day = str(rng.randrange(1950, 2015)), f"{rng.randrange(1, 13):02d}{rng.randrange(1, 29)}"
    forms = (
        f"{a}{b}",
        f"{a}{b}{year}",
        f"{b}_{a}",
        f"{a}.{b}",
        f"{a[0]}{b[0]}{year}",
        f"{a}{b[0]}{day}",
        f"{b}{rng.randrange(1, 999)}",
        f"{a}_{b}{day}",
        f"{a}{b}{context.digits(4)}",
    )
    return rng.choice(forms)


@SLOTS.value("EMAIL", "email")
def email(context: Context) -> str:
    """Address of a mailbox."""
    rng = context.rng
    user = context.digits(rng.choice((8, 9, 10))) if rng.random() < 0.2 else _handle(context)
    if rng.random() < 0.65:
        host = rng.choice(_MAILS)
    else:
        host = f"{context.some(_LOWER, rng.choice((3, 4, 5)))}{rng.choice(('yy', 'hosp', ''))}"
        host += f".{rng.choice(_ENDINGS)}"
    return f"{user}{rng.choice('@@@@@@@@@@@＠')}{host}"


@SLOTS.value("URL", "url")
def url(context: Context) -> str:
    """Address of a page."""
    rng = context.rng
    name = f"{_handle(context).partition('.')[0].replace('_', '')}"
    host = f"{rng.choice(_HOSTS)}{name}.{rng.choice(_ENDINGS)}"
    forms = (
        host,
        f"{host}/{rng.choice(('u', 'p', 'doc', 'report', 'user'))}/{context.digits(6)}",
        f"{host}/{context.some(_LOWER, 5)}?id={context.digits(6)}",
        f"https://mp.weixin.qq.com/s/{context.some(_MIXED, 12)}",
        f"http://t.cn/{context.some(_MIXED, 7)}",
        f"https://v.douyin.com/{context.some(_MIXED, 7)}/",
        f"https://weibo.com/u/{context.digits(10)}",
        f"http://pacs.{host.rpartition('/')[2]}/view/{context.digits(8)}",
    )
    return rng.choice(forms)


@SLOTS.value("IP", "ip")
def ip(context: Context) -> str:
    """Address of a computer."""
    rng = context.rng
    if rng.random() < 0.1:
        return f"2408:84{rng.randrange(256):02x}::{rng.randrange(1, 65535):x}"
    head = rng.choice(("192.168", "10.0", "172.16", "", "", ""))
    parts = [str(rng.randrange(1, 254)) for _ in range(2 if head else 4)]
    return ".".join([head, *parts] if head else parts)


@SLOTS.value("OTHER_ID", "wechat")
def wechat(context: Context) -> str:
    """Name of somebody in a messenger."""
    rng = context.rng
    handle = _handle(context).replace(".", "_")
    forms = (handle, handle, f"wx_{handle}", f"wxid_{context.some(_MIXED.lower(), 14)}")
    return rng.choice((*forms, f"{handle}-{context.digits(2)}", f"{handle[:6]}{context.digits(6)}"))


@SLOTS.value("OTHER_ID", "qq")
def qq(context: Context) -> str:
    """Number of somebody in a messenger."""
    rng = context.rng
    return number(context, f"{rng.randrange(1, 9)}{context.digits(rng.choice((5, 7, 8, 8, 9)))}")
