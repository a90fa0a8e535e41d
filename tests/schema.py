"""The schema of a database as a set of lines, so that two databases can be compared whatever way they came to be.

One line for each table, column, constraint, index, trigger, function and sequence of the schema `public`, in
PostgreSQL's own words (`pg_get_constraintdef` and the like). What differs is then what is in one set and not in the
other, and pytest shows it. The order of columns is left out: it tells when a column was added. Constraints NOT NULL are
left out as such: their names depend on the version of PostgreSQL, and each column says whether it takes NULL.
"""

from typing import Any

OURS = "relation.relnamespace = 'public'::regnamespace"

LINES = [
    # Tables and views, with storage parameters such as fillfactor and autovacuum_vacuum_scale_factor.
    f"""
    SELECT format('%s %s %s', CASE relation.relkind WHEN 'v' THEN 'view' ELSE 'table' END, relation.relname,
                  (SELECT string_agg(option, ', ' ORDER BY option) FROM unnest(relation.reloptions) AS option))
    FROM pg_class AS relation WHERE {OURS} AND relation.relkind IN ('r', 'p', 'v', 'm')
    """,
    f"""
    SELECT format('column %s.%s %s', relation.relname, own.attname, concat_ws(' ',
        format_type(own.atttypid, own.atttypmod),
        CASE WHEN own.attnotnull THEN 'NOT NULL' END,
        'DEFAULT ' || pg_get_expr(preset.adbin, preset.adrelid),
        CASE own.attidentity WHEN 'a' THEN 'IDENTITY ALWAYS' WHEN 'd' THEN 'IDENTITY BY DEFAULT' END,
        CASE own.attgenerated WHEN 's' THEN 'GENERATED' END))
    FROM pg_attribute AS own JOIN pg_class AS relation ON relation.oid = own.attrelid
    LEFT JOIN pg_attrdef AS preset ON preset.adrelid = own.attrelid AND preset.adnum = own.attnum
    WHERE {OURS} AND relation.relkind IN ('r', 'p', 'v', 'm') AND own.attnum > 0 AND NOT own.attisdropped
    """,
    f"""
    SELECT format('constraint %s on %s: %s', rule.conname, relation.relname, pg_get_constraintdef(rule.oid))
    FROM pg_constraint AS rule JOIN pg_class AS relation ON relation.oid = rule.conrelid
    WHERE {OURS} AND rule.contype <> 'n'
    """,
    # An index that CREATE INDEX CONCURRENTLY has left invalid is there by name and serves nobody.
    f"""
    SELECT format('index %s%s', pg_get_indexdef(own.indexrelid), CASE WHEN NOT own.indisvalid THEN ' (invalid)' END)
    FROM pg_index AS own JOIN pg_class AS relation ON relation.oid = own.indrelid WHERE {OURS}
    """,
    f"""
    SELECT format('trigger %s (%s)', pg_get_triggerdef(own.oid), own.tgenabled)
    FROM pg_trigger AS own JOIN pg_class AS relation ON relation.oid = own.tgrelid WHERE {OURS} AND NOT own.tgisinternal
    """,
    # Without the functions of extensions.
    """
    SELECT format('function %s', pg_get_functiondef(own.oid)) FROM pg_proc AS own
    WHERE own.pronamespace = 'public'::regnamespace AND own.prokind IN ('f', 'p')
      AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = own.oid AND deptype = 'e')
    """,
    f"""
    SELECT format('sequence %s %s from %s by %s, owned by %s.%s', relation.relname, format_type(own.seqtypid, NULL),
                  own.seqstart, own.seqincrement, owner.attrelid::regclass, owner.attname)
    FROM pg_sequence AS own JOIN pg_class AS relation ON relation.oid = own.seqrelid
    LEFT JOIN pg_depend AS tie
        ON tie.classid = 'pg_class'::regclass AND tie.objid = own.seqrelid AND tie.refobjsubid > 0
    LEFT JOIN pg_attribute AS owner ON owner.attrelid = tie.refobjid AND owner.attnum = tie.refobjsubid
    WHERE {OURS}
    """,
]


def schema_of(connection: Any) -> set[str]:
    """`connection`: one of Django's or of psycopg's."""
    lines: set[str] = set()
    with connection.cursor() as cursor:
        for sql in LINES:
            cursor.execute(sql)
            lines.update(line for (line,) in cursor.fetchall())
    return lines
