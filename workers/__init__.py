"""The Celery side: thin tasks (a file per queue), the process's asyncio loop, its leases and its signals."""
