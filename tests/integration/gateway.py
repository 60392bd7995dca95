"""API Gateway's part of the HTTP API: a WSGI application that turns each request into an event (payload format 2.0).

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import boto3
import pytest
from werkzeug.test import Client

import serve_api
from tests.integration.world import World
from vidhook.wiring import Edges

TEXT = ("text/", "application/json", "application/javascript", "application/xml")


@dataclass(frozen=True)
class Context:
    """What Lambda tells a handler of itself."""

    function_name: str = "serve_api"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:serve_api"
    aws_request_id: str = "6f0c8d1e"

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


class Gateway:
    """Any handler of an HTTP API as a WSGI application."""

    def __init__(self, handler: Callable[[dict[str, Any], Any], dict[str, Any]]) -> None:
        self._handler = handler

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # Lambda hands over and takes back JSON, nothing else.
        answer = json.loads(json.dumps(self._handler(json.loads(json.dumps(event(environ))), Context())))
        body = answer["body"]
        content = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
        headers = list(answer.get("headers", {}).items())
        start_response(f"{answer['statusCode']} {HTTPStatus(answer['statusCode']).phrase}", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else content]


def event(environ: dict[str, Any]) -> dict[str, Any]:
    """The event of one request."""
    headers = {name[5:].replace("_", "-").lower(): text for name, text in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = environ["CONTENT_TYPE"]
    method = environ["REQUEST_METHOD"]
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    key = environ.get("SCRIPT_NAME", "")  # of a custom domain's mapping
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "ANY /{proxy+}",
        "rawPath": key + path,
        "rawQueryString": environ.get("QUERY_STRING", ""),
        "headers": headers,
        "requestContext": {
            "http": {"method": method, "path": key + path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "ANY /{proxy+}",
            "stage": "$default",
        },
        "pathParameters": {"proxy": path.removeprefix("/")},
        "isBase64Encoded": False,
    }
    if path.startswith("/v1/videos/"):
        made |= {"routeKey": f"{method} /v1/videos/{{token}}", "pathParameters": {"token": path.rpartition("/")[2]}}
    query: dict[str, str] = {}
    for name, text in parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True):
        query[name] = f"{query[name]},{text}" if name in query else text
    if query:
        made["queryStringParameters"] = query
    content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if content and headers.get("content-type", "").startswith(TEXT):
        made["body"] = content.decode("utf-8", "replace")
    elif content:
        made |= {"body": base64.b64encode(content).decode(), "isBase64Encoded": True}
    return made


def served(world: World, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Calls the API of a stack that shares its ledger, bucket and secrets with `world`, and has both state machines."""
    make = boto3.client("stepfunctions").create_state_machine
    role = "arn:aws:iam::123456789012:role/machine"
    machines = {
        "WATCH_ARN": make(name="watch", definition="{}", roleArn=role)["stateMachineArn"],
        "REDELIVER_ARN": make(name="redeliver", definition="{}", roleArn=role)["stateMachineArn"],
    }
    here = Edges({**world.settings, **machines}, clock=world.clock)
    vars(here)["functions"] = world.functions
    monkeypatch.setattr(serve_api, "edges", lambda: here)
    return Client(Gateway(serve_api.handler))
