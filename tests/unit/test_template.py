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

import serve_api
from vidhook import openapi
from vidhook.deliver import JITTER, PAUSES
from vidhook.edges.telemetry import count
from vidhook.wiring import Edges
from vidhook_cli.deep import QUIET, SENDERS, senders

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


def metrics(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """What an alarm measures: one metric, or those of its expression."""
    return [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", []) if "MetricStat" in each] or [alarm]


def measured() -> Iterator[tuple[str, str, str]]:
    """Namespace and metric of every alarm on a resource, and the resource's logical id."""
    for metric in (each for alarm in ALARMS.values() for each in metrics(alarm)):
        for dimension in metric.get("Dimensions", []):
            (source,) = dimension["Value"].values()  # {"Ref": id} or {"Fn::GetAtt": [id, attribute]}
            yield metric["Namespace"], metric["MetricName"], source if isinstance(source, str) else source[0]


@pytest.mark.parametrize(
    ("networks", "taken"),
    [
        ("10.20.0.0/16, fd00:20::/32,::1/128,192.168.7.1", True),
        ("10.0.0.0/33", False),
        ("10.0.0.256/32", False),
        ("999.1.1.1", False),
        ("fd000::/16", False),
        ("10.0.0/8", False),
        ("10.0.0.0/-1", False),
        ("fd00::/129", False),
        ("/", False),
        ("internal.example", False),
        ("10.0.0.0/8 fd00::/8", False),
    ],
)
def test_private_networks_that_a_deployment_takes_are_understood(networks: str, taken: bool) -> None:
    """A wrong one would fail each request of every function, and nobody would see it before the first task."""
    pattern = yaml_parse(EXPANDED["TEMPLATE"].read_text("utf-8"))["Parameters"]["AllowedNetworks"]["AllowedPattern"]
    assert (re.fullmatch(pattern, networks) is not None) is taken
    if taken:
        Edges({"ALLOWED_NETWORKS": networks}).http.check("http://10.20.0.1/")


@pytest.mark.parametrize("name", ["EVENT_DAYS", "MOST_WAITING", "DEFAULT_DEADLINE_SECONDS"])
def test_a_number_with_a_fraction_does_not_stop_the_functions(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """CloudFormation takes one for every parameter that is a number."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    edges = Edges({"TABLE": "ledger", "DEFAULT_DEADLINE_SECONDS": "90", name: "90.5"})
    assert edges.most_waiting == (90 if name == "MOST_WAITING" else 0)
    assert edges.intake.default_deadline == 90


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


# The longest names of resources that a stack's name is a part of:
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
# https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
LONGEST = {
    "AWS::StepFunctions::StateMachine": 80,
    "AWS::Events::EventBus": 256,
    "AWS::CloudWatch::Alarm": 255,
    "AWS::Logs::LogGroup": 512,
    "AWS::SecretsManager::Secret": 512,
    "AWS::CloudWatch::Dashboard": 255,
    "AWS::Lambda::LayerVersion": 140,
    "AWS::ApiGatewayV2::Api": 128,
    "AWS::Lambda::Function": 64,
    "AWS::SQS::Queue": 80,
}
ENDING = "-1U44TLUZ7OR55"  # what CloudFormation makes unique the names with that it chooses


def test_the_longest_name_of_a_stack_is_that_of_the_page() -> None:
    """Beyond it a deployment fails when most of the stack is made, or the policies to copy allow nothing."""
    given, chosen = [], []
    for name, resource in RESOURCES.items():
        longest = LONGEST.get(resource["Type"], 1_000)
        for field, value in resource.get("Properties", {}).items():
            if field.endswith("Name") and "AWS::StackName" in json.dumps(value):
                assert resource["Type"] in LONGEST, name
                text = value.get("Fn::Sub", "${AWS::StackName}")
                given.append(longest - len(text.replace("${AWS::StackName}", "")))
        if resource["Type"] in ("AWS::Lambda::Function", "AWS::SQS::Queue"):
            chosen.append(longest - len(f"-{name}{ENDING}"))
    page = " ".join((ROOT / "docs/deploying.md").read_text("utf-8").split())
    assert f"A stack's name has {min(given)} characters at most" in page
    assert f"above {min(chosen)} characters" in page


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
    """An execution fails when its retries are used up, and nobody waits for its result.

    One of the watch machine also fails for a caller's mistake. So a function that every failed one invokes counts the
    others.
    """
    machines = of_type("AWS::StepFunctions::StateMachine")
    assert {("AWS/States", "ExecutionsFailed", name) for name in machines.keys() - {"Watch"}} <= set(measured())
    (alarm,) = (each for each in ALARMS.values() if each.get("MetricName") == "WatchesFailed")
    assert (alarm["Statistic"], alarm["Threshold"], alarm["EvaluationPeriods"]) == ("Sum", 0, 1)
    heard = RESOURCES["PublishEventFunctionWatchFailedOrStopped"]["Properties"]["EventPattern"]["detail"]
    assert "FAILED" in heard["status"]
    assert set(heard) == {"stateMachineArn", "status"}


def test_every_queue_has_an_alarm_on_messages_that_nobody_takes() -> None:
    """A message is late in a queue that a function reads, and waits for an operator in any other.

    But no alarm rings for what callers did wrong.
    """
    sources = [each["EventSourceArn"]["Fn::GetAtt"][0] for each in of_type("AWS::Lambda::EventSourceMapping").values()]
    queues = of_type("AWS::SQS::Queue")
    refused = "RefusedSubmissionsQueue"
    assert {*sources, refused} < queues.keys()
    late, waiting = "ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"
    told = {("AWS/SQS", late if name in sources else waiting, name) for name in queues.keys() - {refused}}
    assert told <= set(measured())
    assert refused not in {source for _, _, source in measured()}


def test_every_alarm_notifies_the_operators_when_it_goes_off_and_when_it_is_over() -> None:
    """Who was woken up must also learn that it is over."""
    topic = [{"Ref": name} for name in of_type("AWS::SNS::Topic")]
    assert len(topic) == 1
    for name, alarm in ALARMS.items():
        assert alarm["AlarmActions"] == alarm["OKActions"] == topic, name


def test_every_alarm_has_data_on_a_stack_that_is_well_or_is_known_to_have_none() -> None:
    """`vidhook status --deep` calls an alarm unwell that has no data: nobody would see that it cannot ring."""
    # AWS counts zeros for each invocation, each request and each queue in use; a sweep counts itself.
    counted = {("AWS/Lambda", "Errors"), ("AWS/Lambda", "Throttles"), ("AWS/ApiGateway", "5xx"), ("", "Swept")}
    counted |= {("AWS/SQS", f"Approximate{name}") for name in ("NumberOfMessagesVisible", "AgeOfOldestMessage")}
    seldom = {"RedeliverEventFunction"}  # not invoked by a task of the provider sample
    quiet = set()
    for alarm in ALARMS.values():
        has_data = False
        for metric in metrics(alarm):
            namespace = metric["Namespace"] if isinstance(metric["Namespace"], str) else ""
            of = {str(each["Value"].get("Ref")) for each in metric.get("Dimensions", [])}
            has_data |= (namespace, metric["MetricName"]) in counted and of.isdisjoint(seldom)
        if not has_data:
            quiet.add(alarm["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-"))
    assert quiet == set(QUIET)


def test_the_policy_of_every_queue_lets_its_services_send() -> None:
    """`vidhook status --deep` looks for them in the queue's policy."""
    for name, services in SENDERS.items():
        document = RESOURCES[f"{name}Policy"]["Properties"]["PolicyDocument"]
        assert senders(document) == set(services)


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
    every = [metric for alarm in ALARMS.values() for metric in metrics(alarm)]
    ours = [metric for metric in every if not isinstance(metric["Namespace"], str)]
    alarmed = {(each["MetricName"], frozenset(name["Name"] for name in each.get("Dimensions", []))) for each in ours}
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


def headers_of_answers(described: Any) -> set[str]:
    """The names of all headers that an OpenAPI document describes, in small letters."""
    if isinstance(described, list):
        return set().union(*map(headers_of_answers, described))
    if not isinstance(described, dict):
        return set()
    found = set(described["headers"]) if "content" in described and "headers" in described else set()
    return {name.lower() for name in found}.union(*map(headers_of_answers, described.values()))


def headers_of_requests(document: Any) -> set[str]:
    """The names of all headers that a request to the API may have, in small letters."""
    operations = (operation for path in document["paths"].values() for operation in path.values())
    given = (each for operation in operations for each in operation.get("parameters", []))
    return {each["name"].lower() for each in given if each.get("in") == "header"}


def test_a_page_of_an_allowed_origin_may_do_what_the_api_can() -> None:
    """A browser refuses a method or a header that the API's answer to its question does not name."""
    condition, allowed, otherwise = RESOURCES["Api"]["Properties"]["CorsConfiguration"]["Fn::If"]
    assert (condition, otherwise) == ("HasCorsOrigins", {"Ref": "AWS::NoValue"})
    document = openapi.document()
    assert set(allowed["AllowMethods"]) == {method.upper() for path in document["paths"].values() for method in path}
    needed = {"authorization", "content-type", *headers_of_requests(document)}
    assert "idempotency-key" in needed
    # What a browser's own library signs for IAM: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
    signed = {"x-amz-date", "x-amz-security-token", "x-amz-content-sha256"}
    assert set(allowed["AllowHeaders"]) == needed | signed
    assert set(allowed["ExposeHeaders"]) == headers_of_answers(document) == {"location", "retry-after"}


def test_only_links_to_videos_the_documentation_and_a_browsers_question_need_no_credentials() -> None:
    """A link has a signed token, what is documented is public, and the question is asked only where pages may call."""
    routes = {name: each for name, each in RESOURCES.items() if each["Type"] == "AWS::ApiGatewayV2::Route"}
    opened = {name for name, each in routes.items() if each["Properties"]["AuthorizationType"] == "NONE"}
    schemas = {"ApiSchemasRoute", "ApiSchemaRoute"}
    assert opened == {"ApiVideosRoute", "ApiVideosHeadRoute", "ApiDocsRoute", "ApiPreflightRoute", *schemas}
    assert routes["ApiPreflightRoute"]["Condition"] == "HasCorsOrigins"
    assert routes["ApiPreflightRoute"]["Properties"]["RouteKey"] == serve_api.PREFLIGHT


def test_tokens_need_an_issuer_and_an_audience() -> None:
    """Without an audience every client of the issuer could call the API. An empty list of CloudFormation has one empty
    text."""
    (rule,) = yaml_parse(EXPANDED["TEMPLATE"].read_text("utf-8"))["Rules"].values()
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "ApiAuth"}, "JWT"]}
    assert [each["Assert"] for each in rule["Assertions"]] == [
        {"Fn::Not": [{"Fn::Equals": [{"Ref": "JwtIssuer"}, ""]}]},
        {"Fn::Not": [{"Fn::Contains": [{"Ref": "JwtAudience"}, ""]}]},
    ]


