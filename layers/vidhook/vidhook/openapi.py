"""The OpenAPI document of the HTTP API: it is served as JSON and as a page, and requests are checked against it."""

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from html import escape
from importlib.resources import files
from typing import Any

import fastjsonschema

from vidhook import __version__, schemas
from vidhook.submission import schema as submission_schema

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code{background:#8882;padding:.1em .3em;border-radius:.2em}dt{float:left;clear:left;min-width:4rem}"
    "dd{margin-left:5rem}h3{margin:2.5rem 0 0}:root{color-scheme:light dark}"
)


@functools.cache
def document() -> dict[str, Any]:
    """Returns the whole OpenAPI 3.1 document: openapi.json with the version, the schemas and a webhook of each type."""
    loaded: dict[str, Any] = json.loads(_text("openapi.json"))
    loaded["info"]["version"] = __version__
    event = json.loads(_text("event.schema.json").replace("#/$defs/", "#/components/schemas/"))
    known = loaded["components"]["schemas"]
    submission = _inside(submission_schema())
    known |= {"Submission": submission, "Params": submission["properties"]["params"]}
    known |= {"Event": _inside(event), **event["$defs"]}
    receive = loaded["webhooks"].pop("event")["post"]
    for each in event["oneOf"]:
        shape = known[each["$ref"].rpartition("/")[2]]
        name = shape["title"]
        about = {
            "operationId": f"receive_{name.replace('.', '_')}",
            "summary": f"Receive {name}, as a subscriber",
            "description": f"{shape['description']} {receive['description']}",
            "requestBody": {"required": True, "content": {"application/json": {"schema": each}}},
        }
        loaded["webhooks"][name] = {"post": {**receive, **about}}
    return loaded


def published() -> dict[str, dict[str, Any]]:
    """Returns the JSON Schemas that are published, by name: `submission`, `event`, and one of each type of event."""
    event: dict[str, Any] = json.loads(_text("event.schema.json"))
    shapes = event["$defs"]
    types = {
        shape["title"]: {
            "$schema": event["$schema"],
            "$id": event["$id"].replace("event", shape["title"]),
            "title": shape["title"],
            "description": shape["description"],
            "$ref": f"#/$defs/{name}",
            "$defs": shapes,
        }
        for name, shape in shapes.items()
        if "title" in shape
    }
    return {"submission": submission_schema(), "event": event, **types}


def _text(name: str) -> str:
    return files("vidhook").joinpath(name).read_text("utf-8")


