"""Real compose projects on a real engine, awkward as those of real repositories."""

import json
import socket
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from entrypoint.service import Place, running, teardown_leftovers
from entrypoint.settings import model
from tests.service.conftest import SERVER, docker, settings

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("docker_engine")]

DOCKERFILE = """
FROM python:3.13-slim
COPY server.py /server.py
ENV HOST=0.0.0.0
STOPSIGNAL SIGKILL
CMD ["python", "/server.py", "8000"]
"""

SHOP = """
services:
  api:
    build: .
    image: ${IMAGE}
    container_name: ${PREFIX}-api
    ports: ["${TAKEN_PORT}:8000"]
    environment:
      SHOWN: PASSWORD MODEL PRICE STATE
      PASSWORD: ${PASSWORD}
      MODEL: ${MODEL:-large}
      PRICE: $$5
      STATE: ${EMOJI}
    volumes: ["data:/data"]
    depends_on: {migrate: {condition: service_completed_successfully}}
  migrate:
    image: ${IMAGE}
    command: ["sh", "-c", "echo migrated $$HOME; touch /data/$$(date +%s%N)"]
    volumes: ["data:/data"]
  debugger:
    image: no-such-image
    profiles: [debug]
volumes:
  data: {name: "${PREFIX}-data"}
"""


def compose(place: Place, text: str, **given: object) -> model.Service:
    """Settings of a compose project in the place's root, with the one-file server as its image."""
    (place.root / "compose.yml").write_text(text)
    (place.root / "Dockerfile").write_text(DOCKERFILE)
    (place.root / "server.py").write_text(SERVER)
    usual = {"compose_file": [place.root / "compose.yml"], "service": "api", "port": 8000, "ready": {"timeout": "30s"}}
    return settings(**{**usual, **given})


def shown(url: str) -> dict[str, str | None]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        found: dict[str, str | None] = json.load(answer)
    return found


@pytest.fixture(autouse=True)
def nothing_left(docker_engine: None, left_behind: Callable[[], list[str]]) -> Iterator[None]:
    """No test may leave anything on the engine."""
    yield
    assert left_behind() == []


@pytest.fixture
def taken_port():
    with socket.create_server(("0.0.0.0", 0)) as listening:
        yield listening.getsockname()[1]


def dotenv(place: Place, port: int) -> str:
    """An `.env` as repositories have it; its prefix."""
    prefix = f"dev-{place.run_id}"
    lines = [
        f"PREFIX={prefix}",
        f"IMAGE={prefix}:dev",
        f"TAKEN_PORT={port}",
        "PASSWORD='p$w$$d\"#'",
        "EMOJI=🙂",
        "MODEL=env",
    ]
    (place.root / ".env").write_text("\n".join(lines))
    return prefix


