"""``analyze_sentiment``: VADER's own scores, sentence by sentence."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from async_tasks.builtin import analyze_sentiment
from async_tasks.builtin.sentiment import LONGEST_SENTENCE, sentences
from async_tasks.errors import InvalidArguments


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I love this, it is wonderful!", "positive"),
        ("VADER is smart, handsome, and funny.", "positive"),
        ("Not bad at all.", "positive"),
        ("😂 💕", "positive"),
        (":-) great", "positive"),
        ("This is not good.", "negative"),
        ("The food was awful and the service worse", "negative"),
        ("I can't recommend it: a complete waste of money.", "negative"),
        ("The plot was good, but the characters are uncompelling and the dialog is not great.", "negative"),
        ("The train leaves at noon.", "neutral"),
        ("   \n ", "neutral"),
        ("日本語の文章です。", "neutral"),
    ],
)
def test_given_a_text_when_analyzed_then_its_label_is_what_a_reader_would_say(text: str, label: str) -> None:
    assert analyze_sentiment(text).label == label


@pytest.mark.parametrize("text", ["VADER is VERY SMART, really handsome, and INCREDIBLY FUNNY!!!", "meh", "It sux :("])
def test_given_one_sentence_when_analyzed_then_the_scores_are_vaders(text: str) -> None:
    expected = SentimentIntensityAnalyzer().polarity_scores(text)
    found = analyze_sentiment(text)
    assert (found.compound, found.positive, found.neutral, found.negative) == (
        expected["compound"],
        expected["pos"],
        expected["neu"],
        expected["neg"],
    )


def test_given_several_sentences_when_analyzed_then_their_scores_are_averaged() -> None:
    parts = ["I love it!", "It is awful.", "It is made of wood."]
    each = [analyze_sentiment(part) for part in parts]
    whole = analyze_sentiment(" ".join(parts))
    assert whole.compound == pytest.approx(sum(one.compound for one in each) / 3, abs=1e-4)
    assert whole.positive + whole.neutral + whole.negative == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("compound_of", "label"), [("positive", "positive"), ("negative", "negative"), ("neutral", "neutral")]
)
def test_given_the_published_thresholds_when_labelled_then_the_label_follows_the_compound(
    compound_of: str, label: str
) -> None:
    texts = {"positive": "good", "negative": "bad", "neutral": "wood"}
    found = analyze_sentiment(texts[compound_of])
    assert found.label == label
    assert {"positive": found.compound >= 0.05, "negative": found.compound <= -0.05}.get(
        label, -0.05 < found.compound < 0.05
    )


def test_given_a_text_when_split_then_nothing_is_lost_and_no_piece_is_too_long() -> None:
    assert sentences("One. Two!  Three?\n\nfour 3.5 five...") == ["One.", "Two!", "Three?", "four 3.5 five..."]
    assert sentences(" \n ") == []
    long = "word " * 500
    pieces = sentences(long)
    assert max(map(len, pieces)) <= LONGEST_SENTENCE
    assert " ".join(pieces) == long.strip()
    assert "".join(sentences("x" * 1000)) == "x" * 1000


@pytest.mark.parametrize("text", ["😂" * 3000, "but " + "good " * 2000])
def test_given_a_hostile_text_when_analyzed_then_it_does_not_take_minutes(text: str) -> None:
    start = time.process_time()
    assert analyze_sentiment(text).label == "positive"
    # In one piece, the first takes VADER minutes on the machine that these bounds were chosen on.
    assert time.process_time() - start < 15


def test_given_unfit_texts_when_validated_then_they_are_refused() -> None:
    for text in ("", "x" * 20_001):
        with pytest.raises(InvalidArguments):
            analyze_sentiment.spec.validate({"text": text})


def test_given_a_result_when_dumped_then_it_is_a_flat_object() -> None:
    dumped = analyze_sentiment.spec.dump_result(analyze_sentiment("good"))
    assert sorted(dumped) == ["compound", "label", "negative", "neutral", "positive"]


def test_given_a_fresh_process_when_analyzed_then_nothing_warns_and_the_lexicon_is_read_late() -> None:
    source = (
        "import sys\n"
        "from async_tasks.builtin import analyze_sentiment\n"
        "assert 'vaderSentiment.vaderSentiment' not in sys.modules\n"
        "print(analyze_sentiment('good').label)"
    )
    run = [sys.executable, "-W", "error", "-X", "dev", "-c", source]
    done = subprocess.run(run, check=True, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("positive\n", "")
