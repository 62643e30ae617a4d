import { describe, expect, it } from '@jest/globals';
import { killPlans, SCENARIOS } from './kill-plan.js';

describe('killPlans', () => {
  it('are the same for the same seed, and others for another', () => {
    expect([...killPlans(100, 7)]).toEqual([...killPlans(100, 7)]);
    expect([...killPlans(100, 7)]).not.toEqual([...killPlans(100, 8)]);
  });

  it('have every scenario in each five, kills of every moment, and a comparison at the end', () => {
    for (let seed = 0; seed < 200; seed++) {
      const plans = [...killPlans(25, seed)];
      expect(plans).toHaveLength(25);
      for (let i = 0; i < 25; i += 5)
        expect(new Set(plans.slice(i, i + 5).map(({ scenario }) => scenario))).toEqual(new Set(SCENARIOS));
      expect(plans.at(-1)!.compare).toBe(true);
    }
    const moments = [...killPlans(1000, 1)].map(({ moment }) => moment);
    expect(new Set(moments)).toEqual(new Set(['opening', 'recording', 'acknowledging']));
  });
});
