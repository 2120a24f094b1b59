"""Tables of the casebook: cases behind a difference, neighbours, saliency, pointing, true lesions of a phantom."""

from __future__ import annotations

from hybridcx.vocabulary.columns import COUNT, LOGICAL, PROBABILITY, Column, Table

_NUMBER = "number, or NA"
_CASE = {"case_id": Column("the case, as the input names it", "text")}
_SEED = {"seed": Column("seed of the models that made these calls: the first, where there are several", "text, or NA")}
_RUNNING = {
    "number": Column(
        "running number of the case on the page and in the names of its image files; NA where the page does not show it",
        "whole number from 1, or NA",
        "integer",
    )
}
_EDGE = "edge of the lesion's box in the prepared image, in pixels from its upper left corner, clipped to the image"

CASEBOOK = Table(
    "casebook",
    {
        **_CASE,
        "y_true": Column("the true label", "a label of the input"),
        "model": Column("the model", "text"),
        "score": Column("the model's score of the positive class", _NUMBER, "number"),
        "y_pred": Column("the model's call", "a label of the input"),
        "correct": Column("whether the call is right", "TRUE, FALSE", "boolean"),
        "near.threshold": Column(
            "whether the score lies within 0.05 of the model's threshold; NA where no threshold on a probability makes the calls",
            LOGICAL,
            "boolean",
        ),
        "only.right.against": Column(
            "models of the listed pairs that get the case wrong where this one gets it right",
            "text, joined by semicolons, or NA",
        ),
        "only.wrong.against": Column(
            "models of the listed pairs that get the case right where this one gets it wrong",
            "text, joined by semicolons, or NA",
        ),
        "n.models.wrong": Column("models that called the case wrongly", COUNT, "integer"),
        "all.wrong": Column("whether every model called the case wrongly", "TRUE, FALSE", "boolean"),
        "readings": Column("the readers' calls of the case", "text (reader: call), joined by semicolons, or NA"),
        **_RUNNING,
        **_SEED,
    },
    commands=("compare", "run"),
)
CASE_CELLS = Table(
    "case_cells",
    {
        "model": Column("the model", "text"),
        "comparator": Column("the model it is compared with", "text"),
        "cell": Column(
            "the cell of McNemar's table that the case falls into",
            "both_right, only_model, only_comparator, both_wrong",
        ),
        **_CASE,
        **_SEED,
    },
    commands=("compare", "run"),
)
NEIGHBOURS = Table(
    "neighbours",
    {
        **_CASE,
        "network": Column("the network in whose penultimate features the distance is measured", "text"),
        "features": Column(
            "whose features: of the fine-tuned network, or of its initial weights",
            "fine_tuned, pretrained, untrained",
        ),
        "rank": Column("1 for the nearest training case", "whole number from 1", "integer"),
        "neighbour": Column("the training case, as the input names it", "text"),
        "neighbour.label": Column("its label", "a label of the input"),
        "method": Column("the distance", "cosine"),
        "distance": Column("1 less the cosine of the angle between the two feature vectors", "0 to 2, or NA", "number"),
    },
    commands=("run",),
)
SALIENCY = Table(
    "saliency",
    {
        **_CASE,
        "network": Column("the network (its own softmax)", "text"),
        "method": Column(
            "grad_cam: the positive class's Grad-CAM; occlusion: log odds that covering a tile takes away",
            "grad_cam, occlusion",
        ),
        "x": Column("column of the map's largest value, in pixels of the prepared image", "number, or NA", "number"),
        "y": Column("row of the map's largest value, in pixels of the prepared image", "number, or NA", "number"),
        "maximum": Column("the map's largest value", _NUMBER, "number"),
        "map.side": Column("cells of the map along each side", "whole number from 1", "integer"),
        "n.lesions": Column(
            "boxes of true signs within the prepared image; NA where no true signs are known",
            COUNT,
            "integer",
        ),
        "hit": Column(
            "whether the largest value lies within a box of a true sign; NA without a box or a largest value",
            LOGICAL,
            "boolean",
        ),
        "hit.local": Column(
            "the same for signs at one disc (without the lost lordosis, whose box is the whole neck)",
            LOGICAL,
            "boolean",
        ),
        "rank.correlation": Column(
            "Spearman's correlation of the case's two maps over the tiles of the occlusion (the same in both rows)",
            "-1 to 1, or NA",
            "number",
        ),
        **_RUNNING,
        "status": Column("whether the row can be used as it stands", "ok, not_estimable, caution"),
        "warning": Column("why the status is not ok", "text, or NA"),
    },
    commands=("run",),
)
POINTING = Table(
    "pointing",
    {
        "network": Column("the network (its own softmax)", "text"),
        "method": Column("the map whose largest value points", "grad_cam, occlusion"),
        "lesion": Column(
            "any: every true sign; local: signs at one disc, without the lost lordosis, whose box is the whole neck",
            "any, local",
        ),
        "subset": Column(
            "test: every test case with such a sign; shown: those of them that were occluded, which are chosen by the models' errors",
            "test, shown",
        ),
        "estimate": Column("hits over cases", PROBABILITY, "number"),
        "conf.low": Column("lower confidence limit (Wilson)", PROBABILITY, "number"),
        "conf.high": Column("upper confidence limit (Wilson)", PROBABILITY, "number"),
        "conf.level": Column("confidence level of the two limits", PROBABILITY, "number"),
        "hits": Column("cases whose largest value lies within a box of a sign", COUNT, "integer"),
        "n": Column("cases with a sign and a largest value", COUNT, "integer"),
        "n.without.maximum": Column(
            "cases left out: their map is constant, so that it points nowhere", COUNT, "integer"
        ),
        "chance": Column(
            "mean share of the image that the boxes cover: what pointing anywhere at random would hit",
            PROBABILITY,
            "number",
        ),
        "chance.cells": Column(
            "mean share of the map's cells whose centre lies in a box: chance for a map this coarse",
            PROBABILITY,
            "number",
        ),
        "centre": Column(
            "share of the cases in which the middle of the image lies in a box: what always pointing there would hit",
            PROBABILITY,
            "number",
        ),
        "status": Column("whether the row can be used as it stands", "ok, not_estimable, caution"),
        "warning": Column("why the status is not ok", "text, or NA"),
    },
    commands=("run",),
)
LESIONS = Table(
    "lesions",
    {
        **_CASE,
        "kind": Column("the true sign of disease", "text"),
        "level": Column("where it is", "text, or NA"),
        "severity": Column("how severe it is", PROBABILITY, "number"),
        "left": Column(f"left {_EDGE}", "number", "number"),
        "top": Column(f"upper {_EDGE}", "number", "number"),
        "right": Column(f"right {_EDGE}", "number", "number"),
        "bottom": Column(f"lower {_EDGE}", "number", "number"),
    },
    commands=("run",),
)
CASES = (CASEBOOK, CASE_CELLS)
IMAGES = (NEIGHBOURS, SALIENCY, POINTING, LESIONS)
