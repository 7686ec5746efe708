"""Drawn rows made to keep the rules of the training rows, exactly, by as little as that takes.

    a + b = c          c is computed anew
    a = b              b is a
    a determines b     b is what a says; where b is fixed, a is a label that says so; sums and orders leave b alone
    a is never b       b is another label, as often as each comes
    a with b never is  one of the two is another label, a gap, or what many rows have, such as 0, as often as each comes
    a says b >= 18     b is turned at its end, or a has what goes with b, as often as each comes
    one of a, b, ..    several marks leave one, and none makes one, by their shares
    a says b's gaps    b is missing where a says so; elsewhere it has the number that was drawn with its gap, or what
                       others make; what tells a moves in its place
    dates make b       time passed, a weekday, ..: the date or b gives way, whichever loses less (`data.derived`)
    b is later than a  b is as much later as always, or the last day of the month of a (`data.later`)
    c from a to b      one of a and b goes where the other and c, which no user sees, say (`data.spans`)
    a x b = c          c is computed anew, as what is a multiple of another; where it is fixed, the finer of a and b
    a is lines of b    a is what the line at b says; where it is fixed, b goes to the nearest number that says so
    a is the largest   a is computed anew; where it is fixed, what is above goes there, and else what is nearest
    c says a > b       c is what a and b say; where it is fixed, the two values change places
    c names the most   c is what a, b, .. say; where it is fixed, the part that it names and the largest change places
    a says b = c or d  b is what a says; where it is fixed, a says so, or c or d has it
    a has the band b   b is what a says; where b is fixed, a moves into it
    b is a day after a as far on the other side of the least or the most as it was beyond (`data.spacing`)
    a <= b             where a row has it the wrong way round, the two values change places

Values that change places stay within the training ranges: of an order that was found, the least b is no less than the
least a, and the largest a no more than the largest b (`data.constraint_search`). Where one column has the finer grid,
it takes the value of the other instead, since the other way round a whole number would get decimals. Where what
arithmetic makes would lie outside the training rows', a part of it moves instead, if it has room, and all parts of a
sum go as far as they can (`data.reach`). A rule that no free column could keep without leaving its grid is not kept; a
report says of every rule in how many rows it holds.

Columns can be fixed: they stay, and so does what they determine; the others follow.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import comparable, constraints, instead, ordering, reach, spacing
from tabstep.data.apart import Apart
from tabstep.data.arithmetic import Total
from tabstep.data.barred import Barred
from tabstep.data.bent import Bent
from tabstep.data.chosen import Chosen
from tabstep.data.columns import Column, Number
from tabstep.data.comparable import plain
from tabstep.data.compared import Compared
from tabstep.data.constraints import UNSEEN, Codes, Constraint, Gaps, Order, Same, Sum, Unlike, broken, told
from tabstep.data.counted import fits, on_grid
from tabstep.data.derived import Bands, Begins, Calendar, Derived, Elapsed, Movable
from tabstep.data.extreme import Extreme
from tabstep.data.foremost import Foremost
from tabstep.data.later import Later
from tabstep.data.one_of import OneOf
from tabstep.data.shift import Shift
from tabstep.data.spaced import Spaced
from tabstep.data.summed import Summed
from tabstep.data.within import Within

TIRED = 3  # turns in which parts move instead of sums, labels instead of numbers, and the second of two that are never
# the same
PATIENCE = 1  # turns in which a date goes where a count or a weekday says; from then on these follow the date
SETTLED = max(TIRED, PATIENCE + 3) + 1  # from this turn on what happens to a row is told by the row alone


def kept(
    columns: Sequence[Column], rules: Sequence[Constraint], table: pd.DataFrame, fixed: Collection[str] = ()
) -> pd.DataFrame:
    """A canonical table whose rows keep the rules; values that were right, and columns in `fixed`, are untouched."""
    if not rules:
        return table
    before = comparable.frame(columns, table)
    after = keep(rules, before, fixed)
    known = {c.name: c for c in columns}
    changed: dict[str, Any] = {}
    for name in {name for rule in rules for name in rule.columns}:
        moved = ~np.asarray((after[name] == before[name]) | (after[name].isna() & before[name].isna()))
        if moved.any():
            column = known[name]
            new = comparable.canonical(column, after[name]) if isinstance(column, Number) else after[name]
            changed[name] = _put(table[name], new, moved)
    return table.assign(**changed)


def _put(old: Any, new: Any, moved: np.ndarray) -> Any:
    """A canonical column with new values where it moved; whole ones stay whole numbers where none is missing."""
    if old.dtype == object:
        return old.where(~moved, pd.Series(new, index=old.index))
    values = np.where(moved, np.asarray(new, np.float64), old.to_numpy(np.float64))
    if old.dtype.kind == "i" and not np.isnan(values).any():
        whole = old.to_numpy(copy=True)  # what did not move may be beyond what floats tell apart
        whole[moved] = np.round(values[moved]).astype(whole.dtype)
        return pd.Series(whole, index=old.index)
    return pd.Series(values, index=old.index)


def keep(rules: Sequence[Constraint], frame: pd.DataFrame, fixed: Collection[str] = ()) -> pd.DataFrame:
    """The same of a frame in common units (`data.comparable`).

    Rules that share columns are gone through again until all hold, until each row is what it was before, since rules
    that contradict one another change it for ever, or as often as there are rules.
    """
    frame = _spanned([rule for rule in rules if isinstance(rule, Apart)], frame, fixed)
    frame, fixed = _determined(rules, frame, fixed)
    frame = reach.made_within(rules, frame, fixed)
    apart, around = spacing.groups(rules), ordering.around(rules)
    sequence = _sequence(rules)
    touched = list(dict.fromkeys(name for rule in rules for name in rule.columns))
    says = {
        rule.on for rule in rules if isinstance(rule, Gaps)
    }  # where numbers have gaps, which are there already
    coded = {rule.of for rule in rules if isinstance(rule, Codes | Later)}
    firm = {*fixed, *coded}  # a hall has its seats, however many are sold, an invoice its days
    led = coded | says | {rule.of for rule in rules if isinstance(rule, Derived | Gaps)}
    led |= {rule.total for rule in rules if isinstance(rule, Sum)}
    bound = {*firm, *constraints.made(rules)}  # and what makes a fixed total follows that
    bound |= {name for rule in rules if constraints.made([rule]) & set(fixed) for name in rule.columns}
    seen: list[np.ndarray] = []
    for turn in range(len(rules) + PATIENCE + 3):
        before = frame
        for ends, between in around:
            wrong = broken(ends, frame) & frame[list(between)].notna().all(axis=1).to_numpy()
            if wrong.any():
                frame = ordering.ordered(ends, frame, wrong, fixed)
        for group in apart:
            names = {name for rule in group for name in rule.columns}
            frame = spacing.kept(group, frame, fixed if names <= firm else firm)
        for rule in sequence:
            wrong = broken(rule, frame)
            if wrong.any():
                tells = isinstance(rule, Codes | Bands | Calendar) and rule.columns[0] not in fixed
                held = says & {rule.columns[-1]} if tells else set()
                tired = (
                    isinstance(rule, Derived)
                    and rule.of not in fixed
                    and turn > PATIENCE + _turn(rule) + len(held)
                )
                if isinstance(rule, Gaps) and rule.of not in fixed:
                    frame = _reckoned(rule, rules, frame)
                if isinstance(rule, Order | Sum | Total | Unlike) and not {*rule.columns} <= firm:
                    held = coded
                if isinstance(rule, Unlike) and turn > TIRED and rule.first not in fixed:
                    held = {*held, rule.second}  # which another rule put back each time
                if isinstance(rule, Chosen):
                    held = led - {rule.of}
                if isinstance(rule, Sum | Total) and turn <= TIRED:
                    frame = reach.within(rule, frame, wrong, bound)
                    wrong = broken(rule, frame)
                if isinstance(rule, Barred | Within):
                    frame = _parted(rule, rules, frame, wrong, led, fixed, turn > TIRED)
                    continue
                if isinstance(rule, Order) and turn > TIRED:
                    frame = _ordered_beside(rule, rules, frame, wrong, {*fixed, *held})
                    continue
                frame = _mended(
                    rule, frame, wrong, {*fixed, *rule.columns[:-1]} if tired else {*fixed, *held}
                )
        if frame is before:
            break
        if turn >= SETTLED:
            rows = pd.util.hash_pandas_object(frame[touched], index=False).to_numpy()
            if np.any([rows == earlier for earlier in seen], axis=0).all():
                break
            seen.append(rows)
    return frame


def _sequence(rules: Sequence[Constraint]) -> list[Constraint]:
    """The rules in the order in which they are kept; what dates make follows each of them that moves."""
    made = sorted(_parts_first([rule for rule in rules if isinstance(rule, Derived)]), key=_turn)
    concerned = {name for rule in made for name in rule.columns}
    found: list[Constraint] = [
        rule
        for kind in (Unlike, Codes, Within, Barred, OneOf, Gaps, Same)
        for rule in rules
        if isinstance(rule, kind)
    ]
    found += made
    for rule in (rule for kind in (Order, Sum) for rule in rules if isinstance(rule, kind)):
        found += [rule, *(made if concerned & set(rule.columns) else ())]
    return found


def _parts_first(rules: Sequence[Derived]) -> list[Derived]:
    """The rules in their order, but what makes a column before what is made of it: no total is of parts of before."""
    left, found = [*rules], []
    while left:
        open_ = {rule.of for rule in left}
        rule = next((rule for rule in left if not open_ & {*rule.columns} - {rule.of}), left[0])
        left.remove(rule)
        found.append(rule)
    return found


def _reckoned(rule: Gaps, rules: Sequence[Constraint], frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with numbers where the label says so and none was drawn, if another rule makes them."""
    for other in rules:
        lacks = broken(rule, frame) & ~rule.missing(frame[rule.on])
        if isinstance(other, Derived) and other.of == rule.of and lacks.any():
            frame = instead.put(frame, rule.of, other.made(frame), lacks)
    return frame


