import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { verbs, type Move, type PlanReport } from '#decomposition';
import { waitFor } from '#testing';
import { checkPlan } from '../../../src/core/plan/check-plan.js';
import { type Strategy } from '../../../src/core/plan/plan.js';
import { ACGS_TABLES } from '../../../samples/acgs-1/index.js';
import { patiently } from '../patiently.js';
import { judge, untouched } from './judge.js';
import { AcgsJourney } from './journey.js';

/** The long form: GRAVITAS_SPLIT_ROWS=200000 npm test -- libs/decomposition/test/acgs */
const ROWS = Number(process.env.GRAVITAS_SPLIT_ROWS ?? 300);
/** As long as who takes part waits. */
const PAUSE_TIMEOUT_MS = 9000;
const MINUTES = 60_000;

/** The plan that ships, moved in the order that it prints while its tables are written to; the ledger of the writers is the judge. */
export function describeAcgsMove(strategy: Strategy): void {
  describe(`eight services and 27 tables of ${ROWS} rows leave a shared database by ${strategy}`, () => {
    let journey: AcgsJourney;
    let report: PlanReport;
    let old: Record<string, string>;
    const figures: string[] = [];

    beforeAll(async () => {
      journey = await AcgsJourney.prepare(ROWS, strategy);
      report = await checkPlan(journey.plan);
      await journey.prepareWriters();
      old = await untouched(journey.load.ledger, journey.readAt);
      journey.start();
    }, 5 * MINUTES);

    afterAll(async () => {
      await journey?.close();
      process.stderr.write(`${figures.join('\n')}\n`);
    });

    const verify = async (move: Move): Promise<void> => {
      const found = await verbs.verify(move, { full: false, repair: false });
      expect(found).toMatchObject({ differences: [], clean: true });
    };
    const switchWrites = async (move: Move): Promise<void> => {
      const { pause_ms: pause } = await patiently(() =>
        verbs.switchWrites(move, { dryRun: false, pauseTimeoutMs: PAUSE_TIMEOUT_MS }),
      );
      journey.moved.add(move.service.name);
      figures.push(`${move.service.name}: writes stood still for ${Math.round(pause!)} ms`);
      await expectKeys();
    };
    /** The source checks a reference as long as it takes the writes of both ends. */
    const expectKeys = async (): Promise<void> => {
      const { rows } = await journey.source(
        `SELECT conname AS name FROM pg_constraint WHERE contype = 'f' AND conname = ANY ($1) ORDER BY 1`,
        [report.cuts.map(({ name }) => name)],
      );
      const still = report.cuts.filter(({ fromService, toService }) => {
        return !journey.moved.has(fromService!) && !journey.moved.has(toService!);
      });
      expect((rows as { name: string }[]).map(({ name }) => name)).toEqual(still.map(({ name }) => name).sort());
    };
    const backAndForth = async (name: string): Promise<void> => {
      await journey.within(name, async (move) => {
        const began = performance.now();
        await patiently(() => verbs.reverse(move, { dryRun: false, pauseTimeoutMs: PAUSE_TIMEOUT_MS }));
        figures.push(`${name}: back after ${Math.round(performance.now() - began)} ms`);
        journey.moved.delete(name);
        await expectKeys();
        await verify(move);
        await written(60);
        await verify(move);
        await switchWrites(move);
      });
    };
    const written = async (more: number): Promise<void> => {
      const { ledger } = journey.load;
      const before = ledger.writes;
      await waitFor('more writes', () => ledger.writes >= before + more || ledger.failures.length > 0, 60_000);
    };

    it('the plan has no problems, and an order for all', async () => {
      expect(report.problems).toEqual([]);
      expect(report.order.map(({ service }) => service).sort()).toEqual(Object.keys(ACGS_TABLES).sort());
      await expectKeys();
      await expect(
        journey.source(`UPDATE improvements SET proposed_by = gen_random_uuid() WHERE title = 'Improvement 7'`),
      ).rejects.toMatchObject({ code: '23503' });
    });

    it(
      'each moves, in that order, and the first goes back and moves again',
      async () => {
        for (const [place, { service }] of report.order.entries()) {
          await journey.within(service, async (move) => {
            await journey.create(move);
            await verbs.copy(move);
            await verify(move);
            for (const percent of [10, 50, 100])
              await patiently(() => verbs.switchReads(move, { percent, dryRun: false }));
            await switchWrites(move);
            await verify(move);
          });
          if (place === 0) await backAndForth(service);
        }
        expect(journey.load.ledger.failures).toEqual([]);
      },
      10 * MINUTES,
    );

    it(
      'one that refers to others goes back when those have moved, and moves again',
      async () => {
        await backAndForth('integrity');
        expect(journey.load.ledger.failures).toEqual([]);
      },
      5 * MINUTES,
    );

    it(
      'no write failed, and no row is lost, doubled or changed',
      async () => {
        await written(100);
        const ledger = await journey.load.stop();
        figures.push(`${ledger.writes} transactions, ${ledger.reads} reads, ${ledger.refused} refusals`);
        expect(ledger.failures).toEqual([]);
        expect(await judge(ledger, journey.readAt)).toEqual([]);
        expect(await untouched(ledger, journey.readAt)).toEqual(old);
        expect(journey.alarms).toEqual([]);
      },
      5 * MINUTES,
    );

    it('the moves are completed: nothing of the 27 tables is left in the shared database', async () => {
      for (const { service } of report.order)
        await journey.within(service, async (move) => {
          const { did } = await patiently(() => verbs.complete(move, { dryRun: false, now: true }));
          expect(did).toBe('dropped');
        });
      const { rows } = await journey.source(
        `SELECT c.oid::regclass::text AS relation FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
           UNION ALL SELECT nspname FROM pg_namespace WHERE nspname LIKE 'decomposition%'
           UNION ALL SELECT pubname FROM pg_publication
           UNION ALL SELECT slot_name FROM pg_replication_slots WHERE database = current_database()`,
      );
      expect(rows).toEqual([]);
      expect(await judge(journey.load.ledger, journey.readAt)).toEqual([]);
      expect(await untouched(journey.load.ledger, journey.readAt)).toEqual(old);
    });
  });
}
