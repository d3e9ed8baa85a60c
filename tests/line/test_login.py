"""The login in an address of the settings is nobody's to read."""

from tests.faults.scene import ANY_MACHINE, USERS
from tests.load.web import serving

from .test_run import ml_loadtest


def test_the_login_in_an_address_is_printed_nowhere_and_kept_nowhere(tmp_path):
    (tmp_path / "users.py").write_text(USERS.replace("/predict", "/status/500"))
    with serving() as web:
        address = web.url.replace("://", "://someone:s3cr3t@")
        (tmp_path / "loadtest.yml").write_text(
            f"suite: faults\n{ANY_MACHINE}\nservice: {{url: '{address}'}}\n"
            "load: {locustfile: users.py, users: 1, duration: 1s, warm-up: 1s}\n"
        )
        checked, running = ml_loadtest(tmp_path, "check"), ml_loadtest(tmp_path, "run")

    assert (checked[0], running[0]) == (0, 1), running[1]
    assert f"running at {web.url}" in checked[1]
    assert f"loading {web.url}:" in running[1]
    assert "s3cr3t" not in checked[1] + running[1]
    told = [
        str(path) for path in (tmp_path / "results").rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()
    ]
    assert told == []
