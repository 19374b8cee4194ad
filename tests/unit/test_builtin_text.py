"""``reverse_text``."""

from __future__ import annotations

import pytest

from async_tasks.builtin import reverse_text
from async_tasks.errors import InvalidArguments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("hello", "olleh"),
        ("ab cd\n", "\ndc ba"),
        ("man\u0303ana", "anan\u0303am"),  # a combining tilde stays on its n
        ("a🇩🇪🇫🇷b", "b🇫🇷🇩🇪a"),  # two flags of two regional indicators each
        ("x👨‍👩‍👧‍👦y", "y👨‍👩‍👧‍👦x"),  # a family joined by zero-width joiners
        ("👍🏽!", "!👍🏽"),  # a skin tone
        ("1️⃣2", "21️⃣"),  # a keycap
        ("각각!", "!각각"),  # Hangul of single jamo
        ("a\r\nb", "b\r\na"),  # one line break
        ("नमस्ते", "तेस्मन"),  # Devanagari: vowel signs stay on their consonants
    ],
)
def test_given_a_text_when_reversed_then_what_a_reader_takes_for_one_character_stays_whole(
    text: str, expected: str
) -> None:
    import regex

    assert sorted(regex.findall(r"\X", reverse_text(text))) == sorted(regex.findall(r"\X", text))
    if text != "नमस्ते":  # whether a conjunct is one cluster depends on the version of Unicode
        assert reverse_text(text) == expected


def test_given_the_longest_text_when_reversed_then_it_is_taken_and_longer_ones_are_refused() -> None:
    longest = "ab" * 50_000
    assert reverse_text(**reverse_text.spec.bind_call([longest], {})) == "ba" * 50_000
    with pytest.raises(InvalidArguments, match="at most 100000 characters"):
        reverse_text.spec.validate({"text": longest + "c"})


def test_given_the_form_when_drawn_then_the_text_may_have_many_lines() -> None:
    schema = reverse_text.spec.arguments_schema()
    assert reverse_text.spec.title == "Reverse a text"
    assert schema["properties"]["text"]["x-multiline"] is True
    assert schema["properties"]["text"]["examples"]
    assert reverse_text.spec.result_schema() == {"type": "string"}
