export { compilePolicy } from './compile-policy.js';
export { inputDigest, type DecisionInput } from './input-digest.js';
export { NO_POLICY, NO_POLICY_VERSION } from './no-policy.js';
export { POLICY_LIMITS } from './policy-data.js';
export { PolicyError, type Place } from './policy-error.js';
export { Policy, type Decider, type Decision, type Explained } from './policy.js';
export { type Rule } from './rule.js';
export { PolicySource } from './policy-source.js';
export { SourceWatch } from './source-watch.js';