PROSE = ("Description", "AlarmDescription", "Comment", "comment")


def texts(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text in a template, with the names on the way to it."""
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, dict | list):
            yield from texts(inner, (*path, str(name)))
        elif isinstance(inner, str):
            yield (*path, str(name)), inner


def test_no_partition_is_written_into_the_template() -> None:
    """In China and GovCloud an ARN has another partition, and in China a service in a region has another domain.

    The name of a service without a region is the same everywhere; CloudWatch Logs has none:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    machines = [json.loads(file.read_text("utf-8")) for file in (ROOT / "statemachines").iterdir()]
    template = yaml_parse(EXPANDED["TEMPLATE"].read_text("utf-8"))["Resources"]  # SAM knows where it deploys to
    found = [each for part in (template, *machines) for each in texts(part) if each[0][-1] not in PROSE]
    arns = [text for _, text in found if "arn:" in text and "kms:EncryptionContext" not in text]
    assert len(arns) > 20
    assert [arn for arn in arns if not re.match(r"arn:\$\{(AWS::)?Partition\}:", arn)] == []
    named = [(path, text) for path, text in found if "amazonaws.com" in text]
    assert all("Principal" in path and re.fullmatch(r"[a-z]+[.]amazonaws[.]com", text) for path, text in named), named
    regional = {text.partition(".")[0] for _, text in found if text.endswith(".${AWS::Region}.${AWS::URLSuffix}")}
    assert regional == {"logs", "dynamodb", "s3", "secretsmanager", "sqs"}
