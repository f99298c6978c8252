"""What went wrong elsewhere, was published, and is a test here: one line each.

Gateways like this one, the libraries it stands on, and what their users asked for most. Whoever
wonders whether we know of something finds the tests of it; a number of an advisory stands in the
test itself, too.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

LESSONS = """
identity headers in another spelling, X_Forwarded_* beside X-Forwarded-* (CVE-2025-64484)
    edge/test_upstream_head.py::test_nothing_a_client_sends_speaks_for_us
    edge/test_fields.py::test_names_with_underscores_that_read_like_ours_never_pass
`Connection` names a header that the proxy added, which then goes (GHSA-w9mr, CVE-2024-45410)
    edge/test_upstream_head.py::test_nothing_a_client_sends_speaks_for_us
    attacks/test_upstreams.py::test_headers_that_any_connection_line_names_go_no_further
identity headers pass on public paths, or with OPTIONS (oauth2-proxy #1065, mod_auth_openidc)
    edge/test_exchange.py::test_client_sent_identity_goes_nowhere
a rule for the path matches in the query (CVE-2025-54576)
    edge/test_decision.py::test_a_public_path_in_the_query_opens_nothing
raw path and cleaned path, `#`, encoded slashes (GHSA-p224, CVE-2026-41059)
    edge/test_paths.py::test_two_readings
    attacks/test_undecided.py::test_no_path_of_sonars_without_a_decision
the peer is believed what it says of the address asked for (CVE-2026-40575, GHSA-5wcc)
    forward_auth/test_attacks.py::test_a_browser_cannot_say_what_is_asked
    edge/test_question.py::test_from_anybody_else_it_is_refused
an unreadable X-Forwarded-For skips a check (CVE-2024-47070)
    edge/test_peer.py::test_client_behind_a_trusted_proxy
a health check's User-Agent is a pass (CVE-2026-34457)
    edge/test_decision.py::test_a_health_check_is_no_pass
open redirects (CVE-2020-5233, CVE-2020-4037, CVE-2020-11053)
    identity/test_next_path.py::test_everything_else_leads_home
    browser/test_next.py::test_chromium_leaves_our_origin_for_none
an address with two readings (CVE-2026-40574)
    test_email.py::test_what_is_no_address
a domain that ends like another's (CVE-2021-21291)
    policy/test_model.py::test_policies_are_found_by_the_exact_domain
a username that is somebody's address (CVE-2021-3754)
    portal/test_sign_in.py::test_a_username_that_is_somebodys_address_finds_nobody
an identifier that was cut off, under which the link persists (CVE-2026-57580)
    attacks/test_vouching.py::test_subjects_are_compared_whole
an account that never was shown to have the address is linked by it
    attacks/test_vouching.py::test_what_google_vouches_for
    account/test_resolution.py::test_a_match_has_exactly_the_email_for_an_allowed_purpose
a proof links another identity (CVE-2026-9087, CVE-2026-92358, CVE-2026-15571)
    attacks/test_transactions.py::test_a_proof_is_for_the_identity_that_was_asked
the address is edited on the way through the proof (CVE-2025-7365)
    portal/test_link.py::test_the_identity_is_not_in_the_form
a proof is used twice, elsewhere, or after the link was removed
    attacks/test_transactions.py::test_a_proof_at_every_process_at_once_links_once
    portal/test_link.py::test_a_proof_is_dead_after_the_link_was_removed
session fixation; cookie tossing
    portal/test_completion.py::test_a_planted_session_is_not_taken_over
    edge/test_exchange.py::test_two_different_sessions_are_none
a session keeps what an earlier sign-in said (CVE-2021-41230)
    attacks/test_vouching.py::test_a_new_sign_in_forgets_what_was_said_before
somebody switched off stays in (CVE-2025-53942)
    session/test_recheck.py::test_ends_with_the_account_or_its_address
attempts are counted on what was typed (CVE-2025-24806, CVE-2026-47203)
    portal/test_proof.py::test_another_spelling_buys_no_attempts
    portal/test_proof.py::test_another_identity_buys_no_attempts_at_the_same_account
two people's requests share an object (CVE-2026-33544, CVE-2026-71326)
    attacks/test_transactions.py::test_many_people_at_once_are_each_themselves
codes, tokens, cookies, session ids or passwords in a log
    journeys/test_faults.py::test_nothing_secret_is_logged
    portal/test_audit.py::test_no_secret_is_in_any_record_or_line
a huge cookie, a POST to the callback, a doubled `state` or `code` is a crash
    journeys/test_faults.py::test_100_kb_cookie_header_is_refused
    attacks/test_transactions.py::test_a_malformed_callback
    attacks/test_transactions.py::test_a_callback_by_post

Google: only `sub` lasts, and the word on an address counts for @gmail.com or `hd`
    attacks/test_vouching.py::test_google_vouches_for_its_own_workspaces_only
    identity/test_claims.py::test_googles_old_issuer_is_the_same_person
Google: a domain that was bought again brings the same address and `hd` back
    attacks/test_vouching.py::test_a_recycled_mailbox_opens_nothing
Google: no `prompt=login`
    portal/test_trip.py::test_google_is_not_asked_twice_as_it_would_answer_the_same
    portal/test_confirm.py::test_google_cannot_be_made_to_ask_so_it_is_the_password
Google: RISC
    identity/test_security_event.py::test_an_event_that_ends_sessions
Microsoft: the templated issuer, the signing key's own issuer
    attacks/test_lies.py::test_a_lie_of_a_tenant
    attacks/test_lies.py::test_a_key_of_another_issuer_speaks_for_its_own_only
Microsoft: `tid` and `oid`, not `sub`; the address is the administrator's to type (nOAuth)
    attacks/test_vouching.py::test_entras_person_is_tenant_and_object
    attacks/test_vouching.py::test_entras_email_is_what_an_administrator_typed
Microsoft: `xms_edov` in each spelling; its absence is no proof
    attacks/test_vouching.py::test_entra_vouches_with_xms_edov_in_every_spelling
    attacks/test_vouching.py::test_nothing_else_vouches_for_entras_email
Microsoft: keys rolled without notice; an unknown one is asked for at most every five minutes
    attacks/test_signatures.py::test_keys_rolled_between_the_way_there_and_back_fail_nobody
    attacks/test_signatures.py::test_unknown_keys_are_asked_for_once_in_five_minutes
Microsoft: `select_account` does not go with `login_hint`
    identity/test_provider.py::test_microsofts_account_picker_comes_without_a_hint
Microsoft: a front-channel logout has a `sid` and no `iss`
    portal/test_frontchannel.py::test_a_frame_ends_the_session_of_its_sid

a library does not check `aud`, skips a missing nonce, forgives two minutes
    attacks/test_lies.py::test_a_lie_about_a_claim
    attacks/test_lies.py::test_a_clock_is_forgiven_a_minute
a library forgets a check after its first use
    attacks/test_transactions.py::test_many_people_at_once_are_each_themselves
    identity/test_claims.py::test_each_check_refuses
a library keeps discovery for life and does not look at its issuer
    identity/test_provider.py::test_a_document_that_names_another_issuer_later_is_not_believed_then_either
a library knows no `iss` in the answer (RFC 9207)
    attacks/test_transactions.py::test_one_providers_answer_is_not_anothers
a library sends a client secret without encoding it
    identity/test_provider.py::test_a_secret_with_any_sign_in_it
an HTTP client follows redirects, keeps cookies, reads without end
    identity/test_fetch.py::test_no_answers
    identity/test_fetch.py::test_nobodys_cookies_are_kept
    identity/test_fetch.py::test_a_provider_that_answers_a_byte_at_a_time
a refused port of Redis is noticed after ten retries
    session/store/test_redis.py::TestABadServerIsSeenAtOpen::test_a_refused_port_within_a_second
a cancelled command leaves its reply to the next caller
    session/store/test_redis.py::TestCancellation::test_no_reply_ever_reaches_another
a rewriter changes other bytes of a page than its own
    edge/test_inject.py::test_without_the_fragment_the_page_is_what_it_was
    edge/test_page.py::test_a_page_without_the_place_passes_as_it_is
bcrypt looks at 72 bytes; slow hashes hold the event loop
    account/test_passwords.py::test_bcrypt_reads_72_bytes_as_old_tables_were_written
    account/test_passwords.py::test_the_event_loop_goes_on_meanwhile
watching a file of a ConfigMap goes silent after the first swap
    policy/test_store.py::test_a_config_map_swaps
metrics of dead processes pile up
    operate/test_totals.py
a parser calls back for each message of a buffer
    edge/test_client.py::test_pipelined_requests_are_answered_in_order
a parser does not know that a reply answers HEAD; interim replies are messages
    edge/test_reader.py::test_a_reply_to_head_has_no_body
    edge/test_asking.py::test_interim_replies_come_at_once
a reply without a length; a reply before the request has ended
    edge/test_asking.py::test_a_reply_without_length_goes_on_in_chunks
    edge/test_asking.py::test_a_reply_before_the_request_has_ended

asked for: 401 for scripts in the place of a redirect
    journeys/test_old_ways.py::test_api_gets_401_and_no_redirect
asked for: several tabs at once, whose cookies do not pile up
    attacks/test_transactions.py::test_five_tabs_at_once_each_land_where_they_meant_to_go
    attacks/test_transactions.py::test_the_oldest_tab_makes_room_for_a_sixth
asked for: a rotating refresh token that two requests do not race for
    journeys/test_refresh.py::test_tokens_that_change_with_each_question_lose_no_session
    session/test_renewal.py::test_three_processes_never_use_a_token_twice
asked for: a way out of the wrong account
    portal/test_sign_in.py::test_another_account_asks_the_provider_which
asked for: sign-out at the provider, everywhere, and told of by the provider
    portal/test_oidc_provider.py::test_there_and_back
    portal/test_sign_out.py::test_signing_out_everywhere_ends_every_session_of_the_identity_and_no_other
    portal/test_oidc_provider.py::test_its_logout_token_ends_the_session
asked for: idle and absolute lifetime
    session/test_limits.py::test_policy_or_config_the_shorter
asked for: somebody switched off at the provider loses access
    journeys/test_refresh.py::test_what_the_provider_takes_back_ends_the_session_at_both
asked for: WebSockets closed at sign-out
    revocation/test_revocation.py::test_access_ends_everywhere_within_a_second
asked for: query string and POST body survive the sign-in
    journeys/test_sign_in.py::test_one_account_is_signed_in_and_lands_where_it_meant_to_go
    journeys/test_old_ways.py::test_a_form_that_met_no_session_is_sent_after_the_sign_in
asked for: policies reloaded while it runs
    policy/test_store.py::test_a_change_is_in_force_within_a_second
asked for: a helpful page in the place of a bare 403
    journeys/test_sign_in.py::test_refusals_say_why_and_offer_the_password
"""


def _lessons() -> dict[str, list[str]]:
    lessons: dict[str, list[str]] = {}
    tests: list[str] = []
    for line in filter(None, LESSONS.splitlines()):
        if line.startswith(" "):
            tests.append(line.strip())
        else:
            tests = lessons[line] = []
    return lessons


@cache
def _tests_in(file: str) -> dict[str, str]:
    """The source of each test of a file, by its name there; under the empty name, of all."""
    text = (ROOT / "tests" / file).read_text()
    lines, found = text.splitlines(), {"": text}
    for node in ast.parse(text).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        above = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        for one in inside:
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
                # With the rows that it is run with.
                begin = min(each.lineno for each in (one, *one.decorator_list))
                found[f"{above}{one.name}"] = "\n".join(lines[begin - 1 : one.end_lineno])
    return found


@pytest.mark.parametrize("what", _lessons())
def test_has_a_test(what: str) -> None:
    tests = _lessons()[what]
    assert tests
    sources = ""
    for test in tests:
        file, _, name = test.partition("::")
        assert name in _tests_in(file), test
        sources += _tests_in(file)[name]
    for number in re.findall(r"CVE-\d{4}-\d+|GHSA-[0-9a-z]{4}|#\d{4}", what):
        assert number in sources, number
