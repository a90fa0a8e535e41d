"""Whoever deletes an attachment, be it by raw SQL or along with its task's owner, its files go. And it follows its task:
to another owner, and, if it is infected, back to those who have to be told when the task is restored or given away."""

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
CREATE FUNCTION attachments_own() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT owner_id INTO STRICT NEW.owner_id FROM taskapp_task WHERE id = NEW.task_id;
    RETURN NEW;
END
$$;
CREATE FUNCTION attachments_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE attachments_attachment
    SET owner_id = NEW.owner_id, is_untold = is_untold OR (state = 'infected' AND deleted_at IS NULL)
    WHERE task_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER attachments_attachment_owned BEFORE INSERT ON attachments_attachment
    FOR EACH ROW EXECUTE FUNCTION attachments_own();
CREATE TRIGGER attachments_task_followed AFTER UPDATE OF owner_id, deleted_at ON taskapp_task
    FOR EACH ROW WHEN (OLD.owner_id <> NEW.owner_id OR (OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL))
    EXECUTE FUNCTION attachments_follow();
CREATE TRIGGER attachments_thumbnail_gone AFTER DELETE ON attachments_thumbnail
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION attachments_let_go();
CREATE TRIGGER attachments_attachment_gone AFTER DELETE ON attachments_attachment
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION attachments_let_go_of_present();
CREATE TRIGGER attachments_attachment_buried AFTER UPDATE ON attachments_attachment
    REFERENCING OLD TABLE AS was NEW TABLE AS is_now FOR EACH STATEMENT EXECUTE FUNCTION attachments_bury();
"""

FORGET = """
DROP FUNCTION attachments_follow CASCADE;
DROP FUNCTION attachments_own CASCADE;
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
