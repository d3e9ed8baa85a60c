"""The vendored library is the one its note says it is, with its licences, and may stand inside a page."""

import hashlib
import re
from pathlib import Path

VENDOR = Path(__file__).parents[2] / "entrypoint/report/vendor"
LIBRARY = VENDOR / "echarts.common.min.js"


def test_the_library_is_unmodified() -> None:
    (row,) = re.findall(r"^\| `echarts.common.min.js` .*$", (VENDOR / "README.md").read_text(), re.MULTILINE)
    version, digest = re.fullmatch(r".*\| ([\d.]+) \| `([0-9a-f]{64})` \|", row).groups()
    assert hashlib.sha256(LIBRARY.read_bytes()).hexdigest() == digest
    assert f't.version="{version}"' in LIBRARY.read_text()


def test_its_licences_lie_beside_it() -> None:
    assert "Apache License" in (VENDOR / "echarts.LICENSE").read_text()
    assert "Apache Software Foundation" in (VENDOR / "echarts.NOTICE").read_text()
    assert "Redistribution" in (VENDOR / "echarts.LICENSE-d3").read_text()


def test_no_script_of_the_page_can_end_it_early() -> None:
    for path in (LIBRARY, *(VENDOR.parent / "templates").glob("*.js")):
        assert not re.search(r"</script|<!--", path.read_text(), re.IGNORECASE), path.name


def test_no_script_makes_code_or_markup_of_text() -> None:
    for path in (VENDOR.parent / "templates").glob("*.js"):
        found = re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", path.read_text()
        )
        assert not found, f"{path.name}: {found}"
