# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import docker.errors
import pytest
import requests.exceptions
import urllib3.exceptions

from alpy.adapters.docker.errors import is_conflict, is_gone, translated
from alpy.core.errors import DockerError, ImageMissingError


def aborted(by: Exception) -> requests.exceptions.ConnectionError:
    """What docker-py raises when its HTTP library could not connect."""
    return requests.exceptions.ConnectionError(
        urllib3.exceptions.ProtocolError("Connection aborted.", by)
    )


def refusal(status: int, why: str) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    return docker.errors.APIError("refused", response=response, explanation=why)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (aborted(PermissionError(13, "denied")), "usermod -aG docker"),
        (aborted(FileNotFoundError(2, "no socket")), "systemctl start docker"),
        (aborted(ConnectionRefusedError(111, "refused")), "systemctl start docker"),
        (requests.exceptions.ReadTimeout("60 s"), "did not answer in time"),
        (aborted(TimeoutError("60 s")), "did not answer in time"),
        (urllib3.exceptions.ReadTimeoutError(None, "", "60 s"), "did not answer in time"),  # type: ignore[arg-type]
        (refusal(409, "name in use"), "the daemon refused: name in use"),
        (docker.errors.TLSParameterError("no key"), "no key"),
        (ConnectionResetError(104, "reset by peer"), "reset by peer"),
    ],
)
def test_each_error_is_told_with_what_to_do(error: Exception, told: str) -> None:
    with pytest.raises(DockerError, match=told) as raised, translated("make a cup of tea"):
        raise error
    assert raised.value.asked == "make a cup of tea"
    assert raised.value.remedy
    assert raised.value.__cause__ is error


def test_the_first_cause_counts_however_deep_it_lies() -> None:
    with pytest.raises(DockerError, match="usermod"), translated("connect"):
        try:
            raise aborted(PermissionError(13, "denied"))
        except requests.exceptions.ConnectionError as error:
            raise docker.errors.DockerException("no version") from error


def test_a_missing_image_is_named() -> None:
    with pytest.raises(ImageMissingError) as missing, translated("create", image="some:tag"):
        raise docker.errors.ImageNotFound("no such image")
    assert missing.value.image == "some:tag"


def test_an_error_of_our_own_goes_through() -> None:
    with pytest.raises(ZeroDivisionError), translated("divide"):
        raise ZeroDivisionError


def test_what_is_gone_and_what_is_in_conflict_are_told_apart() -> None:
    gone, conflict = docker.errors.NotFound("no such container"), refusal(409, "not running")
    assert (is_gone(gone), is_conflict(gone)) == (True, False)
    assert (is_gone(conflict), is_conflict(conflict)) == (False, True)
