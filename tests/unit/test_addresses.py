"""Where a request may go: the rules of edges/http.py that need no network."""

import socket
import ssl
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests_hardened.ip_filter import InvalidIPAddress, get_ip_address

from vidhook.edges.http import Http
from vidhook.errors import BadInput, Blocked, DnsFailed

LINES = (Path(__file__).parents[1] / "forbidden_urls.txt").read_text().splitlines()
FORBIDDEN_URLS = [line for line in LINES if line and not line.startswith("#")]
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "2606:4700:4700::1111", "2a00:1450:4001:800::200e"]
FORBIDDEN_NETWORKS = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
    *("203.0.113.0/24", "224.0.0.0/3", "::/3", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "4000::/2"),
    *("8000::/1",),
]
CONTEXT = ssl.create_default_context()


def answering(*answers: list[str]) -> Any:
    """Returns a resolver that gives these answers one after the other, and the last one from then on."""
    left = list(answers)

    def resolve(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        addresses = left.pop(0) if len(left) > 1 else left[0]
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in addresses
        ]

    return resolve


def http(allowed: tuple[str, ...] = (), resolve: Any = None) -> Http:
    return Http(allowed_networks=allowed, ssl_context=CONTEXT, resolve=resolve or answering([]))


def url_of(address: str) -> str:
    return f"https://[{address}]/" if ":" in address else f"https://{address}/"


def allows(url: str) -> bool:
    try:
        http().check(url)
    except Blocked:
        return False
    return True


@pytest.mark.parametrize("url", FORBIDDEN_URLS)
def test_a_forbidden_url_is_refused_before_any_lookup(url: str) -> None:
    """A URL that can never be used is refused when somebody enters it, not when the first event is sent."""
    with pytest.raises(Blocked):
        http().check(url)


@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\0", "\x7f", "\x85", "\u00a0", "\u2028", "\u202e", " ", "\\"])
def test_a_url_with_a_space_or_control_character_is_refused(character: str) -> None:
    """URL parsers disagree about these characters, and a line break could start a second request."""
    for url in (
        f"https://example.com/a{character}b",
        f"https://exam{character}ple.com/",
        f"{character}https://a.example",
    ):
        with pytest.raises(Blocked):
            http().check(url)


@given(st.text(max_size=60).map("https://".__add__) | st.text(max_size=60))
def test_any_text_is_either_accepted_or_blocked(url: str) -> None:
    """A subscriber's URL can be any text, and no text may cause an error other than Blocked."""
    allows(url)


@given(st.ip_addresses())
def test_what_requests_hardened_blocks_is_blocked(address: Any) -> None:
    """This library has its own list of forbidden addresses, and our list must contain all of them."""
    try:
        get_ip_address(str(address), 443, allow_loopback=False)
    except InvalidIPAddress:
        assert not allows(url_of(str(address)))


@pytest.mark.parametrize("network", FORBIDDEN_NETWORKS)
def test_a_forbidden_network_ends_where_its_registry_says(network: str) -> None:
    """The addresses just outside a forbidden network must stay allowed, and the last ones inside it forbidden."""
    net = ip_network(network)
    assert not allows(url_of(str(net[0])))
    assert not allows(url_of(str(net[-1])))
    for beyond in (int(net[0]) - 1, int(net[-1]) + 1):
        if 0 <= beyond < 2**net.max_prefixlen:
            neighbour = type(net[0])(beyond)
            forbidden = any(neighbour in ip_network(other) for other in FORBIDDEN_NETWORKS)
            assert allows(url_of(str(neighbour))) != forbidden


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    """Without this test, a rule that refuses every address would pass all other tests of this file."""
    http().check(url_of(address))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://EXAMPLE.com:8443/hook?a=b#c",
        "https://bücher.example/ü",
        "https://xn--bcher-kva.example/",
        "https://example.com./",
        "https://under_score.example/",
        "https://0x7f.example/",
        "https://example.com/@user",
    ],
)
def test_an_ordinary_url_is_accepted(url: str) -> None:
    """Any port, any path, a trailing dot and international characters are valid in a URL."""
    http().check(url)


