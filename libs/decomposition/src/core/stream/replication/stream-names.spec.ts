import { describe, expect, it } from '@jest/globals';
import { type Move } from '../../move.js';
import { streamNames } from './stream-names.js';

const move = (plan: string, service: string, target = 'postgres://a:b@host/own'): Move =>
  ({ plan: { name: plan }, service: { name: service }, urls: { source: 'postgres://host/shared', target } }) as Move;

describe('streamNames', () => {
  it('tells plan, service and direction', () => {
    expect(streamNames(move('gravitas', 'router'), 'source').stream).toMatch(
      /^split_gravitas_router_source_[0-9a-f]{8}$/,
    );
  });

  it('gives names that every object may have, however long those of the plan are', () => {
    const { stream, log } = streamNames(move('p'.repeat(63), 's'.repeat(63)), 'target');
    for (const name of [stream, log]) expect(name).toMatch(/^[a-z0-9_]{1,63}$/);
  });

  it('differs by direction, service, plan and database, and not by who connects', () => {
    const all = [
      streamNames(move('p', 's'), 'source'),
      streamNames(move('p', 's'), 'target'),
      streamNames(move('p', 't'), 'source'),
      streamNames(move('p_s', 's'), 'source'),
      streamNames(move('p', 's', 'postgres://a:b@host/other'), 'source'),
      streamNames(move('p', 's', 'postgres://a:b@elsewhere/own'), 'source'),
    ].map(({ stream }) => stream);
    expect(new Set(all).size).toBe(all.length);
    expect(streamNames(move('p', 's', 'postgresql://c:d@host:5432/own?sslmode=prefer'), 'source').stream).toBe(all[0]);
  });

  it('differs where only the part that is cut off does', () => {
    const names = ['a', 'b'].map((end) => streamNames(move('p'.repeat(62) + end, 's'), 'source').stream);
    expect(names[0]).not.toBe(names[1]);
  });
});
