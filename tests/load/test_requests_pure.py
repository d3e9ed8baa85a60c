"""Templates, rows, payloads and expectations of `load.requests`: values in, values out, without Locust."""

import importlib
import json
import math
import random
import uuid
from email import message_from_bytes
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrypoint.settings.templates import TEMPLATE_FILTERS, TEMPLATE_NAMES

ROOT = Path(__file__).parents[2]

# As they are found beside Locust; none of these needs it.
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(ROOT / "locustfiles"))
    expectations, payloads, rows, templates = (
        importlib.import_module(f"ml_loadtest.{name}") for name in ("expectations", "payloads", "rows", "templates")
    )

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def render(value, environment=(), images=(), **names):
    return templates.Templates(dict(environment), dict(images)).compile(value, "here").make(names)


# Templates ------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(JSON)
def test_a_value_without_a_template_is_itself(value):
    text = json.dumps(value)
    if any(mark in text for mark in ("{{", "{%", "{#")):
        return
    made = templates.Templates({}).compile(value, "here")

    assert made.is_fixed
    assert made.make({}) == value


@settings(deadline=None)
@given(JSON)
def test_a_text_that_is_one_expression_has_the_value_of_its_own_kind(value):
    made = render("{{ row.x }}", row={"x": value})

    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("{{ 5 }}", 5),
        ("{{ '5' }}", "5"),
        ("{{ true }}", True),
        ("{{ row.age + 1 }}", 42),
        ("{{ [row.age, none] }}", [41, None]),
        ("{{- row.age -}}", 41),
        ("{{ row.age }}{# how old #}", 41),
        ("{{ row.age }} years", "41 years"),
        ("{{ row.age }}{{ row.age }}", "4141"),
        ("{% if row.age > 40 %}old{% else %}young{% endif %}", "old"),
        ("{{ row.values }}", "a column"),
        ("{{ row.values ~ '!' }}", "a column!"),
        ("{{ row['zip'] }}", "007"),
        ("<{{ row.html }}>", "<<b>&>"),
        ("{{ env.KEY }}", "secret"),
        ("{{ 'añ' | b64 }}", "YcOx"),
        ("a\n", "a\n"),
        ("{{ row.age }}\n", "41\n"),
        ("{{ range(3) | list }}", [0, 1, 2]),
    ],
)
def test_a_template_gives(source, made):
    row = {"age": 41, "values": "a column", "zip": "007", "html": "<b>&"}
    found = render(source, {"KEY": "secret"}, row=row)

    assert found == made
    assert type(found) is type(made)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ row.agee }}", "has no attribute 'agee'"),
        ("{{ env.NOPE }}", "has no attribute 'NOPE'"),
        ("x {{ nope }}", "'nope' is undefined"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ row.__class__.__mro__ }}", "unsafe"),
        ("{{ ''.__class__ }}", "unsafe"),
        ("{{ row.update({'age': 1}) }}", "SecurityError"),
        ("{{ randint.__self__ }}", "unsafe"),
        ("{{ range(10000000) }}", "OverflowError"),
    ],
)
def test_a_template_that_cannot_be_rendered_says_where_and_why(source, said):
    with pytest.raises(templates.PayloadMistake, match=r"^here\.a\.1: ") as caught:
        render({"a": [0, source]}, row={"age": 41})

    assert said in str(caught.value)


def test_names_and_filters_are_those_that_the_settings_know():
    engine = templates._engine({**templates.Templates({})._globals})

    assert {*engine.globals, "row", "image", "n"} == set(TEMPLATE_NAMES)
    assert set(templates.FILTERS) == set(TEMPLATE_FILTERS)


