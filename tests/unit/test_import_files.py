"""Configuration files as MCP clients write them, and the rows or refusals that their servers become."""

from __future__ import annotations

import codecs
from typing import Any

import pytest

from tests.unit.imported import KEY, imported

STDIO = {"protocol": "stdio", "command": "npx", "args": ["-y", "s"]}
FILES: dict[str, tuple[str | bytes, dict[str, Any]]] = {
    "Claude Desktop, files": (
        """{"mcpServers": {"filesystem": {"command": "npx",
            "args": ["-y", "@modelcontextprotocol/server-filesystem", "/Users/ann/Desktop"]}},
            "globalShortcut": "Cmd+Space"}""",
        {
            "filesystem": {
                "protocol": "stdio",
                "command": "npx",
                "args": ["-y", "@modelcontextprotocol/server-filesystem", "/Users/ann/Desktop"],
            }
        },
    ),
    "Claude Desktop, Docker with a token in env": (
        '{"mcpServers": {"GitHub": {"command": "docker", "args": ["run", "-i", "--rm", "-e", '
        '"GITHUB_PERSONAL_ACCESS_TOKEN", "ghcr.io/github/github-mcp-server"], '
        f'"env": {{"GITHUB_PERSONAL_ACCESS_TOKEN": "{KEY}"}}}}}}}}',
        {
            "GitHub": {
                "protocol": "stdio",
                "command": "docker",
                "args": ["run", "-i", "--rm", "-e", "GITHUB_PERSONAL_ACCESS_TOKEN", "ghcr.io/github/github-mcp-server"],
                "env": {"GITHUB_PERSONAL_ACCESS_TOKEN": "env:AIOPS_SECRET_GITHUB_PERSONAL_ACCESS_TOKEN"},
            }
        },
    ),
    "Claude Desktop on Windows, UTF-16": (
        codecs.BOM_UTF16_LE + '{"mcpServers": {"a": {"command": "npx", "args": ["-y", "s"]}}}'.encode("utf-16-le"),
        {"a": STDIO},
    ),
    "Notepad, UTF-8 with BOM and Windows line ends": (
        codecs.BOM_UTF8 + b'{\r\n"mcpServers": {"a": {"command": "npx", "args": ["-y", "s"]}}\r\n}\r\n',
        {"a": STDIO},
    ),
    "Claude Code, environment variables": (
        """{"mcpServers": {"api-server": {"type": "http", "url": "https://api.example.com/mcp",
            "headers": {"Authorization": "Bearer ${API_KEY}"}},
            "with-default": {"type": "http", "url": "${API_BASE_URL:-https://api.example.com}/mcp"}}}""",
        {
            "api-server": {
                "protocol": "http",
                "url": "https://api.example.com/mcp",
                "headers": {"Authorization": "Bearer ${AIOPS_SECRET_API_KEY}"},
            },
            "with-default": "url has a reference, which is replaced only in env and headers: write the value itself, "
            "unless it is a secret",
        },
    ),
    "Cursor, remote with env references": (
        """{"mcpServers": {"server-name": {"url": "http://localhost:3000/mcp",
            "headers": {"API_KEY": "${env:MY_KEY}"}}}}""",
        {
            "server-name": {
                "protocol": "http",
                "url": "http://localhost:3000/mcp",
                "headers": {"API_KEY": "env:AIOPS_SECRET_MY_KEY"},
            }
        },
    ),
    "Cursor, a folder that it alone knows": (
        '{"mcpServers": {"local": {"type": "stdio", "command": "python", "args": ["${workspaceFolder}/tool.py"]}}}',
        {
            "local": "args has a reference, which is replaced only in env and headers: write the value itself, "
            "unless it is a secret"
        },
    ),
    "VS Code, inputs and comments": (
        """{
          // Asked for once
          "inputs": [{"type": "promptString", "id": "perplexity-key", "description": "Perplexity", "password": true},],
          "servers": {
            /* the remote one */
            "github": {"type": "http", "url": "https://api.githubcopilot.com/mcp"},
            "perplexity": {"type": "stdio", "command": "npx", "args": ["-y", "s"],
              "env": {"PERPLEXITY_API_KEY": "${input:perplexity-key}", "URL": "https://x.org//a"},
              "dev": {"watch": "*"}},
          },
        }""",
        {
            "github": {"protocol": "http", "url": "https://api.githubcopilot.com/mcp"},
            "perplexity": {
                **STDIO,
                "env": {"PERPLEXITY_API_KEY": "env:AIOPS_SECRET_PERPLEXITY_KEY", "URL": "https://x.org//a"},
            },
        },
    ),
    "VS Code, a file of variables that only it reads": (
        '{"servers": {"a": {"command": "npx", "args": ["-y", "s"], "envFile": "${workspaceFolder}/.env"}}}',
        {"a": "there is no field envFile in aiops: without it, it would be another server"},
    ),
    "VS Code, settings.json": (
        '{"editor.tabSize": 2, "mcp": {"inputs": [], "servers": {"a": {"command": "npx", "args": ["-y", "s"]}}}}',
        {"a": STDIO},
    ),
    "Windsurf, serverUrl": (
        '{"mcpServers": {"figma": {"serverUrl": "https://x.org/mcp", "headers": {"X-Key": "${env:FIGMA}"}}}}',
        {
            "figma": {
                "protocol": "http",
                "url": "https://x.org/mcp",
                "headers": {"X-Key": "env:AIOPS_SECRET_FIGMA"},
            }
        },
    ),
    "Windsurf, a file in a value": (
        '{"mcpServers": {"a": {"serverUrl": "https://x.org/mcp", "headers": {"X-Key": "${file:/home/ann/key}"}}}}',
        {"a": "headers.X-Key: ${file:/home/ann/key} is known to an editor alone: write the value itself"},
    ),
    "Cline, names of its marketplace": (
        """{"mcpServers": {"github.com/zcaceres/fetch-mcp": {"command": "npx", "args": ["-y", "s"], "env": {},
            "disabled": false, "autoApprove": ["fetch"], "timeout": 60, "transportType": "stdio"}}}""",
        {"github.com/zcaceres/fetch-mcp": STDIO},
    ),
    "Cline, streamableHttp and sse": (
        """{"mcpServers": {"new": {"type": "streamableHttp", "url": "https://x.org/mcp", "alwaysAllow": []},
            "old": {"url": "https://x.org/sse"}, "dashed": {"type": "streamable-http", "url": "https://x.org/sse"}}}""",
        {
            "new": {"protocol": "http", "url": "https://x.org/mcp"},
            "old": {"protocol": "sse", "url": "https://x.org/sse"},
            "dashed": {"protocol": "http", "url": "https://x.org/sse"},
        },
    ),
    "Gemini, tools that it leaves out": (
        '{"mcpServers": {"a": {"httpUrl": "https://x.org/mcp", "excludeTools": ["rm"], "trust": true}}}',
        {"a": "there is no field excludeTools in aiops: without it, it would be another server"},
    ),
    "mcp-remote, a header in the arguments": (
        """{"mcpServers": {"a": {"command": "npx", "args": ["mcp-remote", "https://x.org", "--header",
            "Authorization:${AUTH}"], "env": {"AUTH": "Bearer canary"}}}}""",
        {
            "a": "args has a reference, which is replaced only in env and headers: write the value itself, "
            "unless it is a secret"
        },
    ),
    "Notion, a header inside a variable": (
        r"""{"mcpServers": {"notionApi": {"command": "npx", "args": ["-y", "s"],
            "env": {"OPENAPI_MCP_HEADERS": "{\"Authorization\": \"Bearer ntn_canary12\", \"V\": \"1\"}"}}}}""",
        {"notionApi": {**STDIO, "env": {"OPENAPI_MCP_HEADERS": "env:AIOPS_SECRET_NOTIONAPI_OPENAPI_MCP_HEADERS"}}},
    ),
    "numbers among the variables": (
        '{"mcpServers": {"a": {"command": "npx", "args": ["-y", "s"], "env": {"PORT": 8080, "T": "a ${PART}"}}}}',
        {"a": {**STDIO, "env": {"PORT": "8080", "T": "a ${AIOPS_SECRET_PART}"}}},
    ),
    "aiops's own references": (
        """{"mcpServers": {"a": {"url": "https://x.org", "headers": {"A": "env:AIOPS_SECRET_A",
            "B": "Bearer ${AIOPS_SECRET_B}", "C": "Bearer env:AIOPS_SECRET_C"}}}}""",
        {
            "a": {
                "protocol": "http",
                "url": "https://x.org",
                "headers": {
                    "A": "env:AIOPS_SECRET_A",
                    "B": "Bearer ${AIOPS_SECRET_B}",
                    "C": "Bearer ${AIOPS_SECRET_C}",
                },
            }
        },
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_client_is_mapped(name: str) -> None:
    data, expected = FILES[name]
    assert imported(data) == expected