def _ordered_beside(
    rule: Order, rules: Sequence[Constraint], frame: pd.DataFrame, wrong: np.ndarray, fixed: Collection[str]
) -> pd.DataFrame:
    """The frame in order where that can be, without a move of what another rule makes in the row: it would go back."""
    told = {name: np.zeros(len(frame), bool) for name in rule.columns}
    for each in (each for each in rules if isinstance(each, Derived) and each.of in told):
        told[each.of] |= each.made(frame).notna().to_numpy()
    for name, other in (rule.columns, rule.columns[::-1]):
        there = wrong & told[name] & ~told[other]
        if there.any():
            frame = ordering.ordered(rule, frame, there, {*fixed, name})
    there = wrong & (told[rule.low] == told[rule.high])
    return ordering.ordered(rule, frame, there, fixed) if there.any() else frame


def _turn(rule: Derived) -> int:
    """A date goes to its weekday before spans are counted from it, and what is only told of both comes last."""
    if isinstance(rule, Calendar | Begins) and rule.gives[0] == rule.by:
        return 0
    return 1 if isinstance(rule, Elapsed | Shift | Apart) else 2


def _spanned(rules: Sequence[Apart], frame: pd.DataFrame, fixed: Collection[str]) -> pd.DataFrame:
    """The frame with columns as far from fixed ones as was drawn, before other rules move them."""
    known, left = {*fixed, *(rule.of for rule in rules)}, list(rules)
    while left:
        rule = next((rule for rule in left if _last(rule, known)), left[0])
        left.remove(rule)
        frame = _mended(rule, frame, broken(rule, frame), known)
        known.update(rule.columns)
    return frame


