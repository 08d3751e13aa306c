"""An `EditPlan` as the edit that this client understands: pure.

Operations that the client performs go into one `WorkspaceEdit`; what no editor can do (binary
content, file modes, links), and file operations for clients that only know text edits, are left
over as a plan for the disk, which is performed after the user agreed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lsprotocol import types

from massgen_ls.core.changes import RelPath
from massgen_ls.core.plan import (
    CreateFile,
    DeleteFile,
    EditPlan,
    EditText,
    Operation,
    RenameFile,
    ReplaceFile,
)
from massgen_ls.core.text import Edit, Encoding, Range, apply_edits, edits_to_ranges
from massgen_ls.lsp.capabilities import Client
from massgen_ls.lsp.files.documents import Form
from massgen_ls.lsp.files.lastline import before_last_end

ANNOTATION = "massgen"


@dataclass(frozen=True, slots=True)
class Target:
    """Where an operation goes in the editor's world."""

    uri: str
    form: Form
    version: int | None
    """The version that an edit must meet; None when the document is not open."""


@dataclass(frozen=True, slots=True)
class Split:
    """A plan, divided by who performs which part. Both parts keep the plan's order."""

    editor: tuple[Operation, ...]
    disk: tuple[Operation, ...]


def split(plan: EditPlan, client: Client) -> Split:
    """Divides a plan between the editor and the disk."""
    on_disk: set[RelPath] = set()
    for operation in plan.operations:
        if not _editor_can(operation, client):
            on_disk |= _touched(operation)
    # A rename and the edit of what was renamed have to stay in one hand.
    grown = True
    while grown:
        grown = False
        for operation in plan.operations:
            paths = _touched(operation)
            if paths & on_disk and not paths <= on_disk:
                on_disk |= paths
                grown = True
    return Split(
        tuple(op for op in plan.operations if not _touched(op) & on_disk),
        tuple(op for op in plan.operations if _touched(op) & on_disk),
    )


def _touched(operation: Operation) -> set[RelPath]:
    paths = {operation.path}
    if isinstance(operation, RenameFile):
        paths.add(operation.old_path)
    return paths


def _editor_can(operation: Operation, client: Client) -> bool:
    match operation:
        case EditText(version=version):
            # What a client that says nothing does to a file that is not open, nobody hears of.
            return client.apply_edit and (client.answers_edits or version is not None)
        case CreateFile(text=text, type=kind):
            return client.apply_edit and client.create and text is not None and kind == "file"
        case RenameFile():
            return client.apply_edit and client.rename
        case DeleteFile():
            return client.apply_edit and client.delete
        case ReplaceFile():
            return False


