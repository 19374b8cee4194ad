"""``analyze_sentiment``: VADER, a lexicon with rules for English, from the package ``vaderSentiment``."""

from __future__ import annotations

import re
import textwrap
import warnings
from collections.abc import Callable
from functools import cache
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from async_tasks import task

#: The thresholds of the compound score that VADER's authors published.
POSITIVE: Final = 0.05
NEGATIVE: Final = -0.05

#: VADER's time grows with the square of a sentence's length, and an emoji counts as several words:
#: 20,000 of them took it two minutes in one piece, and take five seconds in pieces.
LONGEST_SENTENCE: Final = 300

_SENTENCE_END: Final = re.compile(r"(?<=[.!?…。！？])\s+|\s*\n\s*")  # noqa: RUF001 - full-width marks are meant

Text = Annotated[
    str,
    Field(
        min_length=1,
        max_length=20_000,
        examples=["I love this! It works far better than I hoped."],
        json_schema_extra={"x-multiline": True},
    ),
]
Share = Annotated[float, Field(ge=0, le=1)]


class Sentiment(BaseModel):
    """How a text sounds."""

    label: Literal["positive", "neutral", "negative"]
    compound: Annotated[float, Field(ge=-1, le=1, description="From most negative to most positive")]
    positive: Annotated[Share, Field(description="Share of the text that sounds positive")]
    neutral: Annotated[Share, Field(description="Share that sounds neither way")]
    negative: Annotated[Share, Field(description="Share that sounds negative")]


@task
def analyze_sentiment(text: Text) -> Sentiment:
    """Tell whether an English text sounds positive or negative.

    Scores come from VADER, a lexicon of 7,500 words, emoticons and emoji rated by people, with rules for
    negation, emphasis and contrast. They are those of the sentences, averaged: VADER rates sentences, and its
    authors take longer texts the same way. Its label is positive from a compound score of 0.05 on, negative
    from -0.05 down, as they published it.

    Hutto, C.J. & Gilbert, E.E. (2014). VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social
    Media Text. Eighth International Conference on Weblogs and Social Media (ICWSM-14).

    Args:
        text: A sentence, a comment, a review; in English.
    """
    scores = [_rate()(sentence) for sentence in sentences(text)]
    if not scores:
        return Sentiment(label="neutral", compound=0, positive=0, neutral=1, negative=0)

    def mean(name: str) -> float:
        return round(sum(score[name] for score in scores) / len(scores), 4)

    compound = mean("compound")
    return Sentiment(
        label="positive" if compound >= POSITIVE else "negative" if compound <= NEGATIVE else "neutral",
        compound=compound,
        positive=mean("pos"),
        neutral=mean("neu"),
        negative=mean("neg"),
    )


def sentences(text: str) -> list[str]:
    """Split a text into its sentences, those without a word left out, none longer than ``LONGEST_SENTENCE``."""
    found = (part.strip() for part in _SENTENCE_END.split(text))
    return [piece for part in found if part for piece in _pieces(part)]


def _pieces(sentence: str) -> list[str]:
    if len(sentence) <= LONGEST_SENTENCE:
        return [sentence]
    return textwrap.wrap(sentence, LONGEST_SENTENCE, break_on_hyphens=False)


@cache
def _rate() -> Callable[[str], dict[str, float]]:
    # Late and once a process: reading the lexicon takes longer than most texts do.
    with warnings.catch_warnings():
        # It opens its files by codecs.open, which Python 3.14 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        rate: Callable[[str], dict[str, float]] = SentimentIntensityAnalyzer().polarity_scores
    return rate
