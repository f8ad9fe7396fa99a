"""Fixtures of the system tests. An `async def test_*` runs in an event loop of its own, or in that
of the browser that it asks for."""

import asyncio
import functools
import inspect
import os

import pytest
from browser import Browser
from certificates import Certificates, Makers
from station_201 import Bench201
from station_driver import Bench, TEST_s
from updates import release_file

from host.browser import NONE, chromium


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    run = arguments["browser"].run if "browser" in arguments else asyncio.run
    run(asyncio.wait_for(pyfuncitem.obj(**arguments), TEST_s))
    return True


@pytest.fixture
def bench(tmp_path, micropython):
    """`async with bench(speed=20, ...) as b`: see station_driver.Bench."""
    return functools.partial(Bench, tmp_path)


@pytest.fixture
def bench201(tmp_path, micropython):
    """The same in OCPP 2.0.1: see station_201.Bench201."""
    return functools.partial(Bench201, tmp_path)


@pytest.fixture
def socket(bench):
    """A station with a socket and a lock: the cable is detachable."""
    return bench(config={"board": "reference_full"}, heap="300K")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """Certificates of servers and stations, good and bad: see certificates.Certificates."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def makers(tmp_path_factory):
    """Who makes the unit's firmware, and who signs for it: see certificates.Makers."""
    return Makers(tmp_path_factory.mktemp("makers"))


@pytest.fixture(scope="module")
def browser():
    """Chromium for the tests of a file: see browser.Browser. Skips where there is none; in CI it
    fails."""
    exe = chromium()
    if not exe:
        if os.environ.get("CI") == "true":
            pytest.fail(NONE, pytrace=False)
        pytest.skip(NONE)
    with Browser(exe) as running:
        yield running


@pytest.fixture
def files():
    """The bytes of a release of this build."""
    return release_file()