def workspace_edit(
    operations: tuple[Operation, ...],
    label: str,
    client: Client,
    target: Callable[[RelPath], Target],
    *,
    confirm: bool = False,
) -> types.WorkspaceEdit:
    """The edit for these operations, in their order, with versions where the client takes them.

    Args:
        operations: What `split` left to the editor.
        label: One line for the user about the whole edit.
        client: What it can do.
        target: A path's place in the editor, before anything was performed.
        confirm: Ask the editor to have the user confirm each change; only where annotations are
            supported. VS Code then shows a preview with every change deselected.
    """
    encoding = Encoding(client.encoding)
    if not client.document_changes:
        return types.WorkspaceEdit(changes=_plain_changes(operations, encoding, target))
    annotate = client.annotations
    annotation = ANNOTATION if annotate else None
    changes: list[
        types.TextDocumentEdit | types.CreateFile | types.RenameFile | types.DeleteFile
    ] = []
    moving = origins(operations)
    for operation in operations:
        # An open document that goes elsewhere or for good meets its version first, in an edit of
        # nothing: what is typed in this moment would misplace the edit that follows its renaming,
        # where it has a version that we do not know, or would be deleted with it. Editing it under
        # its old name would do as well, but VS Code loses a file that it renames unsaved.
        leaving = moving.get(operation.path) if isinstance(operation, EditText) else None
        if isinstance(operation, DeleteFile):
            leaving = operation.path
        place = target(leaving) if leaving else None
        if place is not None and place.version is not None:
            changes.append(_document_edit(place.uri, place.version, [], annotation))
    for operation in operations:
        place = target(operation.path)
        match operation:
            case EditText(path=path) if path in moving:
                form = target(moving[path]).form
                edits = text_edits(operation, form, encoding, own_end=client.own_end)
                changes.append(_document_edit(place.uri, None, edits, annotation))
            case EditText():
                edits = text_edits(operation, place.form, encoding, own_end=client.own_end)
                changes.append(_document_edit(place.uri, place.version, edits, annotation))
            case CreateFile(text=text):
                options = types.CreateFileOptions(overwrite=False, ignore_if_exists=False)
                changes.append(
                    types.CreateFile(uri=place.uri, options=options, annotation_id=annotation)
                )
                if client.own_end and text:
                    text = text.removesuffix("\n").removesuffix("\r")
                if text:
                    start = types.Position(0, 0)
                    edit = types.TextEdit(range=types.Range(start, start), new_text=text)
                    changes.append(_document_edit(place.uri, None, [edit], annotation))
            case RenameFile(old_path=old_path):
                rename = types.RenameFileOptions(overwrite=False, ignore_if_exists=False)
                changes.append(
                    types.RenameFile(
                        old_uri=target(old_path).uri,
                        new_uri=place.uri,
                        options=rename,
                        annotation_id=annotation,
                    )
                )
            case DeleteFile():
                delete = types.DeleteFileOptions(recursive=False, ignore_if_not_exists=True)
                changes.append(
                    types.DeleteFile(uri=place.uri, options=delete, annotation_id=annotation)
                )
            case ReplaceFile():
                raise ValueError("an editor cannot replace a file: `split` leaves it to the disk")
    return types.WorkspaceEdit(
        document_changes=changes,
        change_annotations={
            ANNOTATION: types.ChangeAnnotation(
                label=label, needs_confirmation=confirm, description="by massgen"
            )
        }
        if annotate
        else None,
    )


def origins(operations: tuple[Operation, ...]) -> dict[RelPath, RelPath]:
    """Where files that arrive under another name are before anything is performed."""
    found: dict[RelPath, RelPath] = {}
    for operation in operations:
        if isinstance(operation, RenameFile):
            # In a swap of names a file goes by way of another one.
            found[operation.path] = found.pop(operation.old_path, operation.old_path)
    return found


def _plain_changes(
    operations: tuple[Operation, ...],
    encoding: Encoding,
    target: Callable[[RelPath], Target],
) -> dict[str, list[types.TextEdit]]:
    changes: dict[str, list[types.TextEdit]] = {}
    for operation in operations:
        if not isinstance(operation, EditText):
            raise ValueError("a client without documentChanges gets text edits alone")
        place = target(operation.path)
        changes.setdefault(place.uri, []).extend(text_edits(operation, place.form, encoding))
    return changes


def text_edits(
    operation: EditText, form: Form, encoding: Encoding, *, own_end: bool = False
) -> list[types.TextEdit]:
    """The edits with positions in the text that the editor shows."""
    before, edits = as_shown(operation, form, own_end=own_end)
    return [
        types.TextEdit(range=_range(where), new_text=new)
        for where, new in edits_to_ranges(before, edits, encoding)
    ]


def as_shown(
    operation: EditText, form: Form, *, own_end: bool = False
) -> tuple[str, tuple[Edit, ...]]:
    r"""The text that the editor shows, and the edits as it can express them.

    There is no position between ``\r`` and ``\n``, and none at all for a ``\r`` that it hides.

    Args:
        operation: What has to be done.
        form: How the document differs from its file.
        own_end: `Client.own_end`.
    """
    text, edits = _in_lines(operation, form)
    return text, before_last_end(text, edits) if own_end else edits


