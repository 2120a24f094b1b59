"""Case by case: the cells of McNemar's table, and each shown case with its image, its saliency maps and the models' scores.

All of it comes from tables (casebook, case_cells, neighbours, saliency, pointing, lesions) and image files. Radio buttons and the style sheet
filter the cases, so that the page needs no JavaScript.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.blocks import Block, Section, data_uri
from hybridcx.report.casebook_view import CasebookPage, CasebookView, CaseView, MapView
from hybridcx.report.content import Content
from hybridcx.report.shown_rows import caution, limits, number
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

MAX_IDS = 60
MAX_FILTERS = 15
CELLS = ("both_right", "only_model", "only_comparator", "both_wrong")
KINDS = ("discordant in a pair", "wrong by every model", "near a threshold")
"""The filters that do not belong to a pair."""
METHODS = {"grad_cam": "Grad-CAM", "occlusion": "Occlusion"}
MAPS = (
    "Maps show where a network's output is sensitive to the image, not why the output is what it is, and not whether it is right. Grad-CAM "
    "(Selvaraju et al. 2017) is as coarse as the last convolutional map: 7 by 7 cells at 224 pixels in ResNet-101 and DenseNet-201, 14 by 14 in the "
    "VGGs, fewer in smaller images. Occlusion (Zeiler and Fergus 2014) covers 7 by 7 tiles with grey, one at a time, and treats the network as a "
    "black box. Orange: evidence for the positive class; blue (occlusion only): evidence against it. The strength is relative to the largest value "
    "of the same map: a faint effect looks like a strong one. Maps of a network that has learnt little mean little (Adebayo et al. 2018). Heads on "
    "features have no maps."
)
POINTING = (
    "A map points at the centre of its largest cell (pointing game, Zhang et al. 2016). Chance: mean share of the image that the boxes cover, "
    "and of the map's cells whose centre lies in a box. Middle: hits of a map that always points at the middle of the image."
)


def section(content: Content) -> Section:
    """The tables of cells and of the pointing game, and the cases; empty without noteworthy cases, and for predictions without images."""
    section = Section()
    book, cells = content.table("casebook"), content.table("case_cells")
    if content.casebook is None or book.empty or book["number"].isna().all():
        return section
    section.table(cells_table(cells), detail=True)
    section.table(pointing_table(content.table("pointing")), detail=True)
    page = casebook_page(content)
    total = book.loc[_noteworthy(book, cells), "case_id"].nunique()
    text = (
        f"{len(page.cases)} of {total} noteworthy {'case is' if total == 1 else 'cases are'} shown: those on which most of the pairs differ, "
        "some that every model gets wrong, and some with a score within 0.05 of a compared model's threshold."
    )
    rest = total - len(page.cases)
    text += f" {numbers.count(rest)} more {'is' if rest == 1 else 'are'} in casebook.csv." if rest else ""
    seed = next((str(s) for s in book["seed"] if pd.notna(s)), "")
    text += f" Calls are those of seed {seed}." if seed else ""
    view = content.casebook
    section.text(text, MAPS if len(content.table("saliency")) and view and view.folder else "")
    section.blocks.append(Block("casebook", casebook=page))
    return section


def _noteworthy(book: pd.DataFrame, cells: pd.DataFrame) -> pd.Series:
    compared = set(cells["model"]) | set(cells["comparator"]) if len(cells) else set(book["model"])
    near = book["near.threshold"].eq(True) & book["model"].isin(compared)
    discordant = book["only.right.against"].notna() | book["only.wrong.against"].notna()
    return discordant | book["all.wrong"].astype(bool) | near


def cells_table(cells: pd.DataFrame) -> Table | None:
    """The number of cases in each cell, pair by pair; None without pairs."""
    if cells.empty:
        return None
    rows: list[Cells] = []
    for (model, comparator), part in cells.groupby(["model", "comparator"], sort=False):
        n = part["cell"].value_counts()
        rows.append([f"{model} against {comparator}", *(Cell(numbers.count(int(n.get(c, 0)))) for c in CELLS)])
    head = ["Pair", "Both right", "Only the first right", "Only the second right", "Both wrong"]
    caption = "The four cells of McNemar's table, pair by pair: cases."
    return table("case-cells", caption, head, rows, source="case_cells.csv", cap=MAX_IDS)


def pointing_table(pointing: pd.DataFrame) -> Table | None:
    """Hits of each network's maps with Wilson's interval, and the hits by chance; None without any."""
    if pointing.empty:
        return None
    metric = vocabulary.Metric("pointing", "hits", unit="percent", decimals=1)
    notes = Notes()
    rows: list[Cells] = []
    # Grad-CAM on the subset of occluded cases is in the file only
    for r in pointing[(pointing["method"] == "occlusion") | (pointing["subset"] == "test")].to_dict("records"):
        constant = number(r["n.without.maximum"])
        left_out = "cases whose map is constant are left out (n.without.maximum in the file)" if constant else ""
        hits = numbers.interval(metric, *limits(r))
        rows.append(
            [
                str(r["network"]),
                METHODS[str(r["method"])],
                "any sign" if r["lesion"] == "any" else "signs at a disc",
                "all test cases" if r["subset"] == "test" else "occluded cases",
                Cell(hits, f"{numbers.count(r['hits'])}/{numbers.count(r['n'])}", notes.mark(caution(r), left_out)),
                *(Cell(numbers.percent(number(r[c]))) for c in ("chance", "chance.cells", "centre")),
            ]
        )
    head = ["Network", "Map", "Lesion", "Cases", f"Hits, % ({shown_rows.level(pointing)} CI)", "Chance, area, %"]
    head += ["Chance, cells, %", "Middle, %"]
    caption = "Do the networks look where the disease is?"
    return table("pointing", caption, head, rows, notes=notes, remark=POINTING, source="pointing.csv", cap=MAX_IDS)


def casebook_page(content: Content) -> CasebookPage:
    """The filters and the shown cases."""
    book, cells = content.table("casebook"), content.table("case_cells")
    pairs = list(dict.fromkeys(zip(cells["model"], cells["comparator"], strict=True))) if len(cells) else []
    number_of = {str(c): int(k) for c, k in zip(book["case_id"], book["number"], strict=True) if pd.notna(k)}
    cell_of: dict[tuple[str, str], pd.Series] = {}
    if pairs:
        by_pair = cells.set_index("case_id").groupby(["model", "comparator"])["cell"]
        cell_of = {p: by_pair.get_group(p) for p in pairs}
    compared = [m for m in dict.fromkeys(book["model"]) if not pairs or any(m in p for p in pairs)]
    with_filter = pairs[: MAX_FILTERS - len(KINDS)]
    rows_of: dict[str, list[dict[Any, Any]]] = {}
    for r in book[book["number"].notna()].to_dict("records"):
        rows_of.setdefault(str(r["case_id"]), []).append(r)
    passes: dict[str, list[int]] = {}
    for case, rows in rows_of.items():
        discordant = [p for p in pairs if cell_of[p].get(case) in CELLS[1:3]]
        near = any(_is_near(r) and r["model"] in compared for r in rows)
        kinds = (bool(discordant), bool(rows[0]["all.wrong"]), near)
        passes[case] = [k for k, passed in enumerate(kinds, 1) if passed]
        passes[case] += [k for k, p in enumerate(with_filter, len(KINDS) + 1) if p in discordant]
    labels = [*KINDS, *(f"{a} against {b}" for a, b in with_filter)]
    counts = [(label, sum(k in v for v in passes.values())) for k, label in enumerate(labels, 1)]
    details = {name: _by_case(content.table(name)) for name in ("neighbours", "saliency", "lesions")}
    cases = []
    for case, rows in sorted(rows_of.items(), key=lambda item: number_of[item[0]]):
        own = {name: by_case.get(case, pd.DataFrame()) for name, by_case in details.items()}
        cases.append(_case(case, rows, passes[case], compared, own, content.casebook))
    return CasebookPage((("all shown", len(rows_of)), *counts), tuple(cases))


def _by_case(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(c): part for c, part in rows.groupby("case_id", sort=False)} if len(rows) else {}


def _case(
    case: str,
    rows: Sequence[Mapping[Any, Any]],
    passes: Sequence[int],
    compared: Sequence[str],
    details: Mapping[str, pd.DataFrame],
    view: CasebookView | None,
) -> CaseView:
    """One case. `rows`: one per model; `passes`: the numbers of its filters; `details`: its neighbours, saliency maps and lesions."""
    first = rows[0]
    folder = view.folder if view else None
    image = data_uri(folder / f"{int(first['number']):03d}.jpg") if folder else ""
    facts = [("Readers", str(first["readings"]))] if isinstance(first["readings"], str) else []
    facts += _lesion_facts(details["lesions"])
    facts += _neighbour_facts(details["neighbours"])
    facts += _map_facts(details["saliency"])
    return CaseView(
        number=int(first["number"]),
        case_id=case,
        truth=str(first["y_true"]),
        filters=" ".join(f"k{k}" for k in passes),
        why=_why(rows),
        facts=tuple(facts),
        image=image,
        boxes=_boxes(details["lesions"], view) if image else (),
        maps=_maps(int(first["number"]), case, details["saliency"], folder) if folder else (),
        scores=_scores([r for r in rows if r["model"] in compared]),
    )


def _why(rows: Sequence[Mapping[Any, Any]]) -> str:
    """Why the case is shown."""
    first, total = rows[0], len(rows)
    if first["all.wrong"]:
        why = "called wrongly by every model"
    else:
        why = f"called wrongly by {int(first['n.models.wrong'])} of {total} model{'s' if total > 1 else ''}"
    n_pairs = sum(len(str(r["only.right.against"]).split("; ")) for r in rows if pd.notna(r["only.right.against"]))
    return why + (f"; discordant in {n_pairs} listed pair{'s' if n_pairs > 1 else ''}" if n_pairs else "")


def _scores(rows: Sequence[Mapping[Any, Any]]) -> tuple[tuple[str, str], ...]:
    """Each model with its score, its call and whether that is right."""
    return tuple((str(r["model"]), f"{_score(r['score'])} {r['y_pred']} {_result(r)}") for r in rows)


def _score(x: object) -> str:
    return numbers.fixed(number(x), 3)


def _is_near(r: Mapping[Any, Any]) -> bool:
    return bool(pd.notna(r["near.threshold"]) and r["near.threshold"])


def _result(r: Mapping[Any, Any]) -> str:
    return ("✓ right" if r["correct"] else "✗ wrong") + (", near" if _is_near(r) else "")


def _boxes(lesions: pd.DataFrame, view: CasebookView | None) -> tuple[tuple[float, float, float, float], ...]:
    """(left, top, width, height) of each lesion, in percent of the image's side."""
    scale = 100.0 / view.size_px if view else 1.0
    boxes = []
    for r in lesions.to_dict("records"):
        left, top, right, bottom = (scale * number(r[c]) for c in ("left", "top", "right", "bottom"))
        boxes.append((round(left, 1), round(top, 1), round(right - left, 1), round(bottom - top, 1)))
    return tuple(boxes)


