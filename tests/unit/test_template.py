"""The template as CloudFormation gets it."""

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]
EXPANDED = runpy.run_path(str(Path(__file__).parents[1] / "expanded.py"))
RESOURCES: dict[str, Any] = EXPANDED["expanded"]()["Resources"]
LOG_ARN = "kms:EncryptionContext:aws:logs:arn"
# Its function raises nothing: a fault is an HTTP answer, 500, and the alarm on those stands for the errors.
ERRORS_ARE_ANSWERS = {"ServeApiFunction": ("AWS/ApiGateway", "5xx", "Api")}


def of_type(kind: str) -> dict[str, Any]:
    """The properties of every resource of that type, by logical id."""
    return {name: each.get("Properties", {}) for name, each in RESOURCES.items() if each["Type"] == kind}


ALARMS = of_type("AWS::CloudWatch::Alarm")


def measured() -> Iterator[tuple[str, str, str]]:
    """Namespace and metric of every alarm on a resource, and the resource's logical id."""
    for alarm in ALARMS.values():
        for dimension in alarm.get("Dimensions", []):
            (source,) = dimension["Value"].values()  # {"Ref": id} or {"Fn::GetAtt": [id, attribute]}
            yield alarm["Namespace"], alarm["MetricName"], source if isinstance(source, str) else source[0]


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
    conditions = [each.get("Condition", {}).get("ArnLike", {}) for each in policy]
    (arns,) = (each[LOG_ARN] for each in conditions if LOG_ARN in each)
    allowed = [each["Fn::Sub"].partition(":log-group:")[2] for each in arns]
    names = [each["Properties"]["LogGroupName"]["Fn::Sub"] for each in RESOURCES.values() if "LogGroup" in each["Type"]]
    assert len(names) > 5
    assert all(any(name.startswith(pattern.removesuffix("*")) for pattern in allowed) for name in names)


def test_every_function_has_an_alarm_on_its_errors_and_one_on_its_throttles() -> None:
    """A function added later must not fail unseen."""
    functions = of_type("AWS::Lambda::Function")
    errors = {ERRORS_ARE_ANSWERS.get(name, ("AWS/Lambda", "Errors", name)) for name in functions}
    throttles = {("AWS/Lambda", "Throttles", name) for name in functions}
    assert functions.keys() > ERRORS_ARE_ANSWERS.keys()
    assert errors | throttles <= set(measured())


def test_every_state_machine_has_an_alarm_on_its_failed_executions() -> None:
    """An execution fails when its retries are used up, and nobody waits for its result."""
    machines = of_type("AWS::StepFunctions::StateMachine")
    assert machines
    assert {("AWS/States", "ExecutionsFailed", name) for name in machines} <= set(measured())


def test_every_queue_has_an_alarm_on_messages_that_nobody_takes() -> None:
    """A message is late in a queue that a function reads, and waits for an operator in any other."""
    sources = [each["EventSourceArn"]["Fn::GetAtt"][0] for each in of_type("AWS::Lambda::EventSourceMapping").values()]
    queues = of_type("AWS::SQS::Queue")
    assert set(sources) < queues.keys()
    late, waiting = "ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"
    assert {("AWS/SQS", late if name in sources else waiting, name) for name in queues} <= set(measured())


def test_every_alarm_notifies_the_operators_when_it_goes_off_and_when_it_is_over() -> None:
    """Who was woken up must also learn that it is over."""
    topic = [{"Ref": name} for name in of_type("AWS::SNS::Topic")]
    assert len(topic) == 1
    for name, alarm in ALARMS.items():
        assert alarm["AlarmActions"] == alarm["OKActions"] == topic, name


def test_no_alarm_goes_off_for_want_of_data() -> None:
    """An idle stack measures nothing, and that is no fault. But it is swept."""
    missed = {name for name, alarm in ALARMS.items() if alarm["TreatMissingData"] != "notBreaching"}
    assert missed == {"SweepsMissingAlarm"}


def test_an_alarm_tells_when_no_sweep_came_to_its_end() -> None:
    """What a crash left is started by the sweeper alone, and what never runs counts no error."""
    alarm = ALARMS["SweepsMissingAlarm"]
    assert (alarm["Statistic"], alarm["ComparisonOperator"], alarm["Threshold"]) == (
        "SampleCount",
        "LessThanThreshold",
        1,
    )
    assert alarm["TreatMissingData"] == "breaching"
    events = RESOURCES["SweepLedgerFunctionEveryQuarterHour"]["Properties"]
    assert events["ScheduleExpression"] == "rate(15 minutes)"
    assert alarm["Period"] >= 2 * 15 * 60


def test_an_alarm_is_called_what_its_logical_id_says() -> None:
    """An e-mail names the alarm, and the template must be searchable for it."""
    for name, alarm in ALARMS.items():
        words = re.findall("[A-Z][a-z]+", name.removesuffix("Alarm"))
        assert alarm["AlarmName"] == {"Fn::Sub": f"${{AWS::StackName}}-{'-'.join(words).lower()}"}


def test_what_resources_refer_to_stands_before_them() -> None:
    """Who reads from the top must know a parameter or a condition before it is used."""
    sections = list(yaml_parse(EXPANDED["TEMPLATE"].read_text("utf-8")))
    assert {"Parameters", "Conditions"} < set(sections)
    assert sections[-2:] == ["Resources", "Outputs"]


def test_every_metric_of_our_own_that_is_shown_or_alarms_is_counted_in_a_function() -> None:
    """An alarm on a metric that nobody counts never goes off, and nothing says so."""
    counted = {
        name
        for file in (ROOT / "functions").glob("*.py")
        for name in re.findall(r'\bcount\(\s*"(\w+)"', file.read_text("utf-8"))
    }
    alarmed = {alarm["MetricName"] for alarm in ALARMS.values() if not isinstance(alarm["Namespace"], str)}
    body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    ours = re.search(r'\["\$\{AWS::StackName\}", "KeyRefused"\](.*?)\["AWS/', body, re.DOTALL)
    assert ours is not None
    shown = set(re.findall(r'"(\w{3,})"', ours[0])) | set(re.findall(r'MetricName=\\"(\w+)\\"', body))
    assert {"StoreFailures", "Deliveries"} <= alarmed | shown
    assert alarmed | shown <= counted
