"""(o) What a reader waits for: pages in a real Chromium, cold, and the smoothness of an answer that streams in."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import httpx

from tests.acceptance.browser import CHROMIUM, DRIVER, PASSWORD, Page
from tests.acceptance.model_server import ModelServer
from tests.acceptance.pages.asking import do
from tests.acceptance.pages.test_streaming import ANSWER
from tests.benchmarks.checks import Check, at_most
from tests.benchmarks.load import bearer
from tests.benchmarks.options import Options
from tests.benchmarks.stack import UNLIMITED, Stack
from tests.ports import free_port

TITLE = "pages"
PATHS = (
    *("/", "/runs/", "/batches/", "/schedules/", "/tool-servers/"),
    *("/status/", "/upkeep/", "/people/", "/webhooks/", "/profile/"),
)
TIMES, STREAMS = 5, 5
TURNS, CONVERSATIONS, APPROVALS = 1_000, 1_000, 10_000
INBOX = ("/approvals/", "/approvals/?show=asked", "/approvals/?show=all")
PIECE, PAUSE_S = 40, 0.02
CHARACTERS = 7_000
LOADED = """
const [page] = performance.getEntriesByType("navigation");
const files = performance.getEntriesByType("resource");
return {
  loaded: page.loadEventEnd,
  painted: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null,
  bytes: [page, ...files].reduce((sum, one) => sum + one.transferSize, 0),
};
"""
ASK = """
const form = document.getElementById("composer");
form.elements.message.value = arguments[0];
form.requestSubmit();
"""
ASKED = """
from datetime import timedelta
from django.db.models.functions import Now
from aiops.approvals.models import Approval, ApprovalItem
from aiops.people.models import User
from aiops.runs.models import Run
from tests.benchmarks.filling import fill
user = User.objects.get(username="admin")
fill(user.pk, runs={count})
runs = Run.objects.filter(user=user).order_by("pk").values_list("pk", flat=True)[:{count}]
past = dict(state="decided", message={{}}, may_decide=["admin"], expires_at=Now() + timedelta(days=1))
made = Approval.objects.bulk_create([Approval(run_id=pk, requester=user, **past) for pk in runs], batch_size=1_000)
call = dict(number=0, call_id="c", server="net", tool="restart", name="net_restart", tool_class="write")
call |= dict(arguments={{"host": "web-1"}}, arguments_hash="0" * 64, policy="standard", state="executed")
ApprovalItem.objects.bulk_create([ApprovalItem(approval=one, **call) for one in made], batch_size=1_000)
"""
LONG_TASKS = """
window.longTasks = [];
new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((one) => one.duration)))
  .observe({ type: "longtask" });
