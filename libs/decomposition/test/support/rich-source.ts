import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { connectionUrl } from '#database';
import { testPostgresUrl } from '#testing';
import { openMove, type Move, type OpenMoveOptions } from '../../src/core/move.js';
import { planSchema, type Plan } from '../../src/core/plan/plan.js';

export const PASSWORD = 'correct-horse-battery';

/** A bit of everything that a schema can have. `%LOGIN%` is the runtime login of service `shop`. */
export const RICH = `
  CREATE EXTENSION IF NOT EXISTS citext;
  CREATE SCHEMA app;
  CREATE TYPE app.mood AS ENUM ('calm', 'it''s odd', 'angry');
  CREATE TYPE app.unused AS ENUM ('never');
  CREATE TYPE app.pair AS (a integer, b text);
  CREATE DOMAIN app.percent AS numeric(5,2) DEFAULT 0 CHECK (VALUE >= 0 AND VALUE <= 100);
  CREATE SEQUENCE app.shared_number START 100 INCREMENT 5 CACHE 3;
  CREATE FUNCTION app.twice(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';
  CREATE FUNCTION app.is_small(n integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN app.twice(n) < 1000000; END $$;
  CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.touched := 'touched'; RETURN NEW; END $$;

  CREATE TABLE people (
    id bigint GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 2) PRIMARY KEY,
    "Full Name" text COLLATE "C" NOT NULL,
    mail citext,
    mood app.mood NOT NULL DEFAULT 'calm',
    moods app.mood[],
    share app.percent,
    number integer DEFAULT nextval('app.shared_number'),
    doubled integer GENERATED ALWAYS AS (app.twice(number)) STORED,
    longer integer GENERATED ALWAYS AS (number + 1) VIRTUAL,
    place app.pair,
    touched text,
    blob bytea COMPRESSION pglz,
    CONSTRAINT people_small CHECK (app.is_small(number))
  ) WITH (fillfactor = 90);
  ALTER TABLE people ALTER COLUMN blob SET STORAGE EXTERNAL;
  CREATE UNIQUE INDEX people_mail_idx ON people (lower(mail::text)) WHERE mail IS NOT NULL;
  CREATE INDEX "People Names" ON people ("Full Name" DESC NULLS LAST) INCLUDE (mood);
  CREATE STATISTICS people_stat (dependencies) ON mood, number FROM people;
  COMMENT ON TABLE people IS 'who''s who';
  COMMENT ON COLUMN people."Full Name" IS 'as written';
  CREATE TRIGGER people_touch BEFORE INSERT OR UPDATE ON people FOR EACH ROW EXECUTE FUNCTION app.touch();
  ALTER TABLE people ENABLE ROW LEVEL SECURITY;
  CREATE POLICY mine ON people FOR SELECT TO %LOGIN%, pg_monitor USING (mood <> 'angry');
  CREATE POLICY any_write ON people AS PERMISSIVE FOR ALL TO PUBLIC USING (true) WITH CHECK (share IS NULL OR share < 99);

  CREATE TABLE "Orders" (
    region text, "No" integer, person bigint REFERENCES people, serial_no serial, during int4range,
    amount numeric(12,2) NOT NULL, placed timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (region, "No"), CONSTRAINT orders_serial UNIQUE (serial_no),
    CONSTRAINT orders_apart EXCLUDE USING gist (during WITH &&)
  );
  ALTER TABLE "Orders" ADD CONSTRAINT orders_amount CHECK (amount > 0) NOT VALID;
  ALTER TABLE "Orders" REPLICA IDENTITY FULL;

  CREATE TABLE app.events (
    id uuid NOT NULL DEFAULT gen_random_uuid(), at timestamptz NOT NULL, kind text NOT NULL, user_id bigint, body jsonb,
    PRIMARY KEY (id, at, kind)
  ) PARTITION BY RANGE (at);
  CREATE TABLE app.events_2026_01 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01') PARTITION BY LIST (kind);
  CREATE TABLE app.events_2026_01_a PARTITION OF app.events_2026_01 FOR VALUES IN ('a', 'b');
  CREATE TABLE app.events_2026_01_rest PARTITION OF app.events_2026_01 DEFAULT;
  CREATE TABLE app.events_2026_02 (LIKE app.events INCLUDING DEFAULTS);
  ALTER TABLE app.events ATTACH PARTITION app.events_2026_02 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
  ALTER TABLE app.events_2026_02 ALTER COLUMN kind SET DEFAULT 'late';
  CREATE UNIQUE INDEX events_2026_02_once ON app.events_2026_02 (id);
  CREATE INDEX events_kind_idx ON app.events (kind);
  ALTER TABLE app.events_2026_02 ADD CONSTRAINT with_body CHECK (body IS NOT NULL);

  CREATE TABLE users (id bigint PRIMARY KEY, name text);
  ALTER TABLE app.events ADD CONSTRAINT events_user_fk FOREIGN KEY (user_id) REFERENCES users;
  ALTER TABLE users ADD COLUMN person bigint REFERENCES people;`;

