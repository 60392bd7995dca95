"""Prints template.yaml with every SAM resource expanded, as CloudFormation gets it; the security scan reads that too.

.venv/bin/python tests/expanded.py > expanded.json
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

TEMPLATE = Path(__file__).parents[1] / "template.yaml"
PACKAGED = ("CodeUri", "ContentUri", "DefinitionUri")


def expanded() -> dict[str, Any]:
    """Returns the template after the Serverless transform. Its local folders become what `sam deploy` uploads."""
    template = yaml_parse(TEMPLATE.read_text("utf-8"))
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        properties.update({name: "s3://bucket/key" for name in PACKAGED if name in properties})
    # The transform needs a region, and calls nothing.
    session = SimpleNamespace(region_name="us-east-1")
    plain: dict[str, Any] = Translator({}, Parser(), boto_session=session).translate(template, {})
    return plain


if __name__ == "__main__":
    sys.stdout.write(json.dumps(expanded(), indent=1))
