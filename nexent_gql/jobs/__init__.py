"""Durable jobs: Postgres owns the work, a carrier only wakes workers up.

A job is written in the transaction of the change that asks for it; a relay hands wake-ups on; a worker
claims a job under a lease and a fence, and every write it makes is refused once another holds the fence.
"""
