"""DynamoDB by pynamodb: tenants, connections, accounts, heads, leases, jobs, usage. The only room that knows its rows.

``Catalog`` (in ``catalog.py``) is built per run with that run's own credentials; no connection is shared between
two of them, so nothing that one tenant's run may do is left over for the next.
"""
