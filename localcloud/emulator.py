"""``python -m localcloud.emulator``: MiniStack with its known gaps closed, each in one function below.

MiniStack is pinned; a patch that no longer finds what it replaces stops the start with one line instead of being
silently without effect. ``docs/decisions/0002-embedded-cloud.md`` lists the gaps, these and the ones closed elsewhere.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import sys
import threading
import zipfile
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcloud.traffic import FILE, recording

PINNED = "1.5.33"

_DAY = 86_400


class EmulatorChanged(Exception):  # noqa: N818 - the name says what happened
    """The emulator is another one than the patches were written for."""


def main() -> int:
    """Patch and serve until SIGTERM or SIGINT. The environment is MiniStack's own (GATEWAY_PORT, STATE_DIR ...)."""
    try:
        patch(Path(os.environ["STATE_DIR"]) / "layers")
    except EmulatorChanged as changed:
        sys.stderr.write(f"emulator: {changed}\n")
        return 2
    importlib.import_module("ministack.app").main()
    return 0


def patch(layers: Path) -> None:
    """Close all gaps; unpacked layers are kept in ``layers``. Raises EmulatorChanged."""
    found = importlib.metadata.version("ministack")
    if found != PINNED:
        raise EmulatorChanged(f"ministack {PINNED} is wanted, {found} is installed: run `make setup`")
    # Imported here and not above: the emulator reads its environment when it is imported.
    app, iam_actions, iam_evaluator, lambda_runtime, lambda_svc, s3, scheduler = (
        importlib.import_module(f"ministack.{name}")
        for name in (
            "app",
            "core.iam_actions",
            "core.iam_evaluator",
            "core.lambda_runtime",
            "services.lambda_svc",
            "services.s3",
            "services.scheduler",
        )
    )
    shutil.rmtree(layers, ignore_errors=True)
    errors_keep_their_class(lambda_runtime, lambda_svc)
    layers_are_unpacked_once(lambda_runtime, layers)
    loopback_counts_as_tls(app)
    roles_have_their_arn(iam_evaluator)
    writes_carry_their_conditions(iam_actions)
    rows_carry_their_keys(iam_actions)
    keys_carry_their_context(iam_actions)
    clock_is_looked_at_each_second(scheduler)
    _replace(s3, "handle_request", lambda serve: recording(serve, layers.parent / FILE))