def test_beside_a_developers_own_copy(place: Place, say, left_behind, developers_copy):
    with socket.create_server(("0.0.0.0", 0)) as listening:
        port = listening.getsockname()[1]
    prefix = dotenv(place, port)
    service = compose(place, SHOP, environment={"MODEL": "a$b"})
    developers_copy(place.root, "build", "--quiet")
    developers_copy(place.root, "up", "--detach")
    own = docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}} {{.RestartCount}}", f"{prefix}-api")
    image = docker("image", "inspect", "--format", "{{.Id}}", f"{prefix}:dev")
    content = docker("exec", f"{prefix}-api", "ls", "/data")
    (place.root / "server.py").write_text(SERVER + "\n# changed, so that the build gives another image\n")

    with running(service, name="candidate", place=place, say=say) as target:
        answered = shown(target.url)
        assert docker("exec", f"{place.project('candidate')}-api-1", "ls", "/data") != content
        assert target.faults() == []
        assert target.facts()["launcher"] == "compose"
        assert target.facts()["image of api"].startswith("sha256:")
        assert target.facts()["image of api"] != image
        # Two services have this image, and it lies on the disk once.
        assert target.facts()["image of migrate"] == target.facts()["image of api"]
        size = docker("image", "inspect", "--format", "{{.Size}}", target.facts()["image of api"])
        assert target.image_bytes == int(size) > 50e6
        private = [path for path in place.private_parent.rglob("*") if path.is_file()]
        assert [path.stat().st_mode & 0o777 for path in private] == [0o600]

    assert answered == {"PASSWORD": 'p$w$$d"#', "MODEL": "a$b", "PRICE": "$5", "STATE": "🙂"}
    assert left_behind() == []
    assert list(place.private_parent.iterdir()) == list(place.ledger.iterdir()) == []
    assert docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}} {{.RestartCount}}", f"{prefix}-api") == own
    assert docker("image", "inspect", "--format", "{{.Id}}", f"{prefix}:dev") == image
    assert docker("exec", f"{prefix}-api", "ls", "/data") == content
    assert sorted(path.name for path in place.logs.iterdir()) == [
        "api.log", "build.log", "migrate.log", "resources.jsonl",
    ]  # fmt: skip
    assert (place.logs / "migrate.log").read_text().endswith("Z migrated /root\n")
    assert set(target.timing) == {"build", "start", "ready", "teardown"}


def test_a_taken_port_several_files_an_environment_file_and_a_profile(place: Place, say, taken_port, left_behind):
    dotenv(place, 1)
    service = compose(
        place,
        SHOP,
        compose_file=[place.root / "compose.yml", place.root / "more.yml"],
        env_file=[place.root / "ci.env"],
        profiles=["load"],
        service="front",
        setup=f"{sys.executable} -c 'import os; print(os.environ[\"SERVICE_URL\"])'",
    )
    (place.root / "ci.env").write_text(
        f"PREFIX=ci-{place.run_id}\nIMAGE=ci:dev\nTAKEN_PORT={taken_port}\nPASSWORD=from-ci\n"
    )
    (place.root / "more.yml").write_text("""
services:
  front:
    image: nginx:1.26
    profiles: [load]
    network_mode: service:api
    depends_on: [api]
  api:
    ports: ["9000:9000"]
    networks: {default: {aliases: [back]}}
""")
    with running(service, name="candidate", place=place, say=say) as target:
        assert shown(target.url)["PASSWORD"] == "from-ci"
        ports = docker("ps", "--format", "{{.Ports}}", "--filter", f"label=ml-loadtest.run={place.run_id}").split()
        assert [port.partition(":")[0] for port in ports] == ["127.0.0.1"]
        assert (place.logs / "setup.log").read_text() == f"{target.url}\n"
    assert left_behind() == []


def test_images_of_an_earlier_step_and_external_things(place: Place, say, left_behind, developers_copy):
    outer = f"outer-{place.run_id}"
    text = f"""
name: own-{place.run_id}
services:
  api:
    build: .
    networks: [default, outer]
    volumes: ["kept:/kept"]
networks: {{outer: {{external: true, name: {outer}}}}}
volumes: {{kept: {{external: true, name: {outer}}}}}
"""
    service = compose(place, text, build="never")
    docker("network", "create", outer)
    docker("volume", "create", outer)
    try:
        developers_copy(place.root, "build", "--quiet")
        with running(service, name="candidate", place=place, say=say) as target:
            assert shown(target.url) == {}
        assert left_behind() == []
        assert (
            docker("image", "inspect", "--format", "{{.Id}}", f"own-{place.run_id}-api")
            == target.facts()["image of api"]
        )
        assert docker("volume", "ls", "--quiet", "--filter", f"name={outer}") == outer
        assert any("`outer` is external" in line for line in say.lines)
    finally:
        docker("network", "rm", outer)
        docker("volume", "rm", outer)


