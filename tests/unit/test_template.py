"""The template as CloudFormation gets it."""

import ast
import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from vidhook.deliver import JITTER, PAUSES
from vidhook.edges.telemetry import count

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


def test_the_key_opens_for_services_by_what_they_are_documented_to_say() -> None:
    """A condition that a service does not meet locks it out, and dead letters are lost without a word.

    SQS and SNS give the queue's or topic's ARN as encryption context; nothing says that EventBridge and CloudWatch name
    the source's account: https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """
    statements = RESOURCES["Key"]["Properties"]["KeyPolicy"]["Statement"]
    services = {
        service: set(each["Condition"]["ArnLike"])
        for each in statements
        if "Service" in each["Principal"]
        for service in listed(each["Principal"]["Service"])
    }
    queue, topic = {"kms:EncryptionContext:aws:sqs:arn"}, {"kms:EncryptionContext:aws:sns:topicArn"}
    assert services.pop("events.amazonaws.com") == services.pop("scheduler.amazonaws.com") == queue
    assert services.pop("cloudwatch.amazonaws.com") == topic
    assert services.pop("sns.amazonaws.com") == {"aws:SourceArn"}
    assert list(services.values()) == [{LOG_ARN}]


def listed(value: Any) -> list[str]:
    """One name or a list of them."""
    return [
        each["Fn::Sub"] if isinstance(each, dict) else each for each in (value if isinstance(value, list) else [value])
    ]


def test_a_failed_first_deployment_leaves_nothing_behind() -> None:
    """The next try would be a second table, key and bucket; later they must outlive the stack."""
    kept = {name for name, each in RESOURCES.items() if each.get("DeletionPolicy") == "RetainExceptOnCreate"}
    assert kept == {"Key", "Table", "Bucket"}
    assert "Retain" not in {each.get("DeletionPolicy") for each in RESOURCES.values()}


def test_no_configuration_reserves_concurrency() -> None:
    """A new account has 10 or 50 in all, and refuses every reservation: the first deployment would fail."""
    assert "PollerConcurrency" not in (ROOT / "samconfig.toml").read_text("utf-8")


def test_logs_that_come_late_make_no_group() -> None:
    """A group that is there already fails the next deployment of the stack."""
    roles = of_type("AWS::IAM::Role")
    functions = {name: each["Role"]["Fn::GetAtt"][0] for name, each in of_type("AWS::Lambda::Function").items()}
    for name, role in functions.items():
        statements = [each for policy in roles[role]["Policies"] for each in policy["PolicyDocument"]["Statement"]]
        denied = [each["Action"] for each in statements if each["Effect"] == "Deny"]
        assert denied == ["logs:CreateLogGroup"], name


def test_an_alarm_on_the_oldest_delivery_does_not_end_between_two_of_its_attempts() -> None:
    """Data comes with attempts, up to 29 hours apart, and an alarm that ends and begins anew wakes people each time."""
    alarm = ALARMS["OldestUndeliveredAlarm"]
    assert alarm["Period"] * alarm["EvaluationPeriods"] > PAUSES[-1] * (1 + JITTER)
    assert (alarm["DatapointsToAlarm"], alarm["Period"] * alarm["EvaluationPeriods"] <= 604_800) == (1, True)


def counted() -> set[tuple[str, frozenset[str]]]:
    """The name and the dimensions of every metric that a function writes."""
    calls = (
        node
        for file in (ROOT / "functions").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "count"
    )
    named = ((call.args[0], frozenset(str(each.arg) for each in call.keywords)) for call in calls)
    return {(str(name.value), dimensions) for name, dimensions in named if isinstance(name, ast.Constant)}


def shown(stack: str) -> Iterator[tuple[str, frozenset[str]]]:
    """The metrics of our own on a stack's dashboard, with their dimensions."""
    sub = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    body = json.loads(re.sub(r"\$\{[\w.]+\}", "x", sub.replace("${AWS::StackName}", stack)))
    for widget in body["widgets"]:
        before: list[Any] = []
        for metric in widget["properties"]["metrics"]:
            if isinstance(metric[0], dict):
                for namespace, names, name in re.findall(
                    r'{"([^"]+)",(.*?)} MetricName="(\w+)"', metric[0]["expression"]
                ):
                    assert namespace == stack
                    yield name, frozenset(names.split(","))
                assert "SEARCH" not in metric[0]["expression"] or f'"{stack}"' in metric[0]["expression"]
                continue
            # A dot repeats what stands in the same place of the metric before.
            before = [before[place] if each == "." else each for place, each in enumerate(metric)]
            if before[0] == stack:
                yield before[1], frozenset(each for each in before[2::2] if isinstance(each, str))


def test_every_metric_of_our_own_that_is_shown_or_alarms_is_counted_with_its_dimensions() -> None:
    """An alarm on a metric that nobody counts so never goes off, and nothing says so.

    A name with a hyphen stands in quotes in a search, as CloudWatch would take it for two words:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html
    """
    ours = [alarm for alarm in ALARMS.values() if not isinstance(alarm["Namespace"], str)]
    alarmed = {(alarm["MetricName"], frozenset(each["Name"] for each in alarm.get("Dimensions", []))) for alarm in ours}
    dashboard = set(shown("vidhook-prod"))
    assert {("StoreFailures", frozenset()), ("Deliveries", frozenset({"outcome"}))} <= alarmed | dashboard
    assert alarmed | dashboard <= counted()


def test_a_metric_has_the_dimensions_that_it_is_counted_with(capsys: pytest.CaptureFixture[str]) -> None:
    """The library that writes metrics may add one of its own, and then no alarm finds them."""
    count("Polls", provider="alad")
    count("KeyRefused")
    for line, names in zip(capsys.readouterr().out.splitlines(), (["provider"], []), strict=True):
        (written,) = json.loads(line)["_aws"]["CloudWatchMetrics"]
        assert written["Dimensions"] == [names]
