"""A small evaluator of IAM policies over synthesized templates, after the IAM user guide's evaluation logic.

It knows what these stacks use and refuses the rest (KeyError), so that a policy word it does not know cannot pass
unseen. Decisions: ``deny`` (said explicitly), ``allow``, ``none`` (nobody allows it).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ACCOUNT = "111122223333"
REGION = "eu-central-1"
_PSEUDO = {"AWS::Partition": "aws", "AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::URLSuffix": "amazonaws.com"}

Statement = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """One call: the role that makes it, what it does to what, and the condition keys that it carries."""

    principal: str
    action: str
    resource: str
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)


class Stacks:
    """The templates of a deployment, with references resolved to the ARNs and names they will have."""

    def __init__(self, templates: Mapping[str, Mapping[str, Any]]) -> None:
        self._templates = templates

    def resources(self, kind: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """``(stack, logical id, properties)`` of every resource of a type, references resolved."""
        for stack, template in self._templates.items():
            for logical_id, resource in template["Resources"].items():
                if resource["Type"] == kind:
                    yield stack, logical_id, self.resolve(resource.get("Properties", {}), stack)

    def identity(self, role: str) -> list[Statement]:
        """Statements of the policies attached to the role of that name."""
        found: list[Statement] = []
        for _stack, _id, policy in self.resources("AWS::IAM::Policy"):
            if role in policy.get("Roles", []):
                found += policy["PolicyDocument"]["Statement"]
        for _stack, _id, properties in self.resources("AWS::IAM::Role"):
            if properties.get("RoleName") == role:
                for inline in properties.get("Policies", []):
                    found += inline["PolicyDocument"]["Statement"]
        return found

    def bucket_policy(self, bucket: str) -> list[Statement]:
        """Statements of the policy of the bucket of that name."""
        for _stack, _id, properties in self.resources("AWS::S3::BucketPolicy"):
            if properties["Bucket"] == bucket:
                return list(properties["PolicyDocument"]["Statement"])
        return []

    def key_policy(self, logical_id: str) -> list[Statement]:
        """Statements of the policy of a KMS key."""
        for _stack, found, properties in self.resources("AWS::KMS::Key"):
            if found == logical_id:
                return list(properties["KeyPolicy"]["Statement"])
        raise KeyError(logical_id)

    def trust(self, role: str) -> list[Statement]:
        """Statements of who may assume the role."""
        for _stack, _id, properties in self.resources("AWS::IAM::Role"):
            if properties.get("RoleName") == role:
                return list(properties["AssumeRolePolicyDocument"]["Statement"])
        raise KeyError(role)

    def resolve(self, value: Any, stack: str) -> Any:
        """Resolve CloudFormation's functions in ``value``. Raises KeyError for one not known here."""
        if isinstance(value, list):
            return [self.resolve(item, stack) for item in value]
        if not isinstance(value, dict):
            return value
        word = next(iter(value), "")
        if len(value) == 1 and (word == "Ref" or word.startswith("Fn::")):
            return self._call(word, value[word], stack)
        return {key: self.resolve(item, stack) for key, item in value.items()}

    def _call(self, word: str, operand: Any, stack: str) -> Any:
        match word:
            case "Ref":
                return _PSEUDO[operand] if operand in _PSEUDO else self._name(stack, operand)
            case "Fn::GetAtt":
                logical_id, attribute = operand
                return self._arn(stack, logical_id) if attribute in {"Arn", "Id"} else f"{logical_id}.{attribute}"
            case "Fn::Join":
                return operand[0].join(self.resolve(item, stack) for item in operand[1])
            case "Fn::Sub":
                return re.sub(r"\$\{([\w:]+)\}", lambda found: str(self._call("Ref", found[1], stack)), operand)
            case "Fn::ImportValue":
                return self._import(operand)
        raise KeyError(f"{word} is not known to the evaluator")

    def _import(self, name: str) -> Any:
        for stack, template in self._templates.items():
            for output in template.get("Outputs", {}).values():
                if output.get("Export", {}).get("Name") == name:
                    return self.resolve(output["Value"], stack)
        raise KeyError(name)

    def _properties(self, stack: str, logical_id: str) -> tuple[str, Mapping[str, Any]]:
        resource = self._templates[stack]["Resources"][logical_id]
        return resource["Type"], resource.get("Properties", {})

    def _name(self, stack: str, logical_id: str) -> str:
        kind, properties = self._properties(stack, logical_id)
        if kind in {"AWS::StepFunctions::StateMachine", "AWS::Lambda::LayerVersion", "AWS::SNS::Topic"}:
            return self._arn(stack, logical_id)
        named = {
            "AWS::S3::Bucket": "BucketName",
            "AWS::IAM::Role": "RoleName",
            "AWS::Lambda::Function": "FunctionName",
            "AWS::Logs::LogGroup": "LogGroupName",
        }
        return str(self.resolve(properties.get(named.get(kind, ""), logical_id), stack))

    def _arn(self, stack: str, logical_id: str) -> str:
        kind, properties = self._properties(stack, logical_id)
        place = f"{REGION}:{ACCOUNT}"
        if kind == "AWS::StepFunctions::StateMachine":
            return f"arn:aws:states:{place}:stateMachine:{properties['StateMachineName']}"
        if kind in {"AWS::Lambda::LayerVersion", "AWS::SNS::Topic"}:
            return f"arn:aws:{kind.split('::')[1].lower()}:{place}:{logical_id}"
        name = self._name(stack, logical_id)
        return {
            "AWS::S3::Bucket": f"arn:aws:s3:::{name}",
            "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{name}",
            "AWS::Lambda::Function": f"arn:aws:lambda:{place}:function:{name}",
            "AWS::Logs::LogGroup": f"arn:aws:logs:{place}:log-group:{name}:*",
            "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{place}:table/{name}",
            "AWS::KMS::Key": f"arn:aws:kms:{place}:key/{name}",
            "AWS::SecretsManager::Secret": f"arn:aws:secretsmanager:{place}:secret:{name}",
            "AWS::SQS::Queue": f"arn:aws:sqs:{place}:{name}",
            "AWS::Cognito::UserPool": f"arn:aws:cognito-idp:{place}:userpool/{name}",
        }[kind]


