"""Business mail in German and English, put together from templates."""

from __future__ import annotations

import html
from dataclasses import dataclass
from random import Random

SUBJECTS_DE = (
    "Angebot {n}: Teilladung {a} — {b}",
    "Rückfrage zur Sendung {n}",
    "Rechnung {n} überfällig",
    "Ladetermin {b} verschoben auf {d}",
    "Protokoll Jour fixe KW {w}",
    "Zollpapiere für {a} fehlen noch",
    "Schadensmeldung Palette {n}",
    "Urlaubsantrag {d} 🌴",
    "Kühlkette unterbrochen — bitte prüfen ❄️",
    "Tourenplan KW {w}",
    "Neue Fahrerkarte für Fahrzeug HL-NW {w}",
    "Danke für die schnelle Hilfe 😊",
    "Preisanpassung Diesel-Floater ab {d}",
    "Gefahrgut: Unterlagen zu Auftrag {n}",
)
SUBJECTS_EN = (
    "Quote {n}: part load {a} to {b}",
    "Delivery window {b} moved to {d}",
    "Invoice {n} — second reminder",
    "Proof of delivery missing for {n}",
    "Booking confirmation {n}",
    "Minutes of our call, week {w}",
    "Customs clearance {a}: documents attached",
    "Container {n} released ✅",
    "Rate sheet Q{q}",
    "Can you call me back about {n}?",
)
LINES_DE = (
    "die Sendung {n} steht seit heute früh an Tor {w} und kann abgeholt werden.",
    "anbei die besprochenen Unterlagen zu Auftrag {n}.",
    "der Fahrer meldet sich etwa eine Stunde vor der Ankunft in {b}.",
    "bitte prüfen Sie die Mengen noch einmal, uns fehlen {w} Paletten.",
    "wir können Ihnen für {a} — {b} einen Preis von {p} EUR anbieten.",
    "die Rampe ist am {d} wegen Wartung gesperrt, wir weichen auf Tor {w} aus.",
    "für die Verzollung brauchen wir noch die Ursprungserklärung und die EORI-Nummer.",
    "der Kunde möchte die Ware spätestens am {d} in {b} haben.",
    "die Rechnung {n} über {p} EUR ist bei uns noch offen.",
    "könnten Sie bitte die Standzeit von {w} Minuten bestätigen?",
    "Kühlgut bitte nur bei +4 °C annehmen; das Protokoll liegt bei.",
    "gegenüber dem Vormonat sind die Leerkilometer um {w} % gesunken.",
    "für Rückfragen bin ich bis 16:30 Uhr in der Dispo erreichbar.",
)
LINES_EN = (
    "shipment {n} has arrived at gate {w} and is ready for collection.",
    "please find attached the papers for order {n}.",
    "the driver will call you about one hour before he reaches {b}.",
    "could you check the quantities again? We are {w} pallets short.",
    "our rate for {a} to {b} is EUR {p}, fuel surcharge included.",
    "the ramp is closed for maintenance on {d}; we will use gate {w} instead.",
    "customs still needs the certificate of origin and your EORI number.",
    "the consignee asks for delivery by {d} at the latest.",
    "invoice {n} over EUR {p} is still open on our side.",
    "please confirm a waiting time of {w} minutes at the loading point.",
)
PLACES = (
    "Lübeck",
    "Göteborg",
    "Gdańsk",
    "Le Havre",
    "Århus",
    "Rotterdam",
    "München",
    "Łódź",
    "Köln",
    "İzmir",
    "Zürich",
)
HELLO_DE, BYE_DE = (
    ("Guten Tag", "Hallo", "Moin", "Sehr geehrte Damen und Herren"),
    ("Mit freundlichen Grüßen", "Viele Grüße"),
)
HELLO_EN, BYE_EN = ("Dear colleagues", "Hello", "Good morning"), ("Kind regards", "Best wishes")
COMPANIES = (
    "Größer & Söhne KG",
    "Baltic Line AB",
    "Hafenspedition Süd",
    "Transports Lefèvre SARL",
    "Żegluga Polska",
    "Öresund Freight",
)


@dataclass(frozen=True)
class Letter:
    """Subject, plain text and HTML of one mail."""

    subject: str
    plain: str
    html: str


def letter(chance: Random, writer: str, earlier: Letter | None = None) -> Letter:
    """Return a mail by ``writer``; a reply to ``earlier``, if there is one, with its text below."""
    german = chance.random() < 2 / 3
    facts = {
        "n": chance.randint(100000, 999999),
        "a": chance.choice(PLACES),
        "b": chance.choice(PLACES),
        "d": f"{chance.randint(1, 28):02}.{chance.randint(1, 12):02}.2025",
        "w": chance.randint(1, 52),
        "q": chance.randint(1, 4),
        "p": f"{chance.randint(90, 4999)},{chance.randint(0, 99):02}",
    }
    subject = chance.choice(SUBJECTS_DE if german else SUBJECTS_EN).format(**facts)
    lines = [line.format(**facts) for line in chance.sample(LINES_DE if german else LINES_EN, chance.randint(1, 6))]
    hello, bye = (HELLO_DE, BYE_DE) if german else (HELLO_EN, BYE_EN)
    end = f"{chance.choice(bye)}\n{writer}\nNordwind Logistik GmbH"
    plain = f"{chance.choice(hello)},\n\n" + "\n\n".join(lines) + f"\n\n{end}\n"
    marked = "".join(f"<p>{html.escape(line)}</p>\n" for line in plain.strip().split("\n\n"))
    if earlier is not None:
        subject = f"{'AW' if german else 'RE'}: {earlier.subject.removeprefix('AW: ').removeprefix('RE: ')}"
        mark = "-----Ursprüngliche Nachricht-----" if german else "-----Original Message-----"
        plain += f"\n{mark}\n" + "".join(f"> {line}\n" for line in earlier.plain.splitlines()[:12])
        marked += f'<hr>\n<div id="divRplyFwdMsg">{html.escape(mark)}</div>\n'
        marked += f"<blockquote>{html.escape(earlier.plain)}</blockquote>\n"
    page = (
        '<html>\n<head>\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8">\n'
        "<style>p { margin: 0 0 1em 0; font-family: Calibri, sans-serif }</style>\n</head>\n<body>\n" + marked
    )
    return Letter(subject, plain, page + "</body>\n</html>\n")
