import { describe, expect, it } from '@jest/globals';
import { testPostgresUrl } from '#testing';
import { planReportJson } from '../src/core/plan/report-json.js';
import { planReportText } from '../src/core/plan/report-text.js';
import { codes, probe } from './support/probe-plan.js';

const KEY = 'id bigint PRIMARY KEY';

describe('what a plan cuts', () => {
  it('says what becomes of each foreign key, and which were not announced', async () => {
    const report = await probe(
      `CREATE TABLE users (${KEY}); CREATE TABLE cards (${KEY}, user_id bigint REFERENCES users ON DELETE CASCADE);
       CREATE TABLE orders (${KEY}, user_id bigint REFERENCES users ON DELETE CASCADE, card_id bigint REFERENCES cards);
       CREATE TABLE kept (${KEY}, user_id bigint REFERENCES users ON DELETE SET NULL);
       CREATE TABLE log (${KEY}, part integer NOT NULL, user_id bigint, UNIQUE (id, part)) ;
       ALTER TABLE log ADD CONSTRAINT log_user_fkey FOREIGN KEY (user_id) REFERENCES users NOT VALID`,
      {
        services: {
          auth: { tables: ['users', 'cards'] },
          shop: { tables: ['orders'], external_refs: ['users', 'kept', 'orders', 'nowhere'] },
          trail: { tables: ['log'] },
        },
        stay: ['kept'],
      },
    );
    expect(codes(report.problems)).toEqual([
      'cut_not_announced public.log (log_user_fkey)',
      'cut_not_announced public.orders (orders_card_id_fkey)',
      'external_ref_own public.orders',
      'external_ref_unknown public.nowhere',
    ]);
    expect(report.problems.find(({ service }) => service === 'shop')).toMatchObject({
      message:
        'Foreign key orders_card_id_fkey of public.orders refers to public.cards of auth, which the plan of shop does not announce.',
      next: 'Add public.cards to its `external_refs`: the key becomes a soft reference.',
    });
    expect(codes(report.warnings)).toEqual([
      'cut_not_validated public.log (log_user_fkey)',
      'cut_of_stay public.kept (kept_user_id_fkey)',
    ]);
    expect(report.cuts.map(({ name }) => name)).toEqual([
      'kept_user_id_fkey',
      'log_user_fkey',
      'orders_card_id_fkey',
      'orders_user_id_fkey',
    ]);
    expect(report.cuts.at(-1)).toEqual({
      name: 'orders_user_id_fkey',
      ...{ from: 'public.orders', fromColumns: ['user_id'], to: 'public.users', toColumns: ['id'] },
      ...{ fromService: 'shop', toService: 'auth', onDelete: 'CASCADE', announced: true, droppedBy: 'shop' },
      becomes:
        'A soft reference, checked by `verify`; the switch of shop drops it on the source; deleting from public.users stops cascading: ' +
        'the service has to delete what referred to it.',
    });
    expect(report.order.map(({ service }) => service)).toEqual(['shop', 'trail', 'auth']);
    expect(report.services[1]!.externalReferences).toEqual([
      { table: 'public.users', home: 'auth', by: 'foreign_key' },
      { table: 'public.kept', home: null, by: 'application' },
      { table: 'public.orders', home: 'shop', by: 'application' },
      { table: 'public.nowhere', home: null, by: 'application' },
    ]);
  });

  it('takes foreign keys of and to single partitions for those of the whole', async () => {
    const report = await probe(
      `CREATE TABLE months (id bigint PRIMARY KEY, day bigint) PARTITION BY RANGE (id);
       CREATE TABLE months_1 PARTITION OF months FOR VALUES FROM (0) TO (9);
       CREATE TABLE days (${KEY}, month bigint REFERENCES months_1);
       ALTER TABLE months_1 ADD FOREIGN KEY (day) REFERENCES days`,
      { services: { calendar: { tables: ['months', 'days'] } } },
    );
    expect([report.problems, report.cuts]).toEqual([[], []]);
  });

  it('knows the columns of references and chains', async () => {
    const report = await probe(
      `CREATE TABLE a (${KEY}, "Code" varchar(9), other uuid, list bigint[]); CREATE TABLE b (${KEY}, code text); CREATE TABLE s (${KEY})`,
      {
        services: {
          one: {
            tables: ['a'],
            external_refs: ['b'],
            references: [
              { from: 'a."Code"', to: 'b.code' },
              { from: 'a.other', to: 'public.b.id' },
              { from: 'a.nothing', to: 'b.none' },
              { from: 'b.id', to: 'a.id' },
              { from: 'a.id', to: 's.id' },
              { from: 'a.id', to: 'nowhere.id' },
            ],
            chains: [
              { kind: 'runs', table: 'a', first: 'id', items: 'list' },
              { kind: 'runs', table: 'a', first: 'other', items: 'Code' },
              { kind: 'links', table: 'a', order: 'id', hash: 'hash', previous: 'Code', partition: 'other' },
              { kind: 'links', table: 'b', order: 'id', hash: 'code', previous: 'code' },
            ],
          },
          two: { tables: ['b'] },
        },
        stay: ['s'],
      },
    );
    expect(codes(report.problems)).toEqual([
      'column_missing a.nothing',
      'column_missing b.none',
      'column_missing public.a.hash',
      'column_type public.a.Code',
      'column_type public.a.other',
      'cut_not_announced a.id',
      'external_ref_unknown nowhere.id',
      'reference_foreign b.id',
      'reference_foreign public.b',
    ]);
    expect(report.problems.find(({ place }) => place === 'b.none')!.next).toBe('public.b has: id, code.');
    expect(codes(report.warnings)).toEqual(['column_type a.other']);
    expect(report.services[0]!.externalReferences).toEqual([{ table: 'public.b', home: 'two', by: 'reference' }]);
  });

  it('is told on one screen, and as JSON', async () => {
    const report = await probe(
      `CREATE TABLE users (${KEY}); CREATE TABLE orders (id bigserial PRIMARY KEY, user_id bigint REFERENCES users);
       CREATE TABLE kept (${KEY}); INSERT INTO users SELECT generate_series(1, 20); INSERT INTO orders (user_id) VALUES (1); ANALYZE`,
      { services: { auth: { tables: ['users'] }, shop: { tables: ['orders', 'kept'], external_refs: ['users'] } } },
    );
    expect(
      planReportText(report).replace(/(127\.0\.0\.1:)\d+\/\w+|\d+\.\d+(?=[,)])/g, (_, host?: string) =>
        host ? 'HOST/DB' : 'N',
      ),
    ).toBe(`Plan probe: HOST/DB (PostgreSQL N)

#  service  tables  rows  size   copy  strategy     phase  target
1  shop     2       1     32 kB  1 s   replication  -      HOST/DB (PostgreSQL N, to be made)
2  auth     1       20    24 kB  1 s   replication  -      HOST/DB (PostgreSQL N, to be made)

To move: 56 kB, about 1 s of copying at 20 MB/s. Row counts are the planner's guess.

Order
  1. shop: no foreign key of what is left refers to it; its switch drops 1 foreign key of its own.
  2. auth: no foreign key of what is left refers to it; its switch drops no foreign key of its own.

Foreign keys that are cut (1)
  public.orders (user_id) -> public.users (id): A soft reference, checked by \`verify\`; the switch of shop drops it on the source; what is referred to can be deleted from public.users: nothing refuses it any more.

Sequences
  shop: public.orders_id_seq of public.orders.id at 1

Nothing stands in the way. Next: create --service shop.
`);
    expect(planReportJson(report)).toMatchObject({
      plan: 'probe',
      source: { answers: true, exists: true },
      services: [
        { name: 'auth', external_references: [], bytes: 24_576 },
        { name: 'shop', phase: null },
      ],
      cuts: [{ from_columns: ['user_id'], dropped_by: 'shop', on_delete: 'NO ACTION' }],
      order: [{ service: 'shop', drops_of_others: 0 }, { service: 'auth' }],
      estimate: { bytes: 57_344, bytes_per_second: 20_971_520 },
      problems: [],
    });
    expect(JSON.stringify(report)).not.toContain(new URL(testPostgresUrl()).password);
  });
});
