"""Prints template.yaml as CloudFormation gets it, every SAM resource expanded: what the security scan looks at too.

.venv/bin/python tests/expanded.py > expanded.json
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

TEMPLATE = Path(__file__).parents[1] / "template.yaml"
PACKAGED = ("CodeUri", "ContentUri", "DefinitionUri")


def expanded() -> dict[str, Any]:
    """The template after the Serverless transform, its local folders standing for what `sam deploy` uploads."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # the transform asks for one, and asks it nothing
    template = yaml_parse(TEMPLATE.read_text("utf-8"))
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        properties.update({name: "s3://bucket/key" for name in PACKAGED if name in properties})
    plain: dict[str, Any] = Translator({}, Parser()).translate(template, {})
    return plain


if __name__ == "__main__":
    sys.stdout.write(json.dumps(expanded(), indent=1))
