import { type Part } from './part.js';

export const governanceSynthesis: Part = {
  ddl: `
    CREATE TYPE policy_status AS ENUM ('draft', 'active', 'superseded');

    CREATE TABLE policies (
      id          uuid          PRIMARY KEY DEFAULT gen_random_uuid(),
      name        text          NOT NULL,
      version     integer       NOT NULL CHECK (version > 0),
      supersedes  uuid          REFERENCES policies (id),
      author_id   uuid,
      status      policy_status NOT NULL DEFAULT 'draft',
      body        text          NOT NULL,
      body_length integer       GENERATED ALWAYS AS (length(body)) STORED,
      created_at  timestamptz   NOT NULL DEFAULT now(),
      UNIQUE (name, version)
    );
    CREATE UNIQUE INDEX policies_active_key ON policies (name) WHERE status = 'active';

    CREATE TABLE synthesis_results (
      id           bigint       GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      policy_id    uuid         NOT NULL REFERENCES policies (id) ON DELETE CASCADE,
      audit_log_id bigint,
      model        text         NOT NULL,
      confidence   numeric(6,5) NOT NULL,
      tokens       integer      NOT NULL,
      created_at   timestamptz  NOT NULL DEFAULT now()
    );
    CREATE INDEX synthesis_results_policy_idx ON synthesis_results (policy_id, confidence DESC);

    CREATE TABLE llm_interactions (
      id           uuid          NOT NULL DEFAULT gen_random_uuid(),
      created_at   timestamptz   NOT NULL DEFAULT now(),
      synthesis_id bigint        REFERENCES synthesis_results (id),
      prompt       text          NOT NULL,
      completion   text,
      cost         numeric(12,6) NOT NULL DEFAULT 0,
      PRIMARY KEY (id, created_at)
    ) PARTITION BY RANGE (created_at);
    CREATE TABLE llm_interactions_2025_h1 PARTITION OF llm_interactions FOR VALUES FROM ('2025-01-01Z') TO ('2025-07-01Z');
    CREATE TABLE llm_interactions_2025_h2 PARTITION OF llm_interactions FOR VALUES FROM ('2025-07-01Z') TO ('2026-01-01Z');
    CREATE TABLE llm_interactions_later PARTITION OF llm_interactions DEFAULT;
    CREATE INDEX llm_interactions_time_idx ON llm_interactions (created_at DESC, id);`,
  foreignKeys: `
    ALTER TABLE policies ADD CONSTRAINT policies_author_fkey FOREIGN KEY (author_id) REFERENCES users (id) ON DELETE SET NULL;`,
  fill: {
    policies: `
      INSERT INTO policies (id, name, version, supersedes, author_id, status, body, created_at)
      SELECT pg_temp.uid('policies', g), 'policy-' || (g - 1) / 4, 1 + (g - 1) % 4,
        CASE WHEN (g - 1) % 4 > 0 THEN pg_temp.uid('policies', g - 1) END, pg_temp.uid('users', 1 + pg_temp.pick(g, 61, $1)),
        CASE (g - 1) % 4 WHEN 3 THEN 'draft' WHEN 2 THEN 'active' ELSE 'superseded' END::policy_status,
        repeat('permit if reviewed; ', (1 + pg_temp.pick(g, 62, 6))::integer), pg_temp.at(g)
      FROM generate_series(1, $1::bigint) g`,
    synthesis_results: `
      INSERT INTO synthesis_results (policy_id, audit_log_id, model, confidence, tokens, created_at)
      SELECT pg_temp.uid('policies', 1 + pg_temp.pick(g, 63, $1)), CASE WHEN g % 6 > 0 THEN 1 + pg_temp.pick(g, 64, $1) END,
        'writer-' || pg_temp.pick(g, 65, 4), pg_temp.pick(g, 66, 100001) / 100000.0, 100 + pg_temp.pick(g, 67, 9000), pg_temp.at(g)
      FROM generate_series(1, $1::bigint) g ORDER BY g`,
    llm_interactions: `
      INSERT INTO llm_interactions (id, created_at, synthesis_id, prompt, completion, cost)
      SELECT pg_temp.uid('llm_interactions', g), pg_temp.at(g), CASE WHEN g % 9 > 0 THEN 1 + pg_temp.pick(g, 68, $1) END,
        'Write policy ' || pg_temp.pick(g, 69, $1), CASE WHEN g % 25 > 0 THEN 'permit if reviewed by ' || pg_temp.pick(g, 70, 100) END,
        pg_temp.pick(g, 71, 1000000) / 1000000.0
      FROM generate_series(1, $1::bigint) g`,
  },
};
