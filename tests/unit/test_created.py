"""What an answer to the request that creates a task says: a task's id, a refusal, not now, or nothing that is sure."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidhook.providers.created import Said, created
from vidhook.providers.file import BUNDLED, bundled_provider, parse

ACME = parse(
    'name = "acme"\nbase_url = "https://api.acme.example"\nformat = "generic"\n'
    '[create]\npath = "/v1/videos"\nnot_now = ["QUEUE_FULL", 503]\n'
)
# Answers in the shapes of known APIs, and the id that stands in each.
IDS: list[tuple[Any, str]] = [
    ({"id": "video_1", "object": "video", "status": "queued", "error": None}, "video_1"),
    ({"id": "p1", "urls": {"get": "https://api.acme.example/p/p1"}, "status": "starting", "input": {"id": "x"}}, "p1"),
    ({"status": "IN_QUEUE", "request_id": "764cabcf", "status_url": "https://q.example/764cabcf"}, "764cabcf"),
    (
        {"code": 0, "message": "SUCCEED", "request_id": "r", "data": {"task_id": "Cl6", "task_status": "submitted"}},
        "Cl6",
    ),
    ({"task_id": "106", "base_resp": {"status_code": 0, "status_msg": "success"}}, "106"),
    ({"ErrCode": 0, "ErrMsg": "success", "Resp": {"video_id": 318633193768896}}, "318633193768896"),
    ({"output": {"task_status": "PENDING", "task_id": "0385"}, "request_id": "4909"}, "0385"),
    ({"code": 10000, "data": {"task_id": "7392"}, "status": 10000}, "7392"),
    ({"code": 200, "msg": "success", "data": {"taskId": "ee9c"}}, "ee9c"),
    ({"requestId": "q4xj9nvt"}, "q4xj9nvt"),
    ({"data": [{"taskType": "videoInference", "taskUUID": "24cd"}]}, "24cd"),
    ({"Response": {"JobId": "1316", "RequestId": "13f2"}}, "1316"),
    ({"name": "models/veo-3.0/operations/9xyz"}, "models/veo-3.0/operations/9xyz"),
    ({"motionVideoGenerationJob": {"generationId": "bb9e"}}, "bb9e"),
    ({"success": True, "response": {"message": "Render Successfully Queued", "id": "2abd"}}, "2abd"),
    ({"error": None, "data": {"video_id": "aeba"}}, "aeba"),
    ([{"id": "a7fe", "status": "planned"}], "a7fe"),
    ({"code": 200, "data": {"task_id": "6cc5", "error": {"code": 0, "message": ""}}, "message": "success"}, "6cc5"),
    ({"invocationArn": "arn:aws:bedrock:us-east-1:1:async-invoke/x"}, "arn:aws:bedrock:us-east-1:1:async-invoke/x"),
    ({"jobId": "j-2", "status": "QUEUED"}, "j-2"),
    ({"uuid": "u-9", "status": "queued"}, "u-9"),
    ({"success": True, "result": {"task_id": "r-1"}}, "r-1"),
    ({"code": 200, "message": "ok", "data": "task-777"}, "task-777"),
    ({"task": {"id": "t-77", "status": "queued"}}, "t-77"),
    ({"result": {"job": {"id": "j77", "state": "NEW"}}}, "j77"),
    ({"data": {"renders": [{"id": "rn-5"}]}}, "rn-5"),
    ({"code": 0, "data": {"generation_ids": ["g-1"]}}, "g-1"),
    ({"request": {"id": "in-1"}, "id": "out-1"}, "out-1"),
    ({"status": "ok", "job": "job_123"}, "job_123"),
    ({"code": 0, "data": '{"task_id": "t-79"}'}, "t-79"),
    ({"id": 991, "taskId": "real"}, "real"),
    ({"data": {"id": 55, "taskId": "real"}}, "real"),
    ({"success": True, "project": "JkGxEoPRF9EgRb32", "timestamp": "2026-05-12T10:49:52.924Z"}, "JkGxEoPRF9EgRb32"),
    ({"operationId": "op_xyz789abc"}, "op_xyz789abc"),
    ({"run_id": "r1", "web_url": "https://a.example", "status_url": "https://a.example/r1"}, "r1"),
    ({"dubbing_id": "d1", "expected_duration_sec": 127.5}, "d1"),
    ({"code": 2000, "projectId": 17861706}, "17861706"),
    ({"uid": "kG39", "status": "pending", "video_url": None, "project_id": "p"}, "kG39"),
    ({"process_id": "p1", "status_url": "https://a.example"}, "p1"),
    ({"error": None, "data": {"video_translate_id": "v1"}}, "v1"),
    ({"code": 1, "description": "Submit success", "result": "14001934816969359"}, "14001934816969359"),
    ({"code": 1, "description": "提交成功", "properties": {}, "result": 1320098173412546}, "1320098173412546"),
    ({"code": 22, "description": "排队中", "result": "1320098173412547"}, "1320098173412547"),
    ({"code": 1000, "msg": "OK", "data": {"_id": "64dd838c", "uid": 378337, "type": 1, "video_status": 1}}, "64dd838c"),
    ({"id": "js1", "type": "text2video", "jobs": [{"id": "j1", "status": "queued"}], "input_params": {}}, "js1"),
    ({"batch": {"id": "b1"}, "request": {"id": "x"}}, "b1"),
    ({"id": "job-abc123", "polling_url": "/api/v1/videos/job-abc123", "status": "pending"}, "job-abc123"),
    # Words of a limit or a warning beside an id do not mean that there is no task.
    ({"generationId": "g1", "message": "Rate limit: 9 of 10 used"}, "g1"),
    ({"video_id": "v1", "error": "Too many requests in queue, your task starts later"}, "v1"),
    ({"generation_id": "g2", "error": "warning: prompt was shortened"}, "g2"),
    ({"request_id": "r9", "status": "queued", "message": "accepted; queued because of your concurrency limit"}, "r9"),
]
NONE: list[tuple[int, Any, Said]] = [
    (200, {"code": 1201, "msg": "prompt is required"}, Said.REFUSED),
    (200, {"task_id": "", "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, Said.REFUSED),
    (200, {"id": "req_9", "error": {"code": "insufficient_credits", "message": "not enough credits"}}, Said.REFUSED),
    (200, {"id": "trace-1", "success": False, "message": "Invalid API key"}, Said.REFUSED),
    (200, {"code": 429, "msg": "Your call frequency is too high.", "data": None}, Said.NOT_NOW),
    (200, {"Response": {"Error": {"Code": "RequestLimitExceeded", "Message": "x"}, "RequestId": "r"}}, Said.NOT_NOW),
    (200, {"error": {"code": "QUEUE_FULL", "message": "later"}}, Said.NOT_NOW),
    (200, {"code": 500, "message": "internal error", "data": None}, Said.UNKNOWN),
    (200, {"message": "ok"}, Said.UNKNOWN),
    (200, {"error": "Too many requests"}, Said.UNKNOWN),
    (200, {"id": 0}, Said.UNKNOWN),
    (200, {"code": 500, "request_id": "r"}, Said.UNKNOWN),
    (200, {"code": 1001, "message": "it was not created", "request_id": "r"}, Said.UNKNOWN),
    (200, {"code": 1001, "error": "odd", "request_id": "r"}, Said.UNKNOWN),
    (200, {"code": 23, "description": "队列已满", "result": "15"}, Said.UNKNOWN),
    (200, {"code": 24, "description": "可能包含敏感词", "result": "15"}, Said.REFUSED),
    (200, {"id": ".."}, Said.UNKNOWN),
    (200, {"task_id": "null"}, Said.UNKNOWN),
    (200, {"model": {"id": "m1"}}, Said.UNKNOWN),
    (200, {"data": {"jobs": [{"id": "a1"}, {"id": "a2"}]}}, Said.UNKNOWN),
    (302, None, Said.UNKNOWN),
    (307, None, Said.REFUSED),
    (400, {"id": "req_1", "error": {"message": "bad"}}, Said.REFUSED),
    (402, {"error": "payment required"}, Said.REFUSED),
    (403, b"<html>challenge", Said.REFUSED),
    (408, b"", Said.UNKNOWN),
    (409, {"error": "exists"}, Said.UNKNOWN),
    (422, {"detail": [{"loc": ["body", "prompt"], "msg": "field required"}]}, Said.REFUSED),
    (429, b"<html>Too Many Requests", Said.NOT_NOW),
    (429, {"error": {"message": "exceeded your quota, check your plan and billing"}}, Said.REFUSED),
    (429, {"error": "credits exhausted, top up"}, Said.REFUSED),
    (500, {"error": {"message": "oops"}}, Said.UNKNOWN),
    (502, b"<html>", Said.UNKNOWN),
    (503, {"error": {"message": "busy"}}, Said.NOT_NOW),
    (504, b"", Said.UNKNOWN),
]


def said(status: int, body: Any, headers: dict[str, str] | None = None, provider: Any = ACME) -> Any:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return created(provider, status=status, headers=headers or {}, body=raw, now=1.0)


@pytest.mark.parametrize(("body", "task_id"), IDS)
def test_an_id_that_stands_in_the_answer_is_found(body: Any, task_id: str) -> None:
    """A task whose id is overlooked is paid for, and nobody gets it."""
    answer = said(200, body)
    assert (answer.said, answer.task_id) == (Said.CREATED, task_id)


@pytest.mark.parametrize(("status", "body", "expected"), NONE)
def test_without_an_id_the_answer_says_whether_there_may_be_a_task(status: int, body: Any, expected: Said) -> None:
    """Only what surely created nothing is sent again, and only what is surely refused is told as that."""
    answer = said(status, body)
    assert (answer.said, answer.task_id, answer.error is not None) == (expected, None, True)


@pytest.mark.parametrize("link", ["/v1/tasks/abc", "https://api.acme.example/v1/tasks/abc?x=1", "/v1/tasks/abc#top"])
def test_an_id_in_a_link_to_the_task_counts(link: str) -> None:
    """A 202 without a body says so where to ask."""
    assert said(202, None, {"Location": link}).task_id == "abc"


@pytest.mark.parametrize("link", ["/login", "/v1/tasks/", "https://api.acme.example/videos/abc"])
def test_a_link_to_something_else_names_no_task(link: str) -> None:
    """Where it leads to is not where the file asks about tasks."""
    assert said(202, None, {"Location": link}).said is Said.UNKNOWN


@pytest.mark.parametrize(
    ("status", "body", "created"),
    [
        (202, None, True),
        (201, {"state": "queued"}, True),
        (303, None, True),
        (303, b"<html>See other", True),
        (302, None, False),
        (307, None, False),
        (200, {"code": "NSFW", "message": "refused by moderation"}, False),
    ],
)
@pytest.mark.parametrize("place", ["", 'id = "job.id"\n'])
def test_a_link_to_the_task_counts_where_the_file_s_place_is_empty(
    status: int, body: Any, created: bool, place: str
) -> None:
    """Whoever answers without a body, or with See Other, has made the task all the same: it must not be lost."""
    base = 'name = "own"\nbase_url = "https://a.example"\npath = "/jobs/{task_id}"\nformat = "generic"\n'
    answer = said(status, body, {"Location": "/jobs/j-1"}, parse(f'{base}[create]\npath = "/jobs"\n{place}'))
    assert (answer.said is Said.CREATED, answer.task_id) == (created, "j-1" if created else None)


def test_an_id_in_which_our_key_was_hidden_is_none() -> None:
    """The task would be asked about under another name than its own, until it is told as not found."""
    body = {"id": "of-acme-key-123456-1", "status": "queued"}
    assert created(ACME, status=200, headers={}, body=json.dumps(body).encode(), now=1.0).task_id == body["id"]
    answer = created(
        ACME, status=200, headers={}, body=json.dumps(body).encode(), now=1.0, secrets=("acme-key-123456",)
    )
    assert (answer.said, answer.task_id) == (Said.UNKNOWN, None)


CUT: list[tuple[str, str]] = [
    ('{"id": "vid-1", "status": "que', "vid-1"),
    ('{"id": "vid-1"', "vid-1"),
    ('{"code": 0, "data": {"task_id": "t-1", "task_sta', "t-1"),
    ('{"code": 0, "request_id": "r", "data": {"task_id": 318633193768896, "x', "318633193768896"),
    ('[{"taskUUID": "24cd", "seeds": [1, 2', "24cd"),
    ('{"name": "models/veo/operations/9", "meta": {"a": "\\u00', "models/veo/operations/9"),
    ('\ufeff {"id": "v\\"1", "x": {"y": [[{', 'v"1'),
    ('{"data": "{\\"task_id\\": \\"t-79\\"}", "x', "t-79"),
    ('data: {"id": "vid-1", "status": "queued"}\n\ndata: {"progress": 1}\n\n', "vid-1"),
    ('event: a\r\nid: 7\r\ndata: {"progress": 1}\r\n\r\nevent: b\r\ndata: {"task_id":\r\ndata: "t-1"}\r\n\r\n', "t-1"),
    (': hello\n\ndata:{"id":"vid-1"}\n\ndata: [DONE]\n\n', "vid-1"),
    ('data: {"id": "vid-1", "sta', "vid-1"),
    ('{"progress": 1}\n{"job_id": "j-1"}\n', "j-1"),
    ('{"id": "vid-1"}<br />Warning: x', "vid-1"),
    ('{"id": "req"}\n{"task_id": "t-1"}\n{"task_id": "t-2"}', "t-1"),
    ('data: {"id": "evt_1", "type": "ping"}\n\ndata: {"task_id": "t-1"}\n\n', "t-1"),
]
NO_PART = [
    '{"id": "vid-1',
    '{"id": "vid-1\\"',
    '{"task_id": 31863',
    '{"previous": {"task_id": "t-1"}, "task_id": "t-2',
    '{"parent": {"data": {"taskId": 1}}, "status": "queued", ',
    '{"task_id": 31863 ',
    '{"task_id": ["a", "b", "c',
    '{"request_id": "r-1", "data": {"task_',
    '{"model": {"id": "m1"}, "x": ',
    '{"data": "{\\"task_id\\": \\"t-79',
    '{"task_id": "a"}]'[1:],
    '{"task_id"',
    '{"task_id": ',
    '[{"id": "a"},',
    '{"data": ["a", ',
    '{"success": false, "id": "x", "message": "Invalid API',
    'data: {"error": {"code": "NSFW", "message": "refused"}, "id": "e1"}\n\n',
    'data: {"id": "vid',
    "data: [DONE]\n\n",
    "<html>{id: 7}",
    "{" * 9_000,
]


@pytest.mark.parametrize(("text", "task_id"), CUT)
def test_an_id_that_stands_in_full_counts_also_where_the_rest_is_missing(text: str, task_id: str) -> None:
    """A line may break after it, and some answer with a stream of events."""
    answer = said(200, text.encode())
    assert (answer.said, answer.task_id) == (Said.CREATED, task_id)
    assert said(500, text.encode()).said is Said.UNKNOWN


@pytest.mark.parametrize("text", NO_PART)
def test_what_may_be_a_part_of_an_id_is_none(text: str) -> None:
    """Another task of the account may have that id, and an id of a request is none of a task."""
    assert said(200, text.encode()).said is Said.UNKNOWN


@given(
    body=st.recursive(st.integers() | st.text(max_size=9), lambda each: st.dictionaries(st.text(), each)), at=st.data()
)
def test_wherever_an_answer_is_cut_its_id_is_whole_or_none(body: Any, at: st.DataObject) -> None:
    """Also behind other members, with any letters."""
    for task_id in ("vid-1\u00e9\\", 318633193768896):
        whole = json.dumps({"before": body, "task_id": task_id, "after": body}, ensure_ascii=False).encode()
        cut = whole[: at.draw(st.integers(0, len(whole)))]
        assert said(200, cut).task_id in (None, str(task_id))
        assert said(200, whole[: whole.rindex(b'"after"')]).task_id == str(task_id)


OWN = [
    ("id", [{"id": "a"}], "a"),
    ("[0].id", [{"id": "a"}, {"id": "b"}], "a"),
    ("[].id", [{"id": "a"}, {"id": "b"}], "a"),
    ("data.ref", {"data": [{"ref": "a"}]}, "a"),
    ("data[0].ref", {"data": [{"ref": "a"}, {"ref": "b"}]}, "a"),
    ("data[*].ref", {"data": [{"ref": "a"}, {"ref": "b"}]}, "a"),
    ("data.ref", {"data": '{"ref": "a"}'}, "a"),
    ("data.ref", {"data": '[{"ref": 7}]'}, "7"),
    ("data[1].ref", {"data": '[{"ref": 6}, {"ref": 7}]'}, "7"),
    ("ref", '{"ref": "a"}', "a"),
    ("data.inner.ref", {"data": [{"inner": '{"ref": "a"}'}]}, "a"),
]


@pytest.mark.parametrize(("path", "body", "task_id"), OWN)
def test_a_path_of_the_file_reaches_into_lists_and_json_in_texts(path: str, body: Any, task_id: str) -> None:
    """As the usual places do."""
    file = f'name = "own"\nbase_url = "https://a.example"\nformat = "generic"\n[create]\npath = "/v"\nid = "{path}"\n'
    answer = said(200, body, provider=parse(file))
    assert (answer.said, answer.task_id) == (Said.CREATED, task_id)


@pytest.mark.parametrize("name", [name for name in BUNDLED if bundled_provider(name).create])
def test_an_error_s_text_is_no_id(name: str) -> None:
    """Some write the id, and some the error, as `data` itself."""
    body = {"code": "quota_not_enough", "message": "insufficient balance", "data": "insufficient_balance"}
    assert said(200, body, provider=bundled_provider(name)).task_id is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "task_id", "data", "error", "code", "status", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(body=JSON, status=st.integers(100, 599))
def test_whatever_is_answered_it_is_read(body: Any, status: int) -> None:
    """And a task is never sent again for an answer with 2xx that holds a task's own id."""
    answer = said(status, body)
    assert (answer.task_id is not None) == (answer.said is Said.CREATED)
    assert answer.said is not Said.CREATED or 200 <= status < 300
