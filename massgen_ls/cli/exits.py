"""Exit codes, and what the help says of them."""

from __future__ import annotations

EXIT_WON = 0
EXIT_INTERNAL = 1
EXIT_USAGE = 2
EXIT_NO_CANDIDATE = 3
EXIT_ABSTAINED = 4
EXIT_CANCELLED = 5
EXIT_NOT_APPLIED = 6
EXIT_INCOMPLETE = 7
EXIT_PIPE = 141

EXIT_CODES = """\
exit codes:
  0  a candidate won (and was applied, when that was asked for)
  1  internal error
  2  usage or configuration: nothing was started
  3  no agent produced a candidate
  4  no winner among the candidates: none passes the gates (abstained), or none
     is ahead of the others by the margin that is asked for (tied)
  5  cancelled or out of time
  6  a candidate won, and could not be applied as a whole (conflicts, unwritable
     files)
"""

EVALUATE_EXIT_CODES = """\
exit codes:
  0  every case was measured, or as many cases were built as were asked for
  1  internal error
  2  usage, or no case could be measured or built at all
  5  stopped; what was measured until then is told
  7  some cases could not be measured (each says why), or fewer were built than
     were asked for
"""
