"""What is kept of the services' logs for the report."""

from entrypoint.service.logs import log_file, of_services


def test_the_last_lines_of_each_service_and_nothing_of_ours(tmp_path):
    (tmp_path / "api.log").write_text("\n".join(f"line {number}" for number in range(300)) + "\n\n")
    (tmp_path / "quiet.log").write_text("\n")
    for name in ("build", "setup", "prepare"):
        (tmp_path / f"{name}.log").write_text("ours")
    log_file(tmp_path, "build").write_text("a service's")
    (tmp_path / "base").mkdir()

    assert of_services(tmp_path, 2) == {"api": "line 298\nline 299", "service-build": "a service's"}


def test_a_folder_that_is_not_there_has_no_logs(tmp_path):
    assert of_services(tmp_path / "none", 2) == {}
