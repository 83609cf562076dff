"""Celery's side: thin tasks, a file per queue, the process's one asyncio loop, its heartbeat and its signals."""
