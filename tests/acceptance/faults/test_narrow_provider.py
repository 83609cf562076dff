"""A batch against a provider that takes few calls at once, and refuses the others."""

from __future__ import annotations

import uuid

from tests.acceptance.batching import ended, lines, results, send
from tests.acceptance.model_server import ModelServer
from tests.acceptance.system import System


def test_a_provider_with_little_room_is_given_less_to_do_and_no_item_fails(system: System, model: ModelServer) -> None:
    group = uuid.uuid4().hex
    with system.client() as client:
        batch = send(client, lines(40, words=10, pause=0.02, room=4, group=group))
        whole = ended(client, batch, within_s=60)
        assert whole["counts"]["succeeded"] == 40, list(results(client, batch, "errors"))
        assert {one["tries"] for one in results(client, batch)} == {1}
    assert 0 < model.refused[group] < 80, "every item asked again and again by itself"
