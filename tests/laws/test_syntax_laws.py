"""Laws of normal forms by tokens: what a language looks at counts, and nothing else does."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_ls.adapters.languages.trees import TreeSitter
from massgen_ls.core.normal import form
from massgen_ls.core.syntax import LANGUAGES

TREES = TreeSitter()


def of(path: str, text: str) -> bytes:
    return form(path, text.encode(), TREES)


# Every run of blanks in these is one between tokens.
SAMPLES = {
    "a.go": """package main
import "fmt"
type Point[T any] struct {
	X, Y T
}
func (p *Point[T]) Move(by ...T) (n int, err error) {
	for i := 0; i < len(by); i++ {
		if x := by[i]; x != nil && *x <= 3 {
			return 0, fmt.Errorf("no:%d", i)
		}
		switch v := any(p.X).(type) {
		case int:
			n += v
		default:
			go func() { ch <- `raw` }()
		}
	}
	return
}
""",
    "a.java": """package a.b;
import java.util.*;
public sealed class A<T extends B> implements C {
    @Override(x = 1) private final int[] x = {1, 2}, y = null;
    String f(List<List<T>> all) throws E {
        for (var each : all) { x[0] += each.size() >> 2; }
        return all.isEmpty() ? "none" : switch (x[0]) { case 1 -> "one"; default -> 'c' + "d"; };
    }
}
""",
    "a.rs": """use std::{fmt, io};
#[derive(Debug,Clone)]
pub struct P<'a, T: Copy> { x: &'a [T], y: Option<Vec<T>> }
impl<'a, T: Copy> P<'a, T> {
    pub fn get(&mut self, n: usize) -> Result<&T, io::Error> {
        let found = match self.x.get(n) { Some(v) if n > 1 => v, _ => return Err(e()?) };
        'outer: loop { break 'outer; }
        let f = |a: u8, b| a as u32 + b << 2;
        println!("{}",n);
        Ok(found)
    }
}
""",
    "a.ts": """import { a, type B } from "x";
export abstract class C<T extends B> extends D implements E {
  readonly x?: number = 1;
  static async *each(of: string[], ...rest: T[]): AsyncGenerator<T> {
    for await (const y of rest) { yield y as T; }
    if (!of.length || a?.b(of) === null) { return; } else { throw new Error(`no${of[0]}`); }
  }
}
const f = async <T,>(x: T): Promise<void> => { await x; i++; };
type U = { [K in keyof B]-?: B[K] } | "s";
""",
    "a.js": """import a, { b as c } from "x"
