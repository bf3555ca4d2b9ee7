"""Names in slots: between a word that hands something to somebody and what only people do.

以上由于亚华书写, 手机交郁金萍带回: surnames that are words of grammar or begin a word are names there,
for both sides together leave room for nothing else.
"""

# ruff: noqa: E501 - a list is easier to read on one line

from __future__ import annotations

import re
from collections.abc import Iterator

from llmsafe.notes import PhiSpan
from llmsafe.scrub.detect.zh.lexicon import chinese
from llmsafe.scrub.detect.zh.reading import HAN, name_span, stop, surname_length
from llmsafe.scrub.detect.zh.roles import KIN, TITLE, alternatives

_TO = re.compile(
    rf"(?:[由受应经与交让请找托]|委托|通知|告知|联[系络]|呼叫|汇报|报告|见证|(?:{HAN}[者人员师士生])|{KIN})(?={HAN}{{3,4}})"
)
_BY = re.compile(
    r"(?:的?"
    + alternatives(
        "保管 保存 带回 带走 整理 记录 书写 采集 采样 提供 核对 核实 复核 审核 审阅 会诊 手术 主刀 完成 签名 签字 签署 签收 代签 代诉 代述 陪同 陪护 "
        "陪夜 护送 接诊 接听 接收 主持 指导 主管 查房 查看 看过 协助 执行 操作 领取 代领 垫付 缴费 转告 表示 同意 知情 在旁 在场 之邀 邀请 告知 联系 谈话 "
        "来电 来院 来访 探视 探望 照顾 照料 照护 护理 诊治 治疗 出诊 值班 回复 负责 到场 床位"
    )
    + rf"|{TITLE.pattern})"
)


def find_slots(text: str) -> Iterator[PhiSpan]:
    """Names of three or four characters between one of ``_TO`` and one of ``_BY``."""
    lexicon = chinese()
    for match in _TO.finditer(text):
        start = match.end()
        surname = surname_length(text, start)
        end = start + surname + 2
        word, given = text[start:end], text[start + surname : end]
        if (
            surname
            and all(c in lexicon.given for c in given)
            and _BY.match(text, end)
            and not (stop(word) or lexicon.plain(word) or lexicon.plain(given))
            and not TITLE.search(word, surname)
        ):
            yield name_span(start, end, 0.5)
