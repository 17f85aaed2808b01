"""Every Redis key and its value. One hash tag, so that a Cluster keeps them in one slot and Lua may use them together.

Scripts get the feed's key and make the others from its prefix: these tables are the contract for both sides. A Redis
may delete any key to free memory; the headings say what becomes of that. A location of a mail in its mailbox is the
JSON list `[folder, UIDVALIDITY, UID]`.

Made again by the repair (worker/upkeep/repair.py); of an item, what people did is lost:

| key | holds |
|---|---|
| seq | counter behind the order of items that came in the same second |
| item:<id> | hash: machine, person (JSON), status, assignee, version, reading, mailbox, submission, reference,
  score, raws, locations (of its mail, one a line), people (who take part, workitems/queue/participants.py), sent
  (number of recipients; only mail of the team), date (of its header), kept, quarantined (ms of when that was found) |
| items, items:<mailbox>, items:<status>, items:<mailbox>:<status> | sorted sets of item ids by score |
| submission:<id> | hash: reference, items (count), assignee, merged (ids of submissions that became this one) |
| submission:<id>:items | sorted set of its item ids by score |
| references | hash: reference → submission, to find it by the subject of a mail |
| merged | hash: id of a submission that was merged → the submission that has its items now |
| messageid:<key> | hash: submission:<mailbox> (newest five), items: ids joined by commas; also unknown Message-IDs |
| closed | sorted set of the ids of closed items, by ms of when they were closed |
| removing | sorted set of the ids of removed items whose files and events may still be there, by ms of the removal |
| retention | hash of ms: removed (the first since the append-only file was rewritten), rewritten, raws and links
  (looked at) |
| intake | stream of mail that waits to be read: id, mailbox, raw (fingerprint); group `readers` |
| attempts:<id> | hash: n (counted attempts), raws, locations, after; while a mail waits to be read |
| quarantine | sorted set of the ids of items whose mail could not be read properly, by ms of when that was found |

Stored beside the mail, too:

| key | holds |
|---|---|
| gone:<id> | tombstone of a removed item: JSON of when, by whom and why; kept for ever |
| mailbox:<name>:<folder> | hash: uidvalidity, uid, from, below (checkpoint); unfetched, given_up; baselines,
  rebaselined; state, since, error, checked, worker; todo, taken, import_todo, import_taken |
| store | id of the mail store that belongs to this Redis; the store's folder has the same id |
| users, apikeys | hashes: name → JSON; digest of a key → JSON; '' → revision (workitems/people/durable_records.py) |
| reference:n, reference:most | the last number given in a reference; the last that may be given without a new reserve |

Not needed, since all continues without it:

| key | holds |
|---|---|
| feed | stream of events without their content; entry id `<epoch>-<n>`, n dense |
| feed:run, feed:prev | run id of the Redis that the epoch belongs to; the last entry id of the epoch before |
| feed:seed | set whose order stands for the run id where INFO is forbidden |
| probe | written again and again, to see whether Redis takes writes |
| events:<id> | hash: cursor → the event that clients get, as JSON; those of an item's removal are in the feed itself |
| import:<name>:<folder> | hash: uidvalidity, uid, last, since: how far an import of old mail has come |
| reread | hash: what (mailbox:since:digest of the rules), before: how far `run.py reread` has come |
| lease:<name> | the token of the worker that watches the mailbox; ends by itself; `import.<name>`: that of the import,
  `job.<kind>`: that of a job |
| job:<kind> | hash: the last job (`trial`, `reread`): id, state, request, who, asked (ms), tries, progress, reason;
  expires |
| answer:<kind> | JSON: what the job found; expires |
| merging | id of the submission that is merged into another now; expires |
| after:<name>:tries | hash: location → how often its action failed |
| generation | random, new whenever Redis knew no store: data that is lost is not in the next generation |
| repaired | run id of the Redis for which the mail store was last compared with the items; how many keys it evicted |
| restoring | id of the backup that is being written into this Redis; while it exists every program waits |
| certificates | hash: address → certificate (PEM) of SNS that verified a message; ends with the last of them |
| servers | hash: `<host>/<process>` → JSON of its counters and when it wrote them |
| workers | hash: name of the worker → JSON of its heartbeat, its host, and when it wrote that |
| alarm:<what> | exists while a fault lasts that one process has logged for all |

Lost:

| key | holds |
|---|---|
| history:<id> | stream: at, who, field, before, after |
| after:<name> | sorted set of locations in the mailbox whose mail has an after-action, by ms of when |
| posted:<digest> | fingerprint of the mail that a service's one-time token came with; expires |
| signedout:<digest> | exists for a session that was ended early; expires with it |
| fields:<mailbox>:<day> | hash: `<field>:<result>` → mails of people with that result; days since 1970; expires |
"""

PREFIX = "{tubepost}:"

#: The channel's name is part of the contract with subscribers, so it has no prefix.
CHANNEL = "workitems_updates"

FEED = PREFIX + "feed"
FEED_RUN = PREFIX + "feed:run"
FEED_PREV = PREFIX + "feed:prev"
INTAKE = PREFIX + "intake"
PROBE = PREFIX + "probe"
REPAIRED = PREFIX + "repaired"
USERS = PREFIX + "users"
API_KEYS = PREFIX + "apikeys"
CERTIFICATES = PREFIX + "certificates"
SERVERS = PREFIX + "servers"
WORKERS = PREFIX + "workers"
QUARANTINE = PREFIX + "quarantine"
CLOSED = PREFIX + "closed"
REMOVING = PREFIX + "removing"
RESTORING = PREFIX + "restoring"
RETENTION = PREFIX + "retention"
STORE = PREFIX + "store"
REREAD = PREFIX + "reread"
REFERENCES = PREFIX + "references"
MERGED = PREFIX + "merged"
MERGING = PREFIX + "merging"
GENERATION = PREFIX + "generation"
REFERENCE_BOUND = PREFIX + "reference:most"

#: The consumer group of all workers.
READERS_GROUP = "readers"


def item(item_id: str) -> str:
    return f"{PREFIX}item:{item_id}"


def items(mailbox: str | None = None, status: str | None = None) -> str:
    return PREFIX + ":".join(part for part in ("items", mailbox, status) if part)


def submission(submission_id: str) -> str:
    return f"{PREFIX}submission:{submission_id}"


def submission_items(submission_id: str) -> str:
    return f"{PREFIX}submission:{submission_id}:items"


def message_id(key: str) -> str:
    return f"{PREFIX}messageid:{key}"


def history(item_id: str) -> str:
    return f"{PREFIX}history:{item_id}"


def events(item_id: str) -> str:
    return f"{PREFIX}events:{item_id}"


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


def job(kind: str) -> str:
    return f"{PREFIX}job:{kind}"


def answer(kind: str) -> str:
    return f"{PREFIX}answer:{kind}"


def alarm(what: str) -> str:
    return f"{PREFIX}alarm:{what}"


def posted(digest: str) -> str:
    return f"{PREFIX}posted:{digest}"


def field_counts(mailbox: str, day: int | str) -> str:
    return f"{PREFIX}fields:{mailbox}:{day}"


def signed_out(digest: str) -> str:
    return f"{PREFIX}signedout:{digest}"
