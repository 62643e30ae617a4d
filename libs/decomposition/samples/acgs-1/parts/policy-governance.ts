import { type Part } from './part.js';

export const policyGovernance: Part = {
  ddl: `
    CREATE TYPE enforcement_outcome AS ENUM ('allowed', 'denied', 'escalated');

    CREATE TABLE governance_rules (
      id        uuid      PRIMARY KEY DEFAULT gen_random_uuid(),
      policy_id uuid      NOT NULL,
      priority  integer   NOT NULL DEFAULT 100,
      condition jsonb     NOT NULL,
      effective tstzrange NOT NULL
    );
    CREATE INDEX governance_rules_policy_idx ON governance_rules (policy_id, priority);
    CREATE INDEX governance_rules_effective_idx ON governance_rules USING gist (effective);

    CREATE TABLE enforcement_logs (
      id      bigint              GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      rule_id uuid                NOT NULL REFERENCES governance_rules (id),
      user_id uuid,
      outcome enforcement_outcome NOT NULL,
      input   jsonb               NOT NULL DEFAULT '{}',
      at      timestamptz         NOT NULL DEFAULT now()
    );
    CREATE INDEX enforcement_logs_input_idx ON enforcement_logs USING gin (input);

    CREATE TABLE opa_policies (
      package  text    NOT NULL,
      revision integer NOT NULL,
      rule_id  uuid    REFERENCES governance_rules (id) ON DELETE SET NULL,
      rego     text    NOT NULL,
      checksum text    GENERATED ALWAYS AS (md5(rego)) STORED,
      PRIMARY KEY (package, revision)
    );`,
  foreignKeys: `
    ALTER TABLE governance_rules
      ADD CONSTRAINT governance_rules_policy_fkey FOREIGN KEY (policy_id) REFERENCES policies (id) ON DELETE CASCADE;
    ALTER TABLE enforcement_logs
      ADD CONSTRAINT enforcement_logs_user_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL;`,
  fill: {
    governance_rules: `
      INSERT INTO governance_rules (id, policy_id, priority, condition, effective)
      SELECT pg_temp.uid('governance_rules', g), pg_temp.uid('policies', 1 + pg_temp.pick(g, 81, $1)), pg_temp.pick(g, 82, 1000),
        jsonb_build_object('attribute', 'tier', 'equals', pg_temp.pick(g, 83, 4)),
        tstzrange(pg_temp.at(g), CASE WHEN g % 4 > 0 THEN pg_temp.at(g) + interval '30 days' END)
      FROM generate_series(1, $1::bigint) g`,
    enforcement_logs: `
      INSERT INTO enforcement_logs (rule_id, user_id, outcome, input, at)
      SELECT pg_temp.uid('governance_rules', 1 + pg_temp.pick(g, 84, $1)),
        CASE WHEN g % 8 > 0 THEN pg_temp.uid('users', 1 + pg_temp.pick(g, 85, $1)) END,
        (enum_range(NULL::enforcement_outcome))[1 + pg_temp.pick(g, 86, 3)], jsonb_build_object('agent', 'agent-' || pg_temp.pick(g, 87, 500)),
        pg_temp.at(g)
      FROM generate_series(1, $1::bigint) g ORDER BY g`,
    opa_policies: `
      INSERT INTO opa_policies (package, revision, rule_id, rego)
      SELECT 'acgs.rules.p' || g / 5, 1 + g % 5, CASE WHEN g % 11 > 0 THEN pg_temp.uid('governance_rules', 1 + pg_temp.pick(g, 88, $1)) END,
        'package acgs; allow if input.tier < ' || pg_temp.pick(g, 89, 10)
      FROM generate_series(1, $1::bigint) g`,
  },
};
