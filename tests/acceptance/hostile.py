"""Texts that want to run a script or to send a word home, and the home that hears of it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

RUN = "window.hacked=1;alert(1)"
LEAKS = (
    "![a](URL)",
    "![a][b]\n\n[b]: URL",
    "[![a](URL)](URL)",
    "<img src=URL>",
    "<img srcset='URL 1x, URL 2x'>",
    "<picture><source srcset=URL><img></picture>",
    "<video poster=URL src=URL autoplay></video>",
    "<audio src=URL autoplay></audio>",
    "<iframe src=URL></iframe>",
    "<object data=URL></object>",
    "<embed src=URL>",
    "<link rel=stylesheet href=URL>",
    "<link rel=prefetch href=URL>",
    "<style>@import 'URL';body{background:url(URL)}</style>",
    '<p style="background:url(URL)">a</p>',
    "<table background=URL><tr><td background=URL>a</table>",
    "<input type=image src=URL>",
    "<svg><image href=URL /><use href=URL /></svg>",
    "<div hx-get=URL hx-trigger=load data-hx-get=URL data-hx-trigger=load>a</div>",
    "<base href=URL>",
)
"""What would load something by itself."""
MOVES = (
    "<meta http-equiv=refresh content='0;url=URL'>",
    "<link rel=preconnect href=URL>",
    "<a href=URL ping=URL>a</a>",
)
"""What no content security policy stops: only text that stays text does."""
SCRIPTS = (
    "<script>RUN</script>",
    "</script><script>RUN</script>",
    "</textarea></title></style><script>RUN</script>",
    '"><script>RUN</script>',
    "'\"><img src=x onerror='RUN'>",
    "<img src=x onerror='RUN'>",
    "<svg onload='RUN'>",
    "<svg><script>RUN</script></svg>",
    "<svg><style><img src=x onerror='RUN'></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=RUN&gt;'>",
    "<noscript><p title='</noscript><img src=x onerror=RUN>'>",
    "<iframe srcdoc='<script>parent.RUN</script>'></iframe>",
    "<details open ontoggle='RUN'>a</details>",
    "<input autofocus onfocus='RUN'>",
    "<body onload='RUN'>",
    "<div hx-on:load='RUN' hx-on::load='RUN' hx-trigger='load[RUN]' hx-get=/health/live>a</div>",
    "[a](javascript:RUN)",
    "[a](java\nscript:RUN)",
    "[a](&#106;avascript:RUN)",
    "[a](data:text/html,<script>RUN</script>)",
    "[a](vbscript:RUN)",
    "<javascript:RUN>",
    "<a href='javascript:RUN' autofocus onfocus='RUN'>a</a>",
    "```'\"><img src=x onerror='RUN'>\na\n```",
    "| a |\n| - |\n| <img src=x onerror='RUN'> |",
    "{{RUN}} ${RUN} <%= RUN %>",
)


def texts(url: str, *kinds: tuple[str, ...]) -> list[str]:
    """Return the texts of these kinds with an address that is listened to."""
    return [text.replace("URL", f"{url}/{n}").replace("RUN", RUN) for kind in kinds for n, text in enumerate(kind)]


class Home:
    """An address of another origin that counts whoever connects."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://localhost:{self._server.getsockname()[1]}"
        self.heard: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                with client:
                    client.settimeout(0.5)
                    with suppress(OSError):
                        self.heard.append(client.recv(200).decode(errors="replace"))

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
