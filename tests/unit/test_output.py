"""What is kept of the output of a tool server's command."""

from __future__ import annotations

import pytest

from aiops.tool_servers.client.output import HIDDEN, MAX_BYTES, Output


def written(*parts: str, secrets: tuple[str, ...] = ()) -> Output:
    output = Output(secrets=secrets)
    for part in parts:
        output.add(part.encode())
    return output


def test_the_end_of_the_output_is_kept() -> None:
    output = written("first\n", "x" * 20_000, "\nlast\n")
    assert output.text.endswith("x\nlast")
    assert len(output.text) < MAX_BYTES
    assert "first" not in output.text


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("Traceback (most recent call last):\n  File x\nKeyError: 'TOKEN'\n", "KeyError: 'TOKEN'"),
        (
            "node:internal\nError: Cannot find module 'x'\n    at y\n\nNode.js v18.19.0\n",
            "Error: Cannot find module 'x'",
        ),
        ("listening on 8080\nbye\n", "bye"),
        ("", ""),
        ("\n \n", ""),
    ],
)
def test_the_cause_is_the_line_that_names_an_error(text: str, cause: str) -> None:
    assert written(text).cause == cause


def test_values_of_variables_and_control_characters_are_not_shown() -> None:
    output = written("\x1b[31mtoken s3cret-canary refused\x1b[0m\x00\x07\r\nlevel 3", secrets=("s3cret-canary", "3"))
    assert output.text == "token [hidden] refused\nlevel 3"


@pytest.mark.parametrize("after", range(MAX_BYTES - 14, MAX_BYTES + 3))
def test_no_part_of_a_value_is_shown_where_the_output_was_cut(after: int) -> None:
    output = written("x" * 9_000, "s3cret-canary", "y" * after, secrets=("s3cret-canary",))
    assert HIDDEN.endswith(output.text.strip("xy"))
    assert len(output.text) <= MAX_BYTES


@pytest.mark.parametrize(
    ("code", "ending"),
    [(None, ""), (2, "Its command ended with exit code 2."), (-9, "Its command was ended by signal 9.")],
)
def test_how_a_command_ended_is_a_sentence(code: int | None, ending: str) -> None:
    output = written("")
    output.exit_code = code
    assert output.ending == ending
