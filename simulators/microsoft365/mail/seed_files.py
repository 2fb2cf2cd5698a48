"""Files as people attach them: made from a seed, each a real one of its kind as far as it matters."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from random import Random

TITLES = (
    "Angebot Frachtraten",
    "Rechnung",
    "Lieferschein",
    "Packliste",
    "Ladeliste Tor 7",
    "Zollerklärung",
    "Quote Q",
    "Delivery note",
    "Fuhrparkbericht",
    "Protokoll Jour fixe",
    "Preisliste Übersee",
    "Schadensmeldung",
    "Tourenplan Süd",
    "Certificate of origin",
)
MEDIA = {
    "pdf": "application/pdf",
    "png": "image/png",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
ZIP_DATE = (2025, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Paper:
    """One file."""

    name: str
    media: str
    data: bytes


def paper(chance: Random, size: int | None = None) -> Paper:
    """Return a file of 1 KB to 2 MB, small ones far more often; ``size`` fixes its bytes roughly."""
    if size is None:
        roll = chance.random()
        low, high = (1, 20) if roll < 0.62 else (20, 120) if roll < 0.96 else (400, 2000)  # noqa: PLR2004 - shares of sizes
        size = chance.randint(low, high) * 1024
    kind = chance.choices(("pdf", "docx", "png"), (5, 3, 2))[0]
    name = f"{chance.choice(TITLES)} {chance.randint(1000, 9999)}.{kind}"
    make = {"pdf": _pdf, "docx": _docx, "png": png}[kind]
    return Paper(name, MEDIA[kind], make(chance, size))


def _pdf(chance: Random, size: int) -> bytes:
    body, offsets = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", []
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [] /Count 0 >>"]
    stream = zlib.compress(_prose(chance, size // 3)) + chance.randbytes(max(0, size * 3 // 4))
    objects.append(b"<< /Length %d >>\nstream\n" % len(stream) + stream + b"\nendstream")
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(body))
    return body + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + table + end


def png(chance: Random, size: int) -> bytes:
    """Return a grey picture, half of it noise."""
    side = max(8, int((size * 2) ** 0.5))
    rows = [b"\0" + (chance.randbytes(side) if row % 2 else bytes([row % 256]) * side) for row in range(side)]
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows), 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _docx(chance: Random, size: int) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        pieces = (
            ("[Content_Types].xml", b'<?xml version="1.0"?><Types/>'),
            (
                "word/document.xml",
                b"<w:document><w:body><w:p>" + _prose(chance, size // 2) + b"</w:p></w:body></w:document>",
            ),
            ("word/media/image1.jpeg", b"\xff\xd8\xff\xe0" + chance.randbytes(max(0, size * 3 // 4))),
        )
        for name, data in pieces:
            info = zipfile.ZipInfo(name, ZIP_DATE)
            info.compress_type = zipfile.ZIP_STORED if name.endswith("jpeg") else zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return target.getvalue()


def _prose(chance: Random, size: int) -> bytes:
    words = ("Sendung", "Palette", "freight", "Gewicht", "Tor", "customs", "Termin", "Fahrer", "invoice", "Rampe")
    line = " ".join(f"{chance.choice(words)} {chance.randint(1, 99999)}" for _ in range(40)).encode() + b"\n"
    return (line * (size // len(line) + 1))[:size]
