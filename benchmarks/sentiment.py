"""How right `analyze_sentiment` is on labelled sentences, beside other libraries of its kind.

    uv run --with textblob==0.20.1 --with afinn==0.1 python benchmarks/sentiment.py

See docs/sentiment.md for the sets and what the figures mean. Nothing of the sets is in this repository: the first three
come from the registry of npm at a fixed version with a fixed hash, the others from a file that you name.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

#: npm's package ``sentiment`` has the "Sentiment Labelled Sentences" of Kotzias et al. (2015) among its tests.
PACKAGE = "sentiment@5.0.2"
SHA512 = (
    "65e0b7cb426c3984ddc2e8ede6e39dec82c936295b805cd4b60fcb106e3052fe"
    "372dac8534b676f1e73cf92bbe877b1a1e52662306310737c31c766e88c035e6"
)
SETS = ("amazon", "imdb", "yelp")

#: The source distribution of vaderSentiment 3.3.2 has the sets with which its authors evaluated it.
SDIST_SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
AUTHORS = {
    "tweets": "tweets",
    "movieReviewSnippets": "movie reviews",
    "amazonReviewSnippets": "product reviews",
    "nytEditorialSnippets": "editorials",
}
#: Mean ratings of people lie between -4 and 4; nearer to 0 than this they call a text neutral.
NEUTRAL = 0.5

LABELS = ("positive", "neutral", "negative")

Sentences = Sequence[tuple[str, str]]  # text and label
Judge = Callable[[str], str]


class Figures(NamedTuple):
    """How a judge did on a set."""

    accuracy: float
    macro_f1: float
    undecided: float  # the share that it called neutral
    decided: float  # the accuracy on the others
    per_second: float
    confusion: Counter[tuple[str, str]]  # (what it is, what was said)


def main() -> int:
    """Print the figures of every set and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sdist", type=Path, help="vaderSentiment-3.3.2.tar.gz, for the authors' own sets as well")
    options = parser.parse_args()
    sets = dict(labelled_sentences())
    if options.sdist:
        sets.update(authors_sets(options.sdist))
    found = dict(judges())
    print(f"{'set':<24} {'judge':<18} {'accuracy':>8} {'macro-F1':>8} {'neutral':>8} {'decided':>8} {'texts/s':>8}")
    for name, sentences in sets.items():
        for judge, judged in found.items():
            it = measure(judged, sentences)
            print(
                f"{name:<24} {judge:<18} {it.accuracy:8.1%} {it.macro_f1:8.3f} {it.undecided:8.1%} {it.decided:8.1%} "
                f"{it.per_second:8,.0f}"
            )
    for name, sentences in sets.items():
        show_confusion(name, measure(found["analyze_sentiment"], sentences).confusion)
    return 0


def judges() -> Iterator[tuple[str, Judge]]:
    """Ours, and those that are installed."""
    from async_tasks.builtin import analyze_sentiment

    yield "analyze_sentiment", lambda text: analyze_sentiment(text).label
    try:
        from textblob import TextBlob

        yield "textblob", lambda text: by_sign(TextBlob(text).sentiment.polarity)
    except ImportError:
        print("textblob is not installed and left out", file=sys.stderr)
    try:
        from afinn import Afinn

        score = Afinn(emoticons=True).score
        yield "afinn", lambda text: by_sign(score(text))
    except ImportError:
        print("afinn is not installed and left out", file=sys.stderr)


def by_sign(score: float) -> str:
    """The label of a library that gives a number and no threshold."""
    return "positive" if score > 0 else "negative" if score < 0 else "neutral"


def measure(judge: Judge, sentences: Sentences) -> Figures:
    """Let a judge judge a set."""
    judge(sentences[0][0])  # what is loaded once is not measured
    began = time.perf_counter()
    said = [judge(text) for text, _ in sentences]
    seconds = time.perf_counter() - began
    confusion = Counter(zip((label for _, label in sentences), said, strict=True))
    total = len(sentences)
    right = sum(confusion[label, label] for label in LABELS)
    undecided = sum(confusion[label, "neutral"] for label in LABELS)
    decided_right = right - confusion["neutral", "neutral"]
    present = [label for label in LABELS if any(confusion[label, other] for other in LABELS)]
    return Figures(
        right / total,
        sum(f1(confusion, label) for label in present) / len(present),
        undecided / total,
        decided_right / (total - undecided) if total > undecided else 0.0,
        total / seconds,
        confusion,
    )


def f1(confusion: Counter[tuple[str, str]], label: str) -> float:
    """The harmonic mean of precision and recall of one label."""
    right = confusion[label, label]
    said = sum(confusion[other, label] for other in LABELS)
    are = sum(confusion[label, other] for other in LABELS)
    return 2 * right / (said + are) if said + are else 0.0


def show_confusion(name: str, confusion: Counter[tuple[str, str]]) -> None:
    """Print what was said of what."""
    print(f"\n{name}, analyze_sentiment: rows are what it is, columns what was said")
    print(" " * 10 + "".join(f"{label:>10}" for label in LABELS))
    for label in LABELS:
        if any(confusion[label, other] for other in LABELS):
            print(f"{label:<10}" + "".join(f"{confusion[label, other]:>10}" for other in LABELS))


def labelled_sentences() -> Iterator[tuple[str, Sentences]]:
    """Three thousand sentences of reviews, positive or negative."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is needed to fetch the labelled sentences: apt-get install npm")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [npm, "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=120
        )
        (path,) = Path(folder).glob("*.tgz")
        raw = checked(path, "sha512", SHA512)
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        for name in SETS:
            entries = json.load(member(archive, f"package/test/fixtures/{name}.json"))
            # The last of each is empty and has no class.
            yield (
                f"UCI {name}",
                [(each["text"], "positive" if each["class"] else "negative") for each in entries if each["text"]],
            )


def authors_sets(sdist: Path) -> Iterator[tuple[str, Sentences]]:
    """The sets of VADER's authors: each text with the mean of twenty people's ratings."""
    with tarfile.open(fileobj=io.BytesIO(checked(sdist, "sha256", SDIST_SHA256))) as outer:
        inner = member(outer, "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz").read()
    with tarfile.open(fileobj=io.BytesIO(inner)) as archive:
        for name, words in AUTHORS.items():
            lines = member(archive, f"hutto_ICWSM_2014/{name}_GroundTruth.txt").read().decode("latin-1").splitlines()
            rated = [line.split("\t", 2) for line in lines if line.count("\t") >= 2]  # noqa: PLR2004 - id, mean, text
            texts = [(html.unescape(text), by_sign(round_off(float(mean)))) for _, mean, text in rated if text.strip()]
            yield f"authors' {words}", texts


def round_off(mean: float) -> float:
    """A rating, or 0 where people were of no clear mind."""
    return 0.0 if abs(mean) < NEUTRAL else mean


def checked(path: Path, algorithm: str, expected: str) -> bytes:
    """A file's content, if it is the one that was looked at."""
    raw = path.read_bytes()
    found = hashlib.new(algorithm, raw).hexdigest()
    if found != expected:
        sys.exit(f"{path.name} has {algorithm} {found} and not {expected}: it is not the file that is meant")
    return raw


def member(archive: tarfile.TarFile, name: str) -> io.BufferedReader:
    """One file of an archive; nothing is unpacked."""
    stream = archive.extractfile(name)
    if not isinstance(stream, io.BufferedReader):
        sys.exit(f"{name} is not in the archive")
    return stream


if __name__ == "__main__":
    sys.exit(main())