def _determined(
    rules: Sequence[Constraint], frame: pd.DataFrame, fixed: Collection[str]
) -> tuple[pd.DataFrame, Collection[str]]:
    """The frame with what fixed columns determine, which is then as fixed as they are; but gaps are what labels say.

    A label that says which column a fixed one repeats stays too: what tells it follows.
    """
    open_ = {rule.of for rule in rules if isinstance(rule, Gaps)} - set(fixed)
    fixed = set(fixed)
    left = list(rules)
    while rule := next((rule for rule in left if _last(rule, fixed)), None) or next(
        (rule for rule in left if _is_to_be_made(rule, fixed)), None
    ):
        frame = _mended(rule, frame, broken(rule, frame), fixed)
        left.remove(rule)
        if (
            isinstance(rule, Codes)
            and rule.gaps
            and frame[list(fixed & {*rule.columns})].isna().any(axis=None)
        ):
            continue  # beside a gap it is open
        fixed.update((rule.on,) if isinstance(rule, Chosen) and rule.of in fixed else rule.columns)
    return frame, fixed - open_


def _is_to_be_made(rule: Constraint, fixed: Collection[str]) -> bool:
    """Whether the one free column of a rule, or its label, makes a fixed one: it moves once, and others follow it."""
    if isinstance(rule, Chosen):
        return rule.of in fixed and rule.on not in fixed
    free = sum(name not in fixed for name in rule.columns)
    return isinstance(rule, Derived) and rule.of in fixed and free == 1


