"""The rewriting of resolved compose models: a table of what goes in and what comes out."""

import copy
from typing import Any

import pytest

from entrypoint.service.isolation import Isolation, Wanted, isolate


def rewritten(services: dict[str, Any], *, disabled: dict[str, list[str]] | None = None, **given: Any) -> Isolation:
    sections: dict[str, Any] = {key: given.pop(key) for key in ("networks", "volumes", "secrets") if key in given}
    model: dict[str, Any] = {"name": "shop", "services": services, **sections}
    before = copy.deepcopy(model)
    wanted = Wanted(**{"project": "mlt-s-1-candidate", "labels": {"l": "v"}, "service": "api", "port": 8000, **given})
    isolation = isolate(model, wanted, disabled)
    assert model == before, "the model that came in was changed"
    return isolation


def service(services: dict[str, Any], name: str = "api", **given: Any) -> dict[str, Any]:
    isolation = rewritten(services, **given)
    assert isolation.refusals == []
    found: dict[str, Any] = isolation.model["services"][name]
    return found


LOOPBACK = {"mode": "ingress", "host_ip": "127.0.0.1", "target": 8000, "protocol": "tcp"}
TAKEN = {"mode": "ingress", "target": 8000, "published": "8080", "protocol": "tcp"}


def test_the_project_gets_our_name():
    assert rewritten({"api": {}}).model["name"] == "mlt-s-1-candidate"


def test_only_the_wanted_service_is_published_and_on_a_free_port():
    isolation = rewritten({"api": {"ports": [TAKEN]}, "db": {"ports": [{**TAKEN, "target": 5432}]}})
    assert isolation.model["services"]["api"]["ports"] == [LOOPBACK]
    assert "ports" not in isolation.model["services"]["db"]


def test_the_port_is_published_where_the_network_is():
    services = {"api": {"network_mode": "service:vpn"}, "vpn": {"network_mode": "service:net"}, "net": {}}
    isolation = rewritten(services)
    assert isolation.publisher == "net"
    assert isolation.model["services"]["net"]["ports"] == [LOOPBACK]
    assert "ports" not in isolation.model["services"]["api"]


def test_services_that_share_a_network_in_a_ring_end_the_search():
    services = {"api": {"network_mode": "service:b"}, "b": {"network_mode": "service:api"}}
    assert rewritten(services).publisher in services


def test_a_container_name_becomes_an_alias():
    fresh = service({"api": {"container_name": "shop-api", "networks": {"default": None, "back": {"aliases": ["x"]}}}})
    assert "container_name" not in fresh
    assert fresh["networks"] == {"default": {"aliases": ["shop-api"]}, "back": {"aliases": ["x", "shop-api"]}}


def test_a_container_name_is_no_alias_on_an_external_network():
    networks = {"outer": {"external": True, "name": "outer"}}
    fresh = service({"api": {"container_name": "shop-api", "networks": {"outer": None}}}, networks=networks)
    assert fresh["networks"] == {"outer": None}


def test_a_container_name_without_networks_just_goes():
    fresh = service({"api": {}, "db": {"container_name": "x", "network_mode": "none"}}, "db")
    assert fresh == {"network_mode": "none", "labels": {"l": "v"}}


@pytest.mark.parametrize("section", ["networks", "volumes", "secrets"])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"name": "shop_data"}, {}),
        ({"name": "fixed", "driver": "local"}, {"driver": "local"}),
        ({"name": "fixed", "external": False}, {"external": False}),
        ({"name": "theirs", "external": True}, {"name": "theirs", "external": True}),
        (None, {}),
    ],
)
def test_fixed_names_go_and_external_ones_stay(section, given, expected):
    assert rewritten({"api": {}}, **{section: {"data": given}}).model[section] == {"data": expected}


def test_what_is_external_is_said():
    isolation = rewritten({"api": {}}, volumes={"models": {"external": True, "name": "models"}, "data": {}})
    assert [note for note in isolation.notes if "`models` is external" in note] == isolation.notes
    assert len(isolation.notes) == 1


def test_labels_are_added_and_their_dollars_doubled():
    fresh = service({"api": {"labels": {"own": "1"}}}, labels={"ml-loadtest.suite": "pay$1"})
    assert fresh["labels"] == {"own": "1", "ml-loadtest.suite": "pay$$1"}


def test_variables_reach_the_wanted_service_alone():
    services = {"api": {"environment": {"A": "1", "B": "p$$w"}}, "db": {"environment": {"A": "1"}}}
    isolation = rewritten(services, environment={"A": "$x"})
    assert isolation.model["services"]["api"]["environment"] == {"A": "$$x", "B": "p$$w"}
    assert isolation.model["services"]["db"]["environment"] == {"A": "1"}


def test_profiles_are_done_with():
    assert "profiles" not in service({"api": {"profiles": ["load"]}})


BUILD = {"context": "/src"}


