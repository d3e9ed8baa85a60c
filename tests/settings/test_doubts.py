"""What is worth a second look before the load: said with the mend, and never said of what is in order."""

import pytest

from entrypoint.settings.doubts import doubts, doubts_of_compose
from entrypoint.settings.locustfile import doubts_of_locustfile
from entrypoint.settings.model import Config

TASK = """
import random
from locust import FastHttpUser, task
{above}
class Caller(FastHttpUser):
    {inside}
    @task
    def ask(self):
        {body}
"""


def locustfile(body="self.client.get('/a')", above="", inside=""):
    return doubts_of_locustfile(TASK.format(above=above, inside=inside or "pass", body=body))


def plan(tmp_path, service=None, text="", **load):
    (tmp_path / "users.py").write_text(text)
    service = {"command": "serve", "ready": {"path": "/predict?x=1"}, **(service or {})}
    return Config.model_validate({"service": service, "load": {"locustfile": tmp_path / "users.py", **load}})


class TestLocustfile:
    @pytest.mark.parametrize(
        "url",
        [
            "f'/items/{n}'",
            "'/items/' + n",
            "'/items/%s' % n",
            "'/items/{}'.format(n)",
            "f'{HOST}/items/{n}'",
            "f'{n}'.format(1)",
        ],
    )
    def test_a_url_made_from_values_wants_a_name(self, url):
        (said,) = locustfile(f"self.client.get({url})")
        assert said.startswith("locustfile line 9: a URL made from values without a `name`")
        assert locustfile(f"self.client.get({url}, name='/items')") == []
        assert locustfile(f"self.client.get({url}, **options)") == []

    @pytest.mark.parametrize(
        "url", ["'/items'", "f'/items'", "URL", "f'{HOST}/items'", "f'{self.host}/items'", "path(3)"]
    )
    def test_a_url_that_stays_the_same_wants_none(self, url):
        assert locustfile(f"self.client.get({url})") == []

    def test_what_the_module_fixes_varies_nothing(self):
        assert locustfile("self.client.get(f'/models/{MODEL}:predict')", above="MODEL = 'resnet'") == []
        assert locustfile("self.client.get('/models/' + MODEL)", above="MODEL: str = 'resnet'") == []

    def test_requests_that_are_named_in_another_way_are_in_order(self):
        assert locustfile("self.client.request_name = '/items'; self.client.get(f'/items/{n}')") == []
        assert locustfile("with self.client.rename_request('/items'): self.client.get(f'/items/{n}')") == []

    def test_the_url_of_request_is_its_second_argument(self):
        assert locustfile("self.client.request('GET', f'/items/{n}')")
        assert locustfile("self.client.request(f'{method}', '/items')") == []

    def test_several_lines_are_one_sentence(self):
        calls = "; ".join("self.client.get(f'/items/{n}')" for _ in range(5))
        (said,) = locustfile(calls)
        assert said.startswith("locustfile line 9, 9, 9 and 2 more:")

    def test_what_is_no_request_is_not_looked_at(self):
        assert locustfile("print(f'/items/{n}'); cache.get(f'/items/{n}')") == []

    @pytest.mark.parametrize(
        "drawn",
        ["{'age': random.randint(18, 90)}", "random.choice(PAYLOADS)", "[random.random()]", "make(random.random())"],
    )
    def test_a_payload_drawn_once_at_import_is_always_the_same(self, drawn):
        (said,) = locustfile("self.client.post('/p', json=PAYLOAD)", above=f"PAYLOAD = {drawn}")
        assert said.startswith("locustfile line 4: what is drawn by chance")
        (said,) = locustfile("self.client.post('/p', json=self.payload)", inside=f"payload = {drawn}")
        assert said.startswith("locustfile line 6: what is drawn by chance")

    @pytest.mark.parametrize(
        ("body", "above"),
        [
            ("self.client.post('/p', json={'age': random.randint(18, 90)})", ""),
            (
                "self.client.post('/p', json=random.choice(MANY))",
                "MANY = [{'age': random.randint(18, 90)} for _ in range(9)]",
            ),
            ("self.client.post('/p', json={'seed': 1})", "UNUSED = random.random()"),
            ("self.client.post('/p', json=random.choice(ROWS))", "ROWS = random.sample(ALL, 500)"),
            ("self.client.post('/p', json=draw(RANDOM))", "RANDOM = random.Random(1)"),
            ("self.client.post('/p', json=PAYLOAD)", "PAYLOAD = {'age': 42}"),
        ],
    )
    def test_what_is_drawn_in_the_task_or_chosen_from_many_is_in_order(self, body, above):
        assert locustfile(body, above=above) == []

    @pytest.mark.parametrize("text", ["", "def", "\x00", "(" * 5000])
    def test_what_is_no_python_is_left_to_locust(self, text):
        assert doubts_of_locustfile(text) == []


