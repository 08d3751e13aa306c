"""What is kept of a stream, and how it is cut into pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.adapters.host.pipes import PIECE, Kept, Lines


@given(st.lists(st.binary(max_size=60)), st.integers(0, 100))
def test_kept_is_the_first_and_the_last_half(chunks: list[bytes], keep: int) -> None:
    kept = Kept(keep)
    for chunk in chunks:
        kept.add(chunk)
    whole = b"".join(chunks)
    if len(whole) <= keep:
        expected = whole
    else:
        expected = whole[: keep - keep // 2] + (whole[-(keep // 2) :] if keep // 2 else b"")
    assert kept.bytes() == expected
    assert kept.dropped == len(whole) - len(expected)


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=20),
            st.builds(
                lambda n, end: b"a" * n + end,
                st.integers(0, 3 * PIECE),
                st.sampled_from([b"", b"\n"]),
            ),
        ),
        max_size=8,
    )
)
def test_pieces_are_lines_or_as_large_as_may_be_and_lose_nothing(chunks: list[bytes]) -> None:
    lines = Lines()
    pieces = [piece for chunk in chunks for piece in lines.feed(chunk)]
    rest = lines.rest()
    assert b"".join(pieces) + rest == b"".join(chunks)
    assert len(rest) < PIECE
    assert b"\n" not in rest
    for piece in pieces:
        assert piece.endswith(b"\n") or len(piece) == PIECE
        assert 0 < len(piece) <= PIECE
