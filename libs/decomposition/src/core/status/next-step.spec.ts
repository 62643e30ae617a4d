import { describe, expect, it } from '@jest/globals';
import { type MoveStatus } from './move-status.js';
import { nextStep } from './next-step.js';
import { statusText } from './status-text.js';

const NOW = new Date('2026-11-21T10:00:00Z');
const IN_STEP: MoveStatus = {
  service: 'lobby',
  strategy: 'replication',
  phase: 'in_step',
  writes: 'source',
  paused_for: null,
  epoch: 4,
  read_percent: 0,
  shadow_percent: 0,
  rows_copied: 200_000,
  rows_total: 200_000,
  chunks: { done: 4, total: 4 },
  changes_missed: false,
  lag_s: 0.2,
  retained_wal_bytes: 1024 ** 2,
  pending_changes: null,
  verified_at: new Date(NOW.getTime() - 5 * 60_000),
  differences_open: 0,
  participants: [{ instance: 'host:1', seen_s_ago: 0.4, alive: true, epoch: 4, paused: false }],
  fenced: { source: [], target: ['public.history'] },
  old_tables: null,
  drop_after: null,
  last_steps: [],
  problems: [],
  blocks: [],
  next: null,
};

describe('nextStep', () => {
  it.each<[string, Partial<MoveStatus>, string | null, string[]]>([
    ['nothing is there', { phase: null }, 'create', []],
    ['created', { phase: 'created' }, 'copy', []],
    ['copying', { phase: 'copying' }, 'copy', []],
    ['being given up', { phase: 'abandoned' }, 'abandon', []],
    ['never verified', { verified_at: null }, 'verify', ['not verified']],
    [
      'verified two hours ago',
      { verified_at: new Date(NOW.getTime() - 7_200_000) },
      'verify',
      ['the last verification is older than an hour'],
    ],
    ['a difference stands', { differences_open: 1 }, 'verify', ['1 difference stands open']],
    ['verified', {}, 'switch-reads --percent 10', []],
    ['reads at 10', { read_percent: 10 }, 'switch-reads --percent 50', []],
    ['reads at 100', { read_percent: 100 }, 'switch-writes', []],
    ['behind', { read_percent: 100, lag_s: 3 }, 'switch-writes', ['3.0 s behind, more than 1 s']],
    ['not moving', { lag_s: null }, 'switch-reads --percent 10', ['nothing follows: the stream does not move']],
    [
      'an instance that lags',
      { epoch: 5, read_percent: 100 },
      'switch-writes',
      ['host:1 does not act by the present state'],
    ],
    [
      'cut short on the way back',
      { phase: 'switched', writes: 'paused', paused_for: 'reverse' },
      'reverse',
      ['writes are paused: a switch is under way, or was cut short'],
    ],
    ['switched', { phase: 'switched', writes: 'target', verified_at: null }, 'complete', []],
    [
      'put aside',
      { phase: 'completed', old_tables: 'aside', drop_after: new Date('2026-11-28T10:00:00Z') },
      'complete',
      ['the old tables are kept until 2026-11-28T10:00:00.000Z'],
    ],
    [
      'not put aside yet',
      { phase: 'completed', old_tables: 'in_place' },
      'complete',
      ['the old tables are not put aside yet: a run was cut short'],
    ],
    ['gone', { phase: 'completed', old_tables: 'gone', drop_after: new Date('2026-11-28T10:00:00Z') }, null, []],
  ])('after %s', (_, facts, next, blocks) => {
    expect(nextStep({ ...IN_STEP, ...facts }, true, NOW)).toEqual({ next, blocks });
  });

  it('names no verb while the target does not answer', () => {
    const facts = { ...IN_STEP, phase: null, problems: ['the target of lobby cannot be reached: refused'] };
    expect(nextStep(facts, false, NOW)).toEqual({ next: null, blocks: facts.problems });
  });
});

describe('statusText', () => {
  it('has a row for each service, and below it what blocks the next step', () => {
    const other: MoveStatus = {
      ...IN_STEP,
      ...{ service: 'telemetry', phase: null, writes: null, read_percent: null, lag_s: null, verified_at: null },
      ...{ rows_copied: 0, rows_total: null, participants: [], blocks: ['the server is down'], next: 'create' },
    };
    const text = statusText([{ ...IN_STEP, next: 'switch-reads --percent 10' }, other], NOW);
    expect(text.split('\n')).toEqual([
      'service    phase        writes  rows copied         lag             verified   reads  takes part',
      'lobby      in_step      source  200,000 of 200,000  0.2 s, 1.0 MiB  5 min ago  0 %    1',
      '  next: switch-reads --percent 10',
      'telemetry  not created  -       0                   -               no         -      0',
      '  blocked: the server is down',
      '  next: create',
    ]);
  });
});
