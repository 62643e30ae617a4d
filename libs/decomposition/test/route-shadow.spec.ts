import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { withIntent, type Intent } from '../src/route/intent.js';
import { notesMove, type NotesMove, type Participant } from './support/participant.js';

const DELAYS = [20, 100, 400];
/** So long that what is late comes in time, also on a machine that stands still for seconds. */
const LONG_DELAYS = [...DELAYS, 5000, 12_000];

describe('reads compared with the other side', () => {
  let notes: NotesMove;
  let instance: Participant;

  beforeEach(async () => {
    notes = await notesMove(`INSERT INTO notes VALUES ('a', 'same'), ('b', 'secret body')`);
    instance = await notes.join({ shadow: { delays: DELAYS } });
    await notes.tool.copy({ schema: 'public', name: 'notes' }, 'source');
    await notes.small.move.state.change({ shadowPercent: 100 });
    await waitFor('the instance to know', () => instance.participation.move?.shadowPercent === 100);
  });

  afterEach(() => notes.drop());

  const read = (
    sql: string,
    values: unknown[] = [],
    { intent = { kind: 'read', key: 'somebody' }, by = instance }: { intent?: Intent; by?: Participant } = {},
  ) =>
    withIntent(intent, async () => {
      const client = await by.pool.connect();
      try {
        return await client.query(sql, values);
      } finally {
        client.release();
      }
    });
  const shadow = (of = instance) => of.participation.stats.shadow;
  const isComparing = (of = instance): boolean => of.participation['shadow']['running'].size > 0;
  /** Does it, and again when the other side took its time and nothing was compared. */
  const compared = <T>(work: () => Promise<T>, of = instance): Promise<T> => {
    const before = shadow(of).compared;
    const attempt = async (): Promise<[T] | undefined> => {
      const done = await work();
      await waitFor('the end of the comparison', () => !isComparing(of), 25_000);
      return shadow(of).compared > before ? [done] : undefined;
    };
    return waitFor('a comparison', attempt, 20_000).then(([done]) => done);
  };
  const patient = async (): Promise<Participant> => {
    const one = await notes.join({ shadow: { delays: LONG_DELAYS } });
    await waitFor('the instance to know', () => one.participation.move?.shadowPercent === 100);
    return one;
  };
  /** On the target as the apply worker would, past the fence. */
  const inTarget = async (sql: string): Promise<void> => {
    const client = await notes.small.target.connect();
    try {
      await client.query(`SET session_replication_role = replica; ${sql}; RESET session_replication_role`);
    } finally {
      client.release();
    }
  };

  it('are equal when the sides are', async () => {
    await compared(() => read('SELECT * FROM notes WHERE id = $1', ['a']));
    await compared(() => read('SELECT * FROM notes'));
    expect(shadow()).toEqual({ compared: 2, different: 0 });
  });

  it('are compared, too, when nobody lends a connection for them', async () => {
    await inTarget("UPDATE notes SET body = 'planted' WHERE id = 'b'");
    const { rows } = await compared(() =>
      withIntent({ kind: 'read', key: 'somebody' }, () =>
        instance.pool.query('SELECT * FROM notes WHERE id = $1', ['b']),
      ),
    );
    expect(rows).toEqual([{ id: 'b', body: 'secret body' }]);
    expect(shadow()).toEqual({ compared: 1, different: 1 });
  });

  it('tell a difference that stays, with the statement and without the values', async () => {
    await inTarget("UPDATE notes SET body = 'planted' WHERE id = 'b'");
    const { rows } = await compared(() => read('SELECT * FROM notes WHERE id = $1', ['b']));
    expect(rows).toEqual([{ id: 'b', body: 'secret body' }]);
    expect(shadow()).toEqual({ compared: 1, different: 1 });
    const found = instance.logged.find(({ message }) => message.includes('differently'));
    expect(found?.details).toMatchObject({ statements: ['SELECT * FROM notes WHERE id = $1'] });
    expect(JSON.stringify(found)).not.toMatch(/secret|planted/);
  });

  it('do not take what is only late for a difference', async () => {
    const by = await patient();
    await compared(async () => {
      const late = await by.note('late');
      await read('SELECT * FROM notes WHERE id = $1', [late], { by });
      await inTarget(`INSERT INTO notes VALUES ('${late}', 'late')`);
    }, by);
    expect(shadow(by)).toEqual({ compared: 1, different: 0 });
  });

  it('do not take a page that moves on all the time for a difference', async () => {
    const by = await patient();
    let made = 0;
    await compared(async () => {
      await read('SELECT count(*) AS n FROM notes', [], { by });
      while (isComparing(by)) {
        await by.note();
        await inTarget(`INSERT INTO notes VALUES ('${made++}', '')`);
      }
    }, by);
    expect(shadow(by)).toEqual({ compared: 1, different: 0 });
  });

  it('are asked as one transaction where they were', async () => {
    const ask = async (): Promise<unknown[]> => {
      const client = await instance.pool.connect();
      try {
        await client.query('BEGIN READ ONLY');
        await client.query("SELECT set_config('app.wanted', $1, true)", ['a']);
        const wanted = "SELECT body FROM notes WHERE id = current_setting('app.wanted')";
        const { rows } = await client.query<{ body: string }>(wanted);
        await client.query('COMMIT');
        return rows;
      } finally {
        client.release();
      }
    };
    const rows = await compared(() => withIntent({ kind: 'read', key: 'somebody' }, ask));
    expect(rows).toEqual([{ body: 'same' }]);
    expect(shadow()).toEqual({ compared: 1, different: 0 });
  });

  it('leave alone what has no key, what writes, and what is answered otherwise each time', async () => {
    await read('SELECT now()');
    await read('SELECT * FROM notes FOR UPDATE');
    await read('SELECT * FROM notes', [], { intent: { kind: 'read' } });
    await instance.note();
    await compared(() => read("SELECT * FROM notes WHERE id = 'a'"));
    expect(shadow()).toEqual({ compared: 1, different: 0 });
  });

  it('harm nobody when the other side does not answer', async () => {
    await notes.small.target.query('ALTER TABLE notes RENAME TO gone');
    await read('SELECT * FROM notes');
    await instance.close();
    expect(shadow()).toEqual({ compared: 0, different: 0 });
  });
});
