import { type KeyObject } from 'node:crypto';
import { RevocationList } from '../../apps/gatekeeper/src/tokens/revocation-list.js';
import { TokenVerifier } from '../../apps/gatekeeper/src/tokens/token-verifier.js';
import { median } from '../harness/statistics.js';

const ROUNDS = 5;
const ANEW = 500;
const REMEMBERED = 200_000;

/** Of one check of an ES256 token, in microseconds: verified anew, and remembered from before. */
export async function tokenCosts(token: string, publicKey: KeyObject): Promise<{ anew: number; remembered: number }> {
  const remoteKeys = { find: () => Promise.resolve(publicKey), refreshWhenStale: () => undefined };
  const verifier = new TokenVerifier({
    secret: 'not used here',
    expected: { maxLifetime: 86_400 },
    remoteKeys: remoteKeys as never,
    revocations: new RevocationList(),
    clock: { now: () => Date.now() },
  });
  const anew: number[] = [];
  const remembered: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    let began = performance.now();
    for (let i = 0; i < ANEW; i++) {
      verifier.forget();
      await verifier.verify(token);
    }
    anew.push(((performance.now() - began) * 1000) / ANEW);
    began = performance.now();
    // It answers without a promise then.
    for (let i = 0; i < REMEMBERED; i++)
      if (verifier.verify(token) instanceof Promise) throw new Error('not remembered');
    remembered.push(((performance.now() - began) * 1000) / REMEMBERED);
  }
  return { anew: median(anew), remembered: median(remembered) };
}
