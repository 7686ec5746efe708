"""The rules that hold in every row of a table, without those that any table of such columns would show.

A rule counts only if shuffling its columns apart breaks it in at least `LEAST` rows: what follows from ranges alone
(ages are below salaries), from columns that are mostly zero, or from few rows is no discovery. Of d columns some d^3
rules are looked at; where 30 breaks are expected, the chance that one holds by luck is below d^3 exp(-30).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import Made, Total, bounded
from tabstep.data.arithmetic_search import zeros
from tabstep.data.barred_search import barred
from tabstep.data.bent import Bent
from tabstep.data.bent_search import bent
from tabstep.data.comparable import plain
from tabstep.data.constraints import Codes, Constraint, Gaps, Order, Same, Sum, Unlike, broken
from tabstep.data.counted import RELATIVE, counted, seen_of
from tabstep.data.derived import Begins, Derived
from tabstep.data.derived_search import derived
from tabstep.data.determined import FIRST, LEAST, determined
from tabstep.data.extreme import Extreme
from tabstep.data.forms import decimals
from tabstep.data.later import Later
from tabstep.data.mean import Mean
from tabstep.data.moments import GRAINS, grain
from tabstep.data.offset import Offset
from tabstep.data.one_of_search import one_of
from tabstep.data.spaced_search import beside, spaced
from tabstep.data.tariff import Tariff
from tabstep.data.within_search import within

MOST_SUMMED = 60  # columns among which sums are looked for: their number grows with the third power
MOST_LABELS = 1000  # of a column that determines another
MOST_CODED = 200  # columns among which codes are looked for
SECONDS = dict(
    zip(GRAINS, (31556952.0, 2629746.0, 86400.0, 3600.0, 60.0, 1.0, 1e-3, 1e-6, 1e-9), strict=True)
)


def find(
    frame: pd.DataFrame, units: Mapping[str, str] | None = None, zones: Mapping[str, str] | None = None
) -> tuple[Constraint, ...]:
    """The rules of a frame in common units (`data.comparable`), none that follows from another of them.

    Equal columns, sums of two, one column at most another, columns that a column of labels determines, and columns
    that never have the same label. Gaps are left out of orders, and of sums unless they count as 0 in all of them; they
    are labels of their own elsewhere; where a label alone says where a column of numbers has them, that is a rule too.
    Of any two columns, pairs of values that never come together (`barred_search`), and of columns with two values those
    that stand for one label of many (`one_of_search`); ends of numbers by what another column has (`within_search`); of
    columns in order how far they are apart (`spaced_search`).

    units  that columns write, as € or kg: hours are below no wages, whatever the numbers
    zones  on whose clocks columns of instants are shown
    """
    numbers = [str(c) for c in frame.columns if frame[c].dtype.kind in "iufmM" and frame[c].nunique() > 1]
    labels = [str(c) for c in frame.columns if frame[c].dtype == object and frame[c].nunique() > 1]
    shuffled = _shuffled(frame)
    same = [rule for rule in _same(frame, numbers) if _could_break(rule, shuffled)]
    copies = {rule.second for rule in same}
    single = [name for name in numbers if name not in copies]
    steps = {name: step(frame[name]) for name in single}
    sums = [
        rule
        for rule in _sums(frame, single[:MOST_SUMMED], steps, units or {})
        if _could_break(rule, shuffled)
    ]
    with np.errstate(all="ignore"):  # what overflows is no rule
        bends = [
            rule
            for rule in bent(frame, [name for name in single if frame[name].dtype.kind in "iuf"], steps)
            if _could_break(rule, shuffled)
        ]
    always = list(_orders(frame, single, steps, units or {}))
    orders = [rule for rule in always if _could_break(rule, shuffled)]
    orders = _without_implied([rule for rule in orders if not _follows(rule, sums, frame)])
    sums, wholes = _as_totals(frame, sums, bends)
    codes = _codes(frame, labels[:MOST_CODED], single)
    told = {rule.of for rule in codes}
    whole = {rule.of for rule in codes if not rule.gaps}
    unlike = [
        rule
        for rule in _unlike(frame, [name for name in labels[:MOST_CODED] if name not in told])
        if _could_break(rule, shuffled)
    ]
    gaps = _gaps(frame, labels[:MOST_CODED], [name for name in single if name not in whole])
    given: dict[str, tuple[str, ...]] = {rule.total: (rule.first, rule.second) for rule in sums}
    given |= {rule.of: (rule.on,) for rule in codes}

    def counts(rule: Derived) -> bool:
        return _could_break(rule, shuffled)

    with np.errstate(all="ignore"):
        made = list(
            derived(
                frame,
                single,
                labels[:MOST_CODED],
                steps,
                units or {},
                zones or {},
                given,
                bends,
                wholes,
                [_as_total(rule, frame) for rule in sums if frame[rule.total].dtype.kind in "iuf"],
                counts,
            )
        )
    turned = [{*rule.columns} for rule in made if isinstance(rule, Total)]
    sums = [rule for rule in sums if {*rule.columns} not in turned]
    # These are always in one order.
    always_so = [
        {rule.of, rule.by} for rule in made if isinstance(rule, Begins | Later | Offset | Bent | Tariff)
    ]
    always_so += [{rule.of, part} for rule in made if isinstance(rule, Extreme) for part in rule.parts]
    orders = [rule for rule in orders if {rule.low, rule.high} not in always_so]
    orders = _of_parts(orders, always, made)
    made = [bounded(rule, frame) if isinstance(rule, Made) else rule for rule in made]
    times = _without_implied([rule for rule in always if frame[rule.low].dtype.kind in "mM"])
    known = [*same, *sums, *codes, *made]
    apart = list(spaced(frame, shuffled, [*times, *(rule for rule in orders if rule not in times)], known))
    apart += beside(frame, orders, known, apart)
    orders = [rule for rule in orders if rule.columns not in {other.columns for other in apart}]
    rules: list[Constraint] = [*same, *sums, *orders, *apart, *codes, *unlike, *gaps, *made]
    aliases = {rule.of for rule in codes if rule.one_to_one and not rule.gaps}
    own = [str(name) for name in frame.columns if name in {*labels, *single} - aliases]
    rules += one_of(frame, own, told)
    rules += barred(frame, own, rules)
    return (*rules, *within(frame, own, {name: steps[name] for name in own if name in steps}, rules))


def step(column: Any) -> float:
    """The step of the grid that a column keeps to; 0 for continuous numbers."""
    shown = column.dropna()
    if column.dtype.kind in "mM":
        values = shown.to_numpy()
        return SECONDS[grain(values, GRAINS if column.dtype.kind == "M" else GRAINS[2:])]
    places = decimals(shown.to_numpy(np.float64))
    return 0.0 if places is None else 10.0**-places


def _shuffled(frame: pd.DataFrame) -> pd.DataFrame:
    """Every column in an order of its own: the same marginals, and no relation.

    Gaps of numbers and times stay in their rows. Columns that are hardly ever there together would else be compared in
    many rows more than say anything about them: those of years that were and of years to come.
    """
    generator = np.random.default_rng(0)
    return pd.DataFrame({name: _in_own_order(frame[name], generator) for name in frame.columns})


def _in_own_order(column: Any, generator: np.random.Generator) -> Any:
    there = np.ones(len(column), bool) if column.dtype == object else column.notna().to_numpy()
    places = np.arange(len(column))
    places[there] = generator.permutation(places[there])
    return column.iloc[places].reset_index(drop=True)


def _could_break(rule: Constraint, shuffled: pd.DataFrame) -> bool:
    return int(broken(rule, shuffled).sum()) >= LEAST


def _same(frame: pd.DataFrame, numbers: list[str]) -> Iterator[Same]:
    groups: dict[Any, list[str]] = {}
    for name in numbers:
        values = frame[name].astype("float64") if frame[name].dtype.kind in "iuf" else frame[name]
        key = values.dtype.kind, int(pd.util.hash_pandas_object(values, index=False).sum())
        groups.setdefault(key, []).append(name)
    for names in groups.values():
        for other in names[1:]:
            rule = Same(names[0], other)
            if not broken(rule, frame).any():
                yield rule


def _plane(frame: pd.DataFrame, numbers: list[str]) -> np.ndarray:
    """The first rows as float64 (m, d), times in seconds: to see at once which rules are worth trying."""
    few = frame[numbers].iloc[:FIRST]
    return np.column_stack(
        [
            few[c].astype("int64").where(few[c].notna()).to_numpy(np.float64) / _per_second(few[c])
            if few[c].dtype.kind in "mM"
            else few[c].to_numpy(np.float64)
            for c in numbers
        ]
    )


def _per_second(column: Any) -> float:
    return 1 / SECONDS[np.datetime_data(column.to_numpy().dtype)[0]]


def _kind(column: Any) -> str:
    return column.dtype.kind if column.dtype.kind in "mM" else "f"


ADDED = (("f", "f", "f"), ("m", "m", "m"), ("M", "m", "M"), ("m", "M", "M"))


def _sums(
    frame: pd.DataFrame, numbers: list[str], steps: dict[str, float], units: Mapping[str, str]
) -> Iterator[Sum]:
    if len(numbers) < 3:
        return
    x = _plane(frame, numbers)
    kinds = [_kind(frame[name]) for name in numbers]
    for i, j in combinations(range(len(numbers)), 2):
        added = x[:, i] + x[:, j]
        slack = RELATIVE * np.abs(x).max(axis=0, initial=1, where=~np.isnan(x))
        off = np.abs(added[:, None] - x) > slack + 0.49 * max(steps[numbers[k]] for k in (i, j))
        for k in np.flatnonzero(~off.any(axis=0)):
            if k in (i, j) or (kinds[i], kinds[j], kinds[k]) not in ADDED:
                continue
            if len({units.get(numbers[n]) for n in (i, j, k) if kinds[n] == "M"}) > 1:
                continue
            of = numbers[i], numbers[j], numbers[k]
            rule = Sum(*of, (steps[of[0]], steps[of[1]], steps[of[2]]))
            rule = replace(rule, zero=zeros(rule, frame), seen=seen_of(frame, of))
            if _is_exact(rule, frame) and not broken(rule, frame).any():
                yield rule


def _as_totals(
    frame: pd.DataFrame, sums: Sequence[Sum], bends: Sequence[Bent]
) -> tuple[list[Sum], list[Total]]:
    """The sums of no two columns of which one is lines of the other, and those that are, of which any may be made."""
    pairs = [{*rule.columns} for rule in bends]
    among = [rule for rule in sums if any(pair <= {*rule.columns} for pair in pairs)]
    return [rule for rule in sums if rule not in among], [_as_total(rule, frame) for rule in among]


def _as_total(rule: Sum, frame: pd.DataFrame) -> Total:
    """A sum of numbers that can be turned round, the larger part first."""
    size: dict[str, float] = {name: float(np.nanmean(np.abs(counted(frame[name])))) for name in rule.columns}
    parts = sorted((rule.first, rule.second), key=lambda name: -size[name])
    of = rule.first, rule.second, rule.total
    return Total(
        of[:2], (1, 1), 0.0, rule.total, rule.steps[2], rule.steps[:2], (rule.total, *parts), zero=rule.zero
    )


def _is_exact(rule: Sum, frame: pd.DataFrame) -> bool:
    """Whether what a sum of continuous numbers may be off is nothing beside what each of the three varies by."""
    if min(rule.steps) > 0:
        return True
    most = max(float(frame[name].abs().max()) for name in rule.columns)
    if most == 0:
        return False
    # In parts of the largest: squares of numbers beyond 1e154 are none.
    return min(float((frame[name] / most).std()) for name in rule.columns) > 1e3 * RELATIVE


def _orders(
    frame: pd.DataFrame, numbers: list[str], steps: dict[str, float], units: Mapping[str, str]
) -> Iterator[Order]:
    if len(numbers) < 2:
        return
    x = _plane(frame, numbers)
    for i, low in enumerate(numbers):
        above = ~(x[:, i, None] > x).any(axis=0)
        for k in np.flatnonzero(above):
            high = numbers[k]
            if i == k or _kind(frame[low]) != _kind(frame[high]) or units.get(low) != units.get(high):
                continue
            rule = Order(low, high, strict=False, steps=(steps[low], steps[high]))
            if not broken(rule, frame).any():
                strict = not bool((frame[low] == frame[high]).any())
                if _ends_in_order(frame[low], frame[high], strict):
                    yield Order(low, high, strict, rule.steps)


def _ends_in_order(low: Any, high: Any, strict: bool) -> bool:
    """Whether both ends of the whole columns obey the order too, so that values can change places and stay in range.

    Without gaps they always do; a row with a gap beside it may hold an end that no pair of values holds.
    """
    ends = ((low.min(), high.min()), (low.max(), high.max()))
    return all(a < b if strict else a <= b for a, b in ends)


def _of_parts(orders: list[Order], always: list[Order], made: list[Derived]) -> list[Order]:
    """The orders with that of two parts, of all there are, instead of those by which their mean is between them."""
    for rule in (rule for rule in made if isinstance(rule, Mean) and len(rule.parts) == 2):
        between = [
            order for order in orders if rule.of in order.columns and {*order.columns} <= {*rule.columns}
        ]
        if between:
            orders = [order for order in orders if order not in between]
            orders += [order for order in always if {*order.columns} == {*rule.parts} and order not in orders]
    return orders


def _follows(rule: Order, sums: list[Sum], frame: pd.DataFrame) -> bool:
    """Whether an order is that of a sum of which the other part is never negative."""
    for of in sums:
        parts = (of.first, of.second)
        if rule.high == of.total and rule.low in parts:
            other = parts[1 - parts.index(rule.low)]
            kind = frame[other].dtype.kind
            if kind != "M" and frame[other].min() >= (pd.Timedelta(0) if kind == "m" else 0):
                return True
    return False


def _without_implied(orders: list[Order]) -> list[Order]:
    """Orders that no two others imply."""
    strict = {(rule.low, rule.high): rule.strict for rule in orders}
    columns = {name for rule in orders for name in rule.columns}
    return [
        rule
        for rule in orders
        if not any(
            (rule.low, middle) in strict
            and (middle, rule.high) in strict
            and (not rule.strict or strict[rule.low, middle] or strict[middle, rule.high])
            for middle in columns
        )
    ]


def _codes(frame: pd.DataFrame, labels: list[str], numbers: list[str]) -> list[Codes]:
    coded = {name: pd.factorize(frame[name])[0] for name in labels}
    coded |= {name: pd.factorize(frame[name])[0] for name in numbers if frame[name].nunique() <= MOST_LABELS}
    width = {name: frame[name].nunique() for name in coded}
    found: list[Codes] = []
    aliases: set[str] = set()  # of another column of labels, which stands for them
    for on in labels:
        if width[on] > MOST_LABELS or on in aliases:
            continue
        for of in coded:
            # With a gap that is a value it may have one more.
            if of == on or of in aliases or width[of] > width[on] + 1:
                continue
            says = determined(coded[on], coded[of])
            back = next((rule for rule in found if rule.one_to_one and (rule.on, rule.of) == (of, on)), None)
            if says is None or (says.gaps and back is not None):
                continue
            if back is not None:  # this says of gaps, too
                found.remove(back)
            one_to_one = len(np.unique(coded[of][says.rows])) == len(says.rows)
            if one_to_one and of in labels and not says.gaps:
                aliases.add(of)
            pairs = tuple((plain(frame[on].iloc[i]), plain(frame[of].iloc[i])) for i in says.rows)
            found.append(Codes(on, of, pairs, one_to_one, says.gaps))  # type: ignore[arg-type]
    return found


def _unlike(frame: pd.DataFrame, labels: list[str]) -> Iterator[Unlike]:
    """Columns that have labels in common, and the same one in no row."""
    if len(labels) < 2:
        return
    counts = {name: frame[name].value_counts().to_dict() for name in labels}
    few = frame[labels].iloc[:FIRST]
    codes = pd.factorize(few.to_numpy(object).ravel())[0].reshape(few.shape)  # -1 for gaps
    for i, first in enumerate(labels):
        alike = ((codes[:, [i]] == codes) & (codes[:, [i]] >= 0)).any(axis=0)
        for k in np.flatnonzero(~alike[i + 1 :]) + i + 1:
            own, other = counts[first], counts[labels[k]]
            both = {label: own[label] + other[label] for label in own if label in other}
            if len(both) < 2:
                continue
            whole = sum(both.values())
            rule = Unlike(first, labels[k], tuple((str(label), n / whole) for label, n in both.items()))
            if not broken(rule, frame).any():
                yield rule


def _gaps(frame: pd.DataFrame, labels: list[str], numbers: list[str]) -> Iterator[Gaps]:
    """For each column of numbers with gaps the first column of labels that says where they are."""
    coded = {name: pd.factorize(frame[name])[0] for name in labels}
    coded = {name: codes for name, codes in coded.items() if codes.max() < MOST_LABELS}
    for of in numbers:
        gap = frame[of].isna().to_numpy().astype(int)
        for on, codes in coded.items() if gap.any() else ():
            says = determined(codes, gap)
            if says is not None and not says.gaps:
                missing = [plain(frame[on].iloc[i]) for i in says.rows if gap[i]]
                yield Gaps(on, of, tuple(sorted(missing, key=lambda label: (label is None, label))))  # type: ignore
                break
