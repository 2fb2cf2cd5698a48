"""Connections, consents on their way, and bindings: one live binding per provider tenant.

=======  ===================================  ==============================================================
table    pk, sk                               attributes
=======  ===================================  ==============================================================
tenancy  {customer}, CONNECTION#{C-..}        fields of ConnectionRecord, red_run, bound, bound_by
tenancy  BINDING#{platform}#{tenant}, BINDING customer, connection, platform, tenant, bound
tenancy  BOUND, {customer}#{C-..}             customer, connection (list of all bound ones)
tenancy  CONSENT#{sha256 of state}, CONSENT   fields of Consent, ttl
tenancy  ALERT, {when}#{customer}#{C-..}      kind, platform, by_customer, by_connection (a second claim)
=======  ===================================  ==============================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from arche.catalog.errors import ConditionFailed, NotFound
from arche.catalog.table import Rows
from arche.catalog.values import fields, record
from arche.catalog.writes import Delete, Put, Update, absent, attr, present, setting, value
from arche.model import labels
from arche.model.tenancy import Binding, ConnectionRecord, Consent
from arche.model.work import Connection

_DAY = 86_400


class Connections:
    """Connections of customers, and how they come to be bound."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def connections(self, customer: str) -> Sequence[ConnectionRecord]:
        """All connections of a customer, by label."""
        return [record(ConnectionRecord, row) for row in self._rows.all("tenancy", customer, "CONNECTION#")]

    def connection(self, customer: str, label: str) -> ConnectionRecord | None:
        """One connection, or None."""
        row = self._rows.get("tenancy", customer, f"CONNECTION#{label}")
        return record(ConnectionRecord, row) if row else None

    def add_connection(self, customer: str, platform: str, created: str) -> ConnectionRecord:
        """Create a connection under the customer's next label, in state ``new``. Raises NotFound."""
        made = ConnectionRecord(
            label=labels.connection(next_number(self._rows, customer, "connections")),
            customer=customer,
            platform=platform,
            created=created,
        )
        self._rows.put(Put("tenancy", customer, f"CONNECTION#{made.label}", {**fields(made), "red_run": ""}, absent()))
        return made

    def record_discovery(
        self, customer: str, connection: str, *, state: str, at: str, leaving: int, message: str
    ) -> None:
        """Write how a discovery ended. Raises NotFound."""
        values = {"discovery": state, "discovered": at, "leaving": leaving, "message": message}
        write = Update("tenancy", customer, f"CONNECTION#{connection}", setting(values), present())
        try:
            self._rows.update(write)
        except ConditionFailed:
            raise NotFound("there is no such connection") from None

    def grant(self, customer: str, connection: str, granted: Mapping[str, int]) -> None:
        """Keep what the vendor granted this tenant in place of its usual limits. Raises NotFound."""
        write = Update("tenancy", customer, f"CONNECTION#{connection}", setting({"granted": dict(granted)}), present())
        try:
            self._rows.update(write)
        except ConditionFailed:
            raise NotFound("there is no such connection") from None

    def put_consent(self, consent: Consent) -> None:
        """Create a consent on its way; a state is never used for two."""
        values = {**fields(consent), "ttl": consent.expires + _DAY}
        self._rows.put(Put("tenancy", f"CONSENT#{consent.id}", "CONSENT", values, absent()))

    def take_consent(self, consent: str, step: Literal["consent", "sign_in"], now: int) -> Consent | None:
        """Use a consent up, once: None if it is unknown, used, expired or at another step.

        ``now`` is in epoch seconds; the row's own expiry counts, for DynamoDB removes rows only some time after theirs.
        """
        usable = (attr("step") == value(step)) & (attr("expires") > value(now))
        try:
            row = self._rows.delete(Delete("tenancy", f"CONSENT#{consent}", "CONSENT", present() & usable))
        except ConditionFailed:
            return None
        return record(Consent, row) if row else None

    def bind(self, consent: Consent, binding: Binding, at: str) -> Literal["bound", "claimed", "mismatch"]:
        """Bind the tenant to the connection, in one transaction.

        ``claimed``: another connection holds the tenant (an alert row is written). ``mismatch``: this connection holds
        another tenant, or there is no such connection. A repeat by the holder is ``bound``: it is live again.
        """
        customer, label = consent.customer, consent.connection
        holder = (attr("customer") == value(customer)) & (attr("connection") == value(label))
        held = {
            "customer": customer,
            "connection": label,
            "platform": binding.platform,
            "tenant": binding.tenant,
            "bound": at,
        }
        ours = (
            present()
            & (attr("platform") == value(binding.platform))
            # The restore app alone binds nothing: it only adds to a tenant that the backup app bound.
            & attr("tenant").is_in(*([value(binding.tenant)] + ([value("")] if consent.app == "backup" else [])))
        )
        changed = {"tenant": binding.tenant, "bound": at, "bound_by": consent.member}
        if consent.app == "backup":
            changed |= {"state": "live", "reason": "", "message": "", "red_run": ""}
        actions = setting(changed) + (setting({"restore_ready": True}) if consent.app == "restore" else [])
        try:
            self._rows.transact(
                Put("tenancy", _binding(binding), "BINDING", held, absent() | holder, "binding"),
                Update("tenancy", customer, f"CONNECTION#{label}", actions, ours, "connection"),
                Put("tenancy", "BOUND", f"{customer}#{label}", {"customer": customer, "connection": label}),
            )
        except ConditionFailed as refused:
            if "connection" in refused.failed:
                return "mismatch"
            self._alert(consent, binding, at)
            return "claimed"
        return "bound"

    def release(self, customer: str, connection: str) -> None:
        """Disconnect: the tenant may be bound again, by anyone who proves it; the connection is paused and unbound.

        Nothing that was backed up is touched. Raises NotFound.
        """
        found = self.connection(customer, connection)
        if found is None:
            raise NotFound("there is no such connection")
        changed = {"state": "paused", "tenant": "", "restore_ready": False, "reason": "disconnected", "message": ""}
        mine = (attr("customer") == value(customer)) & (attr("connection") == value(connection))
        held = Binding(found.platform, found.tenant)
        self._rows.transact(
            Update("tenancy", customer, f"CONNECTION#{connection}", setting(changed), present()),
            *([Delete("tenancy", _binding(held), "BINDING", absent() | mine)] if found.tenant else []),
            Delete("tenancy", "BOUND", f"{customer}#{connection}"),
        )

    def live(self) -> Iterator[ConnectionRecord]:
        """All bound connections of all customers, for the daily discovery."""
        listed = [
            (row["customer"], f"CONNECTION#{row['connection']}") for row in self._rows.all("tenancy", "BOUND", "K-")
        ]
        for row in self._rows.many("tenancy", listed).values():
            found = record(ConnectionRecord, row)
            if found.tenant:
                yield found

    def _alert(self, consent: Consent, binding: Binding, at: str) -> None:
        values = {
            "kind": "second_claim",
            "platform": binding.platform,
            "by_customer": consent.customer,
            "by_connection": consent.connection,
            "by_member": consent.member,
        }
        self._rows.put(Put("tenancy", "ALERT", f"{at}#{consent.customer}#{consent.connection}", values))


