"""Serves the HTTP API, as openapi.json describes it: tasks, deliveries, subscribers, providers, links to videos."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any, NoReturn

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from vidhook import openapi, provider_files, shapes, subscribers
from vidhook.activity import activity
from vidhook.cancel import cancel
from vidhook.edges.telemetry import count, logger
from vidhook.errors import BadInput, BadProviderFile, Erased, NotFound, Refused
from vidhook.event import serialize
from vidhook.find import tasks_named
from vidhook.learned import learned
from vidhook.links import video_key
from vidhook.poll_now import poll_now
from vidhook.problems import parsed, problem
from vidhook.retry import retry
from vidhook.task import Watch
from vidhook.wait import wait_for_end
from vidhook.wiring import edges, warm

VIDEO_SECONDS = 900
PAGE = 20
# What comes after a wait takes less than this. Who may not wait asks again after so many seconds.
LAST_SECONDS, RETRY_SECONDS = 3.0, 5
# Two requests to a provider, after one for a token, take less than API Gateway waits.
ASK_SECONDS = 8.0
PREFLIGHT = "OPTIONS /{proxy+}"

warm("intake", "secrets.manager")

app = APIGatewayHttpResolver(serializer=serialize)


@logger.inject_lambda_context(clear_state=True, correlation_id_path="requestContext.requestId")
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handles one request of the HTTP API and returns its answer (payload format 2.0)."""
    if event["routeKey"] == PREFLIGHT:
        return {"statusCode": 204}  # API Gateway adds the headers
    key = mapping_key(event)
    event = {**event, "rawPath": event["rawPath"].removeprefix(key)}
    app.append_context(mapping_key=key)  # type: ignore[no-untyped-call]
    answer = app.resolve(event, context)
    # The path is not logged, since it can contain a video's token.
    operation = openapi.operations(event["rawPath"]).get(event["requestContext"]["http"]["method"])
    logger.info("request answered", operation=operation, status=answer["statusCode"])
    return answer


def mapping_key(event: dict[str, Any]) -> str:
    """Returns what stands before the API's own path when a custom domain maps a key to it, such as `/vidhook`, else "".

    API Gateway leaves the key in `rawPath`, but its route does not see it.
    """
    given, route = event.get("pathParameters") or {}, event["routeKey"].partition(" ")[2]
    own = re.sub(r"\{(\w+)\+?\}", lambda name: given.get(name[1], ""), route)
    before = event["rawPath"].removesuffix(own) if own else ""
    return before if re.fullmatch(r"(/[^/]+)+", before) and before != event["rawPath"] else ""


def check_path(app: APIGatewayHttpResolver, answer: Callable[..., Response[Any]]) -> Response[Any]:
    """Answers a request whose path names what cannot exist before AWS is asked for it, which refuses long keys."""
    path = app.current_event.path
    if not openapi.operations(path):
        raise Refused(404, "the API has no such path", "GET /v1/openapi.json lists all")
    for name in openapi.misnamed(path):
        raise NotFound(f"there is no such {'video' if name == 'token' else name}: none has a name of this form")
    return answer(app)


app.use([check_path])

# Tasks


@app.post("/v1/tasks")
def submit_task() -> Response[Any]:
    submitted = edges().intake.submit(_with_key(_body()))
    watch = submitted.watch
    return _answer(202 if submitted.created else 200, shapes.task(watch), location=f"/v1/tasks/{watch.id}")


@app.get("/v1/tasks")
def list_tasks() -> Response[Any]:
    wanted, ledger, cursor = _query("/v1/tasks"), edges().ledger, None

    def fits(watch: Watch) -> bool:
        return wanted.get("provider") in (None, watch.submission.provider) and (
            wanted.get("status") in (None, shapes.status(watch))
        )

    if "reference" in wanted and "find" in wanted:
        raise BadInput("find", "is given beside reference", "give one of the two: find looks for references too")
    if "reference" in wanted or "find" in wanted:
        of_reference = ledger.tasks.of_reference
        found = tasks_named(wanted["find"], ledger) if "find" in wanted else of_reference(wanted["reference"])
        watches = [each for each in found if fits(each) and each.submitted_at >= wanted["since"]]
    else:
        watches, cursor = ledger.tasks.page(
            fits,
            most=wanted["limit"],
            since=wanted["since"],
            cursor=wanted["cursor"],
        )
    items = [shapes.task(watch) for watch in watches]
    if "with" in wanted:
        counts = ledger.deliveries.counts(watches)
        items = [{**item, "deliveries": shapes.delivery_counts(counts[item["id"]])} for item in items]
    return _answer(200, {"items": items, "next": cursor})