def test_everything_random_is_drawn_from_the_seeded_module():
    source = {
        "a": "{{ randint(1, 1000000) }}", "b": "{{ uniform(0, 1) }}", "c": "{{ gauss(0, 1) }}", "d": "{{ uuid() }}",
        "e": "{{ choice(range(99999)) }}", "f": "{{ sample(range(1000), 3) }}", "g": "{{ range(99999) | random }}",
    }  # fmt: skip
    made = templates.Templates({}).compile(source, "here").make

    def drawn(seed):
        random.seed(seed)
        return made({})

    assert drawn(1) == drawn(1)
    assert all(drawn(1)[key] != drawn(2)[key] for key in source)
    assert uuid.UUID(drawn(1)["d"]).version == 4


# Rows -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "cells"),
    [
        (["1", "-2", "0"], [1, -2, 0]),
        (["1", "2.5", "1e3"], [1.0, 2.5, 1000.0]),
        (["007", "12"], ["007", "12"]),
        (["NA", "1"], ["NA", "1"]),
        (["nan", "1"], ["nan", "1"]),
        (["null", "None"], ["null", "None"]),
        (["true", "False"], [True, False]),
        (["true", "yes"], ["true", "yes"]),
        (["1", "", "3"], [1, None, 3]),
        (["", ""], [None, None]),
        (["1e999", "1"], ["1e999", "1"]),
        (["9007199254740993"], [9007199254740993]),
        (["1_000"], ["1_000"]),
        ([" 1"], [" 1"]),
    ],
)
def test_a_column_is_read_as_what_all_of_it_is(texts, cells):
    found = rows.column_of(texts)

    assert found == cells
    assert [type(cell) for cell in found] == [type(cell) for cell in cells]


@settings(deadline=None)
@given(st.lists(st.integers() | st.none(), min_size=1))
def test_whole_numbers_come_back_whole(numbers):
    assert rows.column_of(["" if number is None else str(number) for number in numbers]) == numbers


