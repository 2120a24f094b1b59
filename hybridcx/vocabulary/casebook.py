"""What the columns of the casebook's tables mean: (description, values) or (description, values, kind) by column, in order."""

from __future__ import annotations

Described = dict[str, tuple[str, ...]]

_P = "0 to 1, or NA"
_N = "number, or NA"
_COUNT = "whole number from 0, or NA"
_LOGICAL = "TRUE, FALSE, or NA"
_CASE: Described = {"case_id": ("the case, as the input names it", "text")}
_SEED: Described = {
    "seed": ("seed of the models whose calls these are: the first, where there are several", "text, or NA")
}
_NUMBER: Described = {
    "number": (
        "running number of the case in the page and in the names of its image files; NA where the page does not show it",
        "whole number from 1, or NA",
        "integer",
    )
}
_PIXELS = "edge of the sign's box in the prepared image, in pixels from its upper left corner, cut off at the image"

CASE_TABLES: dict[str, Described] = {
    "casebook": {
        **_CASE,
        "y_true": ("the true label", "a label of the input"),
        "model": ("the model", "text"),
        "score": ("the model's score of the positive class", _N, "number"),
        "y_pred": ("the model's call", "a label of the input"),
        "correct": ("whether the call is right", "TRUE, FALSE", "boolean"),
        "near.threshold": (
            "whether the score lies within 0.05 of the model's threshold; NA where no threshold on a probability makes the calls",
            _LOGICAL,
            "boolean",
        ),
        "only.right.against": (
            "models of the listed pairs that get the case wrong where this one gets it right",
            "text, joined by semicolons, or NA",
        ),
        "only.wrong.against": (
            "models of the listed pairs that get the case right where this one gets it wrong",
            "text, joined by semicolons, or NA",
        ),
        "n.models.wrong": ("models that called the case wrongly", _COUNT, "integer"),
        "all.wrong": ("whether every model called the case wrongly", "TRUE, FALSE", "boolean"),
        "readings": ("the readers' calls of the case", "text (reader: call), joined by semicolons, or NA"),
        **_NUMBER,
        **_SEED,
    },
    "case_cells": {
        "model": ("the model", "text"),
        "comparator": ("the model it is compared with", "text"),
        "cell": (
            "the cell of McNemar's table that the case falls into",
            "both_right, only_model, only_comparator, both_wrong",
        ),
        **_CASE,
        **_SEED,
    },
    "neighbours": {
        **_CASE,
        "network": ("the network in whose penultimate features the distance is measured", "text"),
        "features": (
            "whose features: of the fine-tuned network, or of its initial weights",
            "fine_tuned, pretrained, untrained",
        ),
        "rank": ("1 for the nearest training case", "whole number from 1", "integer"),
        "neighbour": ("the training case, as the input names it", "text"),
        "neighbour.label": ("its label", "a label of the input"),
        "method": ("the distance", "cosine"),
        "distance": ("1 less the cosine of the angle between the two feature vectors", "0 to 2, or NA", "number"),
    },
    "saliency": {
        **_CASE,
        "network": ("the network (its own softmax)", "text"),
        "method": (
            "grad_cam: the positive class's Grad-CAM; occlusion: log odds that covering a tile takes away",
            "grad_cam, occlusion",
        ),
        "x": ("column of the map's largest value, in pixels of the prepared image", "number, or NA", "number"),
        "y": ("row of the map's largest value, in pixels of the prepared image", "number, or NA", "number"),
        "maximum": ("the map's largest value", _N, "number"),
        "map.side": ("cells of the map along each side", "whole number from 1", "integer"),
        "n.lesions": (
            "boxes of true signs within the prepared image; NA where no true signs are known",
            _COUNT,
            "integer",
        ),
        "hit": (
            "whether the largest value lies within a box of a true sign; NA without a box or a largest value",
            _LOGICAL,
            "boolean",
        ),
        "hit.local": (
            "the same for signs at one disc (without the lost lordosis, whose box is the whole neck)",
            _LOGICAL,
            "boolean",
        ),
        "rank.correlation": (
            "Spearman's correlation of the case's two maps over the tiles of the occlusion (the same in both rows)",
            "-1 to 1, or NA",
            "number",
        ),
        **_NUMBER,
        "status": ("whether the row can be used as it stands", "ok, not_estimable, caution"),
        "warning": ("why the status is not ok", "text, or NA"),
    },
    "pointing": {
        "network": ("the network (its own softmax)", "text"),
        "method": ("the map whose largest value points", "grad_cam, occlusion"),
        "lesion": (
            "any: every true sign; local: signs at one disc, without the lost lordosis, whose box is the whole neck",
            "any, local",
        ),
        "subset": (
            "test: every test case with such a sign; shown: those of them that were occluded, which are chosen by the models' errors",
            "test, shown",
        ),
        "estimate": ("hits over cases", _P, "number"),
        "conf.low": ("lower confidence limit (Wilson)", _P, "number"),
        "conf.high": ("upper confidence limit (Wilson)", _P, "number"),
        "conf.level": ("confidence level of the two limits", _P, "number"),
        "hits": ("cases whose largest value lies within a box of a sign", _COUNT, "integer"),
        "n": ("cases with a sign and a largest value", _COUNT, "integer"),
        "n.without.maximum": ("cases left out: their map is constant, so that it points nowhere", _COUNT, "integer"),
        "chance": (
            "mean share of the image that the boxes cover: what pointing anywhere at random would hit",
            _P,
            "number",
        ),
        "chance.cells": (
            "mean share of the map's cells whose centre lies in a box: chance for a map this coarse",
            _P,
            "number",
        ),
        "centre": (
            "share of the cases in which the middle of the image lies in a box: what always pointing there would hit",
            _P,
            "number",
        ),
        "status": ("whether the row can be used as it stands", "ok, not_estimable, caution"),
        "warning": ("why the status is not ok", "text, or NA"),
    },
    "lesions": {
        **_CASE,
        "kind": ("the true sign of disease", "text"),
        "level": ("where it is", "text, or NA"),
        "severity": ("how severe it is", _P, "number"),
        "left": (f"left {_PIXELS}", "number", "number"),
        "top": (f"upper {_PIXELS}", "number", "number"),
        "right": (f"right {_PIXELS}", "number", "number"),
        "bottom": (f"lower {_PIXELS}", "number", "number"),
    },
}
"""Table (the file without `.csv`) -> column, in order -> what it holds."""

OF_CASES = ("casebook", "case_cells")
OF_IMAGES = ("neighbours", "saliency", "pointing", "lesions")
