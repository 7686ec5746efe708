"""Dates with names of months and days in other languages than English: "12. März 2024", "lundi 12 mars 2024".

The form of such a date says whose names they are: `%{de}B` is a month of the German ones. In lower case it is
`%#{de}B`, in capitals `%^{de}B`, as with names in English. A date is read by putting the English names in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product

import pandas as pd

MARK = re.compile(r"%(?P<case>[\^#]?)\{(?P<whose>\w+)\}(?P<what>[aAbB])")
FIRST = 256  # texts that names are tried on before all are

_NAMES = {
    ("en", "B"): "January February March April May June July August September October November December",
    ("en", "b"): "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    ("en", "A"): "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    ("en", "a"): "Mon Tue Wed Thu Fri Sat Sun",
    ("de", "B"): "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    ("de", "b"): "Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez",
    ("de", "A"): "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
    ("de", "a"): "Mo Di Mi Do Fr Sa So",
    ("de2", "B"): "Jänner Februar März April Mai Juni Juli August September Oktober November Dezember",
    ("de2", "b"): "Jan Feb Mrz Apr Mai Jun Jul Aug Sep Okt Nov Dez",
    ("de3", "b"): "Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
    ("fr", "B"): "Janvier Février Mars Avril Mai Juin Juillet Août Septembre Octobre Novembre Décembre",
    ("fr", "b"): "Janv. Févr. Mars Avr. Mai Juin Juil. Août Sept. Oct. Nov. Déc.",
    ("fr", "A"): "Lundi Mardi Mercredi Jeudi Vendredi Samedi Dimanche",
    ("fr", "a"): "Lun. Mar. Mer. Jeu. Ven. Sam. Dim.",
    ("fr2", "b"): "Janv Févr Mars Avr Mai Juin Juil Août Sept Oct Nov Déc",
    ("fr2", "a"): "Lun Mar Mer Jeu Ven Sam Dim",
    ("es", "B"): "Enero Febrero Marzo Abril Mayo Junio Julio Agosto Septiembre Octubre Noviembre Diciembre",
    ("es", "b"): "Ene Feb Mar Abr May Jun Jul Ago Sep Oct Nov Dic",
    ("es", "A"): "Lunes Martes Miércoles Jueves Viernes Sábado Domingo",
    ("es", "a"): "Lun Mar Mié Jue Vie Sáb Dom",
    ("es2", "b"): "Ene Feb Mar Abr May Jun Jul Ago Sept Oct Nov Dic",
    (
        "it",
        "B",
    ): "Gennaio Febbraio Marzo Aprile Maggio Giugno Luglio Agosto Settembre Ottobre Novembre Dicembre",
    ("it", "b"): "Gen Feb Mar Apr Mag Giu Lug Ago Set Ott Nov Dic",
    ("it", "A"): "Lunedì Martedì Mercoledì Giovedì Venerdì Sabato Domenica",
    ("it", "a"): "Lun Mar Mer Gio Ven Sab Dom",
    ("pt", "B"): "Janeiro Fevereiro Março Abril Maio Junho Julho Agosto Setembro Outubro Novembro Dezembro",
    ("pt", "b"): "Jan Fev Mar Abr Mai Jun Jul Ago Set Out Nov Dez",
    ("pt", "A"): "Segunda-feira Terça-feira Quarta-feira Quinta-feira Sexta-feira Sábado Domingo",
    ("pt", "a"): "Seg Ter Qua Qui Sex Sáb Dom",
    ("nl", "B"): "Januari Februari Maart April Mei Juni Juli Augustus September Oktober November December",
    ("nl", "b"): "Jan Feb Mrt Apr Mei Jun Jul Aug Sep Okt Nov Dec",
    ("nl", "A"): "Maandag Dinsdag Woensdag Donderdag Vrijdag Zaterdag Zondag",
    ("nl", "a"): "Ma Di Wo Do Vr Za Zo",
    ("nl2", "b"): "Jan. Feb. Mrt. Apr. Mei Jun. Jul. Aug. Sep. Okt. Nov. Dec.",
    ("sv", "B"): "Januari Februari Mars April Maj Juni Juli Augusti September Oktober November December",
    ("sv", "b"): "Jan Feb Mar Apr Maj Jun Jul Aug Sep Okt Nov Dec",
    ("da", "B"): "Januar Februar Marts April Maj Juni Juli August September Oktober November December",
    ("nb", "B"): "Januar Februar Mars April Mai Juni Juli August September Oktober November Desember",
    ("nb", "b"): "Jan Feb Mar Apr Mai Jun Jul Aug Sep Okt Nov Des",
    (
        "pl",
        "B",
    ): "Stycznia Lutego Marca Kwietnia Maja Czerwca Lipca Sierpnia Września Października Listopada Grudnia",
    ("pl", "b"): "Sty Lut Mar Kwi Maj Cze Lip Sie Wrz Paź Lis Gru",
    ("ru", "B"): "Января Февраля Марта Апреля Мая Июня Июля Августа Сентября Октября Ноября Декабря",
    ("ru", "b"): "Янв Фев Мар Апр Мая Июн Июл Авг Сен Окт Ноя Дек",
}
NAMES = {key: names.split() for key, names in _NAMES.items()}
"""By whose they are and what a form of strftime calls them: the names of months or days."""


def ways(texts: Sequence[str]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Dates with English names, for each language that they may be of, and its marks of days, `a`, and months, `b`."""
    lists = {what: [key for key in NAMES if key[0] != "en" and key[1] in what] for what in ("aA", "bB")}
    fits = {what: [key for key in keys if _english(texts[0], [key])] for what, keys in lists.items()}
    for day, month in product((None, *fits["aA"]), (*fits["bB"], None)):
        keys = [key for key in (day, month) if key is not None]
        if not keys or not all(_english(text, keys) for text in texts[:FIRST]):
            continue
        english = [_english(text, keys) for text in texts]
        found = [text for text in english if text is not None]
        if len(found) == len(texts):
            yield found, {what.lower(): f"{{{whose}}}{what}" for whose, what in keys}


