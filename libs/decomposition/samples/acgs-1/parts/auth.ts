import { type Part } from './part.js';

export const auth: Part = {
  ddl: `
    CREATE TYPE account_status AS ENUM ('pending', 'active', 'suspended', 'closed');

    CREATE TABLE users (
      id           uuid           PRIMARY KEY DEFAULT gen_random_uuid(),
      email        text           NOT NULL CHECK (email LIKE '%_@_%'),
      display_name varchar(120)   NOT NULL,
      status       account_status NOT NULL DEFAULT 'pending',
      preferences  jsonb          NOT NULL DEFAULT '{}',
      created_at   timestamptz    NOT NULL DEFAULT now(),
      updated_at   timestamptz    NOT NULL DEFAULT now(),
      deleted_at   timestamptz
    );
    CREATE UNIQUE INDEX users_email_key ON users (lower(email)) WHERE deleted_at IS NULL;
    CREATE INDEX users_preferences_idx ON users USING gin (preferences jsonb_path_ops);

    CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      NEW.updated_at := clock_timestamp();
      RETURN NEW;
    END $$;
    CREATE TRIGGER users_touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

    CREATE TABLE roles (
      id          serial  PRIMARY KEY,
      name        text    NOT NULL UNIQUE,
      description text    NOT NULL DEFAULT '',
      built_in    boolean NOT NULL DEFAULT false
    );

    CREATE TABLE permissions (
      id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      resource text   NOT NULL,
      action   text   NOT NULL,
      UNIQUE (resource, action)
    );

    CREATE TABLE role_permissions (
      role_id       integer     NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
      permission_id bigint      NOT NULL REFERENCES permissions (id) ON DELETE CASCADE,
      granted_by    uuid        REFERENCES users (id) ON DELETE SET NULL,
      granted_at    timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (role_id, permission_id)
    );

    CREATE TABLE sessions (
      id                uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
      user_id           uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
      address           inet,
      user_agent        text,
      started_at        timestamptz NOT NULL DEFAULT now(),
      expires_at        timestamptz NOT NULL,
      revoked_at        timestamptz,
      last_audit_log_id bigint,
      CHECK (expires_at > started_at)
    );
    CREATE INDEX sessions_user_idx ON sessions (user_id, started_at DESC);
    CREATE INDEX sessions_open_idx ON sessions (expires_at) WHERE revoked_at IS NULL;

    CREATE TABLE tokens (
      id           bigserial   PRIMARY KEY,
      session_id   uuid        NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
      user_id      uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
      token_hash   bytea       NOT NULL UNIQUE,
      scopes       text[]      NOT NULL DEFAULT '{}',
      issued_at    timestamptz NOT NULL DEFAULT now(),
      expires_at   timestamptz NOT NULL,
      -- Without a foreign key: the trail is never asked before a token is given.
      audit_log_id bigint
    );
    CREATE INDEX tokens_scopes_idx ON tokens USING gin (scopes);`,
  foreignKeys: '',
  fill: {
    users: `
      INSERT INTO users (id, email, display_name, status, preferences, created_at, updated_at, deleted_at)
      SELECT pg_temp.uid('users', g), 'person' || g || '@example.org', 'Person ' || g,
        (enum_range(NULL::account_status))[1 + pg_temp.pick(g, 1, 4)],
        jsonb_build_object('language', (ARRAY['en', 'de', 'fr', 'ja'])[1 + pg_temp.pick(g, 2, 4)], 'digest', g % 3 = 0),
        pg_temp.at(g), pg_temp.at(g) + interval '1 hour', CASE WHEN g % 50 = 0 THEN pg_temp.at(g) + interval '2 days' END
      FROM generate_series(1, $1::bigint) g`,
    roles: `
      INSERT INTO roles (name, description, built_in)
      SELECT 'role-' || g, 'What role ' || g || ' may do', g <= 5 FROM generate_series(1, $1::bigint) g ORDER BY g`,
    permissions: `
      INSERT INTO permissions (resource, action)
      SELECT 'resource-' || g / 4, (ARRAY['read', 'write', 'approve', 'delete'])[1 + g % 4] FROM generate_series(1, $1::bigint) g ORDER BY g`,
    role_permissions: `
      INSERT INTO role_permissions (role_id, permission_id, granted_by, granted_at)
      SELECT g, 1 + pg_temp.pick(g, 3, $1), CASE WHEN g % 4 > 0 THEN pg_temp.uid('users', 1 + pg_temp.pick(g, 4, $1)) END, pg_temp.at(g)
      FROM generate_series(1, $1::bigint) g`,
    sessions: `
      INSERT INTO sessions (id, user_id, address, user_agent, started_at, expires_at, revoked_at, last_audit_log_id)
      SELECT pg_temp.uid('sessions', g), pg_temp.uid('users', 1 + pg_temp.pick(g, 5, $1)),
        '10.0.0.0'::inet + pg_temp.pick(g, 6, 65536), 'agent/' || pg_temp.pick(g, 7, 20),
        pg_temp.at(g), pg_temp.at(g) + interval '8 hours', CASE WHEN g % 10 = 0 THEN pg_temp.at(g) + interval '1 hour' END,
        CASE WHEN g % 3 > 0 THEN 1 + pg_temp.pick(g, 8, $1) END
      FROM generate_series(1, $1::bigint) g`,
    tokens: `
      INSERT INTO tokens (session_id, user_id, token_hash, scopes, issued_at, expires_at, audit_log_id)
      SELECT pg_temp.uid('sessions', s), pg_temp.uid('users', 1 + pg_temp.pick(s, 5, $1)), sha256(convert_to('token ' || g, 'UTF8')),
        (ARRAY['policy:read', 'policy:write', 'audit:read', 'council:vote'])[1:1 + pg_temp.pick(g, 10, 4)],
        pg_temp.at(g), pg_temp.at(g) + interval '15 minutes', CASE WHEN g % 2 = 0 THEN 1 + pg_temp.pick(g, 11, $1) END
      FROM (SELECT g, 1 + pg_temp.pick(g, 9, $1) AS s FROM generate_series(1, $1::bigint) g) one ORDER BY g`,
  },
};
