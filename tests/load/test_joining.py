"""`ml-loadtest worker`: what it says, what it ends with, and that nothing is left of it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from entrypoint.errors import ExitCode, SettingsError
from entrypoint.interruption import Interrupted
from entrypoint.load import locust

from .conftest import HEADER
from .test_load import PLAIN, failed_checks, ours

PROGRAM = Path(sys.executable).with_name("ml-loadtest")


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def elsewhere(tmp_path):
    """A folder with the same locustfile, as another machine would have it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "users.py").write_text(HEADER + PLAIN)
    return folder


@contextmanager
def joining(folder, *arguments):
    """The command, with what it prints in `said`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "LT_"))}
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [PROGRAM, "worker", *arguments], cwd=folder, env=environment, stdout=said, stderr=said
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def told(folder):
    return (folder / "said").read_text()


def join(folder, *arguments, timeout=60):
    """The whole command: exit code and what it printed."""
    with joining(folder, *arguments) as process:
        return process.wait(timeout), told(folder)


def await_words(folder, words, seconds=20):
    deadline = time.monotonic() + seconds
    while words not in told(folder):
        assert time.monotonic() < deadline, told(folder)
        time.sleep(0.05)


def left(folder):
    """Processes that still work in this folder, the command itself apart."""
    alive = [process.info for process in psutil.process_iter(["cwd", "status", "cmdline"])]
    return [p["cmdline"] for p in alive if p["cwd"] == str(folder) and p["status"] != psutil.STATUS_ZOMBIE]


def here(port):
    return ("--master", "127.0.0.1", "--port", str(port), "--locustfile", "users.py")


def broken(run):
    """Failed checks that do not speak of the machine and its neighbours."""
    return failed_checks(run) - {"generator-cpu", "event-loop-lag", "longest-stall", "run-queue", "steal"}


def test_two_processes_join_see_the_run_to_its_end_and_say_so(load, elsewhere, port, web):
    with joining(elsewhere, *here(port), "--count", "2") as command:
        run = load(PLAIN, workers=1, remote_workers=2, master=f"127.0.0.1:{port}", users=5)
        assert command.wait(20) == 0

    said = told(elsewhere)
    assert f"connecting to the master at 127.0.0.1:{port}, for 2m at most" in said
    assert len(re.findall(r"process [12]: joined as worker [012], of 3 in all", said)) == 2
    assert said.count("the run is over, all was handed in") == 2
    assert run.closing.complete, run.closing.problem
    assert run.closing.started == len(run.samples) == web.asked["/a"]
    assert not broken(run)
    assert left(elsewhere) == []


def test_settings_come_from_a_file_without_a_service(load, elsewhere, port):
    (elsewhere / "users.py").write_text(HEADER + PLAIN + "import os\nassert os.environ['TOKEN_FOR_USERS'] == 'x'\n")
    (elsewhere / "lt.yml").write_text(
        "load: {locustfile: users.py, environment: [TOKEN_FOR_USERS], users: 7}\nservice: {port: 99999999}\n"
    )
    os.environ["TOKEN_FOR_USERS"] = "x"
    try:
        with joining(elsewhere, "--master", "127.0.0.1", "--port", str(port), "--config", "lt.yml") as command:
            run = load(
                (elsewhere / "users.py").read_text().removeprefix(HEADER), workers=0, remote_workers=1,
                master=f"127.0.0.1:{port}", load_environment=["TOKEN_FOR_USERS"],
            )  # fmt: skip
            assert command.wait(20) == 0, told(elsewhere)
    finally:
        del os.environ["TOKEN_FOR_USERS"]
    assert run.closing.complete


def test_a_refused_worker_tells_the_reason_and_ends_with_three(load, elsewhere, port):
    (elsewhere / "users.py").write_text(HEADER + PLAIN + "# another\n")
    with joining(elsewhere, *here(port)) as command:
        run = load(PLAIN, workers=0, remote_workers=1, master=f"127.0.0.1:{port}")
        assert command.wait(20) == 3

    assert "The master refuses this worker: its locustfile is not the master's" in told(elsewhere)
    assert "its locustfile is not the master's" in run.closing.problem


def test_a_worker_that_cannot_be_used_ends_the_waiting_of_the_others_too(load, elsewhere, port, tmp_path):
    another = tmp_path / "another"
    another.mkdir()
    (another / "users.py").write_text(HEADER + PLAIN + "# another\n")
    with ExitStack() as stack:
        right = stack.enter_context(joining(elsewhere, *here(port)))
        wrong = []

        def watch(progress):
            if not wrong and "joined" in told(elsewhere):
                wrong.append(stack.enter_context(joining(another, *here(port))))

        run = load(PLAIN, workers=0, remote_workers=2, master=f"127.0.0.1:{port}", watch=watch)
        assert wrong[0].wait(20) == 3
        assert right.wait(8) == 3

    assert "its locustfile is not the master's" in run.closing.problem
    assert f"the run ended early: {run.closing.problem}" in told(elsewhere)
    assert left(elsewhere) == left(another) == []


def test_a_worker_too_many_is_turned_away_and_the_run_never_notices(load, elsewhere, port, tmp_path, web):
    """Locust itself would give it a share of the users, in the middle of the measured window."""
    another = tmp_path / "another"
    another.mkdir()
    (another / "users.py").write_text(HEADER + PLAIN)
    with ExitStack() as stack:
        late = []

        def come_late(progress):
            if progress.phase == "measuring" and not late:
                late.append(stack.enter_context(joining(another, *here(port))))

        first = stack.enter_context(joining(elsewhere, *here(port)))
        run = load(
            PLAIN, workers=0, remote_workers=1, master=f"127.0.0.1:{port}", users=4, duration="8s", watch=come_late
        )
        assert first.wait(20) == 0
        assert late[0].wait(20) == 3

    assert "1 workers are here already" in told(another)
    assert run.closing.complete, run.closing.problem
    assert run.closing.started == len(run.samples) == web.asked["/a"]
    assert not broken(run)


def plain_locust(folder, *arguments):
    """Locust without us."""
    locust = Path(f"{sys.prefix}-locust") / "bin" / "locust"
    log = (folder / "plain.log").open("wb")
    with log:
        return subprocess.Popen([locust, "-f", "users.py", *arguments], cwd=folder, stdout=log, stderr=log)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["waiting", "measuring"])
def test_a_plain_locust_worker_gets_no_user_and_is_sent_away(load, elsewhere, port, web, when):
    plain = []

    def strike(progress):
        if not plain and progress.phase.startswith(when):
            plain.append(plain_locust(elsewhere, "--worker", "--master-host", "127.0.0.1", "--master-port", str(port)))
            plain.append(time.monotonic())

    with ExitStack() as stack:
        if when == "measuring":
            stack.enter_context(joining(elsewhere, *here(port)))

        def watch(progress):
            strike(progress)
            # Ours comes only after Locust's master could have counted the other.
            if when == "waiting" and len(plain) == 2 and time.monotonic() > plain[1] + 3:
                plain.append(stack.enter_context(joining(elsewhere, *here(port))))

        run = load(PLAIN, workers=0, remote_workers=1, master=f"127.0.0.1:{port}", users=4, duration="8s", watch=watch)
        assert plain[0].wait(30) == 0

    assert run.closing.complete, run.closing.problem
    assert run.closing.started == len(run.samples) == web.asked["/a"]
    assert "plain Locust worker" in (run.folder / "results/locust/locust.log").read_text()


@pytest.mark.slow
def test_a_plain_locust_master_never_starts_our_users(elsewhere, port, web):
    plain = plain_locust(
        elsewhere, "--master", "--headless", "--master-bind-port", str(port), "--expect-workers", "1", "--users", "2",
        "--host", web.url, "--run-time", "20s",
    )  # fmt: skip
    try:
        code, said = join(elsewhere, *here(port))
    finally:
        plain.terminate()
        plain.wait(20)

    assert code == 3, said
    assert "plain Locust" in said
    assert web.asked["/a"] == 0


def test_a_master_that_never_answers_is_given_up_after_the_wait(elsewhere, port):
    began = time.monotonic()
    code, said = join(elsewhere, *here(port), "--wait", "3s")

    assert code == 3
    assert time.monotonic() - began < 15
    assert f"The master at 127.0.0.1:{port} did not answer within 3s" in said
    assert "Nothing listens there" in said
    assert left(elsewhere) == []


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
@pytest.mark.parametrize("joined", [False, True])
def test_a_signal_ends_the_command_and_its_workers(load, elsewhere, port, number, code, joined):
    with joining(elsewhere, *here(port), "--count", "2") as command:

        def strike(progress):
            if progress.phase == "measuring" and command.poll() is None:
                command.send_signal(number)

        if joined:
            run = load(PLAIN, workers=0, remote_workers=2, master=f"127.0.0.1:{port}", duration="30s", watch=strike)
            assert not run.closing.complete
            assert "worker " in run.closing.problem
        else:
            await_words(elsewhere, "connecting")
            time.sleep(2)
            assert len(left(elsewhere)) == 3
            command.send_signal(number)
        assert command.wait(20) == code

    deadline = time.monotonic() + 10
    while left(elsewhere):
        assert time.monotonic() < deadline, left(elsewhere)
        time.sleep(0.1)


def test_a_run_that_ends_early_tells_its_workers_why(load, elsewhere, port):
    with joining(elsewhere, *here(port)) as command:
        killed = []

        def strike(progress):
            if progress.phase == "measuring" and not killed:
                killed.extend(
                    process for process in ours() if "--worker" in (line := process.cmdline()) and "-" in line
                )
                killed[0].kill()

        run = load(
            PLAIN, workers=1, remote_workers=1, master=f"127.0.0.1:{port}", users=4, duration="30s", watch=strike
        )
        assert command.wait(20) == 3

    assert "has said nothing for" in run.closing.problem
    assert f"the run ended early: {run.closing.problem}" in told(elsewhere)


def test_a_cancelled_run_tells_its_workers_and_leaves_none(load, elsewhere, port):
    def cancel(progress):
        if progress.phase == "measuring":
            raise Interrupted("interrupted", "The run was cancelled.", ExitCode.INTERRUPTED)

    with joining(elsewhere, *here(port)) as command:
        with pytest.raises(Interrupted):
            load(PLAIN, workers=1, remote_workers=1, master=f"127.0.0.1:{port}", duration="30s", watch=cancel)
        assert command.wait(20) == 3

    assert "the run ended early: Locust was told to stop before the plan was done" in told(elsewhere)
    assert left(elsewhere) == ours() == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--master", "127.0.0.1", "--port", "0"], "`--port`: expected a port between 1 and 65535, got 0"),
        (["--master", "127.0.0.1", "--port", "70000"], "`--port`: expected a port between 1 and 65535, got 70000"),
        (["--master", "no-such-host.invalid"], "`--master` names `no-such-host.invalid`, which this machine cannot"),
        (["--master", "127.0.0.1:5557"], "Give the port by `--port`"),
        (["--master", "127.0.0.1", "--wait", "soon"], "`--wait`: expected a duration"),
        (["--master", "127.0.0.1", "--locustfile", "nowhere.py"], "nowhere.py, which is not a file"),
        (["--master", "127.0.0.1", "--locustfile", "users.py", "--requirements", "no.txt"], "no.txt, which is not a file"),
        (["--master", "127.0.0.1", "--config", "nowhere.yml"], "`nowhere.yml` does not exist"),
        (["--master", "127.0.0.1"], "expected either load.locustfile or load.requests, got neither (flag --locustfile"),
        (["--locustfile", "users.py"], "Missing option '--master'"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_before_anything_starts(elsewhere, arguments, words):
    code, said = join(elsewhere, *arguments)

    assert code == 2, said
    assert words in said
    assert "Traceback" not in said
    assert "connecting" not in said


def test_a_locustfile_that_cannot_be_loaded_is_a_mistake_of_the_users(elsewhere, port):
    (elsewhere / "users.py").write_text("import no_such_module\n")
    code, said = join(elsewhere, *here(port))

    assert code == 2, said
    assert "`users.py` could not be loaded" in said
    assert "no_such_module" in said


def test_a_second_run_on_the_same_address_is_refused_before_its_workers_join_the_first(load, elsewhere, port):
    refused = []

    def second(progress):
        if progress.phase == "measuring" and not refused:
            with pytest.raises(SettingsError) as caught:
                locust._refuse_useless_address("127.0.0.1", port)
            refused.append(str(caught.value))

    with joining(elsewhere, *here(port)):
        run = load(PLAIN, workers=0, remote_workers=1, master=f"127.0.0.1:{port}", watch=second)

    assert f"`master` names 127.0.0.1:{port}, where no master can listen: Address already in use" in refused[0]
    assert run.closing.complete


def test_an_address_of_another_machine_cannot_be_listened_on(load):
    with pytest.raises(SettingsError, match=r"192\.0\.2\.1:5557, where no master can listen"):
        load(PLAIN, workers=0, remote_workers=1, master="192.0.2.1:5557")
