"""The client for an event loop, and the source of the other one.

``tools/write_sync_client.py`` writes ``async_tasks.client.sync`` from the modules of this package, so that there is
one logic. Only ``clock.py`` is written twice: what it takes to wait.
"""
