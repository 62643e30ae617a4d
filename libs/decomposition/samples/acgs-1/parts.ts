import { auth } from './parts/auth.js';
import { constitutionalAi } from './parts/constitutional-ai.js';
import { dgm } from './parts/dgm.js';
import { executiveCouncil } from './parts/executive-council.js';
import { formalVerification } from './parts/formal-verification.js';
import { governanceSynthesis } from './parts/governance-synthesis.js';
import { integrity } from './parts/integrity.js';
import { type Part } from './parts/part.js';
import { policyGovernance } from './parts/policy-governance.js';

/** By service, as in the plan. */
export const PARTS: Readonly<Record<string, Part>> = {
  auth,
  constitutional_ai: constitutionalAi,
  integrity,
  formal_verification: formalVerification,
  governance_synthesis: governanceSynthesis,
  policy_governance: policyGovernance,
  executive_council: executiveCouncil,
  dgm,
};
