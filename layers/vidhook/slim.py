"""Keeps, of the packages in a layer's folder, what a function can use: `python3 slim.py FOLDER`.

botocore describes 400 services in 27 MB, and to make one client it lists all of them and reads the endpoints of all.
What stays is the newest description of each service for which an edge makes a client, without its documentation and
without the operations that no edge names, and the endpoints of these services. Everything is as botocore expects it: it
reads JSON with and without gzip.
"""

import gzip
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

NO_FUNCTION_READS = ("bin", "boto3/data", "boto3/examples")
# Powertools' own page of an API, 1.7 MB; ours is of openapi.py.
NO_FUNCTION_SERVES = "aws_lambda_powertools/event_handler/openapi/swagger_ui/*.min.*"


def services(edges: Path) -> set[str]:
    """Returns the names of the services for which the edges in this folder make clients."""
    return {
        name
        for source in edges.rglob("*.py")
        for name in re.findall(r'\baws\.client\(\s*"([a-z0-9-]+)"', source.read_text("utf-8"))
    }


def words(edges: Path) -> set[str]:
    """Returns all names in the source of the edges, without underscores: an operation that is used is one of them."""
    sources = [source.read_text("utf-8") for source in edges.rglob("*.py")]
    return {word.replace("_", "") for source in sources for word in re.findall(r"\w+", source)}


def without_unused(model: dict[str, Any], used: set[str]) -> dict[str, Any]:
    """Returns a service's description with the operations that are used: `get_item` is GetItem's."""
    operations = {name: each for name, each in model["operations"].items() if name.lower() in used}
    shapes = model["shapes"]
    kept = {name: shape for name, shape in shapes.items() if shape.get("exception")}
    to_see: list[Any] = [operations, kept]
    while to_see:
        part = to_see.pop()
        name = part.get("shape") if isinstance(part, dict) else None
        if isinstance(name, str) and name not in kept:
            kept[name] = shapes[name]
            to_see.append(kept[name])
        to_see += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return {**model, "operations": operations, "shapes": kept}


def undocumented(model: Any) -> Any:
    """Returns a description with every text for people empty; botocore wants some of them to be there."""
    if isinstance(model, list):
        return [undocumented(each) for each in model]
    if not isinstance(model, dict):
        return model
    return {
        name: "" if name == "documentation" and isinstance(value, str) else undocumented(value)
        for name, value in model.items()
    }


def slim(data: Path, wanted: set[str], used: set[str]) -> None:
    """Removes from botocore's data what is not about the wanted services and the operations that are used.

    Raises KeyError for a service that it lacks.
    """
    for folder in (each for each in data.iterdir() if each.is_dir()):
        versions = sorted(folder.iterdir())
        for outdated in versions[:-1] if folder.name in wanted else [folder]:
            shutil.rmtree(outdated)
    prefixes = set()
    for packed in data.glob("*/*/*.json.gz"):
        model = undocumented(json.loads(gzip.decompress(packed.read_bytes())))
        if packed.name == "service-2.json.gz":
            prefixes.add(model["metadata"]["endpointPrefix"])
            model = without_unused(model, used)
        packed.with_suffix("").write_text(json.dumps(model, separators=(",", ":")), "utf-8")
        packed.unlink()
    for examples in data.glob("*/*/examples-1.json"):
        examples.unlink()
    if missing := wanted - {each.name for each in data.iterdir()}:
        raise KeyError(f"botocore has no service named {', '.join(missing)}")
    endpoints = json.loads((data / "endpoints.json").read_text("utf-8"))
    for partition in endpoints["partitions"]:
        partition["services"] = {name: each for name, each in partition["services"].items() if name in prefixes}
    (data / "endpoints.json").write_text(json.dumps(endpoints, separators=(",", ":")), "utf-8")


if __name__ == "__main__":
    packages = Path(sys.argv[1])
    for name in NO_FUNCTION_READS:
        shutil.rmtree(packages / name, ignore_errors=True)
    for file in packages.glob(NO_FUNCTION_SERVES):
        file.unlink()
    for record in packages.glob("*.dist-info/RECORD"):  # with the path of the Python that pip ran on, in a hash
        record.unlink()
    edges = packages / "vidhook/edges"
    slim(packages / "botocore/data", services(edges), words(edges))
