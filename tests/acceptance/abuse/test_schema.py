"""Schemathesis asks everything that the OpenAPI document allows and much that it does not: no answer is a surprise."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from tests.acceptance.system import BIN, System

CONFIG = """\
headers = { Authorization = "Bearer ${TOKEN}" }
generation.allow-x00 = false
request-timeout = 300  # an answer that came too late would make the same input look like another one
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "404", "409", "422", "429"]

[[operations]]  # a cursor is opaque: this one begins at the end
include-name-regex = "^GET /api/[^ ]*(s|people|history|middleware|audit)/$"
parameters = { cursor = "cj0x" }

[[operations]]  # a file is text, or the configuration of another client, which the schema can't tell
include-name-regex = "^POST /api/(attachments|mcp-servers/import)/$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "422", "429"]

[[operations]]  # models have names, and files and times a form, that the schema can't tell
include-name-regex = "^(POST /api/(batches|chat|schedules|mcp-servers)/|PATCH /api/(schedules|mcp-servers)/{id}/)$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422", "429"]

[[operations]]  # passwords, groups and servers have rules that no schema can tell; administrators are not this user's
include-name-regex = "^(POST /api/(people|mcp-servers/test)/|PATCH /api/people/{id}/)$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422", "429"]

[[operations]]  # a kind of secret wants its own form of reference; prompts are no blank, and have names of their own
include-name-regex = "^(POST /api/(secrets|saved-prompts)/|(PUT|PATCH) /api/(secrets|saved-prompts)/{id}/)$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422", "429"]

[[operations]]  # settings and parameters fit the schema of their handler, and rows refer to others
include-name-regex = "^(POST|PUT|PATCH|DELETE) /api/(llm-[a-z]+|middleware-types|secrets|system-prompts)/"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422", "429"]

[[operations]]  # a server's fields depend on its protocol, and the first one runs a command, which needs a right;
# a reason of 3,000 characters may have 1,000 when it is decoded, and 500 are kept
include-name-regex = "^((PUT|DELETE) /api/mcp-servers/{id}/|(PATCH|DELETE) /api/mcp-servers/)$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422", "429"]

[[operations]]  # a list of tools is not empty, and none of them is there
include-name-regex = "^(PATCH|POST) /api/tools/"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422", "429"]

[[operations]]  # some times of the year 1 have none in UTC
include-name-regex = "^GET /api/audit/$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "429"]

[[operations]]  # a group goes with one outcome, and is there; a tool has a server
include-name-regex = "^(POST|PUT|PATCH|DELETE) /api/approval-policies/"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422", "429"]

[[operations]]  # decisions go with fields that no schema can tell, and a reason is not blank
include-name-regex = "^POST /api/approvals/{id}/decide/$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "429"]

[[operations]]  # no server gets people's own credentials
include-name-regex = "^(POST|PATCH) /api/tool-credentials/"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422", "429"]

[[operations]]  # it must not revoke its own token
include-name = "DELETE /api/tokens/{id}/"
parameters = { id = "${SPARE}" }
"""
ASK = {
    "--seed": "1",
    "--max-examples": "10",
    "--workers": "1",
    "--phases": "examples,coverage,fuzzing,stateful",
}
EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"type": "string"},
        "id": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "retry": {"type": "integer"},
    },
}
"""Schemathesis reads a stream's schema as that of each event; the document says what generators need: it is a text."""
PLAINLY = ("--generation-deterministic", "--no-shrink", "--continue-on-failure", "--no-color")
MAKE = (
    "from aiops.people.models import User; from aiops.people import tokens\n"
    "from django.contrib.auth.models import Permission\n"
    "u = User.objects.create_user('fuzzer', is_staff=True)\n"
    "what = ('mcpserver', 'tool', 'user', 'secret', 'llmprovider', 'llmmodel', 'systemprompt')\n"
    "what += ('middlewaretype', 'llmmiddleware', 'auditrow', 'approvalpolicy')\n"
    "rights = [f'{may}_{one}' for may in ('view', 'add', 'change', 'delete') for one in what]\n"
    "u.user_permissions.set(Permission.objects.filter(codename__in=rights))\n"
    "print(tokens.issue(u, name='spare')[0].pk, tokens.issue(u, name='used')[1])"
)


def test_every_answer_is_one_that_the_schema_declares(plain: System, tmp_path: Path) -> None:
    spare, token = plain.manage(MAKE).split()[-2:]
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    options = [part for option in ASK.items() for part in option]
    with plain.client(token) as client:
        document = client.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()
    (stream,) = document["paths"]["/api/runs/{id}/events"]["get"]["responses"]["200"]["content"].values()
    stream["schema"] = EVENT
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    what = ["run", *options, *PLAINLY, "--url", plain.url, str(tmp_path / "openapi.json")]
    command = [str(BIN / "schemathesis"), "--config-file", str(config), *what]
    env = {**os.environ, "TOKEN": token, "SPARE": spare}
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)
    _tidy(plain, token)
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr
    assert re.search(r"Selected: (\d+)/\1\b", done.stdout)


def _tidy(system: System, token: str) -> None:
    """Leave nothing that others would stumble over."""
    with system.client(token) as client:
        client.post("/api/runs/cancel/", json={"state": "queued"})
        client.post("/api/runs/cancel/", json={"state": "running"})
        for policy in client.get("/api/approval-policies/", params={"limit": 200}).json()["results"]:
            client.delete(f"/api/approval-policies/{policy['id']}/")
        for row in client.get("/api/mcp-servers/", params={"limit": 200}).json()["results"]:
            if row["name"] != "host":
                client.delete(f"/api/mcp-servers/{row['id']}/")
