"""What a page says about each reason: the cause and the way out. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.reasons import Reason


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a page says about a reason: a title, the cause in a sentence, and the way out."""

    title: str
    cause: str
    way_out: str


# Three lines each: the reasons and a title, the cause, the way out. Told to the person it happened
# to, who did nothing wrong; what only an operator understands stays in the log.
_TEXTS = """
matched: You are signed in
Your email address is one of your Sonar account's addresses.
You need not do anything. Under "Single Sign-On" you can switch this off.
linked: You are signed in
You linked this account once with your Sonar password.
You need not do anything. Under "Single Sign-On" you can remove the link.
preferred: You are signed in
You have several Sonar accounts, and this is the one you chose last time.
To use another, open "Switch account" at any time.
chosen: You are signed in
You chose this account.
We will remember it. To use another, open "Switch account" at any time.
proved: You are signed in
You entered the password of this Sonar account, and it is now linked.
Next time you will not be asked for it.
several_accounts: Which account?
You can use more than one Sonar account.
Choose one. We will remember it, and you can switch at any time.
no_account: Which Sonar account is yours?
None of the Sonar accounts has the email address that you signed in with.
Enter your Sonar username and password once. After that, this sign-in opens your account.
email_untrusted: Please enter your Sonar password once
Your provider did not confirm that your email address belongs to your company.
Enter your Sonar username and password once. After that, this sign-in opens your account.
subject_changed: Please enter your Sonar password once
Somebody with the same email address has signed in before, but not as the same person.
Enter your Sonar username and password once, so that we know that this account is yours.
shared_mailbox: Please enter your Sonar password once
Several people read this mailbox, so the address alone does not say who you are.
Enter your own Sonar username and password once. After that, this sign-in opens your account.
link_removed: This sign-in is switched off
You, or somebody who uses this sign-in, removed its link to the Sonar account.
Enter your Sonar username and password once to switch it on again.
account_inactive: This account is not active
Your Sonar account has been switched off.
Ask your Office Manager to switch it on, or use another account's username and password.
proof_stale: Please confirm that it is you
You proved who you are a while ago; this page is for who did so lately. Nothing was changed.
Confirm it, and you come back to the page. Then do once more what you wanted to do.
proof_too_old: Please enter your Sonar password
We need to know that you proved who you are lately, and your provider did not confirm that.
Enter the password of the Sonar account that you use, or sign in anew at your provider.
email_missing: We need your email address
Your provider did not tell us your email address, so we cannot find your company.
Sign in with an account that has an email address, or with your Sonar password.
no_policy: Single sign-on is not set up for your company yet
Nobody has switched it on for the part of your email address after the @.
Sign in with your Sonar password. Your Office Manager can ask for single sign-on.
domain_off: Single sign-on is off for your company
Your company does not use it at the moment.
Sign in with your Sonar password. Your Office Manager can ask for single sign-on.
not_pilot_user: You are not in the pilot yet
Your company is trying single sign-on with a few people first.
Sign in with your Sonar password. Your Office Manager can ask for single sign-on.
blocked_user: Single sign-on is blocked for this address
Somebody who looks after Sonar has blocked it.
Ask your Office Manager why, or sign in with your Sonar password.
provider_not_allowed: Your company uses another provider
This way to sign in is not allowed for your email address.
Sign in the way your company does, or use your Sonar password.
shared_mailbox_refused: Shared mailboxes cannot sign in
Several people read this mailbox, so it does not say who you are.
Sign in with your own email address, or with your Sonar password.
provider_denied: You did not sign in
You or your provider stopped the sign-in before it was finished.
Try again. If your provider says that approval is needed, ask your company's administrator.
provider_error provider_unavailable: Your provider did not answer as it should
Signing in with it is not possible at the moment. Your Sonar account is not affected.
Try again in a minute, or sign in with your Sonar password.
provider_unknown: There is no such provider
The address names a way to sign in that Sonar does not offer.
Go to the sign-in page and choose one of the buttons there.
callback_malformed: That is not a finished sign-in
The address you came back with is incomplete or was changed on the way.
Start again from the sign-in page.
code_refused: The sign-in came too late
Your provider's answer was used already, or was too old.
Start again from the sign-in page. Please do not use the back button while you sign in.
refresh_refused: Your provider signed you out
It says that you may not go on: your account there was switched off, or its password changed.
Sign in again. If you cannot, ask whoever looks after your account there.
token_malformed token_algorithm token_key_unknown token_key_issuer: The answer cannot be trusted
What came back from your provider is not what it should have sent, so we did not use it.
Try again. If it happens again, tell support the number below and use your Sonar password.
token_signature token_issuer token_audience token_authorized_party: The answer cannot be trusted
What came back was not made by your provider, or not for Sonar, so we did not use it.
Try again. If it happens again, tell support the number below and use your Sonar password.
token_tenant: This Microsoft account belongs to another organisation
Sonar does not accept accounts of the organisation that you signed in with.
Choose your work account at Microsoft, or use your Sonar password.
token_nonce token_subject token_email: The answer does not belong to this sign-in
What came back from your provider is incomplete, or belongs to another sign-in.
Start again from the sign-in page.
token_expired token_issued_at: The sign-in came too late
Your provider's answer was too old when it reached us, or a clock is wrong.
Start again. If it happens again, tell support: a clock may be wrong.
provider_signed_out: Your provider signed you out
You signed out there, or somebody who looks after your account did it for you.
Sign in again if you still want to use Sonar.
provider_alarm: Your provider ended your sign-in
It told us that your account there was closed, or that somebody else may have used it.
Look at your account's security there, then sign in again.
token_event token_replayed: This message cannot be used
It does not say what such a message has to say, or it has been here before.
You need not do anything. It is meant for programs.
logout_unknown: Nobody is signed in by that name
Whoever was signed in by it has signed out, or never was here.
You need not do anything. Sonar is closed for them.
logout_throttled: Too many requests
Your network asked to sign out many people who are not here.
Sign out in Sonar itself, or wait a minute.
revoked: Your session was ended
Whoever runs this gateway ended it.
You can sign in again, unless the page then says otherwise.
transaction_unknown: We do not know this sign-in
It is finished already, was begun in another browser, or this browser did not keep our cookie.
Go to Sonar: you may be signed in. If not, start again, and allow cookies for this site.
transaction_expired: The sign-in took too long
For your safety it has to be finished within ten minutes.
Start again. You will get to the page that you wanted.
transaction_used: This sign-in is finished already
Each one works once. You are probably signed in, in this tab or in another one.
Go to Sonar. If it asks you to sign in, start again.
form_forged: Please send the form again
It did not come from a page that we gave you, or that page was too old.
Go back, reload the page, and try once more.
script_refused: This page opens for people only
Something in a web page, and not you, tried to open it or to send its form. Nothing was changed.
If it was you, open it once more in a window of its own, and tell support the number below.
form_not_sent: Your form was not sent
You were not signed in any more when you sent it, so Sonar did not get it.
Sign in in another tab. Then reload this page: your browser asks whether to send it once more.
form_gone: This form is not here any more
It was sent, or is older than fifteen minutes, or was typed when another account was open.
Nothing was sent now. Go to the page where you typed it, and fill it in once more.
password_wrong: Username or password is wrong
Sonar has no active account with this username and this password.
Try again. These are the ones you use on Sonar's own sign-in page.
password_throttled: Too many attempts
Too many wrong passwords came from you or your network, so we ask you to wait, longer each time.
If you do not know the password, ask your Office Manager for a new one.
username_throttled: Attempts at this username are slowed down
Too many wrong passwords were tried for it, by you or somebody else. Each one makes the wait longer.
The right one still works on Sonar's own sign-in page. If it was not you, tell your Office Manager.
account_not_offered: This account cannot be chosen
It is not, or not any more, one of the accounts that you can use.
Choose one of the accounts that are shown.
proof_of_another: That was somebody else
You came back from your provider as another person than the one who is signed in to Sonar.
Choose the same account again, or enter your Sonar password. To change who you are, sign out first.
not_signed_in: You are not signed in
This part of Sonar is for people who have signed in.
Sign in, and you will get to the page that you wanted.
session_expired: Please sign in again
You have not used Sonar for a while, or your session was ended.
Sign in again, and you will get to the page that you wanted.
request_malformed: We cannot read this request
Your browser, or something between it and us, sent what could be understood in more than one way.
Go to Sonar's front page and try again from there.
request_too_large: This request is too large
The address or the cookies that your browser sent are longer than we accept.
Delete the cookies of this site in your browser, then try again.
request_too_slow: Your request did not arrive in time
Its beginning reached us, and then nothing, or too little, for too long.
Look whether you are still connected to the network, then try again.
body_too_large: What you sent is too large
The file or form is larger than Sonar accepts.
Send a smaller one, or ask support to allow it.
not_found: There is no such page
The address may be mistyped, or the page is gone.
Go to Sonar's front page and find your way from there.
method_not_allowed: That does not work here
This address does not take that kind of request.
Go to Sonar's front page and try again from there.
origin_foreign: Another site may not connect to Sonar for you
A page that is not Sonar's tried to open a connection in your name.
Nothing was sent. Open Sonar itself; if you did, tell support the number below.
proxy_header_malformed: We do not know who you are
A machine between you and us is set up in another way than we are.
Tell support: the proxy in front of Sonar must send a PROXY protocol header.
connections_full: Sonar is very busy
More people are connected than we can serve at once.
Wait a minute, then reload the page.
connections_of_address: Too many connections from your network
Your computer, or others that share its address, have more of them open than we accept.
Close tabs you do not need, wait a minute, then reload the page.
peer_untrusted: This address is not for browsers
Only a proxy in front of Sonar may ask here, and only from an address the gateway was told of.
Go to Sonar's front page. If you look after the proxy: `server.trusted_proxies` has to name it.
plain_http: This address is for https
Your browser came by http, without encryption, to a port where everything is encrypted.
Follow the link below, or begin the address with https:// instead of http://.
upstream_refused: Sonar did not accept your sign-in
We told Sonar who you are, and it still asks for a password.
Sign out and in again. If that does not help, tell support the number below.
upstream_unavailable upstream_malformed: Sonar does not answer
We can reach you, but not Sonar at the moment, or its answer was broken.
Wait a moment and reload the page. Nothing that you sent was kept by us.
upstream_timeout: Sonar takes too long
It has not answered in time. It may still be working on what you sent.
Wait a moment and look whether it was done before you try again.
directory_unavailable links_unavailable: Single sign-on has to wait
We cannot look up your Sonar account at the moment.
Try again in a minute, or sign in with your Sonar password.
audit_unavailable: Single sign-on has to wait
We write down who signs in, and cannot do it at the moment.
Try again in a minute, or sign in with your Sonar password.
sessions_unavailable: We cannot check your sign-in right now
The part of our system that remembers who is signed in does not answer.
Try again in a minute. The Sonar password works on Sonar's own sign-in page.
internal_error: Something went wrong on our side
It was not your fault, and it has been written down.
Try again. If it happens again, tell support the number below.
"""


def _explanations() -> Mapping[Reason, Explanation]:
    lines = _TEXTS.strip().splitlines()
    told: dict[Reason, Explanation] = {}
    for heading, cause, way_out in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        reasons, _, title = heading.partition(": ")
        told |= dict.fromkeys(map(Reason, reasons.split()), Explanation(title, cause, way_out))
    return told


EXPLANATIONS = _explanations()