@app.get("/v1/tasks/<task>")
def get_task(task: str) -> Response[Any]:
    ledger = edges().ledger
    wait = openapi.query("/v1/tasks/{task}", app.current_event.query_string_parameters or {}).get("wait", 0)
    left = app.lambda_context.get_remaining_time_in_millis() / 1_000 - LAST_SECONDS
    waited = wait_for_end(task, min(wait, left), ledger=ledger, places=edges().most_waiting)
    watch, event = ledger.tasks.watch(task), None
    with suppress(NotFound):  # it is no longer stored
        event = ledger.tasks.event(watch.id, watch.event_id) if watch.event_id else None
    answer = _answer(200, shapes.story(watch, event))
    if not waited:
        answer.headers["Retry-After"] = f"{RETRY_SECONDS}"
    return answer


@app.delete("/v1/tasks/<task>")
def erase_task(task: str) -> Response[Any]:
    here = edges()
    try:
        erased = here.ledger.tasks.begin_erasure(task, here.clock.now()).watch_id
    except Erased:
        return Response(204, body="")
    here.functions.erase(erased)
    logger.info("task erased", task=erased)
    count("TasksErased")
    return _answer(202, {"id": erased})


@app.post("/v1/tasks/<task>/retry")
def retry_task(task: str) -> Response[Any]:
    given = openapi.checked("Retry", _body()) if app.current_event.body else {}
    deadline = int(given["deadline_seconds"]) if "deadline_seconds" in given else None
    watch = retry(task, deadline_seconds=deadline, params=given.get("params"), runs=edges().runs, pacer=edges().pacer)
    logger.info("task retried", task=watch.id, retries=watch.retries)
    count("TasksRetried", provider=watch.submission.provider)
    return _answer(202, shapes.task(watch), location=f"/v1/tasks/{watch.id}")


@app.post("/v1/tasks/<task>/poll")
def poll_task(task: str) -> Response[Any]:
    watch = poll_now(task, runs=edges().runs)
    logger.info("task to be polled at once", task=watch.id)
    return _answer(202, shapes.task(watch), location=f"/v1/tasks/{watch.id}")


@app.post("/v1/tasks/<task>/cancel")
def cancel_task(task: str) -> Response[Any]:
    watch = cancel(task, runs=edges().runs)
    logger.info("task to be cancelled", task=watch.id, answer=watch.cancel and watch.cancel.answer)
    ended = watch.event_id is not None
    if not ended:
        count("TasksCancelled", provider=watch.submission.provider)
    return _answer(200 if ended else 202, shapes.task(watch), location=None if ended else f"/v1/tasks/{watch.id}")


@app.get("/v1/tasks/<task>/answer")
def get_answer(task: str) -> Response[Any]:
    ledger = edges().ledger
    given = openapi.query("/v1/tasks/{task}/answer", app.current_event.query_string_parameters or {})
    # An instant counts to its end: of the second, or of the millisecond where it says these.
    by = _instant(given["at"], "at") + (0.001 if "." in given["at"] else 1) if "at" in given else None
    return _answer(200, shapes.answer(ledger.tasks.answer(ledger.tasks.watch(task).id, by)))


@app.get("/v1/activity")
def get_activity() -> Response[Any]:
    return _answer(200, asdict(activity(ledger=edges().ledger, clock=edges().clock)))


# Deliveries


@app.get("/v1/deliveries")
def find_deliveries() -> Response[Any]:
    wanted = _query("/v1/deliveries")
    page, cursor = edges().ledger.deliveries.page(
        most=wanted["limit"],
        subscriber_id=wanted.get("subscriber"),
        state=wanted.get("state"),
        event_type=wanted.get("type"),
        since=wanted["since"],
        cursor=wanted["cursor"],
    )
    return _answer(200, {"items": [shapes.delivery(each) for each in page], "next": cursor})


