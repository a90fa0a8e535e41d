"""Whoever deletes an attachment, be it by raw SQL or along with its task's owner, its files go."""

from django.db import migrations
from django.db.migrations import RunSQL

from work.cascade import on_delete_cascade

LET_GO = """
CREATE FUNCTION attachments_let_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO attachments_erasure (key) SELECT key FROM gone ON CONFLICT (key) DO UPDATE SET not_before = now();
    RETURN NULL;
END
$$;
CREATE FUNCTION attachments_let_go_of_present() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO attachments_erasure (key) SELECT key FROM gone WHERE deleted_at IS NULL
    ON CONFLICT (key) DO UPDATE SET not_before = now();
    RETURN NULL;
END
$$;
CREATE FUNCTION attachments_bury() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    buried bigint[];
BEGIN
    SELECT array_agg(is_now.id) INTO buried FROM was JOIN is_now ON is_now.id = was.id
    WHERE was.deleted_at IS NULL AND is_now.deleted_at IS NOT NULL;
    IF buried IS NOT NULL THEN
        DELETE FROM attachments_scan WHERE attachment_id = ANY (buried);
        DELETE FROM attachments_thumbnailing WHERE attachment_id = ANY (buried);
        DELETE FROM attachments_thumbnail WHERE attachment_id = ANY (buried);
        INSERT INTO attachments_erasure (key) SELECT key FROM was WHERE id = ANY (buried)
        ON CONFLICT (key) DO UPDATE SET not_before = now();
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER attachments_thumbnail_gone AFTER DELETE ON attachments_thumbnail
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION attachments_let_go();
CREATE TRIGGER attachments_attachment_gone AFTER DELETE ON attachments_attachment
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION attachments_let_go_of_present();
CREATE TRIGGER attachments_attachment_buried AFTER UPDATE ON attachments_attachment
    REFERENCING OLD TABLE AS was NEW TABLE AS is_now FOR EACH STATEMENT EXECUTE FUNCTION attachments_bury();
"""

FORGET = """
DROP FUNCTION attachments_bury CASCADE;
DROP FUNCTION attachments_let_go_of_present CASCADE;
DROP FUNCTION attachments_let_go CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [("attachments", "0001_initial")]
    operations = [
        on_delete_cascade("attachments_attachment", "task_id"),
        on_delete_cascade("attachments_scan", "attachment_id"),
        on_delete_cascade("attachments_thumbnailing", "attachment_id"),
        on_delete_cascade("attachments_thumbnail", "attachment_id"),
        RunSQL(LET_GO, FORGET),
    ]