def _english(text: str, keys: Sequence[tuple[str, str]]) -> str | None:
    """A text with English names in place of those of some lists, days first; None where it has none of one."""
    for key in keys:
        pattern, names = _pattern(*key)
        found = pattern.search(text)
        if found is None:
            return None
        text = f"{text[: found.start()]}{names[found[0].casefold()]}{text[found.end() :]}"
    return text


@cache
def _pattern(whose: str, what: str) -> tuple[re.Pattern[str], dict[str, str]]:
    """What finds a name of a list, of a day at the begin alone, and the English ones."""
    names = NAMES[whose, what]
    either = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    begin = r"\A" if what in "aA" else r"(?<![^\W\d_])"
    english = {name.casefold(): other for name, other in zip(names, NAMES["en", what], strict=True)}
    return re.compile(rf"{begin}(?:{either})(?![^\W\d_])", re.IGNORECASE), english


def read(texts: pd.Series, form: str) -> tuple[pd.Series, str]:
    """Texts (None for gaps) and their form with English names; a text without its name is none."""
    keys = [(mark["whose"], mark["what"]) for mark in MARK.finditer(form)]
    if not keys:
        return texts, form
    keys.sort(key=lambda key: key[1] not in "aA")  # a day is found at the begin, and may read as a month
    english = [_english(text, keys) if isinstance(text, str) else None for text in texts]
    found = pd.Series(english, index=texts.index, dtype=object)
    return found, MARK.sub(lambda mark: f"%{mark['what']}", form)


def write(form: str, moment: pd.Timestamp) -> str:
    """A form with the names of a moment in place of their marks."""
    return MARK.sub(lambda mark: _name(mark, moment), form)


def _name(mark: re.Match[str], moment: pd.Timestamp) -> str:
    names = NAMES[mark["whose"], mark["what"]]
    name = names[moment.month - 1 if mark["what"] in "bB" else moment.weekday()]
    return name.upper() if mark["case"] == "^" else name.lower() if mark["case"] == "#" else name