export interface RichSource {
  plan: Plan;
  source: pg.Pool;
  tag: string;
  open: (service?: string, options?: OpenMoveOptions) => Move;
  urlOf: (service: string, login: string) => string;
  drop: () => Promise<void>;
}

/** A shared database with tables of two services: `shop` with people, "Orders" and app.events, and `auth` with users. */
export async function richSource(settings: { shop?: object; ddl?: string } = {}): Promise<RichSource> {
  const tag = randomBytes(4).toString('hex');
  const server = testPostgresUrl();
  const names = [`rich_source_${tag}`, `rich_shop_${tag}`, `rich_auth_${tag}`] as const;
  const url = (database: string): string => connectionUrl(server, { database });
  const login = (name: string): object => ({ name, password_env: 'UNUSED' });
  const service = (name: string): object => ({
    target: url(`rich_${name}_${tag}`),
    owner: login(`${name}_${tag}_owner`),
    runtime: login(`${name}_${tag}`),
  });
  const { services, ...rest } = planSchema.parse({
    name: `rich_${tag}`,
    source: url(names[0]),
    services: {
      // What a file cannot say, a table with a name in upper case, comes below.
      shop: {
        ...service('shop'),
        tables: ['people', 'app.events'],
        further: [login(`shop_${tag}_reader`)],
        ...settings.shop,
      },
      auth: { ...service('auth'), tables: ['users'] },
    },
  });
  const list = Object.entries(services).map(([name, one]) => ({ name, ...one }));
  if (!settings.ddl) list[0]!.tables.push('Orders');
  const plan: Plan = { ...rest, services: list };
  await once(server, `CREATE DATABASE ${names[0]}`);
  await once(server, `CREATE ROLE shop_${tag} LOGIN PASSWORD '${PASSWORD}'`);
  const source = new pg.Pool({ connectionString: plan.source, max: 4 });
  source.on('error', () => undefined);
  await source.query((settings.ddl ?? RICH).replaceAll('%LOGIN%', `shop_${tag}`));
  const opened: Move[] = [];
  return {
    plan,
    source,
    tag,
    open: (name = 'shop', options = {}) => {
      const move = openMove(plan, name, options);
      opened.push(move);
      return move;
    },
    urlOf: (name, user) => connectionUrl(url(`rich_${name}_${tag}`), { user, password: PASSWORD }),
    drop: async () => {
      await source.end();
      await Promise.all(opened.map((move) => move.close()));
      for (const name of names) await once(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      for (const name of ['shop', 'auth'])
        for (const role of ['', '_owner', '_reader']) await once(server, `DROP ROLE IF EXISTS ${name}_${tag}${role}`);
    },
  };
}

export async function once(url: string, sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 20_000, query_timeout: 30_000 });
  await client.connect();
  try {
    return await client.query(sql);
  } finally {
    await client.end();
  }
}
