"""Faults are provoked on the same systems as the integration tests use."""

from tests.integration.conftest import app, workers

__all__ = ["app", "workers"]
