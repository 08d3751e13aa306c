"""Keys leave no text that is shown."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.core.secrets import SHOWN, Hidden, holds_key, secrets_of

KEY = 'pl/anted"+value 1234'


def test_variables_that_are_named_like_keys_or_given_to_agents_are_secret() -> None:
    environ = {
        "ANTHROPIC_API_KEY": "aaaaaaaa",
        "my_token": "bbbbbbbb",
        "DB_PASSWORD": "cccccccc",
        "COMPANY": "dddddddd",
        "LANG": "en_US.UTF-8",
        "SHORT_KEY": "abc",
    }
    assert secrets_of(environ, ["COMPANY"]) == {
        "aaaaaaaa": "[ANTHROPIC_API_KEY]",
        "bbbbbbbb": "[my_token]",
        "cccccccc": "[DB_PASSWORD]",
        "dddddddd": "[COMPANY]",
    }


@given(st.text(), st.text())
def test_no_form_of_a_secret_is_left(before: str, after: str) -> None:
    hide = Hidden({KEY: "[KEY]"})
    for form in (KEY, json.dumps(KEY)[1:-1], quote(KEY, safe="")):
        assert form not in hide(f"{before}{form}{after}")


def test_of_two_secrets_that_begin_alike_the_longer_is_hidden_whole() -> None:
    hide = Hidden({"secret": "[A]", "secret-and-more": "[B]"})
    assert hide("secret-and-more secret") == "[B] [A]"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("key sk-ant-api03-abcdefghijklmnop_qrstuv end", f"key {SHOWN} end"),
        ("AIza" + "x" * 35, SHOWN),
        ("ghp_" + "a" * 36, SHOWN),
        ("Authorization: Bearer abcdefghijkl.mnop", f"Authorization: Bearer {SHOWN}"),
        ("https://user:pass@host/path", f"https://{SHOWN}@host/path"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----!", f"{SHOWN}!"),
    ],
)
def test_words_that_look_like_keys_are_hidden(text: str, left: str) -> None:
    assert Hidden({}, shapes=True)(text) == left
    assert Hidden({})(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "the risk-averse user of task-list sk-8",
        "https://host:8080/path@2",
        "basic idea: bearer of news",
        "0123456789abcdef0123456789abcdef01234567 is a commit",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert Hidden({}, shapes=True)(text) == text


@pytest.mark.parametrize(
    "key",
    [
        "sk-" + "a" * 16, "AIza" + "a" * 30, "ghs_" + "a" * 30, "github_pat_" + "a" * 30,
        "glpat-" + "a" * 16, "xai-" + "a" * 20, "gsk_" + "a" * 20, "hf_" + "a" * 24,
        "nvapi-" + "a" * 24, "pplx-" + "a" * 24, "csk-" + "a" * 24, "fw_" + "a" * 20,
        "AKIA" + "A" * 16, "xoxb-" + "a" * 10, "eyJabcdefgh.eyJabcdefgh.sign",
        "-----BEGIN PRIVATE KEY-----\nMII",
    ],
)  # fmt: skip
def test_what_no_file_may_hold_is_hidden_everywhere(key: str) -> None:
    assert holds_key(f"x={key}")
    assert Hidden({}, shapes=True)(f"x={key} y").removesuffix(" y") == f"x={SHOWN}"
    assert not holds_key("tasks-and-a-short-word, risk-management-of-long-things")


def test_words_that_only_sound_like_keys_are_not_secret() -> None:
    environ = {
        "GIT_AUTHOR_NAME": "Ada Lovelace",
        "KEYCLOAK_REALM": "master",
        "MONKEY_BUSINESS": "elaborate",
        "OPENAI_APIKEY": "aaaaaaaa",
        "AWS_ACCESS_KEY_ID": "bbbbbbbb",
        "SSH_KEYS": "cccccccc",
        "BASIC_AUTH": "dddddddd",
        "HTTP_AUTHORIZATION": "eeeeeeee",
    }
    assert "".join(sorted(value[0] for value in secrets_of(environ))) == "abcde"
