"""Where a request comes from."""

from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The client's address as seen by the outermost of our own proxies, of which there are WEB_PROXIES.

    Each proxy appends to X-Forwarded-For whom it was called by, so the entries are counted from the right;
    those further to the left are the client's own invention. Without proxies the whole header is.
    """
    nearest = str(request.META.get("REMOTE_ADDR") or "")
    entries = [entry.strip() for entry in request.headers.get("X-Forwarded-For", "").split(",")]
    forwarded = [entry for entry in entries if entry]
    if not settings.WEB_PROXIES or not forwarded:
        return nearest
    return forwarded[-settings.WEB_PROXIES :][0]


def network_of(address: str) -> str:
    """What one client can have as its own: an IPv4 address, or an IPv6 network of 64 bits.

    Whatever is no address, such as the empty one of a Unix socket, stands for itself.
    """
    host = address.removeprefix("[").split("]")[0].split("%")[0]
    if host.count(":") == 1:  # some proxies append the port
        host = host.split(":")[0]
    try:
        parsed = ip_address(host)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ip_network((int(parsed), 64), strict=False))
