import { type Part } from './part.js';

export const dgm: Part = {
  ddl: `
    CREATE TYPE improvement_state AS ENUM ('proposed', 'trial', 'kept', 'dropped');

    CREATE TABLE improvements (
      id          uuid               PRIMARY KEY DEFAULT gen_random_uuid(),
      proposed_by uuid,
      title       text               NOT NULL,
      state       improvement_state  NOT NULL DEFAULT 'proposed',
      metrics     double precision[] NOT NULL DEFAULT '{}',
      proposed_on date               NOT NULL
    );
    CREATE INDEX improvements_state_idx ON improvements (state) WHERE state IN ('proposed', 'trial');

    CREATE TABLE evolution_logs (
      id             bigserial   PRIMARY KEY,
      improvement_id uuid        NOT NULL REFERENCES improvements (id),
      audit_log_id   bigint,
      generation     integer     NOT NULL,
      fitness        real        NOT NULL,
      mutation       jsonb       NOT NULL DEFAULT '{}',
      logged_at      timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX evolution_logs_mutation_idx ON evolution_logs USING gin (mutation);

    CREATE TABLE self_modifications (
      id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      improvement_id uuid        NOT NULL REFERENCES improvements (id),
      diff           text        NOT NULL,
      approvals      uuid[]      NOT NULL DEFAULT '{}',
      applied_at     timestamptz NOT NULL,
      reverted_at    timestamptz
    );
    CREATE INDEX self_modifications_standing_idx ON self_modifications (improvement_id, applied_at) WHERE reverted_at IS NULL;`,
  foreignKeys: `
    ALTER TABLE improvements
      ADD CONSTRAINT improvements_user_fkey FOREIGN KEY (proposed_by) REFERENCES users (id) ON DELETE SET NULL;`,
  fill: {
    improvements: `
      INSERT INTO improvements (id, proposed_by, title, state, metrics, proposed_on)
      SELECT pg_temp.uid('improvements', g), CASE WHEN g % 3 > 0 THEN pg_temp.uid('users', 1 + pg_temp.pick(g, 101, $1)) END,
        'Improvement ' || g, (enum_range(NULL::improvement_state))[1 + pg_temp.pick(g, 102, 4)],
        ARRAY[pg_temp.pick(g, 103, 1000) / 7.0, NULL, 'Infinity']::double precision[], (pg_temp.at(g) AT TIME ZONE 'UTC')::date
      FROM generate_series(1, $1::bigint) g`,
    evolution_logs: `
      INSERT INTO evolution_logs (improvement_id, audit_log_id, generation, fitness, mutation, logged_at)
      SELECT pg_temp.uid('improvements', 1 + pg_temp.pick(g, 104, $1)), CASE WHEN g % 2 = 0 THEN 1 + pg_temp.pick(g, 105, $1) END, g / 100,
        pg_temp.pick(g, 106, 1000003) / 1000.0, jsonb_build_object('gene', pg_temp.pick(g, 107, 300), 'step', pg_temp.pick(g, 108, 100) / 100.0),
        pg_temp.at(g)
      FROM generate_series(1, $1::bigint) g ORDER BY g`,
    self_modifications: `
      INSERT INTO self_modifications (improvement_id, diff, approvals, applied_at, reverted_at)
      SELECT pg_temp.uid('improvements', 1 + pg_temp.pick(g, 109, $1)), '-limit = ' || g || '; +limit = ' || g + 1,
        ARRAY[pg_temp.uid('users', 1 + pg_temp.pick(g, 110, $1))], pg_temp.at(g), CASE WHEN g % 6 = 0 THEN pg_temp.at(g) + interval '1 day' END
      FROM generate_series(1, $1::bigint) g ORDER BY g`,
  },
};
