"""The types for receivers are made from the contract as it is, and tell a type checker what is in an event."""

import sys
from pathlib import Path

import pytest

from tests import typed

pytestmark = pytest.mark.slow
needs_npm = pytest.mark.skipif(
    not (typed.NODE_TOOLS / "tsc").exists(), reason="`make types` has not installed its tools"
)

PYTHON = """
from http.server import BaseHTTPRequestHandler
from unwrap import unwrap

def receive(request: BaseHTTPRequestHandler, body: bytes) -> str:
    event = unwrap(body, request.headers, "whsec_")
    if event["type"] == "video.completed" or event["type"] == "image.completed":
        size = event["data"]["assets"][0]["bytes"]
        return f"{event['data']['reference']} {(size or 0) + 1} {event['data']['watch']['polls'] + 1}"
    if event["type"] == "video.failed":
        return event["data"]["error"]["message"]
    if event["type"] == "endpoint.test":
        return event["data"]["message"]
    return ""
"""
TYPESCRIPT = """
import type { IncomingMessage } from "node:http";
import { unwrap } from "./unwrap.ts";
import type { components, paths, webhooks } from "./vidhook.d.ts";

export async function receive(request: Request, message: IncomingMessage, body: Uint8Array): Promise<string> {
  const event = unwrap(new Uint8Array(await request.arrayBuffer()), request.headers, "whsec_");
  const same: typeof event = unwrap(body, message.headers, "whsec_");
  switch (event.type) {
    case "video.completed":
    case "image.completed": {
      const size: number | null = event.data.assets[0].bytes;
      return `${event.data.reference} ${size ?? 0} ${same.id}`;
    }
    case "video.failed":
    case "image.failed":
      return event.data.error.message;
    case "endpoint.test":
      return event.data.message;
    case "video.progress":
    case "image.progress":
      return `${event.data.progress}`;
  }
}
export type Submission = paths["/v1/tasks"]["post"]["requestBody"]["content"]["application/json"];
export type Completed = webhooks["video.completed"]["post"]["requestBody"]["content"]["application/json"];
export const kind = (error: components["schemas"]["StoreError"]) => error.kind === "playlist";
"""
# What a type checker must refuse: a word that is none, a field that is none, an error where none is.
WRONG = {
    "a type of event": ('"video.failed"', '"video.fail"'),
    "a field": ("reference", "referrence"),
    "an error of a completed task": ("assets", "error"),
}

SUBMISSIONS = """
import type { components } from "./vidhook.d.ts";
export const submissions: components["schemas"]["Submission"][] = [LIST];
"""
GOOD = [
    '{ provider: "alad", task_id: "t" }',
    '{ provider: "alad", task_id: "t", reference: "r", metadata: { a: 1 } }',
    '{ provider: "alad", create: { prompt: "x" }, reference: "r" }',
    '{ provider: "alad", create: {}, idempotency_key: "k" }',
    '{ provider: "alad", create: {}, idempotency_key: "k", reference: "r", progress: true }',
]
BAD = [
    '{ provider: "alad" }',
    '{ provider: "alad", reference: "r" }',
    '{ task_id: "t" }',
    '{ provider: "alad", create: {} }',
    '{ provider: "alad", create: "x", reference: "r" }',
    '{ provider: "alad", create: {}, reference: "r", task_id: "t" }',
    '{ provider: "alad", task_id: "t", idempotency_key: "k" }',
    '{ provider: "alad", task_id: 7 }',
    '{ provider: "alad", task_id: "t", refference: "r" }',
]


@pytest.mark.parametrize("name", [pytest.param("vidhook.d.ts", marks=needs_npm), "vidhook_types.py"])
def test_the_types_are_those_of_the_contract(name: str) -> None:
    """After a change of the contract `make types` writes them anew."""
    assert (typed.RECEIVERS / name).read_text() == typed.MADE[name]()


def checked_in_python(code: str, folder: Path) -> None:
    (folder / "sample.py").write_text(code)
    # In the folder of the receiver, so that the settings of this project do not count.
    settings = folder / "mypy.ini"
    settings.write_text(f"[mypy]\nmypy_path = {typed.RECEIVERS}\ncache_dir = {folder}/cache\n")
    files = (str(folder / "sample.py"), str(typed.RECEIVERS / "unwrap.py"), str(typed.RECEIVERS / "vidhook_types.py"))
    typed.run(sys.executable, "-m", "mypy", "--strict", f"--config-file={settings}", *files)


def checked_in_typescript(code: str, folder: Path) -> None:
    for each in typed.RECEIVERS.glob("*.ts"):
        (folder / each.name).write_text(each.read_text())
    (folder / "sample.ts").write_text(code)
    (folder / "package.json").write_text('{"type": "module"}')
    types = ("--typeRoots", str(typed.NODE_TOOLS.parent / "@types"), "--types", "node")
    typed.tsc("--noEmit", *types, str(folder / "sample.ts"), str(folder / "receiver.ts"))


def test_mypy_in_strict_mode_accepts_a_receiver_in_python(tmp_path: Path) -> None:
    """The type of an event tells what is in it, also the fields that may be null."""
    checked_in_python(PYTHON, tmp_path)


@pytest.mark.parametrize("wrong", WRONG)
def test_mypy_refuses_what_no_event_has(wrong: str, tmp_path: Path) -> None:
    """This is what the types are for."""
    with pytest.raises(AssertionError, match="error: "):
        checked_in_python(PYTHON.replace(*WRONG[wrong]), tmp_path)


@needs_npm
def test_the_compiler_of_typescript_accepts_a_receiver(tmp_path: Path) -> None:
    """Each type of event has a case, and after the last one nothing is left to return."""
    checked_in_typescript(TYPESCRIPT, tmp_path)


@needs_npm
@pytest.mark.parametrize("wrong", WRONG)
def test_the_compiler_of_typescript_refuses_what_no_event_has(wrong: str, tmp_path: Path) -> None:
    """This is what the types are for."""
    with pytest.raises(AssertionError, match="error TS"):
        checked_in_typescript(TYPESCRIPT.replace(*WRONG[wrong]), tmp_path)


@needs_npm
def test_the_compiler_of_typescript_accepts_each_way_to_submit(tmp_path: Path) -> None:
    """A task that is there, or one to create under a name of the client's."""
    checked_in_typescript(SUBMISSIONS.replace("LIST", ", ".join(GOOD)), tmp_path)


@needs_npm
def test_the_compiler_of_typescript_refuses_what_the_schema_of_submissions_does(tmp_path: Path) -> None:
    """Else a program compiles that gets 422 for each call. A line that compiles is an error itself."""
    lines = "".join(f"  // @ts-expect-error\n  {each},\n" for each in BAD)
    checked_in_typescript(SUBMISSIONS.replace("LIST", f"\n{lines}"), tmp_path)


@pytest.mark.parametrize("name", ["unwrap.py", "unwrap.ts"])
def test_it_is_short_enough_to_be_read(name: str) -> None:
    """Whoever copies it must see that it does what it says."""
    assert len((typed.RECEIVERS / name).read_text().splitlines()) <= 80
