import { describe, expect, it } from '@jest/globals';
import { statementOf } from './statement.js';

describe('what a statement means to a dual write', () => {
  it.each([
    ['INSERT INTO a VALUES ($1)', 'write'],
    ['  -- first\n/* then /* nested */ ; */ update a set b = 1', 'write'],
    [`WITH gone AS (DELETE FROM a RETURNING *) SELECT * FROM gone`, 'write'],
    ['MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE', 'write'],
    ['INSERT INTO a VALUES (1); DELETE FROM b', 'write'],
    [`SELECT 'INSERT; COMMIT'`, 'plain'],
    [`SELECT $tag$ ; DELETE FROM a; $tag$, "update", E'it\\'s; BEGIN'`, 'plain'],
    ['WITH a AS (SELECT 1) SELECT * FROM a', 'plain'],
    ['WITH a AS (SELECT * FROM b FOR NO KEY UPDATE) SELECT * FROM a', 'lock'],
    ['SELECT * FROM a WHERE b = $1 FOR UPDATE SKIP LOCKED', 'lock'],
    ['select 1 from a for share', 'lock'],
    [`SELECT set_config('a.b', $1, true)`, 'setting'],
    [`SET LOCAL statement_timeout = '1s'; RESET role`, 'setting'],
    ['SAVEPOINT s', 'savepoint'],
    ['ROLLBACK TO SAVEPOINT s', 'savepoint'],
    ['RELEASE s', 'savepoint'],
    ['START TRANSACTION', 'begin'],
    [`BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL lock_timeout = 5`, 'begin'],
    ['END', 'commit'],
    ['COMMIT;', 'commit'],
    ['ROLLBACK', 'rollback'],
    [`ROLLBACK PREPARED 'x'`, 'plain'],
    ['BEGIN; INSERT INTO a VALUES (1); COMMIT', 'mixed'],
    ['CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END', 'mixed'],
    ['COPY a FROM STDIN', 'plain'],
    ['TRUNCATE a', 'plain'],
    ['VACUUM', 'plain'],
    ['', 'plain'],
    [';', 'plain'],
    ['/* unfinished', 'plain'],
  ])('%s', (text, kind) => {
    expect(statementOf(text).kind).toBe(kind);
    // The same from the cache.
    expect(statementOf(text).kind).toBe(kind);
  });

  it('knows transactions that only read', () => {
    expect(statementOf('BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY').readOnly).toBe(true);
    expect(statementOf('BEGIN READ WRITE').readOnly).toBe(false);
  });
});
