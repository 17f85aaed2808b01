"""Knows the words of tables of items: the heads of their columns, and their rows of sums."""

import re
from functools import lru_cache

from worker.reading.fields.words import fold_word

#: Characters of a line that are examined.
_LINE = 1_000
_BETWEEN_WORDS = re.compile(r"[\s:.()/-]+")
_HEAD_NAMES = """
    item items product products article articles sku qty quantity description unit units menge anzahl artikel
    bezeichnung beschreibung stueck stuck einzelpreis position pos quantite designation produit article cantidad
    producto descripcion articulo quantita prodotto descrizione articolo aantal omschrijving ilosc nazwa produkt towar
    mnozstvi polozka popis quantidade produto descricao antal vare varenummer beskrivning benamning artikelnummer maara
    tuote kuvaus adet miktar urun aciklama ποσοτητα προιον περιγραφη 数量 商品名 品名 単価 商品
"""
_HEADS = frozenset((name,) for name in _HEAD_NAMES.split())
#: First words of rows that sum up the others.
_TOTAL_NAMES = """
    subtotal total totals sum grand tax vat shipping freight discount postage handling balance
    zwischensumme gesamt gesamtsumme gesamtbetrag summe mwst ust versand versandkosten rabatt
    sous tva livraison remise iva envio descuento totale subtotale imponibile spedizione sconto
    subtotaal totaal btw verzendkosten korting razem suma rabat wysylka celkem mezisoucet dph doprava sleva
    συνολο υποσυνολο φπα frete desconto summa delsumma moms frakt levering mva
    yhteensa valisumma alv toimitus toplam kdv kargo indirim 合計 小計 消費税 送料 総計
"""
_TOTALS = frozenset(_TOTAL_NAMES.split())
#: "Sub total", "i alt", "ara toplam".
_TOTAL_PAIRS = frozenset({("sub", "total"), ("i", "alt"), ("ara", "toplam"), ("net", "amount"), ("amount", "due")})


def is_head(line: str, between: re.Pattern[str]) -> bool:
    """Say whether a line of cells is the head of a table of items; *between* separates the cells."""
    return _has_head(line[:_LINE], between)


# Each label in a line asks this for the whole line.
@lru_cache(maxsize=256)
def _has_head(line: str, between: re.Pattern[str]) -> bool:
    return any(_first_words(cell)[:1] in _HEADS for cell in between.split(line))


def is_total(cells: list[str]) -> bool:
    """Say whether a row sums up the others: the first text in it says so, and it is not as full as they are."""
    named = [cell for cell in cells if any(map(str.isalpha, cell))]
    words = _first_words(named[0]) if named else ()
    if not words or (words[0] not in _TOTALS and words[:2] not in _TOTAL_PAIRS):
        return False
    # "Total station theodolite, 2, 5.00" is an item: its other cells are as full as those of the other rows.
    return sum(1 for cell in cells if cell) <= max(2, len(cells) - 1)


def _first_words(cell: str) -> tuple[str, ...]:
    return tuple(token for word in _BETWEEN_WORDS.split(cell.strip()[:60])[:3] for token in fold_word(word))
