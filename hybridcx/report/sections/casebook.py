"""The section "Case by case": the cells of McNemar's table, and each shown case with its image, its maps and every model's probability.

Everything comes from tables (casebook, case_cells, neighbours, saliency, pointing, lesions) and from the picture files beside them; the page
can be filtered without JavaScript, by radio buttons and the style sheet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers as tables
from hybridcx.report import shown_rows as select
from hybridcx.report.blocks import Block, Numbers, Section, data_uri
from hybridcx.report.casebook_view import CasebookPage, CasebookView, CaseView, MapView
from hybridcx.report.numbers import Cell, Notes, Table, table

MAX_IDS = 60
MAX_FILTERS = 15
CELLS = ("both_right", "only_model", "only_comparator", "both_wrong")
METHODS = {"grad_cam": "Grad-CAM", "occlusion": "Occlusion"}
MAPS = (
    "Maps show where a network's output is sensitive, not why it is what it is, and not whether it is right. Grad-CAM (Selvaraju et al. 2017) "
    "is as coarse as the last convolutional map: 7 by 7 cells at 224 pixels in ResNet-101 and DenseNet-201, 14 by 14 in the VGGs, fewer in "
    "smaller images. Occlusion (Zeiler and Fergus 2014) covers one of 7 by 7 tiles after the other with grey and knows nothing of the network. "
    "Orange speaks for the positive class, blue (occlusion alone) against it, the strength relative to the map's own largest value: a faint "
    "effect looks like a strong one. Maps of a network that has learnt little mean little (Adebayo et al. 2018). Heads on features have no maps."
)
POINTING = (
    "A map points at the centre of its largest cell (pointing game, Zhang et al. 2016). Chance: mean share of the image that the boxes cover, "
    "and of the map's cells whose centre lies in one; middle: what always pointing at the middle of the image would hit."
)


def section(found: Mapping[str, pd.DataFrame], view: CasebookView | None, numbers: Numbers) -> Section:
    """The section; without noteworthy cases it has no blocks, and is left out."""
    made = Section("casebook", "Case by case")
    book, cells = _table(found, "casebook"), _table(found, "case_cells")
    if book.empty or book["number"].isna().all():
        return made
    counts = cells_table(cells, "The four cells of McNemar's table, pair by pair: cases.")
    made.table(counts, numbers.table() if counts else "")
    pointing = pointing_table(_table(found, "pointing"), "Do the networks look where the disease is?")
    made.table(pointing, numbers.table() if pointing else "")
    page = casebook_page(found, view)
    total = book.loc[_noteworthy(book, cells), "case_id"].nunique()
    seed = next((str(s) for s in book["seed"] if pd.notna(s)), "")
    said = (
        f"{len(page.cases)} of {total} noteworthy cases are shown: those on which the models of a listed pair differ, those that every model "
        "gets wrong, and those with a score within 0.05 of a compared model's threshold."
    )
    left = total - len(page.cases)
    said += f" {tables.count(left)} more {'is' if left == 1 else 'are'} in casebook.csv." if left else ""
    said += f" Calls are those of seed {seed}." if seed else ""
    made.text(said, MAPS if len(_table(found, "saliency")) and view and view.folder else "")
    made.blocks.append(Block("casebook", casebook=page))
    return made


def _table(found: Mapping[str, pd.DataFrame], name: str) -> pd.DataFrame:
    return found.get(name, pd.DataFrame())


def _noteworthy(book: pd.DataFrame, cells: pd.DataFrame) -> pd.Series:
    compared = set(cells["model"]) | set(cells["comparator"]) if len(cells) else set(book["model"])
    near = book["near.threshold"].eq(True) & book["model"].isin(compared)
    return (
        book["only.right.against"].notna() | book["only.wrong.against"].notna() | book["all.wrong"].astype(bool) | near
    )


def cells_table(cells: pd.DataFrame, caption: str) -> Table | None:
    """One row per pair: how many cases fall into each cell."""
    if cells.empty:
        return None
    rows = []
    for (model, comparator), part in cells.groupby(["model", "comparator"], sort=False):
        n = part["cell"].value_counts()
        rows.append([Cell(f"{model} against {comparator}"), *(Cell(tables.count(int(n.get(c, 0)))) for c in CELLS)])
    head = ["Pair", "Both right", "Only the first right", "Only the second right", "Both wrong"]
    return table("case-cells", caption, head, rows, source="case_cells.csv", cap=MAX_IDS)


def pointing_table(found: pd.DataFrame, caption: str) -> Table | None:
    """Hits of each network's maps, with Wilson's interval, beside what chance would hit."""
    if found.empty:
        return None
    kind = vocabulary.Metric("pointing", "hits", unit="percent", decimals=1)
    notes = Notes()
    rows = []
    everywhere = found[(found["method"] == "occlusion") | (found["subset"] == "test")]  # the rest is in the file
    for r in everywhere.to_dict("records"):
        said = str(r["warning"]) if r["status"] != "ok" and isinstance(r["warning"], str) else ""
        constant = select.number(r["n.without.maximum"])
        left = "cases whose map is constant are left out (n.without.maximum in the file)" if constant else ""
        hits = tables.interval(kind, *(select.number(r[c]) for c in ("estimate", "conf.low", "conf.high")))
        rows.append(
            [
                Cell(str(r["network"])),
                Cell(METHODS[str(r["method"])], number=False),
                Cell("any sign" if r["lesion"] == "any" else "signs at a disc", number=False),
                Cell("all test cases" if r["subset"] == "test" else "occluded cases", number=False),
                Cell(hits, f"{tables.count(r['hits'])}/{tables.count(r['n'])}", notes.mark(said, left)),
                *(Cell(tables.percent(select.number(r[c]))) for c in ("chance", "chance.cells", "centre")),
            ]
        )  # fmt: skip
    level = next((tables.level(x) for x in found["conf.level"] if isfinite(select.number(x))), "")
    head = [
        "Network",
        "Map",
        "Lesion",
        "Cases",
        f"Hits, % ({level} CI)",
        "Chance, area, %",
        "Chance, cells, %",
        "Middle, %",
    ]
    return table("pointing", caption, head, rows, notes=notes, remark=POINTING, source="pointing.csv", cap=MAX_IDS)


def casebook_page(found: Mapping[str, pd.DataFrame], view: CasebookView | None) -> CasebookPage:
    """The filters, the lists of each pair's cases, and the shown cases."""
    book, cells = found["casebook"], _table(found, "case_cells")
    pairs = list(dict.fromkeys(zip(cells["model"], cells["comparator"], strict=True))) if len(cells) else []
    number_of = {str(c): int(k) for c, k in zip(book["case_id"], book["number"], strict=True) if pd.notna(k)}
    cell_of = (
        {(a, b): part.set_index("case_id")["cell"] for (a, b), part in cells.groupby(["model", "comparator"])}
        if pairs
        else {}
    )
    compared = [m for m in dict.fromkeys(book["model"]) if not pairs or any(m in p for p in pairs)]
    kinds = ["discordant in a pair", "wrong by every model", "near a threshold"]
    named = pairs[: MAX_FILTERS - len(kinds)]
    passes: dict[str, list[int]] = {}
    parts: dict[str, list[dict[Any, Any]]] = {}
    for r in book[book["number"].notna()].to_dict("records"):
        parts.setdefault(str(r["case_id"]), []).append(r)
    for case, part in parts.items():
        is_in = [p for p in pairs if cell_of[p].get(case) in CELLS[1:3]]
        near = any(_is_near(r) and r["model"] in compared for r in part)
        passes[case] = [k for k, on in enumerate([bool(is_in), bool(part[0]["all.wrong"]), near], 1) if on]
        passes[case] += [len(kinds) + 1 + j for j, p in enumerate(named) if p in is_in]
    labels = [*kinds, *(f"{a} against {b}" for a, b in named)]
    filters = [
        ("all shown", len(parts)),
        *((label, sum(k in v for v in passes.values())) for k, label in enumerate(labels, 1)),
    ]
    by_case = {
        name: {str(c): p for c, p in _table(found, name).groupby("case_id", sort=False)}
        if len(_table(found, name))
        else {}
        for name in ("neighbours", "saliency", "lesions")
    }
    cases = [
        _case(case, part, passes[case], compared, {n: t.get(case, pd.DataFrame()) for n, t in by_case.items()}, view)
        for case, part in sorted(parts.items(), key=lambda item: number_of[item[0]])
    ]
    lists = [(f"{a} against {b}", _lists(a, b, cell_of[a, b], number_of)) for a, b in pairs]
    return CasebookPage(tuple(filters), tuple(cases), tuple(lists))


