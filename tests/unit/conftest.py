"""Hypothesis does not measure time in these tests, so that a busy machine fails none of them."""

from hypothesis import HealthCheck, settings

settings.register_profile("unit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")