"""


def measure(options: Options) -> list[Check]:
    if not (CHROMIUM and DRIVER):
        raise RuntimeError("Chromium and its driver are needed (Debian: chromium, chromium-driver)")
    with _stack() as stack, closing(Page(stack)) as page:
        page.sign_in()
        cold = {path: [_cold(page, path) for _ in range(TIMES)] for path in PATHS}
        long_tasks = [_streamed(page) for _ in range(STREAMS)]
        _fill(stack, options.some(CONVERSATIONS))
        home = [_cold(page, "/")["loaded"] for _ in range(TIMES)]
        conversation = _talk(stack, options.some(TURNS))
        opened = [_cold(page, f"/c/{conversation}/")["loaded"] for _ in range(TIMES)]
        _ask(stack, options.some(APPROVALS))
        inbox = {path: [_cold(page, path)["loaded"] for _ in range(TIMES)] for path in INBOX}
    return [*_of_pages(cold), *_of_streams(long_tasks), *_of_size(home, opened, options), _of_inbox(inbox, options)]


def _of_pages(cold: dict[str, list[dict[str, float]]]) -> Iterator[Check]:
    painted = {path: statistics.median(one["painted"] for one in loads) for path, loads in cold.items()}
    sizes = {path: max(one["bytes"] for one in loads) / 1e3 for path, loads in cold.items()}
    slowest, largest = max(painted, key=painted.__getitem__), max(sizes, key=sizes.__getitem__)
    yield at_most(f"first contentful paint, cold, slowest page ({slowest})", painted[slowest], "ms", 1_000)
    yield at_most(f"largest page with its files ({largest})", sizes[largest], "kB", 200)


def _of_streams(long_tasks: list[list[float]]) -> Iterator[Check]:
    every = [ms for tasks in long_tasks for ms in tasks]
    note = f"{len(every)} long tasks (above 50 ms) in {len(long_tasks)} answers of {CHARACTERS:,} characters"
    yield at_most("long tasks while an answer streams, median", statistics.median(every or [0]), "ms", 100, note=note)
    yield at_most("long tasks, longest", max(every, default=0), "ms", 200)


def _of_size(home: list[float], opened: list[float], options: Options) -> Iterator[Check]:
    turns, conversations = options.some(TURNS), options.some(CONVERSATIONS)
    yield at_most(f"a conversation of {2 * turns:,} messages, loaded", statistics.median(opened), "ms", 500)
    yield at_most(f"home with {conversations:,} conversations, loaded", statistics.median(home), "ms", 300)


def _of_inbox(inbox: dict[str, list[float]], options: Options) -> Check:
    medians = {path: statistics.median(loads) for path, loads in inbox.items()}
    slowest = max(medians, key=medians.__getitem__)
    name = f"inbox with {options.some(APPROVALS):,} past approvals, loaded, slowest view ({slowest})"
    return at_most(name, medians[slowest], "ms", 200)


@contextmanager
def _stack() -> Iterator[Stack]:
    model = ModelServer(free_port())
    model.start()
    chosen = {"LLM_TYPE": "openai", "LLM_MODEL": "fake-1", "OPENAI_API_KEY": "sk-bench", "OPENAI_BASE_URL": model.url}
    try:
        with Stack(echo=False, **UNLIMITED, **chosen) as stack:
            find = "from aiops.people.models import User; u = User.objects.get(username='admin')"
            stack.manage(f"{find}; u.set_password('{PASSWORD}'); u.save()")
            yield stack
    finally:
        model.stop()


def _cold(page: Page, path: str) -> dict[str, float]:
    """Load a page with an empty cache, and return what the browser measured."""
    page.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
    page.open(path)
    page.until(lambda: page.driver.execute_script(LOADED)["painted"] is not None, "the first paint")
    found: dict[str, float] = page.driver.execute_script(LOADED)
    return found


def _streamed(page: Page) -> list[float]:
    """Watch an answer of many kinds of Markdown stream in; return the milliseconds of each long task."""
    page.fresh()
    text = (ANSWER * (CHARACTERS // len(ANSWER) + 1))[:CHARACTERS]
    pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
    page.driver.execute_script(ASK, do("stream", pieces=pieces, pause=PAUSE_S))  # nobody types so much
    page.until(lambda: page.all(".turn"), "the question")
    page.driver.execute_script(LONG_TASKS)
    page.ended()
    found: list[float] = page.driver.execute_script("return window.longTasks")
    return found


def _client(stack: Stack) -> httpx.Client:
    return httpx.Client(base_url=stack.url, headers=bearer(stack), timeout=60)


def _ask(stack: Stack, count: int) -> None:
    """Make so many approvals that were decided long ago."""
    stack.manage(ASKED.format(count=count))


def _fill(stack: Stack, count: int) -> None:
    with _client(stack) as client, ThreadPoolExecutor(4) as threads:
        made = threads.map(
            lambda n: client.post("/api/conversations/", json={"title": f"Conversation {n}"}).status_code, range(count)
        )
        assert set(made) == {201}


def _talk(stack: Stack, turns: int) -> str:
    """Make one conversation of so many questions and answers."""
    conversation = ""
    with _client(stack) as client:
        for n in range(turns):
            asked: dict[str, Any] = {"message": do(f"question {n}", words=20)}
            if conversation:
                asked["conversation"] = conversation
            answer = client.post("/api/chat/", json=asked).json()
            conversation = answer["conversation"]
            ended = client.get(answer["run"]["links"]["self"], params={"wait": 30}).json()
            assert ended["state"] == "succeeded", ended
    return conversation
