"""Durable jobs: Postgres stores the work; Redis only wakes workers up.

A job is written in the transaction of the change that needs it; a relay sends the wake-ups; a worker
claims a job under a lease and a fence, and its writes are refused once another worker has claimed the job.
"""
