"""The manifests fit Kubernetes' own schemas, our command line and each other. No cluster was at hand."""

import itertools
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from entrypoint.cli import cli
from entrypoint.settings.plausible import refuse_impossible
from entrypoint.settings.reading import read_joining, read_settings
from entrypoint.settings.schema import schema

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples/kubernetes"
MANIFESTS = [
    pytest.param(manifest, id=f"{path.name}-{manifest['kind']}-{manifest['metadata']['name']}")
    for path in sorted(FOLDER.glob("*.yaml"))
    for manifest in yaml.safe_load_all(path.read_text())
]


def one(kind, name):
    found = [p.values[0] for p in MANIFESTS if p.values[0]["kind"] == kind and p.values[0]["metadata"]["name"] == name]
    assert len(found) == 1
    return found[0]


def container(job):
    (only,) = one("Job", job)["spec"]["template"]["spec"]["containers"]
    return only


@pytest.fixture
def load(tmp_path):
    """The mounted folder as the containers see it."""
    for name, text in one("ConfigMap", "loadtest")["data"].items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_manifest_fits_the_schema_of_kubernetes(manifest):
    import kubernetes_validate

    kubernetes_validate.validate(manifest, "1.33", strict=True)


def test_the_schema_check_sees_a_mistake():
    import kubernetes_validate

    wrong = {**one("Job", "loadtest-workers"), "spec": {"paralelism": 3}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.33", strict=True)


@pytest.mark.parametrize("job", ["loadtest-run", "loadtest-workers"])
def test_a_container_calls_a_command_that_exists(job):
    name, *arguments = container(job)["args"]
    parameters = cli.commands[name].make_context(name, arguments).params

    assert parameters["config"] == "/load/loadtest.yml"


def test_settings_and_locustfile_can_be_used(load):
    jsonschema.validate(yaml.safe_load((load / "loadtest.yml").read_text()), schema())
    settings = read_settings({}, {}, load, config="loadtest.yml")

    refuse_impossible(settings.config)
    assert read_joining({}, {}, load, config="loadtest.yml").load.locustfile == load / "users.py"
    compile((load / "users.py").read_text(), "users.py", "exec")


def test_run_workers_service_and_policies_name_the_same_port_host_and_number(load):
    config = read_settings({}, {}, load, config="loadtest.yml").config
    _, port = config.load.master_address
    workers = one("Job", "loadtest-workers")["spec"]
    service = one("Service", "loadtest-master")
    arguments = container("loadtest-workers")["args"]
    given = dict(itertools.pairwise(arguments))

    assert workers["parallelism"] == workers["completions"] == config.load.remote_workers
    assert workers["backoffLimit"] == one("Job", "loadtest-run")["spec"]["backoffLimit"] == 0
    assert given["--master"] == service["metadata"]["name"]
    assert int(given["--port"]) == service["spec"]["ports"][0]["port"] == port
    assert service["spec"]["ports"][0]["targetPort"] == container("loadtest-run")["ports"][0]["containerPort"] == port
    run_labels = one("Job", "loadtest-run")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == run_labels
    master, worker = one("NetworkPolicy", "loadtest-master"), one("NetworkPolicy", "loadtest-workers")
    assert master["spec"]["podSelector"]["matchLabels"] == run_labels
    assert worker["spec"]["podSelector"]["matchLabels"] == workers["template"]["metadata"]["labels"]
    assert master["spec"]["ingress"][0]["from"][0]["podSelector"] == worker["spec"]["podSelector"]
    assert master["spec"]["ingress"][0]["ports"] == [{"protocol": "TCP", "port": port}]
    assert container("loadtest-run")["image"] == container("loadtest-workers")["image"]


def test_the_page_and_the_image_are_those_of_the_manifests():
    page = (ROOT / "docs/scaling.md").read_text()
    image = container("loadtest-run")["image"]
    dockerfile = (FOLDER / "Dockerfile").read_text()

    assert f"-t {image} ." in page
    assert f"-t {image} ." in dockerfile
    assert all(f"examples/kubernetes/{path.name}" in page for path in FOLDER.iterdir())
    assert {f"job/{name}" for name in ("loadtest-run", "loadtest-workers")} <= set(re.findall(r"job/[a-z-]+", page))
    copied = re.findall(r"^COPY (\S+) ", dockerfile, re.MULTILINE)
    assert all((ROOT / name).exists() for name in copied)