class TestCompose:
    @pytest.mark.parametrize("image", ["redis", "redis:latest", "ghcr.io/acme/model", "localhost:5000/model:latest"])
    def test_an_image_without_a_version_may_change(self, image):
        (said,) = doubts_of_compose({"services": {"cache": {"image": image}}})
        assert f"service `cache` uses `{image}`" in said

    @pytest.mark.parametrize(
        "service",
        [{"image": "redis:7.4"}, {"image": "localhost:5000/model:1"}, {"image": "a@sha256:0"}, {"image": "a:${TAG}"},
         {"image": "mine", "build": "."}],
    )  # fmt: skip
    def test_an_image_with_a_version_or_of_our_own_is_in_order(self, service):
        assert doubts_of_compose({"services": {"api": service}}) == []

    @pytest.mark.parametrize(
        "test",
        ["curl -f http://localhost", ["CMD", "curl", "-f", "x"], ["CMD-SHELL", "curl -f x || exit 1"], "wget -q x"],
    )
    def test_a_health_check_by_a_program_that_slim_images_lack(self, test):
        (said,) = doubts_of_compose({"services": {"api": {"build": ".", "healthcheck": {"test": test}}}})
        assert "the health check of `api` calls" in said

    @pytest.mark.parametrize("test", [["CMD", "python", "-c", "curl"], ["NONE"], [], None, 7, "python health.py"])
    def test_other_health_checks_are_in_order(self, test):
        assert doubts_of_compose({"services": {"api": {"build": ".", "healthcheck": {"test": test}}}}) == []

    @pytest.mark.parametrize("model", [{}, {"services": None}, {"services": {"api": None}}, {"services": ["api"]}])
    def test_what_is_no_compose_file_is_left_to_compose(self, model):
        assert doubts_of_compose(model) == []


class TestPlan:
    def test_a_plan_in_order_needs_no_word(self, tmp_path):
        assert doubts(plan(tmp_path)) == []

    @pytest.mark.parametrize("path", ["/", "/health", "/healthz", "/api/v1/Live", "/ping?x=1", "/status/"])
    def test_a_path_that_answers_before_the_model_is_there(self, tmp_path, path):
        (said,) = doubts(plan(tmp_path, {"ready": {"path": path}}))
        assert said.startswith(f"ready: `{path}` may answer before the model is loaded")

    def test_a_model_server_s_own_readiness_is_in_order(self, tmp_path):
        assert doubts(plan(tmp_path, {"ready": {"path": "/v2/models/resnet/ready"}})) == []

    def test_another_machine_is_named(self, tmp_path):
        url = {"command": "", "url": "https://model.example.org/v1"}
        (said,) = doubts(plan(tmp_path, url))
        assert "model.example.org is not this machine" in said
        assert doubts(plan(tmp_path, {**url, "url": "http://127.0.0.1:8000"})) == []

    def test_open_load_that_cannot_have_a_p95_is_said_beforehand(self, tmp_path):
        (said,) = doubts(plan(tmp_path, **{"arrival-rate": 2, "duration": "60s"}))
        assert "about 120 requests in 60 s are fewer than the 130" in said
        assert doubts(plan(tmp_path, **{"arrival-rate": 3, "duration": "60s"})) == []
        assert doubts(plan(tmp_path, stages="20/sx30s, 5/sx30s")) == []
        (said,) = doubts(plan(tmp_path, stages="20/sx30s, 4/sx30s"))
        assert "about 120 requests in 30 s" in said
        assert "make that stage longer" in said

    def test_files_are_read_where_they_are_and_missing_ones_are_left_to_others(self, tmp_path):
        compose = tmp_path / "compose.yml"
        service = {"command": "", "compose-file": str(compose), "service": "api", "port": 1}
        assert doubts(plan(tmp_path, service)) == []
        compose.write_text("services: {cache: {image: redis}}")
        assert len(doubts(plan(tmp_path, service))) == 1
        for unreadable in ("services: {cache: [", "built: 2023-13-01"):
            compose.write_text(unreadable)
            assert doubts(plan(tmp_path, service)) == []
        assert doubts(plan(tmp_path, text="client.get(f'/{x}')")) == []


@pytest.mark.parametrize(
    ("request_", "beside", "doubted"),
    [
        ({"path": "/{{ n }}"}, "base", True),
        ({"path": "/a", "json": [{"x": "{{ 'id-' ~ n }}"}]}, "base", True),
        ({"path": "/a", "invalid": [{"set": {"a": "{{ n }}"}}], "json": {"a": 1}}, "base", True),
        ({"path": "/{{ n }}"}, "none", False),
        ({"path": "/{{ uuid() }}/n", "json": "{{ row.n }}"}, "base", False),
    ],
)
def test_a_count_that_two_services_do_not_share_is_doubted(request_, beside, doubted):
    service = {"command": "serve", "ready": {"path": "/predict?x=1"}}
    config = Config.model_validate(
        {"service": service, "load": {"requests": [{"path": "/a"}, request_]}, "compare": {"with": beside}}
    )
    said = doubts(config)

    assert bool(said) == doubted
    assert all("templates of `load.requests.1` use `n`" in doubt for doubt in said)
