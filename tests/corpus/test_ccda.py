"""C-CDA: narrative of sections, other bodies, and XML that attacks its reader."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from llmsafe.corpus import Bad, open_corpus
from llmsafe.corpus.markup import element_text, parse_xml
from llmsafe.corpus.records import Unreadable
from llmsafe.notes import Note

SENTINEL = "Zyxwvut"
SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "hl7v2-ccda-samples"
SECTIONS = """
<structuredBody>
 <component><section><title>PLAN</title>
  <text><list><item>Rest,  and
   <content styleCode="Bold">wa</content>ter</item><item>Home<br/>soon</item></list></text>
  <entry><act><text>coded</text></act></entry>
  <component><section><title>Drugs</title><text><table><thead><tr><th>Drug</th><th>Dose</th></tr>
   </thead><tbody><tr><td>A</td><td>1 &lt; 2</td></tr></tbody></table></text></section></component>
 </section></component>
</structuredBody>"""
TEXT = "PLAN\nRest, and water\nHome\nsoon\nDrugs\nDrug\tDose\nA\t1 < 2"


def document(body: str, before: str = "") -> bytes:
    return f"""<?xml version="1.0"?>{before}
    <ClinicalDocument xmlns="urn:hl7-org:v3"><effectiveTime value="20140917190405-0500"/>
    <recordTarget><patientRole><id root="1.2"/><id extension="p1" root="1.2"/></patientRole>
    </recordTarget><component>{body}</component></ClinicalDocument>""".encode()


def read(tmp_path: Path, content: bytes, name: str = "a.xml") -> Note | Bad:
    (tmp_path / name).write_bytes(content)
    [record] = open_corpus(tmp_path / name).records()
    return record


def test_narrative_of_sections(tmp_path: Path) -> None:
    assert read(tmp_path, document(SECTIONS)) == Note("a", TEXT, "1.2", "2014-09-17")


def test_other_names_and_encodings(tmp_path: Path) -> None:
    content = document(SECTIONS.replace("Home", "Hôme")).decode()
    for name, encoding in (("b.ccda", "utf-16"), ("c.cda", "iso-8859-1")):
        declared = content.replace('"1.0"', f'"1.0" encoding="{encoding}"')
        note = read(tmp_path, declared.strip().encode(encoding), name)
        assert isinstance(note, Note), note.reason
        assert note.text == TEXT.replace("Home", "Hôme")


def body(content: str, attributes: str) -> bytes:
    return document(f"<nonXMLBody><text {attributes}>{content}</text></nonXMLBody>")


def test_bodies_that_are_not_xml(tmp_path: Path) -> None:
    coded = base64.b64encode(b"<p>Rest.</p>").decode()
    for content, attributes in (
        ("Rest.", 'mediaType="text/plain"'),
        (f" {coded[:4]}\n {coded[4:]} ", 'mediaType="text/html" representation="B64"'),
    ):
        note = read(tmp_path, body(content, attributes))
        assert isinstance(note, Note), note.reason
        assert note.text == "Rest."


BOMB = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else SENTINEL}">' for i in range(9))


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (document("&e8;", f"<!DOCTYPE x [{BOMB}]>"), "XML with a document type declaration"),
        (
            document("&e;", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'),
            "XML with a d",
        ),
        (
            document(SECTIONS, '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">'),
            "XML with a document",
        ),
        (document("<a>" * 300 + SENTINEL + "</a>" * 300), "XML nested more than 200 deep"),
        (document(f"<a>{SENTINEL}"), "no well-formed XML (line 4)"),
        (document(f"<a>{SENTINEL}\x00</a>"), "no well-formed XML (line"),
        (f"<a>{SENTINEL}</a>".encode(), "XML that is no C-CDA document"),
        (f'<?xml version="1.0" encoding="{SENTINEL}"?><a/>'.encode(), "XML in a character set"),
        (b'<?xml version="1.0"?><a>Zyxwvut\xe9</a>', "no well-formed XML (line 1)"),
        (document("<structuredBody/>"), "a document without narrative text"),
        (
            document(f"<nonXMLBody><text><reference value='{SENTINEL}'/></text></nonXMLBody>"),
            "the b",
        ),
        (body(SENTINEL, 'mediaType="application/pdf" representation="B64"'), "the attachment is"),
        (
            body("JVBERi0=", 'mediaType="application/pdf" representation="B64"'),
            "the attachment is a",
        ),
    ],
)
def test_what_is_not_safe_or_not_text_is_bad(tmp_path: Path, content: bytes, rule: str) -> None:
    record = read(tmp_path, content)
    assert isinstance(record, Bad)
    assert record.where == "a.xml"
    assert record.reason.startswith(rule)
    assert SENTINEL not in record.reason


def test_entities_of_xml_itself_are_read() -> None:
    assert element_text(parse_xml(b"<a>1 &lt; 2 &amp;&#65;</a>")) == "1 < 2 &A"
    with pytest.raises(Unreadable):
        parse_xml(b"<a>&eacute;</a>")


@pytest.mark.skipif(not SAMPLES.exists(), reason="needs the C-CDA samples")
def test_public_samples_are_read_or_named() -> None:
    folder = SAMPLES / "data" / "SampleData" / "Ccda"
    records = {
        Path(file).stem: next(open_corpus(file).records()) for file in open_corpus(folder).files
    }
    notes = {name: one for name, one in records.items() if isinstance(one, Note)}
    assert len(notes) == 16
    assert len(records) == 22
    assert "DISCHARGE MEDICATIONS\nMedication\tInstructions" in notes["Discharge_Summary"].text
    assert "Dr. Puffer please see this patient" in notes["170.314B2_Amb_CCD"].text
    assert all(note.patient_id and note.date for note in notes.values())