def _lists(
    model: str, comparator: str, cell_of: pd.Series, number_of: Mapping[str, int]
) -> tuple[tuple[str, tuple[tuple[str, int], ...], str], ...]:
    """Of each cell its title, its case ids (with the number of those that are shown, else 0), and what is left out."""
    titles = {
        "only_model": f"only {model} right", "only_comparator": f"only {comparator} right", "both_wrong": "both wrong",
        "both_right": "both right",
    }  # fmt: skip
    out = []
    for cell, title in titles.items():
        ids = [str(c) for c in cell_of.index[cell_of == cell]]
        rest = len(ids) - MAX_IDS
        more = f" and {tables.count(rest)} more in case_cells.csv" if rest > 0 else ""
        out.append(
            (f"{title} ({tables.count(len(ids))})", tuple((c, number_of.get(c, 0)) for c in ids[:MAX_IDS]), more)
        )
    return tuple(out)


def _case(
    case: str,
    part: Sequence[Mapping[Any, Any]],
    passes: Sequence[int],
    compared: Sequence[str],
    beside: Mapping[str, pd.DataFrame],
    view: CasebookView | None,
) -> CaseView:
    first = part[0]
    number, truth = int(first["number"]), str(first["y_true"])
    wrong, total = int(first["n.models.wrong"]), len(part)
    why = (
        "called wrongly by every model"
        if first["all.wrong"]
        else f"called wrongly by {wrong} of {total} model{'s' if total > 1 else ''}"
    )
    n_pairs = sum(len(str(r["only.right.against"]).split("; ")) for r in part if pd.notna(r["only.right.against"]))
    why += f"; discordant in {n_pairs} listed pair{'s' if n_pairs > 1 else ''}" if n_pairs else ""
    head = ["Model", f"P({view.positive})" if view else "Score", "Call", "Result"]
    rows = [
        [
            Cell(str(r["model"])),
            Cell(_score(r["score"])),
            Cell(str(r["y_pred"]), number=False),
            Cell(_mark(r), number=False),
        ]
        for r in part
        if r["model"] in compared
    ]
    others = ", ".join(
        f"{r['model']} {_score(r['score'])} {'✓' if r['correct'] else '✗'}" for r in part if r["model"] not in compared
    )
    facts = [("Readers", str(first["readings"]))] if isinstance(first["readings"], str) else []
    facts += _lesion_facts(beside["lesions"])
    facts += _neighbour_facts(beside["neighbours"])
    facts += _agreement_facts(beside["saliency"])
    folder = view.folder if view else None
    image = data_uri(folder / f"{number:03d}.jpg") if folder else ""
    scale = 100.0 / view.size_px if view else 1.0
    boxes = []
    for r in beside["lesions"].to_dict("records"):
        left, top, right, bottom = (scale * select.number(r[c]) for c in ("left", "top", "right", "bottom"))
        boxes.append((round(left, 1), round(top, 1), round(right - left, 1), round(bottom - top, 1)))
    return CaseView(
        number,
        case,
        truth,
        " ".join(f"k{k}" for k in passes),
        why,
        tuple(facts),
        image,
        tuple(boxes) if image else (),
        _maps(number, case, beside["saliency"], folder) if image else (),
        table(f"case-{number}-scores", f"Calls of the compared models, case {case}.", head, rows),
        others,
    )


