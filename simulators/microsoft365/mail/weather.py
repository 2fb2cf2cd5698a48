"""The faults of Exchange that can be switched on, beside those that every platform has."""

from __future__ import annotations

from simulators.frame.calls import Call
from simulators.frame.faults import FaultPlan
from simulators.microsoft365.cloud import Cloud
from simulators.microsoft365.mail.throttle import USUAL, Limits

FACTS = "scope may name user (id), address, folder (name), item (immutable id), subject beside the call's own facts"
SWITCHES: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("mail_delta_shuffle", "entries of a delta round come in random order over its pages", {}),
    ("mail_delta_duplicates", "entries of a delta page come twice", {}),
    ("mail_delta_empty_page", "an empty delta page with a nextLink comes before the real one", {}),
    (
        "mail_delta_removed_first",
        "the first round of a delta tells of removed items that nobody ever saw",
        {"items": 2},
    ),
    ("mail_delta_replay", "a round reports again what lies up to that many changes before its token", {"changes": 50}),
    ("mail_delta_loop", "the nextLink of a delta page leads to the same page again", {}),
    (
        "mail_delta_expired",
        "a delta token is refused: SyncStateNotFound, SyncStateInvalid, resyncRequired; scope: token (delta, next)",
        {"code": "SyncStateNotFound", "status": 410, "location": True},
    ),
    ("mail_delta_all_removed", "a later round of a delta reports everything as removed though it is there", {}),
    ("mail_delta_turns_empty", "a first round of a delta finds nothing though there is something", {}),
    (
        "mail_item_error",
        "reading an item fails (ErrorCorruptData ...); scope may name reads: get, value, attachments",
        {"code": "ErrorCorruptData", "status": 500},
    ),
    ("mail_value_truncated", "$value ends after a share of its bytes, and says so in Content-Length", {"share": 0.5}),
    ("mail_value_corrupt", "$value has wrong bytes in it", {"bytes": 64}),
    ("mail_value_drift", "a built $value is not the same at every read", {}),
    ("mail_not_enabled", "the mailbox is on premises, inactive or soft-deleted: MailboxNotEnabledForRESTAPI", {}),
    ("mail_over_quota", "ErrorQuotaExceeded, at a GET too", {"status": 507}),
    ("mail_access_policy", "an application access policy keeps the app out: ErrorAccessDenied", {}),
    ("mail_late", "a new item answers 404 to that many calls after its POST", {"calls": 1}),
    ("mail_slow", "a call holds its place among the four for that many seconds", {"seconds": 0.05}),
    (
        "mail_limits",
        "other limits for an app and mailbox: requests in 10 minutes, bytes uploaded in 5, calls at a time",
        {"requests": 10_000, "upload": 157_286_400, "parallel": 4},
    ),
    ("mail_concurrency_per_app", "the four calls at a time are counted per app over all mailboxes", {}),
    ("mail_upload_lost", "an upload session is gone before its time: 404", {}),
    ("mail_refuse_new", "an item cannot be created", {"code": "ErrorInvalidRecipients", "status": 400}),
)


def register(cloud: Cloud) -> None:
    """Make the switches known."""
    for name, note, parameters in SWITCHES:
        cloud.switch(name, f"{note}. {FACTS}" if name == "mail_item_error" else note, **parameters)


def limits(faults: FaultPlan, call: Call) -> Limits:
    """Return the limits that hold for a call."""
    fault = faults.strike("mail_limits", call)
    return Limits(**{name: int(value) for name, value in fault.parameters.items()}) if fault else USUAL