@app.get("/v1/tasks/<task>/deliveries")
def list_deliveries(task: str) -> Response[Any]:
    wanted, ledger = _query("/v1/tasks/{task}/deliveries"), edges().ledger
    known = ledger.tasks.watch(task).id
    page, cursor = ledger.deliveries.page_of_task(known, most=wanted["limit"], cursor=wanted["cursor"])
    log, to = ledger.deliveries.attempts(known, page), ledger.subscribers.under(each.subscriber_id for each in page)
    items = [
        shapes.delivery_log(each, log.get((each.event_id, each.subscriber_id), []), to.get(each.subscriber_id))
        for each in page
    ]
    return _answer(200, {"items": items, "next": cursor})


@app.post("/v1/tasks/<task>/deliveries/<subscriber>/replay")
def replay_delivery(task: str, subscriber: str) -> Response[Any]:
    ledger = edges().ledger
    watch = ledger.tasks.watch(task)
    if watch.event_id is None:
        raise Refused(409, f"task {task} has no event yet", "replay it when the task is completed or failed")
    delivery = ledger.deliveries.get(watch.id, watch.event_id, subscriber)
    known = ledger.subscribers.get(subscriber)
    if not known.active:
        raise Refused(409, f"subscriber {subscriber} is {known.state}", "resume it, which sends its held deliveries")
    try:
        ledger.tasks.event(watch.id, watch.event_id)
    except NotFound:
        hint = "the stack's parameter EventDays says how long events are kept"
        raise Refused(409, f"the event of task {task} is no longer stored", hint) from None
    return _answer(202, shapes.delivery(edges().runs.start(delivery, afresh=True)))


# Subscribers


@app.post("/v1/subscribers")
def add_subscriber() -> Response[Any]:
    given, here = _terms("NewSubscriber"), edges()
    secret = given.pop("secret", None)
    known, shown = subscribers.add(
        subscribers.Terms(**given),
        secret=secret,
        ledger=here.ledger,
        secrets=here.secrets,
        http=here.http,
        clock=here.clock,
    )
    return _answer(201, {**shapes.subscriber(known), "secret": shown}, location=f"/v1/subscribers/{known.id}")


@app.get("/v1/subscribers")
def list_subscribers() -> Response[Any]:
    return _answer(200, {"items": [shapes.subscriber(each) for each in edges().ledger.subscribers.all()]})


@app.get("/v1/subscribers/<subscriber>")
def get_subscriber(subscriber: str) -> Response[Any]:
    return _answer(200, shapes.subscriber(edges().ledger.subscribers.get(subscriber)))


@app.patch("/v1/subscribers/<subscriber>")
def change_subscriber(subscriber: str) -> Response[Any]:
    terms = _terms("SubscriberChange")
    here = edges()
    known = subscribers.change(subscriber, terms, ledger=here.ledger, secrets=here.secrets, http=here.http)
    return _answer(200, shapes.subscriber(known))


@app.delete("/v1/subscribers/<subscriber>")
def remove_subscriber(subscriber: str) -> Response[Any]:
    subscribers.remove(subscriber, ledger=edges().ledger)
    return Response(204, body="")


@app.post("/v1/subscribers/<subscriber>/pause")
def pause_subscriber(subscriber: str) -> Response[Any]:
    return _answer(200, shapes.subscriber(subscribers.pause(subscriber, ledger=edges().ledger)))


@app.post("/v1/subscribers/<subscriber>/resume")
def resume_subscriber(subscriber: str) -> Response[Any]:
    known, drained = subscribers.resume(subscriber, runs=edges().runs)
    return _answer(200, {**shapes.subscriber(known), "drained": drained})


@app.post("/v1/subscribers/<subscriber>/rotate")
def rotate_subscriber(subscriber: str) -> Response[Any]:
    given = openapi.checked("Rotation", _body()) if app.current_event.body else {}
    keep_seconds, here = int(given.get("keep_seconds", subscribers.ROTATION_SECONDS)), edges()
    secret = subscribers.rotate(
        subscriber,
        keep_seconds=keep_seconds,
        secret=given.get("secret"),
        ledger=here.ledger,
        secrets=here.secrets,
        clock=here.clock,
    )
    return _answer(200, {"id": subscriber, "secret": secret, "old_secret_ends_in_seconds": keep_seconds})


