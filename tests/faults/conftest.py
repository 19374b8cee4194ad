"""Faults are provoked on the same systems as the integration tests use."""

from tests.integration.conftest import app, lasting_profile, lasting_worker, workers

__all__ = ["app", "lasting_profile", "lasting_worker", "workers"]
