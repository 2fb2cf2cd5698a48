"""One run of msgraph-sdk: a job as JSON on standard input, a report as JSON on standard output.

Proxy and trust come from the environment alone (HTTPS_PROXY, SSL_CERT_FILE, REQUESTS_CA_BUNDLE), as for any program.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from azure.identity import CertificateCredential, ClientSecretCredential
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient

from tests.oracle.sdk.directory import Directory
from tests.oracle.sdk.hands import Hands
from tests.oracle.sdk.ledger import Ledger, proven
from tests.oracle.sdk.mailbox import Mailbox
from tests.oracle.sdk.reading import read_all
from tests.oracle.sdk.writing import Writing


def _client(credential: Any) -> GraphServiceClient:
    # Without a list of hosts the SDK asks for a token for the host of an upload address, too, which must get none.
    provider = AzureIdentityAuthenticationProvider(credential, allowed_hosts=["graph.microsoft.com"])
    return GraphServiceClient(request_adapter=GraphRequestAdapter(provider))


async def calls(job: dict[str, Any], ledger: Ledger) -> None:
    """Ask for everything the SDK can ask for that the simulators answer."""
    ledger.check("ledger: an unknown property is noticed", proven())
    hands = Hands(job["control"])
    graph = _client(ClientSecretCredential(job["tenant"], job["client_id"], job["secret"]))
    await Directory(graph, hands, ledger, job["tenant"]).run()
    await Mailbox(graph, hands, ledger, job["users"][0]).run()
    await Writing(graph, hands, ledger, job["users"][1]).run()

    async def signed() -> None:
        pem = job["certificate"].encode()
        certified = CertificateCredential(job["tenant"], job["client_id"], certificate_data=pem)
        found = ledger.look(await _client(certified).organization.get())
        ledger.check("login: a certificate's assertion", len(found.value), 1)

    await ledger.run("login by certificate", signed)


async def read(job: dict[str, Any], ledger: Ledger) -> dict[str, Any]:
    """Read mails with everything that belongs to them."""
    graph = _client(ClientSecretCredential(job["tenant"], job["client_id"], job["secret"]))
    return await read_all(graph, ledger, job["mails"], job["names"])


def main() -> None:
    """Run the job and write the report."""
    job = json.load(sys.stdin)
    ledger = Ledger()
    found = asyncio.run(read(job, ledger) if job["part"] == "read" else calls(job, ledger))
    report = {"checks": ledger.checks, "unknown": sorted(ledger.unknown), "objects": ledger.objects, "found": found}
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