FAULTY = """
services:
  api:
    build: .
  once:
    image: nginx:1.26
    command: ["true"]
  helper:
    image: nginx:1.26
    command: ["sleep", "60"]
    stop_signal: SIGKILL
  flapping:
    image: nginx:1.26
    restart: always
    command: ["sleep", "60"]
    stop_signal: SIGKILL
"""


def test_faults_while_it_serves(place: Place, say, left_behind):
    project = place.project("candidate")
    with running(compose(place, FAULTY), name="candidate", place=place, say=say) as target:
        assert target.faults() == []
        docker("kill", f"{project}-helper-1")
        docker("exec", f"{project}-flapping-1", "sh", "-c", "kill -9 -1; kill 1; true")
        docker("restart", "--time", "0", f"{project}-flapping-1")
        faults = {fault.what.split("`")[1]: fault for fault in target.faults()}
        docker("kill", f"{project}-api-1")
        assert "service `api` exited with code 137" in [fault.what for fault in target.faults()]
    assert {name: fault.kind for name, fault in faults.items()} == {"helper": "exited", "flapping": "restarted"}
    assert left_behind() == []
    assert target.timing["teardown"] < 6


HUNGRY = """
services:
  api:
    build: .
    mem_limit: 64m
    memswap_limit: 64m
"""


def test_a_process_of_a_living_container_that_ran_out_of_memory_is_a_fault(place: Place, say, left_behind):
    """A pool's worker dies, its parent starts another, and the container never ends."""
    with running(compose(place, HUNGRY), name="candidate", place=place, say=say) as target:
        assert target.faults() == []
        api = f"{place.project('candidate')}-api-1"
        docker("exec", api, "sh", "-c", "python -c 'bytearray(200 * 2**20)' || true")
        found = target.faults()
        assert shown(target.url) == {}
    assert [(fault.kind, fault.what.partition(",")[0]) for fault in found] == [
        ("oom-killed", "service `api` ran out of memory")
    ]
    assert left_behind() == []


def test_several_starts_and_variables_that_docker_goes_by(place: Place, say, left_behind):
    text = """
services:
  api:
    build: .
    restart: on-failure
    command: ["sh", "-c", "test -e ${STARTS} || { touch ${STARTS}; exit 1; }; exec python /server.py 8000"]
"""
    variables = {
        "DOCKER_HOST": "tcp://127.0.0.1:1",
        "HOME": "/nowhere",
        "COMPOSE_FILE": "other.yml",
        "SHOWN": "DOCKER_HOST HOME",
    }
    other = {"COMPOSE_FILE": "none.yml", "COMPOSE_PROJECT_NAME": "another", "COMPOSE_ENV_FILES": "ci.env"}
    (place.root / "ci.env").write_text("STARTS=/again\n")
    place = replace(place, environment={**place.environment, **other})
    with running(compose(place, text, environment=variables), name="candidate", place=place, say=say) as target:
        assert shown(target.url) == {"DOCKER_HOST": "tcp://127.0.0.1:1", "HOME": "/nowhere"}
        assert target.faults() == []
    assert left_behind() == []


def test_leftovers_of_a_killed_run(place: Place, say, left_behind):
    """What a killed conductor leaves is in the ledger while the service is up; taking it down there is enough."""
    text = "services: {api: {build: ., volumes: ['data:/data']}}\nvolumes: {data: {}}"

    def interrupted() -> None:
        with running(compose(place, text), name="candidate", place=place, say=say):
            assert len(left_behind()) >= 3
            assert teardown_leftovers(place.ledger, place.suite, say, environment=place.environment) == 1
            assert left_behind() == []
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(place.ledger.iterdir()) == []


def test_networks_and_volumes_without_containers_go_too(place: Place, say, left_behind):
    text = "services: {api: {build: ., volumes: ['data:/data']}}\nvolumes: {data: {}}"
    with running(compose(place, text), name="candidate", place=place, say=say):
        docker("rm", "--force", f"{place.project('candidate')}-api-1")
        assert len(left_behind()) >= 2
    assert left_behind() == []
