"""Exchange Online's mail: mailboxes, folders, messages, attachments, deltas, uploads and their faults."""

from __future__ import annotations

from pathlib import Path

from simulators.microsoft365.cloud import Cloud
from simulators.microsoft365.directory import User
from simulators.microsoft365.mail import (
    actions,
    delta,
    routes_attachments,
    routes_folders,
    routes_messages,
    routes_other,
    upload,
    weather,
    world,
)
from simulators.microsoft365.mail.entrance import Exchange
from simulators.microsoft365.mail.folders import Folders
from simulators.microsoft365.mail.ids import Ids
from simulators.microsoft365.mail.items import Items
from simulators.microsoft365.mail.render import Render
from simulators.microsoft365.mail.schema import Store
from simulators.microsoft365.mail.seed import people_with_mail, write_mailbox
from simulators.microsoft365.mail.throttle import Throttle


def install(cloud: Cloud) -> None:
    """Add mail to the cloud. Users get their mailboxes, and what the world has for them, as they are made."""
    simulation = cloud.simulation
    chance, clock = simulation.chance, simulation.clock
    store = Store(simulation.state.database("microsoft365_mail"))
    ids, items = Ids(chance.digest("mail ids")), Items(store, clock.text)
    folders = Folders(items)
    throttle = Throttle(clock.now, chance.stream("mail throttle"))
    exchange = Exchange(cloud, store, ids, items, folders, Render(items, folders, ids), throttle, {})
    weather.register(cloud)
    for part in (routes_folders, routes_messages, routes_attachments, routes_other, upload, actions):
        part.install(exchange)
    delta.install(exchange, chance.digest("mail deltas"))

    def created(user: User, folder: Path | None) -> None:
        if user.guest:
            return
        # A user without a licence keeps the mailbox closed until there is one.
        made_up = folder is None and simulation.world is None and user.address in people_with_mail()
        guid = chance.guid("mailbox", user.id)
        box = store.add_box(user.tenant, user.id, user.address, guid, sealed=made_up)
        folders.furnish(box)
        if folder is not None:
            world.load(exchange, box, folder / "mail")

    # The made-up mail of a person is written when somebody first looks, so that a start takes no time.
    store.unseal = lambda box: write_mailbox(exchange, box)
    cloud.directory.created.append(created)
