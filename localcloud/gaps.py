"""What the emulator's CloudFormation leaves out of a bucket, applied from the synthesized template by the S3 API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def buckets(templates: Path) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """``(stack, logical id, properties)`` of every bucket in a folder of synthesized templates."""
    for path in sorted(templates.glob("*.template.json")):
        stack = path.name.removesuffix(".template.json")
        for logical_id, resource in json.loads(path.read_text()).get("Resources", {}).items():
            if resource["Type"] == "AWS::S3::Bucket":
                yield stack, logical_id, resource.get("Properties", {})


def apply(templates: Path, cloudformation: Any, s3: Any) -> int:
    """Give each deployed bucket its lifecycle, encryption and object lock. Returns how many buckets were treated."""
    treated = 0
    for stack, logical_id, properties in buckets(templates):
        detail = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)
        name = detail["StackResourceDetail"]["PhysicalResourceId"]
        rules = lifecycle(properties)
        if rules:
            s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
        if "BucketEncryption" in properties:
            s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=encryption(properties))
        if properties.get("ObjectLockEnabled"):
            s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=object_lock(properties))
        treated += 1
    return treated


def lifecycle(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    """CloudFormation's lifecycle rules in the words of the S3 API. Raises KeyError for a word not known here."""
    return [_rule(rule) for rule in properties.get("LifecycleConfiguration", {}).get("Rules", [])]


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    done: dict[str, Any] = {"ID": rule["Id"], "Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}}
    for word, value in rule.items():
        match word:
            case "Id" | "Status" | "Prefix":
                pass
            case "ExpirationInDays":
                done["Expiration"] = {"Days": value}
            case "NoncurrentVersionExpiration":
                done[word] = value
            case "AbortIncompleteMultipartUpload":
                done[word] = value
            case "Transitions":
                done[word] = [{"Days": t["TransitionInDays"], "StorageClass": t["StorageClass"]} for t in value]
            case _:
                raise KeyError(f"lifecycle word {word} is not known to localcloud/gaps.py")
    return done


def encryption(properties: Mapping[str, Any]) -> dict[str, Any]:
    """CloudFormation's encryption in the words of the S3 API."""
    rules = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": dict(r["ServerSideEncryptionByDefault"])} for r in rules]}


def object_lock(properties: Mapping[str, Any]) -> dict[str, Any]:
    """CloudFormation's object lock in the words of the S3 API (which are nearly the same)."""
    given = properties.get("ObjectLockConfiguration", {"ObjectLockEnabled": "Enabled"})
    done: dict[str, Any] = {"ObjectLockEnabled": "Enabled"}
    if "Rule" in given:
        done["Rule"] = {"DefaultRetention": dict(given["Rule"]["DefaultRetention"])}
    return done