@app.get("/v1/subscribers/<subscriber>/secrets")
def list_secrets(subscriber: str) -> Response[Any]:
    here = edges()
    known = subscribers.signing(subscriber, ledger=here.ledger, secrets=here.secrets, clock=here.clock)
    return _answer(200, {"items": shapes.signing(known)})


@app.post("/v1/subscribers/<subscriber>/test")
def test_subscriber(subscriber: str) -> Response[Any]:
    here = edges()
    tested = subscribers.send_test(
        subscriber, ledger=here.ledger, secrets=here.secrets, http=here.http, clock=here.clock
    )
    return _answer(200, shapes.tested(tested.event, tested.subscriber, tested.attempt))


@app.post("/v1/subscribers/<subscriber>/doctor")
def examine_subscriber(subscriber: str) -> Response[Any]:
    from vidhook.doctor import diagnose  # which few requests need

    here = edges()
    found = diagnose(subscriber, ledger=here.ledger, secrets=here.secrets, http=here.http, clock=here.clock)
    return _answer(200, asdict(found))


@app.post("/v1/subscribers/<subscriber>/recover")
def recover_subscriber(subscriber: str) -> Response[Any]:
    given = openapi.checked("Recovery", _body())
    dry_run = given.get("dry_run", False)
    recovered = subscribers.recover(
        subscriber,
        since=_instant(given["since"]),
        until=_instant(given["until"], "until") if "until" in given else None,
        most=subscribers.MOST_COUNTED if dry_run else subscribers.AT_ONCE,
        seconds=subscribers.LOOK_SECONDS,
        dry_run=dry_run,
        runs=edges().runs,
    )
    return _answer(200 if dry_run else 202, asdict(recovered))


# Providers


@app.get("/v1/providers")
def list_providers() -> Response[Any]:
    return _answer(200, {"items": [shapes.provider(each) for each in provider_files.all_files(edges().ledger)]})


@app.get("/v1/providers/<provider>")
def get_provider(provider: str) -> Response[Any]:
    return _answer(200, shapes.provider_file(provider_files.file_of(provider, edges().ledger)))


@app.put("/v1/providers/<provider>")
def put_provider(provider: str) -> Response[Any]:
    text, here = openapi.checked("NewProviderFile", _body())["toml"], edges()
    try:
        known = provider_files.put(provider, text, ledger=here.ledger, secrets=here.secrets)
    except BadProviderFile as error:
        raise BadInput("toml", str(error)) from None
    logger.info("provider file stored", provider=provider)
    return _answer(200, shapes.provider_file(known))


@app.delete("/v1/providers/<provider>")
def remove_provider(provider: str) -> Response[Any]:
    here = edges()
    provider_files.remove(provider, ledger=here.ledger, secrets=here.secrets)
    logger.info("provider file removed", provider=provider)
    return Response(204, body="")


@app.get("/v1/providers/<provider>/pace")
def get_pace(provider: str) -> Response[Any]:
    here = edges()
    known = provider_files.file_of(provider, here.ledger).name
    kinds = here.ledger.paces.kinds(known)
    return _answer(200, {"items": learned(known, kinds, ledger=here.ledger, pacer=here.pacer, clock=here.clock)})


@app.post("/v1/providers/<provider>/ask")
def ask_provider(provider: str) -> Response[Any]:
    from vidhook.trial import tried  # with the reader of answers, which no other request needs

    given, here = openapi.checked("Question", _body()), edges()
    # Never a file that the caller gives: it could send the key anywhere.
    known = provider_files.file_of(provider, here.ledger)
    if known.provider is None:
        raise Refused(409, f"the file of {provider} cannot be used", known.warnings[0])
    made = tried(
        known.provider,
        given["task_id"],
        given.get("params", {}),
        http=here.http,
        keys=here.keys,
        clock=here.clock,
        seconds=ASK_SECONDS,
    )
    return _answer(200, {"exchanges": made})


