"""Which Sonar account is that?

model.py        Account, Address: what Sonar knows about somebody; Link, Standing
resolution.py   pure: resolve(identity, policy, matches, links, removed, preference)
directory/      where accounts are looked up and passwords verified (sql, file); read-only
passwords.py    password hashes of every scheme Sonar has had, off the event loop
links.py        what the gateway itself stores: links, removals, preferences, pins
migrations/     the schema of links.py, by Alembic
"""
