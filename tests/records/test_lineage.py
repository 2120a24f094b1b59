"""A model that saw a test case is refused, by whatever path it saw it."""

import hashlib
import json
import struct

import pytest

from hybridcx.errors import InputError, Problem
from hybridcx.records.lineage import Fit, Lineage, cases_sha256


@pytest.fixture
def lineage():
    return Lineage(
        [
            Fit.of("vgg16", "network", ["c1", "c2", "c3"]),
            Fit.of("vgg16", "early_stopping", ["v1", "v2"]),
            Fit.of("vgg16+knn", "head", ["v1", "v2"], parents=["vgg16"]),
            Fit.of("vgg16:pretrained+knn", "head", ["c1", "c2"]),
            Fit.of("vgg16+knn", "threshold", ["w1"]),
        ]
    )


def test_a_head_saw_what_its_network_saw(lineage):
    assert lineage.saw("vgg16") == {"c1", "c2", "c3", "v1", "v2"}
    assert lineage.saw("vgg16+knn") == {"c1", "c2", "c3", "v1", "v2", "w1"}
    assert lineage.saw("vgg16:pretrained+knn") == {"c1", "c2"}
    assert lineage.models() == ("vgg16", "vgg16+knn", "vgg16:pretrained+knn")


def test_fits_recorded_after_a_child_still_count(lineage):
    lineage.add(Fit.of("vgg16", "calibration", ["late"]))
    assert "late" in lineage.saw("vgg16+knn")


def test_clean_models_pass(lineage):
    lineage.check("vgg16+knn", ["t1", "t2"])
    lineage.check("vgg16:pretrained+knn", ["c3", "t1"])


def test_a_test_case_in_the_network_is_found_through_the_head(lineage):
    with pytest.raises(InputError) as error:
        lineage.check("vgg16+knn", ["t1", "c3", "w1"])
    text = str(error.value)
    assert len(error.value.problems) == 2
    assert "network fit vgg16/network of the model vgg16+knn" in text
    assert "c3" in text
    assert "threshold fit vgg16+knn/threshold" in text
    assert "w1" in text
    assert "t1" not in text


def test_another_image_of_a_test_patient_is_found_and_the_patient_not_named(lineage):
    patient_of = {
        "c1": "Miller",
        "c2": "P2",
        "c3": "P3",
        "v1": "P4",
        "v2": "P5",
        "w1": "P6",
        "t1": "Miller",
        "t2": "P9",
    }
    lineage.check("vgg16", ["t1"])
    lineage.check("vgg16", ["t2"], patient_of=patient_of)
    with pytest.raises(InputError, match=r"1 patient whose cases are in the test set.*c1") as error:
        lineage.check("vgg16+knn", ["t1"], patient_of=patient_of)
    assert "Miller" not in str(error.value)
    with pytest.raises(InputError, match="without a patient"):
        lineage.check("vgg16", ["t3"], patient_of=patient_of)


def test_a_model_without_a_record_is_not_taken_for_clean(lineage):
    with pytest.raises(InputError, match="no record"):
        lineage.check("resnet101", ["t1"])
    with pytest.raises(InputError, match="no record"):
        lineage.saw("vgg16", unit="seed1")


def test_units_are_kept_apart():
    lineage = Lineage(
        [
            Fit.of("vgg16", "network", ["a", "b"], unit="fold0"),
            Fit.of("vgg16", "network", ["c", "d"], unit="fold1"),
            Fit.of("vgg16+lda", "head", ["a"], parents=["vgg16"], unit="fold0"),
        ]
    )
    assert lineage.saw("vgg16+lda", "fold0") == {"a", "b"}
    lineage.check("vgg16", ["c"], unit="fold0")
    with pytest.raises(InputError, match="fold1/vgg16/network"):
        lineage.check("vgg16", ["c"], unit="fold1")
    with pytest.raises(InputError, match="parent that has no record"):
        lineage.add(Fit.of("vgg19+lda", "head", ["a"], parents=["vgg19"], unit="fold0"))


