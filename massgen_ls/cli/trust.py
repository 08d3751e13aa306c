"""``massgen-ls trust``: which folders may have their way, and what that would be."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from massgen_ls.cli.exits import EXIT_USAGE, EXIT_WON
from massgen_ls.cli.options import TrustOptions
from massgen_ls.core.errors import ConfigError, WorkspaceError
from massgen_ls.core.powers import Power
from massgen_ls.core.trust import Claim, UntrustedError
from massgen_ls.core.wording import one_line
from massgen_ls.wiring import claim_of, trust_gate

if TYPE_CHECKING:
    from massgen_ls.adapters.host.trusting import Gate, Known


def trust(options: TrustOptions) -> int:
    """Trusts a folder's content, shows what that would mean, or takes it back."""
    gate = trust_gate()
    if options.list:
        return _list(gate, options)
    folder = Path(options.dir or ".").resolve()
    if not folder.is_dir():
        raise WorkspaceError(f"{folder} is not a folder", "Name a folder of a git repository")
    if options.revoke:
        return _revoke(gate, folder)
    from massgen_ls.config import load

    # Nothing is asked of the configuration but to be one: what it wants is in its values.
    claim = claim_of(folder, load(folder))
    if claim.trouble and not options.show:
        raise ConfigError(f"{claim.folder} cannot be trusted: {claim.trouble}")
    if not options.show:
        gate.store.approve(claim, "user")
    known = gate.store.read()
    decision, _ = gate.look(claim, None)
    if options.json:
        _print(
            {
                "folder": claim.folder,
                "trusted": decision.outcome == "trusted",
                "changed": list(decision.changed),
                "powers": [_power(power) for power in claim.powers],
                "agents": [_power(power) for power in claim.own],
                "trouble": claim.trouble,
            }
        )
        return EXIT_WON
    _complain(known)
    state = "trusted" if decision.outcome == "trusted" else "not trusted"
    sys.stdout.write(f"{one_line(claim.folder)}: {state}\n")
    for said in decision.changed:
        sys.stdout.write(f"  {said} since you trusted it\n")
    if claim.trouble:
        sys.stdout.write(f"  it cannot be: {claim.trouble}\n")
    _write(claim, sys.stdout.write)
    return EXIT_WON


def _write(claim: Claim, write: Callable[[str], object]) -> None:
    write("its configuration wants:\n" if claim.powers else "its configuration wants nothing.\n")
    for power in claim.powers:
        write(f"  {power.shown}\n")
    if claim.own:
        write("agents would obey by themselves:\n")
    for power in claim.own:
        write(f"  {power.shown}\n")


def _power(power: Power) -> dict[str, object]:
    return {
        "file": power.file,
        "line": power.line,
        "key": power.key,
        "value": power.value,
        "why": power.why,
    }


def _list(gate: Gate, options: TrustOptions) -> int:
    known = gate.store.read()
    rows = [
        {"folder": root if scope == "." else f"{root}/{scope}", "by": a.by, "at": a.at}
        for root, scopes in sorted(known.folders.items())
        for scope, a in sorted(scopes.items())
    ]
    if options.json:
        for row in rows:
            _print(row)
        return EXIT_WON
    _complain(known)
    for row in rows:
        by = "you" if row["by"] == "user" else "your editor, for itself"
        sys.stdout.write(f"{one_line(row['folder'])}  (by {by}, {row['at']})\n")
    if not rows:
        sys.stdout.write("No folder is trusted.\n")
    return EXIT_WON


def _revoke(gate: Gate, folder: Path) -> int:
    from massgen_ls.adapters.host.trusting import top_of

    root = top_of(str(folder))
    if gate.store.revoke(root):
        sys.stdout.write(f"{one_line(root)} is not trusted any more.\n")
        return EXIT_WON
    sys.stderr.write(f"massgen-ls: {one_line(root)} was not trusted\n")
    return EXIT_USAGE


def _complain(known: Known) -> None:
    if known.complaint:
        sys.stderr.write(f"massgen-ls: {known.complaint}\n")


def _print(body: object) -> None:
    sys.stdout.write(json.dumps(body) + "\n")


def ask(error: UntrustedError) -> bool:
    """Asks on the terminal whether a folder is trusted; False where there is nobody to ask."""
    claim, changed = error.claim, error.decision.changed
    if claim.trouble or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write(f"{one_line(claim.folder)} is not trusted yet.\n")
    for said in changed:
        sys.stderr.write(f"  {said} since you trusted it\n")
    _write(claim, sys.stderr.write)
    sys.stderr.write("Trust it and go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        return False
    trust_gate().store.approve(claim, "user")
    return True
