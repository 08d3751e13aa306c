"""Keys of the environment are no part of what is heard of an agent."""

from __future__ import annotations

from contextlib import aclosing

from massgen_ls.adapters.agents.discreet import Discreet
from massgen_ls.core.budget import Usage
from massgen_ls.core.task import AgentId, AgentSpec, RunId, SeatId, Task
from massgen_ls.ports import (
    Access,
    Acted,
    AgentNews,
    Brief,
    Ended,
    Place,
    Returned,
    Said,
    Spoke,
    Used,
)
from massgen_ls.testing.agents import ScriptedDriver, plays

ENVIRON = {
    "ANTHROPIC_API_KEY": "sk-ant-12345",
    "OPENAI_API_KEY": "sk-ant-12345-longer",
    "MY_SETTING": "swordfish",
    "PATH": "/usr/bin:/bin",
    "SHORT_TOKEN": "abc",
}
ACCESS = Access("http://127.0.0.1:1/x/mcp", "bearer-of-this-seat")


async def heard(*news: AgentNews, named: tuple[str, ...] = ()) -> list[AgentNews]:
    driver = Discreet(ScriptedDriver({"a": plays(*news)}, briefed=True), ENVIRON)
    assert (driver.briefed, driver.heavy) == (True, False)
    spec = AgentSpec(AgentId("a"), "scripted", {"env": [*named]})
    place = Place("/w", "/w", "/h", RunId("r"), 1.0, access=ACCESS)
    async with aclosing(driver.attempt(spec, Brief(Task("x"), SeatId("a"), 1, "x"), place)) as all_:
        return [item async for item in all_]


async def test_keys_and_our_token_are_replaced_by_their_names_wherever_they_are_said() -> None:
    leak = "a sk-ant-12345 b sk-ant-12345-longer c bearer-of-this-seat d"
    clean = "a [ANTHROPIC_API_KEY] b [OPENAI_API_KEY] c [token] d"
    assert await heard(
        Said(leak),
        Spoke(leak, thinking=True),
        Acted("run", leak, leak, "1"),
        Returned("1", leak, ok=True),
        Used(Usage(1)),
        Ended("failed", leak, summary=leak, answer={"reasons": [leak, 1]}),
    ) == [
        Said(clean),
        Spoke(clean, thinking=True),
        Acted("run", clean, clean, "1"),
        Returned("1", clean, ok=True),
        Used(Usage(1)),
        Ended("failed", clean, summary=clean, answer={"reasons": [clean, 1]}),
    ]


async def test_what_the_configuration_passes_on_is_secret_too_and_nothing_else_is() -> None:
    text = "swordfish abc /usr/bin:/bin"
    assert await heard(Said(text), Ended("done")) == [Said(text), Ended("done")]
    told = await heard(Said(text), Ended("done"), named=("MY_SETTING",))
    assert told[0] == Said("[MY_SETTING] abc /usr/bin:/bin")
