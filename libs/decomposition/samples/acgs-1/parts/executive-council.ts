import { type Part } from './part.js';

export const executiveCouncil: Part = {
  ddl: `
    CREATE TYPE decision_status AS ENUM ('open', 'adopted', 'rejected');
    CREATE TYPE vote AS ENUM ('for', 'against', 'abstain');

    CREATE TABLE council_members (
      id      serial       PRIMARY KEY,
      user_id uuid         NOT NULL UNIQUE,
      seat    text         NOT NULL,
      term    daterange    NOT NULL,
      weight  numeric(8,3) NOT NULL DEFAULT 1
    );

    CREATE SEQUENCE decision_numbers START 1000 INCREMENT 10;
    CREATE TABLE decisions (
      id         uuid            PRIMARY KEY DEFAULT gen_random_uuid(),
      number     bigint          NOT NULL UNIQUE DEFAULT nextval('decision_numbers'),
      policy_id  uuid            NOT NULL,
      title      text            NOT NULL,
      status     decision_status NOT NULL DEFAULT 'open',
      quorum     numeric(4,3)    NOT NULL,
      decided_at timestamptz,
      CHECK ((status = 'open') = (decided_at IS NULL))
    );
    ALTER SEQUENCE decision_numbers OWNED BY decisions.number;
    CREATE INDEX decisions_open_idx ON decisions (policy_id) WHERE status = 'open';

    CREATE TABLE voting_records (
      decision_id uuid        NOT NULL REFERENCES decisions (id) ON DELETE CASCADE,
      member_id   integer     NOT NULL REFERENCES council_members (id),
      vote        vote        NOT NULL,
      reasons     text[],
      cast_at     timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (decision_id, member_id)
    );`,
  foreignKeys: `
    ALTER TABLE council_members
      ADD CONSTRAINT council_members_user_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE RESTRICT;
    ALTER TABLE decisions ADD CONSTRAINT decisions_policy_fkey FOREIGN KEY (policy_id) REFERENCES policies (id) ON DELETE RESTRICT;`,
  fill: {
    council_members: `
      INSERT INTO council_members (user_id, seat, term, weight)
      SELECT pg_temp.uid('users', g), 'seat-' || g, daterange((pg_temp.at(g) AT TIME ZONE 'UTC')::date, NULL), 1 + pg_temp.pick(g, 91, 5000) / 1000.0
      FROM generate_series(1, $1::bigint) g ORDER BY g`,
    decisions: `
      INSERT INTO decisions (id, policy_id, title, status, quorum, decided_at)
      SELECT pg_temp.uid('decisions', g), pg_temp.uid('policies', 1 + pg_temp.pick(g, 92, $1)), 'Decision ' || g, status, 0.5 + g % 5 / 10.0,
        CASE WHEN status <> 'open' THEN pg_temp.at(g) END
      FROM (SELECT g, (enum_range(NULL::decision_status))[1 + pg_temp.pick(g, 93, 3)] AS status FROM generate_series(1, $1::bigint) g) one
      ORDER BY g`,
    voting_records: `
      INSERT INTO voting_records (decision_id, member_id, vote, reasons, cast_at)
      SELECT pg_temp.uid('decisions', 1 + (g - 1) / 3), 1 + ((g - 1) % 3 + (g - 1) / 3 * 7) % $1, (enum_range(NULL::vote))[1 + pg_temp.pick(g, 94, 3)],
        CASE WHEN g % 4 = 0 THEN ARRAY['risk', NULL, 'it says "no"'] END, pg_temp.at(g)
      FROM generate_series(1, $1::bigint) g`,
  },
};
