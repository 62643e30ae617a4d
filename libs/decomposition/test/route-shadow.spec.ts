import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { withIntent, type Intent } from '../src/route/intent.js';
import { notesMove, type NotesMove, type Participant } from './support/participant.js';

const DELAYS = [20, 100, 400];

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

  const read = (sql: string, values: unknown[] = [], intent: Intent = { kind: 'read', key: 'somebody' }) =>
    withIntent(intent, async () => {
      const client = await instance.pool.connect();
      try {
        return await client.query(sql, values);
      } finally {
        client.release();
      }
    });
  const shadow = () => instance.participation.stats.shadow;
  /** On the target as the apply worker would, past the fence. */
  const inTarget = async (sql: string): Promise<void> => {
    const client = await notes.small.target.connect();
    await client.query(`SET session_replication_role = replica; ${sql}; RESET session_replication_role`);
    client.release();
  };

  it('are equal when the sides are', async () => {
    await read('SELECT * FROM notes WHERE id = $1', ['a']);
    await read('SELECT * FROM notes');
    await waitFor('two comparisons', () => shadow().compared === 2);
    expect(shadow().different).toBe(0);
  });

  it('are compared, too, when nobody lends a connection for them', async () => {
    await inTarget("UPDATE notes SET body = 'planted' WHERE id = 'b'");
    const { rows } = await withIntent({ kind: 'read', key: 'somebody' }, () =>
      instance.pool.query('SELECT * FROM notes WHERE id = $1', ['b']),
    );
    expect(rows).toEqual([{ id: 'b', body: 'secret body' }]);
    await waitFor('a comparison', () => shadow().compared === 1);
    expect(shadow().different).toBe(1);
  });

  it('tell a difference that stays, with the statement and without the values', async () => {
    await inTarget("UPDATE notes SET body = 'planted' WHERE id = 'b'");
    const { rows } = await read('SELECT * FROM notes WHERE id = $1', ['b']);
    expect(rows).toEqual([{ id: 'b', body: 'secret body' }]);
    await waitFor('a comparison', () => shadow().compared === 1);
    expect(shadow().different).toBe(1);
    const found = instance.logged.find(({ message }) => message.includes('differently'));
    expect(found?.details).toMatchObject({ statements: ['SELECT * FROM notes WHERE id = $1'] });
    expect(JSON.stringify(found)).not.toMatch(/secret|planted/);
  });

  it('do not take what is only late for a difference', async () => {
    const late = await instance.note('late');
    await read('SELECT * FROM notes WHERE id = $1', [late]);
    await inTarget(`INSERT INTO notes VALUES ('${late}', 'late')`);
    await waitFor('a comparison', () => shadow().compared === 1);
    expect(shadow().different).toBe(0);
  });

  it('do not take a page that moves on all the time for a difference', async () => {
    await read('SELECT count(*) AS n FROM notes');
    for (let i = 0; shadow().compared === 0; i++) {
      await instance.note();
      await inTarget(`INSERT INTO notes VALUES ('${i}', '')`);
    }
    expect(shadow().different).toBe(0);
  });

  it('are asked as one transaction where they were', async () => {
    await withIntent({ kind: 'read', key: 'somebody' }, async () => {
      const client = await instance.pool.connect();
      await client.query('BEGIN READ ONLY');
      await client.query("SELECT set_config('app.wanted', $1, true)", ['a']);
      const { rows } = await client.query("SELECT body FROM notes WHERE id = current_setting('app.wanted')");
      expect(rows).toEqual([{ body: 'same' }]);
      await client.query('COMMIT');
      client.release();
    });
    await waitFor('a comparison', () => shadow().compared === 1);
    expect(shadow().different).toBe(0);
  });

  it('leave alone what has no key, what writes, and what is answered otherwise each time', async () => {
    await read('SELECT now()');
    await read('SELECT * FROM notes FOR UPDATE');
    await read('SELECT * FROM notes', [], { kind: 'read' });
    await instance.note();
    await read("SELECT * FROM notes WHERE id = 'a'");
    await waitFor('the one comparison', () => shadow().compared > 0);
    expect(shadow()).toEqual({ compared: 1, different: 0 });
  });

  it('harm nobody when the other side does not answer', async () => {
    await notes.small.target.query('ALTER TABLE notes RENAME TO gone');
    await read('SELECT * FROM notes');
    await instance.close();
    expect(shadow()).toEqual({ compared: 0, different: 0 });
  });
});