def _last(rule: Constraint, fixed: Collection[str]) -> bool:
    """Whether all columns of a rule are fixed but one, which follows from them."""
    free = [name for name in rule.columns if name not in fixed]
    if len(free) != 1:
        return False
    match rule:
        case Codes():
            return rule.one_to_one or free == [rule.of]
        case Order() | Spaced() | Gaps() | Unlike() | Barred() | OneOf() | Within():
            return False
        case Calendar() | Begins() | Bands() | Bent() | Extreme() | Compared() | Foremost() | Chosen():
            return free == [rule.of]
    return True


def _mended(rule: Constraint, frame: pd.DataFrame, wrong: np.ndarray, fixed: Collection[str]) -> pd.DataFrame:
    match rule:
        case Codes():
            return _decoded(rule, frame, wrong, fixed)
        case Same(first, second):
            if second not in fixed:
                return instead.put(frame, second, frame[first], wrong)
            return frame if first in fixed else instead.put(frame, first, frame[second], wrong)
        case Unlike():
            return _changed(rule, frame, wrong, fixed)
        case Barred() | OneOf() | Within() | Compared() | Foremost() | Chosen():
            return rule.mended(frame, wrong, fixed)
        case Spaced():
            return spacing.kept([rule], frame, fixed)
        case Sum():
            return _added(rule, frame, wrong, fixed)
        case Order():
            return ordering.ordered(rule, frame, wrong, fixed)
        case Gaps(on, of, _):
            surplus = wrong & rule.missing(frame[on])
            return frame if of in fixed or not surplus.any() else instead.put(frame, of, None, surplus)
        case _:
            return _derived(rule, frame, wrong, fixed)


def _decoded(rule: Codes, frame: pd.DataFrame, wrong: np.ndarray, fixed: Collection[str]) -> pd.DataFrame:
    name, found = rule.of, told(frame[rule.on], rule.pairs)
    if rule.of in fixed:
        if rule.on in fixed:
            return frame
        name, found = rule.on, _labels(rule, frame)
    known = np.array([value is not UNSEEN for value in found], dtype=bool)
    return instead.put(
        frame,
        name,
        [value if seen else None for value, seen in zip(found, known, strict=True)],
        wrong & known,
    )


def _changed(rule: Unlike, frame: pd.DataFrame, wrong: np.ndarray, fixed: Collection[str]) -> pd.DataFrame:
    """The free column of two has another label, by the shares of all: which, the row itself tells, as if at random."""
    free = [name for name in (rule.second, rule.first) if name not in fixed]
    rows = np.flatnonzero(wrong)
    if not free or not len(rows):
        return frame
    labels, shares = zip(*rule.shares, strict=True)
    other = np.array(labels, object) != frame[free[0]].to_numpy()[rows, None]
    found = frame[free[0]].copy()
    found.iloc[rows] = [labels[i] for i in instead.places(frame.iloc[rows], np.where(other, shares, 0.0))]
    return frame.assign(**{free[0]: found})


