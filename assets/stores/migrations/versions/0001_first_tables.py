"""First tables, as revision 320e130 made them. Frozen: it imports nothing of ours, a test holds its SHA-256. What
changes later is a revision of its own; see docs/adr/0014-frozen-migrations.md.
"""

import re
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The same on both engines, but for SERIAL.
TABLES = """\
CREATE TABLE adjustments (
  adjustment_id VARCHAR(16) NOT NULL, step VARCHAR(16) NOT NULL, site_id VARCHAR(64) NOT NULL, baseline_id
  VARCHAR(128) NOT NULL, adjustment TEXT NOT NULL, person_id VARCHAR(64) NOT NULL, role VARCHAR(16) NOT NULL,
  reason TEXT NOT NULL, recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (adjustment_id, step));
CREATE INDEX ix_adjustments_baseline ON adjustments (baseline_id, recorded_at_utc);
CREATE TABLE baseline_shadows (
  id SERIAL NOT NULL, site_id VARCHAR(64) NOT NULL, baseline_id VARCHAR(128) NOT NULL, version INTEGER NOT NULL,
  comparison_sha256 VARCHAR(64) NOT NULL, comparison TEXT NOT NULL, person_id VARCHAR(64) NOT NULL,
  recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (id));
CREATE INDEX ix_baseline_shadows_site ON baseline_shadows (site_id, baseline_id, version);
CREATE TABLE bills (
  bill_id VARCHAR(32) NOT NULL, site_id VARCHAR(64) NOT NULL, account TEXT NOT NULL, invoice TEXT NOT NULL,
  period_start DATE, period_end DATE, currency VARCHAR(3) NOT NULL, total TEXT NOT NULL, source_name TEXT NOT
  NULL, source_sha256 VARCHAR(64) NOT NULL, kept_path TEXT NOT NULL, bill TEXT NOT NULL, unread_parts INTEGER
  NOT NULL, recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (bill_id));
CREATE INDEX ix_bills_account ON bills (site_id, account, period_start);
CREATE TABLE bill_lines (
  bill_id VARCHAR(32) NOT NULL, position INTEGER NOT NULL, label TEXT NOT NULL, quantity TEXT NOT NULL, unit
  VARCHAR(16) NOT NULL, rate TEXT NOT NULL, amount TEXT NOT NULL, page INTEGER NOT NULL, line INTEGER NOT NULL,
  PRIMARY KEY (bill_id, position));
CREATE TABLE bill_audits (
  audit_id VARCHAR(32) NOT NULL, bill_id VARCHAR(32) NOT NULL, verdict VARCHAR(8) NOT NULL, cause VARCHAR(32)
  NOT NULL, delta_total TEXT NOT NULL, audit TEXT NOT NULL, recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY
  (audit_id));
CREATE INDEX ix_bill_audits_bill ON bill_audits (bill_id);
CREATE TABLE tariff_overrides (
  id SERIAL NOT NULL, site_id VARCHAR(64) NOT NULL, account TEXT NOT NULL, tariff_id VARCHAR(128) NOT NULL,
  valid_from DATE NOT NULL, valid_to DATE NOT NULL, person_id VARCHAR(64) NOT NULL, reason TEXT NOT NULL,
  recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (id));
CREATE TABLE notifications (
  event_id VARCHAR(32) NOT NULL, site_id VARCHAR(64) NOT NULL, kind VARCHAR(32) NOT NULL, subject TEXT NOT NULL,
  message TEXT NOT NULL, facts TEXT NOT NULL, recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (event_id));
CREATE INDEX ix_notifications_site ON notifications (site_id, recorded_at_utc);
CREATE TABLE emission_factors (
  id SERIAL NOT NULL, set_id VARCHAR(32) NOT NULL, tenant VARCHAR(64) NOT NULL, region TEXT NOT NULL, supplier
  TEXT NOT NULL, basis VARCHAR(16) NOT NULL, scope INTEGER NOT NULL, activity TEXT NOT NULL, unit TEXT NOT NULL,
  factor_id TEXT NOT NULL, valid_from DATE NOT NULL, valid_to DATE NOT NULL, source_sha256 VARCHAR(64) NOT NULL,
  factor TEXT NOT NULL, recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (id));
CREATE INDEX ix_emission_factors_tenant ON emission_factors (tenant, recorded_at_utc);
CREATE TABLE revision_inputs (
  report_id VARCHAR(128) NOT NULL, revision INTEGER NOT NULL, position INTEGER NOT NULL, kind VARCHAR(8) NOT
  NULL, id VARCHAR(256) NOT NULL, role VARCHAR(64) NOT NULL, sha256 VARCHAR(64) NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (report_id, revision, position));
CREATE TABLE report_makers (
  report_id VARCHAR(128) NOT NULL, revision INTEGER NOT NULL, person_id VARCHAR(64) NOT NULL, recorded_at_utc
  VARCHAR(27) NOT NULL, PRIMARY KEY (report_id, revision));
CREATE TABLE report_decisions (
  report_id VARCHAR(128) NOT NULL, revision INTEGER NOT NULL, step VARCHAR(16) NOT NULL, site_id VARCHAR(64) NOT
  NULL, period VARCHAR(32) NOT NULL, is_synthetic BOOLEAN NOT NULL, person_id VARCHAR(64) NOT NULL, role
  VARCHAR(16) NOT NULL, reason TEXT NOT NULL, content_sha256 VARCHAR(64) NOT NULL, allowed TEXT NOT NULL,
  recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (report_id, revision, step));
CREATE INDEX ix_report_decisions_site ON report_decisions (site_id, step);
CREATE TABLE signatures (
  action_sha256 VARCHAR(64) NOT NULL, kind VARCHAR(32) NOT NULL, subject VARCHAR(256) NOT NULL, person_id
  VARCHAR(64) NOT NULL, public_key VARCHAR(44) NOT NULL, signature VARCHAR(88) NOT NULL, action TEXT NOT NULL,
  recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (action_sha256));
CREATE INDEX ix_signatures_subject ON signatures (kind, subject);
CREATE TABLE evidence_packs (
  site_id VARCHAR(64) NOT NULL, position INTEGER NOT NULL, report_id VARCHAR(128) NOT NULL, revision INTEGER NOT
  NULL, signer VARCHAR(64) NOT NULL, body_sha256 VARCHAR(64) NOT NULL, previous_sha256 VARCHAR(64) NOT NULL,
  manifest_sha256 VARCHAR(64) NOT NULL, recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (site_id, position));
CREATE TABLE delivery_events (
  delivery_id VARCHAR(64) NOT NULL, attempt INTEGER NOT NULL, state VARCHAR(8) NOT NULL, channel VARCHAR(16) NOT
  NULL, target TEXT NOT NULL, report_id VARCHAR(128) NOT NULL, revision INTEGER NOT NULL, reason TEXT NOT NULL,
  recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (delivery_id, attempt));
CREATE INDEX ix_delivery_events_report ON delivery_events (report_id, revision);
CREATE TABLE recorded_clock (
  id SERIAL NOT NULL, last_utc VARCHAR(27) NOT NULL, PRIMARY KEY (id));
CREATE TABLE batches (
  batch_id VARCHAR(32) NOT NULL, site_id VARCHAR(64) NOT NULL, source_name TEXT NOT NULL, source_sha256
  VARCHAR(64) NOT NULL, reader VARCHAR(64) NOT NULL, reader_version VARCHAR(16) NOT NULL, accepted_rows INTEGER
  NOT NULL, rejected_rows INTEGER NOT NULL, new_rows INTEGER NOT NULL, corrected_rows INTEGER NOT NULL,
  unchanged_rows INTEGER NOT NULL, is_synthetic BOOLEAN NOT NULL, mapping TEXT, run_id VARCHAR(64),
  recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (batch_id));
CREATE INDEX ix_batches_source ON batches (site_id, source_sha256);
CREATE TABLE lake_manifest (
  id SERIAL NOT NULL, site_id VARCHAR(64) NOT NULL, day DATE NOT NULL, path TEXT NOT NULL, batch_id VARCHAR(32)
  NOT NULL, rows INTEGER NOT NULL, file_sha256 VARCHAR(64) NOT NULL, content_sha256 VARCHAR(64) NOT NULL,
  source_sha256 VARCHAR(64) NOT NULL, reader_version VARCHAR(16) NOT NULL, rules_version VARCHAR(16) NOT NULL,
  is_synthetic BOOLEAN NOT NULL, recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (id), UNIQUE (path, day));
CREATE INDEX ix_lake_manifest_site_day ON lake_manifest (site_id, day);
CREATE TABLE quarantine (
  item_id VARCHAR(32) NOT NULL, site_id VARCHAR(64) NOT NULL, kind VARCHAR(8) NOT NULL, source_name TEXT NOT
  NULL, source_sha256 VARCHAR(64) NOT NULL, kept_path TEXT NOT NULL, line INTEGER NOT NULL, reason VARCHAR(64)
  NOT NULL, message TEXT NOT NULL, row_count INTEGER DEFAULT '1' NOT NULL, recorded_at_utc VARCHAR(27) NOT NULL,
  PRIMARY KEY (item_id));
CREATE INDEX ix_quarantine_site ON quarantine (site_id, recorded_at_utc);
CREATE TABLE quarantine_resolutions (
  item_id VARCHAR(32) NOT NULL, batch_id VARCHAR(32) NOT NULL, recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY
  (item_id));
CREATE TABLE baseline_versions (
  baseline_id VARCHAR(128) NOT NULL, version INTEGER NOT NULL, site_id VARCHAR(64) NOT NULL, seu_id VARCHAR(64)
  NOT NULL, baseline_type VARCHAR(16) NOT NULL, mlflow_run_id VARCHAR(64) NOT NULL, model_checksum VARCHAR(64)
  NOT NULL, dataset_digest VARCHAR(64) NOT NULL, fitted_by VARCHAR(64) NOT NULL, baseline TEXT NOT NULL,
  recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (baseline_id, version));
CREATE TABLE baseline_approvals (
  id SERIAL NOT NULL, baseline_id VARCHAR(128) NOT NULL, version INTEGER NOT NULL, person_id VARCHAR(64) NOT
  NULL, role VARCHAR(16) NOT NULL, reason TEXT NOT NULL, waivers TEXT NOT NULL, dataset_digest VARCHAR(64) NOT
  NULL, recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (id), UNIQUE (baseline_id, version));
CREATE TABLE forecasts (
  forecast_id VARCHAR(64) NOT NULL, site_id VARCHAR(64) NOT NULL, target VARCHAR(128) NOT NULL, issued_at_utc
  VARCHAR(27) NOT NULL, forecast TEXT NOT NULL, recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (forecast_id));
CREATE INDEX ix_forecasts_site ON forecasts (site_id, target, issued_at_utc);
CREATE TABLE promotions (
  id SERIAL NOT NULL, model_name VARCHAR(128) NOT NULL, decision TEXT NOT NULL, recorded_at_utc VARCHAR(27) NOT
  NULL, PRIMARY KEY (id));
CREATE TABLE plans (
  plan_id VARCHAR(64) NOT NULL, site_id VARCHAR(64) NOT NULL, version INTEGER NOT NULL, plan_hash VARCHAR(64)
  NOT NULL, input_digest VARCHAR(64) NOT NULL, "plan" TEXT NOT NULL, recorded_at_utc VARCHAR(27) NOT NULL,
  PRIMARY KEY (plan_id), UNIQUE (site_id, version));
CREATE TABLE mode_events (
  id SERIAL NOT NULL, site_id VARCHAR(64) NOT NULL, device_id VARCHAR(64) NOT NULL, mode VARCHAR(16) NOT NULL,
  person_id VARCHAR(64) NOT NULL, reason TEXT NOT NULL, recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (id));
CREATE TABLE commands (
  command_id VARCHAR(64) NOT NULL, idempotency_key VARCHAR(256) NOT NULL, plan_id VARCHAR(64) NOT NULL,
  plan_hash VARCHAR(64) NOT NULL, site_id VARCHAR(64) NOT NULL, device_id VARCHAR(64) NOT NULL, capability
  VARCHAR(64) NOT NULL, value FLOAT NOT NULL, unit VARCHAR(16) NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT
  NULL, valid_from_utc VARCHAR(27) NOT NULL, valid_until_utc VARCHAR(27) NOT NULL, ttl_s FLOAT NOT NULL, state
  VARCHAR(16) NOT NULL, mode_at_issue VARCHAR(16), evidence_grade INTEGER, facts TEXT NOT NULL, recorded_at_utc
  VARCHAR(27) NOT NULL, PRIMARY KEY (command_id), UNIQUE (idempotency_key));
CREATE INDEX ix_commands_site_state ON commands (site_id, state);
CREATE TABLE command_events (
  site_id VARCHAR(64) NOT NULL, position INTEGER NOT NULL, command_id VARCHAR(64) NOT NULL, from_state
  VARCHAR(16), to_state VARCHAR(16) NOT NULL, reason TEXT NOT NULL, facts TEXT NOT NULL, at_utc VARCHAR(27) NOT
  NULL, prev_hash VARCHAR(64) NOT NULL, hash VARCHAR(64) NOT NULL, PRIMARY KEY (site_id, position));
CREATE TABLE device_leases (
  site_id VARCHAR(64) NOT NULL, holder VARCHAR(64) NOT NULL, epoch INTEGER NOT NULL, expires_utc VARCHAR(27) NOT
  NULL, PRIMARY KEY (site_id));
CREATE TABLE site_versions (
  sha256 VARCHAR(64) NOT NULL, site_id VARCHAR(64) NOT NULL, site TEXT NOT NULL, recorded_at_utc VARCHAR(27) NOT
  NULL, PRIMARY KEY (sha256));
CREATE TABLE report_revisions (
  report_id VARCHAR(128) NOT NULL, revision INTEGER NOT NULL, name VARCHAR(64) NOT NULL, site_id VARCHAR(64) NOT
  NULL, period VARCHAR(32) NOT NULL, status VARCHAR(16) NOT NULL, content_sha256 VARCHAR(64) NOT NULL, content
  TEXT NOT NULL, as_of_utc VARCHAR(27) NOT NULL, recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (report_id,
  revision));
CREATE TABLE figures (
  figure_id VARCHAR(32) NOT NULL, report_id VARCHAR(128) NOT NULL, revision INTEGER NOT NULL, site_id
  VARCHAR(64) NOT NULL, figure TEXT NOT NULL, position INTEGER NOT NULL, hash VARCHAR(64) NOT NULL, PRIMARY KEY
  (figure_id), UNIQUE (site_id, position));
CREATE INDEX ix_figures_report ON figures (report_id, revision);
CREATE TABLE fault_events (
  id SERIAL NOT NULL, site_id VARCHAR(64) NOT NULL, device_id VARCHAR(64) NOT NULL, is_set BOOLEAN NOT NULL,
  reason TEXT NOT NULL, command_id VARCHAR(64), person_id VARCHAR(64), recorded_at_utc VARCHAR(27) NOT NULL,
  PRIMARY KEY (id));
CREATE INDEX ix_fault_events_site ON fault_events (site_id, device_id);
CREATE TABLE ledger_identity (
  id SERIAL NOT NULL, ledger_id VARCHAR(32) NOT NULL, PRIMARY KEY (id));
CREATE TABLE meter_events (
  id SERIAL NOT NULL, event_id VARCHAR(32) NOT NULL, site_id VARCHAR(64) NOT NULL, meter_id VARCHAR(64) NOT
  NULL, register VARCHAR(64) NOT NULL, kind VARCHAR(32) NOT NULL, at_utc VARCHAR(27) NOT NULL, event TEXT NOT
  NULL, origin VARCHAR(16) NOT NULL, is_withdrawn BOOLEAN NOT NULL, person_id VARCHAR(64) NOT NULL, reason TEXT
  NOT NULL, recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (id));
CREATE INDEX ix_meter_events_site ON meter_events (site_id, event_id);
CREATE TABLE register_reads (
  id SERIAL NOT NULL, site_id VARCHAR(64) NOT NULL, meter_id VARCHAR(64) NOT NULL, register VARCHAR(64) NOT
  NULL, series VARCHAR(128) NOT NULL, at_utc VARCHAR(27) NOT NULL, value VARCHAR(40) NOT NULL, unit VARCHAR(16)
  NOT NULL, is_synthetic BOOLEAN NOT NULL, source_sha256 VARCHAR(64) NOT NULL, source_line INTEGER NOT NULL,
  recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (id));
CREATE INDEX ix_register_reads_stream ON register_reads (site_id, meter_id, register, series, at_utc);
CREATE TABLE reading_edits (
  edit_sha256 VARCHAR(64) NOT NULL, site_id VARCHAR(64) NOT NULL, meter_id VARCHAR(64) NOT NULL, register
  VARCHAR(64) NOT NULL, start_utc VARCHAR(27) NOT NULL, end_utc VARCHAR(27) NOT NULL, edit TEXT NOT NULL,
  person_id VARCHAR(64) NOT NULL, role VARCHAR(16) NOT NULL, reason TEXT NOT NULL, reopened TEXT NOT NULL,
  recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (edit_sha256));
CREATE INDEX ix_reading_edits_site ON reading_edits (site_id, recorded_at_utc);
CREATE TABLE month_validations (
  id SERIAL NOT NULL, site_id VARCHAR(64) NOT NULL, month DATE NOT NULL, rules_version VARCHAR(16) NOT NULL,
  input_digest VARCHAR(64) NOT NULL, score FLOAT, coverage FLOAT, findings TEXT NOT NULL, scores TEXT NOT NULL,
  batch_id VARCHAR(32), recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (id));
CREATE INDEX ix_month_validations_site ON month_validations (site_id, month);
CREATE TABLE meter_proposals (
  proposal_id VARCHAR(32) NOT NULL, site_id VARCHAR(64) NOT NULL, child VARCHAR(64) NOT NULL, parent VARCHAR(64)
  NOT NULL, confidence FLOAT NOT NULL, facts TEXT NOT NULL, readings_digest VARCHAR(64) NOT NULL,
  recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (proposal_id));
CREATE TABLE meter_decisions (
  id SERIAL NOT NULL, proposal_id VARCHAR(32) NOT NULL, verdict VARCHAR(16) NOT NULL, person_id VARCHAR(64) NOT
  NULL, role VARCHAR(16) NOT NULL, reason TEXT NOT NULL, recorded_at_utc VARCHAR(27) NOT NULL, PRIMARY KEY (id),
  UNIQUE (proposal_id));
"""
APPEND_ONLY = """\
batches lake_manifest quarantine quarantine_resolutions baseline_versions baseline_approvals forecasts
promotions plans mode_events site_versions command_events report_revisions figures fault_events ledger_identity
meter_events register_reads reading_edits month_validations meter_proposals meter_decisions adjustments
baseline_shadows bills bill_lines bill_audits tariff_overrides notifications emission_factors revision_inputs
report_makers report_decisions signatures evidence_packs delivery_events
"""
COMMENTS = """\
COLUMN adjustments.step: proposed, approved or withdrawn; each at most once
COLUMN adjustments.baseline_id: site/seu/type
COLUMN adjustments.adjustment: Adjustment; the same in every step
COLUMN adjustments.reason: Of this step
COLUMN baseline_shadows.comparison: ShadowComparison
COLUMN bills.period_end: Exclusive
COLUMN bills.total: Decimal; empty where it was not read
COLUMN bills.kept_path: Copy of the file in the bills folder
COLUMN bills.bill: SupplierBill as read
COLUMN bill_lines.amount: Decimal, in the bill's currency
COLUMN bill_audits.delta_total: Billed less recomputed; decimal
COLUMN tariff_overrides.valid_to: Exclusive
COLUMN emission_factors.set_id: Of the rows that were recorded together
COLUMN emission_factors.tenant: Site that they are for; empty: all
COLUMN emission_factors.valid_to: Exclusive
COLUMN emission_factors.factor: Factor; numbers as text
TABLE revision_inputs: What the traces of a revision name, each once; see trace_rows.py
COLUMN revision_inputs.kind: lake, version, run; figure of another revision
COLUMN revision_inputs.value: In words: versions of a calendar, a run's name
COLUMN report_decisions.step: reviewed or published
COLUMN report_decisions.is_synthetic: Published with a watermark, never as plain
COLUMN report_decisions.content_sha256: Of the revision that was decided on
COLUMN report_decisions.allowed: Findings that were let pass, by code
COLUMN signatures.kind: What was done, e.g. reports publish
COLUMN signatures.subject: On what, e.g. name/site/period@1
COLUMN signatures.action: The canonical JSON that is signed
COLUMN evidence_packs.position: Place in the site's chain of packs
COLUMN evidence_packs.body_sha256: Of the manifest without its place in the chain
COLUMN evidence_packs.previous_sha256: Manifest of the pack before it
COLUMN delivery_events.attempt: 0: asked for; then one row a try
COLUMN delivery_events.state: pending, sent or failed
COLUMN delivery_events.reason: Why it failed; empty otherwise
COLUMN lake_manifest.path: A file of one UTC month; one row a day in it
COLUMN quarantine.kind: file or row
COLUMN quarantine.kept_path: Copy of the file in the quarantine folder
COLUMN quarantine.row_count: Rows that the item stands for
COLUMN quarantine_resolutions.batch_id: Batch that brought what was refused; may be empty
COLUMN baseline_versions.baseline_id: site/seu/type
COLUMN mode_events.device_id: Empty: the whole site
COLUMN site_versions.site: The site file as a report was made with it
COLUMN report_revisions.report_id: name/site/period
COLUMN figures.figure: Its own part of figure and trace; see trace_rows.py
COLUMN figures.position: Place in the site's chain
COLUMN figures.hash: Over the whole figure and the hash before it
COLUMN fault_events.is_set: False: a person acknowledged it
COLUMN ledger_identity.ledger_id: Names this ledger; a replaced one has another
COLUMN meter_events.event_id: Says what happened where and when
COLUMN meter_events.origin: site_file or person
COLUMN meter_events.is_withdrawn: True: from now on it no longer applies
COLUMN register_reads.value: State of the display, exact decimal, in `unit`
COLUMN reading_edits.edit_sha256: source_sha256 of the batch that it became
COLUMN reading_edits.reopened: Published reports whose period it touches
COLUMN month_validations.month: First local day
COLUMN month_validations.input_digest: Readings and rules that it judged
COLUMN month_validations.score: 0 to 1; null where nothing was due
COLUMN month_validations.coverage: 0 to 1; null where nothing was due
COLUMN month_validations.scores: Per stream: score and its parts, mean of the month
COLUMN month_validations.batch_id: Estimates in place of excluded readings
"""

