"""One process that runs, from its start until nothing of it is left.

It goes through these states, driven by callbacks of the event loop alone. No task of ours
has to be alive for it, so no cancellation, at any await, can leave it half way::

    running ── exit seen ──▶ draining ── pipes at their end, or quiet ──▶ hunting ──▶ finished
       │ stop, timeout, the context is left                       (survivors are ended,
       ╰─▶ stdin closed ─▶ TERM ─▶ KILL ── exit seen ──▶ …         then the leader is reaped)

The leader is reaped last: until then its id, its group and its session cannot be given to others.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from typing import Literal, cast

from massgen_ls.adapters.host.pipes import Inlet, Mailbox, Outlet
from massgen_ls.adapters.host.survivors import Pedigree, Row, end_survivors, handle_of, offspring
from massgen_ls.ports import Command, Finished, Output


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that a process is given for each step towards its end."""

    ask: float = 0.5
    """After its stdin was closed; skipped when it had none."""
    term: float = 2.0
    """After SIGTERM."""
    quiet: float = 0.1
    """After its exit, while a descendant holds its pipes and says nothing."""
    drain: float = 1.0
    """After its exit, while a descendant goes on printing."""
    kill: float = 5.0
    """After SIGKILL: past it, it sleeps in the kernel and is left to the journal."""