@app.post("/v1/readings")
def try_provider_file() -> Response[Any]:
    from vidhook.readings import Trial, one_file, try_file  # with the reader of answers

    body, here = _body(), edges()
    given = openapi.checked("Trial", one_file(body))
    text = given.pop("toml", None)
    if text is None:
        text = provider_files.file_of(given.pop("provider"), here.ledger).text
    deadline_seconds = here.intake.default_deadline
    return _answer(
        200, try_file(text, Trial(**given), pacer=here.pacer, clock=here.clock, deadline_seconds=deadline_seconds)
    )


# Videos, the OpenAPI document and the JSON Schemas


@app.route("/v1/videos/<token>", method=["GET", "HEAD"])
def follow_video(token: str) -> Response[Any]:
    key = video_key(edges().secrets.default(), token)
    bucket = edges().bucket
    if key is None or not bucket.holds(key):
        raise NotFound("there is no such video, or no longer")
    link = bucket.presigned(key, seconds=VIDEO_SECONDS, method=app.current_event.http_method)
    return Response(302, body="", headers={"Location": link, "Cache-Control": "private, no-store"})


@app.get("/v1/openapi.json")
def get_document() -> Response[Any]:
    return _answer(200, {**openapi.document(), "servers": [{"url": app.context["mapping_key"] or "/"}]})


@app.get("/v1/docs")
def get_page() -> Response[Any]:
    policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(200, "text/html; charset=utf-8", openapi.page(), headers=policy)


@app.get("/v1/schemas")
def list_schemas() -> Response[Any]:
    items = [
        {"name": name, "path": f"{app.context['mapping_key']}/v1/schemas/{name}", "description": schema["description"]}
        for name, schema in openapi.published().items()
    ]
    return _answer(200, {"items": items})


@app.get("/v1/schemas/<schema>")
def get_schema(schema: str) -> Response[Any]:
    found = openapi.published().get(schema)
    if found is None:
        raise NotFound("there is no such schema: GET /v1/schemas lists all")
    return _answer(200, found)


# Requests and answers


def _body() -> Any:
    event = app.current_event
    try:
        text = event.decoded_body
    except ValueError:
        raise Refused(400, "the body is not text", "send one JSON object in UTF-8") from None
    return parsed(text, event.headers.get("content-type"))


def _with_key(given: Any) -> Any:
    """Returns a submission with the request's Idempotency-Key, if it has one and creates a task."""
    key = app.current_event.headers.get("idempotency-key")
    if key is None or not isinstance(given, dict) or "create" not in given:
        return given
    if given.setdefault("idempotency_key", key) != key:
        raise BadInput("idempotency_key", "is another one in the header Idempotency-Key", "give it once")
    return given


def _query(path: str) -> dict[str, Any]:
    """Returns the query of a list: its filters, and `limit`, `cursor` and `since` (unix seconds) in any case."""
    given = openapi.query(path, app.current_event.query_string_parameters or {})
    since = _instant(given["since"]) if "since" in given else 0.0
    return {"limit": PAGE, "cursor": None, **given, "since": since}


def _answer(status: int, body: dict[str, Any], *, location: str | None = None) -> Response[Any]:
    headers = {"Location": app.context["mapping_key"] + location} if location else None
    return Response(status, "application/json", body, headers=headers)


@app.exception_handler(Exception)  # type: ignore[untyped-decorator]
def answer_problem(error: Exception) -> Response[Any]:
    document = problem(error)
    if document["status"] >= 500:
        logger.exception("request failed")
    headers = error.headers if isinstance(error, Refused) else None
    return Response(document["status"], "application/problem+json", serialize(document), headers=headers)


@app.not_found
def no_route(_: NotFoundError) -> NoReturn:
    allowed = ", ".join(openapi.operations(app.current_event.path))
    raise Refused(405, f"this path takes {allowed}", "use one of these", {"Allow": allowed})


def _terms(schema: str) -> dict[str, Any]:
    """Returns the body's fields for the subscribers' jobs, which take tuples, not lists."""
    given = openapi.checked(schema, _body())
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def _instant(text: str, field: str = "since") -> float:
    """Returns the unix seconds of an RFC 3339 instant, the value of a field. Raises BadInput."""
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):
        raise BadInput(field, f"{serialize(text)} is not an instant", "write it like 2026-04-27T11:20:12Z") from None