def next_number(rows: Rows, customer: str, counter: Literal["accounts", "connections"]) -> int:
    """Count the customer's accounts or connections on; numbers are never given twice. Raises NotFound."""
    write = Update("tenancy", customer, "CUSTOMER", [attr(counter).add(value(1))], present())
    try:
        return int(rows.update(write)[counter])
    except ConditionFailed:
        raise NotFound("there is no such customer") from None


def worker_view(rows: Rows, customer: str, label: str) -> Connection | None:
    """Read a connection's state as workers see it, or None."""
    row = rows.get("tenancy", customer, f"CONNECTION#{label}")
    return record(Connection, row) if row else None


def redden(rows: Rows, customer: str, label: str, *, run: str, reason: str, message: str) -> bool:
    """Turn a live connection red. True only for the call that turned it, so that one alert goes out per cause."""
    values = {"state": "red", "red_run": run, "reason": reason, "message": message}
    write = Update(
        "tenancy", customer, f"CONNECTION#{label}", setting(values), present() & (attr("state") == value("live"))
    )
    try:
        rows.update(write)
    except ConditionFailed:
        return False
    return True


def recover(rows: Rows, customer: str, label: str) -> None:
    """Turn a red connection live again; nothing if it is not red."""
    values = {"state": "live", "red_run": "", "reason": "", "message": ""}
    write = Update(
        "tenancy", customer, f"CONNECTION#{label}", setting(values), present() & (attr("state") == value("red"))
    )
    try:
        rows.update(write)
    except ConditionFailed:
        return


def _binding(binding: Binding) -> str:
    return f"BINDING#{binding.platform}#{binding.tenant}"
