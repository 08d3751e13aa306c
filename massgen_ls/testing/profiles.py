"""How real language clients present themselves and behave, as it was observed on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Profile:
    """How one client presents itself and behaves."""

    name: str
    capabilities: Mapping[str, Any]
    says_name: bool = True
    """Whether it says who it is (`clientInfo`)."""
    answers_edits: bool = True
    """False: `workspace/applyEdit` is never answered (Vim with ALE)."""
    answers_questions: bool = True
    """False: `window/showMessageRequest` is never answered."""
    creates_progress: bool = True
    first_version: int = 1
    """What an opened document has until it is changed."""
    checks_first_only: bool = False
    """Only the first document's version of an edit is checked, not even that if it is 0; what is
    newer is skipped, and the answer is that the edit was applied. A file that is created where
    there is one is emptied."""
    opens_what_it_edits: bool = True
    """False: what an edit opens stays unknown to the server, as with types of files that the user
    has no server for."""
    line_list: bool = False
    """A document is a list of lines, and shows a line end behind each: an empty file has one, and
    text behind the last line end becomes lines of its own."""


def _workspace(**edit: Any) -> Object:
    return {"applyEdit": True, "workspaceEdit": edit, "workspaceFolders": True}


VSCODE = Profile(
    "VS Code",
    {
        "general": {"positionEncodings": ["utf-16"]},
        "window": {"workDoneProgress": True, "showMessage": {}},
        "workspace": _workspace(
            documentChanges=True,
            resourceOperations=["create", "rename", "delete"],
            failureHandling="textOnlyTransactional",
            normalizesLineEndings=True,
            changeAnnotationSupport={"groupsOnLabel": True},
        ),
        "textDocument": {
            "codeAction": {
                "dataSupport": True,
                "codeActionLiteralSupport": {
                    "codeActionKind": {"valueSet": ["quickfix", "refactor.rewrite"]}
                },
            }
        },
    },
)
NEOVIM = Profile(
    "Neovim",
    {
        "general": {"positionEncodings": ["utf-8", "utf-16", "utf-32"]},
        "window": {"workDoneProgress": True},
        # It applies documentChanges well and does not say so.
        "workspace": {
            **_workspace(resourceOperations=["rename", "create", "delete"]),
            "semanticTokens": {"refreshSupport": True},
        },
        "textDocument": {"codeAction": {"dataSupport": True}},
    },
    first_version=0,
    checks_first_only=True,
    line_list=True,
)
EGLOT = Profile(
    "Emacs eglot",
    {
        "general": {"positionEncodings": ["utf-32", "utf-8", "utf-16"]},
        "workspace": _workspace(documentChanges=True),
        "textDocument": {"codeAction": {}},
    },
    creates_progress=False,
)
ALE = Profile(
    "Vim with ALE",
    # It applies edits and says that it does not.
    {
        "workspace": {"applyEdit": False, "workspaceFolders": False, "configuration": False},
        "textDocument": {
            "codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": []}}}
        },
    },
    says_name=False,
    answers_edits=False,
    answers_questions=False,
    creates_progress=False,
)
PROFILES = (VSCODE, NEOVIM, EGLOT, ALE)
