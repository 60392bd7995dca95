"""The files that ship: what they ask of their APIs, and what they make of the answers to creations, as documented."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from vidhook.errors import BadInput
from vidhook.providers.auth import Key
from vidhook.providers.created import Said, created
from vidhook.providers.file import BUNDLED, bundled_provider
from vidhook.providers.placeholders import reader
from vidhook.providers.request import (
    cancel_request,
    check_params,
    content_url,
    create_request,
    find_request,
    task_request,
)
from vidhook.task import Category

RECORDED = Path(__file__).parents[2] / "events" / "providers"
SAMPLES = sorted(RECORDED.glob("*/*.json"))
NOW = 1_777_288_860.0
VEO = {"model": "veo-3.1-generate-preview"}


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_file_has_recorded_answers_of_the_usual_kinds(name: str) -> None:
    """They show what its provider says, and that the file reads it."""
    recorded = {path.stem for path in (RECORDED / name).glob("*.json")}
    assert {"processing", "completed", "key-refused", "rate-limited", "not-found", "not-found-young"} <= recorded
    assert any(kind.startswith("failed") for kind in recorded)


def test_a_provider_that_promises_one_task_for_a_key_gets_our_id_of_the_task_as_that() -> None:
    """Where the answer to a creation is lost, asking again is safe; without a promise nothing is sent again."""
    promised = {name: how.idempotency_header for name in BUNDLED if (how := bundled_provider(name).create)}
    assert {name: header for name, header in promised.items() if header} == {"higgsfield": "Idempotency-Key"}
    model = {"model": "higgsfield-ai/dop/turbo"}
    request = create_request(bundled_provider("higgsfield"), {"prompt": "a cat"}, "tsk_a-1", Key("id:secret"), model)
    assert (request.url, json.loads(request.body)) == (
        f"https://api.higgsfield.ai/{model['model']}",
        {"prompt": "a cat"},
    )
    assert request.headers["Idempotency-Key"] == "tsk_a-1"


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_file_asks_at_the_url_of_its_recorded_answers(path: Path) -> None:
    """Else its reading is tried with the answers of another request."""
    exchange = json.loads(path.read_text("utf-8"))["exchange"]
    url = exchange["url"]
    provider = bundled_provider(path.parent.name)
    found = reader(provider.poll.path)(url)
    assert found is not None
    base = found.pop("")
    assert base == provider.base_url
    task_id = found.pop("task_id", None) or exchange["task_id"]  # not in the URL where the body has it
    asked = task_request(provider, task_id, None, found)
    assert asked.url == url
    assert (asked.method, asked.body) == ("GET", b"") or task_id in asked.body.decode()


def test_a_task_of_most_apis_is_asked_about_by_its_id_alone() -> None:
    """A task that somebody else created has no parameters of a submission."""

    def needs_params(name: str) -> bool:
        try:
            check_params(bundled_provider(name), "t1", {})
        except BadInput:
            return True
        return False

    assert {name for name in BUNDLED if needs_params(name)} == {"fal", "kling"}


def test_siliconflow_is_asked_with_the_id_in_the_body() -> None:
    """Its status is a POST."""
    asked = task_request(bundled_provider("siliconflow"), "w4cp", None)
    assert (asked.method, json.loads(asked.body)) == ("POST", {"requestId": "w4cp"})


KEYS = [
    ("vidu", "Authorization", "Token id:s3cr3t"),  # where others take a Bearer
    ("higgsfield", "Authorization", "Key id:s3cr3t"),  # it has two halves, joined as they are stored
    ("pixverse", "API-KEY", "id:s3cr3t"),
]


@pytest.mark.parametrize(("name", "header", "value"), KEYS)
def test_the_key_stands_where_its_api_wants_it(name: str, header: str, value: str) -> None:
    """Anywhere else it would be refused."""
    assert task_request(bundled_provider(name), "t1", Key("id:s3cr3t")).headers[header] == value


def test_pixverse_gets_a_new_trace_with_each_request() -> None:
    """With an old one it answers as it did before, and a task seems to go on forever."""
    pixverse = bundled_provider("pixverse")
    asked = [task_request(pixverse, "t1", None), task_request(pixverse, "t1", None)]
    asked.append(create_request(pixverse, {"prompt": "a cat"}, "c1", None, {"kind": "text"}))
    assert len({UUID(each.headers["Ai-trace-id"]) for each in asked}) == 3


def test_dashscope_is_asked_to_work_in_the_background() -> None:
    """Without this header it refuses the request; a poll needs none."""
    provider = bundled_provider("dashscope")
    asked = create_request(provider, {"model": "wan2.7-t2v", "input": {"prompt": "a cat"}}, "c1", Key("k"))
    assert asked.headers["X-DashScope-Async"] == "enable"
    assert "X-DashScope-Async" not in task_request(provider, "t1", Key("k")).headers


CREATIONS: list[tuple[str, dict[str, str], str]] = [
    ("fal", {"model": "fal-ai/veo3/fast"}, "https://queue.fal.run/fal-ai/veo3/fast"),
    ("kling", {"kind": "text2video"}, "https://api-singapore.klingai.com/v1/videos/text2video"),
    ("kling", {"kind": "avatar/image2video"}, "https://api-singapore.klingai.com/v1/videos/avatar/image2video"),
    ("luma", {}, "https://api.lumalabs.ai/dream-machine/v1/generations"),
    ("minimax", {}, "https://api.minimax.io/v1/video_generation"),
    ("minimax-v2", {}, "https://api.minimax.io/v2/video_generation"),
    ("replicate", {}, "https://api.replicate.com/v1/predictions"),
    ("runway", {"kind": "image_to_video"}, "https://api.dev.runwayml.com/v1/image_to_video"),
    (
        *("veo", VEO),
        "https://generativelanguage.googleapis.com/v1beta/models/veo-3.1-generate-preview:predictLongRunning",
    ),
    ("higgsfield", {"model": "higgsfield-ai/dop/turbo"}, "https://api.higgsfield.ai/higgsfield-ai/dop/turbo"),
    ("novita", {"model": "kling-v2.1-t2v-master"}, "https://api.novita.ai/v3/async/kling-v2.1-t2v-master"),
    ("openai", {}, "https://api.openai.com/v1/videos"),
    ("pixverse", {"kind": "text"}, "https://app-api.pixverse.ai/openapi/v2/video/text/generate"),
    ("siliconflow", {}, "https://api.siliconflow.com/v1/video/submit"),
    (
        "wavespeed",
        {"model": "wavespeed-ai/wan-2.2/t2v-720p"},
        "https://api.wavespeed.ai/api/v3/wavespeed-ai/wan-2.2/t2v-720p",
    ),
    ("zhipu", {}, "https://api.z.ai/api/paas/v4/videos/generations"),
    ("vidu", {"kind": "text2video"}, "https://api.vidu.com/ent/v2/text2video"),
]
# What a body has beside the submission's.
ADDED = {"kling": {"external_task_id": "cre_1"}}


@pytest.mark.parametrize(("name", "params", "url"), CREATIONS)
def test_a_task_is_created_where_its_api_documents_it(name: str, params: dict[str, str], url: str) -> None:
    """A parameter chooses the model or the kind of task, and is demanded by name."""
    provider = bundled_provider(name)
    request = create_request(provider, {"prompt": "a cat"}, "cre_1", None, params)
    assert (request.method, request.url) == ("POST", url)
    assert json.loads(request.body) == {"prompt": "a cat"} | ADDED.get(name, {})
    for missing in params:
        with pytest.raises(BadInput, match=missing):
            check_params(provider, None, {})


def test_kling_finds_a_task_by_our_own_id_for_it() -> None:
    """So a creation of which nobody knows what came of it can be cleared up."""
    kling, params = bundled_provider("kling"), {"kind": "image2video"}
    find = find_request(kling, "cre_1", None, params)
    assert find is not None
    assert find.url == "https://api-singapore.klingai.com/v1/videos/image2video/cre_1"


CANCELLED: list[tuple[str, dict[str, str], str, bytes]] = [
    ("ark", {}, "DELETE https://ark.cn-beijing.volces.com/api/v3/contents/generations/tasks/t1", b""),
    ("dashscope", {}, "POST https://dashscope-intl.aliyuncs.com/api/v1/tasks/t1/cancel", b""),
    ("fal", {"model": "fal-ai/veo3/fast"}, "PUT https://queue.fal.run/fal-ai/veo3/requests/t1/cancel", b""),
    ("higgsfield", {}, "POST https://api.higgsfield.ai/requests/t1/cancel", b""),
    ("minimax-v2", {}, "DELETE https://api.minimax.io/v2/video_generation/t1", b""),
    ("replicate", {}, "POST https://api.replicate.com/v1/predictions/t1/cancel", b""),
    ("runway", {}, "DELETE https://api.dev.runwayml.com/v1/tasks/t1", b""),
    ("vidu", {}, "POST https://api.vidu.com/ent/v2/tasks/t1/cancel", b'{"id": "t1"}'),
]


@pytest.mark.parametrize(("name", "params", "asked", "body"), CANCELLED)
def test_a_task_is_cancelled_where_its_api_documents_it(
    name: str, params: dict[str, str], asked: str, body: bytes
) -> None:
    """A task that runs on costs money, and another path or method could do something else, such as delete a film."""
    request = cancel_request(bundled_provider(name), "t1", None, params)
    assert request is not None
    assert (f"{request.method} {request.url}", request.body) == (asked, body)


def test_every_file_that_can_cancel_is_tried() -> None:
    """The table above has each of them."""
    assert {name for name in BUNDLED if bundled_provider(name).cancel} == {each[0] for each in CANCELLED}


SPENT = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."
SENSITIVE = {"status_code": 1026, "status_msg": "video description contains sensitive content"}
CROWDED, MODERATED = "Reached the limit for concurrent generations.", "Text moderation failed"
# The answers to creations: HTTP status, body, what it says, and the id of the task.
ANSWERS: list[tuple[str, int, dict[str, Any], Said, str | None]] = [
    ("fal", 200, {"status": "IN_QUEUE", "request_id": "t1", "response_url": "x"}, Said.CREATED, "t1"),
    ("fal", 403, {"detail": SPENT}, Said.REFUSED, None),
    ("kling", 200, {"code": 0, "request_id": "r", "data": {"task_id": "t1"}}, Said.CREATED, "t1"),
    *(("kling", status, {"code": 1303, "message": "parallel task"}, Said.NOT_NOW, None) for status in (200, 429)),
    ("kling", 429, {"code": 1101, "message": "Account in arrears"}, Said.REFUSED, None),
    ("kling", 429, {"code": 1102, "message": "Resource pack depleted or expired"}, Said.REFUSED, None),
    ("kling", 400, {"code": 1301, "message": "content security policy"}, Said.REFUSED, None),
    ("luma", 201, {"id": "t1", "state": "queued"}, Said.CREATED, "t1"),
    ("minimax", 200, {"task_id": "t1", "base_resp": {"status_code": 0, "status_msg": "success"}}, Said.CREATED, "t1"),
    ("minimax", 200, {"task_id": "", "base_resp": {"status_code": 1002, "status_msg": "limit"}}, Said.NOT_NOW, None),
    ("minimax", 200, {"task_id": "", "base_resp": SENSITIVE}, Said.REFUSED, None),
    ("minimax-v2", 200, {"task_id": "t1"}, Said.CREATED, "t1"),
    ("replicate", 201, {"id": "t1", "status": "starting", "error": None}, Said.CREATED, "t1"),
    ("replicate", 402, {"title": "Insufficient credit", "status": 402}, Said.REFUSED, None),
    ("runway", 200, {"id": "t1"}, Said.CREATED, "t1"),
    ("runway", 400, {"error": "You do not have enough credits to run this task."}, Said.REFUSED, None),
    ("veo", 200, {"name": "models/veo-3.1/operations/t1"}, Said.CREATED, "models/veo-3.1/operations/t1"),
    ("ark", 200, {"id": "cgt-2025-0a1b"}, Said.CREATED, "cgt-2025-0a1b"),
    (
        "dashscope",
        200,
        {"request_id": "4909100c", "output": {"task_id": "0385dc79", "task_status": "PENDING"}},
        Said.CREATED,
        "0385dc79",
    ),
    ("xai", 200, {"request_id": "a3d1008e-4544"}, Said.CREATED, "a3d1008e-4544"),
    (
        "together",
        200,
        {"id": "019a0068", "model": "minimax/video-01-director", "status": "in_progress"},
        Said.CREATED,
        "019a0068",
    ),
    (
        "openrouter",
        200,
        {"id": "job-abc", "polling_url": "/api/v1/videos/job-abc", "status": "pending"},
        Said.CREATED,
        "job-abc",
    ),
    ("kie", 200, {"code": 200, "msg": "success", "data": {"taskId": "task_12345678"}}, Said.CREATED, "task_12345678"),
    (
        "vidu",
        200,
        {"task_id": "9015", "state": "created", "model": "viduq3-turbo", "images": ["x"]},
        Said.CREATED,
        "9015",
    ),
    ("ark", 400, {"error": {"code": "InputTextSensitiveContentDetected", "message": "x"}}, Said.REFUSED, None),
    ("ark", 403, {"error": {"code": "AccountOverdueError", "message": "x"}}, Said.REFUSED, None),
    ("ark", 429, {"error": {"code": "ServerOverloaded", "message": "x"}}, Said.NOT_NOW, None),
    ("ark", 500, {"error": {"code": "InternalServiceError", "message": "x"}}, Said.UNKNOWN, None),
    (
        "dashscope",
        400,
        {"code": "InvalidParameter", "message": "Model not exist.", "request_id": "r"},
        Said.REFUSED,
        None,
    ),
    ("dashscope", 429, {"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded"}, Said.NOT_NOW, None),
    (
        "xai",
        400,
        {"code": "invalid-argument", "error": "Duration must be between 1 and 15 seconds"},
        Said.REFUSED,
        None,
    ),
    ("together", 402, {"error": {"message": "Credit limit exceeded", "type": "x", "code": None}}, Said.REFUSED, None),
    ("together", 503, {"error": {"message": "The engine is overloaded", "code": None}}, Said.UNKNOWN, None),
    ("openrouter", 402, {"error": {"code": 402, "message": "Insufficient credits"}}, Said.REFUSED, None),
    ("openrouter", 429, {"error": {"code": 429, "message": "Rate limit exceeded"}}, Said.NOT_NOW, None),
    ("kie", 200, {"code": 402, "msg": "Insufficient Credits", "data": None}, Said.REFUSED, None),
    ("kie", 200, {"code": 422, "msg": "Validation Error", "data": None}, Said.REFUSED, None),
    ("kie", 200, {"code": 455, "msg": "System is currently undergoing maintenance", "data": None}, Said.NOT_NOW, None),
    ("kie", 200, {"code": 429, "msg": "Rate limit exceeded", "data": None}, Said.NOT_NOW, None),
    ("vidu", 400, {"code": 400, "reason": "CreditInsufficient", "message": "insufficient credits"}, Said.REFUSED, None),
    ("vidu", 400, {"code": 400, "reason": "AuditSubmitIllegal", "message": "submit is illegal"}, Said.REFUSED, None),
    ("vidu", 429, {"code": 429, "reason": "QuotaExceeded", "message": "quota exceeded"}, Said.NOT_NOW, None),
    ("vidu", 500, {"code": 500, "reason": "InternalServiceFailure", "message": "x"}, Said.UNKNOWN, None),
    ("higgsfield", 200, {"status": "queued", "request_id": "d7e6", "status_url": "https://x"}, Said.CREATED, "d7e6"),
    ("higgsfield", 401, {"detail": "Invalid credentials"}, Said.REFUSED, None),
    ("novita", 200, {"task_id": "f6ae"}, Said.CREATED, "f6ae"),
    ("novita", 400, {"code": 400, "reason": "ILLEGAL_PROMPT", "message": "x", "metadata": {}}, Said.REFUSED, None),
    ("novita", 429, {"code": 429, "reason": "RATE_LIMIT_EXCEEDED", "message": "x"}, Said.NOT_NOW, None),
    ("novita", 500, {"code": 500, "reason": "CREATE_TASK_FAILED", "message": "x"}, Said.UNKNOWN, None),
    ("openai", 200, {"id": "video_1", "object": "video", "status": "queued"}, Said.CREATED, "video_1"),
    ("openai", 400, {"error": {"code": "invalid_value", "message": "Unsupported size"}}, Said.REFUSED, None),
    ("pixverse", 200, {"ErrCode": 0, "ErrMsg": "success", "Resp": {"video_id": 34, "credits": 10}}, Said.CREATED, "34"),
    ("pixverse", 200, {"ErrCode": 500044, "ErrMsg": CROWDED, "Resp": None}, Said.NOT_NOW, None),
    ("pixverse", 200, {"ErrCode": 500063, "ErrMsg": MODERATED, "Resp": None}, Said.REFUSED, None),
    ("pixverse", 200, {"ErrCode": 500090, "ErrMsg": "Insufficient balance", "Resp": None}, Said.REFUSED, None),
    ("pixverse", 200, {"ErrCode": 99999, "ErrMsg": "Unknown error", "Resp": None}, Said.UNKNOWN, None),
    ("siliconflow", 200, {"requestId": "w4cp"}, Said.CREATED, "w4cp"),
    ("siliconflow", 400, {"code": 20012, "message": "Model does not exist", "data": None}, Said.REFUSED, None),
    ("siliconflow", 503, {"code": 50505, "message": "Model service overloaded.", "data": None}, Said.NOT_NOW, None),
    (
        "wavespeed",
        200,
        {"code": 200, "data": {"id": "pred_1", "status": "created", "urls": {}}},
        Said.CREATED,
        "pred_1",
    ),
    ("wavespeed", 401, {"code": 401, "message": "Unauthorized"}, Said.REFUSED, None),
    ("zhipu", 200, {"id": "88689", "request_id": "88758", "task_status": "PROCESSING"}, Said.CREATED, "88689"),
    ("zhipu", 400, {"error": {"code": "1301", "message": "unsafe or sensitive content"}}, Said.REFUSED, None),
    ("zhipu", 429, {"error": {"code": "1302", "message": "High concurrency usage"}}, Said.NOT_NOW, None),
    ("zhipu", 429, {"error": {"code": "1113", "message": "Your account is in arrears"}}, Said.REFUSED, None),
]


@pytest.mark.parametrize(("name", "status", "body", "said", "task_id"), ANSWERS)
def test_an_answer_to_a_creation_is_read(
    name: str, status: int, body: dict[str, Any], said: Said, task_id: str | None
) -> None:
    """A task whose id is overlooked is paid for, and only what surely created nothing may be sent again."""
    got = created(bundled_provider(name), status=status, headers={}, body=json.dumps(body).encode(), now=NOW)
    assert (got.said, got.task_id) == (said, task_id)


def test_a_creation_refused_for_an_empty_balance_is_not_worth_another_try() -> None:
    """A 429 is otherwise one: the same request may be taken later."""
    arrears = {"error": {"code": "1113", "message": "Your account is in arrears, please recharge and try again"}}
    body = json.dumps(arrears).encode()
    error = created(bundled_provider("zhipu"), status=429, headers={}, body=body, now=NOW).error
    assert error is not None
    assert (error.category, error.retryable) == (Category.QUOTA, False)


def test_the_film_of_openai_is_behind_its_content_path() -> None:
    """Its answers have no link."""
    assert content_url(bundled_provider("openai"), "t1") == "https://api.openai.com/v1/videos/t1/content"