def _lesion_facts(lesions: pd.DataFrame) -> list[tuple[str, str]]:
    signs = []
    for r in lesions.to_dict("records"):
        level = f" {r['level']}" if isinstance(r["level"], str) else ""
        severity = number(r["severity"])
        grade = f" ({numbers.fixed(severity, 2)})" if isfinite(severity) else ""
        signs.append(str(r["kind"]).replace("_", " ") + level + grade)
    return [("True signs (severity)", ", ".join(signs))] if signs else []


def _neighbour_facts(neighbours: pd.DataFrame) -> list[tuple[str, str]]:
    facts = []
    for network, part in neighbours.groupby("network", sort=False) if len(neighbours) else ():
        cases = (f"{r['neighbour']} {r['neighbour.label']}" for r in part.to_dict("records"))
        facts.append((f"Nearest training cases, {network}", ", ".join(cases)))
    return facts


def _map_facts(saliency: pd.DataFrame) -> list[tuple[str, str]]:
    """For each network the rank correlation of its two maps, and whether each map hits a known lesion."""
    facts = []
    for network, part in saliency.groupby("network", sort=False) if len(saliency) else ():
        occlusion = part[part["method"] == "occlusion"]
        words = []
        if len(occlusion):
            correlation = number(occlusion["rank.correlation"].iloc[0])
            words.append(f"rank correlation {numbers.fixed(correlation, 2)}")
        for r in part.to_dict("records"):
            method = METHODS[str(r["method"])]
            if pd.notna(r["hit"]):
                words.append(f"{method} {'hits' if r['hit'] else 'misses'} a sign")
            elif r["status"] != "ok":
                words.append(f"{method} constant")
        if words:
            facts.append((f"Maps of {network}", ", ".join(words)))
    return facts


def _maps(case_number: int, case: str, saliency: pd.DataFrame, folder: Path) -> tuple[MapView, ...]:
    """The maps whose pictures are in the folder."""
    maps = []
    for r in saliency.to_dict("records"):
        path = folder / f"{case_number:03d}-{str(r['network']).replace(':', '_')}-{r['method']}.png"
        if not path.is_file():
            continue
        method = METHODS[str(r["method"])]
        largest = "constant"
        if r["status"] == "ok":
            largest = f"largest {numbers.fixed(r['x'], 0)} px from the left, {numbers.fixed(r['y'], 0)} px from the top"
        alt = f"{method} of {r['network']} over case {case}: {largest}"
        maps.append(MapView(f"{r['network']}, {method}", data_uri(path), alt, r["method"] == "occlusion"))
    return tuple(maps)