def role_arn(name: str) -> str:
    """ARN of the role ``name``."""
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def decide(
    request: Request,
    identity: Sequence[Statement],
    *,
    resource: Sequence[Statement] = (),
    session: Sequence[Statement] | None = None,
) -> str:
    """Decide as IAM does within one account: any deny wins, else an allow that the session policy allows as well."""
    layers = [*identity, *resource, *(session or ())]
    if any(s["Effect"] == "Deny" and _applies(s, request) for s in layers):
        return "deny"

    def allowed(statements: Sequence[Statement]) -> bool:
        return any(s["Effect"] == "Allow" and _applies(s, request) for s in statements)

    if session is not None and not allowed(session):
        return "none"
    return "allow" if allowed(identity) else "none"


def _applies(statement: Statement, request: Request) -> bool:
    known = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
    if set(statement) - known:
        raise KeyError(f"statement words {set(statement) - known} are not known to the evaluator")
    return (
        _principal(statement.get("Principal"), request.principal)
        and any(_like(request.action.lower(), action.lower()) for action in _list(statement["Action"]))
        and any(_like(request.resource, resource) for resource in _list(statement.get("Resource", "*")))
        and _conditions(statement.get("Condition", {}), request)
    )


def _principal(principal: Any, caller: str) -> bool:
    if principal is None or principal == "*":
        return True
    root = f"arn:aws:iam::{ACCOUNT}:root"
    return any(named in {"*", caller, root} for named in _list(principal.get("AWS", [])))


def _conditions(conditions: Mapping[str, Mapping[str, Any]], request: Request) -> bool:
    context = {"aws:SecureTransport": "true", "aws:PrincipalArn": request.principal} | dict(request.context)
    lowered = {key.lower(): value for key, value in context.items()}
    return all(
        _condition(operator, lowered.get(key.lower()), [str(v) for v in _list(expected)])
        for operator, keys in conditions.items()
        for key, expected in keys.items()
    )


def _like(text: str, pattern: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, re.DOTALL) is not None


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda actual, expected: actual == expected,
    "StringLike": _like,
    "ArnLike": _like,
    "ArnEquals": _like,
    "Bool": lambda actual, expected: actual.lower() == expected.lower(),
    "NumericGreaterThan": lambda actual, expected: float(actual) > float(expected),
    "NumericLessThan": lambda actual, expected: float(actual) < float(expected),
}
_NEGATED = {"StringNotEquals": "StringEquals", "StringNotLike": "StringLike", "ArnNotLike": "ArnLike"}


def _condition(operator: str, actual: Any, expected: list[str]) -> bool:
    if operator == "Null":
        return (actual is None) == (expected == ["true"])
    if operator.startswith("ForAllValues:"):
        # True of no values at all: the reason why such conditions come with a `Null`.
        one = _OPERATORS[operator.removeprefix("ForAllValues:")]
        return all(any(one(value, wanted) for wanted in expected) for value in _list(actual or []))
    if operator in _NEGATED:
        return actual is None or not any(_OPERATORS[_NEGATED[operator]](actual, wanted) for wanted in expected)
    return actual is not None and any(_OPERATORS[operator](actual, wanted) for wanted in expected)


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
