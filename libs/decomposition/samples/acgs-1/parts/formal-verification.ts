import { type Part } from './part.js';

export const formalVerification: Part = {
  ddl: `
    CREATE TYPE rule_severity AS ENUM ('info', 'warning', 'blocking');
    CREATE TYPE proof_outcome AS ENUM ('proved', 'refuted', 'timeout');

    CREATE TABLE verification_rules (
      id       uuid          PRIMARY KEY DEFAULT gen_random_uuid(),
      name     text          NOT NULL UNIQUE,
      smt_lib  text          NOT NULL,
      severity rule_severity NOT NULL DEFAULT 'warning',
      timeout  interval      NOT NULL DEFAULT '10 seconds',
      enabled  boolean       NOT NULL DEFAULT true
    );

    CREATE TABLE proof_results (
      id           bigserial        PRIMARY KEY,
      rule_id      uuid             NOT NULL REFERENCES verification_rules (id),
      audit_log_id bigint,
      outcome      proof_outcome    NOT NULL,
      seconds      double precision NOT NULL,
      proof        bytea,
      created_at   timestamp        NOT NULL
    );
    CREATE INDEX proof_results_rule_idx ON proof_results (rule_id, created_at DESC) INCLUDE (outcome);

    CREATE TABLE z3_models (
      proof_id  bigint   NOT NULL REFERENCES proof_results (id) ON DELETE CASCADE,
      model_no  smallint NOT NULL,
      variables jsonb    NOT NULL,
      numbers   bigint[] NOT NULL,
      size      integer  GENERATED ALWAYS AS (cardinality(numbers)) STORED,
      PRIMARY KEY (proof_id, model_no)
    );`,
  foreignKeys: '',
  fill: {
    verification_rules: `
      INSERT INTO verification_rules (id, name, smt_lib, severity, timeout, enabled)
      SELECT pg_temp.uid('verification_rules', g), 'rule-' || g, '(assert (< x ' || pg_temp.pick(g, 51, 1000) || '))',
        (enum_range(NULL::rule_severity))[1 + pg_temp.pick(g, 52, 3)], make_interval(secs => 1 + pg_temp.pick(g, 53, 60)), g % 7 > 0
      FROM generate_series(1, $1::bigint) g`,
    proof_results: `
      INSERT INTO proof_results (rule_id, audit_log_id, outcome, seconds, proof, created_at)
      SELECT pg_temp.uid('verification_rules', 1 + pg_temp.pick(g, 54, $1)), CASE WHEN g % 4 > 0 THEN 1 + pg_temp.pick(g, 55, $1) END,
        (enum_range(NULL::proof_outcome))[1 + pg_temp.pick(g, 56, 3)], pg_temp.pick(g, 57, 1000003) / 997.0,
        CASE WHEN g % 3 > 0 THEN sha256(convert_to('proof ' || g, 'UTF8')) END, pg_temp.at(g) AT TIME ZONE 'UTC'
      FROM generate_series(1, $1::bigint) g ORDER BY g`,
    z3_models: `
      INSERT INTO z3_models (proof_id, model_no, variables, numbers)
      SELECT 1 + (g - 1) / 2, (g - 1) % 2, jsonb_build_object('x', g, 'y', -g), ARRAY[g, pg_temp.pick(g, 58, 1000000), -g]
      FROM generate_series(1, $1::bigint) g`,
  },
};
