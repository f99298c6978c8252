"""May this domain, this person, use single sign-on?

model.py   Policy, Policies: pure values and the questions asked of them
parse.py   pure: YAML text -> Policy, or every problem at once
store.py   the snapshot in force; watches the folder and swaps one reference
"""