def _derived(rule: Movable, frame: pd.DataFrame, wrong: np.ndarray, fixed: Collection[str]) -> pd.DataFrame:
    """The first free column of a rule gives way; of what lies apart the next where that has no room.

    All parts of a total that is fixed share what it takes, and the first has what rounding leaves.
    """
    if isinstance(rule, Total | Summed | Extreme) and rule.of in fixed:
        shared = rule.shared(frame, [name for name in rule.parts if name not in fixed])
        frame = frame.assign(**{p: frame[p].where(~wrong, shared[p]) for p in rule.parts})
        wrong = broken(rule, frame)
    free = [name for name in rule.gives if name not in fixed]
    for name in free:
        if name == rule.of:
            return instead.put(frame, name, rule.made(frame), wrong)
        moved, there = rule.moved(name, frame), wrong
        gives_way = rule.of in free if isinstance(rule, Elapsed) else name != free[-1]
        # What lies apart, or the other end, where it has no room.
        if isinstance(rule, Elapsed | Apart) and gives_way:
            there = wrong & ~rule.beyond(name, moved)
        if isinstance(rule, Total) and name != free[-1]:  # no gap is filled where another part can move
            there = wrong & frame[name].notna().to_numpy()
        frame, wrong = instead.put(frame, name, moved, there), wrong & ~there
        if not isinstance(rule, Apart | Total) or not wrong.any():
            break
    return frame


def _parted(
    rule: Barred | Within,
    rules: Sequence[Constraint],
    frame: pd.DataFrame,
    wrong: np.ndarray,
    led: Collection[str],
    fixed: Collection[str],
    numbers: bool,
) -> pd.DataFrame:
    """The frame without values of two columns that never come together.

    What others tell stays. Where both are told or fixed, a label that determines one of them goes along. With `numbers`
    these move: labels that two rules pull at would change for ever.
    """
    if not {*rule.columns} <= {*fixed, *led}:
        return rule.mended(frame, wrong, {*fixed, *led}, numbers)
    frame = rule.mended(frame, wrong, fixed, numbers)
    for codes in (each for each in rules if isinstance(each, Codes) and each.of in rule.columns):
        frame = _decoded(codes, frame, wrong & broken(codes, frame), {*fixed, codes.of})
    return frame


def _labels(rule: Codes, frame: pd.DataFrame) -> list[Any]:
    """For each row a label that determines its value: of several the one in the place of its own among its own."""
    meaning: dict[Any, list[Any]] = {}
    for label, value in rule.pairs:
        meaning.setdefault(plain(value), []).append(label)
    place = {label: i for alike in meaning.values() for i, label in enumerate(alike)}
    rows = zip(frame[rule.on], frame[rule.of], strict=True)
    several = [(place.get(plain(label), 0), meaning.get(plain(value))) for label, value in rows]
    return [UNSEEN if labels is None else labels[i % len(labels)] for i, labels in several]


def _added(rule: Sum, frame: pd.DataFrame, wrong: np.ndarray, fixed: Collection[str]) -> pd.DataFrame:
    steps = dict(zip(rule.columns, rule.steps, strict=True))
    (a, b), c = rule.parts(frame), frame[rule.total]
    if rule.total in fixed and not {rule.first, rule.second} & set(fixed):
        there = wrong & frame[rule.first].notna().to_numpy()
        frame = instead.put(frame, rule.first, on_grid(_part(a, b, c), steps[rule.first]), there)
        a, wrong = rule.parts(frame)[0], broken(rule, frame)
    for name, values in (
        (rule.total, lambda: a + b),
        (rule.second, lambda: c - a),
        (rule.first, lambda: c - b),
    ):
        others = [steps[other] for other in rule.columns if other != name]
        if name not in fixed and all(fits(step, steps[name]) for step in others):
            return instead.put(frame, name, on_grid(values(), steps[name]), wrong)
    return frame


def _part(a: Any, b: Any, total: Any) -> Any:
    """What the first part has of a total that is fixed: as large a share as it has of both parts, so that none falls
    below zero; of times the other part stays as long as it is."""
    if total.dtype.kind in "mM":
        return total - b
    both = a + b
    shared = (a * b >= 0) & (both * total > 0)
    return a.where(~shared, total * (a / both))
