"""The texts of the sample repository, as a git history would hold them."""

from __future__ import annotations

from typing import Final

Files = dict[str, str]

_PYPROJECT = """\
[project]
name = "billing"
version = "0.3.0"
description = "Invoices, discounts and statements of a small shop"
requires-python = ">=3.9"

[tool.ruff]
line-length = 88
target-version = "py39"

[tool.ruff.lint]
select = ["E", "F", "W", "I", "B", "UP", "C4", "SIM"]
"""

_MASSGEN = """\
# The checks of this project. Agents are not named here, so the offline team works.
checks:
  - name: tests
    argv: ["{python}", -m, unittest, -v]
    timeout: 60
  - name: lint
    argv: ["{python}", -m, ruff, check, --no-cache, --output-format, concise, .]
    timeout: 60
    parser: lines
"""

_INIT_1 = '''\
"""Billing of a small shop."""

from billing.money import Money
from billing.invoice import Invoice, Line
from billing.store import InvoiceStore

__all__ = ["Invoice", "InvoiceStore", "Line", "Money"]
'''

_MONEY = '''\
"""Amounts of money, in cents: no rounding surprises."""

import math, re
from decimal import Decimal
from typing import Optional, Union


class Money(object):
    def __init__(self, cents, currency="EUR"):
        # type: (int, str) -> None
        self.cents = cents
        self.currency = currency

    @classmethod
    def parse(cls, text: str) -> Optional["Money"]:
        """Reads amounts such as ``12.50 EUR``; None for anything else."""
        found = re.match(r"^(-?\\d+)(?:\\.(\\d\\d))? ([A-Z]{3})$", text)
        if not found:
            return None
        whole, part, currency = found.groups()
        return cls(int(whole) * 100 + int(part or 0), currency)

    def times(self, factor: Union[int, Decimal]) -> "Money":
        exact = Decimal(self.cents) * factor
        return Money(int(exact.to_integral_value()), self.currency)

    def __add__(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise ValueError("no sum of %s, %s" % (self.currency, other.currency))
        return Money(self.cents + other.cents, self.currency)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        return (self.cents, self.currency) == (other.cents, other.currency)

    def __hash__(self) -> int:
        return hash((self.cents, self.currency))

    def __str__(self) -> str:
        return "{0}.{1:02d} {2}".format(self.cents // 100, self.cents % 100, self.currency)
'''

_QUERY = '''\
"""Conditions on records, written as comparisons: ``field("total") > 100``."""

from dataclasses import dataclass
from typing import Any, Callable, List
import operator


@dataclass(frozen=True, eq=False)
class Condition:
    """Says of a record whether it fits."""

    name: str
    compare: Callable[[Any, Any], bool]
    value: Any

    def fits(self, record: object) -> bool:
        return bool(self.compare(getattr(record, self.name), self.value))


class Field:
    """An attribute of records. Comparing it makes a condition, it does not compare."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, value: object) -> Condition:  # type: ignore[override]
        return Condition(self.name, operator.eq, value)

    def __ne__(self, value: object) -> Condition:  # type: ignore[override]
        return Condition(self.name, operator.ne, value)

    def __lt__(self, value: object) -> Condition:
        return Condition(self.name, operator.lt, value)

    def __hash__(self) -> int:
        return hash(self.name)


def field(name: str) -> Field:
    return Field(name)


def select(records, *conditions) -> List[Any]:
    """The records that fit every condition."""
    return list([r for r in records if all([c.fits(r) for c in conditions])])
'''

_INVOICE = '''\
"""Invoices and their lines."""

import os
import sys
from datetime import date, timedelta
from typing import Dict, List, Optional
from billing.money import Money


class Line:
    def __init__(self, what: str, price: Money, count: int = 1) -> None:
        self.what = what
        self.price = price
        self.count = count

    @property
    def total(self) -> Money:
        return self.price.times(self.count)


class Invoice:
    def __init__(self, number: str, customer: str, issued_on: date) -> None:
        self.number = number
        self.customer = customer
        self.issued_on = issued_on
        self.paid_on: Optional[date] = None
        self.lines: List[Line] = []

    def add(self, line: Line) -> "Invoice":
        self.lines.append(line)
        return self

    @property
    def due_on(self) -> date:
        return self.issued_on + timedelta(days=30)

    @property
    def total(self) -> Money:
        total = Money(0)
        for line in self.lines:
            total = total + line.total
        return total

    def by_product(self) -> Dict[str, int]:
        counted = dict()
        for line in self.lines:
            if line.what in counted.keys():
                counted[line.what] = counted[line.what] + line.count
            else:
                counted[line.what] = line.count
        return counted
'''

