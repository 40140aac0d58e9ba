"""Which addresses are on the public internet, and not in a network of our own. Pure."""

import ipaddress

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: All that is handed out of IPv6 (IANA); the rest stands for other things, IPv4 in old clothes among them.
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
#: RFC 6052: IPv4 behind a gateway. Where there is one, names resolve to such addresses.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
#: Tunnels that hold an IPv4 address (6to4), and what Python 3.11 takes for global: ranges for protocols,
#: Teredo among them, and for documents. Nobody serves images there.
_NO_SERVERS = tuple(
    ipaddress.ip_network(text) for text in ("2001::/23", "2002::/16", "3fff::/20", "192.0.0.0/24")
)
#: Public by their number, and yet of the machine's own network: Azure's host, the old 6to4 relays.
_LOCAL_IN_DISGUISE = tuple(ipaddress.ip_network(text) for text in ("168.63.129.16/32", "192.88.99.0/24"))
_REFUSED = (*_NO_SERVERS, *_LOCAL_IN_DISGUISE)


def is_public(text: str) -> bool:
    """Tell whether an IP address may be asked for an image. Not one: no.

    Private, shared, loopback and link-local ranges are not public, and so neither are metadata servers
    (169.254.169.254, fd20:ce::254); nor are multicast, reserved ranges, and IPv6 forms of such IPv4.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        return _is_public_6(address)
    return address.is_global and not address.is_multicast and not _is_refused(address)


def _is_public_6(address: ipaddress.IPv6Address) -> bool:
    if address in _NAT64:
        return is_public(str(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)))
    if address.scope_id is not None or address not in _GLOBAL_UNICAST or _is_refused(address):
        return False
    return address.is_global


def _is_refused(address: _Address) -> bool:
    return any(address.version == network.version and address in network for network in _REFUSED)