def test_recording_twice_changes_nothing_and_another_fit_under_the_id_is_refused(lineage):
    n = len(lineage)
    lineage.add(Fit.of("vgg16", "network", ["c3", "c2", "c1", "c1"]))
    assert len(lineage) == n
    with pytest.raises(InputError, match="two different fits"):
        lineage.add(Fit.of("vgg16", "network", ["c1"]))
    lineage.add(Fit.of("vgg16", "network", ["c9"], fit_id="second"))
    assert "c9" in lineage.saw("vgg16")


def test_there_and_back_through_json(lineage):
    data = json.loads(json.dumps(lineage.to_dict(), sort_keys=True))
    assert Lineage.from_dict(data) == lineage
    assert len(data["case_sets"]) == 4  # the two fits on v1 and v2 share one


def test_a_changed_set_of_cases_is_found(lineage):
    data = lineage.to_dict()
    next(iter(data["case_sets"].values())).pop()
    with pytest.raises(InputError, match="does not have its hash"):
        Lineage.from_dict(data, "lineage.json")


@pytest.mark.parametrize("data", [{}, [], {"schema": 1, "case_sets": {}, "fits": [{"model": "a"}]}, {"schema": "x"}])
def test_what_is_no_lineage_is_refused(data):
    with pytest.raises(InputError, match="no lineage"):
        Lineage.from_dict(data)


def test_a_newer_schema_is_refused(lineage):
    with pytest.raises(InputError, match="newer hybridcx"):
        Lineage.from_dict({**lineage.to_dict(), "schema": 2})


def test_hash_depends_on_the_set_alone():
    assert cases_sha256(["a", "b", "a"]) == cases_sha256(["b", "a"])
    assert cases_sha256(["a\nb"]) != cases_sha256(["a", "b"])
    assert cases_sha256([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Fit.of("m", "guess", ["a"]), "unknown kind"),
        (lambda: Fit.of("", "head", ["a"]), "name of its model"),
        (lambda: Fit.of("m", "head", []), "needs the cases"),
        (lambda: Fit.of("m", "head", "a"), "not one string"),
    ],
)
def test_incomplete_fits_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (("m", "network", "abc"), Problem("case ids and parents are lists of names, not one string", value="m")),
        (
            ("m", "guess", ["a"]),
            Problem(
                "unknown kind of fit",
                value="guess",
                remedy="one of network, scaler, head, threshold, calibration, early_stopping, estimator",
            ),
        ),
        (("", "head", ["a"]), Problem("a fit needs the name of its model", value="given")),
        (("m", "head", []), Problem("a fit needs the cases that it saw", value="m, head")),
    ],
)
def test_fits_that_cannot_be(given, problem):
    with pytest.raises(InputError) as error:
        Fit.of(*given, fit_id="given")
    assert error.value.problems == (problem,)


def test_fits_that_cannot_be_added(lineage):
    with pytest.raises(InputError) as error:
        lineage.add(Fit.of("vgg16", "network", ["other"]))
    assert error.value.problems == (Problem("two different fits have one id", value="vgg16/network"),)
    with pytest.raises(InputError) as error:
        lineage.add(Fit.of("a+b", "head", ["c1"], parents=["b", "vgg16", "a"]))
    assert error.value.problems == (
        Problem("the fit a+b/head names a parent that has no record", value="b, a", remedy="record the parent first"),
    )
    with pytest.raises(InputError) as error:
        lineage.saw("resnet101")
    assert error.value.problems == (
        Problem(
            "the model has no record of what it was fitted on",
            value="resnet101",
            remedy="record its fits before its predictions",
        ),
    )


def test_a_lineage_equals_its_like_alone(lineage):
    assert lineage == Lineage(lineage)
    assert lineage != Lineage()
    assert lineage != list(lineage)
    assert lineage != "lineage"