_STORE = '''\
"""Where invoices are kept and found again."""

import json
from datetime import date
from typing import Iterable, List

from billing.invoice import Invoice
from billing.query import field, select


class InvoiceStore:
    def __init__(self, invoices: Iterable[Invoice] = ()) -> None:
        self._invoices = {i.number: i for i in invoices}

    def add(self, invoice: Invoice) -> None:
        if invoice.number in self._invoices:
            raise ValueError("invoice {} exists already".format(invoice.number))
        self._invoices[invoice.number] = invoice

    def unpaid(self) -> List[Invoice]:
        # A condition, not a comparison.
        return select(self._invoices.values(), field("paid_on") == None)

    def paid(self) -> List[Invoice]:
        return select(self._invoices.values(), field("paid_on") != None)

    def overdue(self, today: date) -> List[Invoice]:
        late = select(
            self._invoices.values(), field("paid_on") == None, field("due_on") < today
        )
        count = len(late)
        return sorted(late, key=lambda invoice: invoice.due_on)
'''

_TEST_MONEY = """\
import unittest

from billing.money import Money


class MoneyTest(unittest.TestCase):
    def test_reads_what_it_writes(self):
        self.assertEqual(Money.parse(str(Money(1250))), Money(1250))

    def test_anything_else_is_no_amount(self):
        self.assertIsNone(Money.parse("twelve"))

    def test_currencies_do_not_mix(self):
        with self.assertRaises(ValueError):
            Money(1) + Money(1, "USD")


if __name__ == "__main__":
    unittest.main()
"""

_TEST_INVOICE = """\
import unittest
from datetime import date

from billing import Invoice, Line, Money


def invoice():
    return (
        Invoice("2026-001", "Ada", date(2026, 3, 2))
        .add(Line("tea", Money(450), 2))
        .add(Line("cup", Money(1200)))
        .add(Line("tea", Money(450)))
    )


class InvoiceTest(unittest.TestCase):
    def test_total_is_the_sum_of_its_lines(self):
        self.assertEqual(invoice().total, Money(2550))

    def test_is_due_after_thirty_days(self):
        self.assertEqual(invoice().due_on, date(2026, 4, 1))

    def test_counts_each_product(self):
        self.assertEqual(invoice().by_product(), {"tea": 3, "cup": 1})
"""

_TEST_STORE = """\
import unittest
from datetime import date

from billing import Invoice, InvoiceStore


class StoreTest(unittest.TestCase):
    def setUp(self):
        self.old = Invoice("1", "Ada", date(2026, 1, 5))
        self.paid = Invoice("2", "Bob", date(2026, 1, 6))
        self.paid.paid_on = date(2026, 1, 20)
        self.new = Invoice("3", "Cyd", date(2026, 3, 1))
        self.store = InvoiceStore([self.old, self.paid, self.new])

    def test_finds_what_nobody_has_paid(self):
        self.assertEqual(self.store.unpaid(), [self.old, self.new])

    def test_finds_what_is_paid(self):
        self.assertEqual(self.store.paid(), [self.paid])

    def test_finds_what_is_late(self):
        self.assertEqual(self.store.overdue(date(2026, 3, 10)), [self.old])

    def test_a_number_is_given_once(self):
        with self.assertRaises(ValueError):
            self.store.add(Invoice("1", "Eve", date(2026, 3, 3)))
"""

