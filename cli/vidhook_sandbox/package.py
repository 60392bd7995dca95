"""Does the work of `sam build` and `sam package` faster: builds the layers and zips the folders of a template."""

import contextlib
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import click


@dataclass(frozen=True)
class Package:
    """A template with S3 URLs instead of local paths, and the objects for these URLs, by key."""

    template: str
    objects: dict[str, bytes]


def pack(template_file: Path, bucket: str, cache: Path) -> Package:
    """Returns the template ready for CloudFormation. The folder `cache` has the zips of layers with unchanged sources.

    Raises ClickException, with the reason, if a layer cannot be built.
    """
    from samtranslator.yaml_helper import yaml_parse

    template = yaml_parse(template_file.read_text(encoding="utf-8"))
    root, objects = template_file.parent, {}

    def place(content: bytes, suffix: str) -> str:
        key = hashlib.sha256(content).hexdigest() + suffix
        objects[key] = content
        return f"s3://{bucket}/{key}"

    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::Serverless::Function" if "CodeUri" in properties:
                properties["CodeUri"] = place(_zip(_sources(root / properties["CodeUri"])), ".zip")
            case "AWS::Serverless::LayerVersion":
                properties["ContentUri"] = place(_layer(root / properties["ContentUri"], name, cache), ".zip")
            case "AWS::Serverless::StateMachine" if "DefinitionUri" in properties:
                properties["DefinitionUri"] = place((root / properties["DefinitionUri"]).read_bytes(), ".asl.json")
    return Package(json.dumps(template), objects)


def _layer(source: Path, name: str, cache: Path) -> bytes:
    """Returns the layer's zip, made by the layer's own Makefile, or from the cache."""
    digest = hashlib.sha256(sys.version.encode())
    for path, content in _sources(source).items():
        digest.update(f"{path} {len(content)} ".encode() + content)
    zipped = cache / f"{name}-{digest.hexdigest()[:16]}.zip"
    with contextlib.suppress(OSError):  # another version of vidhook may delete it at any moment
        return zipped.read_bytes()
    if shutil.which("make") is None:
        raise click.ClickException(f"{name} is built with make, which is not on the PATH: install it and try again")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(dir=cache)
    except OSError as error:
        raise click.ClickException(f"{name} cannot be built in {cache}: {error.strerror}") from error
    with temporary as folder:
        artifacts = Path(folder, "artifacts")
        artifacts.mkdir()
        # MiniStack runs Lambdas with this interpreter, whatever the template's Runtime says.
        version = f"RUNTIME=python{sys.version_info.major}.{sys.version_info.minor}"
        pythons = [f"PYTHON={sys.executable}", f"COMPILER={sys.executable}", version]
        made = subprocess.run(  # noqa: S603 -- the layer's own Makefile, by the make on PATH
            ["make", "-C", str(source), f"build-{name}", f"ARTIFACTS_DIR={artifacts}", *pythons],  # noqa: S607
            capture_output=True,
            text=True,
        )
        if made.returncode:
            raise click.ClickException(f"{name} cannot be built: {(made.stderr or made.stdout).strip()}")
        content = _zip(_files(artifacts))
        finished = Path(folder, "layer.zip")
        finished.write_bytes(content)
        finished.rename(zipped)  # atomic: another process may make the same file
    for outdated in set(cache.glob(f"{name}-*.zip")) - {zipped}:
        outdated.unlink(missing_ok=True)
    return content


def _files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def _sources(folder: Path) -> dict[str, bytes]:
    """Returns the files without the bytecode that tests leave."""
    return {path: content for path, content in _files(folder).items() if "__pycache__" not in path}


def _zip(files: dict[str, bytes]) -> bytes:
    """Returns a zip with the same bytes for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path), content)
    return buffer.getvalue()
