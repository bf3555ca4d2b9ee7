"""What has a name but is nobody, and people who are called like a thing."""

from __future__ import annotations

import re

import pytest

from llmsafe.scrub.detect.detector import Detector, build_engine
from llmsafe.scrub.detect.zh.things import is_part, left, words


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(build_engine(language="zh"), language="zh")


def names(detector: Detector, marked: str) -> set[str]:
    """The names found in a text that was marked with braces."""
    text = re.sub("[{}]", "", marked)
    return {text[s.start : s.end] for s in detector.detect(text) if s.category == "NAME"}


@pytest.mark.parametrize(
    "text",
    [
        "糖尿病饮食指导：避免沙琪玛、萨其马、驴打滚、艾窝窝等甜点。",
        "患者近一周反复食用麻婆豆腐、夫妻肺片、宫保鸡丁，痔疮出血加重。",
        "过敏史：对大闸蟹、马鲛鱼、文蛤、北极虾过敏，对松子仁可疑过敏。",
        "患者喜食王致和腐乳、老干妈、涪陵榨菜，每日盐摄入约12g。",
        "现用降糖药：诺和锐30早16晚12单位，拜唐苹50mg tid，捷诺维100mg qd。",
        "精神科用药：思瑞康200mg，再普乐10mg，左洛复50mg，怡诺思75mg。",
        "止吐用欧贝、艾美达，保肝用易善复、阿拓莫兰，护胃用耐信、洛赛克。",
        "维得利珠单抗300mg 0、2、6周，乌司奴单抗后改司库奇尤单抗。",
        "麻醉：得普利麻120mg、芬太尼0.2mg、爱可松50mg诱导，术毕布瑞亭拮抗。",
        "处方：苏子10 白芥子6 莱菔子10，即三子养亲汤，加葶苈子、马兜铃。",
        "外治：马应龙麝香痔疮膏，季德胜蛇药片，冯了性风湿跌打药酒，潘高寿川贝枇杷膏。",
        "张仲景《伤寒论》云：太阳病，桂枝汤主之。叶天士亦重养胃阴。",
        "针刺取穴：合谷、天柱、足三里、太冲、公孙、关元，留针30分钟。",
        "查体：霍夫曼征阳性，托马斯征阳性，拉塞格征左40°，杜加斯征阴性。",
        "拟行毕罗Ⅱ式吻合，必要时惠普尔术；既往曾行米勒手术、巴西尼修补。",
        "术中使用普理灵缝线、柯惠吻合器、雅培药物支架、史赛克动力系统。",
        "降压：安内喜5mg，舒尼通10mg，雅施达4mg。",
        "拟行杜哈美尔术、索阿韦术式。",
        "嘔吐前食揚州炒飯、魚蛋河粉，曾服保濟丸、黃道益無效。",
    ],
)
def test_a_thing_is_nobody(detector: Detector, text: str) -> None:
    assert [text[s.start : s.end] for s in detector.detect(text)] == []


@pytest.mark.parametrize(
    "marked",
    [
        "姓名：{杜仲}　性别：男　年龄：58岁",
        "患者{熟地}，女，34岁，因停经40天就诊。",
        "{熟地}先生来诊，予熟地15 山药10。",
        "患者{白芷}，女，28岁，予白芷10g。",
        "药师{林芝}审方，发现重复用药。",
        "核对者：{泽兰}/{辛夷}　发药时间：10:20",
        "患者由养老院护工{当归}送来。",
        "主刀{沈从文}，助手{路遥}，器械护士{海燕}。",
        "13床 {金银花}，女，50岁，术后第2天。",
        "3床{牛黄}今晨体温38.1，予物理降温。",
        "产妇{百合}于今晨顺产一女婴。",
        "记录者：{曙光}　审核者：{晨曦}",
        "护士{安静}执行医嘱，患者安静入睡。",
        "麻醉医师：{文静}；巡回护士：{高洁}；洗手护士：{云朵}。",
        "其妻{紫苏}代取药，嘱紫苏叶另包。",
        "联系人：{彩虹}（妻）",
        "责任护士{黎明}交班：患者夜间入睡可。",
        "{李时珍}，男，63岁，主诉：眩晕。",
        "患者{王芳}5mg吗啡肌注。",
        "3床{李建国}20mg呋塞米静推。",
        "血红蛋白：{王芳}112g/L，{李建国}98g/L",
        "姓名：{李建国} 20mg 呋塞米",
        "患者{陈明亮}对青霉素过敏。",
        "患者{李建国}予肝素抗凝。",
        "患者{李秀英}量表评分23分。",
        "患者{王小红}反射正常。",
        "患者{赵敏}试验性治疗3天。",
        "患者{王清任}呕吐两次。",
        "当归、{王芳}、黄芪",
    ],
)
def test_somebody_called_like_a_word_is_found(detector: Detector, marked: str) -> None:
    assert names(detector, marked) == set(re.findall(r"{(.*?)}", marked))


