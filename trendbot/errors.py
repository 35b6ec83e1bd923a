"""Every failure trendbot reports by itself, as one tree.

    TrendbotError           one clear line for a person; exit status 1
     ├─ SettingsError       wrong settings or usage; exit status 2
     ├─ StoreError          the database is missing, older, newer, full or unreachable
     ├─ SourceError         a paper source failed; never an empty list of papers
     ├─ SignalError         a signal failed; never "nobody posted"
     │   └─ SignalStopped   a signal must not be asked again before the next UTC day
     ├─ TransportError      no mail can go out at all (wrong password, policy, no route)
     ├─ BooksError          a digest's deliveries do not add up to its audience
     ├─ AddressError        not a deliverable mail address
     ├─ TasteError          a wish that cannot be understood; says which field
     ├─ UnknownSubscriber   no subscriber has this address
     ├─ HeaderError         a value that must not reach a mail header
     ├─ TokenError          a mailed token is mangled or foreign
     │   └─ TokenSpent      it was ours, and is used or too old
     ├─ LimitError          asked too often; says when to come back
     └─ ArchiveError        a file of an archive cannot be read as what it claims to be

The text of each error says what is wrong and what to do about it. What concerns one
recipient, one page or one source is caught by the step that asked for it, recorded and
counted; what stops the step goes up to the command line.
"""


class TrendbotError(Exception):
    """Base of all errors trendbot raises on purpose."""


class SettingsError(TrendbotError):
    """The settings or the command line are wrong."""


class StoreError(TrendbotError):
    """The database cannot be used as it is."""


class SourceError(TrendbotError):
    """A paper source failed, or answered something that is not what it documents."""


class SignalError(TrendbotError):
    """A signal failed, or answered something that is not what it documents."""


class SignalStopped(SignalError):
    """A signal is out of credit or over its cap: not to be asked again today (UTC)."""


class TransportError(TrendbotError):
    """The mail server refuses us, not a recipient: nothing can be sent now.

    `mail_id` is the mail over which it did, where it had taken the sender before.
    """

    def __init__(self, text: str, mail_id: int | None = None) -> None:
        super().__init__(text)
        self.mail_id = mail_id


class BooksError(TrendbotError):
    """A digest is done, and not everybody in its audience is accounted for."""


class AddressError(TrendbotError):
    """The text is not a mail address mail can be sent to."""


class TasteError(TrendbotError):
    """What somebody wants to get cannot be understood; `field` is the field it stands in."""

    def __init__(self, text: str, field: str) -> None:
        super().__init__(text)
        self.field = field


class UnknownSubscriber(TrendbotError):
    """No subscriber has this address."""


class HeaderError(TrendbotError):
    """A value holds characters that must never reach a mail header."""


class TokenError(TrendbotError):
    """A token was not made by us for this purpose."""


class TokenSpent(TokenError):
    """A token was ours for this purpose, and is used already, or its time is over."""


class LimitError(TrendbotError):
    """Something was asked too often; `retry_after` is how many seconds to wait."""

    def __init__(self, text: str, retry_after: int) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class ArchiveError(TrendbotError):
    """A file of an archive is not readable as a post of that archive."""
