import { type Part } from './part.js';

/** What stands before the first of a chain. */
const ZERO = '0'.repeat(64);
const CHAINS = 8;

export const integrity: Part = {
  ddl: `
    CREATE DOMAIN sha256_hex AS text CHECK (VALUE ~ '^[0-9a-f]{64}$');

    -- Only ever added to; each row names the hash of the one before.
    CREATE TABLE audit_logs (
      id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      user_id       uuid,
      session_id    uuid,
      action        text        NOT NULL,
      entity        text        NOT NULL,
      payload       jsonb       NOT NULL DEFAULT '{}',
      created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
      previous_hash sha256_hex  NOT NULL,
      hash          sha256_hex  NOT NULL UNIQUE
    );
    CREATE INDEX audit_logs_time_idx ON audit_logs USING brin (created_at);
    CREATE INDEX audit_logs_user_idx ON audit_logs (user_id, id DESC) WHERE user_id IS NOT NULL;
    CREATE INDEX audit_logs_payload_idx ON audit_logs USING gin (payload);

    CREATE TABLE integrity_checks (
      id           bigserial   PRIMARY KEY,
      audit_log_id bigint      NOT NULL REFERENCES audit_logs (id),
      checked_by   uuid,
      passed       boolean     NOT NULL,
      findings     jsonb       NOT NULL DEFAULT '[]',
      checked_at   timestamptz NOT NULL DEFAULT now()
    );

    CREATE TABLE hash_chains (
      chain         text        NOT NULL,
      position      bigint      NOT NULL CHECK (position >= 0),
      audit_log_id  bigint      NOT NULL REFERENCES audit_logs (id),
      previous_hash sha256_hex  NOT NULL,
      hash          sha256_hex  NOT NULL,
      linked_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (chain, position),
      UNIQUE (hash)
    );`,
  foreignKeys: `
    ALTER TABLE audit_logs
      ADD CONSTRAINT audit_logs_user_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL,
      ADD CONSTRAINT audit_logs_session_fkey FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE SET NULL;
    ALTER TABLE integrity_checks ADD CONSTRAINT integrity_checks_user_fkey FOREIGN KEY (checked_by) REFERENCES users (id);`,
  fill: {
    audit_logs: `
      INSERT INTO audit_logs (user_id, session_id, action, entity, payload, created_at, previous_hash, hash)
      SELECT user_id, session_id, action, entity, payload, at, coalesce(lag(hash) OVER (ORDER BY g), '${ZERO}'), hash
      FROM (
        SELECT *, pg_temp.chain(g || action || entity || payload::text) OVER (ORDER BY g) AS hash
        FROM (
          SELECT g, CASE WHEN g % 20 > 0 THEN pg_temp.uid('users', 1 + pg_temp.pick(g, 41, $1)) END AS user_id,
            CASE WHEN g % 3 = 0 THEN pg_temp.uid('sessions', 1 + pg_temp.pick(g, 42, $1)) END AS session_id,
            (ARRAY['login', 'validate', 'prove', 'vote', 'evolve', 'enforce'])[1 + pg_temp.pick(g, 43, 6)] AS action,
            'entity-' || pg_temp.pick(g, 44, 5000) AS entity, pg_temp.at(g) AS at,
            jsonb_build_object('request', md5('request ' || g), 'cost', pg_temp.pick(g, 45, 100000) / 1000.0) AS payload
          FROM generate_series(1, $1::bigint) g) rows) hashed
      ORDER BY g`,
    integrity_checks: `
      INSERT INTO integrity_checks (audit_log_id, checked_by, passed, findings, checked_at)
      SELECT 1 + pg_temp.pick(g, 46, $1), CASE WHEN g % 2 = 0 THEN pg_temp.uid('users', 1 + pg_temp.pick(g, 47, $1)) END,
        g % 1000 > 0, CASE WHEN g % 1000 = 0 THEN jsonb_build_array('late') ELSE '[]' END, pg_temp.at(g)
      FROM generate_series(1, $1::bigint) g ORDER BY g`,
    hash_chains: `
      INSERT INTO hash_chains (chain, position, audit_log_id, previous_hash, hash, linked_at)
      SELECT chain, position, g, coalesce(lag(hash) OVER (PARTITION BY chain ORDER BY position), '${ZERO}'), hash, pg_temp.at(g)
      FROM (
        SELECT *, pg_temp.chain(chain || position || ' ' || g) OVER (PARTITION BY chain ORDER BY position) AS hash
        FROM (SELECT g, 'chain-' || g % ${CHAINS} AS chain, g / ${CHAINS} AS position FROM generate_series(1, $1::bigint) g) rows) hashed`,
  },
};