def _inside(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a schema as it stands inside of the document, without what only a document of its own has."""
    return {name: value for name, value in schema.items() if not name.startswith("$")}


def checked(name: str, raw: Any) -> dict[str, Any]:
    """Returns a request's body that fits the schema of this name. Raises BadInput naming the field and a hint."""
    schemas.check(raw, document()["components"]["schemas"][name], _validator(name), credentials=("secret", "headers"))
    fitting: dict[str, Any] = raw
    return fitting


def query(path: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Returns the query parameters of a GET, integers as int. Raises BadInput, also for an unknown parameter."""
    schema = _query_schema(path)
    values: dict[str, Any] = {}
    for name, text in given.items():
        whole = schema["properties"].get(name, {}).get("type") == "integer" and re.fullmatch(r"-?[0-9]{1,9}", text)
        values[name] = int(text) if whole else text
    schemas.check(values, schema, _query_validator(path))
    return values


def operations(path: str) -> dict[str, str]:
    """Returns the operation ids of a path by method, in capitals; an empty dict when the API has no such path."""
    for template, methods in document()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            return {method.upper(): operation["operationId"] for method, operation in methods.items()}
    return {}


def misnamed(path: str) -> Iterator[str]:
    """Yields the parameters of a path that cannot name anything, such as a `task` that has not the form of an id."""
    for template, methods in document()["paths"].items():
        if found := re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template), path):
            first = next(iter(methods.values()))
            known = {
                each["name"]: each["schema"]["pattern"]
                for each in map(_resolved, first.get("parameters", ()))
                if each["in"] == "path"
            }
            yield from (name for name, text in found.groupdict().items() if not re.fullmatch(known[name], text))


def page() -> str:
    """Returns the document as one HTML page that loads nothing else."""
    whole = document()
    parts = [f"<h1>{escape(whole['info']['title'])} {__version__}</h1><p>{escape(whole['info']['description'])}</p>"]
    for tag in whole["tags"]:
        parts.append(f"<h2>{escape(tag['name'])}</h2>")
        parts += [
            _operation(method, path, operation)
            for path, operations in {**whole["paths"], **whole["webhooks"]}.items()
            for method, operation in operations.items()
            if tag["name"] in operation["tags"]
        ]
    parts.append("<h2>Shapes</h2>")
    parts += [f'<h3 id="{name}">{name}</h3>{_shape(shape)}' for name, shape in whole["components"]["schemas"].items()]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>vidhook API</title><style>{STYLE}</style>'
    return head + "".join(parts)


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [f"<h3><code>{method.upper()} {escape(path)}</code></h3><p>{escape(operation['summary'])}."]
    parts.append(f" {escape(operation['description'])}</p>" if "description" in operation else "</p>")
    rows = [
        (f"<code>{escape(each['name'])}</code>", escape(each["description"]))
        for each in map(_resolved, operation.get("parameters", ()))
    ]
    if "requestBody" in operation:
        rows.append(("body", _link(operation["requestBody"]["content"]["application/json"]["schema"])))
    for status, answer in operation["responses"].items():
        known = _resolved(answer)
        shapes = [_link(content["schema"]) for content in known.get("content", {}).values()]
        rows.append((status, f"{escape(known['description'])} {' '.join(shapes)}"))
    return "".join([*parts, "<dl>", *(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in rows), "</dl>"])


def _shape(shape: Mapping[str, Any]) -> str:
    about = escape(shape.get("description", "")) + "".join(
        f" All of {_link(each)}, and:" for each in shape.get("allOf", ())
    )
    rows = []
    for name, inner in shape.get("properties", {}).items():
        needed = "" if name in shape.get("required", ()) else ", optional"
        rows.append(
            f"<li><code>{escape(name)}</code> {_link(inner)}{needed} {escape(inner.get('description', ''))}</li>"
        )
    if "oneOf" in shape:
        about += f" One of {', '.join(map(_link, shape['oneOf']))}."
    values = ", ".join(f"<code>{escape(str(value))}</code>" for value in shape.get("enum", ()))
    return f"<p>{about} {values}</p><ul>{''.join(rows)}</ul>"


def _link(schema: Mapping[str, Any]) -> str:
    """Returns a link to the named schema, or the name of the type."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_link, schema["anyOf"]))
    if "items" in schema:
        return f"array of {_link(schema['items'])}"
    kinds = schema.get("type") or schema.get("title", "")
    return " or ".join([kinds] if isinstance(kinds, str) else kinds)


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns what a $ref inside the document points to; a schema without $ref is returned unchanged."""
    if "$ref" not in schema:
        return schema
    found: Any = document()
    for step in schema["$ref"].split("/")[1:]:
        found = found[step]
    resolved: Mapping[str, Any] = found
    return resolved


@functools.cache
def _validator(name: str) -> Callable[[Any], Any]:
    compiled: Callable[[Any], Any] = fastjsonschema.compile(
        {"$ref": f"#/components/schemas/{name}", "components": document()["components"]}
    )
    return compiled


@functools.cache
def _query_validator(path: str) -> Callable[[Any], Any]:
    compiled: Callable[[Any], Any] = fastjsonschema.compile(_query_schema(path))
    return compiled


@functools.cache
def _query_schema(path: str) -> dict[str, Any]:
    parameters = map(_resolved, document()["paths"][path]["get"]["parameters"])
    return {
        "title": "The query",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            each["name"]: {**_resolved(each["schema"]), "description": each["description"]}
            for each in parameters
            if each["in"] == "query"
        },
    }
