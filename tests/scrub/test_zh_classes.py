"""Classes of Chinese PHI that were once missed, and words beside them that must stay."""

from __future__ import annotations

import re

import pytest

from llmsafe.notes import Note
from llmsafe.scrub.keys import Key
from llmsafe.scrub.scrubber import Scrubber, build_scrubber
from llmsafe.scrub.settings import Settings

FOUND = r"""耗材已登记。清醒后由{柏}责护接回病房。
缝合满意，安返病房，{裘}责护交接。
请示{高}主任，同意手术。
由{安}主任介绍转来。
夜班{关}大夫查看过。
已联系{宗}教授，下午到。
由{孙}女士陪同入院。
老{佘}突发胸闷。
{祝明远}（住院医师）　2019年3月2日
{佟嘉禾}/{仰文珺}（双签）
联系{平书涵}，13900001234，地址同前。
{尤一诺}：能停药吗？\n护士：请稍等。\n{尤一诺}：好的。
{汤立熙}床位，{蒲清扬}护送。
汇报{苗文博}，同意目前方案。
{泡泡}逐渐出现咳嗽。
其兄{税明}沟通后同意。
签收{倪}，上级{孟}。
禁忌排除后，{6/3}行阑尾切除术。
{9-12}随诊，不适来院。
现病史——{3月14日}下午摔倒。
①{4月15号}复诊。
{12-Mar-2015}病情稳定。
诊断——{94}岁男性，慢阻肺。
有变化请呼{50713}。
以上意见，联系{60924}。
值班{04-2218-3307转512}转{90031}。
微信不便，加WhatsApp{k204m0731}，谢谢。
我的{q318w0925}，请通过。
押金{4402877316509}，转12床。
停车登记：{GT 4417}，10点到。
床号：8床\n病历号：{HN30771826(4)}\n
在{保定}工作12年，无疫区旅居史。
祖籍{新界粉岭}，无疫区居留史。
单位：{永昌里水電行}
系{双林水电行}员工，工作劳累。
出具病假条（交{明达地产代理}）。
在{求真镇卫生院}换药。
在{和润诊所}打针。
就诊{和谐镇卫生院}。"""


@pytest.fixture(scope="module")
def scrubber() -> Scrubber:
    return build_scrubber(Settings("tag", Key(b"k" * 32), lang="zh"))


def left(scrubber: Scrubber, text: str) -> str:
    """What is still there."""
    note = scrubber.scrub(Note("n", text)).note
    assert note is not None
    return re.sub(r"\[[A-Z_]+(?:_\d+)?\]", "¤", note.text)


@pytest.mark.parametrize("line", FOUND.splitlines())
def test_it_is_found(scrubber: Scrubber, line: str) -> None:
    line = line.replace("\\n", "\n")
    values = re.findall(r"\{(.+?)\}", line)
    kept = left(scrubber, line.replace("{", "").replace("}", ""))
    assert not [value for value in values if value in kept]


CLEAN = """\
由高年资医师带领查房，请上级医生会诊。
华法林抗凝，拜新同降压，舒马普坦止痛，布地奈德雾化。
劳逸结合，保持大便通畅，门诊号另行登记。
关节镜术后，时有胀痛，任何活动均受限，平素体健。
甲状腺血流丰富，呈火海征；粪钙卫蛋白升高。
和解少阳，方用小柴胡汤；可用简单汉语交流。
吉西他滨联合白蛋白紫杉醇化疗，植皮术后创面愈合。
患者曾于外院就诊，患方无异议，尿量3.5ml/kg。
左耳3-4天前疼痛，每次2-3粒，Vas评分4/10。
局麻满意后取卧位，工程师退休。
"""


@pytest.mark.parametrize("line", CLEAN.splitlines())
def test_it_stays(scrubber: Scrubber, line: str) -> None:
    assert left(scrubber, line) == line
