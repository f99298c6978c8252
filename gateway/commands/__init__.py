"""The commands that do something of their own; `gateway/cli.py` reads their words and prints their
answers.

serve.py     run the gateway
check.py     does everything the config names work? one line each
             (check_upstream.py: Sonar; check_database.py: the way to databases;
             lines.py: how it is said)
keys.py      which keys there are, and replacing them (keys_words.py: its words)
explain.py   what would happen to this email address, step by step
audit.py     who was let in or refused, and is the record of it whole? (audit_words.py: its words)
sessions.py  who is signed in, and no more (sessions_words.py)
policies.py  who may sign in, changed in the policy files (blocking.py: who may not);
             links.py: who opens which account (access_words.py: the words of all)
auditing.py  what a command does is recorded, too
words.py     what commands have in common on the command line
"""
