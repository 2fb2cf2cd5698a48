"""Writes the tables of docs/providers/microsoft365.md: ``python -m tests.providers.microsoft365.fields_page``."""

from __future__ import annotations

from pathlib import Path

from arche.providers.microsoft365 import fields

PAGE = Path(__file__).parents[3] / "docs/providers/microsoft365.md"
BEGIN, END = "<!-- fields: begin (made by tests/providers/microsoft365/fields_page.py) -->", "<!-- fields: end -->"


def tables() -> str:
    """All tables, from fields.py alone."""
    lines = ["", "**Message**", "", "| property | given back | compared |", "|---|---|---|"]
    lines += [_row(name, field) for name, field in fields.MESSAGE.items()]
    lines += [
        "",
        "**Meeting messages** (beside the above)",
        "",
        "| property | given back | compared |",
        "|---|---|---|",
    ]
    lines += [_row(name, field) for name, field in fields.MEETING_MESSAGE.items()]
    lines += ["", "**Attachment**", "", "| property | given back | compared |", "|---|---|---|"]
    lines += [_row(name, field) for name, field in fields.ATTACHMENT.items()]
    lines += ["", "**MAPI properties read and written**", "", "| id | carries |", "|---|---|"]
    lines += [f"| `{one.id}` | {one.carries} |" for one in fields.EXTENDED]
    lines += [f"| `{fields.MARK}` | the restore that wrote the mail (written and read by Arche alone) |", ""]
    return "\n".join(lines)


def _row(name: str, field: fields.Field) -> str:
    return f"| {name} | {field.how or 'no: ' + field.lost} | {'yes' if field.compared else 'no'} |"


def written(page: str) -> str:
    """The page with its tables up to date."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{tables()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
