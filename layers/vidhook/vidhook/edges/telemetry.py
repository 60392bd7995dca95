"""What operators see: JSON logs and CloudWatch metrics. Never a key, a secret or a URL's query string."""

import os

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "vidhook")

logger = Logger(service="vidhook")


def count(name: str, value: float = 1, unit: MetricUnit = MetricUnit.Count, **dimensions: str) -> None:
    """Writes one CloudWatch metric; `dimensions` are provider and outcome only, so that there are few."""
    with single_metric(name=name, unit=unit, value=value, namespace=NAMESPACE) as metric:
        for key, text in dimensions.items():
            metric.add_dimension(key, text)