def test_csv_keeps_zeros_and_labels_and_quotes(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('\ufeffzip,label,n,text\n007,NA,1,"a, b"\n012,nan,,"say ""x"""\n', encoding="utf-8")

    assert rows.read_rows(path) == (
        {"zip": "007", "label": "NA", "n": 1, "text": "a, b"},
        {"zip": "012", "label": "nan", "n": None, "text": 'say "x"'},
    )


def test_csv_whose_rows_have_a_cell_too_many_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2,3\n4,5,6\n")

    with pytest.raises(Warning, match="does not match"):
        rows.read_rows(tmp_path / "a.csv")


def test_json_lines_keep_their_types(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": 1, "day": "2020-01-01", "x": [1, {"y": null}]}\n\n{"n": null}\n')

    assert rows.read_rows(path) == ({"n": 1, "day": "2020-01-01", "x": [1, {"y": None}]}, {"n": None})


def test_a_file_is_read_once(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    first = rows.read_rows(path)
    path.unlink()

    assert rows.read_rows(path) is first


@pytest.mark.parametrize(("name", "text", "said"), [("a.csv", "a,b\n", "has no rows"), ("a.jsonl", "[1]\n", "line 1")])
def test_a_file_without_rows_is_refused(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)

    with pytest.raises(ValueError, match=said):
        rows.read_rows(tmp_path / name)


def test_parquet_without_pyarrow_says_what_to_add(tmp_path, monkeypatch):
    import pandas as pd

    def absent(*_, **__):
        raise ImportError("Missing optional dependency 'pyarrow'")

    monkeypatch.setattr(pd, "read_parquet", absent)
    with pytest.raises(ValueError, match=r"add pyarrow to load\.requirements"):
        rows.read_rows(tmp_path / "a.parquet")


def test_parquet_cells_become_json(tmp_path, monkeypatch):
    import numpy as np
    import pandas as pd

    table = pd.DataFrame({
        "n": pd.array([1, None], dtype="Int64"),
        "x": pd.array([1.5, None], dtype="Float64"),
        "when": [pd.Timestamp("2020-01-01"), pd.NaT],
        "list": [np.array([1, 2]), np.array([[1.0, np.nan]])],
        "text": pd.array(["007", None], dtype="string"),
        "raw": [b"\x00", np.int64(3)],
    })  # fmt: skip
    monkeypatch.setattr(pd, "read_parquet", lambda *_, **__: table)

    first, second = rows.read_rows(tmp_path / "a.parquet")

    assert first == {"n": 1, "x": 1.5, "when": "2020-01-01T00:00:00", "list": [1, 2], "text": "007", "raw": b"\x00"}
    assert second == {"n": None, "x": None, "when": None, "list": [[1.0, None]], "text": None, "raw": 3}
    assert type(first["n"]) is int
    json.dumps(second)


# Payloads -------------------------------------------------------------------------------------------------------------


def request(**given):
    return {"path": "/a", "headers": {}, "json": None, "form": {}, "files": {}, "body": "", **given}


def sent(variant=None, environment=(), contents=(), names=(), **given):
    made = payloads.Payload(request(**given), templates.Templates(dict(environment)), "here", variant, dict(contents))
    return made.make(dict(names))


def test_json_is_sent_with_its_types():
    made = sent(json={"age": "{{ row.age }}", "fixed": [1, None]}, names={"row": {"age": None}})

    assert json.loads(made.body) == {"age": None, "fixed": [1, None]}
    assert made.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("value", [math.nan, math.inf, b"x"])
def test_what_no_json_can_hold_is_a_mistake(value):
    with pytest.raises(payloads.PayloadMistake, match=r"here\.json"):
        sent(json={"x": "{{ row.x }}"}, names={"row": {"x": value}})


def test_a_form_is_encoded():
    made = sent(form={"a": "x & y", "b": "{{ row.b }}", "c": True, "d": None}, names={"row": {"b": 1.5}})

    assert parse_qs(made.body.decode(), keep_blank_values=True) == {
        "a": ["x & y"],
        "b": ["1.5"],
        "c": ["true"],
        "d": [""],
    }
    assert made.headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_an_upload_has_the_image_its_name_and_its_type():
    image = templates.Image("cats/tom.png", b"\x89PNG\r\n--ml")
    fixed = templates.Image("model.json", b"{}")
    given = {"files": {"photo": "{{ image }}", "config": "a/model.json"}, "form": {"top": "{{ 3 }}"}}
    made = sent(**given, contents={"a/model.json": fixed}, names={"image": image})
    parts = message_from_bytes(
        b"Content-Type: " + made.headers["Content-Type"].encode() + b"\r\n\r\n" + made.body
    ).get_payload()
    found = {part.get_param("name", header="content-disposition"): part for part in parts}

    assert found["photo"].get_filename() == "tom.png"
    assert found["photo"].get_content_type() == "image/png"
    assert b"\x89PNG\r\n--ml\r\n" in made.body
    assert found["config"].get_payload(decode=True) == b"{}"
    assert found["top"].get_payload() == "3"
    assert found["top"].get_filename() is None
    assert sent(**given, contents={"a/model.json": fixed}, names={"image": image}) == made


def test_a_boundary_is_never_in_the_content(monkeypatch):
    monkeypatch.setattr(payloads, "crc32", lambda _: 0x5EED)
    body, kind = payloads.multipart({"a": "--ml-loadtest-00005eed--", "b": "ml-loadtest-00005eedx"}, {})

    assert kind == "multipart/form-data; boundary=ml-loadtest-00005eedxx"
    assert body.count(b"--ml-loadtest-00005eedxx") == 3


@pytest.mark.parametrize(
    ("source", "names", "body", "kind"),
    [
        ("plain", {}, b"plain", "text/plain; charset=utf-8"),
        ("{{ row.b }}", {"row": {"b": b"\x00"}}, b"\x00", "application/octet-stream"),
    ],
)
def test_a_raw_body_is_sent_as_it_is(source, names, body, kind):
    made = sent(body=source, names=names)

    assert (made.body, made.headers["Content-Type"]) == (body, kind)


def test_headers_given_win():
    made = sent(headers={"content-type": "application/x-own", "ACCEPT": "text/csv", "X-N": 3}, json=[])

    assert made.headers == {"content-type": "application/x-own", "ACCEPT": "text/csv", "X-N": "3"}


def test_a_path_is_encoded_where_a_template_gave_what_no_url_can_hold():
    assert sent(path="/a/{{ row.x }}?q=1&r=%20", names={"row": {"x": "ü b"}}).path == "/a/%C3%BC%20b?q=1&r=%20"


@pytest.mark.parametrize(("key", "given"), [("path", "{{ row.x }}"), ("headers", {"X": "{{ row.y }}"})])
def test_paths_to_elsewhere_and_headers_of_two_lines_are_refused(key, given):
    with pytest.raises(payloads.PayloadMistake, match=rf"here\.{key}"):
        sent(**{key: given}, names={"row": {"x": "http://elsewhere/", "y": "a\r\nHost: b"}})


VALID = {"age": 3, "name": "Tom", "tags": ["a"], "inner": {"x": 1, "list": [{"y": True}]}}


def changed(**variant):
    kinds = {"drop": "", "type": "", "set": {}, "range": {}}
    return json.loads(sent({**kinds, **variant}, json=VALID, names={"row": {"bad": -5}}).body)


@pytest.mark.parametrize(
    ("variant", "wanted"),
    [
        ({"drop": "age"}, {key: value for key, value in VALID.items() if key != "age"}),
        ({"drop": "inner.x"}, {**VALID, "inner": {"list": [{"y": True}]}}),
        ({"drop": "inner.list.0.y"}, {**VALID, "inner": {"x": 1, "list": [{}]}}),
        ({"type": "age"}, {**VALID, "age": "not a number"}),
        ({"type": "name"}, {**VALID, "name": ["neither", "text", "nor", "null"]}),
        ({"type": "tags"}, {**VALID, "tags": "not a list"}),
        ({"type": "inner"}, {**VALID, "inner": "not an object"}),
        ({"type": "inner.list.0.y"}, {**VALID, "inner": {"x": 1, "list": [{"y": "neither true nor false"}]}}),
        ({"set": {"age": "old", "new": 1}}, {**VALID, "age": "old", "new": 1}),
        ({"range": {"inner.x": "{{ row.bad }}"}}, {**VALID, "inner": {"x": -5, "list": [{"y": True}]}}),
    ],
)
def test_a_payload_is_made_invalid(variant, wanted):
    assert changed(**variant) == wanted


def test_any_field_is_drawn():
    random.seed(1)
    lost = {(set(VALID) - set(changed(drop="any"))).pop() for _ in range(50)}

    assert lost == set(VALID)


@pytest.mark.parametrize("field", ["nope", "inner.nope", "tags.0", "tags.7", "age.x", ""])
def test_a_field_that_is_not_there_is_a_mistake(field):
    with pytest.raises(payloads.PayloadMistake, match="no field"):
        payloads.dropped(VALID, field, "here")


@settings(deadline=None)
@given(st.dictionaries(st.text(min_size=1).filter(lambda key: "." not in key), JSON, min_size=1))
def test_a_wrong_type_is_another_type_and_the_original_is_left(payload):
    before = json.dumps(payload)
    field = next(iter(payload))
    made = payloads.mistyped(payload, field, "here") if field != "any" else None

    assert json.dumps(payload) == before
    if made:
        kinds = [float if isinstance(value, int) and not isinstance(value, bool) else type(value)
                 for value in (made[field], payload[field])]  # fmt: skip
        assert kinds[0] is not kinds[1]


# Expectations ---------------------------------------------------------------------------------------------------------

NOTHING = {
    "status": [],
    "values": {},
    "absolute": 0.0,
    "relative": 0.0,
    "schema": None,
    "within_s": None,
    "label": None,
}


def judge(body=b"", status=200, elapsed_s=0.01, names=(), is_invalid=False, **expect):
    made = expectations.Expectation({**NOTHING, **expect}, templates.Templates({}), "here", is_invalid=is_invalid)
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return made.judge(expectations.Answer(status, body, elapsed_s), dict(names))


def said(**given):
    failure = judge(**given).failure
    return f"{type(failure).__name__}: {failure}" if failure else ""


ANSWER = {"prediction": "dog", "scores": [{"value": 0.5}], "n": 1, "ok": True}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"status": 204}, ""),
        ({"body": b"no json at all"}, ""),
        ({"status": 304}, "UnexpectedStatus: expected status 2xx, got 304"),
        ({"status": 500, "body": b"oh\n no"}, "UnexpectedStatus: expected status 2xx, got 500: oh no"),
        ({"expect_status": [200, 404], "status": 404}, ""),
        ({"expect_status": [200, 404], "status": 201}, "UnexpectedStatus: expected status 200 or 404, got 201"),
        ({"body": ANSWER, "values": {"prediction": "dog", "scores[0].value": 0.5, "length(scores)": 1}}, ""),
        ({"body": ANSWER, "values": {"prediction": "cat"}}, 'WrongAnswer: prediction: expected "cat", got "dog"'),
        ({"body": ANSWER, "values": {"predicton": "cat"}}, 'WrongAnswer: predicton: expected "cat", got null'),
        ({"body": ANSWER, "values": {"n": 1.0}}, ""),
        ({"body": ANSWER, "values": {"n": True}}, "WrongAnswer: n: expected true, got 1"),
        ({"body": ANSWER, "values": {"ok": 1}}, "WrongAnswer: ok: expected 1, got true"),
        ({"body": ANSWER, "values": {"n": "1"}}, 'WrongAnswer: n: expected "1", got 1'),
        ({"body": ANSWER, "values": {"scores": [{"value": 0.51}]}, "absolute": 0.02}, ""),
        ({"body": ANSWER, "values": {"scores": [{"value": 0.51}]}},
         'WrongAnswer: scores: expected [{"value": 0.51}], got [{"value": 0.5}]'),
        ({"body": ANSWER, "values": {"scores[0].value": 0.505}, "relative": 0.01}, ""),
        ({"body": ANSWER, "values": {"scores[0].value": 0.506}, "relative": 0.01},
         "WrongAnswer: scores[0].value: expected 0.506, got 0.5"),
        ({"body": b"<html>", "values": {"a": 1}}, "WrongAnswer: not JSON (Expecting value: line 1 column 1 (char 0)): <html>"),
        ({"body": b" ", "values": {"a": 1}}, "WrongAnswer: the body is empty"),
        ({"body": b'{"a": NaN}', "values": {"a": None}}, 'WrongAnswer: not JSON (NaN is no JSON): {"a": NaN}'),
        ({"body": ANSWER, "schema": {"required": ["n"], "properties": {"n": {"maximum": 3}}}}, ""),
        ({"body": ANSWER, "schema": {"properties": {"n": {"minimum": 3}}}}, "WrongAnswer: n: 1 is less than the minimum of 3"),
        ({"body": ANSWER, "schema": {"required": ["x"]}}, "WrongAnswer: the answer: 'x' is a required property"),
        ({"within_s": 0.1, "elapsed_s": 0.1}, ""),
        ({"within_s": 0.1, "elapsed_s": 0.25}, "SlowAnswer: slower than 100 ms: a right answer after 250 ms"),
        ({"within_s": 0.1, "elapsed_s": 9, "body": ANSWER, "values": {"n": 2}}, "WrongAnswer: n: expected 2, got 1"),
        ({"is_invalid": True, "status": 422}, ""),
        ({"is_invalid": True, "status": 404}, "UnexpectedStatus: expected status 400 or 422, got 404"),
        ({"is_invalid": True, "status": 200, "body": b"{}"},
         "InvalidAccepted: an invalid payload was accepted: expected status 400 or 422, got 200: {}"),
        ({"is_invalid": True, "expect_status": [409], "status": 409}, ""),
    ],
)  # fmt: skip
def test_an_answer_is_judged(given, wanted):
    status, expected = given.pop("status", 200), given.pop("expect_status", [])
    made = expectations.Expectation(
        {**NOTHING, "status": expected, **{key: part for key, part in given.items() if key in NOTHING}},
        templates.Templates({}), "here", is_invalid=given.get("is_invalid", False),
    )  # fmt: skip
    body = given.get("body", b"")
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    failure = made.judge(expectations.Answer(status, body, given.get("elapsed_s", 0.01)), {}).failure

    assert (f"{type(failure).__name__}: {failure}" if failure else "") == wanted


