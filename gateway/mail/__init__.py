"""Letters to the owners of accounts, by SMTP. Nobody waits for them.

postman.py   takes a letter whose time has come, has it sent, and says what became of it
letter.py    what it says; all its words
smtp.py      how it is sent: the only place that speaks SMTP

They are written by account/notices.py, together with what they tell of.
"""
