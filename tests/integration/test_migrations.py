"""Migrations only widen tables, so that the version before can go on beside the new one (expand, then contract)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.postgresql import PostgreSQL

ROOT = Path(__file__).parents[2]
LINT = """
import django
django.setup()
from django.apps import apps
from django_migration_linter import MigrationLinter
ours = [app.label for app in apps.get_app_configs() if app.name.startswith("aiops.")]
linter = MigrationLinter(include_apps=ours, no_cache=True)
linter.lint_all_migrations()
assert not linter.has_errors
print(linter.nb_total)
"""
JUDGE = """
import django, sys
django.setup()
from django.db import connection, models
from django.db.migrations import AddField, RemoveField, RenameField
from django.db.migrations.loader import MigrationLoader
from django_migration_linter.sql_analyser import analyse_sql_statements, get_sql_analyser_class
operation = eval(sys.argv[1])
before = MigrationLoader(connection).project_state()
after = before.clone()
operation.state_forwards("runs", after)
with connection.schema_editor(collect_sql=True, atomic=False) as editor:
    operation.database_forwards("runs", editor, before, after)
statements = [line for line in editor.collected_sql if not line.startswith("--")]
errors, _, _ = analyse_sql_statements(get_sql_analyser_class("postgresql"), statements)
print([error.code for error in errors])
"""


def run(postgresql: PostgreSQL, *arguments: str) -> str:
    env = {**os.environ, "DATABASE_URL": postgresql.url}
    done = subprocess.run([sys.executable, "-c", *arguments], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_no_migration_breaks_the_version_before(postgresql: PostgreSQL) -> None:
    files = list(ROOT.glob("aiops/*/migrations/0*.py"))
    assert int(run(postgresql, LINT).splitlines()[-1]) >= len(files) > 0


@pytest.mark.parametrize(
    ("operation", "errors"),
    [
        ("AddField('run', 'note', models.CharField(max_length=9, db_default=''))", "[]"),
        ("AddField('run', 'note', models.CharField(max_length=9))", "['NOT_NULL']"),
        ("RemoveField('run', 'worker')", "['DROP_COLUMN']"),
        ("RenameField('run', 'worker', 'who')", "['RENAME_COLUMN']"),
    ],
)
def test_the_check_of_migrations_sees_one_that_breaks_the_version_before(
    postgresql: PostgreSQL, operation: str, errors: str
) -> None:
    assert run(postgresql, JUDGE, operation) == errors