_DISCOUNTS = '''\
"""Discounts by quantity and for loyal customers."""

from decimal import Decimal
from typing import Dict, List, Tuple
import itertools

from billing.invoice import Invoice
from billing.money import Money

STEPS: List[Tuple[int, Decimal]] = [(10, Decimal("0.10")), (5, Decimal("0.05"))]


def rate(count: int) -> Decimal:
    for least, share in STEPS:
        if count >= least:
            return share
    else:
        return Decimal(0)


def discounted(invoice: Invoice, loyal: bool = False) -> Money:
    total = Money(0)
    products = invoice.by_product()
    for line in invoice.lines:
        share = rate(products[line.what])
        if loyal == True:
            share = share + Decimal("0.02")
        total = total + line.total.times(1 - share)
    return total
'''

_REPORT = '''\
"""The monthly statement, for the till's printer."""

import datetime
import textwrap
from typing import List

from billing.discounts import discounted
from billing.invoice import Invoice

WIDTH = 32


def statement(customer: str, invoices: List[Invoice]) -> str:
    lines = ["Statement for %s" % customer, "=" * WIDTH]
    for invoice in invoices:
        if invoice.customer == customer:
            if invoice.paid_on is None:
                lines.append("%-18s %13s" % (invoice.number, discounted(invoice)))
    if len(lines) == 2:
        lines.append("Nothing to pay")
    return "\\n".join([line.rstrip() for line in lines])
'''

_TEST_REPORT = """\
import unittest
from datetime import date

from billing import Invoice, Line, Money
from billing.discounts import discounted
from billing.report import statement


class ReportTest(unittest.TestCase):
    def test_many_of_a_kind_are_cheaper(self):
        invoice = Invoice("7", "Ada", date(2026, 2, 1)).add(Line("tea", Money(100), 10))
        self.assertEqual(discounted(invoice), Money(900))
        self.assertEqual(discounted(invoice, loyal=True), Money(880))

    def test_statement_shows_what_is_open(self):
        open_one = Invoice("7", "Ada", date(2026, 2, 1)).add(Line("tea", Money(100)))
        self.assertEqual(
            statement("Ada", [open_one]).split("\\n")[2], "7                       1.00 EUR"
        )

    def test_nothing_to_pay_is_said(self):
        self.assertIn("Nothing to pay", statement("Bob", []))
"""

_REMINDERS = '''\
"""Reminders for late invoices. Not finished yet."""

import os
from datetime import date
from typing import List, Optional

from billing.store import InvoiceStore


def reminders(store: InvoiceStore, today: Optional[date] = None) -> List[str]:
    day = today or date.today()
    return list(
        "Dear {}, invoice {} is late.".format(i.customer, i.number) for i in store.overdue(day)
    )
'''

FIRST_COMMIT: Final[Files] = {
    "README.md": "# billing\n\nInvoices, discounts and statements of a small shop.\n",
    ".gitignore": "__pycache__/\n*.egg-info/\n.venv/\n",
    "pyproject.toml": _PYPROJECT,
    "massgen.yaml": _MASSGEN,
    "billing/__init__.py": _INIT_1,
    "billing/money.py": _MONEY,
    "billing/query.py": _QUERY,
    "billing/invoice.py": _INVOICE,
    "billing/store.py": _STORE,
    "tests/__init__.py": "",
    "tests/test_money.py": _TEST_MONEY,
    "tests/test_invoice.py": _TEST_INVOICE,
    "tests/test_store.py": _TEST_STORE,
}

SECOND_COMMIT: Final[Files] = {
    "billing/discounts.py": _DISCOUNTS,
    "billing/report.py": _REPORT,
    "tests/test_report.py": _TEST_REPORT,
}

UNCOMMITTED: Final[Files] = {
    "billing/report.py": _REPORT.replace("Nothing to pay", "Nothing to pay. Thank you!"),
}
"""Saved, not committed."""

UNTRACKED: Final[Files] = {"billing/reminders.py": _REMINDERS}
"""Saved, not known to git."""

BUFFER: Final[Files] = {
    "billing/store.py": _STORE.replace("import json\n", "import json\nimport logging\n").replace(
        "from billing.query", "from billing.money import Money\nfrom billing.query"
    )
    + '''\

    def owed(self) -> Money:
        """What all customers owe together."""
        total = Money(0)
        for invoice in self.unpaid():
            total = total + invoice.total
        return total
''',
}
"""Open in the editor, neither saved nor known to git."""
