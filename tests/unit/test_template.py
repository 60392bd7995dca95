"""The template as CloudFormation gets it."""

import runpy
from pathlib import Path

EXPANDED = Path(__file__).parents[1] / "expanded.py"


def test_two_stacks_live_in_one_account() -> None:
    """A name that is the same in every stack lets the first be deployed and fails the second."""
    resources = runpy.run_path(str(EXPANDED))["expanded"]()["Resources"]
    fixed = {
        (resource["Type"], field, value)
        for resource in resources.values()
        for field, value in resource.get("Properties", {}).items()
        if field.endswith("Name") and field != "MetricName" and isinstance(value, str)
    }
    inside_an_api = {entry for entry in fixed if entry[0].startswith("AWS::ApiGatewayV2::")}
    assert fixed - inside_an_api == set()
