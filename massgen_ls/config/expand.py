"""``${NAME}`` in values, and values that may not be there because they are secret.

Both look at every text of the whole once. A variable that is not set stays as it is written, as in
MassGen, and is told. ``$${NAME}`` is ``${NAME}`` itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from massgen_ls.config.explain import problem
from massgen_ls.config.layers import Merged
from massgen_ls.config.problems import Problem, Where
from massgen_ls.config.secrets import is_reference, names_secret
from massgen_ls.core.secrets import holds_key

_VARIABLE = re.compile(r"(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NOT_MERGED = frozenset({"profiles", "include"})
_SHORT = 16
"""Characters: no key is as short."""
_BY_NAME = "Put it into an environment variable and name that one here"


def expand(merged: Merged, environ: Mapping[str, str], folder: str) -> tuple[Merged, list[Problem]]:
    """The same with variables replaced, and what is wrong or worth knowing about them.

    Args:
        merged: The effective configuration.
        environ: The variables.
        folder: What ``${cwd}`` is in a backend, as in MassGen.
    """
    work = _Work(merged, environ, folder)
    body = {
        key: value if key in _NOT_MERGED else work.walk(value, (key,))
        for key, value in merged.body.items()
    }
    return replace(merged, body=body), work.problems


def variables(text: str, where: Where) -> tuple[str, ...]:
    """The names of the variables that would be replaced in a value."""
    if "${" not in text or where[:1] == ("include",):
        return ()
    names = (match[2] for match in _VARIABLE.finditer(text) if not match[1])
    return tuple(dict.fromkeys(name for name in names if name != "cwd" or "backend" not in where))


class _Work:
    def __init__(self, merged: Merged, environ: Mapping[str, str], folder: str) -> None:
        self._merged = merged
        self._environ = environ
        self._folder = folder
        self.problems: list[Problem] = []
        self._secret: dict[str, bool] = {}
        """Keys that were looked at, and whether they are called as secrets are."""

    def walk(self, value: Any, where: Where) -> Any:
        """A value with everything in it replaced; the same object where nothing was."""
        if isinstance(value, str):
            return self._text(value, where)
        if isinstance(value, dict):
            given = cast("dict[str, Any]", value)
            return {
                key: inner if self._plain(key, inner) else self.walk(inner, (*where, key))
                for key, inner in given.items()
            }
        if isinstance(value, list):
            listed = cast("list[Any]", value)
            return [
                inner if self._plain(i, inner) else self.walk(inner, (*where, i))
                for i, inner in enumerate(listed)
            ]
        return value

    def _plain(self, part: str | int, value: Any) -> bool:
        """Whether there is nothing to replace and nothing to hide, as nearly everywhere."""
        if isinstance(value, dict | list):
            return False
        if not isinstance(value, str):
            return True
        if isinstance(part, str):
            secret = self._secret.get(part)
            if secret is None:
                secret = self._secret[part] = names_secret(part)
            if secret:
                return False
        return "${" not in value and not (len(value) > _SHORT and holds_key(value))

    def _text(self, text: str, where: Where) -> str:
        key = where[-1]
        if isinstance(key, str) and names_secret(key):
            if not is_reference(text):
                self._refuse(where, f"the value of {key!r} may not stand in a configuration")
            return text
        if len(text) > _SHORT and holds_key(text):
            self._refuse(where, "this looks like a secret key, which may not stand in a file")
            return text
        if "${" not in text:
            return text
        return _VARIABLE.sub(lambda match: self._variable(match, where), text)

    def _variable(self, match: re.Match[str], where: Where) -> str:
        dollar, name = match[1], match[2]
        if dollar:
            return match[0][1:]
        if name == "cwd" and "backend" in where:
            return self._folder
        value = self._environ.get(name)
        if names_secret(name) or holds_key(value or ""):
            self._refuse(
                where,
                f"${{{name}}} would be written into the record of every run",
                f"Name it where the agent gets its variables: `env: [{name}]`",
            )
            return match[0]
        if value is None:
            self.problems.append(
                problem(
                    self._merged,
                    where,
                    f"the variable {name} is not set; ${{{name}}} stays as it is",
                    suggestion="",
                    warning=True,
                    code="unset-variable",
                )
            )
            return match[0]
        return value

    def _refuse(self, where: Where, what: str, then: str = _BY_NAME) -> None:
        self.problems.append(problem(self._merged, where, what, suggestion=then, code="secret"))