const { d, ...e } = a, re = /[/"]x/g
export default class extends d {
  #p = 1
  get q() { return this.#p ?? c?.[0] }
  async r(x = {}) {
    label: for (const k in x) { if (k) continue label; else break }
    return typeof x === "u" ? -x : [...e, x++ / 2]
  }
}
f(function* () { yield* g() })
""",
}
ANYWHERE = [" ", "\t", "\n", "\r\n\r\n", " /* why */ ", " // why\n\t"]
IN_A_LINE = [" ", "\t ", " /* why */ "]
AT_ITS_END = ["\n", "  \r\n", "\n\n\t", " // why\n", "\n  /* why\n so */\n"]


@given(st.sampled_from(sorted(SAMPLES)), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=150)
def test_another_layout_says_the_same(path: str, chance: random.Random) -> None:
    def laid(gap: re.Match[str]) -> str:
        if path in {"a.java", "a.rs"}:
            return chance.choice(ANYWHERE)
        return chance.choice(AT_ITS_END if "\n" in gap[0] else IN_A_LINE)

    other = chance.choice(["", "\n\t", "// why\n"]) + re.sub(r"\s+", laid, SAMPLES[path])
    assert TREES(LANGUAGES[path[2:]], other.encode()) is not None, other
    assert of(path, other) == of(path, SAMPLES[path]), other


TOKEN = re.compile(r"\w+|[^\w\s]")


@given(st.sampled_from(sorted(SAMPLES)), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=300)
def test_another_token_says_something_else(path: str, chance: random.Random) -> None:
    text = SAMPLES[path]
    one = chance.choice(list(TOKEN.finditer(text)))
    new = chance.choice(["", one[0] * 2, f"{one[0]} {one[0]}", "z", "0", "+", "(", ",", "'"])
    other = text[: one.start()] + new + text[one.end() :]
    tokens = [TOKEN.findall(each) for each in (text, other)]
    if tokens[0] != tokens[1]:
        assert of(path, other) != of(path, text), other


SAME = {
    "Go's own semicolons": ("a.go", "package a; var x = 1\n", "package a\n\nvar x = 1;\n"),
    "Go before braces": ("a.go", "package a\nfunc f() { g(); h() }",
                         "package a\nfunc f() {\ng()\nh()\n}"),
    "a chain": ("a.js", "a.b().c()\n", "a\n  .b()\n  .c()\n"),
    "an operator": ("a.ts", "x = a && b\n", "x =\n  a\n  && b\n"),
    "arguments": ("a.ts", "f(a, b)\n", "f(\n  a,\n  b\n)\n"),
    "elements": ("a.jsx", "x = <a b={1} c><d/>{e}</a>\n",
                 "x = <a\n b={1}\n c\n>\n <d />\n {e}\n</a>\n"),
    "documentation moves": ("a.ts", "/**\n * A.\n */\nf()", "/**\n   * A. \n   */\nf()"),
    "Rust over lines": ("a.rs", "fn f() -> u8 { 1 }", "fn f()\n-> u8\n{\n\n1 // one\n}"),
    "nested comments": ("a.rs", "fn f() {} /* a /* b */ c */", "fn f() {}"),
    "Java over lines": ("a.java", "class A { int f() { return 1; } }",
                        "class A{int f()\n{return\n1;}}"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "one", "two"), SAME.values(), ids=SAME)
def test_layout_is_not_said(path: str, one: str, two: str) -> None:
    assert of(path, one) == of(path, two)
    assert form(path, one.encode()) != form(path, two.encode()), "this needs a parser"


APART = {
    # Line ends that are looked at.
    "return": ("a.js", "function f() { return a }", "function f() { return\na }"),
    "increments": ("a.js", "a\n++b", "a++\nb"),
    "an increment's operand": ("a.js", "a\n++\nb", "a ++\nb"),
    "async": ("a.js", "async function f() {}", "async\nfunction f() {}"),
    "async in TypeScript": ("a.ts", "async function f() {}", "async\nfunction f() {}"),
    "yield": ("a.js", "function* g() { yield a }", "function* g() { yield\na }"),
    "labels": ("a.js", "x: for (;;) { break x }", "x: for (;;) { break\nx }"),
    "a comment over lines": ("a.js", "function f() { return /* c */ a }",
                             "function f() { return /* c\n */ a }"),
    "modifiers": ("a.ts", "class A { readonly x = 1 }", "class A { readonly\nx = 1 }"),
    "fields": ("a.ts", "class A { static x }", "class A { static\nx }"),
    "type": ("a.ts", "type A = 1", "type\nA = 1"),
    "non-null": ("a.ts", "x = a!\nb()", "x = a\n!b()"),
    "as": ("a.ts", "x = a as b", "x = a\nas b"),
    "abstract": ("a.ts", "abstract class A {}", "abstract\nclass A {}"),
    "written semicolons": ("a.js", "a\nb", "a;\nb"),
    "Go's returns": ("a.go", "package a\nfunc f() { return g() }",
                     "package a\nfunc f() { return\ng() }"),
    "Go's calls": ("a.go", "package a\nvar x = a\n(b)", "package a\nvar x = a(b)"),
    "Go's empty clauses": ("a.go", "package a\nfunc f() { for ;; {} }",
                           "package a\nfunc f() { for {} }"),
    # Texts.
    "templates": ("a.js", "x = `a  b`", "x = `a b`"),
    "templates' insides": ("a.js", "x = tag`${a + b}`", "x = tag`${a+b}`"),
    "template types": ("a.ts", "type A = `a  ${B}`", "type A = `a ${B}`"),
    "strings": ("a.js", "x = 'a  b'", "x = 'a b'"),
    "quotes": ("a.js", "x = 'a'", 'x = "a"'),
    "continued strings": ("a.js", "x = 'a\\\nb'", "x = 'a\\\n b'"),
    "expressions": ("a.js", "x = /a  b/", "x = /a b/"),
    "comments in expressions": ("a.js", "x = /[/*]/, y = 1 /* a */", "x = /[/*]/, z = 1 /* a */"),
    "slashes": ("a.js", "x = a / b // c /g\ny", "x = a / b // c /g\n/y/"),
    "JSX blanks": ("a.jsx", "x = <a>{b} {c}</a>", "x = <a>{b}{c}</a>"),
    "JSX lines or blanks": ("a.jsx", "x = <a>{b} {c}</a>", "x = <a>{b}\n{c}</a>"),
    "JSX text": ("a.tsx", "x = <a>b  c</a>", "x = <a>b c</a>"),
    "JSX slashes are text": ("a.jsx", "x = <a>b // c\n</a>", "x = <a>b // d\n</a>"),
    "JSX entities": ("a.jsx", "x = <a>&lt;\n&gt;</a>", "x = <a>&lt;&gt;</a>"),
    "JSX attributes": ("a.jsx", "x = <a b='c\n d'/>", "x = <a b='c\nd'/>"),
    "pages' comments": ("a.js", "x\n--> a\n", "x\n--> b\n"),
    "raw Go": ("a.go", "package a\nvar x = `a\n\nb`", "package a\nvar x = `a\nb`"),
    "raw Rust": ("a.rs", 'const A: &str = r#"a // b"#;', 'const A: &str = r#"a // c"#;'),
    "Rust lines": ("a.rs", 'const A: &str = "a\n b";', 'const A: &str = "a\nb";'),
    "text blocks": ("a.java", 'class A { String a = """\n  a\n b"""; }',
                    'class A { String a = """\n a\nb"""; }'),
    # What sees the text of what it is given.
    "macros": ("a.rs", "fn f() { m!(a+b) }", "fn f() { m!(a + b) }"),
    "comments for macros": ("a.rs", "fn f() { m!(a /* b */) }", "fn f() { m!(a) }"),
    "macros' rules": ("a.rs", "macro_rules! m { ($a:ident) => { $a } }",
                      "macro_rules! m { ($a : ident) => { $a } }"),
    "attributes": ("a.rs", "#[a(b = c)]\nfn f() {}", "#[a(b=c)]\nfn f() {}"),
    "no lifetime": ("a.rs", "fn f<'a>() {}", "fn f<' a>() {}"),
    "split operators": ("a.rs", "fn f() { a && b; }", "fn f() { a & &b; }"),
    "steps": ("a.java", "class A { int x = a++ + b; }", "class A { int x = a + ++b; }"),
    "Java escapes": ("a.java", "class A { // \\u000a int a;\n}", "class A { // \\u000a int b;\n}"),
    "a strict mode or none": ("a.js", "'use strict'\na", "('use strict')\na"),
    "whatever is no blank": ("a.js", "a(\u00a0b)", "a(b)"),
    "line ends that few see": ("a.js", "a // b\u2028c()", "a // b\u2028d()"),
    "a line end of old": ("a.js", "a // b\rc()", "a // b\rd()"),
    "byte order marks": ("a.go", "\ufeffpackage a\n", "package a\n"),
    # Comments that are obeyed.
    "builds": ("a.go", "//go:build linux\n\npackage a\n", "package a\n"),
    "a build's margin": ("a.go", "//go:build a\n\npackage a\n", " //go:build a\n\npackage a\n"),
    "old builds": ("a.go", "// +build linux\n\npackage a\n", "// +build linux\npackage a\n"),
    "embedded files": ("a.go", "package a\n//go:embed x\nvar b string\n",
                       "package a\nvar b string\n"),
    "cgo": ("a.go", '// int a;\nimport "C"\n', '// int b;\nimport "C"\n'),
    "examples' output": ("a_test.go", "package a\nfunc E() {\n// Output:\n// a b\n}",
                         "package a\nfunc E() {\n// Output:\n// a  b\n}"),
    "generated": ("a.go", "// Code generated by x. DO NOT EDIT.\npackage a\n", "package a\n"),
    "linters": ("a.js", "// eslint-disable-next-line no-x\na()", "a()"),
    "a linter's line": ("a.js", "a() // eslint-disable-line\nb()",
                        "a()\n// eslint-disable-line\nb()"),
    "globals": ("a.js", "/* global a */\na()", "a()"),
    "types": ("a.ts", "// @ts-ignore\na()", "a()"),
    "references": ("a.ts", '/// <reference path="b" />\na()', "a()"),
    "JSDoc": ("a.js", "/** @type {A} */\nlet a", "/** @type {B} */\nlet a"),
    "pure calls": ("a.js", "x = /*#__PURE__*/ a()", "x = a()"),
    "chunks": ("a.js", 'import(/* webpackChunkName: "a" */ "b")', 'import("b")'),
    "old pragmas": ("a.jsx", "/* @jsx h */\na()", "a()"),
    "maps": ("a.js", "a()\n//# sourceMappingURL=x", "a()"),
    "shebangs": ("a.js", "#!/usr/bin/node\na()", "a()"),
    "coverage": ("a.js", "/* istanbul ignore next */\na()", "a()"),
    "cases": ("a.java", "class A { void f() { switch (a) { case 1: b(); // fall through\n} } }",
              "class A { void f() { switch (a) { case 1: b();\n} } }"),
    "Javadoc": ("a.java", "class A { /** @deprecated */ int a; }", "class A { int a; }"),
    "suppressed": ("a.java", "class A { int a; // NOSONAR\n}", "class A { int a;\n}"),
    "doc tests": ("a.rs", "/// ```\n/// assert!(f(1));\n/// ```\nfn f() {}",
                  "/// ```\n/// assert!(f(2));\n/// ```\nfn f() {}"),
    "a doc test's blanks": ("a.rs", "///     a\nfn f() {}", "/// a\nfn f() {}"),
    "inner documentation": ("a.rs", "//! A.\nfn f() {}", "fn f() {}"),
    # What is not understood is what it was.
    "errors": ("a.js", "a(  b", "a( b"),
    "what is missing": ("a.go", "package a\nfunc f() {  x(\n", "package a\nfunc f() { x(\n"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "one", "two"), APART.values(), ids=APART)
def test_what_counts_is_never_taken_for_layout(path: str, one: str, two: str) -> None:
    assert of(path, one) != of(path, two)


def test_without_a_grammar_everything_is_as_before() -> None:
    for path, text in SAMPLES.items():
        plain = form(path, text.encode())
        assert form(path, text.encode(), lambda language, content: None) == plain
        assert of(path, text) != plain
    assert of("a.py", "x = 1") == form("a.py", b"x = 1")
    assert of("a.c", "int a;") == form("a.c", b"int a;")


# ── automatic semicolons, by another parser ─────────────────────────────────────────────────────

PIECES = (
    *("return a", "async function f(){}", "a++", "++a", "yield a", "class A { get a(){} b }", "-a"),
    *("() => a", "( b )", "`t`", "x: while(1) { break x }", "do a; while(b) c", "let a = b", "!a"),
    *("throw a", "if (a) b; else c", "for (;;) a", "async x => a", "async (x) => a", "[a]", "/r/g"),
    *("function* g(){ yield a }", "class A { static a; b; async f(){} }", "continue x", "var a"),
    *(
        "{ a }",
        "a.b",
        "a ? b : c",
        "/b/g",
        "new A",
        "in b",
        "of",
        "async",
        "type",
        "let",
        "await a",
    ),
)
PIECE = re.compile(r"`t`|/[rb]/g|\+\+|--|=>|\w+|\S")
GAPS = (" ", " ", " ", "\n", "\n", "/*c*/", "/*\n*/", " // c\n")
ACORN = """
const acorn = require("internal/deps/acorn/acorn/dist/acorn");
const shown = (text, sourceType) => {
    const options = { ecmaVersion: "latest", sourceType, allowReturnOutsideFunction: true };
    const plain = (key, value) => (key === "start" || key === "end" ? undefined : value);
    try {
        return JSON.stringify(acorn.parse(text, options), plain);
    } catch {
        return "error";
    }
};
const groups = JSON.parse(require("fs").readFileSync(0));
console.log(JSON.stringify(groups.map((all) =>
    ["script", "module"].map((kind) => [...new Set(all.map((text) => shown(text, kind)))]))));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node has the other parser in it")
def test_what_is_equal_here_is_one_program_to_a_real_parser_of_javascript() -> None:
    chance = random.Random(4)
    equal: list[list[str]] = []
    for _ in range(1500):
        pieces = chance.choices(PIECES, k=chance.randint(1, 3))
        words = [w for piece in pieces for w in (*PIECE.findall(piece), *chance.choice([(), ";"]))]
        if chance.random() < 0.3:
            words[chance.randrange(len(words))] = chance.choice(["++", "!", "=", "*", "async", "("])
        if chance.random() < 0.3:
            words = ["function*", "g", "(", ")", "{", *words, "}"]
        by_form: dict[bytes, list[str]] = defaultdict(list)
        for _ in range(6):
            text = "".join(word + chance.choice(GAPS) for word in words)
            if TREES("javascript", text.encode()) is not None:
                by_form[of("a.js", text)].append(text)
        equal += [texts for texts in by_form.values() if len(texts) > 1]
    command = ["node", "--expose-internals", "-e", ACORN]
    done = subprocess.run(command, input=json.dumps(equal), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    programs = 0
    for texts, found in zip(equal, json.loads(done.stdout), strict=True):
        for shown in found:
            assert len(shown) == 1, texts
            programs += shown != ["error"]
    assert programs > 100


def test_what_stands_between_tokens_and_is_no_blank_counts() -> None:
    for odd, plain in (
        ("a;\f// eslint-disable\nb;\n", "a; // eslint-disable\nb;\n"),
        ("a;\n\f", "a;\n\n"),
    ):
        assert of("a.js", odd) != of("a.js", plain)
    line_by_line = 'package p\n\nvar a = 1\n\n\nvar b = "x"\n'
    assert of("a.go", line_by_line) == of("a.go", line_by_line.replace("\n\n\n", "\n"))


def test_a_grammar_that_names_line_ends_says_the_same() -> None:
    plain = [(0, "source_file", 0, 4), (1, "word", 0, 1), (1, "word", 2, 3)]
    named = [*plain[:2], (1, "\n", 1, 2), plain[2]]
    forms = {form("a.go", b"a\nb\n", lambda _, __, found=found: found) for found in (plain, named)}
    assert len(forms) == 1
    assert forms != {form("a.go", b"a\nb\n")}
