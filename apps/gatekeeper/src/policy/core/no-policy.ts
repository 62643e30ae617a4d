import { type Decider } from './policy.js';

/** In place of a version where there is no policy. */
export const NO_POLICY_VERSION = 'no-policy';

/** What holds while no policy is loaded: everything is denied. */
export const NO_POLICY: Decider = {
  version: NO_POLICY_VERSION,
  groupsOf: () => [],
  decide: () => ({ allowed: false, reason: 'no policy is loaded', rule: null, policyVersion: NO_POLICY_VERSION }),
  explain: () => ({ explained: [], complete: true }),
};
