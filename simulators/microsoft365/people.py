"""Who works where: the made-up company, or the people of a world directory."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
PRIVILEGED_ROLE_ADMINISTRATOR = "e8611ab8-c189-46e8-94e1-60213ab1f814"
DOMAIN = "nordwind-logistik.example"


@dataclass(frozen=True)
class Person:
    """One user object. ``local`` is the part before the @.

    ``purpose``: user, shared, room or equipment. ``roles``: template ids of directory roles. ``leaves``: leaves the
    company in the course of a demo. ``folder``: where a world directory keeps this person's data.
    """

    local: str
    name: str
    purpose: str = "user"
    title: str = ""
    department: str = ""
    guest: bool = False
    leaves: bool = False
    roles: tuple[str, ...] = ()
    folder: Path | None = None


@dataclass(frozen=True)
class Company:
    """One tenant with its people."""

    domain: str
    name: str
    people: tuple[Person, ...] = field(default_factory=tuple)


NORDWIND = Company(
    DOMAIN,
    "Nordwind Logistik GmbH",
    (
        Person("ute.groesser", "Ute Größer", title="Geschäftsführerin", department="Leitung"),
        Person("joerg.mueller", "Jörg Müller", title="Disponent", department="Disposition"),
        Person("anke.schaefer", "Anke Schäfer", title="Buchhalterin", department="Finanzen"),
        Person("rene.lefevre", "René Lefèvre", title="Vertrieb Frankreich", department="Vertrieb"),
        Person("soeren.kjaer", "Søren Kjær", title="Leiter Lager", department="Lager"),
        Person("zeynep.oeztuerk", "Zeynep Öztürk", title="Einkäuferin", department="Einkauf"),
        Person("lukas.weiss", "Lukas Weiß", title="Auszubildender", department="Disposition", leaves=True),
        Person("maelle.ohara", "Maëlle O'Hara", title="Zollsachbearbeiterin", department="Zoll", leaves=True),
        Person("jadwiga.wozniak", "Jadwiga Woźniak", title="Fuhrparkleiterin", department="Fuhrpark"),
        Person("tom.krueger", "Tom Krüger", title="IT", department="IT", roles=(PRIVILEGED_ROLE_ADMINISTRATOR,)),
        Person("auftrag", "Auftragsannahme", purpose="shared"),
        Person("kai.gast", "Kai Gast (Beratung Südwind)", guest=True),
        Person("admin", "Administrator", roles=(GLOBAL_ADMINISTRATOR,)),
    ),
)


def companies(world: Path | None) -> Iterator[Company]:
    """Return the tenants of ``WORLD/microsoft365/<domain>/<user>/``, or the made-up one without a world.

    ``<user>`` is a local part or a whole address. Each tenant gets an administrator if it has no ``admin``.
    """
    if world is None:
        yield NORDWIND
        return
    domains = [path for path in (world / "microsoft365").glob("*") if path.is_dir() and not path.name.startswith(".")]
    for domain in sorted(domains):
        folders = [path for path in sorted(domain.iterdir()) if path.is_dir() and not path.name.startswith(".")]
        people = [_from_folder(path) for path in folders]
        if len({person.local for person in people}) != len(people):
            raise ValueError(f"two directories in {domain} name the same user")
        if not any(person.local == "admin" for person in people):
            people.append(Person("admin", "Administrator", roles=(GLOBAL_ADMINISTRATOR,)))
        yield Company(domain.name.lower(), domain.name, tuple(people))


def _from_folder(folder: Path) -> Person:
    # Some file systems take composed letters apart; an address is one sequence of them.
    local = unicodedata.normalize("NFC", folder.name).split("@")[0].lower()
    name = " ".join(word.capitalize() for word in re.split(r"[._-]+", local) if word) or local
    roles = (GLOBAL_ADMINISTRATOR,) if local == "admin" else ()
    return Person(local, name, roles=roles, folder=folder)
