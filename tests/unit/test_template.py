"""The template as CloudFormation gets it."""

import json
import re
import runpy
from pathlib import Path

RESOURCES = runpy.run_path(str(Path(__file__).parents[1] / "expanded.py"))["expanded"]()["Resources"]


def test_two_stacks_live_in_one_account() -> None:
    """A name that is the same in every stack lets the first be deployed and fails the second."""
    fixed = {
        (resource["Type"], field, value)
        for resource in RESOURCES.values()
        for field, value in resource.get("Properties", {}).items()
        if field.endswith("Name") and field != "MetricName" and isinstance(value, str)
    }
    inside_an_api = {entry for entry in fixed if entry[0].startswith("AWS::ApiGatewayV2::")}
    assert fixed - inside_an_api == set()


def test_what_services_log_needs_no_room_in_the_accounts_policy() -> None:
    """Each other group adds to one policy of 5,120 characters, and a deployment fails when it is full.

    https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html
    """
    logged = json.dumps([each for each in RESOURCES.values() if each["Type"] != "AWS::Lambda::Function"])
    delivered_to = set(re.findall(r'Arn": \{"Fn::GetAtt": \["(\w+Log)", "Arn"\]\}', logged))
    assert delivered_to == {"WatchLog", "RedeliverLog", "ApiLog"}
    for name in delivered_to:
        assert RESOURCES[name]["Properties"]["LogGroupName"]["Fn::Sub"].startswith("/aws/vendedlogs/")


def test_every_log_can_be_encrypted() -> None:
    """CloudWatch Logs refuses a group whose key's policy does not name it."""
    policy = RESOURCES["Key"]["Properties"]["KeyPolicy"]["Statement"]
    (condition,) = (each["Condition"]["ArnLike"] for each in policy if each["Sid"] == "Logs")
    allowed = [each["Fn::Sub"].partition(":log-group:")[2] for each in condition["kms:EncryptionContext:aws:logs:arn"]]
    names = [each["Properties"]["LogGroupName"]["Fn::Sub"] for each in RESOURCES.values() if "LogGroup" in each["Type"]]
    assert len(names) > 5
    assert all(any(name.startswith(pattern.removesuffix("*")) for pattern in allowed) for name in names)
