"""Labels: the stable names of customers and accounts that may appear anywhere (logs, object keys, state).

A customer label is ``K-`` and six digits drawn at random, so that it says nothing of how many customers
there are (promise P7). An account label is ``A-`` and a number of at least four digits, counted per customer.
A connection label is ``C-`` and a number of at least two digits, counted per customer.
"""

from __future__ import annotations

import re
import secrets

_CUSTOMER = re.compile(r"K-[0-9]{4,8}")
_ACCOUNT = re.compile(r"A-[0-9]{4,9}")
_CONNECTION = re.compile(r"C-[0-9]{2,6}")


class LabelError(ValueError):
    """A text that is not a label of the wanted kind."""


def draw_customer() -> str:
    """Draw a customer label; the caller writes it conditionally and draws again if it is taken."""
    return f"K-{secrets.randbelow(1_000_000):06d}"


def account(number: int) -> str:
    """Label of the customer's account number ``number`` (from 1)."""
    return f"A-{number:04d}"


def connection(number: int) -> str:
    """Label of the customer's connection number ``number`` (from 1)."""
    return f"C-{number:02d}"


def require_customer(text: str) -> str:
    """Return ``text`` if it is a customer label, else raise LabelError."""
    return _require(_CUSTOMER, text, "customer label such as K-004711")


def require_account(text: str) -> str:
    """Return ``text`` if it is an account label, else raise LabelError."""
    return _require(_ACCOUNT, text, "account label such as A-0042")


def require_connection(text: str) -> str:
    """Return ``text`` if it is a connection label, else raise LabelError."""
    return _require(_CONNECTION, text, "connection label such as C-01")


def _require(form: re.Pattern[str], text: str, wanted: str) -> str:
    if not form.fullmatch(text):
        message = f"{text[:40]!r} is not a {wanted}"
        raise LabelError(message)
    return text
