"""Every Redis key and what it holds. One hash tag, so that a Cluster keeps them in one slot and Lua may join them.

Scripts get the feed's key and derive the others from its prefix: this table is the contract for both sides.

| key | holds |
|---|---|
| feed | stream of events; entry id `<epoch>-<n>`, n dense |
| feed:run, feed:prev | run id of the Redis that the epoch belongs to; the last entry id of the epoch before |
| feed:erased | hash: cursor of an event that was taken out of the feed → the `prev` it had, or '' |
| feed:erasing, feed:copy | who takes events out of the feed; what is to take its place |
| seq | counter behind the order of items that came in the same second |
| item:<id> | hash: machine, person (JSON), status, assignee, version, reading, mailbox, submission, reference,
  score, raws, places (of its mail, one a line) |
| items, items:<mailbox>, items:<status>, items:<mailbox>:<status> | sorted sets of item ids by score |
| submission:<id> | hash: reference, items (count), assignee |
| submission:<id>:items | sorted set of its item ids by score |
| reference:n, reference:most | the last number given in a reference; the last that may be given without a new reserve |
| messageid:<key> | hash: submission:<mailbox>, items (ids joined by commas); known and unknown Message-IDs alike |
| history:<id> | stream: at, who, field, before, after |
| closed | sorted set of the ids of items that are done or dismissed, by ms of when they became so |
| gone:<id> | tombstone of a removed item: JSON of when, by whom and why; for ever |
| removing | sorted set of the ids of removed items whose files and events may still be there, by ms of the removal |
| retention | hash of ms: removed (the first since the append-only file was rewritten), rewritten, raws (looked at) |
| intake | stream of mail that waits to be read: id, mailbox, raw (fingerprint); group `readers` |
| attempts:<id> | hash: n (counted tries), raws, places, after; there while a mail waits to be read |
| quarantine | sorted set of the ids of items that could not be read as they should, by ms of when that was found |
| mailbox:<name>:<folder> | hash: uidvalidity, uid, from, below (checkpoint); owed, given_up; baselines, rebaselined;
  state, since, error, checked, worker; todo, taken, import_todo, import_taken |
| import:<name>:<folder> | hash: uidvalidity, uid, last, since: how far an import of old mail has come |
| lease:<name> | the token of the worker that watches the mailbox; ends by itself; `import.<name>`: of who imports |
| after:<name> | sorted set of places in the mailbox whose mail is to be dealt with, by ms of when |
| after:<name>:tries | hash: place → how often it was tried in vain |
| store | id of the mail store that belongs to this Redis, as it stands in the store's own folder |
| repaired | run id of the Redis for which the mail store was last compared with the items |
| posted:<digest> | fingerprint of the mail that a service's one-time token came with; expires |
| users, apikeys | hashes: name → JSON; digest of a key → JSON |
| signedout:<digest> | there for a session that was ended before its age; expires with it |
| servers | hash: process → JSON of its counters and when it wrote them |
| workers | hash: worker → JSON of what it does and when it wrote that |
| alarm:<what> | there while something is wrong of which one process has told for all |

A place is where a mail lies in its mailbox: the JSON list `[folder, UIDVALIDITY, UID]`.
"""

PREFIX = "{tubepost}:"

#: The channel's name is part of the contract with subscribers, so it has no prefix.
CHANNEL = "workitems_updates"

FEED = PREFIX + "feed"
FEED_RUN = PREFIX + "feed:run"
FEED_PREV = PREFIX + "feed:prev"
FEED_ERASED = PREFIX + "feed:erased"
INTAKE = PREFIX + "intake"
REPAIRED = PREFIX + "repaired"
USERS = PREFIX + "users"
API_KEYS = PREFIX + "apikeys"
SERVERS = PREFIX + "servers"
WORKERS = PREFIX + "workers"
QUARANTINE = PREFIX + "quarantine"
CLOSED = PREFIX + "closed"
REMOVING = PREFIX + "removing"
RETENTION = PREFIX + "retention"
STORE = PREFIX + "store"
REFERENCE_MOST = PREFIX + "reference:most"

#: The consumer group of all workers.
READERS = "readers"


def item(item_id: str) -> str:
    return f"{PREFIX}item:{item_id}"


def items(mailbox: str | None = None, status: str | None = None) -> str:
    return PREFIX + ":".join(part for part in ("items", mailbox, status) if part)


def submission_items(submission_id: str) -> str:
    return f"{PREFIX}submission:{submission_id}:items"


def message_id(key: str) -> str:
    return f"{PREFIX}messageid:{key}"


def history(item_id: str) -> str:
    return f"{PREFIX}history:{item_id}"


def gone(item_id: str) -> str:
    return f"{PREFIX}gone:{item_id}"


def attempts(item_id: str) -> str:
    return f"{PREFIX}attempts:{item_id}"


def mailbox(name: str, folder: str = "INBOX") -> str:
    return f"{PREFIX}mailbox:{name}:{folder}"


def imported(name: str, folder: str) -> str:
    return f"{PREFIX}import:{name}:{folder}"


def lease(name: str) -> str:
    return f"{PREFIX}lease:{name}"


def after(name: str) -> str:
    return f"{PREFIX}after:{name}"


def alarm(what: str) -> str:
    return f"{PREFIX}alarm:{what}"


def posted(digest: str) -> str:
    return f"{PREFIX}posted:{digest}"


def signed_out(digest: str) -> str:
    return f"{PREFIX}signedout:{digest}"