def test_what_a_check_says():
    lineage = Lineage([Fit.of("m", "network", [f"c{i}" for i in range(9)], unit="fold 1")])
    with pytest.raises(InputError) as error:
        lineage.check("m", ["c1", "c2", "c3", "c4", "c5", "c6", "t"], unit="fold 1")
    what = "the network fit fold 1/m/network of the model m saw "
    assert error.value.problems == (
        Problem(
            what + "6 of the test cases",
            value="c1, c2, c3, c4, c5 and 1 more",
            remedy="predictions on them are no test; refit without them",
        ),
    )
    patient_of = {**{f"c{i}": f"p{i}" for i in range(9)}, "t": "p1", "u": "p2"}
    for tested, seen, patients in ((["t"], "c1", "1 patient"), (["t", "u"], "c1, c2", "2 patients")):
        with pytest.raises(InputError) as error:
            lineage.check("m", tested, patient_of=patient_of, unit="fold 1")
        assert error.value.problems == (
            Problem(
                what + f"other cases of {patients} whose cases are in the test set",
                value=seen,
                remedy="keep a patient's cases in one split",
            ),
        )
    with pytest.raises(InputError) as error:
        lineage.check("m", ["x", "t", "w"], patient_of=patient_of, unit="fold 1")
    assert error.value.problems == (Problem("test cases without a patient cannot be checked", value="w, x"),)


@pytest.mark.parametrize(
    ("change", "rule", "value"),
    [
        ({"schema": 2}, "the lineage was written by a newer hybridcx", 2),
        ({"case_sets": {"abc": ["a"]}}, "a set of cases does not have its hash: the lineage was changed", "abc"),
        ({"fits": None}, "this is no lineage as hybridcx writes it (TypeError", None),
        ({"case_sets": {"abc": "a"}}, "this is no lineage as hybridcx writes it (TypeError('no list'))", None),
        ({"case_sets": {"abc": [1]}}, "this is no lineage as hybridcx writes it (TypeError('a name that is no", None),
    ],
)
def test_a_lineage_that_is_none_names_its_file(lineage, change, rule, value):
    with pytest.raises(InputError) as error:
        Lineage.from_dict(lineage.to_dict() | change, "run/lineage.json")
    (found,) = error.value.problems
    assert found.rule.startswith(rule)
    assert (found.file, found.value) == ("run/lineage.json", value)
    assert found.remedy == ("update hybridcx to read it" if "schema" in change else None)


def test_the_hash_of_a_set_of_cases():
    """SHA-256 of each name's length (8 bytes, big-endian) and its UTF-8 bytes, in the order of the names."""
    names = ["b", "ä" * 300, "\ud800"]
    raw = [n.encode("utf-8", "surrogatepass") for n in sorted(names)]
    expected = hashlib.sha256(b"".join(struct.pack(">Q", len(r)) + r for r in raw)).hexdigest()
    assert cases_sha256([*names, "b"]) == expected


def test_ids_that_were_given_are_read_back():
    lineage = Lineage([Fit.of("m", "head", ["a"], fit_id="first"), Fit.of("m", "head", ["b"], fit_id="second")])
    assert Lineage.from_dict(lineage.to_dict()) == lineage
    data = lineage.to_dict()
    data["fits"][0]["fit_id"] = ["first"]
    with pytest.raises(InputError, match="no text"):
        Lineage.from_dict(data)


def test_five_cases_are_all_named():
    with pytest.raises(InputError) as error:
        Lineage([Fit.of("m", "network", ["abcde", *list("abcde")])]).check("m", list("abcde"))
    assert error.value.problems[0].value == "a, b, c, d, e"


def test_ancestors_are_counted_once_whatever_the_ways_to_them():
    lineage = Lineage(
        [
            Fit.of("trunk", "network", ["a"]),
            Fit.of("left", "network", ["b"], parents=["trunk"]),
            Fit.of("right", "network", ["c"], parents=["trunk"]),
            Fit.of("both", "head", ["d"], parents=["left", "right"]),
        ]
    )
    assert [f.model for f in lineage.fits_of("both")] == ["trunk", "left", "right", "both"]
    assert lineage.saw("both") == set("abcd")
