"""Finding attachments in MIME: sound, broken and hostile messages."""

from __future__ import annotations

import base64
import mmap
import random
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from arche.providers.microsoft365 import mime
from arche.providers.microsoft365.spool import Spool


def letter(*files: tuple[str, bytes], line_ending: bytes = b"\r\n") -> bytes:
    mail = EmailMessage()
    mail["Subject"] = "Grüße"
    mail.set_content("Guten Tag ä")
    mail.add_alternative("<p>Guten Tag</p>", subtype="html")
    for name, data in files:
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes(policy=SMTP).replace(b"\r\n", line_ending)


def named(data: bytes) -> dict[str, bytes]:
    return {leaf.name: b"".join(mime.decoded(data, leaf)) for leaf in mime.leaves(data) if leaf.name}


@pytest.mark.parametrize("line_ending", [b"\r\n", b"\n"])
def test_attachments_are_found_byte_for_byte(line_ending: bytes) -> None:
    chance = random.Random(7)
    files = [("a.bin", chance.randbytes(100_001)), ("Übersicht 2026 (Köln).pdf", b"%PDF"), ("leer.txt", b"")]
    data = letter(*files, line_ending=line_ending)
    assert named(data) == dict(files)
    assert [leaf.type for leaf in mime.leaves(data)][:2] == ["text/plain", "text/html"]
    assert mime.is_closed(data)


def test_a_map_of_a_file_gives_the_same(tmp_path) -> None:
    data = letter(("a.bin", random.Random(1).randbytes(2_000_000)))
    path = tmp_path / "m"
    path.write_bytes(data)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert mime.leaves(mapped) == mime.leaves(data)
        assert mime.size(mapped, mime.leaves(mapped)[-1]) == 2_000_000
        assert mime.is_closed(mapped)


@pytest.mark.parametrize("width", [4, 60, 76, 998, 1_000_000])
def test_any_line_width(width: int) -> None:
    content = random.Random(width).randbytes(1_500_007)
    text = base64.b64encode(content)
    lines = b"\n".join(text[spot : spot + width] for spot in range(0, len(text), width))
    data = b'Content-Type: application/x; name="a"\nContent-Transfer-Encoding: BASE64 \n\n' + lines
    (leaf,) = mime.leaves(data)
    assert b"".join(mime.decoded(data, leaf)) == content
    assert mime.size(data, leaf) == len(content)


@pytest.mark.parametrize("body", [b"AAA", b"AA==AA==", b"A A?A", b"\xff\xfe\x00\x01", b"====", b"AAAA="])
def test_what_is_not_sound_base64_is_not_trusted(body: bytes) -> None:
    data = b"Content-Transfer-Encoding: base64\n\n" + body
    (leaf,) = mime.leaves(data)
    assert mime.size(data, leaf) is None


@pytest.mark.parametrize("encoding", ["7bit", "8bit", "quoted-printable", "binary", "x-uuencode", ""])
def test_other_encodings_are_never_trusted(encoding: str) -> None:
    data = f"Content-Transfer-Encoding: {encoding}\n\nAAAA".encode()
    (leaf,) = mime.leaves(data)
    assert mime.size(data, leaf) is None


def test_a_boundary_inside_another_word_is_no_boundary() -> None:
    data = (
        b"Content-Type: multipart/mixed; boundary=ab\n\n--ab\nContent-Type: text/plain\n\n"
        b"--abc is no boundary\nx --ab neither\n--ab\nContent-Type: text/plain\n\ntwo\n--ab--\nepilogue --ab\n"
    )
    found = mime.leaves(data)
    assert [data[leaf.start : leaf.end] for leaf in found] == [b"--abc is no boundary\nx --ab neither", b"two"]


def test_nested_parts_keep_their_order() -> None:
    inner = b"Content-Type: multipart/mixed; boundary=in\n\n--in\n\n1\n--in\n\n2\n--in--\n"
    data = b"Content-Type: multipart/mixed; boundary=out\n\n--out\n" + inner + b"--out\n\n3\n--out--"
    assert [data[leaf.start : leaf.end].strip() for leaf in mime.leaves(data)] == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"no header at all",
        b"Content-Type: multipart/mixed\n\nno boundary",
        b'Content-Type: multipart/mixed; boundary=""\n\n--\n',
        b"Content-Type: multipart/mixed; boundary=x\n\nnever opened",
        b"Content-Type: multipart/mixed; boundary=x\n\n--x",
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\n--x\n--x--",
        b"Content-Disposition: attachment; filename*=utf-8''%ZZ%\n\nx",
        b"Content-Disposition: attachment; filename==?utf-8?B?!!!?=\n\nx",
        b"Content-Type: \xff\xfe/\xfd; boundary=\xe4\n\n--\xe4\n\nx\n--\xe4--",
        b"Content-Type: multipart/mixed; boundary=b\xfcndel\n\n--b\xfcndel\n\nx\n--b\xfcndel--",
        b"Content-ID: <" + b"a" * 100_000 + b">\n\nx",
        b"Content-Type: message/rfc822\n\nSubject: inner\n\nbody",
    ],
)
def test_broken_mails_are_walked_without_a_fault(data: bytes) -> None:
    found = mime.leaves(data)
    assert all(0 <= leaf.start <= leaf.end <= len(data) for leaf in found)
    mime.is_closed(data)


def test_depth_and_number_are_bounded() -> None:
    deep = b"x"
    for level in range(200):
        mark = str(level).encode()
        deep = (
            b"Content-Type: multipart/mixed; boundary=b"
            + mark
            + b"\n\n--b"
            + mark
            + b"\n"
            + deep
            + b"\n--b"
            + mark
            + b"--\n"
        )
    assert len(mime.leaves(deep)) == 1
    wide = b"Content-Type: multipart/mixed; boundary=w\n\n" + b"--w\n\nx\n" * 20_000 + b"--w--\n"
    assert len(mime.leaves(wide)) == 10_000


def test_a_cut_mail_is_not_closed() -> None:
    data = letter(("a.bin", b"x" * 5000))
    assert not mime.is_closed(data[: len(data) // 2])
    assert not mime.is_closed(b"")
    assert mime.is_closed(b"Subject: plain\n\ntext")


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_spool_shows_what_was_written(size: int) -> None:
    content = random.Random(size).randbytes(size)
    with Spool() as spool:
        assert b"".join(spool.tee(iter([content[:7], content[7:]]))) == content
        with spool.buffer() as data:
            assert bytes(data[:]) == content