# Name, verb, when, what is said: table commands refuses it.
_COMMAND_RULES = (
    (
        "bad_step",
        "UPDATE",
        """OLD.state <> NEW.state AND (OLD.state || '>' || NEW.state) NOT IN (
  'ACKED>MISMATCH', 'ACKED>UNKNOWN', 'ACKED>VERIFIED', 'DRIFTED>OVERRIDDEN', 'DRIFTED>REVERTED',
  'DRIFTED>UNVERIFIED', 'DRIFTED>VERIFIED', 'ISSUED>ACKED', 'ISSUED>BLOCKED', 'ISSUED>UNKNOWN',
  'MISMATCH>EXPIRED', 'MISMATCH>ISSUED', 'MISMATCH>UNVERIFIED', 'MISMATCH>VERIFIED', 'PENDING>BLOCKED',
  'PENDING>EXPIRED', 'PENDING>ISSUED', 'PENDING>SUPERSEDED', 'PROPOSED>ADVISED', 'PROPOSED>BLOCKED',
  'PROPOSED>EXPIRED', 'PROPOSED>REJECTED', 'PROPOSED>RELEASED', 'PROPOSED>SUPERSEDED', 'RELEASED>BLOCKED',
  'RELEASED>EXPIRED', 'RELEASED>PENDING', 'RELEASED>SUPERSEDED', 'UNKNOWN>EXPIRED', 'UNKNOWN>ISSUED',
  'UNKNOWN>UNVERIFIED', 'UNKNOWN>VERIFIED', 'VERIFIED>COMPLETED', 'VERIFIED>DRIFTED', 'VERIFIED>REVERTED',
  'VERIFIED>SUPERSEDED', 'VERIFIED>UNVERIFIED')""",
        "this change of state is not allowed",
    ),
    (
        "finished",
        "UPDATE",
        """OLD.state IN (
  'ADVISED', 'BLOCKED', 'COMPLETED', 'EXPIRED', 'OVERRIDDEN', 'REJECTED', 'REVERTED', 'SUPERSEDED', 'UNVERIFIED')""",
        "a finished command does not change",
    ),
    (
        "fixed",
        "UPDATE",
        """
  OLD.command_id <> NEW.command_id OR OLD.idempotency_key <> NEW.idempotency_key OR OLD.plan_id <> NEW.plan_id
  OR OLD.plan_hash <> NEW.plan_hash OR OLD.site_id <> NEW.site_id OR OLD.device_id <> NEW.device_id OR
  OLD.capability <> NEW.capability OR OLD.value <> NEW.value OR OLD.unit <> NEW.unit OR OLD.valid_from_utc <>
  NEW.valid_from_utc OR OLD.valid_until_utc <> NEW.valid_until_utc OR OLD.ttl_s <> NEW.ttl_s""",
        "what a command says does not change",
    ),
    ("born", "INSERT", "NEW.state <> 'PROPOSED'", "a command starts as PROPOSED"),
    ("kept", "DELETE", "", "a command is never deleted"),
)