def _in_lines(operation: EditText, form: Form) -> tuple[str, tuple[Edit, ...]]:
    text = operation.before
    if not form.hidden_crlf:
        return text, _around_line_ends(text, operation.edits)
    edits: list[Edit] = []
    hidden, at = 0, 0
    for edit in operation.edits:
        # An offset loses one for each "\r" before it, also when its "\n" is not before it.
        hidden += text.count("\r\n", at, edit.start + 1)
        start = edit.start - hidden
        hidden += text.count("\r\n", edit.start, edit.end + 1)
        at = edit.end
        edits.append(Edit(start, edit.end - hidden, edit.new.replace("\r", "")))
    return form.shown(text), tuple(e for e in edits if e.start < e.end or e.new)


def _around_line_ends(text: str, edits: tuple[Edit, ...]) -> tuple[Edit, ...]:
    r"""Widens edits that start or end inside a ``\r\n``, and joins those that then meet."""

    def inside(offset: int) -> bool:
        return 0 < offset < len(text) and text[offset - 1] == "\r" and text[offset] == "\n"

    if "\r\n" not in text or not any(inside(e.start) or inside(e.end) for e in edits):
        return edits
    groups: list[tuple[int, int, list[Edit]]] = []
    for edit in edits:
        start = edit.start - inside(edit.start)
        end = edit.end + inside(edit.end)
        if groups and start < groups[-1][1]:
            first, last, members = groups.pop()
            groups.append((first, max(last, end), [*members, edit]))
        else:
            groups.append((start, end, [edit]))
    return tuple(
        Edit(start, end, _applied(text, start, end, members)) for start, end, members in groups
    )


def _applied(text: str, start: int, end: int, edits: list[Edit]) -> str:
    moved = [Edit(e.start - start, e.end - start, e.new) for e in edits]
    return apply_edits(text[start:end], moved)


def shown_result(operation: EditText, form: Form, *, own_end: bool = False) -> str:
    """What the document shows when the edit has landed."""
    before, edits = as_shown(operation, form, own_end=own_end)
    return apply_edits(before, edits)


def _document_edit(
    uri: str, version: int | None, edits: list[types.TextEdit], annotation: str | None
) -> types.TextDocumentEdit:
    if annotation is None:
        return types.TextDocumentEdit(
            text_document=types.OptionalVersionedTextDocumentIdentifier(uri=uri, version=version),
            edits=edits,
        )
    return types.TextDocumentEdit(
        text_document=types.OptionalVersionedTextDocumentIdentifier(uri=uri, version=version),
        edits=[
            types.AnnotatedTextEdit(
                annotation_id=annotation, range=edit.range, new_text=edit.new_text
            )
            for edit in edits
        ],
    )


def _range(where: Range) -> types.Range:
    return types.Range(
        types.Position(where.start.line, where.start.character),
        types.Position(where.end.line, where.end.character),
    )


def for_disk(plan: EditPlan, operations: tuple[Operation, ...]) -> EditPlan:
    """The part of a plan that the disk performs; there are no documents, so no versions."""
    bare: list[Operation] = []
    for operation in operations:
        if isinstance(operation, EditText | RenameFile | DeleteFile):
            bare.append(replace(operation, version=None))
        else:
            bare.append(operation)
    return replace(plan, operations=tuple(bare))


def describe(operations: tuple[Operation, ...], limit: int = 6) -> str:
    """The operations in words, for a question to the user."""
    words: list[str] = []
    for operation in operations:
        match operation:
            case CreateFile(path=path):
                words.append(f"create {path}")
            case RenameFile(old_path=old, path=path):
                words.append(f"rename {old} to {path}")
            case DeleteFile(path=path):
                words.append(f"delete {path}")
            case ReplaceFile(path=path):
                words.append(f"replace {path}")
            case EditText(path=path):
                words.append(f"change {path}")
    if len(words) > limit:
        words = [*words[:limit], f"and {len(words) - limit} more"]
    return ", ".join(words)
