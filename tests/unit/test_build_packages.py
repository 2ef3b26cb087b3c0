# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from carrot.build.host_programs import BuildError
from carrot.build.packages import Distribution, distribution_of, network_options, official_sources

DEBIAN = """\
Types: deb
# a comment of the installer
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""


def lines(configuration: dict[str, str]) -> list[str]:
    return [source.line() for source in official_sources(configuration, "bookworm")]


def test_every_suite_of_the_release_becomes_a_line() -> None:
    key = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    assert lines({"debian.sources": DEBIAN}) == [
        f"deb {key} http://mirror.example/debian bookworm main",
        f"deb {key} http://mirror.example/debian bookworm-updates main",
        f"deb {key} http://mirror.example/debian-security bookworm-security main",
    ]


def test_lines_of_the_old_kind_are_understood() -> None:
    text = """
    # deb http://example.org/debian bookworm main
    deb-src http://example.org/debian bookworm main
    deb [trusted=yes arch=amd64] http://example.org/debian bookworm main contrib # ours
    deb http://example.org/debian
    """
    assert lines({"sources.list": text}) == [
        "deb [trusted=yes arch=amd64] http://example.org/debian bookworm main contrib"
    ]


@pytest.mark.parametrize(
    "third_party",
    [
        "deb https://third.example/apt cloud-sdk-bookworm main",
        "deb [signed-by=/etc/apt/keyrings/docker.gpg] https://docker.example bookworm main",
        "deb https://download.docker.example/linux/debian bookworm stable",
        "deb http://mirror.example/debian bookworm-backports main",
        "deb http://mirror.example/debian trixie main",
    ],
)
def test_packages_of_third_parties_and_other_releases_are_not_used(third_party: str) -> None:
    official = "deb http://mirror.example/debian bookworm main"
    assert lines({"a.list": third_party, "b.list": official}) == [official]


def test_a_disabled_stanza_is_not_used() -> None:
    with pytest.raises(BuildError):
        lines({"debian.sources": "Enabled: no\n" + DEBIAN.partition("\n\n")[0]})


def test_a_key_inside_a_stanza_does_not_get_into_the_line() -> None:
    stanza = DEBIAN.partition("Signed-By")[0] + "Signed-By:\n -----BEGIN PGP-----\n .\n abc\n"
    assert lines({"debian.sources": stanza})[0] == "deb http://mirror.example/debian bookworm main"


def test_a_host_without_official_sources_is_told_what_to_add() -> None:
    with pytest.raises(BuildError, match=r"/etc/apt/sources\.list"):
        lines({"node.sources": "Types: deb\nURIs: https://x\nSuites: nodistro\nComponents: main"})


def test_only_what_leads_to_the_mirrors_is_taken_from_the_hosts_configuration() -> None:
    dump = 'APT "";\nAcquire::http::Proxy "http://proxy:3128";\nDPkg::Post-Invoke:: "rm x";\n'
    assert network_options(dump) == ['Acquire::http::Proxy "http://proxy:3128";']


def test_the_distribution_is_read_from_os_release() -> None:
    text = 'NAME="Debian GNU/Linux"\nVERSION_CODENAME=bookworm\nID=debian\n'
    assert distribution_of(text, "amd64") == Distribution(
        name="debian", codename="bookworm", architecture="amd64"
    )


@pytest.mark.parametrize(
    ("os_release", "architecture", "reason"),
    [
        ("ID=fedora\nVERSION_CODENAME=", "amd64", "Debian or Ubuntu"),
        ("ID=debian\n", "amd64", "without a codename"),
        ("ID=debian\nVERSION_CODENAME=bookworm", "arm64", "amd64 only"),
    ],
)
def test_a_host_that_cannot_build_is_told_why(
    os_release: str, architecture: str, reason: str
) -> None:
    with pytest.raises(BuildError, match=reason):
        distribution_of(os_release, architecture)
