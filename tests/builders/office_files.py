"""Office files with the parts that matter: what a program writes around them is left away."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_P = (
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    f' xmlns:r="{_OFFICE}"'
)
_S = f'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="{_OFFICE}"'
_ODF = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name if name != "draw" else "drawing"}:1.0"'
    for name in ("office", "text", "table", "style", "draw", "presentation")
)


def pack(parts: Mapping[str, str | bytes]) -> bytes:
    """Return an archive of parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return out.getvalue()


def _relations(targets: Sequence[str]) -> str:
    named = "".join(
        f'<Relationship Id="r{at}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for at, (kind, target) in enumerate(map(_kind, targets), 1)
    )
    return f'<Relationships xmlns="{_RELATIONS}">{named}</Relationships>'


def _kind(target: str) -> tuple[str, str]:
    kinds = {"document.xml": "officeDocument", "workbook.xml": "officeDocument"}
    name = target.rpartition("/")[2]
    return kinds.get(name, name.removesuffix(".xml").rstrip("0123456789")), target


def make_word(body: str, **parts: str) -> bytes:
    """Return a .docx with paragraphs and tables; `parts` are further ones, by their names without .xml."""
    kinds = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        f'<Override PartName="/word/document.xml" ContentType="{kinds}"/></Types>'
    )
    return pack(
        {
            "[Content_Types].xml": types,
            "_rels/.rels": _relations(["word/document.xml"]),
            "word/_rels/document.xml.rels": _relations([f"{name}.xml" for name in parts]),
            "word/document.xml": f"<w:document {_W}><w:body>{body}</w:body></w:document>",
            **{f"word/{name}.xml": f"<w:{name} {_W}>{part}</w:{name}>" for name, part in parts.items()},
        }
    )


def word_paragraph(*runs: str, style: str = "") -> str:
    """Return a paragraph of runs that are XML already."""
    look = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{look}{''.join(runs)}</w:p>"


def word_run(text: str, look: str = "") -> str:
    """Return a run; `look` is what stands in its properties."""
    properties = f"<w:rPr>{look}</w:rPr>" if look else ""
    return f'<w:r>{properties}<w:t xml:space="preserve">{text}</w:t></w:r>'


WORD_STYLES = (
    '<w:style w:type="paragraph" w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>'
    '<w:style w:type="character" w:styleId="Geheim"><w:name w:val="Geheim"/><w:rPr>'
    "<w:vanish/></w:rPr></w:style>"
)


def make_slides(*slides: str, attributes: Sequence[str] = ()) -> bytes:
    """Return a .pptx; a slide is its shapes, `attributes` are those of the slides' elements."""
    listed = "".join(f'<p:sldId id="{255 + at}" r:id="r{at}"/>' for at in range(1, len(slides) + 1))
    looks = [*attributes, *[""] * len(slides)]
    return pack(
        {
            "ppt/presentation.xml": (
                f"<p:presentation {_P}><p:sldIdLst>{listed}</p:sldIdLst></p:presentation>"
            ),
            "ppt/_rels/presentation.xml.rels": _relations(
                [f"slides/slide{at}.xml" for at in range(1, len(slides) + 1)]
            ),
            **{
                f"ppt/slides/slide{at}.xml": (
                    f"<p:sld {_P} {looks[at - 1]}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
                )
                for at, shapes in enumerate(slides, 1)
            },
        }
    )


def slide_shape(*lines: str, kind: str = "", place: str = "", hidden: bool = False) -> str:
    """Return a shape with paragraphs; `kind` is a placeholder's, `place` the attributes of its corner."""
    holder = f'<p:nvPr><p:ph type="{kind}"/></p:nvPr>' if kind else "<p:nvPr/>"
    corner = f'<p:spPr><a:xfrm><a:off {place}/><a:ext cx="9" cy="9"/></a:xfrm></p:spPr>' if place else ""
    look = ' hidden="1"' if hidden else ""
    text = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in lines)
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="2" name="x"{look}/>{holder}</p:nvSpPr>{corner}'
        f"<p:txBody>{text}</p:txBody></p:sp>"
    )


def slide_table(rows: Sequence[Sequence[str]]) -> str:
    """Return a table of a slide, its first row a header."""
    body = "".join(
        "<a:tr>"
        + "".join(f"<a:tc><a:txBody><a:p><a:r><a:t>{one}</a:t></a:r></a:p></a:txBody></a:tc>" for one in row)
        + "</a:tr>"
        for row in rows
    )
    return (
        '<p:graphicFrame><a:graphic><a:graphicData><a:tbl><a:tblPr firstRow="1"/>'
        f"{body}</a:tbl></a:graphicData></a:graphic></p:graphicFrame>"
    )


def make_sheets(
    sheets: Mapping[str, str], *, states: Mapping[str, str] | None = None, styles: str = ""
) -> bytes:
    """Return a .xlsx; a sheet is what stands in its worksheet element."""
    states = states or {}
    listed = "".join(
        f'<sheet name="{name}" sheetId="{at}" r:id="r{at}" state="{states.get(name, "visible")}"/>'
        for at, name in enumerate(sheets, 1)
    )
    return pack(
        {
            "xl/workbook.xml": f"<workbook {_S}><sheets>{listed}</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": _relations(
                [f"worksheets/sheet{at}.xml" for at in range(1, len(sheets) + 1)]
            ),
            "xl/styles.xml": f"<styleSheet {_S}>{styles}</styleSheet>",
            **{
                f"xl/worksheets/sheet{at}.xml": f"<worksheet {_S}>{sheet}</worksheet>"
                for at, sheet in enumerate(sheets.values(), 1)
            },
        }
    )


def sheet_rows(rows: Sequence[Sequence[str | tuple[str, int]]]) -> str:
    """Return rows of a sheet; a pair is a number and its style."""
    written = ("".join(map(_sheet_cell, row)) for row in rows)
    return f"<sheetData>{''.join(f'<row>{row}</row>' for row in written)}</sheetData>"


def _sheet_cell(cell: str | tuple[str, int]) -> str:
    if isinstance(cell, tuple):
        return f'<c s="{cell[1]}"><v>{cell[0]}</v></c>'
    return f'<c t="inlineStr"><is><t>{cell}</t></is></c>'


def make_open_document(kind: str, content: str, *, styles: str = "") -> bytes:
    """Return an OpenDocument file: `kind` is text, spreadsheet or presentation."""
    return pack(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": (
                f"<office:document-content {_ODF}><office:automatic-styles>{styles}</office:automatic-styles>"
                f"<office:body><office:{kind}>{content}</office:{kind}></office:body></office:document-con"
                f"tent>"
            ),
        }
    )
