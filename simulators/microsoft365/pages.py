"""The two pages that a person sees at the login host, plain enough for a script to post them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from html import escape
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from simulators.microsoft365.directory import User

STYLE = (
    "body{font:16px system-ui;background:#eef1f6;color:#222;display:grid;place-items:center;min-height:100vh;margin:0}"
    "main{background:#fff;padding:2rem 2.5rem;max-width:32rem;box-shadow:0 2px 10px #0003}"
    "button,select{font:inherit;padding:.4rem .9rem;margin:.3rem .3rem 0 0}p.note{color:#666;font-size:.85rem}"
)


async def form(request: Request) -> dict[str, str]:
    """Read an urlencoded form; empty for any other body. Of a name sent twice the last counts."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    text = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
        f'<main><h1>{escape(title)}</h1>{body}<p class="note">A simulated page; no real account is involved.</p>'
        "</main></html>"
    )
    return HTMLResponse(text, status)


def choose(title: str, note: str, users: Sequence[User], chosen: str, roles: Sequence[str] = ()) -> HTMLResponse:
    """Choose a user, then accept or cancel. The form posts ``user`` and ``decision`` to the page's own address."""
    options = "".join(
        f'<option value="{escape(user.address)}"{" selected" if user.address == chosen.lower() else ""}>'
        f"{escape(user.name)} &lt;{escape(user.address)}&gt;</option>"
        for user in users
    )
    asked = "".join(f"<li>{escape(role)}</li>" for role in roles)
    body = (
        f"<p>{escape(note)}</p>{'<ul>' + asked + '</ul>' if asked else ''}"
        f'<form method="post"><label>Signed in as <select name="user">{options}</select></label><p>'
        '<button name="decision" value="accept">Accept</button><button name="decision" value="cancel">Cancel</button>'
        "</p></form>"
    )
    return _page(title, body)


class PageError(Exception):
    """A mistake that is shown on a page and not sent to a redirect URI that nobody vouches for."""

    def __init__(self, note: str, status: int = 400) -> None:
        super().__init__(note)
        self.note = note
        self.status = status


def shown(run: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Turn the PageError of an endpoint into its page."""

    async def endpoint(request: Request) -> Response:
        try:
            return await run(request)
        except PageError as error:
            title = "Sorry, but we are having trouble signing you in"
            return _page(title, f"<p>{escape(error.note)}</p>", error.status)

    return endpoint
