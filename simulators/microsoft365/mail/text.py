"""Bodies as Exchange shows them: HTML with its head, plain text from HTML, previews, the new part of a reply."""

from __future__ import annotations

import html
import re

PREVIEW = 255
META = '<meta http-equiv="Content-Type" content="text/html; charset=utf-8">'
# No pattern may run over a second "<": hostile HTML must not take time that grows with its square.
_CHARSET = re.compile(r"<meta\b[^<>]{0,500}charset[^<>]{0,500}>\s*", re.IGNORECASE)
_HEAD = re.compile(r"<head\b[^<>]*>\s*", re.IGNORECASE)
_HTML = re.compile(r"<html\b[^<>]*>\s*", re.IGNORECASE)
_BREAK = re.compile(r"<(br|/p|/div|/tr|/h[1-6]|/li)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_HIDDEN = (("<!--", "-->"), *((rf"<{name}\b", rf"</{name}\b") for name in ("head", "style", "script", "title")))
_QUOTE = re.compile(
    r'<div[^<>]*id="?(?:divRplyFwdMsg|appendonsend)|<hr\b|<blockquote\b|-----\s?(?:Original|Urspr)'
    r"|^(?:Am .{5,120} schrieb|On .{5,120} wrote)\b.{0,80}:\s*$|^>",
    re.IGNORECASE | re.MULTILINE,
)


def newlines(text: str) -> str:
    """All line ends as CRLF."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


def normal_html(text: str) -> str:
    """HTML as Exchange stores it: a head that says utf-8, CRLF, no scripts. The same text again stays as it is."""
    for _ in range(8):
        # Taking a script out of hostile HTML can make another one.
        before, text = text, _once(text)
        if text == before:
            break
    return text


def _once(text: str) -> str:
    text = _CHARSET.sub("", _without(newlines(text), r"<script\b", r"</script\b"))
    if not _HTML.search(text):
        text = f"<html><head></head><body>{text}</body></html>"
    if not _HEAD.search(text):
        text = _HTML.sub(lambda found: found[0].rstrip() + "<head></head>", text, count=1)
    return _HEAD.sub(lambda found: f"{found[0].rstrip()}\r\n{META}", text, count=1)


def _without(text: str, begin: str, end: str) -> str:
    """Cut out what lies between two marks, the marks and the rest of their tags included."""
    opening, closing = re.compile(begin, re.IGNORECASE), re.compile(end, re.IGNORECASE)
    pieces, last, closed = [], 0, True
    while (start := opening.search(text, last)) is not None:
        stop = closing.search(text, start.end()) if closed else None
        # Without an end only the tag itself goes, and no other tag has one either.
        closed = stop is not None
        close = text.find(">", start.end() if stop is None else stop.end() - 1)
        pieces.append(text[last : start.start()])
        last = len(text) if close < 0 else close + 1
    return "".join([*pieces, text[last:]])


def plain(content: str, kind: str) -> str:
    """Return the text that a reader sees."""
    if kind == "text":
        return content
    text = content
    for begin, end in _HIDDEN:
        text = _without(text, begin, end)
    text = _BREAK.sub("\n", text.replace("\r", " ").replace("\n", " "))
    text = html.unescape(_TAG.sub("", text)).replace("\xa0", " ")
    return "\r\n".join(re.sub(r"[ \t]+", " ", line).strip() for line in text.split("\n")).strip()


def as_html(content: str) -> str:
    """Plain text as HTML."""
    escaped = html.escape(content, quote=False).replace("\r\n", "<br>\r\n")
    return normal_html(f'<html><head></head><body><div class="PlainText">{escaped}</div></body></html>')


def body(content: str, kind: str) -> dict[str, str]:
    """Return an ``itemBody`` as the store keeps it."""
    return {"contentType": kind, "content": normal_html(content) if kind == "html" else newlines(content)}


def preview(stored: dict[str, str]) -> str:
    """Return the first 255 characters that a reader sees."""
    # Only the beginning can show; the rest of a large body need not be looked at.
    return plain(stored["content"][:20000], stored["contentType"])[:PREVIEW]


def unique(stored: dict[str, str]) -> dict[str, str]:
    """Return the part of a body that the mails before it do not have."""
    found = _QUOTE.search(stored["content"])
    if not found or found.start() == 0:
        return dict(stored)
    return stored | {"content": stored["content"][: found.start()].rstrip()}


def preferred(stored: dict[str, str], wanted: str | None) -> dict[str, str]:
    """Return a body in the type that ``Prefer: outlook.body-content-type`` asks for."""
    if wanted is None or wanted == stored["contentType"]:
        return dict(stored)
    content = stored["content"]
    return {"contentType": wanted, "content": as_html(content) if wanted == "html" else plain(content, "html")}