_POSTGRES_VIEW = """CREATE VIEW trace_inputs AS
SELECT f.figure_id, CAST(j.place AS integer) - 1 AS position, i.kind, i.id, i.role, i.sha256, i.value
FROM figures AS f
CROSS JOIN LATERAL jsonb_array_elements(f.figure::jsonb -> 'inputs') WITH ORDINALITY AS j(value, place)
JOIN revision_inputs AS i
  ON jsonb_typeof(j.value) = 'number' AND i.report_id = f.report_id AND i.revision = f.revision
  AND CAST(i.position AS text) = j.value #>> '{}'
UNION ALL
SELECT f.figure_id, CAST(j.place AS integer) - 1, 'figure', j.value ->> 1, j.value ->> 0, '',
  coalesce(g.figure::jsonb ->> 'value', '')
FROM figures AS f
CROSS JOIN LATERAL jsonb_array_elements(f.figure::jsonb -> 'inputs') WITH ORDINALITY AS j(value, place)
LEFT JOIN figures AS g ON g.figure_id = j.value ->> 1
WHERE jsonb_typeof(j.value) = 'array'"""
# json_each and no other function: SQLite lets a view use nothing else where schemas are not trusted.
_SQLITE_VIEW = """CREATE VIEW trace_inputs AS
SELECT f.figure_id, CAST(j.key AS INTEGER) AS position, i.kind, i.id, i.role, i.sha256, i.value
FROM figures AS f
JOIN json_each(f.figure, '$.inputs') AS j
JOIN revision_inputs AS i
  ON j.type = 'integer' AND i.report_id = f.report_id AND i.revision = f.revision AND i.position = j.value
UNION ALL
SELECT f.figure_id, CAST(j.key AS INTEGER), 'figure', named.value, role.value, '', coalesce(v.value, '')
FROM figures AS f
JOIN json_each(f.figure, '$.inputs') AS j
JOIN json_each(j.value) AS role ON role.key = 0
JOIN json_each(j.value) AS named ON named.key = 1
LEFT JOIN figures AS g ON g.figure_id = named.value
LEFT JOIN json_each(g.figure, '$.value') AS v
WHERE j.type = 'array'"""


