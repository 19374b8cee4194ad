"""The client for threads. All but ``clock.py`` is written by ``tools/write_sync_client.py`` from ``client.aio``."""