def test_an_expected_value_may_be_a_template():
    assert said(body=ANSWER, values={"prediction": "{{ row.label }}"}, names={"row": {"label": "dog"}}) == ""
    assert "expected 1," in said(body=ANSWER, values={"prediction": "{{ row.label }}"}, names={"row": {"label": 1}})


def test_a_long_value_is_cut():
    assert len(said(body={"a": "x" * 1000}, values={"a": "y" * 1000})) < 250
    assert len(said(body={"a": "x" * 1000}, schema={"properties": {"a": {"maxLength": 3}}})) < 250


@pytest.mark.parametrize(
    ("found", "label", "correct"),
    [("dog", "dog", True), ("cat", "dog", False), (7, "7", True), ("7", 7, True), (True, 1, False), (None, "dog", False),
     (None, None, None), ("dog", None, None), ({"a": 1}, {"a": 1}, True)],
)  # fmt: skip
def test_a_label_is_compared_and_never_a_failure(found, label, correct):
    made = judge(body={"p": found}, label={"value": "p", "is": "{{ row.y }}"}, names={"row": {"y": label}})

    assert made == expectations.Judgement(None, correct)


def test_of_an_answer_that_is_none_no_label_is_compared():
    label = {"value": "p", "is": 1}

    assert judge(status=500, body={"p": 1}, label=label).correct is None
    assert judge(body=b"<html>", label=label).correct is None
    assert judge(body={"p": 1, "n": 2}, label=label, values={"n": 1}).correct is True


