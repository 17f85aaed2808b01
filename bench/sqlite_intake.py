"""`python -m bench.sqlite_intake PLACE URI MAILS`: the peer of the whole intake, which reads a mailbox into SQLite.

It is django-mailbox, as a small Django site would run it: each mail is parsed, its files are written below PLACE, and
its row is committed to `mail.sqlite3` there. It looks for no fields. It marks the mails as deleted in the mailbox, and
ends after so many.

Prints {mails, seconds, cpu} of the reading as JSON, without the start of Django.
"""

import json
import sys
import time
from itertools import islice
from pathlib import Path


def main() -> None:
    import django
    from django.conf import settings
    from django.core.management import call_command

    place, uri, most = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": place / "mail.sqlite3"}
    settings.configure(
        INSTALLED_APPS=["django_mailbox"],
        DATABASES={"default": database},
        MEDIA_ROOT=place / "files",
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", verbosity=0)
    from django_mailbox.models import Mailbox  # models need the settings

    mailbox = Mailbox.objects.create(name="desk", uri=uri)
    start, before = time.monotonic(), time.process_time()
    mails = sum(1 for _ in islice(mailbox.get_new_mail(), most))
    print(json.dumps({"mails": mails, "seconds": time.monotonic() - start, "cpu": time.process_time() - before}))


if __name__ == "__main__":
    main()
