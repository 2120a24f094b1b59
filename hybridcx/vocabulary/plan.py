"""The table of `plan`: sizes, power, and the assumptions behind them."""

from __future__ import annotations

from hybridcx.vocabulary.columns import COUNT, NUMBER, PROBABILITY, Column, Table, described

PLAN = Table(
    "plan",
    {
        "question": Column("the question", "mcnemar, precision, noninferiority, auc, detectable"),
        "metric": Column("the metric", "accuracy, sensitivity, specificity, auroc"),
        "size": Column("cases (for sensitivity and specificity those of the class)", COUNT, "integer"),
        "value": Column("the answer at that size: power, half-width, difference", NUMBER, "number"),
    },
    further=described(
        "part method target alpha conf.level p10 p01 difference discordance margin proportion auc comparator.auc correlation ratio prevalence "
        "n.positive n.negative cases.all status warning",
        {
            "part": Column(
                "the answer, a point of the curve over sizes, or of the curve over the least certain assumption",
                "answer, by_size, by_assumption",
            ),
            "target": Column("the requested power or half-width", PROBABILITY, "number"),
            "alpha": Column("level of the test: two-sided, one-sided for non-inferiority", PROBABILITY, "number"),
            "p10": Column("assumed probability that only the model is right", PROBABILITY, "number"),
            "p01": Column("assumed probability that only the comparator is right", PROBABILITY, "number"),
            "difference": Column("assumed difference, model minus comparator", "-1 to 1, or NA", "number"),
            "discordance": Column("assumed share of cases that exactly one model gets right", PROBABILITY, "number"),
            "proportion": Column("anticipated proportion", PROBABILITY, "number"),
            "auc": Column("assumed AUROC of the model", PROBABILITY, "number"),
            "comparator.auc": Column("assumed AUROC of the comparator", PROBABILITY, "number"),
            "correlation": Column(
                "assumed correlation of the two estimated AUROCs over samples of cases", "-1 to 1, or NA", "number"
            ),
            "ratio": Column("negative cases per positive case", "number above 0, or NA", "number"),
            "n.positive": Column("positive cases among them", COUNT, "integer"),
            "n.negative": Column("negative cases among them", COUNT, "integer"),
            "cases.all": Column(
                "cases of both classes that contain so many of the class, at the prevalence", COUNT, "integer"
            ),
        },
    ),
    commands=("plan",),
)
