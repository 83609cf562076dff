"""The proxies of ``deploy/``: each with the shipped file, in which only addresses, paths and names are replaced."""

from __future__ import annotations

import os
import shutil
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import httpx

from tests.conftest import missing
from tests.ports import free_port
from tests.servers.server import Server

ROOT = Path(__file__).parents[2]
SECOND = "192.0.2.12:8000"
"""The address of the second web process in the files, which is commented out there."""


class Proxy(Server):
    """TLS at ``https://localhost:{port}`` in front of two web processes; ``certificates`` holds three PEM files."""

    program: ClassVar[str]
    file: ClassVar[str]
    changes_user: ClassVar[bool] = True

    def __init__(self, folder: Path, *, webs: Sequence[str], certificates: Path, port: int = 0) -> None:
        super().__init__(folder)
        found = shutil.which(self.program, path="/usr/sbin:/usr/bin")
        self.binary = found or missing(f"{self.program} (Debian: {self.program})")
        if self.changes_user and os.geteuid() != 0:
            missing(f"root, as which {self.program} starts")
        self.port = port or self.port
        self.http_port = free_port()
        self.webs = webs
        self.certificates = certificates
        self.trusted = ssl.create_default_context(cafile=str(certificates / "ca.pem"))

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def http_url(self) -> str:
        return f"http://localhost:{self.http_port}"

    def replacements(self) -> dict[str, str]:
        raise NotImplementedError

    def write(self) -> Path:
        """Write the shipped file with its replacements, each of which must have something to replace."""
        text = (ROOT / "deploy" / self.file).read_text()
        for old, new in self.replacements().items():
            assert old in text, f"deploy/{self.file} has no {old!r}"
            text = text.replace(old, new)
        path = self.folder / self.file
        path.write_text(text)
        return path

    def client(self, source: str = "127.0.0.1", **options: object) -> httpx.Client:
        """Return a client that connects from that address."""
        transport = httpx.HTTPTransport(verify=self.trusted, local_address=source)
        return httpx.Client(base_url=self.url, transport=transport, timeout=60, **options)  # type: ignore[arg-type]

    def answers(self) -> bool:
        try:
            with self.client() as client:
                client.get("/")
        except httpx.HTTPError:
            return False
        return True


class Nginx(Proxy):
    name = program = "nginx"
    file = "nginx.conf"

    def replacements(self) -> dict[str, str]:
        return {
            "https://aiops.example.org": self.url,
            "/etc/nginx/aiops/": f"{self.certificates}/",
            "server 127.0.0.1:8000 ": f"server {self.webs[0]} ",
            f"#server {SECOND} ": f"server {self.webs[1]} ",
            "listen 80 ": f"listen 127.0.0.1:{self.http_port} ",
            "listen 443 ": f"listen 127.0.0.1:{self.port} ",
            "listen [::]:80 default_server;": "",  # not every machine has IPv6
            "listen [::]:443 ssl http2 default_server;": "",
            "/var/log/nginx/": f"{self.folder}/",
        }

    def command(self) -> Sequence[str]:
        extra = f"daemon off; pid {self.folder}/nginx.pid;"
        return [self.binary, "-c", str(self.write()), "-p", str(self.folder), "-e", "stderr", "-g", extra]


class HAProxy(Proxy):
    name = program = "haproxy"
    file = "haproxy.cfg"

    def replacements(self) -> dict[str, str]:
        tls = 'ssl crt "${CERTIFICATE}" alpn h2,http/1.1'
        return {
            "https://aiops.example.org": self.url,
            "/etc/haproxy/aiops.pem": f"{self.certificates}/both.pem",
            "setenv WEB_1 127.0.0.1:8000": f"setenv WEB_1 {self.webs[0]}",
            f"#setenv WEB_2 {SECOND}": f"setenv WEB_2 {self.webs[1]}",
            "#server web2": "server web2",
            "bind :80\n": f"bind 127.0.0.1:{self.http_port}\n",
            "bind :443 ": f"bind 127.0.0.1:{self.port} ",
            "    bind [::]:80 v6only\n": "",
            f"    bind [::]:443 v6only {tls}\n": "",
        }

    def command(self) -> Sequence[str]:
        return [self.binary, "-db", "-f", str(self.write())]


class Caddy(Proxy):
    name = program = "caddy"
    file = "Caddyfile"
    changes_user = False

    def replacements(self) -> dict[str, str]:
        return {
            "https://aiops.example.org": self.url,
            "http://aiops.example.org": self.http_url,
            "/etc/caddy/aiops/": f"{self.certificates}/",
            "to 127.0.0.1:8000": f"to {self.webs[0]}",
            f"#to {SECOND}": f"to {self.webs[1]}",
        }

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "CADDY_ADMIN": f"127.0.0.1:{free_port()}"}

    def command(self) -> Sequence[str]:
        return [self.binary, "run", "--config", str(self.write()), "--adapter", "caddyfile"]


PROXIES: tuple[type[Proxy], ...] = (Nginx, HAProxy, Caddy)
