from collections import Counter
from uuid import UUID

import pytest

from nexent_gql.jobs.fairness import Candidate, FairShare
from nexent_gql.kernel.ids import new_id

A, B, C = new_id(), new_id(), new_id()


def jobs(tenant_id: UUID, count: int, *, user_id: UUID = A, priority: int = 0) -> list[Candidate]:
    return [Candidate(new_id(), tenant_id, user_id, priority) for _ in range(count)]


def started_by_tenant(share: FairShare, candidates: list[Candidate]) -> Counter[UUID]:
    return Counter(job.tenant_id for job in share.start_next(candidates))


def test_a_tenant_may_use_every_slot_that_nobody_else_wants() -> None:
    share = FairShare(10, reserve=2)
    assert started_by_tenant(share, jobs(A, 100)) == {A: 10}
    assert share.free_slots == 2


def test_slots_are_divided_among_those_who_want_them() -> None:
    share = FairShare(9, reserve=0)
    assert started_by_tenant(share, jobs(A, 100) + jobs(B, 100) + jobs(C, 1)) == {A: 4, B: 4, C: 1}


def test_the_reserve_lets_in_tenants_of_whom_nothing_runs() -> None:
    share = FairShare(4, reserve=2)
    share.start_next(jobs(A, 100))
    assert started_by_tenant(share, jobs(A, 5) + jobs(B, 5)) == {B: 1}
    assert started_by_tenant(share, jobs(B, 5) + jobs(C, 5)) == {C: 1}
    assert share.free_slots == 0


def test_half_of_the_reserve_lets_in_users_of_whom_nothing_runs() -> None:
    share = FairShare(4, reserve=4)
    share.start_next(jobs(A, 100, user_id=A))
    others = [job for user_id in (B, C, new_id()) for job in jobs(A, 3, user_id=user_id)]
    assert [job.user_id for job in share.start_next(others)] == [B, C]
    assert started_by_tenant(share, jobs(B, 1) + jobs(C, 1)) == {B: 1, C: 1}


def test_tenants_take_turns_though_only_one_slot_exists() -> None:
    share = FairShare(1, reserve=0)
    waiting = {A: jobs(A, 100), B: jobs(B, 3), C: jobs(C, 2)}
    turns: list[UUID] = []
    for _ in range(8):
        (job,) = share.start_next([job for of in waiting.values() for job in of])
        waiting[job.tenant_id].remove(job)
        turns.append(job.tenant_id)
        share.finish(job)
    assert {*turns[:3]} == {*turns[3:6]} == {A, B, C}
    assert Counter(turns) == {A: 3, B: 3, C: 2}


def test_users_of_a_tenant_take_turns_and_keep_their_order() -> None:
    share = FairShare(1, reserve=0)
    waiting = jobs(A, 50, user_id=A) + jobs(A, 2, user_id=B)
    served: list[Candidate] = []
    for _ in range(6):
        (job,) = share.start_next(waiting)
        waiting.remove(job)
        served.append(job)
        share.finish(job)
    assert Counter(job.user_id for job in served) == {A: 4, B: 2}
    assert {job.user_id for job in served[:2]} == {job.user_id for job in served[2:4]} == {A, B}
    ids = [job.job_id for job in served if job.user_id == A]
    assert ids == sorted(ids)


def test_interactive_jobs_come_before_background_ones_of_all_tenants() -> None:
    share = FairShare(3, reserve=0)
    background = jobs(A, 5, priority=1) + jobs(B, 5, priority=1)
    assert [job.priority for job in share.start_next(background + jobs(C, 2))] == [0, 0, 1]


@pytest.mark.parametrize("slots", [1, 2, 7])
def test_a_slot_is_free_again_when_its_job_has_ended(slots: int) -> None:
    share = FairShare(slots, reserve=1)
    for _ in range(100):
        running = share.start_next(jobs(A, 20))
        assert len(running) == slots
        for job in running:
            share.finish(job)
    assert share.free_slots == slots + 1