@given(st.ip_addresses(v=6).filter(lambda address: address not in ip_network("2000::/3")))
def test_no_ipv6_outside_global_unicast_is_allowed(address: IPv6Address) -> None:
    """IPv6 networks that IANA assigns in the future are refused until we allow them."""
    assert not allows(url_of(str(address)))


FORBIDDEN_ADDRESSES = ["127.0.0.1", "10.0.0.5", "169.254.169.254", "100.64.0.1", "::1", "fd00:ec2::254", "fe80::1%2"]
FORBIDDEN_ADDRESSES += ["::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1", "0.0.0.0"]


@pytest.mark.parametrize("address", FORBIDDEN_ADDRESSES)
def test_a_name_with_one_forbidden_address_is_refused(address: str) -> None:
    """A name with public and forbidden addresses is an attack or a mistake, so no address of it is used."""
    for answer in ([address], ["8.8.8.8", address], [address, "8.8.8.8"], ["2606:4700::1", "8.8.8.8", address]):
        with pytest.raises(Blocked):
            http(resolve=answering(answer)).send("POST", "https://hook.example/", deadline=1)


@pytest.mark.parametrize("address", FORBIDDEN_ADDRESSES)
def test_a_refusal_does_not_show_the_address_of_a_name(address: str) -> None:
    """A subscriber's owner could otherwise learn the addresses of our network from the error messages."""
    with pytest.raises(Blocked) as caught:
        http(resolve=answering([address])).send("POST", "https://hook.example/", deadline=1)
    assert address not in str(caught.value)
    assert caught.value.address is None
    assert str(ip_address(address)) in caught.value.detail


def test_a_refusal_reads_the_same_for_every_forbidden_address() -> None:
    """A difference between two messages would show which kind of address was found."""
    texts = set()
    for address in FORBIDDEN_ADDRESSES:
        with pytest.raises(Blocked) as caught:
            http(resolve=answering([address])).send("POST", "https://hook.example/", deadline=1)
        texts.add(str(caught.value))
    assert len(texts) == 1


def test_plain_http_is_refused_outside_the_allowed_networks() -> None:
    """Without TLS, anybody on the way can read a signed event, or stop it."""
    with pytest.raises(Blocked, match="use https"):
        http(allowed=("10.0.0.0/8",), resolve=answering(["8.8.8.8"])).send("POST", "http://hook.example/", deadline=1)


def test_an_allowed_network_allows_nothing_but_itself() -> None:
    """Neither the next network nor the same address inside IPv6 becomes allowed."""
    mine = http(allowed=("10.1.0.0/16",))
    mine.check("http://10.1.0.0/")
    mine.check("https://10.1.255.255/")
    for url in ("https://10.2.0.0/", "https://10.0.255.255/", "https://127.0.0.1/", "https://[::ffff:10.1.0.1]/"):
        with pytest.raises(Blocked):
            mine.check(url)


def test_a_bad_network_is_refused_with_a_hint() -> None:
    """A typing error in AllowedNetworks must not end in a stack trace, nor allow more than was meant."""
    with pytest.raises(BadInput, match=r"allowed_networks: 10\.0\.0\.1/8 has host bits set; write CIDRs"):
        http(allowed=("10.0.0.1/8",))


def test_a_name_without_an_address_is_a_dns_failure() -> None:
    """A name with no address at all must not pass the check of its addresses."""
    with pytest.raises(DnsFailed, match=r"hook\.example has no address"):
        http().send("POST", "https://hook.example/", deadline=1)


@pytest.mark.parametrize(
    "value", ["key\r\nx-admin: 1", "key\n", "key\ra", "key\0", " key", "key ", "key\u2028", "key\u0119"]
)
def test_a_header_that_could_be_two_is_refused_without_showing_it(value: str) -> None:
    """Keys are often pasted with a line break, so the error message must not contain the value."""
    with pytest.raises(Blocked) as caught:
        http().send("GET", "https://hook.example/", headers={"authorization": value})
    assert "authorization" in str(caught.value)
    assert "key" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "ä"])
def test_a_header_name_is_a_token(name: str) -> None:
    """A line break or a colon in a header's name could start a second header too."""
    with pytest.raises(Blocked):
        http().send("GET", "https://hook.example/", headers={name: "x"})
