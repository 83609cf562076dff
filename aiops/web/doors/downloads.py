"""Files that are streamed page by page."""

from __future__ import annotations

from starlette.responses import StreamingResponse
from starlette.types import Send

from aiops import log
from aiops.errors import Unauthenticated

logger = log.get(__name__)


class Download(StreamingResponse):
    """A file that breaks off when its reader is signed out meanwhile, so that it does not look complete."""

    async def stream_response(self, send: Send) -> None:
        # without the last chunk, the server closes the connection
        try:
            await super().stream_response(send)
        except Unauthenticated:
            logger.info("download.cut")
