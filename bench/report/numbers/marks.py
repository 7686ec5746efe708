"""What a score alone does not say: rows that are copies of the training rows win most of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tabstep.records.store import Record

MORE = 0.01  # copies beyond the usual share, and three standard deviations of it
FOUND = 0.05  # members found where 1 % of the others are accused


def copied(records: Sequence[Record]) -> str | None:
    """What is to be said of rows that are copies, or give away who was in training, in most of the cells; else None.

    By shares of rows equal to a training row beside those of the test rows, which every new record has and older ones
    where privacy was scored, and by the attack on membership where that was.
    """
    said = [text for record in records if (text := next(_signs(record), None))]
    return said[0] if 2 * len(said) > len(records) else None


def _signs(record: Record) -> Iterator[str]:
    scores = {name: sum(values) / len(values) for name, values in record.scores.items() if values}
    kept = record.settings.get("drawn", {}).get("copies", {})
    shares = (kept.get("share"), kept.get("expected")), (scores.get("copies"), scores.get("copies_expected"))
    for share, expected in shares:
        if share is not None and expected is not None:
            scatter = (expected * (1 - expected) / max(record.rows or 1, 1)) ** 0.5
            if share > expected + max(MORE, 3 * scatter):
                yield f"copies: {share:.0%} of the rows are training rows, {expected:.0%} would be usual"
    found, low = scores.get("mia_tpr"), scores.get("mia_auc_low")
    if found is not None and low is not None and found > FOUND and low > 0.5:
        yield f"leaks: an attack finds {found:.0%} of the training rows where it accuses 1 % of others"
