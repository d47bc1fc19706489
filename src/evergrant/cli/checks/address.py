"""Where the issuer is and who reaches it: its URL, the proxy in front, the metrics, the processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from evergrant.cli.checks.finding import Finding, fail, ok, warn
from evergrant.cli.output import plural

if TYPE_CHECKING:
    from evergrant.config import Config

# A network of more addresses than a /8 is not a list of proxies.
_WIDEST: Final = {4: 8, 6: 32}


def address(config: Config) -> Iterator[Finding]:
    """Judge what the configuration says about the way in."""
    yield _issuer(config)
    yield _proxies(config)
    if config.server.client_certificates:
        yield _certificates(config)
    yield _metrics(config)
    yield _workers(config)


def _issuer(config: Config) -> Finding:
    if config.is_secure:
        return ok("issuer", config.issuer)
    return fail(
        "issuer",
        f"{config.issuer} is not https",
        "passwords, cookies and tokens cross the network in clear, and clients refuse such an issuer",
        'set server.issuer = "https://…" and end TLS in a proxy in front of server.listen',
    )


def _proxies(config: Config) -> Finding:
    proxies = config.server.trusted_proxies
    if any(network.prefixlen < _WIDEST[network.version] for network in proxies):
        return fail(
            "proxy",
            f"server.trusted_proxies is as wide as {', '.join(map(str, proxies))}",
            "whoever is believed chooses the network that throttling and the audit trail see",
            "name the proxies' own addresses",
        )
    if config.is_secure and not proxies:
        return warn(
            "proxy",
            "server.trusted_proxies is empty, but an https issuer has a proxy in front of it",
            "every request seems to come from the proxy: throttling one guesser throttles everybody, and the audit "
            "trail and the theft notices name the proxy",
            "name the addresses that the proxy connects from, and let it set X-Forwarded-For",
        )
    if config.is_reachable and not proxies:
        return warn(
            "proxy",
            f"{config.server.listen} is open to other machines, without a proxy",
            "this port speaks no TLS",
            "listen on a loopback or private address, with a proxy in front that ends TLS",
        )
    return ok("proxy", f"trusted: {', '.join(map(str, proxies))}" if proxies else "none, and none needed")


def _certificates(config: Config) -> Finding:
    proxies = config.server.trusted_proxies
    if not proxies:
        return fail(
            "certificates",
            "server.client_certificates is on, and server.trusted_proxies is empty",
            "the header Client-Cert is believed from nobody, so no client can show a certificate",
            "name the addresses that the proxy connects from, or switch it off",
        )
    if config.is_reachable:
        return warn(
            "certificates",
            f"certificates are believed as {', '.join(map(str, proxies))} hand them on, and {config.server.listen} is "
            "open to other machines",
            "whoever can send from such an address, or through a proxy that does not overwrite the header, shows any "
            "certificate he likes",
            "let the proxy remove Client-Cert from every request before it sets its own",
        )
    return ok("certificates", f"handed on by {', '.join(map(str, proxies))}")


def _metrics(config: Config) -> Finding:
    networks = config.server.metrics_networks
    if any(network.prefixlen < _WIDEST[network.version] for network in networks):
        return fail(
            "metrics",
            "server.metrics_networks lets everybody read /metrics",
            "counts of refusals and reuse tell a thief what was noticed",
            "name the networks of your monitoring",
        )
    if config.is_secure and not config.server.trusted_proxies and any(network.is_loopback for network in networks):
        return fail(
            "metrics",
            "a proxy on this machine would open /metrics to everybody",
            "without server.trusted_proxies every request through it seems to come from loopback, which may read them",
            "set server.trusted_proxies, or set server.metrics_networks to the networks of your monitoring",
        )
    return ok("metrics", f"for {', '.join(map(str, networks)) or 'nobody'}")


def _workers(config: Config) -> Finding:
    workers, cores = config.server.workers, os.cpu_count() or 1
    if workers > cores:
        return warn(
            "workers",
            f"{workers} workers on {plural(cores, 'core', 'cores')}",
            "more processes than cores take turns, share no commit, and make each other wait",
            f"set server.workers to {cores} or fewer",
        )
    return ok("workers", f"{plural(workers, 'worker', 'workers')} on {plural(cores, 'core', 'cores')}")
