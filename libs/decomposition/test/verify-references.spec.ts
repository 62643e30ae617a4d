import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { verify } from '../src/core/verify/verify.js';
import { found, movedInStep, plant, stillStream } from './support/planted.js';
import { smallMove, type SmallMove } from './support/small-move.js';

describe('verify, soft references', () => {
  let small: SmallMove;
  let people: SmallMove;
  const ddl = `
    CREATE TABLE people (id int PRIMARY KEY, kind text, UNIQUE (id, kind));
    CREATE TABLE teams (name text PRIMARY KEY);
    CREATE TABLE logs (id int PRIMARY KEY, person int, kind text, team text, boss bigint);
    INSERT INTO people SELECT i, 'k' || i % 3 FROM generate_series(1, 6000) i; INSERT INTO teams VALUES ('red');
    INSERT INTO logs SELECT i, i % 6000 + 1, 'k' || (i % 6000 + 1) % 3, 'red', NULL FROM generate_series(1, 12000) i;`;

  beforeEach(async () => {
    people = await smallMove({ ddl: 'CREATE TABLE people (id int PRIMARY KEY, kind text)', tables: ['people'] });
    small = await movedInStep({
      ddl,
      tables: ['logs'],
      service: {
        references: [
          { from: 'logs.team', to: 'teams.name' },
          { from: 'logs.boss', to: 'people.id' },
        ],
      },
    });
    await small.source.query(
      'ALTER TABLE logs ADD CONSTRAINT who FOREIGN KEY (person, kind) REFERENCES people (id, kind) NOT VALID',
    );
  });
  afterEach(async () => {
    await small.drop();
    await people.drop();
  });

  const both = async (sql: string): Promise<void> => {
    await plant(small.source, sql);
    await plant(small.target, sql);
  };
  const run = (options = {}) => verify(small.move, { stream: stillStream(), ...options });

  it('finds those of cut foreign keys and of the plan, each with a row that refers', async () => {
    expect(await run()).toMatchObject({ clean: true, references: { checked: 3, values: 6001, dangling: 0 } });
    await both(`UPDATE logs SET boss = 7 WHERE id = 1; UPDATE logs SET boss = 70000 WHERE id IN (2, 3);
                UPDATE logs SET team = 'it''s blue' WHERE id = 4`);
    await plant(small.source, 'DELETE FROM people WHERE id = 101');
    const result = await run();
    expect(result).toMatchObject({ clean: false, references: { checked: 3, dangling: 3 } });
    expect(result.differences.map(({ kind, key, detail }) => [kind, key, detail])).toEqual([
      [
        'reference',
        ['100'],
        `person, kind refers to '101', 'k2', as do 1 more rows; public.people has no row with that id, kind.`,
      ],
      ['reference', ['4'], `team refers to 'it's blue'; public.teams has no row with that name.`],
      ['reference', ['2'], `boss refers to '70000', as do 1 more rows; public.people has no row with that id.`],
    ]);
    expect(await run({ references: false })).toMatchObject({ clean: true, references: { checked: 0 } });
  });

  it('remembers the foreign keys that a switch took from the source', async () => {
    await small.source.query('ALTER TABLE logs DROP CONSTRAINT who');
    expect((await run()).references.checked).toBe(2);
    await small.target.query(
      `INSERT INTO decomposition.deferred (service, side, place, kind, table_name, name, make, unmake, present)
       VALUES ('thing', 'source', 1, 'foreign key', 'public.logs', 'who',
         'ALTER TABLE logs ADD CONSTRAINT who FOREIGN KEY (person, kind) REFERENCES people(id, kind)', 'x', false)`,
    );
    await plant(small.source, 'DELETE FROM people WHERE id = 101');
    expect(found(await run())).toEqual(['reference logs 100']);
  });

  it('looks where a table that has moved lives now', async () => {
    const other = { ...small.plan.services[0]!, name: 'crew', target: people.move.urls.target, tables: ['people'] };
    const plan = { ...small.plan, services: [...small.plan.services, other] };
    const go = () => verify({ ...small.move, plan }, { stream: stillStream() });
    await both('UPDATE logs SET boss = 6001 WHERE id = 1');
    expect(found(await go())).toEqual(['reference logs 1']);
    await people.target.query(
      `INSERT INTO decomposition.moves (service, strategy, phase, writes) VALUES ('crew', 'replication', 'switched', 'target');
       SET session_replication_role = replica; INSERT INTO people SELECT i, 'k' || i % 3 FROM generate_series(1, 6001) i;
       SET session_replication_role = origin`,
    );
    expect(found(await go())).toEqual([]);
    await people.target.query(
      `UPDATE decomposition.moves SET phase = 'in_step', writes = 'source' WHERE service = 'crew'`,
    );
    expect(found(await go())).toEqual(['reference logs 1']);
  });

  it('names a table that is not there', async () => {
    await small.source.query('DROP TABLE teams');
    const result = await run();
    expect(result.differences.map(({ detail }) => detail)).toEqual([
      'public.logs refers to public.teams, and there is no table public.teams where it should live.',
    ]);
  });
});
