"""Triggers by which the database itself refuses to change rows of the audit log.

Rows can be removed up to a checkpoint that says that they were pruned, and while the database is the target of an
unfinished move, when nothing runs on it. A later migration that alters the table recreates it on SQLite, without the
triggers: it has to run ``protect`` again.
"""

from django.db import migrations

WHY = "rows of the audit log are only added"
SQLITE = {
    "audit_rows_stay": f"""
        CREATE TRIGGER audit_rows_stay BEFORE DELETE ON audit_auditrow
        WHEN NOT EXISTS (SELECT 1 FROM audit_checkpoint WHERE kind = 'pruned' AND sequence >= OLD.sequence)
         AND NOT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'aiops_move')
        BEGIN SELECT RAISE(ABORT, '{WHY}'); END
    """,
    "audit_rows_do_not_change": f"""
        CREATE TRIGGER audit_rows_do_not_change BEFORE UPDATE ON audit_auditrow
        BEGIN SELECT RAISE(ABORT, '{WHY}'); END
    """,
}
POSTGRESQL = f"""
    CREATE FUNCTION aiops_refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF EXISTS (SELECT 1 FROM audit_checkpoint WHERE kind = 'pruned' AND sequence >= OLD.sequence) THEN
                RETURN OLD;
            END IF;
        END IF;
        IF TG_OP <> 'UPDATE' AND to_regclass('aiops_move') IS NOT NULL THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION '{WHY}' USING ERRCODE = 'restrict_violation';
    END $$;
    CREATE TRIGGER audit_rows_stay BEFORE UPDATE OR DELETE ON audit_auditrow
        FOR EACH ROW EXECUTE FUNCTION aiops_refuse_audit_change();
    CREATE TRIGGER audit_rows_are_not_emptied BEFORE TRUNCATE ON audit_auditrow
        FOR EACH STATEMENT EXECUTE FUNCTION aiops_refuse_audit_change();
"""
POSTGRESQL_AWAY = """
    DROP TRIGGER audit_rows_stay ON audit_auditrow;
    DROP TRIGGER audit_rows_are_not_emptied ON audit_auditrow;
    DROP FUNCTION aiops_refuse_audit_change();
"""


def protect(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        if schema_editor.connection.vendor == "postgresql":
            cursor.execute(POSTGRESQL)
            return
        for trigger in SQLITE.values():
            cursor.execute(trigger)


def unprotect(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        if schema_editor.connection.vendor == "postgresql":
            cursor.execute(POSTGRESQL_AWAY)
            return
        for name in SQLITE:
            cursor.execute(f"DROP TRIGGER {name}")


class Migration(migrations.Migration):

    dependencies = [
        ("audit", "0001_start"),
    ]

    operations = [
        migrations.RunPython(protect, unprotect),
    ]