@pytest.mark.parametrize(
    ("given", "build", "expected"),
    [
        ({"build": BUILD}, True, {"build": BUILD, "image": "mlt-s-1-candidate-api"}),
        ({"build": BUILD, "image": "shop:dev"}, True, {"build": BUILD, "image": "mlt-s-1-candidate-api"}),
        ({"build": BUILD, "pull_policy": "always"}, True, {"build": BUILD, "image": "mlt-s-1-candidate-api"}),
        ({"build": BUILD}, False, {"image": "shop-api"}),
        ({"build": BUILD, "image": "shop:dev", "pull_policy": "build"}, False, {"image": "shop:dev"}),
        ({"image": "redis", "pull_policy": "always"}, True, {"image": "redis", "pull_policy": "always"}),
        ({"image": "redis"}, False, {"image": "redis"}),
    ],
)
def test_images(given, build, expected):
    fresh = service({"api": given}, build=build)
    assert {key: part for key, part in fresh.items() if key in {"build", "image", "pull_policy"}} == expected


def test_a_service_that_shares_a_built_image_gets_the_same_one():
    services = {
        "api": {"build": BUILD, "image": "shop"},
        "worker": {"image": "shop", "pull_policy": "never"},
        "other": {"image": "api"},
    }
    fresh = rewritten(services).model["services"]
    assert fresh["worker"] == {"image": "mlt-s-1-candidate-api", "labels": {"l": "v"}}
    assert fresh["other"]["image"] == "api"


@pytest.mark.parametrize(
    ("services", "part"),
    [
        ({"api": {"network_mode": "host"}}, "service `api`: `network_mode: host`"),
        ({"api": {}, "db": {"network_mode": "host"}}, "service `db`: `network_mode: host`"),
        ({"api": {"network_mode": "container:other"}}, "`network_mode: container:other` ties it"),
        ({"api": {}, "db": {"pid": "container:other"}}, "service `db`: `pid: container:other`"),
        ({"api": {"network_mode": "none"}}, "no load can reach it"),
        ({"api": {"deploy": {"replicas": 3}}}, "it runs 3 replicas"),
        ({"api": {"scale": 0}}, "it runs 0 replicas"),
        ({"apu": {}, "db": {}}, "no service `api`; did you mean `apu`?"),
        ({"database": {}, "queue": {}}, "no service `api`; it has `database` and `queue`"),
    ],
)
def test_what_cannot_be_isolated_is_refused_by_name(services, part):
    isolation = rewritten(services)
    assert len(isolation.refusals) == 1
    assert part in isolation.refusals[0]
    assert isolation.model == {}


def test_all_refusals_come_at_once():
    assert len(rewritten({"api": {"network_mode": "host"}, "db": {"network_mode": "host"}}).refusals) == 2


def test_a_service_without_its_profile():
    isolation = rewritten({"db": {}}, disabled={"api": ["load", "all"]})
    assert isolation.refusals == ["`service`: `api` is not enabled; add its profile `load` or `all` to `profiles`"]


def test_replicas_elsewhere_are_fine():
    assert service({"api": {"deploy": {"replicas": 1}}, "worker": {"scale": 4}}, "worker")["scale"] == 4


def test_what_it_does_not_know_is_kept():
    known = {"command": ["echo", "$$HOME"], "depends_on": {"db": {"condition": "service_healthy"}}, "x-own": 1}
    assert service({"api": known, "db": {}}) == {**known, "labels": {"l": "v"}, "environment": {}, "ports": [LOOPBACK]}


FRONT = {"api": {}, "ml": {"deploy": {"replicas": 2}}, "db": {}}


def test_the_page_for_prometheus_is_published_where_it_is():
    page = {**LOOPBACK, "target": 8002}
    own = rewritten({"api": {}}, page_port=8002)
    assert (own.exporter, own.model["services"]["api"]["ports"]) == ("api", [LOOPBACK, page])
    same = rewritten({"api": {}}, page_port=8000)
    assert same.model["services"]["api"]["ports"] == [LOOPBACK]
    behind = rewritten(FRONT, exporter="ml", page_port=8002)
    assert (behind.publisher, behind.exporter) == ("api", "ml")
    assert [service.get("ports") for service in behind.model["services"].values()] == [[LOOPBACK], [page], None]
    shared = rewritten({"api": {}, "ml": {"network_mode": "service:net"}, "net": {}}, exporter="ml", page_port=8002)
    assert (shared.exporter, shared.model["services"]["net"]["ports"]) == ("net", [page])
    assert rewritten({"api": {}}).exporter == ""


@pytest.mark.parametrize(
    ("services", "exporter", "said"),
    [
        (FRONT, "", "`ml` runs 2 replicas, and each answer through `api` may be another one's; name the service whose"),
        (FRONT, "mll", "`prometheus.service`: the compose file has no service `mll`; did you mean `ml`?"),
        ({"api": {}, "ml": {"network_mode": "none"}}, "ml", "leaves it without a network, so its page cannot be read"),
    ],
)
def test_a_page_that_would_be_anybody_s_or_nobody_s_is_refused(services, exporter, said):
    (refusal,) = rewritten(services, exporter=exporter, page_port=8002).refusals
    assert said in refusal
    assert rewritten(services).refusals == []


def test_a_page_of_a_service_that_no_profile_enables_names_the_profile():
    found = rewritten({"api": {}}, disabled={"ml": ["gpu"]}, exporter="ml", page_port=8002)
    assert found.refusals == ["`prometheus.service`: `ml` is not enabled; add its profile `gpu` to `profiles`"]


@pytest.mark.parametrize("replicas", [0, 1])
def test_a_service_without_others_like_it_hides_nobody(replicas):
    assert rewritten({"api": {}, "ml": {"scale": replicas}}, page_port=8002).refusals == []
