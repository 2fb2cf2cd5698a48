"""Metering: one usage row per account and day."""

from __future__ import annotations

from constructs import Construct

from infra import rights
from infra.clock import Clock
from infra.data import DataStack
from infra.lambdas import Lambdas


class Billing(Construct):
    """``meter`` and its daily start."""

    def __init__(self, scope: Construct, name: str, data: DataStack, lambdas: Lambdas, clock: Clock) -> None:
        super().__init__(scope, name)
        self.meter = lambdas.make(self, "billing.meter", settings=("tenancy_table", "index_table"), seconds=900)
        rights.tables(self.meter, (*rights.READ, *rights.SCAN), data.tenancy_table, data.index_table)
        rights.tables(self.meter, ("dynamodb:PutItem", "dynamodb:UpdateItem"), data.index_table)
        clock.daily("metering", hour=1, function=self.meter)
