import { describe, expect, it } from '@jest/globals';
import { parseForeignKey } from './parse-foreign-key.js';

describe('parseForeignKey', () => {
  it('reads what pg_get_constraintdef writes, in a statement', () => {
    expect(
      parseForeignKey(
        'ALTER TABLE public.logs ADD CONSTRAINT k FOREIGN KEY (user_id, kind) REFERENCES auth.users(id, kind) ON DELETE CASCADE',
      ),
    ).toEqual({ fromColumns: ['user_id', 'kind'], to: 'auth.users', toColumns: ['id', 'kind'] });
  });

  it('takes a table without schema for one of public, and reads quoted names', () => {
    expect(parseForeignKey('FOREIGN KEY ("User ""Id""") REFERENCES "Users"("a,b")')).toEqual({
      fromColumns: ['User "Id"'],
      to: 'public.Users',
      toColumns: ['a,b'],
    });
  });

  it('finds none in other constraints', () => {
    expect(parseForeignKey('ALTER TABLE x ADD CONSTRAINT y CHECK (a > 0)')).toBeUndefined();
  });
});
