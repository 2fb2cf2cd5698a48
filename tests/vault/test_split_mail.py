"""Whatever a mail looks like, its pieces join to the same bytes; a part is taken out only when that is proven."""

import base64

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arche.vault import split_mail
from tests.vault.world import mail, noise

SETTINGS = settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


def rejoin(raw):
    out, at = [], 0
    for piece in split_mail.split(raw):
        assert piece.start == at, "pieces follow each other"
        at = piece.end
        if piece.body is None:
            out.append(raw[piece.start : piece.end])
        else:
            body = piece.body
            encoded = b"".join(split_mail.join(body.chunks(), body.width, body.line_end))
            assert len(encoded) == split_mail.joined_length(sum(map(len, body.chunks())), body.width, body.line_end)
            out.append(encoded)
    assert at == len(raw)
    return b"".join(out)


def bodies(raw):
    return [b"".join(piece.body.chunks()) for piece in split_mail.split(raw) if piece.body]


@pytest.mark.parametrize("eol", [b"\r\n", b"\n"])
@pytest.mark.parametrize("width", [4, 57, 60, 61, 64, 72, 76, 77, 100, 998, 100_000])
@pytest.mark.parametrize("size", [768, 1_000, 5_699, 5_700, 5_701])
def test_regular_base64_is_taken_out(eol, width, size):
    attachment = noise(size)
    raw = mail(1, attachment, eol=eol, width=width)
    assert bodies(raw) == [attachment]
    assert rejoin(raw) == raw


def test_single_line_without_any_line_end():
    attachment = noise(3_000)
    raw = b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(attachment)
    assert bodies(raw) == [attachment]
    assert rejoin(raw) == raw


def test_nested_messages_and_several_parts():
    inner = mail(2, noise(2_000, 1))
    raw = mail(1, noise(3_000, 2), text=b"--inner\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--inner--")
    assert bodies(raw) == [noise(2_000, 1), noise(3_000, 2)]
    assert rejoin(raw) == raw


LINES = base64.encodebytes(noise(3_000))
HEAD = b"Content-Transfer-Encoding: base64\n\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"no headers at all",
        HEAD,
        HEAD + b"\n" * 2_000,
        HEAD + LINES[:-10],  # cut short in the middle of a quantum
        HEAD + LINES.replace(b"\n", b"\r\n", 3),  # mixed line ends
        HEAD + LINES.replace(b"\n", b" \n"),  # white space before line ends
        HEAD + LINES.replace(b"\n", b"\n\n", 1),
        HEAD + LINES[:100] + b"\n" + LINES[100:],  # one short line in the middle
        HEAD + LINES[:500] + b"!" + LINES[501:],  # a foreign character
        HEAD + LINES + b"A footer that a list server added\n",
        HEAD + LINES + b"--bound--",  # boundary that nobody announced
        HEAD + LINES.replace(b"\n", b"\r"),  # old line ends
        HEAD + LINES + LINES,  # padding in the middle
        HEAD + LINES[:-10] + b"\r" + LINES[-10:],  # a lone return in the last, shorter line
        HEAD + LINES[:30] + b"\r" + LINES[30:],
        HEAD + b"-_" + LINES[2:],  # the other alphabet
        HEAD + LINES.rstrip()[:-3] + b"B==\n",  # padding bits that are not zero
        b"X-Note: base64\n\n" + LINES,
        b"Content-Transfer-Encoding: base64",
        b"content-transfer-encoding:\tBASE64\n\n" + LINES,
        b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=C3=A4 base64 =\n" * 200,
        bytes(range(256)) * 40,
        HEAD.replace(b"\n", b"\r\n") + LINES,  # headers and body differ
    ],
)
def test_hostile_mails_stay_whole(raw):
    assert rejoin(raw) == raw


@pytest.mark.parametrize("eol", [b"\r\n", b"\n"])
def test_windows_are_checked_together(eol, monkeypatch):
    """Two bodies glued where a window ends: each is canonical, the whole is not."""
    monkeypatch.setattr(split_mail, "_WINDOW", 400)
    whole = noise(3_000)
    assert bodies(mail(1, whole, eol=eol)) == [whole]
    for size in (226, 227, 228, 4 * 57, 8 * 57 - 1, 12 * 57 - 2):
        text = base64.b64encode(noise(size)) + base64.b64encode(noise(2_000, 1))
        body = eol.join(text[i : i + 76] for i in range(0, len(text), 76))
        raw = HEAD.replace(b"\n", eol) + body + eol + b"--b--"
        assert rejoin(raw) == raw
        assert len(bodies(raw)) == (size % 3 == 0)


def test_a_spoiled_part_does_not_spoil_the_next():
    spoiled = b"--b\n" + HEAD + LINES[:500] + b"!" + LINES[501:]
    raw = spoiled + b"--b\n" + HEAD + LINES + b"--b--\n"
    assert bodies(raw) == [noise(3_000)]
    assert rejoin(raw) == raw


FRAGMENTS = st.sampled_from([
    b"Content-Transfer-Encoding: base64", b"content-transfer-encoding:base64", b"Content-Transfer-Encoding: BASE64",
    b"\n", b"\r\n", b"\n\n", b"\r\n\r\n", b"\r", b"--b", b"--b--", b"\n--", b" ", b"=", b"==", b"base64", LINES,
    LINES.replace(b"\n", b"\r\n"), LINES[:700], base64.b64encode(noise(900)), b"From x\n", b"\0", b"\xff\xfe",
])  # fmt: skip


@SETTINGS
@given(st.lists(st.one_of(FRAGMENTS, st.binary(max_size=30)), max_size=25))
def test_any_sequence_of_fragments_joins_again(fragments):
    raw = b"".join(fragments)
    assert rejoin(raw) == raw


@SETTINGS
@given(
    st.binary(min_size=0, max_size=3_000), st.integers(4, 120), st.sampled_from([b"\n", b"\r\n"]), st.integers(1, 500)
)
def test_joining_streams_like_joining_at_once(data, width, eol, step):
    chunks = [data[i : i + step] for i in range(0, len(data), step)]
    text = base64.b64encode(data)
    wanted = eol.join(text[i : i + width] for i in range(0, len(text), width))
    assert b"".join(split_mail.join(chunks, width, len(eol))) == wanted


@pytest.mark.parametrize(
    "line", [b"\n--", b"\n--\n", b"--b\nContent-Transfer-Encoding: base64\n", b"base64", b"\n\n", HEAD]
)
def test_repeated_tricks_end(line):
    raw = line * 20_000
    assert bodies(raw) == []
    assert rejoin(raw) == raw


def test_an_attached_message_with_one_encoded_body():
    inner = b"Subject: inner\n" + HEAD + LINES
    raw = b"Content-Type: multipart/mixed\n\n--b\nContent-Type: message/rfc822\n\n" + inner + b"--b--\n"
    assert bodies(raw) == [noise(3_000)]
    assert rejoin(raw) == raw


def test_folded_field():
    raw = b"Content-Transfer-Encoding:\r\n\tbase64\r\n\r\n" + LINES
    assert bodies(raw) == [noise(3_000)]