@pytest.mark.parametrize(
    "text",
    [
        "护士：高兴吧？语言进步不小。",
        "医生：正常现象，多喝水。",
        "患者高兴，予健康宣教。",
        "患者安静入睡，家属满意。",
        "中药：熟地15 山萸肉12 杜仲12",
        "家属：白天练两趟。",
        "护士全程陪同，家属平静签字。",
    ],
)
def test_a_word_without_anybody_stays(detector: Detector, text: str) -> None:
    assert [text[s.start : s.end] for s in detector.detect(text)] == []


def test_somebody_who_was_named_is_found_again_before_a_score(detector: Detector) -> None:
    text = "李秀英，女，67岁。入院后李秀英量表评分23分。再次复测李秀英评分25分。"
    assert [text[s.start : s.end] for s in detector.detect(text)] == ["李秀英"] * 3


def test_names_that_hold_a_thing() -> None:
    for text in ("王百合", "安素珍", "公孙胜男", "阿迪力", "李艾伦", "丁荣昌"):
        assert not is_part(text, 0, len(text)), text
    assert is_part("用欧贝止吐", 0, 3)
    assert left("白芷 李明", 0, 5) == [(2, 5)]
    assert len(words()) > 7000


@pytest.mark.parametrize(
    "text",
    [
        "血红蛋白由6.2升至8.9，血小板从3.1回升到7.4，C反应蛋白（12.8）降至4.6。",
        "PCT由入院时10.5降到2.3，D-二聚体自4.8降至1.2，乳酸3.6→1.9。",
        "血糖波动于5.6至11.2，餐后2小时多在8.9～12.4。",
        "血糖始于5.6升至9.8。肌酐自11.2（4.5倍）降至3.2。",
        "LVEDD从6.1缩至5.2，肌力左上肢4/5，右下肢3/5。",
        "价目：120400001静脉输液 9.5元；310701001心电图 15元；留置针12.8元/支，输液器1.2/套。",
        "注册证号国械注准20173460123。",
        "血压由入院168/102降至132/84，血钠波动于128至132，CA125由8.6翻到12.3。",
    ],
)
def test_values_and_catalogues_are_no_identifiers(detector: Detector, text: str) -> None:
    assert [text[s.start : s.end] for s in detector.detect(text)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("症状始于3.4，来院。", "3.4"),
        ("于5.6升级治疗方案", "5.6"),
        ("流水号120400001", "120400001"),
        ("最近复查时间为7.6。", "7.6"),
    ],
)
def test_what_may_identify_beside_values_is_found(
    detector: Detector, text: str, found: str
) -> None:
    assert found in [text[s.start : s.end] for s in detector.detect(text)]


@pytest.mark.parametrize(
    "marked",
    [
        "日期时间|观察与处置|签名\n4/6 22:10|胃管脱出，已重置|{莎}\n4/6 23:00|嗜睡|{莎}/{邝敏}",
        "|时间|病情|责任护士|\n|08:00|平稳|{王}|\n|16:00|诉头痛|{李}|",
        "08:12|148/80|TMP 96|{展翅}\n09:30|98/56|头晕，停超|{展翅}",
        "当日查房无特殊。主管医师{阴}。",
    ],
)
def test_staff_in_cells_and_on_duty_is_found(detector: Detector, marked: str) -> None:
    assert names(detector, marked) == set(re.findall(r"{(.*?)}", marked))


@pytest.mark.parametrize(
    "text",
    [
        "时间|意识|护士签名\n08:00|清|\n10:00|嗜睡|未",
        "08:00|体温36.5|平稳\n12:00|体温36.8|平稳\n16:00|体温37.0|平稳",
        "项目|结果|单位\n尿蛋白|阴性|无\n尿糖|阴性|无",
        "主管医师及家属沟通病情。",
    ],
)
def test_cells_without_anybody_stay(detector: Detector, text: str) -> None:
    assert [text[s.start : s.end] for s in detector.detect(text) if s.category == "NAME"] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("患者在宁德时代倒班，睡眠差。", "宁德时代"),
        ("工作单位：海底捞　工种：服务员", "海底捞"),
        ("单位：中建三局，架子工，高处坠落。", "中建三局"),
        ("供职于字节跳动，近期加班多，心悸。", "字节跳动"),
        ("其女在美团送外卖。", "美团"),
    ],
)
def test_an_employer_needs_no_word_for_a_firm(detector: Detector, text: str, found: str) -> None:
    spans = detector.detect(text)
    assert found in [text[s.start : s.end] for s in spans if s.category == "ORGANIZATION"]


@pytest.mark.parametrize(
    "text", ["用小米手环测心率。", "在美团点外卖，喝蒙牛牛奶。", "手机是华为的。"]
)
def test_the_wares_of_a_firm_stay(detector: Detector, text: str) -> None:
    assert [text[s.start : s.end] for s in detector.detect(text)] == []
