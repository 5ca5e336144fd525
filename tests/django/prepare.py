"""Brings the database named by DJANGO_DB up to date before the server starts:
tables first, then the users that the tests sign in with."""

import django
from django.core.management import call_command
from django.db import connection

django.setup()

from accounts.seed import load_users  # only after django.setup()

call_command("migrate", verbosity=0, interactive=False)
load_users()
# Folds SQLite's write-ahead log into the file, which is then all there is.
connection.close()
