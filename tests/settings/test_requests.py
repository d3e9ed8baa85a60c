"""`load.requests` as it is read: every mistake at once, each with its line, before anything is loaded."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from entrypoint.errors import SettingsError
from entrypoint.settings.reading import read_joining, read_settings
from entrypoint.settings.requests import Request, Tolerance
from entrypoint.settings.schema import schema
from entrypoint.settings.templates import TEMPLATE_NAMES

ENVIRON = {"PATH": "/usr/bin", "KEY": "secret-value", "HOME": "/nowhere"}
BEGIN = "service: {command: serve}\nload:\n  environment: [KEY, UNSET]\n  requests:\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pets.csv").write_text("id,age,label\n007,3,cat\n")
    (tmp_path / "pets.jsonl").write_text('{"id": 1, "extra": {"x": 1}}\n{"id": 2, "age": 3}\n')
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"1")
    (tmp_path / "answer.json").write_text('{"type": "object"}')
    return tmp_path


def read(folder, text, flags=None, environ=ENVIRON):
    (folder / "loadtest.yml").write_text(text)
    return read_settings(flags or {}, environ, folder)


def requests(folder, *lines):
    """Settings with one request, which stands from line 5 on."""
    return read(folder, BEGIN + "".join(f"{'    - ' if n == 0 else '      '}{line}\n" for n, line in enumerate(lines)))


def mistakes(folder, *lines):
    with pytest.raises(SettingsError) as caught:
        requests(folder, *lines)
    return str(caught.value)


def test_a_whole_request_is_read_and_its_paths_are_the_file_s(folder):
    settings = requests(
        folder, "path: /predict/{{ row.id }}?k={{ env.KEY }}", "rows: pets.csv", "images: photos/*.jpg", "timeout: 2s",
        "files: {photo: '{{ image }}', schema: answer.json}",
        "expect: {status: 200, values: {'a[0].b': '{{ row.label }}'}, tolerance: 1e-3, schema: answer.json, within: 100ms}",
    )  # fmt: skip
    (request,) = settings.config.load.requests

    assert (request.verb, request.row_name) == ("POST", "/predict/{row.id}?k={env.KEY}")
    assert request.rows == folder / "pets.csv"
    assert request.images == folder / "photos/*.jpg"
    assert request.files == {"photo": "{{ image }}", "schema": str(folder / "answer.json")}
    assert request.expect.schema_ == folder / "answer.json"
    assert request.expect.tolerance == Tolerance.model_validate("1e-3")
    assert (request.timeout_s, request.expect.within_s, request.expect.status) == (2, 0.1, [200])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "json: {a: ['{{row.agee}}']}",
            "line 7, `load.requests.0.json.a.0`: the rows have no column `agee`; did you mean `age`?",
        ),
        ("json: '{{ row[\"nope\"] }}'", "no column `nope`; known here: age, id, label"),
        ("json: '{{ rwo }}'", "templates know no `rwo`; did you mean `row`?"),
        ("json: '{{ image.name }}'", "`image` needs `images`"),
        ("json: '{{ row.age'", "this template cannot be read: unexpected end of template"),
        ("json: '{{ row.age | nope }}'", "this template cannot be read: No filter named 'nope'"),
        ("json: '{{ env.UNSET }}'", "`env.UNSET`: the variable UNSET is not set"),
        ("json: '{{ env.HOME }}'", "`env.HOME`: templates see the variables that `load.environment` names; add HOME"),
        ("json: {n: .inf}", "`load.requests.0.json`: inf is no JSON"),
        ("headers: {X: '{{ nope }}'}", "line 7, `load.requests.0.headers.X`: templates know no `nope`"),
        ("form: {a: '{{ nope }}'}", "`load.requests.0.form.a`: templates know no `nope`"),
        ("body: '{{ nope }}'", "`load.requests.0.body`: templates know no `nope`"),
        ("files: {a: '{{ nope }}'}", "`load.requests.0.files.a`: templates know no `nope`"),
        ("files: {a: gone.jpg}", "gone.jpg is not there"),
        ("files: {a: photos}", "photos is a folder, not a file"),
        ("images: none/*.jpg", "`load.requests.0.images`: no image is there"),
        ("name: 'a {{ row.id }}'", "`load.requests.0.name`: a name is one row of the report"),
        ("weight: -1", "`load.requests.0.weight`: input should be greater than 0, got -1"),
        ("method: FETCH", "`load.requests.0.method`: expected 'GET', 'POST'"),
        ("timeout: 0s", "`load.requests.0.timeout`: input should be greater than 0"),
        ("exppect: {}", "there is no such key; did you mean `expect`?"),
        ("expect: {statuss: 1}", "`load.requests.0.expect.statuss`: there is no such key; did you mean `status`?"),
        ("expect: {status: 20}", "`load.requests.0.expect.status.0`: input should be greater than or equal to 100"),
        ("expect: {values: {'a[': 1}}", "line 7, `load.requests.0.expect.values.a[`: this is no JMESPath"),
        ("expect: {values: {a: '{{ nope }}'}}", "`load.requests.0.expect.values.a`: templates know no `nope`"),
        ("expect: {label: {value: 'a b', is: 1}}", "`load.requests.0.expect.label.value`: this is no JMESPath"),
        (
            "expect: {label: {value: a, is: '{{row.labl}}'}}",
            "`load.requests.0.expect.label.is`: the rows have no column `labl`",
        ),
        ("expect: {label: {value: a}}", "`load.requests.0.expect.label.is`: it is missing\n"),
        ("expect: {schema: {type: nonsense}}", "`load.requests.0.expect.schema`: this is no JSON Schema: 'nonsense'"),
        ("expect: {schema: gone.json}", "gone.json is not there"),
        ("expect: {schema: pets.csv}", "pets.csv is not JSON"),
        ("expect: {tolerance: -1}", "expected a number such as 1e-3 or a share such as 1%, got -1"),
        ("expect: {tolerance: true}", "expected a number such as 1e-3 or a share such as 1%, got True"),
        ("invalid: [{drop: age}]", "invalid needs a payload with fields, json or form"),
    ],
)
def test_a_mistake_is_named_with_its_place(folder, line, said):
    assert said in mistakes(folder, "path: /a", "rows: pets.csv", line)


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        (
            "{drop: salary}",
            "line 7, `load.requests.0.invalid.0.drop`: the payload has no field `salary`; it has age, in",
        ),
        ("{type: salary.x}", "`load.requests.0.invalid.0.type`: the payload has no field `salary.x`"),
        ("{drop: age, type: age}", "expected exactly one of drop, type, set and range, got drop and type"),
        ("{weight: 1}", "expected exactly one of drop, type, set and range, got none of them"),
        ("{set: {age: '{{ nope }}'}}", "`load.requests.0.invalid.0.set.age`: templates know no `nope`"),
        ("{range: {age: '{{ nope }}'}}", "`load.requests.0.invalid.0.range.age`: templates know no `nope`"),
        (
            "{drop: age, expect: {values: {'a[': 1}}}",
            "`load.requests.0.invalid.0.expect.values.a[`: this is no JMESPath",
        ),
        ("{drop: age, expect: {schema: gone.json}}", "gone.json is not there"),
    ],
)
def test_a_mistake_in_a_variant_is_named_with_its_place(folder, variant, said):
    assert said in mistakes(folder, "path: /a", "json: {age: 1, in: {x: 1}}", f"invalid: [{variant}]")


def test_nothing_is_wrong_with_nested_fields_and_drawn_ones(folder):
    requests(folder, "path: /a", "json: {age: 1, in: {x: 1}}", "invalid: [{drop: in.x}, {type: any}, {set: {new: 1}}]")
    requests(folder, "path: /a", "rows: pets.csv", "json: '{{ row }}'", "invalid: [{drop: whatever}]")


def test_any_field_of_a_list_is_none(folder):
    assert "the payload is a list" in mistakes(folder, "path: /a", "json: [{a: 1}]", "invalid: [{drop: any}]")


@pytest.mark.parametrize(
    ("path", "said"),
    [("a", "expected a path that starts with /, got 'a'"), ("'http://x/'", "expected a path that starts with /")],
)
def test_a_path_is_on_the_service(folder, path, said):
    assert said in mistakes(folder, f"path: {path}")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "a,b\n", "a.csv has no rows"),
        ("a.csv", "", "a.csv has no rows"),
        ("a.jsonl", "[1]\n", "a.jsonl cannot be read: each line has to be a JSON object"),
        ("a.jsonl", "{nope}\n", "a.jsonl cannot be read"),
        ("a.xlsx", "", "expected a file that ends in .csv, .jsonl, .ndjson or .parquet, got a.xlsx"),
        ("a.parquet", "", "a.parquet is read by pyarrow, which is not there; add pyarrow to load.requirements"),
        ("gone.csv", None, "gone.csv is not there"),
    ],
)
def test_rows_that_cannot_be_read_are_refused(folder, name, text, said):
    if text is not None:
        (folder / name).write_text(text)

    assert f"line 6, `load.requests.0.rows`: {said}" in mistakes(folder, "path: /a", f"rows: {name}").replace(
        f"{folder}/", ""
    )


def test_columns_of_json_lines_are_those_of_its_first_rows(folder):
    requests(folder, "path: /a", "rows: pets.jsonl", "json: '{{ [row.age, row.extra.x, row.get(\"id\")] }}'")
    assert "no column `label`" in mistakes(folder, "path: /a", "rows: pets.jsonl", "json: '{{ row.label }}'")


def test_all_mistakes_of_all_requests_come_at_once(folder):
    text = BEGIN + (
        "    - path: /{{ row.id }}\n      json: {a: 1}\n      form: {a: 1}\n      weight: 0\n"
        "    - {path: /b, body: '{{ nope }}'}\n    - [1]\n  users: many\n"
    )
    with pytest.raises(SettingsError) as caught:
        read(folder, text)

    for part in (
        "line 5, `load.requests.0.path`: `row` needs `rows`",
        "line 5, `load.requests.0`: expected one body, json, form (files may stand beside it), files or body; got json and form",
        "line 8, `load.requests.0.weight`: input should be greater than 0, got 0",
        "line 9, `load.requests.1.body`: templates know no `nope`",
        "line 10, `load.requests.2`",
        "line 11, `load.users`",
    ):
        assert part in str(caught.value)


def test_a_form_may_stand_beside_files(folder):
    (request,) = requests(folder, "path: /a", "files: {a: answer.json}", "form: {b: 1}").config.load.requests

    assert request.form == {"b": 1}


@pytest.mark.parametrize(
    ("load", "said"),
    [
        ("{users: 3}", "expected either load.locustfile or load.requests, got neither"),
        ("{requests: []}", "expected either load.locustfile or load.requests, got neither"),
        ("{locustfile: a.py, requests: [{path: /a}]}", "expected either load.locustfile or load.requests, got both"),
        ("{locustfile: a.py, wait: 1s}", "`load.wait`: it goes with load.requests alone"),
        ("{requests: [{path: /a}], wait: 1s, arrival-rate: 5}", "wait does nothing in open load"),
        ("{requests: [{path: /a}], wait: 2s..1s}", "wait's second figure is smaller than its first"),
        ("{requests: {path: /a}}", "`load.requests`: input should be a valid list"),
    ],
)
def test_the_load_comes_from_one_source(folder, load, said):
    with pytest.raises(SettingsError) as caught:
        read(folder, f"service: {{command: serve}}\nload: {load}\n")

    assert said in str(caught.value)


def test_a_locustfile_given_by_flag_replaces_the_file_s_requests(folder):
    text = "service: {command: serve}\nload: {requests: [{path: /a}], wait: 1s}\n"

    load = read(folder, text, {"locustfile": "users.py"}).config.load
    assert (load.locustfile, load.requests, load.wait) == (folder / "users.py", [], None)
    load = read(folder, text, environ={**ENVIRON, "LT_LOCUSTFILE": "users.py"}).config.load
    assert (load.locustfile, load.requests) == (folder / "users.py", [])


@pytest.mark.parametrize(("given", "wanted"), [("1s", (1, 1)), ("0.1s..0.3s", (0.1, 0.3)), ("2", (2, 2))])
def test_think_time_is_a_figure_or_two(folder, given, wanted):
    load = read(folder, f"service: {{command: serve}}\nload: {{requests: [{{path: /a}}], wait: {given}}}\n").config.load

    assert (load.wait.min_s, load.wait.max_s) == wanted


def test_a_worker_reads_them_too_and_finds_the_same_mistakes(folder):
    (folder / "loadtest.yml").write_text("load: {requests: [{path: '/{{ row.agee }}', rows: pets.csv}], users: x}\n")
    with pytest.raises(SettingsError, match="no column `agee`"):
        read_joining({}, ENVIRON, folder, config="loadtest.yml")

    (folder / "loadtest.yml").write_text("load: {requests: [{path: '/{{ row.age }}', rows: pets.csv}], users: x}\n")
    assert read_joining({}, ENVIRON, folder, config="loadtest.yml").load.requests[0].rows == folder / "pets.csv"


def test_no_message_holds_the_value_of_a_variable(folder):
    assert "secret-value" not in mistakes(folder, "path: /{{ env.KEY }}/{{ nope }}", "json: '{{ env.KEY }'")


def test_dates_are_texts_and_what_yaml_alone_knows_is_refused():
    assert Request.model_validate({"path": "/a", "json": yaml.safe_load("{d: 2020-01-01}")}).json_ == {
        "d": "2020-01-01"
    }
    with pytest.raises(ValueError, match="bytes is no JSON"):
        Request.model_validate({"path": "/a", "json": yaml.safe_load("!!binary aGk=")})


WHOLE = {
    "path": "/a", "name": "a", "method": "PUT", "headers": {"X": 1}, "json": {"a": 1}, "weight": 0.5, "rows": "pets.csv",
    "images": "photos", "timeout": "2s",
    "expect": {"status": [200], "values": {"a": 1}, "tolerance": "1%", "schema": {}, "within": "1s",
               "label": {"value": "a", "is": 1}},
    "invalid": [{"drop": "a", "weight": 1, "expect": {"status": 400}}],
}  # fmt: skip


@pytest.mark.parametrize("wrong", [{"wieght": 1}, {"weight": "x"}, {"expect": {"status": 7}}, {"expect": "200"}, {"invalid": "x"},
                                   {"headers": "A=1"}, {"path": 7}])  # fmt: skip
def test_the_schema_knows_requests(folder, wrong):
    def document(request):
        return {"service": {"command": "x"}, "load": {"requests": [request], "wait": "0.1s..0.3s"}}

    jsonschema.validate(document(WHOLE), schema())
    read(folder, json.dumps(document(WHOLE)))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document({**WHOLE, **wrong}), schema())
    with pytest.raises(SettingsError):
        read(folder, json.dumps(document({**WHOLE, **wrong})))


@pytest.mark.parametrize("load", [{}, {"locustfile": "a.py", "requests": [{"path": "/a"}]}])
def test_the_schema_wants_one_source(load):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"service": {"command": "x"}, "load": load}, schema())


PAGE = (Path(__file__).parents[2] / "docs" / "requests.md").read_text()


@pytest.mark.parametrize("text", re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
def test_the_examples_of_the_page_are_read(tmp_path, text):
    (tmp_path / "compose.yml").write_text("")
    photos = tmp_path / "loadtest" / "photos" / "cats"
    photos.mkdir(parents=True)
    for path in (photos / "a.jpg", photos.parent / "b.jpg"):
        path.write_bytes(b"1")
    (tmp_path / "loadtest" / "patients.csv").write_text("age,sex,label\n41,F,1\n")
    (tmp_path / "loadtest" / "labels.jsonl").write_text('{"file": "b.jpg", "score": 0.5}\n')
    (tmp_path / "loadtest" / "answer.json").write_text("{}")
    jsonschema.validate(yaml.safe_load(text), schema())

    assert read(tmp_path, text, environ={**ENVIRON, "API_KEY": "x"}).config.load.requests
    for path in (tmp_path / "loadtest").glob("*.*"):
        path.unlink()
    with pytest.raises(SettingsError, match=r"patients\.csv is not there|labels\.jsonl is not there"):
        read(tmp_path, text, environ={**ENVIRON, "API_KEY": "x"})


def test_the_page_names_all_that_templates_know():
    table = PAGE.split("| Name | What it is |")[1].split("\n\n")[0]

    assert set(re.findall(r"`(\w+)(?:\([^)]*\))?`", table)) >= set(TEMPLATE_NAMES)
