"""Which addresses a page may be read from, whatever this Python thinks of them (I-63)."""

import ipaddress

import pytest

from socialanalyzer_dagster.domain.public_addresses import is_public

CLOSED = {
    "this host": ["0.0.0.0", "0.1.2.3", "::"],  # noqa: S104 - an address to refuse
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "private": ["10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd00::1"],
    "carriers' NAT": ["100.64.0.1", "100.127.255.255"],
    "link-local": ["169.254.0.1", "fe80::1", "febf::1"],
    "site-local of old": ["fec0::1", "feff::1"],
    "metadata of clouds": ["169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254"],
    "protocol assignments": ["192.0.0.1", "192.0.0.9", "192.0.0.10", "2001::1", "2001:1::1", "2001:20::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "benchmarks": ["198.18.0.1", "198.19.255.255", "2001:2::1"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved and broadcast": ["240.0.0.1", "255.255.255.255", "4000::1", "5f00::1", "100::1"],
    "IPv4 written as IPv6": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:93.184.216.34", "::127.0.0.1", "::a00:1"],
    "6to4": ["192.88.99.1", "2002:a00:1::", "2002:5db8:d822::"],
    "Teredo": ["2001:0:4136:e378:8000:63bf:f5ff:fffe", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "NAT64 to a private one": ["64:ff9b::a00:1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::5db8:d822"],
}
OPEN = [
    "93.184.216.34", "8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1",
    "192.0.1.1", "223.255.255.255", "2606:2800:220:1:248:1893:25c8:1946", "2a00:1450::1", "2400:cb00::1",
    "64:ff9b::5db8:d822",
]  # fmt: skip


@pytest.mark.parametrize("address", [address for group in CLOSED.values() for address in group])
def test_an_address_outside_of_the_open_internet_is_not_public(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OPEN)
def test_an_address_of_the_open_internet_is_public(address):
    assert is_public(ipaddress.ip_address(address))