def _replace(owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    original = getattr(owner, name, None)
    if original is None:
        raise EmulatorChanged(f"{owner.__name__} has no {name} any more; revise localcloud/emulator.py")
    setattr(owner, name, make(original))


_WORKER_FAILURE = '{"status": "error", "error": str(e), "trace": traceback.format_exc()}'
_WORKER_ANSWER = (
    '{"status": "ok", "result": None, "failed": type(e).__name__, "error": str(e), "trace": traceback.format_exc()}'
)


def errors_keep_their_class(lambda_runtime: Any, lambda_svc: Any) -> None:
    """A failed function is reported by the class of its exception, and its process lives on.

    MiniStack names every failure ``Runtime.HandlerError`` and ends the worker. Lambda gives ``errorType`` the class
    name, which the state machines match in ``ErrorEquals``, and keeps the execution environment.
    """
    script: str = vars(lambda_runtime).get("_PYTHON_WORKER_SCRIPT", "")
    if _WORKER_FAILURE not in script:
        raise EmulatorChanged("the worker's script reports failures differently; revise localcloud/emulator.py")
    vars(lambda_runtime)["_PYTHON_WORKER_SCRIPT"] = script.replace(_WORKER_FAILURE, _WORKER_ANSWER)
    last = threading.local()

    def invoke(original: Callable[..., Any]) -> Callable[..., Any]:
        def named(worker: Any, *args: Any, **kwargs: Any) -> Any:
            response = original(worker, *args, **kwargs)
            last.failed = response.pop("failed", None)
            if last.failed:
                response["status"] = "error"
            return response

        return named

    def execute(original: Callable[..., Any]) -> Callable[..., Any]:
        def named(*args: Any, **kwargs: Any) -> Any:
            last.failed = None
            result = original(*args, **kwargs)
            if last.failed and isinstance(result.get("body"), dict):
                result["body"]["errorType"] = last.failed
            return result

        return named

    _replace(lambda_runtime.Worker, "invoke", invoke)
    _replace(lambda_svc, "_execute_function_warm", execute)


def layers_are_unpacked_once(lambda_runtime: Any, home: Path) -> None:
    """Workers share one unpacked copy of each layer, as Lambda's environments share the mounted one.

    MiniStack unpacks every layer for every worker: 80 MB and a second of work each.
    """
    home.mkdir(parents=True, exist_ok=True)
    lock = threading.Lock()

    class SharedZip(zipfile.ZipFile):
        """Extracts ``layer_*.zip`` once per content and links to it."""

        def namelist(self) -> list[str]:
            return [] if self._shared else super().namelist()

        @property
        def _shared(self) -> bool:
            return Path(str(self.filename)).name.startswith("layer_")

        def extractall(self, path: Any = None, members: Iterable[Any] | None = None, pwd: bytes | None = None) -> None:
            if not self._shared:
                super().extractall(path, members, pwd)
                return
            name = hashlib.sha256(Path(str(self.filename)).read_bytes()).hexdigest()[:32]
            with lock:
                if not (home / name).is_dir():
                    draft = home / f".{name}"
                    super().extractall(draft, super().namelist())
                    draft.rename(home / name)
            Path(path).rmdir()
            Path(path).symlink_to(home / name, target_is_directory=True)

    class Shim:
        """The names of ``zipfile`` that the emulator uses."""

        ZipFile = SharedZip
        BadZipFile = zipfile.BadZipFile
        LargeFileError = zipfile.LargeZipFile  # the name that the emulator asks for does not exist

    if not hasattr(lambda_runtime, "zipfile"):
        raise EmulatorChanged("the emulator unpacks layers differently; revise localcloud/emulator.py")
    lambda_runtime.zipfile = Shim


def loopback_counts_as_tls(app: Any) -> None:
    """The hop to the emulator never leaves the machine: policies that ask for TLS see it as met.

    That those policies refuse plain HTTP is checked by the tests of the synthesized templates.
    """
    _replace(app, "pin_request_origin", lambda original: lambda source, _secure: original(source, True))  # noqa: FBT003


def roles_have_their_arn(iam_evaluator: Any) -> None:
    """``aws:PrincipalArn`` of a role's session is the role's ARN, not the session's (IAM user guide)."""

    def resolve(original: Callable[..., Any]) -> Callable[..., Any]:
        def principal(key: str, context: Any) -> Any:
            found = original(key, context)
            if key.lower() == "aws:principalarn" and ":assumed-role/" in str(found):
                account, rest = re.fullmatch(r"arn:aws:sts::(\d+):assumed-role/(.+)/[^/]+", found).groups()  # type: ignore[union-attr]
                return f"arn:aws:iam::{account}:role/{rest}"
            return found

        return principal

    _replace(iam_evaluator, "_resolve_condition_key", resolve)


def writes_carry_their_conditions(iam_actions: Any) -> None:
    """Condition keys of writes to S3: ``s3:if-none-match``, ``s3:ObjectCreationOperation``, object lock."""

    def context(original: Callable[..., Any]) -> Callable[..., Any]:
        def extended(action: str, query: Any, path: str = "", headers: Any = None) -> dict[str, Any]:
            found: dict[str, Any] = original(action, query, path, headers)
            sent: Mapping[str, str] = headers or {}
            if action == "s3:PutObject":
                found["s3:ObjectCreationOperation"] = "false" if "partNumber" in (query or {}) else "true"
                if "if-none-match" in sent:
                    found["s3:if-none-match"] = sent["if-none-match"]
                mode, until = sent.get("x-amz-object-lock-mode"), sent.get("x-amz-object-lock-retain-until-date")
                if mode:
                    found["s3:object-lock-mode"] = mode
                if until:
                    left = datetime.fromisoformat(until) - datetime.now(UTC)
                    found["s3:object-lock-remaining-retention-days"] = str(int(left.total_seconds() // _DAY))
            return found

        return extended

    _replace(iam_actions, "s3_service_context", context)


_EQUAL = re.compile(r"([#\w]+)\s*=\s*(:\w+)")


def rows_carry_their_keys(iam_actions: Any) -> None:
    """``dynamodb:LeadingKeys``: the partition keys that a request names. Every table of ours calls it ``pk``."""

    def context(original: Callable[..., Any]) -> Callable[..., Any]:
        def extended(body: bytes) -> dict[str, Any]:
            found: dict[str, Any] = original(body)
            try:
                request = json.loads(body or b"{}")
            except ValueError:
                return found
            keys = sorted(set(leading_keys(request))) if isinstance(request, dict) else []
            if keys:
                found["dynamodb:LeadingKeys"] = keys
            return found

        return extended

    _replace(iam_actions, "dynamodb_service_context", context)


def leading_keys(request: Mapping[str, Any]) -> Iterable[str]:
    """Partition keys in a DynamoDB request of any kind (item, query, batch, transaction)."""
    for name in ("Key", "Item"):
        if "pk" in (request.get(name) or {}):
            yield str(request[name]["pk"].get("S", ""))
    names, values = request.get("ExpressionAttributeNames") or {}, request.get("ExpressionAttributeValues") or {}
    for name, value in _EQUAL.findall(request.get("KeyConditionExpression") or ""):
        if names.get(name, name) in {"pk", "slot_shard"}:
            yield str(values.get(value, {}).get("S", ""))
    for part in _parts(request):
        yield from leading_keys(part)


def _parts(request: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Requests within a batch or a transaction."""
    for actions in (request.get("RequestItems") or {}).values():
        if isinstance(actions, dict):
            yield from ({"Key": key} for key in actions.get("Keys", []))
        else:
            yield from (detail for action in actions for detail in action.values())
    for action in request.get("TransactItems") or []:
        yield from action.values()


def keys_carry_their_context(iam_actions: Any) -> None:
    """``kms:EncryptionContext:…`` and ``kms:EncryptionContextKeys`` of a call to KMS."""

    def context(original: Callable[..., Any]) -> Callable[..., Any]:
        def extended(service: str, action: str, body: bytes, params: Any) -> dict[str, Any]:
            found: dict[str, Any] = original(service, action, body, params)
            if service == "kms":
                try:
                    given = json.loads(body or b"{}").get("EncryptionContext") or {}
                except (ValueError, AttributeError):
                    given = {}
                found.update({f"kms:EncryptionContext:{key}": value for key, value in given.items()})
                if given:
                    found["kms:EncryptionContextKeys"] = sorted(given)
            return found

        return extended

    _replace(iam_actions, "request_tag_context", context)


def clock_is_looked_at_each_second(scheduler: Any) -> None:
    """Due schedules start within a second instead of ten."""
    if not hasattr(scheduler, "_SCHEDULE_TICK_INTERVAL"):
        raise EmulatorChanged("the scheduler waits differently; revise localcloud/emulator.py")
    vars(scheduler)["_SCHEDULE_TICK_INTERVAL"] = 1


if __name__ == "__main__":
    sys.exit(main())
