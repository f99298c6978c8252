"""The whole system on a laptop: `make run`, that is `python -m demo`. Never in production.

sonar/       the stand-in Sonar: a legacy portal with its own sign-in
providers/   stand-in providers that look and behave like Google and Microsoft
people.py    the people who can sign in there
command.py   the command line; what happens until Ctrl-C
plan.py      which config.yaml, which ports, which folder
history.py   what happened before the demonstration begins
system.py    starts it all, the gateway as a real process, and stops it
summary.py   what is printed once it runs
news.py      what is printed when the policies change
"""
