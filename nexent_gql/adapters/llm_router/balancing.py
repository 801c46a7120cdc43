"""In which order the deployments of a route are tried."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b

from nexent_gql.ports.llm_routes import Deployment, ModelRoute

_MAX_LOAD_FACTOR = 1.5
_LARGEST_HASH = 2**64


def ranked(route: ModelRoute, outstanding: Mapping[str, int]) -> list[Deployment]:
    """Return all deployments of a route in the order in which to try them.

    Within a group, calls of the same conversation prefer the same deployment (rendezvous hashing by weight), unless
    that one has clearly more than its share of the outstanding calls: then it comes after the others.

    Args:
        route: The route.
        outstanding: Calls in progress by deployment, where there are any.
    """
    order: list[Deployment] = []
    for group in route.groups:
        order += group if len(group) == 1 else _ranked_group(group, route.affinity, outstanding)
    return order


def _ranked_group(group: Sequence[Deployment], affinity: str, outstanding: Mapping[str, int]) -> list[Deployment]:
    by_score = sorted(group, key=_scores(affinity), reverse=True)
    shares = {deployment.key: _share(deployment) for deployment in group}
    total = 1 + sum(outstanding.get(key, 0) for key in shares)
    per_share = _MAX_LOAD_FACTOR * total / sum(shares.values())

    def is_overloaded(deployment: Deployment) -> bool:
        key = deployment.key
        return outstanding.get(key, 0) + 1 > math.ceil(per_share * shares[key])

    return sorted(by_score, key=is_overloaded)


def _share(deployment: Deployment) -> float:
    """Return what a deployment can take in proportion to others: weight, times its limit of concurrent requests."""
    return deployment.weight * (deployment.endpoint.limits.concurrent_requests or 1)


def _scores(affinity: str) -> Callable[[Deployment], float]:
    """Return a score by which each deployment comes first in proportion to its weight."""

    def score(deployment: Deployment) -> float:
        if affinity:
            digest = blake2b(f"{affinity}/{deployment.key}".encode(), digest_size=8).digest()
            chance = (int.from_bytes(digest) + 0.5) / _LARGEST_HASH
        else:
            chance = 1 - random.random()  # noqa: S311 - spreads load, keeps no secret
        return -deployment.weight / math.log(min(chance, 1 - 1e-12))

    return score