def _score(x: object) -> str:
    return tables.fixed(select.number(x), 3)


def _is_near(r: Mapping[Any, Any]) -> bool:
    return bool(pd.notna(r["near.threshold"]) and r["near.threshold"])


def _mark(r: Mapping[Any, Any]) -> str:
    near = ", near" if _is_near(r) else ""
    return ("✓ right" if r["correct"] else "✗ wrong") + near


def _lesion_facts(found: pd.DataFrame) -> list[tuple[str, str]]:
    told = []
    for r in found.to_dict("records"):
        where = f" {r['level']}" if isinstance(r["level"], str) else ""
        how = select.number(r["severity"])
        told.append(str(r["kind"]).replace("_", " ") + where + (f" ({tables.fixed(how, 2)})" if isfinite(how) else ""))
    return [("True signs (severity)", ", ".join(told))] if told else []


def _neighbour_facts(found: pd.DataFrame) -> list[tuple[str, str]]:
    told = []
    for network, part in found.groupby("network", sort=False) if len(found) else ():
        near = ", ".join(
            f"{r['neighbour']} {r['neighbour.label']} {_distance(r['distance'])}" for r in part.to_dict("records")
        )
        told.append((f"Nearest training cases, {network}", near))
    return told


def _distance(x: object) -> str:
    """Three decimals, six for what is smaller; below that it is arithmetic."""
    d = select.number(x)
    return tables.NA if not isfinite(d) else "<0.000001" if d < 1e-6 else tables.fixed(d, 3 if d >= 0.001 else 6)


def _agreement_facts(found: pd.DataFrame) -> list[tuple[str, str]]:
    """How far the two maps of each network agree, and what each hits where the disease is known."""
    told = []
    for network, part in found.groupby("network", sort=False) if len(found) else ():
        both = part[part["method"] == "occlusion"]
        words = []
        if len(both):
            words.append(f"rank correlation {tables.fixed(select.number(both['rank.correlation'].iloc[0]), 2)}")
        for r in part.to_dict("records"):
            if pd.notna(r["hit"]):
                words.append(f"{METHODS[str(r['method'])]} {'hits' if r['hit'] else 'misses'} a sign")
            elif r["status"] != "ok":
                words.append(f"{METHODS[str(r['method'])]} constant")
        if words:
            told.append((f"Maps of {network}", ", ".join(words)))
    return told


def _maps(number: int, case: str, found: pd.DataFrame, folder: Path | None) -> tuple[MapView, ...]:
    out = []
    for r in found.to_dict("records") if folder else ():
        path = Path(folder or "") / f"{number:03d}-{r['network']}-{r['method']}.png"
        if not path.is_file():
            continue
        title = METHODS[str(r["method"])]
        top = (
            "constant"
            if r["status"] != "ok"
            else f"largest {tables.fixed(r['x'], 0)} px from the left, {tables.fixed(r['y'], 0)} px from the top"
        )
        out.append(
            MapView(
                f"{r['network']}, {title}",
                data_uri(path),
                f"{title} of {r['network']} over case {case}: {top}",
                r["method"] == "occlusion",
            )
        )
    return tuple(out)