def upgrade() -> None:
    """Create every table, and the triggers that keep the append-only ones so."""
    is_postgres = op.get_bind().dialect.name == "postgresql"
    tables = TABLES if is_postgres else TABLES.replace(" SERIAL ", " INTEGER ")
    statements = [each for each in tables.split(";\n") if each]
    if is_postgres:
        statements += [_comment(line) for line in COMMENTS.splitlines()]
        statements.append(
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        )
    refuse = _postgres_refusal if is_postgres else _sqlite_refusal
    statements += [refuse(table, verb) for table in APPEND_ONLY.split() for verb in ("UPDATE", "DELETE")]
    rule = _postgres_rule if is_postgres else _sqlite_rule
    statements += [statement for each in _COMMAND_RULES for statement in rule(*each)]
    for statement in [*statements, _POSTGRES_VIEW if is_postgres else _SQLITE_VIEW]:
        op.get_bind().exec_driver_sql(statement.replace("%", "%%") if is_postgres else statement)
    op.execute(sa.text("INSERT INTO ledger_identity (id, ledger_id) VALUES (1, :name)").bindparams(name=uuid4().hex))


def columns() -> frozenset[tuple[str, str]]:
    """Table and column of everything that this revision makes."""
    named = re.compile(r'"?([a-z_0-9]+)"? (?:VARCHAR|TEXT|INTEGER|SERIAL|BOOLEAN|FLOAT|DATE)')
    tables = [each for each in TABLES.split(";\n") if each.startswith("CREATE TABLE ")]
    return frozenset((each.split()[2], name) for each in tables for name in named.findall(each))


def _comment(line: str) -> str:
    thing, _, words = line.partition(": ")
    return f"COMMENT ON {thing} IS '{words.replace(chr(39), chr(39) * 2)}'"


def _sqlite_refusal(table: str, verb: str) -> str:
    said = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    return f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} {said}"


def _postgres_refusal(table: str, verb: str) -> str:
    done = "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    return f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} {done}"


def _sqlite_rule(name: str, verb: str, condition: str, sentence: str) -> list[str]:
    when = f"WHEN {condition} " if condition else ""
    said = f"BEGIN SELECT RAISE(ABORT, '{sentence}'); END"
    return [f"CREATE TRIGGER commands_{name} BEFORE {verb} ON commands {when}{said}"]


def _postgres_rule(name: str, verb: str, condition: str, sentence: str) -> list[str]:
    when = f"WHEN ({condition}) " if condition else ""
    return [
        f"CREATE FUNCTION commands_{name}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{sentence}'; END $$",
        f"CREATE TRIGGER commands_{name} BEFORE {verb} ON commands "
        f"FOR EACH ROW {when}EXECUTE FUNCTION commands_{name}()",
    ]
