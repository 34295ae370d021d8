"""How the JSON interface comes to an account: found as calls find it, proven as on the phone."""

from __future__ import annotations

from ivrd.assembly import Parts
from ivrd.billing.entities import Account
from ivrd.control.api.clients import Client
from ivrd.control.api.problems import ApiProblem
from ivrd.control.api.words import FindAccount
from ivrd.enquiry import U_DOWN, U_SLOW, written_forms
from ivrd.errors import BillingDown, BillingSlow
from ivrd.events import U_OK

_NOT_PROVEN = (
    "no such account, or not its proof; after some wrong proofs an account is locked for a while"
)
"""Said in all three cases: who has no proof learns not even whether a number is an account's."""


def find_account(parts: Parts, client: Client, asked: FindAccount) -> str:
    """Return the id of the account; blocking, to be called in a thread of lookups.

    Wrong proofs are counted with those that callers key. Raises `ApiProblem`, `BillingError`, and
    `StoreError` where a proof cannot be counted.
    """
    must_prove = client.accounts == "proven"
    if must_prove and asked.proof is None:
        raise ApiProblem("not-proven", _NOT_PROVEN)
    account = _found(parts, asked)
    if account is not None and not client.sees(account.id):
        account = None
    if account is None and must_prove and asked.proof is not None:
        # what is no account takes as long as one, and is locked as one
        _prove(parts, f"none {asked.phone or asked.agreement or asked.id}", asked.proof)
    if account is None:
        raise ApiProblem("no-account")
    if asked.proof is not None:
        _prove(parts, account.id, asked.proof)
    return account.id


def _found(parts: Parts, asked: FindAccount) -> Account | None:
    reader, node = parts.reader, parts.config.node
    if asked.id is not None:
        return reader.account(asked.id)
    if asked.agreement is not None:
        return reader.find_by_agreement(asked.agreement)
    number = asked.phone or ""
    forms = written_forms(number, node.country_code, node.area_code.lstrip("0"))
    found = (reader.find_by_phone(form) for form in dict.fromkeys([number, *forms]))
    return next((account for account in found if account is not None), None)


def _prove(parts: Parts, account_id: str, proof: str) -> None:
    answer = parts.registry["check_proof"].do({"account": account_id, "proof": proof})
    if answer.event == U_SLOW:
        raise BillingSlow("no answer in time")
    if answer.event == U_DOWN:
        raise BillingDown("the billing data cannot be reached")
    if answer.event != U_OK:
        raise ApiProblem("not-proven", _NOT_PROVEN)
