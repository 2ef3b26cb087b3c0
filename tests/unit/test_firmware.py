# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import PurePath

import pytest

from alpy.adapters.qemu.firmware import CANDIDATES, find_firmware
from alpy.core.errors import HostError

DEBIAN = "/usr/share/OVMF"


def host_with(*paths: str) -> set[PurePath]:
    return {PurePath(path) for path in paths}


@pytest.mark.parametrize(
    ("code", "variables"),
    [
        (f"{DEBIAN}/OVMF_CODE_4M.fd", f"{DEBIAN}/OVMF_VARS_4M.fd"),
        (f"{DEBIAN}/OVMF_CODE.fd", f"{DEBIAN}/OVMF_VARS.fd"),
        ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
        ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
        ("/usr/share/qemu/edk2-x86_64-code.fd", "/usr/share/qemu/edk2-i386-vars.fd"),
    ],
)
def test_it_is_found_where_distributions_put_it(code: str, variables: str) -> None:
    found = find_firmware(host_with(code, variables).__contains__)
    assert (str(found.code), str(found.variables)) == (code, variables)


def test_a_variable_store_of_another_size_is_not_taken() -> None:
    host = host_with(
        f"{DEBIAN}/OVMF_CODE_4M.fd", f"{DEBIAN}/OVMF_CODE.fd", f"{DEBIAN}/OVMF_VARS.fd"
    )
    found = find_firmware(host.__contains__)
    assert found.code == PurePath(f"{DEBIAN}/OVMF_CODE.fd")


def test_the_first_of_several_is_taken() -> None:
    assert find_firmware(lambda _path: True) == CANDIDATES[0]


def test_a_host_without_it_is_told_where_we_looked_and_what_to_install() -> None:
    with pytest.raises(HostError, match=r"/usr/share/edk2/ovmf.*apt-get install ovmf"):
        find_firmware(lambda _path: False)