@settings(deadline=None)
@given(JSON, st.floats(0, 1), st.floats(0, 1))
def test_every_value_is_the_same_as_itself(value, absolute, relative):
    assert expectations.same(value, json.loads(json.dumps(value)), absolute, relative)


@settings(deadline=None)
@given(JSON, JSON)
def test_without_tolerance_sameness_is_that_of_json(one, other):
    assert expectations.same(one, other, 0.0, 0.0) == expectations.same(other, one, 0.0, 0.0)
    if json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True):
        assert expectations.same(one, other, 0.0, 0.0)


@pytest.mark.parametrize("reference", ["#/$defs/nope", "http://127.0.0.1:9/schema.json"])
def test_a_schema_that_refers_to_what_is_not_there_is_a_mistake(reference):
    with pytest.raises(expectations.PayloadMistake, match=r"^here\.schema: "):
        judge(body={"a": 1}, schema={"$ref": reference})


def test_redirects_are_followed_unless_one_is_expected():
    def made(*status):
        return expectations.Expectation({**NOTHING, "status": list(status)}, templates.Templates({}), "here")

    assert made().follows_redirects
    assert not made(200, 302).follows_redirects


def test_a_function_that_does_not_fit_the_answer_finds_nothing():
    assert (
        judge(body={"p": None}, label={"value": "length(p)", "is": "{{ row.y }}"}, names={"row": {"y": 3}}).correct
        is False
    )
    assert "length(p): expected 3, got null" in str(judge(body={"p": None}, values={"length(p)": 3}).failure)