class HostProcess:
    """A process of this machine that runs; implements `ports.Running`.

    Args:
        child: The process, its pipes unbuffered.
        command: What it was started for.
        pedigree: How its descendants are known; None when only the process itself is of interest.
        fenced: Whether a sandbox stands between us and the program.
        patience: How long it may take to end.
        hunter: The thread that looks for survivors.
        ended: Called once, when nothing of it is left. False: it could not be ended.
    """

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        command: Command,
        pedigree: Pedigree | None,
        *,
        fenced: bool,
        patience: Patience,
        hunter: ThreadPoolExecutor,
        ended: Callable[[bool], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._child = child
        self._pedigree = pedigree
        self._fenced = fenced
        self._patience = patience
        self._hunter = hunter
        self._ended = ended
        self._born = loop.time()
        self._died: float | None = None
        self._rung = 0
        self._timed_out = False
        self._survivors = 0
        self._known: set[Row] = set()
        self._settled = False
        self._timer: asyncio.TimerHandle | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._done: asyncio.Future[Finished] = loop.create_future()
        self._mail = Mailbox(self._hold_back, self._go_on)
        out = cast(FileIO, child.stdout)
        err = cast(FileIO, child.stderr)
        pipes: tuple[tuple[FileIO, Literal["stdout", "stderr"]], ...] = (
            (out, "stdout"),
            (err, "stderr"),
        )
        self._outlets = tuple(
            Outlet(
                file,
                stream,
                command.keep,
                self._mail.post,
                self._pipe_closed,
                lines=not command.raw,
            )
            for file, stream in pipes
        )
        self._inlet = Inlet(cast(FileIO, child.stdin)) if child.stdin is not None else None
        if self._inlet is not None:
            self._inlet.push(command.stdin or b"")
            if not command.keep_stdin:
                self._inlet.finish()
        if command.timeout is not None:
            self._limit = loop.call_later(max(0.0, command.timeout), self._out_of_time)
        self._watch()

    @property
    def pid(self) -> int:
        """Its process id; that of the sandbox when there is one."""
        return self._child.pid

    async def output(self) -> AsyncGenerator[Output]:
        """What it prints, live. One reader; what came before it is there up to a bound."""
        self._mail.attach()
        try:
            while (piece := await self._mail.take()) is not None:
                yield piece
        finally:
            self._mail.detach()

    async def write(self, chunk: bytes) -> None:
        """Writes to its stdin; silently nothing when it no longer reads."""
        if self._inlet is not None:
            self._inlet.push(chunk)
            await self._inlet.drained()

    async def close_stdin(self) -> None:
        """Ends its input, after what was written is read."""
        if self._inlet is not None:
            self._inlet.finish()
            await self._inlet.drained()

    async def wait(self) -> Finished:
        """Waits for the end. Cancelling the wait does not end the process; its context does."""
        return await asyncio.shield(self._done)

    async def stop(self) -> Finished:
        """The kill ladder: close stdin, TERM, KILL of the whole tree."""
        self._descend()
        return await asyncio.shield(self._done)

    async def dispose(self) -> None:
        """Ends it if it still runs, and returns when nothing of it is left, come what may.

        A second cancellation takes the politeness out of it; none of them gets past it.
        """
        cancelled: asyncio.CancelledError | None = None
        while not self._done.done():
            self._descend(hurry=cancelled is not None)
            try:
                await asyncio.shield(self._done)
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    # ── towards the end ─────────────────────────────────────────────────────────────────────────

    def _descend(self, *, hurry: bool = False) -> None:
        """Takes the first step of the ladder, or the last one."""
        if self._died is not None:
            return
        if hurry:
            self._rung = max(self._rung, 2)
        elif self._rung:
            return
        self._step()

    def _step(self) -> None:
        self._cancel(self._timer)
        self._timer = None
        self._rung += 1
        if self._pedigree is not None:
            self._known.update(offspring(self._child.pid))
        if self._rung == 1:
            asked = self._inlet is not None and self._inlet.open
            if self._inlet is not None:
                self._inlet.close()
            if not asked:
                self._step()
                return
            pause = self._patience.ask
        elif self._rung == 2:
            self._terminate()
            pause = self._patience.term
        elif self._rung == 3:
            self._signal_group("KILL")
            pause = self._patience.kill
        else:
            self._settle(left_behind=True)
            return
        self._timer = self._loop.call_later(pause, self._step)

    def _terminate(self) -> None:
        if not self._fenced:
            self._signal_group("TERM")
            return
        # TERM ends the sandbox itself at once, and all in it with KILL: ask those inside of it.
        for row in offspring(self._child.pid):
            with contextlib.suppress(OSError):
                os.kill(row.pid, signal.SIGTERM)

    def _signal_group(self, name: str) -> None:
        """Safe as long as the leader is not reaped: its id is its group's."""
        if self._child.returncode is not None:
            return
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                self._child.terminate()
            else:
                os.killpg(self._child.pid, signal.SIGKILL if name == "KILL" else signal.SIGTERM)

    def _out_of_time(self) -> None:
        if self._died is None:
            self._timed_out = True
            self._descend()

    # ── the end ─────────────────────────────────────────────────────────────────────────────────

    def _watch(self) -> None:
        handle = handle_of(self._child.pid)
        if handle is not None:

            def exited() -> None:
                self._loop.remove_reader(handle)
                os.close(handle)
                self._exited()

            self._loop.add_reader(handle, exited)
            return
        threading.Thread(target=self._watch_from_thread, name="massgen-wait", daemon=True).start()

    def _watch_from_thread(self) -> None:
        if hasattr(os, "waitid") and hasattr(os, "WNOWAIT"):
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOWAIT)
        else:
            self._child.wait()
        with contextlib.suppress(RuntimeError):  # the loop was closed under us
            self._loop.call_soon_threadsafe(self._exited)

    def _exited(self) -> None:
        if self._settled:  # it was given up, and ends after all
            self._child.wait()
            return
        self._died = self._loop.time()
        self._cancel(self._timer)
        self._cancel(self._limit)
        if self._inlet is not None:
            self._inlet.close()
        self._mail_open_up()
        if self._rung:  # we wanted its end, so there is nothing to wait for
            self._hunt()
        else:
            self._drain(sum(outlet.reads for outlet in self._outlets))

    def _mail_open_up(self) -> None:
        # What is in the pipes is at most their size: a slow reader is not waited for any more.
        self._mail.end_of_process()
        for outlet in self._outlets:
            outlet.resume()

    def _drain(self, reads: int, *, again: bool = False) -> None:
        """Waits for the end of the pipes, but not for a descendant that keeps them open."""
        assert self._died is not None
        if self._settled:
            return
        now = sum(outlet.reads for outlet in self._outlets)
        late = self._loop.time() - self._died >= self._patience.drain
        if not any(outlet.open for outlet in self._outlets) or late or (again and now == reads):
            self._hunt()
            return
        self._timer = self._loop.call_later(
            self._patience.quiet, lambda: self._drain(now, again=True)
        )

    def _pipe_closed(self) -> None:
        if any(outlet.open for outlet in self._outlets):
            return
        self._mail.end()
        if self._died is not None:
            self._cancel(self._timer)
            self._hunt()

    def _hunt(self) -> None:
        if self._settled:
            return
        self._settled = True
        if self._pedigree is None:
            self._settle()
            return
        self._signal_group("KILL")
        try:
            hunt = self._loop.run_in_executor(
                self._hunter, end_survivors, self._pedigree, self._known
            )
        except RuntimeError:  # the interpreter goes down and starts no more threads
            self._survivors = end_survivors(self._pedigree, self._known)
            self._settle()
            return
        hunt.add_done_callback(self._hunted)

    def _hunted(self, hunt: asyncio.Future[int]) -> None:
        if hunt.cancelled():
            self._settle()
        elif error := hunt.exception():
            self._settle(error=error)
        else:
            self._survivors = hunt.result()
            self._settle()

    def _settle(self, *, left_behind: bool = False, error: BaseException | None = None) -> None:
        self._settled = True
        for outlet in self._outlets:
            outlet.sip()
            outlet.close()
        if self._inlet is not None:
            self._inlet.close()
        self._mail.end()
        self._cancel(self._limit)
        code = -9 if left_behind else self._child.wait()
        self._ended(not left_behind)
        if self._done.done():
            return
        if error is not None:
            self._done.set_exception(error)
            return
        out, err = (outlet.kept for outlet in self._outlets)
        self._done.set_result(
            Finished(
                exit_code=code,
                stdout=out.bytes(),
                stderr=err.bytes(),
                seconds=(self._died or self._loop.time()) - self._born,
                timed_out=self._timed_out,
                dropped=out.dropped + err.dropped,
                survivors=self._survivors + left_behind,
            )
        )

    def _hold_back(self) -> None:
        for outlet in self._outlets:
            outlet.pause()

    def _go_on(self) -> None:
        for outlet in self._outlets:
            outlet.resume()

    @staticmethod
    def _cancel(handle: asyncio.TimerHandle | None) -> None:
        if handle is not None:
            handle.cancel()
