"""Which Sonar account is that?

model.py        Account, Address: what Sonar knows about somebody; Link: what a person proved
resolution.py   pure: resolve(identity, policy, matches, links, removed, preference)
facts.py        everything resolve() wants to know, fetched: the one way to a decision
directory/      where accounts are looked up and passwords verified (sql, file); read-only
passwords.py    password hashes off the event loop, a few at a time; hashes.py compares them
links.py        what the gateway itself stores: links, removals, preferences, pins
trail.py        the records of the audit: one chain, whoever adds to it
notices.py      what an account's owner hears of a new link, and the letters to be sent
herald.py       tells those who sign in with the Sonar password alone;
                password_reader.py is what their browser keeps of it
tables.py       its tables; migrations/ brings a database to them, by Alembic; revision.py looks
                whether it is there
database.py     how both databases are reached, with time limits and one kind of exception;
                postgresql.py has TLS as libpq says it; own_database.py opens the gateway's own
"""
